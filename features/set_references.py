"""What the gene-set methods that compare patients learn from the training patients, and how they score with it.

The combined z-score keeps mean and standard deviation of each gene; PLAGE keeps the first metagene of each set; GSVA
keeps the values themselves. A training patient then scores as R's GSVA scores the whole table, and any other patient
is placed among the training patients, alone as in a crowd. All that is learned is JSON-ready.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from theracast.errors import UsageError
from theracast.kernels.enrichment import zscores
from theracast.kernels.gsva import bandwidths, normal_table, walk
from theracast.kernels.ranks import sorted_genes

Weights = Mapping[str, Mapping[str, float]]
#: Genes that vary less are constant (as in R's GSVA).
CONSTANT = 1e-10
#: Patients times genes of a GSVA reference that a model can carry: 2 million are about 20 MB of JSON.
MOST_CELLS = 2_000_000


def members_of(columns: pd.Index, sets: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Find the genes of sets among columns, in the order of the columns.

    Parameters
    ----------
    columns : Index of str
        Genes, each once.
    sets : mapping of str to mapping of str to float
        Genes of each set.

    Returns
    -------
    members : ndarray of int64
        Positions of the genes, set after set; those without a column are left out.
    offsets : ndarray of int64, shape (n_sets + 1,)
        Where each set begins.

    Examples
    --------
    >>> members, offsets = members_of(pd.Index(["A", "B", "C"]), {"s": {"C": 1.0, "Z": 1.0, "A": 1.0}})
    >>> members.tolist(), offsets.tolist()
    ([0, 2], [0, 2])
    """
    place = {g: i for i, g in enumerate(columns)}
    lists = [sorted(place[g] for g in genes if g in place) for genes in sets.values()]
    members = np.array([i for part in lists for i in part], dtype=np.int64)
    return members, np.cumsum([0, *map(len, lists)]).astype(np.int64)


