"""Sentinels of the folds: a patient, a profile or a fitted number that stands on both sides of a split."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from theracast.features.cohort import Cohort
from theracast.models.leakage_evidence import Evidence, Leak
from theracast.models.linkage import Records, linked, namesakes

#: Two different tumours of 17 public cohorts correlate by .99 at most, in genes as in gene sets.
ALIKE = 0.999
#: Fewest values of a profile that can be correlated; and how many are, evenly from the whole.
_FEWEST, _MOST = 50, 2000
#: What tells a patient, in the clinical table. One of several names of one thing: they would count twice.
_FACTS = ("age", "sex", "tmb", "os_months", "pfs_months", "response", "stage", "albumin", "nlr", "ldh", "bmi",
          "platelets", "hgb", "pack_years")  # fmt: skip


def patient_in_two_folds(evidence: Evidence) -> Iterator[Leak]:
    """Look for patients of whom a model is trained who are also judged, under the same id or another.

    It cannot see a patient of whom no more than two telling facts are known in both cohorts, unless the ids of many
    agree and so do their facts; nor one patient twice within a cohort, unless the cohort trains for itself.

    Parameters
    ----------
    evidence : Evidence
        Cohorts and folds.

    Yields
    ------
    Leak
        One per pair of cohorts; of a cohort that trains for itself, a pair is two of its patients.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> c = dict.fromkeys(("a", "b"), load_cohort("liu2019_mel"))
    >>> [leak.where for leak in patient_in_two_folds(Evidence(ResponseModel(), c, {"a": ["b"]}))]
    ['a and b']
    """
    facts = {name: _facts(cohort) for name, cohort in evidence.cohorts.items()}
    for a, b in evidence.pairs:
        n = max(linked(facts[a], facts[b], ids=True), namesakes(facts[a], facts[b]))
        if n:
            yield Leak(f"{n} of {len(facts[a])} patients agree in id or in what is written of them", _sides(a, b))


def near_duplicate(evidence: Evidence) -> Iterator[Leak]:
    """Look for profiles that stand on both sides of a split: tables of many values, and features that are equal.

    Profiles are alike that correlate above .999 over 50 values or more. Of fewer features, those of two patients are
    alike that are equal in more values than chance lets them; what stands in for a measurement is not compared.

    It cannot see a second sample of a tumour that correlates less, as .998 or as another biopsy does, nor one on
    another scale, as logarithms beside counts.

    Parameters
    ----------
    evidence : Evidence
        Cohorts and folds.

    Yields
    ------
    Leak
        One per pair of cohorts and table.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> c = dict.fromkeys(("a", "b"), load_cohort("hugo2016_mel"))
    >>> [leak.what for leak in near_duplicate(Evidence(ResponseModel(), c, {"a": ["b"]}))][0]
    '26 of 26 profiles correlate above 0.999'
    """
    wide = {
        n: {t: c.tables[t] for t in c.tables if c.tables[t].shape[1] >= _FEWEST} for n, c in evidence.cohorts.items()
    }
    own = {
        n: Records.of(m.values.astype(np.float32).where(~m.proxy.to_numpy(dtype=bool)))
        for n, m in evidence.features.items()
    }
    for a, b in evidence.pairs:
        for table in [t for t in wide[a] if t in wide[b]]:
            n = _alike(wide[a][table], wide[b][table], a == b)
            if n:
                what = f"{n} of {len(wide[a][table])} profiles correlate above {ALIKE}"
                yield Leak(what, f"{table} of {_sides(a, b)}")
        n = linked(own[a], own[b])
        if n:
            yield Leak(f"the features of {n} of {len(own[a])} patients are equal", f"features of {_sides(a, b)}")


def fit_on_test_rows(evidence: Evidence) -> Iterator[Leak]:
    """Look whether a fitted model or a block of it remembers other patients than it should have been fitted on.

    It sees how many patients a block counted, and rows that are the same to the last digit. It cannot see what a block
    keeps from its count, nor tables that were standardised or corrected over all cohorts before they were given.

    Parameters
    ----------
    evidence : Evidence
        With `Evidence.folds`.

    Yields
    ------
    Leak
        One per model.

    Examples
    --------
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.models.leakage_evidence import Fold
    >>> folds = [Fold("a", 40, {"clinical": 66, "mutations": 40}, 0)]
    >>> [leak.what for leak in fit_on_test_rows(Evidence(ResponseModel(), {}, {}, folds))]
    ['clinical was fitted on 66 patients instead of the 40 of the training cohorts']
    """
    for fold in evidence.folds:
        wrong = {b: n for b, n in fold.fitted.items() if n != fold.patients}
        if wrong:
            block, n = next(iter(wrong.items()))
            what = f"{block} was fitted on {n} patients instead of the {fold.patients} of the training cohorts"
            yield Leak(what, f"the model that is judged on {fold.cohort}")
        if fold.repeated:
            what = f"{fold.repeated} patients it is judged on are among those it was fitted on"
            yield Leak(what, f"the model that is judged on {fold.cohort}")


def _sides(a: str, b: str) -> str:
    return a if a == b else f"{a} and {b}"


def _facts(cohort: Cohort) -> Records:
    table = cohort.table("clinical")
    facts = table[[f for f in _FACTS if f in table]]
    # sources round in their own ways
    return Records.of(facts.apply(lambda c: c.round(1) if pd.api.types.is_numeric_dtype(c) else c))


def _alike(a: pd.DataFrame, b: pd.DataFrame, itself: bool = False) -> int:
    """Count the profiles of `a` that are those of one in `b`; of a table held against itself, of another patient."""
    common = a.columns.intersection(b.columns)
    if len(common) > _MOST:
        common = common[np.linspace(0, len(common) - 1, _MOST).astype(int)]
    one, other = (_numbers(t[common]) for t in (a, b))
    known = ~(np.isnan(one).any(axis=0) | np.isnan(other).any(axis=0))
    if known.sum() < _FEWEST:
        return 0
    alike = (_standard(one[:, known]) @ _standard(other[:, known]).T) > ALIKE
    if itself:
        np.fill_diagonal(alike, False)
    return int(alike.any(axis=1).sum())


def _numbers(table: pd.DataFrame) -> np.ndarray:
    kinds = {d.kind for d in table.dtypes}
    if kinds <= set("fiu"):
        return table.to_numpy(dtype=np.float32)
    return table.apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float32)


def _standard(rows: np.ndarray) -> np.ndarray:
    centred = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    standard: np.ndarray = centred / np.where(length > 0, length, 1.0)
    return standard
