"""AUC, bootstrap, permutation and quantile kernels: equal to their twins, whatever the threads."""

import numpy as np
import pytest
from grid import TABLES, by_threads, frozen, jitted, normal, over
from reference import resample as twin

from theracast.kernels.resample import (
    bootstrap_aucs,
    permuted_sums,
    resampled_counts,
    weighted_aucs,
    weighted_quantiles,
)

#: Scores x patients. A score is never NaN, and is what a sort takes: the type of float plays no part.
SCORES = {k: v for k, v in TABLES.items() if not np.isnan(v).any() and v.size < 1000} | {
    "both infinities": np.array([[np.inf, 1.0, -np.inf, np.inf, 0.0, -np.inf]]),
    "patients": np.round(normal(2, 60)),
}


def prepared(table):
    order = np.argsort(table, axis=1, kind="stable")
    ranked = np.take_along_axis(table, order, axis=1)
    ends = np.ones(order.shape, dtype=bool)
    ends[:, :-1] = ranked[:, 1:] != ranked[:, :-1]
    return order, ends


def outcomes(n):
    mixed = np.arange(n) % 3 == 1
    return {"mixed": mixed, "all": np.ones(n, bool), "none": np.zeros(n, bool), "read-only": frozen(~mixed)}


@over("table", SCORES)
def test_the_aucs_equal_their_twins(table):
    order, ends = prepared(table)
    n = table.shape[1]
    weights = np.vstack([np.ones(n), np.arange(n) % 4, np.zeros(n), np.linspace(0.1, 2, n), np.full(n, 1e-100)])
    for positive in outcomes(n).values():
        got = weighted_aucs(order, ends, positive, weights)
        np.testing.assert_allclose(got, twin.weighted_aucs(order, ends, positive, weights), rtol=1e-12)
        cut = int(np.count_nonzero(~positive))
        for offsets in (np.array([0, n]), np.array([0, cut, n])):
            pool = np.argsort(positive, kind="stable")
            ours = bootstrap_aucs(order, ends, positive, pool, offsets, 9, 5)
            wanted = twin.bootstrap_aucs(order, ends, positive, pool, offsets, 9, 5)
            np.testing.assert_allclose(ours, wanted, rtol=1e-12)
            counts = resampled_counts(pool, offsets, 9, 5)
            np.testing.assert_array_equal(counts, twin.resampled_counts(pool, offsets, 9, 5))
            np.testing.assert_array_equal(ours, weighted_aucs(order, ends, positive, counts.astype(float)))


@pytest.mark.parametrize("values", [[], [4], [1, 1, 1], list(range(20)), [-(10**12), 7, 10**12]], ids=str)
def test_permuted_sums_equal_their_twin(values):
    values = frozen(np.array(values, dtype=np.int64))
    for size in range(values.size + 1):
        for draws, seed in ((0, 1), (1, 0), (130, 2**32 - 1)):
            got = permuted_sums(values, size, draws, seed)
            np.testing.assert_array_equal(got, twin.permuted_sums(values, size, draws, seed))


@over("table", SCORES)
def test_weighted_quantiles_equal_their_twin_and_numpy(table):
    ranked, shares = np.sort(table, axis=1), np.array([0, 0.025, 0.1, 1 / 3, 0.5, 0.9, 1])
    n = table.shape[1]
    for weight in (np.ones(n), np.arange(n) % 3, np.zeros(n), np.linspace(0, 1, n), np.linspace(1, 0, n) * 1e200):
        weights = np.tile(weight.astype(float), (len(table), 1))
        got = weighted_quantiles(ranked, weights, shares)
        np.testing.assert_array_equal(got, twin.weighted_quantiles(ranked, weights, shares))
        for row, mine in zip(ranked, got, strict=True):
            if weight.sum() > 0:
                theirs = np.quantile(row, shares, weights=weight, method="inverted_cdf")
                np.testing.assert_array_equal(mine, theirs)
            else:
                assert np.isnan(mine).all()


@jitted
def test_the_number_of_threads_does_not_change_a_bit(rng):
    order, ends = prepared(np.round(rng.normal(0, 5, (2, 300))))
    positive, pool, offsets = rng.random(300) < 0.3, np.arange(300), np.array([0, 300])
    weights = rng.random((40, 300))

    def everything():
        return (
            bootstrap_aucs(order, ends, positive, pool, offsets, 200, 1).tobytes()
            + weighted_aucs(order, ends, positive, weights).tobytes()
            + permuted_sums(np.arange(300), 100, 200, 1).tobytes()
            + resampled_counts(pool, offsets, 50, 1).tobytes()
            + weighted_quantiles(np.sort(weights), weights, np.array([0.2, 0.7])).tobytes()
        )

    assert len(set(by_threads(everything))) == 1


def test_more_draws_begin_with_the_same(rng):
    order, ends = prepared(np.round(rng.normal(0, 5, (2, 40))))
    positive, pool, offsets = rng.random(40) < 0.3, np.arange(40), np.array([0, 40])
    few, many = (bootstrap_aucs(order, ends, positive, pool, offsets, d, 1) for d in (70, 200))
    np.testing.assert_array_equal(few, many[:70])


def test_the_generator_is_fair():
    """Counts of a bootstrap are multinomial: mean, variance and covariance, over draws and over seeds."""
    n, draws = 20, 4000
    by_draw = resampled_counts(np.arange(n), np.array([0, n]), draws, 3)
    by_seed = np.vstack([resampled_counts(np.arange(n), np.array([0, n]), 1, seed) for seed in range(draws)])
    for counts in (by_draw, by_seed):
        chi2 = ((counts.sum(axis=0) - draws) ** 2 / draws).sum()
        assert chi2 < 43.8  # the 99.9% point of 19 degrees of freedom
        covariance = np.cov(counts.T)
        assert np.diag(covariance).mean() == pytest.approx(1 - 1 / n, abs=0.03)
        assert covariance[~np.eye(n, dtype=bool)].mean() == pytest.approx(-1 / n, abs=0.01)
        following = np.corrcoef(counts[:-1].ravel(), counts[1:].ravel())[0, 1]
        assert abs(following) < 4 / np.sqrt(counts.size)
    sums, variance = permuted_sums(np.arange(n), 5, draws, 3), 5 * 33.25 * 15 / 19  # without replacement
    assert sums.mean() == pytest.approx(5 * 9.5, abs=4 * np.sqrt(variance / draws))
    assert sums.var() == pytest.approx(variance, rel=0.1)
