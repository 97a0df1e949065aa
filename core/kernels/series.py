"""Series of readings, one segment after another: order, tabulated means, extremes of days, behaviour on a grid."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.grid import on_grid, usual_step
from theracast.kernels.jit import helper, kernel


@kernel
def segments_rise(times: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Whether the times of each segment rise from reading to reading.

    The least int64, which stands for a missing time in numpy and pandas, never counts as risen. Cost: O(readings).

    Parameters
    ----------
    times : ndarray of int64, shape (n_readings,)
        Any unit.
    offsets : ndarray of int64, shape (n_segments + 1,)
        Segment ``s`` holds ``times[offsets[s]:offsets[s + 1]]``.

    Returns
    -------
    ndarray of bool, shape (n_segments,)
        True for a segment without readings.

    Examples
    --------
    >>> segments_rise(np.array([1, 2, 2, 2, 3]), np.array([0, 3, 5]))
    array([False,  True])
    """
    out = np.ones(offsets.size - 1, np.bool_)
    for s in prange(offsets.size - 1):
        part, falls = times[offsets[s] : offsets[s + 1]], 0
        for i in range(part.size - 1):
            falls += part[i + 1] <= part[i]
        out[s] = part.size == 0 or (falls == 0 and part[0] > np.iinfo(np.int64).min)
    return out


