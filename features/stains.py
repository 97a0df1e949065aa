"""Stains: cells of a pathologist's report, read as intervals on the scale of their score.

PD-L1 is reported as a number, a range (``1-49%``), a bound (``>=50``), or a word; the interval is kept, never its
middle. TPS (share of tumour cells) and CPS (stained cells of any kind per 100 tumour cells) are different scores.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from theracast.checks import INFINITE, UNKNOWN, Problem
from theracast.features.cohort import Cohort
from theracast.features.columns import texts_of

#: Top of each score.
TOP = {"level": 3.0, "tps": 100.0, "cps": 100.0, "binary": 1.0, "phenotype": 2.0, "percent": 100.0, "density": 50_000.0}
#: Words of a unit, and of a cell, that say which score it is.
_KINDS = {
    "pdl1": {
        r"\btps\b|tumou?r proportion": "tps",
        r"\bcps\b|combined positive": "cps",
        r"\(0/1\)": "binary",
        r"\blevel\b|\bic\b|\bic(?=[0-3])": "level",
    },
    "til": {r"phenotype": "phenotype", r"density|/mm": "density", r"%|percent": "percent"},
}
_PHENOTYPES = {"desert": 0.0, "excluded": 1.0, "inflamed": 2.0}
_NUMBER = r"(\d+(?:\.\d*)?|\.\d+)"
_RANGE = re.compile(rf"{_NUMBER}(?:-|to){_NUMBER}")
_PLAIN = re.compile(rf"[+-]?{_NUMBER}(?:e[+-]?\d{{1,3}})?")
_BOUND = re.compile(rf"(<=|>=|<|>|=){_NUMBER}|{_NUMBER}\+")


@dataclass(frozen=True)
class Stains:
    """One stain of every patient.

    Attributes
    ----------
    low, high : Series of float64
        The interval, in the units of the score; equal where a number was given, NaN where nothing is known.
    kinds : Series of str
        ``tps``, ``cps``, ``level``, ``binary``; ``phenotype``, ``density``, ``percent``; empty where nothing says.
    percent : Series of bool
        Whether the cell itself says that it is a percentage.
    problems : list of Problem
        Cells that could not be read, or that name another score than the unit does.

    Examples
    --------
    >>> Stains(*[pd.Series([1.0])] * 4, []).low.tolist()
    [1.0]
    """

    low: pd.Series
    high: pd.Series
    kinds: pd.Series
    percent: pd.Series
    problems: list[Problem]

    @property
    def ranged(self) -> pd.Series:
        """Say where a range was given, not a number.

        Returns
        -------
        Series of bool
            False where nothing is known.

        Examples
        --------
        >>> one, two, no = pd.Series([1.0]), pd.Series([49.0]), pd.Series([False])
        >>> Stains(one, two, pd.Series(["tps"]), no, []).ranged.tolist()
        [True]
        """
        return self.low < self.high


def read_cell(text: str, kind: str) -> tuple[float, float] | None:
    """Read one cell as an interval.

    Parameters
    ----------
    text : str
        As reported: ``"60"``, ``"1-49%"``, ``">=50"``, ``"<1%"``, ``"negative"``, ``"IC2+"``, ``"inflamed"``.
    kind : str
        Of the score, a key of `TOP`; empty when it is not known.

    Returns
    -------
    tuple of float or None
        Lower and upper end; None when the text is not understood.

    Examples
    --------
    >>> read_cell("1-49%", "tps"), read_cell("≥50%", "tps"), read_cell("<1%", "cps"), read_cell("1,5", "tps")
    ((1.0, 49.0), (50.0, 100.0), (0.0, 1.0), None)
    """
    word = re.sub(r"\b(?:tps|cps|score|level)\b|\bic(?=[\s0-3]|$)|[%\s:]", "", text.lower())
    for old, new in (("≥", ">="), ("≤", "<="), ("=>", ">="), ("=<", "<="), ("–", "-"), ("—", "-"), ("−", "-")):
        word = word.replace(old, new)
    top, graded = TOP.get(kind, np.inf), kind in ("level", "binary")
    if word in _PHENOTYPES and kind == "phenotype":
        return _PHENOTYPES[word], _PHENOTYPES[word]
    if word in ("negative", "neg", "positive", "pos") and kind in ("tps", "cps", "level", "binary"):
        if word.startswith("neg"):
            return 0.0, 0.0 if graded else 1.0
        return 1.0, top
    if _PLAIN.fullmatch(word):
        return float(word), float(word)
    found = _RANGE.fullmatch(word)
    if found:
        low, high = float(found[1]), float(found[2])
        return (low, high) if low <= high else None
    found = _BOUND.fullmatch(word)
    if found is None:
        return None
    sign, value = found[1] or "+", float(found[2] or found[3])
    if "<" in sign:
        return 0.0, value
    if sign == "=" or (sign == "+" and kind == "level"):
        return value, value
    return value, max(top, value)


def read_stains(cohort: Cohort, tables: Sequence[str], name: str) -> Stains:
    """Read a stain of every patient.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    tables : sequence of str
        Where to look for the column ``name`` and its unit ``<name>_unit``.
    name : {"pdl1", "til"}
        Which stain.

    Returns
    -------
    Stains
        Intervals; what could not be read is a problem by row, and NaN.

    Examples
    --------
    >>> table = pd.DataFrame({"pdl1": ["TPS 1-49%", "5"], "pdl1_unit": [None, "22C3 CPS"]}, index=["a", "b"])
    >>> got = read_stains(Cohort.from_tables({"pathology": table}), ["pathology"], "pdl1")
    >>> got.kinds.tolist(), got.high.tolist()
    (['tps', 'cps'], [49.0, 5.0])
    """
    where, cells = cohort.column(name, tables)
    units = texts_of(cohort, f"{name}_unit", tables)
    kinds = units.map(lambda u: _kind(u.lower(), name))
    if pd.api.types.is_numeric_dtype(cells):
        numbers = pd.Series(cells.to_numpy(dtype=np.float64, na_value=np.nan), cells.index)
        infinite = np.abs(numbers.to_numpy()) >= INFINITE
        numbers = numbers.mask(infinite) if infinite.any() else numbers
        found = [("THX-D11", "holds infinite values; leave unknown cells empty", infinite)]
        said = pd.Series(kinds.read(str), cells.index, dtype=object)
        return Stains(numbers, numbers, said, pd.Series(False, cells.index), _problems(where, found))
    text = texts_of(cohort, name, tables).map(str.strip)
    # every different cell under every different unit is judged once
    pairs, kept = pd.factorize(text.codes * len(kinds.cells) + kinds.codes)
    judged = [_judged(text.cells[k // len(kinds.cells)], kinds.cells[k % len(kinds.cells)], name) for k in kept]
    columns = (
        np.array([j[i] for j in judged], dtype=t)[pairs] for i, t in enumerate((float, float, object, *[bool] * 4))
    )
    low, high, kind, percent, lost, clash, odd = columns
    found = [
        ("THX-D13", "holds text that is no number, range (1-49%), bound (>=50, <1) or word of its score; write one of "
         "these, with a decimal point, or leave the cell empty", lost),
        ("THX-D14", f"names another score than {name}_unit does (TPS is not CPS); correct one of the two", clash),
        ("THX-D14", f"holds '%' under a score that is no percentage; correct the cell or {name}_unit", odd),
    ]  # fmt: skip
    low, high, percent = (pd.Series(v, cells.index) for v in (low, high, percent))
    return Stains(low, high, pd.Series(kind, cells.index, dtype=object), percent, _problems(where, found))


def _judged(text: str, kind: str, name: str) -> tuple[float, float, str, bool, bool, bool, bool]:
    """Read a cell under the score that its unit names: its ends, score, and '%'; whether it is lost, at odds or odd."""
    known, said = text.lower() not in UNKNOWN, _kind_of_cell(text.lower(), name)
    clash = known and "" not in (said, kind) and said != kind
    kind = kind or said
    percent = known and "%" in text
    odd = percent and kind not in ("tps", "percent", "")
    ends = read_cell(text, kind) if known and not clash and not odd else (np.nan, np.nan)
    return *(ends or (np.nan, np.nan)), kind, percent, ends is None, clash, odd


def _problems(where: str, found: list[tuple[str, str, np.ndarray]]) -> list[Problem]:
    return [Problem(c, where, what, tuple(int(i) for i in np.flatnonzero(r))) for c, what, r in found if np.any(r)]


def _kind(unit: str, name: str) -> str:
    return next((kind for pattern, kind in _KINDS[name].items() if re.search(pattern, unit)), "")


def _kind_of_cell(text: str, name: str) -> str:
    """Name the score that the cell itself names; '%' alone names none."""
    if name == "til":
        return "phenotype" if text in _PHENOTYPES else ""
    return _kind(text, name)
