"""Slow twins of `theracast.kernels.diversity`: the definition, spelled out."""

import math

import numpy as np


def overlaps(values):
    out = np.zeros((len(values), len(values)))
    for i, a in enumerate(values.tolist()):
        for j, b in enumerate(values.tolist()):
            finite = all(map(math.isfinite, a + b))
            out[i, j] = math.fsum(map(min, a, b)) if finite else math.nan
    return out


def branch_totals(values, nodes, parent):
    def below(node, other):
        while other >= 0 and other != node:
            other = int(parent[other])
        return other == node

    out = np.zeros((len(values), len(parent)))
    for i, sample in enumerate(values):
        for k in range(len(parent)):
            out[i, k] = math.fsum(float(v) for v, n in zip(sample, nodes, strict=True) if below(k, int(n)))
    return out
