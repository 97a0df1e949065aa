"""Slow twins of `theracast.kernels.normalise`: the definition, spelled out."""

import math

import numpy as np
from scipy.stats import rankdata


def order_statistics(values, places):
    return np.array([[sorted(row)[place] for place in places] for row in values]).reshape(len(values), len(places))


def mean_logs(values):
    out = np.full(values.shape[1], np.nan)
    for gene, column in enumerate(values.T if len(values) else []):
        out[gene] = math.fsum(map(math.log, column)) / len(column) if (column > 0).all() else -math.inf
    return out


def median_ratios(values, genes, means):
    return np.array(
        [math.exp(np.median([math.log(row[g] / m) for g, m in zip(genes, means, strict=True)])) for row in values]
    )


def trimmed_means(ratios, shares, sizes, target, target_logs, target_size, ratio_trim, level_trim):
    out = np.zeros(len(ratios))
    with np.errstate(all="ignore"):
        variances = (1 - shares) / (shares * sizes[:, None]) + (1 - target) / (target * target_size)
        logs, levels = np.log2(ratios), (np.log2(shares) + target_logs) / 2
    for i in range(len(ratios)):
        there = np.isfinite(logs[i]) & np.isfinite(levels[i])
        m, a, v = logs[i][there], levels[i][there], variances[i][there]
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
