"""Wearables: by hand, by published formulas, and by whichever rows a device gives. All numbers are made up."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import theilslopes

from theracast.features.blocks.wearables import WearablesBlock
from theracast.features.cohort import Cohort
from theracast.features.rhythms import (
    interdaily_stability,
    intradaily_variability,
    relative_amplitude,
    sleep_regularity,
)

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def measured(table, **params):
    return WearablesBlock(**params).measure(Cohort.from_tables({"wearables": table}))


def days(values, start="2024-04-29", **more):  # a Monday
    time = pd.date_range(start, periods=len(values))
    return pd.DataFrame({"patient_id": "p", "date": time, "steps": np.asarray(values, dtype=float), **more})


def hourly(n_days, rng):
    """Hours of days that are alike but for noise."""
    typical = 300 + 250 * np.sin((np.arange(24) - 8) / 24 * 2 * np.pi)
    return np.maximum(typical * rng.uniform(0.5, 1.5, (n_days, 24)), 0)


def test_summaries_by_hand():
    steps = [1000, 3000, 2000, 5000, 4000, 9000, 9500] * 2
    found = measured(days(steps)).values.loc["p"]
    assert found["steps_median"] == 4000
    assert found["steps_mad"] == pytest.approx(1.4826 * 2000)
    assert found["steps_weekend"] == 9250 - 3000
    assert found["steps_trend"] == pytest.approx(7 * theilslopes(steps, np.arange(14)).slope)
    assert found[["days", "coverage"]].tolist() == [14, 100]


def test_the_trend_is_per_week_and_unmoved_by_an_outlier():
    level = 60 + np.arange(21) / 7
    level[3] = 140
    found = measured(days(np.zeros(21), resting_heart_rate=level)).values.loc["p"]
    assert found["resting_heart_rate_trend"] == pytest.approx(1.0)
    short = measured(days(np.zeros(13), resting_heart_rate=level[:13])).values.loc["p"]
    assert np.isnan(short["resting_heart_rate_trend"])


def test_a_day_counts_with_ten_hours_of_wear():
    worn = [1200.0] * 10
    worn[2], worn[5] = 599, 600
    m = measured(days([4000] * 2 + [10] + [4000] * 7, wear_minutes=worn))
    assert m.values.loc["p", ["days", "coverage", "steps_mad"]].tolist() == [9, 90, 0]
    assert m.coverage["p"] == pytest.approx(0.9)
    gaps = measured(days([4000] * 10).drop(index=[3, 4]))
    assert gaps.values.loc["p", ["days", "coverage"]].tolist() == [8, 80]
    few = measured(days([4000] * 3))
    assert few.values.drop(columns=["days", "coverage"]).isna().all(axis=None)
    assert "fewer than 4 days" in few.notes["p"][0]


def test_hours_come_to_the_same_as_days(rng):
    table = hourly(10, rng)
    hours = pd.DataFrame(
        {"patient_id": "p", "time": pd.date_range("2024-04-29", periods=240, freq="h"), "steps": table.ravel()}
    )
    found, by_day = measured(hours).values.loc["p"], measured(days(table.sum(axis=1))).values.loc["p"]
    same = ["steps_median", "steps_mad", "steps_weekend", "days", "coverage"]
    np.testing.assert_allclose(found[same].astype(float), by_day[same].astype(float), rtol=1e-12)
    assert found["interdaily_stability"] == pytest.approx(interdaily_stability(table))
    assert np.isnan(by_day["interdaily_stability"])
    # nine hours of a day are too few: the day is left out everywhere
    part = hours.drop(index=range(57, 72))
    assert measured(part).values.loc["p", "days"] == 9
    left = table.copy()
    left[2] = np.nan
    assert measured(part).values.loc["p", "interdaily_stability"] == pytest.approx(interdaily_stability(left))


def test_rows_at_one_time_are_averaged_whatever_their_order():
    table = days([4000.0, 5000, 6000, 7000, 8000])
    other = table.iloc[[1]].assign(steps=7000.0)
    assert measured(pd.concat([table, table.iloc[[1, 3]]])).notes == {}
    twice = measured(pd.concat([table.iloc[1:2], table, other])).values.loc["p"]
    assert twice["steps_median"] == 6000, "a row that stands there twice does not weigh twice"
    m = measured(pd.concat([table, other, table.iloc[[3]]]))
    assert m.values.loc["p", "steps_median"] == 6000
    assert "differ" in m.notes["p"][0]
    again = measured(pd.concat([other, table.iloc[[3]], table]).iloc[::-1])
    assert again.values.to_numpy().tobytes() == m.values.to_numpy().tobytes()


def test_rhythms_by_hand():
    same, square = np.tile(np.arange(24.0), (4, 1)), np.tile([0.0, 1.0], (2, 12))
    assert interdaily_stability(same) == pytest.approx(1)
    assert interdaily_stability(np.vstack([square[0], 1 - square[0]])) == pytest.approx(0)
    assert intradaily_variability(square) == pytest.approx(4)
    assert intradaily_variability(same[:1]) == pytest.approx(24 * 23 / (23 * 1150))
    assert relative_amplitude(np.r_[np.zeros(8), np.full(16, 7.0)][np.newaxis]) == 1
    assert relative_amplitude(np.full((2, 24), 5.0)) == 0
    asleep = np.zeros((3, 8))
    asleep[:, :3] = 1
    assert sleep_regularity(asleep) == 100
    asleep[1, 0] = 0
    assert sleep_regularity(asleep) == pytest.approx(200 * 14 / 16 - 100)
    assert sleep_regularity(np.tile([[1.0], [0.0]], (2, 4))) == -100


def test_rhythms_equal_pyactigraphy():
    """Which divides by n - 1 where Witting 1990 divides by n."""
    known = json.loads((GOLDEN / "rhythms_pyactigraphy.json").read_text())
    hours = np.array(known["hours"])
    n = hours.size
    assert interdaily_stability(hours) == pytest.approx(known["interdaily_stability"] * n * 23 / (24 * (n - 1)))
    assert intradaily_variability(hours) == pytest.approx(known["intradaily_variability"] * n / (n - 1))
    assert relative_amplitude(hours) == pytest.approx(known["relative_amplitude"])


def test_rhythms_of_nothing_are_not_known():
    empty = np.full((3, 24), np.nan)
    for rhythm in (interdaily_stability, intradaily_variability, relative_amplitude, sleep_regularity):
        assert np.isnan(rhythm(empty))
        assert np.isnan(rhythm(empty[:0]))
    assert np.isnan(interdaily_stability(np.zeros((3, 24))))
    assert np.isnan(relative_amplitude(np.zeros((3, 24))))


def test_noise_has_no_rhythm(rng):
    noise = rng.normal(size=(400, 24))
    assert interdaily_stability(noise) < 0.01
    assert intradaily_variability(noise) == pytest.approx(2, abs=0.05)
