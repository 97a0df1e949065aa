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

from theracast.models.heads import Head, calibrate, cross_fit
from theracast.registry import Registry


@dataclass(frozen=True)
class Treated:
    """Patients, what they got and how it went.

    Attributes
    ----------
    X : ndarray of float64, shape (n, p)
        Native units, NaN where not known.
    arm : ndarray of int, shape (n,)
        Therapy of each, 0 to k - 1.
    y : ndarray of float64, shape (n,)
        1 responded, 0 did not.
    folds : ndarray of int, shape (n,)
        Fold of each.
    propensity : ndarray of float64, shape (n, k)
        Of each therapy, by a model that did not see the patient's fold, or known by design.
    enough : tuple of bool, length k
        Which therapies have patients enough of both outcomes for a model of their own; the others have their rate.
    reference : int
        The therapy that effects are measured against.

    Examples
    --------
    >>> arm = np.array([0, 1])
    >>> Treated(np.zeros((2, 1)), arm, np.array([0.0, 1.0]), arm, np.full((2, 2), 0.5), (False, False), 0).k
    2
    """

    X: np.ndarray
    arm: np.ndarray
    y: np.ndarray
    folds: np.ndarray
    propensity: np.ndarray
    enough: tuple[bool, ...]
    reference: int

    @property
    def k(self) -> int:
        """Count the therapies.

        Returns
        -------
        int
            How many there are.

        Examples
        --------
        >>> Treated(*[np.zeros(0)] * 5, (True, True, False), 0).k
        3
        """
        return len(self.enough)

    def rate(self, k: int) -> Head:
        """Give a therapy's rate as a head.

        Parameters
        ----------
        k : int
            Therapy.

        Returns
        -------
        Head
            The same for all patients.

        Examples
        --------
        >>> Treated(*[np.zeros(1)] * 5, (False,), 0).rate(0).slope
        0.0
        """
        mine = self.arm == k
        return Head.of_rate(int(self.y[mine].sum()), int(mine.sum()))


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
            Variance of the probability, of the part that does not cancel when therapies are compared.

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
    heads, scores = [], np.full((len(data.X), data.k), np.nan)
    for k in range(data.k):
        mine = data.arm == k
        if not data.enough[k]:
            heads.append(data.rate(k))
            continue
        fitted = cross_fit(data.X, data.y, mine, data.folds)
        scores[:, k] = fitted.score
        heads.append(calibrate(fitted.score[mine], data.y[mine], fitted.ridge))
    return Heads(tuple(heads)), scores


Learner = Callable[[Treated], tuple[Surface, np.ndarray]]
#: Names of the learners.
LEARNERS: Registry[Learner] = Registry("learner", {"t": t_learner})
#: What a learner learns, by the `kind` in its state.
SURFACES: Registry[Any] = Registry("surface", {"heads": Heads})
