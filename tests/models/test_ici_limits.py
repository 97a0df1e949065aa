"""What a right model would pass, on SIMULATED labels; beside models.metrics and counts by hand."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from scipy.stats import binom

from theracast.models.metrics import calibration


@pytest.fixture(scope="module")
def limits():
    folder = str(Path(__file__).parents[2] / "experiments")
    sys.path.insert(0, folder)
    try:
        yield importlib.import_module("ici_limits")
    finally:
        sys.path.remove(folder)


def test_slopes_are_those_of_the_metric(limits, rng):
    p = expit(rng.normal(-0.8, 1.0, 150))
    found = limits.slopes(p, 5, np.random.default_rng(3))
    again = np.random.default_rng(3).random((5, 150)) < p
    assert found == pytest.approx([calibration(y.astype(float), p)[0].value for y in again], abs=1e-4)


def test_many_patients_have_a_slope_of_one(limits, rng):
    found = limits.slopes(expit(rng.normal(-0.8, 1.0, 5000)), 50, rng)
    assert np.nanmean(found) == pytest.approx(1.0, abs=0.02)
    assert np.nanstd(found) < 0.06


def test_sets_of_twenty_patients_by_hand(limits):
    # 0.9 +- 2 * 0.067: 16 to 20 of 20
    assert limits.within(20) == pytest.approx(binom.sf(15, 20, 0.9))


def test_all_at_once_is_rarer_than_each(limits, rng):
    parts = [
        pd.DataFrame({"cohort": c, "theracast": (p := expit(rng.normal(-1, 0.6, n))), "y": (rng.random(n) < p) * 1.0})
        for c, n in (("a", 120), ("b", 150), ("small", 40))
    ]
    loris = pd.DataFrame({"step": [0.0, 0.0], "step_lower": [-0.05, -0.05], "step_upper": [0.05, 0.05]})
    table = limits.passing(pd.concat(parts), pd.DataFrame({"n": [120, 150, 40]}), loris, draws=300).set_index("test")
    slope = table.iloc[0]
    assert slope.cohorts == 2, "forty patients are not asked for a slope"
    assert 0 < slope.all_at_once < slope.expected / 2 < 1
    equal = table.loc["not below LORIS, true gain 0.00"]
    assert (equal.expected, equal.all_at_once) == pytest.approx((1.0, 0.25))
