"""What chance does to an AUC: bootstrap, paired bootstrap, permutation; and quantiles under weights.

As in `theracast.models.metrics`, ``y`` is 1 = responded and 0 = did not, a higher score means a likelier response,
and no value may be missing. The same seed gives the same numbers on any machine and any number of threads.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from theracast.errors import DataError, UsageError
from theracast.kernels.resample import bootstrap_aucs, permuted_sums, weighted_aucs
from theracast.kernels.resample import weighted_quantiles as _weighted_quantiles
from theracast.models.estimates import NOT_ESTIMABLE, Estimate, normal_quantile, read_columns


def aucs(y: ArrayLike, scores: pd.DataFrame, weights: ArrayLike | None = None) -> pd.Series:
    """AUC of each column of a table at once, weighted or not; ties count half.

    For screening thousands of features. One score with its interval: `theracast.models.metrics.auc`.

    Parameters
    ----------
    y : array-like of shape (n_patients,)
        Outcome 0/1.
    scores : DataFrame, patients x scores
        Rows as in `y`.
    weights : array-like of shape (n_patients,), optional
        Weight of each patient, 0 or more; all 1 by default.

    Returns
    -------
    Series
        One AUC per column, on 0-1; NaN when a class is absent or has no weight.

    Raises
    ------
    DataError
        On missing values, unequal lengths, outcomes other than 0 and 1, or weights below 0 or infinite.

    Examples
    --------
    >>> table = pd.DataFrame({"pdl1": [1, 5, 50, 80], "tmb": [9, 2, 4, 4]})
    >>> aucs([0, 0, 1, 1], table).to_dict()
    {'pdl1': 1.0, 'tmb': 0.5}
    """
    weight = _read_weights(weights, len(scores))
    return reweighted_aucs(y, scores, weight[None, :]).iloc[0].rename(None)


def reweighted_aucs(y: ArrayLike, scores: pd.DataFrame, weights: np.ndarray) -> pd.DataFrame:
    """AUC of each column of a table under many weights at once, such as how often each patient was drawn.

    Parameters
    ----------
    y : array-like of shape (n_patients,)
        Outcome 0/1.
    scores : DataFrame, patients x scores
        Rows as in `y`.
    weights : ndarray of float64, shape (n_rows, n_patients)
        Weight of each patient, 0 or more.

    Returns
    -------
    DataFrame, rows of weights x scores
        AUC on 0-1, ties count half; NaN where a class is absent or has no weight.

    Raises
    ------
    DataError
        As `aucs`.

    Examples
    --------
    >>> table = pd.DataFrame({"pdl1": [1, 5, 50, 80], "tmb": [9, 2, 4, 4]})
    >>> reweighted_aucs([0, 0, 1, 1], table, np.array([[1, 1, 1, 1], [2, 0, 1, 0], [1, 1, 0, 0]])).to_numpy().tolist()
    [[1.0, 0.5], [1.0, 0.0], [nan, nan]]
    """
    truth, *columns = _read(y, *(scores[[c]].iloc[:, 0] for c in scores))
    table = np.asarray(weights, dtype=np.float64)
    if table.ndim != 2:
        raise DataError("wanted a row of weights for each area", where="weights", got=f"{table.ndim} dimensions")
    _read_weights(table.ravel(), len(table) * truth.size)
    if not columns:
        return pd.DataFrame(index=range(len(table)), dtype=np.float64)
    return pd.DataFrame(weighted_aucs(*_sorted(columns), truth == 1, table), columns=scores.columns)


def bootstrap_auc(
    y: ArrayLike, score: ArrayLike, level: float = 0.95, draws: int = 10_000, seed: int = 0, stratified: bool = True
) -> Estimate:
    """AUC with the percentile interval of the bootstrap over patients (Efron 1979, 10.1214/aos/1176344552).

    An assumption-light check on DeLong's interval in `theracast.models.metrics.auc`. A perfect AUC has no width
    here: no resample of separated classes overlaps. Then use DeLong's.

    Parameters
    ----------
    y, score : array-like of shape (n_patients,)
        Outcome 0/1, and score in any unit.
    level : float, default 0.95
        Coverage of the interval.
    draws : int, default 10000
        Number of resamples.
    seed : int, default 0
        Chooses the resamples, in [0, 2**32).
    stratified : bool, default True
        Draw responders and non-responders each in their number; otherwise resamples without one class are left out.

    Returns
    -------
    Estimate
        On 0-1, `se` is the standard deviation of the draws. NaN when a class is absent.

    Raises
    ------
    DataError
        As `aucs`.
    UsageError
        On an impossible level, number of draws or seed.

    Examples
    --------
    >>> print(bootstrap_auc([0, 0, 1, 0, 1, 1, 0, 1], [1, 3, 3, 6, 7, 9, 2, 2]))
    .75 (.34-1.00)
    """
    return _interval(_bootstrap(y, [score], draws, seed, stratified), level)


def bootstrap_auc_difference(
    y: ArrayLike,
    score_a: ArrayLike,
    score_b: ArrayLike,
    level: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
    stratified: bool = True,
) -> Estimate:
    """AUC of one score minus that of another, with the percentile interval of the paired bootstrap.

    Both scores are judged on the same resamples, so that what they share cancels.

    Parameters
    ----------
    y, score_a, score_b : array-like of shape (n_patients,)
        Outcome 0/1, and two scores in any unit.
    level : float, default 0.95
        Coverage of the interval.
    draws : int, default 10000
        Number of resamples.
    seed : int, default 0
        Chooses the resamples, in [0, 2**32).
    stratified : bool, default True
        As in `bootstrap_auc`.

    Returns
    -------
    Estimate
        On -1 to 1; positive when `score_a` ranks better. NaN when a class is absent.

    Raises
    ------
    DataError
        As `aucs`.
    UsageError
        As `bootstrap_auc`.

    Examples
    --------
    >>> y = [0, 0, 1, 0, 1, 1, 0, 1]
    >>> print(bootstrap_auc_difference(y, [1, 3, 3, 6, 7, 9, 2, 2], [1, 3, 3, 6, 7, 9, 2, 2]))
    .00 (.00-.00)
    """
    both = _bootstrap(y, [score_a, score_b], draws, seed, stratified)
    return _interval(both[:, :1] - both[:, 1:], level)


def permutation_p(
    y: ArrayLike, score: ArrayLike, draws: int = 10_000, seed: int = 0, alternative: str = "greater"
) -> float:
    """P-value of an AUC against permuted labels: ``(1 + draws as extreme) / (1 + draws)``.

    Never 0, as befits a sample of the permutations (Phipson and Smyth 2010, 10.2202/1544-6115.1585).

    Parameters
    ----------
    y, score : array-like of shape (n_patients,)
        Outcome 0/1, and score in any unit.
    draws : int, default 10000
        Number of permutations.
    seed : int, default 0
        Chooses the permutations, in [0, 2**32).
    alternative : {'greater', 'less', 'two-sided'}
        Extreme is a higher AUC, a lower one, or one at least as far from .5.

    Returns
    -------
    float
        In (0, 1]; NaN when a class is absent.

    Raises
    ------
    DataError
        As `aucs`.
    UsageError
        As `bootstrap_auc`, and on another alternative.

    Examples
    --------
    >>> permutation_p([0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6]) < 0.06  # 1 of 20 orders: .05
    True
    """
    if alternative not in ("greater", "less", "two-sided"):
        raise UsageError("unknown alternative", got=alternative, wanted="greater, less or two-sided")
    _check_draws(draws, seed)
    truth, values = _read(y, score)
    n1 = int(truth.sum())
    if n1 in (0, truth.size):
        return float("nan")
    # twice the midranks and twice their mean are integers: no rounding decides what is as extreme
    doubled = np.rint(2 * rankdata(values)).astype(np.int64)
    centre = n1 * (truth.size + 1)
    found, null = int(doubled[truth == 1].sum()) - centre, permuted_sums(doubled, n1, draws, seed) - centre
    if alternative == "two-sided":
        found, null = abs(found), np.abs(null)
    extreme = (null <= found) if alternative == "less" else (null >= found)
    return float(1 + extreme.sum()) / (1 + draws)


def weighted_quantiles(values: ArrayLike, shares: ArrayLike, weights: ArrayLike | None = None) -> np.ndarray:
    """Weighted quantiles: the least value at or below which lies at least the share of the weight.

    As ``numpy.quantile(..., method="inverted_cdf")`` (Hyndman and Fan 1996, 10.1080/00031305.1996.10473566).

    Parameters
    ----------
    values : array-like of shape (n,)
        In any unit.
    shares : array-like of shape (n_shares,)
        In [0, 1]; .5 is the median.
    weights : array-like of shape (n,), optional
        Weight of each value, 0 or more; all 1 by default.

    Returns
    -------
    ndarray of float64, shape (n_shares,)
        NaN without weight.

    Raises
    ------
    DataError
        On missing values, unequal lengths, or weights below 0 or infinite.
    UsageError
        On shares outside 0-1.

    Examples
    --------
    >>> weighted_quantiles([9, 1, 2], [0.0, 0.5, 0.6], weights=[2, 1, 1]).tolist()
    [1.0, 2.0, 9.0]
    """
    (column,) = read_columns(values=values)
    weight, share = _read_weights(weights, column.size), np.atleast_1d(np.asarray(shares, dtype=np.float64))
    if not ((share >= 0) & (share <= 1)).all():
        raise UsageError("a quantile's share lies between 0 and 1", got=str(shares))
    order = np.argsort(column, kind="stable")
    return _weighted_quantiles(column[None, order], weight[None, order], share)[0]


def _read(y: ArrayLike, *scores: ArrayLike) -> list[np.ndarray]:
    columns = {f"score {i + 1}": s for i, s in enumerate(scores)}
    return read_columns(y=y, **columns)


def _read_weights(weights: ArrayLike | None, size: int) -> np.ndarray:
    if weights is None:
        return np.ones(size)
    (weight,) = read_columns(weights=weights)
    if weight.size != size:
        raise DataError("unequal lengths", where="weights", got=str(weight.size), wanted=str(size))
    if not ((weight >= 0) & np.isfinite(weight)).all():
        raise DataError("holds weights below 0 or infinite", where="weights")
    return weight


def _sorted(columns: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Patients by score, and where groups of ties end."""
    table = np.array(columns)
    order = np.argsort(table, axis=1, kind="stable")
    ranked = np.take_along_axis(table, order, axis=1)
    ends = np.ones(order.shape, dtype=bool)
    ends[:, :-1] = ranked[:, 1:] != ranked[:, :-1]
    return order, ends


