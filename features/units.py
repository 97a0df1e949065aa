"""Units: clinical values read in the unit they are declared in, converted, and held against what a person can have.

The table of units is ``tables/lab_units.csv``. A value is judged alone: it is refused when it cannot be in the unit it
is said to have, and when it could be in another one, the message names that unit. A unit is declared in a column
``<name>_unit``, or for a whole column in ``units.yaml`` (``clinical.albumin: g/dL``). Where none is declared and the
value can be in one unit only, it is read in that one, and noted; where it can be in two, it is taken for the first, or
refused, as the table says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN, Problem, to_numbers
from theracast.features.cohort import Cohort
from theracast.features.columns import texts_of
from theracast.features.tables import load_table
from theracast.registry import Registry

#: Fewest patients whose median may be said: that of fewer would give one of them away.
_CROWD = 5
_LIMIT = re.compile(r"^\s*([<>≤≥])=?\s*(\d+\.?\d*|\.\d+)\s*$")


@dataclass(frozen=True)
class Unit:
    """One unit of a quantity.

    Attributes
    ----------
    name : str
        As it is written in messages: ``"g/dL"``.
    also : frozenset of str
        Every way of writing it that is understood, spelt by `spelt`.
    low, high : float
        What a person can have, in this unit, inclusive.
    factor, offset : float
        ``value * factor + offset`` is the value in the first unit of the quantity.

    Examples
    --------
    >>> quantity("albumin")[1].factor
    10.0
    """

    name: str
    also: frozenset[str]
    low: float
    high: float
    factor: float
    offset: float

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Say which values a person can have in this unit.

        Parameters
        ----------
        values : ndarray of float
            In this unit.

        Returns
        -------
        ndarray of bool
            False where the value is not known.

        Examples
        --------
        >>> quantity("albumin")[0].holds(np.array([4.1, 41.0])).tolist()
        [False, True]
        """
        return (values >= self.low) & (values <= self.high)


@dataclass(frozen=True)
class Reading:
    """One column, read in its unit.

    Attributes
    ----------
    values : Series of float64
        In the first unit of the quantity; NaN where the cell was empty or refused.
    limits : Series of int8
        -1 where the cell was ``<x`` and the value is that limit, 1 where it was ``>x``, else 0.
    problems : list of Problem
        What was refused.
    notes : dict of str to str
        Per patient id, the unit that was inferred where it is not the first.

    Examples
    --------
    >>> Reading(pd.Series([41.0]), pd.Series([0]), []).values.tolist()
    [41.0]
    """

    values: pd.Series
    limits: pd.Series
    problems: list[Problem]
    notes: dict[str, str] = field(default_factory=dict)


def spelt(text: object) -> str:
    """Bring a unit to one spelling.

    Parameters
    ----------
    text : object
        As it stands in a cell; NaN is no unit.

    Returns
    -------
    str
        Lower case, without spaces, ``u`` for micro; empty when nothing is said.

    Examples
    --------
    >>> spelt(" µmol / L ")
    'umol/l'
    """
    word = "" if pd.isna(text) else re.sub(r"\s", "", str(text)).lower()
    for old, new in (("µ", "u"), ("μ", "u"), ("×", "x"), ("²", "2"), ("⁹", "^9"), ("³", "^3")):
        word = word.replace(old, new)
    return "" if word in UNKNOWN else word


def quantity(name: str) -> tuple[Unit, ...]:
    """Look up the units of a quantity.

    Parameters
    ----------
    name : str
        As in ``tables/lab_units.csv``.

    Returns
    -------
    tuple of Unit
        The first is the one that blocks give.

    Raises
    ------
    UsageError
        There is no such quantity.

    Examples
    --------
    >>> [u.name for u in quantity("hba1c")]
    ['%', 'mmol/mol']
    """
    return _quantities()[name]


def units_of(name: str) -> str:
    """Write the units of a quantity for a person.

    Parameters
    ----------
    name : str
        As in ``tables/lab_units.csv``.

    Returns
    -------
    str
        ``"g/L or g/dL"``.

    Examples
    --------
    >>> units_of("albumin")
    'g/L or g/dL'
    """
    return " or ".join(u.name for u in quantity(name))


