from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.baselines import BASELINES
from theracast.models.metrics import auc, auc_difference
from theracast.models.published import PUBLISHED
from theracast.models.splits import SAME_PATIENTS, leave_one_cohort_out
from theracast.models.validate import MODEL, cohort_table, judged, leave_cohorts_out, mean_table

NAMES = ("liu2019_mel", "riaz2017_mel", "hugo2016_mel", "mgh2022_mel")
HOLDOUT = ("mgh2022_mel",)


@pytest.fixture(scope="module")
def spied():
    """A validation, and for each cohort predicted, the studies that its model was fitted on."""
    fitted, asked = [], []
    inner = ResponseModel.fit
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            ResponseModel, "fit", lambda self, X, y=None: (fitted.append(set(X.studies)), inner(self, X, y))[1]
        )
        found = leave_cohorts_out(ResponseModel(), {n: load_cohort(n) for n in NAMES}, HOLDOUT, asked.append)
    return found, dict(zip(asked, fitted, strict=True))


def test_no_model_ever_saw_the_cohort_it_predicts_nor_the_holdout(spied):
    assert spied[1] == {
        "liu2019_mel": {"riaz2017_mel", "hugo2016_mel"},
        "riaz2017_mel": {"liu2019_mel", "hugo2016_mel"},
        "hugo2016_mel": {"liu2019_mel", "riaz2017_mel"},
        "mgh2022_mel": {"liu2019_mel", "riaz2017_mel", "hugo2016_mel"},
    }


@pytest.mark.parametrize("family", SAME_PATIENTS)
def test_data_sets_of_the_same_patients_are_left_out_together(family, monkeypatch):
    assert dict(leave_one_cohort_out(["a", "b", *family])) == {
        "a": ("b", *family),
        "b": ("a", *family),
        **dict.fromkeys(family, ("a", "b")),
    }
    cohort = load_cohort("riaz2017_mel")
    twins = {n: replace(cohort, name=n, studies=pd.Series(n, index=cohort.ids, dtype=object)) for n in family}
    fitted, inner = [], ResponseModel.fit
    monkeypatch.setattr(
        ResponseModel, "fit", lambda self, X, y=None: (fitted.append(set(X.studies)), inner(self, X, y))[1]
    )
    leave_cohorts_out(ResponseModel(blocks=("mutations",)), {**twins, "liu2019_mel": load_cohort("liu2019_mel")})
    assert fitted == [*[{"liu2019_mel"}] * len(family), set(family)]


def test_the_settings_travel_and_the_model_given_stays_unfitted():
    model = ResponseModel(learner="xgboost", blocks=("mutations",), options={"rounds": 3})
    leave_cohorts_out(model, {n: load_cohort(n) for n in NAMES[:2]})
    assert not hasattr(model, "fusion_")


def test_every_cohort_stands_beside_the_dull_baselines(spied):
    whole = spied[0].table
    assert list(BASELINES) == ["prevalence", "PD-L1", "TIL", "PD-L1 + TIL", "PD-L1 + TIL + TMB"]
    per_cohort = whole.groupby("cohort", sort=False).model.agg(list)
    assert list(per_cohort.index) == list(NAMES)
    for models in per_cohort:
        assert models[: 1 + len(BASELINES)] == [MODEL, *BASELINES]
        assert set(models[1 + len(BASELINES) :]) <= set(PUBLISHED)
    table = whole[~whole.model.isin(PUBLISHED)]
    wanted = {"n", "R", "NR", "auc", "auc_lower", "auc_upper", "balanced_accuracy", "brier", "note"}
    assert wanted | {"calibration_slope", "calibration_slope_lower", "calibration_slope_upper"} <= set(table.columns)
    assert (whole.n == whole.R + whole.NR).all()
    assert ((whole.auc_lower <= whole.auc) & (whole.auc <= whole.auc_upper)).all()
    assert ((table.auc_lower <= table.auc) & (table.auc <= table.auc_upper)).all()
    assert table.groupby("cohort").n.nunique().eq(1).all()  # compared on the same patients
    dull = table[table.model == "prevalence"]
    assert (dull.auc == 0.5).all()
    assert dull.calibration_slope.isna().all()


