"""Does the effect of a therapy differ between patients as predicted? Uplift curve, group effects, calibration.

All read one doubly robust effect score per patient (`theracast.models.policy.doubly_robust_scores`: therapy minus
control) and one effect predicted by a model that never saw the patient. Both may have a column per repeat of the folds;
repeats are averaged within patients, because they are no new patients. Patients are ordered within their fold: models
of different folds have different means, and those run against the held-out patients' own.

The intervals hold for predictions learned from other patients. Models of the folds of one trial share their luck: where
effects do not differ, their estimates scatter about 1.3 times as much as the standard errors say (424 simulated
patients, five folds). Hold them against simulated trials, as experiments/crohns_ustekinumab.py does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from theracast.errors import DataError, UsageError
from theracast.models.estimates import NOT_ESTIMABLE, Estimate, normal_quantile
from theracast.models.policy import mean_estimate


def uplift_curve(
    effects: ArrayLike,
    predicted: ArrayLike,
    folds: ArrayLike | None = None,
    shares: Sequence[float] = tuple(np.linspace(0.0, 1.0, 21)),
    level: float = 0.95,
) -> pd.DataFrame:
    """Responses won by treating the share of patients with the largest predicted effects, beside as many at random.

    Parameters
    ----------
    effects : array-like of shape (n_patients,) or (n_patients, n_repeats)
        Doubly robust effect scores, in probability.
    predicted : array-like of the same shape
        Predicted effect, out of fold, in any unit (higher = gains more from the therapy).
    folds : array-like of the same shape, optional
        Fold of each patient; all one fold by default.
    shares : sequence of float
        Shares treated, in [0, 1].
    level : float, default 0.95
        Coverage of the intervals, of one share at a time.

    Returns
    -------
    DataFrame
        ``share``; ``gain``: responses per patient of the whole population above treating none, with ``lower`` and
        ``upper``; ``random``: the share times the mean effect; ``excess``: gain minus random, with ``excess_lower``
        and ``excess_upper``.

    Raises
    ------
    DataError
        On shapes that differ and missing values.

    Examples
    --------
    >>> curve = uplift_curve([0.4, 0.2, 0.0, -0.2], [4, 3, 2, 1], shares=[0.5, 1.0])
    >>> curve[["gain", "random"]].round(3).to_numpy().tolist()
    [[0.15, 0.05], [0.1, 0.1]]
    """
    scores, above = _positions(effects, predicted, folds)
    mean = float(scores.mean())
    rows = []
    for share in shares:
        treated = _treated(above, share)
        gain = mean_estimate((scores * treated).mean(axis=1), level)
        excess = mean_estimate(((scores - mean) * (treated - share)).mean(axis=1), level)
        rows.append(
            {
                "share": float(share),
                **{"gain": gain.value, "lower": gain.lower, "upper": gain.upper, "random": share * mean},
                **{"excess": excess.value, "excess_lower": excess.lower, "excess_upper": excess.upper},
            }
        )
    return pd.DataFrame(rows)


def qini(effects: ArrayLike, predicted: ArrayLike, folds: ArrayLike | None = None, level: float = 0.95) -> Estimate:
    """Area between the uplift curve and treating as many at random.

    The Qini form of the rank-weighted average treatment effect (Yadlowsky 2025, 10.1080/01621459.2024.2393466).

    Parameters
    ----------
    effects, predicted, folds : array-like
        As `uplift_curve`.
    level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        In probability; 0 when the predicted effects order nothing, positive when larger ones are larger.

    Raises
    ------
    DataError
        As `uplift_curve`.

    Examples
    --------
    >>> qini([0.4, 0.2, 0.0, -0.2], [4, 3, 2, 1]).value.__round__(4)
    0.0625
    """
    scores, above = _positions(effects, predicted, folds)
    middle = (above[0] + above[1]) / 2
    return mean_estimate(((scores - scores.mean()) * (0.5 - middle)).mean(axis=1), level)


def group_effects(
    effects: ArrayLike,
    predicted: ArrayLike,
    folds: ArrayLike | None = None,
    groups: int = 3,
    level: float = 0.95,
) -> tuple[pd.DataFrame, Estimate]:
    """Effect seen in groups of predicted effect, and the last group's minus the first's (10.3982/ECTA19303).

    Parameters
    ----------
    effects, predicted, folds : array-like
        As `uplift_curve`.
    groups : int, default 3
        How many, of equal size within each fold; ties at a border are shared.
    level : float, default 0.95
        Coverage of the intervals.

    Returns
    -------
    table : DataFrame
        ``group`` (1 has the smallest predicted effects), ``predicted`` (mean), ``effect``, ``lower``, ``upper``.
    trend : Estimate
        Effect of the last group minus that of the first.

    Raises
    ------
    DataError
        As `uplift_curve`.
    UsageError
        On fewer than two groups.

    Examples
    --------
    >>> table, trend = group_effects([0.4, 0.2, 0.0, -0.2], [4, 3, 2, 1], groups=2)
    >>> table["effect"].round(2).tolist(), round(trend.value, 2)
    ([-0.1, 0.3], 0.4)
    """
    if groups < 2:
        raise UsageError("effects are compared between two groups or more", got=str(groups))
    scores, above = _positions(effects, predicted, folds)
    guess = _read(predicted, "predicted")
    edges = np.linspace(1.0, 0.0, groups + 1)
    rows, parts = [], []
    for k in range(groups):
        member = groups * (_treated(above, edges[k]) - _treated(above, edges[k + 1]))
        effect = float((scores * member).mean())
        parts.append(((scores - effect) * member).mean(axis=1) + effect)
        found = mean_estimate(parts[-1], level)
        rows.append(
            {
                "group": k + 1,
                "predicted": float((guess * member).mean()),
                **{"effect": found.value, "lower": found.lower, "upper": found.upper},
            }
        )
    return pd.DataFrame(rows), mean_estimate(parts[-1] - parts[0], level)


def effect_calibration(
    effects: ArrayLike, predicted: ArrayLike, folds: ArrayLike | None = None, level: float = 0.95
) -> tuple[Estimate, Estimate]:
    """Calibration of predicted effects: in the large, and slope (best linear predictor, 10.3982/ECTA19303).

    Parameters
    ----------
    effects, predicted, folds : array-like
        As `uplift_curve`.
    level : float, default 0.95
        Coverage of the intervals.

    Returns
    -------
    bias : Estimate
        Mean effect seen minus mean predicted, in probability; 0 when right on average.
    slope : Estimate
        Change of the effect per unit of predicted effect, within folds: 1 when calibrated, 0 when the predictions say
        nothing, below 1 when they are too far apart. Standard error robust, by patient. NaN when all predictions
        of each fold are the same.

    Raises
    ------
    DataError
        As `uplift_curve`.

    Examples
    --------
    >>> bias, slope = effect_calibration([0.4, 0.2, 0.0, -0.2], [0.3, 0.2, 0.1, 0.0])
    >>> round(bias.value, 3), round(slope.value, 3)
    (-0.05, 2.0)
    """
    scores, guess = _read(effects, "effects"), _read(predicted, "predicted")
    strata = _strata(folds, scores.shape)
    if scores.shape != guess.shape:
        raise DataError("unequal shapes", where="predicted", got=str(guess.shape), wanted=str(scores.shape))
    bias = mean_estimate((scores - guess).mean(axis=1), level)
    x, y = _within(guess, strata), _within(scores, strata)
    total = float((x**2).sum())
    if total < np.finfo(float).eps:
        return bias, NOT_ESTIMABLE
    slope = float((x * y).sum()) / total
    n, z = len(x), normal_quantile(level)
    se = float(np.sqrt((((x * (y - slope * x)).sum(axis=1)) ** 2).sum() * n / (n - 1)) / total)
    return bias, Estimate(slope, slope - z * se, slope + z * se, se)


def _read(values: ArrayLike, where: str) -> np.ndarray:
    array = np.asarray(values, dtype=np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise DataError("wanted one value per patient and repeat", where=where, got=f"{array.ndim} dimensions")
    if not np.isfinite(array).all():
        raise DataError("holds missing or infinite values", where=where, fix="Leave these patients out first.")
    return array


def _strata(folds: ArrayLike | None, shape: tuple[int, ...]) -> np.ndarray:
    strata = np.zeros(shape, dtype=object) if folds is None else np.asarray(folds)
    strata = strata[:, None] if strata.ndim == 1 else strata
    if strata.shape != shape:
        raise DataError("unequal shapes", where="folds", got=str(strata.shape), wanted=str(shape))
    return strata


def _positions(
    effects: ArrayLike, predicted: ArrayLike, folds: ArrayLike | None
) -> tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]:
    """Effects, and which part of their fold each patient and those with the same prediction occupy, largest first."""
    scores, guess = _read(effects, "effects"), _read(predicted, "predicted")
    if scores.shape != guess.shape:
        raise DataError("unequal shapes", where="predicted", got=str(guess.shape), wanted=str(scores.shape))
    strata = _strata(folds, scores.shape)
    start, end = np.empty_like(scores), np.empty_like(scores)
    for repeat in range(scores.shape[1]):
        for fold in pd.unique(strata[:, repeat]):
            rows = strata[:, repeat] == fold
            down = -guess[rows, repeat]
            start[rows, repeat] = (rankdata(down, "min") - 1) / rows.sum()
            end[rows, repeat] = rankdata(down, "max") / rows.sum()
    return scores, (start, end)


def _treated(above: tuple[np.ndarray, np.ndarray], share: float) -> np.ndarray:
    """Probability of being among the share treated first; those with the same prediction draw lots."""
    start, end = above
    return np.clip((share - start) / (end - start), 0.0, 1.0)


def _within(values: np.ndarray, strata: np.ndarray) -> np.ndarray:
    """Take the mean of each fold and repeat away."""
    out = np.empty_like(values)
    for repeat in range(values.shape[1]):
        column = pd.Series(values[:, repeat])
        out[:, repeat] = column - column.groupby(strata[:, repeat]).transform("mean")
    return out
