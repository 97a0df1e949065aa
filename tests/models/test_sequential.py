"""Evidence that may be looked at as often as one likes: no gain on average while the promise holds."""

from itertools import product

import numpy as np
import pytest
from scipy.special import expit, logit

from theracast.errors import DataError
from theracast.models.metrics import calibration
from theracast.models.sequential import calibration_evidence, expected_gap, shortfall_evidence


def mean_stake(evidence, p, n):
    """Over every course that n outcomes can take, weighted by its probability."""
    total = 0.0
    for y in product((0, 1), repeat=n):
        chance = np.prod(np.where(np.array(y) == 1, p, 1 - p))
        total += chance * np.exp(evidence(np.array(y))[-1])
    return total


def test_a_bet_against_right_probabilities_gains_nothing(rng):
    p = rng.uniform(0.05, 0.95, 8)
    assert mean_stake(lambda y: calibration_evidence(y, p, 0.3), p, 8) == pytest.approx(1, rel=1e-9)
    wrong = expit(logit(p) + 1)
    assert mean_stake(lambda y: calibration_evidence(y, p, 0.3), wrong, 8) > 1.1


@pytest.mark.parametrize(("missed", "gains"), [(0.15, False), (0.05, False), (0.4, True)])
def test_a_bet_against_sets_that_hold_gains_nothing(missed, gains):
    found = mean_stake(lambda y: shortfall_evidence(y, 0.15), np.full(8, missed), 8)
    assert (found > 1 + 1e-9) == gains
    if missed == 0.15:
        assert found == pytest.approx(1, rel=1e-9)


def test_the_end_does_not_depend_on_the_order_nor_on_the_steps(rng):
    p = rng.uniform(0, 1, 300)
    y = (rng.random(300) < p).astype(int)
    order = rng.permutation(300)
    whole = calibration_evidence(y, p)
    assert calibration_evidence(y[order], p[order])[-1] == pytest.approx(whole[-1])
    np.testing.assert_allclose(calibration_evidence(y, p, at=[10, 200, 300]), whole[[9, 199, 299]], rtol=1e-9)


def test_long_tables_are_summed_in_parts(rng, monkeypatch):
    p = rng.uniform(0, 1, 500)
    y = (rng.random(500) < p).astype(int)
    whole = calibration_evidence(y, p, at=[500])
    monkeypatch.setattr("theracast.models.sequential._ROWS", 7)
    np.testing.assert_allclose(calibration_evidence(y, p, at=[500]), whole, rtol=1e-9)


def test_false_alarms_over_a_thousand_simulated_lives(rng):
    """Simulated: right probabilities, looked at after each of 300 outcomes, at the level of 1 in 20."""
    alarms = missed = 0
    for _ in range(1000):
        p = expit(rng.normal(-0.6, 1, 300))
        y = (rng.random(300) < p).astype(int)
        alarms += calibration_evidence(y, p, 0.35).max() >= np.log(20)
        missed += shortfall_evidence(rng.random(300) < 0.15, 0.15).max() >= np.log(20)
    assert 0 < alarms <= 50
    assert 0 < missed <= 50


def test_the_gap_of_a_line_is_that_of_its_fit(rng):
    p = rng.uniform(0.1, 0.9, 400)
    y = (rng.random(400) < expit(logit(p) * 0.5 - 1)).astype(int)
    assert expected_gap(p, 1.0, 0.0) == pytest.approx(0)
    intercept = calibration(y, p)[1].value
    assert np.mean(expit(logit(p) + intercept)) == pytest.approx(y.mean(), abs=1e-6)
    assert expected_gap(p, 1.0, intercept) == pytest.approx(abs(y.mean() - p.mean()), abs=1e-6)


def test_what_is_refused():
    with pytest.raises(DataError):
        calibration_evidence([0, 2], [0.1, 0.2])
    with pytest.raises(DataError, match="promised share"):
        shortfall_evidence([0, 1], 1.0)
