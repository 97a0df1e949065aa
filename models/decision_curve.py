"""Decision curves: what acting on a prediction is worth, at every price of a treatment in vain."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from theracast.errors import DataError, UsageError
from theracast.models.estimates import read_columns

#: Probabilities from which one would treat, where nothing else is asked for.
THRESHOLDS = tuple(np.round(np.arange(0.04, 0.61, 0.02), 2).tolist())


def net_benefit(
    y: ArrayLike,
    p: ArrayLike,
    thresholds: ArrayLike = THRESHOLDS,
    level: float = 0.95,
    draws: int = 1000,
    seed: int = 0,
) -> pd.DataFrame:
    """Net benefit of treating those predicted to respond, beside treating everyone and no one.

    Vickers and Elkin 2006, DOI 10.1177/0272989X06295361: ``TP / n - FP / n * t / (1 - t)``. Who treats from a
    probability t up takes (1 - t) / t treatments in vain for one response. Intervals are percentiles over patients
    drawn anew; those of a difference are of the same draws.

    Parameters
    ----------
    y : array-like of 0 and 1, shape (n_patients,)
        1 responded.
    p : array-like of shape (n_patients,)
        Predicted probability of response, 0-1.
    thresholds : array-like of shape (n_thresholds,)
        Probabilities from which one would treat, in (0, 1).
    level : float, default 0.95
        Coverage of the intervals.
    draws : int, default 1000
        How often patients are drawn.
    seed : int, default 0
        Of the draws.

    Returns
    -------
    DataFrame
        One row per threshold: ``threshold``; ``net_benefit`` with ``lower`` and ``upper``, in responses per patient,
        at most the response rate, higher is better; ``treat_all`` (``treat_none`` is 0); ``gain`` over the better of
        treating all and none, with ``gain_lower`` and ``gain_upper``.

    Raises
    ------
    UsageError
        On thresholds or a level outside 0-1, or no draw.
    DataError
        Without patients, on missing values, unequal lengths, outcomes other than 0 and 1, or probabilities outside
        0-1.

    Examples
    --------
    >>> found = net_benefit([0, 0, 0, 1], [0.1, 0.3, 0.6, 0.8], [0.5])
    >>> found[["net_benefit", "treat_all", "gain"]].values.tolist()
    [[0.0, -0.5, 0.0]]
    """
    truth, probability = read_columns(y=y, p=p)
    at = np.atleast_1d(np.asarray(thresholds, dtype=np.float64))
    if not ((at > 0) & (at < 1)).all():
        raise UsageError("a threshold lies between 0 and 1", got=str(at.tolist()))
    if not 0 < level < 1:
        raise UsageError("the level of an interval lies between 0 and 1", got=str(level))
    if draws < 1:
        raise UsageError("at least one draw is needed", got=str(draws))
    n = truth.size
    if not n:
        raise DataError("no patients", where="y")
    price = at / (1.0 - at)
    # what one patient adds: nothing untreated, 1 for a response, the price for a treatment in vain
    worth = np.where(truth[:, None] == 1, 1.0, -price)
    treated = np.where(probability[:, None] >= at, worth, 0.0)
    times = np.random.default_rng(seed).multinomial(n, np.full(n, 1.0 / n), size=draws).astype(np.float64)
    value, everyone = treated.mean(axis=0), worth.mean(axis=0)
    drawn, drawn_everyone = times @ treated / n, times @ worth / n
    # the rule to beat is the better one on the patients at hand, in every draw the same
    rule = everyone > 0
    gain, drawn_gain = value - np.where(rule, everyone, 0.0), drawn - np.where(rule, drawn_everyone, 0.0)
    shares = [(1 - level) / 2, (1 + level) / 2]
    (lower, upper), (gain_lower, gain_upper) = (np.quantile(d, shares, axis=0) for d in (drawn, drawn_gain))
    return pd.DataFrame(
        {
            "threshold": at,
            "net_benefit": value,
            "lower": lower,
            "upper": upper,
            "treat_all": everyone,
            "gain": gain,
            "gain_lower": gain_lower,
            "gain_upper": gain_upper,
        }
    )
