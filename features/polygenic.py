"""Polygenic sums over dosages that may be fractions: the same bits for one patient as for a crowd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from theracast.checks import table_to_numbers
from theracast.features.alleles import Match
from theracast.features.cohort import Cohort
from theracast.kernels.linear import weighted_sums

#: Lambert 2021, the PGS Catalog: cited for a score that names no paper of its own.
CATALOG = "10.1038/s41588-021-00783-5"
#: Patients are taken in stretches of about so many dosages, so that memory stays bounded.
_STRETCH = 4_000_000


def dosages_of(cohort: Cohort, matches: Sequence[Match]) -> np.ndarray:
    """Count the copies of each effect allele of a score.

    Parameters
    ----------
    cohort : Cohort
        Patients, with a table ``dosages``.
    matches : sequence of Match
        From `theracast.features.alleles.match_alleles`.

    Returns
    -------
    ndarray of float64, shape (n_patients, n_variants)
        NaN where a dosage is missing or the variant is not matched.

    Examples
    --------
    >>> import pandas as pd
    >>> c = Cohort.from_tables({"dosages": pd.DataFrame({"1:5:A:G": [0.5, None]}, index=["a", "b"])})
    >>> dosages_of(c, [Match("swapped", ("1:5:A:G",), rest=True), Match("absent")]).tolist()
    [[1.5, nan], [nan, nan]]
    """
    out = np.full((len(cohort), len(matches)), np.nan)
    used = sorted({c for m in matches for c in m.columns})
    if not used:
        return out
    table = table_to_numbers(cohort.tables["dosages"][used].reindex(cohort.ids), "dosages")[0]
    values = table.to_numpy(dtype=np.float64, na_value=np.nan)
    place = {c: j for j, c in enumerate(used)}
    for j, match in enumerate(matches):
        if match.columns:
            counted = values[:, place[match.columns[0]]]
            for column in match.columns[1:]:
                counted = counted + values[:, place[column]]
            out[:, j] = 2.0 - counted if match.rest else counted
    return out


def mean_copies(copies: np.ndarray) -> list[float]:
    """Average the copies of each effect allele over the patients who have it: twice its frequency.

    Parameters
    ----------
    copies : ndarray of float64, shape (n_patients, n_variants)
        From `dosages_of`.

    Returns
    -------
    list of float
        NaN where no patient has the variant; the order of the patients does not change a bit.

    Examples
    --------
    >>> mean_copies(np.array([[2.0, np.nan], [1.0, np.nan]]))
    [1.5, nan]
    """
    known = (~np.isnan(copies)).sum(axis=0)
    ordered = np.nan_to_num(np.sort(copies, axis=0))
    total = np.zeros(copies.shape[1])
    for row in ordered:
        total += row
    return np.divide(total, known, out=np.full(copies.shape[1], np.nan), where=known > 0).tolist()


def sum_weights(copies: np.ndarray, weights: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Sum weight times copies; a missing dosage counts as its mean, a variant without a mean not at all.

    Parameters
    ----------
    copies : ndarray of float64, shape (n_patients, n_variants)
        From `dosages_of`.
    weights, means : ndarray of float64, shape (n_variants,)
        Effect per copy; mean copies of the training patients, NaN where none of them had the variant.

    Returns
    -------
    ndarray of float64, shape (n_patients,)
        Sums.

    Examples
    --------
    >>> sum_weights(np.array([[2.0, np.nan, 1.0]]), np.array([0.5, 1.0, 9.0]), np.array([1.0, 0.25, np.nan])).tolist()
    [1.25]
    """
    effect = np.where(np.isnan(means), 0.0, weights)
    fill = effect * np.nan_to_num(means)
    parts = [weighted_sums(part, effect, fill) for part in _stretches(copies)]
    return np.concatenate(parts) if parts else np.zeros(0)


def known_share(copies: np.ndarray, used: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Give the share of a score's summed absolute weight whose dosages were there.

    Parameters
    ----------
    copies : ndarray of float64, shape (n_patients, n_variants)
        From `dosages_of`.
    used, weights : ndarray of float64, shape (n_variants,)
        Effect per copy, 0 where the score leaves the variant out; and of the whole score.

    Returns
    -------
    ndarray of float64, shape (n_patients,)
        In [0, 1].

    Examples
    --------
    >>> known_share(np.array([[2.0, np.nan]]), np.array([1.0, 3.0]), np.array([1.0, 3.0])).tolist()
    [0.25]
    """
    size = np.ascontiguousarray(np.abs(used))
    # the sum of the whole score by the same kernel: a patient of whom all is known has a share of exactly 1
    total = weighted_sums(np.ones((1, size.size)), np.abs(weights), np.zeros(size.size))[0]
    if total == 0.0:
        return np.zeros(len(copies))
    nothing = np.zeros(size.size)
    parts = [weighted_sums(np.where(np.isnan(part), np.nan, 1.0), size, nothing) / total for part in _stretches(copies)]
    return np.minimum(np.concatenate(parts), 1.0) if parts else np.zeros(0)


def _stretches(copies: np.ndarray) -> Iterator[np.ndarray]:
    step = max(16, _STRETCH // max(1, copies.shape[1]))
    for first in range(0, len(copies), step):
        yield np.ascontiguousarray(copies[first : first + step])
