"""Altered genes, hotspots, pathways and copy number: what is known to be there, to be absent, or not known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from theracast.features.symbols import approved, symbol_table
from theracast.features.tables import load_table
from theracast.features.variants import FUSION, NONSYNONYMOUS, UNSEEN, per_patient

#: How the classes of variants are put together; a frameshift is both truncating and an indel.
KINDS = {
    "missense": ("missense",),
    "truncating": ("nonsense", "frameshift"),
    "indel": ("frameshift", "inframe"),
    "splice": ("splice",),
}


def gene_table(table: pd.DataFrame) -> pd.DataFrame:
    """Read a table of genes as numbers, under approved symbols; of two spellings of a gene the larger change counts.

    Parameters
    ----------
    table : DataFrame, shape (n_patients, n_genes)
        Numbers, or text that holds numbers.

    Returns
    -------
    DataFrame of float64
        Patients as given, each gene once, in the order of their symbols.

    Examples
    --------
    >>> gene_table(pd.DataFrame({"HER2": [0.0], "ERBB2": [-2.0]})).to_dict("list")
    {'ERBB2': [-2.0]}
    """
    if not table.shape[1]:
        return pd.DataFrame(index=table.index)
    numbers = table.apply(pd.to_numeric, errors="coerce").astype(np.float64)
    genes = approved(map(str, numbers.columns))
    if len(set(genes)) == len(genes):
        return numbers.set_axis(genes, axis=1)[sorted(genes)]
    groups = numbers.T.groupby(genes)
    high, low = groups.max().T, groups.min().T
    return high.where(~(low.abs() > high.abs()), low)


def gene_states(variants: pd.DataFrame, covered: pd.DataFrame, matrix: pd.DataFrame) -> pd.DataFrame:
    """Say of each gene whether it is mutated: 1, not: 0, or not known: NaN.

    Parameters
    ----------
    variants : DataFrame
        As `theracast.features.variants.tidy_variants` gives them.
    covered : DataFrame of bool, shape (n_patients, n_genes)
        Where the gene was read, so that no variant means no mutation.
    matrix : DataFrame, shape (n_patients, any genes)
        0 and 1, where the variants do not say; without columns when there is none.

    Returns
    -------
    DataFrame of float64, shape (n_patients, n_genes)
        Mutated is a variant that changes the protein. A variant of unknown consequence leaves the gene unknown.

    Examples
    --------
    >>> row = pd.DataFrame({"gene": ["BRAF"], "consequence": ["missense"]}, index=["p"])
    >>> covered = pd.DataFrame({"BRAF": [False], "NF1": [True], "B2M": [False]}, index=["p"])
    >>> gene_states(row, covered, pd.DataFrame(index=["p"])).iloc[0].tolist()
    [1.0, 0.0, nan]
    """
    yes = _found(variants[variants["consequence"].isin(NONSYNONYMOUS)], covered)
    maybe = _found(variants[variants["consequence"] == UNSEEN], covered)
    values = np.where(yes, 1.0, np.where(covered.to_numpy() & ~maybe, 0.0, np.nan))
    states = pd.DataFrame(values, index=covered.index, columns=covered.columns)
    return states.fillna(matrix.reindex(index=states.index, columns=states.columns)) if matrix.shape[1] else states


def hotspot_flags(variants: pd.DataFrame, states: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Say whether named residues are hit.

    Parameters
    ----------
    variants : DataFrame
        Tidy variants.
    states : DataFrame
        `gene_states` of the genes concerned.
    names : sequence of str
        ``"BRAF V600"``, any change of the residue, or ``"BRAF V600E"``, that one.

    Returns
    -------
    DataFrame of float64, shape (n_patients, n_names)
        1 hit, 0 not hit, NaN unknown: the gene is unknown, or mutated in a way that nobody wrote down.

    Examples
    --------
    >>> row = {"gene": ["BRAF"], "consequence": ["missense"], "protein": ["V600K"], "residue": ["V600"]}
    >>> states = pd.DataFrame({"BRAF": [1.0]}, index=["p"])
    >>> hotspot_flags(pd.DataFrame(row, index=["p"]), states, ["BRAF V600", "BRAF V600E"]).iloc[0].tolist()
    [1.0, 0.0]
    """
    changing = variants[variants["consequence"].isin(NONSYNONYMOUS)]
    flags = {}
    for name in names:
        gene, change = name.split(" ", 1)
        mine = changing[changing["gene"] == gene]
        hit = (mine["protein"] == change) | (mine["residue"] == change)
        unnamed = mine.index[(mine["protein"] == "").to_numpy()]
        value = states[gene].where(states[gene] != 1.0, 0.0)
        nameless = (states[gene] == 1.0) & ~states.index.isin(
            mine.index.unique()
        )  # from a matrix, which names no residue
        value = value.mask(nameless | states.index.isin(unnamed))
        flags[name] = value.mask(states.index.isin(mine.index[hit.to_numpy()]), 1.0)
    return pd.DataFrame(flags, index=states.index)


