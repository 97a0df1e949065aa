"""Combiners: how much each expert counts, for one set of blocks that a patient may have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pandas as pd

from theracast.models.logistic import Kinds, Logistic, fit_logistic

#: Pull of the weights towards a plain average, and of a tumour type's towards the common ones, in units of patients.
_PULL, _TIE = 5.0, 20.0
#: Up to this many blocks a set of them is one small number.
_BITS = 16


@dataclass(frozen=True)
class Combiner:
    """Weights of the experts for one set of blocks.

    Attributes
    ----------
    blocks : tuple of str
        The set.
    fit : Logistic
        Non-negative weights, one per block, and the intercept (log-odds): common, and of each tumour type.
    n : int
        Patients it was fitted on.
    error : float
        Median jackknife error of the training patients with these blocks, in log-odds.

    Examples
    --------
    >>> Combiner(("mutations",), Logistic(np.array([0.8]), -0.7, {}, {}), 120).blocks
    ('mutations',)
    """

    blocks: tuple[str, ...]
    fit: Logistic
    n: int
    error: float = 0.0

    def margin(self, margins: pd.DataFrame, tumours: np.ndarray) -> np.ndarray:
        """Add up the margins of the experts.

        Parameters
        ----------
        margins : DataFrame of float64, shape (n_patients, n_blocks)
            Log-odds by each expert.
        tumours : ndarray of str, shape (n_patients,)
            Tumour type of each patient.

        Returns
        -------
        ndarray of float64, shape (n_patients,)
            Log-odds.

        Examples
        --------
        >>> one = Combiner(("a",), Logistic(np.array([2.0]), 0.5, {}, {}), 30)
        >>> one.margin(pd.DataFrame({"a": [1.0]}), np.array([""])).tolist()
        [2.5]
        """
        return self.total(margins[list(self.blocks)].to_numpy(), tumours)

    def total(self, margins: np.ndarray, tumours: np.ndarray | Kinds) -> np.ndarray:
        """Add up margins that stand in the order of `blocks`.

        Parameters
        ----------
        margins : ndarray of float64, shape (n_patients, n_blocks)
            Log-odds by each expert.
        tumours : ndarray of str, or Kinds, shape (n_patients,)
            Tumour type of each patient.

        Returns
        -------
        ndarray of float64, shape (n_patients,)
            Log-odds.

        Examples
        --------
        >>> one = Combiner(("a",), Logistic(np.array([2.0]), 0.5, {}, {}), 30)
        >>> one.total(np.array([[1.0]]), np.array([""])).tolist()
        [2.5]
        """
        kinds = Kinds.of(tumours)
        # row by row in memory, or numpy adds one patient in another order than fifty, and the last bit differs
        return self.fit.intercepts(kinds) + np.ascontiguousarray(margins * self.fit.weights(kinds)).sum(axis=1)

    def state(self) -> dict[str, Any]:
        """Return everything, JSON-ready.

        Returns
        -------
        dict
            Plain numbers and strings.

        Examples
        --------
        >>> sorted(Combiner(("a",), Logistic(np.array([2.0]), 0.5, {}, {}), 30).state())
        ['blocks', 'error', 'fit', 'n']
        """
        return {"blocks": list(self.blocks), "fit": self.fit.state(), "n": self.n, "error": self.error}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild from `state`.

        Parameters
        ----------
        state : mapping
            From `state`.

        Returns
        -------
        Combiner
            The same numbers.

        Examples
        --------
        >>> one = Combiner(("a",), Logistic(np.array([2.0]), 0.5, {}, {}), 30)
        >>> Combiner.from_state(one.state()).n
        30
        """
        return cls(tuple(state["blocks"]), Logistic.from_state(state["fit"]), state["n"], state["error"])