def read_quantity(
    cohort: Cohort, tables: Sequence[str], column: str, block: str, *, of: str = "", limits: bool = False
) -> Reading:
    """Read a column in the units it is declared in.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    tables : sequence of str
        Where to look for the column, first match wins.
    column, block : str
        What is read, and for which block; for the messages.
    of : str, optional
        Quantity in ``tables/lab_units.csv``; the column's own name by default.
    limits : bool, default False
        Whether ``<5`` and ``>1800`` are kept as limits; otherwise they are refused.

    Returns
    -------
    Reading
        Converted to the first unit of the quantity.

    Examples
    --------
    >>> table = pd.DataFrame({"albumin": [41.0, 4.1, 4.1], "albumin_unit": ["g/L", "g/L", None]}, index=list("abc"))
    >>> got = read_quantity(Cohort.from_tables({"clinical": table}), ["clinical"], "albumin", "clinical")
    >>> got.values.tolist(), got.problems[0].rows, got.notes
    ([41.0, nan, 41.0], (1,), {'c': 'albumin has no unit: read as g/dL, the only one it can be in'})
    """
    units = quantity(of or column)
    where, cells = cohort.column(column, tables)
    cells, sides = _limits(cells) if limits else (cells, np.zeros(len(cells), dtype=np.int8))
    numbers, problems = to_numbers(cells, where)
    values = numbers.to_numpy()
    if len(values) and not problems and np.isnan(values).all():  # nobody has it: nothing is to be judged
        nothing = pd.Series(np.nan, index=cohort.ids)
        return Reading(nothing, pd.Series(np.int8(0), cohort.ids, "int8"), [])
    spelling = texts_of(cohort, f"{column}_unit", [where.partition(":")[0]]).map(spelt)
    unsaid = spelling.isin({""})
    mine = np.full(len(values), -1)
    for k, unit in enumerate(units):
        mine[spelling.isin(unit.also)] = k
    known = ~np.isnan(values)
    about = f"block '{block}': column '{column}'"
    _note(problems, known & (mine < 0) & ~unsaid, where, f"{about} has a unit that is not known in "
          f"{column}_unit; write {units_of(of or column)}")  # fmt: skip
    silent = known & unsaid
    if (of or column) in _must_be_declared():
        fitting = sum(u.holds(values).astype(int) for u in units)
        unclear = silent & (fitting > 1) & (values != 0)
        _note(problems, unclear, where, f"{about} needs its unit; write {units_of(of or column)} in {column}_unit")
        silent &= ~unclear
    fits = np.array([silent & unit.holds(values) for unit in units])
    only = (fits.sum(axis=0) == 1) & ~fits[0]
    mine[silent] = np.where(only, fits.argmax(axis=0), 0)[silent]
    said = f"{column} has no unit: read as {{}}, the only one it can be in"
    notes = {cohort.ids[i]: said.format(units[mine[i]].name) for i in np.flatnonzero(only)}
    out = np.full(len(values), np.nan)
    for k, unit in enumerate(units):
        rows = known & (mine == k)
        good = rows & unit.holds(values)
        out[good] = values[good] * unit.factor + unit.offset
        problems += _misfits(values, rows & ~good, int(rows.sum()), unit, units, where, about, column)
    sides = pd.Series(np.where(np.isnan(out), 0, sides), cohort.ids, "int8")
    return Reading(pd.Series(out, index=cohort.ids), sides, problems, notes)


def _misfits(
    values: np.ndarray, rows: np.ndarray, known: int, unit: Unit, units: Sequence[Unit], where: str, about: str,
    column: str,
) -> list[Problem]:  # fmt: skip
    """Say of the values that cannot be in their unit which other one they would fit."""
    problems: list[Problem] = []
    should = f"{about} should be in {unit.name} ({unit.low:g}-{unit.high:g})"
    for other in units:
        fits = rows & other.holds(values) if other is not unit else np.zeros(len(rows), dtype=bool)
        if fits.any():
            rows = rows & ~fits
            fix = f"If these are {other.name}, {_converted(other, unit)} or write '{other.name}' in {column}_unit."
            if fits.sum() >= _CROWD and 2 * fits.sum() > known:
                got = f"; got median {np.median(values[fits]):.3g}"
                problems.append(Problem("THX-D16", where, f"{should}{got}. {fix}"))
            else:
                _note(problems, fits, where, f"{should}. {fix}")
    _note(problems, rows, where, f"{should}. Correct the cells, or leave them empty.")
    return problems


def _converted(given: Unit, wanted: Unit) -> str:
    if given.offset or wanted.offset:
        return "convert them"
    ratio = given.factor / wanted.factor
    return f"multiply by {ratio:.4g}" if ratio > 1 else f"divide by {1 / ratio:.4g}"


def _limits(cells: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """Take the limit out of '<5'; -1 and 1 say on which side of it the value lies."""
    if pd.api.types.is_numeric_dtype(cells):
        return cells, np.zeros(len(cells), dtype=np.int8)
    found = [_LIMIT.match(c) if isinstance(c, str) else None for c in cells]
    plain = [m.group(2) if m else c for m, c in zip(found, cells, strict=True)]
    sides = [0 if m is None else -1 if m.group(1) in "<≤" else 1 for m in found]
    return pd.Series(plain, index=cells.index, dtype=object), np.array(sides, dtype=np.int8)


def _note(problems: list[Problem], rows: np.ndarray, where: str, what: str) -> None:
    if rows.any():
        problems.append(Problem("THX-D16", where, what, tuple(int(i) for i in np.flatnonzero(rows))))


@cache
def _quantities() -> Registry[tuple[Unit, ...]]:
    found: dict[str, tuple[Unit, ...]] = {}
    for r in load_table("lab_units").itertuples():
        also = frozenset({spelt(r.unit), *(str(r.also).split("|") if r.also == r.also else ())})
        unit = Unit(str(r.unit), also, float(r.low), float(r.high), float(r.factor), float(r.offset))
        found[str(r.quantity)] = (*found.get(str(r.quantity), ()), unit)
    return Registry("quantity", found)


@cache
def _must_be_declared() -> frozenset[str]:
    table = load_table("lab_units")
    return frozenset(table.quantity[table.undeclared == "refuse"])
