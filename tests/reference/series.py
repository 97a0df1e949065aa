"""Slow twins of `theracast.kernels.series`: the definition, spelled out."""

import math
import statistics
from itertools import pairwise

import numpy as np
from reference.grid import on_grid, usual_step


def parts(values, offsets):
    return [values[a:b].tolist() for a, b in pairwise(offsets)]


def segments_rise(times, offsets):
    missing = np.iinfo(np.int64).min
    return np.array([missing not in part and part == sorted(set(part)) for part in parts(times, offsets)], dtype=bool)


def segment_summaries(codes, offsets, first, levels, functions, shares):
    counted, sd = np.zeros(len(offsets) - 1, dtype=np.int64), np.full(len(offsets) - 1, np.nan)
    means = np.full((len(offsets) - 1, len(functions)), np.nan)
    quantiles = np.full((len(offsets) - 1, len(shares)), np.nan)
    for s, part in enumerate(parts(codes, offsets)):
        places = [int(code) - first for code in part if code in range(first, first + len(levels))]
        counted[s] = len(places)
        if places:
            means[s] = [math.fsum(function[p] for p in places) / len(places) for function in functions]
            quantiles[s] = np.quantile([levels[p] for p in places], shares)
        if len(places) > 1:
            sd[s] = statistics.stdev(float(levels[p]) for p in places)
    return counted, means, sd, quantiles


def period_extremes(times, values, offsets, period, cells):
    out = np.full((cells[-1], 2), np.nan)
    for s, (when, what) in enumerate(zip(parts(times, offsets), parts(values, offsets), strict=True)):
        for p in range(cells[s + 1] - cells[s]):
            held = [v for t, v in zip(when, what, strict=True) if t // period == when[0] // period + p] if when else []
            known = sorted(v for v in held if not math.isnan(v))
            if known:
                out[cells[s] + p] = known[0], known[-1]
    return out


def grid_summaries(times, values, offsets, clock, gap, run, bands):
    short, middle, long = clock
    numbers = np.full((len(offsets) - 1, 6), np.nan)
    episodes = np.zeros((len(offsets) - 1, len(bands)), dtype=np.int64)
    for s, (when, what) in enumerate(zip(parts(times, offsets), parts(values, offsets), strict=True)):
        if not when:
            continue
        step = usual_step(when, short, middle)
        points = on_grid(when, what, step, long, gap)
        known = [v for v in points if not math.isnan(v)]
        numbers[s, :2] = step, len(known)
        one, far = differences(points, 1), differences(points, long // step)
        if one:
            numbers[s, 2] = math.fsum(math.hypot(1.0, d / (step / short)) for d in one) / len(one)
        if far:
            numbers[s, 3] = math.fsum(map(abs, far)) / len(far)
        if len(far) > 1:
            numbers[s, 4] = statistics.stdev(far)
        sparse = points[:: round(middle / step)]
        moves = differences(sparse, 1)
        if moves:
            numbers[s, 5] = math.fsum(map(abs, moves)) / sum(not math.isnan(v) for v in sparse)
        for b, (low, high) in enumerate(bands):
            episodes[s, b] = outside(points, low, high, math.ceil(run / step))
    return numbers, episodes


def differences(points, lag):
    found = [b - a for a, b in zip(points, points[lag:], strict=False)]
    return [d for d in found if not math.isnan(d)]


def outside(points, low, high, run):
    """As iglu words it: runs that are long enough open, the next long enough run of the other kind closes."""
    found, text = 0, "".join("n" if math.isnan(v) else "i" if low <= v <= high else "o" for v in points)
    for stretch in text.split("n"):
        while (begin := stretch.find("o" * run)) >= 0:
            found += 1
            end = stretch.find("i" * run, begin)
            stretch = stretch[end:] if end >= 0 else ""
    return found
