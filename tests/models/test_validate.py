from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.baselines import BASELINES
from theracast.models.metrics import auc
from theracast.models.splits import SAME_PATIENTS, leave_one_cohort_out
from theracast.models.validate import MODEL, cohort_table, leave_cohorts_out, mean_table

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
    leave_cohorts_out(ResponseModel(), {**twins, "liu2019_mel": load_cohort("liu2019_mel")})
    assert fitted == [{"liu2019_mel"}, {"liu2019_mel"}, set(family)]


def test_the_settings_travel_and_the_model_given_stays_unfitted():
    model = ResponseModel(learner="xgboost", options={"rounds": 3})
    leave_cohorts_out(model, {n: load_cohort(n) for n in NAMES[:2]})
    assert not hasattr(model, "fusion_")


def test_every_cohort_stands_beside_the_dull_baselines(spied):
    table = spied[0].table
    assert table.groupby("cohort", sort=False).model.agg(list).to_dict() == {n: [MODEL, *BASELINES] for n in NAMES}
    assert list(BASELINES) == ["prevalence", "PD-L1", "TIL", "PD-L1 + TIL"]
    wanted = {"n", "R", "NR", "auc", "auc_lower", "auc_upper", "balanced_accuracy", "brier", "note"}
    assert wanted | {"calibration_slope", "calibration_slope_lower", "calibration_slope_upper"} <= set(table.columns)
    assert (table.n == table.R + table.NR).all()
    assert ((table.auc_lower <= table.auc) & (table.auc <= table.auc_upper)).all()
    assert table.groupby("cohort").n.nunique().eq(1).all()  # compared on the same patients
    dull = table[table.model == "prevalence"]
    assert (dull.auc == 0.5).all()
    assert dull.calibration_slope.isna().all()


def test_predictions_are_of_labelled_patients_only(spied):
    predictions = spied[0].predictions
    assert set(predictions.y) == {0.0, 1.0}
    for name in NAMES:
        assert (predictions.cohort == name).sum() == load_cohort(name).response.notna().sum()


def test_the_mean_is_over_cohorts(spied):
    mean = spied[0].mean.set_index("model")
    assert list(mean.index) == [MODEL, *BASELINES]
    assert (mean.cohorts == len(NAMES)).all()
    ours = spied[0].table[spied[0].table.model == MODEL]
    assert ours.auc.min() <= mean.auc[MODEL] <= ours.auc.max()


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
    table = cohort_table(made(30, 10, noise).assign(**{"PD-L1": np.nan}))
    assert table.n.tolist() == [0, 0]
    assert table.auc.isna().all()
    assert set(table.note) == {"not estimable: one class"}


def test_a_cohort_with_one_class_does_not_enter_the_mean():
    both = pd.concat([made(40, 20, noise), made(40, 40, noise).assign(cohort="b")])
    assert mean_table(both).cohorts.tolist() == [1]
    assert mean_table(both[both.cohort == "b"]).auc.isna().all()
