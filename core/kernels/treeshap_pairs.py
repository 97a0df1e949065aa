"""Exact SHAP interaction values of boosted trees (path-dependent), from the tables of the contributions.

In one leaf, with shares r, flags o and value v as in `theracast.kernels.treeshap`, the pair i, j gets half of::

    v (o_i - r_i) (o_j - r_j) sum_S |S|! (d - |S| - 2)! / (d - 1)!  prod_{k in S} o_k prod_{k not in S} r_k
        = v (o_i - r_i) (o_j - r_j) integral_0^1 prod_{k != i, j} (t o_k + (1 - t) r_k) dt
        = integral_0^1 v prod_k (t o_k + (1 - t) r_k) g_i g_j dt,    g_k = (o_k - r_k) / (t o_k + (1 - t) r_k)

so the points that are exact for one feature are exact for two. Each edge of a path adds its `weight` to the g of its
feature. What a split adds to its feature's contribution, times the weight of each edge above it, is therefore the
pair's sum over all leaves below: one walk over the tree gives all pairs, without a loop over leaves.

DOI 10.1038/s42256-019-0138-9 (SHAP interaction values), 10.48550/arXiv.2401.12069 (pairs in one walk).
"""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel
from theracast.kernels.treeshap_program import JOIN, SPLIT


@helper
def _flag(w: np.float32, threshold: float, missing_left: int, v: float) -> float:
    """Say whether the row goes left, if it passed this feature's earlier splits (v)."""
    return v if w < threshold or (missing_left and w != w) else 0.0


@helper
def _walk(values: np.ndarray, columns: np.ndarray, code: np.ndarray, number: np.ndarray, pairs: np.ndarray) -> None:
    """Sum each feature's contribution on the diagonal of `pairs`; the split above (row) and the one below beside it."""
    depth, points = 1, (number.shape[1] - 1) // 6
    for i in range(code.shape[0]):
        depth = max(depth, code[i, 1] + 1)
    slots = 2 * depth + 2
    pairs[:] = 0.0
    runs, weights, flags = np.ones((slots, points)), np.empty((slots, points)), np.ones(slots)
    path, split, added = np.empty(depth + 1, np.int64), np.empty(depth, np.int64), np.empty(points)
    for i in range(code.shape[0]):
        kind, level, source, own, above = code[i, 0], code[i, 1], code[i, 2], code[i, 3], code[i, 4]
        points, group, up, o = code[i, 7], code[i, 8], code[i, 9], 2 + 2 * level
        feature = columns[code[i, 5]]
        path[level], split[level] = own, feature
        if kind != JOIN:
            flags[o] = _flag(np.float32(values[feature]), number[i, 0], code[i, 6], flags[above])
            flags[o + 1] = flags[above] - flags[o]
        high, low, total = flags[above], flags[o], 0.0
        for q in range(points):
            k = 1 + 6 * q
            if kind == SPLIT:
                p = runs[source, q]
                runs[o, q] = p * (number[i, k] + number[i, k + 1] * high + number[i, k + 2] * low)
                runs[o + 1, q] = p * (number[i, k + 3] + number[i, k + 4] * high + number[i, k + 5] * low)
                weights[o, q] = number[up, k] * high + number[up, k + 1] * low
                weights[o + 1, q] = number[up, k + 2] * high + number[up, k + 3] * low
                continue
            if kind == JOIN:
                added[q] = runs[o, q] * weights[o, q] + runs[o + 1, q] * weights[o + 1, q]
                runs[own, q] = runs[o, q] + runs[o + 1, q]
            else:
                p = runs[source, q]
                added[q] = p * (number[i, k + 3] * high + number[i, k + 4] * low)
                runs[own, q] = p * (number[i, k] + number[i, k + 1] * high + number[i, k + 2] * low)
            total += added[q]
        if kind == SPLIT:
            continue
        pairs[group, feature, feature] += total
        for d in range(level):
            if split[d] != feature:
                both = 0.0
                for q in range(points):
                    both += added[q] * weights[path[d + 1], q]
                pairs[group, split[d], feature] += both


@helper
def _finish(pairs: np.ndarray, columns: np.ndarray, bias: np.ndarray) -> None:
    """Halve each pair's sum onto both sides, and take it off the contributions on the diagonal."""
    for g in range(bias.size):
        for a in range(columns.size):
            for b in range(a):
                i, j = columns[a], columns[b]
                half = (pairs[g, i, j] + pairs[g, j, i]) / 2
                pairs[g, i, j] = pairs[g, j, i] = half
                pairs[g, i, i] -= half
                pairs[g, j, j] -= half
        pairs[g, -1, -1] = bias[g]


@kernel
def shap_interactions(
    values: np.ndarray, columns: np.ndarray, code: np.ndarray, number: np.ndarray, bias: np.ndarray
) -> np.ndarray:
    """Split each row's contributions into what features do alone and what each pair does together.

    Cost: O(rows x (nodes x depth x points + used features squared)), points = ceil(depth / 2); scratch per row:
    O(depth x points). Each row is one thread's work, in float64: the number of threads does not change a bit.
    DOI 10.1038/s42256-019-0138-9.

    Parameters
    ----------
    values, columns, code, number, bias : ndarray
        As in `theracast.kernels.treeshap.shap_values`.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_outputs, n_features + 1, n_features + 1)
        Symmetric, in units of the margin: off the diagonal half of what a pair does together, on it what is left of
        the contribution; the last cell is `bias`. Each matrix row sums to the feature's contribution.

    Examples
    --------
    >>> from theracast.kernels.treeshap_program import shap_program
    >>> left, right = np.array([1, -1, 3, -1, -1], np.int32), np.array([2, -1, 4, -1, -1], np.int32)
    >>> feature, cover = np.array([0, 0, 1, 0, 0], np.int32), np.array([4.0, 2, 2, 1, 1])
    >>> tree = (left, right, feature, np.zeros(5), 0 * left, cover, np.array([0.0, 0, 0, 0, 4]))
    >>> code, number, means = shap_program(*tree, np.array([0]), np.array([0]))
    >>> shap_interactions(np.array([[1.0, 1.0]]), np.array([0, 1]), code, number, means)[0, 0]
    array([[1. , 0.5, 0. ],
           [0.5, 1. , 0. ],
           [0. , 0. , 1. ]])
    """
    width = values.shape[1] + 1
    out = np.empty((values.shape[0], bias.size, width, width))
    for i in prange(values.shape[0]):
        _walk(values[i], columns, code, number, out[i])
        _finish(out[i], columns, bias)
    return out
