"""Experts: a logistic model and boosted trees behind one interface, both at home with missing values.

An expert turns one block's features into a margin (log-odds) and splits that margin exactly into one contribution
per feature: ``margin = base + contributions.sum()``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd

from theracast.features.spec import Feature
from theracast.models.logistic import Kinds, Logistic, fit_logistic
from theracast.models.trees import TreeExpert
from theracast.registry import Registry

#: Standardised values beyond this are as good as this: one outlier must not carry a patient.
_CLIP = 3.0


class Expert(Protocol):
    """What the fusion asks of an expert.

    Examples
    --------
    >>> sorted(EXPERTS)
    ['logistic', 'xgboost']
    """

    features: tuple[Feature, ...]
    #: Whether the same values give the same contributions, whatever the tumour type.
    by_values: bool

    def fit(
        self,
        X: pd.DataFrame,
        y: np.ndarray,
        weight: np.ndarray,
        studies: np.ndarray,
        tumours: np.ndarray | None = None,
    ) -> Self:
        """Learn from one block's features; rows may hold NaN.

        Parameters
        ----------
        X : DataFrame of float64, shape (n_patients, n_features)
            Native units.
        y : ndarray of 0 and 1, shape (n_patients,)
            1 responded.
        weight : ndarray, shape (n_patients,)
            Of each patient.
        studies : ndarray, shape (n_patients,)
            Study of each patient; response rates of studies are not learned as if they were biology.
        tumours : ndarray of str, shape (n_patients,), optional
            Tumour type of each patient; one type for all by default.

        Returns
        -------
        self
            Fitted.

        Examples
        --------
        >>> hasattr(EXPERTS["logistic"], "fit")
        True
        """

    def split(
        self, X: pd.DataFrame | np.ndarray, tumours: np.ndarray | Kinds | None = None
    ) -> tuple[float, np.ndarray]:
        """Split the margin of each patient into contributions.

        Parameters
        ----------
        X : DataFrame or ndarray of float64, shape (n_patients, n_features)
            Native units.
        tumours : ndarray of str, or Kinds, shape (n_patients,), optional
            Tumour type of each patient.

        Returns
        -------
        base : float
            Margin of a patient of whom nothing is known.
        contributions : ndarray, shape (n_patients, n_features)
            Log-odds; positive = more likely to respond.

        Examples
        --------
        >>> hasattr(EXPERTS["xgboost"], "split")
        True
        """

    def state(self) -> dict[str, Any]:
        """Return everything needed to rebuild the expert, JSON-ready.

        Returns
        -------
        dict
            Plain numbers, strings and lists.

        Examples
        --------
        >>> hasattr(EXPERTS["xgboost"], "state")
        True
        """


class LogisticExpert:
    """Ridge logistic regression over standardised features; a missing value says nothing.

    A feature enters on its own scale (`Feature.scale`, `Feature.most`), standardised by the training patients and
    clipped at three standard deviations. A missing value contributes exactly nothing to the margin, and that is what
    the explanation shows; no reference value stands in silently. Where the direction is known (`Feature.direction`)
    the weight keeps it. Each tumour type has weights of its own, drawn to the common ones.

    Parameters
    ----------
    features : sequence of Feature
        What the columns are.
    C : float, default 0.1
        Inverse strength of the ridge penalty, as in scikit-learn.
    tie : float or None, default 30
        Strength of the pull of a tumour type's weights to the common ones, in patients; None: all types share them.

    Examples
    --------
    >>> X = pd.DataFrame({"a": [0.0, 1.0, 2.0, np.nan]})
    >>> expert = LogisticExpert([Feature("a", "", "")]).fit(X, np.array([0, 0, 1, 1]), np.ones(4), np.zeros(4))
    >>> base, contributions = expert.split(X)
    >>> float(contributions[3, 0])
    0.0
    """

    by_values = False

    def __init__(self, features: Sequence[Feature], C: float = 0.1, tie: float | None = 30.0) -> None:
        self.features, self.C, self.tie = tuple(features), C, tie

    def fit(
        self,
        X: pd.DataFrame,
        y: np.ndarray,
        weight: np.ndarray,
        studies: np.ndarray,
        tumours: np.ndarray | None = None,
    ) -> Self:
        """Learn centre, spread and weights; features never seen keep the weight 0.

        Parameters
        ----------
        X : DataFrame of float64, shape (n_patients, n_features)
            Native units, NaN allowed.
        y : ndarray of 0 and 1, shape (n_patients,)
            1 responded.
        weight : ndarray, shape (n_patients,)
            Of each patient.
        studies : ndarray, shape (n_patients,)
            Study of each patient; response rates of studies are not learned as if they were biology.
        tumours : ndarray of str, shape (n_patients,), optional
            Tumour type of each patient; one type for all by default.

        Returns
        -------
        self
            Fitted.

        Examples
        --------
        >>> X = pd.DataFrame({"a": [0.0, 1.0]})
        >>> LogisticExpert([Feature("a", "", "")]).fit(X, np.array([0, 1]), np.ones(2), np.zeros(2)).fit_.coef.shape
        (1,)
        """
        values = self._scaled(X)
        known = ~np.isnan(values)
        seen = known.sum(axis=0)
        with np.errstate(invalid="ignore"):
            centre = np.where(seen > 0, np.nansum(values, axis=0) / np.maximum(seen, 1), 0.0)
            spread = np.sqrt(np.nansum((values - centre) ** 2, axis=0) / np.maximum(seen, 1))
        self.centre, self.spread = centre, np.where(spread > 1e-12, spread, 1.0)
        signs = np.array([f.direction for f in self.features])
        found = fit_logistic(
            self._standard(values), y, weight, studies, tumours, ridge=1.0 / self.C, tie=self.tie, signs=signs
        )
        # a constant column has no spread and must have no say
        kept = (seen > 0) & (spread > 1e-12)
        own = {t: np.where(kept, w, 0.0) for t, w in found.own.items()}
        # how often a tumour type responds is the combiner's to say, once for all blocks
        self.fit_ = Logistic(np.where(kept, found.coef, 0.0), found.intercept, own, {})
        return self

    def split(
        self, X: pd.DataFrame | np.ndarray, tumours: np.ndarray | Kinds | None = None
    ) -> tuple[float, np.ndarray]:
        """Split the margin; exact, since it is a sum.

        Parameters
        ----------
        X : DataFrame or ndarray of float64, shape (n_patients, n_features)
            Native units, NaN allowed.
        tumours : ndarray of str, or Kinds, shape (n_patients,), optional
            Tumour type of each patient, for its own weights; the common ones by default.

        Returns
        -------
        base : float
            The intercept: all features at the training mean, or unknown.
        contributions : ndarray, shape (n_patients, n_features)
            Weight times standardised value; 0 where missing.

        Examples
        --------
        >>> X = pd.DataFrame({"a": [0.0, 1.0]})
        >>> LogisticExpert([Feature("a", "", "")]).fit(X, np.array([0, 1]), np.ones(2), np.zeros(2)).split(X)[1].shape
        (2, 1)
        """
        standard = self._standard(self._scaled(X))
        return self.fit_.intercept, standard * (self.fit_.coef if tumours is None else self.fit_.weights(tumours))

    def state(self) -> dict[str, Any]:
        """Return weights and scales.

        Returns
        -------
        dict
            JSON-ready.

        Examples
        --------
        >>> X = pd.DataFrame({"a": [0.0, 1.0]})
        >>> sorted(LogisticExpert([Feature("a", "", "")]).fit(X, np.array([0, 1]), np.ones(2), np.zeros(2)).state())
        ['C', 'centre', 'fit', 'spread', 'tie']
        """
        arrays = {k: getattr(self, k).tolist() for k in ("centre", "spread")}
        return {"C": self.C, "tie": self.tie, "fit": self.fit_.state(), **arrays}

    @classmethod
    def from_state(cls, state: dict[str, Any], features: Sequence[Feature]) -> Self:
        """Rebuild an expert.

        Parameters
        ----------
        state : dict
            From `state`.
        features : sequence of Feature
            What the columns are.

        Returns
        -------
        LogisticExpert
            Gives the same numbers, to the bit.

        Examples
        --------
        >>> X = pd.DataFrame({"a": [0.0, 1.0]})
        >>> one = LogisticExpert([Feature("a", "", "")]).fit(X, np.array([0, 1]), np.ones(2), np.zeros(2))
        >>> bool((LogisticExpert.from_state(one.state(), one.features).split(X)[1] == one.split(X)[1]).all())
        True
        """
        expert = cls(features, state["C"], state["tie"])
        expert.centre, expert.spread = (np.array(state[k]) for k in ("centre", "spread"))
        expert.fit_ = Logistic.from_state(state["fit"])
        return expert

    def _scaled(self, X: pd.DataFrame | np.ndarray) -> np.ndarray:
        values = np.asarray(X, dtype=np.float64)
        values = np.minimum(values, np.array([f.most for f in self.features]))
        log = np.array([f.scale == "log2" for f in self.features])
        return np.where(log, np.log2(1.0 + np.maximum(values, 0.0)), values)

    def _standard(self, values: np.ndarray) -> np.ndarray:
        return np.nan_to_num(np.clip((values - self.centre) / self.spread, -_CLIP, _CLIP), nan=0.0)


EXPERTS: Registry[type[LogisticExpert] | type[TreeExpert]] = Registry(
    "learner", {"logistic": LogisticExpert, "xgboost": TreeExpert}
)
