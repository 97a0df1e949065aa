"""Interactions in probability points: they add up, and are those of xgboost."""

import numpy as np
import pandas as pd
import pytest
import xgboost as xgb

from theracast.errors import UsageError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.experts import EXPERTS
from theracast.models.indications import INDICATIONS
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.explain import explain
from theracast.predict.pairs import explain_pairs

learners = pytest.mark.parametrize("learner", EXPERTS)


@pytest.fixture(scope="module")
def models():
    cohort = Cohort.concat([load_cohort(n) for n in INDICATIONS["melanoma_ici"].cohorts])
    return {learner: ResponseModel(learner=learner).fit(cohort) for learner in EXPERTS}


@learners
@pytest.mark.parametrize("site", [AS_TRAINED, Recalibration(-0.7, 0.8, "by hand")], ids=["as trained", "a site"])
def test_cells_add_up_to_points_and_to_the_prediction(models, learner, site):
    model = models[learner]
    for name in ("riaz2017_mel", "imvigor210_uc"):
        matrix = model.matrix(load_cohort(name))
        e = explain(model, matrix, site)
        for patient in matrix.values.index[:8]:
            pairs = explain_pairs(model, matrix, patient, site)
            assert list(pairs) == list(pairs.index) == list(e.points)
            assert abs(pairs.to_numpy().sum() - (e.probability[patient] - e.reference[patient])) < 1e-6
            np.testing.assert_allclose(pairs.sum(axis=1), e.points.loc[patient], atol=1e-12)
            np.testing.assert_array_equal(pairs, pairs.T)


def test_only_pairs_of_trees_within_a_block_interact(models):
    found = {}
    for learner, model in models.items():
        matrix = model.matrix(load_cohort("riaz2017_mel"))
        pairs = explain_pairs(model, matrix, matrix.values.index[0])
        block = np.array([c.split("__")[0] for c in pairs])
        apart = pairs.to_numpy()[block[:, None] != block]
        assert (apart == 0).all()
        found[learner] = np.abs(pairs.to_numpy()[~np.eye(len(pairs), dtype=bool)]).max()
    assert found["logistic"] == 0
    assert found["xgboost"] > 1e-4


def test_they_are_those_of_xgboost(models):
    model = models["xgboost"]
    matrix = model.matrix(load_cohort("riaz2017_mel"))
    patient = matrix.values.index[0]
    pairs, shares = explain_pairs(model, matrix, patient), model.fusion_.shares(matrix.subset([patient]))
    points = explain(model, matrix.subset([patient])).points.iloc[0]
    scale = points.sum() / shares.parts.sum()
    for block, weight in zip(shares.blocks, shares.weights[0], strict=True):
        expert = model.fusion_.experts[block]
        read = [f"{block}__{f.name}" for f in expert.features]
        row = xgb.DMatrix(matrix.values.loc[[patient], read].to_numpy())
        theirs = expert.booster.predict(row, pred_interactions=True)[0, :-1, :-1]
        np.testing.assert_allclose(pairs.loc[read, read], scale * weight * theirs, atol=1e-6)


def test_nothing_known_has_no_pairs(models):
    model = models["xgboost"]
    matrix = model.matrix(pd.DataFrame({"clinical:age": [None], "clinical:note": ["x"]}, index=["p1"]))
    assert explain_pairs(model, matrix, "p1").isna().all(axis=None)


def test_an_unknown_patient_is_refused_without_the_id(models):
    matrix = models["logistic"].matrix(load_cohort("hugo2016_mel"))
    with pytest.raises(UsageError) as error:
        explain_pairs(models["logistic"], matrix, "ZZPHI")
    assert "ZZPHI" not in str(error.value)
