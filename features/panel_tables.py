"""Panels of proteins or metabolites as tables: units, logarithms and limits of detection."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from theracast.checks import Problem, listed
from theracast.features.censored import declared, read_cells
from theracast.features.cohort import Cohort
from theracast.features.symbols import harmonise

#: log2 of nothing that is measured is greater.
LOG_MOST = 64.0

UNIT = "unit"
_ZERO_BELOW = "below detection"
_ZERO = "holds zeros, which have no logarithm; if 0 means below detection, declare 'zeros: below detection'"
_NEGATIVE = "holds negative values in a linear unit; are these logarithms or z-scores?"
_LARGE = "holds values over 64 in a logarithmic unit; are these linear?"


@dataclass(frozen=True)
class Unit:
    """How a unit is read.

    Attributes
    ----------
    quantity : str
        What is kept: ``NPX``, ``intensity``, ``pg/mL`` or ``umol/L``; units of one quantity convert.
    factor : float
        Times this gives the quantity's own unit.
    logged : bool
        Whether values are logarithms to base 2 already.

    Examples
    --------
    >>> UNITS["ng/ml"].factor
    1000.0
    """

    quantity: str
    factor: float = 1.0
    logged: bool = False

    @property
    def kept(self) -> str:
        """Unit of the values that are kept.

        Returns
        -------
        str
            NPX is a logarithm already.

        Examples
        --------
        >>> Unit("pg/mL").kept
        'log2 pg/mL'
        """
        return self.quantity if self.quantity == "NPX" else f"log2 {self.quantity}"


UNITS: dict[str, Unit] = {
    "npx": Unit("NPX", logged=True),
    "intensity": Unit("intensity"),
    "log2 intensity": Unit("intensity", logged=True),
    **{u: Unit("pg/mL", f) for u, f in {"pg/ml": 1.0, "ng/l": 1.0, "ng/ml": 1e3, "ug/l": 1e3, "ug/ml": 1e6}.items()},
    **{u: Unit("pg/mL", f) for u, f in {"mg/l": 1e6, "mg/ml": 1e9, "g/l": 1e9}.items()},
    **{u: Unit("umol/L", f) for u, f in {"umol/l": 1.0, "um": 1.0, "nmol/l": 1e-3, "nm": 1e-3, "mmol/l": 1e3}.items()},
    "log2 pg/ml": Unit("pg/mL", logged=True),
    "log2 umol/l": Unit("umol/L", logged=True),
}


def unit_word(text: object) -> str:
    """Write a unit as `UNITS` does.

    Parameters
    ----------
    text : object
        As declared.

    Returns
    -------
    str
        Lower case, micro as u, single blanks.

    Examples
    --------
    >>> unit_word(" µmol/L ")
    'umol/l'
    """
    return " ".join(str(text).lower().replace("µ", "u").replace("μ", "u").split())


@dataclass(frozen=True)
class Panel:
    """A panel read from a cohort.

    Attributes
    ----------
    values : DataFrame of shape (n_patients, n_analytes)
        Logarithms to base 2, or the limit's where the cell gives one; columns sorted by name.
    sides : DataFrame of int8
        -1 below a limit, 1 above one.
    units : Series of str
        Word of `UNITS` of each patient; empty where nothing is known.
    assumed : Series of bool
        The patient's unit was not declared.
    renamed : dict of str to str
        Genes that stood under another name: approved symbol to the name given.
    problems : list of Problem
        What is wrong.

    Examples
    --------
    >>> table = pd.DataFrame({"IL6": [8.0], "unit": ["pg/mL"]}, index=["p"])
    >>> read_panel(Cohort.from_tables({"proteins": table}), "proteins").values["IL6"].tolist()
    [3.0]
    """

    values: pd.DataFrame
    sides: pd.DataFrame
    units: pd.Series
    assumed: pd.Series
    renamed: dict[str, str]
    problems: list[Problem]


def read_panel(cohort: Cohort, table: str, trained: str = "", zero_below: bool = False, genes: bool = False) -> Panel:
    """Read a panel: every value as a logarithm, with its side of the limit where it is beyond one.

    The unit is what column ``unit`` says of the patient, else ``units.yaml`` of the table, else the unit of
    training. Without any of these, a table with values over 64 and none below 0 is a linear intensity; all else could
    be logarithms or not, and is refused.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    table : str
        Name of the table.
    trained : str, default ""
        Word of `UNITS` of the training patients.
    zero_below : bool, default False
        Whether 0 in a linear unit is below detection, also where ``units.yaml`` does not say ``zeros: below
        detection``; else it is refused, having no logarithm.
    genes : bool, default False
        Whether columns are genes: known by their approved symbols then (`theracast.features.symbols.harmonise`).

    Returns
    -------
    Panel
        With problems; what they concern is NaN.

    Examples
    --------
    >>> table = pd.DataFrame({"IL6": [1.2, 3.4]}, index=["a", "b"])
    >>> print(read_panel(Cohort.from_tables({"proteins": table}), "proteins").problems[0].code)
    THX-D16
    """
    given = cohort.table(table)
    given = given.rename(columns=lambda c: " ".join(str(c).split()))
    cells = given.drop(columns=UNIT, errors="ignore")
    twice = cells.columns[cells.columns.duplicated()].unique()
    problems = []
    if len(twice):
        what = f"names that are the same but for blanks: {listed(twice)}; keep one of each"
        problems.append(Problem("THX-D03", table, what))
        cells = cells.loc[:, ~cells.columns.duplicated()]
    found = harmonise(cells.columns).mapping if genes and len(cells.columns) else {}
    cells = cells.rename(columns=found)
    cells = cells[sorted(cells.columns)]
    readings = read_cells(cells, table, **declared(cohort.units))
    values = readings.values.to_numpy()
    sides = readings.censored.copy()
    known = ~np.isnan(values) | (sides != 0)
    units, assumed, wrong = _units(cohort, table, given, values, known.any(axis=1), trained)
    problems += readings.problems + wrong
    logged = units.map(lambda u: u in UNITS and UNITS[u].logged).to_numpy(dtype=bool)[:, None]
    factor = units.map(lambda u: UNITS[u].factor if u in UNITS else np.nan).to_numpy(dtype=np.float64)[:, None]
    zero = ~logged & (values == 0)
    if zero_below or unit_word(cohort.units.get("zeros", "")) == _ZERO_BELOW:
        sides[zero] = -1
        zero_rows = np.zeros(len(values), dtype=bool)
    else:
        zero_rows = zero.any(axis=1)
    for code, rows, what in (
        ("THX-D13", zero_rows, _ZERO),
        ("THX-D05", (~logged & (values < 0)).any(axis=1), _NEGATIVE),
        ("THX-D05", (logged & (values > LOG_MOST)).any(axis=1), _LARGE),
    ):  # fmt: skip
        if rows.any():
            problems.append(Problem(code, table, what, _positions(rows)))
    with np.errstate(divide="ignore", invalid="ignore"):
        linear = np.log2(np.where(values > 0, values * factor, np.nan))
    values = np.where(logged & (values <= LOG_MOST), values, np.where(logged, np.nan, linear))
    values[units.eq("").to_numpy()] = np.nan
    return Panel(
        pd.DataFrame(values, cells.index, cells.columns),
        pd.DataFrame(sides, cells.index, cells.columns),
        units,
        assumed,
        {new: old for old, new in found.items()},
        problems,
    )


def _units(
    cohort: Cohort, table: str, given: pd.DataFrame, values: np.ndarray, known: np.ndarray, trained: str
) -> tuple[pd.Series, pd.Series, list[Problem]]:
    """Say each patient's unit, whether it was taken on trust, and what is wrong with it."""
    words = given[UNIT] if UNIT in given else pd.Series(np.nan, index=given.index, dtype=object)
    units = words.astype(object).where(words.notna(), "").map(unit_word)
    units = units.where(units != "", unit_word(cohort.units.get(table, "")))
    open_ = units.eq("").to_numpy() & known
    problems = []
    if open_.any() and not trained:
        seen = values[open_]
        if (np.nan_to_num(seen) >= 0).all() and (np.nan_to_num(seen) > LOG_MOST).any():
            trained = "intensity"
        else:
            what = (
                "has no declared unit, and its values could be logarithms or not; declare it in units.yaml "
                f"('{table}: pg/mL', 'NPX', 'intensity' or 'log2 intensity') or in a column 'unit'"
            )
            problems.append(Problem("THX-D16", table, what, _positions(open_)))
    units = units.mask(open_, trained).where(known, "")
    strange = ~units.isin(["", *UNITS]).to_numpy()
    if strange.any():
        what = f"is in a unit that is not known; known are {', '.join(UNITS)}"
        problems.append(Problem("THX-D16", f"{table}:{UNIT}", what, _positions(strange)))
    units = units.mask(strange, "")
    quantities = units.map(lambda u: UNITS[u].quantity if u else "")
    wanted = UNITS[trained].quantity if trained else next((q for q in sorted(quantities.unique()) if q), "")
    other = ~quantities.isin(["", wanted]).to_numpy()
    if other.any():
        what = f"is in another quantity than {wanted}; these do not convert into each other"
        problems.append(Problem("THX-D16", f"{table}:{UNIT}", what, _positions(other)))
    return units, pd.Series(open_, index=units.index) & units.ne(""), problems


def feature_name(name: str) -> str:
    """Make a name fit for a feature: two underscores part blocks from features, brackets trouble tree models.

    Parameters
    ----------
    name : str
        Of a column.

    Returns
    -------
    str
        Readable, one line.

    Examples
    --------
    >>> feature_name("s__X [1]")
    's_X (1)'
    """
    return re.sub(r"_{2,}", "_", name.translate(str.maketrans("[]<>", "()()"))).strip("_ ")


def _positions(mask: np.ndarray) -> tuple[int, ...]:
    return tuple(int(i) for i in np.flatnonzero(mask))
