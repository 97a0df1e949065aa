"""Names of taxa, as the reference databases write them, and tables of taxa brought to one rank.

Greengenes and QIIME 2 (``k__Bacteria; p__Firmicutes``), SILVA (``d__``, or ``D_0__``), GTDB (``p__Bacillota_A``) and
MetaPhlAn (``k__Bacteria|p__Firmicutes``, where a table holds every rank of every clade) are read; a plain name is
a genus, or a species when it has two words. Phyla were renamed in 2021 (10.1099/ijsem.0.005056): the table
``taxa_of_interest`` knows both names.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

import numpy as np
import pandas as pd

from theracast.features.tables import load_table

#: Ranks from wide to narrow.
RANKS = "kpcofgs"
_PART = re.compile(r"(?:d_(?P<number>[0-9]+)|(?P<rank>[a-z]{1,2}))__(?P<name>.*)", re.IGNORECASE)
_GTDB = re.compile(r"_[A-Z]{1,3}$")
_NOTHING = frozenset(
    {"", "uncultured", "unclassified", "unassigned", "unknown", "ambiguous_taxa", "uncultured bacterium", "__", "na"}
)


@cache
def lineage(taxon: str) -> dict[str, str]:
    """Read the name of a taxon.

    Parameters
    ----------
    taxon : str
        As a column is named.

    Returns
    -------
    dict of str to str
        Rank (one of `RANKS`, ``t`` for strains) to name, from wide to narrow; ranks without a name are left out.

    Examples
    --------
    >>> lineage("D_0__Bacteria;D_1__Firmicutes;D_2__Clostridia;D_3__;D_4__uncultured")
    {'k': 'Bacteria', 'p': 'Firmicutes', 'c': 'Clostridia'}
    >>> lineage("k__Bacteria|p__Bacillota_A|g__Faecalibacterium|s__Faecalibacterium_prausnitzii")["p"]
    'Bacillota'
    >>> lineage("Akkermansia muciniphila")
    {'g': 'Akkermansia', 's': 'Akkermansia muciniphila'}
    """
    parts = [p.strip() for p in re.split(r"[;|]", taxon)]
    read = [_PART.fullmatch(p) for p in parts]
    if not any(read):
        words = parts[-1].replace("_", " ").split()
        if not words or words[0].lower() in _NOTHING:
            return {}
        return {"g": words[0], **({"s": " ".join(words[:2])} if len(words) > 1 else {})}
    found = {}
    for match in filter(None, read):
        rank = RANKS[min(int(match["number"]), 6)] if match["number"] else match["rank"].lower()[0]
        name = _GTDB.sub("", match["name"].strip())
        if name.lower() not in _NOTHING:
            found["k" if rank == "d" else rank] = name.replace("_", " ") if rank in "st" else name
    if "s" in found and "g" in found and " " not in found["s"]:
        found["s"] = f"{found['g']} {found['s']}"  # Greengenes writes the epithet alone
    return found


def leaves(taxa: Iterable[str]) -> list[str]:
    """Leave out clades that other columns split further, as in MetaPhlAn's tables: they would count twice.

    Parameters
    ----------
    taxa : iterable of str
        Names of columns.

    Returns
    -------
    list of str
        Sorted.

    Examples
    --------
    >>> leaves(["k__Bacteria", "k__Bacteria|p__Firmicutes", "k__Archaea"])
    ['k__Archaea', 'k__Bacteria|p__Firmicutes']
    """
    taxa = sorted(taxa)
    above = {t[: m.start()] for t in taxa for m in re.finditer(r"\|", t)}
    return [t for t in taxa if t not in above]


def at_rank(taxon: str, rank: str) -> str:
    """Name a taxon at a rank, or say where its name ends.

    Parameters
    ----------
    taxon : str
        As a column is named.
    rank : str
        One of `RANKS`.

    Returns
    -------
    str
        ``Akkermansia``; ``Lachnospiraceae (f)`` where only the family is known; ``unassigned`` where nothing is.

    Examples
    --------
    >>> at_rank("p__Firmicutes;f__Lachnospiraceae;g__", "g")
    'Lachnospiraceae (f)'
    """
    known = lineage(taxon)
    for r in RANKS[RANKS.index(rank) :: -1]:
        if r in known:
            return known[r] if r == rank else f"{known[r]} ({r})"
    return "unassigned"


def collapse(table: pd.DataFrame, rank: str) -> pd.DataFrame:
    """Add up the taxa of one name at a rank.

    Parameters
    ----------
    table : DataFrame, samples x taxa
        Counts or shares.
    rank : str
        One of `RANKS`.

    Returns
    -------
    DataFrame, samples x names
        Columns sorted.

    Examples
    --------
    >>> table = pd.DataFrame([[1, 2, 4]], columns=["g__A;s__x", "g__A;s__y", "g__B"])
    >>> collapse(table, "g").iloc[0].to_dict()
    {'A': 3.0, 'B': 4.0}
    """
    columns = sorted(table.columns)
    names: dict[str, list[int]] = {}
    for j, taxon in enumerate(columns):
        names.setdefault(at_rank(taxon, rank), []).append(j)
    values = table[columns].to_numpy(dtype=np.float64)
    return pd.DataFrame({n: add_up(values, names[n]) for n in sorted(names)}, index=table.index, dtype=np.float64)


def shares_of_interest(table: pd.DataFrame) -> pd.DataFrame:
    """Add up the taxa of the table ``taxa_of_interest``.

    Parameters
    ----------
    table : DataFrame, samples x taxa
        Shares.

    Returns
    -------
    DataFrame, samples x taxa of interest
        NaN where no taxon of the table says its name at that rank: the naming cannot tell. Else 0 is not seen.

    Examples
    --------
    >>> table = pd.DataFrame([[0.25, 0.75]], columns=["p__Verrucomicrobiota;g__Akkermansia", "p__Bacillota;g__Blautia"])
    >>> shares_of_interest(table)[["akkermansia", "firmicutes", "ruminococcaceae"]].iloc[0].tolist()
    [0.25, 0.75, nan]
    """
    columns = sorted(table.columns)
    values = table[columns].to_numpy(dtype=np.float64)
    there = ~np.isnan(values).all(axis=1)
    lines = [lineage(c) for c in columns]
    found = {}
    for row in load_table("taxa_of_interest").itertuples():
        wanted = set(str(row.names).split("|"))
        told = any(row.rank in line for line in lines)
        at = [j for j, line in enumerate(lines) if line.get(str(row.rank)) in wanted]
        found[str(row.name)] = np.where(there & told, add_up(values, at), np.nan)
    return pd.DataFrame(found, index=table.index)


def add_up(values: np.ndarray, columns: list[int]) -> np.ndarray:
    """Add columns up one after the other, so that a patient gets the same bits alone and in a crowd.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_columns)
        Numbers.
    columns : list of int
        Which.

    Returns
    -------
    ndarray of shape (n_samples,)
        Sums.

    Examples
    --------
    >>> add_up(np.array([[1.0, 2.0, 4.0]]), [0, 2]).tolist()
    [5.0]
    """
    summed = np.zeros(len(values))
    for j in columns:
        summed = summed + values[:, j]
    return summed
