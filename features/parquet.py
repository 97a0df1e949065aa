"""A feature matrix as one Parquet file: groups of patients, masks beside the values, lineage in the metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from theracast.errors import DataError
from theracast.features.matrix import FeatureMatrix
from theracast.features.memory import memory
from theracast.provenance import Lineage, sha256_file

_META = b"theracast"
_ID, _STUDY, _DIGEST, _TUMOUR = "patient_id", "meta:study", "meta:digest", "meta:tumour"
_PROXY, _LIMIT, _COVERAGE = "proxy:", "limit:", "coverage:"
#: What pandas needs to know to read the ids as the index.
_PANDAS = {
    "index_columns": [_ID],
    "column_indexes": [],
    "columns": [{"name": _ID, "field_name": _ID, "pandas_type": "unicode", "numpy_type": "object", "metadata": None}],
}
#: Columns that are decoded at once.
COLUMNS = 2_000
#: Bytes of values in one group of rows: what writing and reading hold beside the matrix.
GROUP = 64_000_000


def write_matrix(matrix: FeatureMatrix, path: str | Path) -> None:
    """Write a matrix, a group of patients at a time: the work of `FeatureMatrix.to_parquet`.

    Parameters
    ----------
    matrix : FeatureMatrix
        Any size.
    path : str or Path
        Where; zstd, with a checksum on every page.

    Examples
    --------
    >>> import tempfile
    >>> from theracast import FeatureAssembler, load_cohort
    >>> c = load_cohort("riaz2017_mel")
    >>> file = f"{tempfile.mkdtemp()}/m.parquet"
    >>> write_matrix(FeatureAssembler(["mutations"]).fit(c).matrix(c), file)
    >>> pq.read_metadata(file).num_rows
    51
    """
    limits = matrix.limits if len(matrix.limits.columns) else pd.DataFrame(index=matrix.values.index)
    masks = [matrix.proxies.add_prefix(_PROXY), limits.add_prefix(_LIMIT)]
    frame = pd.concat([matrix.values, *masks, matrix.coverage.add_prefix(_COVERAGE)], axis=1)
    said = {_STUDY: matrix.studies, _DIGEST: matrix.digests, _TUMOUR: matrix.tumours}
    words = pd.DataFrame({name: column.astype(object) for name, column in said.items()})
    frame = pd.concat([frame, words], axis=1).rename_axis(_ID)
    known = {
        "lineage": [vars(x) for x in matrix.lineage.values()],
        "notes": dict(matrix.notes),
        "blocks": matrix.blocks,
    }
    fields = [pa.field(str(c), _arrow_type(t)) for c, t in zip(frame.columns, frame.dtypes, strict=True)]
    schema = pa.schema([*fields, pa.field(_ID, pa.string())])
    schema = schema.with_metadata({b"pandas": json.dumps(_PANDAS), _META: json.dumps(known)})
    step = max(1, GROUP // max(1, int(frame.dtypes.map(lambda t: t.itemsize).sum())))
    options: dict[str, Any] = {"compression": "zstd", "write_page_checksum": True, "write_statistics": False}
    with pq.ParquetWriter(Path(path), schema, use_dictionary=[_STUDY, _TUMOUR], **options) as writer:
        for start in range(0, len(frame), step):
            group = pa.Table.from_arrays(_arrays(frame.iloc[start : start + step]), schema=schema)
            writer.write_table(group, row_group_size=step)


def _arrow_type(kind: Any) -> pa.DataType:
    return pa.string() if kind.kind == "O" else pa.from_numpy_dtype(kind)


def _arrays(part: pd.DataFrame) -> list[pa.Array]:
    """Turn some rows into columns of Arrow, ids last; runs of one kind are laid out anew in one piece."""
    arrays = []
    start = 0
    for kind, run in groupby(part.dtypes):
        end = start + len(list(run))
        cells = np.ascontiguousarray(part.iloc[:, start:end].to_numpy().T)
        arrays += [pa.array(row, type=_arrow_type(kind), from_pandas=True) for row in cells]
        start = end
    return [*arrays, pa.array([str(i) for i in part.index], type=pa.string())]


def read_matrix(
    path: str | Path, columns: Sequence[str] | None = None, rows: np.ndarray | Sequence[str] | None = None
) -> FeatureMatrix:
    """Read a matrix or a part of it: the work of `FeatureMatrix.from_parquet`.

    Parameters
    ----------
    path : str or Path
        What `write_matrix` wrote.
    columns : sequence of str, optional
        Names of features or of whole blocks.
    rows : bool mask, positions or ids, optional
        Which patients, in this order.

    Returns
    -------
    FeatureMatrix
        Only the groups of rows and the columns asked for are decoded.

    Raises
    ------
    DataError
        THX-D32 a damaged file, another kind of file, or more than the memory of this machine; THX-D17 an unknown
        patient; THX-D33 an unknown feature.

    Examples
    --------
    >>> import tempfile
    >>> from theracast import FeatureAssembler, load_cohort
    >>> c = load_cohort("riaz2017_mel")
    >>> file = f"{tempfile.mkdtemp()}/m.parquet"
    >>> write_matrix(FeatureAssembler(["clinical", "mutations"]).fit(c).matrix(c), file)
    >>> read_matrix(file, columns=["mutations"], rows=c.ids[:2]).values.shape
    (2, 1)
    """
    path = Path(path)
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return _read(file, path, columns, rows)
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError("no such file", code="THX-D33", where=str(path)) from None
    except Exception as error:  # pyarrow raises half a dozen kinds on a damaged file
        raise DataError(
            "the Parquet file cannot be read",
            code="THX-D32",
            where=str(path),
            got=f"{type(error).__name__}, {path.stat().st_size} bytes, sha256 {sha256_file(path)[:12]}",
            fix="Copy it again and compare its digest; it may be cut off.",
        ) from None


def _read(
    file: pq.ParquetFile, path: Path, columns: Sequence[str] | None, rows: np.ndarray | Sequence[str] | None
) -> FeatureMatrix:
    schema = file.schema_arrow
    written = (schema.metadata or {}).get(_META)
    if written is None:
        raise DataError(
            "the file is not a feature matrix",
            code="THX-D32",
            where=str(path),
            got=f"sha256 {sha256_file(path)[:12]}",
            fix="Make one with 'theracast build'.",
        )
    known = json.loads(written)
    lineage = {x["feature"]: Lineage(**{**x, "sources": tuple(x["sources"])}) for x in known["lineage"]}
    features = _chosen(lineage, columns, path)
    blocks = [b for b in known["blocks"] if columns is None or any(lineage[f].block == b for f in features)]
    held = set(schema.names)
    masks = {p: [f for f in features if p + f in held] for p in (_PROXY, _LIMIT)}
    names = [*features, *(p + f for p, fs in masks.items() for f in fs), *(_COVERAGE + b for b in blocks)]
    _fits(file, schema, names, path)
    ids = file.read(columns=[_ID]).column(_ID).to_pylist()
    at = _positions(ids, rows, path)
    index = pd.Index([ids[i] for i in at], dtype=str, name=_ID)
    frame, words = _columns(file, schema, names, at)
    frame.index = index
    prefixed = [frame[[p + f for f in fs]].set_axis(fs, axis=1) for p, fs in masks.items()]
    return FeatureMatrix(
        frame.iloc[:, : len(features)],
        prefixed[0],
        frame[[_COVERAGE + b for b in blocks]].set_axis(blocks, axis=1),
        {f: lineage[f] for f in features},
        {i: known["notes"][i] for i in index if i in known["notes"]},
        pd.Series(words[_DIGEST], index=index, dtype=object),
        pd.Series(words[_STUDY], index=index, dtype=object),
        prefixed[1],
        pd.Series(words[_TUMOUR], index=index, dtype=object),
    )


def _chosen(lineage: dict[str, Lineage], columns: Sequence[str] | None, path: Path) -> list[str]:
    """Return the features named, or of the blocks named, in the order of the matrix."""
    if columns is None:
        return list(lineage)
    wanted = set(columns)
    unknown = wanted - set(lineage) - {x.block for x in lineage.values()}
    if unknown:
        raise DataError(
            "the matrix has no such features",
            code="THX-D33",
            where=str(path),
            got=f"{len(unknown)} of {len(wanted)} names",
            wanted="names of features, or of blocks",
        )
    return [f for f, x in lineage.items() if f in wanted or x.block in wanted]


def _fits(file: pq.ParquetFile, schema: pa.Schema, names: list[str], path: Path) -> None:
    """Refuse, before anything is decoded, what this machine cannot hold: few bytes can claim to be many."""
    widths = sum(max(1, schema.field(n).type.bit_width // 8) for n in names)
    need = file.metadata.num_rows * (widths + 256)
    if need > memory():
        raise DataError(
            "the matrix is larger than the memory of this machine",
            code="THX-D32",
            where=str(path),
            got=f"{need / 1e9:.3g} GB for {file.metadata.num_rows} patients, sha256 {sha256_file(path)[:12]}",
            wanted=f"at most {memory() / 1e9:.3g} GB",
            fix="Read some columns only, if you know who made the file.",
        )


def _positions(ids: list[str], rows: np.ndarray | Sequence[str] | None, path: Path) -> np.ndarray:
    if rows is None:
        return np.arange(len(ids))
    rows = np.asarray(rows)
    if rows.dtype.kind in "bui":
        return np.arange(len(ids))[rows]
    at = pd.Index(ids, dtype=object).get_indexer(rows.astype(object))
    if (at < 0).any():
        raise DataError(
            "patient ids are not in the matrix",
            code="THX-D17",
            where=str(path),
            got=f"{int((at < 0).sum())} unknown",
        )
    return at


def _columns(
    file: pq.ParquetFile, schema: pa.Schema, names: list[str], at: np.ndarray
) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Fill an array for each run of columns of one kind, laid out as pandas keeps it, a group of patients at a time."""
    runs = [(k, list(part)) for k, part in groupby(names, lambda n: schema.field(n).type.to_pandas_dtype())]
    arrays = [np.empty((len(part), len(at)), dtype=k) for k, part in runs]
    words: dict[str, list[str]] = {n: [""] * len(at) for n in (_STUDY, _DIGEST, _TUMOUR)}
    held = [n for n in words if n != _TUMOUR or n in schema.names]  # a file of an earlier version has no tumour types
    for number, places, sources in _groups(file, at):
        for array, (_, part) in zip(arrays, runs, strict=True):
            for first in range(0, len(part), COLUMNS):
                some = part[first : first + COLUMNS]
                group = file.read_row_group(number, columns=some)
                for row, name in enumerate(some, start=first):
                    array[row, places] = group.column(name).to_numpy()[sources]
        group = file.read_row_group(number, columns=held)
        for name in held:
            cells = group.column(name).to_pylist()
            for place, source in zip(places, sources, strict=True):
                words[name][place] = cells[source]
    frames = [pd.DataFrame(a.T, columns=part, copy=False) for a, (_, part) in zip(arrays, runs, strict=True)]
    empty = pd.DataFrame(index=range(len(at)))
    return pd.concat(frames, axis=1) if frames else empty, words


def _groups(file: pq.ParquetFile, at: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Find the groups that hold a wanted row: the group, places in the result, places in the group."""
    begin = 0
    for number in range(file.num_row_groups):
        end = begin + file.metadata.row_group(number).num_rows
        places = np.flatnonzero((at >= begin) & (at < end))
        if places.size:
            yield number, places, at[places] - begin
        begin = end
