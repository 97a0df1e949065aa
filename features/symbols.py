"""Gene symbols: every spelling of a gene to its approved symbol, by a dated table of HGNC.

The shipped table is of April 2022. For a newer one, download ``hgnc_complete_set.txt`` from genenames.org and name it
in the environment, ``THERACAST_HGNC=/data/hgnc_complete_set.txt``: then tables of patients and gene sets are read by
the same one. What is written in a model are the symbols of its table.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from theracast.errors import DataError
from theracast.features.excel_dates import genes_of_date

#: Names a newer HGNC file.
VARIABLE = "THERACAST_HGNC"
_ENSEMBL = re.compile(r"ENSG(\d{11})(?!\d)(?!.*_PAR_Y)", re.IGNORECASE)
_COLUMNS = {"prev_symbol": "previous", "alias_symbol": "alias", "ensembl_gene_id": "ensembl", "entrez_id": "entrez"}


@dataclass(frozen=True, eq=False)
class SymbolTable:
    """What is known of the spellings of genes.

    Attributes
    ----------
    source : str
        Name and date of the table, for reports.
    approved : frozenset of str
        Approved symbols.
    others : mapping of str to str
        Previous symbols and aliases that lead to one gene. A spelling that was the approved symbol of one gene and is
        an alias of others is the gene that had it.
    ambiguous : frozenset of str
        Spellings that lead to several genes.
    folded : mapping of str to str
        Lower-case spellings of all of them; approved symbols come before the others.
    ensembl, entrez : mapping of str to str
        Numbers (without ``ENSG`` and zeros) to approved symbols.

    Examples
    --------
    >>> table = symbol_table()
    >>> table.source, table.others["PDL1"], "CD274" in table.approved
    ('HGNC, April 2022', 'CD274', True)
    """

    source: str
    approved: frozenset[str]
    others: Mapping[str, str]
    ambiguous: frozenset[str]
    folded: Mapping[str, str]
    ensembl: Mapping[str, str]
    entrez: Mapping[str, str]


@dataclass(frozen=True)
class Harmonised:
    """What became of the names of genes.

    Attributes
    ----------
    mapping : dict of str to str
        Spelling to approved symbol, of those that change; no two lead to one gene.
    counts : dict of str to int
        How many names are ``approved``, ``other`` (previous symbol or alias), ``case``, ``ensembl``, ``entrez``,
        ``excel`` (a date repaired), ``beside`` (left: the approved symbol stands among the names too), ``clash`` (left:
        several names lead to one gene), ``ambiguous`` (left), ``date`` (left: a date that is not one gene for
        certain) and ``unknown`` (left).
    spellings : dict of str to list of str
        The names of each kind but ``approved``.
    clashes : dict of str to list of str
        Approved symbols that several names lead to, with these names.
    source : str
        Name and date of the table.

    Examples
    --------
    >>> print(harmonise(["CD274", "HER2", "not a gene"]))
    3 names: 1 approved, 1 other, 1 unknown (HGNC, April 2022)
    """

    mapping: dict[str, str]
    counts: dict[str, int]
    spellings: dict[str, list[str]] = field(default_factory=dict)
    clashes: dict[str, list[str]] = field(default_factory=dict)
    source: str = ""

    def __str__(self) -> str:
        parts = ", ".join(f"{n} {kind}" for kind, n in self.counts.items())
        return f"{sum(self.counts.values())} names: {parts} ({self.source})"


def symbol_table() -> SymbolTable:
    """Return the table of symbols: the one that ``THERACAST_HGNC`` names, or the shipped one; read once.

    Returns
    -------
    SymbolTable
        Of HGNC.

    Raises
    ------
    DataError
        THX-D02 when the file named cannot be read as HGNC's.

    Examples
    --------
    >>> symbol_table().others["MARCH1"]
    'MARCHF1'
    """
    return _read(os.environ.get(VARIABLE, ""))


def read_hgnc(source: str | Path | pd.DataFrame, name: str = "") -> SymbolTable:
    """Read HGNC's complete set.

    Parameters
    ----------
    source : str, Path or DataFrame
        ``hgnc_complete_set.txt``, or a table with columns ``symbol``, ``prev_symbol``, ``alias_symbol``,
        ``ensembl_gene_id`` and ``entrez_id``; several spellings of a cell are separated by ``|``.
    name : str, optional
        Name and date for reports; by default the file's name and its last change of a record.

    Returns
    -------
    SymbolTable
        For `harmonise`.

    Raises
    ------
    DataError
        THX-D02 when it is something else.

    Examples
    --------
    >>> rows = pd.DataFrame({"symbol": ["FIRRM"], "prev_symbol": ["C1orf112"]})
    >>> harmonise(["C1orf112"], read_hgnc(rows, "HGNC, today")).mapping
    {'C1orf112': 'FIRRM'}
    """
    if isinstance(source, pd.DataFrame):
        rows = source.astype(object).where(source.notna(), "").astype(str)
    else:
        try:
            rows = pd.read_csv(source, sep="\t", dtype=str, keep_default_na=False)
        except (OSError, ValueError) as error:
            raise _not_hgnc(str(source), type(error).__name__) from None
    if "symbol" not in rows or not {"prev_symbol", "alias_symbol"} & set(rows):
        raise _not_hgnc("table of symbols", f"columns {', '.join(map(str, rows.columns[:5]))}")
    if "status" in rows:
        rows = rows[rows["status"] == "Approved"]
    if not name:
        date = f", {rows['date_modified'].max()}" if "date_modified" in rows else ""
        name = f"{Path(source).name if not isinstance(source, pd.DataFrame) else 'HGNC as given'}{date}"
    rows = rows.rename(columns=_COLUMNS).reindex(columns=["symbol", *_COLUMNS.values()], fill_value="")
    return _table(rows, name)


def harmonise(names: Iterable[object], table: SymbolTable | None = None) -> Harmonised:
    """Find the approved symbol of every name.

    An approved symbol is never another. Any other spelling becomes the approved one where it leads to one gene, no
    other name leads there, and the approved symbol is not among the names itself. Case does not matter;
    ``ENSG00000120217.12`` and ``CD274|29126`` are read by their number; where most names are Entrez ids, numbers are
    that; dates of a spreadsheet are repaired where they were one gene, or where an Ensembl id stands beside
    (``1-Mar|ENSG00000145416``). What is ambiguous or unknown stays as it is, and is counted.

    Parameters
    ----------
    names : iterable
        Names of genes; a repeated one counts once.
    table : SymbolTable, optional
        Instead of `symbol_table`.

    Returns
    -------
    Harmonised
        ``mapping`` holds the names that change.

    Examples
    --------
    >>> found = harmonise(["CD274", "PDL1", "HER2", "cd8a", "ENSG00000105329.11", "2-Sep", "1-Mar", "CD20", "MS4A2P"])
    >>> found.mapping
    {'HER2': 'ERBB2', 'cd8a': 'CD8A', 'ENSG00000105329.11': 'TGFB1', '2-Sep': 'SEPTIN2', 'CD20': 'MS4A1'}
    >>> found.counts
    {'approved': 1, 'beside': 1, 'other': 2, 'case': 1, 'ensembl': 1, 'excel': 1, 'date': 1, 'unknown': 1}
    >>> harmonise(["PDL1", "PD-L1"]).clashes
    {'CD274': ['PDL1', 'PD-L1']}
    """
    table = table or symbol_table()
    spelled = list(dict.fromkeys(map(str, names)))
    numbers = sum(name in table.entrez for name in spelled) > len(spelled) / 2
    there = set(spelled)
    found: dict[str, tuple[str, str]] = {}
    ends: dict[str, list[str]] = {}
    for name in spelled:
        gene, kind = (name, "approved") if name in table.approved else _resolve(name, table, numbers)
        if gene != name and gene in there:
            gene, kind = name, "date" if kind == "excel" else "beside"
        found[name] = gene, kind
        if gene != name:
            ends.setdefault(gene, []).append(name)
    clashes = {gene: several for gene, several in ends.items() if len(several) > 1}
    for name in (name for several in clashes.values() for name in several):
        found[name] = name, "clash"
    spellings: dict[str, list[str]] = {}
    for name, (_, kind) in found.items():
        if kind != "approved":
            spellings.setdefault(kind, []).append(name)
    mapping = {name: gene for name, (gene, _) in found.items() if gene != name}
    counts = Counter(kind for _, kind in found.values())
    return Harmonised(mapping, dict(counts), spellings, clashes, table.source)


def approved(names: Iterable[str], table: SymbolTable | None = None) -> list[str]:
    """Spell genes of a set, a panel or a model as harmonised tables do.

    Parameters
    ----------
    names : iterable of str
        As published.
    table : SymbolTable, optional
        Instead of `symbol_table`.

    Returns
    -------
    list of str
        The approved symbol of each, or the name itself; as long as `names`.

    Examples
    --------
    >>> approved(["CTGF", "CD8A", "TAZ"])
    ['CCN2', 'CD8A', 'TAZ']
    """
    table = table or symbol_table()
    return [name if name in table.approved else _resolve(name, table, False)[0] for name in names]


def genes_among(labels: Iterable[object]) -> int:
    """Count the labels that are surely genes: approved symbols and Ensembl ids.

    Parameters
    ----------
    labels : iterable
        Of one axis of a table.

    Returns
    -------
    int
        How many.

    Examples
    --------
    >>> genes_among(["CD274", "ENSG00000120217", "patient 7"])
    2
    """
    table = symbol_table()
    return sum(n in table.approved or _ENSEMBL.match(n) is not None for n in map(str, labels))


def _resolve(name: str, table: SymbolTable, numbers: bool) -> tuple[str, str]:
    """Look one name up that is no approved symbol: (gene, kind)."""
    if name in table.others:
        return table.others[name], "other"
    if name in table.ambiguous:
        return name, "ambiguous"
    if found := _ENSEMBL.search(name):
        gene = table.ensembl.get(found[1].lstrip("0"))
        return (gene, "ensembl") if gene else (name, "unknown")
    if numbers and name.isdigit():
        gene = table.entrez.get(name)
        return (gene, "entrez") if gene else (name, "unknown")
    if "|" in name:
        symbol, _, number = name.partition("|")
        if number in table.entrez:
            return table.entrez[number], "entrez"
        gene, kind = (symbol, "other") if symbol in table.approved else _resolve(symbol, table, numbers)
        return (gene, kind) if gene != symbol or kind == "other" else (name, kind)
    if dated := genes_of_date(name):
        return (dated[0], "excel") if len(dated) == 1 else (name, "date")
    gene = table.folded.get(name.strip().lower())
    if gene is None:
        return name, "unknown"
    return (gene, "case") if gene else (name, "ambiguous")


@cache
def _read(path: str) -> SymbolTable:
    if path:
        return read_hgnc(path)
    file = pq.read_table(BytesIO(files("theracast.features.tables").joinpath("hgnc.parquet").read_bytes()))
    return _table(file.to_pandas(), f"HGNC, {file.schema.metadata[b'date'].decode()}")


def _table(rows: pd.DataFrame, source: str) -> SymbolTable:
    """Sort the spellings of all genes: of one gene, of several, and in lower case."""
    symbols = list(rows["symbol"])
    known = frozenset(symbols)
    was, also = (_spellings(symbols, rows[column], known) for column in ("previous", "alias"))
    others = {name: genes[0] for name, genes in was.items() if len(genes) == 1}
    for name, genes in also.items():
        if name not in was and len(genes) == 1:
            others[name] = genes[0]
    ambiguous = frozenset({*was, *also} - set(others))
    folded: dict[str, str] = {}
    for name, gene in (*((n, n) for n in known), *others.items()):
        low = name.lower()
        before = folded.setdefault(low, gene)
        if before != gene and before not in known:
            folded[low] = ""
    ensembl = {n.removeprefix("ENSG").lstrip("0"): g for n, g in _numbers(symbols, rows["ensembl"]).items()}
    return SymbolTable(source, known, others, ambiguous, folded, ensembl, _numbers(symbols, rows["entrez"]))


def _spellings(symbols: list[str], cells: pd.Series, known: frozenset[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for symbol, cell in zip(symbols, cells, strict=True):
        if cell:
            for name in cell.split("|"):
                if name not in known:
                    found.setdefault(name, []).append(symbol)
    return found


def _numbers(symbols: list[str], cells: pd.Series) -> dict[str, str]:
    """Numbers that belong to one gene."""
    found = _spellings(symbols, cells, frozenset())
    return {number: genes[0] for number, genes in found.items() if len(genes) == 1}


def _not_hgnc(where: str, got: str) -> DataError:
    return DataError(
        "the table of gene symbols cannot be read",
        code="THX-D02",
        where=where,
        got=got,
        wanted="HGNC's complete set, tab-separated: symbol, prev_symbol, alias_symbol, ensembl_gene_id, entrez_id",
        fix=f"Download hgnc_complete_set.txt from genenames.org again, or unset {VARIABLE}.",
    )
