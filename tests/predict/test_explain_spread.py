"""The confidence of a contribution: training without one study at a time, held against a calculation by hand."""

from copy import copy
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.combiner import Combiner
from theracast.models.experts import EXPERTS
from theracast.models.indications import INDICATIONS
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict import explain as module
from theracast.predict.explain import explain
from theracast.predict.predictor import WITHHELD, Predictor

learners = pytest.mark.parametrize("learner", EXPERTS)


@pytest.fixture(scope="module")
def models():
    cohort = Cohort.concat([load_cohort(n) for n in INDICATIONS["melanoma_ici"].cohorts])
    return {learner: ResponseModel(learner=learner).fit(cohort) for learner in EXPERTS}


@pytest.fixture(scope="module")
def matrices(models):
    cohort = load_cohort("riaz2017_mel")
    return {learner: model.matrix(cohort) for learner, model in models.items()}


def replica_of(model, k):
    """Return the model as if it had been trained without one study."""
    fusion, other = copy(model.fusion_), copy(model)
    fusion.experts, fusion.combiners = model.fusion_.replicas[k]
    other.fusion_ = fusion
    return other


def by_hand(estimates):
    """Slow twin of the jackknife: one number at a time, those that are not there left out."""
    there = [x for x in estimates if not np.isnan(x)]
    if len(there) < 2:
        return np.nan
    mean = sum(there) / len(there)
    return ((len(there) - 1) / len(there) * sum((x - mean) ** 2 for x in there)) ** 0.5


@learners
@pytest.mark.parametrize("site", [AS_TRAINED, Recalibration(-0.7, 0.8, "by hand")], ids=["as trained", "a site"])
def test_the_spread_is_the_jackknife_by_hand(models, matrices, learner, site):
    model, matrix = models[learner], matrices[learner].subset(np.arange(12))
    found = explain(model, matrix, site, spread=True)
    each = [explain(replica_of(model, k), matrix, site) for k in range(len(model.fusion_.replicas))]
    assert len(each) >= 3
    for patient in matrix.values.index:
        for name in found.points:
            points = [e.points[name].get(patient, np.nan) if name in e.points else 0.0 for e in each]
            assert found.spread.loc[patient, name] == pytest.approx(by_hand(points), abs=1e-14, nan_ok=True)
        for block in found.by_block():
            sums = [float(e.points.filter(like=f"{block}__").loc[patient].sum()) for e in each]
            assert found.block_spread.loc[patient, block] == pytest.approx(by_hand(sums), abs=1e-14, nan_ok=True)
    assert list(found.block_spread) == list(found.by_block())
    assert (found.replicas == len(each)).all()


@learners
def test_the_spread_changes_nothing_else(models, matrices, learner):
    plain, told = (explain(models[learner], matrices[learner], spread=s) for s in (False, True))
    assert plain.spread is None
    assert plain.block_spread is None
    pd.testing.assert_frame_equal(plain.points, told.points, check_exact=True)
    pd.testing.assert_series_equal(plain.probability, told.probability, check_exact=True)


@learners
def test_a_block_is_steadier_than_its_features_are_together(models, matrices, learner):
    e = explain(models[learner], matrices[learner], spread=True)
    features = e.spread.filter(like="signatures__").sum(axis=1)
    assert (e.block_spread.signatures < features)[features > 0].all()


@learners
def test_without_two_replicas_there_is_no_spread(models, matrices, learner):
    model, matrix = copy(models[learner]), matrices[learner]
    for kept in (0, 1):
        model.fusion_ = copy(models[learner].fusion_)
        model.fusion_.replicas = models[learner].fusion_.replicas[:kept]
        e = explain(model, matrix, spread=True)
        assert e.spread.isna().all(axis=None)
        assert e.block_spread.isna().all(axis=None)
        assert (e.replicas == kept).all()
        assert not e.firm().any(axis=None)
        assert e.points.notna().all(axis=None)


@learners
def test_a_replica_that_cannot_tell_of_a_patient_is_left_out(models, matrices, learner):
    model, matrix = copy(models[learner]), matrices[learner].subset(np.arange(5))
    model.fusion_ = copy(models[learner].fusion_)
    (experts, _), *others = model.fusion_.replicas
    model.fusion_.replicas = [(experts, dict[tuple[str, ...], Combiner]()), *others]
    e = explain(model, matrix, spread=True)
    model.fusion_.replicas = others
    without = explain(model, matrix, spread=True)
    pd.testing.assert_frame_equal(e.spread, without.spread, check_exact=True)
    assert (e.replicas == len(others)).all()


@learners
def test_the_spread_of_one_patient_does_not_depend_on_the_others(models, matrices, learner, monkeypatch):
    whole = explain(models[learner], matrices[learner], spread=True)
    alone = explain(models[learner], matrices[learner].subset([3]), spread=True)
    monkeypatch.setattr(module, "_AT_ONCE", 7)
    pieces = explain(models[learner], matrices[learner], spread=True)
    for name in ("spread", "block_spread"):
        pd.testing.assert_frame_equal(getattr(whole, name).iloc[[3]], getattr(alone, name), check_exact=True)
        pd.testing.assert_frame_equal(getattr(whole, name), getattr(pieces, name), check_exact=True)


def test_what_is_withheld_has_no_spread(models, matrices, monkeypatch):
    model, matrix = models["logistic"], matrices["logistic"]
    wrong = np.full(len(matrix), 0.5)
    e = explain(model, matrix, spread=True, predicted=wrong)
    assert e.points.isna().all(axis=None)
    assert e.spread.isna().all(axis=None)
    assert (e.probability == 0.5).all()


@learners
def test_the_predictor_tells_the_spread_when_asked(models, learner):
    predictor, cohort = Predictor(models[learner], "0" * 64), load_cohort("hugo2016_mel")
    scores = predictor.score(cohort, explained=True, spread=True)
    told = explain(models[learner], scores.matrix, spread=True)
    pd.testing.assert_frame_equal(scores.explanation.spread, told.spread, check_exact=True)
    assert predictor.score(cohort, explained=True).explanation.spread is None
    assert predictor.score(cohort).matrix is None
    assert replace(scores.explanation, spread=None).patient(cohort.ids[0]).spread.isna().all()


def test_e01_a_prediction_whose_explanation_is_withheld_is_flagged(models, monkeypatch):
    predictor, cohort = Predictor(models["logistic"], "0" * 64), load_cohort("hugo2016_mel")
    honest = predictor.score(cohort, explained=True)
    inner = models["logistic"].fusion_.shares
    broken = np.arange(len(cohort)) % 3 == 0
    monkeypatch.setattr(
        models["logistic"].fusion_, "shares", lambda m: (s := inner(m)) and replace(s, base=s.base + 0.01 * broken)
    )
    scores = predictor.score(cohort, explained=True)
    assert scores.table.notes.str.contains(WITHHELD).tolist() == broken.tolist()
    assert scores.explanation.points[broken].isna().all(axis=None)
    assert not honest.table.notes.str.contains(WITHHELD).any()
    pd.testing.assert_series_equal(scores.table.probability, honest.table.probability, check_exact=True)
