"""Series day by day: spread within and between days, and differences over any lag."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.grid import on_grid, usual_step
from theracast.kernels.jit import helper, kernel


@kernel
def lag_summaries(
    times: np.ndarray, values: np.ndarray, offsets: np.ndarray, clock: tuple[int, int, int], gap: int, lag: int
) -> np.ndarray:
    """Pairs of points a lag apart, of each segment read at regular times.

    Cost: O(readings + points).

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
    lag : int
        In the unit of `times`; rounded to steps, at least one.

    Returns
    -------
    ndarray of float64, shape (n_segments, 3)
        Mean size of the differences, their standard deviation (n - 1) and the mean of the pairs' middles; NaN where
        there are too few.

    Examples
    --------
    >>> lag_summaries(np.arange(1, 5), np.array([1.0, 2.0, 4.0, 4.0]), np.array([0, 4]), (1, 1, 4), 1, 1).round(2)
    array([[1.  , 1.  , 2.83]])
    """
    out = np.full((offsets.size - 1, 3), np.nan)
    for s in prange(offsets.size - 1):
        if offsets[s] < offsets[s + 1]:
            when, what = times[offsets[s] : offsets[s + 1]], values[offsets[s] : offsets[s + 1]]
            step = usual_step(when, clock[0], clock[1])
            points = on_grid(when, what, step, clock[2], gap)
            _pairs(points, max(int(np.rint(lag / step)), 1), out[s])
    return out


@kernel
def day_summaries(
    times: np.ndarray,
    values: np.ndarray,
    offsets: np.ndarray,
    clock: tuple[int, int, int],
    gap: int,
) -> np.ndarray:
    """Spread within and between periods, of each segment read at regular times.

    The components of Rodbard (2009, DOI 10.1089/dia.2009.0015), n - 1 throughout,
    where a period is a day and the longest step an hour: SDw is the mean of the days' standard deviations, SDhh:mm
    the standard deviation of the mean day, SDwsh the mean of those of all windows as long as the longest step, SDdm
    that of the days' means, SDb the mean over the times of day of those between days, SDbdm the same once each day's
    mean is taken off. CVmean and CVsd are the mean and the standard deviation of the days' coefficients of variation.
    A step that does not divide the period is shortened until it does. Cost: O(readings + points).

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

    Returns
    -------
    ndarray of float64, shape (n_segments, 8)
        SDw, SDhh:mm, SDwsh, SDdm, SDb, SDbdm in the unit of `values`, CVmean and CVsd in percent; NaN where there are
        too few points.

    Examples
    --------
    >>> values = np.array([1.0, 3.0, 3.0, 3.0])
    >>> day_summaries(np.arange(1, 5), values, np.array([0, 4]), (1, 1, 2), 1).round(2)
    array([[ 0.71,  0.71,   nan,  0.71,  0.71,  0.71, 35.36, 50.  ]])
    """
    out = np.full((offsets.size - 1, 8), np.nan)
    unit, most, period = clock
    for s in prange(offsets.size - 1):
        if offsets[s] < offsets[s + 1]:
            when, what = times[offsets[s] : offsets[s + 1]], values[offsets[s] : offsets[s + 1]]
            step = usual_step(when, unit, most)
            while period % step != 0:
                step -= unit
            points = on_grid(when, what, step, period, gap)
            _days(points.reshape(-1, period // step), out[s])
            out[s, 2] = _windows(points, int(np.rint(most / step)))
    return out


@helper
def _pairs(points: np.ndarray, lag: int, out: np.ndarray) -> None:
    count, total, size, middle = 0, 0.0, 0.0, 0.0
    for k in range(points.size - lag):
        d = points[k + lag] - points[k]
        known = not np.isnan(d)
        count += known
        total += d if known else 0.0
        size += abs(d) if known else 0.0
        middle += (points[k + lag] + points[k]) / 2 if known else 0.0
    if count > 0:
        out[0], out[2] = size / count, middle / count
    if count > 1:
        mean, squares = total / count, 0.0
        for k in range(points.size - lag):
            d = points[k + lag] - points[k] - mean
            squares += 0.0 if np.isnan(d) else d * d
        out[1] = np.sqrt(squares / (count - 1))


@helper
def _days(table: np.ndarray, out: np.ndarray) -> None:
    days, slots = table.shape
    means, spreads = np.empty(days), np.empty(days)
    for d in range(days):
        means[d], spreads[d] = _moments(table[d])
    typical, between, corrected = np.empty(slots), np.empty(slots), np.empty(slots)
    for t in range(slots):
        typical[t], between[t] = _moments(table[:, t])
        corrected[t] = _moments(table[:, t] - means)[1]
    out[0], out[3] = _moments(spreads)[0], _moments(means)[1]
    out[1] = _moments(typical)[1]
    out[4], out[5] = _moments(between)[0], _moments(corrected)[0]
    out[6], out[7] = _moments(100 * spreads / means)


@helper
def _windows(points: np.ndarray, width: int) -> float:
    count, total = 0, 0.0
    for k in range(points.size - width + 1):
        spread = _moments(points[k : k + width])[1]
        known = not np.isnan(spread)
        count += known
        total += spread if known else 0.0
    return total / count if count > 0 else np.nan


@helper
def _moments(values: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation (n - 1) of the known values."""
    count, total = 0, 0.0
    for value in values:
        known = not np.isnan(value)
        count += known
        total += value if known else 0.0
    if count == 0:
        return np.nan, np.nan
    mean, squares = total / count, 0.0
    for value in values:
        squares += 0.0 if np.isnan(value) else (value - mean) ** 2
    return mean, np.sqrt(squares / (count - 1)) if count > 1 else np.nan
