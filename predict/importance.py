"""Which blocks, pathways and features count, in each cohort and over all, and whether the cohorts agree.

Agreement is the mean of Kendall's tau over the pairs of cohorts: 1 when they rank alike, 0 as by chance (Kendall 1938,
DOI 10.1093/biomet/30.1-2.81; ties as in Kendall 1945, DOI 10.1093/biomet/33.3.239).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import kendalltau

from theracast.errors import UsageError
from theracast.features.feature_names import block_of
from theracast.predict.explanation import Explanation

#: What is counted: a single value, all of a block, or all that tells of one pathway.
LEVELS = ("block", "pathway", "feature")
#: The name under which all cohorts together stand.
ALL = "all cohorts"
#: A cohort with fewer explained patients than this ranks nothing.
FEW = 10
#: Ranks up to this one are important; of few names, the first third.
FIRST = 5
TOO_FEW, NOT_MEASURED = "too few to tell", "not measured"


def importance(explanation: Explanation) -> pd.DataFrame:
    """Say how far each block, pathway and feature moves the probability, on average.

    Parameters
    ----------
    explanation : Explanation
        Of several patients; those whose explanation is withheld do not count.

    Returns
    -------
    DataFrame
        ``level`` (one of `LEVELS`), ``name``, ``cohort`` (a study, or `ALL`), ``n`` (patients explained), ``known``
        (those of whom a value is known, in a block or pathway any) and ``points``: the mean of the absolute points
        over the n patients, in probability (of a block or pathway, of the sum of its features). NaN where nobody has
        a value: what was not measured is not unimportant. `ALL` comes first, and the heaviest first within it.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> rows = importance(explain(model, model.matrix(load_cohort("riaz2017_mel"))))
    >>> rows[rows.level == "block"].name.iloc[0]
    'signatures'
    """
    return pd.concat([_weighed(explanation, level) for level in LEVELS], ignore_index=True)


@dataclass(frozen=True)
class Stability:
    """Whether cohorts agree on what counts.

    Attributes
    ----------
    ranks : DataFrame of float, shape (n_names, n_cohorts)
        1 is the heaviest; NaN where fewer than `FEW` of the cohort have a value. Smaller cohorts are not in it.
    tau : float
        Mean of Kendall's tau over the pairs of cohorts, in [-1, 1]; NaN where there are too few to tell.
    cohorts : int
        How many cohorts were compared.
    marks : dict of str to str
        For each name: the cohort in which alone it is among the first `FIRST`, `TOO_FEW` (measured in one cohort),
        ``not measured``, or empty.
    note : str
        `TOO_FEW` and why, or which cohorts were left out; else empty.

    Examples
    --------
    >>> Stability(pd.DataFrame(), float("nan"), 1, {}, TOO_FEW).note
    'too few to tell'
    """

    ranks: pd.DataFrame
    tau: float
    cohorts: int
    marks: dict[str, str]
    note: str


def stability(explanation: Explanation, level: str = "feature") -> Stability:
    """Rank what counts within each cohort, and say whether the cohorts agree.

    Parameters
    ----------
    explanation : Explanation
        Of patients of several studies.
    level : {"feature", "pathway", "block"}, default "feature"
        What is ranked.

    Returns
    -------
    Stability
        One cohort, or cohorts of a handful, are too few to tell.

    Raises
    ------
    UsageError
        When there is no such level.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> stability(explain(model, model.matrix(load_cohort("riaz2017_mel")))).note
    'too few to tell: 1 cohort of 10 or more patients'
    """
    if level not in LEVELS:
        raise UsageError("no such level", got=repr(level), wanted=", ".join(LEVELS))
    rows = _weighed(explanation, level)
    rows = rows[rows.cohort != ALL]
    sizes = rows.groupby("cohort", sort=False).n.first()
    large = [str(c) for c, n in sizes.items() if n >= FEW]
    names = list(dict.fromkeys(rows.name))
    rows = rows.assign(points=rows.points.where(rows.known >= FEW))
    weights = rows.pivot_table("points", "name", "cohort", dropna=False).reindex(index=names, columns=large)
    ranks = weights.rank(ascending=False, method="min")
    taus = [t for a, b in combinations(large, 2) if not np.isnan(t := _tau(weights[a], weights[b]))]
    measured = ranks.notna().sum(axis=1)
    first = (ranks <= min(FIRST, max(int((measured > 0).sum()) // 3, 1))) & (weights > 0)
    marks = dict.fromkeys(names, "")
    for name in names:
        if measured[name] < 2:
            marks[name] = TOO_FEW if measured[name] else NOT_MEASURED
        elif first.loc[name].sum() == 1:
            marks[name] = str(first.columns[first.loc[name]][0])
    small = [str(c) for c in sizes.index if c not in large]
    note = f"left out, fewer than {FEW} patients: {', '.join(small)}" if small else ""
    if not taus:
        note = f"{TOO_FEW}: {len(large)} cohort{'' if len(large) == 1 else 's'} of {FEW} or more patients"
    return Stability(ranks, float(np.mean(taus)) if taus else float("nan"), len(large), marks, note)


def cohorts_of(explanation: Explanation) -> pd.Series:
    """Return the study of each patient whose explanation is not withheld.

    Parameters
    ----------
    explanation : Explanation
        Of several patients.

    Returns
    -------
    Series of str
        Where studies are not told, all patients are of one, ``patients``.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> points = pd.DataFrame({"a__x": [0.1, float("nan")]}, index=["p", "q"])
    >>> cohorts_of(SimpleNamespace(points=points, studies=pd.Series({"p": "s", "q": "t"}))).to_dict()
    {'p': 's'}
    """
    explained = explanation.points.notna().all(axis=1)
    index = explanation.points.index[explained]
    return explanation.studies.reindex(index).fillna("").replace("", "patients").astype(object)


def _weighed(explanation: Explanation, level: str) -> pd.DataFrame:
    """Weigh the members of one level, over all patients and in each cohort."""
    studies, (points, known) = cohorts_of(explanation), _summed(explanation, level)
    order: dict[str, int] = {}
    parts = []
    for cohort in [ALL, *studies.unique()]:
        mine = (studies == cohort).to_numpy() if cohort != ALL else np.ones(len(studies), dtype=bool)
        counted = known.loc[studies.index[mine]].sum()
        mean = points.loc[studies.index[mine]].abs().mean().where(counted > 0)
        rows = pd.DataFrame(
            {"level": level, "name": points.columns, "cohort": cohort, "n": int(mine.sum())}
            | {"known": counted.to_numpy(dtype=int), "points": mean.to_numpy(dtype=float)}
        )
        order = order or {n: i for i, n in enumerate(mean.sort_values(ascending=False, kind="stable").index)}
        parts.append(rows.sort_values("name", key=lambda n, o=order: n.map(o)))
    return pd.concat(parts)


def _summed(explanation: Explanation, level: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Sum points over each member of a level; say of which patient a value is known."""
    points, known = explanation.points, explanation.values.notna()
    owner = {
        "block": {c: block_of(c) for c in points},
        "pathway": {c: p for c in points if (p := explanation.pathways.get(c))},
        "feature": {c: c for c in points},
    }[level]
    mine = list(owner)
    groups = np.array(list(owner.values()), dtype=object)  # of a list pandas would take a patient's id for a key
    return (
        points[mine].T.groupby(groups, sort=False).sum(min_count=1).T,
        known[mine].T.groupby(groups, sort=False).any().T,
    )


def _tau(one: pd.Series, other: pd.Series) -> float:
    """Tau over what both measured and either uses; NaN where there are fewer than three to rank."""
    both = one.notna() & other.notna() & ((one > 0) | (other > 0))
    return float(kendalltau(one[both], other[both]).statistic) if both.sum() >= 3 else float("nan")
