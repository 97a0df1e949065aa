"""Series of readings, patient after patient: histograms, extremes, a regular grid, lagged differences, episodes."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel


@kernel
def segment_histograms(codes: np.ndarray, offsets: np.ndarray, size: int) -> np.ndarray:
    """How often each code occurs in each segment.

    Every mean of a function of a reading is a product of this table with the function's values, every share of
    readings in a range a sum of its columns, every quantile a place in its running sum: one pass over the readings
    serves them all. Cost: O(readings + segments x size).

    Parameters
    ----------
    codes : ndarray of int, shape (n_readings,)
        In [0, size), or negative for a missing reading.
    offsets : ndarray of int64, shape (n_segments + 1,)
        Segment ``s`` holds ``codes[offsets[s]:offsets[s + 1]]``.
    size : int
        Number of codes.

    Returns
    -------
    ndarray of int64, shape (n_segments, size)
        Counts.

    Examples
    --------
    >>> segment_histograms(np.array([0, 2, 2, -1, 1]), np.array([0, 3, 5]), 3)
    array([[1, 0, 2],
           [0, 1, 0]])
    """
    out = np.zeros((offsets.size - 1, size), np.int64)
    for s in prange(offsets.size - 1):
        for i in range(offsets[s], offsets[s + 1]):
            if codes[i] >= 0:
                out[s, codes[i]] += 1
    return out


@kernel
def segment_extremes(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Least and greatest value of each segment; NaN is skipped.

    Cost: O(readings).

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_readings,)
        NaN where missing.
    offsets : ndarray of int64, shape (n_segments + 1,)
        As in `segment_histograms`.

    Returns
    -------
    ndarray of float64, shape (n_segments, 2)
        NaN in a segment without a value.

    Examples
    --------
    >>> segment_extremes(np.array([3.0, np.nan, 1.0, np.nan]), np.array([0, 3, 4]))
    array([[ 1.,  3.],
           [nan, nan]])
    """
    out = np.full((offsets.size - 1, 2), np.nan)
    for s in prange(offsets.size - 1):
        for i in range(offsets[s], offsets[s + 1]):
            value = values[i]
            if not np.isnan(value):
                if np.isnan(out[s, 0]) or value < out[s, 0]:
                    out[s, 0] = value
                if np.isnan(out[s, 1]) or value > out[s, 1]:
                    out[s, 1] = value
    return out


@kernel
def regular_grid(
    times: np.ndarray,
    values: np.ndarray,
    offsets: np.ndarray,
    starts: np.ndarray,
    steps: np.ndarray,
    grid_offsets: np.ndarray,
    gap: int,
) -> np.ndarray:
    """Read values at regular times, by straight lines between neighbours no further apart than a gap.

    Point ``k`` of segment ``s`` lies at ``starts[s] + (k + 1) * steps[s]`` (the grid of iglu's CGMS2DayByDay, Broll
    2021, DOI 10.1371/journal.pone.0248560). No line is drawn across a wider gap, nor before the first or after the
    last reading. Cost: O(readings + points).

    Parameters
    ----------
    times : ndarray of int64, shape (n_readings,)
        Ascending within each segment.
    values : ndarray of float32 or float64, shape (n_readings,)
        None missing.
    offsets : ndarray of int64, shape (n_segments + 1,)
        Readings of each segment, as in `segment_histograms`.
    starts, steps : ndarray of int64, shape (n_segments,)
        Origin of each grid and distance of its points, in the unit of `times`.
    grid_offsets : ndarray of int64, shape (n_segments + 1,)
        Points of each segment in the result.
    gap : int
        Widest distance that is bridged.

    Returns
    -------
    ndarray of float64, shape (n_points,)
        NaN where no line reaches.

    Examples
    --------
    >>> times, values = np.array([0, 10, 50]), np.array([1.0, 3.0, 7.0])
    >>> one = np.array([0]), np.array([5]), np.array([0, 10])
    >>> regular_grid(times, values, np.array([0, 3]), *one, 20)
    array([ 2.,  3., nan, nan, nan, nan, nan, nan, nan,  7.])
    """
    out = np.full(grid_offsets[-1], np.nan)
    for s in prange(offsets.size - 1):
        i, last = offsets[s], offsets[s + 1] - 1
        for k in range(grid_offsets[s], grid_offsets[s + 1]):
            t = starts[s] + (k - grid_offsets[s] + 1) * steps[s]
            while i < last and times[i + 1] <= t:
                i += 1
            if i <= last and times[i] <= t:
                if times[i] == t:
                    out[k] = values[i]
                elif i < last and times[i + 1] - times[i] <= gap:
                    share = (t - times[i]) / (times[i + 1] - times[i])
                    out[k] = np.float64(values[i]) + share * (np.float64(values[i + 1]) - np.float64(values[i]))
    return out


