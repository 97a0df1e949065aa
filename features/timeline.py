"""Times of events: read, with or without a zone, and what is wrong with them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN

#: An offset from Greenwich at the end of a time: Z, +02:00, -0530.
_OFFSET = r"(?<=\d)\s*(Z|z|[+-]\d{2}:?\d{2})$"
_NEVER = np.iinfo(np.int64).min


class Clock(NamedTuple):
    """When events were, in microseconds since 1970.

    Attributes
    ----------
    local : ndarray of int64, shape (n_events,)
        What the patient's clock showed.
    steady : ndarray of int64, shape (n_events,)
        The clock as it would have run on without being set: local time at the patient's first event, and from there
        the time gone by. The same as `local` where times have no zone.
    known : ndarray of bool, shape (n_events,)
        False where there was no time, or none that could be read.
    unread : ndarray of bool, shape (n_events,)
        Something stood there that is no time.
    mixed : ndarray of bool, shape (n_events,)
        The patient has times with a zone and times without.

    Examples
    --------
    >>> clock = read_clock(pd.Series(["2024-10-27T02:55+02:00", "2024-10-27T02:00+01:00"]), np.zeros(2, int))
    >>> clock.local.astype("datetime64[us]").astype(str).tolist()[1], int(clock.steady[1] - clock.steady[0])
    ('2024-10-27T02:00:00.000000', 300000000)
    """

    local: np.ndarray
    steady: np.ndarray
    known: np.ndarray
    unread: np.ndarray
    mixed: np.ndarray


def read_clock(times: pd.Series, patients: np.ndarray) -> Clock:
    """Read the times of events.

    Parameters
    ----------
    times : Series
        Datetimes with or without a zone, or text such as ``2024-05-01 08:05`` or ``2024-05-01T08:05:00+02:00``.
    patients : ndarray of int, shape (n_events,)
        Whose event it is, from 0.

    Returns
    -------
    Clock
        In the order given.

    Examples
    --------
    >>> clock = read_clock(pd.Series(["2024-05-01 08:05", "", "noon"]), np.zeros(3, int))
    >>> clock.known.tolist(), clock.unread.tolist()
    ([True, False, False], [False, False, True])
    """
    local, ahead, unread = _read(times)
    known = local != _NEVER
    zoned = ~np.isnan(ahead)
    n = int(patients.max(initial=-1)) + 1
    with_zone, without = (np.bincount(patients[known & m], minlength=n) > 0 for m in (zoned, ~zoned))
    mixed = known & (with_zone & without)[patients]
    absolute = local - np.where(zoned, ahead, 0).astype(np.int64)
    order = np.lexsort((absolute, patients))
    order = order[(known & zoned)[order]]
    first, at = np.unique(patients[order], return_index=True)
    offset = np.zeros(n)
    offset[first] = ahead[order[at]]
    steady = np.where(known & zoned, absolute + offset[patients].astype(np.int64), local)
    return Clock(local, steady, known, unread, mixed)


def _read(times: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return local time, how far it is ahead of Greenwich (NaN without a zone), and what could not be read."""
    if isinstance(times.dtype, pd.DatetimeTZDtype):
        local = _ticks(times.dt.tz_localize(None))
        gone = _ticks(times.dt.tz_convert("UTC").dt.tz_localize(None))
        ahead = np.where(local == _NEVER, np.nan, (local - gone).astype(np.float64))
        return local, ahead, np.zeros(len(times), bool)
    if pd.api.types.is_datetime64_dtype(times):
        return _ticks(times), np.full(len(times), np.nan), np.zeros(len(times), bool)
    text = times.astype(object).where(times.notna(), "").map(str).str.strip()
    suffix = text.str.extract(_OFFSET, expand=False)
    bare = text.where(suffix.isna(), text.str.replace(_OFFSET, "", regex=True))
    # a number is no time: it would be read as a year
    bare = bare.where(bare.str.contains(r"^\d{4}-\d{2}-\d{2}", regex=True), "")
    local = _ticks(pd.to_datetime(bare, errors="coerce", format="ISO8601"))
    digits = suffix.str.replace(":", "", regex=False).where(~suffix.isin(["Z", "z"]), "+0000")
    minutes = pd.to_numeric(digits.str[1:3], errors="coerce") * 60 + pd.to_numeric(digits.str[3:5], errors="coerce")
    ahead = (minutes * np.where(digits.str[0] == "-", -1, 1) * 60e6).to_numpy(dtype=np.float64)
    unread = (local == _NEVER) & ~text.str.lower().isin(UNKNOWN | {"nat"}).to_numpy()
    return local, ahead, unread


def _ticks(times: pd.Series) -> np.ndarray:
    """Return microseconds since 1970, the least int64 where a time is missing."""
    return times.to_numpy().astype("datetime64[us]").view(np.int64)
