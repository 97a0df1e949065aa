from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from theracast.features.cohort import Cohort
from theracast.features.datasets import datasets, load_cohort
from theracast.models.base import ResponseModel
from theracast.models.experts import EXPERTS
from theracast.models.indications import INDICATIONS
from theracast.predict.explain import TOLERANCE, explain

COLUMNS = ["block", "feature", "about", "value", "unit", "proxy", "median", "percentile", "points"]
COLUMNS += ["pathway", "spread", "expectation"]

learners = pytest.mark.parametrize("learner", EXPERTS)


@pytest.fixture(scope="module")
def models():
    cohort = Cohort.concat([load_cohort(n) for n in INDICATIONS["melanoma_ici"].cohorts])
    return {learner: ResponseModel(learner=learner).fit(cohort) for learner in EXPERTS}


def explained(model, cohort):
    return explain(model, model.matrix(cohort))


@learners
@pytest.mark.parametrize("name", datasets().name)
def test_e01_every_row_of_every_cohort_adds_up(models, learner, name):
    cohort = load_cohort(name)
    e = explained(models[learner], cohort)
    known = e.probability.notna()
    total = e.reference + e.points.sum(axis=1, min_count=1)
    assert (total - e.probability)[known].abs().max() <= 1e-6
    assert e.residual[known].abs().max() <= TOLERANCE
    assert e.points[known].notna().all(axis=None)
    assert e.probability[known].to_numpy() == pytest.approx(models[learner].predict_proba(cohort)[known, 1], abs=0)
    blocks = e.by_block()
    assert list(blocks) == list(INDICATIONS["melanoma_ici"].blocks)
    assert (e.reference + blocks.sum(axis=1) - e.probability)[known].abs().max() <= 1e-6
    for b in blocks:
        assert blocks[b].to_numpy() == pytest.approx(e.points.filter(like=f"{b}__").sum(axis=1), abs=1e-12)
    assert e.percentile.where(e.values.isna()).isna().all(axis=None)
    assert ((e.percentile >= 0) & (e.percentile <= 100) | e.percentile.isna()).all(axis=None)


def test_an_unknown_value_has_no_points_in_the_logistic_model(models):
    e = explained(models["logistic"], load_cohort("mgh2022_mel"))
    assert (e.points[e.values.isna()].fillna(0) == 0).all(axis=None)


@learners
def test_e01_withheld_where_it_does_not_add_up(models, learner, monkeypatch):
    model, cohort = models[learner], load_cohort("hugo2016_mel")
    inner = model.fusion_.shares
    broken = np.arange(len(cohort)) % 2 == 0
    monkeypatch.setattr(
        model.fusion_, "shares", lambda m: (s := inner(m)) and replace(s, margin=s.margin + 0.01 * broken)
    )
    e = explained(model, cohort)
    assert e.points[broken].isna().all(axis=None)
    assert e.by_block()[broken].isna().all(axis=None)
    assert e.points[~broken].notna().all(axis=None)
    assert (e.residual.abs()[broken] > TOLERANCE).all()
    assert e.probability.notna().all()  # the prediction is still there


@learners
def test_a_patient_of_whom_nothing_is_known(models, learner):
    wide = pd.DataFrame({"clinical:note": ["x"], "clinical:age": [None]}, index=["p1"])
    e = explained(models[learner], Cohort.from_wide(wide))
    assert e.probability.isna().all()
    assert e.points.isna().all(axis=None)
    assert e.by_block().isna().all(axis=None)
    assert e.patient("p1").empty


@learners
def test_one_patient_lists_what_counted_weightiest_first(models, learner):
    cohort = load_cohort("imvigor210_uc")
    e = explained(models[learner], cohort)
    rows = e.patient(cohort.ids[0])
    assert len(rows) == e.values.loc[cohort.ids[0]].notna().sum()
    assert rows.points.abs().is_monotonic_decreasing
    assert list(rows) == COLUMNS
    placed = (rows.block + "__" + rows.feature).isin(models[learner].reference_)
    assert (rows[["median", "percentile"]].notna().all(axis=1) == placed).all()
    assert (rows.points[~placed] == 0).all()  # the same for everyone in every training study: it was not learned
    assert (~placed).sum() <= 1
    assert (rows.about != "").all()


@learners
def test_the_explanation_of_one_patient_does_not_depend_on_the_others(models, learner):
    cohort = load_cohort("hugo2016_mel")
    together, alone = explained(models[learner], cohort), explained(models[learner], cohort.subset(cohort.ids[:1]))
    assert alone.points.iloc[0].to_numpy() == pytest.approx(together.points.iloc[0].to_numpy(), abs=1e-15)
    assert alone.percentile.iloc[0].equals(together.percentile.iloc[0])


def test_the_percentile_is_the_place_among_the_training_patients(models):
    model = models["logistic"]
    quantiles = model.reference_["clinical__age"]
    wide = pd.DataFrame({"clinical:age": [1.0, quantiles[50], 90.0]}, index=["a", "b", "c"])
    found = explained(model, Cohort.from_wide(wide)).percentile.clinical__age
    assert found["a"] == 0.0
    assert abs(found["b"] - 50) < 5
    assert found["c"] == 100.0


def test_the_reference_is_named(models):
    e = explained(models["logistic"], load_cohort("mgh2022_mel"))
    assert e.cohort == ", ".join(sorted(INDICATIONS["melanoma_ici"].cohorts))
