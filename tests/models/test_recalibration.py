"""Recalibration: against arm, glm and by hand, known truth by simulation, contract, faults."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from theracast.errors import DataError, UsageError
from theracast.models.metrics import brier
from theracast.models.recalibration import INTERCEPT_SD, SLOPE_SD, Recalibration, calibration_spread

GOLDEN = Path(__file__).parents[1] / "golden"
DATA = pd.read_csv(GOLDEN / "conformal_input.csv")
TOLD = json.loads((GOLDEN / "recalibration_r.json").read_text())
ASIS = (Recalibration().intercept, Recalibration().slope)


def line(found):
    return found.intercept, found.slope


def two_classes(rng, n, rate, apart, assumed):
    """SIMULATED calibrated log-odds of a model that assumes another rate: normal classes of equal variance."""
    y = (rng.random(n) < rate).astype(int)
    return logit(assumed) + apart * (rng.normal(size=n) + apart * (y - 0.5)), y


# ---------------------------------------------------------------- numbers from outside


@pytest.mark.parametrize("mode", TOLD["modes"], ids=lambda m: f"{m['n']} labels")
def test_few_labels_are_the_posterior_mode_of_arm(mode):
    part = DATA[: mode["n"]]
    found = Recalibration.from_labels(part.margin, part.y, TOLD["assumed"], tuple(mode["spread"]))
    assert line(found) == pytest.approx((mode["intercept"], mode["slope"]), abs=1e-8)


def test_without_priors_it_is_logistic_regression_of_r():
    found = Recalibration.from_labels(DATA.margin, DATA.y, 0.3, (1e4, 1e4))
    assert line(found) == pytest.approx(TOLD["plain"], abs=1e-6)


def test_one_label_by_hand():
    """At the centre the slope has no say: the mode solves a / s^2 = 1 - expit(a)."""
    found = Recalibration.from_labels([0.0], [1], 0.5, (1.0, 0.5))
    assert found.slope == 1.0
    assert found.intercept == pytest.approx(1 - expit(found.intercept), abs=1e-8)
    assert found.intercept == pytest.approx(0.40106, abs=1e-5)


def test_a_given_rate_by_hand():
    """Odds of 3/7 become 1/1: the odds ratio is 7/3."""
    assert line(Recalibration.from_rate(0.3, 0.5)) == pytest.approx((np.log(7 / 3), 1.0))
    assert line(Recalibration.from_rate(0.3, 0.3)) == pytest.approx(ASIS)


def test_a_given_rate_is_met_on_the_scores_of_the_site(rng):
    margin = rng.normal(-2, 1, 60)
    assert expit(Recalibration.from_rate(0.3, 0.45, margin).apply(margin)).mean() == pytest.approx(0.45)
    assert line(Recalibration.from_rate(0.3, 0.45, margin[:19])) == line(Recalibration.from_rate(0.3, 0.45))


def test_the_rate_is_where_the_em_of_saerens_comes_to_rest(rng):
    margin, _ = two_classes(rng, 300, 0.6, 3.0, 0.3)
    rate = 0.3
    for _ in range(2000):
        rate = expit(margin + logit(rate) - logit(0.3)).mean()
    found = Recalibration.from_scores(margin, 0.3)
    assert found.intercept == pytest.approx(logit((300 * rate + 0.5) / 301) - logit(0.3), abs=1e-6)


# ---------------------------------------------------------------- known truth (SIMULATED)


def test_labels_find_the_site(rng):
    """SIMULATED: a site off by an intercept of -.8 and a slope of .6; 5,000 labels find it, ten a third of the way."""
    margin = rng.normal(-0.8, 1.2, 5000)
    y = (rng.random(5000) < expit(-0.8 + 0.6 * margin)).astype(int)
    assert line(Recalibration.from_labels(margin, y, 0.3)) == pytest.approx((-0.8, 0.6), abs=0.1)
    before, after = [], []
    for _ in range(100):
        drawn = rng.choice(5000, 10, replace=False)
        few = Recalibration.from_labels(margin[drawn], y[drawn], 0.3)
        before.append(brier(y, expit(margin)))
        after.append(brier(y, expit(few.apply(margin))))
    best = brier(y, expit(-0.8 + 0.6 * margin))
    assert np.mean(after) - best < 2 / 3 * (np.mean(before) - best)


def test_few_labels_do_little_harm_where_nothing_is_wrong(rng):
    """SIMULATED: a site as trained; ten labels cost less than .005 of Brier, plain regression five times as much."""
    margin = rng.normal(-0.8, 0.8, 4000)
    y = (rng.random(4000) < expit(margin)).astype(int)
    cost = {"prior": [], "plain": []}
    for _ in range(100):
        drawn = rng.choice(4000, 10, replace=False)
        for name, spread in (("prior", (INTERCEPT_SD, SLOPE_SD)), ("plain", (1e3, 1e3))):
            few = Recalibration.from_labels(margin[drawn], y[drawn], 0.3, spread)
            cost[name].append(brier(y, expit(few.apply(margin))) - brier(y, expit(margin)))
    assert np.mean(cost["prior"]) < 0.005
    assert np.mean(cost["plain"]) > 5 * np.mean(cost["prior"])


@pytest.mark.parametrize("rate", [0.1, 0.35, 0.8])
def test_classes_that_part_tell_the_rate(rng, rate):
    """SIMULATED: classes three standard deviations apart, 300 patients; at least 90 of 100 intervals hold the truth."""
    held = []
    for _ in range(100):
        margin, _ = two_classes(rng, 300, rate, 3.0, 0.3)
        found = Recalibration.from_scores(margin, 0.3, drift=0.0)
        low, high = (int(v) / 100 for v in found.note.split("(")[1].strip("%)").replace("%", "").split("-"))
        held.append(not found.refused and low - 0.005 <= rate <= high + 0.005)
    assert sum(held) >= 90


def test_classes_that_overlap_do_not(rng):
    """SIMULATED: an AUC of .70, and scores that drifted by .4: EM would be sure of a wrong rate."""
    margin, _ = two_classes(rng, 2000, 0.3, 0.75, 0.3)
    sure = Recalibration.from_scores(margin + 0.4, 0.3, drift=0.0)
    assert not sure.refused
    assert expit(sure.intercept + logit(0.3)) > 0.5
    found = Recalibration.from_scores(margin + 0.4, 0.3)
    assert found.refused
    assert line(found) == ASIS
    assert "cannot tell" in found.note


def test_the_spread_between_cohorts_is_found(rng):
    """SIMULATED: 40 cohorts of 400, intercepts of spread .6 and slopes of spread .4."""
    cohorts = np.repeat(np.arange(40), 400)
    margin = rng.normal(0, 1.2, cohorts.size)
    eta = rng.normal(0, 0.6, 40)[cohorts] + rng.normal(1, 0.4, 40)[cohorts] * margin
    y = (rng.random(cohorts.size) < expit(eta)).astype(int)
    assert calibration_spread(margin, y, cohorts) == pytest.approx((0.6, 0.4), abs=0.15)


def test_cohorts_alike_leave_some_doubt(rng):
    cohorts = np.repeat(np.arange(5), 400)
    margin = rng.normal(0, 1.2, cohorts.size)
    y = (rng.random(cohorts.size) < expit(margin)).astype(int)
    assert min(calibration_spread(margin, y, cohorts)) >= 0.1
    one_class = calibration_spread(margin, np.ones_like(y), cohorts)
    assert one_class == (INTERCEPT_SD, SLOPE_SD)


# ---------------------------------------------------------------- contract


def test_order_does_not_matter_and_patients_stand_alone(rng):
    order = rng.permutation(len(DATA))
    one = Recalibration.from_labels(DATA.margin, DATA.y, 0.3)
    two = Recalibration.from_labels(DATA.margin[order], DATA.y[order], 0.3)
    assert line(one) == pytest.approx(line(two), abs=1e-8)
    margin = rng.normal(size=50)
    assert [one.apply([m])[0] for m in margin] == one.apply(margin).tolist()


@pytest.mark.parametrize(
    "one",
    [
        Recalibration(),
        Recalibration.from_rate(0.3, 0.2),
        Recalibration.from_labels([0.2, -1.0], [1, 0], 0.3),
        Recalibration.from_scores([0.2, -1.0], 0.3),
    ],
    ids=["none", "rate", "labels", "scores"],
)
def test_the_state_goes_through_json(one):
    again = Recalibration.from_state(json.loads(json.dumps(one.state())))
    assert again == one
    assert again.apply([0.3]).tolist() == one.apply([0.3]).tolist()


def test_ranks_stay_even_where_labels_run_against_the_scores():
    """And at a slope of 0 the intercept is the mode of its own: a / s^2 = sum(y - expit(a))."""
    margin = np.linspace(-6, 6, 400)
    y = (margin < 3).astype(int)
    found = Recalibration.from_labels(margin, y, 0.5, (0.5, 5.0))
    assert found.slope == 0.0
    assert found.intercept / 0.25 == pytest.approx((y - expit(found.intercept)).sum(), abs=1e-5)


def test_no_label_changes_nothing():
    found = Recalibration.from_labels([], [], 0.3)
    assert line(found) == ASIS
    assert found.note == "no labels: as trained"


# ---------------------------------------------------------------- faults


def test_D24_labels_of_one_class_are_enough():
    up, down = (Recalibration.from_labels(np.full(15, -0.8), np.full(15, v), 0.3) for v in (1, 0))
    assert 0.3 < up.intercept < 1.5
    assert -1.5 < down.intercept < -0.2


@pytest.mark.parametrize("margin", [[0.1, np.nan], [[0.1]], ["x"]])
def test_D11_what_is_no_number_is_refused(margin):
    with pytest.raises(DataError):
        Recalibration.from_labels(margin, [1] * len(margin), 0.3)
    with pytest.raises(DataError):
        Recalibration.from_scores(margin, 0.3)
    with pytest.raises(DataError):
        Recalibration.from_rate(0.3, 0.2, margin)
    with pytest.raises(DataError):
        calibration_spread(margin, [1] * len(margin), ["a"] * len(margin))


def test_labels_and_scores_of_other_patients():
    with pytest.raises(DataError, match="unequal lengths"):
        Recalibration.from_labels([0.1, 0.2], [1], 0.3)
    with pytest.raises(DataError, match="other values than 0 and 1"):
        Recalibration.from_labels([0.1, 0.2], [1, 2], 0.3)
    with pytest.raises(DataError, match="unequal lengths"):
        calibration_spread([0.1, 0.2], [1, 0], ["a"])


@pytest.mark.parametrize("rate", [0.0, 1.0, 35.0, -0.2, float("nan")])
def test_a_rate_is_no_percentage(rate):
    for call in (
        lambda: Recalibration.from_rate(0.3, rate),
        lambda: Recalibration.from_rate(rate, 0.3),
        lambda: Recalibration.from_labels([0.1], [1], rate),
        lambda: Recalibration.from_scores([0.1], rate),
    ):
        with pytest.raises(UsageError, match="between 0 and 1"):
            call()


@pytest.mark.parametrize("spread", [(0.0, 0.5), (0.5, -1.0), (0.5, float("nan")), (float("inf"), 0.5)])
def test_a_spread_is_positive(spread):
    with pytest.raises(UsageError, match="positive"):
        Recalibration.from_labels([0.1], [1], 0.3, spread)


def test_a_drift_is_not_negative():
    with pytest.raises(UsageError, match="negative"):
        Recalibration.from_scores([0.1], 0.3, drift=-0.1)


def test_D33_no_scores_cannot_tell():
    found = Recalibration.from_scores([], 0.3)
    assert found.refused
    assert line(found) == ASIS


def test_D11_infinite_looking_scores_do_not_overflow():
    found = Recalibration.from_scores([-800.0] * 50 + [800.0] * 50, 0.3)
    assert expit(found.intercept + logit(0.3)) == pytest.approx(0.5, abs=0.01)
    assert np.isfinite(line(Recalibration.from_rate(0.3, 0.5, [-800.0] * 50 + [800.0] * 51))).all()
    assert np.isfinite(line(Recalibration.from_labels([-800.0, 800.0], [1, 0], 0.3))).all()