def balanced_weights(studies: np.ndarray) -> np.ndarray:
    """Weigh patients so that a large study does not drown the others.

    A study's total weight grows with the square root of its size; the mean weight is 1.

    Parameters
    ----------
    studies : ndarray of str, shape (n_patients,)
        Study of each patient.

    Returns
    -------
    ndarray of float64, shape (n_patients,)
        Positive.

    Examples
    --------
    >>> balanced_weights(np.array(["a", "a", "a", "a", "b"])).round(2).tolist()
    [0.83, 0.83, 0.83, 0.83, 1.67]
    """
    _, inverse, counts = np.unique(studies, return_inverse=True, return_counts=True)
    weights = 1.0 / np.sqrt(counts[inverse])
    return weights / weights.mean()


def fit_combiner(
    blocks: tuple[str, ...], margins: np.ndarray, y: np.ndarray, studies: np.ndarray, tumours: np.ndarray
) -> Combiner:
    """Weigh experts, at least 0 each, pulled to their plain average; each tumour type a little in its own way.

    Parameters
    ----------
    blocks : tuple of str
        The set.
    margins : ndarray of float64, shape (n_patients, n_blocks)
        Log-odds by experts that had not seen the patient's study.
    y : ndarray of 0 and 1, shape (n_patients,)
        1 responded.
    studies : ndarray of str, shape (n_patients,)
        Study of each patient.
    tumours : ndarray of str, shape (n_patients,)
        Tumour type of each patient.

    Returns
    -------
    Combiner
        Fitted.

    Examples
    --------
    >>> margins = np.array([[-1.0], [1.0], [-0.5], [2.0]])
    >>> one = fit_combiner(("a",), margins, np.array([0, 1, 0, 1]), np.array(["s"] * 4), np.array([""] * 4))
    >>> bool(one.fit.coef[0] > 0)
    True
    """
    found = fit_logistic(
        margins, y, np.ones(len(y)), studies, tumours, ridge=_PULL, tie=_TIE, towards=1.0 / len(blocks), signs=1
    )
    return Combiner(blocks, found, len(y))


def best_combiner(combiners: Mapping[tuple[str, ...], Combiner], known: tuple[str, ...]) -> Combiner | None:
    """Pick the combiner that uses most of what is known of a patient.

    Parameters
    ----------
    combiners : mapping of tuple of str to Combiner
        By their sets of blocks.
    known : tuple of str
        Blocks the patient has.

    Returns
    -------
    Combiner or None
        None when no set of known blocks was fitted.

    Examples
    --------
    >>> one = Combiner(("a",), Logistic(np.array([1.0]), 0.0, {}, {}), 30)
    >>> best_combiner({("a",): one}, ("a", "b")) is one
    True
    """
    usable = [c for blocks, c in combiners.items() if set(blocks) <= set(known)]
    return max(usable, key=lambda c: (len(c.blocks), c.n), default=None)


def combine(
    combiners: Mapping[tuple[str, ...], Combiner], margins: pd.DataFrame, tumours: np.ndarray | Kinds
) -> np.ndarray:
    """Add up the margins of the experts that each patient has.

    Parameters
    ----------
    combiners : mapping of tuple of str to Combiner
        By their sets of blocks.
    margins : DataFrame of float64, shape (n_patients, n_blocks)
        Log-odds by each expert; NaN where the block is missing.
    tumours : ndarray of str, or Kinds, shape (n_patients,)
        Tumour type of each patient.

    Returns
    -------
    ndarray of float64, shape (n_patients,)
        Log-odds; NaN where nothing is known.

    Examples
    --------
    >>> one = Combiner(("a",), Logistic(np.array([2.0]), 0.5, {}, {}), 30)
    >>> combine({("a",): one}, pd.DataFrame({"a": [1.0, np.nan]}), np.array(["", ""])).tolist()
    [2.5, nan]
    """
    out, kinds, values = np.full(len(margins), np.nan), Kinds.of(tumours), margins.to_numpy()
    for blocks, rows in patterns(margins.notna()):
        combiner = best_combiner(combiners, blocks)
        if combiner:
            columns = [margins.columns.get_loc(b) for b in combiner.blocks]
            out[rows] = combiner.total(values[np.ix_(rows, columns)], kinds[rows])
    return out


