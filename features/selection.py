"""Which features to keep: mutual information with a class, and minimum redundancy with maximum relevance (mRMR).

Selection learns from the outcome: fit it inside each training fold, never on all patients.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import digamma
from sklearn.preprocessing import scale

from theracast.errors import DataError, UsageError
from theracast.kernels.information import correlations, f_statistics, neighbour_information

#: Redundancy is never smaller: mrmr-selection's floor.
FLOOR = 0.001


def mutual_information(
    features: pd.DataFrame, target: pd.Series, n_neighbors: int = 3, noise: np.ndarray | None = None
) -> pd.Series:
    """Mutual information of continuous features and a class, by nearest neighbours.

    Equal to ``sklearn.feature_selection.mutual_info_classif`` given its noise,
    ``np.random.RandomState(seed).standard_normal(features.shape)``; classes below ``2 (n_neighbors + 1)`` members
    aside, where scikit-learn measures distances by a less exact route. Ross 2014, DOI 10.1371/journal.pone.0087357.

    Parameters
    ----------
    features : DataFrame of shape (n_patients, n_features)
        Continuous; no NaN: impute first.
    target : Series of shape (n_patients,)
        Classes, with the index of `features`; not continuous.
    n_neighbors : int, default 3
        More lower the variance and raise the bias.
    noise : ndarray of shape (n_patients, n_features), optional
        Standard normal numbers; 1e-10 of them is added to break ties. None adds nothing.

    Returns
    -------
    Series of float64, shape (n_features,)
        In nats, at least 0, by feature.

    Raises
    ------
    DataError
        When there are NaN or infinities, or the patients of both differ.
    UsageError
        When `n_neighbors` or the shape of `noise` is impossible.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = pd.Series(np.repeat(["no", "yes"], 50))
    >>> x = pd.DataFrame({"signal": rng.normal(0, 1, 100) + 3 * (y == "yes"), "noise": rng.normal(0, 1, 100)})
    >>> (mutual_information(x, y) > 0.3).tolist()
    [True, False]
    """
    if n_neighbors < 1:
        raise UsageError("n_neighbors is impossible", got=repr(n_neighbors), wanted="a whole number from 1")
    values = features.to_numpy(dtype=np.float64, na_value=np.nan)
    codes = _classes(target, features.index)
    if not np.isfinite(values).all():
        raise DataError("features hold NaN or infinities", code="THX-D11", where="features", fix="Impute them first.")
    if noise is not None and noise.shape != values.shape:
        raise UsageError("the noise has another shape", got=str(noise.shape), wanted=str(values.shape))
    if not values.size:
        return pd.Series(0.0, index=features.columns, name="mutual_information")
    values = scale(values, with_mean=False)
    if noise is not None:
        values += 1e-10 * np.maximum(1, np.mean(np.abs(values), axis=0)) * noise
    known = np.bincount(codes)[codes] > 1  # a class of one has no neighbour
    codes = np.unique(codes[known], return_inverse=True)[1]
    columns = np.ascontiguousarray(values[known].T)
    order = np.argsort(columns, axis=1)
    table = digamma(np.arange(codes.size + 1.0))
    ordered = np.take_along_axis(columns, order, axis=1)
    found = neighbour_information(ordered, codes[order], np.bincount(codes), n_neighbors, table)
    return pd.Series(found, index=features.columns, name="mutual_information")


def mrmr(features: pd.DataFrame, target: pd.Series, n_features: int) -> list[str]:
    """Select features that tell the classes apart (F statistic) and not the same twice (correlation).

    One after the other, the feature with the largest F over its mean absolute correlation with those selected. Equal
    to ``mrmr.mrmr_classif`` of mrmr-selection with its defaults. Ding and Peng 2005, DOI 10.1142/S0219720005001004.

    Parameters
    ----------
    features : DataFrame of shape (n_patients, n_features)
        Numbers; NaN is left out pair by pair.
    target : Series of shape (n_patients,)
        Classes, with the index of `features`.
    n_features : int
        How many to select; fewer where fewer have an F above 0.

    Returns
    -------
    list of str
        Names, best first.

    Raises
    ------
    DataError
        When the patients of both differ, a class is missing, or a feature is infinite.
    UsageError
        When `n_features` is below 1.

    Examples
    --------
    >>> y = pd.Series([0, 0, 0, 1, 1, 1])
    >>> x = pd.DataFrame({"b": [5, 3, 5, 7, 4, 7], "a": [1, 2, 3, 7, 8, 9], "constant": 1})
    >>> mrmr(x, y, 3)
    ['a', 'b']
    """
    if n_features < 1:
        raise UsageError("n_features is impossible", got=repr(n_features), wanted="a whole number from 1")
    values = features.to_numpy(dtype=np.float64, na_value=np.nan)
    codes = _classes(target, features.index)
    if np.isinf(values).any():
        raise DataError("features hold infinities", code="THX-D11", where="features", fix="Leave unknown cells empty.")
    columns = np.ascontiguousarray(values.T)
    relevance = f_statistics(columns, codes, int(codes.max(initial=-1)) + 1)
    names = np.flatnonzero(relevance > 0)
    columns, relevance = columns[names], relevance[names]
    total, free = np.zeros(names.size), np.ones(names.size, dtype=bool)
    picked: list[int] = []
    while len(picked) < min(n_features, names.size):
        mean = total / len(picked) if picked else np.ones(names.size)
        mean[(mean == 1.0) & bool(picked)] = np.inf
        with np.errstate(invalid="ignore"):  # infinite over infinite
            score = np.where(free, relevance / mean, -np.inf)
        best = int(np.argmax(np.where(np.isnan(score), -np.inf, score)))
        picked.append(best)
        free[best] = False
        total += _redundancy(columns, best)
    return [features.columns[names[i]] for i in picked]


def _redundancy(columns: np.ndarray, picked: int) -> np.ndarray:
    found = correlations(columns, columns[picked])
    for twin in np.flatnonzero(np.abs(found) > 1 - 1e-12):  # whether it is 1 exactly: by numpy, as pandas decides
        both = columns[np.array([twin, picked])]
        found[twin] = np.corrcoef(both[:, ~np.isnan(both).any(axis=0)])[0, 1]
    return np.maximum(np.abs(np.nan_to_num(found)), FLOOR)


def _classes(target: pd.Series, patients: pd.Index) -> np.ndarray:
    if len(target) != len(patients):
        raise DataError(
            "features and target differ in length",
            code="THX-D17",
            where="target",
            got=str(len(target)),
            wanted=str(len(patients)),
        )
    if not target.index.equals(patients):
        known = int(target.index.isin(patients).sum())
        raise DataError(
            "features and target differ in their index",
            code="THX-D17",
            where="target",
            got=f"{known} of {len(patients)} patients of the features, perhaps in another order",
            wanted="the same patients in the same order",
            fix="Use target.loc[features.index].",
        )
    codes, _ = pd.factorize(np.asarray(target), sort=True)
    if (codes < 0).any():
        raise DataError(
            "the target has missing classes",
            code="THX-D12",
            where="target",
            got=f"{int((codes < 0).sum())} of {len(patients)}",
            fix="Leave these patients out.",
        )
    return codes.astype(np.int64)
