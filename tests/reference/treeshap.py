"""Slow twin of `theracast.kernels.treeshap`: the definition, over all subsets of the features."""

import math

import numpy as np
from reference.treeshap_program import games, subsets


def shap_values(values, columns, code, number, bias):
    out = np.zeros((len(values), len(bias), values.shape[1] + 1))
    out[:, :, -1] = bias
    for i, group, players, worth in games(values, columns, code, number):
        for j in players:
            for s in subsets(players - {j}):
                weight = 1 / (len(players) * math.comb(len(players) - 1, len(s)))
                out[i, group, columns[j]] += weight * (worth[s | {j}] - worth[s])
    return out
