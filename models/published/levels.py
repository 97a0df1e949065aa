"""Levels of genes, and means of gene sets, as published scores read them: log2(TPM+1), one patient at a time.

A patient with a published set mean is read from it, as the blocks read it, and from genes otherwise. The other way
round would put more patients of one cohort (IMvigor210, Ravi, Riaz, Snyder) on two sources, and judge a score by that.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from theracast.features.cohort import Cohort
from theracast.features.scales import EXPRESSION
from theracast.features.scores import HOUSEKEEPING, MOST, genes_of
from theracast.features.tables import load_table


def gene_levels(cohort: Cohort, genes: Sequence[str]) -> pd.DataFrame:
    """Read genes of every patient.

    Parameters
    ----------
    cohort : Cohort
        Patients; only table ``expression`` is read, for counts and array intensities cannot be compared between genes.
    genes : sequence of str
        Approved symbols.

    Returns
    -------
    DataFrame of float64, shape (n_patients, n_genes)
        log2(TPM+1); NaN where not measured.

    Examples
    --------
    >>> c = Cohort.from_tables({"expression": pd.DataFrame({"GZMA": [3.0]}, index=["p"])})
    >>> gene_levels(c, ["GZMA", "PRF1"]).iloc[0].tolist()
    [3.0, nan]
    """
    table = cohort.tables.get(EXPRESSION, pd.DataFrame())
    levels = table.reindex(index=cohort.ids, columns=list(genes)).to_numpy(dtype=np.float64, na_value=np.nan)
    return pd.DataFrame(np.ascontiguousarray(levels), index=cohort.ids, columns=list(genes))


def set_level(cohort: Cohort, name: str) -> pd.Series:
    """Read the mean of a gene set from table ``signatures``, where COMPASS published it times a constant.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    name : str
        In ``tables/immune_sets.csv``.

    Returns
    -------
    Series of float64
        Mean log2(TPM+1) of the genes of the set; NaN where the published mean is not known or cannot be one.

    Examples
    --------
    >>> c = Cohort.from_tables({"signatures": pd.DataFrame({"Target_marker_PDL1": [0.36165, 900.0]}, index=["p", "q"])})
    >>> set_level(c, "Target_marker_PDL1").round(6).tolist()
    [1.0, nan]
    """
    scale = float(load_table("immune_sets").set_index("name")["scale"][name])
    _, values = cohort.column(name, ["signatures"])
    values = values.astype(np.float64)
    return values.where(values.between(0, MOST)) / scale


def set_members(name: str) -> tuple[str, ...]:
    """List the genes of a set that enter its mean.

    Parameters
    ----------
    name : str
        In ``tables/immune_sets.csv``.

    Returns
    -------
    tuple of str
        Approved symbols, sorted.

    Examples
    --------
    >>> set_members("CytoxAct_Rooney")
    ('GZMA', 'PRF1')
    """
    every = genes_of([name])
    return every if name == HOUSEKEEPING else tuple(g for g in every if g not in genes_of([HOUSEKEEPING]))


def mean_known(levels: pd.DataFrame, least: float) -> pd.Series:
    """Average the genes that were measured, where enough of them were.

    Parameters
    ----------
    levels : DataFrame of shape (n_patients, n_genes)
        As `gene_levels` gives them.
    least : float
        Least share of the genes.

    Returns
    -------
    Series of float64
        NaN where fewer were measured.

    Examples
    --------
    >>> mean_known(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, np.nan]}), 0.8).tolist()
    [2.0, nan]
    """
    known = levels.notna().sum(axis=1)
    return (sum_known(levels) / known.where(known > 0)).where(known >= least * levels.shape[1])


def sum_known(values: pd.DataFrame) -> pd.Series:
    """Add up what is known of each patient, from left to right.

    The sums of numpy and pandas differ in the last bit with the number of rows, so that a patient would not score alone
    as in a crowd.

    Parameters
    ----------
    values : DataFrame of shape (n_patients, n_terms)
        NaN counts as nothing.

    Returns
    -------
    Series of float64
        0 where nothing is known.

    Examples
    --------
    >>> sum_known(pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, np.nan]})).tolist()
    [4.0, 2.0]
    """
    return pd.Series(np.nancumsum(values.to_numpy(dtype=np.float64), axis=1)[:, -1], index=values.index)
