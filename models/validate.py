"""Validation on whole cohorts that the model never saw, beside dull baselines, cohort by cohort.

Patients of different cohorts are never pooled into one AUC: a model that knows only its training prevalence then
scores below .5, because leaving out a cohort of many responders lowers its intercept. Each cohort stands alone with
its interval; across cohorts there is a random-effects mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from theracast.features.cohort import Cohort
from theracast.models.base import ResponseModel
from theracast.models.baselines import baseline_predictions
from theracast.models.estimates import Estimate
from theracast.models.metrics import auc, auc_difference, balanced_accuracy, brier, calibration
from theracast.models.pooling import pooled_auc, random_effects
from theracast.models.splits import leave_one_cohort_out

#: Name of the model in the tables, beside the baselines.
MODEL = "theracast"
#: Below this many labelled patients no claim is made from a cohort alone.
FEW = 30
#: An AUC this good, on this many patients, is a leak until proven otherwise.
TOO_GOOD, TOO_GOOD_N = 0.98, 20


@dataclass(frozen=True)
class Validation:
    """Predictions for patients whose whole cohort was unseen, and what they are worth.

    Attributes
    ----------
    predictions : DataFrame
        One row per labelled patient: ``cohort``, ``y``, ``decision`` and a probability per model and baseline.
    table : DataFrame
        One row per cohort and model: ``n``, ``R``, ``NR``, ``auc``, ``auc_lower``, ``auc_upper``,
        ``balanced_accuracy``, ``brier``, ``calibration_slope`` with interval, and ``note``.
    mean : DataFrame
        Per model, the random-effects mean AUC with interval, ``tau2``, the number of cohorts, and the gain of
        theracast over it.

    Examples
    --------
    >>> Validation(pd.DataFrame(), pd.DataFrame(), pd.DataFrame()).table.empty
    True
    """

    predictions: pd.DataFrame
    table: pd.DataFrame
    mean: pd.DataFrame


def leave_cohorts_out(
    model: ResponseModel,
    cohorts: Mapping[str, Cohort],
    holdout: Sequence[str] = (),
    progress: Callable[[str], None] = lambda name: None,
) -> Validation:
    """Predict each cohort by a model trained on the others.

    Parameters
    ----------
    model : ResponseModel
        Unfitted; its settings are used, its state is not.
    cohorts : mapping of str to Cohort
        All cohorts.
    holdout : sequence of str
        Names of those that are predicted but never trained on.
    progress : callable, optional
        Told the name of each cohort before it is predicted.

    Returns
    -------
    Validation
        Labelled patients only.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> names = ["liu2019_mel", "riaz2017_mel", "hugo2016_mel"]
    >>> found = leave_cohorts_out(ResponseModel(), {n: load_cohort(n) for n in names})
    >>> sorted(found.table.cohort.unique()) == sorted(names)
    True
    """
    parts = []
    for name, others in leave_one_cohort_out(list(cohorts)):
        progress(name)
        train = Cohort.concat([cohorts[o] for o in others if o not in holdout])
        parts.append(_predict(model, train, cohorts[name]).assign(cohort=name))
    predictions = pd.concat(parts)
    return Validation(predictions, cohort_table(predictions), mean_table(predictions))


def _predict(model: ResponseModel, train: Cohort, test: Cohort) -> pd.DataFrame:
    fitted = ResponseModel(**model.get_params(deep=False)).fit(train)
    labelled = train.response.notna().to_numpy()
    seen = fitted.matrix(train).subset(labelled)
    unseen = fitted.matrix(test)
    response = fitted.respond(unseen).table
    out = baseline_predictions(seen, train.response[labelled].to_numpy(int), unseen)
    out.insert(0, MODEL, response.probability)
    out = out.assign(
        y=test.response,
        set=response["set"],
        decision=response.decision,
        lower=response.lower,
        upper=response.upper,
        prior=fitted.fusion_.prior,
    )
    return out[out.y.notna()]


def cohort_table(predictions: pd.DataFrame) -> pd.DataFrame:
    """Judge every model on every cohort.

    Parameters
    ----------
    predictions : DataFrame
        As in `Validation.predictions`.

    Returns
    -------
    DataFrame
        As in `Validation.table`. Models of one cohort are compared on the same patients: those whom all of them
        could predict.

    Examples
    --------
    >>> p = pd.DataFrame({"cohort": "a", "y": [0, 1, 0, 1], "prior": 0.4, "theracast": [0.2, 0.8, 0.3, 0.7]})
    >>> cohort_table(p).auc.tolist()
    [1.0]
    """
    rows = []
    for cohort, part in predictions.groupby("cohort", sort=False):
        models = _models(part)
        common = part[part[models].notna().all(axis=1)]
        y = common.y.to_numpy(int)
        for name in models:
            p = common[name].to_numpy()
            area = auc(y, p)
            slope, _ = calibration(y, p)
            rows.append(
                {
                    "cohort": cohort,
                    "model": name,
                    "n": len(y),
                    "R": int(y.sum()),
                    "NR": int(len(y) - y.sum()),
                    **_spread("auc", area),
                    "balanced_accuracy": balanced_accuracy(y, (p >= common.prior).to_numpy(int)),
                    "brier": brier(y, p) if len(y) else np.nan,
                    **_spread("calibration_slope", slope),
                    "note": _note(area, y, constant=len(set(p)) < 2),
                }
            )
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
        One row per model: ``auc``, ``auc_lower``, ``auc_upper``, ``tau2``, ``cohorts``, and by how much the AUC of
        theracast is above it on the same patients: ``gain``, ``gain_lower``, ``gain_upper`` (paired DeLong).

    Examples
    --------
    >>> p = pd.DataFrame({"cohort": ["a"] * 4 + ["b"] * 4, "y": [0, 1, 0, 1] * 2, "prior": 0.4,
    ...                   "theracast": [0.2, 0.8, 0.9, 0.7] * 2})
    >>> mean_table(p).cohorts.tolist()
    [2]
    """
    models = _models(predictions)
    parts = [p[p[models].notna().all(axis=1)] for _, p in predictions.groupby("cohort", sort=False)]
    judged = [(p.y.to_numpy(int), p) for p in parts if p.y.nunique() == 2]
    rows = []
    for name in models:
        pooled = pooled_auc([auc(y, p[name].to_numpy()) for y, p in judged], modified=True)
        gains = [auc_difference(y, p[MODEL].to_numpy(), p[name].to_numpy()) for y, p in judged]
        gains = [g for g in gains if g.se > 0]
        gain = random_effects([g.value for g in gains], [g.se for g in gains], modified=True)
        rows.append(
            {
                "model": name,
                **_spread("auc", pooled.mean),
                "tau2": pooled.tau2,
                "cohorts": pooled.k,
                **_spread("gain", gain.mean),
            }
        )
    return pd.DataFrame(rows)


def _models(predictions: pd.DataFrame) -> list[str]:
    return [c for c in predictions.columns if c not in ("cohort", "y", "set", "decision", "lower", "upper", "prior")]


def _spread(name: str, estimate: Estimate) -> dict[str, float]:
    return {name: estimate.value, f"{name}_lower": estimate.lower, f"{name}_upper": estimate.upper}


def _note(area: Estimate, y: np.ndarray, constant: bool) -> str:
    if len(y) == 0 or len(np.unique(y)) < 2:
        return "not estimable: one class"
    if not constant and area.value >= TOO_GOOD and len(y) >= TOO_GOOD_N:
        return "too good: look for a leak"
    return "too few for a claim" if len(y) < FEW else ""
