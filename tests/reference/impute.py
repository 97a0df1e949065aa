"""Slow twins of `theracast.kernels.impute`: the definition, spelled out."""

import math

import numpy as np


def shared_ones(these, those):
    return np.array(
        [[sum((int(a) & int(b)).bit_count() for a, b in zip(x, y, strict=True)) for y in those] for x in these]
    )


def nearest_donors(distances, donors, columns, offsets, k):
    values, away = np.zeros((len(columns), k)), np.full((len(columns), k), np.nan)
    tied = np.zeros(len(columns), dtype=bool)
    for i in range(len(offsets) - 1):
        order = sorted((away, d) for d, away in enumerate(distances[i]) if not math.isnan(away))
        for cell in range(offsets[i], offsets[i + 1]):
            column = donors[:, columns[cell]]
            able = [d for _, d in order if not math.isnan(column[d])]
            for place, d in enumerate(able[:k]):
                values[cell, place], away[cell, place] = column[d], distances[i, d]
            nearest = [distances[i, d] for d in able[: k + 1]]
            tied[cell] = len(set(nearest)) < len(nearest)
    return values, away, tied
