"""Concordance of risks with survival times."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel


@kernel
def concordance_counts(ranks: np.ndarray, times: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Concordant, tied and comparable pairs of several risks, from the longest survivor to the shortest.

    A pair is comparable when one of both is known to have gone first: its event comes before the other's time, or at
    the same time at which the other is censored (Harrell 1996, DOI
    10.1002/(SICI)1097-0258(19960229)15:4<361::AID-SIM168>3.0.CO;2-4). It is concordant when that one has the higher
    risk. Those who lived longer are kept as counts per rank in a Fenwick tree (1994, DOI 10.1002/spe.4380240306), so
    that each event asks once. Cost: O(scores x n log n); the sorts are the caller's.

    Parameters
    ----------
    ranks : ndarray of int64, shape (n_scores, n)
        Rank of each risk from 1, ties equal; columns as `times`.
    times : ndarray of float64, shape (n,)
        Descending; at one time, the censored first.
    events : ndarray of bool, shape (n,)
        Whether the time is that of an event.

    Returns
    -------
    ndarray of int64, shape (n_scores, 3)
        Concordant, tied, comparable.

    Examples
    --------
    >>> concordance_counts(np.array([[1, 2, 2]]), np.array([9.0, 5.0, 2.0]), np.array([False, True, True]))
    array([[2, 1, 3]])
    """
    n_scores, n = ranks.shape
    out = np.zeros((n_scores, 3), np.int64)
    for s in prange(n_scores):
        tree = np.zeros(n + 1, np.int64)
        p = 0
        while p < n:
            q = p + 1
            while events[p] and q < n and events[q] and times[q] == times[p]:
                q += 1  # events at one time are not compared with each other
            if events[p]:
                for i in range(p, q):
                    below, same = _up_to(tree, ranks[s, i] - 1), _up_to(tree, ranks[s, i])
                    out[s, 0] += below
                    out[s, 1] += same - below
                    out[s, 2] += p
            for i in range(p, q):
                _add(tree, ranks[s, i])
            p = q
    return out


@helper
def _up_to(tree: np.ndarray, rank: int) -> int:
    total = 0
    while rank > 0:
        total += tree[rank]
        rank &= rank - 1
    return total


@helper
def _add(tree: np.ndarray, rank: int) -> None:
    while rank < tree.size:
        tree[rank] += 1
        rank += rank & -rank
