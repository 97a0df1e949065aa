"""Gene-set scores of one sample, read from expression or from published set means, on one scale.

The score of a set is the mean log2(TPM+1) of its genes times the set's frozen pan-cancer scale, over the same of the
housekeeping genes of the same sample. Nothing is taken from the other patients, so that one patient alone scores as in
a crowd. Published set means (`signatures.parquet`, COMPASS) already carry the scale of each set
(``tables/immune_sets.csv``, columns ``scale`` and ``unused``) and need the division by the housekeeping mean only.
Being a ratio of two logged means, the score does not change with the base of the logarithm and hardly with depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd

from theracast.checks import Problem, out_of_range
from theracast.features.cohort import Cohort
from theracast.features.scales import ARRAY, COUNTS
from theracast.features.symbols import SymbolTable, approved, symbol_table
from theracast.features.tables import load_table
from theracast.texts import Texts

#: The denominator of every score: 18 housekeeping genes (NanoString Tech Note 2009).
HOUSEKEEPING = "Reference_NanoString09"
#: Published set means of 13 cohorts end at 3.2.
MOST = 20.0


@dataclass(frozen=True)
class SetScores:
    """Scores of some gene sets for every patient.

    Attributes
    ----------
    values : DataFrame of shape (n_patients, n_sets)
        Ratio to housekeeping, dimensionless, about 0-5; NaN where too few genes were measured.
    coverage : Series of shape (n_patients,)
        Share of the genes read (of sets and housekeeping) that were measured; 1 for published set means.
    origin : Series of str, shape (n_patients,)
        ``"expression"``, ``"signatures"`` or ``""``.

    Examples
    --------
    >>> SetScores(pd.DataFrame(), pd.Series(dtype=float), pd.Series(dtype=object)).values.empty
    True
    """

    values: pd.DataFrame
    coverage: pd.Series
    origin: pd.Series


def genes_of(sets: Sequence[str]) -> tuple[str, ...]:
    """List the genes that the scores of some sets read, housekeeping included.

    Parameters
    ----------
    sets : sequence of str
        Names in ``tables/immune_sets.csv``.

    Returns
    -------
    tuple of str
        Approved symbols, as the tables of a cohort have them, sorted.

    Examples
    --------
    >>> len(genes_of(["CytoxAct_Rooney"]))
    20
    """
    return tuple(sorted({g for s in (*sets, HOUSEKEEPING) for g in _members(symbol_table())[s]}))


def set_scores(cohort: Cohort, sets: Sequence[str], min_coverage: float = 0.8) -> SetScores:
    """Score gene sets, one sample at a time.

    Parameters
    ----------
    cohort : Cohort
        With ``expression`` (log2(TPM+1)), ``signatures`` (published set means), both, or neither.
    sets : sequence of str
        Names in ``tables/immune_sets.csv``.
    min_coverage : float, default 0.8
        Least share of a set's genes, and of the housekeeping genes, that must be measured.

    Returns
    -------
    SetScores
        A patient with a row in both tables is read from ``signatures``.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> set_scores(load_cohort("mgh2022_mel"), ["Ayers_IFNg18"]).origin.unique().tolist()
    ['signatures']
    """
    names = [*sets, HOUSEKEEPING]
    published = cohort.table("signatures").reindex(columns=names).to_numpy(dtype=np.float64)
    told = ~np.isnan(published[:, -1])
    share = np.zeros(len(cohort))
    if "expression" in cohort.tables:  # the symbols of all genes take a quarter of a second to read
        measured, share = _from_genes(cohort.table("expression"), names, min_coverage)
        raw = np.where(told[:, None], published, measured)
    else:
        raw = np.where(told[:, None], published, np.nan)
    base = raw[:, -1]
    values = raw[:, : len(sets)] / np.where(base > 0, base, np.nan)[:, None]
    origin = Texts(np.where(told, 2, np.where(share > 0, 1, 0)), ("", "expression", "signatures"))
    share = np.where(told, (~np.isnan(published)).mean(axis=1), share)
    frame = pd.DataFrame(values, index=cohort.ids, columns=list(sets))
    return SetScores(frame, pd.Series(share, index=cohort.ids), origin.series(cohort.ids))


def implausible(cohort: Cohort, sets: Sequence[str]) -> list[Problem]:
    """List the published set means that are none; expression was checked when the cohort was made.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    sets : sequence of str
        Names in ``tables/immune_sets.csv``.

    Returns
    -------
    list of Problem
        THX-D05, by row.

    Examples
    --------
    >>> c = Cohort.from_tables({"signatures": pd.DataFrame({"Ayers_IFNg18": [900.0]}, index=["p"])})
    >>> implausible(c, ["Ayers_IFNg18"])[0].rows
    (0,)
    """
    return [
        problem
        for where, values in (cohort.column(name, ["signatures"]) for name in (*sets, HOUSEKEEPING))
        for problem in out_of_range(values, 0, MOST, where, "(COMPASS set means)", "THX-D05")
    ]


def relative_only(cohort: Cohort) -> list[Problem]:
    """Find the patients of whom genes are known on a scale only that gene-set scores cannot be made of.

    Parameters
    ----------
    cohort : Cohort
        Patients.

    Returns
    -------
    list of Problem
        THX-D04 counts, THX-D05 array intensities, by row.

    Examples
    --------
    >>> c = Cohort.from_tables({"counts": pd.DataFrame({"CD8A": [118]}, index=["p"])})
    >>> relative_only(c)[0].code
    'THX-D04'
    """
    served = np.zeros(len(cohort), dtype=bool)
    for name in ("expression", "signatures") if {COUNTS, ARRAY} & {*cohort.tables} else ():
        if name in cohort.tables:
            served |= cohort.ids.isin(cohort.tables[name].index)
    found = []
    for name, code, why in (
        (COUNTS, "THX-D04", "counts cannot be compared between genes"),
        (ARRAY, "THX-D05", "array intensities have no zero and cannot be compared between genes"),
    ):
        if name in cohort.tables:
            rows = np.flatnonzero(~served & cohort.ids.isin(cohort.tables[name].index))
            if rows.size:
                what = f"{why}: gene-set scores need log2(TPM+1) in table 'expression', or leave out block 'signatures'"
                found.append(Problem(code, name, what, tuple(int(i) for i in rows)))
    return found


def _from_genes(expression: pd.DataFrame, names: list[str], min_coverage: float) -> tuple[np.ndarray, np.ndarray]:
    from theracast.kernels.enrichment import set_means  # numba takes .3 s, which published scores need not wait for

    genes = genes_of([n for n in names if n != HOUSEKEEPING])
    values = expression.reindex(columns=list(genes)).to_numpy(dtype=np.float64)
    position = {g: i for i, g in enumerate(genes)}
    lists = [[position[g] for g in _members(symbol_table())[n]] for n in names]
    members = np.array([i for part in lists for i in part], dtype=np.int64)
    offsets = np.cumsum([0, *(len(part) for part in lists)]).astype(np.int64)
    scale = load_table("immune_sets").set_index("name")["scale"].reindex(names).to_numpy()
    means = set_means(values, members, offsets, min_coverage) * scale
    return means, (~np.isnan(values)).mean(axis=1)


@cache
def _members(symbols: SymbolTable) -> dict[str, tuple[str, ...]]:
    """Genes of each set that enter its published mean, each once, by approved symbol; the sets spell some as of old."""
    table = load_table("immune_sets").set_index("name")
    unused = {n: set(str(u).split(":")) for n, u in table["unused"].items()}
    return {
        n: tuple(dict.fromkeys(approved((g for g in text.split(":") if g not in unused[n]), symbols)))
        for n, text in table["genes"].items()
    }
