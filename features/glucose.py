"""Continuous glucose monitoring: the consensus metrics of each patient from time-stamped readings.

Formulas as in iglu (Broll 2021, 10.1371/journal.pone.0248560). Shares of readings are percent; ranges include both
ends. Means over readings: ``mean``, ``sd`` (n - 1), ``cv`` (percent), ``gmi`` = 3.31 + 0.02392 mean (percent HbA1c,
10.2337/dc18-1581), ``ea1c`` = (46.7 + mean) / 28.7 (10.2337/dc08-0545), ``j_index`` = (mean + sd)^2 / 1000
(10.1055/s-2007-979906), ``lbgi`` and ``hbgi`` (10.2337/diacare.20.11.1655), ``grade`` with the percent of it that
comes from below 70, 70-140 and above 140 mg/dL (10.1111/j.1464-5491.2007.02119.x), ``m_value`` against 90 mg/dL
(10.1111/j.0954-6820.1965.tb01810.x), ``hypo_index``, ``hyper_index`` and their sum ``igc`` (10.1089/dia.2008.0132),
``gri`` (10.1177/19322968221085273), ``cogi`` (10.1177/1932296819838525). In time: ``adrr`` over days with a reading
(10.2337/dc06-1085), and on a grid of the sensor's own step, gaps over 45 minutes left open: ``modd``
(10.2337/diacare.3.1.58), ``conga`` at 24 hours (10.1089/dia.2005.7.253), ``mag`` (mg/dL per hour, of hourly points,
10.1097/CCM.0b013e3181cc4be9), ``gvp`` (percent, 10.1089/dia.2017.0187) and the hypo- and hyperglycaemic events per
day of 15 minutes or more (10.1016/S2213-8587(22)00319-9). MAGE stands in `theracast.features.excursions`,
spread by day in `theracast.features.variability`, scores with targets of one's own in
`theracast.features.glycemic_scores`.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from theracast.features.readings import LEAST, MOST, frozen, read_glucose
from theracast.kernels.series import grid_summaries, period_extremes, segment_summaries

#: Seconds. The widest gap that is bridged, and how long an event lasts.
GAP, EVENT = 45 * 60, 15 * 60
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
#: Cells of a table of distinct readings; more patients are taken in turns.
_CELLS = 20_000_000
#: Metrics that are means of a function of the reading.
_MEANS = (
    *("mean", "in_70_180", "in_70_140", "in_63_140", "below_54", "below_70", "above_140", "above_180", "above_250"),
    *("lbgi", "hbgi", "grade", "grade_hypo", "grade_eu", "grade_hyper", "m_value", "hypo_index", "hyper_index"),
)
_QUANTILES = ("min", "q25", "median", "q75", "max")
_SHARES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
#: Events lie outside these ranges.
_EVENTS = {
    "hypo_events_per_day": (70, np.inf),
    "severe_hypo_events_per_day": (54, np.inf),
    "hyper_events_per_day": (-np.inf, 180),
    "severe_hyper_events_per_day": (-np.inf, 250),
}


def glucose_metrics(readings: pd.DataFrame, timed: bool = True) -> pd.DataFrame:
    """Consensus metrics of continuous glucose monitoring, one row per patient.

    Parameters
    ----------
    readings : DataFrame
        Columns ``patient_id``, ``time`` (datetime, the patient's local time) and ``glucose_mg_dl``; rows without
        glucose are left out. Categorical ids and rows ordered by patient and time save most of the work.
    timed : bool, default True
        Also the metrics that read the clock; without them `time` is not needed.

    Returns
    -------
    DataFrame
        Patients x metrics, as the head of this module names them; NaN where too few readings. Every patient of
        the table is kept.

    Raises
    ------
    DataError
        On missing columns, text, times that are no datetimes or repeat, or glucose that cannot be mg/dL.

    Examples
    --------
    >>> time = pd.date_range("2024-05-01", periods=6, freq="5min")
    >>> table = pd.DataFrame({"patient_id": "p1", "time": time, "glucose_mg_dl": [60, 65, 64, 100, 150, 200]})
    >>> glucose_metrics(table)[["mean", "in_70_180", "below_70", "hypo_events_per_day"]].round(2).T
    patient_id               p1
    mean                 106.50
    in_70_180             33.33
    below_70              50.00
    hypo_events_per_day    0.00
    """
    ids, offsets, values, times, second = read_glucose(readings, timed)
    out = _distribution(values, offsets)
    if timed:
        out |= _in_time(times, values, offsets, second)
    return pd.DataFrame(np.column_stack(list(out.values())), index=ids, columns=list(out))


def _distribution(values: np.ndarray, offsets: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics that do not ask when, from how often each patient has each distinct value: exact whatever the values."""
    levels, functions = _whole_numbers()
    counted, *found = segment_summaries(values, offsets, LEAST, levels, functions, _SHARES)
    if not np.array_equal(counted, np.diff(offsets)):
        found = _of_any_numbers(values, offsets)
    return _named(*found)


@cache
def _whole_numbers() -> tuple[np.ndarray, np.ndarray]:
    levels = np.arange(LEAST, MOST + 1, dtype=np.float64)
    return levels, _functions(levels)


def _of_any_numbers(values: np.ndarray, offsets: np.ndarray) -> list[np.ndarray]:
    """Return means, standard deviation and quantiles, some patients at a time."""
    blocks, first, n = [], 0, offsets.size - 1
    while first < n:
        # so few patients that their distinct values fit the table
        last = first + 1
        while last < n and (last + 1 - first) * (offsets[last + 1] - offsets[first]) <= _CELLS:
            last += 1
        codes, levels = pd.factorize(values[offsets[first] : offsets[last]].astype(np.float64), sort=True)
        part = frozen(codes.astype(np.float64)), offsets[first : last + 1] - offsets[first]
        blocks.append(segment_summaries(*part, 0, levels, _functions(levels), _SHARES)[1:])
        first = last
    return [np.concatenate(block) for block in zip(*blocks, strict=True)]


def _functions(x: np.ndarray) -> np.ndarray:
    """Return what each of `_MEANS` averages, for readings x."""
    risk = _risk(x)
    grade = grade_points(x)
    rows = {
        "mean": x,
        "in_70_180": 100.0 * ((x >= 70) & (x <= 180)),
        "in_70_140": 100.0 * ((x >= 70) & (x <= 140)),
        "in_63_140": 100.0 * ((x >= 63) & (x <= 140)),
        "below_54": 100.0 * (x < 54),
        "below_70": 100.0 * (x < 70),
        "above_140": 100.0 * (x > 140),
        "above_180": 100.0 * (x > 180),
        "above_250": 100.0 * (x > 250),
        "lbgi": 22.77 * np.minimum(risk, 0) ** 2 * (x < 112.5),
        "hbgi": 22.77 * np.maximum(risk, 0) ** 2 * (x >= 112.5),
        "grade": grade,
        "grade_hypo": 100 * grade * (x < 70),
        "grade_eu": 100 * grade * ((x >= 70) & (x <= 140)),
        "grade_hyper": 100 * grade * (x > 140),
        "m_value": 1000 * np.abs(np.log10(x / 90)) ** 3,
        "hypo_index": np.maximum(80 - x, 0) ** 2 / 30,
        "hyper_index": np.maximum(x - 140, 0) ** 1.1 / 30,
    }
    return np.stack([rows[name] for name in _MEANS])


def grade_points(x: np.ndarray) -> np.ndarray:
    """Score each reading by the judgement of fifty diabetes experts (Hill 2007, 10.1111/j.1464-5491.2007.02119.x).

    Parameters
    ----------
    x : ndarray
        Glucose, mg/dL, above 18.

    Returns
    -------
    ndarray
        0-50, least at 90 mg/dL.

    Examples
    --------
    >>> grade_points(np.array([90.0, 400.0])).round(1).tolist()
    [0.0, 35.6]
    """
    return np.minimum(425 * (np.log10(np.log10(x / 18)) + 0.16) ** 2, 50)


def cogi_points(inside: np.ndarray, below: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Weigh time in range, time below it and the standard deviation (Leelarathna 2020, 10.1177/1932296819838525).

    Parameters
    ----------
    inside, below : ndarray
        Percent of readings in the target range and below it.
    sd : ndarray
        Standard deviation, mg/dL.

    Returns
    -------
    ndarray
        0-100, more is better.

    Examples
    --------
    >>> cogi_points(np.array([100.0]), np.array([0.0]), np.array([18.0])).tolist()
    [100.0]
    """
    return 50 * inside / 100 + 35 * np.clip(1 - below / 15, 0, 1) + 15 * np.clip(1 - (sd - 18) / 90, 0, 1)


def _risk(x: np.ndarray) -> np.ndarray:
    """Return Kovatchev's symmetric scale: negative where glucose is low, positive where it is high."""
    return np.log(x) ** 1.084 - 5.381


def _named(means: np.ndarray, sd: np.ndarray, quantiles: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics of each patient from means of functions, standard deviation and quantiles."""
    out = dict(zip(_MEANS, means.T, strict=True))
    for part in ("grade_hypo", "grade_eu", "grade_hyper"):
        out[part] = out[part] / out["grade"]
    out["sd"], out["cv"] = sd, 100 * sd / out["mean"]
    out["gmi"], out["ea1c"] = 3.31 + 0.02392 * out["mean"], (46.7 + out["mean"]) / 28.7
    out["j_index"] = (out["mean"] + sd) ** 2 / 1000
    out["igc"] = out["hypo_index"] + out["hyper_index"]
    below, above = out["below_54"], out["above_250"]
    weighed = 3 * below + 2.4 * (out["below_70"] - below) + 1.6 * above + 0.8 * (out["above_180"] - above)
    out["gri"] = np.minimum(weighed, 100)
    out["cogi"] = cogi_points(out["in_70_180"], out["below_70"], sd)
    out |= zip(_QUANTILES, quantiles.T, strict=True)
    out["iqr"] = out["q75"] - out["q25"]
    return out


def _in_time(times: np.ndarray, values: np.ndarray, offsets: np.ndarray, second: int) -> dict[str, np.ndarray]:
    """Metrics that ask when."""
    size, day, hour, minute = np.diff(offsets), _DAY * second, _HOUR * second, _MINUTE * second
    clock, bands = (minute, hour, day), np.array(list(_EVENTS.values()))
    numbers, events = grid_summaries(times, values, offsets, clock, GAP * second, EVENT * second, bands)
    step, points, path, swing, spread, travel = numbers.T
    some = size > 0
    first, last = (np.zeros(size.size, np.int64) for _ in range(2))
    first[some], last[some] = times[offsets[:-1][some]], times[offsets[1:][some] - 1]
    length = np.where(some, last - first, np.nan)
    days = np.where(some, last // day - first // day + 1, 0)
    return {
        "adrr": _daily_risk(period_extremes(times, values, offsets, day, np.append(0, np.cumsum(days))), days),
        "modd": swing,
        "conga": spread,
        "mag": travel,  # per hourly point, as iglu
        "gvp": 100 * (path - 1),
        **{
            name: count / np.where(points > 0, points * step / day, np.nan)
            for name, count in zip(_EVENTS, events.T, strict=True)
        },
        "days": length / day,
        "coverage": 100 * np.minimum(size / (np.rint(length / step) + 1), 1),
    }


def _daily_risk(extremes: np.ndarray, days: np.ndarray) -> np.ndarray:
    """Average over each patient's days with a reading: risk of the lowest reading plus risk of the highest."""
    low, high = _risk(extremes).T
    risk = 22.77 * (np.minimum(low, 0) ** 2 + np.maximum(high, 0) ** 2)
    held, patient = ~np.isnan(risk), np.repeat(np.arange(days.size), days)
    total = np.bincount(patient, weights=np.where(held, risk, 0), minlength=days.size)
    with np.errstate(invalid="ignore"):
        return total / np.bincount(patient, weights=held, minlength=days.size)
