"""Recalibration: fit a model to a new site, in the open.

A model travels with the response rate of its training cohorts. What is known of a site (its rate, some labels, or only
its scores) gives an intercept and a slope on the log-odds, with a note that a report can print. Ranks are not changed,
and label-conditional conformal sets read the margin as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit

from theracast.errors import UsageError
from theracast.models.estimates import normal_quantile, read_cohorts, read_columns
from theracast.models.metrics import calibration
from theracast.models.pooling import random_effects

#: Spread of the calibration intercept and slope between cohorts that a model had not seen. `calibration_spread` gave
#: .41 and .65 on 15 cohorts with RNA, .59 and .33 on the 7 clinical LORIS cohorts.
INTERCEPT_SD, SLOPE_SD = 0.5, 0.5
#: Spread between the same cohorts of the mean margin within a class, in log-odds: .05-.31.
DRIFT_SD = 0.3
#: Below this many scores a rate is not matched to their mean.
_FEWEST = 20
#: A rate known no better than this, in width of its interval, is not used.
_WIDEST = 0.3
_EDGE = 1e-6


@dataclass(frozen=True)
class Recalibration:
    """A straight line on the log-odds; without arguments it changes nothing.

    Attributes
    ----------
    intercept : float
        Added to the log-odds.
    slope : float
        Multiplies them; never negative, so that ranks stay.
    note : str
        What it rests on, for the report.
    refused : bool
        Whether what was given could not tell; the log-odds are then left as they are.

    Examples
    --------
    >>> Recalibration(0.5, 2.0).apply([0.0, 1.0]).tolist()
    [0.5, 2.5]
    """

    intercept: float = 0.0
    slope: float = 1.0
    note: str = ""
    refused: bool = False

    def apply(self, margin: ArrayLike) -> np.ndarray:
        """Recalibrate patients.

        Parameters
        ----------
        margin : array-like
            Log-odds of response; NaN stays.

        Returns
        -------
        ndarray of float64, same shape
            Log-odds.

        Examples
        --------
        >>> Recalibration(-0.1).apply([0.1, float("nan")]).tolist()
        [0.0, nan]
        """
        return self.intercept + self.slope * np.asarray(margin, dtype=np.float64)

    @classmethod
    def from_rate(cls, assumed: float, rate: float, margin: ArrayLike = ()) -> Self:
        """Move to a response rate that the user states.

        With few or no scores of the site, the odds move by the ratio of the two rates' odds (Saerens 2002, DOI
        10.1162/089976602753284446), which holds where the site differs in its rate only. With 20 scores or more, the
        intercept is the one whose mean probability is the rate, which also takes up a drift of the scores.

        Parameters
        ----------
        assumed : float
            Response rate that the model assumes, in (0, 1).
        rate : float
            Response rate of the site, in (0, 1).
        margin : array-like of shape (n_patients,), optional
            Log-odds of the site's patients, as many as come, not picked.

        Returns
        -------
        Recalibration
            With slope 1.

        Raises
        ------
        UsageError
            When a rate is not inside 0-1.
        DataError
            On missing scores.

        Examples
        --------
        >>> round(float(expit(Recalibration.from_rate(0.3, 0.5).apply(logit(0.3)))), 3)
        0.5
        """
        _check(assumed=assumed, rate=rate)
        (values,) = read_columns(margin=margin)
        shift, how = float(logit(rate) - logit(assumed)), f"instead of the assumed {assumed:.0%}"
        if values.size >= _FEWEST:
            shift = float(brentq(lambda s: expit(values + s).mean() - rate, *_bracket(values, rate)))
            how = f"matched to the mean of {values.size} patients"
        return cls(shift, 1.0, f"response rate given: {rate:.0%}, {how}")

    @classmethod
    def from_labels(
        cls,
        margin: ArrayLike,
        y: ArrayLike,
        assumed: float,
        spread: tuple[float, float] = (INTERCEPT_SD, SLOPE_SD),
    ) -> Self:
        """Learn intercept and slope from labelled patients, however few, of one class or both.

        The posterior mode under normal priors around 0 and 1, as wide as unseen cohorts were found to differ. The line
        turns about the assumed rate, where scores lie, so that a slope learned from few labels does not move the mean.

        Parameters
        ----------
        margin : array-like of shape (n_patients,)
            Log-odds of labelled patients, picked without regard to their response.
        y : array-like of 0 and 1, shape (n_patients,)
            1 responded.
        assumed : float
            Response rate that the model assumes, in (0, 1).
        spread : (float, float), optional
            Standard deviations of the two priors, positive; see `calibration_spread`.

        Returns
        -------
        Recalibration
            Changes nothing when there are no labels.

        Raises
        ------
        UsageError
            When the assumed rate is not inside 0-1, or a spread is not positive.
        DataError
            On missing values, unequal lengths, and labels that are not 0 and 1.

        Examples
        --------
        >>> found = Recalibration.from_labels([-1.0, -0.5, 0.0], [1, 1, 0], assumed=0.3)
        >>> round(found.intercept, 2), round(found.slope, 2)
        (0.11, 0.91)
        """
        _check(assumed=assumed)
        if not all(np.isfinite(s) and s > 0 for s in spread):
            raise UsageError("the spread of a prior is a positive number", got=str(tuple(spread)))
        values, truth = read_columns(margin=margin, y=y)
        if not values.size:
            return cls(note="no labels: as trained")
        centre = float(logit(assumed))
        shift, slope = _posterior_mode(values - centre, truth, centre, np.asarray(spread, dtype=np.float64))
        note = f"fitted to {values.size} labelled patients, {int(truth.sum())} of them responders"
        return cls(shift + (1.0 - slope) * centre, slope, note)

    @classmethod
    def from_scores(cls, margin: ArrayLike, assumed: float, drift: float = DRIFT_SD, level: float = 0.95) -> Self:
        """Estimate the response rate from the scores alone, or refuse.

        The maximum-likelihood rate of Saerens 2002 (DOI 10.1162/089976602753284446), with its likelihood-ratio
        interval. It takes every shift of the scores for a shift of the rate; so the interval is stretched over scores
        that drifted by twice `drift` either way, and a rate known no better than within 30 points is refused. Where
        classes overlap as in immunotherapy (margins half a standard deviation apart), that is always.

        Parameters
        ----------
        margin : array-like of shape (n_patients,)
            Log-odds of the site's patients, not picked.
        assumed : float
            Response rate that the model assumes, in (0, 1).
        drift : float, optional
            Spread of the mean margin within a class between cohorts, in log-odds.
        level : float, default 0.95
            Coverage of the interval.

        Returns
        -------
        Recalibration
            With slope 1; `refused`, and changing nothing, where the scores cannot tell.

        Raises
        ------
        UsageError
            When the assumed rate or the level is not inside 0-1, or the drift is negative.
        DataError
            On missing values.

        Examples
        --------
        >>> Recalibration.from_scores([-0.9, -0.8, -1.1, -0.2], assumed=0.3).refused
        True
        >>> Recalibration.from_scores([-5.0] * 50 + [4.0] * 50, assumed=0.3).note
        'response rate estimated from 100 unlabelled patients: 50% (40%-61%)'
        """
        _check(assumed=assumed)
        if not drift >= 0:
            raise UsageError("a drift is not negative", got=str(drift))
        (values,) = read_columns(margin=margin)
        ratio, fall = values - logit(assumed), normal_quantile(level) ** 2 / 2.0
        found = [_rate(ratio + by, fall) for by in (-2.0 * drift, 0.0, 2.0 * drift)]
        lower, upper = min(f[1] for f in found), max(f[2] for f in found)
        if upper - lower > _WIDEST:
            return cls(note=f"the scores cannot tell the response rate ({lower:.0%}-{upper:.0%})", refused=True)
        rate = (values.size * found[1][0] + 0.5) / (values.size + 1.0)  # away from 0 and 1, where odds end
        told = f"{rate:.0%} ({lower:.0%}-{upper:.0%})"
        note = f"response rate estimated from {values.size} unlabelled patients: {told}"
        return cls(float(logit(rate) - logit(assumed)), 1.0, note)

    def state(self) -> dict[str, Any]:
        """Return it, JSON-ready.

        Returns
        -------
        dict
            One entry per attribute.

        Examples
        --------
        >>> Recalibration(0.5).state()["intercept"]
        0.5
        """
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`.

        Returns
        -------
        Recalibration
            The same.

        Examples
        --------
        >>> Recalibration.from_state(Recalibration(0.5).state()) == Recalibration(0.5)
        True
        """
        return cls(**state)


