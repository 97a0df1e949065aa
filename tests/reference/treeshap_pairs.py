"""Slow twin of `theracast.kernels.treeshap_pairs`: the definition, over all subsets of the features."""

import math
from itertools import combinations

import numpy as np
from reference.treeshap import shap_values
from reference.treeshap_program import games, subsets


def shap_interactions(values, columns, code, number, bias):
    out = np.zeros((len(values), len(bias), values.shape[1] + 1, values.shape[1] + 1))
    for i, group, players, worth in games(values, columns, code, number):
        for j, k in combinations(sorted(players), 2):
            a, b = columns[j], columns[k]
            for s in subsets(players - {j, k}):
                weight = 1 / (2 * (len(players) - 1) * math.comb(len(players) - 2, len(s)))
                both = weight * (worth[s | {j, k}] - worth[s | {j}] - worth[s | {k}] + worth[s])
                out[i, group, a, b] += both
                out[i, group, b, a] += both
    alone = shap_values(values, columns, code, number, bias) - out.sum(axis=3)
    corner = np.arange(values.shape[1] + 1)
    out[:, :, corner, corner] += alone
    return out
