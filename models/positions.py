"""Positions of values in a reference cohort that is kept as quantiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtri

#: Percentiles that a normal score is cut at: 101 quantiles tell no more.
ENDS = (0.5, 99.5)
#: Cells up to which numpy places them; more are a kernel's work.
FEW = 200_000


def percentile(values: np.ndarray, quantiles: Sequence[float] | np.ndarray) -> np.ndarray:
    """Place values among quantiles; a value that many share stands in the middle of them.

    Parameters
    ----------
    values : ndarray of float64, shape (n,)
        NaN is not known.
    quantiles : sequence of float, shape (m,)
        Ascending, at equal steps from 0% to 100%.

    Returns
    -------
    ndarray of float64, shape (n,)
        In [0, 100], to half a step; NaN stays NaN. Below the least is 0, above the greatest 100.

    Examples
    --------
    >>> percentile(np.array([-1.0, 2.0, 2.5, 9.0, np.nan]), [0.0, 1.0, 2.0, 3.0, 4.0]).tolist()
    [0.0, 50.0, 62.5, 100.0, nan]
    """
    below, up_to = (np.searchsorted(quantiles, values, side=side) for side in ("left", "right"))
    place = np.clip((below + up_to - 1) / 2, 0.0, len(quantiles) - 1.0) * 100 / (len(quantiles) - 1)
    return np.where(np.isnan(values), np.nan, place)


def percentiles(values: pd.DataFrame, reference: Mapping[str, Sequence[float] | np.ndarray]) -> pd.DataFrame:
    """Place every feature of patients among its quantiles.

    Parameters
    ----------
    values : DataFrame of float, shape (n_patients, n_features)
        NaN is not known.
    reference : mapping of str to sequence of float
        Quantiles as in `percentile`, by feature.

    Returns
    -------
    DataFrame of float64, shape (n_patients, n_features)
        As `percentile`; NaN where a feature has no quantiles.

    Examples
    --------
    >>> percentiles(pd.DataFrame({"a__x": [2.0], "a__y": [0.0]}), {"a__x": [0.0, 1.0, 2.0, 3.0, 4.0]}).iloc[0].tolist()
    [50.0, nan]
    """
    given = values.to_numpy(dtype=np.float64)
    steps = {len(quantiles) for quantiles in reference.values()}
    if given.size > FEW and len(steps) == 1:
        from theracast.kernels.places import quantile_places  # numba takes .3 s, more than a few patients do

        none = np.full(steps.pop(), np.nan)
        out = quantile_places(given, np.array([reference.get(name, none) for name in values.columns]))
    else:
        out = np.full(given.shape, np.nan)
        for k, name in enumerate(values.columns):
            if name in reference:
                out[:, k] = percentile(given[:, k], reference[name])
    return pd.DataFrame(out, values.index, values.columns, copy=False)


def normal_score(percentiles: np.ndarray) -> np.ndarray:
    """Turn percentiles into standard deviations of a normal distribution.

    Parameters
    ----------
    percentiles : ndarray of float64
        In [0, 100].

    Returns
    -------
    ndarray of float64, same shape
        0 at the median, +-2.58 at most.

    Examples
    --------
    >>> normal_score(np.array([0.0, 50.0, 95.0])).round(2).tolist()
    [-2.58, 0.0, 1.64]
    """
    return np.asarray(ndtri(np.clip(percentiles, *ENDS) / 100))


def reference_of(values: pd.DataFrame) -> dict[str, list[float]]:
    """Describe a reference cohort by 101 quantiles per feature.

    Parameters
    ----------
    values : DataFrame of float, shape (n_patients, n_features)
        NaN is not known.

    Returns
    -------
    dict of str to list of float
        Only features that someone has; in native units.

    Examples
    --------
    >>> reference_of(pd.DataFrame({"a__x": [0.0, np.nan, 50.0], "a__y": np.nan}))["a__x"][:3]
    [0.0, 0.5, 1.0]
    """
    steps = np.linspace(0.0, 1.0, 101)
    return {c: np.quantile(x.dropna(), steps).tolist() for c, x in values.items() if x.notna().any()}
