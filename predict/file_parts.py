"""The bytes of a Parquet file, part by part: which row group and column a changed byte belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow.parquet as pq

#: What is no column: the first bytes, what lies between columns, and the footer that says where they lie.
FRAME = "the frame of the file"
_STEP = 1 << 20


@dataclass(frozen=True)
class FilePart:
    """Bytes of a file that changed.

    Attributes
    ----------
    column : str
        Name of the column, or `FRAME`.
    group : int
        Row group (from 0); -1 of the frame.
    rows : tuple of int
        First and last row (from 1) of the group; (0, 0) of the frame.
    start, size : int
        Where the bytes begin, and how many there are.

    Examples
    --------
    >>> str(FilePart("probability", 1, (100001, 200000), 5000, 800))
    'column probability of rows 100,001 to 200,000 (bytes 5,000 to 5,799)'
    """

    column: str
    group: int
    rows: tuple[int, int]
    start: int
    size: int

    def __str__(self) -> str:
        what = self.column if self.group < 0 else f"column {self.column} of rows {self.rows[0]:,} to {self.rows[1]:,}"
        return f"{what} (bytes {self.start:,} to {self.start + self.size - 1:,})"


def file_parts(path: str | Path) -> dict[str, Any]:
    """Digest a Parquet file, each column of each row group apart; the file is read once.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    dict
        JSON-ready: ``sha256`` over the digests of the parts, which is not that of the bytes; ``columns``; ``rows`` of
        each row group; ``parts``, in the order of the file: column (its number, -1 for the frame), row group, first
        byte, bytes, and the first 16 characters of the digest.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> path = Path(tempfile.mkdtemp(), "s.parquet")
    >>> pd.DataFrame({"a": [1.0]}).to_parquet(path)
    >>> [part[0] for part in file_parts(path)["parts"]]
    [-1, 0, -1]
    """
    path, whole, parts = Path(path), sha256(), []
    layout = pq.read_metadata(path)
    groups = range(layout.num_row_groups)
    with path.open("rb") as file:
        for column, group, start, size in _segments(layout, path.stat().st_size):
            digest = _digest(file, start, size)
            whole.update(digest.encode())
            parts.append([column, group, start, size, digest[:16]])
    return {
        "sha256": whole.hexdigest(),
        "columns": list(layout.schema.names),
        "rows": [layout.row_group(k).num_rows for k in groups],
        "parts": parts,
    }


def changed_parts(path: str | Path, kept: Mapping[str, Any]) -> list[FilePart]:
    """Find the bytes of a file that are not those that were written.

    Parameters
    ----------
    path : str or Path
        The file, which need not be readable as Parquet.
    kept : mapping
        From `file_parts`.

    Returns
    -------
    list of FilePart
        Empty when all bytes are the same; bytes that were added belong to the frame.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> path = Path(tempfile.mkdtemp(), "s.parquet")
    >>> pd.DataFrame({"a": [1.0, 2.0]}).to_parquet(path, compression=None)
    >>> kept = file_parts(path)
    >>> _, first, _ = kept["parts"]
    >>> data = bytearray(path.read_bytes())
    >>> data[first[2] + first[3] - 1] ^= 1
    >>> _ = path.write_bytes(data)
    >>> [part.column for part in changed_parts(path, kept)]
    ['a']
    """
    path, found = Path(path), []
    size, ends = path.stat().st_size, _ends(kept["rows"])
    last = 0
    with path.open("rb") as file:
        for column, group, start, length, digest in kept["parts"]:
            last = start + length
            if _digest(file, start, length)[:16] != digest:
                name = kept["columns"][column] if column >= 0 else FRAME
                found.append(FilePart(name, group, ends[group] if group >= 0 else (0, 0), start, length))
    if size > last:
        found.append(FilePart(FRAME, -1, (0, 0), last, size - last))
    return found


def _segments(layout: pq.FileMetaData, size: int) -> Iterator[tuple[int, int, int, int]]:
    """Go through the file from the first byte to the last."""
    places = []
    for group in range(layout.num_row_groups):
        for column in range(layout.num_columns):
            chunk = layout.row_group(group).column(column)
            first = chunk.data_page_offset
            if chunk.has_dictionary_page and chunk.dictionary_page_offset is not None:
                first = min(first, chunk.dictionary_page_offset)
            places.append((first, chunk.total_compressed_size, column, group))
    at = 0
    for first, length, column, group in sorted(places):
        if first > at:
            yield -1, -1, at, first - at
        yield column, group, first, length
        at = first + length
    if size > at:
        yield -1, -1, at, size - at


def _ends(rows: Sequence[int]) -> list[tuple[int, int]]:
    found, at = [], 0
    for n in rows:
        found.append((at + 1, at + n))
        at += n
    return found


def _digest(file: BinaryIO, start: int, size: int) -> str:
    file.seek(start)
    found = sha256()
    while size > 0:
        block = file.read(min(_STEP, size))
        if not block:
            break
        found.update(block)
        size -= len(block)
    return found.hexdigest()
