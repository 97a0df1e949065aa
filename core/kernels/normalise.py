"""Scaling factors of count tables: the trimmed mean of M-values (TMM)."""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel


@kernel
def binary_logs(values: np.ndarray) -> np.ndarray:
    """Logarithms to base 2 by the C library, ``out = log2(values)``.

    numpy's own `log2` may differ in the last bit where it uses vector instructions, and with it which of two ratios
    are tied; R calls the C library. Cost: O(values).

    Parameters
    ----------
    values : ndarray of float64, shape (n_samples, n_genes)
        Ratios.

    Returns
    -------
    ndarray of float64, same shape
        NaN where a value is not positive and finite.

    Examples
    --------
    >>> binary_logs(np.array([[8.0, 0.0]]))
    array([[ 3., nan]])
    """
    out = np.empty(values.shape)
    for i in prange(values.shape[0]):
        for j in range(values.shape[1]):
            value = np.float64(values[i, j])
            out[i, j] = math.log2(value) if 0.0 < value < np.inf else np.nan
    return out


@helper
def _kept(ordered: np.ndarray, n: int, trim: float) -> tuple[float, float]:
    """Least and largest value whose average rank is within the bounds; both belong to the kept."""
    low = math.floor(n * trim)  # position from 0 of edgeR's rank floor(n * trim) + 1
    high = n - 1 - low
    if low > high:
        return np.inf, -np.inf
    first, last = low, low
    while first > 0 and ordered[first - 1] == ordered[low]:
        first -= 1
    while last < n - 1 and ordered[last + 1] == ordered[low]:
        last += 1
    least = ordered[low]
    if first + last < 2 * low:  # the ties' average rank falls below the bound: all of them go
        least = ordered[last + 1] if last + 1 < n else np.inf
    first, last = high, high
    while first > 0 and ordered[first - 1] == ordered[high]:
        first -= 1
    while last < n - 1 and ordered[last + 1] == ordered[high]:
        last += 1
    largest = ordered[high]
    if first + last > 2 * high:
        largest = ordered[first - 1] if first > 0 else -np.inf
    return least, largest


@kernel
def trimmed_means(
    ratios: np.ndarray,
    levels: np.ndarray,
    ordered_ratios: np.ndarray,
    ordered_levels: np.ndarray,
    shares: np.ndarray,
    sizes: np.ndarray,
    target: np.ndarray,
    target_size: float,
    ratio_trim: float,
    level_trim: float,
) -> np.ndarray:
    """Weighted mean of log ratios, without the genes of extreme ratio or extreme level.

    ``sum(M / v) / sum(1 / v)`` over the genes whose average ranks of M and of A, with ties sharing theirs, lie within
    ``floor(n * trim) + 1`` and ``n - floor(n * trim)``. Ties at a bound stay or go together; the kept are an interval
    of values, so that two sorts and a pass do. Cost: O(genes) per sample after the sorts.
    DOI 10.1186/gb-2010-11-3-r25

    Parameters
    ----------
    ratios, levels : ndarray of float64, shape (n_samples, n_genes)
        M, the log2 ratio to the reference sample, and A, the mean log2 share; both NaN where either count is zero.
    ordered_ratios, ordered_levels : ndarray of float64, shape (n_samples, n_genes)
        Their rows sorted, NaN last.
    shares : ndarray of float64, shape (n_samples, n_genes)
        Counts over the sample's sum; v = (1 - share) / count + (1 - target) / target's count.
    sizes : ndarray of float64, shape (n_samples,)
        Sums of the samples.
    target : ndarray of float64, shape (n_genes,)
        Shares of the reference sample.
    target_size : float
        Its sum.
    ratio_trim, level_trim : float
        Share cut from either end, in [0, 0.5).

    Returns
    -------
    ndarray of float64, shape (n_samples,)
        Log2 factors; 0 where no gene is kept or no ratio exceeds 1e-6.

    Examples
    --------
    >>> m, a, share = np.array([[0.0, 1.0, 1.0, 9.0]]), np.array([[1.0, 2.0, 3.0, 4.0]]), np.full((1, 4), 0.25)
    >>> trimmed_means(m, a, m, a, share, np.array([40.0]), share[0], 40.0, 0.3, 0.0)
    array([1.])
    """
    out = np.zeros(ratios.shape[0])
    for i in prange(ratios.shape[0]):
        n = ratios.shape[1]
        while n > 0 and np.isnan(ordered_ratios[i, n - 1]):
            n -= 1
        if n > 0 and max(abs(ordered_ratios[i, 0]), abs(ordered_ratios[i, n - 1])) >= 1e-6:
            least, largest = _kept(ordered_ratios[i], n, ratio_trim)
            bottom, top = _kept(ordered_levels[i], n, level_trim)
            total, weights = 0.0, 0.0
            for j in range(ratios.shape[1]):
                if least <= ratios[i, j] <= largest and bottom <= levels[i, j] <= top:
                    variance = (1.0 - shares[i, j]) / (shares[i, j] * sizes[i])
                    weight = 1.0 / (variance + (1.0 - target[j]) / (target[j] * target_size))
                    part = ratios[i, j] * weight
                    if not np.isnan(part):
                        total += part
                    weights += weight
            mean = total / weights if weights != 0.0 else 0.0
            out[i] = 0.0 if np.isnan(mean) else mean
    return out
