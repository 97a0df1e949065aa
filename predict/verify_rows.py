"""Lines of a score file, and the rows of the input at which they were read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from theracast.features.intake import keyed_by_patient
from theracast.predict.stream_source import WideSource

#: What Arrow and pandas raise of bytes that are no Parquet, no number or no text.
UNREADABLE = (OSError, ValueError, LookupError, MemoryError, NotImplementedError, pa.ArrowException)


def read_lines(file: pq.ParquetFile, lines: np.ndarray) -> tuple[pd.DataFrame, list[str]]:
    """Read some lines, only from the row groups that hold them.

    Parameters
    ----------
    file : ParquetFile
        The scores.
    lines : ndarray of int64
        Lines (from 0), ascending.

    Returns
    -------
    table : DataFrame
        Indexed by line.
    unread : list of str
        Columns that no longer read, and the rows of them.

    Examples
    --------
    >>> import io
    >>> held = io.BytesIO()
    >>> pd.DataFrame({"set": ["both", "neither"]}).to_parquet(held)
    >>> read_lines(pq.ParquetFile(held), np.array([1]))[0].set.to_dict()
    {1: 'neither'}
    """
    ends = np.cumsum([0, *(file.metadata.row_group(k).num_rows for k in range(file.num_row_groups))])
    found, unread = [], []
    for group in np.unique(np.searchsorted(ends, lines, side="right") - 1):
        mine = lines[(lines >= ends[group]) & (lines < ends[group + 1])]
        part = {}
        for name in file.schema_arrow.names:
            try:
                cells = file.read_row_group(int(group), columns=[name]).column(0).take(mine - ends[group])
                part[name] = cells.to_pandas().to_numpy()
            except UNREADABLE:
                unread.append(f"column {name} of rows {ends[group] + 1:,} to {ends[group + 1]:,}")
        found.append(pd.DataFrame(part, index=mine))
    return (pd.concat(found) if found else pd.DataFrame(columns=file.schema_arrow.names)), unread


def cells_of(path: Path, rows: int, column: str = "patient_id") -> pd.Series:
    """Read what tells the lines apart: by default the patient of every line.

    Parameters
    ----------
    path : Path
        The scores.
    rows : int
        Lines in it.
    column : str, default "patient_id"
        Of text.

    Returns
    -------
    Series of str, shape (rows,)
        Empty strings where the column no longer reads.

    Examples
    --------
    >>> cells_of(Path("no/such.parquet"), 2).tolist()
    ['', '']
    """
    try:
        ids = pq.read_table(path, columns=[column]).column(0).to_pandas().fillna("").astype(str)
    except UNREADABLE:
        return pd.Series([""] * rows, dtype=str)
    return ids.set_axis(np.arange(len(ids)))


def occurrences(ids: pd.Index | pd.Series) -> pd.MultiIndex:
    """Count the rows of each patient, who may stand in several.

    Parameters
    ----------
    ids : Index or Series of str
        One per row.

    Returns
    -------
    MultiIndex
        Patient, and how many rows of the same patient come before; no two are equal.

    Examples
    --------
    >>> occurrences(pd.Index(["a", "b", "a"])).tolist()
    [('a', 0), ('b', 0), ('a', 1)]
    """
    held = pd.Series(np.asarray(ids, dtype=object))
    return pd.MultiIndex.from_arrays([held, held.groupby(held).cumcount()])


def rows_by_place(rejects: Path, told: int | None, rows: int) -> np.ndarray | None:
    """Say at which row of the input each line was read, by the rows that were refused.

    Parameters
    ----------
    rejects : Path
        Refused rows; not there when there were none.
    told : int or None
        How many there were.
    rows : int
        Rows of the input.

    Returns
    -------
    ndarray of int64 or None
        Row (from 0) of each line; None where the rejects are not those that were told of.

    Examples
    --------
    >>> rows_by_place(Path("no/such.parquet"), 0, 3).tolist()
    [0, 1, 2]
    """
    gone = np.zeros(0, dtype=np.int64)
    if rejects.exists():
        try:
            gone = pq.read_table(rejects, columns=["row"]).column(0).to_numpy() - 1
        except UNREADABLE:
            return None
    good = gone.dtype.kind == "i" and len(np.unique(gone)) == len(gone) == told
    if not good or (len(gone) and (gone.min() < 0 or gone.max() >= rows)):
        return None
    return np.delete(np.arange(rows), gone)


def rows_by_id(source: WideSource, ids: pd.Series, lines: np.ndarray) -> pd.Series:
    """Find the row of each line by its patient.

    Parameters
    ----------
    source : WideSource
        The input.
    ids : Series of str
        Of all lines of the file.
    lines : ndarray of int64
        Those that are wanted.

    Returns
    -------
    Series of int64
        Line (its index) to row (from 0), ascending; a line of whom there is no row is not in it.

    Examples
    --------
    >>> wide = pd.DataFrame({"patient_id": ["b", "a", "b"]})
    >>> source = WideSource("memory", 3, "", lambda start: iter([wide.iloc[start:]]), ("patient_id",))
    >>> rows_by_id(source, pd.Series(["a", "b", "b", "c"]), np.array([0, 2, 3])).to_dict()
    {0: 1, 2: 2}
    """
    wanted, names, rows, start = set(ids.iloc[lines]) - {""}, [], [], 0
    for frame in source.ids():
        table = frame[["patient_id"]] if "patient_id" in frame else frame.iloc[:, :0]
        here = keyed_by_patient(table, "wide table").index
        at = np.flatnonzero(here.isin(wanted))
        names.append(here[at].to_numpy(dtype=object))
        rows.append(start + at)
        start += len(frame)
    place = (
        occurrences(np.concatenate(names)).get_indexer(occurrences(ids)[lines]) if names else np.full(len(lines), -1)
    )
    known = np.flatnonzero(place >= 0)
    found = pd.Series(np.concatenate(rows)[place[known]] if names else [], index=lines[known], dtype=np.int64)
    return found.sort_values()
