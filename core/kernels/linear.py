"""Weighted sums of genotype dosages, read once as the bytes they are."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel


@helper
def _block(dosages: np.ndarray, weights: np.ndarray, fill: np.ndarray) -> float:
    """Weighted sum of one stretch of one sample; without a branch, so that it is compiled to vectors."""
    total = 0.0
    for j in range(dosages.size):
        dosage = np.float64(dosages[j])
        known = max(dosage, 0.0)
        total += weights[j] * known + fill[j] * (known - max(dosage, -1.0))
    return total


@kernel
def weighted_sums(dosages: np.ndarray, weights: np.ndarray, fill: np.ndarray) -> np.ndarray:
    """Sum of weight times dosage of each sample; missing dosages add their `fill`.

    Summed in float64 by stretches of 4,096 variants, whose weights stay in the nearest cache for 16 samples: a large
    table is read once, and a sample's sum depends neither on the others nor on the number of threads. Cost:
    O(samples x variants), one byte each.

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
            for i in range(group * 16, min(group * 16 + 16, n)):
                out[i] += _block(dosages[i, begin:end], weights[begin:end], fill[begin:end])
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
