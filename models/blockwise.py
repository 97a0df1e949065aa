"""One model per block, averaged over the blocks that each patient has: for outcomes other than response."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, clone

from theracast.errors import DataError, UsageError
from theracast.features.feature_names import block_of


class BlockAverage(BaseEstimator):
    """Average the predictions of one model per block over the blocks that a patient has.

    A block that a patient lacks has no say; nothing is filled in for it. A patient without any block gets NaN.

    Parameters
    ----------
    estimator : estimator
        Of scikit-learn, cloned for each block and fitted on the patients who have it; deals itself with single
        missing values, for instance through an imputer in a pipeline.

    Attributes
    ----------
    experts_ : dict of str to estimator
        One per block.
    columns_ : dict of str to list of str
        Columns of each block.
    classes_ : ndarray
        Of a classifier.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> X = pd.DataFrame({"a__x": [0.0, 1.0, 2.0, 3.0], "b__y": [0.0, 1.0, np.nan, 5.0]}, index=list("pqrs"))
    >>> model = BlockAverage(LogisticRegression()).fit(X, ["no", "no", "yes", "yes"])
    >>> model.predict_proba(X.assign(b__y=np.nan)).idxmax(axis=1).tolist()
    ['no', 'no', 'yes', 'yes']
    """

    def __init__(self, estimator: Any) -> None:
        self.estimator = estimator

    def fit(self, X: pd.DataFrame, y: Any) -> Self:
        """Fit one model per block.

        Parameters
        ----------
        X : DataFrame of shape (n_patients, n_features)
            Values of a `FeatureMatrix`; columns ``<block>__<feature>``.
        y : array-like, shape (n_patients,) or (n_patients, n_targets)
            Classes, or numbers, which may hold NaN where `estimator` takes them.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        UsageError
            A column belongs to no block.
        DataError
            No patient has any block (THX-D10).

        Examples
        --------
        >>> from sklearn.linear_model import Ridge
        >>> X = pd.DataFrame({"a__x": [0.0, 1.0, 2.0], "b__y": [0.0, np.nan, np.nan]})
        >>> sorted(BlockAverage(Ridge()).fit(X, [0.0, 1.0, 2.0]).experts_)
        ['a', 'b']
        """
        odd = [str(c) for c in X.columns if "__" not in str(c)]
        if odd:
            raise UsageError("a column belongs to no block", got=odd[0], wanted="<block>__<feature>")
        blocks = dict.fromkeys(block_of(str(c)) for c in X.columns)
        columns = {b: [c for c in X.columns if str(c).startswith(f"{b}__")] for b in blocks}
        y = np.asarray(y)
        self.experts_, self.columns_ = {}, {}
        for block, names in columns.items():
            known = X[names].notna().any(axis=1).to_numpy()
            if known.any():
                self.columns_[block] = [c for c in names if X[c].notna().any()]
                self.experts_[block] = clone(self.estimator).fit(X.loc[known, self.columns_[block]], y[known])
        if not self.experts_:
            raise DataError("no patient has any block", code="THX-D10", fix="Give the tables that the blocks read.")
        classes = [set(e.classes_) for e in self.experts_.values() if hasattr(e, "classes_")]
        if classes:
            self.classes_ = np.array(sorted(set().union(*classes)))
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Predict numbers.

        Parameters
        ----------
        X : DataFrame of shape (n_patients, n_features)
            As in `fit`; a block may be missing altogether.

        Returns
        -------
        ndarray of float64, shape (n_patients,) or (n_patients, n_targets)
            NaN for a patient without any block.

        Examples
        --------
        >>> from sklearn.linear_model import Ridge
        >>> X = pd.DataFrame({"a__x": [0.0, 1.0, 2.0]})
        >>> BlockAverage(Ridge(alpha=0)).fit(X, [0.0, 1.0, 2.0]).predict(X).round(6).tolist()
        [0.0, 1.0, 2.0]
        """
        return self._average(X, lambda block, rows: self.experts_[block].predict(rows))

    def predict_proba(self, X: pd.DataFrame) -> pd.DataFrame:
        """Predict the chance of each class.

        Parameters
        ----------
        X : DataFrame of shape (n_patients, n_features)
            As in `fit`; a block may be missing altogether.

        Returns
        -------
        DataFrame of float64, shape (n_patients, n_classes)
            Rows sum to 1; NaN for a patient without any block.

        Examples
        --------
        >>> from sklearn.linear_model import LogisticRegression
        >>> X = pd.DataFrame({"a__x": [0.0, 1.0]}, index=["p", "q"])
        >>> BlockAverage(LogisticRegression()).fit(X, [0, 1]).predict_proba(X).sum(axis=1).tolist()
        [1.0, 1.0]
        """

        def _chances(block: str, rows: pd.DataFrame) -> np.ndarray:
            expert = self.experts_[block]
            out = np.zeros((len(rows), self.classes_.size))
            out[:, np.searchsorted(self.classes_, expert.classes_)] = expert.predict_proba(rows)
            return out

        return pd.DataFrame(self._average(X, _chances), index=X.index, columns=self.classes_)

    def _average(self, X: pd.DataFrame, ask: Any) -> np.ndarray:
        total, votes = None, np.zeros(len(X))
        for block, names in self.columns_.items():
            rows = X.reindex(columns=names)
            known = rows.notna().any(axis=1).to_numpy()
            if known.any():
                said = np.asarray(ask(block, rows[known]), dtype=np.float64)
                total = np.zeros((len(X), *said.shape[1:])) if total is None else total
                total[known] += said
                votes += known
        if total is None:
            width = (self.classes_.size,) if hasattr(self, "classes_") else ()
            return np.full((len(X), *width), np.nan)
        votes[votes == 0] = np.nan
        return total / votes.reshape(-1, *[1] * (total.ndim - 1))
