"""Slow twins of `theracast.kernels.series`: the definition, spelled out."""

import math
import statistics
from itertools import pairwise

import numpy as np


def parts(values, offsets):
    return [values[a:b] for a, b in pairwise(offsets)]


def segment_histograms(codes, offsets, size):
    out = np.zeros((len(offsets) - 1, size), dtype=np.int64)
    for s, part in enumerate(parts(codes, offsets)):
        for code in range(size):
            out[s, code] = sum(int(c) == code for c in part)
    return out


def segment_extremes(values, offsets):
    out = np.full((len(offsets) - 1, 2), np.nan)
    for s, part in enumerate(parts(values, offsets)):
        known = sorted(float(v) for v in part if not math.isnan(v))
        if known:
            out[s] = known[0], known[-1]
    return out


def regular_grid(times, values, offsets, starts, steps, grid_offsets, gap):
    out = np.full(grid_offsets[-1], np.nan)
    for s, (when, what) in enumerate(zip(parts(times, offsets), parts(values, offsets), strict=True)):
        when, what = [int(t) for t in when], [float(v) for v in what]
        for k in range(grid_offsets[s + 1] - grid_offsets[s]):
            t = int(starts[s] + (k + 1) * steps[s])
            for a, b, x, y in zip(when, when[1:], what, what[1:], strict=False):
                if a < t < b and b - a <= gap:
                    out[grid_offsets[s] + k] = x + (t - a) / (b - a) * (y - x)
            for a, x in zip(when, what, strict=True):
                if a == t:
                    out[grid_offsets[s] + k] = x
    return out


def lagged_differences(grid, offsets, lags, steps):
    out = np.full((len(offsets) - 1, 4), np.nan)
    for s, part in enumerate(parts(grid, offsets)):
        lag = int(lags[s])
        found = [float(b) - float(a) for a, b in zip(part, part[lag:], strict=False)]
        found = [d for d in found if not math.isnan(d)]
        out[s, 0] = len(found)
        if found:
            out[s, 1] = math.fsum(map(abs, found)) / len(found)
            out[s, 3] = math.fsum(math.hypot(steps[s], d) / steps[s] for d in found) / len(found)
        if len(found) > 1:
            out[s, 2] = statistics.stdev(found)
    return out


def low_episodes(grid, offsets, threshold, entry, leave):
    """As iglu words it: runs that are long enough open, the next long enough run of the other kind closes."""
    out = np.zeros(len(offsets) - 1, dtype=np.int64)
    for s, part in enumerate(parts(grid, offsets)):
        text = "".join("n" if math.isnan(v) else "l" if v < threshold else "h" for v in part)
        for stretch in text.split("n"):
            while True:
                begin = stretch.find("l" * int(entry[s]))
                if begin < 0:
                    break
                out[s] += 1
                end = stretch.find("h" * int(leave[s]), begin)
                stretch = stretch[end:] if end >= 0 else ""
    return out
