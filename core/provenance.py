"""Where every number came from: hashed sources, lineage of features, digests of tables."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import pkgutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

#: Cells that `digest_rows` converts to float64 at once: 16 MB.
CELLS = 2_000_000
#: Sets of names whose digests `digest_rows` keeps at hand.
HEADS = 64


@dataclass(frozen=True)
class Source:
    """One file, or one table in memory, as it was read.

    Attributes
    ----------
    name : str
        Table name, ``"expression"``.
    path : str
        Where it was read, or ``"memory"``.
    sha256 : str
        Digest of the bytes of the file, or of the canonical table when it came from memory.

    Examples
    --------
    >>> Source("clinical", "memory", "0" * 64).name
    'clinical'
    """

    name: str
    path: str
    sha256: str


@dataclass(frozen=True)
class Lineage:
    """What one column of a feature matrix is and rests on.

    Attributes
    ----------
    feature, block, unit, about, reference : str
        Name, the block that made it, unit, meaning, DOI or PMID.
    kind : str
        ``"measured"``, ``"proxy"``, ``"mixed"`` or ``"absent"`` in the matrix at hand.
    sources : tuple of str
        ``table:sha256[:12]`` of every source the block could read.

    Examples
    --------
    >>> Lineage("mutations__tmb", "mutations", "mut/Mb", "burden", "", "measured", ("clinical:abc",)).unit
    'mut/Mb'
    """

    feature: str
    block: str
    unit: str
    about: str
    reference: str
    kind: str
    sources: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return a JSON-ready form.

        Returns
        -------
        dict
            Field name to value.

        Examples
        --------
        >>> Lineage("f", "b", "", "", "", "proxy", ()).as_dict()["kind"]
        'proxy'
        """
        return asdict(self)


def sha256_file(path: str | Path) -> str:
    """Digest the bytes of a file.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    str
        64 hexadecimal characters.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as empty:
    ...     sha256_file(empty.name)[:8]
    'e3b0c442'
    """
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def code_digest() -> str:
    """Digest the source files of the installed theracast, so that a model knows the code that made it.

    Returns
    -------
    str
        64 hexadecimal characters; the same for an editable and a regular install of the same files.

    Examples
    --------
    >>> len(code_digest())
    64
    """
    import theracast

    # an editable install keeps the floors in four folders: each is walked by its own path
    floors = [theracast, *(importlib.import_module(f"theracast.{f}") for f in ("features", "models", "predict"))]
    files = {}
    for floor in floors:
        for module in pkgutil.walk_packages(floor.__path__, f"{floor.__name__}."):
            spec = importlib.util.find_spec(module.name)
            if spec is not None and spec.origin:
                files[module.name] = sha256_file(spec.origin)
    return digest_json(files)


