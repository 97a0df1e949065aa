"""Criteria held against a patient's tables and features: met, not met, or open where nothing can be said."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from theracast.checks import UNKNOWN, listed
from theracast.errors import UsageError
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.feature_names import block_of
from theracast.features.matrix import FeatureMatrix
from theracast.features.units import spelt
from theracast.predict.packet.criteria import Bounds, ColumnRule, Criterion, FeatureRule, PayerCriteria, PersonRule
from theracast.predict.report.printed import number, readable

MET, NOT_MET, OPEN = "met", "not met", "open"


@dataclass(frozen=True)
class Check:
    """One criterion, and what became of it.

    Attributes
    ----------
    criterion : Criterion
        As declared.
    status : {"met", "not met", "open"}
        Open is what is not known, what only a person can answer, and what is not in the unit of the criterion.
    found : str
        What was found and where, or why it is open.

    Examples
    --------
    >>> one = Criterion(id="a", text="b", rule={"attested_by": "clinician"})
    >>> Check(one, OPEN, "").status
    'open'
    """

    criterion: Criterion
    status: str
    found: str


def check_criteria(criteria: PayerCriteria, cohort: Cohort, matrix: FeatureMatrix, patient_id: str) -> list[Check]:
    """Hold every criterion against one patient.

    Parameters
    ----------
    criteria : PayerCriteria
        What is asked for.
    cohort : Cohort
        The tables.
    matrix : FeatureMatrix
        What the model's blocks measured of them.
    patient_id : str
        One of the patients.

    Returns
    -------
    list of Check
        In the order of the criteria.

    Raises
    ------
    UsageError
        A feature that no block has: it is misspelt, and would be open for ever.

    Examples
    --------
    >>> from theracast import FeatureAssembler, load_cohort
    >>> cohort = load_cohort("riaz2017_mel")
    >>> rule = {"table": "clinical", "column": "stage", "one_of": ["III", "IV"]}
    >>> asked = PayerCriteria(payer="p", policy="q", drug="d", indication="i",
    ...                       criteria=[{"id": "stage", "text": "III or IV", "rule": rule}])
    >>> matrix = FeatureAssembler(["clinical"]).fit(cohort).matrix(cohort)
    >>> check_criteria(asked, cohort, matrix, "Pt1")[0].status
    'met'
    """
    found = []
    for criterion in criteria.criteria:
        rule = criterion.rule
        if isinstance(rule, PersonRule):
            said = OPEN, f"no table can answer it: to be attested by {rule.attested_by}"
        elif isinstance(rule, FeatureRule):
            said = _feature(rule, matrix, patient_id, criterion.id)
        else:
            said = _column(rule, cohort, patient_id)
        found.append(Check(criterion, *said))
    return found


def _feature(rule: FeatureRule, matrix: FeatureMatrix, patient_id: str, criterion: str) -> tuple[str, str]:
    name = rule.feature
    if name not in matrix.values.columns:
        _require(name, matrix, criterion)
        return OPEN, f"the model does not measure {name}"
    lineage, value = matrix.lineage[name], float(matrix.values[name][patient_id])
    if math.isnan(value):
        return OPEN, f"{readable(name)} is not known"
    if name in matrix.proxies and bool(matrix.proxies[name][patient_id]):
        return OPEN, f"{readable(name)} was not measured: something else stands in for it, and no stand-in can meet it"
    if any(n.startswith(readable(name)) and "given as a range" in n for n in matrix.notes.get(patient_id, ())):
        return OPEN, f"{readable(name)} was given as a range: the value itself is not known"
    trouble = _units_differ(rule.unit, ["" if lineage.unit == "0/1" else lineage.unit])
    if trouble:
        return OPEN, f"{readable(name)} is known, {trouble}: not compared"
    limit = int(matrix.limits[name][patient_id]) if name in matrix.limits else 0
    told = f"{readable(name)} {('≤ ', '', '≥ ')[limit + 1]}{number(value)} {lineage.unit}".strip()
    origin = f" ({'; '.join(lineage.sources)})" if lineage.sources else ""
    return _bounded(rule, value, limit, told, origin)


def _bounded(rule: Bounds, value: float, limit: int, told: str, origin: str) -> tuple[str, str]:
    """Compare; of a value that is a limit, only what holds wherever beyond the limit it lies."""
    low, high = {-1: (-math.inf, value), 0: (value, value), 1: (value, math.inf)}[limit]
    if rule.hold(low) and rule.hold(high):
        return MET, told + origin
    if not (Bounds(at_least=rule.at_least).hold(high) and Bounds(at_most=rule.at_most).hold(low)):
        return NOT_MET, told + origin
    return OPEN, f"{told} is a limit of the assay: the value itself is not known{origin}"


def _column(rule: ColumnRule, cohort: Cohort, patient_id: str) -> tuple[str, str]:
    where = f"{rule.table}: {rule.column}"
    if rule.table in cohort.events:
        return OPEN, f"table {rule.table} holds any number of rows per patient: a person must read it"
    table = cohort.tables.get(rule.table)
    if table is None or rule.column not in table.columns:
        return OPEN, f"the tables have no column {where}"
    cell: Any = table[rule.column].get(patient_id)
    if cell is None or pd.isna(cell) or str(cell).strip().lower() in UNKNOWN:
        return OPEN, f"{where} is not known"
    digests = [s.sha256[:12] for s in cohort.sources if s.name == rule.table]
    origin = f" (table {rule.table}, SHA-256 {digests[0]})" if digests else f" (table {rule.table})"
    if rule.one_of:
        return (MET if any(_same(cell, w) for w in rule.one_of) else NOT_MET), f"{where} is {cell}{origin}"
    value = _plain(cell)
    if value is None:
        return OPEN, f"{where} is no plain number: a person must read it{origin}"
    units = _units(rule, cohort, table, patient_id)
    trouble = _units_differ(rule.unit, units)
    if trouble:
        return OPEN, f"{where} is known, {trouble}: not compared{origin}"
    return (MET if rule.hold(value) else NOT_MET), f"{where} is {number(value)} {rule.unit}".strip() + origin


def _units(rule: ColumnRule, cohort: Cohort, table: pd.DataFrame, patient_id: str) -> list[str]:
    """Find the unit of a column: written beside it, declared, or fixed by the block that reads it."""
    beside = f"{rule.column}_unit"
    if beside in table.columns:
        cell = table[beside].get(patient_id)
        return ["" if cell is None or pd.isna(cell) else str(cell)]
    for name in (f"{rule.table}.{rule.column}", rule.table):
        if name in cohort.units:
            return [cohort.units[name]]
    read = (
        c.unit
        for b in BLOCKS
        for c in BLOCKS[b].spec.inputs
        if rule.table in BLOCKS[b].spec.tables and c.name == rule.column
    )
    return ["", *read]


def _units_differ(wanted: str, units: Iterable[str]) -> str:
    """Say how a unit differs from that of the criterion; nothing where one of the units is the same."""
    known = [u for u in units if spelt(u)]
    if spelt(wanted) in {spelt(u) for u in units}:
        return ""
    if not spelt(wanted):
        return f"in {listed(known)}, and the criterion has no unit"
    return (
        f"in {listed(known)}, and the criterion in {wanted}"
        if known
        else f"without a unit, and the criterion in {wanted}"
    )


def _same(cell: Any, wanted: str | float) -> bool:
    if isinstance(wanted, str):
        return str(cell).strip().casefold() == wanted.strip().casefold()
    value = _plain(cell)
    return value is not None and value == wanted


def _plain(cell: Any) -> float | None:
    """Read a cell as a number; whatever is more or less than one is none."""
    try:
        value = float(str(cell).strip())
    except ValueError:
        return None
    return value if math.isfinite(value) and not isinstance(cell, bool) else None


def _require(name: str, matrix: FeatureMatrix, criterion: str) -> None:
    """Refuse a feature that no block gives; one of a block that the model does not read is merely open."""
    block = block_of(name)
    if block in matrix.blocks:
        known = [c for c in matrix.values.columns if c.startswith(f"{block}__")]
        mine = {f"{block}__{f.name}" for f in BLOCKS[block].spec.features} if block in BLOCKS else set()
        if name not in mine:
            wanted = f"one of {listed(known, most=12)}"
            raise UsageError("no such feature", where=f"criterion {criterion}", got=name, wanted=wanted)
    elif block not in BLOCKS:
        raise UsageError(
            "no such block", where=f"criterion {criterion}", got=name, wanted=f"one of {', '.join(BLOCKS)}"
        )
