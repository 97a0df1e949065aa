"""Single-sample gene-set scores."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import kernel


@kernel
def set_means(values: np.ndarray, members: np.ndarray, offsets: np.ndarray, needed: float) -> np.ndarray:
    """Mean of each gene set in each sample, over the genes that were measured.

    The sum runs in the order of `members`, in float64, so that neither the order of the columns nor the number
    of threads changes a bit of the result. Cost: O(samples x sum of set sizes).

    Parameters
    ----------
    values : ndarray of float32 or float64, shape (n_samples, n_genes)
        Expression; NaN where not measured.
    members : ndarray of int64, shape (sum of set sizes,)
        Column of each member, set after set; -1 for a gene without a column.
    offsets : ndarray of int64, shape (n_sets + 1,)
        Set ``s`` holds ``members[offsets[s]:offsets[s + 1]]``.
    needed : float
        Least share of a set's genes that must be measured, in [0, 1].

    Returns
    -------
    ndarray of float64, shape (n_samples, n_sets)
        NaN where fewer than `needed` of the set's genes were measured, or none.

    Examples
    --------
    >>> x = np.array([[1.0, 3.0, np.nan]])
    >>> set_means(x, np.array([0, 1, 1, 2]), np.array([0, 2, 4]), 0.5)
    array([[2., 3.]])
    """
    n_samples, n_sets = values.shape[0], offsets.size - 1
    out = np.empty((n_samples, n_sets))
    for i in prange(n_samples):
        for s in range(n_sets):
            total, count = 0.0, 0
            for k in range(offsets[s], offsets[s + 1]):
                gene = members[k]
                if gene >= 0 and not np.isnan(values[i, gene]):
                    total += values[i, gene]
                    count += 1
            size = offsets[s + 1] - offsets[s]
            out[i, s] = total / count if count > 0 and count >= needed * size else np.nan
    return out
