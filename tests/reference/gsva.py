"""Slow twins of `theracast.kernels.gsva`: the definition, spelled out."""

import math
from fractions import Fraction

import numpy as np


def normal_table():
    return np.array([0.5 * math.erfc(-k / 1000 / math.sqrt(2)) for k in range(10_001)])


def bandwidths(values):
    out = []
    for gene in np.asarray(values, dtype=np.float64).T:
        if len(gene) < 2 or not np.isfinite(gene).all():
            out.append(np.nan)
            continue
        exact = [Fraction(float(v)) for v in gene]
        mean = sum(exact) / len(exact)
        variance = sum((v - mean) ** 2 for v in exact) / (len(exact) - 1)
        try:
            root = math.sqrt(variance)
        except OverflowError:
            root = math.inf
        out.append(root / 4)
    return np.array(out)


def table_levels(values, widths, table):
    values = np.asarray(values, dtype=np.float64)
    out = np.full(values.shape, np.nan)
    for g, width in enumerate(widths):
        if not (math.isfinite(width) and width > 0):
            continue
        for j, y in enumerate(values[:, g]):
            total = 0.0
            for x in values[:, g]:
                step = (y - x) / width
                cdf = table[int(min(abs(step) / 10.0 * 10000.0, 10000.0))]
                total += 1.0 - cdf if step < 0 else cdf
            share = total / len(values)
            out[j, g] = -math.log((1.0 - share) / share)
    return out


def exact_levels(values, widths):
    values = np.asarray(values, dtype=np.float64)
    out = np.full(values.shape, np.nan)
    for g, width in enumerate(widths):
        if not (math.isfinite(width) and width > 0):
            continue
        for j, y in enumerate(values[:, g]):
            terms = [0.5 * math.erfc((x - y) / width / math.sqrt(2)) for x in values[:, g]]
            out[j, g] = round(math.fsum(terms) / len(terms) * 2**41) / 2**41
    return out


def walk(order, sets, starts, sizes, max_diff):
    n_samples, n = order.shape
    out = np.full((n_samples, len(sizes)), np.nan)
    members = [{g for g in range(n) if s in sets[starts[g] : starts[g + 1]].tolist()} for s in range(len(sizes))]
    for i in range(n_samples):
        for s, genes in enumerate(members):
            if not genes:
                continue
            weights = [Fraction(abs(2 * (n - p) - n), 2) if g in genes else 0 for p, g in enumerate(order[i].tolist())]
            total, here, points = sum(weights), Fraction(0), [Fraction(0)]
            for g, weight in zip(order[i].tolist(), weights, strict=True):
                if g in genes and total == 0:
                    break
                here += weight / total if g in genes else -Fraction(1, n - len(genes))
                points.append(here)
            high, low = max(points), min(points)
            out[i, s] = high + low if max_diff else (high if high > -low else low)
    return out
