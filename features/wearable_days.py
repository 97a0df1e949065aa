"""Days of a wearable: from rows of any length to one line per patient and day, and which days count."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from theracast.checks import Problem, to_numbers
from theracast.features.cohort import Cohort
from theracast.features.timeline import read_clock

#: What is measured: unit, how rows of a day come together, and what a day can hold.
MEASURES = {
    "steps": ("steps/day", "sum", 0, 100_000),
    "active_minutes": ("min/day", "sum", 0, 1440),
    "sleep_minutes": ("min/day", "sum", 0, 1440),
    "heart_rate": ("1/min", "mean", 25, 250),
    "resting_heart_rate": ("1/min", "mean", 25, 150),
    "hrv_rmssd": ("ms", "mean", 1, 400),
}
_WORN = "wear_minutes"
_HOUR, _DAY = 3_600_000_000, 86_400_000_000
#: Rows further apart than this are whole days.
_DAILY = 20 * _HOUR
#: Minutes of wear that make a day count (Troiano 2008, 10.1249/mss.0b013e31815a51b3).
ENOUGH = 600


@dataclass(frozen=True)
class WearableDays:
    """Days of a cohort's patients.

    Attributes
    ----------
    days : DataFrame
        Indexed by ``patient`` (position in the cohort) and ``day`` (days since 1970), in order: a column per
        measure, and ``counts``, whether the day was worn long enough.
    hours : DataFrame
        Indexed by ``patient`` and ``hour`` (since 1970): ``steps`` and ``asleep`` of patients with rows of an hour or
        less.
    problems : list of Problem
        What must be refused.
    notes : dict of str to list of str
        Per patient, what was done.

    Examples
    --------
    >>> table = pd.DataFrame({"patient_id": "p", "time": ["2024-05-01", "2024-05-02"], "steps": [4000, 6000]})
    >>> read_days(Cohort.from_tables({"wearables": table})).days["steps"].tolist()
    [4000.0, 6000.0]
    """

    days: pd.DataFrame
    hours: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)


def read_days(cohort: Cohort, now: pd.Timestamp | None = None) -> WearableDays:
    """Read the table of events ``wearables``.

    Parameters
    ----------
    cohort : Cohort
        Its event table ``wearables`` has a column ``time`` (or ``date``) and any of the measures.
    now : Timestamp, optional
        Rows later than that are refused.

    Returns
    -------
    WearableDays
        Empty where there is no such table.

    Examples
    --------
    >>> table = pd.DataFrame({"patient_id": "p", "date": ["2024-05-01"], "wear_minutes": [300], "steps": [900]})
    >>> read_days(Cohort.from_tables({"wearables": table})).days["counts"].tolist()
    [False]
    """
    table = cohort.event("wearables")
    when = "time" if "time" in table.columns else "date"
    if table.empty or when not in table.columns:
        what = "block 'wearables': a column is missing: time or date"
        return WearableDays(*_nothing(), [Problem("THX-D29", "wearables", what)] if len(table) else [])
    patients = cohort.ids.get_indexer(table.index)
    table, patients = table[patients >= 0], patients[patients >= 0]
    clock, problems = read_clock(table[when], patients), []
    late = np.zeros(len(table), bool)
    if now is not None:
        late = clock.known & (clock.local > np.datetime64(now.to_datetime64(), "us").astype(np.int64))
    for rows, what in (
        (clock.unread, "times that cannot be read; write 2024-05-01 or 2024-05-01 08:00"),
        (~clock.known & ~clock.unread, "rows without a time"),
        (late, "rows from the future; check the clock and the order of day and month"),
    ):
        if rows.any():
            problems.append(_whose("THX-D29", when, f"block 'wearables': holds {what}", patients[rows]))
    cells = pd.DataFrame({"patient": patients, "at": clock.local})
    for name in (*MEASURES, _WORN, "asleep"):
        given = table[name] if name in table.columns else pd.Series(np.nan, index=table.index)
        numbers, found = to_numbers(given, f"wearables:{name}")
        problems += [_whose(p.code, name, f"column '{name}' {p.what}", patients[list(p.rows)]) for p in found]
        cells[name] = numbers.to_numpy()
    notes: dict[str, list[str]] = {}
    rows = _once(cells[clock.known], cohort, notes)
    days = _days(rows)
    problems += _implausible(days, rows)
    return WearableDays(days, _hours(rows), problems, notes)


def _nothing() -> tuple[pd.DataFrame, pd.DataFrame]:
    empty = pd.DataFrame({"patient": [], "at": []}).astype(np.int64)
    rows = empty.assign(**dict.fromkeys((*MEASURES, _WORN, "asleep"), np.nan), step=0)
    return _days(rows), _hours(rows)


def _once(cells: pd.DataFrame, cohort: Cohort, notes: dict[str, list[str]]) -> pd.DataFrame:
    """Order the rows, keep each time once, and say how long each patient's rows are."""
    cells = cells.sort_values(list(cells.columns), kind="stable").drop_duplicates()
    twice = cells.duplicated(["patient", "at"], keep=False)
    if twice.any():
        for p in np.unique(cells["patient"][twice]):
            notes.setdefault(cohort.ids[p], []).append("wearables: rows at one time differ: their mean is taken")
        cells = cells.groupby(["patient", "at"], as_index=False).mean()
    apart = cells.groupby("patient")["at"].diff()
    step = apart.groupby(cells["patient"]).transform("median").fillna(_DAY)
    return cells.assign(step=np.where(step >= _DAILY, _DAY, step).astype(np.int64)).reset_index(drop=True)


