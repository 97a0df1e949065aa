"""Slow twins of `theracast.kernels.enrichment`: the definition, spelled out."""

import math

import numpy as np


def set_means(values, members, offsets, needed):
    out = np.full((len(values), len(offsets) - 1), np.nan)
    for i, sample in enumerate(values):
        for s in range(len(offsets) - 1):
            genes = members[offsets[s] : offsets[s + 1]]
            known = [float(sample[g]) for g in genes if g >= 0 and not math.isnan(sample[g])]
            if known and len(known) >= needed * len(genes):
                out[i, s] = sum(known) / len(known)
    return out
