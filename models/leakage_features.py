"""Sentinels of the features: what was not known yet, what is the outcome under another name, what is too good."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import ndtr
from scipy.stats import rankdata

from theracast.features.assembler import FeatureAssembler
from theracast.features.cohort import Cohort
from theracast.features.layout import days_of, is_late
from theracast.features.tables import load_table
from theracast.models.leakage_evidence import Evidence, Leak, is_outcome
from theracast.models.metrics import auc

#: A cohort predicted this well, with this many patients, is a leak until proven otherwise; what its note says.
TOO_GOOD, TOO_GOOD_N, SUSPECT = 0.98, 20, "too good: look for a leak"
#: A single feature this good is one too, where its interval keeps above the second, or where so many features of a
#: cohort would be that good by chance less often than the third.
ALONE, ALONE_LOWER, ALONE_CHANCE = 0.95, 0.80, 0.01
#: Fewest patients of each class, and in all, from which a feature is judged.
_CLASS, _PATIENTS = 5, 20
#: Values that run alike to this rank correlation are one a function of the other.
_FUNCTION = 0.999
_STARTS = ("treatment_start", "treatment_start_date")
_TIMING = {"sample_timing", "timing", "timepoint", "visit"}
_WHEN = re.compile(r"(?:(?P<what>.+?)_?)?(?:date|day|dt)|(?:date|day)_of_(?P<of>.+)|(?P<done>.+)_(?:on|at)")
_DRAWN = {"", "sample", "sampling", "sampled", "biopsy", "collection", "collected", "draw", "drawn", "specimen",
          "assessment", "assessed", "measurement", "measured", "test", "tested", "scan", "imaging"}  # fmt: skip


def late_feature(evidence: Evidence) -> Iterator[Leak]:
    """Look for what was measured after the decision: the day treatment began, day 0.

    Words of timing, and days and dates beside what the blocks read, are held against the start of treatment. Of tables
    with many rows per patient the late rows may stand, where the features are the same without them. Dates that cannot
    be read, as 03/04/2024 cannot, are told: nobody could say whether they are late.

    It cannot see what has neither a date nor a word of timing beside it, dates where the start of treatment is not
    given, or a value that was corrected later.

    Parameters
    ----------
    evidence : Evidence
        Cohorts, and the blocks of the model.

    Yields
    ------
    Leak
        One per column, or table of events.

    Examples
    --------
    >>> from theracast.models.base import ResponseModel
    >>> table = pd.DataFrame({"age": [61], "sample_timing": ["on-treatment"]}, index=["p"])
    >>> c = {"a": Cohort.from_tables({"clinical": table})}
    >>> [leak.where for leak in late_feature(Evidence(ResponseModel(), c, {}))]
    ['a, clinical:sample_timing']
    """
    inputs = {c.name for b in evidence.blocks for c in b.spec.inputs}
    for name, cohort in evidence.cohorts.items():
        begun = _begun(cohort)
        for table in ("clinical", *(t for t in evidence.read if t != "clinical")):
            rows = cohort.tables.get(table, pd.DataFrame())
            for column in [c for c in rows.columns if _says_when(str(c).lower(), inputs)]:
                late, unread = _late(str(column).lower(), rows[column], begun)
                if unread:
                    yield Leak(
                        f"the dates of {unread} patients cannot be read, late or not", f"{name}, {table}:{column}"
                    )
                if late:
                    yield Leak(f"{late} patients were measured after treatment began", f"{name}, {table}:{column}")
        for table in [t for t in evidence.read if t in cohort.events]:
            after = _late_rows(cohort.event(table), begun)
            if after.any():
                without = replace(cohort, events={**cohort.events, table: cohort.event(table)[~after]})
                changed = _changed(evidence, cohort, without)
                if changed:
                    what = f"{int(after.sum())} rows after treatment began change {len(changed)} features"
                    yield Leak(what, f"{name}, {table}: {', '.join(changed[:3])}")


def outcome_column(evidence: Evidence) -> Iterator[Leak]:
    """Look for the outcome among what is read: by its name, or because a feature is a function of it.

    It cannot see an outcome under an innocent name where the outcome itself is not given beside it, or in fewer than
    20 patients; what then tells the response is for `single_feature` to see, and what tells it in part for none.
    Names are those of ``tables/outcome_columns.csv``. In the clinical table they are where they belong, as long as no
    block reads them; in any other table that a block reads they are none of a measurement. Symbols of genes are genes.

    Parameters
    ----------
    evidence : Evidence
        Cohorts, and the blocks of the model.

    Yields
    ------
    Leak
        One per table, or feature.

    Examples
    --------
    >>> from theracast.models.base import ResponseModel
    >>> tables = {"clinical": pd.DataFrame({"age": [61], "recist": ["PD"]}, index=["p"]),
    ...           "pathology": pd.DataFrame({"RECIST": ["PD"]}, index=["p"])}
    >>> [leak.where for leak in outcome_column(Evidence(ResponseModel(), {"a": Cohort.from_tables(tables)}, {}))]
    ['a, pathology: RECIST']
    """
    named = [f"{b.spec.name}: {c.name}" for b in evidence.blocks for c in b.spec.inputs if is_outcome(c.name)]
    if named:
        yield Leak("a block reads what tells how a patient did", ", ".join(named))
    for name, cohort in evidence.cohorts.items():
        for table in [t for t in evidence.read if t != "clinical"]:
            there = {**cohort.tables, **cohort.events}.get(table)
            found = [] if there is None else _outcomes(there)
            if found:
                yield Leak("columns among the measurements tell how a patient did", f"{name}, {table}: {found[0]}")
        features = evidence.features[name].values
        for feature, outcome in _functions(features, cohort):
            yield Leak("a feature is a function of the outcome", f"{name}, {feature} of clinical:{outcome}")


def single_feature(evidence: Evidence) -> Iterator[Leak]:
    """Look for a feature that alone tells the response, up or down: AUC above .95, and no chance finding.

    Its interval keeps above .80, or so good a feature would be found by chance in one of a hundred such cohorts or
    fewer, however many features were looked at. It cannot see one in a cohort of fewer than 20 patients or 5 of a
    class, nor a leak that noise keeps below .95, nor several features that tell the response only together.

    Parameters
    ----------
    evidence : Evidence
        Cohorts.

    Yields
    ------
    Leak
        One per cohort and feature.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> list(single_feature(Evidence(ResponseModel(), {"a": load_cohort("riaz2017_mel")}, {})))
    []
    """
    for name, cohort in evidence.cohorts.items():
        y = cohort.response.to_numpy()
        for feature, values in evidence.features[name].values.items():
            known = ~np.isnan(y) & values.notna().to_numpy()
            truth = y[known]
            if len(truth) < _PATIENTS or min(truth.sum(), len(truth) - truth.sum()) < _CLASS:
                continue
            score = values.to_numpy(dtype=np.float64)[known]
            area = auc(truth, score)
            area = area if area.value >= 0.5 else auc(truth, -score)
            by_chance = len(evidence.features[name].values.columns) * _as_good(area.value, truth)
            if area.value > ALONE and (area.lower > ALONE_LOWER or by_chance < ALONE_CHANCE):
                yield Leak(f"one feature alone has an AUC of {area} in {len(truth)} patients", f"{name}, {feature}")


def cohort_too_good(evidence: Evidence) -> Iterator[Leak]:
    """Look for a cohort that is predicted better than is believable: AUC .98 or more in 20 patients or more.

    It cannot see a leak that helps less: most do.

    Parameters
    ----------
    evidence : Evidence
        With `Evidence.table`.

    Yields
    ------
    Leak
        One per cohort.

    Examples
    --------
    >>> from theracast.models.base import ResponseModel
    >>> table = pd.DataFrame({"cohort": ["a"], "model": "theracast", "auc": 0.99, "n": 40, "note": SUSPECT})
    >>> [leak.where for leak in cohort_too_good(Evidence(ResponseModel(), {}, {}, (), table))]
    ['a']
    """
    if len(evidence.table):
        for row in evidence.table[evidence.table.note == SUSPECT].itertuples():
            yield Leak(f"{row.model} has an AUC of {row.auc:.2f} in {row.n} patients it never saw", str(row.cohort))


def _as_good(area: float, truth: np.ndarray) -> float:
    """Probability that a feature without skill has such an AUC or a better one, up or down."""
    n, n1 = len(truth), float(truth.sum())
    return float(2 * ndtr(-abs(area - 0.5) * np.sqrt(12 * n1 * (n - n1) / (n + 1))))


def _begun(cohort: Cohort) -> pd.Series | None:
    """Find the day treatment began of each patient."""
    table = cohort.table("clinical")
    for name in _STARTS:
        if name in table:
            return days_of(table[name])
    return None


def _says_when(column: str, inputs: set[str]) -> bool:
    said = _WHEN.fullmatch(column)
    what = "" if said is None else next((w for w in said.groups() if w), "")
    return column in _TIMING or column in _STARTS or (said is not None and (what in _DRAWN or what in inputs))


def _late(column: str, cells: pd.Series, begun: pd.Series | None) -> tuple[int, int]:
    """Count the patients measured after treatment began, by one column, and those of whom it cannot be read."""
    if column in _TIMING:
        return int(cells.map(is_late).sum()), 0
    if column.endswith("day") or column.startswith("day_of_"):
        return int((pd.to_numeric(cells, errors="coerce") > 0).sum()), 0
    if begun is None:
        return 0, 0
    days = days_of(cells)
    given = cells.notna() & (cells.astype(str).str.strip() != "")
    late = 0 if column in _STARTS else int((days > begun.reindex(cells.index)).sum())
    return late, int((given & days.isna()).sum())


def _late_rows(rows: pd.DataFrame, begun: pd.Series | None) -> np.ndarray:
    late = np.zeros(len(rows), dtype=bool)
    if "day" in rows:
        late |= (pd.to_numeric(rows["day"], errors="coerce") > 0).to_numpy()
    when = next((c for c in ("time", "date") if c in rows), None)
    if when is not None and begun is not None:
        late |= days_of(rows[when]).to_numpy() > begun.reindex(rows.index).to_numpy()
    return late


def _changed(evidence: Evidence, cohort: Cohort, without: Cohort) -> list[str]:
    """Name the features that rest on what was left out."""
    blocks = evidence.model.blocks or evidence.model.spec.blocks
    assembler = FeatureAssembler(blocks).fit(cohort)
    one, other = (assembler.matrix(c).values for c in (cohort, without))
    return [str(c) for c in one if not one[c].equals(other[c])]


def _outcomes(table: pd.DataFrame) -> list[str]:
    found = [str(c) for c in table.columns if is_outcome(str(c))]
    genes = set(load_table("hgnc").symbol) if found else set()
    return [c for c in found if c not in genes]


def _functions(features: pd.DataFrame, cohort: Cohort) -> Iterator[tuple[str, str]]:
    """Pair the features with the columns of the outcome that they are a function of."""
    clinical = cohort.table("clinical")
    values = features.to_numpy(dtype=np.float64)
    for outcome in [str(c) for c in clinical.columns if c != "response" and is_outcome(str(c))]:
        cells = clinical[outcome]
        numbers = pd.to_numeric(cells, errors="coerce").to_numpy(dtype=np.float64)
        is_number = (~np.isnan(numbers)).sum() == cells.notna().sum() and len(np.unique(numbers)) > _PATIENTS // 2
        codes = pd.factorize(cells)[0]
        for feature, column in zip(features.columns, values.T, strict=True):
            known = ~np.isnan(column) & (codes >= 0)
            if known.sum() < _PATIENTS:
                continue
            alike = _runs_alike(column[known], numbers[known]) if is_number else _by_group(column[known], codes[known])
            if alike:
                yield str(feature), outcome


def _runs_alike(values: np.ndarray, outcome: np.ndarray) -> bool:
    first, second = rankdata(values), rankdata(outcome)
    if first.min() == first.max() or second.min() == second.max():
        return False
    return bool(abs(np.corrcoef(first, second)[0, 1]) > _FUNCTION)


def _by_group(values: np.ndarray, codes: np.ndarray) -> bool:
    """Say whether patients of one outcome have one value, and patients of others another."""
    counts = np.sort(np.unique(values, return_counts=True)[1])
    if len(counts) < 2 or counts[-2] < _CLASS:
        return False
    low, high = np.full(codes.max() + 1, np.inf), np.full(codes.max() + 1, -np.inf)
    np.minimum.at(low, codes, values)
    np.maximum.at(high, codes, values)
    told = np.bincount(codes) > 0
    return bool((low[told] == high[told]).all() and 2 * told.sum() < len(values))
