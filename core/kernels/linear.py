"""Weighted sums of genotype dosages, read once as the bytes they are."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel


@helper
def _term(dosage: int, weight: float, fill: float) -> float:
    return weight * dosage if dosage >= 0 else fill


@helper
def _four(
    one: np.ndarray, two: np.ndarray, three: np.ndarray, four: np.ndarray, weights: np.ndarray, fill: np.ndarray
) -> tuple[float, float, float, float]:
    """Weighted sums of one stretch of four samples, who share each load of a weight."""
    a, b, c, d = 0.0, 0.0, 0.0, 0.0
    for j in range(weights.size):
        a += _term(one[j], weights[j], fill[j])
        b += _term(two[j], weights[j], fill[j])
        c += _term(three[j], weights[j], fill[j])
        d += _term(four[j], weights[j], fill[j])
    return a, b, c, d


@kernel
def weighted_sums(dosages: np.ndarray, weights: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """Sum of weight times dosage of each sample; missing dosages add their `fill`.

    Summed in float64 by stretches of 4,096 variants, whose weights stay in the nearest cache for 16 samples and are
    loaded once for four: a large table is read once, and a sample's sum depends neither on the others nor on the
    number of threads. Cost: O(samples x variants), one byte each.

    Parameters
    ----------
    dosages : ndarray of int8, shape (n_samples, n_variants)
        Copies of the effect allele, 0-2; negative where missing.
    weights : ndarray of float64, shape (n_variants,)
        Effect per copy.
    fill : ndarray of float64, shape (n_variants,)
        What a missing dosage adds: 0, or the weight times the mean dosage.

    Returns
    -------
    ndarray of float64, shape (n_samples,)
        Sums.

    Examples
    --------
    >>> weighted_sums(np.array([[2, 1, -1]], dtype=np.int8), np.array([0.5, 1.0, 3.0]), np.zeros(3))
    array([2.])
    """
    n, m = dosages.shape
    out = np.zeros(n)
    for group in prange((n + 15) // 16):
        for begin in range(0, m, 4096):
            end = min(begin + 4096, m)
            for i in range(group * 16, min(group * 16 + 16, n), 4):
                rows = i, min(i + 1, n - 1), min(i + 2, n - 1), min(i + 3, n - 1)  # always four, hence equal bits
                sums = _four(
                    dosages[rows[0], begin:end],
                    dosages[rows[1], begin:end],
                    dosages[rows[2], begin:end],
                    dosages[rows[3], begin:end],
                    weights[begin:end],
                    fill[begin:end],
                )
                for place in range(min(4, n - i)):
                    out[i + place] += sums[place]
    return out


@kernel
def mean_dosages(dosages: np.ndarray) -> np.ndarray:
    """Mean dosage of each variant over the samples who have it.

    Sums are whole numbers, hence exact. Cost: O(samples x variants), one byte each.

    Parameters
    ----------
    dosages : ndarray of int8, shape (n_samples, n_variants)
        Copies of the effect allele, 0-2; negative where missing.

    Returns
    -------
    ndarray of float64, shape (n_variants,)
        NaN where no sample has the variant.

    Examples
    --------
    >>> mean_dosages(np.array([[2, -1], [1, -1]], dtype=np.int8))
    array([1.5, nan])
    """
    n, m = dosages.shape
    out = np.empty(m)
    for block in prange((m + 4095) // 4096):
        begin = block * 4096
        size = min(4096, m - begin)
        sums, counts = np.zeros(4096, np.int32), np.zeros(4096, np.int32)
        few, there = np.zeros(4096, np.int8), np.zeros(4096, np.int8)
        for first in range(0, n, 60):  # 60 samples of 2 at most: bytes hold the sum, and bytes are quick
            few[:] = 0
            there[:] = 0
            for i in range(first, min(first + 60, n)):
                row = dosages[i, begin : begin + size]
                for j in range(size):
                    few[j] += row[j] if row[j] > 0 else 0
                    there[j] += row[j] >= 0
            for j in range(size):
                sums[j] += few[j]
                counts[j] += there[j]
        for j in range(size):
            out[begin + j] = sums[j] / counts[j] if counts[j] > 0 else np.nan
    return out
