"""Summaries of visits: by hand, against a slow twin, and clear about visits that are none."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from theracast.errors import DataError, UsageError
from theracast.models.longitudinal import SUMMARIES, series_features


def test_the_summaries_by_hand():
    visits = pd.DataFrame({"patient_id": list("bab"), "time": [4.0, 0.0, 2.0], "m": [1.0, 7.0, np.nan], "n": [1, 0, 3]})
    found = series_features(visits, ["a", "b", "c"], 4.0)
    assert found.loc["a"].tolist() == [7, 0, 7, 0, 0, 0, 0, 0]
    assert found.loc["b"].tolist() == [1, 0, 1, 0, 1, -2, 3, -1]
    assert found.loc["c"].isna().all()
    assert [c.split("__")[1] for c in found][:4] == list(SUMMARIES)


def test_the_slope_is_that_of_least_squares(rng):
    time, value = rng.uniform(0, 50, 9), rng.normal(size=9)
    visits = pd.DataFrame({"patient_id": "a", "time": time, "m": value})
    assert series_features(visits, ["a"], 50)["m__slope"].iloc[0] == pytest.approx(np.polyfit(time, value, 1)[0])


def slow(visits, patient, landmark):
    """One patient, one marker, one line after the other."""
    mine = visits[(visits["patient_id"] == patient) & (visits["time"] <= landmark) & visits["m"].notna()]
    mine = mine.sort_values(["time", "m"])
    if mine.empty:
        return [np.nan] * 4
    time, value = mine["time"].to_numpy(), mine["m"].to_numpy()
    slope = np.polyfit(time, value, 1)[0] if len(set(time)) > 1 else 0.0
    return [value[-1], value[-1] - value[0], value.max(), slope]


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_it_is_what_a_slow_look_finds_in_any_order(data):
    times = st.sampled_from([0.1, 0.7, 3.0, 9.0])
    values = st.none() | st.integers(-5, 5)
    rows = data.draw(st.lists(st.tuples(st.sampled_from("abc"), times, values), max_size=12))
    visits = pd.DataFrame(rows, columns=["patient_id", "time", "m"]).astype({"time": float, "m": float})
    found = series_features(visits, ["c", "a", "z"], 3.0)
    np.testing.assert_allclose(found, [slow(visits, p, 3.0) for p in ("c", "a", "z")], atol=1e-9)
    turned = series_features(visits.iloc[::-1], ["c", "a", "z"], 3.0)
    pd.testing.assert_frame_equal(found, turned, rtol=1e-12)


def test_visits_at_one_time_have_no_slope():
    """The mean of three times .1 is not .1: a slope through rounding would be huge."""
    visits = pd.DataFrame({"patient_id": "a", "time": [0.1] * 3, "m": [1.0, 2.0, 4.0]})
    assert series_features(visits, ["a"], 1.0).iloc[0].tolist() == [4, 3, 4, 0]


def test_a_patient_asked_for_twice_is_there_twice():
    visits = pd.DataFrame({"patient_id": ["a"], "time": [0.0], "m": [1.0]})
    assert series_features(visits, ["a", "b", "a"], 1.0)["m__last"].tolist()[::2] == [1, 1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"time": [0.0, np.nan]}, "without a time"),
        ({"time": [0.0, np.inf]}, "infinite"),
        ({"time": ["0", "day 3"]}, "wanted numbers"),
        ({"m": ["ZZPHI", "2"]}, "wanted numbers"),
        ({"m": [1.0, -np.inf]}, "infinite"),
    ],
)
def test_visits_that_are_none_are_refused(change, said):
    visits = pd.DataFrame({"patient_id": ["a", "b"], "time": [0.0, 1.0], "m": [1.0, 2.0]}).assign(**change)
    with pytest.raises(DataError, match="THX-D22") as error:
        series_features(visits, ["a"], 1.0)
    assert said in str(error.value)
    assert "ZZPHI" not in str(error.value)


def test_columns_that_are_missing_and_summaries_that_are_none_are_refused():
    visits = pd.DataFrame({"patient_id": ["a"], "time": [0.0], "m": [1.0]})
    with pytest.raises(DataError, match="THX-D22"):
        series_features(visits.drop(columns="time"), ["a"], 1.0)
    with pytest.raises(UsageError, match="no such summary"):
        series_features(visits, ["a"], 1.0, ["mean"])
