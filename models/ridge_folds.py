"""Ridge regressions without some folds: penalties weighed, and every patient scored, by models blind to them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, softmax

from theracast.models.ridge import SPREADS, Path, Ridge, fit_path

#: Draws of the patients who judge the penalties.
_DRAWS = 100


@dataclass(frozen=True)
class CrossFitted:
    """A ridge regression of some patients, and what models that did not see a patient say of each.

    Attributes
    ----------
    ridge : Ridge
        Of all its patients.
    margin : ndarray of float64, shape (n,)
        Of each patient of the cohort, by a model that saw none of the patient's fold, not even to weigh its penalties.
    score : ndarray of float64, shape (n,)
        The same above the margin of that model's average patient: what differs between models of small folds is left
        to the calibration.
    margins : dict of int to ndarray of float64, shape (n,)
        As seen from within a training set: ``margins[f]`` of a patient is by a model that saw
        neither fold f nor the patient's own, with penalties weighed without fold f; NaN for the patients of fold f.
        ``margins[-1]`` leaves out the patient's own fold alone.

    Examples
    --------
    >>> X, y = np.linspace(-1, 1, 40)[:, None], np.array([0.0, 1.0] * 20)
    >>> fitted = cross_fit(X, y, np.ones(40, dtype=bool), np.arange(40) % 4)
    >>> sorted(fitted.margins), int(np.isnan(fitted.margins[0]).sum())
    ([-1, 0, 1, 2, 3], 10)
    """

    ridge: Ridge
    margin: np.ndarray
    score: np.ndarray
    margins: dict[int, np.ndarray]


class _Paths:
    """Ridge regressions without some folds, each fitted once: leaving out two folds serves both of them."""

    def __init__(self, X: np.ndarray, y: np.ndarray, rows: np.ndarray, folds: np.ndarray, logistic: bool) -> None:
        self.X, self.y, self.rows, self.folds, self.logistic = X, y, rows, folds, logistic
        self.known: dict[frozenset[int], Path] = {}

    def without(self, *left: int) -> Path:
        key = frozenset(left) - {-1}
        if key not in self.known:
            mine = self.rows & ~np.isin(self.folds, list(key))
            self.known[key] = fit_path(self.X[mine], self.y[mine], logistic=self.logistic)
        return self.known[key]


def cross_fit(X: np.ndarray, y: np.ndarray, rows: np.ndarray, folds: np.ndarray, logistic: bool = True) -> CrossFitted:
    """Fit a ridge regression, penalties weighed on folds left out, and score every patient by models blind to them.

    Parameters
    ----------
    X : ndarray of float64, shape (n, p)
        Of the cohort, NaN where not known.
    y : ndarray of float64, shape (n,)
        Outcome; read where `rows` is true.
    rows : ndarray of bool, shape (n,)
        Patients to learn from.
    folds : ndarray of int, shape (n,)
        Fold of each patient, 0 or more.
    logistic : bool, default True
        Link: logistic, or linear.

    Returns
    -------
    CrossFitted
        Of the patients in `rows`; the scores are of all.

    Examples
    --------
    >>> X, y = np.linspace(-1, 1, 40)[:, None], np.array([0.0, 1.0] * 20)
    >>> cross_fit(X, y, np.ones(40, dtype=bool), np.arange(40) % 4).score.shape
    (40,)
    """
    paths = _Paths(X, y, rows, folds, logistic)
    every = [int(f) for f in np.unique(folds)]
    margin, score, margins, weights = np.full(len(X), np.nan), np.full(len(X), np.nan), {}, {}
    for left in (-1, *every):
        seen = np.full((len(X), len(SPREADS)), np.nan)
        for f in every:
            if f != left:
                seen[folds == f] = paths.without(left, f).margins(X[folds == f])
        inside = rows & (folds != left)
        weights[left] = _weights(seen[inside], y[inside], logistic)
        margins[left] = seen @ weights[left]
        if left >= 0:
            path, out = paths.without(left), folds == left
            margin[out] = path.margins(X[out]) @ weights[left]
            score[out] = margin[out] - path.intercepts @ weights[left]
    return CrossFitted(paths.without().mix(weights[-1]), margin, score, margins)


def fit_inside(X: np.ndarray, y: np.ndarray, rows: np.ndarray, folds: np.ndarray, logistic: bool = True) -> Ridge:
    """Fit a ridge regression, its penalties weighed on folds left out.

    Parameters
    ----------
    X : ndarray of float64, shape (n, p)
        Of the cohort, NaN where not known.
    y : ndarray of float64, shape (n,)
        Outcome or pseudo-outcome; read where `rows` is true.
    rows : ndarray of bool, shape (n,)
        Patients to learn from.
    folds : ndarray of int, shape (n,)
        Fold of each patient.
    logistic : bool, default True
        Link: logistic, or linear.

    Returns
    -------
    Ridge
        Of the patients in `rows`.

    Examples
    --------
    >>> X, y = np.linspace(-1, 1, 40)[:, None], np.linspace(-1, 1, 40)
    >>> fitted = fit_inside(X, y, np.ones(40, dtype=bool), np.arange(40) % 4, logistic=False)
    >>> round(float(fitted.score(np.array([[1.0]]))[0]), 1)
    1.0
    """
    paths = _Paths(X, y, rows, folds, logistic)
    seen = np.full((len(X), len(SPREADS)), np.nan)
    for f in np.unique(folds[rows]):
        out = rows & (folds == f)
        seen[out] = paths.without(int(f)).margins(X[out])
    return paths.without().mix(_weights(seen[rows], y[rows], logistic))


def _weights(margins: np.ndarray, y: np.ndarray, logistic: bool) -> np.ndarray:
    """Weigh the penalties by the likelihood of held-out patients, as it is over patients drawn anew.

    Pseudo-BMA with the Bayesian bootstrap (Yao 2018, DOI 10.1214/17-BA1091): a few patients do not decide for one.
    """
    if logistic:
        losses = np.logaddexp(0.0, margins) - y[:, None] * margins
        p = expit(margins[:, int(np.argmin(losses.sum(axis=0)))])
        if not np.isin(y, (0.0, 1.0)).all():
            losses /= ((y - p) ** 2).sum() / (p * (1.0 - p)).sum()
    else:
        losses = 0.5 * (y[:, None] - margins) ** 2
        losses /= np.maximum(2.0 * losses.mean(axis=0).min(), 1e-12)
    drawn = np.random.default_rng(0).dirichlet(np.ones(len(y)), _DRAWS) @ losses * len(y)
    return softmax(-drawn, axis=1).mean(axis=0)


def folds_of(strata: Iterable[str], k: int, seed: int) -> np.ndarray:
    """Deal patients out to folds, each stratum evenly.

    Parameters
    ----------
    strata : iterable of str, length n
        Stratum of each patient, such as therapy and outcome.
    k : int
        Folds.
    seed : int
        Chooses who goes where.

    Returns
    -------
    ndarray of int, shape (n,)
        0 to k - 1.

    Examples
    --------
    >>> folds_of(["a"] * 4 + ["b"] * 2, 2, 0)[4:].tolist() in ([0, 1], [1, 0])
    True
    """
    names = np.array(list(strata), dtype=object)
    rng = np.random.default_rng(seed)
    folds, dealt = np.zeros(len(names), dtype=np.int64), 0
    for stratum in sorted(set(names)):
        mine = rng.permutation(np.flatnonzero(names == stratum))
        folds[mine] = (dealt + np.arange(len(mine))) % k
        dealt += len(mine)
    return folds
