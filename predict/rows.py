"""What becomes of every row read: used, a repeat, or refused with its code."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.errors import DataError
from theracast.features.cohort import Cohort


def usable_rows(cohort: Cohort, problems: Sequence[Problem], strict: bool = False) -> tuple[Cohort, pd.DataFrame]:
    """Part the patients that can be read from those that are refused.

    Parameters
    ----------
    cohort : Cohort
        As read.
    problems : sequence of Problem
        What the blocks of a model found wrong.
    strict : bool, default False
        Whether one refused row stops everything.

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
    if strict and (roster.code != "").any():
        first = roster[roster.code != ""].iloc[0]
        raise DataError(
            first.reason,
            code=first.code,
            where=f"row {first.name + 1}",
            fix="Correct the row, or leave out --strict.",
        )
    return cohort.subset(roster.patient_id[(roster.code == "") & (roster.repeats < 0)]), roster


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
    for i, (code, reason) in refused.items():
        mine = (roster.patient_id == i) & (roster.code == "")
        roster.loc[mine, ["code", "reason"]] = [code, reason]
    return roster
