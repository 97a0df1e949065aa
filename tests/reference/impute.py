"""Slow twins of `theracast.kernels.impute`: the definition, spelled out."""

import math

import numpy as np


def nearest_donors(order, distances, donors, columns, offsets, k):
    values, away = np.zeros((len(columns), k)), np.full((len(columns), k), np.nan)
    tied = np.zeros(len(columns), dtype=bool)
    for i in range(len(offsets) - 1):
        for cell in range(offsets[i], offsets[i + 1]):
            column = donors[:, columns[cell]]
            able = [d for d in order[i] if not math.isnan(distances[i, d]) and not math.isnan(column[d])]
            for place, d in enumerate(able[:k]):
                values[cell, place], away[cell, place] = column[d], distances[i, d]
            nearest = [distances[i, d] for d in able[: k + 1]]
            tied[cell] = len(set(nearest)) < len(nearest)
    return values, away, tied