def hotspot_counts(variants: pd.DataFrame, ids: pd.Index) -> tuple[pd.Series, pd.Series]:
    """Count the variants at residues that are mutated more often than chance (10.1038/nbt.3391).

    Parameters
    ----------
    variants : DataFrame
        Tidy variants.
    ids : Index
        Patients.

    Returns
    -------
    counts : Series of float64
        Per patient.
    unnamed : Series of bool
        Whether a gene of the list has a variant without its protein change, so that the count may be too low.

    Examples
    --------
    >>> row = {"gene": ["BRAF"], "consequence": ["missense"], "protein": ["V600E"], "residue": ["V600"]}
    >>> hotspot_counts(pd.DataFrame(row, index=["p"]), pd.Index(["p", "q"]))[0].tolist()
    [1.0, 0.0]
    """
    table = load_table("hotspots")
    genes = approved(table["gene"])
    changing = variants[variants["consequence"].isin(NONSYNONYMOUS)]
    spots = set(zip(genes, table["residue"], strict=True))
    at = [pair in spots for pair in zip(changing["gene"], changing["residue"], strict=True)]
    blank = (changing["protein"] == "") & changing["gene"].isin(set(genes))
    counts = per_patient(changing[np.array(at, dtype=bool)], ids)
    return counts, pd.Series(ids.isin(changing.index[blank.to_numpy()].unique()), index=ids)


def pathway_members() -> dict[str, list[str]]:
    """Return the genes of each pathway.

    Returns
    -------
    dict of str to list of str
        Ten oncogenic pathways (10.1016/j.cell.2018.03.035), antigen presentation and DNA repair.

    Examples
    --------
    >>> pathway_members()["NRF2"]
    ['CUL3', 'KEAP1', 'NFE2L2']
    """
    table = load_table("pathways")
    return {p: approved(text.split(":")) for p, text in zip(table["pathway"], table["genes"], strict=True)}


