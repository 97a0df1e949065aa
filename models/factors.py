"""Factors across blocks: what several omics layers of a patient say together. An optional view, no predictor.

With labels, multi-block PLS: PLS of all blocks side by side, each scaled to the same variance, whose scores are the
super scores (Westerhuis 1998, DOI 10.1002/(SICI)1099-128X(199809/10)12:5<301::AID-CEM515>3.0.CO;2-S); of classes it is
the discriminant form. Without labels, consensus PCA: PCA of the same. scikit-learn fits both.

A patient who lacks something gets the scores that are expected from what is known, by trimmed score regression
(Arteaga and Ferrer 2002, DOI 10.1002/cem.750); where little is known they stay near 0, and `Factors.known` says so.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.utils.validation import check_is_fitted

from theracast.errors import DataError, UsageError
from theracast.features.feature_names import block_of
from theracast.features.matrix import FeatureMatrix

#: Fewer complete patients than this show no factor.
_LEAST = 10


class Factors(TransformerMixin, BaseEstimator):
    """Scores of patients on factors that all blocks share.

    The fitted object keeps the standardised values of the patients that it was fitted on: it is as confidential as
    they are.

    Parameters
    ----------
    n_factors : int, default 2
        How many.
    min_known : float, default 0.8
        Features that fewer of the patients with the block have than this share, in [0, 1], are not read.

    Attributes
    ----------
    n_fitted_ : int
        Patients with every feature read; only they were fitted on.
    columns_ : list of str
        Features read.
    loadings_ : dict of str to DataFrame, shape (n_features of the block, n_factors)
        Per block, how the standardised features move with each factor.
    importance_ : DataFrame of float, shape (n_blocks, n_factors)
        Share of each block in the weights of each factor; columns sum to 1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)  # simulated
    >>> shared = rng.normal(size=(30, 1))
    >>> names = ["rna__a", "rna__b", "protein__c", "protein__d"]
    >>> X = pd.DataFrame(shared + 0.1 * rng.normal(size=(30, 4)), columns=names)
    >>> Factors(1).fit(X).importance_["factor_1"].round(2).to_dict()
    {'rna': 0.5, 'protein': 0.5}
    """

    def __init__(self, n_factors: int = 2, min_known: float = 0.8) -> None:
        self.n_factors, self.min_known = n_factors, min_known

    def fit(self, X: FeatureMatrix | pd.DataFrame, y: Any = None) -> Self:
        """Find the factors among the patients who have every block.

        Parameters
        ----------
        X : FeatureMatrix, or DataFrame of shape (n_patients, n_features)
            Columns ``<block>__<feature>``; NaN is not known.
        y : array-like of shape (n_patients,), optional
            Classes (strings), or numbers; the factors are those that vary with it. Patients without one are left out.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        UsageError
            A column belongs to no block, labels and patients differ in number, or more factors are asked for than
            there can be.
        DataError
            THX-D25 when fewer than ten patients have every block and a label, THX-D24 when all have the same.

        Examples
        --------
        >>> X = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 4)), columns=["a__u", "a__v", "b__w", "b__x"])
        >>> Factors(2).fit(X, ["yes", "no", "no"] * 10).n_fitted_
        30
        """
        values = _values(X)
        blocks = pd.Series(values.columns, index=values.columns).map(block_of)
        have = {b: values[blocks.index[blocks == b]].notna().any(axis=1) for b in blocks.unique()}
        read = [
            c for c, b in blocks.items() if have[b].any() and values.loc[have[b], c].notna().mean() >= self.min_known
        ]
        target = None if y is None else _target(y, len(values))
        rows = values[read].notna().all(axis=1).to_numpy()
        if target is not None:
            rows = rows & target.notna().all(axis=1).to_numpy()
        self.n_fitted_ = int(rows.sum()) if read else 0
        if self.n_fitted_ < _LEAST:
            raise DataError(
                "too few patients have every block",
                code="THX-D25",
                got=f"{self.n_fitted_} of {len(values)}",
                wanted=f"{_LEAST} or more",
                fix="Leave out the block that most of them lack.",
            )
        some = values.loc[rows, read]
        self.columns_ = [c for c in read if some[c].max() > some[c].min()]
        some, self.blocks_ = some[self.columns_], blocks[self.columns_]
        most = min(self.n_fitted_ - 1, len(self.columns_))
        if not 1 <= self.n_factors <= most:
            raise UsageError("no such number of factors", got=str(self.n_factors), wanted=f"1 to {most}")
        self.centre_ = some.mean().to_numpy()
        # every block has the variance of any other, and all together that of one number
        size = self.blocks_.map(self.blocks_.value_counts()).to_numpy() * self.blocks_.nunique()
        self.scale_, self.share_ = some.std(ddof=0).to_numpy() * np.sqrt(size), 1.0 / size
        Z = (some.to_numpy() - self.centre_) / self.scale_
        if target is None:
            axes = PCA(self.n_factors, svd_solver="full").fit(Z).components_.T
            weights = rotations = loadings = axes
        else:
            Y = target[rows].to_numpy()
            Y = Y[:, Y.max(axis=0) > Y.min(axis=0)]
            if not Y.shape[1]:
                raise DataError("one label only", code="THX-D24", wanted="patients who differ")
            Y = (Y - Y.mean(axis=0)) / Y.std(axis=0)
            pls = PLSRegression(self.n_factors, scale=False, tol=1e-20, max_iter=10_000).fit(Z, Y)
            weights, rotations, loadings = pls.x_weights_, pls.x_rotations_, pls.x_loadings_
        # a factor has no sign of its own
        signs = np.sign(weights[np.abs(weights).argmax(axis=0), np.arange(self.n_factors)])
        self.rotations_, self._seen = rotations * signs, Z
        names = self._names()
        found = pd.DataFrame(loadings * signs, index=self.columns_, columns=names)
        self.loadings_ = {b: found[(self.blocks_ == b).to_numpy()] for b in self.blocks_.unique()}
        self.importance_ = (
            pd.DataFrame(weights**2, columns=names)
            .groupby(self.blocks_.to_numpy(), sort=False)
            .sum()
            .rename_axis("block")
        )
        return self

    def transform(self, X: FeatureMatrix | pd.DataFrame) -> pd.DataFrame:
        """Score patients, each alone.

        Parameters
        ----------
        X : FeatureMatrix, or DataFrame of shape (n_patients, n_features)
            As in `fit`; blocks and features may be missing.

        Returns
        -------
        DataFrame of float, shape (n_patients, n_factors)
            ``factor_1``, ... ; 0 is the average patient of `fit`. NaN where nothing is known that the factors read.

        Examples
        --------
        >>> X = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 4)), columns=["a__u", "a__v", "b__w", "b__x"])
        >>> Factors(2).fit(X).transform(X.assign(b__w=np.nan, b__x=np.nan)).shape
        (30, 2)
        """
        check_is_fitted(self)
        values, Z = self._standardised(X)
        scores = np.full((len(Z), self.n_factors), np.nan)
        for known, rows in _patterns(~np.isnan(Z)):
            if known.any():
                scores[rows] = Z[np.ix_(rows, known)] @ self.rotations_[known] @ self._bridge(known)
        return pd.DataFrame(scores, index=values.index, columns=self._names())

    def known(self, X: FeatureMatrix | pd.DataFrame) -> pd.DataFrame:
        """Say how much the scores of each patient rest on.

        Parameters
        ----------
        X : FeatureMatrix, or DataFrame of shape (n_patients, n_features)
            As in `transform`.

        Returns
        -------
        DataFrame, indexed by patient
            ``share`` of what the factors read that is known, every block counting alike, in [0, 1]; ``factor_1``,
            ...: share of each factor's variance that could be told from it among the patients of `fit`, in [0, 1];
            ``note``: the same in words, empty where all is known.

        Examples
        --------
        >>> X = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 4)), columns=["a__u", "a__v", "b__w", "b__x"])
        >>> Factors(1).fit(X).known(X.assign(b__w=np.nan, b__x=np.nan))["note"][0]
        'without b: 50% of what the factors read is known'
        """
        check_is_fitted(self)
        values, Z = self._standardised(X)
        told, share = np.zeros((len(Z), self.n_factors)), np.zeros(len(Z))
        notes = np.full(len(Z), "nothing that the factors read is known", dtype=object)
        full = self._seen @ self.rotations_
        for known, rows in _patterns(~np.isnan(Z)):
            if not known.any():
                continue
            left = full - self._seen[:, known] @ self.rotations_[known] @ self._bridge(known)
            told[rows], share[rows] = 1.0 - (left**2).sum(axis=0) / (full**2).sum(axis=0), self.share_[known].sum()
            gone = [b for b in self.loadings_ if not known[(self.blocks_ == b).to_numpy()].any()]
            without = f"without {', '.join(gone)}: " if gone else ""
            notes[rows] = "" if known.all() else f"{without}{share[rows][0]:.0%} of what the factors read is known"
        table = pd.DataFrame({"share": share}, index=values.index)
        return table.join(pd.DataFrame(told, index=values.index, columns=self._names())).assign(note=notes)

    def _bridge(self, known: np.ndarray) -> np.ndarray:
        """Regress the scores of the fitted patients on what the known features alone would have given."""
        if known.all():
            return np.eye(self.n_factors)
        trimmed = self._seen[:, known] @ self.rotations_[known]
        return np.linalg.lstsq(trimmed, self._seen @ self.rotations_, rcond=None)[0]

    def _standardised(self, X: FeatureMatrix | pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
        values = _values(X).reindex(columns=self.columns_)
        return values, (values.to_numpy(dtype=np.float64) - self.centre_) / self.scale_

    def _names(self) -> list[str]:
        return [f"factor_{i + 1}" for i in range(self.n_factors)]


def _values(X: FeatureMatrix | pd.DataFrame) -> pd.DataFrame:
    values = X.values if isinstance(X, FeatureMatrix) else X
    odd = [str(c) for c in values.columns if "__" not in str(c)]
    if odd:
        raise UsageError("a column belongs to no block", got=odd[0], wanted="<block>__<feature>")
    return values.astype(np.float64)


def _target(y: Any, n: int) -> pd.DataFrame:
    """Turn labels into numbers: a column per class, or the numbers themselves."""
    y = pd.Series(np.asarray(y))
    if len(y) != n:
        raise UsageError("labels and patients differ in number", got=f"{len(y)} and {n}")
    if pd.api.types.is_numeric_dtype(y):
        return y.astype(np.float64).to_frame()
    return pd.get_dummies(y).astype(np.float64).where(y.notna(), np.nan)


def _patterns(known: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """List each set of known features with the patients who have it."""
    sets, which = np.unique(known, axis=0, return_inverse=True)
    return [(s, np.flatnonzero(which.ravel() == i)) for i, s in enumerate(sets)]
