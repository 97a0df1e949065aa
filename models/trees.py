"""Boosted trees as an expert: xgboost with known directions, explained by TreeSHAP tables that are stored with it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import pandas as pd
import xgboost as xgb
from scipy.special import logit

from theracast.features.spec import Feature
from theracast.models.logistic import Kinds
from theracast.models.treeshap import TreeTables


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

    by_values = True

    def __init__(self, features: Sequence[Feature], rounds: int = 60, depth: int = 2, seed: int = 0) -> None:
        self.features, self.rounds, self.depth, self.seed = tuple(features), rounds, depth, seed

    def fit(
        self,
        X: pd.DataFrame,
        y: np.ndarray,
        weight: np.ndarray,
        studies: np.ndarray,
        tumours: np.ndarray | None = None,
    ) -> Self:
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
        tumours : ndarray of str, shape (n_patients,), optional
            Not read: trees are shared by all tumour types.

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

    def split(
        self, X: pd.DataFrame | np.ndarray, tumours: np.ndarray | Kinds | None = None
    ) -> tuple[float, np.ndarray]:
        """Split the margin by TreeSHAP (path-dependent, exact; DOI 10.1038/s42256-019-0138-9).

        Parameters
        ----------
        X : DataFrame or ndarray of float64, shape (n_patients, n_features)
            Native units, NaN allowed.
        tumours : ndarray of str, or Kinds, shape (n_patients,), optional
            Not read.

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
        shares = self.tables.contributions(np.asarray(X, dtype=np.float64))
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
