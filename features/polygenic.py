"""Polygenic sums over dosages that may be fractions: the same bits for one patient as for a crowd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from theracast.checks import table_to_numbers
from theracast.features.alleles import Match
from theracast.features.cohort import Cohort
from theracast.kernels.linear import weighted_sums

#: Lambert 2021, the PGS Catalog: cited for a score that names no paper of its own.
CATALOG = "10.1038/s41588-021-00783-5"
#: Dosages are taken in stretches of about so many, so that memory stays bounded (32 MB).
_STRETCH = 4_000_000


@dataclass(frozen=True)
class Plan:
    """Which columns of the dosages a score reads, worked out once for all patients.

    Attributes
    ----------
    used : list of str
        Columns.
    one, places : list of int
        Variants counted in one column, and the places of these columns in `used`.
    several : dict of int to list of int
        Variants counted in several columns, and their places.
    rest : list of int
        Variants whose copies are 2 minus what was counted.
    size : int
        Variants of the score.

    Examples
    --------
    >>> Plan.of([Match("swapped", ("1:5:A:G",), rest=True), Match("absent")]).rest
    [0]
    """

    used: list[str]
    one: list[int]
    places: list[int]
    several: dict[int, list[int]]
    rest: list[int]
    size: int

    @classmethod
    def of(cls, matches: Sequence[Match]) -> Plan:
        """Work out the plan of a score.

        Parameters
        ----------
        matches : sequence of Match
            From `theracast.features.alleles.match_alleles`.

        Returns
        -------
        Plan
            Columns by name, so that their order in the table does not matter.

        Examples
        --------
        >>> Plan.of([Match("matched", ("1:5:A:G",))]).used
        ['1:5:A:G']
        """
        used = sorted({c for m in matches for c in m.columns})
        place = {c: j for j, c in enumerate(used)}
        one = [j for j, m in enumerate(matches) if len(m.columns) == 1]
        places = [place[matches[j].columns[0]] for j in one]
        several = {j: [place[c] for c in m.columns] for j, m in enumerate(matches) if len(m.columns) > 1}
        return cls(used, one, places, several, [j for j, m in enumerate(matches) if m.rest], len(matches))


def dosages_of(cohort: Cohort, plan: Plan, ids: pd.Index | None = None) -> np.ndarray:
    """Count the copies of each effect allele of a score.

    Parameters
    ----------
    cohort : Cohort
        Patients, with a table ``dosages``.
    plan : Plan
        Of the score.
    ids : Index of str, optional
        Some of the patients; all by default.

    Returns
    -------
    ndarray of float64, shape (n_patients, n_variants)
        NaN where a dosage is missing or the variant is not matched.

    Examples
    --------
    >>> c = Cohort.from_tables({"dosages": pd.DataFrame({"1:5:A:G": [0.5, None]}, index=["a", "b"])})
    >>> dosages_of(c, Plan.of([Match("swapped", ("1:5:A:G",), rest=True), Match("absent")])).tolist()
    [[1.5, nan], [nan, nan]]
    """
    ids = cohort.ids if ids is None else ids
    out = np.full((len(ids), plan.size), np.nan)
    if plan.used:
        table = cohort.tables["dosages"].reindex(index=ids, columns=plan.used)
        values = table_to_numbers(table, "dosages")[0].to_numpy(dtype=np.float64, na_value=np.nan)
        out[:, plan.one] = values[:, plan.places]
        for j, places in plan.several.items():
            out[:, j] = values[:, places].sum(axis=1)
        out[:, plan.rest] = 2.0 - out[:, plan.rest]
    return out


def mean_copies(cohort: Cohort, matches: Sequence[Match]) -> list[float]:
    """Average the copies of each effect allele over the patients who have it: twice its frequency.

    Parameters
    ----------
    cohort : Cohort
        Training patients, with a table ``dosages``.
    matches : sequence of Match
        From `theracast.features.alleles.match_alleles`.

    Returns
    -------
    list of float
        NaN where no patient has the variant; the order of the patients does not change a bit.

    Examples
    --------
    >>> c = Cohort.from_tables({"dosages": pd.DataFrame({"1:5:A:G": [2.0, 1.0]}, index=["a", "b"])})
    >>> mean_copies(c, [Match("matched", ("1:5:A:G",)), Match("absent")])
    [1.5, nan]
    """
    found: list[float] = []
    step = max(1, _STRETCH // max(1, len(cohort)))
    for first in range(0, len(matches), step):
        copies = np.sort(dosages_of(cohort, Plan.of(matches[first : first + step])), axis=0)
        known = (~np.isnan(copies)).sum(axis=0)
        total = np.zeros(copies.shape[1])
        for row in np.nan_to_num(copies):
            total += row
        found += np.divide(total, known, out=np.full(known.size, np.nan), where=known > 0).tolist()
    return found


def sum_score(
    cohort: Cohort, matches: Sequence[Match], weights: np.ndarray, means: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum weight times copies, and say which share of the score was known.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    matches : sequence of Match
        From `theracast.features.alleles.match_alleles`.
    weights, means : ndarray of float64, shape (n_variants,)
        Effect per copy; mean copies of the training patients. A missing dosage counts as its mean; a variant without
        a mean (NaN) is left out.

    Returns
    -------
    sums : ndarray of float64, shape (n_patients,)
        In the unit of the weights.
    shares : ndarray of float64, shape (n_patients,)
        Of the summed absolute weight of the whole score, in [0, 1].

    Examples
    --------
    >>> c = Cohort.from_tables({"dosages": pd.DataFrame({"1:5:A:G": [2.0, None]}, index=["a", "b"])})
    >>> matches = [Match("matched", ("1:5:A:G",)), Match("absent")]
    >>> [x.tolist() for x in sum_score(c, matches, np.array([0.5, 1.5]), np.array([1.0, np.nan]))]
    [[1.0, 0.5], [0.25, 0.0]]
    """
    effect = np.where(np.isnan(means), 0.0, weights)
    size, nothing = np.abs(effect), np.zeros(effect.size)
    fill = effect * np.nan_to_num(means)
    # the whole by the same kernel: a patient of whom all is known has a share of exactly 1
    whole = float(weighted_sums(np.ones((1, size.size)), np.abs(weights), nothing)[0])
    plan = Plan.of(matches)
    sums, shares = [np.zeros(0)], [np.zeros(0)]
    for ids in _stretches(cohort.ids, len(matches)):
        copies = dosages_of(cohort, plan, ids)
        sums.append(weighted_sums(copies, effect, fill))
        known = weighted_sums(np.where(np.isnan(copies), np.nan, 1.0), size, nothing)
        shares.append(np.minimum(known / whole, 1.0) if whole > 0 else np.zeros(len(ids)))
    return np.concatenate(sums), np.concatenate(shares)


def _stretches(ids: pd.Index, variants: int) -> Iterator[pd.Index]:
    step = max(16, _STRETCH // max(1, variants))
    for first in range(0, len(ids), step):
        yield ids[first : first + step]
