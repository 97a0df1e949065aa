"""Validation on whole cohorts that the model never saw, beside dull baselines, cohort by cohort.

Patients of different cohorts are never pooled into one AUC: a model that knows only its training prevalence then
scores below .5, because leaving out a cohort of many responders lowers its intercept. Each cohort stands alone with
its interval; across cohorts there is a random-effects mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from joblib import Parallel, delayed

from theracast.features.cohort import Cohort
from theracast.features.matrix import FeatureMatrix
from theracast.models.base import ResponseModel
from theracast.models.baselines import baseline_predictions
from theracast.models.conformal import coverage_table
from theracast.models.decision_curve import PLAUSIBLE, decision_table
from theracast.models.estimates import NOT_ESTIMABLE, Estimate
from theracast.models.fairness import equity_audit
from theracast.models.leakage import Finding, look
from theracast.models.leakage_evidence import Evidence, Fold, fold_of
from theracast.models.leakage_features import SUSPECT, TOO_GOOD, TOO_GOOD_N
from theracast.models.metrics import auc, auc_difference, balanced_accuracy, brier, calibration
from theracast.models.pooling import pooled_auc, random_effects
from theracast.models.published import PUBLISHED
from theracast.models.published.scoring import published_scores
from theracast.models.splits import leave_one_cohort_out

#: Name of the model in the tables, beside the baselines.
MODEL = "theracast"
#: Below this many labelled patients no claim is made from a cohort alone.
FEW = 30


@dataclass(frozen=True)
class Validation:
    """Predictions for patients whose whole cohort was unseen, and what they are worth.

    Attributes
    ----------
    predictions : DataFrame
        One row per labelled patient: ``cohort``, ``y``, ``decision`` and a probability per model and baseline.
    table : DataFrame
        One row per cohort and model: ``n``, ``R``, ``NR``, ``auc``, ``auc_lower``, ``auc_upper``, the paired ``gain``
        of theracast with interval, ``balanced_accuracy``, ``brier``, ``calibration_slope`` with interval, and
        ``note``; what only a probability has is NaN for published scores that are none.
    mean : DataFrame
        Per model, the random-effects mean AUC with interval, ``tau2``, the number of cohorts, and the gain of
        theracast over it.
    sets : dict of str to DataFrame
        The same as `mean` for named sets of cohorts.
    coverage : DataFrame
        Coverage of the label sets per cohort (`theracast.models.conformal.coverage_table`).
    net_benefit : DataFrame
        What acting on the model is worth, per cohort and threshold (`theracast.models.decision_curve.decision_table`).
    equity : DataFrame
        The same model by sex, age, ancestry and more (`theracast.models.fairness.equity_audit`).
    findings : tuple of Finding
        What the leakage sentinels found and was waived (`theracast.models.leakage`).

    Examples
    --------
    >>> Validation(pd.DataFrame(), pd.DataFrame(), pd.DataFrame()).table.empty
    True
    """

    predictions: pd.DataFrame
    table: pd.DataFrame
    mean: pd.DataFrame
    sets: dict[str, pd.DataFrame] = field(default_factory=dict)
    coverage: pd.DataFrame = field(default_factory=pd.DataFrame)
    net_benefit: pd.DataFrame = field(default_factory=pd.DataFrame)
    equity: pd.DataFrame = field(default_factory=pd.DataFrame)
    findings: tuple[Finding, ...] = ()


def leave_cohorts_out(
    model: ResponseModel,
    cohorts: Mapping[str, Cohort],
    holdout: Sequence[str] = (),
    progress: Callable[[str], None] = lambda name: None,
    sets: Mapping[str, Sequence[str]] | None = None,
    jobs: int = 1,
    thresholds: Sequence[float] = PLAUSIBLE,
    waive: Mapping[str, str] | None = None,
) -> Validation:
    """Predict each cohort by a model trained on the others, with what is published beside it.

    Parameters
    ----------
    model : ResponseModel
        Unfitted; its settings are used, its state is not.
    cohorts : mapping of str to Cohort
        All cohorts.
    holdout : sequence of str
        Names of those that are predicted but never trained on.
    progress : callable, optional
        Told the name of each cohort as it is predicted.
    sets : mapping of str to sequence of str, optional
        Named sets of cohorts for which means are taken too.
    jobs : int, default 1
        Processes.
    thresholds : sequence of float
        Probabilities from which one would treat, in (0, 1).
    waive : mapping of str to str, optional
        Leakage sentinel to the reason why it may not stop the validation (`theracast.models.leakage.SENTINELS`).

    Returns
    -------
    Validation
        Labelled patients only.

    Raises
    ------
    LeakError
        When a sentinel finds what is not waived: most of them before anything is fitted.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> names = ["liu2019_mel", "riaz2017_mel", "hugo2016_mel"]
    >>> found = leave_cohorts_out(ResponseModel(), {n: load_cohort(n) for n in names})
    >>> sorted(found.table.cohort.unique()) == sorted(names)
    True
    """
    pairs = list(leave_one_cohort_out(list(cohorts)))
    trains = {name: [o for o in others if o not in holdout] for name, others in pairs}
    evidence = Evidence(model, cohorts, trains)
    findings = look(evidence, "before", waive)
    parts, folds = [], []
    # a generator: training sets are put together one at a time, not all in memory
    work = (delayed(_predict)(model, Cohort.concat([cohorts[o] for o in trains[n]]), cohorts[n], n) for n in trains)
    for name, (part, fold) in zip(trains, Parallel(jobs, return_as="generator", pre_dispatch=jobs)(work), strict=True):
        progress(name)
        parts.append(part.assign(cohort=name))
        folds.append(fold)
    predictions = pd.concat(parts)
    found = judged(predictions, sets or {}, thresholds)
    findings += look(replace(evidence, folds=folds, table=found.table), "after", waive)
    return replace(found, equity=equity_audit(predictions, cohorts, holdout=holdout), findings=findings)


def judged(
    predictions: pd.DataFrame,
    sets: Mapping[str, Sequence[str]] | None = None,
    thresholds: Sequence[float] = PLAUSIBLE,
) -> Validation:
    """Hold predictions against the labels.

    Parameters
    ----------
    predictions : DataFrame
        As in `Validation.predictions`.
    sets : mapping of str to sequence of str, optional
        Named sets of cohorts for which means are taken too.
    thresholds : sequence of float
        Probabilities from which one would treat, in (0, 1).

    Returns
    -------
    Validation
        All tables but `equity`, which asks for the cohorts too.

    Examples
    --------
    >>> p = pd.DataFrame({"cohort": "a", "y": [0, 1, 0, 1], "prior": 0.4, "theracast": [0.2, 0.8, 0.3, 0.7]})
    >>> judged(p, {"A": ["a"]}).sets["A"].auc.tolist()
    [1.0]
    """
    named = {
        name: mean_table(predictions[predictions.cohort.isin(chosen)])
        for name, chosen in (sets or {}).items()
        if predictions.cohort.isin(chosen).any()
    }
    coverage = coverage_table(predictions) if "set" in predictions else pd.DataFrame()
    worth = decision_table(predictions, MODEL, thresholds)
    return Validation(predictions, cohort_table(predictions), mean_table(predictions), named, coverage, worth)


def answers(fitted: ResponseModel, test: Cohort, unseen: FeatureMatrix) -> pd.DataFrame:
    """Say what a model answers for patients whose response may be known.

    Parameters
    ----------
    fitted : ResponseModel
        Trained without them.
    test : Cohort
        The patients.
    unseen : FeatureMatrix
        Of them, by the model.

    Returns
    -------
    DataFrame
        Per patient, labelled or not: the probability under the name of the model, ``set``, ``decision``, ``lower``,
        ``upper``, the response ``y`` (NaN where not known) and the ``prior`` of the model.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> model, test = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), load_cohort("riaz2017_mel")
    >>> int(answers(model, test, model.matrix(test)).y.notna().sum())
    49
    """
    response = fitted.respond(unseen).table[["probability", "set", "decision", "lower", "upper"]]
    return response.rename(columns={"probability": MODEL}).assign(y=test.response, prior=fitted.fusion_.prior)


def beside(fitted: ResponseModel, train: Cohort, test: Cohort, unseen: FeatureMatrix) -> pd.DataFrame:
    """Predict the same patients by the dull baselines, fitted where the model was, and by the published scores.

    Parameters
    ----------
    fitted : ResponseModel
        Measures the patients.
    train, test : Cohort
        Those it was fitted on, and the others.
    unseen : FeatureMatrix
        Of the others, by the model.

    Returns
    -------
    DataFrame of float64
        A column per baseline and published score; NaN where one cannot tell.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> train, test = load_cohort("liu2019_mel"), load_cohort("riaz2017_mel")
    >>> model = ResponseModel("melanoma_ici").fit(train)
    >>> beside(model, train, test, model.matrix(test)).columns[:3].tolist()
    ['prevalence', 'PD-L1', 'TIL']
    """
    labelled = train.response.notna().to_numpy()
    seen = fitted.matrix(train).subset(labelled)
    baselines = baseline_predictions(seen, train.response[labelled].to_numpy(int), unseen)
    return baselines.join(published_scores(test))


def _predict(model: ResponseModel, train: Cohort, test: Cohort, name: str) -> tuple[pd.DataFrame, Fold]:
    fitted = ResponseModel(**model.get_params(deep=False)).fit(train)
    unseen = fitted.matrix(test)
    out = answers(fitted, test, unseen).join(beside(fitted, train, test, unseen))
    return out[out.y.notna()], fold_of(name, fitted, train, unseen)


def cohort_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Judge every model on every cohort.

    Parameters
    ----------
    predictions : DataFrame
        As in `Validation.predictions`.

    Returns
    -------
    DataFrame
        As in `Validation.table`. Each model is judged on the patients whom it and theracast could both predict.

    Examples
    --------
    >>> p = pd.DataFrame({"cohort": "a", "y": [0, 1, 0, 1], "prior": 0.4, "theracast": [0.2, 0.8, 0.3, 0.7]})
    >>> cohort_table(p).auc.tolist()
    [1.0]
    """
    rows = []
    for cohort, part in predictions.groupby("cohort", sort=False):
        for name in _models(part):
            common = part[part[[MODEL, name]].notna().all(axis=1)]
            y, p = common.y.to_numpy(int), common[name].to_numpy()
            if name != MODEL and not len(y):
                continue
            area = auc(y, p)
            gain = auc_difference(y, common[MODEL].to_numpy(), p) if name != MODEL else NOT_ESTIMABLE
            row = {"cohort": cohort, "model": name, "n": len(y), "R": int(y.sum()), "NR": int(len(y) - y.sum())}
            row |= _spread("auc", area)
            row |= _spread("gain", gain)
            if name not in PUBLISHED:
                row["balanced_accuracy"] = balanced_accuracy(y, (p >= common.prior).to_numpy(int))
                row["brier"] = brier(y, p) if len(y) else np.nan
                row |= _spread("calibration_slope", calibration(y, p)[0])
            rows.append(row | {"note": _note(area, y, constant=len(set(p)) < 2)})
    return pd.DataFrame(rows)


