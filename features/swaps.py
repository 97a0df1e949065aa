"""Swapped samples: the sex that a sample's genes tell against the sex that its patient has."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.features.cohort import Cohort
from theracast.features.scales import COUNTS, EXPRESSION, row_blocks

#: Genes of the Y chromosome, and the one that only a silenced X chromosome reads.
Y_GENES, X_GENE = ("RPS4Y1", "DDX3Y"), "XIST"
#: log2(TPM+1), or of counts per million, from which a gene is on and below which it is off. Of 145 women in ten public
#: cohorts none has both Y genes above 2.9; of 227 men three quarters do. Tumours lose Y, so that silence tells nothing.
ON, OFF = 3.0, 1.0
_WORDS = {"m": "M", "male": "M", "man": "M", "f": "F", "female": "F", "woman": "F"}


def sex_by_genes(cohort: Cohort) -> pd.Series:
    """Tell the sex of each sample where its genes leave no doubt.

    ``M``: RPS4Y1 and DDX3Y are on, and XIST is not. ``F``: XIST is on, and both are off. Anything else, such as a
    tumour that lost Y, is not told. Without XIST, as where only coding genes are given, nobody is ``F``.

    Parameters
    ----------
    cohort : Cohort
        With ``expression`` or ``counts``; what an array measures has no level at which a gene is on.

    Returns
    -------
    Series of str
        ``"M"``, ``"F"`` or ``""``.

    Examples
    --------
    >>> genes = pd.DataFrame({"RPS4Y1": [7.0, 0.1], "DDX3Y": [5.0, 0.0], "XIST": [0.2, 6.0]}, index=["a", "b"])
    >>> sex_by_genes(Cohort.from_tables({"expression": genes})).tolist()
    ['M', 'F']
    """
    levels = cohort.table(EXPRESSION).reindex(columns=[*Y_GENES, X_GENE]).to_numpy(dtype=np.float64)
    if COUNTS in cohort.tables:
        levels = np.where(np.isnan(levels), _per_million(cohort.table(COUNTS)), levels)
    y, x = levels[:, :2], levels[:, 2]
    male = (y > ON).all(axis=1) & ~(x > OFF)
    female = (y < OFF).all(axis=1) & (x > ON)
    return pd.Series(np.select([male, female], ["M", "F"], ""), index=cohort.ids)


def swapped(cohort: Cohort) -> list[Problem]:
    """Find the samples whose genes are of the other sex than their patient.

    Parameters
    ----------
    cohort : Cohort
        With ``clinical`` (column ``sex``) and ``expression`` or ``counts``.

    Returns
    -------
    list of Problem
        THX-D19 by row, or none.

    Examples
    --------
    >>> genes = pd.DataFrame({"RPS4Y1": [7.0, 7.0], "DDX3Y": [5.0, 5.0]}, index=["a", "b"])
    >>> clinical = pd.DataFrame({"sex": ["M", "F"]}, index=["a", "b"])
    >>> swapped(Cohort.from_tables({"clinical": clinical, "expression": genes}))[0].rows
    (1,)
    """
    _, said = cohort.column("sex", ["clinical"])
    said = said.astype(object).where(said.notna(), "").map(lambda w: _WORDS.get(str(w).strip().lower(), ""))
    if not said.any():
        return []
    told = sex_by_genes(cohort)
    wrong = np.flatnonzero((said != "") & (told != "") & (said != told))
    if not wrong.size:
        return []
    table = EXPRESSION if EXPRESSION in cohort.tables else COUNTS
    what = (
        "is of the other sex than clinical:sex says: the sample may be another patient's. Correct the sex or the ids, "
        "or leave the sample out"
    )
    return [Problem("THX-D19", f"{table}:{', '.join((*Y_GENES, X_GENE))}", what, tuple(int(i) for i in wrong))]


def _per_million(counts: pd.DataFrame) -> np.ndarray:
    levels = np.full((len(counts), 3), np.nan)
    genes = [*Y_GENES, X_GENE]
    names = sorted(counts.columns)
    for part, values in row_blocks(counts, [*genes, *(n for n in names if n not in genes)]):
        with np.errstate(invalid="ignore", divide="ignore"):
            levels[part] = np.log2(values[:, :3] / np.nansum(values, axis=1, keepdims=True) * 1e6 + 1.0)
    return levels
