"""Experts: a logistic model and boosted trees behind one interface, both at home with missing values.

An expert turns one block's features into a margin (log-odds) and splits that margin exactly into one contribution
per feature: ``margin = base + contributions.sum()``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Protocol, Self

import numpy as np
import pandas as pd
import xgboost as xgb
from scipy.special import logit

from theracast.features.spec import Feature
from theracast.models.logistic import fit_logistic
from theracast.models.treeshap import TreeTables
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

    def fit(self, X: pd.DataFrame, y: np.ndarray, weight: np.ndarray, studies: np.ndarray) -> Self:
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

        Returns
        -------
        self
            Fitted.

        Examples
        --------
        >>> hasattr(EXPERTS["logistic"], "fit")
        True
        """

    def split(self, X: pd.DataFrame) -> tuple[float, np.ndarray]:
        """Split the margin of each patient into contributions.

        Parameters
        ----------
        X : DataFrame of float64, shape (n_patients, n_features)
            Native units.

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

    A feature enters on its own scale (`Feature.scale`), standardised by the training patients and clipped at three
    standard deviations. A missing value contributes exactly nothing to the margin, and that is what the explanation
    shows; no reference value stands in silently. Where the direction is known (`Feature.direction`) the weight
    keeps it.

    Parameters
    ----------
    features : sequence of Feature
        What the columns are.
    C : float, default 0.1
        Inverse strength of the ridge penalty, as in scikit-learn.

    Examples
    --------
    >>> X = pd.DataFrame({"a": [0.0, 1.0, 2.0, np.nan]})
    >>> expert = LogisticExpert([Feature("a", "", "")]).fit(X, np.array([0, 0, 1, 1]), np.ones(4), np.zeros(4))
    >>> base, contributions = expert.split(X)
    >>> float(contributions[3, 0])
    0.0
    """

    def __init__(self, features: Sequence[Feature], C: float = 0.1) -> None:
        self.features, self.C = tuple(features), C

    def fit(self, X: pd.DataFrame, y: np.ndarray, weight: np.ndarray, studies: np.ndarray) -> Self:
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

        Returns
        -------
        self
            Fitted.

        Examples
        --------
        >>> X = pd.DataFrame({"a": [0.0, 1.0]})
        >>> LogisticExpert([Feature("a", "", "")]).fit(X, np.array([0, 1]), np.ones(2), np.zeros(2)).coef.shape
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
        coef, self.base = fit_logistic(self._standard(values), y, weight, studies, ridge=1.0 / self.C, signs=signs)
        # a constant column has no spread and must have no say
        self.coef = np.where((seen > 0) & (spread > 1e-12), coef, 0.0)
        return self

    def split(self, X: pd.DataFrame) -> tuple[float, np.ndarray]:
        """Split the margin; exact, since it is a sum.

        Parameters
        ----------
        X : DataFrame of float64, shape (n_patients, n_features)
            Native units, NaN allowed.

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
        return self.base, self._standard(self._scaled(X)) * self.coef

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
        ['C', 'base', 'centre', 'coef', 'spread']
        """
        arrays = {k: getattr(self, k).tolist() for k in ("centre", "spread", "coef")}
        return {"C": self.C, "base": self.base, **arrays}

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
        >>> s = {"C": 1.0, "base": 0.0, "centre": [0.0], "spread": [1.0], "coef": [2.0]}
        >>> LogisticExpert.from_state(s, [Feature("a", "", "")]).split(pd.DataFrame({"a": [1.0]}))[1].tolist()
        [[2.0]]
        """
        expert = cls(features, state["C"])
        expert.base = state["base"]
        expert.centre, expert.spread, expert.coef = (np.array(state[k]) for k in ("centre", "spread", "coef"))
        return expert

    def _scaled(self, X: pd.DataFrame) -> np.ndarray:
        values = X.to_numpy(dtype=np.float64)
        log = np.array([f.scale == "log2" for f in self.features])
        return np.where(log, np.log2(1.0 + np.maximum(values, 0.0)), values)

    def _standard(self, values: np.ndarray) -> np.ndarray:
        return np.nan_to_num(np.clip((values - self.centre) / self.spread, -_CLIP, _CLIP), nan=0.0)


class TreeExpert:
    """Boosted trees (xgboost) that take missing values as they are and keep the known directions.

    Shallow and few: a block has a handful of features and a few hundred patients. Features whose direction is known
    (`Feature.direction`) are monotone.

    Parameters
    ----------
    features : sequence of Feature
        What the columns are.
    rounds : int, default 60
        Number of trees.
    depth : int, default 2
        Depth of each.
    seed : int, default 0
        Of the row and column samples.

    Examples
    --------
    >>> X = pd.DataFrame({"a": np.arange(40.0)})
    >>> y = (X.a > 20).to_numpy(int)
    >>> expert = TreeExpert([Feature("a", "", "", direction=1)]).fit(X, y, np.ones(40), np.zeros(40))
    >>> base, contributions = expert.split(X)
    >>> bool((np.diff(contributions[:, 0]) >= -1e-6).all())
    True
    """

    def __init__(self, features: Sequence[Feature], rounds: int = 60, depth: int = 2, seed: int = 0) -> None:
        self.features, self.rounds, self.depth, self.seed = tuple(features), rounds, depth, seed

    def fit(self, X: pd.DataFrame, y: np.ndarray, weight: np.ndarray, studies: np.ndarray) -> Self:
        """Boost.

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

        Returns
        -------
        self
            Fitted.

        Examples
        --------
        >>> X = pd.DataFrame({"a": np.arange(4.0)})
        >>> expert = TreeExpert([Feature("a", "", "")], rounds=2)
        >>> expert.fit(X, np.array([0, 0, 1, 1]), np.ones(4), np.zeros(4)).booster.num_boosted_rounds()
        2
        """
        rate = float(np.average(y, weights=weight))
        parameters = {
            "objective": "binary:logistic",
            "base_score": rate,
            "max_depth": self.depth,
            "eta": 0.05,
            "subsample": 0.8,
            "colsample_bytree": 0.8,
            "min_child_weight": 3.0,
            "lambda": 5.0,
            "max_bin": 64,
            "monotone_constraints": tuple(f.direction for f in self.features),
            "seed": self.seed,
            "nthread": 1,  # a few hundred rows: threads cost more than they give, and one thread is reproducible
        }
        offset = _study_offsets(y, weight, studies, rate)
        data = xgb.DMatrix(X.to_numpy(dtype=np.float64), label=y, weight=weight, base_margin=offset, nthread=1)
        self.booster = xgb.train(parameters, data, num_boost_round=self.rounds)
        self.tables = TreeTables.from_booster(self.booster)
        return self

    def split(self, X: pd.DataFrame) -> tuple[float, np.ndarray]:
        """Split the margin by TreeSHAP (path-dependent, exact; DOI 10.1038/s42256-019-0138-9).

        Parameters
        ----------
        X : DataFrame of float64, shape (n_patients, n_features)
            Native units, NaN allowed.

        Returns
        -------
        base : float
            Mean margin over the training patients' paths.
        contributions : ndarray, shape (n_patients, n_features)
            SHAP values in log-odds; with `base` they sum to the margin in float64.

        Examples
        --------
        >>> X = pd.DataFrame({"a": np.arange(4.0)})
        >>> TreeExpert([Feature("a", "", "")]).fit(X, np.array([0, 0, 1, 1]), np.ones(4), np.zeros(4)).split(X)[1].shape
        (4, 1)
        """
        shares = self.tables.contributions(X.to_numpy(dtype=np.float64))
        return float(self.tables.bias[0]), shares[:, :-1]

    def state(self) -> dict[str, Any]:
        """Return the settings, the trees in xgboost's own JSON, and the tables that explain them.

        Returns
        -------
        dict
            JSON-ready.

        Examples
        --------
        >>> X = pd.DataFrame({"a": np.arange(4.0)})
        >>> sorted(TreeExpert([Feature("a", "", "")]).fit(X, np.array([0, 0, 1, 1]), np.ones(4), np.zeros(4)).state())
        ['booster', 'depth', 'rounds', 'seed', 'tables']
        """
        trees = json.loads(self.booster.save_raw("json").decode())
        known = {"rounds": self.rounds, "depth": self.depth, "seed": self.seed}
        return known | {"booster": trees, "tables": self.tables.state()}

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
        TreeExpert
            Gives the same numbers.

        Examples
        --------
        >>> X = pd.DataFrame({"a": np.arange(4.0)})
        >>> one = TreeExpert([Feature("a", "", "")]).fit(X, np.array([0, 0, 1, 1]), np.ones(4), np.zeros(4))
        >>> two = TreeExpert.from_state(one.state(), one.features)
        >>> bool((one.split(X)[1] == two.split(X)[1]).all())
        True
        """
        expert = cls(features, state["rounds"], state["depth"], state["seed"])
        expert.booster = xgb.Booster({"nthread": 1})
        expert.booster.load_model(bytearray(json.dumps(state["booster"]).encode()))
        stored = state.get("tables")  # models of an earlier version have none
        expert.tables = TreeTables.from_state(stored) if stored else TreeTables.from_booster(expert.booster)
        return expert


def _study_offsets(y: np.ndarray, weight: np.ndarray, studies: np.ndarray, rate: float) -> np.ndarray:
    """Log-odds of each study's response rate, drawn to the common rate as by ten patients."""
    _, study = np.unique(studies, return_inverse=True)
    responders = np.bincount(study, weights=weight * y) + 10.0 * rate
    return logit(responders / (np.bincount(study, weights=weight) + 10.0))[study]


EXPERTS: Registry[type[LogisticExpert] | type[TreeExpert]] = Registry(
    "learner", {"logistic": LogisticExpert, "xgboost": TreeExpert}
)
