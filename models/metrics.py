"""Discrimination, calibration and their intervals, for one cohort and across cohorts.

Everywhere ``y`` is 1 = responded and 0 = did not, a higher score means a likelier response, and no value may
be missing. What the data cannot tell is NaN and prints as 'not estimable', never a chance value such as .5.
Never pool the patients of several cohorts into one AUC: cohorts differ in response rate, and a model that
knows only its training prevalence then scores below chance. Judge each cohort, then
`theracast.models.pooling.pooled_auc`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import expit, logit
from scipy.stats import rankdata

from theracast.models.estimates import NOT_ESTIMABLE, Estimate, normal_quantile, read_columns

_NAN = float("nan")


def auc(y: ArrayLike, score: ArrayLike, level: float = 0.95) -> Estimate:
    """Area under the ROC curve: the chance that a responder outscores a non-responder, ties counting half.

    DeLong's variance (10.2307/2531595) by midranks (10.1109/LSP.2014.2337313), with the interval on the logit
    scale: it stays within 0-1 and covers better near the ends. An AUC of 0 or 1, all scores tied or one
    patient in a class leave that variance at 0 or unknown, and a zero width would be a lie: then Hanley and
    McNeil's variance is inverted at the bounds, as Wilson does for a proportion (Newcombe's method 5,
    10.1002/sim.2324), and `se` is the half width over the normal quantile.

    Parameters
    ----------
    y, score : array-like of shape (n_patients,)
        Outcome 0/1, and score in any unit.
    level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        On 0-1, higher is better, .5 is no skill. NaN when a class is absent.

    Raises
    ------
    DataError
        On missing values, unequal lengths or outcomes other than 0 and 1.

    Examples
    --------
    >>> print(auc([0, 0, 1, 0, 1, 1], [0.1, 0.3, 0.3, 0.6, 0.7, 0.9]))
    .83 (.25-.99)
    >>> print(auc([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6]), auc([1, 1], [0.2, 0.3]), sep="; ")
    1.00 (.50-1.00); not estimable
    """
    truth, values = read_columns(y=y, score=score)
    z = normal_quantile(level)
    above, below = _placements(truth, values)
    n1, n0 = above.size, below.size
    if not (n1 and n0):
        return NOT_ESTIMABLE
    value, se = float(above.sum() / (n1 * n0)), _delong_se(above, below)
    if 0 < value < 1 and se > 0:
        half = z * se / (value * (1 - value))
        return Estimate(value, float(expit(logit(value) - half)), float(expit(logit(value) + half)), se)
    low, high = _newcombe_lower(value, n1, n0, z), 1 - _newcombe_lower(1 - value, n1, n0, z)
    return Estimate(value, low, high, (high - low) / (2 * z))


def auc_difference(y: ArrayLike, score_a: ArrayLike, score_b: ArrayLike, level: float = 0.95) -> Estimate:
    """AUC of one score minus that of another on the same patients, with DeLong's paired variance.

    The interval is Wald's (10.2307/2531595). Where the variance is 0 or unknown the two intervals of `auc`
    are combined by square-and-add as if independent: rather too wide than too narrow. Only a score compared
    with itself has no width.

    Parameters
    ----------
    y, score_a, score_b : array-like of shape (n_patients,)
        Outcome 0/1, and two scores in any unit.
    level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        On -1 to 1; positive when `score_a` ranks better. NaN when a class is absent.

    Raises
    ------
    DataError
        As `auc`.

    Examples
    --------
    >>> print(auc_difference([0, 0, 1, 0, 1, 1], [1, 3, 3, 6, 7, 9], [3, 1, 2, 9, 4, 7]))
    .28 (-.21 to .76)
    """
    truth, first, second = read_columns(y=y, score_a=score_a, score_b=score_b)
    a, b, z = auc(truth, first, level), auc(truth, second, level), normal_quantile(level)
    if np.isnan(a.value):
        return NOT_ESTIMABLE
    if np.array_equal(first, second):
        return Estimate(0.0, 0.0, 0.0, 0.0)
    value = a.value - b.value
    se = _delong_se(*(i - j for i, j in zip(_placements(truth, first), _placements(truth, second), strict=True)))
    down, up = z * se, z * se
    if not se > 0:
        down, up = (
            np.hypot(a.value - a.lower, b.upper - b.value),
            np.hypot(a.upper - a.value, b.value - b.lower),
        )
        se = float(down + up) / (2 * z)
    return Estimate(value, max(value - float(down), -1.0), min(value + float(up), 1.0), se)


def brier(y: ArrayLike, p: ArrayLike) -> float:
    """Mean squared distance between outcome and predicted probability (Brier 1950).

    Parameters
    ----------
    y, p : array-like of shape (n_patients,)
        Outcome 0/1, and predicted probability of response, 0-1.

    Returns
    -------
    float
        On 0-1, lower is better; NaN without patients.

    Raises
    ------
    DataError
        As `auc`, and on probabilities outside 0-1.

    Examples
    --------
    >>> round(brier([0, 1], [0.2, 0.6]), 3)
    0.1
    """
    truth, probability = read_columns(y=y, p=p)
    return float(np.mean((probability - truth) ** 2)) if truth.size else _NAN


def brier_skill(y: ArrayLike, p: ArrayLike, reference: ArrayLike) -> float:
    """Share of a reference's Brier score that the prediction removes.

    Parameters
    ----------
    y, p : array-like of shape (n_patients,)
        Outcome 0/1, and predicted probability of response, 0-1.
    reference : float or array-like of shape (n_patients,)
        Probabilities to beat, such as the response rate in training; never the test cohort's own.

    Returns
    -------
    float
        1 is perfect, 0 as good as the reference, negative worse; NaN when the reference is perfect.

    Raises
    ------
    DataError
        As `brier`.

    Examples
    --------
    >>> round(brier_skill([0, 1], [0.2, 0.6], 0.5), 3)
    0.6
    """
    base = brier(y, np.full(np.size(y), reference) if np.ndim(reference) == 0 else reference)
    return 1 - brier(y, p) / base if base != 0 else _NAN


def calibration(y: ArrayLike, p: ArrayLike, level: float = 0.95) -> tuple[Estimate, Estimate]:
    """Calibration slope and calibration-in-the-large, by logistic recalibration.

    The slope is that of a maximum-likelihood regression of `y` on logit `p`, the intercept that of one with
    the slope fixed at 1 (Cox 1958, 10.1093/biomet/45.3-4.562; Van Calster 2019, 10.1186/s12916-019-1466-7).
    Probabilities are clipped to 1e-6 and 1 - 1e-6; intervals are Wald's.

    Parameters
    ----------
    y, p : array-like of shape (n_patients,)
        Outcome 0/1, and predicted probability of response, 0-1.
    level : float, default 0.95
        Coverage of the intervals.

    Returns
    -------
    slope : Estimate
        1 is ideal, below 1 too extreme, above 1 too timid. NaN when a class is absent, all predictions are
        equal, or they separate the classes (the likelihood has no maximum).
    intercept : Estimate
        In log-odds; 0 is ideal, negative means too many responses were predicted. NaN when a class is absent.

    Raises
    ------
    DataError
        As `brier`.

    Examples
    --------
    >>> slope, intercept = calibration([0, 1, 0, 0, 1, 1], [0.1, 0.2, 0.3, 0.6, 0.8, 0.9])
    >>> print(slope, intercept, sep="; ")
    .80 (-.55 to 2.15); .11 (-1.90 to 2.11)
    """
    truth, probability = read_columns(y=y, p=p)
    z, x = normal_quantile(level), logit(np.clip(probability, 1e-6, 1 - 1e-6))
    low, high, ones = x[truth == 0], x[truth == 1], np.ones_like(x)
    if not (low.size and high.size):
        return NOT_ESTIMABLE, NOT_ESTIMABLE
    intercept = _logistic(ones[:, None], truth, x, z)
    # in one dimension the likelihood has a maximum exactly when the classes overlap; touching is not enough
    overlap = low.max() > high.min() and high.max() > low.min()
    return _logistic(np.column_stack([x, ones]), truth, 0 * x, z) if overlap else NOT_ESTIMABLE, intercept


def balanced_accuracy(y: ArrayLike, decision: ArrayLike) -> float:
    """Mean of sensitivity and specificity of a yes/no decision.

    Parameters
    ----------
    y, decision : array-like of shape (n_patients,)
        Outcome 0/1, and decision: 1 = predicted to respond, 0 = not.

    Returns
    -------
    float
        On 0-1, higher is better, .5 is no skill; NaN when a class is absent.

    Raises
    ------
    DataError
        As `auc`.

    Examples
    --------
    >>> balanced_accuracy([0, 0, 1, 1], [0, 1, 1, 1])
    0.75
    """
    truth, said = read_columns(y=y, decision=decision)
    hit, rejected = said[truth == 1], 1 - said[truth == 0]
    return float(hit.mean() + rejected.mean()) / 2 if hit.size and rejected.size else _NAN


def _placements(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per responder the non-responders below, per non-responder the responders above; ties half. O(n log n).

    Counts, not shares: their sums are exact, so an AUC of 1 and a variance of 0 are found by equality.
    """
    ranks, high, low = rankdata(score), score[y == 1], score[y == 0]
    return ranks[y == 1] - rankdata(high), high.size - (ranks[y == 0] - rankdata(low))


