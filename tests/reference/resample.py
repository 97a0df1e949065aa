"""Slow twins of `theracast.kernels.resample`: the definition, spelled out."""

import math

import numpy as np

LOW = 2**32


def weighted_aucs(order, ends, positive, weights):
    out = np.full((len(weights), len(order)), np.nan)
    for r, weight in enumerate(weights):
        for s in range(len(order)):
            group, groups = 0, {}
            for p, patient in enumerate(order[s]):
                groups[int(patient)] = group
                group += bool(ends[s, p])
            wins, pairs = [], []
            for i in groups:
                for j in groups:
                    if positive[i] and not positive[j]:
                        both = float(weight[i]) * float(weight[j])
                        pairs.append(both)
                        wins.append(both * (1.0 if groups[i] > groups[j] else 0.5 * (groups[i] == groups[j])))
            if math.fsum(pairs) > 0:
                out[r, s] = math.fsum(wins) / math.fsum(pairs)
    return out


def bootstrap_aucs(order, ends, positive, pool, offsets, draws, seed):
    return weighted_aucs(order, ends, positive, resampled_counts(pool, offsets, draws, seed))


def resampled_counts(pool, offsets, draws, seed):
    out = np.zeros((draws, len(pool)), dtype=np.int64)
    for d in range(draws):
        for low, high in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
            for p in range(low, high):
                out[d, pool[low + random(seed, d, p) * (high - low) // LOW]] += 1
    return out


def permuted_sums(values, size, draws, seed):
    out = np.zeros(draws, dtype=np.int64)
    for d in range(draws):
        deck = [int(v) for v in values]
        for p in range(size):
            other = p + random(seed, d, p) * (len(deck) - p) // LOW
            deck[p], deck[other] = deck[other], deck[p]
        out[d] = sum(deck[:size])
    return out


def weighted_quantiles(values, weights, shares):
    out = np.full((len(values), len(shares)), np.nan)
    for r, (row, weight) in enumerate(zip(values, weights, strict=True)):
        known = [(float(v), float(w)) for v, w in zip(row, weight, strict=True) if w > 0]
        for q, share in enumerate(shares):
            if known:
                reached = np.cumsum([w for _, w in known]) / np.cumsum([w for _, w in known])[-1]
                out[r, q] = known[int(np.argmax(reached >= share))][0]
    return out


def mix(x):
    x = (x ^ x >> 16) * 0x7FEB352D % LOW
    x = (x ^ x >> 15) * 0x6C4AAB1D % LOW
    return x ^ x >> 16


def random(seed, draw, place):
    one = mix((mix(seed % LOW) + draw) % LOW)
    two = mix((one + 0x51ED270B) % LOW) ^ mix((draw * 0x2C1B3C6D + seed) % LOW)
    return mix(mix((place * 0x1E3779B9 + one) % LOW) ^ two)
