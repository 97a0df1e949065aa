"""Readings of one segment brought to regular times: the grid that the kernels of series stand on."""

from __future__ import annotations

import numpy as np

from theracast.kernels.jit import helper


@helper
def usual_step(times: np.ndarray, unit: int, most: int) -> int:
    """Median distance of two readings, rounded to a unit.

    Cost: O(readings), with a sort where the first distance is not the median.

    Parameters
    ----------
    times : ndarray of int64, shape (n_readings,)
        Rising, at least one.
    unit : int
        What the step is a multiple of, in the unit of `times`; five of them stand for the step of a single reading.
    most : int
        Longest step.

    Returns
    -------
    int
        In the unit of `times`, at least `unit`.

    Examples
    --------
    >>> usual_step(np.array([0, 301, 600, 899]), 60, 3600)
    300
    """
    n = times.size - 1
    if n == 0:
        return 5 * unit
    # most clocks keep time: the first distance is the median, and counting proves it without sorting
    guess, below, above = times[1] - times[0], 0, 0
    for i in range(n):
        distance = times[i + 1] - times[i]
        below += distance < guess
        above += distance > guess
    median = float(guess) if 2 * max(below, above) < n else np.median(np.diff(times))
    return min(max(unit * int(np.rint(median / unit)), unit), most)


@helper
def on_grid(times: np.ndarray, values: np.ndarray, step: int, period: int, gap: int) -> np.ndarray:
    """Values at regular times, on straight lines between readings.

    The points lie one step, two steps, ... after the beginning of the first reading's period, up to the end of the
    last reading's. Between readings no further apart than a gap they follow a straight line; elsewhere they are
    missing. This is the grid of iglu's CGMS2DayByDay (Broll 2021, DOI 10.1371/journal.pone.0248560). Cost:
    O(readings + points).

    Parameters
    ----------
    times : ndarray of int64, shape (n_readings,)
        Rising, at least one.
    values : ndarray of float32 or float64, shape (n_readings,)
        None missing.
    step : int
        Distance of two points.
    period : int
        Length of a period of the clock, such as a day.
    gap : int
        Widest distance that is bridged.

    Returns
    -------
    ndarray of float64, shape (n_points,)
        NaN where no reading is near.

    Examples
    --------
    >>> on_grid(np.array([1, 3, 7]), np.array([5.0, 7.0, 9.0]), 1, 4, 2)
    array([ 5.,  6.,  7., nan, nan, nan,  9., nan])
    """
    start = times[0] // period * period
    end = -(-times[-1] // period) * period
    points = np.full((end - start) // step, np.nan)
    i, t = 0, start
    for k in range(points.size):
        t += step
        while i < times.size - 1 and times[i + 1] <= t:
            i += 1
        if times[i] == t:
            points[k] = values[i]
        elif times[i] < t and i < times.size - 1 and times[i + 1] - times[i] <= gap:
            share = (t - times[i]) / (times[i + 1] - times[i])
            points[k] = np.float64(values[i]) + share * (np.float64(values[i + 1]) - np.float64(values[i]))
    return points
