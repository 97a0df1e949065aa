"""Equity audit: whether a model is worth as much to every group of the patients it is meant for.

Every figure is of patients whose whole cohort the model had not seen. A gap between groups is looked for within
cohorts: each group against all other patients of the same cohort, then combined by random effects, so that a cohort of
many women and many responders is no gap. What was not found with few patients may be there all the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import ndtr
from scipy.stats import hypergeom

from theracast.features.cohort import Cohort
from theracast.models.decision_curve import FEW_OF_A_CLASS, TOO_FEW
from theracast.models.estimates import NOT_ESTIMABLE, Estimate, normal_quantile, wilson
from theracast.models.metrics import auc, brier, brier_skill
from theracast.models.pooling import RandomEffects, pooled_auc, random_effects
from theracast.models.subgroups import ATTRIBUTES, SMALLEST, of_predictions, ordered

#: What groups are compared in: AUC, observed minus expected response rate, coverage, abstentions, responders missed.
METRICS = ("auc", "calibration", "coverage", "abstains", "missed")
#: Those of them that are shares of patients.
SHARES = METRICS[2:]
#: Below this, after Holm, a gap is told.
ALPHA = 0.05
_ENDS = ("", "_lower", "_upper")
COLUMNS = (
    *("attribute", "group", "trained", "share", "n", "R", "NR", "cohorts"),
    *(f"auc{e}" for e in _ENDS),
    *(f"calibration{e}" for e in _ENDS),
    *("brier", "brier_skill"),
    *(f"{m}{e}" for m in SHARES for e in _ENDS),
    *(f"{m}_gap{e}" for m in METRICS for e in (*_ENDS, "_p")),
    "note",
)


class Gap(NamedTuple):
    """A group against the other patients of its cohorts.

    Attributes
    ----------
    mean : Estimate
        The difference; its interval stays within -1 to 1.
    cohorts : int
        How many cohorts it rests on.
    p : float
        Not adjusted.

    Examples
    --------
    >>> Gap(NOT_ESTIMABLE, 0, 1.0).cohorts
    0
    """

    mean: Estimate
    cohorts: int
    p: float


def equity_audit(
    predictions: pd.DataFrame,
    cohorts: Mapping[str, Cohort],
    *,
    holdout: Sequence[str] = (),
    model: str = "theracast",
) -> pd.DataFrame:
    """Judge a model group by group, on cohorts it never saw.

    AUCs are taken within cohorts of five responders and five non-responders of the group or more, and combined by
    random effects; so is the observed minus the expected response rate. Shares are of all patients of the group, with
    Wilson's interval, which takes patients as independent. The gap of a group is its figure minus that of all other
    patients of the same cohort, by random effects over the cohorts that have five of both or more (Hartung-Knapp
    interval, floored); shares in it are moved by Agresti and Caffo's one success and one failure
    (10.1080/00031305.2000.10474560). Its p value asks whether there is no gap in any cohort: of the mean weighted by
    inverse variances, for shares exactly, from tables with fixed margins, one per cohort (Gart 1970,
    10.1093/biomet/57.3.471). All p values of the table, over attributes, groups and metrics, are one family and are
    adjusted together by Holm's method; two groups that are each other's rest are one test. The interval is of the
    mean gap over such cohorts, and not adjusted.

    Parameters
    ----------
    predictions : DataFrame
        `theracast.models.validate.Validation.predictions`: indexed by patient id, with ``cohort``, ``y``, ``prior``,
        ``set``, ``decision`` and the probability under the name of the model.
    cohorts : mapping of str to Cohort
        The cohorts that it names; ids are looked up in them and not kept.
    holdout : sequence of str
        Names of cohorts that no model is trained on.
    model : str, default "theracast"
        Column of the probability.

    Returns
    -------
    DataFrame
        One row per ``attribute`` and ``group``: ``trained`` and ``share``, the group's share of the training patients
        and of those judged, 0-1; ``n``, ``R``, ``NR``, patients; ``cohorts``, how many entered the AUC; ``auc``;
        ``calibration``, observed minus expected response rate (positive where too few responses were predicted);
        ``brier``, lower is better, and ``brier_skill``, its share that the response rate in training does not leave;
        ``coverage`` of the label sets; ``abstains``, share without a decision; ``missed``, share of the responders
        with a decision who were told no response; each with ``_lower`` and ``_upper``; per metric ``_gap`` with
        interval and ``_gap_p``; and ``note``. Below ten responders or non-responders a group is ``too few to tell``.
        Counts below five are NaN, and groups below five are put together (`theracast.models.subgroups`).

    Raises
    ------
    DataError
        On labels or probabilities that are none.

    Examples
    --------
    >>> clinical = pd.DataFrame({"sex": ["F"] * 40}, index=[f"p{i}" for i in range(40)])
    >>> cohort = Cohort.from_tables({"clinical": clinical}, name="made_up")
    >>> p = pd.DataFrame({"cohort": "made_up", "y": [0, 1] * 20, "theracast": [0.3, 0.6] * 20, "prior": 0.5,
    ...                   "set": "both", "decision": "abstain"}, index=clinical.index)
    >>> audit = equity_audit(p, {"made_up": cohort})
    >>> audit[audit.attribute == "sex"][["group", "n", "auc", "abstains"]].values.tolist()
    [['female', 40.0, 1.0, 1.0]]
    """
    if predictions.empty:
        return pd.DataFrame(columns=list(COLUMNS))
    groups = of_predictions(predictions, cohorts)
    people = _people(predictions, model)
    trained = ~people["cohort"].isin(list(holdout)).to_numpy()
    rows, gaps = list[dict[str, Any]](), list[dict[str, Gap]]()
    for attribute in ATTRIBUTES:
        of = groups[attribute].to_numpy()
        for name in sorted(set(of), key=ordered(attribute)):
            mine = of == name
            row = {"attribute": attribute, "group": name, "trained": _trained(mine, trained)}
            rows.append(row | {"share": float(mine.mean())} | _figures(people[mine]))
            gaps.append(_gaps(people[mine], people[~mine]))
    _tell(rows, gaps, len(people))
    return pd.DataFrame(rows).reindex(columns=list(COLUMNS))


def holm(p: Sequence[float]) -> np.ndarray:
    """Adjust p values so that one false alarm or more among them is as rare as each says.

    Holm's step-down method, as adjusted p values (Wright 1992, 10.2307/2532694).

    Parameters
    ----------
    p : sequence of float
        Each 0-1.

    Returns
    -------
    ndarray of float64
        In the same order, 0-1.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    given = np.asarray(p, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    stepped = np.maximum.accumulate(given[order] * np.arange(given.size, 0, -1))
    adjusted = np.empty_like(given)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def _people(predictions: pd.DataFrame, model: str) -> pd.DataFrame:
    """Return what is asked of each patient as numbers; NaN where the patient does not count."""
    y, said, decision = predictions["y"], predictions["set"].astype(str), predictions["decision"].astype(str)
    held = (said == "both") | (said == np.where(y == 1, "response", "no_response"))
    silent = decision == "abstain"
    missed = (decision == "no_response").astype(float)
    return pd.DataFrame(
        {
            "cohort": predictions["cohort"],
            "y": y,
            "p": predictions[model],
            "prior": predictions["prior"],
            "coverage": held.astype(float),
            "abstains": silent.astype(float),
            "missed": missed.where((y == 1) & ~silent),
        }
    ).reset_index(drop=True)


def _figures(people: pd.DataFrame) -> dict[str, Any]:
    n, r = len(people), int((people["y"] == 1).sum())
    row: dict[str, Any] = {"n": float(n), "R": float(r), "NR": float(n - r), "note": ""}
    if n < SMALLEST:
        return {"note": TOO_FEW}
    if min(r, n - r) < SMALLEST:
        row |= {"R": np.nan, "NR": np.nan}
    row |= _spread("abstains", _share(people["abstains"]))
    if min(r, n - r) < FEW_OF_A_CLASS:
        return row | {"note": TOO_FEW}
    known = people[people["p"].notna()]
    areas = [area for _, part in known.groupby("cohort", sort=False) if (area := _area(part)) is not NOT_ESTIMABLE]
    row |= {"cohorts": len(areas)} | _spread("auc", pooled_auc(areas, modified=True).mean)
    off = [e for _, part in known.groupby("cohort", sort=False) if len(part) >= SMALLEST and (e := _off(part)).se > 0]
    row |= _spread("calibration", _combined(off).mean)
    if len(known):
        row["brier"] = brier(known["y"], known["p"])
        row["brier_skill"] = brier_skill(known["y"], known["p"], known["prior"])
    row |= _spread("coverage", _share(people["coverage"]))
    if people["missed"].notna().sum() >= FEW_OF_A_CLASS:
        row |= _spread("missed", _share(people["missed"]))
    return row if areas else row | {"note": f"{TOO_FEW} of the AUC: no cohort has {SMALLEST} of each class"}


def _gaps(mine: pd.DataFrame, rest: pd.DataFrame) -> dict[str, Gap]:
    """Hold a group against the other patients of its cohorts, metric by metric."""
    if min((part["y"] == label).sum() for part in (mine, rest) for label in (0, 1)) < FEW_OF_A_CLASS:
        return {}
    others = dict(list(rest.groupby("cohort", sort=False)))
    pairs = [(part, others[name]) for name, part in mine.groupby("cohort", sort=False) if name in others]
    found = {}
    for metric in METRICS:
        tried = [(a, b, _difference(metric, a, b)) for a, b in pairs]
        firm = [(a, b, d) for a, b, d in tried if d.se > 0]
        if firm:
            differences = [d for *_, d in firm]
            pooled = _combined(differences)
            p = _exact([(a[metric], b[metric]) for a, b, _ in firm]) if metric in SHARES else _normal(differences)
            found[metric] = Gap(pooled.mean, pooled.k, p)
    return found


def _difference(metric: str, mine: pd.DataFrame, rest: pd.DataFrame) -> Estimate:
    """Give the difference in one cohort; not estimable where it has too few of either."""
    if metric in SHARES:
        a, b = (_moved(part[metric].dropna()) for part in (mine, rest))
    else:
        of = _area if metric == "auc" else _off
        a, b = (of(part[part["p"].notna()]) for part in (mine, rest))
    return Estimate(a.value - b.value, np.nan, np.nan, float(np.hypot(a.se, b.se)))


def _combined(estimates: Sequence[Estimate]) -> RandomEffects:
    """Combine figures that lie within -1 and 1, and so does their interval."""
    found = random_effects([e.value for e in estimates], [e.se for e in estimates], modified=True)
    mean = found.mean
    return replace(found, mean=Estimate(mean.value, max(mean.lower, -1.0), min(mean.upper, 1.0), mean.se))


def _normal(gaps: Sequence[Estimate]) -> float:
    """Probability, were the groups alike in every cohort, of a mean gap as wide as this one or wider."""
    weights = np.array([g.se**-2 for g in gaps])
    return float(2 * ndtr(-abs(weights @ [g.value for g in gaps]) / np.sqrt(weights.sum())))


def _exact(pairs: Sequence[tuple[pd.Series, pd.Series]]) -> float:
    """Probability, were the groups alike in every cohort, of a count as unlikely as this one or more so."""
    chances, first, seen = np.ones(1), 0, 0
    for mine, rest in pairs:
        n, others, events = mine.count(), rest.count(), int(mine.sum() + rest.sum())
        least, most = max(0, events - others), min(n, events)
        chances = np.convolve(chances, hypergeom.pmf(np.arange(least, most + 1), n + others, events, n))
        first, seen = first + least, seen + int(mine.sum())
    return float(min(chances[chances <= chances[seen - first] * (1 + 1e-7)].sum(), 1.0))


def _area(part: pd.DataFrame) -> Estimate:
    y = part["y"].to_numpy()
    return auc(y, part["p"]) if min((y == 1).sum(), (y == 0).sum()) >= SMALLEST else NOT_ESTIMABLE


def _off(part: pd.DataFrame) -> Estimate:
    """Observed minus expected response rate; how far chance moves it if the probabilities are right."""
    if len(part) < SMALLEST:
        return NOT_ESTIMABLE
    p = part["p"].to_numpy()
    value, se = float((part["y"] - p).mean()), float(np.sqrt((p * (1 - p)).sum()) / len(p))
    half = normal_quantile(0.95) * se
    return Estimate(value, value - half, value + half, se)


def _moved(values: pd.Series) -> Estimate:
    n = len(values)
    if n < SMALLEST:
        return NOT_ESTIMABLE
    share = (float(values.sum()) + 1) / (n + 2)
    return Estimate(share, np.nan, np.nan, float(np.sqrt(share * (1 - share) / (n + 2))))


def _share(values: pd.Series) -> Estimate:
    known = values.dropna()
    if not len(known):
        return NOT_ESTIMABLE
    (lower,), (upper,) = wilson([known.sum()], [len(known)])
    return Estimate(float(known.mean()), float(lower), float(upper), np.nan)


def _trained(mine: np.ndarray, trained: np.ndarray) -> float:
    count = int((mine & trained).sum())
    return count / trained.sum() if trained.any() and (count == 0 or count >= SMALLEST) else np.nan


def _tell(rows: Sequence[dict[str, Any]], gaps: Sequence[dict[str, Gap]], patients: int) -> None:
    """Adjust the p values over the whole table, put the gaps beside their groups and name those that stand."""

    def _test(row: dict[str, Any], metric: str, gap: Gap) -> tuple[Any, ...]:
        # a group and its rest mirror each other, exactly; two groups without any gap do not
        return row["attribute"], metric, gap.cohorts, abs(gap.mean.value), min(row["n"], patients - row["n"])

    tests = {_test(row, m, g): g.p for row, mine in zip(rows, gaps, strict=True) for m, g in mine.items()}
    adjusted = dict(zip(tests, holm(list(tests.values())).tolist(), strict=True))
    for row, mine in zip(rows, gaps, strict=True):
        stand = []
        for m, g in mine.items():
            p = adjusted[_test(row, m, g)]
            row |= _spread(f"{m}_gap", g.mean) | {f"{m}_gap_p": p}
            stand += [f"{m} ({g.cohorts} cohort{'s' if g.cohorts > 1 else ''})"] if p < ALPHA else []
        if stand:
            row["note"] = "; ".join(filter(None, [row["note"], f"differs from the rest in {', '.join(stand)}"]))


def _spread(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_lower": estimate.lower, f"{name}_upper": estimate.upper}
