"""Kernels of readings over time: equal to their twins, whatever the threads."""

from itertools import pairwise

import numba
import numpy as np
from clocks import CLOCKS, FINITE, SERIES, WALKED, cuts, walk
from grid import over
from reference import series as twin

from theracast.kernels.series import grid_summaries, period_extremes, segment_summaries, segments_rise

CLOCK = 60, 3600, 7200
BANDS = np.array([[95.0, np.inf], [-np.inf, 105.0], [90.0, 120.0], [np.inf, -np.inf]])


def periods(times, offsets, period):
    rows = [(times[b - 1] // period - times[a] // period + 1) if b > a else 0 for a, b in pairwise(offsets)]
    return np.append(0, np.cumsum(rows)).astype(np.int64)


def same(got, wanted, rtol):
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=0)


@over("values", SERIES)
def test_summaries_equal_their_twin(values):
    """As they are, where few have a level; and rounded to levels, where all that are known have one."""
    levels = np.sqrt(np.arange(1.0, 62.0))
    functions, shares = np.stack([levels, levels**2, levels > 4]), np.array([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])
    with np.errstate(invalid="ignore"):
        rounded = np.round(values % 50) + 70
    for codes in (values, rounded, np.arange(values.size) % 3 + 70.0):
        for offsets in cuts(values.size):
            args = codes, offsets, 70, levels, functions, shares
            same(segment_summaries(*args), twin.segment_summaries(*args), 1e-12)


@over("clock", CLOCKS)
def test_rising_equals_its_twin(clock):
    times = clock(40).astype(np.int64)
    tied, fallen, missing = times.copy(), times.copy(), times.copy()
    tied[20], fallen[21], missing[0] = times[19], times[2], np.iinfo(np.int64).min
    for case in (times, tied, fallen, missing, times[:1], missing[:1], times[:0]):
        for offsets in cuts(case.size):
            np.testing.assert_array_equal(segments_rise(case, offsets), twin.segments_rise(case, offsets))


@over("clock", CLOCKS)
@over("values", SERIES)
def test_extremes_equal_their_twin(values, clock):
    times = clock(values.size).astype(np.int64)
    for offsets in cuts(values.size):
        args = times, values, offsets, 3600, periods(times, offsets, 3600)
        np.testing.assert_array_equal(period_extremes(*args), twin.period_extremes(*args))


@over("clock", WALKED)
@over("values", FINITE)
def test_the_grid_equals_its_twin(values, clock):
    times = clock(values.size).astype(np.int64)
    values = values[: times.size]
    middle = np.median(values) if values.size else 0.0
    bands = np.vstack([BANDS, [[middle, np.inf]]])
    for offsets in cuts(times.size):
        for gap, run in ((0, 60), (300, 900), (2700, 900)):
            args = times, values, offsets, CLOCK, gap, run, bands
            (numbers, episodes), (wanted, many) = grid_summaries(*args), twin.grid_summaries(*args)
            np.testing.assert_allclose(numbers, wanted, rtol=1e-12, atol=1e-12 * np.abs(values).max(initial=0))
            np.testing.assert_array_equal(episodes, many)


def test_the_number_of_threads_does_not_change_a_bit():
    n = 5000
    values, offsets, times = walk(n), np.arange(0, n + 1, 50), 300 * np.arange(n)
    levels = np.arange(0.0, 9.0)
    before, found = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            summaries = segment_summaries(times / 300 % 9, offsets, 0, levels, levels.reshape(1, -1), levels / 8)
            extremes = period_extremes(times, values, offsets, 7200, periods(times, offsets, 7200))
            grid = grid_summaries(times, values, offsets, CLOCK, 900, 900, BANDS)
            found.append([a.tobytes() for a in (*summaries, extremes, *grid, segments_rise(times, offsets))])
    finally:
        numba.set_num_threads(before)
    assert all(each == found[0] for each in found)
