"""What a prediction is made of, part by part in digests, so that it can be said later which part is another."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

import theracast
from theracast.features.assembler import FeatureAssembler
from theracast.features.cohort import Cohort
from theracast.models.golden import environment
from theracast.models.schema import schema_of
from theracast.predict.file_parts import file_parts
from theracast.predict.files import replace_file
from theracast.provenance import digest_json, sha256_file

#: Parts of every prediction, in the order in which they enter its digest; the patient's own input is the last.
PARTS = ("model", "schema", "theracast", "tables")
#: Tables with more columns than these have no sums: a sum of each gene of each chunk would outweigh the scores.
MOST_COLUMNS = 256
_FLOORS = (
    "theracast",
    *(f"theracast.{f}" for f in ("kernels", "features", "features.blocks", "models", "models.indications", "predict")),
)


def made_of(digest: str, *assemblers: FeatureAssembler) -> dict[str, str]:
    """Name the parts that all predictions of a model share.

    Parameters
    ----------
    digest : str
        Of the model.
    *assemblers : FeatureAssembler
        Of the model.

    Returns
    -------
    dict of str to str
        `PARTS`: digests of the model, its feature schema and the bundled tables; ``theracast`` is the version.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> list(made_of("0" * 64, FeatureAssembler(["mutations"]).fit(load_cohort("riaz2017_mel"))))
    ['model', 'schema', 'theracast', 'tables']
    """
    return {
        "model": digest,
        "schema": digest_json(schema_of(*assemblers)),
        "theracast": theracast.__version__,
        "tables": digest_json(here()["tables"]),
    }


def marks(parts: Sequence[str], digests: Sequence[str]) -> list[str]:
    """Digest the shared parts with the input of each patient, as `digest_json` of the list of them.

    Parameters
    ----------
    parts : sequence of str
        What all patients share, in order.
    digests : sequence of str
        Digest of what was read of each patient; hexadecimal.

    Returns
    -------
    list of str
        64 hexadecimal characters each.

    Examples
    --------
    >>> marks(["a", "b"], ["00"]) == [digest_json(["a", "b", "00"])]
    True
    """
    head = sha256(json.dumps([*parts, ""], separators=(",", ":")).removesuffix('"]').encode())
    found = []
    for digest in digests:
        one = head.copy()
        one.update(f'{digest}"]'.encode())
        found.append(one.hexdigest())
    return found


def mark_column(parts: Sequence[str], digests: pd.Series) -> pd.Series:
    """Return `marks` as a column.

    Parameters
    ----------
    parts : sequence of str
        What all patients share.
    digests : Series of str
        Per patient.

    Returns
    -------
    Series of str
        Indexed as `digests`.

    Examples
    --------
    >>> mark_column(["a"], pd.Series(["00"], index=["p1"])).str.len().to_dict()
    {'p1': 64}
    """
    found = marks(parts, digests.to_numpy())
    # all are of one length: laid end to end they are a column of Arrow's already
    ends = pa.py_buffer(np.arange(0, 64 * len(found) + 1, 64, dtype=np.int64))
    column = pa.LargeStringArray.from_buffers(len(found), ends, pa.py_buffer("".join(found).encode()))
    return column.to_pandas().set_axis(digests.index)


@cache
def here() -> dict[str, Any]:
    """Say what this installation computes with.

    Returns
    -------
    dict
        ``versions`` of the libraries, ``tables`` (file name to sha256) and ``modules`` of theracast (file to the first
        12 characters of its sha256).

    Examples
    --------
    >>> sorted(here())
    ['modules', 'tables', 'versions']
    """
    known = environment()
    modules = {
        f"{floor.removeprefix('theracast').lstrip('.').replace('.', '/') or 'core'}/{f.name}": f
        for floor in _FLOORS
        for f in files(floor).iterdir()
        if f.name.endswith(".py")
    }
    digests = {name: sha256(f.read_bytes()).hexdigest()[:12] for name, f in sorted(modules.items())}
    return {"versions": known["versions"], "tables": known["tables"], "modules": digests}


def column_sums(frame: pd.DataFrame) -> dict[str, str]:
    """Sum up each column of some rows: one changed cell gives another sum, and so does another order.

    These sums name a column that changed; that something changed is told by the SHA-256 of the input and of each
    patient.

    Parameters
    ----------
    frame : DataFrame
        Rows as read; the column ``patient_id`` is left out, and so is every table (``<table>:<column>``) with more than
        `MOST_COLUMNS` columns.

    Returns
    -------
    dict of str to str
        Column to 16 hexadecimal characters.

    Examples
    --------
    >>> a = pd.DataFrame({"clinical:age": [61.0, 48.0], "clinical:sex": ["F", "M"]})
    >>> b = a.assign(**{"clinical:age": [61.0, 48.5]})
    >>> [c for c, one in column_sums(a).items() if column_sums(b)[c] != one]
    ['clinical:age']
    """
    tables = pd.Series([str(c).partition(":")[0] for c in frame.columns], dtype=object)
    large = set(tables.value_counts().loc[lambda n: n > MOST_COLUMNS].index)
    return {
        str(c): f"{_sum(frame.iloc[:, k]):016x}"
        for k, c in enumerate(frame.columns)
        if c != "patient_id" and tables[k] not in large
    }


def table_sums(cohort: Cohort) -> dict[str, str]:
    """Sum up each column of the tables of a cohort.

    Parameters
    ----------
    cohort : Cohort
        As read.

    Returns
    -------
    dict of str to str
        ``<table>:<column>`` to its sum, as `column_sums`.

    Examples
    --------
    >>> list(table_sums(Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, index=["p1"])})))
    ['clinical:age']
    """
    found: dict[str, str] = {}
    for name, table in {**cohort.tables, **cohort.events}.items():
        found |= column_sums(table.add_prefix(f"{name}:"))
    return found


def provenance(parts: Mapping[str, str], read: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Put together what is kept beside scores, for `theracast.predict.verify.verify_scores`.

    Parameters
    ----------
    parts : mapping of str to str
        From `made_of`; empty where it is not known.
    read : mapping
        Of the input: ``sha256`` of a wide table or ``tables`` of a cohort, ``rows`` in a chunk and their ``sums``.
    **more : object
        JSON-ready; such as ``units``.

    Returns
    -------
    dict
        JSON-ready.

    Examples
    --------
    >>> sorted(provenance({}, {"sha256": "0"}, units={}))
    ['here', 'input', 'parts', 'units']
    """
    return {"parts": dict(parts), "here": here(), "input": dict(read), **more}


