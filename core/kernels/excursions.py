"""Excursions of a series: swings from turning point to turning point, and spells beyond a limit."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.grid import on_grid, usual_step
from theracast.kernels.jit import helper, kernel, strict


@kernel
def excursions(
    times: np.ndarray,
    values: np.ndarray,
    offsets: np.ndarray,
    clock: tuple[int, int],
    gaps: tuple[int, int],
    windows: tuple[int, int],
    flat: float,
) -> np.ndarray:
    """Mean amplitude of the excursions of each segment, read at regular times.

    Follows the description of the moving-average algorithm (Fernandes 2022, DOI 10.1177/19322968211061165): the short
    and the long mean of the points up to each point cross where the series turns; between two crossings lies its
    highest or lowest point; going up, an excursion runs from the lowest turning point so far to the highest one before
    the series falls again, and both ways must exceed one standard deviation (Service 1970, DOI 10.2337/diab.19.9.644),
    but for the last. Where the grid is missing for longer than the wider gap it is split; means over the parts are
    weighed by their length. Cost: O(readings + points x windows).

    Parameters
    ----------
    times : ndarray of int64, shape (n_readings,)
        Rising within each segment.
    values : ndarray of float32 or float64, shape (n_readings,)
        None missing.
    offsets : ndarray of int64, shape (n_segments + 1,)
        As in `theracast.kernels.series.segments_rise`.
    clock : tuple of two int
        Step of the grid and period whose beginnings it is counted from, in the unit of `times`.
    gaps : tuple of two int
        Widest distance of readings that is bridged by a line, and longest run of missing points that does not split.
    windows : tuple of two int
        Points in the short and in the long mean.
    flat : float
        A part with a smaller standard deviation has no excursions.

    Returns
    -------
    ndarray of float64, shape (n_segments, 5)
        Mean height of rises, depth of falls, mean of the two, that of the direction of the first excursion, and the
        larger one; NaN where there is none.

    Examples
    --------
    >>> values = np.repeat([10.0, 20.0, 10.0, 22.0, 10.0], 4)
    >>> excursions(np.arange(20), values, np.array([0, 20]), (1, 20), (1, 1), (2, 6), 1.0).round(1)
    array([[11., 11., 11., 11., 11.]])
    """
    out = np.full((offsets.size - 1, 5), np.nan)
    for s in prange(offsets.size - 1):
        if offsets[s] < offsets[s + 1]:
            when, what = times[offsets[s] : offsets[s + 1]], values[offsets[s] : offsets[s + 1]]
            points = on_grid(when, what, clock[0], clock[1], gaps[0])
            _parts(points, gaps[1] // clock[0], windows, flat, out[s])
    return out


@kernel
def spells(
    times: np.ndarray,
    values: np.ndarray,
    offsets: np.ndarray,
    clock: tuple[int, int, int],
    gap: int,
    lasting: tuple[int, int],
    limits: tuple[float, float],
) -> np.ndarray:
    """How many spells below two limits each segment has, read at regular times.

    A spell begins where the grid goes below a limit for long enough, and ends where it comes back for long enough or
    is missing (Battelino 2023, DOI 10.1016/S2213-8587(22)00319-9). Cost: O(readings + points).

    Parameters
    ----------
    times : ndarray of int64, shape (n_readings,)
        Rising within each segment.
    values : ndarray of float32 or float64, shape (n_readings,)
        None missing.
    offsets : ndarray of int64, shape (n_segments + 1,)
        As in `theracast.kernels.series.segments_rise`.
    clock : tuple of three int
        Unit of the step, longest step, and period, as in `theracast.kernels.series.grid_summaries`.
    gap : int
        Widest distance of readings that is bridged.
    lasting : tuple of two int
        How long the grid is below before a spell counts, and back before it ends.
    limits : tuple of two float
        The upper one and the lower one.

    Returns
    -------
    ndarray of float64, shape (n_segments, 4)
        Spells below the upper limit, below the lower one, below the upper one without any below the lower one, and
        for how long the grid is known, in periods; NaN without readings.

    Examples
    --------
    >>> values = np.array([9.0, 6.0, 6.0, 9.0, 9.0, 6.0, 4.0, 4.0])
    >>> spells(np.arange(1, 9), values, np.array([0, 8]), (1, 1, 8), 1, (2, 2), (7.0, 5.0))
    array([[2., 1., 1., 1.]])
    """
    out = np.full((offsets.size - 1, 4), np.nan)
    for s in prange(offsets.size - 1):
        if offsets[s] < offsets[s + 1]:
            when, what = times[offsets[s] : offsets[s + 1]], values[offsets[s] : offsets[s + 1]]
            step = usual_step(when, clock[0], clock[1])
            points = on_grid(when, what, step, clock[2], gap)
            begin, end = -(-lasting[0] // step), -(-lasting[1] // step)
            out[s, 1] = 0.0
            upper, lower = _numbered(points, limits[0], begin, end), _numbered(points, limits[1], begin, end)
            found, deep = 0, np.zeros(points.size + 1, np.bool_)
            for k in range(points.size):
                found = max(found, upper[k])
                out[s, 1] = max(out[s, 1], lower[k])
                deep[upper[k]] |= lower[k] > 0
            out[s, 0], out[s, 2] = found, found - deep[1 : found + 1].sum()
            out[s, 3] = (~np.isnan(points)).sum() * step / clock[2]
    return out


@helper
def _numbered(points: np.ndarray, limit: float, begin: int, end: int) -> np.ndarray:
    """Give each point the number of the spell it lies in, 0 for none."""
    out, k, number = np.zeros(points.size, np.int64), 0, 0
    while k < points.size:
        k = _below(points, limit, begin, k)
        if k < points.size:
            number += 1
            stop = _back(points, limit, end, k)
            out[k:stop] = number
            k = stop
    return out


@helper
def _below(points: np.ndarray, limit: float, length: int, start: int) -> int:
    """Where the first run below the limit of that length begins."""
    run = 0
    for k in range(start, points.size):
        run = run + 1 if points[k] < limit else 0
        if run == length:
            return k - length + 1
    return points.size


@helper
def _back(points: np.ndarray, limit: float, length: int, start: int) -> int:
    """Where the first run at or above the limit of that length begins, or a point is missing."""
    run = 0
    for k in range(start, points.size):
        if np.isnan(points[k]):
            return k
        run = run + 1 if points[k] >= limit else 0
        if run == length:
            return k - length + 1
    return points.size


@helper
def _parts(points: np.ndarray, longest: int, windows: tuple[int, int], flat: float, out: np.ndarray) -> None:
    """Split at long runs of missing points; average the parts by length."""
    totals, weights = np.zeros(5), np.zeros(5)
    begin, last = -1, -1
    for k in range(points.size + 1):
        ends = k == points.size
        if ends or not np.isnan(points[k]):
            if begin >= 0 and (ends or k - last - 1 > longest):
                found = _part(points[begin : last + 1], windows, flat)
                for i in range(5):
                    if not np.isnan(found[i]):
                        totals[i] += (last - begin) * found[i]
                        weights[i] += last - begin
                begin = -1
            begin, last = k if begin < 0 else begin, k
    # rises and falls weigh alike part by part: a part may have only one of them
    totals[2], weights[2] = totals[0] + totals[1], weights[0] + weights[1]
    for i in range(5):
        out[i] = totals[i] / weights[i] if weights[i] > 0 else np.nan


@strict
def _part(points: np.ndarray, windows: tuple[int, int], flat: float) -> np.ndarray:
    """Rises, falls, nothing, direction of the first, larger: of one part that begins and ends with a known point."""
    out = np.full(5, np.nan)
    short, long = windows
    if points.size < max(long, 7):
        return out
    bound = _spread(points)
    if not bound >= flat:
        return out
    turns = _turning_values(points, short, long)
    rise, _, top = _climbs(turns, bound)
    fall, high, _ = _climbs(-turns, bound)
    out[0], out[1] = rise, fall
    if not np.isnan(rise) and (np.isnan(fall) or top <= high):
        out[3] = rise
    else:
        out[3] = fall
    out[4] = fall if np.isnan(rise) else rise if np.isnan(fall) else max(rise, fall)
    return out


@strict
def _turning_values(points: np.ndarray, short: int, long: int) -> np.ndarray:
    """Highest or lowest value between two crossings of the means, from the turning point before."""
    n = points.size
    apart = _trailing(points, short) - _trailing(points, long)
    at, lows = np.zeros(n + 2, np.int64), np.zeros(n + 2, np.bool_)
    lows[0] = not apart[0] > 0
    count = 1
    for k in range(1, n):
        known = not np.isnan(points[k] + points[k - 1] + apart[k - 1])
        # NaN compares as false: no crossing where a mean is missing
        if known and (apart[k] * apart[k - 1] < 0 or apart[k] * apart[at[count - 1]] < 0):
            at[count], lows[count] = k, apart[k] < 0
            count += 1
    at[count] = n - 1
    out, left = np.empty(count), 0
    for e in range(count):
        best = left
        for k in range(left, at[e + 1] + 1):
            better = points[k] < points[best] if lows[e] else points[k] > points[best]
            best = k if better else best
        out[e], left = points[best], best
    return out


@strict
def _trailing(points: np.ndarray, window: int) -> np.ndarray:
    """Mean of the known points among the last ones; at the beginning, of the first full window."""
    out = np.empty(points.size)
    for k in range(points.size):
        last = max(k, window - 1)
        total, count = 0.0, 0
        for j in range(last - window + 1, last + 1):
            known = not np.isnan(points[j])
            total += points[j] if known else 0.0
            count += known
        out[k] = total / count if count > 0 else np.nan
    return out


@strict
def _spread(points: np.ndarray) -> float:
    known = points[~np.isnan(points)]
    if known.size < 2:
        return np.nan
    mean, squares = known.sum() / known.size, 0.0
    for value in known:
        squares += (value - mean) ** 2
    return np.sqrt(squares / (known.size - 1))


@strict
def _climbs(turns: np.ndarray, bound: float) -> tuple[float, int, int]:
    """Mean height of the excursions upwards, and between which turning points the first one runs."""
    total, count, first_low, first_top = 0.0, 0, -1, -1
    begin, k, n = 0, 0, turns.size
    while k < n:
        low = begin
        for i in range(begin, k + 1):
            low = i if turns[i] < turns[low] else low
        if turns[k] - turns[low] < bound:
            k += 1
            continue
        top = k
        while True:
            top = k if turns[k] > turns[top] else top
            if turns[k] - turns[top] < -bound or k == n - 1:
                break
            k += 1
        total += turns[top] - turns[low]
        count += 1
        if count == 1:
            first_low, first_top = low, top
        begin = k
        k += k == n - 1
    return (total / count if count > 0 else np.nan), first_low, first_top
