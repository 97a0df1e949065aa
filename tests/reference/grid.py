"""Slow twins of `theracast.kernels.grid`: the definition, spelled out."""

import math
import statistics
from itertools import pairwise


def usual_step(times, unit, most):
    gaps = [b - a for a, b in pairwise(times)]
    return min(max(unit * round(statistics.median(gaps) / unit), unit), most) if gaps else 5 * unit


def on_grid(when, what, step, period, gap):
    when, what = list(when), list(what)
    start, end = when[0] // period * period, math.ceil(when[-1] / period) * period
    out = []
    for t in range(start + step, end + 1, step):
        point = math.nan
        for a, b, x, y in zip(when, when[1:], what, what[1:], strict=False):
            if a < t < b and b - a <= gap:
                point = x + (t - a) / (b - a) * (y - x)
        out.append(what[when.index(t)] if t in when else point)
    return out
