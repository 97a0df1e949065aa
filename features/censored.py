"""Cells of a laboratory table: numbers, limits of detection, and words that stand for either."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from theracast.checks import INFINITE, UNKNOWN, Problem
from theracast.errors import UsageError

#: Words of laboratories for "under" and "over what the assay can tell"; Luminex writes OOR (out of range).
BELOW = frozenset({
    "low", "bdl", "bld", "blq", "bql", "blod", "bloq", "below detection", "below detection limit", "below lod",
    "below limit of detection", "not detected", "not detectable", "undetected", "undetectable", "<lod", "<loq",
    "<lloq", "<llod", "< lod", "< loq", "< lloq", "< llod", "oor <", "oor<",
})  # fmt: skip
ABOVE = frozenset({
    "high", "alq", "aloq", "above detection", "above detection limit", "above range", ">uloq", ">loq", ">ulod",
    "> uloq", "> loq", "oor >", "oor>",
})  # fmt: skip
#: May mean "not detected" or "not done": read only when a cohort declares which.
ND = frozenset({"nd", "n.d.", "n.d", "n/d"})
NOT_DONE = frozenset({"not done", "not tested", "not measured", "."})

_EXPONENT = r"(?:e[+-]?[0-9]{1,4})?"
_PLAIN = re.compile(rf"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+){_EXPONENT}")
_POINT = re.compile(rf"[+-]?[0-9]{{1,3}}(?:[,' ][0-9]{{3}})+(?:\.[0-9]*)?{_EXPONENT}")
_COMMA = re.compile(rf"[+-]?(?:[0-9]+|[0-9]{{1,3}}(?:[.' ][0-9]{{3}})+)(?:,[0-9]*)?{_EXPONENT}")
_EITHER = re.compile(r"[+-]?[0-9.,' ]*[0-9][.,' ][0-9.,' ]*(?:e[+-]?[0-9]+)?")
_LIMIT = re.compile(r"(<=|>=|=<|=>|[<>≤≥])\s*(.*)")
_INFINITE = frozenset({"inf", "+inf", "-inf", "infinity", "-infinity", "+infinity"})

_WHY = {
    "mark": ("THX-D13", "holds decimal commas or thousands separators; declare 'decimal: comma' or 'decimal: point'"),
    "clash": ("THX-D13", "holds numbers with a decimal point where 'decimal: comma' is declared; store one kind"),
    "nd": ("THX-D13", "holds ND; declare 'nd: not detected' or 'nd: not done'"),
    "text": ("THX-D13", "holds text where a number is wanted; leave unknown cells empty"),
    "infinite": ("THX-D11", "holds infinite values (1e30 or more); leave unknown cells empty"),
}


@dataclass(frozen=True)
class Readings:
    """A table of readings.

    Attributes
    ----------
    values : DataFrame of float64
        The number, or the limit where the cell gives one; NaN is not known, or beyond an unnamed limit.
    censored : ndarray of int8, same shape
        -1 below a limit, 1 above one, else 0; also where the limit has no number ("LOW").
    problems : list of Problem
        Cells that could not be read, by column and row.

    Examples
    --------
    >>> read_cells(pd.DataFrame({"IL6": ["<0.1", "LOW", 3]}), "proteins").censored[:, 0].tolist()
    [-1, -1, 0]
    """

    values: pd.DataFrame
    censored: np.ndarray
    problems: list[Problem]


def declared(units: Mapping[str, str]) -> dict[str, str]:
    """Take from the units of a cohort what `read_cells` wants to know.

    Parameters
    ----------
    units : mapping of str to str
        ``units.yaml``; ``decimal`` and ``nd`` are looked for.

    Returns
    -------
    dict of str to str
        Arguments of `read_cells`.

    Raises
    ------
    UsageError
        On other words than those that `read_cells` knows.

    Examples
    --------
    >>> declared({"decimal": "comma", "proteins": "NPX"})
    {'decimal': 'comma'}
    """
    choices = {"decimal": ("comma", "point"), "nd": ("not detected", "not done")}
    given = {k: str(units[k]).strip().lower().replace("_", " ") for k in choices if k in units}
    for name, word in given.items():
        if word not in choices[name]:
            raise UsageError(
                f"'{name}' is declared in a way that is not known",
                where="units.yaml",
                wanted=" or ".join(choices[name]),
                fix=f"Write '{name}: {choices[name][0]}'.",
            )
    return given


def read_cells(table: pd.DataFrame, where: str, decimal: str = "", nd: str = "") -> Readings:
    """Read numbers and limits; what cannot be read is a problem by row, never a silent NaN.

    ``"<0.1"`` and ``">400"`` keep the limit as value and say on which side of it the truth lies; ``"LOW"``,
    ``"<LOD"`` and ``"HIGH"`` say the side alone. Without a declared decimal mark only plain numbers are read
    (``"1.5"``, ``"1e3 "``): ``"1,5"`` and ``"1,234"`` could be two things each.

    Parameters
    ----------
    table : DataFrame of shape (n_patients, n_columns)
        Numbers or text.
    where : str
        Table, for the messages.
    decimal : {"", "point", "comma"}
        Declared decimal mark of the text; the other mark, blanks and apostrophes then part thousands.
    nd : {"", "not detected", "not done"}
        What ND stands for.

    Returns
    -------
    Readings
        Values, sides and problems.

    Examples
    --------
    >>> table = pd.DataFrame({"CRP": ["1.234,5", "<0,1", "1e3 ", ">400"]})
    >>> read_cells(table, "proteins", decimal="comma").values["CRP"].tolist()
    [1234.5, 0.1, 1000.0, 400.0]
    >>> print(read_cells(table, "proteins").problems[0])
    THX-D13: holds decimal commas or ... 'decimal: point' | where: proteins:CRP | rows: 1, 2
    """
    values = np.full(table.shape, np.nan)
    sides = np.zeros(table.shape, dtype=np.int8)
    problems: list[Problem] = []
    for j, kind in enumerate(table.dtypes):
        column = table.iloc[:, j]
        if pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind):
            values[:, j] = column.to_numpy(dtype=np.float64, na_value=np.nan)
            why = np.where(np.abs(values[:, j]) >= INFINITE, "infinite", "")
            if decimal == "comma":
                why[(values[:, j] % 1 != 0) & (why == "") & ~np.isnan(values[:, j])] = "clash"
        else:
            codes, cells = pd.factorize(column.astype(object))
            read = [*(_cell(c, decimal, nd) for c in cells), (np.nan, 0, "")]
            values[:, j] = np.array([r[0] for r in read])[codes]
            sides[:, j] = np.array([r[1] for r in read])[codes]
            why = np.array([r[2] for r in read], dtype=object)[codes]
        odd = why != ""
        if odd.any():
            values[odd, j] = np.nan
            problems += [
                Problem(code, f"{where}:{column.name}", what, tuple(np.flatnonzero(why == k).tolist()))
                for k, (code, what) in _WHY.items()
                if (why == k).any()
            ]
    values += 0.0  # -0 is 0
    return Readings(pd.DataFrame(values, index=table.index, columns=table.columns), sides, problems)


def _cell(cell: object, decimal: str, nd: str) -> tuple[float, int, str]:
    """Read one cell: value, side, and what is wrong."""
    if isinstance(cell, (int, float, np.number)) and not isinstance(cell, (bool, np.bool_)):
        value = float(cell)
        if np.isnan(value):
            return np.nan, 0, ""
        clash = decimal == "comma" and value % 1 != 0
        return (value, 0, "clash" if clash else "") if abs(value) < INFINITE else (np.nan, 0, "infinite")
    text = " ".join(str(cell).replace("−", "-").lower().split())
    if text in UNKNOWN or text in NOT_DONE:
        return np.nan, 0, ""
    if text in ND:
        return (np.nan, -1 if nd == "not detected" else 0, "" if nd else "nd")
    if text in BELOW or text in ABOVE:
        return np.nan, -1 if text in BELOW else 1, ""
    limit = _LIMIT.fullmatch(text)
    side = 0 if limit is None else -1 if set(limit[1]) & set("<≤") else 1
    value, why = _number(text if limit is None else limit[2], decimal)
    return (np.nan, 0, why) if why else (value, side, "")


def _number(text: str, decimal: str) -> tuple[float, str]:
    if decimal == "comma":
        fits = _COMMA.fullmatch(text)
        plain = text.translate(str.maketrans(",", ".", ".' "))
    else:
        fits = _PLAIN.fullmatch(text) or (_POINT.fullmatch(text) if decimal == "point" else None)
        plain = text.translate(str.maketrans("", "", ",' "))
    if text in _INFINITE:
        return np.nan, "infinite"
    if not fits:
        marked = _EITHER.fullmatch(text) is not None
        return np.nan, {"": "mark", "comma": "clash"}.get(decimal, "text") if marked else "text"
    value = float(plain)
    return (value, "") if abs(value) < INFINITE else (np.nan, "infinite")
