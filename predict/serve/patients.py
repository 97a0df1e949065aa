"""From a request to patients: tables by name, ids that are ids, and what may be told of it should it be refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd
from pydantic import ValidationError

from theracast.errors import DataError
from theracast.features.intake import EVENTS
from theracast.models.utility import Burden, Utility
from theracast.predict.serve.asked import TABLES, Asked, Given
from theracast.predict.serve.limits import Limits
from theracast.predict.serve.refusals import ServiceError

#: What a patient's id looks like, everywhere in the service.
ID = r"[A-Za-z0-9._-]{1,64}"
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_ASKED = {"patients", "units", "strict", "therapies", "utility"}


def read_patients(payload: Any, limits: Limits) -> Asked:
    """Read the body of a request, and make its tables.

    Parameters
    ----------
    payload : Any
        As `read_request`.
    limits : Limits
        How many patients and columns.

    Returns
    -------
    Asked
        Patients.

    Raises
    ------
    ServiceError
        As `read_request`.

    Examples
    --------
    >>> read_patients({"patients": [{"patient_id": "p1", "clinical": {"age": 61}}]}, Limits()).wide.to_dict("list")
    {'clinical:age': [61]}
    """
    return read_request(payload, limits).asked()


def read_request(payload: Any, limits: Limits) -> Given:
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
    Given
        Patients.

    Raises
    ------
    ServiceError
        400 another layout, 413 too many, 422 ids and names that are none; by row number, never by value.

    Examples
    --------
    >>> read_request({"patients": [{"patient_id": "p1", "clinical": {"age": 61}}]}, Limits()).cells
    ({'clinical:age': 61},)
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
    units = payload.get("units", {})
    if not isinstance(units, dict) or not all(isinstance(u, str) and len(u) <= limits.text for u in units.values()):
        raise _layout("units", 'an object such as {"expression": "TPM"}')
    therapies = tuple(_texts(payload.get("therapies", []), "therapies", limits))
    utility = read_utility(payload["utility"], limits) if "utility" in payload else None
    return Given(tuple(ids), tuple(cells), events, units, strict, tried, therapies, utility)


def read_utility(fields: Any, limits: Limits) -> Utility:
    """Read what the caller declares of prices, routes and harms.

    Parameters
    ----------
    fields : Any
        Parsed JSON, with the fields of `theracast.models.utility.Utility`.
    limits : Limits
        How many therapies, how long a text.

    Returns
    -------
    Utility
        Checked.

    Raises
    ------
    ServiceError
        400; the field is named, what stood in it is not.
    UsageError
        A figure without a unit or a weight.

    Examples
    --------
    >>> declared = {"infection_weight": 2, "therapies": {"rituximab": {"infection_risk": 4}}}
    >>> read_utility(declared, Limits()).cost("rituximab")
    0.08
    """
    fix = f"fields {', '.join(Utility.model_fields)}; of a therapy {', '.join(Burden.model_fields)}"
    if not isinstance(fields, dict):
        raise _layout("utility", fix)
    burdens = fields.get("therapies", {})
    _few(len(burdens) if isinstance(burdens, dict) else 0, limits.patients, "therapies")
    try:
        found = Utility(**fields)
    except ValidationError as error:
        ours = {*Utility.model_fields, *Burden.model_fields}
        wrong = {".".join(str(part) for part in e["loc"] if part in ours) for e in error.errors()}
        raise _layout(": ".join(filter(None, ("utility", ", ".join(sorted(filter(None, wrong)))))), fix) from None
    for text in (found.name, found.currency, *(b.source for b in found.therapies.values())):
        _cell(text, 0, limits)
    for name in found.therapies:
        _name(name, 0, limits)
    return found


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
            table = f"{_table_name(key, row)}:"
            for column, value in held.items():
                yield table + _name(column, row, limits), value if type(value) is float else _cell(value, row, limits)
        else:
            yield _name(_place(key, row), row, limits), _cell(held, row, limits)


def _events(patient: Mapping[str, Any], row: int, limits: Limits) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name in (n for n in EVENTS if n in patient):
        lines = patient[name]
        if not isinstance(lines, list) or not all(isinstance(line, dict) for line in lines):
            raise _layout(f"patient {row}, table {name}", "an array of objects, one per row")
        _few(sum(map(len, lines)), limits.cells, "cells")
        yield name, [{_name(c, row, limits): _cell(v, row, limits) for c, v in line.items()} for line in lines]


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
    if not name or len(name) > limits.text or (not name.isprintable() and _CONTROL.search(name)):
        raise _layout(f"patient {row}", "names of columns without control characters, not too long")
    return name


def _cell(value: Any, row: int, limits: Limits) -> Any:
    if isinstance(value, dict | list):
        raise _layout(f"patient {row}", "a number, text, true, false or null in each cell")
    if isinstance(value, str) and (len(value) > limits.text or (not value.isprintable() and _CONTROL.search(value))):
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
