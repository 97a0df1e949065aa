"""The sentinel of the labels: what still predicts when nothing can be predicted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from theracast.features.assembler import FeatureAssembler
from theracast.features.cohort import Cohort
from theracast.models.crossfit import enough, margins_of, values_of
from theracast.models.estimates import Estimate, normal_quantile
from theracast.models.experts import LogisticExpert
from theracast.models.leakage_evidence import Evidence, Leak, is_outcome
from theracast.models.metrics import auc

#: How often labels are permuted, and in how many groups the cohorts are then left out: 9 fits bound the time.
PERMUTATIONS, GROUPS = 3, 3
#: Coverage of the interval that must hold .5: a clean training is stopped in one of a thousand.
LEVEL = 0.999
_SEED = 0


def permuted_labels(evidence: Evidence) -> Iterator[Leak]:
    """Permute the outcome within every study, train and judge again: the mean AUC must keep to .5.

    Everything that tells how a patient did moves together, so that what reads it under any name still predicts. The
    fast path is taken, whatever the learner: the blocks are fitted and measured anew, a logistic model per block with
    common weights is fitted, and their margins are averaged; nothing is tuned, combined or calibrated. The cohorts are
    left out in three groups, three times.

    It cannot see a feature that tells the response but was written down before labels were permuted, as a column that
    was made from it: that one no longer fits. Nor what the fast path leaves out: tuning, calibration, a learner.

    Parameters
    ----------
    evidence : Evidence
        Cohorts and folds.

    Yields
    ------
    Leak
        One, with the mean AUC and its interval.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> c = {n: load_cohort(n) for n in ("riaz2017_mel", "hugo2016_mel")}
    >>> folds = {"riaz2017_mel": ["hugo2016_mel"], "hugo2016_mel": ["riaz2017_mel"]}
    >>> list(permuted_labels(Evidence(ResponseModel(blocks=("mutations",)), c, folds)))
    []
    """
    mean = permuted_auc(evidence)
    if not mean.lower <= 0.5 <= mean.upper:
        yield Leak(f"with permuted labels the mean AUC is still {mean}", "the pipeline, from tables to predictions")


def permuted_auc(evidence: Evidence, permutations: int = PERMUTATIONS) -> Estimate:
    """Mean AUC over cohorts and permutations, each weighing as its patients tell.

    Parameters
    ----------
    evidence : Evidence
        Cohorts and folds.
    permutations : int, default 3
        How often labels are permuted.

    Returns
    -------
    Estimate
        With the interval of an AUC without skill at `LEVEL`, twice the variance of independent cohorts: a chance
        likeness of two cohorts counts in both directions. From 0 to 1 where nothing can be told.

    Examples
    --------
    >>> from theracast.models.base import ResponseModel
    >>> permuted_auc(Evidence(ResponseModel(), {}, {})).value
    0.5
    """
    rng = np.random.default_rng(_SEED)
    areas, weights = list[float](), list[float]()
    for _ in range(permutations):
        cohorts = {n: permuted(replace(c, name=n), rng) for n, c in evidence.cohorts.items()}
        whole = Cohort.concat(list(cohorts.values())) if cohorts else None
        for group in _groups(evidence):
            training = [cohorts[n] for n in _common(evidence, group)]
            if training and whole is not None:
                for area, weight in _judged(evidence, Cohort.concat(training), whole, group):
                    areas.append(area)
                    weights.append(weight)
    return without_skill(areas, weights)


def without_skill(areas: Sequence[float], weights: Sequence[float]) -> Estimate:
    """Average AUCs that should be .5.

    Parameters
    ----------
    areas, weights : sequence of float
        AUCs, and what each weighs: one over the variance of an AUC without skill.

    Returns
    -------
    Estimate
        With the interval of `permuted_auc`.

    Examples
    --------
    >>> print(without_skill([0.6, 0.5], [100.0, 100.0]))
    .55 (.22-.88)
    """
    if not areas:
        return Estimate(0.5, 0.0, 1.0, float("nan"))
    total = sum(weights)
    value = float(np.dot(areas, weights) / total)
    se = float(np.sqrt(2.0 / total))
    half = normal_quantile(LEVEL) * se
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), se)


def permuted(cohort: Cohort, rng: np.random.Generator) -> Cohort:
    """Give every patient the outcome of another of the same study: all that tells it, together.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    rng : Generator
        Of chance.

    Returns
    -------
    Cohort
        With the same numbers of responders in every study.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> cohort = load_cohort("hugo2016_mel")
    >>> other = permuted(cohort, np.random.default_rng(0))
    >>> int(other.response.sum() - cohort.response.sum()), bool((other.response == cohort.response).all())
    (0, False)
    """
    if "clinical" not in cohort.tables:
        return cohort
    table = cohort.tables["clinical"]
    outcomes = [c for c in table.columns if is_outcome(str(c))]
    studies = cohort.studies.reindex(table.index).to_numpy(dtype=object)
    order = np.arange(len(table))
    for study in dict.fromkeys(studies):
        mine = np.flatnonzero(studies == study)
        order[mine] = rng.permutation(mine)
    moved = {c: table[c].iloc[order].set_axis(table.index) for c in outcomes}
    return replace(cohort, tables={**cohort.tables, "clinical": table.assign(**moved)})


def _groups(evidence: Evidence) -> list[list[str]]:
    """Part the cohorts, those with the same training together, so that few fits do."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in evidence.trains:
        missing = {n for others in evidence.trains.values() for n in others} - set(evidence.trains[name])
        alike.setdefault(tuple(sorted(missing)), []).append(name)
    parts: list[list[str]] = [[] for _ in range(min(GROUPS, len(alike)))]
    for names in sorted(alike.values(), key=lambda ns: -sum(len(evidence.cohorts[n]) for n in ns)):
        smallest = min(parts, key=lambda p: sum(len(evidence.cohorts[n]) for n in p))
        smallest += names
    return parts


