"""MAGE: the mean amplitude of glycaemic excursions."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.errors import UsageError
from theracast.features.readings import read_glucose
from theracast.kernels.excursions import excursions

_DIRECTIONS = ("rise", "fall", "average", "first", "larger")


def mage(
    readings: pd.DataFrame,
    version: str = "moving_average",
    direction: str = "average",
    windows: tuple[int, int] = (5, 32),
    bridged: int = 45,
    longest_gap: int = 180,
) -> pd.Series:
    """Mean amplitude of glycaemic excursions of each patient.

    By moving averages (Fernandes 2022, 10.1177/19322968211061165, as in iglu since version 4): readings are put on a
    grid of five minutes; the crossings of a short and a long moving average part the turning points; excursions are
    the swings between turning points of one standard deviation or more (Service 1970, 10.2337/diab.19.9.644). Long
    gaps split the trace, and the parts are averaged by their length.

    Parameters
    ----------
    readings : DataFrame
        As `theracast.features.glucose.glucose_metrics` takes it.
    version : {"moving_average", "naive"}, default "moving_average"
        ``naive``: mean distance from the mean of the readings further from it than one standard deviation; the other
        parameters do not apply.
    direction : {"average", "rise", "fall", "first", "larger"}, default "average"
        Which way excursions are measured: both, up, down, as the first one goes (Service's own rule), or whichever
        gives more. Parts without excursions that way are left out.
    windows : tuple of two int, default (5, 32)
        Points of the grid in the short and in the long average.
    bridged, longest_gap : int, default 45, 180
        Minutes: gaps up to the first are interpolated, gaps over the second split the trace.

    Returns
    -------
    Series of float64
        MAGE in mg/dL by patient; NaN without excursions: below 32 points, or a standard deviation under 1 mg/dL.

    Raises
    ------
    UsageError
        On an unknown version or direction, or windows that are not short and long.
    DataError
        As `theracast.features.glucose.glucose_metrics`.

    Examples
    --------
    >>> time = pd.date_range("2024-05-01 00:05", periods=120, freq="5min")
    >>> level = np.tile(np.r_[np.linspace(100, 150, 20), np.linspace(150, 100, 20)], 3)
    >>> mage(pd.DataFrame({"patient_id": "p1", "time": time, "glucose_mg_dl": level})).to_dict()
    {'p1': 50.0}
    """
    if version not in ("moving_average", "naive"):
        raise UsageError("unknown version of MAGE", got=repr(version), wanted="moving_average or naive")
    if direction not in _DIRECTIONS:
        raise UsageError("unknown direction of MAGE", got=repr(direction), wanted=", ".join(_DIRECTIONS))
    if not 0 < windows[0] < windows[1]:
        raise UsageError("windows of MAGE", got=repr(windows), wanted="a short one and a longer one")
    ids, offsets, values, times, second = read_glucose(readings, timed=version != "naive")
    if version == "naive":
        return pd.Series(_naive(values, offsets), index=ids, name="mage")
    minute = 60 * second
    clock, gaps = (5 * minute, 1440 * minute), (bridged * minute, longest_gap * minute)
    found = excursions(times, values, offsets, clock, gaps, windows, 1.0)
    return pd.Series(found[:, _DIRECTIONS.index(direction)], index=ids, name="mage")


def _naive(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    out = np.full(offsets.size - 1, np.nan)
    for p in range(out.size):
        x = values[offsets[p] : offsets[p + 1]].astype(np.float64)
        if x.size > 1:
            away = np.abs(x - x.mean())
            far = away > x.std(ddof=1)
            out[p] = away[far].mean() if far.any() else np.nan
    return out
