import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit

from theracast.errors import DataError, UsageError
from theracast.models.estimates import Estimate
from theracast.models.metrics import auc, auc_difference, balanced_accuracy, brier, brier_skill, calibration
from theracast.models.pooling import pooled_auc, random_effects

GOLDEN = Path(__file__).parents[1] / "golden"
R = json.loads((GOLDEN / "metrics_r.json").read_text())
FIELDS = ("value", "lower", "upper", "se")


def table(name):
    return pd.read_csv(GOLDEN / name, comment="#")


def fields(estimate):
    return [getattr(estimate, f) for f in FIELDS]


def same(estimate, golden, rel=1e-9):
    assert fields(estimate) == pytest.approx([golden[f] for f in FIELDS], rel=rel, abs=1e-12)


# ---------------------------------------------------------------- golden: R


@pytest.mark.parametrize(
    ("name", "csv", "a", "b"),
    [("simulated", "metrics_input.csv", "score_a", "score_b"), ("breast", "metrics_breast.csv", "a", "b")],
)
def test_auc_and_difference_agree_with_proc(name, csv, a, b):
    data, golden = table(csv), R[name]
    same(auc(data["y"], data[a]), golden["auc_a"])
    same(auc(data["y"], data[b]), golden["auc_b"])
    difference = auc_difference(data["y"], data[a], data[b])
    same(difference, golden["difference"])
    assert difference.value / difference.se == pytest.approx(golden["difference"]["z"], rel=1e-9)


def test_calibration_agrees_with_glm():
    data, golden = table("metrics_input.csv"), R["simulated"]["calibration"]
    slope, intercept = calibration(data["y"], data["p"])
    same(slope, golden["slope"], 1e-8)
    same(intercept, golden["intercept"], 1e-8)


@pytest.mark.parametrize("kind", ["hksj", "modified"])
@pytest.mark.parametrize("case", ["bcg", "agree"])
def test_random_effects_agrees_with_metafor(case, kind):
    golden = R[case][kind]
    got = random_effects(R[case]["yi"], np.sqrt(R[case]["vi"]), modified=kind == "modified")
    same(got.mean, golden)
    for field in ("tau2", "i2", "q", "k", "prediction_lower", "prediction_upper"):
        assert getattr(got, field) == pytest.approx(golden[field], rel=1e-9, abs=1e-12), field


def test_bcg_effects_follow_from_the_published_counts():
    t = table("metrics_bcg.csv")
    treated, control = t["t_pos"] + t["t_neg"], t["c_pos"] + t["c_neg"]
    np.testing.assert_allclose(np.log(t["t_pos"] / treated / (t["c_pos"] / control)), R["bcg"]["yi"], rtol=1e-12)
    variance = 1 / t["t_pos"] - 1 / treated + 1 / t["c_pos"] - 1 / control
    np.testing.assert_allclose(variance, R["bcg"]["vi"], rtol=1e-12)


@pytest.mark.parametrize("kind", ["hksj", "modified"])
def test_pooled_auc_agrees_with_proc_then_metafor(kind):
    cohorts = [auc(d["y"], d["score_a"]) for _, d in table("metrics_input.csv").groupby("cohort")]
    for cohort, golden in zip(cohorts, R["cohorts"]["auc"].values(), strict=True):
        same(cohort, golden)
    got, golden = pooled_auc(cohorts, modified=kind == "modified"), R["cohorts"]["logit"][kind]
    assert [got.tau2, got.i2, got.q, got.k] == pytest.approx([golden[f] for f in ("tau2", "i2", "q", "k")])
    ends = [got.mean.value, got.mean.lower, got.mean.upper, got.prediction_lower, got.prediction_upper]
    wanted = [golden[f] for f in ("value", "lower", "upper", "prediction_lower", "prediction_upper")]
    assert logit(ends) == pytest.approx(wanted, rel=1e-9)


# ---------------------------------------------------------------- twin: every pair, no ranks


