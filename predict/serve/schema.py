"""The OpenAPI document, made from what the blocks of the model say of their inputs."""

from __future__ import annotations

import math
from typing import Any, get_args

import theracast
from theracast.features.blocks import BLOCKS
from theracast.features.intake import EVENTS
from theracast.features.spec import Column
from theracast.models.utility import Route
from theracast.predict.predictor import Predictor
from theracast.predict.serve.held import Current
from theracast.predict.serve.limits import Limits
from theracast.predict.serve.patients import ID

_ANY = ["string", "number", "boolean", "null"]
_JSON = "application/json"
_TOLD = {
    "400": "Not JSON, or another layout",
    "401": "No valid key or token",
    "404": "The model served does not answer this",
    "408": "The body did not arrive in time",
    "409": "The Idempotency-Key came with another body",
    "413": "Too large: bytes, patients or columns",
    "415": "Another content type or encoding",
    "422": "The patients' tables are wrong: code, table, column and row, never a value",
    "500": "Something that was not foreseen",
    "503": "Not ready, too busy or too slow",
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Repeat a request with the same key and body, and get the same answer.",
    "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
}


def openapi(current: Current, limits: Limits) -> dict[str, Any]:
    """Write the document.

    Parameters
    ----------
    current : Current
        The model: its blocks say which tables there are.
    limits : Limits
        How many patients.

    Returns
    -------
    dict
        OpenAPI 3.1.

    Examples
    --------
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.predictor import Predictor
    >>> document = openapi(Current(Predictor(ResponseModel("melanoma_ici"), "0" * 64)), Limits())
    >>> document["components"]["schemas"]["clinical"]["properties"]["age"]["maximum"]
    120
    """
    tables = _tables(current.blocks)
    responds = isinstance(current.predictor, Predictor)
    schemas = {**tables, "Error": _error(), "Model": _model(), "Account": _account()}
    schemas["Patient"] = _patient(tables, responds)
    if not responds:
        schemas |= {"Utility": _utility(limits), "Burden": _burden()}
    schemas["Request"] = _request(limits, responds)
    answer = "predictions" if responds else "rankings"
    schemas["Answer"] = _answer(answer)
    spec = current.predictor.model.spec if isinstance(current.predictor, Predictor) else None
    about = spec or current.predictor.model.selection
    posts = {"/predict": "Score patients", "/explain": "Score and explain"} if responds else {"/rank": "Rank therapies"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"theracast: {about.title}",
            "version": theracast.__version__,
            "description": f"{about.intended_use}\n\nNot for: {about.not_for}",
        },
        "paths": {
            **{path: {"post": _post(path, title, _ref("Answer"), _JSON)} for path, title in posts.items()},
            "/report": {"post": _post("/report", "The page of one patient", {"type": "string"}, "text/html")},
            "/health": {"get": _get("health", "Whether the process lives", _JSON, {"type": "object"}, ())},
            "/ready": {"get": _get("ready", "Whether requests are answered", _JSON, {"type": "object"}, ("503",))},
            "/metrics": {"get": _get("metrics", "For Prometheus", "text/plain", {"type": "string"}, ())},
        },
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _tables(blocks: tuple[str, ...]) -> dict[str, Any]:
    columns: dict[str, dict[str, Any]] = {}
    open_ended: dict[str, Column] = {}
    for spec in (BLOCKS[b].spec for b in blocks):
        for table in spec.tables:
            mine = columns.setdefault(table, {})
            for column in spec.inputs:
                if column.name.startswith("<"):
                    if ("set name" in column.name) == (table == "signatures"):
                        open_ended.setdefault(table, column)
                elif not (table == "signatures" or (table in EVENTS) != (spec.tables[0] in EVENTS)):
                    mine.setdefault(column.name, _column(column))
    found: dict[str, Any] = {}
    for table, properties in columns.items():
        row: dict[str, Any] = {"type": "object", "title": table, "properties": properties}
        if table in open_ended:
            rest = open_ended[table]
            row["additionalProperties"] = {"type": _ANY, "description": f"{rest.name}: {rest.about} ({rest.unit})"}
        found[table] = {"type": "array", "items": row} if table in EVENTS else row
    return found


def _column(column: Column) -> dict[str, Any]:
    number = not math.isnan(column.low)
    cells = [e for e in column.example.split("|") if e.strip()]
    made: dict[str, Any] = {
        "type": ["number", "null"] if number else _ANY,
        "description": f"{column.about} [{column.unit}]" if column.unit else column.about,
        "examples": [float(e) for e in cells] if number else cells,
    }
    if column.unit:
        made["x-unit"] = column.unit
    if number:
        made |= {"minimum": column.low, "maximum": column.high, "x-error-code": column.code}
    return made


def _patient(tables: dict[str, Any], responds: bool) -> dict[str, Any]:
    more = {} if responds else {"tried": _list_of("string", "Therapies that failed already, by any name")}
    return {
        "type": "object",
        "required": ["patient_id"],
        "additionalProperties": False,
        "properties": {
            "patient_id": {"type": "string", "pattern": f"^{ID}$", "description": "A pseudonym"},
            **{t: _ref(t) for t in tables},
            **more,
        },
    }


