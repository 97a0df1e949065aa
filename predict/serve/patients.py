"""From a request to patients: tables by name, ids that are ids, and what may be told of it should it be refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.intake import EVENTS, GENES, SIGNATURES, split_wide
from theracast.predict.serve.limits import Limits
from theracast.predict.serve.refusals import ServiceError

#: What a patient's id looks like, everywhere in the service.
ID = r"[A-Za-z0-9._-]{1,64}"
#: Tables that some block reads; another name is a mistake that would go unseen.
TABLES = frozenset({t for b in BLOCKS.values() for t in b.spec.tables} | {SIGNATURES})
#: Tables of numbers only, and many of them.
_NUMERIC = tuple(f"{t}:" for t in (*GENES, SIGNATURES))
#: Names of columns that may stand in a message: they are ours.
OURS = frozenset(
    {c.name for b in BLOCKS.values() for c in b.spec.inputs} | TABLES | {"patient_id", "response", "cohort"}
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_ASKED = {"patients", "units", "strict", "therapies"}


@dataclass(frozen=True)
class Asked:
    """Patients of one request.

    Attributes
    ----------
    wide : DataFrame
        One row per patient given, in order; columns ``<table>:<column>``.
    events : dict of str to DataFrame
        Tables with any number of rows per patient.
    units : dict of str to str
        As `theracast.features.cohort.Cohort.from_tables` takes them.
    strict : bool
        Whether one refused row refuses all.
    tried : dict of str to list of str
        Therapies that failed, by patient.
    therapies : tuple of str
        Those to show.

    Examples
    --------
    >>> Asked(pd.DataFrame({"clinical:age": [61]}, index=["p1"])).cohort().ids.tolist()
    ['p1']
    """

    wide: pd.DataFrame
    events: dict[str, pd.DataFrame] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    strict: bool = False
    tried: dict[str, list[str]] = field(default_factory=dict)
    therapies: tuple[str, ...] = ()

    def cohort(self) -> Cohort:
        """Build the cohort, as a batch would from the same tables.

        Returns
        -------
        Cohort
            A row for each patient given.

        Raises
        ------
        DataError
            What `Cohort.from_tables` refuses.

        Examples
        --------
        >>> len(Asked(pd.DataFrame({"clinical:age": [61, 48]}, index=["p1", "p2"])).cohort())
        2
        """
        tables = split_wide(self.wide.dropna(axis=1, how="all"), allow_empty=True)
        return Cohort.from_tables({**tables, **self.events}, units=self.units)

    def secrets(self) -> set[str]:
        """List the texts that may stand in no message: ids, cells and names that are not ours.

        Returns
        -------
        set of str
            As `theracast.predict.serve.refusals.hiding` takes them.

        Examples
        --------
        >>> sorted(Asked(pd.DataFrame({"clinical:sex": ["zz"], "clinical:Doe": [1]}, index=["p1"])).secrets())
        ['Doe', 'p1', 'zz']
        """
        names = {str(c).split(":", 1)[-1] for c in self.wide} | {str(c) for t in self.events.values() for c in t}
        found = {*map(str, self.wide.index), *(names - OURS), *self.therapies, *self.units.values()}
        found |= {t for ts in self.tried.values() for t in ts}
        for table in (self.wide, *self.events.values()):
            for cells in table.select_dtypes(exclude="number").to_dict("list").values():
                found |= {v for v in cells if isinstance(v, str)}
        return {text for text in found if text not in OURS}


def read_patients(payload: Any, limits: Limits) -> Asked:
    """Read the body of a request.

    Parameters
    ----------
    payload : Any
        Parsed JSON: ``{"patients": [{"patient_id": "p1", "clinical": {"age": 61}}]}``; a key of a patient may also be
        ``<table>:<column>``.
    limits : Limits
        How many patients and columns.

    Returns
    -------
    Asked
        Patients.

    Raises
    ------
    ServiceError
        400 another layout, 413 too many, 422 ids and names that are none; by row number, never by value.

    Examples
    --------
    >>> read_patients({"patients": [{"patient_id": "p1", "clinical": {"age": 61}}]}, Limits()).wide.to_dict("list")
    {'clinical:age': [61]}
    """
    if not isinstance(payload, dict) or not isinstance(payload.get("patients"), list):
        raise _layout("body", 'an object with "patients": [{"patient_id": "p1", "clinical": {"age": 61}}]')
    if not payload.keys() <= _ASKED:
        raise _layout("body", f"no other keys than {', '.join(sorted(_ASKED))}")
    patients, strict = payload["patients"], payload.get("strict", False)
    if not isinstance(strict, bool):
        raise _layout("strict", "true or false")
    _few(len(patients), limits.patients, "patients")
    if not patients:
        raise _layout("patients", "at least one patient")
    ids: list[str] = []
    cells: list[dict[str, Any]] = []
    events: dict[str, list[dict[str, Any]]] = {}
    tried: dict[str, list[str]] = {}
    columns: set[str] = set()
    for row, patient in enumerate(patients, start=1):
        if not isinstance(patient, dict):
            raise _layout(f"patient {row}", "an object")
        ids.append(_id(patient.get("patient_id"), row))
        cells.append(dict(_cells(patient, row, limits)))
        columns |= cells[-1].keys()
        _few(len(columns), limits.columns, "columns")
        _few(len(columns) * row, limits.cells, "cells")
        for name, lines in _events(patient, row, limits):
            events.setdefault(name, []).extend({"patient_id": ids[-1], **line} for line in lines)
        if "tried" in patient:
            tried.setdefault(ids[-1], []).extend(_texts(patient["tried"], f"patient {row}: tried", limits))
    order = list(dict.fromkeys(c for patient in cells for c in patient))
    wide = pd.DataFrame({c: _column([p.get(c) for p in cells], c.startswith(_NUMERIC)) for c in order})
    units = payload.get("units", {})
    if not isinstance(units, dict) or not all(isinstance(u, str) and len(u) <= limits.text for u in units.values()):
        raise _layout("units", 'an object such as {"expression": "TPM"}')
    return Asked(
        wide.set_axis(pd.Index(ids, name="patient_id", dtype=object)),
        {name: _table(lines) for name, lines in events.items()},
        units,
        strict,
        tried,
        tuple(_texts(payload.get("therapies", []), "therapies", limits)),
    )


def wide_patients(table: pd.DataFrame, limits: Limits) -> Asked:
    """Take a wide table that was uploaded.

    Parameters
    ----------
    table : DataFrame
        Columns ``<table>:<column>``, and ``patient_id``; without it the patients are numbered.
    limits : Limits
        How many patients and columns.

    Returns
    -------
    Asked
        Patients.

    Raises
    ------
    ServiceError
        As `read_patients`.

    Examples
    --------
    >>> wide_patients(pd.DataFrame({"clinical:age": [61]}), Limits()).wide.index.tolist()
    ['patient-1']
    """
    _few(len(table), limits.patients, "patients")
    _few(table.shape[1], limits.columns, "columns")
    if table.empty:
        raise _layout("table", "a header and at least one patient")
    if list(table.columns).count("patient_id") > 1:
        raise _layout("table", "one column patient_id")
    if "patient_id" not in table.columns:
        table = table.assign(patient_id=[f"patient-{n}" for n in range(1, len(table) + 1)])
    ids = [_id(i, row) for row, i in enumerate(table["patient_id"], start=1)]
    for name in table.columns.drop("patient_id"):
        _place(str(name), 0)
    # each column lies by itself after reading; thousands of genes want one block
    table = table.drop(columns="patient_id").copy()
    return Asked(table.set_axis(pd.Index(ids, name="patient_id", dtype=object)))


def _cells(patient: Mapping[str, Any], row: int, limits: Limits) -> Iterator[tuple[str, Any]]:
    """Give each cell of a patient by ``<table>:<column>``."""
    for key, held in patient.items():
        if key in ("patient_id", "tried") or key in EVENTS:
            continue
        if isinstance(held, dict):
            table = _table_name(key, row)
            for column, value in held.items():
                yield f"{table}:{_name(column, row, limits)}", _cell(value, row, limits)
        else:
            yield _name(_place(key, row), row, limits), _cell(held, row, limits)


def _events(patient: Mapping[str, Any], row: int, limits: Limits) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name in (n for n in EVENTS if n in patient):
        lines = patient[name]
        if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
            raise _layout(f"patient {row}, table {name}", "an array of objects, one per row")
        _few(sum(map(len, lines)), limits.cells, "cells")
        yield name, [{_name(c, row, limits): _cell(v, row, limits) for c, v in line.items()} for line in lines]


def _table(lines: list[dict[str, Any]]) -> pd.DataFrame:
    order = list(dict.fromkeys(c for line in lines for c in line))
    return pd.DataFrame({c: _column([line.get(c) for line in lines]) for c in order})


def _column(values: list[Any], measured: bool = False) -> Any:
    """Numbers stay numbers to the last bit, and whole ones whole, whoever else is in the request."""
    kinds = {type(v) for v in values if v is not None}
    if kinds == {int} and not measured:
        return pd.array(values, dtype="Int64") if None in values else np.array(values, dtype=np.int64)
    if kinds and kinds <= {int, float}:
        return np.array(values, dtype=np.float64)
    return np.array([*values, None], dtype=object)[:-1]


def _id(value: Any, row: int) -> str:
    if not isinstance(value, str) or not re.fullmatch(ID, value):
        raise DataError(
            "the patient_id is none",
            code="THX-A01",
            where=f"patient {row}",
            wanted="text of 1 to 64 letters, digits, dots, underscores and hyphens",
            fix="Give a pseudonym.",
        )
    return value


def _table_name(key: str, row: int) -> str:
    if key not in TABLES:
        raise DataError(
            "no block reads a table of this name",
            code="THX-A04",
            where=f"patient {row}" if row else "header",
            wanted=f"one of {', '.join(sorted(TABLES))}",
            fix="Write the name of the table as the OpenAPI document does.",
        )
    return key


def _place(key: str, row: int) -> str:
    """Hold the table of ``<table>:<column>`` against those that there are."""
    table, colon, _ = key.partition(":")
    _table_name(table, row)
    if not colon:
        raise _layout(f"patient {row}, table {table}" if row else "header", "an object of columns")
    return key


def _name(name: str, row: int, limits: Limits) -> str:
    if not name or len(name) > limits.text or _CONTROL.search(name):
        raise _layout(f"patient {row}", "names of columns without control characters, not too long")
    return name


def _cell(value: Any, row: int, limits: Limits) -> Any:
    if isinstance(value, dict | list):
        raise _layout(f"patient {row}", "a number, text, true, false or null in each cell")
    if isinstance(value, str) and (len(value) > limits.text or _CONTROL.search(value)):
        raise _layout(f"patient {row}", f"texts of at most {limits.text} characters, without control characters")
    return value


def _texts(value: Any, where: str, limits: Limits) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value) or len(value) > limits.patients:
        raise _layout(where, "an array of texts")
    return [_cell(v, 0, limits) for v in value]


def _few(n: int, most: int, what: str) -> None:
    if n > most:
        raise ServiceError(
            413, f"too many {what}", code="THX-A03", wanted=f"at most {most}", fix="Use theracast score for cohorts."
        )


def _layout(where: str, wanted: str) -> ServiceError:
    return ServiceError(
        400, "the request has another layout", code="THX-A04", where=where, wanted=wanted, fix="See /openapi.json."
    )
