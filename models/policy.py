"""What a policy is worth: the response rate if everybody got the therapy that it names, by doubly robust scores.

A policy names a therapy per patient (an array), one for all (a string), or gives each therapy a probability (a table).
Judge a policy on patients from whom it was not learned: with scores and policies made out of fold, the interval is
that of the folds' policies on average (10.3982/ECTA15732).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from theracast.errors import DataError
from theracast.models.estimates import NOT_ESTIMABLE, Estimate, normal_quantile, read_columns

#: How far the probabilities of a patient may be from adding up to 1.
_SUM = 1e-6


def doubly_robust_scores(
    y: ArrayLike,
    treatment: ArrayLike,
    propensity: Mapping[str, float] | pd.DataFrame,
    outcome: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Score every patient under every therapy; the mean of a column is that therapy's response rate in everybody.

    The score is the predicted outcome, plus, under the therapy that was given, what was seen above it over the
    propensity. It is unbiased when either the propensities or the predictions are right (Robins 1994,
    10.1080/01621459.1994.10476818; Dudik 2014, 10.1214/14-STS500).

    Parameters
    ----------
    y : array-like of shape (n_patients,)
        Outcome 0/1.
    treatment : array-like of str, shape (n_patients,)
        Therapy that was given.
    propensity : mapping of str to float, or DataFrame of shape (n_patients, n_therapies)
        Probability of each therapy, in [0, 1]: known, as in a randomised trial, or estimated per patient.
    outcome : DataFrame of shape (n_patients, n_therapies), optional
        Predicted response probability under each therapy, from patients other than this one; 0 by default, which
        leaves inverse propensity weighting.

    Returns
    -------
    DataFrame of float64, shape (n_patients, n_therapies)
        In probability; single scores may lie outside 0-1. NaN where the propensity is 0: such a patient could not
        have had the therapy.

    Raises
    ------
    DataError
        On unequal lengths, outcomes other than 0 and 1, propensities outside 0-1; THX-D21 on a therapy without a
        propensity; THX-D35 on a therapy that was given although its propensity is 0.

    Examples
    --------
    >>> half = {"drug": 0.5, "placebo": 0.5}
    >>> doubly_robust_scores([1, 0], ["drug", "placebo"], half).to_numpy().tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    (seen,) = read_columns(y=y)
    given = np.asarray(treatment).astype(str)
    if given.shape != seen.shape:
        raise DataError("unequal lengths", where="treatment", got=str(given.size), wanted=str(seen.size))
    therapies, chance = _propensities(propensity, seen.size)
    unknown = sorted(set(given) - set(therapies))
    if unknown:
        raise DataError("a therapy has no propensity", code="THX-D21", where="treatment", wanted=", ".join(therapies))
    taken = given[:, None] == np.array(therapies)[None, :]
    if (chance[taken] <= 0).any():
        raise DataError(
            "a therapy was given to patients whose propensity for it is 0",
            code="THX-D35",
            where="propensity",
            fix="Estimate the propensities anew: what was given was possible.",
        )
    predicted = np.zeros_like(chance) if outcome is None else _laid_out(outcome, therapies, seen.size, "outcome")
    with np.errstate(divide="ignore", invalid="ignore"):
        excess = np.where(taken, (seen[:, None] - predicted) / chance, 0.0)
    scores = np.where(chance > 0, predicted + excess, np.nan)
    index = outcome.index if outcome is not None else None
    return pd.DataFrame(scores, columns=list(therapies), index=index)


def policy_contributions(scores: pd.DataFrame, policy: ArrayLike | pd.DataFrame | str) -> np.ndarray:
    """Score every patient under what the policy names for them; the mean is the value of the policy.

    Average the contributions of several repeats of the folds patient by patient before `mean_estimate`: repeats are
    no new patients.

    Parameters
    ----------
    scores : DataFrame of shape (n_patients, n_therapies)
        From `doubly_robust_scores`.
    policy : array-like of str, str, or DataFrame of shape (n_patients, n_therapies)
        Therapy of each patient, one therapy for all, or probabilities, rows adding up to 1.

    Returns
    -------
    ndarray of float64, shape (n_patients,)
        In probability.

    Raises
    ------
    DataError
        THX-D21 on a therapy without scores; THX-D35 when the policy names a therapy for patients whose propensity for
        it is 0; unequal lengths, and probabilities that do not add up to 1.

    Examples
    --------
    >>> scores = pd.DataFrame({"drug": [1.0, 0.2], "placebo": [0.1, 0.4]})
    >>> policy_contributions(scores, ["drug", "placebo"]).tolist(), policy_contributions(scores, "drug").tolist()
    ([1.0, 0.4], [1.0, 0.2])
    """
    shares = _shares(policy, tuple(scores.columns), len(scores))
    values = scores.to_numpy(dtype=np.float64)
    _refuse_impossible(shares, np.isnan(values))
    return np.where(shares > 0, shares * values, 0.0).sum(axis=1)


def mean_estimate(contributions: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean of one contribution per patient, with the normal interval of its influence function.

    Parameters
    ----------
    contributions : array-like of shape (n_patients,)
        From `policy_contributions`, or the difference of two.
    level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        In probability; NaN below two patients.

    Examples
    --------
    >>> print(mean_estimate([0.0, 1.0, 0.0, 1.0]))
    .50 (-.07 to 1.07)
    """
    (values,) = read_columns(contributions=contributions)
    z = normal_quantile(level)
    if values.size < 2:
        return NOT_ESTIMABLE
    mean, se = float(values.mean()), float(values.std(ddof=1) / np.sqrt(values.size))
    return Estimate(mean, mean - z * se, mean + z * se, se)


