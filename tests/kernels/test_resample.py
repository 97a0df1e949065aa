"""AUC, bootstrap, permutation and quantile kernels: equal to their twins, whatever the threads."""

import importlib.util
from pathlib import Path

import numba
import numpy as np
import pytest

from theracast.kernels.resample import (
    bootstrap_aucs,
    permuted_sums,
    resampled_counts,
    weighted_aucs,
    weighted_quantiles,
)

_FILE = Path(__file__).resolve().parents[1] / "reference" / "resample.py"
_SPEC = importlib.util.spec_from_file_location("reference_resample", _FILE)
twin = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(twin)


def normal(shape):
    return np.random.default_rng(7).normal(0.0, 3.0, shape)


def frozen(values):
    values.setflags(write=False)
    return values


#: Scores x patients.
SCORES = {
    "plain": normal((3, 12)),
    "no patients": normal((2, 0)),
    "one patient": normal((2, 1)),
    "no scores": normal((0, 5)),
    "ties": np.ones((2, 9)),
    "some ties": np.round(normal((3, 15))),
    "inf": np.array([[np.inf, 1.0, -np.inf, np.inf, 0.0, -np.inf]]),
    "float32": normal((2, 10)).astype(np.float32),
    "strided": normal((4, 20))[::2, ::2],
    "reversed": normal((2, 10))[::-1, ::-1],
    "read-only": frozen(normal((2, 10))),
    "huge": normal((2, 10)) * 1e300,
    "tiny": normal((2, 10)) * 1e-300,
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


@pytest.mark.parametrize("table", SCORES.values(), ids=SCORES)
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


@pytest.mark.parametrize("table", SCORES.values(), ids=SCORES)
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


def test_the_number_of_threads_does_not_change_a_bit(rng):
    order, ends = prepared(np.round(rng.normal(0, 5, (2, 300))))
    positive, pool, offsets = rng.random(300) < 0.3, np.arange(300), np.array([0, 300])
    weights = rng.random((40, 300))
    before, found = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            found.append(
                bootstrap_aucs(order, ends, positive, pool, offsets, 200, 1).tobytes()
                + weighted_aucs(order, ends, positive, weights).tobytes()
                + permuted_sums(np.arange(300), 100, 200, 1).tobytes()
                + resampled_counts(pool, offsets, 50, 1).tobytes()
                + weighted_quantiles(np.sort(weights), weights, np.array([0.2, 0.7])).tobytes()
            )
    finally:
        numba.set_num_threads(before)
    assert len(set(found)) == 1
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