def test_published_scores_stand_beside_it_and_claim_no_probability(spied):
    """Scores in units of their own have a rank, and neither a calibration nor a threshold."""
    found = spied[0]
    scores = found.table[found.table.model.isin(PUBLISHED)]
    assert {"cytolytic", "cd8a", "tmb"} <= set(scores.model[scores.cohort == "liu2019_mel"])
    assert not set(scores.model) - set(found.predictions.columns)
    assert scores.auc.notna().all()
    assert scores[["balanced_accuracy", "brier", "calibration_slope"]].isna().all(axis=None)
    assert found.table[found.table.model == MODEL].gain.isna().all()
    for _, row in scores.iterrows():
        p = found.predictions[found.predictions.cohort == row.cohort]
        p = p[p[row.model].notna() & p[MODEL].notna()]
        assert row.n == len(p)
        assert row.auc == auc(p.y, p[row.model]).value
        assert row.gain == pytest.approx(auc(p.y, p[MODEL]).value - row.auc, abs=1e-12)
        truth = auc_difference(p.y.to_numpy(int), p[MODEL].to_numpy(), p[row.model].to_numpy())
        assert (row.gain_lower, row.gain_upper) == (truth.lower, truth.upper)


def test_predictions_are_of_labelled_patients_only(spied):
    predictions = spied[0].predictions
    assert set(predictions.y) == {0.0, 1.0}
    for name in NAMES:
        assert (predictions.cohort == name).sum() == load_cohort(name).response.notna().sum()


def test_the_mean_is_over_cohorts(spied):
    mean = spied[0].mean.set_index("model")
    assert list(mean.index[: 1 + len(BASELINES)]) == [MODEL, *BASELINES]
    assert set(mean.index[1 + len(BASELINES) :]) <= set(PUBLISHED)
    assert (mean.cohorts[[MODEL, *BASELINES]] == len(NAMES)).all()
    assert (mean.cohorts <= len(NAMES)).all()
    ours = spied[0].table[spied[0].table.model == MODEL]
    assert ours.auc.min() <= mean.auc[MODEL] <= ours.auc.max()
    for name, row in mean.iterrows():
        assert row.plain == pytest.approx(spied[0].table.auc[spied[0].table.model == name].mean(), abs=1e-12)


def test_why_there_is_no_pooled_auc(spied):
    """The trap of leave-one-cohort-out: knowing nothing looks worse than chance when cohorts are pooled.

    Leaving out a cohort of many responders lowers the prevalence that the others teach, so its responders get the
    lowest numbers. Within every cohort the same predictions are worth exactly .5. Hence cohort by cohort, always.
    """
    predictions = spied[0].predictions[lambda p: ~p.cohort.isin(HOLDOUT)]
    assert auc(predictions.y, predictions.prevalence).value < 0.45
    assert set(predictions.groupby("cohort").apply(lambda p: auc(p.y, p.prevalence).value)) == {0.5}


def made(n, responders, p):
    y = np.repeat([1, 0], [responders, n - responders])
    return pd.DataFrame({"cohort": "a", "y": y, "prior": 0.5, MODEL: p(y)})


def noise(y):
    return np.random.default_rng(0).uniform(0.2, 0.8, len(y))


@pytest.mark.parametrize(
    ("n", "responders", "p", "note"),
    [
        (29, 12, noise, "too few for a claim"),
        (30, 12, noise, ""),
        (40, 40, noise, "not estimable: one class"),
        (40, 0, noise, "not estimable: one class"),
        (20, 10, lambda y: 0.2 + 0.6 * y, "too good: look for a leak"),
        (100, 10, lambda y: 0.2 + 0.6 * y, "too good: look for a leak"),
        (19, 9, lambda y: 0.2 + 0.6 * y, "too few for a claim"),
        (40, 20, lambda y: np.full(len(y), 0.4), ""),
    ],
)
def test_the_note_says_what_may_be_claimed(n, responders, p, note):
    row = cohort_table(made(n, responders, p)).iloc[0]
    assert row.note == note
    assert np.isnan(row.auc) == (responders in (0, n))


def test_a_cohort_that_no_baseline_can_predict_is_not_estimable():
    """It costs the model no patient: each is judged on those whom it and theracast could both predict."""
    table = cohort_table(made(30, 10, noise).assign(**{"PD-L1": np.nan}))
    assert table.model.tolist() == [MODEL]
    assert table.n.tolist() == [30]
    assert "PD-L1" not in mean_table(made(30, 10, noise).assign(**{"PD-L1": np.nan})).model.tolist()
    nothing = cohort_table(made(30, 10, lambda y: np.full(len(y), np.nan)))
    assert nothing.n.tolist() == [0]
    assert nothing.auc.isna().all()
    assert set(nothing.note) == {"not estimable: one class"}


def gaps():
    """Simulated: forty patients of two cohorts; theracast lacks two, one score lacks ten others, one all of `b`."""
    p = pd.concat([made(20, 8, noise), made(20, 10, noise).assign(cohort="b")], ignore_index=True)
    rng = np.random.default_rng(1)
    p["gep"], p["cd8a"] = rng.normal(size=40), rng.normal(size=40)
    p.loc[[0, 19], MODEL] = np.nan
    p.loc[3:12, "gep"] = np.nan
    p.loc[p.cohort == "b", "cd8a"] = np.nan
    return p