def sources_of(cohort: Cohort) -> dict[str, Any]:
    """Say what a cohort was read from.

    Parameters
    ----------
    cohort : Cohort
        As scored.

    Returns
    -------
    dict
        ``tables`` (name to sha256 of the file) and ``sums``, of all rows at once.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> sorted(sources_of(load_cohort("riaz2017_mel")))
    ['sums', 'tables']
    """
    return {"tables": {s.name: s.sha256 for s in cohort.sources}, "sums": [table_sums(cohort)]}


def provenance_of(parts: Mapping[str, str], X: Cohort | None, **more: Any) -> dict[str, Any]:
    """Put together what is kept beside lines that were made of a cohort.

    Parameters
    ----------
    parts : mapping of str to str
        From `made_of`; empty where it is not known.
    X : Cohort or None
        What was read, where it is known.
    **more : object
        JSON-ready.

    Returns
    -------
    dict
        As `provenance`.

    Examples
    --------
    >>> provenance_of({}, None, version="3")["version"]
    '3'
    """
    units = {str(k): str(v) for k, v in X.units.items()} if X is not None else {}
    return provenance(parts, sources_of(X) if X is not None else {}, units=units, **more)


def close_account(path: Path, account: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """Write the account, with the digests of the files beside it.

    Parameters
    ----------
    path : Path
        The Parquet file that was written; its rejects stand beside it.
    account : mapping
        JSON-ready.
    made : mapping
        From `provenance`.

    Returns
    -------
    dict
        The account, `sealed`.

    Raises
    ------
    SetupError
        THX-S03 when the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "s.parquet"
    >>> pd.DataFrame({"set": ["both"]}).to_parquet(file)
    >>> sorted(close_account(file, {"rows_in": 1}, {})["provenance"]["files"])
    ['rejects', 'scores']
    """
    beside = {"scores": file_parts(path), "rejects": file_digest(path.with_suffix(".rejects.parquet"))}
    closed = sealed({**account, "provenance": {**made, "files": beside}})
    replace_file(path.with_suffix(".json"), lambda p: p.write_text(json.dumps(closed)))
    return closed


def sealed(account: Mapping[str, Any]) -> dict[str, Any]:
    """Close an account with the digest of what it holds.

    Parameters
    ----------
    account : mapping
        JSON-ready.

    Returns
    -------
    dict
        With ``sealed``.

    Examples
    --------
    >>> one = sealed({"rows_in": 1})
    >>> sealed({k: v for k, v in one.items() if k != "sealed"}) == one
    True
    """
    return {**account, "sealed": digest_json(json.loads(json.dumps(account)))}


def file_digest(path: Any) -> str:
    """Digest a file that may not be there.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    str
        SHA-256; empty where there is none.

    Examples
    --------
    >>> file_digest("no/such/file")
    ''
    """
    try:
        return sha256_file(path)
    except FileNotFoundError:
        return ""


@cache
def _odd(n: int) -> np.ndarray:
    """Return odd numbers without a pattern: times an odd number, no change of 64 bits is lost."""
    steps = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed: np.ndarray = (steps ^ (steps >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
    return mixed | np.uint64(1)


def _weighed(values: np.ndarray) -> int:
    """Weigh 64-bit cells by their place; the weights of a longer column begin with those of a shorter one."""
    bits = np.ascontiguousarray(values).view(np.uint64)
    weights = _odd(1 << max(0, len(bits) - 1).bit_length())[: len(bits)]
    return int(np.einsum("i,i->", bits, weights))  # no array of products: half the time


def _sum(column: pd.Series) -> int:
    kind = column.dtype
    if isinstance(kind, np.dtype) and kind.kind in "fiub":
        return _weighed(column.to_numpy().astype(np.float64, copy=False))
    if pd.api.types.is_numeric_dtype(kind):
        return _weighed(column.to_numpy(dtype=np.float64, na_value=np.nan))
    held = pa.array(column, from_pandas=True) if isinstance(kind, pd.StringDtype) else _texts(column)
    held = held.combine_chunks() if isinstance(held, pa.ChunkedArray) else held
    _, places, content = held.buffers()
    ends = np.frombuffer(places, dtype=np.int64 if pa.types.is_large_string(held.type) else np.int32)
    ends = ends[held.offset : held.offset + len(held) + 1]
    lengths = np.diff(ends).astype(np.int64, copy=False)
    if held.null_count:
        lengths[held.is_null().to_numpy(zero_copy_only=False)] = -1
    letters = np.frombuffer(content or b"", dtype=np.uint8)[ends[0] : ends[-1]] if len(held) else np.zeros(0, np.uint8)
    whole = len(letters) // 8 * 8
    rest = int.from_bytes(letters[whole:].tobytes(), "little")
    return (_weighed(lengths) * 3 + _weighed(letters[:whole]) * 5 + rest * 7) % (1 << 64)


def _texts(column: pd.Series) -> pa.Array:
    return pa.array([None if v is None or v != v else str(v) for v in column], type=pa.string())
