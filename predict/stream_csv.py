"""Long CSV tables, in chunks: the same cells and types as when they are read whole."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path

import pandas as pd

from theracast.errors import DataError
from theracast.predict.stream_size import rows_at_once

_TEXT = ("patient_id", "gene")


def csv_types(path: str | Path) -> tuple[dict[str, str], int]:
    r"""Go through a CSV or TSV file once: every row as long as the header, one type for each column.

    Parameters
    ----------
    path : str or Path
        UTF-8, with a header.

    Returns
    -------
    types : dict of str to str
        ``int64`` where every cell is a whole number, ``float64`` where every known cell is a number, else ``str``.
    rows : int
        How many.

    Raises
    ------
    DataError
        THX-D31 when it cannot be parsed, THX-D33 when it is empty, THX-D03 when a column occurs twice.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "w.csv")
    >>> _ = file.write_text("patient_id,clinical:age,clinical:sex\n007,61,F\n008,,M\n")
    >>> csv_types(file)
    ({'patient_id': 'str', 'clinical:age': 'float64', 'clinical:sex': 'str'}, 2)
    """
    path = Path(path)
    header = _checked(path)
    if len(set(header)) < len(header):
        raise DataError("columns occur more than once", code="THX-D03", where=str(path), fix="Keep one of each.")
    seen: dict[str, set[str]] = {c: set() for c in header}
    rows = 0
    for frame in _frames(path, header, dict.fromkeys(_TEXT, "str")):
        rows += len(frame)
        for name, column in frame.items():
            empty = bool(column.isna().any())
            kind = "empty" if column.isna().all() else {"i": "int", "f": "float"}.get(column.dtype.kind, "text")
            seen[str(name)] |= {kind, *(["empty"] if empty else [])}
    return {c: "str" if c in _TEXT else _type(kinds) for c, kinds in seen.items()}, rows


def csv_frames(path: str | Path, types: dict[str, str], start: int = 0) -> Iterator[pd.DataFrame]:
    r"""Read a CSV or TSV file in pieces.

    Parameters
    ----------
    path : str or Path
        As in `csv_types`.
    types : dict of str to str
        From `csv_types`.
    start : int, default 0
        First row (from 0) wanted.

    Yields
    ------
    DataFrame
        Some rows, indexed by their number.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "w.csv")
    >>> _ = file.write_text("patient_id,clinical:age\n007,61\n008,50\n")
    >>> next(csv_frames(file, csv_types(file)[0], 1))["patient_id"].tolist()
    ['008']
    """
    for frame in _frames(Path(path), list(types), types):
        if len(kept := frame.loc[start:]):
            yield kept


def _type(kinds: set[str]) -> str:
    if "text" in kinds:
        return "str"
    return "int64" if kinds == {"int"} else "float64"


def _frames(path: Path, header: list[str], types: dict[str, str]) -> Iterator[pd.DataFrame]:
    with pd.read_csv(
        path,
        sep=_separator(path),
        names=header,
        header=0,
        dtype={c: t for c, t in types.items() if c in header},
        chunksize=rows_at_once(len(header)),
        index_col=False,
        encoding="utf-8-sig",
    ) as parts:
        yield from parts


def _separator(path: Path) -> str:
    return "\t" if path.suffix == ".tsv" else ","


def _checked(path: Path) -> list[str]:
    """Read the header; refuse what pandas would guess at: a ragged row shifts ids and columns."""
    header: list[str] = []
    why = ""
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.reader(_plain(text), delimiter=_separator(path), strict=True)
            for row in filter(None, rows):
                header = header or row
                if len(row) != len(header):
                    why = f": line {rows.line_num} has {len(row)} columns, the header {len(header)}"
                    break
    except UnicodeDecodeError as error:
        why = f": byte {error.start} is not UTF-8"
    except (csv.Error, ValueError) as error:
        why = f": {error}"
    if why:
        raise DataError(
            f"the text file cannot be parsed{why}",
            code="THX-D31",
            where=str(path),
            wanted="UTF-8 text, one row per patient, the same number of columns in every row",
            fix="Export it again as CSV (UTF-8).",
        )
    if not header:
        raise DataError("the file is empty", code="THX-D33", where=str(path), wanted="a header line at least")
    return [name.strip() for name in header]


def _plain(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            raise ValueError("it holds NUL bytes")
        yield line
