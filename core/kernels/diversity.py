"""Distances between communities: sums of differences, and totals over the branches of a tree."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel

#: Rows of a tile: two tiles of a few thousand columns stay in the second-level cache.
_TILE = 16


@kernel
def manhattan(values: np.ndarray) -> np.ndarray:
    """Sum of absolute differences of every pair of rows.

    Over the sum of both rows it is Bray-Curtis (Bray 1957, DOI 10.2307/1942268); with shares per branch times branch
    length in the columns it is weighted UniFrac (Lozupone 2007, DOI 10.1128/AEM.01996-06). Pairs are taken tile by
    tile, so that rows are read from cache. Cost: O(rows**2 x columns / 2).

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows, n_columns)
        C order is fastest; NaN makes every distance of its row NaN.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_rows)
        Symmetric to the bit, 0 on the diagonal.

    Examples
    --------
    >>> manhattan(np.array([[0.0, 3.0], [1.0, 1.0]]))
    array([[0., 3.],
           [3., 0.]])
    """
    n = values.shape[0]
    out = np.zeros((n, n))
    tiles = (n + _TILE - 1) // _TILE
    for job in prange(tiles * (tiles + 1) // 2):
        # job -> tiles high >= low, so that threads get equal shares of the triangle
        high = int((np.sqrt(8.0 * job + 1.0) - 1.0) / 2.0)
        if high * (high + 1) // 2 > job:
            high -= 1
        elif (high + 1) * (high + 2) // 2 <= job:
            high += 1
        low = job - high * (high + 1) // 2
        for i in range(high * _TILE, min(n, (high + 1) * _TILE)):
            for j in range(low * _TILE, min(i + 1, (low + 1) * _TILE)):
                distance = _distance(values[i], values[j])
                out[i, j] = distance
                out[j, i] = distance
    return out


@kernel
def branch_totals(values: np.ndarray, nodes: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """Sum of the tips below each node of a tree, for every sample.

    Cost: O(samples x nodes).

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_samples, n_tips)
        Abundances.
    nodes : ndarray of int64, shape (n_tips,)
        Node of each column.
    parent : ndarray of int64, shape (n_nodes,)
        Parent of each node, a higher number than the node's own; -1 for the root.

    Returns
    -------
    ndarray of float64, shape (n_samples, n_nodes)
        Totals.

    Examples
    --------
    >>> branch_totals(np.array([[1.0, 2.0, 4.0]]), np.array([0, 1, 3]), np.array([2, 2, 4, 4, -1]))
    array([[1., 2., 3., 4., 7.]])
    """
    out = np.zeros((values.shape[0], parent.size))
    for i in prange(values.shape[0]):
        for c in range(nodes.size):
            out[i, nodes[c]] += values[i, c]
        for k in range(parent.size):
            if parent[k] >= 0:
                out[i, parent[k]] += out[i, k]
    return out


@helper
def _distance(a: np.ndarray, b: np.ndarray) -> float:
    total = 0.0
    for k in range(a.size):
        total += abs(a[k] - b[k])
    return total
