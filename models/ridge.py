"""Ridge regression, logistic or linear, of patients with gaps and of more features than patients.

The outcome may be 0/1 or a pseudo-outcome beyond them: the logistic loss ``log(1 + exp(m)) - y m`` is convex in the
margin ``m`` whatever ``y`` is, and its least is where the expected pseudo-outcome is met.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit, logit

from theracast.models.scaling import Scaling

#: How much the margin is believed to vary between patients, as a variance: the choices of a penalty. With p features
#: the penalty is p / spread.
SPREADS = np.geomspace(0.1, 30.0, 6)
#: A penalty of less weight is left out of the variance.
_NEGLIGIBLE = 1e-4
#: Rows of a product at once: they stay in the processor's cache.
_AT_ONCE = 1024
#: A probability near .5 moves by a quarter of its log-odds: variances by its square.
_LINEAR = 16.0
_STEPS = 40


@dataclass(frozen=True)
class Ridge:
    """A fitted ridge regression and how sure its score is.

    Attributes
    ----------
    scaling : Scaling
        Of its training patients.
    coef : ndarray of float64, shape (q,)
        Weights per standard deviation.
    intercept, intercept_variance : float
        Margin of the average patient, and its variance.
    loose : float
        Variance of a weight before anything was learned.
    learned : ndarray of float64, shape (q, r)
        What was learned of the weights under each penalty.
    between : ndarray of float64, shape (q, s)
        How the penalties differ: the score ``z coef`` of a patient ``z`` has the variance ``loose |z|^2 -
        |z learned|^2 + |z between|^2``.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> one = fit_path(X, np.array([0.0, 1.0, 0.0, 1.0])).mix(np.eye(6)[-1])
    >>> one.score(X).round(2).tolist(), bool((one.variance(X) > 0).all())
    ([-1.3, -0.43, 0.43, 1.3], True)
    """

    scaling: Scaling
    coef: np.ndarray
    intercept: float
    intercept_variance: float
    loose: float
    learned: np.ndarray
    between: np.ndarray

    def score(self, X: np.ndarray) -> np.ndarray:
        """Margin of each patient above that of the average one.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            Native units, NaN where not known.

        Returns
        -------
        ndarray of float64, shape (n,)
            Log-odds, or the unit of the outcome when the link is linear.

        Examples
        --------
        >>> X = np.array([[0.0], [1.0], [np.nan], [3.0]])
        >>> float(fit_path(X, np.zeros(4), logistic=False).mix(np.eye(6)[0]).score(X)[2])
        0.0
        """
        # row by row: a patient's number must not depend on who else is asked about
        return (self.scaling.apply(X) * self.coef).sum(axis=1)

    def variance(self, X: np.ndarray) -> np.ndarray:
        """Variance of the score, as a mean over weights drawn as the penalty believes.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            Native units, NaN where not known.

        Returns
        -------
        ndarray of float64, shape (n,)
            0 or more.

        Examples
        --------
        >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
        >>> fit_path(X, np.array([0.0, 1.0, 0.0, 1.0])).mix(np.eye(6)[0]).variance(X).shape
        (4,)
        """
        z = self.scaling.apply(X)
        parts = (z, product(z, self.learned), product(z, self.between))
        square, learned, between = ((part**2).sum(axis=1) for part in parts)
        return np.maximum(self.loose * square - learned, 0.0) + between

    def state(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready.

        Returns
        -------
        dict
            Of numbers and lists.

        Examples
        --------
        >>> state = fit_path(np.array([[0.0], [1.0]]), np.array([0.0, 1.0])).mix(np.eye(6)[0]).state()
        >>> Ridge.from_state(state).state() == state
        True
        """
        plain = {"intercept": self.intercept, "intercept_variance": self.intercept_variance, "loose": self.loose}
        arrays = {name: getattr(self, name).tolist() for name in ("coef", "learned", "between")}
        return {"scaling": self.scaling.state(), **arrays, **plain}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`.

        Returns
        -------
        Ridge
            The same numbers, to the bit.

        Examples
        --------
        >>> state = fit_path(np.array([[0.0], [1.0]]), np.array([0.0, 1.0])).mix(np.eye(6)[0]).state()
        >>> Ridge.from_state(state).intercept == state["intercept"]
        True
        """
        coef = np.array(state["coef"], dtype=np.float64)
        learned, between = (np.array(state[n], dtype=np.float64).reshape(len(coef), -1) for n in ("learned", "between"))
        intercept, variance, loose = (float(state[n]) for n in ("intercept", "intercept_variance", "loose"))
        return cls(Scaling.from_state(state["scaling"]), coef, intercept, variance, loose, learned, between)


def product(Z: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Multiply matrices such that a row does not depend, to the bit, on which other rows there are.

    Parameters
    ----------
    Z : ndarray of float64, shape (n, q)
        Patients.
    weights : ndarray of float64, shape (q, r)
        Weights.

    Returns
    -------
    ndarray of float64, shape (n, r)
        ``Z @ weights``, by sums in the order of the columns of `Z`.

    Examples
    --------
    >>> product(np.array([[1.0, 2.0]]), np.array([[3.0], [4.0]])).tolist()
    [[11.0]]
    """
    out = np.zeros((len(Z), weights.shape[1]))
    for first in range(0, len(Z), _AT_ONCE):
        part = out[first : first + _AT_ONCE]
        for column, weight in zip(Z[first : first + _AT_ONCE].T, weights, strict=True):
            part += column[:, None] * weight
    return out


@dataclass(frozen=True)
class Path:
    """One ridge regression per penalty, the strongest first.

    Attributes
    ----------
    scaling : Scaling
        Of the training patients.
    intercepts : ndarray of float64, shape (s,)
        Margin of the average patient.
    coefs : ndarray of float64, shape (s, q)
        Weights per standard deviation.
    strengths : ndarray of float64, shape (s,)
        Penalties.
    dispersion : float
        Variance of the outcome over that of 0/1 outcomes, or the variance of the outcome when the link is linear.
    training : tuple
        Patients and link: `mix` says by them how sure a score is.

    Examples
    --------
    >>> fit_path(np.array([[0.0], [1.0]]), np.array([0.0, 1.0])).coefs.shape
    (6, 1)
    """

    scaling: Scaling
    intercepts: np.ndarray
    coefs: np.ndarray
    strengths: np.ndarray
    dispersion: float
    training: tuple[np.ndarray, bool]

    def margins(self, X: np.ndarray) -> np.ndarray:
        """Margin of each patient by each penalty.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            Native units, NaN where not known.

        Returns
        -------
        ndarray of float64, shape (n, s)
            Intercept and score.

        Examples
        --------
        >>> fit_path(np.array([[0.0], [1.0]]), np.array([0.0, 1.0])).margins(np.array([[np.nan]])).shape
        (1, 6)
        """
        return self.intercepts + self.scaling.apply(X) @ self.coefs.T

    def mix(self, weights: np.ndarray) -> Ridge:
        """Average the penalties.

        Parameters
        ----------
        weights : ndarray of float64, shape (s,)
            Of each penalty; they add up to 1.

        Returns
        -------
        Ridge
            With the variance of its score: within each penalty the inverse curvature of loss and penalty, times the
            dispersion; and that between the penalties.

        Examples
        --------
        >>> fit_path(np.array([[0.0], [1.0]]), np.array([0.0, 1.0])).mix(np.eye(6)[0]).coef.shape
        (1,)
        """
        Z, logistic = self.training
        coef, intercept = weights @ self.coefs, float(weights @ self.intercepts)
        basis = np.linalg.svd(Z, full_matrices=False)[2].T if Z.shape[1] > len(Z) else np.eye(Z.shape[1])
        variance, loose, learned = 0.0, 0.0, np.zeros((basis.shape[1], basis.shape[1]))
        for i in np.flatnonzero(weights > _NEGLIGIBLE):
            fitted = self.intercepts[i] + Z @ self.coefs[i]
            p = expit(fitted) if logistic else fitted
            noise = p * (1.0 - p) if logistic else np.ones(len(Z))
            strength, share = float(self.strengths[i]), float(weights[i]) * self.dispersion
            reduced = (Z - np.average(Z, axis=0, weights=noise)) @ basis
            values, axes = np.linalg.eigh((reduced * noise[:, None]).T @ reduced)
            values = np.maximum(values, 0.0)
            # 1/s - 1/(c + s) = c / (s (c + s)) on each axis of the curvature: nothing cancels
            learned += share * (axes * (values / (strength * (values + strength)))) @ axes.T
            loose += share / strength
            variance += share / float(noise.sum())
        values, axes = np.linalg.eigh(learned)
        between = np.sqrt(weights)[:, None] * (self.coefs - coef)
        root = basis @ (axes * np.sqrt(np.maximum(values, 0.0)))
        return Ridge(self.scaling, coef, intercept, variance, loose, root, np.ascontiguousarray(between.T))


def fit_path(X: np.ndarray, y: np.ndarray, *, logistic: bool = True) -> Path:
    """Fit one ridge regression per penalty of `SPREADS`, by Newton steps from the strongest on.

    Parameters
    ----------
    X : ndarray of float64, shape (n, p)
        Native units, NaN where not known; p may exceed n.
    y : ndarray of float64, shape (n,)
        Outcome 0/1, or a pseudo-outcome; if logistic, a mean beyond 0.5 / n to 1 - 0.5 / n counts as the nearer end.
    logistic : bool, default True
        Link: logistic, or linear.

    Returns
    -------
    Path
        Weights in standard deviations of `X`.

    Examples
    --------
    >>> X, y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([0.0, 0.0, 1.0, 1.0])
    >>> path = fit_path(X, y)
    >>> bool((np.diff(path.coefs[:, 0]) > 0).all())  # the weaker the penalty, the larger the weight
    True
    """
    scaling = Scaling.of(X)
    Z = scaling.apply(X)
    n, q = Z.shape
    if logistic:
        # a mean pseudo-outcome beyond 0-1 has no log-odds: the nearest that n patients can tell from 0 or 1 stands in
        y = y + (np.clip(y.mean(), 0.5 / n, 1.0 - 0.5 / n) - y.mean())
    basis = np.linalg.svd(Z, full_matrices=False)[2].T if q > n else None
    design = np.column_stack([np.ones(n), Z if basis is None else Z @ basis])
    start = np.zeros(design.shape[1])
    start[0] = logit(np.clip(y.mean(), 1e-3, 1 - 1e-3)) if logistic else y.mean()
    dispersion = dispersion_of(y, logistic)
    strengths = max(scaling.live, 1) * dispersion * (1.0 if logistic else _LINEAR) / SPREADS
    # a pull of a hundredth of a patient keeps the intercept where patients say little
    pull, goal = np.full(len(start), 0.01 if logistic else 0.0), np.zeros(len(start))
    goal[0] = pull[0] * start[0]
    found = np.empty((len(SPREADS), len(start)))
    for i in range(len(SPREADS)):
        pull[1:] = strengths[i]
        start = found[i] = _minimise(design, y, pull, goal, start, logistic)
    coefs = found[:, 1:] if basis is None else found[:, 1:] @ basis.T
    return Path(scaling, found[:, 0].copy(), np.ascontiguousarray(coefs), strengths, dispersion, (Z, logistic))


def dispersion_of(y: np.ndarray, logistic: bool = True) -> float:
    """Say how much noisier than 0/1 an outcome is.

    Parameters
    ----------
    y : ndarray of float64, shape (n,)
        Outcome 0/1, or a pseudo-outcome.
    logistic : bool, default True
        False: give the variance itself.

    Returns
    -------
    float
        1 for 0/1.

    Examples
    --------
    >>> dispersion_of(np.array([0.0, 1.0])), dispersion_of(np.array([-1.0, 2.0]))
    (1.0, 9.0)
    """
    if logistic and np.isin(y, (0.0, 1.0)).all():
        return 1.0
    mean = float(np.clip(y.mean(), 0.01, 0.99))
    return max(float(y.var()) / (mean * (1.0 - mean) if logistic else 1.0), 1e-6)


def _minimise(
    design: np.ndarray, y: np.ndarray, pull: np.ndarray, goal: np.ndarray, start: np.ndarray, logistic: bool
) -> np.ndarray:
    if not logistic:
        return np.linalg.solve(design.T @ design + np.diag(pull), design.T @ y)

    def loss(x: np.ndarray, margin: np.ndarray) -> float:
        return float((np.logaddexp(0.0, margin) - y * margin).sum() + (0.5 * pull * x - goal) @ x)

    x, margin = start, design @ start
    value = loss(x, margin)
    for _ in range(_STEPS):
        p = expit(margin)
        slope = design.T @ (p - y) + pull * x - goal
        curve = (design * (p * (1.0 - p))[:, None]).T @ design
        curve[np.diag_indices_from(curve)] += pull
        step = -np.linalg.solve(curve, slope)
        size, fall = 1.0, float(slope @ step)
        if -fall < 1e-12 * (1.0 + abs(value)):
            break
        while True:
            there = x + size * step
            margin = design @ there
            new = loss(there, margin)
            if new <= value + 1e-4 * size * fall or size < 1e-6:
                break
            size /= 2
        x, value = there, new
    return x
