"""Slow twins of `theracast.kernels.rank_scores`: the definition, spelled out."""

import statistics

import numpy as np


def aucell(top, values, members, offsets):
    out = np.full((len(values), len(offsets) - 1), np.nan)
    count = top.shape[1]
    for i in range(len(values)):
        for s in range(len(offsets) - 1):
            inside = {int(g) for g in members[offsets[s] : offsets[s + 1]] if g >= 0 and values[i, g] == values[i, g]}
            if inside:
                met = np.cumsum([g in inside for g in top[i].tolist()])  # the recovery curve
                best = np.minimum(np.arange(1, count), len(inside))
                out[i, s] = met[: count - 1].sum() / best.sum()
    return out


def singscore(order, tied, members, offsets):
    shape = (len(order), len(offsets) - 1)
    score, dispersion = np.full(shape, np.nan), np.full(shape, np.nan)
    for i in range(len(order)):
        rank, below = {}, 0
        for group in _groups(order[i], tied[i]):
            rank |= dict.fromkeys(group, below + 1)
            below += len(group)
        n = len(rank)
        for s in range(len(offsets) - 1):
            found = [rank[g] for g in members[offsets[s] : offsets[s + 1]].tolist() if g in rank]
            k = len(found)
            if k:
                middle = statistics.median(found)
                dispersion[i, s] = 1.4826 * statistics.median([abs(r - middle) for r in found])
            if 0 < k < n:
                least, greatest = statistics.mean(range(1, k + 1)), statistics.mean(range(n - k + 1, n + 1))
                score[i, s] = (statistics.mean(found) - least) / (greatest - least)
    return score, dispersion


def _groups(order, tied):
    """Tied genes, group by group, the lowest first."""
    groups = []
    for g, same in zip(order.tolist(), tied.tolist(), strict=True):
        if g >= 0:
            groups.append([*groups.pop(), g] if same else [g])
    return groups
