"""Conformal sets: against crepes and by hand, coverage on simulated cohorts of known truth, contract, faults."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, UsageError
from theracast.models.conformal import ConformalSets, coverage_table

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def calibration():
    return pd.read_csv(GOLDEN / "conformal_input.csv")


@pytest.fixture(scope="module")
def fitted(calibration):
    return ConformalSets().fit(calibration.margin, calibration.y, np.arange(len(calibration)) % 5)


def simulated(rng, sizes, drift, rates=(2, 5)):
    """SIMULATED cohorts: rates from a beta distribution, margins .75 apart that drift from cohort to cohort."""
    margins, labels = [], []
    for n in sizes:
        y = (rng.random(n) < np.clip(rng.beta(*rates), 0.12, 0.67)).astype(int)
        y[:2] = 0, 1
        margins.append(rng.normal(0, drift) - 0.8 + 0.75 * y + 0.8 * rng.normal(size=n))
        labels.append(y)
    return np.concatenate(margins), np.concatenate(labels), np.repeat(np.arange(len(sizes)), sizes)


# ---------------------------------------------------------------- numbers from outside


def test_one_cohort_is_label_conditional_conformal_prediction_as_crepes_has_it(calibration):
    told = json.loads((GOLDEN / "conformal_crepes.json").read_text())
    ours = ConformalSets().fit(calibration.margin, calibration.y, ["one"] * len(calibration))
    np.testing.assert_allclose(ours.p_values(told["margin"]), told["p"], rtol=1e-12)


def test_cohorts_count_the_same_by_hand():
    """Responders: three of cohort a, one of b. Weights 1/3, 1/3, 1/3 and 1; Kish 2^2 / (3/9 + 1) = 3."""
    margin, y, cohorts = [0.0, 1.0, 2.0, 3.0, -1.0, -2.0], [1, 1, 1, 1, 0, 0], ["a", "a", "a", "b", "a", "b"]
    one = ConformalSets(0.8).fit(margin, y, cohorts)
    np.testing.assert_allclose(one.weights[1], [0.5, 0.5, 0.5, 1.5])
    # at 1.0 two responders of a are as low: (1 + .5 + .5) / (1 + 3); of the non-responders none is as high: 1 / (1 + 2)
    np.testing.assert_allclose(one.p_values([1.0, 2.5]), [[1 / 3, 0.5], [1 / 3, 0.625]])


def test_a_label_at_the_level_is_out():
    """Nine responders, none as low: p = 1 / 10, and 1 - .9 in floating point is less than that."""
    one = ConformalSets(0.9).fit([*range(9), *range(-9, 9)], [1] * 9 + [0] * 18, ["a"] * 27)
    assert one.p_values([-1.0])[0, 1] == 0.1 > 1 - 0.9
    assert one.sets([-1.0, 0.0]).tolist() == ["no_response", "both"]


# ---------------------------------------------------------------- the promise, on simulated truth


@pytest.mark.parametrize("drift", [0.0, 0.3])
def test_each_class_is_covered_over_cohorts_whatever_the_response_rate(rng, drift):
    """SIMULATED, 400 times: ten cohorts to calibrate on; a new one of 67% or of 12%."""
    hits = {(rate, label): [] for rate in (0.12, 0.67) for label in (0, 1)}
    for _ in range(400):
        one = ConformalSets(0.9).fit(*simulated(rng, (300, 165, 119, 89, 49, 45, 34, 26, 21, 16), drift))
        for rate in (0.12, 0.67):
            margin, y, _ = simulated(rng, (200,), drift, (rate * 1e6, (1 - rate) * 1e6))
            sets = one.sets(margin)
            for label, name in enumerate(("no_response", "response")):
                hits[rate, label].append(np.isin(sets[y == label], (name, "both")).mean())
    for (rate, label), found in hits.items():
        se = np.std(found) / np.sqrt(len(found))
        assert abs(np.mean(found) - 0.9) < 0.005 + 3 * se, (rate, label)


def test_a_quantile_over_both_classes_would_not_hold(rng):
    """SIMULATED: what the classes of their own are for. Responders, the fewer, would pay for the others."""
    margin, y, _ = simulated(rng, [400] * 10, 0.0)
    strange = np.sort(np.where(y == 1, -margin, margin))
    limit = strange[int(np.ceil(0.9 * (len(strange) + 1))) - 1]
    new, truth, _ = simulated(rng, [4000], 0.0)
    assert (-new[truth == 1] <= limit).mean() < 0.8


def test_a_large_cohort_does_not_set_the_limit():
    """One cohort of 1,000 far below nineteen of 10: pooled, its responders would be the whole of the calibration."""
    margin = np.concatenate([np.full(1000, -5.0), np.zeros(190), np.zeros(100)])
    y = np.repeat([1, 1, 0], [1000, 190, 100])
    cohorts = np.concatenate([np.zeros(1000), 1 + np.arange(190) % 19, np.arange(100) % 20])
    assert ConformalSets(0.9).fit(margin, y, cohorts).sets([-4.0]).tolist() == ["no_response"]
    assert ConformalSets(0.9).fit(margin, y, np.zeros(1290)).p_values([-4.0])[0, 1] > 0.8


# ---------------------------------------------------------------- contract


def test_one_patient_is_as_in_a_crowd_and_order_does_not_matter(calibration, fitted, rng):
    margin = rng.normal(-0.5, 1.0, 200)
    crowd = fitted.p_values(margin)
    assert [fitted.p_values([m])[0].tolist() for m in margin] == crowd.tolist()
    order = rng.permutation(len(calibration))
    again = ConformalSets().fit(
        calibration.margin[order], calibration.y[order], (np.arange(len(calibration)) % 5)[order]
    )
    np.testing.assert_allclose(again.p_values(margin), crowd, rtol=1e-12)


def test_p_values_follow_the_margin(fitted):
    p = fitted.p_values(np.linspace(-6, 6, 300))
    assert (np.diff(p[:, 0]) <= 0).all()
    assert (np.diff(p[:, 1]) >= 0).all()
    assert ((p > 0) & (p <= 1)).all()


def test_sets_nest_in_the_level(calibration):
    margin = np.linspace(-3, 2, 101)
    cohorts = np.arange(len(calibration)) % 5
    wide, narrow = (ConformalSets(v).fit(calibration.margin, calibration.y, cohorts).sets(margin) for v in (0.95, 0.7))
    assert ((wide == "both") | (wide == narrow)).all()
    assert (wide != narrow).any()


def test_the_state_goes_through_json(fitted):
    margin = np.linspace(-3, 3, 50)
    again = ConformalSets.from_state(json.loads(json.dumps(fitted.state())))
    assert again.p_values(margin).tolist() == fitted.p_values(margin).tolist()
    assert again.sets(margin).tolist() == fitted.sets(margin).tolist()


def test_classes_that_part_leave_no_set_empty():
    one = ConformalSets(0.5).fit([-3, -2, -1, 1, 2, 3], [0, 0, 0, 1, 1, 1], ["a"] * 6)
    assert (one.p_values([0.0]) < 0.5).all()
    assert one.sets([-0.5, 0.0, 0.5]).tolist() == ["both"] * 3  # as far from both
    uneven = ConformalSets(0.5).fit([-3, -2, -1, 1, 2, 3, 4], [0, 0, 0, 1, 1, 1, 1], ["a"] * 7)
    assert uneven.sets([0.0]).tolist() == ["no_response"]


# ---------------------------------------------------------------- faults


def test_D24_one_class_only():
    with pytest.raises(DataError, match="THX-D24: one class only"):
        ConformalSets().fit([0.1, 0.2], [1, 1], ["a", "b"])


@pytest.mark.parametrize(
    ("margin", "y", "cohorts"),
    [
        ([0.1, np.nan], [0, 1], ["a", "b"]),
        ([0.1, 0.2], [0, np.nan], ["a", "b"]),
        ([0.1, 0.2], [0, 2], ["a", "b"]),
        ([0.1, 0.2], [0, 1], ["a"]),
        ([0.1], [0, 1], ["a", "b"]),
        (["x", "y"], [0, 1], ["a", "b"]),
    ],
)
def test_D11_what_cannot_calibrate_is_said(margin, y, cohorts):
    with pytest.raises(DataError):
        ConformalSets().fit(margin, y, cohorts)


def test_D10_a_patient_of_whom_nothing_is_known_excludes_nothing(fitted):
    assert fitted.sets([np.nan]).tolist() == ["both"]
    assert np.isnan(fitted.p_values([np.nan])).all()
    assert fitted.p_values([np.inf, -np.inf]).shape == (2, 2)
    assert fitted.sets([np.inf, -np.inf]).tolist() == ["response", "no_response"]


def test_D25_too_few_to_exclude_anything():
    tiny = ConformalSets(0.9).fit([-1, 1], [0, 1], ["a", "a"])
    assert tiny.sets([-9.0, 0.0, 9.0]).tolist() == ["both"] * 3


def test_D33_no_patient(fitted):
    assert fitted.sets([]).size == 0
    assert fitted.p_values([]).shape == (0, 2)


@pytest.mark.parametrize("level", [0, 1, -1, float("nan")])
def test_a_level_is_a_share(level):
    with pytest.raises(UsageError):
        ConformalSets(level)


def test_uncalibrated():
    with pytest.raises(UsageError, match="Call fit first"):
        ConformalSets().sets([0.0])


# ---------------------------------------------------------------- coverage_table


def test_coverage_by_hand():
    """Cohort a: 100 patients, 84 in their sets. b: four, all in, one single."""
    a = pd.DataFrame({"cohort": "a", "y": [1] * 40 + [0] * 60})
    a["set"] = ["both"] * 30 + ["no_response"] * 10 + ["no_response"] * 20 + ["both"] * 34 + ["response"] * 6
    b = pd.DataFrame({"cohort": "b", "y": [1, 1, 1, 1], "set": ["both", "both", "both", "response"]})
    table = coverage_table(pd.concat([a, b])).set_index("cohort")
    assert table.loc["a"].tolist() == [100, 0.84, 0.03, 0.75, 0.9, 0.64, pytest.approx(20 / 36), True, True]
    assert table.loc["b", ["n", "coverage", "coverage_response", "abstained"]].tolist() == [4, 1.0, 1.0, 0.75]
    assert np.isnan(table.loc["b", "coverage_no_response"])


@pytest.mark.parametrize(
    ("right", "holds", "within"), [(96, True, True), (97, True, False), (84, True, True), (83, False, False)]
)
def test_two_standard_errors_of_a_hundred_are_six(right, holds, within):
    p = pd.DataFrame({"cohort": "a", "y": 1, "set": ["response"] * right + ["no_response"] * (100 - right)})
    table = coverage_table(p)
    assert (table.holds.item(), table.within.item()) == (holds, within)


def test_unknown_sets_are_refused():
    with pytest.raises(DataError, match="other sets"):
        coverage_table(pd.DataFrame({"cohort": ["a"], "y": [1], "set": [""]}))
    with pytest.raises(DataError, match="missing"):
        coverage_table(pd.DataFrame({"cohort": ["a"], "y": [np.nan], "set": ["both"]}))
