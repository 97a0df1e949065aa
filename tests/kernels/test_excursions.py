"""Kernels of excursions and days: equal to their twins, whatever the threads."""

import numpy as np
import pytest
from clocks import CLOCKS, FINITE, SERIES, WALKED, cuts, walk
from grid import by_threads, over
from reference import daily as daily_twin
from reference import excursions as twin
from reference import grid as grid_twin

from theracast.kernels.daily import day_summaries, lag_summaries
from theracast.kernels.excursions import excursions, spells
from theracast.kernels.grid import on_grid, usual_step

CLOCK = 60, 3600, 7200


def same(got, wanted, size):
    np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-11 * size)


@over("clock", CLOCKS)
def test_the_step_equals_its_twin(clock):
    times = clock(30).astype(np.int64)
    for n in (1, 2, 3, 30):
        assert usual_step(times[:n], 60, 3600) == grid_twin.usual_step(times[:n].tolist(), 60, 3600)


@over("clock", WALKED)
@over("values", {k: v for k, v in FINITE.items() if v.size})
def test_the_grid_equals_its_twin(values, clock):
    times = clock(values.size).astype(np.int64)
    for step, gap in ((300, 900), (420, 0)):
        args = times, values[: times.size], step, 7200, gap
        np.testing.assert_allclose(on_grid(*args), grid_twin.on_grid(*args), rtol=1e-12)


@over("clock", WALKED)
@over("values", FINITE)
def test_excursions_equal_their_twin(values, clock):
    times = clock(values.size).astype(np.int64)
    values = values[: times.size]
    for offsets in cuts(times.size):
        for gaps, windows in (((900, 1800), (3, 8)), ((300, 0), (2, 5))):
            args = times, values, offsets, (300, 7200), gaps, windows, 1e-3
            same(excursions(*args), twin.excursions(*args), np.abs(values).max(initial=0))


def test_long_excursions_equal_their_twin():
    """Longer series, with gaps inside and between parts; whole numbers, so that equal means are met."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        n = 900
        times = np.cumsum(rng.choice([300, 301, 3000, 9000, 40_000], n, p=[0.6, 0.37, 0.02, 0.007, 0.003]))
        values = np.round(120 + 8 * np.cumsum(rng.normal(0, 0.6, n)) + 30 * np.sin(np.arange(n) / 11))
        args = times, values, np.array([0, n]), (300, 86_400), (2700, 10_800), (5, 32), 1.0
        wanted = twin.excursions(*args)
        assert np.isfinite(wanted).all()
        same(excursions(*args), wanted, 100)


@over("clock", WALKED)
@over("values", FINITE)
def test_spells_equal_their_twin(values, clock):
    times = clock(values.size).astype(np.int64)
    values = values[: times.size]
    middle = float(np.median(values)) if values.size else 0.0
    for offsets in cuts(times.size):
        for lasting in ((300, 300), (600, 900)):
            args = times, values, offsets, CLOCK, 2700, lasting, (middle, middle - 0.05 * abs(middle))
            same(spells(*args), twin.spells(*args), 1)


@over("clock", WALKED)
@over("values", FINITE)
def test_days_and_lags_equal_their_twins(values, clock):
    times = clock(values.size).astype(np.int64)
    values = values[: times.size]
    size = np.abs(values).max(initial=0)
    for offsets in cuts(times.size):
        for gap, lag in ((900, 900), (2700, 7200), (0, 1)):
            args = times, values, offsets, CLOCK, gap, lag
            same(lag_summaries(*args), daily_twin.lag_summaries(*args), size)
            got, wanted = day_summaries(*args[:-1]), daily_twin.day_summaries(*args[:-1])
            same(got[:, :6], wanted[:, :6], size)
            same(got[:, 6:], wanted[:, 6:], 100)


def test_excursions_by_hand():
    """Up 40, down 60, up 70: the only fall is 60, the rises 40 and 70; the first one goes up."""
    levels = np.concatenate([np.linspace(a, b, 12) for a, b in ((100, 140), (140, 80), (80, 150))])
    got = excursions(300 * np.arange(1, 37), levels, np.array([0, 36]), (300, 86_400), (2700, 10_800), (2, 12), 1.0)
    assert got[0].tolist() == [55.0, 60.0, 57.5, 55.0, 60.0]


@pytest.mark.parametrize("name", ["excursions", "spells", "days", "lags"])
def test_the_number_of_threads_does_not_change_a_bit(name):
    n = 5000
    data = 300 * np.arange(n), walk(n), np.arange(0, n + 1, 500)
    calls = {
        "excursions": lambda: excursions(*data, (300, 86_400), (2700, 10_800), (5, 32), 1.0),
        "spells": lambda: spells(*data, CLOCK, 2700, (1200, 1800), (90.0, 60.0)),
        "days": lambda: day_summaries(*data, CLOCK, 2700),
        "lags": lambda: lag_summaries(*data, CLOCK, 2700, 900),
    }
    assert len({found.tobytes() for found in by_threads(calls[name])}) == 1


def test_input_is_not_modified():
    values, times = SERIES["plain"].copy(), 300 * np.arange(60)
    excursions(times, values, np.array([0, 60]), (300, 7200), (900, 1800), (3, 8), 1.0)
    day_summaries(times, values, np.array([0, 60]), CLOCK, 900)
    np.testing.assert_array_equal(values, SERIES["plain"])
