"""Decision curves: what acting on a prediction is worth, at every price of a treatment in vain."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from theracast.errors import DataError, UsageError
from theracast.models.estimates import read_columns, wilson

#: Probabilities from which one would treat, where nothing else is asked for.
THRESHOLDS = tuple(np.round(np.arange(0.04, 0.61, 0.02), 2).tolist())
#: The same in every validation: from nineteen treatments in vain for a response down to less than one.
PLAUSIBLE = tuple(np.round(np.arange(0.05, 0.61, 0.05), 2).tolist())
#: Below this many responders or non-responders nothing is claimed.
FEW_OF_A_CLASS = 10
TOO_FEW = "too few to tell"
#: Name, among the cohorts, of their mean.
MEAN_OF_COHORTS = "mean of the cohorts"
_COLUMNS = ("net_benefit", "lower", "upper", "treat_all", "gain", "gain_lower", "gain_upper")


def net_benefit(
    y: ArrayLike,
    p: ArrayLike,
    thresholds: ArrayLike = THRESHOLDS,
    level: float = 0.95,
) -> pd.DataFrame:
    """Net benefit of treating those predicted to respond, beside treating everyone and no one.

    Vickers and Elkin 2006, DOI 10.1177/0272989X06295361: ``TP / n - FP / n * t / (1 - t)``. Who treats from a
    probability t up takes (1 - t) / t treatments in vain for one response. Intervals are closed: those of the two
    shares are Wilson's, put together by their distances and their correlation (Zou and Donner 2008,
    10.1002/sim.3095). Of 20 patients percentiles of a bootstrap are far too narrow wherever few are treated.

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

    Returns
    -------
    DataFrame
        One row per threshold: ``threshold``; ``net_benefit`` with ``lower`` and ``upper``, in responses per patient,
        at most the response rate, higher is better; ``treat_all`` (``treat_none`` is 0); ``gain`` over the better of
        treating all and none on these patients, with ``gain_lower`` and ``gain_upper``.

    Raises
    ------
    UsageError
        On thresholds or a level outside 0-1.
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
    n = truth.size
    if not n:
        raise DataError("no patients", where="y")
    price = at / (1.0 - at)
    treated, responded = probability[:, None] >= at, (truth == 1)[:, None]
    value, lower, upper = _weighed(
        (treated & responded).sum(axis=0), (treated & ~responded).sum(axis=0), n, price, level
    )
    everyone = responded.mean() - price * (~responded).mean()
    # against treating everyone only those untreated count: responses lost, treatments in vain spared
    lost, low, high = _weighed((~treated & responded).sum(axis=0), (~treated & ~responded).sum(axis=0), n, price, level)
    # the rule to beat is the better one on the patients at hand
    rule = everyone > 0
    gain, gain_lower, gain_upper = (np.where(rule, 0.0 - a, b) for a, b in ((lost, value), (high, lower), (low, upper)))
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


def decision_table(predictions: pd.DataFrame, model: str, thresholds: ArrayLike = PLAUSIBLE) -> pd.DataFrame:
    """Net benefit of a model on every cohort, and its plain mean over those that are large enough.

    Which threshold is right nobody reads from data: it is the price that patient and clinic put on a treatment in
    vain. The table shows what each would have brought; it recommends none.

    Parameters
    ----------
    predictions : DataFrame
        One row per labelled patient: ``cohort``, ``y`` (1 responded) and the probability under the name of the model,
        by a model that had not seen the cohort. Patients without a probability are left out.
    model : str
        Column of the probability.
    thresholds : array-like of shape (n_thresholds,)
        Probabilities from which one would treat, in (0, 1).

    Returns
    -------
    DataFrame
        One row per cohort and threshold: ``cohort`` and the columns of `net_benefit`, with ``state``: empty, or
        ``too few to tell`` below 10 responders or 10 non-responders. The cohort ``mean of the cohorts`` is the mean
        over those of no such state, each counting the same, with Student's 95% interval over cohorts, or that of the
        mean of the cohorts' own intervals where it is wider; it comes with two of them or more.

    Raises
    ------
    UsageError
        As `net_benefit`.
    DataError
        As `net_benefit`.

    Examples
    --------
    >>> p = pd.DataFrame({"cohort": "a", "y": [0, 0, 0, 1], "ours": [0.1, 0.3, 0.6, 0.8]})
    >>> decision_table(p, "ours", [0.5])[["cohort", "net_benefit", "state"]].values.tolist()
    [['a', 0.0, 'too few to tell']]
    """
    parts = []
    for cohort, part in predictions[predictions[model].notna()].groupby("cohort", sort=False):
        curve = net_benefit(part["y"], part[model], thresholds)
        few = min((part["y"] == 1).sum(), (part["y"] == 0).sum()) < FEW_OF_A_CLASS
        curve.insert(0, "cohort", cohort)
        parts.append(curve.assign(state=TOO_FEW if few else ""))
    if not parts:
        return pd.DataFrame(columns=["cohort", "threshold", *_COLUMNS, "state"])
    table = pd.concat(parts, ignore_index=True)
    large = table[table["state"] == ""]
    if large["cohort"].nunique() < 2:
        return table
    return pd.concat([table, _mean_over_cohorts(large)], ignore_index=True)


def _weighed(
    gained: np.ndarray, spent: np.ndarray, n: int, price: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give one share of all patients minus the price times another, of other patients, with its interval."""
    a, b = gained / n, spent / n
    (a_lower, a_upper), (b_lower, b_upper) = (
        wilson(gained, np.full(a.shape, n), level),
        wilson(spent, np.full(b.shape, n), level),
    )
    # who is in one share is not in the other
    odds = a * b / np.where((a < 1) & (b < 1), (1.0 - a) * (1.0 - b), 1.0)
    apart = np.sqrt(np.minimum(odds, 1.0))
    value = a - price * b

    def _reach(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return np.sqrt(one**2 + 2.0 * apart * one * other + other**2)

    lower = value - _reach(a - a_lower, price * (b_upper - b))
    return value, lower, value + _reach(a_upper - a, price * (b - b_lower))


def _mean_over_cohorts(table: pd.DataFrame) -> pd.DataFrame:
    """Average over cohorts, with the wider of Student's interval and that of the cohorts' own, put together."""
    grouped = table.groupby("threshold")
    mean, k = grouped[["net_benefit", "treat_all", "gain"]].mean(), table["cohort"].nunique()
    for value, lower, upper in (("net_benefit", "lower", "upper"), ("gain", "gain_lower", "gain_upper")):
        over = grouped[value].std() * float(stdtrit(k - 1, 0.975)) / np.sqrt(k)
        for end, sign in ((lower, -1.0), (upper, 1.0)):
            # cohorts of which each treats nobody agree, and still none of them knows
            within = np.sqrt(((table[value] - table[end]) ** 2).groupby(table["threshold"]).sum()) / k
            mean[end] = mean[value] + sign * np.maximum(over, within)
    found = mean.assign(cohort=MEAN_OF_COHORTS, state="").reset_index()
    return found[["cohort", "threshold", *_COLUMNS, "state"]]