def _check_draws(draws: int, seed: int) -> None:
    if draws < 1:
        raise UsageError("at least one draw is needed", got=str(draws))
    if not 0 <= seed < 2**32:
        raise UsageError("the seed lies outside 0 to 2**32 - 1", got=str(seed))


def _bootstrap(y: ArrayLike, scores: list[ArrayLike], draws: int, seed: int, stratified: bool) -> np.ndarray:
    """Give the AUC of each score as observed, then in each draw."""
    _check_draws(draws, seed)
    truth, *columns = _read(y, *scores)
    order, ends = _sorted(columns)
    positive, strata = truth == 1, truth if stratified else np.zeros(truth.size)
    pool = np.argsort(strata, kind="stable")
    offsets = np.array([0, np.count_nonzero(strata == 0), truth.size], dtype=np.int64)
    drawn = bootstrap_aucs(order, ends, positive, pool, offsets, draws, seed)
    return np.vstack([weighted_aucs(order, ends, positive, np.ones((1, truth.size))), drawn])


def _interval(values: np.ndarray, level: float) -> Estimate:
    normal_quantile(level)  # refuses an impossible level
    observed, drawn = float(values[0, 0]), values[1:, 0]
    drawn = drawn[~np.isnan(drawn)]
    if np.isnan(observed) or not drawn.size:
        return NOT_ESTIMABLE
    low, high = np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2])
    return Estimate(observed, float(low), float(high), float(drawn.std(ddof=1)) if drawn.size > 1 else float("nan"))
