"""Knowledge as data: the tables in this folder, read by name."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from io import BytesIO

import pandas as pd

from theracast.registry import Registry


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
    return _read_table(_listed()[name]).copy()


@cache
def _listed() -> Registry[str]:
    # through the importer, here and below: a cluster reads the package from an archive
    names = sorted(f.name for f in files(__name__).iterdir() if f.name.endswith((".csv", ".parquet")))
    return Registry("table", {n.rpartition(".")[0]: n for n in names})


@cache
def _read_table(name: str) -> pd.DataFrame:
    content = BytesIO(files(__name__).joinpath(name).read_bytes())
    return pd.read_parquet(content) if name.endswith(".parquet") else pd.read_csv(content, comment="#")
