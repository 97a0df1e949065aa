"""AUC under weights, bootstrap and permutation, and weighted quantiles.

A resample of patients is a row of counts. The scores are sorted once (by numpy, outside); each draw then costs one
pass over the patients in the order of their scores, whatever the number of ties.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel

#: Draws that share one row of scratch.
_BLOCK = 64
_LOW = 0xFFFFFFFF


@kernel
def weighted_aucs(order: np.ndarray, ends: np.ndarray, positive: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted area under the ROC curve of several scores under several rows of weights, ties counting half.

    ``AUC = sum_g P_g (N_<g + N_g / 2) / (P N)`` over groups ``g`` of tied scores, with ``P_g`` and ``N_g`` the
    weight of responders and non-responders in it and ``N_<g`` that of non-responders below it: the Mann-Whitney
    form (Hanley and McNeil 1982, DOI 10.1148/radiology.143.1.7063747). Sums are float64, in the order of the
    score. Cost: O(rows of weights x scores x patients); the sort is the caller's.

    Parameters
    ----------
    order : ndarray of int64, shape (n_scores, n_patients)
        Patients by ascending score.
    ends : ndarray of bool, shape (n_scores, n_patients)
        Whether a group of tied scores ends at this place of `order`.
    positive : ndarray of bool, shape (n_patients,)
        Who responded.
    weights : ndarray of float64, shape (n_rows, n_patients)
        Weight, or count, of each patient.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_scores)
        NaN where a class has no weight.

    Examples
    --------
    >>> order, ends = np.array([[0, 2, 1]]), np.array([[False, True, True]])  # patients 0 and 2 are tied
    >>> weighted_aucs(order, ends, np.array([False, True, True]), np.array([[1.0, 1.0, 1.0], [2.0, 0.0, 1.0]]))
    array([[0.75],
           [0.5 ]])
    """
    n_rows, n_scores, n = weights.shape[0], order.shape[0], order.shape[1]
    out = np.empty((n_rows, n_scores))
    for job in prange(n_rows * n_scores):
        r, s = job // n_scores, job % n_scores
        wins, all_pos, below, pos, neg = 0.0, 0.0, 0.0, 0.0, 0.0
        for p in range(n):
            patient = order[s, p]
            if positive[patient]:
                pos += weights[r, patient]
            else:
                neg += weights[r, patient]
            if ends[s, p]:
                wins += pos * (below + 0.5 * neg)
                below += neg
                all_pos += pos
                pos, neg = 0.0, 0.0
        out[r, s] = wins / (all_pos * below) if all_pos > 0 and below > 0 else np.nan
    return out


