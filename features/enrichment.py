"""Gene-set scores by the published methods: ssGSEA, AUCell, singscore, combined z-score and PLAGE.

Patients in rows, genes in columns, sets by name; one column per set comes back. Genes of a set that are not in the
table are left out; a set with fewer than `min_size` of them in the table is NaN, and ``attrs["coverage"]`` of the
result holds the share of each set that was there. ssGSEA, AUCell and singscore rank the genes within each patient: a
patient scores alone as in a crowd. The z-score and PLAGE compare the patients given with each other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from theracast.checks import listed
from theracast.errors import DataError, UsageError
from theracast.features.set_layout import Layout, Sets, genes_of, lay_out
from theracast.kernels import enrichment, rank_scores
from theracast.kernels.ranks import sorted_genes, top_genes

#: Patients that are ranked at a time: memory stays the same however many there are.
_CHUNK = 256
#: Genes that vary less are constant (as in GSVA).
_CONSTANT = 1e-10


class Singscores(NamedTuple):
    """Scores of singscore and how far the members of each set lie apart.

    Attributes
    ----------
    score : DataFrame of shape (n_patients, n_sets)
        Dimensionless.
    dispersion : DataFrame of shape (n_patients, n_sets)
        Median absolute deviation of the members' ranks times 1.4826, in ranks.

    Examples
    --------
    >>> Singscores(pd.DataFrame(), pd.DataFrame()).score.empty
    True
    """

    score: pd.DataFrame
    dispersion: pd.DataFrame


def ssgsea(
    expression: pd.DataFrame, sets: Sets, *, alpha: float = 0.25, normalised: bool = False, min_size: int = 5
) -> pd.DataFrame:
    """Score gene sets by single-sample GSEA (Barbie et al. 2009, DOI 10.1038/nature08460).

    Equal to ``gsva(method="ssgsea")`` of R's GSVA 1.46, whose default is ``normalised=True``: all scores divided by
    their range over all patients and sets given. A normalised score changes with the company a patient is in.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        On any scale, since only ranks are read; NaN where not measured.
    sets : mapping of str to iterable of str
        Genes of each set.
    alpha : float, default 0.25
        Weight of the ranks, 0 or more.
    normalised : bool, default False
        Whether to divide by the range of all scores.
    min_size : int, default 5
        Least number of a set's genes in the table.

    Returns
    -------
    DataFrame of shape (n_patients, n_sets)
        Higher is more of the set at the top of the ranking; NaN for sets that are too small.

    Raises
    ------
    UsageError
        On sets, or options, that cannot be.
    DataError
        On a table without numbers, with repeated genes (THX-D03), or without the genes of any set (THX-D08).

    Examples
    --------
    >>> x = pd.DataFrame([[9.0, 8.0, 7.0, 6.0]], index=["p1"], columns=["A", "B", "C", "D"])
    >>> ssgsea(x, {"s": ["A", "C", "Z"]}, alpha=1, min_size=2).round(3).loc["p1", "s"].item()
    1.333
    """
    if not alpha >= 0:
        raise UsageError("alpha is negative", got=f"{alpha}", wanted="0 or more", fix="Use 0.25, as the paper does.")
    values, layout = _values(expression), lay_out(expression.columns, sets, min_size)
    scores = layout.frame(_ranked(values, layout, enrichment.ssgsea, float(alpha))[0], expression.index)
    if not normalised or scores.empty:
        return scores
    spread = np.nanmax(scores.to_numpy(), initial=-np.inf) - np.nanmin(scores.to_numpy(), initial=np.inf)
    if not spread > 0:
        raise UsageError(
            "ssGSEA scores cannot be normalised",
            got="no two different scores",
            wanted="several patients or sets",
            fix="Use normalised=False.",
        )
    return scores / spread


def aucell(expression: pd.DataFrame, sets: Sets, *, top: float = 0.05, min_size: int = 5) -> pd.DataFrame:
    """Score gene sets by the area under their recovery curve (Aibar et al. 2017, DOI 10.1038/nmeth.4463).

    Equal to decoupler's ``aucell``, which breaks ties at random where this keeps the order of the columns.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        On any scale, since only ranks are read; NaN where not measured.
    sets : mapping of str to iterable of str
        Genes of each set.
    top : float, default 0.05
        Share of the table's genes that count, in (0, 1]; rounded up, at least 2 genes.
    min_size : int, default 5
        Least number of a set's genes in the table.

    Returns
    -------
    DataFrame of shape (n_patients, n_sets)
        In [0, 1]; NaN for sets that are too small.

    Raises
    ------
    UsageError
        On sets, or options, that cannot be.
    DataError
        As `ssgsea`.

    Examples
    --------
    >>> x = pd.DataFrame([[9.0, 8.0, 7.0, 6.0]], index=["p1"], columns=["A", "B", "C", "D"])
    >>> aucell(x, {"s": ["A", "C"]}, top=0.75, min_size=2).round(3).loc["p1", "s"].item()
    0.667
    """
    if not 0 < top <= 1:
        raise UsageError("top is no share", got=f"{top}", wanted="more than 0, at most 1", fix="Use 0.05 for 5%.")
    values, layout = _values(expression), lay_out(expression.columns, sets, min_size)
    count = max(2, int(np.ceil(top * values.shape[1])))
    scores = rank_scores.aucell(top_genes(values, count), values, layout.members, layout.offsets)
    return layout.frame(scores, expression.index)


def singscore(
    expression: pd.DataFrame, sets: Sets, *, down: Sets | None = None, centred: bool = True, min_size: int = 5
) -> Singscores:
    """Score gene sets by their mean rank (Foroutan et al. 2018, DOI 10.1186/s12859-018-2435-4).

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        On any scale, since only ranks are read; NaN where not measured.
    sets : mapping of str to iterable of str
        Genes of each set, expected to be high.
    down : mapping of str to iterable of str, optional
        Genes expected to be low, of the same sets: ``1 - score`` is added, the dispersion is the mean of both.
    centred : bool, default True
        Whether 0.5 is taken off each score, so that 0 says neither high nor low.
    min_size : int, default 5
        Least number of a set's genes, up and down each, in the table.

    Returns
    -------
    Singscores
        Score, in [-0.5, 0.5] (centred) or [0, 1], twice that with `down`, and dispersion; NaN for sets that are
        too small.

    Raises
    ------
    UsageError
        On sets, or options, that cannot be.
    DataError
        As `ssgsea`.

    Examples
    --------
    >>> x = pd.DataFrame([[9.0, 8.0, 7.0, 6.0]], index=["p1"], columns=["A", "B", "C", "D"])
    >>> singscore(x, {"s": ["A", "C"]}, min_size=2).score.loc["p1", "s"].item()
    0.25
    """
    values, layout = _values(expression), lay_out(expression.columns, sets, min_size)
    score, dispersion = _ranked(values, layout, rank_scores.singscore)
    centre = 0.5 if centred else 0.0
    up = Singscores(layout.frame(score - centre, expression.index), layout.frame(dispersion, expression.index))
    if down is None:
        return up
    if set(down) != set(sets):
        odd = listed(sorted(set(down) ^ set(sets), key=str))
        raise UsageError("'sets' and 'down' differ", got=odd, wanted="the same names", fix="Name each set in both.")
    low = singscore(expression, {name: down[name] for name in sets}, centred=False, min_size=min_size)
    return Singscores(up.score + (1 - low.score - centre), (up.dispersion + low.dispersion) / 2)


def zscore(
    expression: pd.DataFrame, sets: Sets, *, reference: pd.DataFrame | None = None, min_size: int = 5
) -> pd.DataFrame:
    """Score gene sets by their combined z-score (Lee et al. 2008, DOI 10.1371/journal.pcbi.1000217).

    Equal to ``gsva(method="zscore")`` of R's GSVA 1.46 on a table without NaN; NaN are left out here value by value,
    there gene by gene. Genes that do not vary are left out.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        Logged; NaN where not measured.
    sets : mapping of str to iterable of str
        Genes of each set.
    reference : DataFrame, optional
        Patients whose mean and standard deviation are used, of the same genes; `expression` itself by default. With
        a frozen reference a patient scores alone as in a crowd.
    min_size : int, default 5
        Least number of a set's genes in the table that vary.

    Returns
    -------
    DataFrame of shape (n_patients, n_sets)
        NaN for sets that are too small.

    Raises
    ------
    UsageError
        On sets, or options, that cannot be.
    DataError
        As `ssgsea`, and on infinite values (THX-D11).

    Examples
    --------
    >>> x = pd.DataFrame({"A": [1.0, 3.0], "B": [2.0, 6.0]}, index=["p1", "p2"])
    >>> zscore(x, {"s": ["A", "B"]}, min_size=2)["s"].round(3).tolist()
    [-1.0, 1.0]
    """
    used, values = _finite(expression, sets)
    base = values
    if reference is not None:
        base = _finite(reference, sets)[1].reindex(columns=used)
    centre, spread = _moments(base.to_numpy(dtype=np.float64))
    vary = ~np.isnan(spread)
    layout = lay_out(used[vary], sets, min_size)
    table = values.to_numpy()[:, vary]
    scores = enrichment.zscores(table, centre[vary], spread[vary], layout.members, layout.offsets)
    return layout.frame(scores, expression.index)


def plage(expression: pd.DataFrame, sets: Sets, *, min_size: int = 5) -> pd.DataFrame:
    """Score gene sets by their first metagene (Tomfohr et al. 2005, DOI 10.1186/1471-2105-6-225).

    The first right singular vector of the standardised genes of the set. Equal to ``gsva(method="plage")`` of R's
    GSVA 1.46 but for the sign, which is arbitrary there; here the genes' loadings sum to a positive number. Genes
    that do not vary, or are NaN in any patient, are left out. It describes the patients given and cannot score
    another one later.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        Logged.
    sets : mapping of str to iterable of str
        Genes of each set.
    min_size : int, default 5
        Least number of a set's genes in the table that vary and are complete.

    Returns
    -------
    DataFrame of shape (n_patients, n_sets)
        Each column of length 1; NaN for sets that are too small.

    Raises
    ------
    UsageError
        On sets, or options, that cannot be.
    DataError
        As `zscore`.

    Examples
    --------
    >>> x = pd.DataFrame({"A": [1.0, 2.0, 3.0], "B": [2.0, 4.0, 6.0]}, index=["p1", "p2", "p3"])
    >>> plage(x, {"s": ["A", "B"]}, min_size=2)["s"].round(3).abs().tolist()
    [0.707, 0.0, 0.707]
    """
    used, values = _finite(expression, sets)
    table = values.to_numpy(dtype=np.float64)
    centre, spread = _moments(table)
    whole = ~np.isnan(spread) & ~np.isnan(table).any(axis=0)
    layout = lay_out(used[whole], sets, min_size)
    z = (table[:, whole] - centre[whole]) / spread[whole]
    scores = np.full((len(z), len(layout.names)), np.nan)
    for s in np.flatnonzero(~layout.thin):
        members = layout.members[layout.offsets[s] : layout.offsets[s + 1]]
        left, _, right = np.linalg.svd(z[:, members[members >= 0]], full_matrices=False)
        scores[:, s] = left[:, 0] * np.where(right[0].sum() < 0, -1.0, 1.0)
    return layout.frame(scores, expression.index)


def _values(expression: pd.DataFrame) -> np.ndarray:
    """Return the numbers of a table, float32 where it is."""
    if not isinstance(expression, pd.DataFrame):
        raise UsageError(
            "expression is no table", got=type(expression).__name__, wanted="a DataFrame", fix="Patients in rows."
        )
    if not expression.columns.is_unique:
        repeated = expression.columns[expression.columns.duplicated()].unique()
        raise DataError(
            "genes occur more than once",
            code="THX-D03",
            where="expression",
            got=f"{len(repeated)} repeated: {listed(repeated)}",
            wanted="one column per gene",
            fix="Keep one, or take their mean.",
        )
    values = expression.to_numpy()
    if values.dtype in (np.float32, np.float64):
        return values
    try:
        return expression.to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise DataError(
            "the expression table holds text",
            code="THX-D13",
            where="expression",
            wanted="numbers only",
            fix="Drop annotation columns; leave unknown cells empty.",
        ) from None


def _ranked(values: np.ndarray, layout: Layout, kernel: Callable[..., object], *options: float) -> list[np.ndarray]:
    """Sort and score, some patients at a time."""
    parts = []
    for begin in range(0, max(len(values), 1), _CHUNK):
        scores = kernel(*sorted_genes(values[begin : begin + _CHUNK]), layout.members, layout.offsets, *options)
        parts.append(scores if isinstance(scores, tuple) else (scores,))
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _finite(expression: pd.DataFrame, sets: Sets) -> tuple[pd.Index, pd.DataFrame]:
    """Return the columns that some set names, checked."""
    _values(expression.iloc[:0])
    wanted = {g for name, genes in sets.items() for g in genes_of(name, genes)}
    used = expression.loc[:, expression.columns.isin(wanted)]
    values = pd.DataFrame(_values(used), index=used.index, columns=used.columns)
    if np.isinf(values.to_numpy()).any():
        raise DataError(
            "the expression table holds infinite values", code="THX-D11", where="expression", fix="Leave them empty."
        )
    return used.columns, values


def _moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean and standard deviation of each column; the latter NaN where it does not vary."""
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        centre = np.where(known, values, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(known, values - centre, 0.0) ** 2).sum(axis=0) / (count - 1))
    return centre, np.where(spread < _CONSTANT, np.nan, spread)
