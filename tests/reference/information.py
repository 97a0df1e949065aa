"""Slow twins of `theracast.kernels.information`: the definition, spelled out."""

import math

import numpy as np


def neighbour_information(ordered, labels, counts, k, digammas):
    out = np.zeros(len(ordered))
    for f, (x, y) in enumerate(zip(ordered, labels, strict=True)):
        terms = []
        for i in range(len(x)):
            mates = sorted(abs(x[j] - x[i]) for j in range(len(x)) if y[j] == y[i] and j != i)
            near = min(k, len(mates))
            radius = np.nextafter(mates[near - 1], 0.0)
            m = sum(abs(x[j] - x[i]) <= radius for j in range(len(x)))
            terms.append(digammas[near] - digammas[len(mates) + 1] - digammas[m])
        if terms:
            out[f] = max(0.0, digammas[len(x)] + sum(terms) / len(terms))
    return out


def f_statistics(features, labels, n_classes):
    out = np.zeros(len(features))
    for f, row in enumerate(features.astype(np.float64)):
        there = ~np.isnan(row)
        groups = [row[there & (labels == c)] for c in range(n_classes)]
        groups = [g for g in groups if len(g)]
        n = sum(len(g) for g in groups)
        if len(groups) > 1:
            mean = sum(g.sum() for g in groups) / n
            between = sum(len(g) * (g.mean() - mean) ** 2 for g in groups)
            within = sum(((g - g.mean()) ** 2).sum() for g in groups)
            if between > 0 and n > len(groups):
                mean_within = within / (n - len(groups))
                out[f] = between / (len(groups) - 1) / mean_within if mean_within > 0 else math.inf
    return out


def correlations(features, target):
    out = np.full(len(features), np.nan)
    for f, row in enumerate(features.astype(np.float64)):
        there = ~(np.isnan(row) | np.isnan(target))
        if there.sum() > 1:
            x, y = row[there] - row[there].mean(), target[there] - target[there].mean(dtype=np.float64)
            scale = math.sqrt((x * x).sum()) * math.sqrt((y * y).sum())
            out[f] = min(1.0, max(-1.0, (x * y).sum() / scale)) if scale > 0 else math.nan
    return out
