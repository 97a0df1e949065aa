"""Columns of a cohort, brought to its patients and read once however often they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.texts import Texts

if TYPE_CHECKING:
    from theracast.features.cohort import Cohort

_RESPONSE = {"r": 1.0, "nr": 0.0, "1": 1.0, "0": 0.0, "1.0": 1.0, "0.0": 0.0, "response": 1.0, "no_response": 0.0}


def column_of(cohort: Cohort, name: str, tables: Sequence[str]) -> tuple[str, pd.Series]:
    """Find a column in the first table that holds it: the work of `Cohort.column`.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    name : str
        Column name.
    tables : sequence of str
        Where to look, in this order.

    Returns
    -------
    where : str
        ``"<table>:<column>"``.
    values : Series
        One value per patient.

    Examples
    --------
    >>> from theracast.features.cohort import Cohort
    >>> column_of(Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, index=["p1"])}), "age", ["clinical"])[0]
    'clinical:age'
    """
    for table in tables:
        if table in cohort.tables and name in cohort.tables[table].columns:
            values = cohort.tables[table][name]
            mine = values.set_axis(cohort.ids) if aligned(cohort, table) else values.reindex(cohort.ids)
            return f"{table}:{name}", mine
    return f"{tables[0]}:{name}", pd.Series(np.nan, index=cohort.ids)


def texts_of(cohort: Cohort, name: str, tables: Sequence[str]) -> Texts:
    """Read a column as text; the second time it is remembered.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    name : str
        Column name.
    tables : sequence of str
        Where to look, in this order.

    Returns
    -------
    Texts
        One per patient, as it was written; empty when no table has the column.

    Examples
    --------
    >>> from theracast.features.cohort import Cohort
    >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"sex": ["F "]}, index=["p1"])})
    >>> texts_of(c, "sex", ["clinical"]).tolist()
    ['F ']
    """
    key = ("texts", name, *tables)
    if key not in cohort.known:
        there = any(t in cohort.tables and name in cohort.tables[t].columns for t in tables)
        cohort.known[key] = Texts.of(cohort.column(name, tables)[1]) if there else Texts.nothing(len(cohort))
    found: Texts = cohort.known[key]
    return found


def aligned(cohort: Cohort, table: str) -> bool:
    """Say whether a table has the patients, all of them, in order: then nothing is to be looked up.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    table : str
        One of its tables.

    Returns
    -------
    bool
        Ids are compared once.

    Examples
    --------
    >>> from theracast.features.cohort import Cohort
    >>> aligned(Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, index=["p1"])}), "clinical")
    True
    """
    key = ("aligned", table)
    if key not in cohort.known:
        index = cohort.tables[table].index
        alike = [k[1] for k, same in cohort.known.items() if k[0] == "aligned" and same is True]
        shared = any(cohort.tables[t].index.is_(index) for t in alike)
        cohort.known[key] = shared or bool(index.equals(cohort.ids))
    return cohort.known[key] is True


def hand_down(cohort: Cohort, part: Cohort) -> None:
    """Let a part of a cohort know what was read of the whole.

    Parameters
    ----------
    cohort, part : Cohort
        The part has some of its patients.

    Examples
    --------
    >>> from theracast.features.cohort import Cohort
    >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"sex": ["F", "M"]}, index=["p1", "p2"])})
    >>> _ = texts_of(c, "sex", ["clinical"])
    >>> part = c.subset(["p2"])
    >>> [v.tolist() for k, v in part.known.items() if k[0] == "texts"]
    [['M']]
    """
    if part.tables is cohort.tables:
        part.known.update(cohort.known)
        return
    kept = {k: v for k, v in cohort.known.items() if isinstance(v, Texts)}
    rows = cohort.ids.get_indexer(part.ids) if kept else np.zeros(0, dtype=np.intp)
    part.known.update({k: v.take(rows) for k, v in kept.items()})


def response_of(cohort: Cohort) -> pd.Series:
    """Read the labels: the work of `Cohort.response`.

    Parameters
    ----------
    cohort : Cohort
        Patients.

    Returns
    -------
    Series of float64
        1.0 responded, 0.0 did not, NaN unknown.

    Raises
    ------
    DataError
        THX-D15 on any other word.

    Examples
    --------
    >>> from theracast.features.cohort import Cohort
    >>> response_of(Cohort.from_tables({"clinical": pd.DataFrame({"response": ["R"]}, index=["a"])})).tolist()
    [1.0]
    """
    words = texts_of(cohort, "response", ["clinical"]).map(lambda text: text.strip().lower())
    odd = ~words.isin({"", *_RESPONSE})
    if odd.any():
        raise DataError(
            "response holds other words than R and NR",
            code="THX-D15",
            where=cohort.column("response", ["clinical"])[0],
            fix="Write R, NR or leave empty.",
        )
    return pd.Series(
        words.read(lambda word: _RESPONSE.get(word, np.nan), np.float64), index=cohort.ids, name="response"
    )
