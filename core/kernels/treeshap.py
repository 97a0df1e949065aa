"""Exact Shapley values of boosted trees (path-dependent TreeSHAP), by quadrature over compiled tables.

In one leaf with value v, each of the d distinct features of its path has a share r_j (product of the covers' ratios
where the path splits on j) and a flag o_j (1 where the row passes all of j's splits). Its Shapley value is::

    phi_j = v (o_j - r_j) sum_S |S|! (d - |S| - 1)! / d!  prod_{k in S} o_k prod_{k not in S} r_k
          = v (o_j - r_j) integral_0^1 prod_{k != j} (t o_k + (1 - t) r_k) dt

because the factorials are a beta integral. The integrand is a polynomial of degree d - 1 in t, so ceil(d / 2)
Gauss-Legendre points give the integral exactly: it is no approximation. At each point a product runs down the tree and
a sum over leaves runs up it. Every factor takes one of two values (three where a feature repeats on its path);
`shap_program` tabulates them once, `shap_values` runs the tables over blocks of rows. All factors are positive, so
nothing cancels within a leaf.

TreeSHAP: DOI 10.1038/s42256-019-0138-9. Products down and sums up: DOI 10.48550/arXiv.2209.08192.
"""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel

#: Deepest tree; half as many quadrature points.
DEEPEST = 32
_BLOCK = 64
_SPLIT, _JOIN, _LAST = 0, 1, 2
_POINTS, _WEIGHTS = np.zeros((2, DEEPEST // 2 + 1, DEEPEST // 2))
for _n in range(1, DEEPEST // 2 + 1):
    _x, _w = np.polynomial.legendre.leggauss(_n)
    _POINTS[_n, :_n], _WEIGHTS[_n, :_n] = (_x + 1) / 2, _w / 2


@helper
def _ratio(part: float, whole: float) -> float:
    """Return the share of a node's cover that goes to a child; half where nothing came by."""
    return part / whole if whole > 0 else 0.5


@helper
def _edge(t: float, old: float, rho: float) -> tuple[float, float, float, float, float]:
    """Tabulate one edge: factor = a + b v + c o and weight = d v + e o; v is the flag above the edge, o below it."""
    new, above = old * rho, t + (1 - t) * old
    a, b, c = rho, (1 - t) * new / above - rho, t / above
    out, into = -1 / (1 - t), (1 - new) / (t + (1 - t) * new)
    return a, b, c, out - (1 - old) / above, into - out


@helper
def _last(t: float, old: float, rhos: np.ndarray, values: np.ndarray) -> tuple[float, float, float, float, float]:
    """Tabulate a node above two leaves: weight = d v + e o and sum of leaves = a + b v + c o; o is the left flag."""
    a, b, c, d, e = 0.0, 0.0, 0.0, 0.0, 0.0
    for side in range(2):
        f0, fv, fo, wv, wo = _edge(t, old, rhos[side])
        out, into = values[side] * (f0 + fv), values[side] * (f0 + fv + fo)
        if side == 1:  # the right flag is v - o: what is out on the left is in on the right
            out, into = into, out
            wv, wo = wv + wo, -wo
        a += values[side] * f0
        b += out - values[side] * f0
        c += into - out
        d += out * wv
        e += into * (wv + wo) - out * wv
    return a, b, c, d, e


@helper
def _measure(root: int, left: np.ndarray, right: np.ndarray, feature: np.ndarray) -> tuple[int, int, int]:
    """Count the steps of a tree's program, the most distinct features on a path, and the depth."""
    stack, at = np.empty((DEEPEST + 2, 3), np.int64), np.empty(DEEPEST + 2, np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2] = root, 0, 0
    size, steps, most, deepest = 1, 0, 0, 0
    while size > 0:
        size -= 1
        node, depth, distinct = stack[size]
        if left[node] < 0:
            continue
        at[depth] = feature[node]
        fresh = 1
        for k in range(depth):
            if at[k] == feature[node]:
                fresh = 0
        distinct, depth = distinct + fresh, depth + 1
        steps += 1 if left[left[node]] < 0 and left[right[node]] < 0 else 2
        most, deepest = max(most, distinct), max(deepest, depth)
        for child in (right[node], left[node]):
            stack[size, 0], stack[size, 1], stack[size, 2] = child, depth, distinct
            size += 1
    return steps, most, deepest


@helper
def _compile(
    tree: tuple[np.ndarray, ...], root: int, points: int, deepest: int, code: np.ndarray, number: np.ndarray, step: int
) -> float:
    """Write a tree's program from `step` on; return the mean of its leaves."""
    left, right, feature, threshold, missing_left, cover, value = tree
    node, stage, side = (
        np.empty(deepest + 1, np.int64),
        np.zeros(deepest + 1, np.int64),
        np.zeros(deepest + 1, np.int64),
    )
    shares, reach = np.ones((deepest + 1, 2)), np.ones(deepest + 1)
    rhos, ends = np.empty(2), np.empty(2)
    mean, depth = 0.0, 0
    node[0] = root
    if left[root] < 0:
        return value[root]
    while depth >= 0:
        n = node[depth]
        child = (left[n], right[n])
        if stage[depth] == 1:  # the left side is done
            stage[depth] = 2
            if left[child[1]] >= 0:
                side[depth], depth = 1, depth + 1
                node[depth], stage[depth] = child[1], 0
            continue
        anc = depth - 1
        while anc >= 0 and feature[node[anc]] != feature[n]:
            anc -= 1
        old = shares[anc, side[anc]] if anc >= 0 else 1.0
        if stage[depth] == 0:
            reach[depth] = 1.0 if depth == 0 else reach[depth - 1] * _ratio(cover[n], cover[node[depth - 1]])
        inner = 0
        for s in range(2):
            rhos[s] = _ratio(cover[child[s]], cover[n])
            shares[depth, s] = old * rhos[s]
            inner += left[child[s]] >= 0
            if stage[depth] == 0 and left[child[s]] < 0:
                mean += value[child[s]] * reach[depth] * rhos[s]
        kind = _LAST if inner == 0 else (_SPLIT if stage[depth] == 0 else _JOIN)
        own = 1 if depth == 0 else 2 * depth + side[depth - 1]
        code[step, 0], code[step, 1], code[step, 2] = kind, depth, 0 if depth == 0 else own
        code[step, 3] = own
        code[step, 4] = 0 if anc < 0 else 2 + 2 * anc + side[anc]
        code[step, 5], code[step, 6], code[step, 7] = feature[n], missing_left[n], points
        number[step, 0] = threshold[n]
        for q in range(points):
            t = _POINTS[points, q]
            table = number[step, 1 + 6 * q : 7 + 6 * q]
            if kind == _LAST:
                ends[0], ends[1] = value[child[0]] * _WEIGHTS[points, q], value[child[1]] * _WEIGHTS[points, q]
                table[0], table[1], table[2], table[3], table[4] = _last(t, old, rhos, ends)
                continue
            for s in range(2):
                a, b, c, d, e = _edge(t, old, rhos[s])
                if s == 1:  # the right flag is v - o
                    b, c, d, e = b + c, -c, d + e, -e
                if kind == _JOIN:
                    table[2 * s], table[2 * s + 1] = d, e
                else:
                    end = value[child[s]] * _WEIGHTS[points, q] if left[child[s]] < 0 else 1.0
                    table[3 * s], table[3 * s + 1], table[3 * s + 2] = a * end, b * end, c * end
        step += 1
        if kind == _SPLIT:
            stage[depth] = 1
            if left[child[0]] >= 0:
                side[depth], depth = 0, depth + 1
                node[depth], stage[depth] = child[0], 0
        else:
            depth -= 1
    return mean


@kernel
def shap_program(
    left: np.ndarray,
    right: np.ndarray,
    feature: np.ndarray,
    threshold: np.ndarray,
    missing_left: np.ndarray,
    cover: np.ndarray,
    value: np.ndarray,
    roots: np.ndarray,
    groups: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compile trees into steps: down a split, up a split, or both at once above two leaves.

    Cost: O(nodes x depth), once per model; 6 numbers per step and quadrature point. A node without cover sends half
    of nothing each way. DOI 10.1038/s42256-019-0138-9.

    Parameters
    ----------
    left, right : ndarray of int32, shape (n_nodes,)
        Children of each node of all trees; -1 for a leaf.
    feature : ndarray of int32, shape (n_nodes,)
        Split on, as a place in `columns` of `shap_values`; no tree deeper than `DEEPEST`.
    threshold : ndarray of float64, shape (n_nodes,)
        Below it goes left.
    missing_left : ndarray of int32, shape (n_nodes,)
        1 where NaN goes left.
    cover : ndarray of float64, shape (n_nodes,)
        Training weight that passed the node.
    value : ndarray of float64, shape (n_nodes,)
        Of each leaf.
    roots, groups : ndarray of int64, shape (n_trees,)
        Root node of each tree, and the output it adds to.

    Returns
    -------
    code : ndarray of int32, shape (n_steps, 9)
        Kind, depth, where to read and write, flag above, feature, missing_left, points and output of each step.
    number : ndarray of float64, shape (n_steps, 1 + 6 * points)
        Threshold and tables of each step.
    means : ndarray of float64, shape (n_trees,)
        Mean of each tree's leaves by cover.

    Examples
    --------
    >>> whole, real = np.array([1, -1, -1], np.int32), np.array([4.0, 1.0, 3.0])
    >>> tree = (whole, np.array([2, -1, -1], np.int32), 0 * whole, real, 0 * whole, real, real)
    >>> code, number, means = shap_program(*tree, np.array([0]), np.array([0]))
    >>> code.shape, means.tolist()
    ((1, 9), [2.5])
    """
    roots_n = roots.size
    sizes = np.empty((roots_n, 3), np.int64)
    for i in prange(roots_n):
        sizes[i, 0], sizes[i, 1], sizes[i, 2] = _measure(roots[i], left, right, feature)
    starts, widest = np.zeros(roots_n + 1, np.int64), 1
    for i in range(roots_n):
        starts[i + 1] = starts[i] + sizes[i, 0]
        widest = max(widest, (sizes[i, 1] + 1) // 2)
    code, number = np.zeros((starts[roots_n], 9), np.int32), np.zeros((starts[roots_n], 1 + 6 * widest))
    means = np.empty(roots_n)
    tree = (left, right, feature, threshold, missing_left, cover, value)
    for i in prange(roots_n):
        means[i] = _compile(tree, roots[i], (sizes[i, 1] + 1) // 2, sizes[i, 2], code, number, starts[i])
        code[starts[i] : starts[i + 1], 8] = groups[i]
    return code, number, means


@helper
def _flags(
    x: np.ndarray, feature: int, threshold: float, missing_left: int, flags: np.ndarray, above: int, below: int
) -> None:
    """Say which rows go left, among those that passed this feature's earlier splits; and which go right."""
    if missing_left:
        for b in range(_BLOCK):
            w = x[feature, b]
            flags[below, b] = flags[above, b] if (w < threshold or w != w) else 0.0
    else:
        for b in range(_BLOCK):
            flags[below, b] = flags[above, b] if x[feature, b] < threshold else 0.0
    for b in range(_BLOCK):
        flags[below + 1, b] = flags[above, b] - flags[below, b]


@helper
def _split(step: tuple[int, ...], number: np.ndarray, runs: np.ndarray, flags: np.ndarray) -> None:
    """Go down one level: the product of the factors, times the value where the child is a leaf."""
    i, points, source, _own, v, o, _row = step
    for q in range(points):
        k = 1 + 6 * q
        f0, f1, f2 = number[i, k], number[i, k + 1], number[i, k + 2]
        f3, f4, f5 = number[i, k + 3], number[i, k + 4], number[i, k + 5]
        if v == 0:
            f0, f3 = f0 + f1, f3 + f4
            for b in range(_BLOCK):
                p, low = runs[source, q, b], flags[o, b]
                runs[o, q, b] = p * (f0 + f2 * low)
                runs[o + 1, q, b] = p * (f3 + f5 * low)
        else:
            for b in range(_BLOCK):
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
        if v == 0:
            for b in range(_BLOCK):
                x, y, low = runs[o, q, b], runs[o + 1, q, b], flags[o, b]
                phi[row, b] += x * (f0 + f1 * low) + y * (f2 + f3 * low)
                runs[own, q, b] = x + y
        else:
            for b in range(_BLOCK):
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
        if v == 0:
            f0 += f1
            for b in range(_BLOCK):
                p, low = runs[source, q, b], flags[o, b]
                phi[row, b] += p * (f3 + f4 * low)
                runs[own, q, b] = p * (f0 + f2 * low)
        else:
            for b in range(_BLOCK):
                p, high, low = runs[source, q, b], flags[v, b], flags[o, b]
                phi[row, b] += p * (f3 * high + f4 * low)
                runs[own, q, b] = p * (f0 + f1 * high + f2 * low)


@helper
def _block(
    x: np.ndarray, code: np.ndarray, number: np.ndarray, phi: np.ndarray, runs: np.ndarray, flags: np.ndarray
) -> None:
    """Run the program on one block of rows."""
    for i in range(code.shape[0]):
        kind, source, own, above = code[i, 0], code[i, 2], code[i, 3], code[i, 4]
        below, feature, points = 2 + 2 * code[i, 1], code[i, 5], code[i, 7]
        row = code[i, 8] * x.shape[0] + feature
        if kind != _JOIN:
            _flags(x, feature, number[i, 0], code[i, 6], flags, above, below)
        step = (i, points, source, own, above, below, row)
        if kind == _SPLIT:
            _split(step, number, runs, flags)
        elif kind == _JOIN:
            _join(step, number, runs, flags, phi)
        else:
            _end(step, number, runs, flags, phi)


@kernel
def shap_values(
    values: np.ndarray, columns: np.ndarray, code: np.ndarray, number: np.ndarray, bias: np.ndarray
) -> np.ndarray:
    """Shapley values of each row: what each feature adds to the mean of the trees.

    Cost: O(rows x nodes x points) with points = ceil(depth / 2), in blocks of rows that vectorise and stay in the
    cache; scratch per block: the used features, once in and once out. Trees add up in their order, in float64, so
    neither the number of threads nor the other rows change a bit. DOI 10.1038/s42256-019-0138-9.

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_rows, n_features)
        NaN where not measured; compared as float32, as xgboost does.
    columns : ndarray of int64, shape (n_used,)
        Columns of `values` that the trees split on.
    code : ndarray of int32, shape (n_steps, 9)
        From `shap_program`.
    number : ndarray of float64, shape (n_steps, 1 + 6 * points)
        From `shap_program`.
    bias : ndarray of float64, shape (n_outputs,)
        Sum of the trees' means, and what is added to it.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_outputs, n_features + 1)
        Contributions; the last column is `bias`.

    Examples
    --------
    >>> whole, real = np.array([1, -1, -1], np.int32), np.array([4.0, 1.0, 3.0])
    >>> tree = (whole, np.array([2, -1, -1], np.int32), 0 * whole, real, 0 * whole, real, real)
    >>> code, number, means = shap_program(*tree, np.array([0]), np.array([0]))
    >>> shap_values(np.array([[0.0], [5.0], [np.nan]]), np.array([0]), code, number, means)[:, 0]
    array([[-1.5,  2.5],
           [ 0.5,  2.5],
           [ 0.5,  2.5]])
    """
    rows, features, groups, used = values.shape[0], values.shape[1], bias.size, columns.size
    out = np.zeros((rows, groups, features + 1))
    depth, points = 1, (number.shape[1] - 1) // 6
    for i in range(code.shape[0]):
        depth = max(depth, code[i, 1] + 1)
    for block in prange((rows + _BLOCK - 1) // _BLOCK):
        begin = block * _BLOCK
        size = min(_BLOCK, rows - begin)
        x, phi = np.zeros((used, _BLOCK)), np.zeros((groups * used, _BLOCK))
        runs, flags = np.ones((2 * depth + 2, points, _BLOCK)), np.ones((2 * depth + 2, _BLOCK))
        for b in range(size):
            for j in range(used):
                x[j, b] = np.float32(values[begin + b, columns[j]])
        _block(x, code, number, phi, runs, flags)
        for b in range(size):
            for g in range(groups):
                for j in range(used):
                    out[begin + b, g, columns[j]] = phi[g * used + j, b]
                out[begin + b, g, features] = bias[g]
    return out
