"""Meta-learners: from patients who each got one therapy to the probability of response to every therapy.

What is assumed, by each of them: that a patient's response does not depend on what others get, that nothing unmeasured
moves both the choice of the therapy and the response, and that patients alike got different therapies (overlap). Only
the last can be seen in the data; see `theracast.models.overlap`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, Self

import numpy as np
from scipy.special import expit

from theracast.models.heads import Head, calibrate
from theracast.models.ridge_folds import CrossFitted, cross_fit, fit_inside
from theracast.models.treated_cohort import Treated
from theracast.models.x_learner import Effects, x_learner
from theracast.registry import Registry

#: A propensity below this counts as this: no patient stands for more than fifty.
LEAST_PROPENSITY = 0.02
#: Nor, of n patients, one below 5 / (sqrt(n) ln n): in small cohorts one patient would decide (Gruber 2022, DOI
#: 10.1093/aje/kwac087).
_GRUBER = 5.0


class Surface(Protocol):
    """What every learner learns: response to every therapy as a function of the patient.

    Examples
    --------
    >>> Heads((Head.of_rate(1, 2),)).kind
    'heads'
    """

    kind: str

    def predict(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Predict the response to every therapy.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            Native units, NaN where not known.

        Returns
        -------
        margin, se : ndarray of float64, shape (n, k)
            Log-odds of response and their standard error.
        own : ndarray of float64, shape (n, k)
            Variance of the probability; therapies are known by patients of their own, and taken to err independently.

        Examples
        --------
        >>> [a.shape for a in Heads((Head.of_rate(1, 2),)).predict(np.zeros((3, 1)))]
        [(3, 1), (3, 1), (3, 1)]
        """

    def state(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready.

        Returns
        -------
        dict
            With ``kind``.

        Examples
        --------
        >>> Heads((Head.of_rate(1, 2),)).state()["kind"]
        'heads'
        """


@dataclass(frozen=True)
class Heads:
    """One head per therapy.

    Attributes
    ----------
    heads : tuple of Head
        In the order of the therapies.

    Examples
    --------
    >>> len(Heads((Head.of_rate(1, 2), Head.of_rate(1, 3))).heads)
    2
    """

    heads: tuple[Head, ...]
    kind = "heads"

    def predict(self, X: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Predict the response to every therapy.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            Native units, NaN where not known.

        Returns
        -------
        margin, se : ndarray of float64, shape (n, k)
            Log-odds of response and their standard error.
        own : ndarray of float64, shape (n, k)
            Variance of the probability.

        Examples
        --------
        >>> Heads((Head.of_rate(1, 2),)).predict(np.zeros((1, 1)))[0].tolist()
        [[0.0]]
        """
        margin = np.column_stack([h.margin(X) for h in self.heads])
        se = np.column_stack([h.se(X) for h in self.heads])
        p = expit(margin)
        return margin, se, (p * (1.0 - p) * se) ** 2

    def state(self) -> dict[str, Any]:
        """Return the numbers, JSON-ready.

        Returns
        -------
        dict
            With ``kind``.

        Examples
        --------
        >>> len(Heads((Head.of_rate(1, 2),)).state()["heads"])
        1
        """
        return {"kind": self.kind, "heads": [h.state() for h in self.heads]}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`.

        Returns
        -------
        Heads
            The same numbers, to the bit.

        Examples
        --------
        >>> Heads.from_state(Heads((Head.of_rate(1, 2),)).state()).heads[0].intercept
        0.0
        """
        return cls(tuple(Head.from_state(h) for h in state["heads"]))


def t_learner(data: Treated) -> tuple[Heads, np.ndarray]:
    """Learn each therapy from those who got it alone.

    Parameters
    ----------
    data : Treated
        Patients.

    Returns
    -------
    surface : Heads
        A calibrated logistic model per therapy.
    scores : ndarray of float64, shape (n, k)
        Of each patient, by models that did not see the patient; NaN for a therapy without patients enough.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, arm, y = rng.normal(size=(80, 1)), np.arange(80) % 2, np.arange(80) // 2 % 2.0
    >>> t_learner(Treated(X, arm, y, np.arange(80) // 4 % 4, np.full((80, 2), 0.5), (True, True), 0))[1].shape
    (80, 2)
    """
    heads, scores = [data.rate(k) for k in range(data.k)], np.full((len(data.X), data.k), np.nan)
    for k, fitted in outcome_models(data).items():
        mine = data.arm == k
        scores[:, k] = fitted.score
        heads[k] = calibrate(fitted.score[mine], data.y[mine], fitted.ridge)
    return Heads(tuple(heads)), scores


def doubly_robust(
    y: np.ndarray, arm: np.ndarray, outcome: np.ndarray, propensity: np.ndarray, least: float = LEAST_PROPENSITY
) -> np.ndarray:
    """Give each patient a pseudo-outcome under every therapy, right on average if either model is right.

    ``m_k + 1(got k) (y - m_k) / e_k``, of Robins, Rotnitzky and Zhao (1994, DOI 10.1080/01621459.1994.10476818).

    Parameters
    ----------
    y : ndarray of float64, shape (n,)
        Outcome 0/1.
    arm : ndarray of int, shape (n,)
        Therapy that each got.
    outcome : ndarray of float64, shape (n, k)
        Probability of response to every therapy, by models that did not see the patient.
    propensity : ndarray of float64, shape (n, k)
        Of every therapy.
    least : float, default 0.02
        A propensity below this counts as this.

    Returns
    -------
    ndarray of float64, shape (n, k)
        Within 0-1 only on average.

    Examples
    --------
    >>> doubly_robust(np.array([1.0]), np.array([0]), np.array([[0.5, 0.25]]), np.array([[0.25, 0.75]])).tolist()
    [[2.5, 0.25]]
    """
    got = arm[:, None] == np.arange(outcome.shape[1])
    return outcome + np.where(got, (y[:, None] - outcome) / np.maximum(propensity, least), 0.0)


def dr_learner(data: Treated) -> tuple[Heads, np.ndarray]:
    """Learn each therapy from all patients, by their doubly robust pseudo-outcomes.

    As Kennedy (2023, DOI 10.1214/23-EJS2157), one therapy at a time. The last stage is a logistic ridge regression of
    the pseudo-outcome: its probabilities stay within 0-1, and on average they are the augmented inverse-probability
    estimate of the therapy's response rate in all patients. An estimated propensity counts as at least
    0.02, and as at least 5 / (sqrt(n) ln n) of n patients; a known one as it is.

    Parameters
    ----------
    data : Treated
        Patients.

    Returns
    -------
    surface : Heads
        A calibrated logistic model per therapy.
    scores : ndarray of float64, shape (n, k)
        Of each patient, by models that saw the patient at no stage; NaN for a therapy without patients enough.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, arm, y = rng.normal(size=(80, 1)), np.arange(80) % 2, np.arange(80) // 2 % 2.0
    >>> dr_learner(Treated(X, arm, y, np.arange(80) // 4 % 4, np.full((80, 2), 0.5), (True, True), 0))[1].shape
    (80, 2)
    """
    fitted = outcome_models(data)
    heads, scores = [data.rate(k) for k in range(data.k)], np.full((len(data.X), data.k), np.nan)
    views: dict[int, np.ndarray] = {}
    small = _GRUBER / (np.sqrt(len(data.X)) * np.log(len(data.X)))
    # what a trial drew by is known, however small
    least = 0.0 if data.model.scaling is None else max(LEAST_PROPENSITY, small)
    for left in (-1, *map(int, np.unique(data.folds))):
        outcome = np.full(scores.shape, np.nan)
        for k, model in fitted.items():
            outcome[:, k] = expit(model.margins[left])
        views[left] = doubly_robust(data.y, data.arm, outcome, data.propensity, least)
    for k in fitted:
        for left, pseudo in views.items():
            if left >= 0:
                inner = fit_inside(data.X, pseudo[:, k], data.folds != left, data.folds)
                out = data.folds == left
                scores[out, k] = inner.score(data.X[out])
        pseudo = views[-1][:, k]
        whole = fit_inside(data.X, pseudo, np.ones(len(pseudo), dtype=bool), data.folds)
        heads[k] = calibrate(scores[:, k], pseudo, whole)
    return Heads(tuple(heads)), scores


def outcome_models(data: Treated) -> dict[int, CrossFitted]:
    """Fit the model of each therapy to those who got it.

    Parameters
    ----------
    data : Treated
        Patients.

    Returns
    -------
    dict of int to CrossFitted
        Of the therapies with patients enough.

    Examples
    --------
    >>> outcome_models(Treated(*[np.zeros(1)] * 5, (False,), 0))
    {}
    """
    each = (k for k in range(data.k) if data.enough[k])
    return {k: cross_fit(data.X, data.y, data.arm == k, data.folds) for k in each}


Learner = Callable[[Treated], tuple[Surface, np.ndarray]]
#: Names of the learners.
LEARNERS: Registry[Learner] = Registry("learner", {"t": t_learner, "x": x_learner, "dr": dr_learner})
#: What a learner learns, by the `kind` in its state.
SURFACES: Registry[Any] = Registry("surface", {"heads": Heads, "effects": Effects})
