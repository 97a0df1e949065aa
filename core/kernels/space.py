"""Cells in a tissue: who lies within reach of whom, and whether that is more than chance."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel

#: Cells that share one row of counts.
_BLOCK = 1024
#: Entries of the table that finds the radius of a squared distance.
_TABLE = 1024
_LOW = 0xFFFFFFFF


@kernel
def pairs_within(
    queries: np.ndarray, points: np.ndarray, starts: np.ndarray, grid: np.ndarray, radii: np.ndarray
) -> np.ndarray:
    """Pairs of a query and a point at most each radius apart.

    ``N(r) = #{(i, j): |q_i - p_j| <= r}``, the count behind Ripley's cross-K (``K = area N / (n m)``, Ripley 1977,
    DOI 10.1111/j.2517-6161.1977.tb01615.x), without border correction. Points are sorted into the squares of a
    grid, line by line, so that the squares in reach of a query are one run of points per line. Counts are integers:
    exact in any order. Cost: O(pairs in reach of the largest radius).

    Parameters
    ----------
    queries : ndarray of float, shape (n_queries, 2)
        Places of the first kind of cell.
    points : ndarray of float64, shape (n_points, 2)
        Places of the second kind, sorted by square.
    starts : ndarray of int64, shape (lines * columns + 1,)
        Square ``s`` (line by line) holds ``points[starts[s]:starts[s + 1]]``.
    grid : ndarray of float64, shape (5,)
        x and y of the lower corner, side of a square, columns, lines.
    radii : ndarray of float64, shape (n_radii,)
        Ascending, not negative, at least one.

    Returns
    -------
    ndarray of int64, shape (n_radii,)
        Pairs within each radius; a cell that is both query and point counts as its own neighbour.

    Examples
    --------
    >>> one_square = np.array([0.0, 0.0, 10.0, 1.0, 1.0])
    >>> points = np.array([[0.0, 0.0], [3.0, 4.0]])
    >>> pairs_within(np.array([[0.0, 0.0]]), points, np.array([0, 2]), one_square, np.array([1.0, 5.0]))
    array([1, 2])
    """
    n, n_radii = queries.shape[0], radii.size
    blocks = (n + _BLOCK - 1) // _BLOCK
    out = np.zeros((blocks, n_radii + 1), dtype=np.int64)
    squares = radii * radii
    slack = 1e-6 * grid[2]  # a point on the line between two squares is in reach of both
    reach = radii[n_radii - 1] + slack
    limit = squares[n_radii - 1]
    scale = (_TABLE - 2) / limit if limit > 0 else 0.0
    if not np.isfinite(scale):
        scale = 0.0
    # the one radius that fits all distances of an entry, or -1 where one ends within it
    edges = np.arange(_TABLE)
    lowest = np.searchsorted(squares * scale, edges - 1e-6)
    highest = np.searchsorted(squares * scale, edges + 1 + 1e-6)
    fitting = np.where(lowest == highest, lowest, -1)
    for block in prange(blocks):
        hits = out[block]
        for i in range(block * _BLOCK, min(n, (block + 1) * _BLOCK)):
            x, y = np.float64(queries[i, 0]), np.float64(queries[i, 1])
            low, high = _squares(y - grid[1], reach, grid[2], int(grid[4]))
            for line in range(low, high + 1):
                edge = grid[1] + line * grid[2]
                gap = max(0.0, max(edge - y, y - edge - grid[2]) - slack)
                if line == 0 or line == grid[4] - 1:
                    gap = 0.0
                half = np.sqrt(max(0.0, reach * reach - gap * gap)) + slack
                left, right = _squares(x - grid[0], half, grid[2], int(grid[3]))
                row = line * int(grid[3])
                for j in range(starts[row + left], starts[row + right + 1]):
                    dx, dy = x - points[j, 0], y - points[j, 1]
                    distance = dx * dx + dy * dy
                    entry = distance * scale
                    r = fitting[int(entry) if entry < _TABLE - 1 else _TABLE - 1]
                    if r < 0:
                        r = 0
                        while r < n_radii and distance > squares[r]:
                            r += 1
                    hits[r] += 1
    total = np.zeros(n_radii, dtype=np.int64)
    for block in range(blocks):
        for r in range(n_radii):
            total[r] += out[block, r]
    return np.cumsum(total)


@kernel
def contacts(starts: np.ndarray, others: np.ndarray, labels: np.ndarray, n_types: int) -> np.ndarray:
    """Count the neighbours of each type around the cells of each type.

    ``C[a, b]`` is the number of ordered neighbour pairs of a cell of type a and one of type b. Every pair is listed
    once, under its lower cell. Cost: O(cells + pairs).

    Parameters
    ----------
    starts : ndarray of int64, shape (n_cells + 1,)
        Neighbours of cell ``i`` with a higher number are ``others[starts[i]:starts[i + 1]]``.
    others : ndarray of int, shape (n_pairs,)
        Neighbour pairs, each listed once.
    labels : ndarray of int, shape (n_cells,)
        Type of each cell, from 0.
    n_types : int
        How many types there are.

    Returns
    -------
    ndarray of int64, shape (n_types, n_types)
        Symmetric; a pair of two cells of one type counts twice, once for each.

    Examples
    --------
    >>> contacts(np.array([0, 2, 3, 3]), np.array([1, 2, 2]), np.array([0, 1, 1]), 2)
    array([[0, 2],
           [2, 2]])
    """
    n = labels.size
    blocks = (n + _BLOCK - 1) // _BLOCK
    out = np.zeros((blocks, n_types * n_types), dtype=np.int64)
    for block in prange(blocks):
        for i in range(block * _BLOCK, min(n, (block + 1) * _BLOCK)):
            row = int(labels[i]) * n_types
            for p in range(starts[i], starts[i + 1]):
                out[block, row + labels[others[p]]] += 1
    total = np.zeros(n_types * n_types, dtype=np.int64)
    for block in range(blocks):
        total += out[block]
    half = total.reshape((n_types, n_types))
    return half + half.T


@kernel
def permuted_contacts(
    starts: np.ndarray, others: np.ndarray, labels: np.ndarray, n_types: int, draws: int, seed: int
) -> np.ndarray:
    """Count contacts as `contacts` does, after shuffling the types among the cells.

    Each draw is a Fisher-Yates shuffle whose random numbers are a hash of seed, draw and place: the result depends
    on the seed alone, not on the number of threads. The z-score of the observed count against these draws is the
    neighbourhood enrichment of Palla 2022 (DOI 10.1038/s41592-021-01358-2). Cost: O(draws x (cells + pairs)), one
    row of labels per draw at work.

    Parameters
    ----------
    starts, others : ndarray of int
        Neighbour pairs, as for `contacts`.
    labels : ndarray of int, shape (n_cells,)
        Type of each cell, from 0; a small integer type is faster.
    n_types, draws : int
        How many types and how many shuffles.
    seed : int
        Not negative.

    Returns
    -------
    ndarray of int64, shape (draws, n_types, n_types)
        Contacts of each draw.

    Examples
    --------
    >>> c = permuted_contacts(np.array([0, 2, 3, 3]), np.array([1, 2, 2]), np.array([0, 1, 1]), 2, 4, 0)
    >>> c.sum(axis=(1, 2)).tolist()
    [6, 6, 6, 6]
    """
    n = labels.size
    out = np.zeros((draws, n_types, n_types), dtype=np.int64)
    for d in prange(draws):
        deck = labels.copy()
        key = _mix((_mix(int(seed) & _LOW) + int(d)) & _LOW)
        for p in range(n - 1):
            other = p + ((_mix((_mix((p + key) & _LOW) ^ key) & _LOW) * (n - p)) >> 32)
            deck[p], deck[other] = deck[other], deck[p]
        half = np.zeros(n_types * n_types, dtype=np.int64)
        for i in range(n):
            row = int(deck[i]) * n_types
            for p in range(starts[i], starts[i + 1]):
                half[row + deck[others[p]]] += 1
        for a in range(n_types):
            for b in range(n_types):
                out[d, a, b] = half[a * n_types + b] + half[b * n_types + a]
    return out


@helper
def _squares(offset: float, reach: float, side: float, count: int) -> tuple[int, int]:
    """Return the first and last square in reach on one axis; none in reach is a range that is empty."""
    low, high = np.floor((offset - reach) / side), np.floor((offset + reach) / side)
    if low >= count or high < 0:
        return 0, -1
    return int(max(low, 0.0)), int(min(high, count - 1.0))


@helper
def _mix(x: int) -> int:
    """Hash 32 bits; a bijection. Products wrap in int64, the low 32 bits are right all the same."""
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _LOW
    x = ((x ^ (x >> 15)) * 0x6C4AAB1D) & _LOW
    return x ^ (x >> 16)