def policy_value(
    y: ArrayLike,
    treatment: ArrayLike,
    policy: ArrayLike | pd.DataFrame | str,
    propensity: Mapping[str, float] | pd.DataFrame,
    outcome: pd.DataFrame | None = None,
    level: float = 0.95,
) -> Estimate:
    """Response rate if everybody got what the policy names, with its interval.

    Parameters
    ----------
    y, treatment : array-like of shape (n_patients,)
        As `doubly_robust_scores`.
    policy : array-like of str, str, or DataFrame
        As `policy_contributions`; a string is the value of treating all with it.
    propensity, outcome : mapping or DataFrame, DataFrame or None
        As `doubly_robust_scores`.
    level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        In probability (higher = more patients respond).

    Raises
    ------
    DataError
        As `doubly_robust_scores` and `policy_contributions`.

    Examples
    --------
    >>> y, given = [1, 0, 1, 0, 0, 0, 1, 0], ["drug"] * 4 + ["placebo"] * 4
    >>> print(policy_value(y, given, "drug", {"drug": 0.5, "placebo": 0.5}))
    .50 (-.14 to 1.14)
    """
    return mean_estimate(policy_contributions(doubly_robust_scores(y, treatment, propensity, outcome), policy), level)


def policy_gain(
    y: ArrayLike,
    treatment: ArrayLike,
    policy: ArrayLike | pd.DataFrame | str,
    reference: ArrayLike | pd.DataFrame | str,
    propensity: Mapping[str, float] | pd.DataFrame,
    outcome: pd.DataFrame | None = None,
    level: float = 0.95,
) -> Estimate:
    """Value of one policy above that of another, paired: patients for whom both name the same cancel out.

    Parameters
    ----------
    y, treatment : array-like of shape (n_patients,)
        As `doubly_robust_scores`.
    policy, reference : array-like of str, str, or DataFrame
        As `policy_contributions`.
    propensity, outcome : mapping or DataFrame, DataFrame or None
        As `doubly_robust_scores`.
    level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        In probability; positive when `policy` is better.

    Raises
    ------
    DataError
        As `policy_value`.

    Examples
    --------
    >>> y, given, half = [1, 0, 1, 0], ["drug", "placebo"] * 2, {"drug": 0.5, "placebo": 0.5}
    >>> print(policy_gain(y, given, "drug", "drug", half), policy_gain(y, given, "drug", "placebo", half).value)
    .00 (.00-.00) 1.0
    """
    scores = doubly_robust_scores(y, treatment, propensity, outcome)
    return mean_estimate(policy_contributions(scores, policy) - policy_contributions(scores, reference), level)


