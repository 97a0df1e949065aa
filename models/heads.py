"""Heads: one therapy's calibrated logistic model, whose state is plain numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit, logit, softmax

from theracast.models.ridge import SPREADS, Path, Ridge, dispersion_of, fit_path

#: Spread of the calibration slope about 1 before anything was seen: a slope far from 1 needs data that bear it.
_SLOPE_SD = 0.5
#: Draws of the patients who judge the penalties.
_DRAWS = 100
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
        (level, both), (_, steep) = self.covariance
        if self.ridge is None:
            return np.full(len(X), np.sqrt(level))
        score = self.ridge.score(X)
        calibration = level + 2.0 * score * both + score**2 * steep
        # a flatter slope moves patients towards the rate; it does not make their weights better known
        return np.sqrt(max(1.0, self.slope) ** 2 * self.ridge.variance(X) + np.maximum(calibration, 0.0))

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


@dataclass(frozen=True)
class CrossFitted:
    """A ridge regression of some patients, and what models that did not see a patient say of each.

    Attributes
    ----------
    ridge : Ridge
        Of all its patients.
    margin : ndarray of float64, shape (n,)
        Of each patient of the cohort, by a model that saw none of the patient's fold, not even to weigh its penalties.
    score : ndarray of float64, shape (n,)
        The same above the margin of that model's average patient: what differs between models of small folds is left
        to the calibration.
    margins : dict of int to ndarray of float64, shape (n,)
        As seen from within a training set: ``margins[f]`` of a patient is by a model that saw
        neither fold f nor the patient's own, with penalties weighed without fold f; NaN for the patients of fold f.
        ``margins[-1]`` leaves out the patient's own fold alone.

    Examples
    --------
    >>> X, y = np.linspace(-1, 1, 40)[:, None], np.array([0.0, 1.0] * 20)
    >>> fitted = cross_fit(X, y, np.ones(40, dtype=bool), np.arange(40) % 4)
    >>> sorted(fitted.margins), int(np.isnan(fitted.margins[0]).sum())
    ([-1, 0, 1, 2, 3], 10)
    """

    ridge: Ridge
    margin: np.ndarray
    score: np.ndarray
    margins: dict[int, np.ndarray]


class _Paths:
    """Ridge regressions without some folds, each fitted once: leaving out two folds serves both of them."""

    def __init__(self, X: np.ndarray, y: np.ndarray, rows: np.ndarray, folds: np.ndarray, logistic: bool) -> None:
        self.X, self.y, self.rows, self.folds, self.logistic = X, y, rows, folds, logistic
        self.known: dict[frozenset[int], Path] = {}

    def without(self, *left: int) -> Path:
        key = frozenset(left) - {-1}
        if key not in self.known:
            mine = self.rows & ~np.isin(self.folds, list(key))
            self.known[key] = fit_path(self.X[mine], self.y[mine], logistic=self.logistic)
        return self.known[key]


def cross_fit(X: np.ndarray, y: np.ndarray, rows: np.ndarray, folds: np.ndarray, logistic: bool = True) -> CrossFitted:
    """Fit a ridge regression, penalties weighed on folds left out, and score every patient by models blind to them.

    Parameters
    ----------
    X : ndarray of float64, shape (n, p)
        Of the cohort, NaN where not known.
    y : ndarray of float64, shape (n,)
        Outcome; read where `rows` is true.
    rows : ndarray of bool, shape (n,)
        Patients to learn from.
    folds : ndarray of int, shape (n,)
        Fold of each patient, 0 or more.
    logistic : bool, default True
        Link: logistic, or linear.

    Returns
    -------
    CrossFitted
        Of the patients in `rows`; the scores are of all.

    Examples
    --------
    >>> X, y = np.linspace(-1, 1, 40)[:, None], np.array([0.0, 1.0] * 20)
    >>> cross_fit(X, y, np.ones(40, dtype=bool), np.arange(40) % 4).score.shape
    (40,)
    """
    paths = _Paths(X, y, rows, folds, logistic)
    every = [int(f) for f in np.unique(folds)]
    margin, score, margins, weights = np.full(len(X), np.nan), np.full(len(X), np.nan), {}, {}
    for left in (-1, *every):
        seen = np.full((len(X), len(SPREADS)), np.nan)
        for f in every:
            if f != left:
                seen[folds == f] = paths.without(left, f).margins(X[folds == f])
        inside = rows & (folds != left)
        weights[left] = _weights(seen[inside], y[inside], logistic)
        margins[left] = seen @ weights[left]
        if left >= 0:
            path, out = paths.without(left), folds == left
            margin[out] = path.margins(X[out]) @ weights[left]
            score[out] = margin[out] - path.intercepts @ weights[left]
    return CrossFitted(paths.without().mix(weights[-1]), margin, score, margins)


def fit_inside(X: np.ndarray, y: np.ndarray, rows: np.ndarray, folds: np.ndarray, logistic: bool) -> Ridge:
    """Fit a ridge regression, its penalties weighed on folds left out.

    Parameters
    ----------
    X : ndarray of float64, shape (n, p)
        Of the cohort, NaN where not known.
    y : ndarray of float64, shape (n,)
        Outcome or pseudo-outcome; read where `rows` is true.
    rows : ndarray of bool, shape (n,)
        Patients to learn from.
    folds : ndarray of int, shape (n,)
        Fold of each patient.
    logistic : bool
        Link: logistic, or linear.

    Returns
    -------
    Ridge
        Of the patients in `rows`.

    Examples
    --------
    >>> X, y = np.linspace(-1, 1, 40)[:, None], np.linspace(-1, 1, 40)
    >>> fitted = fit_inside(X, y, np.ones(40, dtype=bool), np.arange(40) % 4, logistic=False)
    >>> round(float(fitted.score(np.array([[1.0]]))[0]), 1)
    1.0
    """
    paths = _Paths(X, y, rows, folds, logistic)
    seen = np.full((len(X), len(SPREADS)), np.nan)
    for f in np.unique(folds[rows]):
        out = rows & (folds == f)
        seen[out] = paths.without(int(f)).margins(X[out])
    return paths.without().mix(_weights(seen[rows], y[rows], logistic))


def _weights(margins: np.ndarray, y: np.ndarray, logistic: bool) -> np.ndarray:
    """Weigh the penalties by the likelihood of held-out patients, as it is over patients drawn anew.

    Pseudo-BMA with the Bayesian bootstrap (Yao 2018, DOI 10.1214/17-BA1091): a few patients do not decide for one.
    """
    if logistic:
        losses = np.logaddexp(0.0, margins) - y[:, None] * margins
        p = expit(margins[:, int(np.argmin(losses.sum(axis=0)))])
        if not np.isin(y, (0.0, 1.0)).all():
            losses /= ((y - p) ** 2).sum() / (p * (1.0 - p)).sum()
    else:
        losses = 0.5 * (y[:, None] - margins) ** 2
        losses /= np.maximum(2.0 * losses.mean(axis=0).min(), 1e-12)
    drawn = np.random.default_rng(0).dirichlet(np.ones(len(y)), _DRAWS) @ losses * len(y)
    return softmax(-drawn, axis=1).mean(axis=0)


def folds_of(strata: Iterable[str], k: int, seed: int) -> np.ndarray:
    """Deal patients out to folds, each stratum evenly.

    Parameters
    ----------
    strata : iterable of str, length n
        Stratum of each patient, such as therapy and outcome.
    k : int
        Folds.
    seed : int
        Chooses who goes where.

    Returns
    -------
    ndarray of int, shape (n,)
        0 to k - 1.

    Examples
    --------
    >>> folds_of(["a"] * 4 + ["b"] * 2, 2, 0)[4:].tolist() in ([0, 1], [1, 0])
    True
    """
    names = np.array(list(strata), dtype=object)
    rng = np.random.default_rng(seed)
    folds, dealt = np.zeros(len(names), dtype=np.int64), 0
    for stratum in sorted(set(names)):
        mine = rng.permutation(np.flatnonzero(names == stratum))
        folds[mine] = (dealt + np.arange(len(mine))) % k
        dealt += len(mine)
    return folds
