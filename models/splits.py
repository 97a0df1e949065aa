"""Whole studies out: the only split that says how a model travels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

#: Data sets that hold the same patients are left out together. All 16 patients of Choueiri are in Miao, and both are of
#: the trial CheckMate 009, which is in Braun; about a third of Vanguri's are in Chowell, of the same hospital
#: (tests/models/test_splits.py finds them). Chowell is one study in two halves.
SAME_PATIENTS = (
    ("ravi2023_nsclc", "loris_ravi_nsclc"),
    ("loris_chowell_train_pan", "loris_chowell_test_pan", "loris_vanguri_nsclc"),
    ("choueiri2016_rcc", "miao2018_rcc", "braun2020_rcc"),
)


def family(cohort: str) -> frozenset[str]:
    """Name the data sets that hold patients of a cohort.

    Parameters
    ----------
    cohort : str
        Name.

    Returns
    -------
    frozenset of str
        The cohort itself, and any twin.

    Examples
    --------
    >>> sorted(family("ravi2023_nsclc")), sorted(family("a"))
    (['loris_ravi_nsclc', 'ravi2023_nsclc'], ['a'])
    """
    return next((frozenset(f) for f in SAME_PATIENTS if cohort in f), frozenset({cohort}))


def leave_one_cohort_out(cohorts: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Pair each cohort with those that may train a model for it.

    Parameters
    ----------
    cohorts : sequence of str
        Names.

    Yields
    ------
    tuple of (str, tuple of str)
        The cohort left out, and the others without any that hold its patients.

    Examples
    --------
    >>> dict(leave_one_cohort_out(["a", "ravi2023_nsclc", "loris_ravi_nsclc"]))["ravi2023_nsclc"]
    ('a',)
    """
    for left_out in cohorts:
        yield left_out, tuple(c for c in cohorts if c not in family(left_out))