def self_normalised_value(
    y: ArrayLike,
    treatment: ArrayLike,
    policy: ArrayLike | pd.DataFrame | str,
    propensity: Mapping[str, float] | pd.DataFrame,
    level: float = 0.95,
) -> Estimate:
    """Response rate of the patients who happened to get what the policy names, weighted by 1 / propensity.

    The simpler estimator to hold `policy_value` against: no predictions, never outside 0-1, right only if the
    propensities are (Hajek's ratio; 10.1214/14-STS500, section 4).

    Parameters
    ----------
    y, treatment : array-like of shape (n_patients,)
        As `doubly_robust_scores`.
    policy : array-like of str, str, or DataFrame
        As `policy_contributions`.
    propensity : mapping or DataFrame
        As `doubly_robust_scores`.
    level : float, default 0.95
        Coverage of the interval.

    Returns
    -------
    Estimate
        In probability; NaN when no patient got what the policy names.

    Raises
    ------
    DataError
        As `policy_value`.

    Examples
    --------
    >>> y, given, half = [1, 0, 1, 1], ["drug", "drug", "placebo", "placebo"], {"drug": 0.5, "placebo": 0.5}
    >>> self_normalised_value(y, given, ["drug", "drug", "drug", "placebo"], half).value.__round__(3)
    0.667
    """
    doubly_robust_scores(y, treatment, propensity)  # refuses what cannot be
    (seen,) = read_columns(y=y)
    therapies, chance = _propensities(propensity, seen.size)
    shares = _shares(policy, therapies, seen.size)
    _refuse_impossible(shares, chance <= 0)
    taken = np.asarray(treatment).astype(str)[:, None] == np.array(therapies)[None, :]
    weight = shares[taken] / chance[taken]
    z = normal_quantile(level)
    if not weight.any():
        return NOT_ESTIMABLE
    value = float(weight @ seen / weight.sum())
    se = float(np.sqrt(weight**2 @ (seen - value) ** 2) / weight.sum())
    return Estimate(value, value - z * se, value + z * se, se)


def _propensities(propensity: Mapping[str, float] | pd.DataFrame, size: int) -> tuple[tuple[str, ...], np.ndarray]:
    therapies = tuple(str(t) for t in propensity)
    if isinstance(propensity, pd.DataFrame):
        chance = _laid_out(propensity, therapies, size, "propensity")
    else:
        chance = np.tile(np.array(list(propensity.values()), dtype=np.float64), (size, 1))
    if not ((chance >= 0) & (chance <= 1)).all():
        raise DataError("holds probabilities outside 0-1", where="propensity")
    return therapies, chance


def _laid_out(table: pd.DataFrame, therapies: tuple[str, ...], size: int, where: str) -> np.ndarray:
    if len(table) != size:
        raise DataError("unequal lengths", where=where, got=str(len(table)), wanted=str(size))
    if set(table.columns) != set(therapies):
        raise DataError("names other therapies", code="THX-D21", where=where, wanted=", ".join(therapies))
    values = table[list(therapies)].to_numpy(dtype=np.float64)
    if np.isnan(values).any():
        raise DataError("holds missing values", where=where)
    return values


def _shares(policy: ArrayLike | pd.DataFrame | str, therapies: tuple[str, ...], size: int) -> np.ndarray:
    """Probability of each therapy under the policy."""
    if isinstance(policy, pd.DataFrame):
        shares = _laid_out(policy, therapies, size, "policy")
        if (shares < 0).any() or (np.abs(shares.sum(axis=1) - 1) > _SUM).any():
            raise DataError("probabilities of a patient do not add up to 1", where="policy")
        return shares
    named = np.full(size, policy, dtype=object) if isinstance(policy, str) else np.asarray(policy).astype(str)
    if named.shape != (size,):
        raise DataError("unequal lengths", where="policy", got=str(named.size), wanted=str(size))
    chosen = named[:, None] == np.array(therapies, dtype=object)[None, :]
    if not chosen.any(axis=1).all():
        raise DataError("names a therapy that nobody could get", code="THX-D21", where="policy",
                        wanted=", ".join(therapies))  # fmt: skip
    return chosen.astype(np.float64)


def _refuse_impossible(shares: np.ndarray, impossible: np.ndarray) -> None:
    rows = ((shares > 0) & impossible).any(axis=1)
    if rows.any():
        raise DataError(
            "the policy names a therapy for patients who could not have had it",
            code="THX-D35",
            where="policy",
            got=f"propensity 0 for {int(rows.sum())} of {len(rows)} patients",
            fix="Leave these patients out, or name a therapy that was given to patients like them.",
        )
