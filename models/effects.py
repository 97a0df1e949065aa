"""Adjusted effects with standard errors: hazard ratios by Cox regression, odds ratios by logistic regression.

The fits are statsmodels' (BSD-3-Clause), an optional package: ``pip install 'theracast[survival]'``.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from theracast.errors import DataError, SetupError
from theracast.models.estimates import read_columns

#: A standard error above it, in log ratio per SD, means that the fit has run away: a few patients decide everything.
_RUN_AWAY = 5.0


def hazard_effects(
    features: pd.DataFrame, time: ArrayLike, event: ArrayLike, strata: ArrayLike | None = None
) -> pd.DataFrame:
    """Effect of each feature on the hazard, given the others (Cox 1972, 10.1111/j.2517-6161.1972.tb00899.x).

    Ties by Efron (1977, 10.1080/01621459.1977.10480613). Each stratum has its own baseline hazard, so that what differs
    between strata is not taken for an effect.

    Parameters
    ----------
    features : DataFrame of shape (n_patients, n_features)
        Numbers, no NaN, on the scale on which the effect is wanted.
    time, event : array-like of shape (n_patients,)
        Time to event or end of observation, in any unit; 1 = happened, 0 = censored.
    strata : array-like of shape (n_patients,), optional
        Such as the tumour type.

    Returns
    -------
    DataFrame
        Indexed by feature: ``log_ratio`` (natural logarithm of the hazard ratio per unit; above 0 means an earlier
        event) and ``se``; NaN where the fit has no end.

    Raises
    ------
    DataError
        On missing values, no event, times that are negative, or a feature that is constant or a copy of others within
        the strata.
    SetupError
        When statsmodels is not installed.

    Examples
    --------
    >>> X = pd.DataFrame({"dose": [0, 1, 0, 1, 0, 1]})
    >>> hazard_effects(X, [1, 2, 3, 4, 5, 6], [1, 1, 1, 0, 1, 1]).round(4).to_dict("index")
    {'dose': {'log_ratio': -1.2075, 'se': 1.1584}}
    """
    times, happened = read_columns(time=time, event=event)
    if not np.isin(happened, (0, 1)).all():
        raise DataError("holds other values than 0 and 1", where="event")
    if not ((times >= 0) & np.isfinite(times)).all():
        raise DataError("holds negative or infinite values", where="time")
    X, groups = _design(features, strata, times.size)
    if not happened.any():
        raise DataError("no event: nothing can be said about the hazard", where="event", got=f"{times.size} patients")
    kind = _statsmodels("duration.hazard_regression", "PHReg")
    model = kind(times, X, status=happened, strata=groups, ties="efron")
    return _fitted(model, features)


def odds_effects(features: pd.DataFrame, response: ArrayLike, strata: ArrayLike | None = None) -> pd.DataFrame:
    """Effect of each feature on the odds of response, given the others, by logistic regression without a penalty.

    Parameters
    ----------
    features : DataFrame of shape (n_patients, n_features)
        Numbers, no NaN.
    response : array-like of shape (n_patients,)
        1 responded, 0 did not.
    strata : array-like of shape (n_patients,), optional
        Each has its own intercept; strata in which everybody or nobody responded say nothing and are left out.

    Returns
    -------
    DataFrame
        Indexed by feature: ``log_ratio`` (natural logarithm of the odds ratio per unit; above 0 means that response is
        more likely) and ``se``; NaN where the fit has no end.

    Raises
    ------
    DataError
        On missing values, a response of one kind, or a feature that is constant or a copy of others within the strata.
    SetupError
        When statsmodels is not installed.

    Examples
    --------
    >>> X = pd.DataFrame({"marker": [1, 1, 1, 0, 0, 0]})
    >>> odds_effects(X, [1, 1, 0, 1, 0, 0]).round(4).to_dict("index")
    {'marker': {'log_ratio': 1.3863, 'se': 1.7321}}
    """
    (y,) = read_columns(y=response)
    X, groups = _design(features, strata, y.size)
    mixed = [g for g in np.unique(groups) if 0 < y[groups == g].mean() < 1]
    if not mixed:
        raise DataError("response is of one kind: nothing can be said about its odds", where="response")
    kept = np.isin(groups, mixed)
    _design(features[kept], groups[kept], int(kept.sum()))
    design = np.column_stack([X, groups[:, None] == np.array(mixed)])[kept]
    model = _statsmodels("discrete.discrete_model", "Logit")(y[kept], design)
    return _fitted(model, features)


def _design(features: pd.DataFrame, strata: ArrayLike | None, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Read the features and the strata, as whole numbers; refuse what no fit can tell apart."""
    if not n or not features.shape[1]:
        raise DataError("no patients or no features", where="features", got=f"{n} x {features.shape[1]}")
    X = np.column_stack(read_columns(**{str(c): v for c, v in features.items()}))
    among = np.zeros(n) if strata is None else np.asarray(strata)
    if len(X) != n or among.shape != (n,):
        raise DataError("unequal lengths", where="features, outcome, strata", got=f"{len(X)}, {n}, {among.size}")
    if pd.isna(among).any():
        raise DataError("holds missing values", where="strata", fix="Leave these rows out first.")
    groups = np.unique(among, return_inverse=True)[1]
    within = X - pd.DataFrame(X).groupby(groups).transform("mean").to_numpy()
    spread = np.sqrt((within**2).mean(axis=0))
    flat = spread <= 1e-10 * np.maximum(np.abs(X).max(axis=0), 1.0)
    if flat.any() or np.linalg.matrix_rank(within / spread, tol=1e-8 * np.sqrt(n)) < X.shape[1]:
        wrong = ", ".join(str(c) for c in features.columns[flat]) or "a feature is a copy or a sum of others"
        raise DataError("cannot be told apart within the strata", where="features", got=wrong, fix="Leave one out.")
    return X, groups


def _statsmodels(module: str, name: str) -> Any:
    """Import a model, or say how to install it."""
    try:
        return getattr(import_module(f"statsmodels.{module}"), name)
    except ImportError:
        raise SetupError("the package statsmodels is not installed", fix="pip install 'theracast[survival]'") from None


def _fitted(model: Any, features: pd.DataFrame) -> pd.DataFrame:
    """Fit; an end that was not reached is no estimate."""
    from statsmodels.tools.sm_exceptions import ModelWarning

    nothing = pd.DataFrame(np.nan, index=features.columns, columns=["log_ratio", "se"])
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("error", ModelWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        try:
            done = model.fit(disp=0, maxiter=100)
        except (ModelWarning, np.linalg.LinAlgError):
            return nothing
    found = nothing.assign(log_ratio=done.params[: len(nothing)], se=done.bse[: len(nothing)])
    held = np.isfinite(found).all(axis=1) & (found["se"] * features.std() < _RUN_AWAY)
    return found.where(held, np.nan)
