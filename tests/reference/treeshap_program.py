"""Slow twin of `theracast.kernels.treeshap_program`: the trees themselves, as games of all subsets of features."""

import math
from itertools import combinations

import numpy as np


def shap_program(left, right, feature, threshold, missing_left, cover, value, roots, groups):
    """Compile nothing: hand the trees on as they are, with the mean of each tree's leaves."""
    trees = (left, right, feature, threshold, missing_left, cover, value)
    nobody = np.zeros(0)
    means = np.array([expected(trees, r, nobody, ()) for r in roots], dtype=np.float64)
    return trees, (roots, groups), means


def games(values, columns, code, number):
    """Each row in each tree as a game: its players, and what every set of them is worth."""
    for root, group in zip(*number, strict=True):
        players = frozenset(features_of(code, root))
        for i, row in enumerate(values):
            x = [np.float32(row[c]) for c in columns]
            yield i, group, players, {s: expected(code, root, x, s) for s in subsets(players)}


def subsets(players):
    return [frozenset(s) for size in range(len(players) + 1) for s in combinations(players, size)]


def features_of(trees, node):
    left, right, feature = trees[:3]
    if left[node] < 0:
        return set()
    return {int(feature[node])} | features_of(trees, left[node]) | features_of(trees, right[node])


def expected(trees, node, x, known):
    """Mean of the leaves, following the row where the feature is known and the covers where it is not."""
    left, right, feature, threshold, missing_left, cover, value = trees
    if left[node] < 0:
        return float(value[node])
    sides = [expected(trees, child, x, known) for child in (left[node], right[node])]
    if feature[node] in known:
        w = x[feature[node]]
        return sides[0] if w < threshold[node] or (missing_left[node] and math.isnan(w)) else sides[1]
    shares = [cover[child] / cover[node] if cover[node] > 0 else 0.5 for child in (left[node], right[node])]
    return shares[0] * sides[0] + shares[1] * sides[1]
