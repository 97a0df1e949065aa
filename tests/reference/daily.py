"""Slow twins of `theracast.kernels.daily`: the definition, spelled out."""

import math
import statistics
import warnings

import numpy as np
from reference.excursions import parts
from reference.grid import on_grid, usual_step


def lag_summaries(times, values, offsets, clock, gap, lag):
    out = np.full((len(offsets) - 1, 3), np.nan)
    for s, (when, what) in enumerate(parts(times, values, offsets)):
        if when:
            step = usual_step(when, *clock[:2])
            points = on_grid(when, what, step, clock[2], gap)
            pairs = list(zip(points, points[max(round(lag / step), 1) :], strict=False))
            pairs = [(a, b) for a, b in pairs if not math.isnan(a - b)]
            if pairs:
                out[s, 0] = math.fsum(abs(b - a) for a, b in pairs) / len(pairs)
                out[s, 2] = math.fsum(a / 2 + b / 2 for a, b in pairs) / len(pairs)
            if len(pairs) > 1:
                out[s, 1] = statistics.stdev(b - a for a, b in pairs)
    return out


def day_summaries(times, values, offsets, clock, gap):
    unit, most, period = clock
    out = np.full((len(offsets) - 1, 8), np.nan)
    for s, (when, what) in enumerate(parts(times, values, offsets)):
        if when:
            step = usual_step(when, unit, most)
            step = next(d for d in range(step, 0, -unit) if period % d == 0)
            points = np.array(on_grid(when, what, step, period, gap))
            days = points.reshape(-1, period // step)
            width = round(most / step)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                means = np.nanmean(days, axis=1)
                within = spread(days, 1)
                windows = np.array([spread(points[k : k + width], 0) for k in range(points.size - width + 1)])
                shares = 100 * within / means
                out[s] = [
                    np.nanmean(within),
                    spread(np.nanmean(days, axis=0), 0),
                    np.nanmean(windows) if windows.size else np.nan,
                    spread(means, 0),
                    np.nanmean(spread(days, 0)),
                    np.nanmean(spread(days - means[:, np.newaxis], 0)),
                    np.nanmean(shares),
                    spread(shares, 0),
                ]
    return out


def spread(values, axis):
    enough = (~np.isnan(values)).sum(axis=axis) > 1
    return np.where(enough, np.nanstd(values, axis=axis, ddof=1), np.nan)