@kernel
def bootstrap_aucs(
    order: np.ndarray,
    ends: np.ndarray,
    positive: np.ndarray,
    pool: np.ndarray,
    offsets: np.ndarray,
    draws: int,
    seed: int,
) -> np.ndarray:
    """AUC of several scores in bootstrap resamples of the patients; every score sees the same resamples.

    The columns of one row are paired: their difference is a draw of the paired bootstrap. Draw ``d`` depends on
    `seed` and ``d`` alone, through a counter-based generator, so that neither threads nor the number of draws
    change it. Counts are integers: the AUC is exact before its one division. Bootstrap: Efron 1979, DOI
    10.1214/aos/1176344552; AUC as in `weighted_aucs`. Cost: O(draws x scores x patients).

    Parameters
    ----------
    order, ends, positive : ndarray
        As in `weighted_aucs`.
    pool : ndarray of int64, shape (n_patients,)
        Patients, stratum after stratum.
    offsets : ndarray of int64, shape (n_strata + 1,)
        Stratum ``s`` holds ``pool[offsets[s]:offsets[s + 1]]`` and keeps its size in every resample.
    draws : int
        Number of resamples.
    seed : int
        Any number in [0, 2**32).

    Returns
    -------
    ndarray of float64, shape (draws, n_scores)
        NaN where a draw lacks a class.

    Examples
    --------
    >>> order, ends = np.array([[0, 1, 2, 3]]), np.array([[True, True, True, True]])
    >>> positive = np.array([False, False, True, True])
    >>> bootstrap_aucs(order, ends, positive, np.arange(4), np.array([0, 2, 4]), 2, 1)  # separated: 1 in every draw
    array([[1.],
           [1.]])
    """
    n_scores, n = order.shape
    out = np.empty((draws, n_scores))
    for block in prange((draws + _BLOCK - 1) // _BLOCK):
        count, places = np.empty(n, np.int32), np.empty(n, np.int32)
        for d in range(block * _BLOCK, min(draws, (block + 1) * _BLOCK)):
            _resample(count, places, pool, offsets, d, seed)
            for s in range(n_scores):
                out[d, s] = _counted_auc(order[s], ends[s], positive, count)
    return out


@kernel
def resampled_counts(pool: np.ndarray, offsets: np.ndarray, draws: int, seed: int) -> np.ndarray:
    """How often each patient is in each resample of `bootstrap_aucs`: for any other statistic of the same draws.

    Cost: O(draws x patients). Generator: two rounds of a 32-bit integer hash of the place in the draw, keyed by
    64 bits made of seed and draw; a place maps to a patient by multiplication (Lemire 2019, DOI 10.1145/3230636)
    without rejection, which favours no patient by more than n / 2**32.

    Parameters
    ----------
    pool, offsets : ndarray of int64
        As in `bootstrap_aucs`.
    draws, seed : int
        As in `bootstrap_aucs`.

    Returns
    -------
    ndarray of int64, shape (draws, n_patients)
        Each row adds up to the number of patients.

    Examples
    --------
    >>> resampled_counts(np.arange(3), np.array([0, 1, 3]), 2, 0).sum(axis=1)
    array([3, 3])
    """
    out = np.empty((draws, pool.size), np.int64)
    for block in prange((draws + _BLOCK - 1) // _BLOCK):
        places = np.empty(pool.size, np.int32)
        for d in range(block * _BLOCK, min(draws, (block + 1) * _BLOCK)):
            _resample(out[d], places, pool, offsets, d, seed)
    return out


@kernel
def permuted_sums(values: np.ndarray, size: int, draws: int, seed: int) -> np.ndarray:
    """Sum of `size` values drawn without replacement, many times: the null of a rank sum under permuted labels.

    The first `size` steps of a Fisher-Yates shuffle per draw. With twice the midranks as values the sum is exact
    and tells the AUC of permuted labels (Wilcoxon 1945, DOI 10.2307/3001968). Draw ``d`` depends on `seed` and
    ``d`` alone. Cost: O(draws x patients).

    Parameters
    ----------
    values : ndarray of int64, shape (n,)
        What is summed.
    size : int
        How many are drawn, at most ``n``.
    draws : int
        Number of permutations.
    seed : int
        Any number in [0, 2**32).

    Returns
    -------
    ndarray of int64, shape (draws,)
        One sum per permutation.

    Examples
    --------
    >>> permuted_sums(np.array([5, 5, 5, 5]), 3, 2, 0)
    array([15, 15])
    """
    n = values.size
    out = np.empty(draws, np.int64)
    for block in prange((draws + _BLOCK - 1) // _BLOCK):
        deck = np.empty(n, np.int64)
        for d in range(block * _BLOCK, min(draws, (block + 1) * _BLOCK)):
            deck[:] = values
            one, two = _key(seed, d)
            total = 0
            for p in range(size):
                other = p + ((_random(one, two, p) * (n - p)) >> 32)
                total += deck[other]
                deck[other] = deck[p]
            out[d] = total
    return out


@kernel
def weighted_quantiles(values: np.ndarray, weights: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Weighted quantiles of rows: the least value at or below which lies at least the share of the weight.

    The inverse of the weighted distribution function, as ``numpy.quantile(..., method="inverted_cdf")``
    (Hyndman and Fan 1996, definition 1, DOI 10.1080/00031305.1996.10473566). Values without weight never count.
    Cost: O(rows x (n + shares x n)) at most; the sort is the caller's.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_rows, n)
        Ascending in each row.
    weights : ndarray of float64, shape (n_rows, n)
        Weight of each value, 0 or more.
    shares : ndarray of float64, shape (n_shares,)
        In [0, 1].

    Returns
    -------
    ndarray of float64, shape (n_rows, n_shares)
        NaN in a row without weight.

    Examples
    --------
    >>> weighted_quantiles(np.array([[1.0, 2.0, 9.0]]), np.array([[1.0, 1.0, 2.0]]), np.array([0.0, 0.5, 0.6]))
    array([[1., 2., 9.]])
    """
    n_rows, n = values.shape
    out = np.full((n_rows, shares.size), np.nan)
    for r in prange(n_rows):
        total = 0.0
        for i in range(n):
            total += weights[r, i]
        for q in range(shares.size):
            below = 0.0
            for i in range(n):
                below += weights[r, i]
                if weights[r, i] > 0 and total > 0:
                    out[r, q] = values[r, i]
                    if below / total >= shares[q]:
                        break
    return out


@helper
def _resample(
    count: np.ndarray, places: np.ndarray, pool: np.ndarray, offsets: np.ndarray, draw: int, seed: int
) -> None:
    count[:] = 0
    one, two = _key(seed, draw)
    for s in range(offsets.size - 1):
        low = offsets[s]
        size = offsets[s + 1] - low
        for p in range(low, offsets[s + 1]):
            places[p] = low + ((_random(one, two, p) * size) >> 32)
    for p in range(places.size):  # a loop of its own: the compiler vectorises the one above, but not both in one
        count[pool[places[p]]] += 1


@helper
def _counted_auc(order: np.ndarray, ends: np.ndarray, positive: np.ndarray, count: np.ndarray) -> float:
    wins, all_pos, below, pos, neg = 0, 0, 0, 0, 0
    for p in range(order.size):
        patient = order[p]
        hit = count[patient] * positive[patient]
        pos += hit
        neg += count[patient] - hit
        if ends[p]:
            wins += pos * (2 * below + neg)
            below += neg
            all_pos += pos
            pos, neg = 0, 0
    return wins / (2 * all_pos * below) if all_pos > 0 and below > 0 else np.nan


@helper
def _mix(x: int) -> int:
    """Hash 32 bits; a bijection. Products wrap in int64, the low 32 bits are right all the same."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _LOW
    x = ((x ^ (x >> 15)) * 0x6C4AAB1D) & _LOW
    return x ^ (x >> 16)


@helper
def _key(seed: int, draw: int) -> tuple[int, int]:
    one = _mix((_mix(int(seed) & _LOW) + int(draw)) & _LOW)
    return one, _mix((one + 0x51ED270B) & _LOW) ^ _mix((int(draw) * 0x2C1B3C6D + int(seed)) & _LOW)


@helper
def _random(one: int, two: int, place: int) -> int:
    """Return 32 bits for a place in a draw."""
    return _mix((_mix((place * 0x1E3779B9 + one) & _LOW) ^ two) & _LOW)