#: Nothing is known of the site: probabilities stay as the model gives them.
AS_TRAINED = Recalibration()


def calibration_spread(margin: ArrayLike, y: ArrayLike, cohorts: ArrayLike) -> tuple[float, float]:
    """Estimate how widely unseen cohorts differ in calibration: the priors of `Recalibration.from_labels`.

    Per cohort, calibration-in-the-large and slope by logistic regression; then their standard deviation between
    cohorts by DerSimonian and Laird (DOI 10.1016/0197-2456(86)90046-2), which takes the noise within each away.

    Parameters
    ----------
    margin : array-like of shape (n_patients,)
        Log-odds by models that had not seen the patient's cohort.
    y : array-like of 0 and 1, shape (n_patients,)
        1 responded.
    cohorts : array-like of str, shape (n_patients,)
        Cohort of each patient.

    Returns
    -------
    intercept, slope : float
        At least .1; the package's own where fewer than three cohorts can be estimated.

    Raises
    ------
    DataError
        On missing values and unequal lengths.

    Examples
    --------
    >>> calibration_spread([0.0, 0.1], [0, 1], ["a", "b"])
    (0.5, 0.5)
    """
    values, truth = read_columns(margin=margin, y=y)
    names = read_cohorts(cohorts, values.size)
    parts = [calibration(truth[names == c], expit(values[names == c])) for c in np.unique(names)]
    spreads = []
    for which, usual in ((1, INTERCEPT_SD), (0, SLOPE_SD)):
        known = [p[which] for p in parts if np.isfinite(p[which].se)]
        tau2 = random_effects([e.value for e in known], [e.se for e in known]).tau2 if len(known) > 2 else usual**2
        spreads.append(max(0.1, float(np.sqrt(tau2))))
    return spreads[0], spreads[1]