def _days(rows: pd.DataFrame) -> pd.DataFrame:
    measured = [*MEASURES, "asleep"]
    by_day = rows.assign(day=rows["at"] // _DAY, seen=rows[measured].notna().any(axis=1) * rows["step"] / 60e6).groupby(
        ["patient", "day"]
    )
    out = pd.DataFrame(
        {n: by_day[n].sum(min_count=1) if how == "sum" else by_day[n].mean() for n, (_, how, _, _) in MEASURES.items()}
    )
    worn = by_day[_WORN].sum(min_count=1)
    out["counts"] = worn.where(worn.notna(), by_day["seen"].sum()) >= ENOUGH
    return out


def _hours(rows: pd.DataFrame) -> pd.DataFrame:
    fine = rows[rows["step"] <= _HOUR]
    by_hour = fine.assign(hour=fine["at"] // _HOUR).groupby(["patient", "hour"])
    return pd.DataFrame({"steps": by_hour["steps"].sum(min_count=1), "asleep": by_hour["asleep"].mean()})


def _implausible(days: pd.DataFrame, rows: pd.DataFrame) -> list[Problem]:
    found = []
    patient = days.index.get_level_values("patient").to_numpy()
    if len(days):
        typical = days["sleep_minutes"].groupby(level="patient").median()
        in_hours = typical[(typical > 0) & (typical < 24)].index.to_numpy()
        if len(in_hours):
            what = "block 'wearables': column 'sleep_minutes' should be in minutes (median over 24 a day). "
            found.append(_whose("THX-D16", "sleep_minutes", f"{what}If these are hours, multiply by 60.", in_hours))
        per_beat = days["hrv_rmssd"].groupby(level="patient").median()
        in_seconds = per_beat[(per_beat > 0) & (per_beat < 1)].index.to_numpy()
        if len(in_seconds):
            what = "block 'wearables': column 'hrv_rmssd' should be in ms (median over 1). "
            found.append(_whose("THX-D16", "hrv_rmssd", f"{what}If these are seconds, multiply by 1000.", in_seconds))
        told = {p for problem in found for p in problem.rows}
        for name, (unit, _, low, high) in MEASURES.items():
            odd = ((days[name] < low) | (days[name] > high)).to_numpy() & ~np.isin(patient, list(told))
            if odd.any():
                what = f"block 'wearables': column '{name}' should be within {low:g}-{high:g} {unit}"
                found.append(_whose("THX-D16", name, what, patient[odd]))
    for name, high in ((_WORN, 1440), ("asleep", 1)):
        odd = ((rows[name] < 0) | (rows[name] > high)).to_numpy()
        if odd.any():
            what = f"block 'wearables': column '{name}' should be within 0-{high}"
            found.append(_whose("THX-D16", name, what, rows["patient"].to_numpy()[odd]))
    return found


def _whose(code: str, column: str, what: str, patients: np.ndarray) -> Problem:
    return Problem(code, f"wearables:{column}", what, tuple(int(p) for p in np.unique(patients)))
