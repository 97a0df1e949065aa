"""Slow twins of `theracast.kernels.ranks`: the definition, spelled out."""

import math

import numpy as np


def ranks(values):
    out = np.full(values.shape, np.nan)
    for i, sample in enumerate(values.tolist()):
        known = [v for v in sample if not math.isnan(v)]
        for g, v in enumerate(sample):
            if not math.isnan(v):
                out[i, g] = sum(w < v for w in known) + (sum(w == v for w in known) + 1) / 2
    return out


def sorted_genes(values):
    order = np.full(values.shape, -1, np.int32)
    tied = np.zeros(values.shape, bool)
    for i, sample in enumerate(values.tolist()):
        genes = sorted((g for g, v in enumerate(sample) if not math.isnan(v)), key=lambda g: (sample[g], g))
        order[i, : len(genes)] = genes
        for p in range(1, len(genes)):
            tied[i, p] = sample[genes[p]] == sample[genes[p - 1]]
    return order, tied


def top_genes(values, count):
    top = np.full((len(values), count), -1, np.int32)
    for i, sample in enumerate(values.tolist()):
        genes = sorted((g for g, v in enumerate(sample) if not math.isnan(v)), key=lambda g: (-sample[g], g))
        top[i, : len(genes)] = genes[:count]
    return top
