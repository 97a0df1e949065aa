"""Kernels of readings over time: equal to their twins, whatever the threads."""

import importlib.util
from itertools import pairwise
from pathlib import Path

import numba
import numpy as np
import pytest

from theracast.kernels.series import (
    lagged_differences,
    low_episodes,
    regular_grid,
    segment_extremes,
    segment_histograms,
)

_FILE = Path(__file__).resolve().parents[1] / "reference" / "series.py"
_SPEC = importlib.util.spec_from_file_location("reference_series", _FILE)
twin = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(twin)


def walk(n):
    return 100 + np.cumsum(np.random.default_rng(3).normal(0, 10, n))


def holes(n):
    values = walk(n)
    values[np.random.default_rng(4).random(n) < 0.2] = np.nan
    return values


def frozen(values):
    values.setflags(write=False)
    return values


SERIES = {
    "plain": walk(60),
    "empty": walk(0),
    "one": walk(1),
    "ties": np.full(40, 70.0),
    "holes": holes(60),
    "all NaN": np.full(30, np.nan),
    "inf": np.where(np.arange(50) % 11 == 3, np.inf, walk(50)),
    "float32": walk(60).astype(np.float32),
    "strided": walk(120)[::2],
    "reversed": walk(60)[::-1],
    "read-only": frozen(walk(60)),
    "huge": walk(60) * 1e140,
    "tiny": walk(60) * 1e-140,
}


def cuts(n):
    return [np.array([0, n]), np.array([0, n // 3, n // 3, n]), np.array([0])[: 1 + 0 * n]]


@pytest.mark.parametrize("values", SERIES.values(), ids=SERIES)
def test_every_kernel_equals_its_twin(values):
    n = values.size
    middle = float(np.nanmedian(values)) if np.isfinite(values).any() else 0.0
    codes = np.where(np.isfinite(values), np.arange(n) * 7 % 5, -1)
    for offsets in cuts(n):
        segments = offsets.size - 1
        for kind in (np.int64, np.int16):
            got = segment_histograms(codes.astype(kind), offsets, 5)
            np.testing.assert_array_equal(got, twin.segment_histograms(codes, offsets, 5))
        np.testing.assert_array_equal(segment_extremes(values, offsets), twin.segment_extremes(values, offsets))
        for lag in (1, 3, 100):
            lags, steps = np.full(segments, lag), np.full(segments, 5.0)
            points = np.where(np.isinf(values), np.nan, values)
            got = lagged_differences(points, offsets, lags, steps)
            np.testing.assert_allclose(got, twin.lagged_differences(points, offsets, lags, steps), rtol=1e-9)
            args = offsets, middle, np.full(segments, 1 + lag % 4), lags
            np.testing.assert_array_equal(low_episodes(values, *args), twin.low_episodes(values, *args))


@pytest.mark.parametrize("name", ["plain", "empty", "one", "ties", "float32", "strided", "read-only", "huge", "tiny"])
def test_the_grid_equals_its_twin(name):
    values = SERIES[name]
    n = values.size
    times = np.cumsum(np.random.default_rng(5).choice([290, 300, 310, 900, 4000], n)).astype(np.int64)
    for offsets in cuts(n):
        segments = offsets.size - 1
        first = [int(times[a]) if b > a else 0 for a, b in pairwise(offsets)]
        starts = np.array(first, dtype=np.int64) - 700
        grid_offsets = np.arange(segments + 1) * 90
        args = times, values, offsets, starts, np.full(segments, 300), grid_offsets
        for gap in (0, 300, 2700):
            np.testing.assert_allclose(regular_grid(*args, gap), twin.regular_grid(*args, gap), rtol=1e-12)


def test_the_number_of_threads_does_not_change_a_bit():
    values = holes(5000)
    offsets = np.arange(0, 5001, 50)
    ones, known = np.ones(100, np.int64), np.nan_to_num(values)
    before, found = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            grid = regular_grid(np.arange(5000) * 7, known, offsets, offsets[:-1] * 7, ones * 5, offsets, 30)
            found.append(
                grid.tobytes()
                + lagged_differences(values, offsets, ones, ones * 5.0).tobytes()
                + segment_extremes(values, offsets).tobytes()
                + low_episodes(values, offsets, 100.0, ones * 2, ones * 2).tobytes()
                + segment_histograms(np.arange(5000) % 9, offsets, 9).tobytes()
            )
    finally:
        numba.set_num_threads(before)
    assert len(set(found)) == 1