def naive_covariance(y, scores):
    """DeLong's covariance from all pairs, one loop per definition."""
    y = np.asarray(y)
    by_case, by_control = [], []
    for score in np.asarray(scores, dtype=float):
        pairs = [[(x > c) + (x == c) / 2 for c in score[y == 0]] for x in score[y == 1]]
        by_case.append(np.mean(pairs, axis=1))
        by_control.append(np.mean(pairs, axis=0))
    cases, controls = np.array(by_case), np.array(by_control)
    return cases.mean(axis=1), np.cov(cases) / cases.shape[1] + np.cov(controls) / controls.shape[1]


ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 3), st.integers(-3, 3)), min_size=4, max_size=30)


@settings(deadline=None, max_examples=200, derandomize=True)
@given(ROWS)
def test_twin_and_symmetry_on_tied_scores(rows):
    y, a, b = np.array(rows).T
    if min(y.sum(), (1 - y).sum()) < 2:
        return
    areas, covariance = naive_covariance(y, [a, b])
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    got, mirrored, difference = auc(y, a), auc(y, -a), auc_difference(y, a, b)
    assert got.value == pytest.approx(areas[0])
    assert difference.value == pytest.approx(areas[0] - areas[1])
    if covariance[0, 0] > 1e-12 and 0 < areas[0] < 1:
        assert got.se == pytest.approx(np.sqrt(covariance[0, 0]))
    if variance > 1e-12:
        assert difference.se == pytest.approx(np.sqrt(variance))
    assert 0 <= got.lower <= got.value <= got.upper <= 1
    assert got.lower < got.upper
    turned = [1 - mirrored.value, 1 - mirrored.upper, 1 - mirrored.lower, mirrored.se]
    assert turned == pytest.approx(fields(got), abs=1e-9)
    assert fields(auc(1 - y, -a)) == pytest.approx(fields(got), abs=1e-9)
    assert fields(auc(y, np.exp(a))) == fields(got)  # only the order counts
    back = auc_difference(y, b, a)
    assert [-back.value, -back.upper, -back.lower, back.se] == pytest.approx(fields(difference), abs=1e-9)


# ---------------------------------------------------------------- nasty inputs


@pytest.mark.parametrize("y", [[1, 1, 1], [0, 0, 0], [0], []])
def test_one_class_is_not_estimable(y):
    p = np.linspace(0.2, 0.8, len(y))
    for estimate in (auc(y, p), auc_difference(y, p, -p), *calibration(y, p)):
        assert np.isnan(fields(estimate)).all()
        assert str(estimate) == "not estimable"
        assert not estimate.contains(0.5)
    assert np.isnan(balanced_accuracy(y, np.zeros(len(y))))


@pytest.mark.parametrize(
    ("y", "score", "value"),
    [
        ([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6], 1.0),
        ([0, 0, 0, 1, 1, 1], [6, 5, 4, 3, 2, 1], 0.0),
        ([0, 1], [0.1, 0.2], 1.0),
        ([0, 1], [0.2, 0.2], 0.5),
        ([0, 0, 1, 1], [7, 7, 7, 7], 0.5),
        ([1, 0, 0, 0], [2, 1, 2, 3], 0.5),
        ([True, False, True], [np.inf, -np.inf, 1e300], 1.0),
        ([0] * 3000 + [1], [0.1] * 3001, 0.5),
    ],
)
def test_degenerate_auc_keeps_an_honest_width(y, score, value):
    got = auc(y, score)
    assert got.value == value
    assert got.contains(value)
    assert got.upper - got.lower > 0.05
    assert got.se > 0


def test_smallest_perfect_auc_is_wilson_with_one_patient():
    # one pair is one coin: Wilson's lower bound for 1 of 1 is 1 / (1 + z**2)
    got = auc([0, 1], [0, 1])
    assert (got.lower, got.upper) == pytest.approx((1 / (1 + 1.959963984540054**2), 1.0))


def test_more_patients_narrow_the_interval_of_a_perfect_auc():
    lower = [auc([0] * n + [1] * n, range(2 * n)).lower for n in (1, 3, 10, 100, 1000)]
    assert np.all(np.diff(lower) > 0)
    assert lower[-1] > 0.99


def test_difference_without_variance():
    y, perfect = [0, 0, 0, 1, 1, 1], np.arange(6)
    assert fields(auc_difference(y, perfect, perfect)) == [0, 0, 0, 0]
    other = auc_difference(y, perfect, [3, 2, 1, 6, 5, 4])
    assert other.value == 0
    assert other.lower == pytest.approx(-other.upper)
    assert other.upper > 0.3


