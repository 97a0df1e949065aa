"""Places of many values among the quantiles of their columns."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import helper, kernel


@helper
def _below(quantiles: np.ndarray, value: float, first: int, equal: bool) -> int:
    """Count the quantiles below a value, or up to it; those before `first` are known to be."""
    last = quantiles.size
    while first < last:
        middle = (first + last) // 2
        if quantiles[middle] < value or (equal and quantiles[middle] == value):
            first = middle + 1
        else:
            last = middle
    return first


@kernel
def quantile_places(values: np.ndarray, quantiles: np.ndarray) -> np.ndarray:
    """Place values among quantiles at equal steps; a value that many share stands in the middle of them.

    Cost: O(values x log quantiles), no scratch. Each row is one thread's work.

    Parameters
    ----------
    values : ndarray of float64, shape (n_rows, n_columns)
        NaN is not known.
    quantiles : ndarray of float64, shape (n_columns, m)
        Ascending, from 0% to 100%, m at least 2; a row of NaN where a column has none.

    Returns
    -------
    ndarray of float64, shape (n_rows, n_columns)
        Percentiles in [0, 100], to half a step; NaN where the value or its quantiles are. Below the least is 0, above
        the greatest 100.

    Examples
    --------
    >>> quantile_places(np.array([[-1.0], [1.0], [2.5], [np.nan]]), np.array([[0.0, 1.0, 2.0]])).ravel().tolist()
    [0.0, 50.0, 100.0, nan]
    """
    out = np.empty(values.shape)
    steps = quantiles.shape[1] - 1
    for i in prange(values.shape[0]):
        for j in range(values.shape[1]):
            value = values[i, j]
            if value != value or quantiles[j, 0] != quantiles[j, 0]:
                out[i, j] = np.nan
                continue
            below = _below(quantiles[j], value, 0, False)
            shared = below <= steps and quantiles[j, below] == value
            up_to = _below(quantiles[j], value, below, True) if shared else below
            out[i, j] = min(max((below + up_to - 1) / 2, 0.0), float(steps)) * 100 / steps
    return out