@kernel
def segment_summaries(
    codes: np.ndarray, offsets: np.ndarray, first: int, levels: np.ndarray, functions: np.ndarray, shares: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Means of tabulated functions, standard deviation and quantiles of each segment.

    The readings are counted level by level; after that no reading is looked at again: a mean of a function of a
    reading is the product of the counts with the function's values, a quantile a place in their running sum. Exact
    for readings that take few levels, such as whole numbers. The standard deviation divides by ``n - 1`` and takes
    the squares about the mean; quantiles are interpolated (Hyndman and Fan 1996, type 7, DOI
    10.1080/00031305.1996.10473566). Cost: O(readings + segments x functions x levels).

    Parameters
    ----------
    codes : ndarray of float32 or float64, shape (n_readings,)
        ``codes[i] - first`` is the place of a reading's level; one that is no place is left out.
    offsets : ndarray of int64, shape (n_segments + 1,)
        As in `segments_rise`.
    first : int
        Code of the first level.
    levels : ndarray of float64, shape (n_levels,)
        Ascending.
    functions : ndarray of float64, shape (n_functions, n_levels)
        Value of each function at each level.
    shares : ndarray of float64, shape (n_shares,)
        Ascending, in [0, 1]: which quantiles.

    Returns
    -------
    counted : ndarray of int64, shape (n_segments,)
        Readings that have a level.
    means : ndarray of float64, shape (n_segments, n_functions)
        NaN where nothing was counted.
    sd : ndarray of float64, shape (n_segments,)
        NaN below two readings.
    quantiles : ndarray of float64, shape (n_segments, n_shares)
        In the unit of `levels`.

    Examples
    --------
    >>> levels = np.array([5.0, 6.0, 7.0])
    >>> codes, offsets = np.array([5.0, 7.0, 7.0, 7.0]), np.array([0, 4])
    >>> segment_summaries(codes, offsets, 5, levels, 10 * levels.reshape(1, -1), np.array([0.25, 1.0]))
    (array([4]), array([[65.]]), array([1.]), array([[6.5, 7. ]]))
    """
    counted = np.zeros(offsets.size - 1, np.int64)
    means = np.full((offsets.size - 1, functions.shape[0]), np.nan)
    sd = np.full(offsets.size - 1, np.nan)
    quantiles = np.full((offsets.size - 1, shares.size), np.nan)
    for s in prange(offsets.size - 1):
        counts = _counts(codes[offsets[s] : offsets[s + 1]], first, levels.size)
        n = counts.sum()
        counted[s] = n
        if n > 0:
            low, high = _reach(counts)
            weights, seen = counts[low:high].astype(np.float64), levels[low:high]
            for f in range(functions.shape[0]):
                means[s, f] = _product(weights, functions[f, low:high]) / n
            sd[s] = _deviation(weights, seen, _product(weights, seen) / n, n)
            _interpolate(counts[low:high], seen, n, shares, quantiles[s])
    return counted, means, sd, quantiles


@kernel
def period_extremes(
    times: np.ndarray, values: np.ndarray, offsets: np.ndarray, period: int, cells: np.ndarray
) -> np.ndarray:
    """Least and greatest value of each segment in each period of the clock.

    Period ``p`` of a segment begins at ``(times[offsets[s]] // period + p) * period``: days begin at midnight,
    whenever the segment does. Cost: O(readings + periods).

    Parameters
    ----------
    times : ndarray of int64, shape (n_readings,)
        Rising within each segment.
    values : ndarray of float32 or float64, shape (n_readings,)
        NaN is skipped.
    offsets : ndarray of int64, shape (n_segments + 1,)
        As in `segments_rise`.
    period : int
        Length of a period, in the unit of `times`.
    cells : ndarray of int64, shape (n_segments + 1,)
        Rows of each segment in the result, enough for its last period.

    Returns
    -------
    ndarray of float64, shape (n_periods, 2)
        NaN in a period without a value.

    Examples
    --------
    >>> times, values = np.array([8, 9, 11, 35]), np.array([3.0, 1.0, 4.0, 2.0])
    >>> period_extremes(times, values, np.array([0, 4]), 10, np.array([0, 4]))
    array([[ 1.,  3.],
           [ 4.,  4.],
           [nan, nan],
           [ 2.,  2.]])
    """
    out = np.full((cells[-1], 2), np.nan)
    for s in prange(offsets.size - 1):
        i, end = offsets[s], offsets[s + 1]
        if i < end:
            ends = times[i] // period * period
            for cell in range(cells[s], cells[s + 1]):
                ends += period
                low, high = np.inf, -np.inf
                while i < end and times[i] < ends:
                    value = np.float64(values[i])
                    low = value if value < low else low
                    high = value if value > high else high
                    i += 1
                if low <= high:
                    out[cell, 0], out[cell, 1] = low, high
    return out


@kernel
def grid_summaries(
    times: np.ndarray,
    values: np.ndarray,
    offsets: np.ndarray,
    clock: tuple[int, int, int],
    gap: int,
    run: int,
    bands: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Differences over several lags, and episodes outside bands, of each segment read at regular times.

    The grid is that of iglu's CGMS2DayByDay (Broll 2021, DOI 10.1371/journal.pone.0248560). Its step is the median
    distance of two readings, rounded to the short of three clock lengths and at most the middle one. Its points lie
    one step, two steps, ... after the beginning of the first reading's long clock length, up to the end of the last
    reading's. Between readings no further apart than a gap it follows a straight line; elsewhere it is missing.

    With ``d`` the difference of two points a lag apart, pairs with a missing point left out: ``path`` is the mean of
    ``sqrt(1 + (d / step)**2)`` at one step, step in short lengths (GVP, Peyser 2018, DOI 10.1089/dia.2017.0187);
    ``swing`` the mean of ``|d|`` at one long length (MODD, Service 1980, DOI 10.2337/diacare.3.1.58) and ``spread``
    the standard deviation of ``d`` there, with ``n - 1`` (CONGA, McDonnell 2005, DOI 10.1089/dia.2005.7.253);
    ``travel`` the sum of ``|d|`` over points one middle length apart, by the number of these points (MAG, Hermanides
    2010, DOI 10.1097/CCM.0b013e3181cc4be9). An episode begins where the grid has been outside a band for a run and
    ends where it has been within for a run, or where it is missing (Battelino 2023, DOI
    10.1016/S2213-8587(22)00319-9). Cost: O(readings + points x bands).

    Parameters
    ----------
    times : ndarray of int64, shape (n_readings,)
        Rising within each segment.
    values : ndarray of float32 or float64, shape (n_readings,)
        None missing.
    offsets : ndarray of int64, shape (n_segments + 1,)
        As in `segments_rise`.
    clock : tuple of three int
        Short, middle and long length, such as minute, hour and day, in the unit of `times`, each a multiple of the
        one before.
    gap : int
        Widest distance that is bridged.
    run : int
        How long the grid is outside or within a band before that counts.
    bands : ndarray of float64, shape (n_bands, 2), at most 8
        Lower and upper end; both belong to the band.

    Returns
    -------
    numbers : ndarray of float64, shape (n_segments, 6)
        Step, points that are not missing, path, swing, spread and travel; NaN where there are too few.
    episodes : ndarray of int64, shape (n_segments, n_bands)
        How many.

    Examples
    --------
    >>> times, values = np.array([1, 3, 4, 5, 6, 7]), np.array([2.0, 4.0, 9.0, 9.0, 1.0, 1.0])
    >>> bands = np.array([[0.0, 8.0], [1.5, np.inf]])
    >>> numbers, episodes = grid_summaries(times, values, np.array([0, 6]), (1, 2, 4), 2, 2, bands)
    >>> numbers.round(2).tolist(), episodes.tolist()
    ([[1.0, 7.0, 3.0, 4.0, 5.51, 3.75]], [[1, 1]])
    """
    short, middle, long = clock
    numbers = np.full((offsets.size - 1, 6), np.nan)
    episodes = np.zeros((offsets.size - 1, bands.shape[0]), np.int64)
    for s in prange(offsets.size - 1):
        when, what = times[offsets[s] : offsets[s + 1]], values[offsets[s] : offsets[s + 1]]
        if when.size > 0:
            step = usual_step(when, short, middle)
            points = on_grid(when, what, step, long, gap)
            numbers[s, 0], numbers[s, 1] = step, (~np.isnan(points)).sum()
            numbers[s, 2] = _path(points, step / short)
            numbers[s, 3], numbers[s, 4] = _lagged(points, long // step)
            numbers[s, 5] = _travel(points, round(middle / step))
            _episodes(points, bands, -(-run // step), episodes[s])
    return numbers, episodes


@helper
def _path(points: np.ndarray, step: float) -> float:
    count, total = 0, 0.0
    for k in range(points.size - 1):
        d = (points[k + 1] - points[k]) / step
        known = not np.isnan(d)
        count += known
        total += np.sqrt(1.0 + d * d) if known else 0.0
    return total / count if count > 0 else np.nan


@helper
def _lagged(points: np.ndarray, lag: int) -> tuple[float, float]:
    n = max(points.size - lag, 0)
    early, late = points[:n], points[points.size - n :]
    count, total, size = 0, 0.0, 0.0
    for k in range(n):
        d = late[k] - early[k]
        known = not np.isnan(d)
        count += known
        total += d if known else 0.0
        size += abs(d) if known else 0.0
    if count == 0:
        return np.nan, np.nan
    if count == 1:
        return size, np.nan
    mean, squares = total / count, 0.0
    for k in range(n):
        d = late[k] - early[k] - mean
        squares += 0.0 if np.isnan(d) else d * d
    return size / count, np.sqrt(squares / (count - 1))


@helper
def _travel(points: np.ndarray, stride: int) -> float:
    known, pairs, total = 0, 0, 0.0
    before = np.nan
    for k in range(0, points.size, stride):
        d = points[k] - before
        if not np.isnan(d):
            pairs += 1
            total += abs(d)
        before = points[k]
        known += not np.isnan(before)
    return total / known if pairs > 0 else np.nan


@helper
def _episodes(points: np.ndarray, bands: np.ndarray, run: int, found: np.ndarray) -> None:
    """Count episodes; each band is a bit, so that one walk serves them all."""
    n = points.size
    outside, within = np.zeros(n, np.uint8), np.zeros(n, np.uint8)
    for b in range(bands.shape[0]):
        low, high = bands[b, 0], bands[b, 1]
        for k in range(n):
            outside[k] |= ((points[k] < low) | (points[k] > high)) << b
            within[k] |= ((points[k] >= low) & (points[k] <= high)) << b
    begins, stays = _lasted(outside, run), (outside | within) & ~_lasted(within, run)
    lasting = np.uint8(0)
    for k in range(n):
        new = begins[k] & ~lasting
        if new:
            for b in range(bands.shape[0]):
                found[b] += (new >> b) & 1
        lasting = (lasting | new) & stays[k]


@helper
def _lasted(bits: np.ndarray, run: int) -> np.ndarray:
    """Keep the bits that were set at this point and the ``run - 1`` before it."""
    out = bits.copy()
    out[: run - 1] = 0
    for back in range(1, run):
        for k in range(back, bits.size):
            out[k] &= bits[k - back]
    return out


@helper
def _counts(codes: np.ndarray, first: int, size: int) -> np.ndarray:
    counts = np.zeros(size, np.int64)
    for code in codes:
        # asked first: what no integer holds must not become one
        if first <= code < first + size:
            place = int(code)
            if place == code:
                counts[place - first] += 1
    return counts


@helper
def _reach(counts: np.ndarray) -> tuple[int, int]:
    low, high = 0, counts.size
    while counts[low] == 0:
        low += 1
    while counts[high - 1] == 0:
        high -= 1
    return low, high


@helper
def _product(a: np.ndarray, b: np.ndarray) -> float:
    total = 0.0
    for i in range(a.size):
        total += a[i] * b[i]
    return total


@helper
def _deviation(weights: np.ndarray, levels: np.ndarray, mean: float, n: int) -> float:
    squares = 0.0
    for i in range(weights.size):
        squares += weights[i] * (levels[i] - mean) ** 2
    return np.sqrt(squares / (n - 1)) if n > 1 else np.nan


@helper
def _interpolate(counts: np.ndarray, levels: np.ndarray, n: int, shares: np.ndarray, out: np.ndarray) -> None:
    at, seen = 0, counts[0]
    for q in range(shares.size):
        place = (n - 1) * shares[q]
        rank = int(place)
        while seen <= rank:
            at += 1
            seen += counts[at]
        above = at
        if place > rank and seen == rank + 1:
            above += 1
            while counts[above] == 0:
                above += 1
        out[q] = levels[at] + (place - rank) * (levels[above] - levels[at])
