"""Compile boosted trees into the steps and tables that `theracast.kernels.treeshap` runs.

Plain numpy, all trees at once, level by level: nothing to compile, and some 50 ms for 500 trees of depth 6.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

#: Deepest tree; half as many quadrature points.
DEEPEST = 32
#: Kinds of steps: down a split, up the same split, or both at once above two leaves.
SPLIT, JOIN, LAST = 0, 1, 2
# points that a tree does not need have no weight; they still have to divide
_POINTS, _WEIGHTS = np.full((DEEPEST // 2 + 1, DEEPEST // 2), 0.5), np.zeros((DEEPEST // 2 + 1, DEEPEST // 2))
for _n in range(1, DEEPEST // 2 + 1):
    _x, _w = np.polynomial.legendre.leggauss(_n)
    _POINTS[_n, :_n], _WEIGHTS[_n, :_n] = (_x + 1) / 2, _w / 2


class _Paths(NamedTuple):
    """What each node knows of the path above it."""

    tree: np.ndarray
    slot: np.ndarray  # 2 depth, 1 more on the right: where a step writes
    above: np.ndarray  # slot of the last edge that split on the same feature; 0 for none
    old: np.ndarray  # product of that feature's ratios so far
    rho: np.ndarray  # ratio of the covers on the edge above


def _paths(
    left: np.ndarray, right: np.ndarray, feature: np.ndarray, cover: np.ndarray, value: np.ndarray, roots: np.ndarray
) -> tuple[list[np.ndarray], _Paths, np.ndarray, np.ndarray]:
    """Go down all trees; return the inner nodes of each level, the paths, each tree's points and its mean."""
    parent, tree, slot, above, distinct = np.zeros((5, left.size), np.int64)
    old, rho, reach = np.ones((3, left.size))
    tree[roots] = np.arange(roots.size)
    most, means = np.zeros(roots.size, np.int64), np.where(left[roots] < 0, value[roots], 0.0)
    levels: list[np.ndarray] = []
    here = roots[left[roots] >= 0]
    while here.size:
        up, edge = parent[here], here
        for _ in levels:  # look for the nearest split on the same feature
            found = (feature[up] == feature[here]) & (above[here] == 0)
            above[here[found]] = slot[edge[found]]
            old[here[found]] = (old[up] * rho[edge])[found]
            up, edge = parent[up], up
        levels.append(here)
        for side, child in enumerate((left[here], right[here])):
            parent[child], tree[child], slot[child] = here, tree[here], 2 * len(levels) + side
            distinct[child] = distinct[here] + (above[here] == 0)
            rho[child] = _share(cover[child], cover[here])
            reach[child] = reach[here] * rho[child]
            ends = child[left[child] < 0]
            means += np.bincount(tree[ends], reach[ends] * value[ends], roots.size)
            np.maximum.at(most, tree[child], distinct[child])
        below = np.concatenate([left[here], right[here]])
        here = below[left[below] >= 0]
    return levels, _Paths(tree, slot, above, old, rho), (most + 1) // 2, means


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Return the share of a node's cover that goes to a child; half where nothing came by."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(whole > 0, part / whole, 0.5)


def _places(
    left: np.ndarray, right: np.ndarray, roots: np.ndarray, levels: list[np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Lay out the steps, each tree's left side before its right; return a node's first step and the one after it."""
    size, first = np.zeros((2, left.size), np.int64)
    for here in reversed(levels):
        below = size[left[here]] + size[right[here]]
        size[here] = np.where(below > 0, below + 2, 1)
    first[roots] = np.cumsum(size[roots]) - size[roots]
    for here in levels:
        first[left[here]] = first[here] + 1
        first[right[here]] = first[here] + 1 + size[left[here]]
    return first, first + size


def _edge(t: np.ndarray, old: np.ndarray, rho: np.ndarray) -> tuple[np.ndarray, ...]:
    """Tabulate edges: factor = a + b v + c o and weight = d v + e o; v is the flag above the edge, o below it."""
    new, above = old * rho, t + (1 - t) * old
    a, b, c = rho + 0 * t, (1 - t) * new / above - rho, t / above
    out, into = -1 / (1 - t), (1 - new) / (t + (1 - t) * new)
    return a, b, c, out - (1 - old) / above, into - out


def _right(v: np.ndarray, o: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn the coefficients of a right edge's flag into those of the left one: right = v - o."""
    return v + o, -o


def _weighted(a: np.ndarray, b: np.ndarray, c: np.ndarray, d: np.ndarray, e: np.ndarray) -> tuple[np.ndarray, ...]:
    """Multiply factor and weight: d v + e o of the product, where v and o are 0 or 1 and o is at most v."""
    out, into = (a + b) * d, (a + b + c) * (d + e)
    return out, into - out


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
        Of each leaf, in units of the margin (log-odds for a classifier).
    roots, groups : ndarray of int64, shape (n_trees,)
        Root node of each tree, and the output it adds to.

    Returns
    -------
    code : ndarray of int32, shape (n_steps, 10)
        Kind, depth, where to read and to write, flag above, feature, missing_left, points, output, and the step that
        goes up again.
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
    ((1, 10), [2.5])
    """
    levels, path, points, means = _paths(left, right, feature, cover, value, roots)
    first, after = _places(left, right, roots, levels)
    steps, widest = int((after - first)[roots].sum()), int(points.max(initial=1))
    code, thresholds, tables = np.zeros((steps, 10), np.int32), np.zeros(steps), np.zeros((steps, widest, 6))
    inner = np.concatenate([np.zeros(0, np.int64), *levels])
    lowest = after[inner] == first[inner] + 1
    for kind, at, nodes in (
        (SPLIT, first[inner[~lowest]], inner[~lowest]),
        (JOIN, after[inner[~lowest]] - 1, inner[~lowest]),
        (LAST, first[inner[lowest]], inner[lowest]),
    ):
        tree, slot = path.tree[nodes], path.slot[nodes]
        where = (slot // 2, slot, np.maximum(slot, 1), path.above[nodes])  # the root reads 0, which is 1, and writes 1
        fields = (kind, *where, feature[nodes], missing_left[nodes], points[tree], groups[tree], after[nodes] - 1)
        for k, field in enumerate(fields):
            code[at, k] = field
        thresholds[at] = threshold[nodes]
        for side, child in enumerate((left[nodes], right[nodes])):
            t, weight = _POINTS[points[tree], :widest], _WEIGHTS[points[tree], :widest]
            a, b, c, d, e = _edge(t, path.old[nodes, None], path.rho[child, None])
            if kind == LAST:
                d, e = _weighted(a, b, c, d, e)
            if side == 1:
                (b, c), (d, e) = _right(b, c), _right(d, e)
            end = np.where(left[child, None] < 0, value[child, None] * weight, 1.0)
            if kind == SPLIT:
                tables[at, :, 3 * side : 3 * side + 3] = np.stack([a * end, b * end, c * end], axis=-1)
            elif kind == JOIN:
                tables[at, :, 2 * side : 2 * side + 2] = np.stack([d, e], axis=-1)
            else:
                tables[at, :, :5] += np.stack([a * end, b * end, c * end, d * end, e * end], axis=-1)
    return code, np.column_stack([thresholds, tables.reshape(steps, 6 * widest)]), means
