"""Slow twins of `theracast.kernels.diversity`: the definition, spelled out."""

import math

import numpy as np


def manhattan(values):
    out = np.zeros((len(values), len(values)))
    for i, a in enumerate(values.tolist()):
        for j, b in enumerate(values.tolist()):
            parts = [abs(x - y) for x, y in zip(a, b, strict=True)]
            out[i, j] = sum(parts) if any(math.isnan(p) or math.isinf(p) for p in parts) else math.fsum(parts)
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
