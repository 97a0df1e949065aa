"""Slow twin of `theracast.kernels.places`: one value at a time, by counting."""

import numpy as np


def quantile_places(values, quantiles):
    """Count what is below and what is equal; stand in the middle of what is equal."""
    out = np.full(np.shape(values), np.nan)
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            mine = [float(q) for q in quantiles[j]]
            if np.isnan(value) or np.isnan(mine[0]):
                continue
            below = sum(q < value for q in mine)
            up_to = sum(q <= value for q in mine)
            steps = len(mine) - 1
            out[i, j] = min(max((below + up_to - 1) / 2, 0.0), float(steps)) * 100 / steps
    return out