def digest_json(value: Any) -> str:
    """Digest anything JSON can carry; the order of keys does not matter.

    Parameters
    ----------
    value : object
        Dicts, lists, strings, numbers.

    Returns
    -------
    str
        64 hexadecimal characters.

    Examples
    --------
    >>> digest_json({"a": 1, "b": 2}) == digest_json({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def digest_rows(table: pd.DataFrame) -> pd.Series:
    """Digest each row of a table, independent of the order of its columns.

    Numbers enter as float64 bytes with one NaN and one zero, so that a CSV and a Parquet of the same values
    agree; everything else enters as text. A column without a value in a row leaves no trace in that row's
    digest: an absent column and an empty one are the same patient.

    Parameters
    ----------
    table : DataFrame of shape (n_patients, n_columns)
        One row per patient.

    Returns
    -------
    Series of str, shape (n_patients,)
        64 hexadecimal characters each, indexed as `table`.

    Examples
    --------
    >>> a = pd.DataFrame({"x": [1.0], "y": ["m"]})
    >>> digest_rows(a)[0] == digest_rows(a[["y", "x"]].assign(z=np.nan))[0]
    True
    """
    columns = sorted(table.columns, key=str)
    if len(set(columns)) < len(columns):
        raise ValueError("a column occurs more than once")
    kinds = dict(zip(table.columns, table.dtypes, strict=True))
    numeric = [c for c in columns if pd.api.types.is_numeric_dtype(kinds[c]) or pd.api.types.is_bool_dtype(kinds[c])]
    others = sorted(set(columns) - set(numeric), key=str)
    names = np.array([str(c) for c in numeric], dtype=object)
    order = table.columns.get_indexer(numeric)
    digests: list[str] = []
    heads: dict[bytes, Any] = {}
    step = max(1, CELLS // max(1, len(columns)))
    for start in range(0, len(table), step):
        part = table.iloc[start : start + step]
        numbers = _as_numbers(part, order)
        texts = [(str(c), part[c].to_numpy(dtype=object), part[c].notna().to_numpy()) for c in others]
        present = ~np.isnan(numbers)
        cells = memoryview(numbers[present].tobytes())
        ends = (8 * np.cumsum(present.sum(axis=1))).tolist()
        which, first = _alike(present)
        begun = [_head(present[row], names, heads) for row in first]
        at = 0
        for row, (kind, end) in enumerate(zip(which, ends, strict=True)):
            row_hash = begun[kind].copy()
            row_hash.update(cells[at:end])
            at = end
            for name, cells_of, filled in texts:
                if filled[row]:
                    row_hash.update(f"\x1e{name}\x1f{cells_of[row]}".encode())
            digests.append(row_hash.hexdigest())
    return pd.Series(digests, index=table.index, dtype=object)


def _as_numbers(part: pd.DataFrame, order: np.ndarray) -> np.ndarray:
    """Return some columns, in this order, as float64 with one zero and rows in one piece."""
    if len(order) < part.shape[1]:
        part, order = part.iloc[:, order], np.arange(len(order))
    numbers = part.to_numpy(dtype=np.float64, na_value=np.nan)
    rows: np.ndarray = np.ascontiguousarray((numbers.T[order] + 0.0).T)  # -0.0 becomes 0.0
    return rows


def _alike(present: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Give rows that have the same numbers one number; also give the first row of each kind."""
    packed = np.packbits(present, axis=1)
    if packed.shape[1] > 8:
        kinds: dict[bytes, int] = {}
        which = np.array([kinds.setdefault(row.tobytes(), len(kinds)) for row in packed], dtype=np.intp)
    else:
        wide = np.zeros((len(packed), 8), dtype=np.uint8)
        wide[:, : packed.shape[1]] = packed
        which = pd.factorize(wide.view(np.uint64)[:, 0])[0]
    first = np.zeros(int(which.max(initial=-1)) + 1, dtype=np.intp)
    first[which[::-1]] = np.arange(len(which))[::-1]
    return which.tolist(), first


def _head(present: np.ndarray, names: np.ndarray, heads: dict[bytes, Any]) -> Any:
    """Begin a row's digest with the names of its numbers; most rows of a table have the same ones."""
    key = present.tobytes()
    if key not in heads:
        if len(heads) >= HEADS:
            heads.clear()
        heads[key] = hashlib.sha256("\x1f".join(names[present]).encode())
    return heads[key]


def digest_frame(table: pd.DataFrame) -> str:
    """Digest a table: its ids and its rows, independent of column order.

    Parameters
    ----------
    table : DataFrame
        One row per patient.

    Returns
    -------
    str
        64 hexadecimal characters.

    Examples
    --------
    >>> len(digest_frame(pd.DataFrame({"x": [1.0]}, index=["p1"])))
    64
    """
    rows = digest_rows(table)
    return digest_json([[str(i), d] for i, d in rows.items()])


def digest_events(table: pd.DataFrame) -> str:
    """Digest a table with any number of rows per patient, independent of column order; quick for millions of rows.

    Parameters
    ----------
    table : DataFrame
        Indexed by patient.

    Returns
    -------
    str
        64 hexadecimal characters.

    Examples
    --------
    >>> a = pd.DataFrame({"x": [1.0, 2.0], "y": ["m", None]}, index=["p1", "p1"])
    >>> digest_events(a) == digest_events(a[["y", "x"]]), digest_events(a) == digest_events(a.iloc[::-1])
    (True, False)
    """
    columns = sorted(table.columns, key=str)
    rows = pd.util.hash_pandas_object(table[columns], index=True).to_numpy()
    return hashlib.sha256("\x1f".join(map(str, columns)).encode() + rows.tobytes()).hexdigest()