@pytest.mark.parametrize(
    "call",
    [
        lambda: auc([0, 1], [0.1, np.nan]),
        lambda: auc([0, np.nan], [0.1, 0.2]),
        lambda: auc([0, 2], [0.1, 0.2]),
        lambda: auc([0, 1, 1], [0.1, 0.2]),
        lambda: auc([[0, 1]], [[0.1, 0.2]]),
        lambda: auc(["no", "yes"], [0.1, 0.2]),
        lambda: auc_difference([0, 1], [0.1, 0.2], [0.1, None]),
        lambda: brier([0, 1], [0.1, 1.2]),
        lambda: brier_skill([0, 1], [0.1, 0.2], -1),
        lambda: calibration([0, 1], [-0.1, 0.2]),
        lambda: balanced_accuracy([0, 1], [0.3, 0.6]),
        lambda: random_effects([0.1, np.nan], [0.1, 0.1]),
        lambda: random_effects([0.1, 0.2], [0.1, 0.0]),
        lambda: random_effects([0.1, np.inf], [0.1, 0.1]),
        lambda: pooled_auc([Estimate(1.2, 1.1, 1.3, 0.1)]),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(DataError):
        call()


@pytest.mark.parametrize("level", [0, 1, 95, float("nan")])
def test_level_is_a_share(level):
    with pytest.raises(UsageError, match="level"):
        auc([0, 1], [0, 1], level=level)


def test_input_is_not_modified():
    y, p = np.array([0, 1, 0, 1]), np.array([0.0, 0.3, 0.5, 1.0])
    for array in (y, p):
        array.setflags(write=False)
    auc(y, p), auc_difference(y, p, 1 - p), brier_skill(y, p, p), calibration(y, p)
    assert p.tolist() == [0.0, 0.3, 0.5, 1.0]


# ---------------------------------------------------------------- probabilities and decisions


def test_brier_and_its_skill_by_hand():
    assert brier([1, 0, 1], [1, 0, 0.5]) == pytest.approx(0.25 / 3)
    assert brier_skill([1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2], 0.5) == pytest.approx(1 - 0.025 / 0.25)
    assert brier_skill([1, 0], [0.5, 0.5], [0.5, 0.5]) == 0
    assert np.isnan(brier_skill([1, 0], [0.5, 0.5], [1, 0]))
    assert np.isnan(brier([], []))


@pytest.mark.parametrize("p", [[0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1], [0.1, 0.5, 0.5, 0.9], [0.3] * 4])
def test_slope_of_separated_or_constant_predictions_is_not_estimable(p):
    slope, intercept = calibration([0, 0, 1, 1], p)
    assert np.isnan(slope.value)
    assert np.isfinite(fields(intercept)).all()


@pytest.mark.parametrize("shift", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("stretch", [0.5, 1.0, 2.0])
def test_calibration_finds_simulated_truth(shift, stretch):
    rng = np.random.default_rng(7)
    eta = rng.normal(size=20_000)
    y = rng.random(eta.size) < 1 / (1 + np.exp(-eta))
    slope, _ = calibration(y, 1 / (1 + np.exp(-(eta * stretch + shift))), level=0.999)
    _, intercept = calibration(y, 1 / (1 + np.exp(-(eta + shift))), level=0.999)
    assert slope.contains(1 / stretch)
    assert intercept.contains(-shift)


def test_calibration_survives_certain_and_wrong_predictions():
    y = np.r_[np.zeros(50), np.ones(50)]
    p = np.r_[np.zeros(49), 1, np.ones(49), 0]
    slope, intercept = calibration(y, p)
    # 49 of 50 right at odds of 1e6: the slope that says so is log 49 / log(999999)
    assert slope.value == pytest.approx(np.log(49) / np.log(999_999), rel=1e-6)
    assert intercept.value == pytest.approx(0, abs=1e-8)


def test_balanced_accuracy_ignores_prevalence():
    assert balanced_accuracy([1] * 90 + [0] * 10, [1] * 100) == 0.5
    assert balanced_accuracy([1, 1, 0, 0], [0, 0, 1, 1]) == 0


# ---------------------------------------------------------------- across cohorts


def test_random_effects_of_none_one_and_two():
    none, one, two = (
        random_effects([], []),
        random_effects([0.3], [0.1]),
        random_effects([0.0, 1.0], [0.1, 0.1]),
    )
    assert none.k == 0
    assert np.isnan([*fields(none.mean), none.tau2, none.prediction_lower]).all()
    assert one.k == 1
    assert fields(one.mean) == pytest.approx([0.3, 0.3 - 0.1959963985, 0.3 + 0.1959963985, 0.1])
    assert np.isnan([one.tau2, one.i2, one.q, one.prediction_upper]).all()
    # by hand: equal weights, Q = .5/.01, tau2 = .5 - .01, HKSJ variance = .5/2, t(1) = 12.706
    assert (two.q, two.tau2, two.mean.value, two.mean.se) == pytest.approx((50, 0.49, 0.5, 0.5))
    assert two.mean.upper == pytest.approx(0.5 + 12.706204736 * 0.5)


def test_modified_interval_never_collapses():
    assert random_effects([0.4, 0.4], [0.1, 0.2]).mean.se == 0
    assert random_effects([0.4, 0.4], [0.1, 0.2], modified=True).mean.se == pytest.approx((1 / 125) ** 0.5)


def test_pooled_auc_of_none_one_and_the_extremes():
    unknown, perfect = auc([1, 1], [0, 1]), auc([0, 0, 0, 1, 1, 1], range(6))
    assert pooled_auc([]).k == 0
    assert str(pooled_auc([unknown]).mean) == "not estimable"
    assert pooled_auc([unknown, perfect]).mean == perfect
    middle = (perfect.lower + perfect.upper) / 2
    assert pooled_auc([perfect, perfect], modified=True).mean.value == pytest.approx(middle)
    fair = auc([0, 1] * 20, np.random.default_rng(1).normal(size=40))
    pooled = pooled_auc([perfect, fair, unknown])
    assert pooled.k == 2
    assert fair.value < pooled.mean.value < 1
    assert np.isfinite(fields(pooled.mean)).all()


def test_pooling_patients_misleads_where_pooling_aucs_does_not():
    # a score that ranks well within each cohort but is lower where more respond: the trap in the conventions
    rng = np.random.default_rng(3)
    cohorts = []
    for rate in (0.2, 0.5, 0.8):
        y = (np.arange(100) < 100 * rate).astype(int)
        cohorts.append((y, y + rng.normal(size=100) - 6 * rate))
    within = pooled_auc([auc(y, s) for y, s in cohorts]).mean
    pooled = auc(np.concatenate([y for y, _ in cohorts]), np.concatenate([s for _, s in cohorts]))
    assert within.lower > 0.5 > pooled.upper


# ---------------------------------------------------------------- statistical truth


@pytest.mark.parametrize(("n1", "n0", "shift"), [(15, 15, 1.0), (8, 40, 1.0), (10, 10, 2.5)])
def test_interval_covers_the_true_auc(n1, n0, shift):
    from scipy.special import ndtr

    rng, truth, trials = np.random.default_rng(11), ndtr(shift / 2**0.5), 1000
    y = np.r_[np.ones(n1), np.zeros(n0)]
    hits = sum(auc(y, rng.normal(size=n1 + n0) + shift * y).contains(truth) for _ in range(trials))
    # nominal .95 less 4 binomial standard errors; small samples are allowed to cover more
    assert hits / trials > 0.95 - 4 * (0.95 * 0.05 / trials) ** 0.5


@pytest.mark.parametrize(
    ("estimate", "text"),
    [
        (Estimate(0.634, 0.52, 0.73, 0.05), ".63 (.52-.73)"),
        (Estimate(1.0, 0.5, 1.0, 0.1), "1.00 (.50-1.00)"),
        (Estimate(-0.001, -0.1, 0.1, 0.05), ".00 (-.10 to .10)"),
        (Estimate(0.9999, 0.98, 10.04, 0.1), "1.00 (.98-10.04)"),
    ],
)
def test_estimate_prints_for_people(estimate, text):
    assert str(estimate) == text
