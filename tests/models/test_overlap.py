"""Propensity and comparable patients: equal to scikit-learn, to a count by hand, and near a known truth (simulated)."""

import json

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression

from theracast.models.overlap import Overlap, Propensity, fit_propensity
from theracast.models.scaling import Scaling


def drawn(rng, n=1500, p=4, k=3, strength=0.7):
    X, weights = rng.normal(size=(n, p)), strength * rng.normal(size=(p, k))
    e = softmax(X @ weights, axis=1)
    return X, (rng.random((n, 1)) > e.cumsum(axis=1)).sum(axis=1), e


@pytest.mark.parametrize("k", [2, 3])
def test_the_propensity_is_scikit_learns(rng, k):
    X, arm, _ = drawn(rng, k=k)
    X[rng.random(X.shape) < 0.02] = np.nan
    fitted, _ = fit_propensity(X, arm, k, np.arange(len(X)) % 5)
    Z = Scaling.of(X).apply(X)
    peers = [LogisticRegression(C=v / 4, tol=1e-8, max_iter=9999).fit(Z, arm) for v in (0.01, 0.1, 1.0, 10.0)]
    distance = [np.abs(peer.predict_proba(Z) - fitted.of(X)).max() for peer in peers]
    assert min(distance) < 1e-4
    np.testing.assert_allclose(fitted.of(X).sum(axis=1), 1.0, atol=1e-12)


def test_the_propensity_is_near_the_truth(rng):
    X, arm, e = drawn(rng, n=4000)
    fitted, held_out = fit_propensity(X, arm, 3, np.arange(len(X)) % 5)
    assert np.abs(fitted.of(X) - e).mean() < 0.02
    assert np.abs(held_out - e).mean() < 0.025


def test_a_held_out_propensity_does_not_know_the_fold(rng, monkeypatch):
    monkeypatch.setattr("theracast.models.overlap._SPREADS", (1.0,))  # the penalty alone is common to all folds
    X, arm, _ = drawn(rng)
    folds = np.arange(len(X)) % 5
    other = np.where(folds == 2, (arm + 1) % 3, arm)
    first, second = (fit_propensity(X, a, 3, folds)[1] for a in (arm, other))
    np.testing.assert_array_equal(first[folds == 2], second[folds == 2])
    assert np.abs(first[folds != 2] - second[folds != 2]).max() > 0.01


def test_who_was_never_treated_has_a_propensity_near_nothing(rng):
    X, arm, _ = drawn(rng, n=900)
    X = np.column_stack([X, np.arange(900) % 2])
    arm[(X[:, -1] == 1) & (arm == 2)] = 0
    fitted, _ = fit_propensity(X, arm, 3, np.arange(900) // 2 % 5)
    e = fitted.of(X)[:, 2]
    assert np.median(e[X[:, -1] == 1]) < 0.02 < np.median(e[X[:, -1] == 0])


def test_comparable_patients_by_hand(rng):
    e = rng.dirichlet([2.0, 3.0, 4.0], 300)
    arm = rng.integers(0, 3, 300)
    overlap = Overlap.of(e, arm)
    odds = np.log(e / (1 - e))
    new = rng.dirichlet([1.0, 1.0, 1.0], 40)
    count, ess = overlap.comparable(new)
    for k in range(3):
        treated = odds[arm == k, k]
        reach = min(max(0.2 * odds[:, k].std(), 0.2, 2.34 * treated.std() * len(treated) ** -0.2), 1.0)
        assert overlap.reach[k] == pytest.approx(reach, abs=1e-12)
        for i in range(40):
            u = (np.log(new[i, k] / (1 - new[i, k])) - treated) / reach
            w = (1 - u**2)[np.abs(u) < 1]
            assert count[i, k] == len(w)
            assert ess[i, k] == pytest.approx(w.sum() ** 2 / (w**2).sum() if len(w) else 0.0, abs=1e-9)
    assert (ess <= count + 1e-9).all()


def test_everybody_is_comparable_in_a_trial_and_nobody_far_away():
    trial = np.tile([0.25, 0.75], (80, 1))
    arm = np.repeat([0, 1], [20, 60])
    count, ess = Overlap.of(trial, arm).comparable(trial[:1])
    assert count.tolist() == [[20, 60]]
    np.testing.assert_allclose(ess, [[20.0, 60.0]])
    count, ess = Overlap.of(trial, arm).comparable(np.array([[0.999, 0.001]]))
    assert not count.any()
    assert not ess.any()


def test_nobody_is_comparable_beyond_one_log_odd(rng):
    odds = 6.0 * rng.normal(size=60)
    e = np.column_stack([1 / (1 + np.exp(-odds)), 1 / (1 + np.exp(odds))])
    overlap = Overlap.of(e, (odds > 0).astype(int))
    assert overlap.reach.tolist() == [1.0, 1.0]
    far = 1 / (1 + np.exp(-(odds[odds <= 0].max() + 1.01)))
    assert overlap.comparable(np.array([[far, 1 - far]]))[0][0, 0] == 0


def test_numbers_do_not_depend_on_who_else_is_asked_about(rng, monkeypatch):
    X, arm, _ = drawn(rng, n=400)
    fitted, _ = fit_propensity(X, arm, 3, np.arange(400) % 5)
    overlap = Overlap.of(fitted.of(X), arm)
    wanted = [fitted.of(X), *overlap.comparable(fitted.of(X))]
    alone = [[fitted.of(X[[i]]), *overlap.comparable(fitted.of(X[[i]]))] for i in range(50)]
    for j, whole in enumerate(wanted):
        np.testing.assert_array_equal(np.vstack([a[j] for a in alone]), whole[:50])
    monkeypatch.setattr("theracast.models.overlap._AT_ONCE", 1000)
    for got, whole in zip(overlap.comparable(fitted.of(X)), wanted[1:], strict=True):
        np.testing.assert_array_equal(got, whole)


def test_states_come_back_to_the_bit(rng):
    X, arm, _ = drawn(rng, n=300)
    X[rng.random(X.shape) < 0.2] = np.nan
    fitted, _ = fit_propensity(X, arm, 3, np.arange(300) % 5)
    overlap = Overlap.of(fitted.of(X), arm)
    again = Propensity.from_state(json.loads(json.dumps(fitted.state(), allow_nan=False)))
    np.testing.assert_array_equal(again.of(X), fitted.of(X))
    back = Overlap.from_state(json.loads(json.dumps(overlap.state(), allow_nan=False)))
    np.testing.assert_array_equal(back.comparable(fitted.of(X))[1], overlap.comparable(fitted.of(X))[1])