def _check(**rates: float) -> None:
    for name, rate in rates.items():
        if not 0 < rate < 1:
            raise UsageError("a response rate lies between 0 and 1", where=name, got=str(rate))


def _posterior_mode(x: np.ndarray, y: np.ndarray, centre: float, width: np.ndarray) -> tuple[float, float]:
    """Intercept and slope about the centre, the slope at least 0."""

    def loss(step: np.ndarray) -> tuple[float, np.ndarray]:
        # steps in units of the priors' spread: both directions are then of one scale
        eta = centre + width[0] * step[0] + (1.0 + width[1] * step[1]) * x
        wrong = expit(eta) - y
        value = np.logaddexp(0.0, eta).sum() - y @ eta + step @ step / 2.0
        return float(value), width * np.array([wrong.sum(), wrong @ x]) + step

    bounds = [(None, None), (-1.0 / width[1], None)]
    options = {"ftol": 0.0, "gtol": 1e-9}
    step = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return float(width[0] * step[0]), float(max(0.0, 1.0 + width[1] * step[1]))


def _bracket(values: np.ndarray, rate: float) -> tuple[float, float]:
    """Shifts at which every patient is below, and above, the rate."""
    return float(logit(rate) - values.max() - 1.0), float(logit(rate) - values.min() + 1.0)


def _rate(ratio: np.ndarray, fall: float) -> tuple[float, float, float]:
    """Rate of highest likelihood, and where that has fallen so far. The likelihood is concave in the rate."""
    gain = np.expm1(np.clip(ratio, -30.0, 30.0))

    def likelihood(rate: float) -> float:
        return float(np.log1p(rate * gain).sum())

    def climb(rate: float) -> float:
        return float((gain / (1.0 + rate * gain)).sum())

    low, high = _EDGE, 1.0 - _EDGE
    best = low if climb(low) <= 0 else high if climb(high) >= 0 else float(brentq(climb, low, high))
    floor = likelihood(best) - fall
    lower = low if likelihood(low) >= floor else float(brentq(lambda r: likelihood(r) - floor, low, best))
    upper = high if likelihood(high) >= floor else float(brentq(lambda r: likelihood(r) - floor, best, high))
    return best, lower, upper