def _common(evidence: Evidence, group: Sequence[str]) -> list[str]:
    """Name the cohorts that may train for every one of a group."""
    allowed = [set(evidence.trains[n]) for n in group]
    return [n for n in evidence.cohorts if all(n in a for a in allowed)]


def _judged(evidence: Evidence, train: Cohort, whole: Cohort, group: Sequence[str]) -> Iterator[tuple[float, float]]:
    """AUC of each cohort, and its weight: one over the variance of an AUC without skill."""
    assembler = FeatureAssembler(evidence.model.blocks or evidence.model.spec.blocks).fit(train)
    matrix = assembler.matrix(whole)
    truth = whole.response.to_numpy()
    mine = whole.ids.isin(train.ids) & ~np.isnan(truth)
    seen, y = matrix.subset(mine), truth[mine].astype(int)
    experts = {}
    for block in assembler.blocks_:
        name, features = block.spec.name, block.outputs()
        values = values_of(seen, name, features)
        known = values.notna().any(axis=1).to_numpy()
        if features and enough(y[known]):
            expert = LogisticExpert(features, tie=None)
            experts[name] = expert.fit(values[known], y[known], np.ones(known.sum()), seen.studies.to_numpy()[known])
    margin = margins_of(experts, matrix, matrix.tumours.to_numpy()).mean(axis=1).to_numpy()
    begins = dict(zip(evidence.cohorts, np.cumsum([0, *(len(c) for c in evidence.cohorts.values())]), strict=False))
    for name in group:
        rows = slice(begins[name], begins[name] + len(evidence.cohorts[name]))
        y, score = truth[rows], margin[rows]
        known = ~np.isnan(y) & ~np.isnan(score)
        n1, n = int(y[known].sum()), int(known.sum())
        if 0 < n1 < n:
            yield auc(y[known], score[known]).value, 12 * n1 * (n - n1) / (n + 1)
