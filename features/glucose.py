"""Continuous glucose monitoring: the consensus metrics of each patient from time-stamped readings.

Formulas as in iglu (Broll 2021, 10.1371/journal.pone.0248560). Shares of readings are percent; ranges include both
ends. Means over readings: ``mean``, ``sd`` (n - 1), ``cv`` (percent), ``gmi`` = 3.31 + 0.02392 mean (percent HbA1c,
10.2337/dc18-1581), ``ea1c`` = (46.7 + mean) / 28.7 (10.2337/dc08-0545), ``j_index`` = (mean + sd)^2 / 1000
(10.1055/s-2007-979906), ``lbgi`` and ``hbgi`` (10.2337/diacare.20.11.1655), ``grade`` with the percent of it that
comes from below 70, 70-140 and above 140 mg/dL (10.1111/j.1464-5491.2007.02119.x), ``m_value`` against 90 mg/dL
(10.1111/j.0954-6820.1965.tb01810.x), ``hypo_index``, ``hyper_index`` and their sum ``igc`` (10.1089/dia.2008.0132),
``gri`` (10.1177/19322968221085273), ``cogi`` (10.1089/dia.2019.0035). In time: ``adrr`` over days with a reading
(10.2337/dc06-1085), and on a grid of the sensor's own step, gaps over 45 minutes left open: ``modd``
(10.2337/diacare.3.1.58), ``conga`` at 24 hours (10.1089/dia.2005.7.253), ``mag`` (mg/dL per hour, of hourly points,
10.1097/CCM.0b013e3181cc4be9), ``gvp`` (percent, 10.1089/dia.2017.0187) and the hypo- and hyperglycaemic events per
day of 15 minutes or more (10.1016/S2213-8587(22)00319-9). MAGE is not offered.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.kernels.series import (
    lagged_differences,
    low_episodes,
    regular_grid,
    segment_extremes,
    segment_histograms,
)

#: Widest gap that is bridged, and how long an event lasts, in seconds.
GAP, EVENT = 45 * 60, 15 * 60
_DAY = 86_400
#: Cells of a histogram table; more patients are taken in turns.
_CELLS = 20_000_000


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
    ids, codes, values, times = _read(readings, timed)
    offsets = _bounds(codes, len(ids))
    out = _distribution(values, offsets)
    if timed:
        out |= _in_time(times, values, codes, offsets)
    return pd.DataFrame(out, index=ids)


def _read(readings: pd.DataFrame, timed: bool) -> tuple[pd.Index, np.ndarray, np.ndarray, np.ndarray]:
    """Return ids, and patient number, glucose and second of each reading, ordered by patient and time."""
    for column in ("patient_id", "glucose_mg_dl", *(["time"] if timed else [])):
        if column not in readings:
            raise DataError("a column is missing", where=f"glucose readings, {column}")
    codes, ids = _numbered(readings["patient_id"])
    try:
        values = readings["glucose_mg_dl"].to_numpy()
        values = values if values.dtype == np.float32 else values.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise DataError("wanted numbers", where="glucose readings, glucose_mg_dl") from error
    times = np.zeros(0, dtype=np.int64)
    if timed:
        column = readings["time"]
        if not pd.api.types.is_datetime64_any_dtype(column):
            raise DataError("wanted datetimes", where="glucose readings, time", fix="pandas.to_datetime reads text.")
        local = column.dt.tz_localize(None) if column.dt.tz is not None else column
        if local.isna().any():
            raise DataError("times are missing", where="glucose readings, time")
        times = local.to_numpy().astype("datetime64[s]").astype(np.int64)
    low, high = (values.min(), values.max()) if values.size else (100, 100)
    if np.isnan(low):
        known = ~np.isnan(values)
        codes, values, times = codes[known], values[known], times[known] if timed else times
        low, high = (values.min(), values.max()) if values.size else (100, 100)
    if not (low >= 20 and high <= 1000):
        raise DataError(
            "glucose lies outside 20-1000 mg/dL",
            where="glucose readings, glucose_mg_dl",
            got=f"{low:g} to {high:g}",
            fix="Multiply mmol/L by 18.016; leave out readings that the sensor marked as faulty.",
        )
    ordered = not (codes[1:] < codes[:-1]).any()
    if ordered and timed:
        ordered = not ((times[1:] <= times[:-1]) & (codes[1:] == codes[:-1])).any()
    if not ordered:
        order = np.lexsort((times, codes)) if timed else np.argsort(codes, kind="stable")
        codes, values, times = codes[order], values[order], times[order] if timed else times
        if timed and ((times[1:] == times[:-1]) & (codes[1:] == codes[:-1])).any():
            raise DataError("a patient has two readings at one time", where="glucose readings, time")
    return pd.Index(ids, name="patient_id"), codes, values, times


def _numbered(ids: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Give each patient a number: by category where ids are categorical, else as they come."""
    if isinstance(ids.dtype, pd.CategoricalDtype):
        codes, found = ids.cat.codes.to_numpy(), ids.cat.categories
        if codes.min(initial=0) < 0:
            raise DataError("patient ids are missing", where="glucose readings, patient_id")
        ordered = not (codes[1:] < codes[:-1]).any()
        seen = np.diff(_bounds(codes, len(found))) if ordered else np.bincount(codes, minlength=len(found))
        return (codes, found) if seen.all() else ((np.cumsum(seen > 0) - 1)[codes], found[seen > 0])
    if ids.hasnans:
        raise DataError("patient ids are missing", where="glucose readings, patient_id")
    codes, found = pd.factorize(ids, sort=False)
    return codes, pd.Index(found)


