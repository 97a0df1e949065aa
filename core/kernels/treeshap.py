"""Exact Shapley values of boosted trees (path-dependent TreeSHAP), by quadrature over compiled tables.

In one leaf with value v, each of the d distinct features of its path has a share r_j (product of the covers' ratios
where the path splits on j) and a flag o_j (1 where the row passes all of j's splits). Its Shapley value is::

    phi_j = v (o_j - r_j) sum_S |S|! (d - |S| - 1)! / d!  prod_{k in S} o_k prod_{k not in S} r_k
          = v (o_j - r_j) integral_0^1 prod_{k != j} (t o_k + (1 - t) r_k) dt

because the factorials are a beta integral. The integrand is a polynomial of degree d - 1 in t, so ceil(d / 2)
Gauss-Legendre points give the integral exactly: it is no approximation. At each point a product runs down the tree and
a sum over leaves runs up it. Every factor takes one of two values (three where a feature repeats on its path);
`theracast.kernels.treeshap_program` tabulates them once, `shap_values` runs the tables over blocks of rows. All
factors are positive, so nothing cancels within a leaf.

TreeSHAP: DOI 10.1038/s42256-019-0138-9. Products down and sums up: DOI 10.48550/arXiv.2209.08192.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel
from theracast.kernels.treeshap_program import JOIN, SPLIT

_BLOCK = 128
# a block is filled up to this, so that every row runs in whole vectors: the same bits whatever rows stand beside it
_LANES = 32


@helper
def _flags(
    x: np.ndarray, feature: int, threshold: float, missing_left: int, flags: np.ndarray, above: int, below: int
) -> None:
    """Say which rows go left, among those that passed this feature's earlier splits; and which go right."""
    if missing_left:
        for b in range(flags.shape[1]):
            w = x[feature, b]
            flags[below, b] = flags[above, b] if (w < threshold or w != w) else 0.0
    else:
        for b in range(flags.shape[1]):
            flags[below, b] = flags[above, b] if x[feature, b] < threshold else 0.0
    for b in range(flags.shape[1]):
        flags[below + 1, b] = flags[above, b] - flags[below, b]


@helper
def _split(step: tuple[int, ...], number: np.ndarray, runs: np.ndarray, flags: np.ndarray) -> None:
    """Go down one level: the product of the factors, times the value where the child is a leaf."""
    i, points, source, _own, v, o, _row = step
    for q in range(points):
        k = 1 + 6 * q
        f0, f1, f2 = number[i, k], number[i, k + 1], number[i, k + 2]
        f3, f4, f5 = number[i, k + 3], number[i, k + 4], number[i, k + 5]
        for b in range(flags.shape[1]):
            p, high, low = runs[source, q, b], flags[v, b], flags[o, b]
            runs[o, q, b] = p * (f0 + f1 * high + f2 * low)
            runs[o + 1, q, b] = p * (f3 + f4 * high + f5 * low)


@helper
def _join(step: tuple[int, ...], number: np.ndarray, runs: np.ndarray, flags: np.ndarray, phi: np.ndarray) -> None:
    """Go up one level: weigh both sums for the feature split here, and add them."""
    i, points, _source, own, v, o, row = step
    for q in range(points):
        k = 1 + 6 * q
        f0, f1, f2, f3 = number[i, k], number[i, k + 1], number[i, k + 2], number[i, k + 3]
        for b in range(flags.shape[1]):
            x, y, high, low = runs[o, q, b], runs[o + 1, q, b], flags[v, b], flags[o, b]
            phi[row, b] += x * (f0 * high + f1 * low) + y * (f2 * high + f3 * low)
            runs[own, q, b] = x + y


@helper
def _end(step: tuple[int, ...], number: np.ndarray, runs: np.ndarray, flags: np.ndarray, phi: np.ndarray) -> None:
    """Go down and up at once at the lowest split, above two leaves."""
    i, points, source, own, v, o, row = step
    for q in range(points):
        k = 1 + 6 * q
        f0, f1, f2, f3, f4 = number[i, k], number[i, k + 1], number[i, k + 2], number[i, k + 3], number[i, k + 4]
        for b in range(flags.shape[1]):
            p, high, low = runs[source, q, b], flags[v, b], flags[o, b]
            phi[row, b] += p * (f3 * high + f4 * low)
            runs[own, q, b] = p * (f0 + f1 * high + f2 * low)


