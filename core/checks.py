"""Checks of ids, numbers and units that every room uses. Nothing here knows medicine."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from theracast.errors import DataError

#: Words that mean "not known". 'ND' is not among them: it may mean not detected.
UNKNOWN = frozenset({"", "na", "n/a", "nan", "not available", "not reported", "unknown"})

#: Nothing that is measured is larger; 1e308 is an infinity that was written out.
INFINITE = 1e30
#: Cells of a table that are looked at as float64 at a time.
_AT_ONCE = 1_000_000

_CENSORED = re.compile(r"^\s*[<>≤≥]=?\s*[\d.,]+\s*$")
_DECIMAL_COMMA = re.compile(r"^\s*[-+]?\d+,\d+\s*$")


@dataclass(frozen=True)
class Problem:
    """One thing wrong with the patients' tables.

    Attributes
    ----------
    code : str
        ``THX-<area><nn>``.
    where : str
        Table and column.
    what : str
        What is wrong, what was wanted and what to do. Never a patient's value.
    rows : tuple of int
        Positions (from 0) of the patients concerned; empty when the whole column or table is wrong.

    Examples
    --------
    >>> Problem("THX-D15", "clinical:age", "outside 0-120", (3,)).rows
    (3,)
    """

    code: str
    where: str
    what: str
    rows: tuple[int, ...] = ()

    def __str__(self) -> str:
        at = f" | rows: {listed(np.asarray(self.rows) + 1)}" if self.rows else ""
        return f"{self.code}: {self.what} | where: {self.where}{at}"


def listed(values: Iterable[object], most: int = 5) -> str:
    """Name the first few of many.

    Parameters
    ----------
    values : iterable
        Things with a readable ``str``.
    most : int, default 5
        How many to spell out.

    Returns
    -------
    str
        ``"a, b, c and 7 more"``.

    Examples
    --------
    >>> listed(range(8), most=3)
    '0, 1, 2 and 5 more'
    """
    items = [str(v) for v in values]
    more = len(items) - most
    return ", ".join(items[:most]) + (f" and {more} more" if more > 0 else "")


def to_numbers(values: pd.Series, where: str) -> tuple[pd.Series, list[Problem]]:
    """Read a column as float64; what cannot be read is a problem by row, never a silent NaN.

    Parameters
    ----------
    values : Series of shape (n_patients,)
        Numbers, or text that holds numbers.
    where : str
        Table and column, for the messages.

    Returns
    -------
    numbers : Series of float64, shape (n_patients,)
        NaN where the cell was empty or could not be read.
    problems : list of Problem
        Censored values, decimal commas, text and infinities, by row.

    Examples
    --------
    >>> numbers, problems = to_numbers(pd.Series(["1.5", "", "<0.1"]), "clinical:crp")
    >>> numbers.tolist(), problems[0].rows
    ([1.5, nan, nan], (2,))
    """
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        numbers = pd.Series(values.to_numpy(dtype=np.float64, na_value=np.nan), index=values.index)
        infinite = np.abs(numbers.to_numpy()) >= INFINITE
        if not infinite.any():
            return numbers, []
        text = pd.Series("", index=values.index, dtype=object)
    else:
        text = values.astype(object).where(values.notna(), "").map(str).str.strip()
        numbers = pd.to_numeric(text.where(text != ""), errors="coerce").astype(np.float64)
        infinite = np.abs(numbers.to_numpy()) >= INFINITE
    unread = numbers.isna().to_numpy() & ~text.str.lower().isin(UNKNOWN).to_numpy()
    censored = unread & text.str.match(_CENSORED).to_numpy(dtype=bool)
    comma = unread & text.str.match(_DECIMAL_COMMA).to_numpy(dtype=bool)
    kinds = [
        ("THX-D13", censored, "holds censored values ('<x'); give the limit in a column of its own, or leave empty"),
        ("THX-D13", comma, "holds decimal commas; write decimal points"),
        ("THX-D13", unread & ~censored & ~comma, "holds text where a number is wanted; leave unknown cells empty"),
        ("THX-D11", infinite, "holds infinite values (1e30 or more); leave unknown cells empty"),
    ]
    problems = [Problem(code, where, what, _positions(mask)) for code, mask, what in kinds if mask.any()]
    return numbers.mask(infinite), problems


def table_to_numbers(table: pd.DataFrame, where: str) -> tuple[pd.DataFrame, list[Problem]]:
    """Read a table of numbers; `to_numbers` for many columns at once.

    Parameters
    ----------
    table : DataFrame of shape (n_patients, n_columns)
        Numbers, or text that holds numbers; a column may occur twice.
    where : str
        Table, for the messages.

    Returns
    -------
    numbers : DataFrame, same shape
        NaN where the cell was empty or could not be read.
    problems : list of Problem
        What could not be read, by column and row.

    Examples
    --------
    >>> numbers, problems = table_to_numbers(pd.DataFrame({"CD8A": ["1.5", "ND"]}), "expression")
    >>> numbers.CD8A.tolist(), problems[0].rows
    ([1.5, nan], (1,))
    """
    if not table.size:
        return table.astype(np.float64), []
    parts, spoilt, problems = [], False, []
    width = max(1, _AT_ONCE // len(table))
    for first in range(0, table.shape[1], width):
        part = table.iloc[:, first : first + width]
        if any(not pd.api.types.is_numeric_dtype(t) for t in part.dtypes):
            part, spoilt = part.apply(pd.to_numeric, errors="coerce").astype(np.float64), True
        known = part.to_numpy(dtype=np.float64, na_value=np.nan)
        odd = (np.abs(known) >= INFINITE) | (np.isnan(known) & table.iloc[:, first : first + width].notna().to_numpy())
        if odd.any():
            columns = [table.iloc[:, first + i] for i in np.flatnonzero(odd.any(axis=0))]
            problems += [p for c in columns for p in to_numbers(c, f"{where}:{c.name}")[1]]
            part, spoilt = part.mask(odd), True
        parts.append(part)
    return pd.concat(parts, axis=1) if spoilt else table, problems


def out_of_range(values: pd.Series, low: float, high: float, where: str, unit: str, code: str) -> list[Problem]:
    """Find the rows outside the plausible range of a column.

    Parameters
    ----------
    values : Series of float64
        One value per patient; NaN is unknown and passes.
    low, high : float
        Inclusive bounds.
    where, unit, code : str
        Table and column, unit and error code, for the message.

    Returns
    -------
    list of Problem
        Empty, or one.

    Examples
    --------
    >>> out_of_range(pd.Series([50.0, 200.0]), 0, 120, "clinical:age", "years", "THX-D15")[0].rows
    (1,)
    """
    outside = ((values < low) | (values > high)).to_numpy()
    if not outside.any():
        return []
    return [Problem(code, where, f"should be within {low:g}-{high:g} {unit}", _positions(outside))]


def refuse(problems: list[Problem]) -> None:
    """Raise the first problem and count the others.

    Parameters
    ----------
    problems : list of Problem
        What was found.

    Raises
    ------
    DataError
        When there is any.

    Examples
    --------
    >>> refuse([])
    """
    if problems:
        first = problems[0]
        rows = f"; rows {', '.join(str(r + 1) for r in first.rows[:5])}" if first.rows else ""
        more = f" ({len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise DataError(
            first.what + more, code=first.code, where=first.where + rows, fix="Correct the cells, or leave them empty."
        )


def _positions(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(mask))