@kernel
def lagged_differences(grid: np.ndarray, offsets: np.ndarray, lags: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Count, mean size, standard deviation and path of the differences of points a lag apart.

    With ``d = grid[k + lag] - grid[k]``: the mean of ``|d|`` (MODD at one day, Service 1980, DOI
    10.2337/diacare.3.1.58; MAG on hourly points, Hermanides 2010, DOI 10.1097/CCM.0b013e3181cc4be9), the standard
    deviation with ``n - 1`` (CONGA, McDonnell 2005, DOI 10.1089/dia.2005.7.253), and the mean of
    ``sqrt(1 + (d / step)**2)`` (GVP, Peyser 2018, DOI 10.1089/dia.2017.0187). Pairs with a missing point are
    skipped. Cost: O(points).

    Parameters
    ----------
    grid : ndarray of float64, shape (n_points,)
        NaN where missing.
    offsets : ndarray of int64, shape (n_segments + 1,)
        Points of each segment.
    lags : ndarray of int64, shape (n_segments,)
        In points, 1 or more.
    steps : ndarray of float64, shape (n_segments,)
        Distance of two points, in the unit of the path.

    Returns
    -------
    ndarray of float64, shape (n_segments, 4)
        Count, mean size, standard deviation, path; NaN where there are too few pairs.

    Examples
    --------
    >>> lagged_differences(np.array([0.0, 3.0, 3.0]), np.array([0, 3]), np.array([1]), np.array([4.0]))[0, :2]
    array([2. , 1.5])
    """
    out = np.full((offsets.size - 1, 4), np.nan)
    for s in prange(offsets.size - 1):
        count, total, size, path = 0, 0.0, 0.0, 0.0
        for k in range(offsets[s], offsets[s + 1] - lags[s]):
            d = np.float64(grid[k + lags[s]]) - np.float64(grid[k])
            if not np.isnan(d):
                count += 1
                total += d
                size += abs(d)
                path += np.sqrt(1.0 + (d / steps[s]) ** 2)
        out[s, 0] = count
        if count > 0:
            out[s, 1] = size / count
            out[s, 3] = path / count
        if count > 1:
            mean, squares = total / count, 0.0
            for k in range(offsets[s], offsets[s + 1] - lags[s]):
                d = np.float64(grid[k + lags[s]]) - np.float64(grid[k])
                if not np.isnan(d):
                    squares += (d - mean) ** 2
            out[s, 2] = np.sqrt(squares / (count - 1))
    return out


@kernel
def low_episodes(
    grid: np.ndarray, offsets: np.ndarray, threshold: float, entry: np.ndarray, leave: np.ndarray
) -> np.ndarray:
    """Count the episodes below a threshold.

    An episode begins with `entry` points in a row below the threshold and ends with `leave` points in a row at or
    above it, or where a point is missing (Battelino 2023, DOI 10.1016/S2213-8587(22)00319-9). For episodes above,
    pass the negative of both. Cost: O(points).

    Parameters
    ----------
    grid : ndarray of float64, shape (n_points,)
        NaN where missing.
    offsets : ndarray of int64, shape (n_segments + 1,)
        Points of each segment.
    threshold : float
        Points below it are low.
    entry, leave : ndarray of int64, shape (n_segments,)
        Points in a row that begin and end an episode.

    Returns
    -------
    ndarray of int64, shape (n_segments,)
        Episodes.

    Examples
    --------
    >>> grid = np.array([9.0, 1.0, 1.0, 9.0, 1.0, 1.0, 9.0, 9.0, 1.0, 1.0])
    >>> low_episodes(grid, np.array([0, 10]), 5.0, np.array([2]), np.array([2]))
    array([2])
    """
    out = np.zeros(offsets.size - 1, np.int64)
    for s in prange(offsets.size - 1):
        out[s] = _episodes(grid[offsets[s] : offsets[s + 1]], threshold, entry[s], leave[s])
    return out


@helper
def _episodes(points: np.ndarray, threshold: float, entry: int, leave: int) -> int:
    found, inside, low, high = 0, False, 0, 0
    for point in points:
        if np.isnan(point):
            inside, low, high = False, 0, 0
        elif point < threshold:
            low, high = low + 1, 0
            if low >= entry and not inside:
                inside = True
                found += 1
        else:
            low, high = 0, high + 1
            if high >= leave:
                inside = False
    return found
