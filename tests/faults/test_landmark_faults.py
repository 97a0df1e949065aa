"""D11, D22, D24: serial measurements that are none, outcomes that tell nothing, patients that differ. SIMULATED."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

from theracast.errors import DataError, UsageError
from theracast.models.landmark import DynamicModel, outcome_within

IDS = [f"ZZPHI-{i}" for i in range(40)]


@pytest.fixture
def simulated(rng):
    visits = pd.DataFrame({"patient_id": IDS, "time": 1.0, "m": rng.normal(size=40)})
    outcome = pd.DataFrame({"time": rng.exponential(20, 40) + 3, "event": np.tile([0, 1], 20)}, index=IDS)
    return pd.Series(rng.uniform(0.1, 0.9, 40), IDS), visits, outcome


def refused(baseline, visits, outcome, **how):
    with pytest.raises(DataError) as error:
        DynamicModel([1.0, 2.0], 15.0, **how).fit(baseline, visits, outcome)
    assert "ZZPHI" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.1, np.inf])
def test_D11_a_baseline_that_is_no_probability_is_refused(simulated, value):
    baseline, visits, outcome = simulated
    baseline = baseline.copy()
    baseline.iloc[3] = value
    assert "THX-D24" in refused(baseline, visits, outcome)
    model = DynamicModel([1.0], 15.0).fit(simulated[0], visits, outcome)
    with pytest.raises(DataError, match="wants probabilities"):
        model.predict(baseline, visits, 1.0)


def test_D11_a_baseline_that_is_not_read_may_be_anything(simulated):
    baseline, visits, outcome = simulated
    DynamicModel([1.0], 15.0, margin=False).fit(baseline * np.nan, visits, outcome)


def test_D22_a_marker_after_the_landmark_cannot_be_smuggled_in_as_infinite_or_text(simulated):
    baseline, visits, outcome = simulated
    assert "infinite" in refused(baseline, visits.assign(m=np.inf), outcome)
    assert "wanted numbers" in refused(baseline, visits.assign(m="high"), outcome)


@pytest.mark.parametrize("missing", [np.nan, None])
def test_D22_nobody_without_a_time_is_dropped_in_silence(simulated, missing):
    baseline, visits, outcome = simulated
    outcome = outcome.copy()
    outcome.loc[IDS[0], "time"] = missing
    assert "missing" in refused(baseline, visits, outcome)
    with pytest.raises(DataError):
        outcome_within(outcome["time"], outcome["event"], 1.0, 5.0)


def test_D24_patients_that_differ_or_are_there_twice_are_refused(simulated):
    baseline, visits, outcome = simulated
    assert "same patients" in refused(baseline.iloc[1:], visits, outcome)
    assert "same patients" in refused(baseline.iloc[::-1], visits, outcome)
    twice = [*IDS[:-1], IDS[0]]
    assert "each once" in refused(baseline.set_axis(twice), visits, outcome.set_axis(twice))


def test_D24_one_class_or_another_number_than_0_and_1_is_refused(simulated):
    baseline, visits, outcome = simulated
    assert "THX-D24" in refused(baseline, visits, outcome.assign(event=0))
    for y in (np.tile([1.0, 2.0], 20), np.full(40, np.nan), np.ones(40)):
        with pytest.raises(DataError, match="THX-D24"):
            DynamicModel([1.0]).fit(baseline, visits, pd.DataFrame({"y": y}, IDS))


def test_D24_other_markers_than_those_of_the_fit_are_refused(simulated):
    baseline, visits, outcome = simulated
    model = DynamicModel([1.0], 15.0).fit(baseline, visits, outcome)
    for other in (visits.rename(columns={"m": "n"}), visits.assign(n=1.0), visits.drop(columns="m")):
        with pytest.raises(DataError, match="markers of the fit"):
            model.predict(baseline, other, 1.0)


def test_D24_not_fitted_and_out_of_reach(simulated):
    baseline, visits, outcome = simulated
    with pytest.raises(NotFittedError):
        DynamicModel([1.0]).predict(baseline, visits, 1.0)
    model = DynamicModel([1.0, 2.0], 15.0).fit(baseline, visits, outcome)
    for landmark in (0.9, 2.1, np.nan, np.inf):
        with pytest.raises(UsageError, match="so late or early"):
            model.predict(baseline, visits, landmark)
    with pytest.raises(UsageError, match="a penalty"):
        DynamicModel([1.0], penalties=()).fit(baseline, visits, outcome)
