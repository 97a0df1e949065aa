"""Heads: one therapy's calibrated logistic model, whose state is plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit, logit

from theracast.models.ridge import Ridge, dispersion_of

#: Spread of the calibration slope about 1 before anything was seen: a slope far from 1 needs data that bear it.
_SLOPE_SD = 0.5
_STEPS = 60


@dataclass(frozen=True)
class Head:
    """Response to one therapy as a function of the patient.

    Attributes
    ----------
    ridge : Ridge or None
        What orders the patients; None where too few were treated: then all have the arm's rate.
    intercept, slope : float
        Calibration: the margin is ``intercept + slope * score``, in log-odds.
    covariance : ndarray of float64, shape (2, 2)
        Of the two.

    Examples
    --------
    >>> Head.of_rate(5, 10).margin(np.zeros((1, 3))).tolist()
    [0.0]
    """

    ridge: Ridge | None
    intercept: float
    slope: float
    covariance: np.ndarray

    @classmethod
    def of_rate(cls, responders: int, treated: int) -> Self:
        """Give all patients the arm's rate.

        Parameters
        ----------
        responders, treated : int
            Patients.

        Returns
        -------
        Head
            Of Jeffreys' estimate: half a responder and half a non-responder more than were seen.

        Examples
        --------
        >>> round(float(expit(Head.of_rate(0, 9).intercept)), 2)
        0.05
        """
        p = (responders + 0.5) / (treated + 1.0)
        return cls(None, float(logit(p)), 0.0, np.diag([1.0 / ((treated + 1.0) * p * (1.0 - p)), 0.0]))

    def margin(self, X: np.ndarray) -> np.ndarray:
        """Log-odds of response.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            Native units, NaN where not known.

        Returns
        -------
        ndarray of float64, shape (n,)
            Positive: more likely to respond than not.

        Examples
        --------
        >>> Head.of_rate(5, 10).margin(np.zeros((2, 3))).tolist()
        [0.0, 0.0]
        """
        if self.ridge is None:
            return np.full(len(X), self.intercept)
        return self.intercept + self.slope * self.ridge.score(X)

    def se(self, X: np.ndarray) -> np.ndarray:
        """Give the standard error of the log-odds: of the weights, and of the calibration.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            Native units, NaN where not known.

        Returns
        -------
        ndarray of float64, shape (n,)
            Log-odds.

        Examples
        --------
        >>> Head.of_rate(5, 10).se(np.zeros((1, 3))).round(2).tolist()
        [0.6]
        """
        if self.ridge is None:
            return np.sqrt(self.doubt(np.zeros(len(X))))
        # a flatter slope moves patients towards the rate; it does not make their weights better known
        return np.sqrt(max(1.0, self.slope) ** 2 * self.ridge.variance(X) + self.doubt(self.ridge.score(X)))

    def doubt(self, score: np.ndarray) -> np.ndarray:
        """Give the variance that the calibration leaves to the log-odds.

        Parameters
        ----------
        score : ndarray of float64, shape (n,)
            What is calibrated.

        Returns
        -------
        ndarray of float64, shape (n,)
            0 or more.

        Examples
        --------
        >>> Head(None, 0.0, 1.0, np.diag([0.25, 1.0])).doubt(np.array([0.0, 2.0])).tolist()
        [0.25, 4.25]
        """
        (level, both), (_, steep) = self.covariance
        return np.maximum(level + 2.0 * score * both + score**2 * steep, 0.0)

    def state(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready.

        Returns
        -------
        dict
            Of numbers and lists.

        Examples
        --------
        >>> Head.from_state(Head.of_rate(1, 2).state()).intercept
        0.0
        """
        ridge = None if self.ridge is None else self.ridge.state()
        plain = {"intercept": self.intercept, "slope": self.slope, "covariance": self.covariance.tolist()}
        return {"ridge": ridge, **plain}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`.

        Returns
        -------
        Head
            The same numbers, to the bit.

        Examples
        --------
        >>> Head.from_state(Head.of_rate(1, 2).state()).ridge is None
        True
        """
        ridge = None if state["ridge"] is None else Ridge.from_state(state["ridge"])
        return cls(ridge, float(state["intercept"]), float(state["slope"]), np.array(state["covariance"]))


def calibrate(score: np.ndarray, y: np.ndarray, ridge: Ridge | None = None) -> Head:
    """Turn a score into a probability (Platt 1999), with the slope held near 1 unless the patients bear another.

    Least over intercept a and slope b >= 0 of the logistic loss of ``a + b score`` and ``(b - 1)^2 / (2 0.5^2)``.

    Parameters
    ----------
    score : ndarray of float64, shape (n,)
        Cross-fitted: none was made by a model that saw the patient.
    y : ndarray of float64, shape (n,)
        Outcome 0/1, or a pseudo-outcome.
    ridge : Ridge, optional
        What the head orders new patients by.

    Returns
    -------
    Head
        A slope of 0 where the score points the wrong way: then all get one rate.

    Examples
    --------
    >>> y = np.array([0.0, 1.0] * 20)
    >>> calibrate(1.0 - 2.0 * y, y).slope
    0.0
    """
    design = np.column_stack([np.ones(len(score)), score])
    pull, goal = np.array([1e-2, _SLOPE_SD**-2]), np.array([0.0, _SLOPE_SD**-2])
    x = np.array([logit(np.clip(y.mean(), 1e-3, 1 - 1e-3)), 1.0])
    goal[0] = pull[0] * x[0]
    dispersion = dispersion_of(y)
    pull, goal = pull * dispersion, goal * dispersion

    value = _objective(x, design, y, pull, goal)
    for _ in range(_STEPS):
        p = expit(design @ x)
        slope = design.T @ (p - y) + pull * x - goal
        free = np.array([True, x[1] > 0 or slope[1] < 0])
        curve = (design * (p * (1.0 - p))[:, None]).T @ design + np.diag(pull)
        step = np.zeros(2)
        step[free] = -np.linalg.solve(curve[np.ix_(free, free)], slope[free])
        size = 1.0
        while True:
            there = np.maximum(x + size * step, [-np.inf, 0.0])
            new = _objective(there, design, y, pull, goal)
            if new <= value or size < 1e-6:
                break
            size /= 2
        settled = abs(value - new) < 1e-13 * (1.0 + abs(value))
        x, value = there, new
        if settled:
            break
    p = expit(design @ x)
    curve = (design * (p * (1.0 - p))[:, None]).T @ design + np.diag(pull)
    return Head(ridge, float(x[0]), float(x[1]), dispersion * np.linalg.inv(curve))


def _objective(x: np.ndarray, design: np.ndarray, y: np.ndarray, pull: np.ndarray, goal: np.ndarray) -> float:
    margin = design @ x
    return float((np.logaddexp(0.0, margin) - y * margin).sum() + (0.5 * pull * x - goal) @ x)
