"""Readings of glucose over time: from a table to arrays, one patient after another."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.kernels.series import segments_rise

#: Ticks of a second in the units of pandas.
_TICKS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
#: What a sensor can read, in mg/dL.
LEAST, MOST = 20, 1000


class Readings(NamedTuple):
    """Readings of patients, one after another.

    Attributes
    ----------
    ids : Index
        The patients.
    offsets : ndarray of int64, shape (n_patients + 1,)
        Where each one's readings begin, and where the last one's end.
    values : ndarray of float32 or float64, shape (n_readings,)
        Glucose, mg/dL, none missing.
    times : ndarray of int64, shape (n_readings,)
        Local time, rising within each patient; empty when time was not asked for.
    second : int
        How many ticks of `times` are a second.

    Examples
    --------
    >>> time = pd.date_range("2024-05-01", periods=2, freq="5min")
    >>> table = pd.DataFrame({"patient_id": "p1", "time": time, "glucose_mg_dl": [90.0, 95.0]})
    >>> read_glucose(table).offsets.tolist()
    [0, 2]
    """

    ids: pd.Index
    offsets: np.ndarray
    values: np.ndarray
    times: np.ndarray
    second: int


def read_glucose(readings: pd.DataFrame, timed: bool = True) -> Readings:
    """Bring a table of readings to arrays; nothing is copied that is already in order.

    Parameters
    ----------
    readings : DataFrame
        As `theracast.features.glucose.glucose_metrics` takes it.
    timed : bool, default True
        Whether the clock is read.

    Returns
    -------
    Readings
        By patient and time.

    Raises
    ------
    DataError
        On missing columns, text, times that are no datetimes or repeat, or glucose that cannot be mg/dL.

    Examples
    --------
    >>> table = pd.DataFrame({"patient_id": ["b", "a"], "glucose_mg_dl": [90.0, 95.0]})
    >>> read_glucose(table, timed=False).ids.tolist()
    ['b', 'a']
    """
    for column in ("patient_id", "glucose_mg_dl", *(["time"] if timed else [])):
        if column not in readings:
            raise DataError("a column is missing", where=f"glucose readings, {column}")
    codes, ids = _numbered(readings["patient_id"])
    values = _glucose(readings["glucose_mg_dl"])
    times, second = _ticks(readings["time"]) if timed else (np.zeros(0, np.int64), 1)
    low = values.min(initial=MOST)
    tidy = not (np.isnan(low) or (codes[1:] < codes[:-1]).any())
    if tidy:
        offsets = _bounds(codes, len(ids))
        seen = np.diff(offsets) > 0
        tidy = not timed or segments_rise(times, offsets).all()
    if not tidy:
        # a patient without glucose is still seen
        seen = np.bincount(codes, minlength=len(ids)) > 0
        codes, values, times = _tidied(codes, values, times, timed)
        offsets, low = _bounds(codes, len(ids)), values.min(initial=MOST)
    high = values.max(initial=LEAST)
    if not (low >= LEAST and high <= MOST):
        raise DataError(
            "glucose lies outside 20-1000 mg/dL",
            where="glucose readings, glucose_mg_dl",
            got=f"{low:g} to {high:g}",
            fix="Multiply mmol/L by 18.016; leave out readings that the sensor marked as faulty.",
        )
    begins = np.append(offsets[:-1][seen], codes.size)
    return Readings(pd.Index(ids[seen], name="patient_id"), begins, values, times, second)


def _numbered(ids: pd.Series) -> tuple[np.ndarray, pd.Index]:
    """Give each patient a number: by category where ids are categorical, else as they come."""
    if isinstance(ids.dtype, pd.CategoricalDtype):
        codes, found = ids.array.codes, ids.array.categories
    else:
        codes, found = pd.factorize(ids, sort=False)
    if codes.min(initial=0) < 0:
        raise DataError("patient ids are missing", where="glucose readings, patient_id")
    return codes, pd.Index(found)


def _glucose(column: pd.Series) -> np.ndarray:
    """Return the readings as float32 or float64."""
    try:
        values = column.to_numpy()
        return frozen(values if values.dtype == np.float32 else values.astype(np.float64, copy=False))
    except (TypeError, ValueError) as error:
        raise DataError("wanted numbers", where="glucose readings, glucose_mg_dl") from error


def _ticks(column: pd.Series) -> tuple[np.ndarray, int]:
    """Return local times as whole numbers in the unit they came in, and how many of it are a second."""
    if not pd.api.types.is_datetime64_any_dtype(column):
        raise DataError("wanted datetimes", where="glucose readings, time", fix="pandas.to_datetime reads text.")
    local = (column.dt.tz_localize(None) if column.dt.tz is not None else column).to_numpy()
    return frozen(local.view(np.int64)), _TICKS[np.datetime_data(local.dtype)[0]]


def frozen(values: np.ndarray) -> np.ndarray:
    """Make an array contiguous and read-only: one type for numba, whichever version of pandas it comes from.

    Parameters
    ----------
    values : ndarray
        Any.

    Returns
    -------
    ndarray
        A view where the array was contiguous.

    Examples
    --------
    >>> frozen(np.arange(4.0)[::2]).flags.writeable
    False
    """
    values = np.ascontiguousarray(values).view()
    values.flags.writeable = False
    return values


def _tidied(
    codes: np.ndarray, values: np.ndarray, times: np.ndarray, timed: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Leave out missing readings and order the others by patient and time."""
    if timed and (times == np.iinfo(np.int64).min).any():  # NaT
        raise DataError("times are missing", where="glucose readings, time")
    known = ~np.isnan(values)
    codes, values, times = codes[known], values[known], times[known] if timed else times
    order = np.lexsort((times, codes)) if timed else np.argsort(codes, kind="stable")
    codes, values, times = codes[order], values[order], times[order] if timed else times
    if timed and ((times[1:] == times[:-1]) & (codes[1:] == codes[:-1])).any():
        raise DataError("a patient has two readings at one time", where="glucose readings, time")
    return codes, frozen(values), frozen(times)


def _bounds(codes: np.ndarray, n: int) -> np.ndarray:
    """Where each patient begins in ordered codes, and where the last one ends."""
    # the needles have the type of the codes: no copy of the haystack is made
    return np.append(np.searchsorted(codes, np.arange(n).astype(codes.dtype)), codes.size)