def _moments(table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column over what is known; the same bits however the table lies in memory."""
    values = np.ascontiguousarray(table, dtype=np.float64)
    known = ~np.isnan(values)
    count = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, values, 0.0).sum(axis=0) / count
        return mean, np.sqrt((np.where(known, values - mean, 0.0) ** 2).sum(axis=0) / (count - 1))


def learn_moments(expression: pd.DataFrame, sets: Weights) -> dict[str, Any]:
    """Learn mean and standard deviation of the genes of the sets, over the patients in whom each was measured.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        Training patients by id, genes sorted; NaN where not measured.
    sets : mapping of str to mapping of str to float
        Genes of each set.

    Returns
    -------
    dict
        ``mean`` and ``sd`` by gene; empty when no gene varies.

    Examples
    --------
    >>> x = pd.DataFrame({"A": [1.0, 3.0, 2.0], "B": [2.0, 6.0, 4.0]}, index=["p1", "p2", "p3"])
    >>> sets = {"s": {"A": 1.0, "B": 1.0}}
    >>> learn_moments(x, sets)["mean"]
    {'A': 2.0, 'B': 4.0}
    """
    named = {g for genes in sets.values() for g in genes}
    table = expression.loc[:, expression.columns.isin(named)]
    mean, sd = _moments(table)
    rows = {g: (m, s) for g, m, s in zip(table.columns, mean.tolist(), sd.tolist(), strict=True) if s >= CONSTANT}
    return {"mean": {g: m for g, (m, _) in rows.items()}, "sd": {g: s for g, (_, s) in rows.items()}} if rows else {}


def _complete(expression: pd.DataFrame) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Genes that vary and that every patient has; their values, means and standard deviations."""
    mean, sd = _moments(expression)
    kept = expression.notna().all().to_numpy() & (sd >= CONSTANT)
    values = np.ascontiguousarray(expression.loc[:, kept], dtype=np.float64)
    return expression.columns[kept].tolist(), values, mean[kept], sd[kept]


def zscore_of(expression: pd.DataFrame, sets: Weights, learned: Mapping[str, Any]) -> np.ndarray:
    """Score by the combined z-score (Lee et al. 2008, DOI 10.1371/journal.pcbi.1000217) among the training patients.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        Complete.
    sets : mapping of str to mapping of str to float
        Genes of each set.
    learned : mapping
        From `learn_moments`.

    Returns
    -------
    ndarray of shape (n_patients, n_sets)
        Sum of the z over the square root of their number.

    Examples
    --------
    >>> x = pd.DataFrame({"A": [1.0, 3.0, 2.0], "B": [2.0, 6.0, 4.0]}, index=["p1", "p2", "p3"])
    >>> sets = {"s": {"A": 1.0, "B": 1.0}}
    >>> zscore_of(x, sets, learn_moments(x, sets)).round(3).ravel().tolist()
    [-1.414, 1.414, 0.0]
    """
    members, offsets = members_of(expression.columns, sets)
    centre, spread = (pd.Series(learned[k]).reindex(expression.columns).to_numpy(np.float64) for k in ("mean", "sd"))
    return zscores(expression.to_numpy(np.float64), centre, spread, members, offsets)


def learn_metagenes(expression: pd.DataFrame, sets: Weights) -> dict[str, Any]:
    """Learn the first singular vector of the standardised genes of each set, and its singular value.

    Genes that do not vary, or are unknown in any training patient, are left out. The loadings sum to a positive number.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        Training patients by id, genes sorted; NaN where not measured.
    sets : mapping of str to mapping of str to float
        Genes of each set.

    Returns
    -------
    dict
        By set: ``genes``, ``mean``, ``sd``, ``loading`` and ``size``; sets without such a gene are not there.

    Examples
    --------
    >>> x = pd.DataFrame({"A": [1.0, 3.0, 2.0], "B": [2.0, 6.0, 4.0]}, index=["p1", "p2", "p3"])
    >>> sets = {"s": {"A": 1.0, "B": 1.0}}
    >>> [round(v, 3) for v in learn_metagenes(x, sets)["s"]["loading"]]
    [0.707, 0.707]
    """
    genes, values, mean, sd = _complete(expression)
    z = (values - mean) / sd
    members, offsets = members_of(pd.Index(genes), sets)
    learned: dict[str, Any] = {}
    for s, name in enumerate(sets):
        places = members[offsets[s] : offsets[s + 1]]
        if not places.size:
            continue
        _, size, right = np.linalg.svd(z[:, places], full_matrices=False)
        learned[name] = {
            "genes": [genes[i] for i in places],
            "mean": mean[places].tolist(),
            "sd": sd[places].tolist(),
            "loading": (right[0] * (-1.0 if right[0].sum() < 0 else 1.0)).tolist(),
            "size": float(size[0]),
        }
    return learned


def plage_of(expression: pd.DataFrame, sets: Weights, learned: Mapping[str, Any]) -> np.ndarray:
    """Score by PLAGE (Tomfohr et al. 2005, DOI 10.1186/1471-2105-6-225): project each patient on the learned metagene.

    Least squares over the genes that were measured.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        Complete.
    sets : mapping of str to mapping of str to float
        Genes of each set.
    learned : mapping
        From `learn_metagenes`.

    Returns
    -------
    ndarray of shape (n_patients, n_sets)
        Training patients get the singular vector itself.

    Examples
    --------
    >>> x = pd.DataFrame({"A": [1.0, 3.0, 2.0], "B": [2.0, 6.0, 4.0]}, index=["p1", "p2", "p3"])
    >>> sets = {"s": {"A": 1.0, "B": 1.0}}
    >>> plage_of(x, sets, learn_metagenes(x, sets)).round(3).ravel().tolist()
    [-0.707, 0.707, 0.0]
    """
    scores = np.full((len(expression), len(sets)), np.nan)
    for s, name in enumerate(sets):
        if name not in learned:
            continue
        part = learned[name]
        here = pd.Index(part["genes"]).isin(expression.columns)
        mean, sd, loading = (np.array(part[k])[here] for k in ("mean", "sd", "loading"))
        length = (loading**2).sum()
        if length > 0:
            table = expression[np.array(part["genes"])[here].tolist()].to_numpy(np.float64)
            scores[:, s] = [((row - mean) / sd * loading).sum() / (length * part["size"]) for row in table]
    return scores


def learn_cohort(expression: pd.DataFrame, sets: Weights) -> dict[str, Any]:
    """Learn all values of the genes that vary: GSVA ranks the genes outside of the sets too.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        Training patients by id, genes sorted; NaN where not measured.
    sets : mapping of str to mapping of str to float
        Genes of each set.

    Returns
    -------
    dict
        ``genes`` and ``values``, patients x genes; empty when fewer than two genes vary.

    Raises
    ------
    UsageError
        More than `MOST_CELLS` values.

    Examples
    --------
    >>> x = pd.DataFrame({"A": [1.0, 3.0, 2.0], "B": [2.0, 6.0, 4.0]}, index=["p1", "p2", "p3"])
    >>> sets = {"s": {"A": 1.0, "B": 1.0}}
    >>> learn_cohort(x, sets)["genes"]
    ['A', 'B']
    """
    genes, values, _, _ = _complete(expression)
    if values.size > MOST_CELLS:
        raise UsageError(
            "the reference of GSVA is too large to be stored with a model",
            got=f"{len(values)} patients x {len(genes)} genes",
            wanted=f"{MOST_CELLS:,} values or fewer",
            fix="Give fewer genes or patients, or use ssgsea, which needs no reference.",
        )
    return {"genes": genes, "values": values.tolist()} if len(genes) > 1 else {}


def gsva_of(expression: pd.DataFrame, sets: Weights, learned: Mapping[str, Any]) -> np.ndarray:
    """Score by GSVA (Hänzelmann et al. 2013, DOI 10.1186/1471-2105-14-7), genes placed among the training patients.

    Gaussian kernels by R's table, and ``mx.diff``, as in `theracast.features.gsva`.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        Complete.
    sets : mapping of str to mapping of str to float
        Genes of each set.
    learned : mapping
        From `learn_cohort`.

    Returns
    -------
    ndarray of shape (n_patients, n_sets)
        In [-1, 1].

    Examples
    --------
    >>> x = pd.DataFrame({"A": [1.0, 3.0, 2.0], "B": [5.0, 4.0, 6.0]}, index=["p1", "p2", "p3"])
    >>> sets = {"s": {"A": 1.0}}
    >>> gsva_of(x, sets, learn_cohort(x, sets)).ravel().tolist()
    [-1.0, 1.0, -1.0]
    """
    here = pd.Index(learned["genes"]).isin(expression.columns)
    genes = pd.Index(learned["genes"])[here]
    base, table = np.array(learned["values"])[:, here], normal_table()
    widths = bandwidths(base)
    members, offsets = members_of(genes, sets)
    sizes = np.diff(offsets)
    by_gene = np.argsort(members, kind="stable")
    starts = np.searchsorted(members[by_gene], np.arange(base.shape[1] + 1)).astype(np.int64)
    owners = np.repeat(np.arange(len(sizes)), sizes)[by_gene]
    scores = np.full((len(expression), len(sizes)), np.nan)
    if base.shape[1] < 2 or not sizes.any():
        return scores
    for i, row in enumerate(expression[genes].to_numpy(np.float64)):
        difference = row - base
        above = table[np.minimum(np.abs(difference / widths) / 10.0 * 10000.0, 10000.0).astype(np.int64)]
        share = np.where(difference < 0, 1.0 - above, above).sum(axis=0) / len(base)
        with np.errstate(divide="ignore"):
            levels = -np.log((1.0 - share) / share)
        scores[i] = walk(sorted_genes(-levels[None])[0], owners, starts, sizes, True)[0]
    return scores
