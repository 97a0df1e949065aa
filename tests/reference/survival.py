"""Slow twin of `theracast.kernels.survival`: every pair."""

import numpy as np


def concordance_counts(ranks, times, events):
    out = np.zeros((len(ranks), 3), dtype=np.int64)
    for s, rank in enumerate(ranks):
        for i in range(len(times)):
            for j in range(len(times)):
                if events[i] and (times[i] < times[j] or (times[i] == times[j] and not events[j])):
                    out[s] += (rank[i] > rank[j], rank[i] == rank[j], 1)
    return out
