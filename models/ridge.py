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

#: How much the margin is believed to vary between patients, as a variance: the choices of a penalty. With p features
#: the penalty is p / spread.
SPREADS = np.geomspace(0.01, 30.0, 8)
#: Standardised values beyond this are as good as this: one outlier must not carry a patient.
_CLIP = 3.0
#: That a value is missing is learned from only where so many patients lack it, and so many have it.
_LEARNABLE = 10
_STEPS = 40


@dataclass(frozen=True)
class Scaling:
    """What turns native units into numbers of one scale, gaps filled.

    Attributes
    ----------
    centre, spread, fill : ndarray of float64, shape (p,)
        Mean and standard deviation of the known values, and their median, which stands in where a value is missing.
        A spread of 0: the feature says nothing.
    gaps : ndarray of int, shape (g,)
        Features of which it is also learned that they were missing.
    gap_rate : ndarray of float64, shape (g,)
        Share of patients who lacked them.

    Examples
    --------
    >>> Scaling.of(np.array([[0.0], [2.0], [np.nan]])).apply(np.array([[2.0], [np.nan]])).tolist()
    [[1.0], [0.0]]
    """

    centre: np.ndarray
    spread: np.ndarray
    fill: np.ndarray
    gaps: np.ndarray
    gap_rate: np.ndarray

    @classmethod
    def of(cls, X: np.ndarray) -> Self:
        """Learn from patients.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            NaN where not known.

        Returns
        -------
        Scaling
            Gaps that always come together are learned from once.

        Examples
        --------
        >>> Scaling.of(np.array([[1.0, np.nan], [3.0, np.nan]])).spread.tolist()
        [1.0, 0.0]
        """
        missing = np.isnan(X)
        known = len(X) - missing.sum(axis=0)
        usable = known > 1
        centre, spread, fill = np.zeros((3, X.shape[1]))
        if usable.any():
            some = X[:, usable]
            centre[usable], fill[usable] = np.nanmean(some, axis=0), np.nanmedian(some, axis=0)
            spread[usable] = np.nanstd(some, axis=0)
            # rounding leaves a spread to what is the same for everyone
            spread[usable] *= np.nanmax(some, axis=0) > np.nanmin(some, axis=0)
        told = np.flatnonzero(np.minimum(known, len(X) - known) >= _LEARNABLE)
        _, first = np.unique(missing[:, told], axis=1, return_index=True)
        gaps = told[np.sort(first)]
        return cls(centre, spread, fill, gaps, missing[:, gaps].mean(axis=0))

    def apply(self, X: np.ndarray) -> np.ndarray:
        """Standardise.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            NaN where not known.

        Returns
        -------
        ndarray of float64, shape (n, p + g)
            Within -3 to 3, no NaN.

        Examples
        --------
        >>> Scaling.of(np.array([[0.0], [2.0]])).apply(np.array([[99.0]])).tolist()
        [[3.0]]
        """
        missing = np.isnan(X)
        spread = np.where(self.spread > 0, self.spread, np.inf)
        values = (np.where(missing, self.fill, X) - self.centre) / spread
        told = (missing[:, self.gaps] - self.gap_rate) / np.sqrt(self.gap_rate * (1 - self.gap_rate))
        return np.clip(np.hstack([values, told]), -_CLIP, _CLIP)

    def state(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready.

        Returns
        -------
        dict
            Of lists.

        Examples
        --------
        >>> sorted(Scaling.of(np.array([[0.0], [2.0]])).state())
        ['centre', 'fill', 'gap_rate', 'gaps', 'spread']
        """
        return {name: getattr(self, name).tolist() for name in ("centre", "spread", "fill", "gaps", "gap_rate")}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`.

        Returns
        -------
        Scaling
            The same numbers, to the bit.

        Examples
        --------
        >>> Scaling.from_state(Scaling.of(np.array([[0.0], [2.0]])).state()).centre.tolist()
        [1.0]
        """
        kinds = {"gaps": np.int64}
        return cls(**{name: np.array(v, dtype=kinds.get(name, np.float64)) for name, v in state.items()})


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
        What was learned: the score ``z coef`` of a patient ``z`` has the variance ``loose |z|^2 - |z learned|^2``.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> one = fit_path(X, np.array([0.0, 1.0, 0.0, 1.0])).at(-1)
    >>> one.score(X).round(2).tolist(), bool((one.variance(X) > 0).all())
    ([-1.3, -0.43, 0.43, 1.3], True)
    """

    scaling: Scaling
    coef: np.ndarray
    intercept: float
    intercept_variance: float
    loose: float
    learned: np.ndarray

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
        >>> float(fit_path(X, np.zeros(4), logistic=False).at(0).score(X)[2])
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
        >>> fit_path(X, np.array([0.0, 1.0, 0.0, 1.0])).at(0).variance(X).shape
        (4,)
        """
        z = self.scaling.apply(X)
        learned = np.einsum("np,rp->nr", z, np.ascontiguousarray(self.learned.T))
        return np.maximum(self.loose * (z**2).sum(axis=1) - (learned**2).sum(axis=1), 0.0)

    def state(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready.

        Returns
        -------
        dict
            Of numbers and lists.

        Examples
        --------
        >>> state = fit_path(np.array([[0.0], [1.0]]), np.array([0.0, 1.0])).at(0).state()
        >>> Ridge.from_state(state).state() == state
        True
        """
        plain = {"intercept": self.intercept, "intercept_variance": self.intercept_variance, "loose": self.loose}
        arrays = {"coef": self.coef.tolist(), "learned": self.learned.tolist()}
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
        >>> state = fit_path(np.array([[0.0], [1.0]]), np.array([0.0, 1.0])).at(0).state()
        >>> Ridge.from_state(state).intercept == state["intercept"]
        True
        """
        coef = np.array(state["coef"], dtype=np.float64)
        learned = np.array(state["learned"], dtype=np.float64).reshape(len(coef), -1)
        plain = {name: float(state[name]) for name in ("intercept", "intercept_variance", "loose")}
        return cls(Scaling.from_state(state["scaling"]), coef, learned=learned, **plain)


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
    training : tuple
        What `at` needs to say how sure a score is.

    Examples
    --------
    >>> fit_path(np.array([[0.0], [1.0]]), np.array([0.0, 1.0])).coefs.shape
    (8, 1)
    """

    scaling: Scaling
    intercepts: np.ndarray
    coefs: np.ndarray
    training: tuple[np.ndarray, np.ndarray, bool]

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
        (1, 8)
        """
        return self.intercepts + self.scaling.apply(X) @ self.coefs.T

    def at(self, which: int) -> Ridge:
        """Take one penalty.

        Parameters
        ----------
        which : int
            Position in `SPREADS`.

        Returns
        -------
        Ridge
            With the variance of its score: the inverse curvature of loss and penalty, times the dispersion of the
            residuals where the outcome is not 0/1.

        Examples
        --------
        >>> fit_path(np.array([[0.0], [1.0]]), np.array([0.0, 1.0])).at(0).coef.shape
        (1,)
        """
        X, y, logistic = self.training
        Z = self.scaling.apply(X)
        coef, intercept = self.coefs[which], float(self.intercepts[which])
        fitted = intercept + Z @ coef
        p = expit(fitted) if logistic else fitted
        noise = p * (1.0 - p) if logistic else np.ones(len(y))
        binary = logistic and bool(np.isin(y, (0.0, 1.0)).all())
        dispersion = 1.0 if binary else float(((y - p) ** 2).sum() / noise.sum())
        strength = _strength(self.scaling, which)
        basis = np.linalg.svd(Z, full_matrices=False)[2].T if Z.shape[1] > len(Z) else np.eye(Z.shape[1])
        reduced = (Z - np.average(Z, axis=0, weights=noise)) @ basis
        curve = (reduced * noise[:, None]).T @ reduced
        # 1/s - 1/(c + s) = c / (s (c + s)) on each axis of the curvature: nothing cancels
        values, axes = np.linalg.eigh(curve)
        values = np.maximum(values, 0.0)
        learned = basis @ (axes * np.sqrt(dispersion * values / (strength * (values + strength))))
        return Ridge(self.scaling, coef, intercept, dispersion / float(noise.sum()), dispersion / strength, learned)


def fit_path(X: np.ndarray, y: np.ndarray, *, logistic: bool = True) -> Path:
    """Fit one ridge regression per penalty of `SPREADS`, by Newton steps from the strongest on.

    Parameters
    ----------
    X : ndarray of float64, shape (n, p)
        Native units, NaN where not known; p may exceed n.
    y : ndarray of float64, shape (n,)
        Outcome 0/1, or a pseudo-outcome.
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
    basis = np.linalg.svd(Z, full_matrices=False)[2].T if q > n else None
    design = np.column_stack([np.ones(n), Z if basis is None else Z @ basis])
    start = np.zeros(design.shape[1])
    start[0] = logit(np.clip(y.mean(), 1e-3, 1 - 1e-3)) if logistic else y.mean()
    # a mean pseudo-outcome beyond 0-1 has no log-odds: a pull of a hundredth of a patient keeps the intercept finite
    pull, goal = np.full(len(start), 0.01 if logistic else 0.0), np.zeros(len(start))
    goal[0] = pull[0] * start[0]
    found = np.empty((len(SPREADS), len(start)))
    for i in range(len(SPREADS)):
        pull[1:] = _strength(scaling, i)
        start = found[i] = _minimise(design, y, pull, goal, start, logistic)
    coefs = found[:, 1:] if basis is None else found[:, 1:] @ basis.T
    return Path(scaling, found[:, 0].copy(), np.ascontiguousarray(coefs), (X, y, logistic))


def _strength(scaling: Scaling, which: int) -> float:
    live = int((scaling.spread > 0).sum()) + len(scaling.gaps)
    return max(live, 1) / float(SPREADS[which])


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