def _bounds(codes: np.ndarray, n: int) -> np.ndarray:
    """Where each patient begins in ordered codes, and where the last one ends."""
    # the needles have the type of the codes: no copy of the haystack is made
    return np.append(np.searchsorted(codes, np.arange(n).astype(codes.dtype)), codes.size)


def _distribution(values: np.ndarray, offsets: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics that do not ask when: from counts of each distinct value, exact whatever the values."""
    counted = values.astype(np.int16)
    if np.array_equal(counted, values):
        low = int(counted.min(initial=1000))
        distinct = np.arange(low, int(counted.max(initial=low)) + 1, dtype=np.float64)
        return _from_counts(segment_histograms(counted - np.int16(low), offsets, distinct.size), distinct)
    blocks, first, n = [], 0, offsets.size - 1
    while first < n:
        # so few patients that their distinct values fit the table
        last = first + 1
        while last < n and (last + 1 - first) * (offsets[last + 1] - offsets[first]) <= _CELLS:
            last += 1
        part = values[offsets[first] : offsets[last]].astype(np.float64)
        codes, distinct = pd.factorize(part, sort=True)
        counts = segment_histograms(codes, offsets[first : last + 1] - offsets[first], max(distinct.size, 1))
        blocks.append(_from_counts(counts, distinct if distinct.size else np.array([100.0])))
        first = last
    return {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}


def _from_counts(counts: np.ndarray, x: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics of a histogram: counts of shape patients x values, and the values, ascending."""
    n = counts.sum(axis=1).astype(np.float64)
    n[n == 0] = np.nan
    table = counts.astype(np.float64)
    risk = np.log(x) ** 1.084 - 5.381
    grade = np.minimum(425 * (np.log10(np.log10(x / 18)) + 0.16) ** 2, 50)
    functions = {
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
    means = table @ np.column_stack(list(functions.values())) / n[:, None]
    out = {name: means[:, i] for i, name in enumerate(functions)}
    with np.errstate(invalid="ignore", divide="ignore"):
        for part in ("grade_hypo", "grade_eu", "grade_hyper"):
            out[part] = out[part] / out["grade"]
        # two passes: the squares of the distances, not the distance of the squares
        squares = [
            (table[s : s + 256] * (x - out["mean"][s : s + 256, None]) ** 2).sum(axis=1) for s in range(0, n.size, 256)
        ]
        sd = np.sqrt(np.concatenate([*squares, np.zeros(0)]) / (n - 1))
    out["sd"], out["cv"] = sd, 100 * sd / out["mean"]
    out["gmi"], out["ea1c"] = 3.31 + 0.02392 * out["mean"], (46.7 + out["mean"]) / 28.7
    out["j_index"] = (out["mean"] + sd) ** 2 / 1000
    out["igc"] = out["hypo_index"] + out["hyper_index"]
    below, above = out["below_54"], out["above_250"]
    weighed = 3 * below + 2.4 * (out["below_70"] - below) + 1.6 * above + 0.8 * (out["above_180"] - above)
    out["gri"] = np.minimum(weighed, 100)
    out["cogi"] = (
        50 * out["in_70_180"] / 100
        + 35 * np.clip(1 - out["below_70"] / 15, 0, 1)
        + 15 * np.clip(1 - (sd - 18) / 90, 0, 1)
    )
    return out | _quantiles(counts, x, n)


def _quantiles(counts: np.ndarray, x: np.ndarray, n: np.ndarray) -> dict[str, np.ndarray]:
    """Interpolate quantiles (Hyndman and Fan 7, as R and numpy) from counts."""
    total = np.cumsum(counts, axis=1)
    out = {}
    for name, share in (("min", 0.0), ("q25", 0.25), ("median", 0.5), ("q75", 0.75), ("max", 1.0)):
        place = np.nan_to_num((n - 1) * share)
        whole = np.floor(place).astype(np.int64)
        last = x.size - 1
        low = x[np.minimum((total <= whole[:, None]).sum(axis=1), last)]
        high = x[np.minimum((total <= np.ceil(place).astype(np.int64)[:, None]).sum(axis=1), last)]
        out[name] = np.where(np.isnan(n), np.nan, low + (place - whole) * (high - low))
    out["iqr"] = out["q75"] - out["q25"]
    return out


def _in_time(times: np.ndarray, values: np.ndarray, codes: np.ndarray, offsets: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics that ask when."""
    size, n = np.diff(offsets), offsets.size - 1
    out: dict[str, np.ndarray] = {}
    days = times // _DAY
    fresh = np.ones(times.size, dtype=bool)
    fresh[1:] = (np.diff(days) != 0) | (np.diff(codes) != 0)
    begins = np.flatnonzero(fresh)
    extremes = segment_extremes(values, np.append(begins, times.size))
    risk = 22.77 * (np.log(extremes) ** 1.084 - 5.381) ** 2 * np.array([-1, 1])
    risk = np.abs(np.where((np.log(extremes) ** 1.084 > 5.381) == np.array([False, True]), risk, 0)).sum(axis=1)
    held = np.bincount(codes[begins], minlength=n)
    first, last, step = np.zeros(n, np.int64), np.zeros(n, np.int64), np.full(n, 300, np.int64)
    some = size > 0
    first[some], last[some] = times[offsets[:-1][some]], times[offsets[1:][some] - 1]
    for s in np.flatnonzero(size > 1):
        middle = float(np.median(np.diff(times[offsets[s] : offsets[s + 1]])))
        step[s] = min(max(60 * round(middle / 60), 60), 3600)
    starts = first // _DAY * _DAY
    spans = np.where(some, -(-last // _DAY) * _DAY - starts, 0)
    points = np.append(0, np.cumsum(spans // step))
    grid = regular_grid(times, values, offsets, starts, step, points, GAP)
    minutes, observed = step / 60, _counted(grid, points)
    one = lagged_differences(grid, points, np.ones(n, np.int64), minutes)
    every = np.rint(3600 / step).astype(np.int64)
    hourly = (np.arange(grid.size) - np.repeat(points[:-1], np.diff(points))) % np.repeat(every, np.diff(points)) == 0
    hours = np.append(0, np.cumsum(-(-np.diff(points) // every)))
    hour = lagged_differences(grid[hourly], hours, np.ones(n, np.int64), minutes)
    day = lagged_differences(grid, points, _DAY // step, minutes)
    run = -(-EVENT // step)
    with np.errstate(invalid="ignore", divide="ignore"):
        out["adrr"] = np.bincount(codes[begins], weights=risk, minlength=n) / held
        out["modd"], out["conga"] = day[:, 1], day[:, 2]
        out["mag"] = hour[:, 1] * hour[:, 0] / _counted(grid[hourly], hours)  # per hourly point, as iglu
        out["gvp"] = 100 * (one[:, 3] - 1)
        per_day = np.where(observed > 0, observed * step / _DAY, np.nan)
        for name, sign, threshold in (
            ("hypo_events_per_day", 1, 70),
            ("severe_hypo_events_per_day", 1, 54),
            ("hyper_events_per_day", -1, 180),
            ("severe_hyper_events_per_day", -1, 250),
        ):
            out[name] = low_episodes(sign * grid, points, float(sign * threshold), run, run) / per_day
    out["days"] = np.where(some, (last - first) / _DAY, np.nan)
    out["coverage"] = np.where(some, 100 * np.minimum(size / (np.rint((last - first) / step) + 1), 1), np.nan)
    return out


def _counted(grid: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Count the points of each patient that are not missing."""
    return np.diff(np.append(0, np.cumsum(~np.isnan(grid)))[points])
