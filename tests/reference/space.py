"""Slow twins of `theracast.kernels.space`: the definition, spelled out."""

import numpy as np

LOW = 2**32


def pairs_within(queries, points, starts, grid, radii):
    apart = [(float(q[0]) - float(p[0])) ** 2 + (float(q[1]) - float(p[1])) ** 2 for q in queries for p in points]
    return np.array([sum(d <= float(r) ** 2 for d in apart) for r in radii], dtype=np.int64)


def contacts(starts, others, labels, n_types):
    out = np.zeros((n_types, n_types), dtype=np.int64)
    for i in range(len(labels)):
        for j in others[starts[i] : starts[i + 1]]:
            out[labels[i], labels[j]] += 1
            out[labels[j], labels[i]] += 1
    return out


def permuted_contacts(starts, others, labels, n_types, draws, seed):
    out = []
    for d in range(draws):
        deck = [int(v) for v in labels]
        key = mix((mix(seed % LOW) + d) % LOW)
        for p in range(len(deck) - 1):
            other = p + mix(mix((p + key) % LOW) ^ key) * (len(deck) - p) // LOW
            deck[p], deck[other] = deck[other], deck[p]
        out.append(contacts(starts, others, deck, n_types))
    return np.array(out, dtype=np.int64).reshape(draws, n_types, n_types)


def mix(x):
    x = (x ^ x >> 16) * 0x7FEB352D % LOW
    x = (x ^ x >> 15) * 0x6C4AAB1D % LOW
    return x ^ x >> 16
