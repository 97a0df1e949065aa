"""Tables of a microbial community: counts or shares, found by their sums, checked row by row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.features.censored import declared, read_cells
from theracast.features.cohort import Cohort
from theracast.features.panel_tables import unit_word
from theracast.features.taxa import add_up, leaves

#: What a sample adds up to under each unit.
UNITS = {"counts": np.nan, "fraction": 1.0, "percent": 100.0}
_WORDS = {
    "count": "counts",
    "reads": "counts",
    "fractions": "fraction",
    "relative abundance": "fraction",
    "%": "percent",
}
#: How far shares may add up from their whole: rounding, and what MetaPhlAn leaves unassigned is declared.
_ROUNDING = 0.02


@dataclass(frozen=True)
class Community:
    """A community table read from a cohort.

    Attributes
    ----------
    shares : DataFrame of shape (n_patients, n_taxa)
        Parts of 1, columns sorted; NaN for a patient without a sample. A taxon that the row leaves empty is 0.
    depth : Series
        Reads of each sample; NaN where shares were given.
    counts : DataFrame
        As given, where counts; NaN elsewhere.
    blank : Series of int
        Taxa that the row leaves empty.
    problems : list of Problem
        What is wrong.

    Examples
    --------
    >>> table = pd.DataFrame({"g__A": [100, 900], "g__B": [300, 100]}, index=["p", "q"])
    >>> read_community(Cohort.from_tables({"microbiome": table})).depth.tolist()
    [400.0, 1000.0]
    """

    shares: pd.DataFrame
    depth: pd.Series
    counts: pd.DataFrame
    blank: pd.Series
    problems: list[Problem]


def read_community(cohort: Cohort, table: str = "microbiome") -> Community:
    """Read taxa: every sample as shares, with its depth where counts were given.

    The unit is what column ``unit`` says, else ``units.yaml``, else it is seen in the sample itself: whole numbers
    that add up to more than 102 are counts, others that add up to 1 or 100 (within 2%) are shares. All else is
    refused until it is declared.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    table : str, default "microbiome"
        Name of the table; columns are taxa, and perhaps ``unit``.

    Returns
    -------
    Community
        With problems; what they concern is NaN.

    Examples
    --------
    >>> table = pd.DataFrame({"g__A": [3.5], "g__B": [-1.0]}, index=["p"])
    >>> read_community(Cohort.from_tables({"microbiome": table})).problems[0].code
    'THX-D05'
    """
    given = cohort.table(table)
    given = given.rename(columns=lambda c: str(c).strip())
    cells = given.drop(columns="unit", errors="ignore")
    twice = cells.columns[cells.columns.duplicated()].unique()
    problems = []
    if len(twice):
        problems.append(Problem("THX-D03", table, f"{len(twice)} taxa occur more than once; add them up, or keep one"))
        cells = cells.loc[:, ~cells.columns.duplicated()]
    cells = cells[leaves(cells.columns)]
    readings = read_cells(cells, table, **declared(cohort.units))
    problems += readings.problems
    values = readings.values.to_numpy()
    # not detected, or fewer than so many: of a sequenced sample, that is zero
    values = np.where(readings.censored != 0, 0.0, values)
    known = ~np.isnan(values)
    there = known.any(axis=1)
    filled = np.where(known, values, 0.0)
    negative = (filled < 0).any(axis=1)
    whole = (filled % 1 == 0).all(axis=1)
    total = add_up(filled, list(range(filled.shape[1])))
    words = given["unit"] if "unit" in given else pd.Series(np.nan, index=given.index, dtype=object)
    units = words.astype(object).where(words.notna(), "").map(unit_word)
    units = units.where(units != "", unit_word(cohort.units.get(table, ""))).replace(_WORDS)
    seen = np.select([whole & (total > 100 * (1 + _ROUNDING)), _near(total, 1) & ~whole, _near(total, 100) & ~whole],
                     list(UNITS), "")  # fmt: skip
    units = units.where((units != "") | ~there, pd.Series(seen, index=units.index, dtype=object)).where(there, "")
    counted = units.eq("counts").to_numpy()
    over = total > units.map(UNITS).to_numpy(dtype=np.float64) * (1 + _ROUNDING)
    untold = there & ~negative & units.eq("").to_numpy()
    strange = ~units.isin(["", *UNITS]).to_numpy()
    for code, rows, what in (
        ("THX-D05", negative, "holds negative values; give counts or shares, not log-ratios"),
        ("THX-D16", strange, f"is in a unit that is not known; known are {', '.join(UNITS)}"),
        ("THX-D16", untold & (total > 0), "holds neither counts nor shares that add "
         f"up to 1 or 100; declare '{table}: counts', 'fraction' or 'percent'"),
        ("THX-D04", counted & ~whole, "is declared as counts and holds fractions of a read"),
        ("THX-D16", over & ~counted & ~strange, "adds up to more than its unit allows"),
    ):  # fmt: skip
        if rows.any():
            problems.append(Problem(code, table, what, tuple(np.flatnonzero(rows).tolist())))
    unread = np.zeros(len(values), dtype=bool)  # a cell that cannot be read leaves every share of its sample open
    for problem in readings.problems:
        unread[list(problem.rows)] = True
    usable = there & ~unread & ~negative & (total > 0) & units.isin([*UNITS]).to_numpy()
    shares = np.where(usable[:, None], filled, np.nan) / np.where(total > 0, total, 1.0)[:, None]
    kept = (usable & counted)[:, None]
    return Community(
        pd.DataFrame(shares, cells.index, cells.columns),
        pd.Series(np.where(there & counted, total, np.nan), index=cells.index),
        pd.DataFrame(np.where(kept, filled, np.nan), cells.index, cells.columns),
        pd.Series(np.where(there, (~known).sum(axis=1), 0), index=cells.index),
        problems,
    )


def _near(total: np.ndarray, whole: float) -> np.ndarray:
    return np.abs(total - whole) <= _ROUNDING * whole
