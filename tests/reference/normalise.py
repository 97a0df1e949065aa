"""Slow twins of `theracast.kernels.normalise`: the definition, spelled out."""

import math

import numpy as np
from scipy.stats import rankdata


def binary_logs(values):
    out = np.full(values.shape, np.nan)
    for place, value in np.ndenumerate(values):
        if 0 < value < math.inf:
            out[place] = math.log2(value)
    return out


def trimmed_means(
    ratios, levels, ordered_ratios, ordered_levels, shares, sizes, target, target_size, ratio_trim, level_trim
):
    out = np.zeros(len(ratios))
    variances = (1 - shares) / (shares * sizes[:, None]) + (1 - target) / (target * target_size)
    for i in range(len(ratios)):
        there = ~np.isnan(ratios[i])
        m, a, v = ratios[i][there], levels[i][there], variances[i][there]
        n = len(m)
        if not n or np.abs(m).max() < 1e-6:
            continue
        low_m, low_a = math.floor(n * ratio_trim) + 1, math.floor(n * level_trim) + 1
        rank_m, rank_a = rankdata(m), rankdata(a)
        kept = (rank_m >= low_m) & (rank_m <= n + 1 - low_m) & (rank_a >= low_a) & (rank_a <= n + 1 - low_a)
        if kept.any():
            with np.errstate(all="ignore"):
                mean = np.nansum(m[kept] / v[kept]) / np.sum(1 / v[kept])
            out[i] = 0.0 if math.isnan(mean) else mean
    return out
