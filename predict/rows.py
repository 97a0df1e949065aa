"""What becomes of every row read: used, a repeat, or refused with its code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.errors import DataError
from theracast.features.cohort import Cohort


@dataclass(frozen=True)
class Place:
    """Where the rows of a part stand in the table that it was cut from.

    Attributes
    ----------
    numbers : ndarray of int64, shape (n_rows,)
        Row (from 0) of the whole table.
    first : dict of int to int
        Of rows that repeat an earlier one, wherever that stands, its row.

    Examples
    --------
    >>> Place(np.array([7, 8])).numbers.tolist()
    [7, 8]
    """

    numbers: np.ndarray
    first: Mapping[int, int] = field(default_factory=dict)


def usable_rows(
    cohort: Cohort, problems: Sequence[Problem], strict: bool = False, place: Place | None = None
) -> tuple[Cohort, pd.DataFrame]:
    """Part the patients that can be read from those that are refused.

    Parameters
    ----------
    cohort : Cohort
        As read.
    problems : sequence of Problem
        What the blocks of a model found wrong.
    strict : bool, default False
        Whether one refused row stops everything.
    place : Place, optional
        Where the rows stand in a longer table; the roster is then indexed by it.

    Returns
    -------
    usable : Cohort
        Each patient once.
    roster : DataFrame
        One line per row read, as `Cohort.roster`.

    Raises
    ------
    DataError
        A column or table that is wrong as a whole; under `strict`, any row.

    Examples
    --------
    >>> cohort = Cohort.from_tables({"clinical": pd.DataFrame({"age": [61, -1]}, index=["a", "b"])})
    >>> usable, roster = usable_rows(cohort, [Problem("THX-D15", "clinical", "age is out of range", (1,))])
    >>> usable.ids.tolist(), roster.code.tolist()
    (['a'], ['', 'THX-D15'])
    """
    whole = [p for p in problems if not p.rows]
    if whole:
        more = f" ({len(whole) - 1} more)" if len(whole) > 1 else ""
        raise DataError(
            whole[0].what + more, code=whole[0].code, where=whole[0].where, fix="Correct the column or its unit."
        )
    roster = _marked(cohort, problems)
    if place is not None:
        roster.index = pd.Index(place.numbers)
    if strict and (roster.code != "").any():
        first = roster[roster.code != ""].iloc[0]
        raise DataError(
            first.reason,
            code=first.code,
            where=f"row {first.name + 1}",
            fix="Correct the row, or leave out --strict.",
        )
    usable = cohort.subset(roster.patient_id[((roster.code == "") & (roster.repeats < 0)).to_numpy()])
    if place is not None:
        roster["repeats"] = [place.first.get(int(row), -1) for row in place.numbers] if place.first else -1
    return usable, roster


def refused_rows(roster: pd.DataFrame) -> pd.DataFrame:
    """List the rows that were refused.

    Parameters
    ----------
    roster : DataFrame
        From `usable_rows`.

    Returns
    -------
    DataFrame
        ``row`` (from 1), ``patient_id``, ``code``, ``reason``.

    Examples
    --------
    >>> roster = pd.DataFrame({"patient_id": ["a", "b"], "code": ["", "THX-D15"], "reason": ["", "age is -1"]})
    >>> refused_rows(roster).row.tolist()
    [2]
    """
    refused = roster[roster.code != ""]
    return pd.DataFrame(
        {"row": refused.index + 1, "patient_id": refused.patient_id, "code": refused.code, "reason": refused.reason}
    ).reset_index(drop=True)


def _marked(cohort: Cohort, problems: Sequence[Problem]) -> pd.DataFrame:
    """Mark in the roster the rows that a block refuses; a repeat shares the fate of its first row."""
    roster = cohort.roster.copy()
    refused: dict[str, tuple[str, str]] = {}
    for problem in problems:
        for i in cohort.ids[np.asarray(problem.rows, dtype=int)]:
            refused.setdefault(i, (problem.code, f"{problem.where} {problem.what}"))
    if refused:
        rows = np.flatnonzero(roster.patient_id.isin(list(refused)).to_numpy() & (roster.code == "").to_numpy())
        said = [refused[i] for i in roster.patient_id.iloc[rows]]
        for k, column in enumerate(("code", "reason")):
            roster.iloc[rows, roster.columns.get_loc(column)] = [words[k] for words in said]
    return roster
