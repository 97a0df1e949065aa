"""Traces of a glucose sensor as hospitals store them: units, words, limits, repeats, clocks; and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from theracast.checks import Problem, table_to_numbers
from theracast.features.cohort import Cohort
from theracast.features.timeline import Clock, read_clock
from theracast.features.units import quantity, spelt

#: Sensors read 40 to 400 mg/dL, some to 500; 38 and 39 stand for LOW, 401 for HIGH.
LOW, HIGH, HIGHER = 40.0, 400.0, 500.0
#: mg/dL in a mmol/L: the molar mass of glucose is 180.16 g/mol.
MMOL = 18.016
#: Medians that a trace can have, and single readings, in mg/dL.
_MEDIAN, _SINGLE = (60.0, 400.0), (20.0, 600.0)
_DAY_US = 86_400_000_000
_WORDS = {
    **dict.fromkeys(("low", "lo", "<40", "< 40", "<2.2", "<39"), -1),
    **dict.fromkeys(("high", "hi", ">400", "> 400", ">22.2", ">500", "> 500", ">27.8"), 1),
}
#: Fewest patients whose median may be said: that of fewer would give one of them away.
_CROWD = 5


@dataclass(frozen=True)
class Traces:
    """Readings of a cohort's patients, in order.

    Attributes
    ----------
    readings : DataFrame
        ``patient_id`` (categorical: all patients of the cohort), ``time`` (a clock that is never set),
        ``glucose_mg_dl`` (whole numbers), ``night`` (between midnight and six by the patient's clock), ``limit``
        (-1 where the sensor could read no lower, 1 no higher, else 0); by patient and time, each time once.
    problems : list of Problem
        What must be refused.
    notes : dict of str to list of str
        Per patient, what was done about what need not be refused.

    Examples
    --------
    >>> table = pd.DataFrame({"patient_id": "p", "time": ["2024-05-01 08:00", "2024-05-01 08:05"], "glucose": [5.5, 6]})
    >>> read_traces(Cohort.from_tables({"glucose": table.assign(unit="mmol/L")})).readings["glucose_mg_dl"].tolist()
    [99.0, 108.0]
    """

    readings: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)


def read_traces(cohort: Cohort, now: pd.Timestamp | None = None) -> Traces:
    """Read the table of events ``glucose``.

    Parameters
    ----------
    cohort : Cohort
        Its event table ``glucose`` has columns ``time``, ``glucose`` and, unless in mg/dL, ``unit``.
    now : Timestamp, optional
        Readings later than that are refused.

    Returns
    -------
    Traces
        Empty where there is no such table.

    Examples
    --------
    >>> table = pd.DataFrame({"patient_id": "p", "time": ["2024-05-01 08:00"], "glucose": ["LOW"]})
    >>> read_traces(Cohort.from_tables({"glucose": table})).readings[["glucose_mg_dl", "limit"]].values.tolist()
    [[40.0, -1.0]]
    """
    table = cohort.event("glucose")
    if table.empty or not {"time", "glucose"} <= set(table.columns):
        missing = [c for c in ("time", "glucose") if c not in table.columns]
        what = f"block 'cgm': columns are missing: {', '.join(missing)}; it wants time, glucose and unit"
        return Traces(_arranged(cohort), [Problem("THX-D29", "glucose", what)] if len(table) and missing else [])
    patients = cohort.ids.get_indexer(table.index)
    table, patients = table[patients >= 0], patients[patients >= 0]
    problems: list[Problem] = []
    values, sides = _values(cohort, table, patients, problems)
    clock = read_clock(table["time"], patients)
    _of_times(clock, patients, now, problems)
    kept = clock.known & ~clock.mixed & ~np.isnan(values)
    notes: dict[str, list[str]] = {}
    table = _once(patients[kept], clock.steady[kept], clock.local[kept], values[kept], sides[kept], cohort, notes)
    return Traces(_arranged(cohort, table), problems, notes)


def _values(
    cohort: Cohort, table: pd.DataFrame, patients: np.ndarray, problems: list[Problem]
) -> tuple[np.ndarray, np.ndarray]:
    """Return readings in whole mg/dL, the sensor's limit in place of what lies beyond it, and on which side it is."""
    words = table["glucose"]
    sides = np.zeros(len(table), np.int8)
    if not pd.api.types.is_numeric_dtype(words):
        text = words.astype(object).where(words.notna(), "").map(lambda v: str(v).strip().lower())
        sides = text.map(_WORDS).fillna(0).to_numpy().astype(np.int8)
        words = words.astype(object).mask(sides != 0)
    numbers, found = table_to_numbers(words.to_frame("glucose"), "glucose")
    problems += [_whose(p.code, p.where, f"column 'glucose' {p.what}", patients[list(p.rows)]) for p in found]
    values = numbers["glucose"].to_numpy(dtype=np.float64)
    factor = _factors(cohort, table, patients, problems)
    _of_units(values, factor, patients, problems)
    values = np.rint(values * factor)
    odd = (values < _SINGLE[0]) | (values > _SINGLE[1])
    told = {row for p in problems for row in p.rows} if all(p.rows for p in problems) else set(range(len(cohort)))
    if (mine := odd & ~np.isin(patients, list(told))).any():
        what = f"block 'cgm': readings lie outside {_SINGLE[0]:g}-{_SINGLE[1]:g} mg/dL; leave out faulty ones"
        problems.append(_whose("THX-D16", "glucose:glucose", what, patients[mine]))
    values[odd] = np.nan
    # whoever reads over 401 wears a sensor that goes on to 500
    most = np.full(len(cohort), -np.inf)
    np.fmax.at(most, patients, values)
    top = np.where(most > HIGH + 1, HIGHER, HIGH)[patients]
    sides[values < LOW], sides[values >= top] = -1, 1
    return np.where(sides < 0, LOW, np.where(sides > 0, top, values)), sides


def _factors(cohort: Cohort, table: pd.DataFrame, patients: np.ndarray, problems: list[Problem]) -> np.ndarray:
    """Return what each reading is multiplied by to be mg/dL; mg/dL where nothing is said."""
    names = {spelt(n): MMOL if u.name == "mmol/L" else 1.0 for u in quantity("glucose") for n in (u.name, *u.also)}
    declared = spelt(cohort.units.get("glucose.glucose", cohort.units.get("glucose", "")))
    names[""] = names.get(declared, np.nan) if declared else 1.0
    if "unit" in table.columns:
        codes, words = pd.factorize(table["unit"], use_na_sentinel=False)
        factor = np.array([names.get(spelt(w), np.nan) for w in words], dtype=np.float64)[codes]
    else:
        factor = np.full(len(table), names[""])
    if (odd := np.isnan(factor)).any():
        what = "block 'cgm': column 'unit' should be mg/dL or mmol/L"
        problems.append(_whose("THX-D16", "glucose:unit", what, patients[odd]))
    return factor


def _of_units(values: np.ndarray, factor: np.ndarray, patients: np.ndarray, problems: list[Problem]) -> None:
    """Refuse traces whose median cannot be in the unit it is said to be in."""
    plain = ~np.isnan(values * factor) & ~np.isin(values, (LOW - 2, LOW - 1))
    for unit, size, other, fix in (
        ("mg/dL", 1.0, MMOL, "If these are mmol/L, multiply by 18.02."),
        ("mmol/L", MMOL, 1 / MMOL, "If these are mg/dL, say so in the column unit."),
    ):
        mine = plain & (factor == size)
        low, high = (bound / size for bound in _MEDIAN)
        medians = pd.Series(values[mine]).groupby(patients[mine]).median()
        wrong = medians[(medians < low) | (medians > high)]
        if wrong.empty:
            continue
        swapped = ((wrong * other >= low) & (wrong * other <= high)).all()
        what = f"block 'cgm': column 'glucose' should be in {unit} (median {low:.3g}-{high:.3g})"
        if len(wrong) == len(medians) >= _CROWD:
            what += f"; got median {np.median(values[mine]):.3g}"
        what += f". {fix}" if swapped else ". Leave out traces that are no glucose."
        rows = wrong.index.to_numpy() if len(wrong) < len(medians) or len(medians) < _CROWD else np.zeros(0, int)
        problems.append(_whose("THX-D16", "glucose:glucose", what, rows))


def _of_times(clock: Clock, patients: np.ndarray, now: pd.Timestamp | None, problems: list[Problem]) -> None:
    late = np.zeros(len(patients), bool)
    if now is not None:
        late = clock.known & (clock.local > np.datetime64(now.to_datetime64(), "us").astype(np.int64))
    for rows, what in (
        (clock.unread, "times that cannot be read; write 2024-05-01 08:05, or with a zone 2024-05-01T08:05+02:00"),
        (~clock.known & ~clock.unread, "readings without a time"),
        (clock.mixed, "times of one patient with a zone and without; write them one way"),
        (late, "readings from the future; check the clock and the order of day and month"),
    ):
        if rows.any():
            problems.append(_whose("THX-D29", "glucose:time", f"block 'cgm': holds {what}", patients[rows]))


def _once(
    patients: np.ndarray,
    steady: np.ndarray,
    local: np.ndarray,
    values: np.ndarray,
    sides: np.ndarray,
    cohort: Cohort,
    notes: dict[str, list[str]],
) -> pd.DataFrame:
    """Order the readings and keep each time once: the mean where readings differ."""
    order = np.lexsort((sides, local, values, steady, patients))
    patients, steady, local, values, sides = (a[order] for a in (patients, steady, local, values, sides))
    new = np.ones(len(order), bool)
    new[1:] = (patients[1:] != patients[:-1]) | (steady[1:] != steady[:-1])
    starts = np.flatnonzero(new)
    if len(starts) < len(order):
        number = np.cumsum(new) - 1
        least, most = values[starts], values[np.append(starts[1:], len(order)) - 1]
        mean = np.rint(np.bincount(number, weights=values) / np.bincount(number))
        differ = np.unique(patients[starts[least < most]])
        same = np.setdiff1d(np.unique(patients[~new]), differ)
        _note(notes, cohort.ids[same], "cgm: readings that stand there twice are taken once")
        _note(
            notes,
            cohort.ids[differ],
            "cgm: readings at one time differ, and their mean is taken (a clock set back without a zone, two sensors)",
        )
        # a mean of a limit and a reading is neither
        alike = np.bincount(number, weights=sides) / np.bincount(number) == sides[starts]
        values, sides = mean, np.where(alike, sides[starts], 0).astype(np.int8)
        patients, steady, local = patients[starts], steady[starts], local[starts]
    limited = np.unique(patients[sides != 0])
    _note(
        notes,
        cohort.ids[limited],
        "cgm: readings at the sensor's limit are kept there: counted in the ranges, marked as censored elsewhere",
    )
    night = local % _DAY_US < _DAY_US // 4
    return pd.DataFrame({"patient": patients, "steady": steady, "value": values, "night": night, "limit": sides})


def _arranged(cohort: Cohort, table: pd.DataFrame | None = None) -> pd.DataFrame:
    if table is None:
        table = pd.DataFrame({"patient": [], "steady": [], "value": [], "night": [], "limit": []}).astype(np.int64)
    return pd.DataFrame(
        {
            "patient_id": pd.Categorical.from_codes(table["patient"].to_numpy(), categories=cohort.ids),
            "time": table["steady"].to_numpy().astype(np.int64).view("datetime64[us]"),
            "glucose_mg_dl": table["value"].to_numpy(dtype=np.float64),
            "night": table["night"].to_numpy(dtype=bool),
            "limit": table["limit"].to_numpy(dtype=np.int8),
        }
    )


def _whose(code: str, where: str, what: str, patients: np.ndarray) -> Problem:
    return Problem(code, where, what, tuple(int(p) for p in np.unique(patients)))


def _note(notes: dict[str, list[str]], ids: pd.Index, line: str) -> None:
    for i in ids:
        notes.setdefault(i, []).append(line)
