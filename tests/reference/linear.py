"""Slow twins of `theracast.kernels.linear`: the definition, spelled out."""

import math

import numpy as np


def weighted_sums(dosages, weights, fill):
    terms = np.where(dosages >= 0, weights * dosages.astype(np.float64), fill)
    return np.array([math.fsum(row) for row in terms])


def mean_dosages(dosages):
    out = np.full(dosages.shape[1], np.nan)
    for j in range(dosages.shape[1]):
        there = [int(d) for d in dosages[:, j] if d >= 0]
        if there:
            out[j] = sum(there) / len(there)
    return out
