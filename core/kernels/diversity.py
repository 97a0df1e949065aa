"""Communities side by side: what two samples share, and totals over the branches of a tree."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel

#: Rows of a tile and bytes of a row in one block of columns: two tiles stay in the second-level cache.
_TILE = 32
_BYTES = 8192
#: Columns are filled up to this number with zeros, which no longest vector exceeds.
_LANES = 32


@kernel
def overlaps(values: np.ndarray) -> np.ndarray:
    """Sum of the smaller values of every pair of rows, ``O[i, j] = sum_k min(a_ik, a_jk)``.

    With the rows' totals, which are the diagonal, ``sum |a - b| = O[i, i] + O[j, j] - 2 O[i, j]``: Bray-Curtis (Bray
    1957, DOI 10.2307/1942268) and, with shares per branch times branch length in the columns, weighted UniFrac
    (Lozupone 2007, DOI 10.1128/AEM.01996-06). Every pair is added up in one order: equal rows share their total to
    the bit. Cost: O(rows**2 x columns / 2), four rows beside four, so that each value read is used four times.

    Parameters
    ----------
    values : ndarray of float or unsigned int, shape (n_rows, n_columns)
        Sums are kept in this type, which must hold every row's total: two bytes are six times as fast as eight.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_rows)
        Symmetric to the bit; NaN for a row that holds NaN or infinity.

    Examples
    --------
    >>> overlaps(np.array([[0.0, 3.0], [1.0, 1.0]]))
    array([[3., 1.],
           [1., 2.]])
    """
    n, columns = values.shape
    count = max(1, (columns * values.itemsize + _BYTES - 1) // _BYTES)
    width = ((columns + count - 1) // count + _LANES - 1) // _LANES * _LANES
    blocks = np.empty((count, (n + 3) // 4 * 4, width), values.dtype)
    spoiled = np.empty(blocks.shape[1])
    for i in prange(blocks.shape[1]):
        spoiled[i] = _copy_row(values, i, blocks)
    out = np.empty((n, n))
    tiles = (n + _TILE - 1) // _TILE
    for high in prange(tiles):
        tile = np.empty((_TILE, _TILE))
        for low in range(tiles):
            # half of the tiles on either side of the diagonal, so that threads get equal shares
            if (high >= low) == ((high + low) % 2 == 1):
                continue
            top, left = high * _TILE, low * _TILE
            rows, others = min(n - top, _TILE), min(n - left, _TILE)
            tile[:] = 0
            for b in range(count):
                for r in range(0, rows, 4):
                    for c in range(0, others, 4):
                        _add_sixteen(blocks, b, top + r, left + c, tile[r : r + 4, c : c + 4])
            for r in range(rows):
                for c in range(others):
                    both = tile[r, c] + spoiled[top + r] + spoiled[left + c]
                    out[top + r, left + c] = both
                    out[left + c, top + r] = both
    return out


@kernel
def branch_totals(values: np.ndarray, nodes: np.ndarray, parent: np.ndarray) -> np.ndarray:
    """Sum of the tips below each node of a tree, for every sample.

    Cost: O(samples x nodes).

    Parameters
    ----------
    values : ndarray of bool, float32 or float64, shape (n_samples, n_tips)
        Abundances, or which taxa are there.
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
    out = np.empty((values.shape[0], parent.size))
    for i in prange(values.shape[0]):
        out[i] = 0
        for c in range(nodes.size):
            out[i, nodes[c]] += values[i, c]
        for k in range(parent.size):
            if parent[k] >= 0:
                out[i, parent[k]] += out[i, k]
    return out


@helper
def _copy_row(values: np.ndarray, i: int, blocks: np.ndarray) -> float:
    """Copy a row, or zeros below the last, block by block of columns; return 0, or NaN where it is not finite."""
    count, _, width = blocks.shape
    columns = values.shape[1] if i < values.shape[0] else 0
    total = 0.0
    for b in range(count):
        filled = max(0, min(width, columns - b * width))
        for k in range(filled):
            blocks[b, i, k] = values[i, b * width + k]
            total += values[i, b * width + k]
        blocks[b, i, filled:] = 0
    return 0 * total


@helper
def _add_sixteen(blocks: np.ndarray, b: int, i: int, j: int, tile: np.ndarray) -> None:
    """Add the overlaps of four rows with four others: sixteen sums in registers, which are vectors once compiled."""
    kind = blocks.dtype.type
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = kind(0)
    for k in range(blocks.shape[2]):
        w, x, y, z = blocks[b, j, k], blocks[b, j + 1, k], blocks[b, j + 2, k], blocks[b, j + 3, k]
        v = blocks[b, i, k]
        a0, a1, a2, a3 = kind(a0 + min(v, w)), kind(a1 + min(v, x)), kind(a2 + min(v, y)), kind(a3 + min(v, z))
        v = blocks[b, i + 1, k]
        b0, b1, b2, b3 = kind(b0 + min(v, w)), kind(b1 + min(v, x)), kind(b2 + min(v, y)), kind(b3 + min(v, z))
        v = blocks[b, i + 2, k]
        c0, c1, c2, c3 = kind(c0 + min(v, w)), kind(c1 + min(v, x)), kind(c2 + min(v, y)), kind(c3 + min(v, z))
        v = blocks[b, i + 3, k]
        d0, d1, d2, d3 = kind(d0 + min(v, w)), kind(d1 + min(v, x)), kind(d2 + min(v, y)), kind(d3 + min(v, z))
    for row, sums in enumerate(((a0, a1, a2, a3), (b0, b1, b2, b3), (c0, c1, c2, c3), (d0, d1, d2, d3))):
        for column, one in enumerate(sums):
            tile[row, column] += one