@helper
def _run(
    x: np.ndarray, code: np.ndarray, number: np.ndarray, phi: np.ndarray, runs: np.ndarray, flags: np.ndarray
) -> None:
    """Run the program on one block of rows."""
    for i in range(code.shape[0]):
        kind, source, own, above = code[i, 0], code[i, 2], code[i, 3], code[i, 4]
        below, feature, points = 2 + 2 * code[i, 1], code[i, 5], code[i, 7]
        row = code[i, 8] * x.shape[0] + feature
        if kind != JOIN:
            _flags(x, feature, number[i, 0], code[i, 6], flags, above, below)
        step = (i, points, source, own, above, below, row)
        if kind == SPLIT:
            _split(step, number, runs, flags)
        elif kind == JOIN:
            _join(step, number, runs, flags, phi)
        else:
            _end(step, number, runs, flags, phi)


@helper
def _share(
    values: np.ndarray, columns: np.ndarray, code: np.ndarray, number: np.ndarray, bias: np.ndarray, out: np.ndarray
) -> None:
    """Fill the contributions of at most `_BLOCK` rows."""
    rows, used, depth = values.shape[0], columns.size, 1
    lanes = (rows + _LANES - 1) // _LANES * _LANES
    for i in range(code.shape[0]):
        depth = max(depth, code[i, 1] + 1)
    x, phi = np.zeros((used, lanes)), np.zeros((bias.size * used, lanes))
    runs = np.ones((2 * depth + 2, (number.shape[1] - 1) // 6, lanes))
    flags = np.ones((2 * depth + 2, lanes))
    for b in range(rows):
        for j in range(used):
            x[j, b] = np.float32(values[b, columns[j]])
    _run(x, code, number, phi, runs, flags)
    for b in range(rows):
        for g in range(bias.size):
            for j in range(values.shape[1]):
                out[b, g, j] = 0.0
            for j in range(used):
                out[b, g, columns[j]] = phi[g * used + j, b]
            out[b, g, values.shape[1]] = bias[g]


@kernel
def shap_values(
    values: np.ndarray, columns: np.ndarray, code: np.ndarray, number: np.ndarray, bias: np.ndarray
) -> np.ndarray:
    """Shapley values of each row: what each feature adds to the mean of the trees.

    Cost: O(rows x nodes x points) with points = ceil(depth / 2), in blocks of rows that vectorise and stay in the
    cache. Scratch: one block of at most 128 rows per thread at a time, the used features once in and once out, and
    2 depth x points products. Trees add up in their order, in float64, so neither the number of threads nor the other
    rows change a bit. DOI 10.1038/s42256-019-0138-9.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_rows, n_features)
        NaN where not measured; compared as float32, as xgboost does.
    columns : ndarray of int64, shape (n_used,)
        Columns of `values` that the trees split on.
    code : ndarray of int32, shape (n_steps, 10)
        From `theracast.kernels.treeshap_program.shap_program`.
    number : ndarray of float64, shape (n_steps, 1 + 6 * points)
        From `theracast.kernels.treeshap_program.shap_program`.
    bias : ndarray of float64, shape (n_outputs,)
        Sum of the trees' means, and what is added to it.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_outputs, n_features + 1)
        Contributions in units of the margin (log-odds for a classifier); the last column is `bias`.

    Examples
    --------
    >>> from theracast.kernels.treeshap_program import shap_program
    >>> whole, real = np.array([1, -1, -1], np.int32), np.array([4.0, 1.0, 3.0])
    >>> tree = (whole, np.array([2, -1, -1], np.int32), 0 * whole, real, 0 * whole, real, real)
    >>> code, number, means = shap_program(*tree, np.array([0]), np.array([0]))
    >>> shap_values(np.array([[0.0], [5.0], [np.nan]]), np.array([0]), code, number, means)[:, 0]
    array([[-1.5,  2.5],
           [ 0.5,  2.5],
           [ 0.5,  2.5]])
    """
    out = np.empty((values.shape[0], bias.size, values.shape[1] + 1))
    # few rows in four blocks, so that no thread has nothing to do
    quarter = (values.shape[0] + 4 * _LANES - 1) // (4 * _LANES) * _LANES
    size = max(_LANES, min(_BLOCK, quarter))
    for block in prange((values.shape[0] + size - 1) // size):
        here = slice(block * size, min((block + 1) * size, values.shape[0]))
        _share(values[here], columns, code, number, bias, out[here])
    return out