def mean_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Average AUCs across cohorts by random effects.

    Parameters
    ----------
    predictions : DataFrame
        As in `Validation.predictions`.

    Returns
    -------
    DataFrame
        One row per model: ``auc``, ``auc_lower``, ``auc_upper`` (random effects), ``tau2``, ``plain`` (the arithmetic
        mean over cohorts, as other papers give), ``cohorts``, and by how much the AUC of theracast is above it on the
        same patients: ``gain``, ``gain_lower``, ``gain_upper`` (paired DeLong).

    Examples
    --------
    >>> p = pd.DataFrame({"cohort": ["a"] * 4 + ["b"] * 4, "y": [0, 1, 0, 1] * 2, "prior": 0.4,
    ...                   "theracast": [0.2, 0.8, 0.9, 0.7] * 2})
    >>> mean_table(p).cohorts.tolist()
    [2]
    """
    rows = []
    for name in _models(predictions):
        known = predictions[predictions[[MODEL, name]].notna().all(axis=1)]
        judged = [(p.y.to_numpy(int), p) for _, p in known.groupby("cohort", sort=False) if p.y.nunique() == 2]
        if name != MODEL and not judged:
            continue
        areas = [auc(y, p[name].to_numpy()) for y, p in judged]
        pooled = pooled_auc(areas, modified=True)
        gains = [auc_difference(y, p[MODEL].to_numpy(), p[name].to_numpy()) for y, p in judged]
        gains = [g for g in gains if g.se > 0]
        gain = random_effects([g.value for g in gains], [g.se for g in gains], modified=True)
        plain = float(np.mean([a.value for a in areas])) if areas else np.nan
        row = {"model": name, **_spread("auc", pooled.mean), "tau2": pooled.tau2, "plain": plain, "cohorts": pooled.k}
        rows.append(row | _spread("gain", gain.mean))
    return pd.DataFrame(rows)


def _models(predictions: pd.DataFrame) -> list[str]:
    return [c for c in predictions.columns if c not in ("cohort", "y", "set", "decision", "lower", "upper", "prior")]


def _spread(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_lower": estimate.lower, f"{name}_upper": estimate.upper}


def _note(area: Estimate, y: np.ndarray, constant: bool) -> str:
    if len(y) == 0 or len(np.unique(y)) < 2:
        return "not estimable: one class"
    if not constant and area.value >= TOO_GOOD and len(y) >= TOO_GOOD_N:
        return SUSPECT
    return "too few for a claim" if len(y) < FEW else ""
