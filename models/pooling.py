"""Several cohorts' estimates, combined by random effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, stdtrit

from theracast.errors import DataError
from theracast.models.estimates import Estimate, normal_quantile, read_columns

_NAN = float("nan")


@dataclass(frozen=True)
class RandomEffects:
    """Several cohorts' estimates, combined.

    Attributes
    ----------
    mean : Estimate
        Mean of the cohorts' true values.
    tau2, i2, q : float
        Variance between cohorts, its share of the total (0-1), and Cochran's Q; NaN below two cohorts.
    k : int
        How many cohorts entered.
    prediction_lower, prediction_upper : float
        Where the true value of a new cohort is expected; NaN below two cohorts.

    Examples
    --------
    >>> random_effects([0.1, 0.3, 0.8], [0.1, 0.2, 0.1]).k
    3
    """

    mean: Estimate
    tau2: float
    i2: float
    q: float
    k: int
    prediction_lower: float
    prediction_upper: float


def random_effects(values: ArrayLike, ses: ArrayLike, level: float = 0.95, modified: bool = False) -> RandomEffects:
    """Mean of cohorts that differ in truth: DerSimonian-Laird, Hartung-Knapp-Sidik-Jonkman interval.

    Sources: 10.1016/0197-2456(86)90046-2; 10.1002/sim.791 and 10.1002/sim.1262; I2 10.1002/sim.1186. Few
    cohorts that agree by luck make the interval too narrow, down to no width; `modified`
    (10.1186/s12874-015-0091-1) keeps it at least as wide as the standard errors say.

    Parameters
    ----------
    values, ses : array-like of shape (n_cohorts,)
        One estimate and its standard error per cohort, on a scale where errors are about normal.
    level : float, default 0.95
        Coverage of the confidence and the prediction interval, both with Student's t on n_cohorts - 1.
    modified : bool, default False
        Whether to floor the Hartung-Knapp variance factor at 1.

    Returns
    -------
    RandomEffects
        One cohort comes back with its normal interval and NaN heterogeneity; none gives NaN.

    Raises
    ------
    DataError
        On missing or infinite values, unequal lengths or standard errors that are not positive.

    Examples
    --------
    >>> pooled = random_effects([0.1, 0.3, 0.8], [0.1, 0.2, 0.1])
    >>> print(pooled.mean, f"tau2 {pooled.tau2:.3f}, I2 {pooled.i2:.2f}")
    .40 (-.51 to 1.32) tau2 0.172, I2 0.92
    """
    x, s = read_columns(values=values, ses=ses)
    if not np.isfinite(x).all() or not (np.isfinite(s) & (s > 0)).all():
        raise DataError("estimates must be finite, with positive standard errors", where="values, ses")
    k, z = x.size, normal_quantile(level)
    if k < 2:
        v, e = (float(x[0]), float(s[0])) if k else (_NAN, _NAN)
        return RandomEffects(Estimate(v, v - z * e, v + z * e, e), _NAN, _NAN, _NAN, k, _NAN, _NAN)
    w = s**-2
    q = float(w @ (x - w @ x / w.sum()) ** 2)
    tau2 = max(0.0, (q - (k - 1)) / float(w.sum() - w @ w / w.sum()))
    w = 1 / (s**2 + tau2)
    mean = float(w @ x / w.sum())
    factor = float(w @ (x - mean) ** 2) / (k - 1)
    se = float(np.sqrt((max(factor, 1.0) if modified else factor) / w.sum()))
    t = float(stdtrit(k - 1, (1 + level) / 2))
    half, wide = t * se, t * float(np.sqrt(tau2 + se**2))
    i2 = 1 - (k - 1) / q if tau2 > 0 else 0.0
    return RandomEffects(Estimate(mean, mean - half, mean + half, se), tau2, i2, q, k, mean - wide, mean + wide)


def pooled_auc(estimates: Sequence[Estimate], modified: bool = False) -> RandomEffects:
    """Random-effects mean of one AUC per cohort, on the logit scale; never pool their patients instead.

    Cohorts that are not estimable are left out; `k` says how many stayed. An AUC of 0 or 1 has no logit and
    enters as the middle of its interval, because leaving it out would bias the mean.

    Parameters
    ----------
    estimates : sequence of Estimate
        One `auc` per cohort.
    modified : bool, default False
        As in `random_effects`.

    Returns
    -------
    RandomEffects
        Mean, 95% confidence and prediction limits as AUC, 0-1; tau2, I2 and Q of the logits. A single cohort
        comes back as it was given.

    Raises
    ------
    DataError
        On an AUC outside 0-1 or a standard error that is not positive.

    Examples
    --------
    >>> print(pooled_auc([Estimate(0.6, 0.4, 0.8, 0.1), Estimate(0.7, 0.55, 0.85, 0.08)]).mean)
    .66 (.10-.97)
    """
    known = [e for e in estimates if not np.isnan(e.value)]
    if not all(0 <= e.value <= 1 for e in known):
        raise DataError("an AUC lies within 0-1", where="estimates")
    centre = np.array([e.value if 0 < e.value < 1 else (e.lower + e.upper) / 2 for e in known])
    ses = np.array([e.se for e in known]) / (centre * (1 - centre))
    r = random_effects(logit(centre), ses, modified=modified)
    value, lower, upper, new_lower, new_upper = expit(
        [r.mean.value, r.mean.lower, r.mean.upper, r.prediction_lower, r.prediction_upper]
    ).tolist()
    mean = known[0] if r.k == 1 else Estimate(value, lower, upper, r.mean.se * value * (1 - value))
    return RandomEffects(mean, r.tau2, r.i2, r.q, r.k, new_lower, new_upper)
