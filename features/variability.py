"""Variability of glucose: within days, between days, over any lag, and how much of the time was recorded."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.features.glucose import GAP
from theracast.features.readings import Readings, read_glucose
from theracast.kernels.daily import day_summaries, lag_summaries

_BY_DAY = (
    *("sd_within_days", "sd_of_mean_day", "sd_within_hours", "sd_of_daily_means", "sd_between_days"),
    *("sd_between_days_corrected", "cv_within_days", "cv_spread"),
)


def variability(readings: pd.DataFrame) -> pd.DataFrame:
    """Spread of glucose by where it comes from, and rates of change, one row per patient.

    Parameters
    ----------
    readings : DataFrame
        As `theracast.features.glucose.glucose_metrics` takes it.

    Returns
    -------
    DataFrame
        In mg/dL, n - 1 throughout, on the grid of the sensor's own step (Rodbard 2009, 10.1089/dia.2009.0015):
        ``sd_within_days`` (SDw), ``sd_of_mean_day`` (SDhh:mm), ``sd_within_hours`` (SDwsh), ``sd_of_daily_means``
        (SDdm), ``sd_between_days`` (SDb) and ``sd_between_days_corrected`` (SDbdm, daily means taken off). In
        percent: ``cv_within_days`` and ``cv_spread``, mean and standard deviation of the days' coefficients of
        variation (10.1016/j.amjms.2018.09.010). ``sd_roc``: of the change over 15 minutes, mg/dL per minute
        (10.1089/dia.2008.0138). ``hourly_auc``: area under the grid by the hours recorded, mg/dL
        (10.2337/dc17-1600). ``mad``: median distance from the median times 1.4826; ``range``.

    Raises
    ------
    DataError
        As `theracast.features.glucose.glucose_metrics`.

    Examples
    --------
    >>> time = pd.date_range("2024-05-01 00:05", periods=576, freq="5min")
    >>> level = np.repeat([100.0, 130.0], 288)
    >>> table = pd.DataFrame({"patient_id": "p1", "time": time, "glucose_mg_dl": level})
    >>> variability(table)[["sd_within_days", "sd_of_daily_means", "sd_between_days"]].round(1).loc["p1"].tolist()
    [0.0, 21.2, 21.2]
    """
    read = read_glucose(readings)
    clock, gap, minute = _clock(read), GAP * read.second, 60 * read.second
    out = pd.DataFrame(
        day_summaries(read.times, read.values, read.offsets, clock, gap), index=read.ids, columns=list(_BY_DAY)
    )
    quarter = lag_summaries(read.times, read.values, read.offsets, clock, gap, 15 * minute)
    # a lag of one tick is one step of the grid
    steps = lag_summaries(read.times, read.values, read.offsets, clock, gap, 1)
    out["sd_roc"], out["hourly_auc"] = quarter[:, 1] / 15, steps[:, 2]
    out["mad"], out["range"] = _of_values(read)
    return out


def conga(readings: pd.DataFrame, hours: float = 24) -> pd.Series:
    """Spread of the change over some hours (CONGA, McDonnell 2005, 10.1089/dia.2005.7.253).

    Parameters
    ----------
    readings : DataFrame
        As `theracast.features.glucose.glucose_metrics` takes it.
    hours : float, default 24
        Between the two readings of a difference.

    Returns
    -------
    Series of float64
        Mg/dL by patient.

    Raises
    ------
    DataError
        As `theracast.features.glucose.glucose_metrics`.

    Examples
    --------
    >>> time = pd.date_range("2024-05-01 00:05", periods=48, freq="5min")
    >>> table = pd.DataFrame({"patient_id": "p1", "time": time, "glucose_mg_dl": 100 + np.arange(48.0)})
    >>> conga(table, hours=1).to_dict()
    {'p1': 0.0}
    """
    read = read_glucose(readings)
    lag = round(hours * 3600 * read.second)
    found = lag_summaries(read.times, read.values, read.offsets, _clock(read), GAP * read.second, lag)
    return pd.Series(found[:, 1], index=read.ids, name="conga")


def recorded(readings: pd.DataFrame, step: float | None = None) -> pd.Series:
    """Percent of the expected readings that are there, for sensors with a step of one's own.

    Parameters
    ----------
    readings : DataFrame
        As `theracast.features.glucose.glucose_metrics` takes it.
    step : float, optional
        Minutes between two readings; by default the median distance of each patient's readings. What lies further
        apart is a gap.

    Returns
    -------
    Series of float64
        Percent by patient; NaN without readings.

    Raises
    ------
    DataError
        As `theracast.features.glucose.glucose_metrics`.

    Examples
    --------
    >>> time = pd.to_datetime(["2024-05-01 00:00", "2024-05-01 00:05", "2024-05-01 00:20"])
    >>> table = pd.DataFrame({"patient_id": "p1", "time": time, "glucose_mg_dl": 100.0})
    >>> recorded(table, step=5).to_dict(), recorded(table, step=15).to_dict()
    ({'p1': 60.0}, {'p1': 100.0})
    """
    read = read_glucose(readings)
    out = np.full(len(read.ids), np.nan)
    for p in range(out.size):
        minutes = read.times[read.offsets[p] : read.offsets[p + 1]] / (60 * read.second)
        if minutes.size:
            apart = np.diff(minutes)
            usual = step or (max(round(float(np.median(apart))), 1) if apart.size else 5)
            wanted = round(round(minutes[-1] - minutes[0]) / usual) + 1
            wide = apart[np.rint(apart) > usual]
            out[p] = 100 * (1 - round((wide.sum() - wide.size * usual) / usual) / wanted)
    return pd.Series(out, index=read.ids, name="recorded")


def _clock(read: Readings) -> tuple[int, int, int]:
    return 60 * read.second, 3600 * read.second, 86_400 * read.second


def _of_values(read: Readings) -> tuple[np.ndarray, np.ndarray]:
    mad, span = (np.full(len(read.ids), np.nan) for _ in range(2))
    for p in range(mad.size):
        x = read.values[read.offsets[p] : read.offsets[p + 1]].astype(np.float64)
        if x.size:
            mad[p], span[p] = 1.4826 * np.median(np.abs(x - np.median(x))), np.ptp(x)
    return mad, span
