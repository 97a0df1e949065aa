"""X-learner: a therapy's effect against a reference, from outcomes imputed both ways."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from scipy.special import expit, logit

from theracast.models.heads import Head, calibrate
from theracast.models.overlap import Propensity
from theracast.models.ridge import Ridge
from theracast.models.ridge_folds import CrossFitted, cross_fit, fit_inside
from theracast.models.treated_cohort import Treated

#: A reference's probability plus an effect may leave 0-1: it is kept within these.
_EDGE = 0.01


@dataclass(frozen=True)
class Effect:
    """What a therapy adds to the probability of response to the reference.

    Attributes
    ----------
    treated, untreated : Ridge
        Of the effect in those who got the therapy, and in those who got the reference, in probability.
    calibration : Head
        Turns the log-odds of the sum into those of a calibrated probability; it has no ridge of its own.

    Examples
    --------
    >>> from theracast.models.ridge import fit_path
    >>> flat = fit_path(np.zeros((4, 1)), np.full(4, 0.25), logistic=False).mix(np.eye(6)[0])
    >>> Effect(flat, flat, Head.of_rate(1, 2)).of(np.zeros((1, 1)), np.array([0.5])).tolist()
    [0.25]
    """

    treated: Ridge
    untreated: Ridge
    calibration: Head

    def of(self, X: np.ndarray, share: np.ndarray) -> np.ndarray:
        """Predict the effect.

        Parameters
        ----------
        X : ndarray of float64, shape (n, p)
            Native units, NaN where not known.
        share : ndarray of float64, shape (n,)
            Propensity of the therapy among patients who got it or the reference: where most got the therapy, those
            who got the reference are weighed more, because the outcome imputed for them is better known.

        Returns
        -------
        ndarray of float64, shape (n,)
            In probability.

        Examples
        --------
        >>> from theracast.models.ridge import fit_path
        >>> flat = fit_path(np.zeros((4, 1)), np.full(4, 0.25), logistic=False).mix(np.eye(6)[0])
        >>> Effect(flat, flat, Head.of_rate(1, 2)).of(np.zeros((2, 1)), np.array([0.5, 0.1])).tolist()
        [0.25, 0.25]
        """
        untreated, treated = (side.intercept + side.score(X) for side in (self.untreated, self.treated))
        return share * untreated + (1.0 - share) * treated


@dataclass(frozen=True)
class Effects:
    """Heads, and every therapy's effect against that of the reference.

    Attributes
    ----------
    reference : int
        Position of the reference.
    heads : tuple of Head
        Of every therapy, by its own patients: the reference is predicted by it, and its standard error is that of the
        therapy, of which no other patients tell.
    effects : dict of int to Effect
        Of therapies with patients enough.
    propensity : Propensity
        Weighs the two sides of an effect.

    Examples
    --------
    >>> Effects(0, (Head.of_rate(1, 2),), {}, Propensity(np.ones(1))).predict(np.zeros((1, 1)))[0].tolist()
    [[0.0]]
    """

    reference: int
    heads: tuple[Head, ...]
    effects: dict[int, Effect]
    propensity: Propensity
    kind = "effects"

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
        >>> Effects(0, (Head.of_rate(1, 2),), {}, Propensity(np.ones(1))).predict(np.zeros((1, 1)))[0].tolist()
        [[0.0]]
        """
        e = self.propensity.of(X)
        margin, se = (np.column_stack([getattr(h, name)(X) for h in self.heads]) for name in ("margin", "se"))
        base = expit(margin[:, self.reference])
        for k, one in self.effects.items():
            effect = one.of(X, e[:, k] / (e[:, k] + e[:, self.reference]))
            raw = logit(np.clip(base + effect, _EDGE, 1.0 - _EDGE))
            margin[:, k] = one.calibration.intercept + one.calibration.slope * raw
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
        >>> Effects(0, (Head.of_rate(1, 2),), {}, Propensity(np.ones(1))).state()["reference"]
        0
        """
        effects = {
            str(k): {name: getattr(one, name).state() for name in ("treated", "untreated", "calibration")}
            for k, one in self.effects.items()
        }
        heads = [h.state() for h in self.heads]
        plain = {"kind": self.kind, "reference": self.reference, "propensity": self.propensity.state()}
        return {**plain, "heads": heads, "effects": effects}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`.

        Returns
        -------
        Effects
            The same numbers, to the bit.

        Examples
        --------
        >>> one = Effects(0, (Head.of_rate(1, 2),), {}, Propensity(np.ones(1)))
        >>> Effects.from_state(one.state()).heads[0].intercept
        0.0
        """
        effects = {
            int(k): Effect(
                Ridge.from_state(one["treated"]),
                Ridge.from_state(one["untreated"]),
                Head.from_state(one["calibration"]),
            )
            for k, one in state["effects"].items()
        }
        heads = tuple(Head.from_state(h) for h in state["heads"])
        return cls(int(state["reference"]), heads, effects, Propensity.from_state(state["propensity"]))


