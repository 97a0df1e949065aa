"""Net benefit by hand, its limits, and intervals that hold on simulated truth."""

import numpy as np
import pytest

from theracast.errors import DataError, UsageError
from theracast.models.decision_curve import THRESHOLDS, net_benefit

#: Ten patients, three of whom responded. From .2: 6 are treated, 3 of them respond. From .5: 3, of whom 2 do.
Y = [1, 1, 1, 0, 0, 0, 0, 0, 0, 0]
P = [0.9, 0.6, 0.3, 0.7, 0.4, 0.2, 0.1, 0.1, 0.05, 0.05]


def test_by_hand():
    found = net_benefit(Y, P, [0.2, 0.5]).set_index("threshold")
    # 3/10 - 3/10 * .25 and 2/10 - 1/10 * 1; treating all: .3 - .7 * .25 and .3 - .7
    assert found.net_benefit.tolist() == pytest.approx([0.225, 0.1])
    assert found.treat_all.tolist() == pytest.approx([0.125, -0.4])
    assert found.gain.tolist() == pytest.approx([0.1, 0.1]), "at .5 nobody is the rule to beat"


def test_a_threshold_is_treated_from_and_the_limits_are_the_response_rate_and_nothing():
    assert net_benefit([1, 0], [0.5, 0.4], [0.5]).net_benefit.item() == 0.5
    assert net_benefit(Y, Y).net_benefit.tolist() == pytest.approx([0.3] * len(THRESHOLDS))
    assert net_benefit(Y, np.zeros(10)).net_benefit.eq(0).all()
    everyone = net_benefit(Y, np.ones(10))
    assert everyone.net_benefit.equals(everyone.treat_all)


def test_intervals_hold_the_truth_as_often_as_they_say(rng):
    """SIMULATED: of patients whose probability is exactly right, the net benefit at t is known by quadrature."""
    grid = np.linspace(0, 1, 10_001)
    at = 0.3
    truth = np.mean(np.where(grid >= at, grid - (1 - grid) * at / (1 - at), 0.0))
    hits = 0
    for i in range(300):
        p = rng.random(150)
        found = net_benefit((rng.random(150) < p).astype(int), p, [at], draws=300, seed=i)
        hits += bool(found.lower.item() <= truth <= found.upper.item())
    assert 0.91 <= hits / 300 <= 0.98


def test_draws_repeat_and_more_certainty_is_wider():
    one, again, other = net_benefit(Y, P, seed=1), net_benefit(Y, P, seed=1), net_benefit(Y, P, seed=2)
    assert one.equals(again)
    assert not one.lower.equals(other.lower)
    wide = net_benefit(Y, P, seed=1, level=0.99)
    assert (wide.upper - wide.lower >= one.upper - one.lower).all()


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({"thresholds": [0.0]}, UsageError),
        ({"thresholds": [float("nan")]}, UsageError),
        ({"level": 1.0}, UsageError),
        ({"draws": 0}, UsageError),
        ({"p": [0.1, 1.2]}, DataError),
        ({"y": [0, 2]}, DataError),
        ({"p": [0.1, float("nan")]}, DataError),
        ({"y": [], "p": []}, DataError),
    ],
)
def test_what_is_refused(given, error):
    with pytest.raises(error):
        net_benefit(**{"y": [0, 1], "p": [0.2, 0.6], **given})
