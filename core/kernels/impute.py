"""Donors for missing cells: the nearest training patients who have the value."""

from __future__ import annotations

import numpy as np
from numba import prange

from theracast.kernels.jit import kernel


@kernel
def nearest_donors(
    order: np.ndarray,
    distances: np.ndarray,
    donors: np.ndarray,
    columns: np.ndarray,
    offsets: np.ndarray,
    k: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Collect for each missing cell the values of the `k` nearest donors who have that column.

    One sort of a patient's distances serves all of their missing cells: each cell walks down the sorted list past the
    donors who lack the column too. Nothing is averaged here, so that the caller decides on the weights. Distances
    are compared, never computed. Cost: O(cells x k / share observed) after the sort.
    DOI 10.1093/bioinformatics/17.6.520

    Parameters
    ----------
    order : ndarray of int64, shape (n_receivers, n_donors)
        Donors of each receiver by rising distance, NaN last.
    distances : ndarray of float64, shape (n_receivers, n_donors)
        Distances, not sorted; NaN where the two share no column.
    donors : ndarray of float64, shape (n_donors, n_columns)
        Training values; NaN where missing.
    columns : ndarray of int64, shape (n_cells,)
        Column of each missing cell, receiver after receiver.
    offsets : ndarray of int64, shape (n_receivers + 1,)
        Receiver ``i`` lacks ``columns[offsets[i]:offsets[i + 1]]``.
    k : int
        How many donors, at least 1.

    Returns
    -------
    values : ndarray of float64, shape (n_cells, k)
        Donors' values, nearest first; 0 where there are fewer than `k`.
    away : ndarray of float64, shape (n_cells, k)
        Their distances; NaN where there are fewer than `k`.
    tied : ndarray of bool, shape (n_cells,)
        Two of the nearest ``k + 1`` are equally far: which donor counts, or which comes first, was chance.

    Examples
    --------
    >>> away = np.array([[2.0, 1.0, 3.0]])
    >>> donors = np.array([[10.0], [np.nan], [30.0]])
    >>> nearest_donors(np.argsort(away), away, donors, np.array([0]), np.array([0, 1]), 2)[0]
    array([[10., 30.]])
    """
    values = np.zeros((columns.size, k))
    away = np.full((columns.size, k), np.nan)
    tied = np.zeros(columns.size, np.bool_)
    for i in prange(order.shape[0]):
        for cell in range(offsets[i], offsets[i + 1]):
            found, before = 0, np.nan
            for rank in range(order.shape[1]):
                donor = order[i, rank]
                distance = distances[i, donor]
                if np.isnan(distance):
                    break
                value = donors[donor, columns[cell]]
                if np.isnan(value):
                    continue
                if distance == before:
                    tied[cell] = True
                if found == k:
                    break
                values[cell, found], away[cell, found] = value, distance
                found, before = found + 1, distance
    return values, away, tied
