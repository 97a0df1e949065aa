"""Scores of gene sets that read ranks alone: AUCell and singscore.

Samples come as `sorted_genes` or `top_genes` of `theracast.kernels.ranks` order them; sets as in
`theracast.kernels.enrichment`.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import kernel

#: Samples that share their scratch.
_BLOCK = 4
#: Makes the median absolute deviation of normal values their standard deviation.
_NORMAL = 1.4826


@kernel
def aucell(top: np.ndarray, values: np.ndarray, members: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Share of the area under the recovery curve that each gene set fills among a sample's top genes (AUCell).

    The curve counts the members met from the highest gene down to the last of the `count` that are listed; a member
    at place x lifts it for ``count - x`` steps, so the area is ``sum(count - x)`` over members listed, divided by its
    greatest value, ``sum(count - x)`` over x = 1, ..., k (Aibar et al. 2017, DOI 10.1038/nmeth.4463). Ties stand in
    the order of their columns. All sums are whole numbers: equal to decoupler's without rounding. Cost: O(samples x
    (count + sum of set sizes)).

    Parameters
    ----------
    top : ndarray of int32, shape (n_samples, count)
        The highest genes, from `top_genes`; at least 2.
    values : ndarray of float32 or float64, shape (n_samples, n_genes)
        The samples themselves: NaN where not measured.
    members : ndarray of int64, shape (sum of set sizes,)
        Column of each member, each once in its set; -1 for a gene without a column.
    offsets : ndarray of int64, shape (n_sets + 1,)
        Where each set begins in `members`.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_sets)
        In [0, 1]; NaN where no member was measured.

    Examples
    --------
    >>> values, top = np.array([[2.0, 4.0, 1.0, 0.0]]), np.array([[1, 0, 2]], np.int32)
    >>> aucell(top, values, np.array([1, 0, 3]), np.array([0, 1, 2, 3]))
    array([[1. , 0.5, 0. ]])
    """
    n_samples, n_sets, count = len(values), offsets.size - 1, top.shape[1]
    out = np.empty((n_samples, n_sets))
    for block in prange((n_samples + _BLOCK - 1) // _BLOCK):
        steps = np.zeros(values.shape[1], np.int32)  # for how long each gene lifts the curve
        for i in range(block * _BLOCK, min(n_samples, (block + 1) * _BLOCK)):
            for p in range(count):
                if top[i, p] >= 0:
                    steps[top[i, p]] = count - p - 1
            for s in range(n_sets):
                k, area, most = 0, 0, 0
                for m in range(offsets[s], offsets[s + 1]):
                    gene = members[m]
                    if gene >= 0 and not np.isnan(values[i, gene]):
                        k += 1
                        most += max(count - k, 0)
                        area += steps[gene]
                out[i, s] = area / most if k > 0 else np.nan
            for p in range(count):
                if top[i, p] >= 0:
                    steps[top[i, p]] = 0
    return out


@kernel
def singscore(
    order: np.ndarray, tied: np.ndarray, members: np.ndarray, offsets: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean rank of each gene set in each sample between its least and its greatest (singscore), and its dispersion.

    Among n genes the ranks of k members have a mean of at least ``(k + 1) / 2`` and at most ``(2 n - k + 1) / 2``;
    ``score = (mean - least) / (greatest - least)``. The dispersion is the median absolute deviation of the members'
    ranks times 1.4826. Tied genes all have the lowest of their ranks, as in the authors' program (Foroutan et al.
    2018, DOI 10.1186/s12859-018-2435-4). Cost: O(samples x (genes + sum of set sizes)) after the sort.

    Parameters
    ----------
    order, tied : ndarray
        The sorted samples, from `sorted_genes`.
    members : ndarray of int64, shape (sum of set sizes,)
        Column of each member, each once in its set; -1 for a gene without a column.
    offsets : ndarray of int64, shape (n_sets + 1,)
        Where each set begins in `members`.

    Returns
    -------
    score : ndarray of float64, shape (n_samples, n_sets)
        In [0, 1] without ties; NaN where no member was measured, or nothing else was.
    dispersion : ndarray of float64, shape (n_samples, n_sets)
        In ranks; NaN where no member was measured.

    Examples
    --------
    >>> order, tied = np.array([[2, 0, 1, 3]], np.int32), np.zeros((1, 4), bool)
    >>> score, dispersion = singscore(order, tied, np.array([1, 3, 2, 3]), np.array([0, 2, 4]))  # ranks 3, 4; 1, 4
    >>> score.tolist(), dispersion.tolist()
    ([[1.0, 0.5]], [[0.7413, 2.2239]])
    """
    n_samples, n_genes = order.shape
    n_sets = offsets.size - 1
    score, dispersion = np.empty((n_samples, n_sets)), np.empty((n_samples, n_sets))
    widest = 0
    for s in range(n_sets):
        widest = max(widest, offsets[s + 1] - offsets[s])
    for i in prange(n_samples):
        rank = np.zeros(n_genes)  # 0 was not measured
        found = np.empty(widest)
        n, lowest = 0, 0
        while n < n_genes and order[i, n] >= 0:
            if not tied[i, n]:
                lowest = n + 1
            rank[order[i, n]] = lowest
            n += 1
        for s in range(n_sets):
            k, total = 0, 0.0
            for m in range(offsets[s], offsets[s + 1]):
                gene = members[m]
                if gene >= 0 and rank[gene] > 0:
                    found[k] = rank[gene]
                    total += rank[gene]
                    k += 1
            score[i, s], dispersion[i, s] = np.nan, np.nan
            if k > 0:
                middle = np.median(found[:k])
                dispersion[i, s] = _NORMAL * np.median(np.abs(found[:k] - middle))
            if 0 < k < n:
                score[i, s] = (total / k - (k + 1) / 2) / (n - k)
    return score, dispersion
