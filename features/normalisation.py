"""Scaling of count tables: TMM as edgeR, median of ratios as DESeq2, log counts per million.

Factors compare the samples of one table with each other: a patient's factor depends on who else is in the table.
Patients to be predicted must not shape each other's features; use factors for tables that were sequenced and
will stay together, and `theracast.features.count_reference` for patients who come one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from theracast.errors import DataError, UsageError
from theracast.kernels.normalise import mean_logs, median_ratios, order_statistics, trimmed_means

#: edgeR's defaults: share of genes cut from either end, by ratio and by level.
RATIO_TRIM, LEVEL_TRIM = 0.3, 0.05
#: Samples whose ratios are held at once.
ROWS = 16


def tmm_factors(counts: pd.DataFrame) -> pd.Series:
    """Trimmed mean of M-values: how many times larger a sample's effective library is than its sum.

    Equal to ``edgeR::calcNormFactors(method = "TMM")`` of edgeR 3.40, ties included. The reference is the sample whose
    upper quartile of shares is nearest to the mean of all. Robinson and Oshlack 2010, DOI 10.1186/gb-2010-11-3-r25.

    Parameters
    ----------
    counts : DataFrame of shape (n_samples, n_genes)
        Counts or expected counts, not normalised, not logged; no NaN.

    Returns
    -------
    Series of float64, shape (n_samples,)
        Factors with geometric mean 1; 1 for a sample alone.

    Raises
    ------
    DataError
        When there are NaN, negative or infinite counts, or a sample without any.

    Examples
    --------
    >>> genes = {f"g{i}": [10 + i, 20 + 2 * i, 10 + i] for i in range(20)}
    >>> tmm_factors(pd.DataFrame(genes | {"burst": [0, 0, 500]}, index=["a", "b", "c"])).round(3).tolist()
    [1.317, 1.317, 0.577]
    """
    values = _counts(counts)
    sizes = values.sum(axis=1)
    if len(values) < 2:
        return pd.Series(1.0, index=counts.index, name="tmm_factor")
    quartiles = upper_quartiles(values, sizes, int((values.max(axis=0) == 0).sum()))
    reference = nearest_to_mean(quartiles, lambda: np.sqrt(values).sum(axis=1))
    seen = np.flatnonzero(values[reference])
    target = values[reference, seen] / sizes[reference]
    against = target, np.array([math.log2(share) for share in target]), sizes[reference]
    logs = np.empty(len(values))
    for start in range(0, len(values), ROWS):
        part = slice(start, start + ROWS)
        # divisions stay here: compiled code may multiply by a reciprocal, which breaks ties that edgeR sees
        shares = values[part].take(seen, axis=1)
        shares /= sizes[part, None]
        logs[part] = trimmed_means(shares / target, shares, sizes[part], *against, RATIO_TRIM, LEVEL_TRIM)
    factors = np.exp2(logs)
    return pd.Series(factors / np.exp(np.log(factors).mean()), index=counts.index, name="tmm_factor")


def size_factors(counts: pd.DataFrame) -> pd.Series:
    """Median of ratios: the median, over genes that every sample has, of count over the gene's geometric mean.

    Equal to ``pydeseq2.preprocessing.deseq2_norm``. Anders and Huber 2010, DOI 10.1186/gb-2010-11-10-r106.

    Parameters
    ----------
    counts : DataFrame of shape (n_samples, n_genes)
        Counts or expected counts, not normalised, not logged; no NaN.

    Returns
    -------
    Series of float64, shape (n_samples,)
        Divide a sample's counts by its factor.

    Raises
    ------
    DataError
        When there are NaN, negative or infinite counts, or no gene is above zero in every sample.

    Examples
    --------
    >>> size_factors(pd.DataFrame({"a": [10, 20], "b": [30, 60], "c": [0, 7]})).round(4).tolist()
    [0.7071, 1.4142]
    """
    values = _counts(counts)
    with np.errstate(over="ignore", invalid="ignore"):  # products out of range are taken apart; uncompiled, they warn
        means = mean_logs(values)
    shared = np.flatnonzero(np.isfinite(means))
    if not shared.size:
        raise DataError(
            "no gene is above zero in every sample",
            code="THX-D18",
            where="counts",
            got=f"{values.shape[0]} samples, {values.shape[1]} genes",
            fix="Leave out samples with few counts, or use tmm_factors.",
        )
    factors = median_ratios(values, shared, np.exp(means[shared]))
    return pd.Series(factors, index=counts.index, name="size_factor")


def logcpm(counts: pd.DataFrame, factors: pd.Series | None = None, prior: float = 2.0) -> pd.DataFrame:
    """Log2 counts per million, with a prior count in proportion to the library.

    Equal to ``edgeR::cpm(log = TRUE)`` of edgeR 3.40: ``log2((count + p) / (size + 2 p) * 1e6)`` with
    ``p = prior * size / mean(size)``.

    Parameters
    ----------
    counts : DataFrame of shape (n_samples, n_genes)
        Counts or expected counts; no NaN.
    factors : Series of shape (n_samples,), optional
        Of `tmm_factors`, by the index of `counts`; multiplies the library sizes.
    prior : float, default 2.0
        Added to each count, on average; above 0.

    Returns
    -------
    DataFrame of float64, same shape
        Log2 counts per million.

    Raises
    ------
    DataError
        When there are NaN, negative or infinite counts, or a sample without any.
    UsageError
        When the prior is not above 0, or a sample has no factor.

    Examples
    --------
    >>> logcpm(pd.DataFrame({"a": [0, 10], "b": [100, 90]})).round(2).iloc[0].tolist()
    [14.23, 19.9]
    """
    if not prior > 0:
        raise UsageError("the prior is impossible", got=repr(prior), wanted="a number above 0")
    values = _counts(counts)
    sizes = values.sum(axis=1)
    if factors is not None:
        scale = factors.reindex(counts.index).to_numpy(dtype=np.float64)
        if not (np.isfinite(scale) & (scale > 0)).all():
            raise UsageError("a sample has no factor above 0", wanted="the result of tmm_factors of the same samples")
        sizes = sizes * scale
    priors = prior * sizes / sizes.mean()
    logs = np.log2((values + priors[:, None]) / (sizes + 2 * priors)[:, None] * 1e6)
    return pd.DataFrame(logs, index=counts.index, columns=counts.columns)


def upper_quartiles(values: np.ndarray, sizes: np.ndarray, never: int) -> np.ndarray:
    """Upper quartile of the counts of each sample over its sum; R's quantile of the genes that some sample has.

    Parameters
    ----------
    values : ndarray of float64, shape (n_samples, n_genes)
        Counts; no NaN.
    sizes : ndarray of float64, shape (n_samples,)
        Sums.
    never : int
        Genes that no sample has: they do not count, and are sorted first.

    Returns
    -------
    ndarray of float64, shape (n_samples,)
        Shares.

    Examples
    --------
    >>> upper_quartiles(np.array([[0.0, 1, 2, 3, 4, 5]]), np.array([15.0]), 1)
    array([0.26666667])
    """
    place = (values.shape[1] - never - 1) * 0.75
    low, high = never + int(np.floor(place)), never + int(np.ceil(place))
    rest = place - np.floor(place)
    ends = order_statistics(values, np.array([low, high]))
    return ((1 - rest) * ends[:, 0] + rest * ends[:, 1]) / sizes


def nearest_to_mean(quartiles: np.ndarray, roots: Callable[[], np.ndarray]) -> int:
    """Choose the reference sample as edgeR does: nearest to the mean quartile, by R's mean in extended precision.

    Parameters
    ----------
    quartiles : ndarray of float64, shape (n_samples,)
        Of `upper_quartiles`.
    roots : callable
        Gives the sums of the square roots of the counts, which decide where most quartiles are zero.

    Returns
    -------
    int
        Position of the sample; the first of several that are as near.

    Examples
    --------
    >>> nearest_to_mean(np.array([0.1, 0.2, 0.4]), lambda: np.ones(3))
    1
    """
    if np.median(quartiles) < 1e-20:
        return int(np.argmax(roots()))
    wide = quartiles.astype(np.longdouble)
    mean = wide.sum() / wide.size
    mean += (wide - mean).sum() / wide.size
    return int(np.argmin(np.abs(quartiles - np.float64(mean))))


def _counts(counts: pd.DataFrame) -> np.ndarray:
    values = counts.to_numpy(dtype=np.float64, na_value=np.nan)
    most = values.max(axis=1, initial=0.0)
    if not (values.min(initial=0.0) >= 0 and most.max(initial=0.0) < np.inf):
        wrong = ~(np.isfinite(values) & (values >= 0))
        raise DataError(
            "counts are missing, negative or infinite",
            code="THX-D12",
            where="counts",
            got=f"{int(wrong.sum())} such cells in {int(wrong.any(axis=1).sum())} samples",
            wanted="counts from 0, not logged",
            fix="Give raw counts; leave out genes that were not counted.",
        )
    empty = most == 0
    if empty.any():
        raise DataError(
            "samples have no counts",
            code="THX-D18",
            where="counts",
            got=f"{int(empty.sum())} of {len(values)} samples",
            fix="Leave these samples out.",
        )
    return values
