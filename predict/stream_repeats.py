"""Who stands in a long table more than once: found by digests of the ids, judged by the rows themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.features.cohort import Cohort
from theracast.features.intake import keyed_by_patient
from theracast.predict.stream_source import WideSource

#: Repeated rows that are held at a time to be compared.
MOST = 1_000_000
_CONFLICT = "THX-D17"


@dataclass(frozen=True)
class Repeats:
    """What the whole table says of rows that share an id.

    Attributes
    ----------
    first : dict of int to int
        Row (from 0) of a repeat to the first row of the same patient.
    conflicts : dict of int to (str, str)
        Row to patient and reason, where the rows of a patient differ.

    Examples
    --------
    >>> Repeats().first
    {}
    """

    first: dict[int, int] = field(default_factory=dict)
    conflicts: dict[int, tuple[str, str]] = field(default_factory=dict)


def find_repeats(source: WideSource, units: Mapping[str, str]) -> Repeats:
    """Read the ids of a table, and the rows of those that occur more than once.

    Eight bytes a row are kept in memory; two ids with one digest are told apart by their rows.

    Parameters
    ----------
    source : WideSource
        The table.
    units : mapping of str to str
        Declared units.

    Returns
    -------
    Repeats
        As `Cohort.roster` would have it of the whole table.

    Raises
    ------
    DataError
        THX-D17 when more than `MOST` rows repeat an id.

    Examples
    --------
    >>> frame = pd.DataFrame({"patient_id": ["a", "b", "a"], "clinical:age": [61.0, 48.0, 61.0]})
    >>> find_repeats(WideSource("memory", 3, "", lambda start: iter([frame.iloc[start:]]), ()), {}).first
    {2: 0}
    """
    marks = np.empty(source.rows, dtype=np.uint64)
    at = 0
    for frame in source.ids():
        part = _marks(frame)
        marks[at : at + len(part)] = part
        at += len(part)
    order = np.sort(marks)
    again = np.unique(order[1:][order[1:] == order[:-1]])
    again = again[again != _mark(np.array([""], dtype=object))[0]]  # rows without an id are refused one by one
    rows = np.flatnonzero(np.isin(marks, again)) if again.size else np.zeros(0, dtype=np.int64)
    if not rows.size:
        return Repeats()
    if rows.size > MOST:
        raise DataError(
            "ids are not of patients: too many repeat",
            code=_CONFLICT,
            where=source.name,
            got=f"{rows.size} of {source.rows} rows share an id with another",
            wanted=f"one row per patient, at most {MOST} repeats",
            fix="Name the column of patients 'patient_id'.",
        )
    wide = pd.concat([f.iloc[np.flatnonzero(np.isin(_marks(f), again))] for f in source.read(0)])
    roster = Cohort.from_wide(wide, units=units).roster
    first, conflicts = {}, {}
    for k, (i, before, code, reason) in enumerate(roster.itertuples(index=False)):
        row = int(rows[k])
        if before >= 0:
            first[row] = int(rows[before])
        elif code == _CONFLICT:
            conflicts[row] = (i, reason)
    return Repeats(first, conflicts)


def _marks(frame: pd.DataFrame) -> np.ndarray:
    table = frame[["patient_id"]] if "patient_id" in frame.columns else frame.iloc[:, :0]
    return _mark(keyed_by_patient(table, "wide table").index.to_numpy(dtype=object))


def _mark(ids: np.ndarray) -> np.ndarray:
    return pd.util.hash_array(ids, categorize=False)
