"""Wide tables that are too long to hold: read in order, a chunk at a time, with the types that the whole would have."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from theracast.errors import DataError, SetupError, UsageError
from theracast.predict.stream_csv import csv_frames, csv_types
from theracast.predict.stream_size import rows_at_once
from theracast.provenance import digest_json, sha256_file

_DUCKDB = "duckdb:"


@dataclass(frozen=True)
class WideSource:
    """A wide table of any length, its columns named ``<table>:<column>``.

    Attributes
    ----------
    name : str
        Where it is, for messages.
    rows : int
        How many.
    digest : str
        Of its bytes: the same digest, the same rows.
    read : callable
        Given a row (from 0), gives frames from that row on, of any length.
    columns : tuple of str
        Names of the columns.
    read_ids : callable, optional
        Gives all frames with little more than the ids, where that is quicker than `read`.

    Examples
    --------
    >>> frame = pd.DataFrame({"patient_id": ["a", "b"], "clinical:age": [61.0, 48.0]})
    >>> source = WideSource("memory", 2, "0" * 64, lambda start: iter([frame.iloc[start:]]), ("clinical:age",))
    >>> [len(part) for _, part in source.chunks(1)]
    [1, 1]
    """

    name: str
    rows: int
    digest: str
    read: Callable[[int], Iterator[pd.DataFrame]]
    columns: tuple[str, ...]
    read_ids: Callable[[], Iterator[pd.DataFrame]] | None = None

    def ids(self) -> Iterator[pd.DataFrame]:
        """Go through the table for its ids alone.

        Yields
        ------
        DataFrame
            As `read` gives them from row 0, with the column ``patient_id``, or the index, and maybe others.

        Examples
        --------
        >>> one = pd.DataFrame({"clinical:age": [61.0]}, index=["a"])
        >>> source = WideSource("memory", 1, "", lambda start: iter([one.iloc[start:]]), ())
        >>> [frame.index.tolist() for frame in source.ids()]
        [['a']]
        """
        yield from self.read_ids() if self.read_ids else self.read(0)

    def chunks(self, size: int, first: int = 0) -> Iterator[tuple[int, pd.DataFrame]]:
        """Go through the table by chunks of one size; the last may be shorter.

        Parameters
        ----------
        size : int
            Rows in a chunk.
        first : int, default 0
            Number of the first chunk wanted.

        Yields
        ------
        start : int
            Row (from 0) at which the chunk begins.
        frame : DataFrame
            The chunk; without a column ``patient_id`` its index is that of the whole table.

        Examples
        --------
        >>> one = pd.DataFrame({"clinical:age": [61.0, 48.0, 50.0]})
        >>> source = WideSource("memory", 3, "", lambda start: iter([one.iloc[start:]]), ())
        >>> [(start, len(part)) for start, part in source.chunks(2, first=1)]
        [(2, 1)]
        """
        start, held, n = first * size, [], 0
        for frame in self.read(start) if start < self.rows else ():
            held.append(frame)
            n += len(frame)
            while n >= size:
                whole = held[0] if len(held) == 1 else pd.concat(held)
                yield start, whole.iloc[:size]
                start, n = start + size, n - size
                held = [whole.iloc[size:]] if n else []
        if n:
            yield start, pd.concat(held)


def open_source(source: str | Path | ds.Dataset | WideSource) -> WideSource:
    """Find out what a wide table is: its rows, its columns, its digest.

    Parameters
    ----------
    source : str, Path, pyarrow.dataset.Dataset or WideSource
        A Parquet file, a folder of Parquet files, a CSV or TSV file, ``duckdb:<file>?table=<name>``, or a dataset.

    Returns
    -------
    WideSource
        Columns of whole numbers in which a cell is empty anywhere are float64 in every chunk, as in the whole table.

    Raises
    ------
    DataError
        THX-D33 when nothing is there, THX-D32 when a Parquet file cannot be read, THX-D31 when a CSV cannot.
    UsageError
        When DuckDB has no such table.
    SetupError
        THX-S06 when the package duckdb is missing.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp(), "wide.parquet")
    >>> pd.DataFrame({"patient_id": ["a"], "clinical:age": [61.0]}).to_parquet(path)
    >>> open_source(path).rows
    1
    """
    if isinstance(source, WideSource):
        return source
    if isinstance(source, ds.Dataset):
        return _from_dataset(source)
    if str(source).startswith(_DUCKDB):
        return _from_duckdb(str(source))
    path = Path(source)
    if not path.exists():
        raise DataError("no such table", code="THX-D33", where=str(path), wanted="a Parquet or CSV file, or a folder")
    if path.suffix in (".csv", ".tsv"):
        types, rows = csv_types(path)
        return WideSource(str(path), rows, sha256_file(path), lambda start: csv_frames(path, types, start), (*types,))
    return _from_parquet(path)


def _from_parquet(path: Path) -> WideSource:
    files = sorted(p for p in path.rglob("*.parquet") if p.is_file()) if path.is_dir() else [path]
    if not files:
        raise DataError("no Parquet file in the folder", code="THX-D33", where=str(path))
    try:
        # folders named <column>=<value> are columns, as pandas reads them
        data = ds.dataset([str(f) for f in files], format="parquet", partitioning=_partitions(path, files))
        rows = [pq.read_metadata(f).num_rows for f in files]
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(
            "the Parquet file cannot be read",
            code="THX-D32",
            where=str(path),
            got=type(error).__name__,
            fix="Copy it again and compare its size; it may be cut off.",
        ) from None
    digest = digest_json([[str(f.relative_to(path)) if f != path else "", sha256_file(f)] for f in files])
    ends = np.cumsum([0, *rows])

    def read(start: int, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
        fragments = list(data.get_fragments())
        for k in range(int(np.searchsorted(ends, start, side="right")) - 1, len(fragments)):
            skip = max(0, start - int(ends[k]))
            for group in fragments[k].row_groups:  # one at a time, or Arrow would fetch the whole file ahead
                if skip >= group.num_rows:
                    skip -= group.num_rows
                else:
                    part = fragments[k].subset(row_group_ids=[group.id])
                    yield from _after(_scan(part, data.schema, columns), skip)
                    skip = 0

    def read_ids() -> Iterator[pd.DataFrame]:
        for batch in read(0, ["patient_id"]):
            yield batch.to_pandas()

    source = _typed(str(path), digest, read, data.schema, int(ends[-1]))
    # where the ids are what pandas kept as its index, they are read with the rest
    kept = (data.schema.pandas_metadata or {}).get("index_columns", [])
    alone = data.schema.names.count("patient_id") == 1 and "patient_id" not in kept
    return replace(source, read_ids=read_ids) if alone else source


def _partitions(path: Path, files: list[Path]) -> Any:
    hive = path.is_dir() and any("=" in part for f in files for part in f.relative_to(path).parts[:-1])
    return ds.HivePartitioning.discover() if hive else None


def _from_dataset(data: ds.Dataset) -> WideSource:
    """Take any Arrow dataset; of one that is not made of files the rows themselves are digested."""
    files = sorted(map(str, getattr(data, "files", []) or []))
    if files and all(Path(f).is_file() for f in files):
        digest = digest_json([sha256_file(f) for f in files])
    else:
        total = hashlib.sha256(data.schema.serialize())
        for batch in _scan(data, data.schema):
            total.update(batch.serialize())
        digest = total.hexdigest()
    return _typed("dataset", digest, lambda start: _after(_scan(data, data.schema), start), data.schema, None)


def _from_duckdb(address: str) -> WideSource:
    try:
        import duckdb
    except ImportError:
        raise SetupError(
            "DuckDB is not installed", code="THX-S06", where=address, fix="pip install 'theracast[duckdb]'"
        ) from None
    file, _, query = address.removeprefix(_DUCKDB).partition("?")
    table = parse_qs(query).get("table", [""])[0]
    if not Path(file).is_file():
        raise DataError("no such database", code="THX-D33", where=file)

    def connected() -> Any:
        return duckdb.connect(file, read_only=True)

    with connected() as base:
        there = [name for (name,) in base.execute("SELECT table_name FROM information_schema.tables").fetchall()]
        if table not in there:  # a name of the catalogue, never a piece of SQL
            raise UsageError("no such table", where=address, wanted=f"duckdb:FILE?table=NAME, one of {len(there)}")
        quoted = '"' + table.replace('"', '""') + '"'
        schema = base.table(quoted).limit(0).to_arrow_table().schema
        rows = base.table(quoted).count("*").fetchall()[0][0]

    def read(start: int) -> Iterator[pa.RecordBatch]:
        with connected() as base:  # tables keep the order in which they were filled
            yield from _after(base.table(quoted).to_arrow_reader(rows_at_once(len(schema))), start)

    return _typed(address, sha256_file(file), read, schema, int(rows))


def _scan(
    data: ds.Dataset | ds.Fragment, schema: pa.Schema, columns: list[str] | None = None
) -> Iterator[pa.RecordBatch]:
    # two batches ahead, not sixteen: memory stays flat
    lean: dict[str, Any] = {
        "batch_size": rows_at_once(len(columns or schema)),
        "batch_readahead": 2,
        "use_threads": False,
    }
    lean["columns"] = columns or schema.names
    if isinstance(data, ds.Fragment):
        return data.scanner(schema=schema, **lean).to_batches()
    return data.scanner(fragment_readahead=1, **lean).to_batches()


def _after(batches: Iterable[pa.RecordBatch], skip: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        if skip >= batch.num_rows:
            skip -= batch.num_rows
            continue
        yield batch.slice(skip)
        skip = 0


def _typed(
    name: str,
    digest: str,
    read: Callable[[int], Iterator[pa.RecordBatch]],
    schema: pa.Schema,
    rows: int | None,
) -> WideSource:
    """Give every chunk the types of the whole: an empty cell anywhere makes a column of whole numbers float64."""
    whole = [f.name for f in schema if pa.types.is_integer(f.type) or pa.types.is_boolean(f.type)]
    if schema.names.count("patient_id") == 0 and len(set(schema.names)) < len(schema.names):
        whole = []  # a repeated name is refused with the first chunk
    empty: Mapping[str, bool] = dict.fromkeys(whole, False)
    if whole or rows is None:
        counted = 0
        for batch in read(0):
            counted += batch.num_rows
            empty = {c: empty[c] or batch.column(c).null_count > 0 for c in whole}
        rows = counted
    kinds = {c: object if pa.types.is_boolean(schema.field(c).type) else np.float64 for c in whole if empty[c]}

    def frames(start: int) -> Iterator[pd.DataFrame]:
        at = start
        for batch in read(start):
            frame = pa.Table.from_batches([batch]).replace_schema_metadata(schema.metadata).to_pandas()
            if isinstance(frame.index, pd.RangeIndex):
                frame.index = pd.RangeIndex(at, at + len(frame))
            at += len(frame)
            yield frame.astype({c: k for c, k in kinds.items() if c in frame.columns}) if kinds else frame

    return WideSource(name, rows, digest, frames, tuple(schema.names))