def pathway_counts(states: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Count the mutated genes of each pathway.

    Parameters
    ----------
    states : DataFrame
        `gene_states` of all members.

    Returns
    -------
    counts : DataFrame of float64, shape (n_patients, n_pathways)
        NaN where no member is known.
    censored : DataFrame of int8
        1 where a member is not known: the count is a lower limit.

    Examples
    --------
    >>> genes = [g for members in pathway_members().values() for g in members]
    >>> states = pd.DataFrame(0.0, index=["p"], columns=list(dict.fromkeys(genes)))
    >>> states["KEAP1"] = 1.0
    >>> pathway_counts(states)[0]["NRF2"].tolist()
    [1.0]
    """
    counts, censored = {}, {}
    for pathway, genes in pathway_members().items():
        mine = states[genes]
        known = mine.notna()
        counts[pathway] = (mine == 1.0).sum(axis=1).astype(float).where(known.any(axis=1))
        censored[pathway] = (known.any(axis=1) & ~known.all(axis=1)).astype(np.int8)
    return pd.DataFrame(counts, index=states.index), pd.DataFrame(censored, index=states.index)


def class_counts(variants: pd.DataFrame, ids: pd.Index) -> pd.DataFrame:
    """Count the variants of each class.

    Parameters
    ----------
    variants : DataFrame
        Tidy variants.
    ids : Index
        Patients.

    Returns
    -------
    DataFrame of float64
        Patients x classes; a class that nobody has is not there.

    Examples
    --------
    >>> rows = pd.DataFrame({"consequence": ["missense", "missense", "silent"]}, index=["p", "p", "q"])
    >>> class_counts(rows, pd.Index(["p", "q"])).to_dict("list")
    {'missense': [2.0, 0.0], 'silent': [0.0, 1.0]}
    """
    counts = {c: per_patient(part, ids) for c, part in variants.groupby("consequence", sort=True)}
    return pd.DataFrame(counts, index=ids)


def fusion_flags(variants: pd.DataFrame, tested: pd.Series, genes: Sequence[str]) -> pd.DataFrame:
    """Say whether named genes are fused.

    Parameters
    ----------
    variants : DataFrame
        Tidy variants; of a fusion, ``gene`` holds one partner or both (``EML4::ALK``, ``EML4-ALK``).
    tested : Series of bool
        Whether fusions were looked for: exomes and most panels do not see them.
    genes : sequence of str
        Approved symbols.

    Returns
    -------
    DataFrame of float64, shape (n_patients, n_genes)
        1 fused, 0 looked for and not seen, NaN not looked for.

    Examples
    --------
    >>> row = pd.DataFrame({"gene": ["EML4::ALK"], "consequence": ["fusion"]}, index=["p"])
    >>> fusion_flags(row, pd.Series({"p": True, "q": False}), ["ALK", "ROS1"]).values.tolist()
    [[1.0, 0.0], [nan, nan]]
    """
    fused = variants[variants["consequence"] == FUSION]
    partners = [set(_partners(g)) for g in fused["gene"]]
    absent = pd.Series(np.where(tested, 0.0, np.nan), index=tested.index)
    flags = {}
    for gene in genes:
        mine = fused.index[[gene in p for p in partners]]
        flags[gene] = absent.mask(tested.index.isin(mine), 1.0)
    return pd.DataFrame(flags, index=tested.index)


def copy_flags(copies: pd.DataFrame, amplified: Sequence[str], deleted: Sequence[str], deep: float) -> pd.DataFrame:
    """Say which named genes are amplified or deleted, and how much of the genome is altered.

    Parameters
    ----------
    copies : DataFrame, shape (n_patients, n_genes)
        Levels of `gene_table`: 0 is unaltered.
    amplified, deleted : sequence of str
        Approved symbols.
    deep : float
        Level from which, or below minus which, a gene is flagged.

    Returns
    -------
    DataFrame of float64
        ``amp_<gene>``, ``del_<gene>`` (NaN where the gene is not in the table) and ``cna_fraction``, the share of genes
        at another level than 0.

    Examples
    --------
    >>> copies = pd.DataFrame({"EGFR": [2.0], "PTEN": [-1.0]}, index=["p"])
    >>> copy_flags(copies, ["EGFR"], ["PTEN"], 2.0).iloc[0].tolist()
    [1.0, 0.0, 1.0]
    """
    flags: dict[str, pd.Series] = {}
    for prefix, side, genes in (("amp", 1, amplified), ("del", -1, deleted)):
        mine = copies.reindex(columns=list(genes)).astype(float)
        marked = (side * mine >= deep).astype(float).where(mine.notna())
        flags |= {f"{prefix}_{g}": marked[g] for g in genes}
    known = copies.notna().sum(axis=1).astype(float)
    flags["cna_fraction"] = (copies.fillna(0.0) != 0.0).sum(axis=1) / known.where(known > 0)
    return pd.DataFrame(flags, index=copies.index)


def _found(variants: pd.DataFrame, like: pd.DataFrame) -> np.ndarray:
    """Mark patient and gene of each variant."""
    marks = np.zeros(like.shape, dtype=bool)
    row, column = like.index.get_indexer(variants.index), like.columns.get_indexer(variants["gene"])
    inside = (row >= 0) & (column >= 0)
    marks[row[inside], column[inside]] = True
    return marks


def _partners(text: str) -> list[str]:
    known = symbol_table().approved
    for mark in ("::", "--", "/", "-"):
        if mark in text and text not in known:
            return approved(part.strip() for part in text.split(mark))
    return [text]
