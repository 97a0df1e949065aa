"""Evidence that may be looked at as often as one likes: bets against what a model promises.

Each process starts at 1 and, while the promise holds, does not grow on average. By Ville's inequality it ever reaches
``1 / alpha`` with a probability of at most ``alpha``, whenever and however often it is looked at (10.1214/23-STS894).
The promise is held outcome by outcome; that outcomes of one kind are told sooner than others is not covered.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit, logsumexp

from theracast.errors import DataError
from theracast.models.estimates import read_columns
from theracast.models.recalibration import INTERCEPT_SD, SLOPE_SD

_EDGE = 1e-6
_SHIFTS = np.linspace(-1.5, 1.5, 13)
_SLOPES = np.array([0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0])
#: Miss rates, as multiples of what is promised, that are bet on.
_MORE = np.array([1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0])
_ROWS = 65_536


def calibration_evidence(
    y: ArrayLike, p: ArrayLike, centre: float = 0.5, at: Sequence[int] | None = None
) -> np.ndarray:
    """Bet against probabilities, by lines on the log-odds.

    The bets are intercepts and slopes, weighted by how far both lay from 0 and 1 on cohorts that models had not seen
    (`theracast.models.recalibration.INTERCEPT_SD`, ``SLOPE_SD``).

    Parameters
    ----------
    y, p : array-like of shape (n_patients,)
        Outcome 0/1, and the probability that was told before it, 0-1. The order matters for the path, not for its end.
    centre : float, default 0.5
        Probability around which slopes turn, such as the response rate in training; chosen before any outcome.
    at : sequence of int, optional
        After how many outcomes the evidence is wanted, ascending; after each by default.

    Returns
    -------
    ndarray of float64
        Natural logarithm of the evidence; at most ``log(1 / alpha)``, but with probability `alpha`, if the
        probabilities are right.

    Raises
    ------
    DataError
        On missing values, unequal lengths, outcomes other than 0 and 1, or probabilities outside 0-1.

    Examples
    --------
    >>> round(float(calibration_evidence([1] * 20, [0.2] * 20)[-1]), 1)
    20.5
    """
    truth, told = read_columns(y=y, p=p)
    ends = np.arange(1, truth.size + 1) if at is None else np.asarray(at, dtype=np.int64)
    x = logit(np.clip(told, _EDGE, 1 - _EDGE))
    middle = float(logit(centre))
    shift, slope = (g.ravel() for g in np.meshgrid(_SHIFTS, _SLOPES))
    weight = -0.5 * ((shift / INTERCEPT_SD) ** 2 + ((slope - 1) / SLOPE_SD) ** 2)
    weight[(shift == 0) & (slope == 1)] = -np.inf  # not a bet
    weight -= logsumexp(weight)

    def _gained(rows: slice) -> np.ndarray:
        sign = (2 * truth[rows] - 1)[:, None]
        line = middle + shift + slope * (x[rows, None] - middle)
        return np.logaddexp(0, -sign * x[rows, None]) - np.logaddexp(0, -sign * line)

    return logsumexp(_summed(_gained, ends, len(shift)) + weight, axis=1)


def shortfall_evidence(missed: ArrayLike, promised: float, at: Sequence[int] | None = None) -> np.ndarray:
    """Bet against a promise that no more than a share goes wrong.

    Parameters
    ----------
    missed : array-like of shape (n_patients,)
        1 where it went wrong, else 0.
    promised : float
        The greatest share that was promised, inside 0-1.
    at : sequence of int, optional
        As in `calibration_evidence`.

    Returns
    -------
    ndarray of float64
        Natural logarithm of the evidence that more go wrong.

    Raises
    ------
    DataError
        On missing values, or other values than 0 and 1.

    Examples
    --------
    >>> round(float(shortfall_evidence([1, 1, 1, 1, 0, 0], 0.1)[-1]), 1)
    4.1
    """
    (wrong,) = read_columns(y=missed)
    if not 0 < promised < 1:
        raise DataError("a promised share lies inside 0-1", got=f"{promised:g}")
    ends = np.arange(1, wrong.size + 1) if at is None else np.asarray(at, dtype=np.int64)
    rates = np.minimum(_MORE * promised, 0.95)

    def _gained(rows: slice) -> np.ndarray:
        bad = wrong[rows, None]
        return bad * np.log(rates / promised) + (1 - bad) * np.log((1 - rates) / (1 - promised))

    return logsumexp(_summed(_gained, ends, len(rates)) - np.log(len(rates)), axis=1)


def expected_gap(p: ArrayLike, slope: float, intercept: float) -> float:
    """Say how far probabilities lie on average from those of a line on the log-odds.

    Parameters
    ----------
    p : array-like of shape (n_patients,)
        Probabilities, 0-1.
    slope, intercept : float
        Of the line.

    Returns
    -------
    float
        Mean absolute difference, 0-1; NaN without patients.

    Raises
    ------
    DataError
        On missing values, or probabilities outside 0-1.

    Examples
    --------
    >>> round(expected_gap([0.5, 0.5], 1.0, 0.4), 3)
    0.099
    """
    (told,) = read_columns(p=p)
    moved = expit(intercept + slope * logit(np.clip(told, _EDGE, 1 - _EDGE)))
    return float(np.abs(moved - told).mean()) if told.size else float("nan")


def _summed(gained: Callable[[slice], np.ndarray], ends: np.ndarray, bets: int) -> np.ndarray:
    """Sum gains up to each end, a part of the rows at a time: a million outcomes of a hundred bets are much memory."""
    total, out = np.zeros(bets), np.zeros((len(ends), bets))
    last = int(ends[-1]) if len(ends) else 0
    for first in range(0, last, _ROWS):
        running = total + np.cumsum(gained(slice(first, min(first + _ROWS, last))), axis=0)
        inside = (ends > first) & (ends <= first + _ROWS)
        out[inside] = running[ends[inside] - first - 1]
        total = running[-1]
    return out
