"""Missing values from the nearest training patients.

Equal to scikit-learn's ``KNNImputer`` (Troyanskaya 2001, DOI 10.1093/bioinformatics/17.6.520), many times faster:
shared columns are counted by bits instead of an integer product, and one sort of a patient's distances, as far as it
is needed, serves all of their missing cells. Only training patients are donors.
"""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.extmath import row_norms
from sklearn.utils.validation import check_is_fitted, validate_data

from theracast.errors import UsageError
from theracast.kernels.impute import nearest_donors, shared_ones

#: Donors' values that are held at once, for the missing cells of some patients: 1 MB.
CELLS = 130_000
#: Distances that are finished at once: 512 kB, which stay in the cache.
PAIRS = 65_536


class NearestPatientsImputer(TransformerMixin, BaseEstimator):
    """Fill each missing value with the mean of the nearest training patients who have it.

    Distances are Euclidean over the columns that both patients have, scaled up to all columns; so give columns on
    one scale. A patient who shares no column with any donor gets the column's training mean. The fill is a guess,
    not a measurement: keep beside it which cells were observed.

    Parameters
    ----------
    n_neighbors : int, default 5
        Donors per cell; fewer where fewer have the value.
    weights : {"uniform", "distance"}, default "uniform"
        Whether nearer donors count more, by the inverse of the distance.
    keep_empty_features : bool, default False
        Keep columns that no training patient has, filled with 0, instead of dropping them.

    Attributes
    ----------
    donors_ : ndarray of float64, shape (n_training, n_columns)
        The training patients.
    kept_ : ndarray of bool, shape (n_columns,)
        Columns that some training patient has.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"a": [1.0, 3.0, np.nan, 8.0], "b": [2.0, 4.0, 6.0, 8.0], "c": [np.nan, 3.0, 5.0, 7.0]})
    >>> NearestPatientsImputer(n_neighbors=2).fit_transform(table).tolist()
    [[1.0, 2.0, 4.0], [3.0, 4.0, 3.0], [5.5, 6.0, 5.0], [8.0, 8.0, 7.0]]
    """

    def __init__(
        self,
        n_neighbors: int = 5,
        weights: Literal["uniform", "distance"] = "uniform",
        keep_empty_features: bool = False,
    ) -> None:
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.keep_empty_features = keep_empty_features

    def fit(self, X: Any, y: object = None) -> Self:
        """Keep the training patients as donors.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_training, n_columns)
            Numbers; NaN is missing, infinity is refused.
        y : ignored
            For scikit-learn.

        Returns
        -------
        self
            Fitted.

        Raises
        ------
        UsageError
            When a parameter is impossible.

        Examples
        --------
        >>> NearestPatientsImputer().fit([[1.0, np.nan], [2.0, np.nan]]).kept_.tolist()
        [True, False]
        """
        whole = isinstance(self.n_neighbors, int | np.integer) and not isinstance(self.n_neighbors, bool)
        if not whole or self.n_neighbors < 1:
            raise UsageError("n_neighbors is impossible", got=repr(self.n_neighbors), wanted="a whole number from 1")
        if self.weights not in ("uniform", "distance"):
            raise UsageError("weights are unknown", got=repr(self.weights), wanted="'uniform' or 'distance'")
        values = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", copy=True, order="C")
        self.donors_ = values
        self.kept_ = ~np.isnan(values).all(axis=0)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Fill the missing values; the donors are the training patients, never the other rows of `X`.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_patients, n_columns)
            The columns of `fit`, in their order.

        Returns
        -------
        ndarray of float64, shape (n_patients, n_kept)
            No NaN. A DataFrame after ``set_output(transform="pandas")``.

        Examples
        --------
        >>> donors = [[1.0, 10.0], [2.0, 20.0], [9.0, 90.0]]
        >>> NearestPatientsImputer(n_neighbors=2).fit(donors).transform([[1.5, np.nan]]).tolist()
        [[1.5, 15.0]]
        """
        check_is_fitted(self)
        values = validate_data(
            self, X, dtype=np.float64, ensure_all_finite="allow-nan", copy=True, order="C", reset=False
        )
        missing = np.isnan(values)
        wanted = missing & self.kept_
        receivers = np.flatnonzero(wanted.any(axis=1))
        if receivers.size:
            absent = np.isnan(self.donors_)
            zeroed = np.where(absent, 0.0, self.donors_)
            sides = zeroed, zeroed * zeroed, absent.astype(np.float64), row_norms(zeroed, squared=True), _words(~absent)
            # scikit-learn's batches, so that the products, hence all bits, are the same
            step = max(1, int(get_config()["working_memory"] * 2**20 / (8 * len(zeroed))))
            for start in range(0, receivers.size, step):
                rows = receivers[start : start + step]
                distances = _distances(values[rows], missing[rows], *sides)
                self._fill(values, wanted, rows, distances)
        if self.keep_empty_features:
            values[:, ~self.kept_] = 0.0
            return values
        return values if self.kept_.all() else values[:, self.kept_]

    def _fill(self, values: np.ndarray, wanted: np.ndarray, rows: np.ndarray, distances: np.ndarray) -> None:
        counts = wanted[rows].sum(axis=1)
        most = max(1, CELLS // min(self.n_neighbors, len(self.donors_)))
        parts = np.flatnonzero(np.diff(np.cumsum(counts) // most, prepend=-1))
        for begin, end in zip(parts, [*parts[1:], len(rows)], strict=True):
            part = slice(begin, end)
            self._fill_part(values, wanted[rows[part]], rows[part], distances[part])

    def _fill_part(self, values: np.ndarray, wanted: np.ndarray, rows: np.ndarray, distances: np.ndarray) -> None:
        receiver, columns = np.nonzero(wanted)
        offsets = np.concatenate([[0], np.cumsum(wanted.sum(axis=1))])
        k = min(self.n_neighbors, len(self.donors_))
        found, away, tied = nearest_donors(distances, self.donors_, columns, offsets, k)
        for column in np.unique(columns[tied]):
            self._settle(column, np.flatnonzero(tied & (columns == column)), receiver, distances, found, away)
        weight = _weights(away, self.weights)
        with np.errstate(invalid="ignore"):
            filled = (found * weight).sum(axis=1) / weight.sum(axis=1)
        alone = np.isnan(away[:, 0])
        for column in np.unique(columns[alone]):
            known = self.donors_[:, column]
            filled[alone & (columns == column)] = known[~np.isnan(known)].mean()
        values[rows[receiver], columns] = filled

    def _settle(
        self,
        column: int,
        cells: np.ndarray,
        receiver: np.ndarray,
        distances: np.ndarray,
        found: np.ndarray,
        away: np.ndarray,
    ) -> None:
        """Let numpy's partition choose among donors equally far, as scikit-learn does."""
        able = np.flatnonzero(~np.isnan(self.donors_[:, column]))
        k = min(self.n_neighbors, able.size)
        near = distances[receiver[cells]][:, able]
        chosen = np.argpartition(near, k - 1, axis=1)[:, :k]
        found[cells, :k] = self.donors_[able, column][chosen]
        away[cells, :k] = np.take_along_axis(near, chosen, axis=1)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Name the columns of `transform`.

        Parameters
        ----------
        input_features : array-like of str, optional
            Names, where `fit` saw none.

        Returns
        -------
        ndarray of str
            The names of `fit`, without the columns that were dropped.

        Examples
        --------
        >>> import pandas as pd
        >>> table = pd.DataFrame({"il6": [1.0, 2.0], "never": [np.nan, np.nan]})
        >>> NearestPatientsImputer().fit(table).get_feature_names_out().tolist()
        ['il6']
        """
        check_is_fitted(self)
        given = getattr(self, "feature_names_in_", None)
        if input_features is None:
            named = given if given is not None else [f"x{i}" for i in range(self.n_features_in_)]
        else:
            named = input_features
            if given is not None and not np.array_equal(given, input_features):
                raise ValueError("input_features is not equal to feature_names_in_")
            if len(named) != self.n_features_in_:
                raise ValueError(f"input_features should have length equal to {self.n_features_in_}")
        names = np.asarray(named, dtype=object)
        return names if self.keep_empty_features else names[self.kept_]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _words(there: np.ndarray) -> np.ndarray:
    """Pack booleans, 64 columns a word."""
    packed = np.packbits(there, axis=1)
    padded = np.zeros((len(packed), -(-packed.shape[1] // 8) * 8), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)


def _distances(
    known: np.ndarray,
    missing: np.ndarray,
    zeroed: np.ndarray,
    squares: np.ndarray,
    absent: np.ndarray,
    norms: np.ndarray,
    words: np.ndarray,
) -> np.ndarray:
    """Distances over shared columns, by the operations of ``sklearn.metrics.pairwise.nan_euclidean_distances``.

    The products are its products, on the same numbers in the same shapes: cheaper ones, which sum in another order,
    would break ties otherwise than scikit-learn does. `known` is overwritten.
    """
    n_columns = known.shape[1]
    np.copyto(known, 0.0, where=missing)
    distances, own = known @ zeroed.T, row_norms(known, squared=True)
    np.multiply(known, known, out=known)
    theirs = known @ absent.T
    np.copyto(known, missing)
    mine = known @ squares.T
    step = max(1, PAIRS // len(zeroed))
    with np.errstate(invalid="ignore", over="ignore"):  # infinite minus infinite; uncompiled, the count of bits wraps
        shared = shared_ones(_words(~missing), words)
        for begin in range(0, len(distances), step):
            part = slice(begin, begin + step)
            block = distances[part]
            block *= -2
            block += own[part, None]
            block += norms
            np.maximum(block, 0, out=block)
            block -= theirs[part]
            block -= mine[part]
            np.maximum(block, 0, out=block)
            block[shared[part] == 0] = np.nan
            block /= np.maximum(shared[part], 1)
            block *= n_columns
            np.sqrt(block, out=block)
    return distances


def _weights(away: np.ndarray, weights: str) -> np.ndarray:
    there = ~np.isnan(away)
    if weights == "uniform":
        return there.astype(np.float64)
    with np.errstate(divide="ignore"):
        weight = 1.0 / away
    same = np.isinf(weight)
    weight = np.where(same.any(axis=1, keepdims=True), same, weight)
    return np.where(there, weight, 0.0)