def _request(limits: Limits, responds: bool) -> dict[str, Any]:
    shown, worth = _list_of("string", "Those to show; all by default"), _ref("Utility")
    more = {} if responds else {"therapies": shown, "utility": worth}
    return {
        "type": "object",
        "required": ["patients"],
        "additionalProperties": False,
        "properties": {
            "patients": {"type": "array", "minItems": 1, "maxItems": limits.patients, "items": _ref("Patient")},
            "units": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "examples": [{"expression": "TPM", "clinical.albumin": "g/dL"}],
            },
            "strict": {"type": "boolean", "default": False, "description": "One refused row refuses the request"},
            **more,
        },
    }


def _utility(limits: Limits) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "description": "What therapies cost and do beside their benefit, in units of response probability: price / "
        "response_value + route_weights[route] + infection_weight * infection_risk / 100 is taken off the probability, "
        "and therapies are ranked by the rest. Nothing is built in; a figure without a weight, or a weight without a "
        "figure of a therapy that is ranked, is refused.",
        "properties": {
            "name": {"type": "string", "description": "Whose figures these are"},
            "currency": {"type": "string", "description": "Of all prices and of response_value", "examples": ["GBP"]},
            "response_value": {**_amount("What a year in response is worth, in the currency"), "exclusiveMinimum": 0},
            "route_weights": {
                "type": "object",
                "description": "Response probability that one would give up to be spared the route",
                "additionalProperties": False,
                "properties": {route: {"type": "number", "minimum": 0} for route in get_args(Route)},
            },
            "infection_weight": _amount("Response probability that one would give up to be spared a serious infection"),
            "therapies": {
                "type": "object",
                "description": "By name of the therapy",
                "maxProperties": limits.patients,
                "additionalProperties": _ref("Burden"),
            },
        },
        "examples": [
            {
                "currency": "GBP",
                "response_value": 30000,
                "therapies": {"etanercept": {"price": 9000}, "rituximab": {"price": 3000}},
            }
        ],
    }


def _burden() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "price": _amount("In the currency, per patient and year"),
            "route": {"enum": [*get_args(Route), None]},
            "infection_risk": _amount("Serious infections per 100 patient-years"),
            "source": {"type": "string", "description": "Where the figures come from"},
        },
    }


def _amount(about: str) -> dict[str, Any]:
    return {"type": ["number", "null"], "minimum": 0, "description": about}


def _answer(lines: str) -> dict[str, Any]:
    line = {
        "type": "object",
        "required": ["row", "patient_id", "decision", "code", "reason", "probability"],
        "properties": {
            "row": {"type": "integer", "minimum": 1},
            "patient_id": {"type": "string"},
            "probability": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
            "decision": {"enum": ["response", "no_response", "ranked", "abstain", "rejected"]},
            "code": {"type": "string"},
            "reason": {"type": ["string", "null"]},
        },
    }
    return {
        "type": "object",
        "required": ["model", "account", lines],
        "properties": {
            "model": _ref("Model"),
            "account": _ref("Account"),
            lines: {"type": "array", "items": line},
        },
    }


def _model() -> dict[str, Any]:
    texts = ("name", "uri", "version", "digest", "theracast")
    return {
        "type": "object",
        "required": [*texts, "stale"],
        "properties": {**{t: {"type": "string"} for t in texts}, "stale": {"type": "boolean"}},
    }


def _account() -> dict[str, Any]:
    counts = ("rows_in", "scored", "abstained", "rejected")
    return {
        "type": "object",
        "required": list(counts),
        "description": "rows_in = scored + abstained + rejected",
        "properties": {c: {"type": "integer", "minimum": 0} for c in counts},
    }


def _error() -> dict[str, Any]:
    parts = ("code", "what", "where", "wanted", "do")
    inner = {"type": "object", "required": list(parts), "properties": {p: {"type": "string"} for p in parts}}
    return {"type": "object", "required": ["error"], "properties": {"error": inner}}


def _post(path: str, title: str, answer: dict[str, Any], media: str) -> dict[str, Any]:
    return {
        "operationId": path.strip("/"),
        "summary": title,
        "parameters": [_KEY],
        "security": [{}, {"key": []}, {"bearer": []}],
        "requestBody": {"required": True, "content": {_JSON: {"schema": _ref("Request")}}},
        "responses": {
            "200": {"description": title, "content": {media: {"schema": answer}}},
            **{status: _no(why) for status, why in _TOLD.items()},
        },
    }


def _get(name: str, title: str, media: str, answer: dict[str, Any], no: tuple[str, ...]) -> dict[str, Any]:
    responses = {"200": {"description": title, "content": {media: {"schema": answer}}}}
    return {
        "operationId": name,
        "summary": title,
        "responses": {**responses, **{status: _no(_TOLD[status]) for status in (*no, "401", "500")}},
    }


def _no(why: str) -> dict[str, Any]:
    return {"description": why, "content": {_JSON: {"schema": _ref("Error")}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _list_of(kind: str, about: str) -> dict[str, Any]:
    return {"type": "array", "items": {"type": kind}, "description": about}