def test_each_score_is_judged_on_the_patients_whom_it_and_the_model_know():
    """Pairwise rows: a score that needs more does not take patients from the others."""
    p = gaps()
    table = cohort_table(p).set_index(["cohort", "model"])
    assert table.n.to_dict() == {
        ("a", MODEL): 18, ("a", "gep"): 8, ("a", "cd8a"): 18, ("b", MODEL): 20, ("b", "gep"): 20,
    }  # fmt: skip
    common = p[(p.cohort == "a") & p[MODEL].notna() & p.gep.notna()]
    truth = auc_difference(common.y.to_numpy(int), common[MODEL].to_numpy(), common.gep.to_numpy())
    assert table.gain["a", "gep"] == truth.value
    assert table.auc["a", "gep"] == auc(common.y, common.gep).value
    mean = mean_table(p).set_index("model")
    assert mean.cohorts.to_dict() == {MODEL: 2, "gep": 2, "cd8a": 1}
    for name in (MODEL, "gep", "cd8a"):
        areas = table.xs(name, level="model").auc
        assert mean.plain[name] == pytest.approx(areas.mean(), abs=1e-12)
    assert mean.auc["cd8a"] == pytest.approx(table.auc["a", "cd8a"], abs=1e-12)
    assert mean.gain["cd8a"] == pytest.approx(table.gain["a", "cd8a"], abs=1e-12)


def test_named_sets_are_means_of_their_cohorts_alone():
    p = gaps()
    found = judged(p, {"A": ["a"], "both": ["b", "a", "absent"], "none": ["absent"]})
    assert list(found.sets) == ["A", "both"]
    pd.testing.assert_frame_equal(found.sets["A"], mean_table(p[p.cohort == "a"]))
    pd.testing.assert_frame_equal(found.sets["both"], found.mean)
    pd.testing.assert_frame_equal(found.table, cohort_table(p))
    assert judged(p).sets == {}
    assert found.coverage.empty


def test_coverage_is_told_per_cohort(spied):
    found = spied[0]
    assert found.coverage.cohort.tolist() == list(NAMES)
    p = found.predictions
    hit = (p["set"] == "both") | (p["set"] == np.where(p.y == 1, "response", "no_response"))
    for _, row in found.coverage.iterrows():
        assert row.coverage == hit[p.cohort == row.cohort].mean()
        assert row.abstained == (p["set"][p.cohort == row.cohort] == "both").mean()
    decided = p[p.decision != "abstain"]
    assert (decided.decision == decided["set"]).all()


def test_what_a_left_out_cohort_says_moves_nothing_that_is_said_of_it(spied):
    """Nested: experts, their settings, their weights and the calibration of the sets are of the other cohorts."""
    cohorts = {n: load_cohort(n) for n in ("liu2019_mel", "riaz2017_mel", "hugo2016_mel")}
    hugo = cohorts["hugo2016_mel"]
    turned = hugo.tables["clinical"].assign(response=hugo.tables["clinical"].response.map({"R": "NR", "NR": "R"}))
    cohorts["hugo2016_mel"] = replace(hugo, tables={**hugo.tables, "clinical": turned})
    found = leave_cohorts_out(ResponseModel(), cohorts).predictions
    said = [MODEL, "lower", "upper", "set", "decision", "prior", *BASELINES]
    first, second = (p[p.cohort == "hugo2016_mel"] for p in (spied[0].predictions, found))
    assert (first.y == 1 - second.y).all()
    pd.testing.assert_frame_equal(first[said], second[said], check_exact=True)
    other = (p[p.cohort == "liu2019_mel"][MODEL] for p in (spied[0].predictions, found))
    assert (next(other) != next(other)).any()  # which it was trained for all the same


def test_two_processes_give_the_same_bits_in_the_same_order(spied):
    told = []
    cohorts = {n: load_cohort(n) for n in NAMES}
    found = leave_cohorts_out(ResponseModel(), cohorts, HOLDOUT, told.append, {"A": NAMES[:2]}, jobs=2)
    assert told == list(NAMES)
    pd.testing.assert_frame_equal(found.predictions, spied[0].predictions, check_exact=True)
    pd.testing.assert_frame_equal(found.table, spied[0].table, check_exact=True)
    pd.testing.assert_frame_equal(found.mean, spied[0].mean, check_exact=True)
    assert found.sets["A"].cohorts.max() == 2


def test_a_cohort_with_one_class_does_not_enter_the_mean():
    both = pd.concat([made(40, 20, noise), made(40, 40, noise).assign(cohort="b")])
    assert mean_table(both).cohorts.tolist() == [1]
    assert mean_table(both[both.cohort == "b"]).auc.isna().all()
