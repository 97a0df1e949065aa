"""GSVA of a cohort: how a gene set stands in each patient, relative to the other patients of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd

from theracast.checks import listed, table_to_numbers
from theracast.errors import DataError, UsageError
from theracast.kernels.gsva import bandwidths, exact_levels, normal_table, table_levels, walk
from theracast.kernels.ranks import sorted_genes

#: R GSVA drops genes whose standard deviation is smaller.
CONSTANT = 1e-10


def gsva(
    expression: pd.DataFrame,
    sets: Mapping[str, Sequence[str]],
    kernel: Literal["table", "exact"] = "table",
    max_diff: bool = True,
    min_size: int = 1,
) -> pd.DataFrame:
    """Score gene sets by GSVA with Gaussian kernels (Hänzelmann 2013, 10.1186/1471-2105-14-7).

    **The scores are relative to the cohort.** Each gene is first placed within its own distribution over the
    patients given, so that adding or leaving out a patient changes the scores of all others, and one patient cannot
    be scored alone. For a prediction this means: scores of a training and of a test cohort are not on one scale, a
    cohort scored together has looked at its test patients, and a model on GSVA cannot serve single patients. Use it
    to describe a cohort; for prediction use scores of one sample, such as ssGSEA or singscore.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        Log-like values (microarray intensities, log TPM), complete. Genes never measured (no value at all) and genes
        without variation (standard deviation below 1e-10) are left out, as R GSVA does. Counts need Poisson kernels,
        which are not offered: take their logarithm.
    sets : mapping of str to sequence of str
        Genes of each set. Those that are not scored are ignored; a gene named twice counts once.
    kernel : {"table", "exact"}, default "table"
        ``"table"`` equals R GSVA 1.46, whose normal CDF is a table of steps of 0.001. ``"exact"`` computes the CDF
        itself and is faster; it places some neighbouring genes in another order, so that scores differ from R by
        about 1e-4, and by more where many genes of a small table are tied.
    max_diff : bool, default True
        Whether the score is the sum of the highest and the lowest point of the walk, or the farther one of both
        (``mx.diff`` in R).
    min_size : int, default 1
        Least number of scored genes of a set.

    Returns
    -------
    DataFrame of float64, shape (n_patients, n_sets)
        In [-1, 1]; NaN for a set with fewer than `min_size` scored genes.

    Raises
    ------
    DataError
        Ids or genes repeat; fewer than two patients; cells that are missing, infinite or no numbers; fewer than two
        genes that vary; no set with a scored gene.
    UsageError
        An unknown kernel, a `min_size` below one, or no sets.

    Notes
    -----
    Among genes with equal levels the one whose column comes first ranks first, as in R.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> table = pd.DataFrame(rng.normal(8, 2, (4, 50)), list("abcd"), [f"G{i}" for i in range(50)])
    >>> table.loc["b", ["G0", "G1", "G2"]] += 20
    >>> gsva(table, {"three": ["G0", "G1", "G2"]}).three.idxmax()
    'b'
    """
    if kernel not in ("table", "exact"):
        raise UsageError("unknown kernel", got=repr(kernel), wanted="'table' or 'exact'", fix="Choose one of the two.")
    if isinstance(min_size, bool) or not isinstance(min_size, int | np.integer) or min_size < 1:
        raise UsageError("min_size is no count", got=repr(min_size), wanted="a whole number from 1", fix="Give 1.")
    alone = [name for name, genes in sets.items() if isinstance(genes, str)]
    if not sets or alone:
        got = f"a single text for {listed(alone)}" if alone else "no sets"
        raise UsageError("gene sets are wanted", got=got, wanted="name -> list of genes", fix="Give lists of genes.")
    values = _complete(expression)
    widths = bandwidths(values)
    varies = widths * 4 >= CONSTANT  # False for NaN: never measured
    if varies.sum() < 2:
        raise DataError(
            "too few genes vary over the patients",
            where="expression",
            got=f"{varies.sum()} of {values.shape[1]}",
            wanted="2 or more",
            fix="Check that the table holds patients in rows and genes in columns, on a log-like scale.",
        )
    if not varies.all():
        values, widths = values[:, varies], widths[varies]
    lists = _positions(sets, expression.columns[varies])
    sizes = np.array([len(part) for part in lists], dtype=np.int64)
    if not sizes.any():
        raise DataError(
            "no set shares a gene with the table",
            where="expression",
            got=f"{values.shape[1]} genes, {len(sizes)} sets",
            wanted="gene names of one kind",
            fix="Name the genes of the table and of the sets alike, e.g. by HGNC symbols.",
        )
    levels = table_levels(values, widths, normal_table()) if kernel == "table" else exact_levels(values, widths)
    genes = np.concatenate(lists)
    by_gene = np.argsort(genes, kind="stable")
    starts = np.searchsorted(genes[by_gene], np.arange(values.shape[1] + 1)).astype(np.int64)
    order, _ = sorted_genes(np.negative(levels, out=levels))
    scores = walk(order, np.repeat(np.arange(len(sizes)), sizes)[by_gene], starts, sizes, bool(max_diff))
    scores[:, sizes < min_size] = np.nan
    return pd.DataFrame(scores, index=expression.index, columns=list(sets))


def _complete(expression: pd.DataFrame) -> np.ndarray:
    """Return the numbers: each gene known in all patients or in none, every name once."""
    for what, names in (("patients", expression.index), ("genes", expression.columns)):
        if not names.is_unique:
            raise DataError(
                f"{what} repeat",
                code="THX-D17",
                where="expression",
                got=f"{names.duplicated().sum()} repeated",
                wanted="each once",
                fix=f"Keep one of each of the {what}.",
            )
    if len(expression) < 2:
        raise DataError(
            "GSVA compares patients with each other and cannot score one alone",
            where="expression",
            got=f"{len(expression)} patients",
            wanted="2 or more, better 10",
            fix="Score the whole cohort at once, or take a score of one sample such as ssGSEA.",
        )
    values = expression.to_numpy()
    if values.dtype.kind not in "fiu" or np.isinf(values).any():
        table, problems = table_to_numbers(expression, "expression")
        if problems:
            raise DataError(
                "cells that are no finite numbers",
                code=problems[0].code,
                where=problems[0].where,
                got=f"{len(problems)} genes; the first {problems[0].what.split(';')[0]}",
                wanted="finite numbers",
                fix="Correct these cells, or leave out these genes.",
            )
        values = table.to_numpy(dtype=np.float64)
    if values.dtype != np.float32:
        values = values.astype(np.float64, copy=False)
    missing = np.isnan(values).sum(axis=0)
    partly = (missing > 0) & (missing < len(values))
    if partly.any():
        raise DataError(
            "missing values",
            where="expression",
            got=f"{partly.sum()} genes known in some patients only, e.g. column {expression.columns[partly][0]}",
            wanted="each gene known in all patients, or in none",
            fix="Impute these genes, or leave them out.",
        )
    return values


def _positions(sets: Mapping[str, Sequence[str]], genes: pd.Index) -> list[np.ndarray]:
    position = dict(zip(genes.tolist(), range(len(genes)), strict=True))
    found = (sorted({position[g] for g in members if g in position}) for members in sets.values())
    return [np.array(part, dtype=np.int64) for part in found]
