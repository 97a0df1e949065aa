"""Tables of genes: which way round they lie, by which symbols, and one column per gene."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd

from theracast.checks import listed
from theracast.errors import DataError
from theracast.features.excel_dates import genes_of_date
from theracast.features.symbols import Harmonised, SymbolTable, approved, genes_among, harmonise, symbol_table
from theracast.features.tables import load_table

#: Columns of a genes x patients table that may hold the Ensembl id of each row.
ENSEMBL_COLUMNS = ("ensembl", "ensembl_id", "ensembl_gene", "ensembl_gene_id")
_ONE = "Keep one, or declare 'duplicate_genes: max' (or mean) in units.yaml."


def set_genes() -> frozenset[str]:
    """Return the genes that the shipped immune gene sets read.

    Returns
    -------
    frozenset of str
        Approved symbols.

    Examples
    --------
    >>> "CD274" in set_genes()
    True
    """
    return _set_genes(symbol_table())


@cache
def _set_genes(table: SymbolTable) -> frozenset[str]:
    return frozenset(approved((g for text in load_table("immune_sets")["genes"] for g in text.split(":")), table))


def with_ensembl(table: pd.DataFrame) -> pd.DataFrame:
    """Put the Ensembl id of a row to its name, so that 1-Mar can be told apart.

    Parameters
    ----------
    table : DataFrame
        Genes x patients, with or without one of `ENSEMBL_COLUMNS`.

    Returns
    -------
    DataFrame
        Without that column; rows named ``<gene>|<id>`` where the name alone is no approved symbol.

    Examples
    --------
    >>> t = pd.DataFrame({"ensembl": ["ENSG00000145416"], "p1": [1.0]}, index=pd.Index(["1-Mar"], name="gene"))
    >>> with_ensembl(t).index.tolist()
    ['1-Mar|ENSG00000145416']
    """
    column = next((c for c in table.columns if str(c).lower() in ENSEMBL_COLUMNS), None)
    if column is None:
        return table
    known, pairs = symbol_table().approved, zip(map(str, table.index), table[column], strict=True)
    names = [f"{n}|{i}" if isinstance(i, str) and n not in known else n for n, i in pairs]
    return table.drop(columns=column).set_axis(pd.Index(names, name=table.index.name), axis=0)


def harmonised_genes(
    table: pd.DataFrame, where: str, rule: str = "refuse", symbols: SymbolTable | None = None
) -> tuple[pd.DataFrame, Harmonised]:
    """Name the columns by approved symbols and leave one per gene.

    Several spellings of one gene without its approved symbol are refused when a shipped gene set reads that gene, or
    when one of them is a date; of other genes they stay as they are, and are counted.

    Parameters
    ----------
    table : DataFrame
        Patients x genes.
    where : str
        Table or file, for the message.
    rule : {"refuse", "max", "mean"}, default "refuse"
        What to do with columns of the same gene.
    symbols : SymbolTable, optional
        Instead of `theracast.features.symbols.symbol_table`.

    Returns
    -------
    table : DataFrame
        Patients x distinct genes.
    found : Harmonised
        What became of the names.

    Raises
    ------
    DataError
        THX-D01 a date that may be two genes; THX-D02 several spellings of one gene; THX-D03 a name twice.

    Examples
    --------
    >>> table, found = harmonised_genes(pd.DataFrame({"HER2": [1.0], "2-Sep": [2.0]}), "expression")
    >>> table.columns.tolist(), found.counts
    (['ERBB2', 'SEPTIN2'], {'other': 1, 'excel': 1})
    """
    found = harmonise(table.columns, symbols)
    if dates := found.spellings.get("date"):
        repaired = found.spellings.get("excel", [])
        raise DataError(
            "gene names were turned into dates, and may be two genes each",
            code="THX-D01",
            where=where,
            got=f"{listed(dates, 12)}" + (f"; repaired would be {listed(repaired, 12)}" if repaired else ""),
            wanted="1-Mar is MARCHF1 or MTARC1, 2-Mar is MARCHF2 or MTARC2",
            fix="Write the symbol, give the Ensembl ids in a column 'ensembl' beside 'gene', or leave the genes out.",
        )
    mapping = dict(found.mapping)
    if rule in ("max", "mean"):
        mapping |= {name: gene for gene, names in found.clashes.items() for name in names}
    else:
        read = set_genes()
        wrong = {g: n for g, n in found.clashes.items() if g in read or any(genes_of_date(name) for name in n)}
        if wrong:
            raise DataError(
                "genes stand under several spellings",
                code="THX-D02",
                where=where,
                got=listed((f"{' and '.join(names)} are {gene}" for gene, names in wrong.items()), 5),
                wanted="one column per gene",
                fix=_ONE,
            )
    columns = [mapping.get(str(c), str(c)) for c in table.columns]
    return unique_genes(table.set_axis(columns, axis=1), where, rule), found


def patients_in_rows(table: pd.DataFrame, where: str, other_ids: frozenset[str] = frozenset()) -> pd.DataFrame:
    """Turn an expression table so that patients are rows, or say that it looks transposed.

    Parameters
    ----------
    table : DataFrame
        Either genes x patients with the index named ``gene``, or patients x genes.
    where : str
        Table or file, for the message.
    other_ids : frozenset of str
        Patient ids of the other tables.

    Returns
    -------
    DataFrame
        Patients x genes.

    Raises
    ------
    DataError
        THX-D07 when the labels say that the table lies the other way round than declared.

    Examples
    --------
    >>> t = pd.DataFrame({"p1": [1.0]}, index=pd.Index(["CD274"], name="gene"))
    >>> patients_in_rows(t, "expression").index.tolist()
    ['p1']
    """
    declared = table.index.name == "gene"
    turned = table.T if declared else table
    right = genes_among(turned.columns) + sum(str(i) in other_ids for i in turned.index)
    wrong = genes_among(turned.index) + sum(str(c) in other_ids for c in turned.columns)
    if wrong > right:
        raise DataError(
            f"the {where} table looks transposed",
            code="THX-D07",
            where=where,
            got=f"{wrong} labels on the wrong axis, {right} on the right one",
            wanted="genes in rows with the index named 'gene', or patients in rows",
            fix="Transpose it, or name the index 'gene' (genes in rows) or 'patient_id' (patients in rows).",
        )
    return turned


def unique_genes(table: pd.DataFrame, where: str, rule: str = "refuse") -> pd.DataFrame:
    """Leave one column per gene.

    Parameters
    ----------
    table : DataFrame
        Patients x genes.
    where : str
        Table or file, for the message.
    rule : {"refuse", "max", "mean"}, default "refuse"
        What to do with columns of the same gene.

    Returns
    -------
    DataFrame
        Patients x distinct genes.

    Raises
    ------
    DataError
        THX-D03 on duplicates under ``"refuse"``.

    Examples
    --------
    >>> t = pd.DataFrame([[1.0, 3.0]], columns=["CD8A", "CD8A"])
    >>> unique_genes(t, "expression", rule="mean")["CD8A"].tolist()
    [2.0]
    """
    repeated = table.columns[table.columns.duplicated()].unique()
    if repeated.empty:
        return table
    if rule not in ("max", "mean"):
        raise DataError(
            "genes occur more than once",
            code="THX-D03",
            where=where,
            got=f"{len(repeated)} repeated: {listed(repeated)}",
            wanted="one column per gene",
            fix=_ONE,
        )
    reduced = table.loc[:, ~table.columns.duplicated()].copy()
    for gene in repeated:
        values = np.sort(table.loc[:, table.columns == gene].to_numpy(dtype=np.float64, na_value=np.nan), axis=1)
        several = pd.DataFrame(values, index=table.index)  # sorted: the mean does not depend on the order of columns
        reduced[gene] = several.max(axis=1) if rule == "max" else several.mean(axis=1)
    return reduced