def patterns(known: pd.DataFrame) -> list[tuple[tuple[str, ...], np.ndarray]]:
    """Group patients by the set of blocks they have.

    Parameters
    ----------
    known : DataFrame of bool, shape (n_patients, n_blocks)
        Which blocks each patient has.

    Returns
    -------
    list of (tuple of str, ndarray of int)
        Each set that occurs, with the positions of its patients.

    Examples
    --------
    >>> [(b, rows.tolist()) for b, rows in patterns(pd.DataFrame({"a": [True, False]}))]
    [((), [1]), (('a',), [0])]
    """
    mask = known.to_numpy(dtype=bool)
    names = np.array(known.columns, dtype=object)
    if mask.shape[1] > _BITS:
        kinds, which = np.unique(mask, axis=0, return_inverse=True)
        return [(tuple(names[kind]), np.flatnonzero(which.reshape(-1) == k)) for k, kind in enumerate(kinds)]
    # a set of blocks as one number sorts as its row would, and is counted instead of sorted
    places = 1 << np.arange(mask.shape[1], dtype=np.int64)[::-1]
    codes = mask @ places
    return [
        (tuple(names[(code & places) > 0]), np.flatnonzero(codes == code))
        for code in np.flatnonzero(np.bincount(codes, minlength=1 if len(codes) else 0))
    ]


def recentred(
    combiners: Mapping[tuple[str, ...], Combiner],
    margins: pd.DataFrame,
    levels: Mapping[tuple[str, ...], np.ndarray],
    tumours: np.ndarray,
) -> dict[tuple[str, ...], Combiner]:
    """Give a replica the average of the whole model: the response rate is an assumption, not part of the interval.

    Parameters
    ----------
    combiners : mapping of tuple of str to Combiner
        Of the replica.
    margins : DataFrame of float64, shape (n_patients, n_blocks)
        By the experts of the replica.
    levels : mapping of tuple of str to ndarray of float64, shape (n_patients,)
        Log-odds of the whole model, by its sets of blocks; NaN where a block is missing.
    tumours : ndarray of str, shape (n_patients,)
        Tumour type of each patient; each type keeps its own average.

    Returns
    -------
    dict of tuple of str to Combiner
        With other intercepts.

    Examples
    --------
    >>> one, m = {("a",): Combiner(("a",), Logistic(np.array([1.0]), 0.0, {}, {}), 9)}, pd.DataFrame({"a": [1.0]})
    >>> recentred(one, m, {("a",): np.array([2.0])}, np.array([""]))[("a",)].fit.intercept
    1.0
    """
    out = {}
    for blocks, combiner in combiners.items():
        if blocks not in levels:
            continue
        gap = levels[blocks] - combiner.margin(margins, tumours)
        known = ~np.isnan(gap)
        middle = float(gap[known].mean())
        offset = dict(combiner.fit.offset)
        for tumour in sorted({t for t in tumours[known] if t}):
            offset[tumour] = offset.get(tumour, 0.0) + float(gap[known & (tumours == tumour)].mean()) - middle
        fit = replace(combiner.fit, intercept=combiner.fit.intercept + middle, offset=offset)
        out[blocks] = replace(combiner, fit=fit)
    return out


def jackknife_variance(estimates: np.ndarray) -> np.ndarray:
    """Variance of an estimate from what it would have been without each study.

    Parameters
    ----------
    estimates : ndarray of float64, shape (n_studies, n_patients)
        One row per study left out; NaN where that replica could not say.

    Returns
    -------
    ndarray of float64, shape (n_patients,)
        ``(k - 1) / k * sum((estimate - mean)^2)`` over the k replicas that could; NaN below two. Efron 1982,
        DOI 10.1137/1.9781611970319.

    Examples
    --------
    >>> jackknife_variance(np.array([[1.0, 1.0], [3.0, np.nan]])).tolist()
    [1.0, nan]
    """
    known = ~np.isnan(estimates)
    k = known.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, estimates, 0.0).sum(axis=0) / k
        squares = np.where(known, (estimates - mean) ** 2, 0.0).sum(axis=0)
        return np.where(k > 1, (k - 1) / k * squares, np.nan)