def x_learner(data: Treated) -> tuple[Effects, np.ndarray]:
    """Learn effects against a reference (Kuenzel 2019, DOI 10.1073/pnas.1804597116), therapy by therapy.

    In those who got the therapy the effect is the outcome less what the reference would have given; in those who got
    the reference it is what the therapy would have given less the outcome; both are linear ridge regressions.

    Parameters
    ----------
    data : Treated
        Patients.

    Returns
    -------
    surface : Effects
        The reference is `Treated.reference`, or the therapy best known where that one has too few patients.
    scores : ndarray of float64, shape (n, k)
        Of each patient, by models that saw the patient at no stage; NaN for a therapy without patients enough.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, arm, y = rng.normal(size=(80, 1)), np.arange(80) % 2, np.arange(80) // 2 % 2.0
    >>> even = Propensity(np.full(2, 0.5))
    >>> data = Treated(X, arm, y, np.arange(80) // 4 % 4, even.of(X), (True, True), 0, even)
    >>> x_learner(data)[1].shape
    (80, 2)
    """
    fitted = {k: cross_fit(data.X, data.y, data.arm == k, data.folds) for k in range(data.k) if data.enough[k]}
    heads, scores, effects = [data.rate(k) for k in range(data.k)], np.full((len(data.X), data.k), np.nan), {}
    for k, one in fitted.items():
        mine = data.arm == k
        scores[:, k], heads[k] = one.score, calibrate(one.score[mine], data.y[mine], one.ridge)
    sizes = {k: int((data.arm == k).sum()) for k in fitted}
    r = data.reference if data.reference in fitted else max(sizes, key=lambda k: sizes[k], default=data.reference)
    for k in fitted.keys() - {r}:
        share = data.propensity[:, k] / (data.propensity[:, k] + data.propensity[:, r])
        for left in map(int, np.unique(data.folds)):
            out = data.folds == left
            effect = _effect(data, k, r, fitted, left).of(data.X[out], share[out])
            scores[out, k] = logit(np.clip(expit(fitted[r].margin[out]) + effect, _EDGE, 1.0 - _EDGE))
        mine = data.arm == k
        whole = _effect(data, k, r, fitted, -1)
        effects[k] = Effect(whole.treated, whole.untreated, calibrate(scores[mine, k], data.y[mine]))
    return Effects(r, tuple(heads), effects, data.model), scores


def _effect(data: Treated, k: int, r: int, fitted: Mapping[int, CrossFitted], left: int) -> Effect:
    """Learn from those outside a fold, their imputed outcomes by models that saw neither it nor them."""
    inside = data.folds != left
    gained = data.y - expit(fitted[r].margins[left])
    missed = expit(fitted[k].margins[left]) - data.y
    treated = fit_inside(data.X, gained, inside & (data.arm == k), data.folds, logistic=False)
    untreated = fit_inside(data.X, missed, inside & (data.arm == r), data.folds, logistic=False)
    return Effect(treated, untreated, data.rate(k))
