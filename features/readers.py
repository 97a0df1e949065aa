"""Files to cohorts: a folder of tables (CSV, Parquet, and files that hold several), or one wide table."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import yaml

from theracast.checks import listed
from theracast.errors import DataError
from theracast.features.cohort import Cohort
from theracast.features.community_files import is_taxa_text, read_biom, read_taxa_text
from theracast.features.container_files import CLINICAL, read_gct, read_h5ad, read_h5mu
from theracast.features.intake import EVENTS
from theracast.features.variant_files import VARIANT_FILES, variant_tables
from theracast.provenance import Source, sha256_file

#: Files that are no plain table: how each is read, as tables by name.
_READERS: dict[str, Callable[[Path], dict[str, pd.DataFrame]]] = {
    ".biom": lambda path: {path.stem: read_biom(path)},
    ".gct": read_gct,
    ".h5ad": read_h5ad,
    ".h5mu": read_h5mu,
    **dict.fromkeys(VARIANT_FILES, variant_tables),
}
#: What a table of a cohort may end in.
SUFFIXES = (".csv", ".tsv", ".parquet", *_READERS)


def read_table(path: str | Path) -> pd.DataFrame:
    r"""Read a CSV, TSV or Parquet table; ids stay text.

    Parameters
    ----------
    path : str or Path
        The file; its suffix says the format.

    Returns
    -------
    DataFrame
        As stored; a column ``patient_id`` or ``gene`` is text.

    Raises
    ------
    DataError
        THX-D31 a CSV that cannot be parsed, THX-D32 a Parquet that cannot, THX-D33 an empty file.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = tempfile.mkdtemp()
    >>> file = pathlib.Path(folder, "clinical.csv")
    >>> _ = file.write_text("patient_id,age\n007,61\n")
    >>> read_table(file).patient_id.tolist()
    ['007']
    """
    path = Path(path)
    if path.suffix == ".parquet":
        try:
            return pd.read_parquet(path)
        except Exception as error:  # pyarrow raises half a dozen kinds on a damaged file
            raise DataError(
                "the Parquet file cannot be read",
                code="THX-D32",
                where=str(path),
                got=f"{type(error).__name__}, {path.stat().st_size} bytes",
                fix="Copy it again and compare its size; it may be cut off.",
            ) from None
    separator = "\t" if path.suffix == ".tsv" else ","
    text, header = _checked_text(path, separator)
    table = pd.read_csv(
        io.StringIO(text), sep=separator, dtype={"patient_id": str, "gene": str}, low_memory=False, index_col=False
    )
    # pandas renames a repeated column to 'age.1'; it must be seen to be refused
    return table.set_axis([name or given for name, given in zip(header, table.columns, strict=True)], axis=1)


def read_tables(path: str | Path) -> dict[str, pd.DataFrame]:
    """Read a file of a cohort's folder as tables by name; most hold one, named as the file.

    Parameters
    ----------
    path : str or Path
        The file; its suffix says the format.

    Returns
    -------
    dict of str to DataFrame
        As stored.

    Raises
    ------
    DataError
        What `read_table` and the readers of containers refuse.

    Examples
    --------
    >>> from theracast.features.datasets import dataset_path
    >>> list(read_tables(dataset_path("riaz2017_mel") / "clinical.csv"))
    ['clinical']
    """
    path = Path(path)
    if path.suffix == ".tsv" and is_taxa_text(path):
        return {path.stem: read_taxa_text(path)}
    reader = next((r for suffix, r in _READERS.items() if path.name.endswith(suffix)), None)
    return reader(path) if reader else {path.stem: read_table(path)}


def read_cohort(path: str | Path, *, name: str | None = None, units: Mapping[str, str] | None = None) -> Cohort:
    """Read a cohort from a folder of tables or from one wide table.

    Parameters
    ----------
    path : str or Path
        A folder with any of ``clinical``, ``expression``, ``signatures``, ``mutations``, ``pathology`` as
        ``.csv``, ``.tsv`` or ``.parquet`` and, optionally, ``units.yaml``; or one file whose columns are named
        ``<table>:<column>``. A ``.h5ad``, ``.h5mu`` or ``.gct`` file is several tables, in a folder or alone; what
        it says of its patients is the clinical table, or ``<file>_obs`` where there is one already. ``.maf`` and
        ``.vcf`` files (also ``.gz``) are the variants, one file or one per patient. ``.biom``
        files, and ``.tsv`` files of QIIME 2 or MetaPhlAn, hold taxa in rows: call them ``microbiome``.
    name : str, optional
        Name of the cohort; that of the folder or file by default.
    units : mapping of str to str, optional
        Overrides ``units.yaml``.

    Returns
    -------
    Cohort
        Sources hashed, rows accounted for.

    Raises
    ------
    DataError
        Nothing there, unreadable files, or what `Cohort.from_tables` refuses.

    Examples
    --------
    >>> from theracast.features.datasets import dataset_path
    >>> read_cohort(dataset_path("riaz2017_mel")).name
    'riaz2017_mel'
    """
    path = Path(path)
    if not path.exists():
        raise DataError("no such cohort", code="THX-D33", where=str(path), wanted="a folder of tables or a wide table")
    if path.is_file() and not path.name.endswith(tuple(_READERS)):
        if path.suffix not in SUFFIXES:
            raise DataError(
                "unknown kind of file", code="THX-D33", where=str(path), wanted=f"one of {', '.join(SUFFIXES)}"
            )
        cohort = Cohort.from_wide(read_table(path), name=name or path.stem, units=units)
        return replace(cohort, sources=(Source("wide", str(path), sha256_file(path)),))
    files = (Source(path.stem, str(path), sha256_file(path)),) if path.is_file() else cohort_sources(path)
    tables, sources = _all_tables(files)
    for table_name, table in tables.items():
        if not {"patient_id", "gene"} & {*table.columns, table.index.name} and isinstance(table.index, pd.RangeIndex):
            raise DataError(
                "no column patient_id",
                code="THX-D17",
                where=table_name,
                got=f"{table.shape[1]} columns",
                fix="Name the column of ids 'patient_id' (or 'gene', where genes are rows).",
            )
    declared = {**declared_units(path / "units.yaml"), **(units or {})}
    return Cohort.from_tables(
        tables, name=name or (path.stem if path.is_file() else path.resolve().name), units=declared, sources=sources
    )


def _all_tables(files: Sequence[Source]) -> tuple[dict[str, pd.DataFrame], list[Source]]:
    """Read every file; each table once, the clinical one first, for its order is the order of the output."""
    tables: dict[str, pd.DataFrame] = {}
    sources = []
    for file in files:
        for given, table in read_tables(file.path).items():
            name = f"{file.name}_obs" if given == CLINICAL and CLINICAL in tables else given
            if name in tables and name in EVENTS:  # a file per patient: their rows are put together
                table = pd.concat([tables[name], table], ignore_index=True)
            elif name in tables:
                raise DataError(
                    "a table is stored twice", code="THX-D33", where=file.path, got=name, fix="Remove one of the two."
                )
            tables[name] = table
            sources.append(replace(file, name=name))
    return dict(sorted(tables.items(), key=lambda item: item[0] != CLINICAL)), sources


def cohort_sources(path: str | Path) -> tuple[Source, ...]:
    """Find and hash the tables of a cohort's folder; the clinical table first.

    Parameters
    ----------
    path : str or Path
        The folder.

    Returns
    -------
    tuple of Source
        One per table.

    Raises
    ------
    DataError
        THX-D33 when there is none, or one in two formats.

    Examples
    --------
    >>> from theracast.features.datasets import dataset_path
    >>> [s.name for s in cohort_sources(dataset_path("riaz2017_mel"))]
    ['clinical', 'expression', 'signatures']
    """
    path = Path(path)
    files = sorted(f for f in path.iterdir() if f.name.endswith(SUFFIXES))
    files.sort(key=lambda f: f.stem != "clinical")
    twice = {f.stem for f in files if sum(g.stem == f.stem for g in files) > 1}
    if not files or twice:
        raise DataError(
            f"tables stored in two formats: {listed(sorted(twice))}" if twice else "no tables in the folder",
            code="THX-D33",
            where=str(path),
            wanted="clinical.csv, expression.parquet, signatures.parquet: any subset, each once",
            fix="Remove one of the two." if twice else "Check the path.",
        )
    return tuple(Source(f.stem, str(f), sha256_file(f)) for f in files)


def _checked_text(path: Path, separator: str) -> tuple[str, list[str]]:
    """Read a text table and its header; refuse what pandas would guess at: a ragged row shifts ids and columns."""
    why, text = "", ""
    header: list[str] = []
    try:
        text = path.read_bytes().decode("utf-8-sig")
        if "\0" in text:
            why = ": it holds NUL bytes"
        rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
        for row in filter(None, rows):
            header = header or row
            if len(row) != len(header):
                why = f": line {rows.line_num} has {len(row)} columns, the header {len(header)}"
                break
    except UnicodeDecodeError as error:
        why = f": byte {error.start} is not UTF-8"
    except csv.Error as error:
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
    return text, [name.strip() for name in header]


def declared_units(path: Path) -> dict[str, str]:
    """Read ``units.yaml``.

    Parameters
    ----------
    path : Path
        The file; it need not be there.

    Returns
    -------
    dict of str to str
        ``{"expression": "TPM", "clinical.albumin": "g/dL"}``.

    Raises
    ------
    DataError
        THX-D16 when it is no list of names and units.

    Examples
    --------
    >>> declared_units(Path("no", "units.yaml"))
    {}
    """
    if not path.exists():
        return {}
    try:
        units = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except yaml.YAMLError:
        units = None
    if not isinstance(units, dict):
        raise DataError(
            "units.yaml should map names to units", code="THX-D16", where=str(path), fix="Write 'expression: TPM'."
        )
    return {str(k): str(v) for k, v in units.items()}
