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


def ssgsea(order, tied, members, offsets, alpha):
    """Walk down the ranking, step by step, as the paper has it."""
    out = np.full((len(order), len(offsets) - 1), np.nan)
    for i in range(len(order)):
        rank, down = _whole_ranks(order[i], tied[i])
        for s in range(len(offsets) - 1):
            inside = {int(g) for g in members[offsets[s] : offsets[s + 1]]} & set(down)
            if not inside or len(inside) == len(down):
                continue
            whole = sum(rank[g] ** alpha for g in inside)
            hit, miss, score = 0.0, 0.0, 0.0
            for g in down:
                if g in inside:
                    hit += rank[g] ** alpha / whole
                else:
                    miss += 1 / (len(down) - len(inside))
                score += hit - miss
            out[i, s] = score
    return out


def zscores(values, centre, spread, members, offsets):
    out = np.full((len(values), len(offsets) - 1), np.nan)
    for i, sample in enumerate(np.asarray(values, dtype=float)):
        for s in range(len(offsets) - 1):
            genes = members[offsets[s] : offsets[s + 1]]
            z = [(sample[g] - centre[g]) / spread[g] for g in genes if g >= 0]
            z = [v for v in z if not math.isnan(v)]
            if z:
                out[i, s] = sum(z) / math.sqrt(len(z))
    return out


def _whole_ranks(order, tied):
    """Mean rank of each gene, cut to a whole number, and the genes from the top, ties by column."""
    groups = []
    for g, same in zip(order.tolist(), tied.tolist(), strict=True):
        if g >= 0:
            groups.append([*groups.pop(), g] if same else [g])
    rank, below = {}, 0
    for group in groups:
        rank |= dict.fromkeys(group, int(below + (len(group) + 1) / 2))
        below += len(group)
    return rank, [g for group in reversed(groups) for g in sorted(group)]
