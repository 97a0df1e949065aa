"""Scaling factors of count tables: the trimmed mean of M-values (TMM) and the median of ratios.

Both need a few order statistics of each sample, never the order. A float becomes an integer of the same order (Herf
2001, http://stereopsis.com/radix.html), the integers are counted in 2,048 equal buckets between the lowest and the
highest, and the bucket that holds the place is divided again until all in it are equal.
"""

from __future__ import annotations

import math

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel

#: Samples that share one row of scratch.
_BLOCK = 8
#: Genes whose logarithms are summed at a time, and counts that are multiplied before a logarithm is taken.
_GENES, _FACTORS = 1024, 8
_SIGN, _NONE, _ONE = np.uint64(1 << 63), np.uint64(0), np.uint64(1)


@helper
def _selected(row: np.ndarray, place: int, words: np.ndarray, counts: np.ndarray) -> float:
    """Return the number at a place, from 0, of the row in order; NaN do not count. `words` and `counts` are scratch."""
    bits, n, missing = row.view(np.uint64), row.size, 0
    for j in range(row.size):
        word = bits[j] if row[j] != 0 else _NONE  # -0 is 0
        words[j] = ~word if word >= _SIGN else word | _SIGN
        missing += np.isnan(row[j])
    if missing > 0:
        n = 0
        for j in range(row.size):
            words[n] = words[j]
            n += not np.isnan(row[j])
    while n > 1:
        lowest, highest = words[0], words[0]
        for p in range(1, n):
            lowest, highest = min(lowest, words[p]), max(highest, words[p])
        if lowest == highest:
            break
        shift = _NONE
        while (highest - lowest) >> shift >= counts.size:
            shift += _ONE
        counts[:] = 0
        for p in range(n):
            counts[np.int64((words[p] - lowest) >> shift)] += 1
        bucket = 0
        while place >= counts[bucket]:
            place -= counts[bucket]
            bucket += 1
        n, among = 0, n
        for p in range(among):
            words[n] = words[p]
            n += np.int64((words[p] - lowest) >> shift) == bucket
    words[0] = words[0] ^ _SIGN if words[0] >= _SIGN else ~words[0]
    return words.view(np.float64)[0]


@helper
def _kept(row: np.ndarray, n: int, trim: float, words: np.ndarray, counts: np.ndarray) -> tuple[float, float]:
    """Least and largest of n numbers whose average rank is within the bounds; both belong to the kept."""
    low = math.floor(n * trim)  # place from 0 of edgeR's rank floor(n * trim) + 1
    high = n - 1 - low
    if low > high:
        return np.inf, -np.inf
    least = _selected(row, low, words, counts)
    largest = _selected(row, high, words, counts)
    twice, _, after = _beside(row, least)
    if twice < 2 * low:  # the ties' average rank falls below the bound: all of them go
        least = after
    twice, before, _ = _beside(row, largest)
    if twice > 2 * high:
        largest = before
    return least, largest


@helper
def _beside(row: np.ndarray, value: float) -> tuple[int, float, float]:
    """Return twice the average place, from 0, of a value of the row, and the next lower and higher value."""
    below, tied, before, after = 0, 0, -np.inf, np.inf
    for j in range(row.size):
        below += row[j] < value
        tied += row[j] == value
        before = max(before, row[j] if row[j] < value else -np.inf)
        after = min(after, row[j] if row[j] > value else np.inf)
    return 2 * below + tied - 1, before, after


