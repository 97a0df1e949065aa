"""Methods that score gene sets in one sample, and what those that compare patients must learn first.

ssGSEA, singscore, AUCell and the univariate linear model read one sample and learn nothing. The combined z-score,
PLAGE and GSVA place a patient among others: they learn from the training patients (`SetMethod.learn`) and from then on
place every patient among *these*, so that a patient scores alone as in a crowd. A training patient scores as R's GSVA
scores the whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.features.enrichment import aucell, singscore, ssgsea
from theracast.features.set_references import (
    Weights,
    gsva_of,
    learn_cohort,
    learn_metagenes,
    learn_moments,
    members_of,
    plage_of,
    zscore_of,
)
from theracast.registry import Registry

#: Keeps the t-value of a perfect fit finite (as decoupler does).
_SLIGHTLY = 2.2e-16


@dataclass(frozen=True)
class SetMethod:
    """One way to score gene sets.

    Attributes
    ----------
    unit, about, reference : str
        Unit of the score, what it says, and DOI.
    score : callable
        ``score(expression, sets, learned)``: patients x genes, complete, genes sorted; sets with a measured gene each;
        returns patients x sets. Each patient on its own.
    learn : callable, optional
        ``learn(expression, sets)``: from the training patients, by id, genes sorted; JSON-ready, empty where they
        teach nothing. None for methods that read one sample alone.

    Examples
    --------
    >>> [name for name, method in METHODS.items() if method.learn]
    ['zscore', 'plage', 'gsva']
    """

    unit: str
    about: str
    reference: str
    score: Callable[[pd.DataFrame, Weights, Mapping[str, Any]], np.ndarray]
    learn: Callable[[pd.DataFrame, Weights], dict[str, Any]] | None = None


def ulm(expression: pd.DataFrame, sets: Weights) -> pd.DataFrame:
    """Score sets by a univariate linear model (Badia-i-Mompel et al. 2022, DOI 10.1093/bioadv/vbac016).

    In each patient the values of all genes are regressed on the weights of the set, 0 for genes outside; the score is
    the t-value of the slope. Equal to decoupler's ``ulm``.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        Logged, complete. The genes outside of the sets are read too.
    sets : mapping of str to mapping of str to float
        Weight of each gene of each set; genes that are not in the table are left out.

    Returns
    -------
    DataFrame of shape (n_patients, n_sets)
        Above 0: genes of positive weight are higher than the others. NaN where nothing varies or none was measured.

    Raises
    ------
    DataError
        THX-D08 for fewer than three genes.

    Examples
    --------
    >>> x = pd.DataFrame([[9.0, 8.0, 1.0, 2.0]], index=["p1"], columns=["A", "B", "C", "D"])
    >>> ulm(x, {"s": {"A": 1.0, "B": 1.0}}).round(3).loc["p1", "s"].item()
    9.899
    """
    if expression.shape[1] < 3:
        raise DataError(
            "too few genes for a linear model",
            code="THX-D08",
            where="expression",
            got=f"{expression.shape[1]} genes",
            wanted="3 or more, better all that were measured",
            fix="Give the whole table, not the genes of the sets alone.",
        )
    weights = np.zeros((len(sets), expression.shape[1]))
    place = {g: i for i, g in enumerate(expression.columns)}
    for s, genes in enumerate(sets.values()):
        known = [g for g in genes if g in place]
        weights[s, [place[g] for g in known]] = [genes[g] for g in known]
    weights -= weights.mean(axis=1, keepdims=True)
    spread = np.sqrt((weights**2).sum(axis=1))
    scores = np.empty((len(expression), len(sets)))
    freedom = expression.shape[1] - 2
    for i, row in enumerate(expression.to_numpy(dtype=np.float64)):  # row by row: the same bits alone and in a crowd
        y = row - row.mean()
        with np.errstate(invalid="ignore", divide="ignore"):
            r = weights @ y / (spread * np.sqrt((y**2).sum()))
            scores[i] = r * np.sqrt(freedom / ((1 - r + _SLIGHTLY) * (1 + r + _SLIGHTLY)))
    return pd.DataFrame(scores, expression.index, list(sets))


#: The methods, by name.
METHODS: Registry[SetMethod] = Registry(
    "gene-set method",
    {
        "ssgsea": SetMethod(
            "ssGSEA score",
            "enrichment at the top of the patient's ranking",
            "10.1038/nature08460",
            lambda x, sets, _: ssgsea(x, {s: list(g) for s, g in sets.items()}, min_size=1).to_numpy(),
        ),
        "singscore": SetMethod(
            "centred mean rank",
            "mean rank of the genes, 0 in the middle",
            "10.1186/s12859-018-2435-4",
            lambda x, sets, _: singscore(x, {s: list(g) for s, g in sets.items()}, min_size=1).score.to_numpy(),
        ),
        "aucell": SetMethod(
            "AUC",
            "area under the recovery curve of the top 5% genes",
            "10.1038/nmeth.4463",
            lambda x, sets, _: aucell(x, {s: list(g) for s, g in sets.items()}, min_size=1).to_numpy(),
        ),
        "ulm": SetMethod(
            "t-value",
            "slope of expression on the weights of the genes",
            "10.1093/bioadv/vbac016",
            lambda x, sets, _: ulm(x, sets).to_numpy(),
        ),
        "zscore": SetMethod(
            "combined z",
            "standard deviations above the training patients",
            "10.1371/journal.pcbi.1000217",
            zscore_of,
            learn_moments,
        ),
        "plage": SetMethod(
            "metagene score",
            "first metagene of the training patients",
            "10.1186/1471-2105-6-225",
            plage_of,
            learn_metagenes,
        ),
        "gsva": SetMethod(
            "GSVA score",
            "enrichment at the top of the genes, each placed among the training patients",
            "10.1186/1471-2105-14-7",
            gsva_of,
            learn_cohort,
        ),
    },
)


def measured_share(expression: pd.DataFrame, sets: Weights) -> pd.DataFrame:
    """Say how much of each set was measured in each patient.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        NaN where not measured.
    sets : mapping of str to mapping of str to float
        Genes of each set.

    Returns
    -------
    DataFrame of shape (n_patients, n_sets)
        In [0, 1].

    Examples
    --------
    >>> x = pd.DataFrame({"A": [1.0, np.nan]}, index=["p1", "p2"])
    >>> measured_share(x, {"s": {"A": 1.0, "B": 1.0}})["s"].tolist()
    [0.5, 0.0]
    """
    known = expression.notna().to_numpy(dtype=bool)
    members, offsets = members_of(expression.columns, sets)
    shares = [known[:, members[a:b]].sum(axis=1) for a, b in pairwise(offsets)]
    sizes = np.array([len(genes) for genes in sets.values()])
    return pd.DataFrame(np.column_stack(shares) / sizes, expression.index, list(sets))


def score_sets(
    expression: pd.DataFrame, sets: Weights, method: str, learned: Mapping[str, Any], enough: pd.DataFrame
) -> pd.DataFrame:
    """Score sets in each patient over the genes that were measured in this patient.

    Patients of whom the same genes were measured are scored together; neither the company of a patient nor the order
    of the genes changes a bit.

    Parameters
    ----------
    expression : DataFrame of shape (n_patients, n_genes)
        log2(TPM+1); NaN where not measured.
    sets : mapping of str to mapping of str to float
        Genes and weights of each set.
    method : str
        A name in `METHODS`.
    learned : mapping
        From `SetMethod.learn`.
    enough : DataFrame of bool, shape (n_patients, n_sets)
        Where a score is wanted.

    Returns
    -------
    DataFrame of shape (n_patients, n_sets)
        NaN elsewhere.

    Examples
    --------
    >>> x = pd.DataFrame([[9.0, 8.0, 7.0, 6.0]], index=["p1"], columns=["A", "B", "C", "D"])
    >>> sets = {"s": {"A": 1.0, "C": 1.0}}
    >>> score_sets(x, sets, "singscore", {}, measured_share(x, sets) >= 0.8).loc["p1", "s"].item()
    0.25
    """
    out = np.full(enough.shape, np.nan)
    way, names = METHODS[method], list(sets)
    table = expression[sorted(expression.columns)]
    if way.learn and not learned:
        return pd.DataFrame(out, enough.index, enough.columns)
    wanted, known = enough.to_numpy(dtype=bool), table.notna().to_numpy(dtype=bool)
    kinds: dict[bytes, list[int]] = {}
    for i, row in enumerate(np.packbits(np.hstack([known, wanted]), axis=1)):
        kinds.setdefault(row.tobytes(), []).append(i)
    for rows in kinds.values():
        genes, chosen = known[rows[0]], np.flatnonzero(wanted[rows[0]])
        if chosen.size and genes.any():
            part = table.iloc[rows].loc[:, genes]
            out[np.ix_(np.array(rows), chosen)] = way.score(part, {names[s]: sets[names[s]] for s in chosen}, learned)
    return pd.DataFrame(out, enough.index, enough.columns)