def _delong_se(above: np.ndarray, below: np.ndarray) -> float:
    n1, n0 = above.size, below.size
    if min(n1, n0) < 2:
        return 0.0  # one patient has no variance to measure
    return float(np.sqrt(above.var(ddof=1) / (n1 * n0**2) + below.var(ddof=1) / (n0 * n1**2)))


def _newcombe_lower(value: float, n1: int, n0: int, z: float) -> float:
    extra = (n1 + n0) / 2 - 1  # the same for both classes, so that a reversed score mirrors the interval

    def excess(t: float) -> float:
        variance = t * (1 - t) * (1 + extra * ((1 - t) / (2 - t) + t / (1 + t))) / (n1 * n0)
        return (value - t) ** 2 - z**2 * variance

    # just below `value`: at 1 the equation has a second, trivial root
    return float(brentq(excess, 0, value - 1e-12)) if value > 0 else 0.0


def _logistic(X: np.ndarray, y: np.ndarray, offset: np.ndarray, z: float) -> Estimate:
    """Estimate the first coefficient by Newton's method, halving steps that lose likelihood."""

    def likelihood(beta: np.ndarray) -> float:
        eta = X @ beta + offset
        return float(y @ eta - np.logaddexp(0, eta).sum())

    beta = np.zeros(X.shape[1])
    for _ in range(100):
        mu = expit(X @ beta + offset)
        try:
            covariance = np.linalg.inv((X.T * (mu * (1 - mu))) @ X)
        except np.linalg.LinAlgError:
            break
        step = covariance @ (X.T @ (y - mu))
        if (np.abs(step) < 1e-9 * (1 + np.abs(beta))).all():
            value, se = float(beta[0] + step[0]), float(np.sqrt(covariance[0, 0]))
            return Estimate(value, value - z * se, value + z * se, se)
        while likelihood(beta + step) < likelihood(beta) - 1e-9:
            step = step / 2
        beta = beta + step
    return NOT_ESTIMABLE
