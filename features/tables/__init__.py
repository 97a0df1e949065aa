"""Knowledge as data: the tables in this folder, read by name."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import pandas as pd

from theracast.registry import Registry

_TABLES = Path(str(files(__name__)))


def load_table(name: str) -> pd.DataFrame:
    """Read a table of knowledge.

    Parameters
    ----------
    name : str
        File name in ``features/tables`` without ``.csv`` or ``.parquet``.

    Returns
    -------
    DataFrame
        A copy of its own; the comment lines (source, version, licence) are left out.

    Raises
    ------
    UsageError
        There is no such table; says which there are.

    Examples
    --------
    >>> len(load_table("immune_sets"))
    132
    """
    files = sorted(f for f in _TABLES.iterdir() if f.suffix in (".csv", ".parquet"))
    return _read_table(Registry("table", {f.stem: f for f in files})[name]).copy()


@cache
def _read_table(file: Path) -> pd.DataFrame:
    return pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file, comment="#")
