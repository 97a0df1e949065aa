"""Ridge regression on many targets at once, of which each patient has some."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import RidgeCV
from sklearn.utils.validation import check_is_fitted


class MaskedRidge(RegressorMixin, BaseEstimator):
    """Ridge regression per target, fitted on the patients who have the target.

    The penalty is one for all targets: generalised cross-validation inside the training patients chooses it, on targets
    whose gaps are filled with the target's mean for this choice alone. The coefficients are solved in the space of
    patients, exactly; one inverse serves all targets.

    Parameters
    ----------
    alphas : sequence of float, default (1, 10, 100, 1000)
        Penalties to choose from.

    Attributes
    ----------
    alpha_ : float
        The penalty chosen.
    coef_ : ndarray of float64, shape (n_features, n_targets)
        Coefficients.
    intercept_ : ndarray of float64, shape (n_targets,)
        Mean of each target.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> Y = np.column_stack([[0.0, 2.0, 4.0, 6.0], [0.0, -1.0, np.nan, -3.0]])
    >>> MaskedRidge([1e-9]).fit(X, Y).predict([[5.0]]).round(3).tolist()
    [[10.0, -5.0]]
    """

    def __init__(self, alphas: Sequence[float] = (1.0, 10.0, 100.0, 1000.0)) -> None:
        self.alphas = alphas

    def fit(self, X: Any, y: Any) -> Self:
        """Choose the penalty and solve.

        Parameters
        ----------
        X : array-like of shape (n_patients, n_features)
            Complete, on one scale.
        y : array-like of shape (n_patients, n_targets)
            NaN where a patient lacks the target.

        Returns
        -------
        self
            Fitted.

        Examples
        --------
        >>> MaskedRidge([1.0]).fit([[0.0], [1.0]], [[1.0], [np.nan]]).intercept_.tolist()
        [1.0]
        """
        X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        known = ~np.isnan(y)
        means = np.where(known, y, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        self.alpha_ = float(RidgeCV(list(self.alphas)).fit(X, np.where(known, y, means)).alpha_)
        centred = np.where(known, y - means, 0.0)
        middle = X.mean(axis=0)
        products = (X - middle) @ (X - middle).T
        inverse = np.linalg.inv(products + self.alpha_ * np.eye(len(X))) - 1 / (len(X) * self.alpha_)
        for target in np.flatnonzero(known.any(axis=0) & ~known.all(axis=0)):
            lacking = ~known[:, target]
            # the values under which the patients who lack the target have no weight: as if they were not there
            asked = -inverse[lacking] @ centred[:, target]
            centred[lacking, target] = np.linalg.solve(inverse[np.ix_(lacking, lacking)], asked)
        weight = np.where(known, inverse @ centred, 0.0)
        self.coef_ = X.T @ weight - np.outer(middle, weight.sum(axis=0))
        centres = known.T @ X / np.maximum(known.sum(axis=0), 1)[:, None]
        self.intercept_ = means - np.einsum("tf,ft->t", centres, self.coef_)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Predict every target.

        Parameters
        ----------
        X : array-like of shape (n_patients, n_features)
            As in `fit`.

        Returns
        -------
        ndarray of float64, shape (n_patients, n_targets)
            In the targets' own units.

        Examples
        --------
        >>> MaskedRidge([1.0]).fit([[0.0], [2.0]], [[1.0], [1.0]]).predict([[9.0]]).tolist()
        [[1.0]]
        """
        check_is_fitted(self)
        return np.asarray(X, dtype=np.float64) @ self.coef_ + self.intercept_
