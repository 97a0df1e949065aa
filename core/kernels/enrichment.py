"""Scores of gene sets in single samples: the mean, ssGSEA and the combined z-score.

Sets come as two arrays: set ``s`` holds ``members[offsets[s]:offsets[s + 1]]``. Rank-based scores read the samples as
`theracast.kernels.ranks.sorted_genes` orders them, so that one sort serves them all (see also `rank_scores`).
"""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel

#: Samples that share their scratch.
_BLOCK = 4


@kernel
def set_means(values: np.ndarray, members: np.ndarray, offsets: np.ndarray, needed: float) -> np.ndarray:
    """Mean of each gene set in each sample, over the genes that were measured.

    The sum runs in the order of `members`, in float64, so that neither the order of the columns nor the number
    of threads changes a bit of the result. Cost: O(samples x sum of set sizes).

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_samples, n_genes)
        Expression; NaN where not measured.
    members : ndarray of int64, shape (sum of set sizes,)
        Column of each member, set after set; -1 for a gene without a column.
    offsets : ndarray of int64, shape (n_sets + 1,)
        Set ``s`` holds ``members[offsets[s]:offsets[s + 1]]``.
    needed : float
        Least share of a set's genes that must be measured, in [0, 1].

    Returns
    -------
    ndarray of float64, shape (n_samples, n_sets)
        NaN where fewer than `needed` of the set's genes were measured, or none.

    Examples
    --------
    >>> x = np.array([[1.0, 3.0, np.nan]])
    >>> set_means(x, np.array([0, 1, 1, 2]), np.array([0, 2, 4]), 0.5)
    array([[2., 3.]])
    """
    n_samples, n_sets = values.shape[0], offsets.size - 1
    out = np.empty((n_samples, n_sets))
    for i in prange(n_samples):
        for s in range(n_sets):
            total, count = 0.0, 0
            for k in range(offsets[s], offsets[s + 1]):
                gene = members[k]
                if gene >= 0 and not np.isnan(values[i, gene]):
                    total += np.float64(values[i, gene])
                    count += 1
            size = offsets[s + 1] - offsets[s]
            out[i, s] = total / count if count > 0 and count >= needed * size else np.nan
    return out


@kernel
def ssgsea(order: np.ndarray, tied: np.ndarray, members: np.ndarray, offsets: np.ndarray, alpha: float) -> np.ndarray:
    """Enrichment of each gene set at the top of each sample's ranking (ssGSEA), not normalised.

    Walk the n genes of a sample from the highest to the lowest. One curve climbs at every member of the set, by its
    share of the members' ranks to the power `alpha`; the other climbs by 1 / (n - k) at each of the n - k other
    genes. The score is the sum, over all n steps, of the first curve less the second (Barbie et al. 2009, DOI
    10.1038/nature08460).

    No walk is needed. A step taken at some gene counts in all the sums from there to the end: ``left`` times, where
    the last gene has left = 1 and the first left = n. Summing over genes instead of steps::

        score = sum_members(rank ** alpha * left) / sum_members(rank ** alpha)
              - (n (n + 1) / 2 - sum_members(left)) / (n - k)

    Tied genes share their mean rank, cut to a whole number, and stand in the order of their columns from the top, as
    in R's GSVA 1.46, which this equals. Cost: O(samples x (genes + sum of set sizes)) after the sort.

    Parameters
    ----------
    order, tied : ndarray
        The sorted samples, from `sorted_genes`.
    members : ndarray of int64, shape (sum of set sizes,)
        Column of each member, each once in its set; -1 for a gene without a column.
    offsets : ndarray of int64, shape (n_sets + 1,)
        Where each set begins in `members`.
    alpha : float
        Weight of the ranks; 0.25 by custom.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_sets)
        NaN where no member was measured, or nothing else was.

    Examples
    --------
    >>> order, tied = np.array([[2, 0, 1]], np.int32), np.zeros((1, 3), bool)  # gene 1 is the highest
    >>> ssgsea(order, tied, np.array([1, 2]), np.array([0, 1, 2]), 0.25)
    array([[ 1.5, -1.5]])
    """
    n_samples, n_genes = order.shape
    n_sets = offsets.size - 1
    out = np.empty((n_samples, n_sets))
    powers = np.arange(n_genes + 1) ** alpha
    for block in prange((n_samples + _BLOCK - 1) // _BLOCK):
        left, weight = np.empty(n_genes, np.int32), np.empty(n_genes)
        for i in range(block * _BLOCK, min(n_samples, (block + 1) * _BLOCK)):
            n = _weigh(order[i], tied[i], powers, left, weight)
            for s in range(n_sets):
                k, lefts, weights, weighted = 0, 0, 0.0, 0.0
                for m in range(offsets[s], offsets[s + 1]):
                    gene = members[m]
                    if gene >= 0 and left[gene] > 0:
                        k += 1
                        lefts += left[gene]
                        weights += weight[gene]
                        weighted += weight[gene] * left[gene]
                known = 0 < k < n
                out[i, s] = weighted / weights - (n * (n + 1) // 2 - lefts) / (n - k) if known else np.nan
    return out


@helper
def _weigh(order: np.ndarray, tied: np.ndarray, powers: np.ndarray, left: np.ndarray, weight: np.ndarray) -> int:
    """Write for each gene how often it counts, 0 if it was not measured, and its weight; return how many were."""
    left[:] = 0
    n, first = 0, 0
    while n < order.size and order[n] >= 0:
        n += 1
    for end in range(1, n + 1):
        if end == n or not tied[end]:  # genes first, ..., end - 1 are tied: their ranks are first + 1, ..., end
            for p in range(first, end):
                weight[order[p]] = powers[(first + 1 + end) // 2]
                left[order[p]] = first + end - p
            first = end
    return n


@kernel
def zscores(
    values: np.ndarray, centre: np.ndarray, spread: np.ndarray, members: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    """Combine the z-scores of each gene set in each sample.

    ``sum_k z_k / sqrt(k)`` with ``z = (value - centre) / spread`` over the k members measured: standard normal if
    the genes were independent (Lee et al. 2008, DOI 10.1371/journal.pcbi.1000217). Cost: O(samples x sum of set
    sizes).

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_samples, n_genes)
        Expression; NaN where not measured.
    centre, spread : ndarray of float64, shape (n_genes,)
        Mean and standard deviation of each gene, of these or other samples; NaN leaves the gene out.
    members : ndarray of int64, shape (sum of set sizes,)
        Column of each member, set after set; -1 for a gene without a column.
    offsets : ndarray of int64, shape (n_sets + 1,)
        Where each set begins in `members`.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_sets)
        NaN where no member was measured.

    Examples
    --------
    >>> zscores(np.array([[3.0, 5.0]]), np.array([1.0, 5.0]), np.array([1.0, 1.0]), np.array([0]), np.array([0, 1]))
    array([[2.]])
    """
    n_samples, n_sets = values.shape[0], offsets.size - 1
    out = np.empty((n_samples, n_sets))
    for i in prange(n_samples):
        for s in range(n_sets):
            total, count = 0.0, 0
            for m in range(offsets[s], offsets[s + 1]):
                gene = members[m]
                if gene >= 0:
                    z = (values[i, gene] - centre[gene]) / spread[gene]
                    if not np.isnan(z):
                        total += z
                        count += 1
            out[i, s] = total / np.sqrt(count) if count > 0 else np.nan
    return out
