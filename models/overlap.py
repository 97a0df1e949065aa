"""Overlap: how often patients like this one got a therapy, and how many of them there are to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from scipy.special import logit, softmax
from sklearn.linear_model import LogisticRegression

from theracast.models.positivity import Positivity
from theracast.models.ridge import product
from theracast.models.scaling import Scaling

#: Variances that the log-odds of a therapy may have between patients: the choices of a penalty.
_SPREADS = (0.01, 0.1, 1.0, 10.0)
#: Comparable is a patient whose log-odds of getting the therapy are this near, in standard deviations of all
#: patients' (Austin 2011, DOI 10.1002/pst.433); never less than 0.2, an odds ratio of 1.2, nor more than 1.
_CALIPER, _LEAST, _MOST = 0.2, 0.2, 1.0
#: Normal-reference bandwidth of the Epanechnikov kernel (Silverman 1986, section 3.4.2).
_SILVERMAN = 2.34
#: Nobody's propensity is held to be 0 or 1.
_EDGE = 1e-12
#: Pairs of patients that are looked at at once.
_AT_ONCE = 4_000_000


@dataclass(frozen=True)
class Propensity:
    """How likely a patient was to get each therapy: known by design, or multinomial logistic.

    Attributes
    ----------
    shares : ndarray of float64, shape (k,)
        Of the therapies in the trial or in the sample.
    scaling : Scaling or None
        None: the shares are all there is to know.
    coef, intercept : ndarray of float64, shapes (k, q) and (k,)
        Weights per standard deviation.

    Examples
    --------
    >>> Propensity(np.array([0.25, 0.75])).of(np.zeros((1, 2))).tolist()
    [[0.25, 0.75]]
    """

    shares: np.ndarray
    scaling: Scaling | None = None
    coef: np.ndarray | None = None
    intercept: np.ndarray | None = None

    def of(self, X: np.ndarray) -> np.ndarray:
        """Propensity of each patient for each therapy.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            Native units, NaN where not known.

        Returns
        -------
        ndarray of float64, shape (n, k)
            In (0, 1); rows add up to 1.

        Examples
        --------
        >>> Propensity(np.array([0.5, 0.5])).of(np.zeros((2, 1))).shape
        (2, 2)
        """
        if self.scaling is None or self.coef is None:
            return np.tile(self.shares, (len(X), 1))
        return softmax(product(self.scaling.apply(X), self.coef.T) + self.intercept, axis=1)

    def state(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready.

        Returns
        -------
        dict
            Of lists.

        Examples
        --------
        >>> Propensity.from_state(Propensity(np.array([0.5, 0.5])).state()).shares.tolist()
        [0.5, 0.5]
        """
        if self.scaling is None or self.coef is None or self.intercept is None:
            return {"shares": self.shares.tolist()}
        fitted = {"coef": self.coef.tolist(), "intercept": self.intercept.tolist()}
        return {"shares": self.shares.tolist(), "scaling": self.scaling.state(), **fitted}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`.

        Returns
        -------
        Propensity
            The same numbers, to the bit.

        Examples
        --------
        >>> Propensity.from_state({"shares": [1.0]}).scaling is None
        True
        """
        arrays = {name: np.array(state[name]) for name in ("shares", "coef", "intercept") if name in state}
        return cls(scaling=Scaling.from_state(state["scaling"]) if "scaling" in state else None, **arrays)


def fit_propensity(X: np.ndarray, arm: np.ndarray, k: int, folds: np.ndarray) -> tuple[Propensity, np.ndarray]:
    """Learn who gets which therapy; the penalty is chosen on folds left out, by log loss.

    Parameters
    ----------
    X : ndarray of float64, shape (n, p)
        Native units, NaN where not known.
    arm : ndarray of int, shape (n,)
        Therapy of each patient, 0 to k - 1.
    k : int
        Therapies.
    folds : ndarray of int, shape (n,)
        Fold of each patient.

    Returns
    -------
    fitted : Propensity
        Of all patients.
    held_out : ndarray of float64, shape (n, k)
        Propensity of each patient by a model that did not see the patient's fold.

    Examples
    --------
    >>> X, arm = np.linspace(-1, 1, 40)[:, None], np.arange(40) // 20
    >>> fitted, held_out = fit_propensity(X, arm, 2, np.arange(40) % 4)
    >>> bool(fitted.of(np.array([[1.0]]))[0, 1] > 0.5), held_out.shape
    (True, (40, 2))
    """
    shares = np.bincount(arm, minlength=k) / len(arm)
    held_out = np.empty((len(_SPREADS), len(X), k))
    for f in np.unique(folds):
        out = folds == f
        for i, spread in enumerate(_SPREADS):
            held_out[i, out] = _fit(X[~out], arm[~out], k, spread).of(X[out])
    taken = held_out[:, np.arange(len(X)), arm]
    best = int(np.argmin(-np.log(np.maximum(taken, _EDGE)).mean(axis=1)))
    fitted = _fit(X, arm, k, _SPREADS[best])
    return Propensity(shares, fitted.scaling, fitted.coef, fitted.intercept), held_out[best]


def _fit(X: np.ndarray, arm: np.ndarray, k: int, spread: float) -> Propensity:
    scaling, present = Scaling.of(X), np.unique(arm)
    Z = scaling.apply(X)
    coef, intercept = np.zeros((k, Z.shape[1])), np.full(k, np.log(_EDGE))
    live = max(scaling.live, 1)
    if len(present) > 1:
        model = LogisticRegression(C=spread / live, tol=1e-6, max_iter=2000).fit(Z, arm)
        two = len(present) == 2
        # scikit-learn writes two classes as one difference
        coef[present] = np.vstack([-model.coef_ / 2, model.coef_ / 2]) if two else model.coef_
        intercept[present] = np.hstack([-model.intercept_ / 2, model.intercept_ / 2]) if two else model.intercept_
    else:
        intercept[present] = 0.0
    return Propensity(np.zeros(k), scaling, coef, intercept)


@dataclass(frozen=True)
class Overlap:
    """The treated patients of each therapy by their log-odds of getting it.

    Attributes
    ----------
    treated : tuple of ndarray of float64
        Sorted log-odds of those who got the therapy, one array per therapy.
    reach : ndarray of float64, shape (k,)
        How near a treated patient must be to count, in log-odds.
    positivity : Positivity
        Edges beyond which nobody counts; none by default.

    Examples
    --------
    >>> overlap = Overlap((np.array([0.0, 0.1, 3.0]),), np.array([0.5]))
    >>> n, ess = overlap.comparable(np.array([[0.5]]))
    >>> n.tolist(), ess.round(2).tolist()
    ([[2]], [[2.0]])
    """

    treated: tuple[np.ndarray, ...]
    reach: np.ndarray
    positivity: Positivity = field(default_factory=Positivity)

    @classmethod
    def of(cls, propensity: np.ndarray, arm: np.ndarray, X: np.ndarray | None = None) -> Self:
        """Learn from the training patients.

        Parameters
        ----------
        propensity : ndarray of float64, shape (n, k)
            Of each therapy, in [0, 1].
        arm : ndarray of int, shape (n,)
            Therapy that each got.
        X : ndarray of float64, shape (n, p), optional
            Features, to look for edges beyond which nobody got a therapy; not given: a trial reaches everyone.

        Returns
        -------
        Overlap
            The reach of a therapy is Silverman's normal-reference bandwidth of its treated patients, at least 0.2
            standard deviations of all patients' log-odds and 0.2, at most 1.

        Examples
        --------
        >>> Overlap.of(np.full((4, 2), 0.5), np.array([0, 0, 1, 1])).reach.tolist()
        [0.2, 0.2]
        """
        odds = _log_odds(propensity)
        treated = tuple(np.sort(odds[arm == k, k]) for k in range(odds.shape[1]))
        silverman = [_SILVERMAN * t.std() * len(t) ** -0.2 if len(t) else 0.0 for t in treated]
        least = np.maximum(_CALIPER * odds.std(axis=0), _LEAST)
        edges = Positivity() if X is None else Positivity.of(X, arm, len(treated))
        return cls(treated, np.minimum(np.maximum(least, silverman), _MOST), edges)

    def comparable(self, propensity: np.ndarray, X: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Count the treated patients within reach of each patient, and as an effective sample size.

        Parameters
        ----------
        propensity : ndarray of float64, shape (n, k)
            Of each therapy, in [0, 1].
        X : ndarray of float64, shape (n, p), optional
            Features: beyond an edge nobody is comparable.

        Returns
        -------
        n_comparable : ndarray of int, shape (n, k)
            Treated patients within reach.
        ess : ndarray of float64, shape (n, k)
            ``(sum w)^2 / sum w^2`` (Kish 1965) with w = 1 - (distance / reach)^2, at most `n_comparable`; 0 when there
            is none.

        Examples
        --------
        >>> Overlap((np.array([0.0]),), np.array([0.5])).comparable(np.array([[0.99]]))[1].tolist()
        [[0.0]]
        """
        odds = _log_odds(propensity)
        count, ess = np.zeros(odds.shape, dtype=np.int64), np.zeros(odds.shape)
        for k, treated in enumerate(self.treated):
            rows = max(1, _AT_ONCE // max(1, len(treated)))
            for first in range(0, len(odds), rows):
                some = slice(first, first + rows)
                weight = np.maximum(1.0 - ((odds[some, k, None] - treated) / self.reach[k]) ** 2, 0.0)
                count[some, k] = (weight > 0).sum(axis=1)
                square = (weight**2).sum(axis=1)
                ess[some, k] = weight.sum(axis=1) ** 2 / np.where(square > 0, square, 1.0)
        if X is not None:
            beyond = self.positivity.which(X, len(self.treated)) >= 0
            count[beyond], ess[beyond] = 0, 0.0
        return count, ess

    def state(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready.

        Returns
        -------
        dict
            Of lists.

        Examples
        --------
        >>> Overlap.from_state(Overlap((np.array([0.5]),), np.array([0.2])).state()).reach.tolist()
        [0.2]
        """
        treated = [t.tolist() for t in self.treated]
        return {"treated": treated, "reach": self.reach.tolist(), "edges": self.positivity.state()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`.

        Returns
        -------
        Overlap
            The same numbers, to the bit.

        Examples
        --------
        >>> Overlap.from_state({"treated": [[0.5]], "reach": [0.2], "edges": []}).treated[0].tolist()
        [0.5]
        """
        treated = tuple(np.array(t, dtype=np.float64) for t in state["treated"])
        return cls(treated, np.array(state["reach"]), Positivity.from_state(state["edges"]))


def _log_odds(propensity: np.ndarray) -> np.ndarray:
    return logit(np.clip(propensity, _EDGE, 1.0 - _EDGE))