@kernel
def trimmed_means(
    ratios: np.ndarray,
    shares: np.ndarray,
    sizes: np.ndarray,
    target: np.ndarray,
    target_logs: np.ndarray,
    target_size: float,
    ratio_trim: float,
    level_trim: float,
) -> np.ndarray:
    """Weighted mean of log ratios, without the genes of extreme ratio or extreme level.

    ``sum(M / v) / sum(1 / v)`` over the genes whose average ranks of M and of A, with ties sharing theirs, lie within
    ``floor(n * trim) + 1`` and ``n - floor(n * trim)``; ``v = (1 - share) / count + (1 - target) / target's count``.
    Ties at a bound stay or go together: the kept are an interval of values, found from two order statistics. Logarithms
    are the C library's, as R's: numpy's may differ in the last bit, and with it which of two ratios are tied.
    Cost: O(genes) per sample. DOI 10.1186/gb-2010-11-3-r25

    Parameters
    ----------
    ratios : ndarray of float64, shape (n_samples, n_genes)
        Shares over the reference sample's; M is their log2. Genes not above zero and finite do not count.
    shares : ndarray of float64, shape (n_samples, n_genes)
        Counts over the sample's sum; A is the mean of the log2 of both shares.
    sizes : ndarray of float64, shape (n_samples,)
        Sums of the samples.
    target, target_logs : ndarray of float64, shape (n_genes,)
        Shares of the reference sample, and their log2.
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
    >>> share = np.full((1, 4), 0.25)
    >>> ratios = np.array([[1.0, 2.0, 2.0, 512.0]])
    >>> trimmed_means(ratios, share, np.array([40.0]), share[0], np.log2(share[0]), 40.0, 0.3, 0.0)
    array([1.])
    """
    n_samples, n_genes = ratios.shape
    out = np.zeros(n_samples)
    for block in prange((n_samples + _BLOCK - 1) // _BLOCK):
        logs, levels = np.empty(n_genes), np.empty(n_genes)
        words, counts = np.empty(max(n_genes, 1), np.uint64), np.empty(2048, np.int64)
        for i in range(block * _BLOCK, min(n_samples, (block + 1) * _BLOCK)):
            n, extreme = 0, 0.0
            for j in range(n_genes):
                logs[j], levels[j] = np.nan, np.nan
                ratio, share = np.float64(ratios[i, j]), np.float64(shares[i, j])
                if 0.0 < ratio < np.inf and 0.0 < share < np.inf:
                    logs[j], levels[j] = math.log2(ratio), (math.log2(share) + target_logs[j]) / 2
                    n, extreme = n + 1, max(extreme, abs(logs[j]))
            if extreme < 1e-6:
                continue
            least, largest = _kept(logs, n, ratio_trim, words, counts)
            bottom, top = _kept(levels, n, level_trim, words, counts)
            total, weights = 0.0, 0.0
            for j in range(n_genes):
                if least <= logs[j] <= largest and bottom <= levels[j] <= top:
                    variance = (1.0 - shares[i, j]) / (shares[i, j] * sizes[i])
                    weight = 1.0 / (variance + (1.0 - target[j]) / (target[j] * target_size))
                    part = logs[j] * weight
                    if not np.isnan(part):
                        total += part
                    weights += weight
            mean = total / weights if weights != 0.0 else 0.0
            out[i] = 0.0 if np.isnan(mean) else mean
    return out


@kernel
def order_statistics(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Find the numbers at some places of each sample in order, as ``np.sort(values, axis=1)[:, places]``.

    Cost: O(values x places); at most six rounds each, mostly two.

    Parameters
    ----------
    values : ndarray of float64, shape (n_samples, n_genes)
        No NaN; at least one gene.
    places : ndarray of int64, shape (n_places,)
        From 0.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_places)
        The smallest at place 0.

    Examples
    --------
    >>> order_statistics(np.array([[5.0, 3.0, 9.0]]), np.array([0, 1]))
    array([[3., 5.]])
    """
    n_samples, n_genes = values.shape
    out = np.empty((n_samples, places.size))
    for block in prange((n_samples + _BLOCK - 1) // _BLOCK):
        row, words, counts = np.empty(n_genes), np.empty(n_genes, np.uint64), np.empty(2048, np.int64)
        for i in range(block * _BLOCK, min(n_samples, (block + 1) * _BLOCK)):
            row[:] = values[i]
            for p in range(places.size):
                out[i, p] = _selected(row, places[p], words, counts)
    return out


@kernel
def mean_logs(values: np.ndarray) -> np.ndarray:
    """Mean of the natural logarithms of each gene's counts, the logarithm of their geometric mean.

    Eight counts are multiplied before one logarithm is taken; where the product leaves the range of float64, eight
    are. Cost: O(values), and a logarithm for every eighth.

    Parameters
    ----------
    values : ndarray of float64, shape (n_samples, n_genes)
        From 0, finite.

    Returns
    -------
    ndarray of float64, shape (n_genes,)
        -inf where a sample has none; NaN without samples.

    Examples
    --------
    >>> mean_logs(np.array([[1.0, 5.0], [math.exp(4.0), 0.0]]))
    array([  2., -inf])
    """
    n_samples, n_genes = values.shape
    out = np.empty(n_genes)
    for block in prange((n_genes + _GENES - 1) // _GENES):
        first, last = block * _GENES, min(n_genes, (block + 1) * _GENES)
        total, product = np.zeros(_GENES), np.empty(_GENES)
        for begin in range(0, n_samples, _FACTORS):
            end = min(n_samples, begin + _FACTORS)
            product[:] = 1.0
            for i in range(begin, end):
                row = values[i, first:last]
                for j in range(row.size):
                    product[j] *= row[j]
            for j in range(last - first):
                if total[j] == -np.inf:
                    continue
                if 1e-290 < product[j] < np.inf:
                    total[j] += math.log(product[j])
                    continue
                for i in range(begin, end):
                    total[j] += math.log(values[i, first + j]) if values[i, first + j] > 0.0 else -np.inf
        for j in range(last - first):
            out[first + j] = total[j] / n_samples if n_samples > 0 else np.nan
    return out


@kernel
def median_ratios(values: np.ndarray, genes: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Median over some genes of count over mean, of each sample; between two it is their geometric mean.

    The order of ratios is the order of their logarithms: no logarithm is taken. Cost: O(genes) per sample.
    DOI 10.1186/gb-2010-11-10-r106

    Parameters
    ----------
    values : ndarray of float64, shape (n_samples, n_genes)
        From 0, finite.
    genes : ndarray of int64, shape (n_kept,)
        Columns, at least one.
    means : ndarray of float64, shape (n_kept,)
        Geometric means of these columns, above 0.

    Returns
    -------
    ndarray of float64, shape (n_samples,)
        Medians.

    Examples
    --------
    >>> median_ratios(np.array([[2.0, 7.0, 8.0]]), np.array([0, 2]), np.array([1.0, 1.0]))
    array([4.])
    """
    n_samples, n = values.shape[0], genes.size
    out = np.empty(n_samples)
    for block in prange((n_samples + _BLOCK - 1) // _BLOCK):
        ratios, words, counts = np.empty(n), np.empty(n, np.uint64), np.empty(2048, np.int64)
        for i in range(block * _BLOCK, min(n_samples, (block + 1) * _BLOCK)):
            for j in range(n):
                ratios[j] = values[i, genes[j]] / means[j]
            middle = _selected(ratios, (n - 1) // 2, words, counts)
            if n % 2 == 0:
                after, below = np.inf, 0
                for j in range(n):
                    below += ratios[j] <= middle
                    after = min(after, ratios[j] if ratios[j] > middle else np.inf)
                middle = middle if below > n // 2 else math.sqrt(middle) * math.sqrt(after)
            out[i] = middle
    return out
