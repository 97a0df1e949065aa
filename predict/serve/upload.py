"""The page for people: choose a file of one patient, read the report. It works without scripts and loads nothing."""

from __future__ import annotations

import csv
import io
import re
from functools import cache
from importlib.resources import files
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from theracast.errors import DataError
from theracast.predict.report.frame import text_of
from theracast.predict.serve.asked import Asked
from theracast.predict.serve.held import Current
from theracast.predict.serve.limits import Limits
from theracast.predict.serve.patients import read_patients, wide_patients
from theracast.predict.serve.refusals import ServiceError
from theracast.predict.serve.strict_json import parse_json

#: What the pages of the service may do: show themselves, and send the form back here.
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'"
)


class _Kept(MultiPartParser):
    """A file of a patient stays in memory: a larger one would be written to a disk."""

    spool_max_size = 2**40


async def asked_of(body: bytes, headers: Headers, limits: Limits) -> Asked:
    r"""Read one patient from a request to ``/report``.

    Parameters
    ----------
    body : bytes
        Whole.
    headers : Headers
        The content type says what it is: JSON, CSV, or a form with one file.
    limits : Limits
        Bounds.

    Returns
    -------
    Asked
        Patients.

    Raises
    ------
    ServiceError
        400 what cannot be read, 415 another type.
    DataError
        As `theracast.predict.serve.patients.read_patients`.

    Examples
    --------
    >>> import asyncio
    >>> one = asked_of(b"clinical:age\n61\n", Headers({"content-type": "text/csv"}), Limits())
    >>> asyncio.run(one).wide.to_dict("list")
    {'clinical:age': [61]}
    """
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        body = await _file(body, headers)
        kind = "application/json" if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else "text/csv"
    if kind == "application/json":
        payload = parse_json(body.removeprefix(b"\xef\xbb\xbf"), limits)
        return read_patients(payload if isinstance(payload, dict) and "patients" in payload else _one(payload), limits)
    if kind == "text/csv":
        return read_csv(body, limits)
    raise ServiceError(
        415,
        "the content type is none that is read here",
        code="THX-A04",
        where="header Content-Type",
        wanted="application/json, text/csv, or a form with one file",
        fix="Say what is sent.",
    )


def read_csv(body: bytes, limits: Limits) -> Asked:
    r"""Read a wide table as `theracast.features.readers.read_table` does, from memory.

    Parameters
    ----------
    body : bytes
        CSV, UTF-8, columns ``<table>:<column>``.
    limits : Limits
        Bounds.

    Returns
    -------
    Asked
        Patients.

    Raises
    ------
    DataError
        THX-D31 when it cannot be parsed; by line, never by value.

    Examples
    --------
    >>> read_csv(b"patient_id,clinical:age\n007,61\n", Limits()).wide.index.tolist()
    ['007']
    """
    why, header = "", []
    try:
        text = body.decode("utf-8-sig")
        rows = csv.reader(io.StringIO(text, newline=""), strict=True)
        header = [name.strip() for name in next(rows, [])]
        ragged = next((rows.line_num for row in rows if row and len(row) != len(header)), 0)
        why = f"line {ragged} has another number of columns than the header" if ragged else ""
        why = why or ("there is a NUL byte" if "\0" in text else "")
    except UnicodeDecodeError as error:
        why = f"byte {error.start} is not UTF-8"
    except csv.Error:
        why = "a line is not CSV: a quote that is not closed, or a cell that is too long"
    if not why and (not header or len(set(header)) != len(header)):
        why = "there is no header, or a column stands in it twice"
    if why:
        raise DataError(
            f"the file cannot be parsed: {why}",
            code="THX-D31",
            wanted="UTF-8 text, a header such as patient_id,clinical:age, and a line for the patient",
            fix="Export it again as CSV (UTF-8).",
        )
    if len(header) > limits.columns:
        raise ServiceError(413, "too many columns", code="THX-A03", wanted=f"at most {limits.columns}")
    table = pd.read_csv(io.StringIO(text), dtype={"patient_id": str}, low_memory=False, index_col=False)
    return wide_patients(table.set_axis(header, axis=1), limits)


def upload_page(current: Current | None, refused: dict[str, Any] | None = None) -> str:
    """Write the page on which one patient is uploaded.

    Parameters
    ----------
    current : Current or None
        The model; None while there is none.
    refused : dict, optional
        What `theracast.predict.serve.refusals.told` says of a file that was refused.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> "Choose a file" in upload_page(None)
    True
    """
    model = current.predictor.model if current else None
    spec = getattr(model, "spec", None) or getattr(model, "selection", None)
    return _template().render(
        style=Markup(text_of("style.css")),  # noqa: S704 - our own file
        model=current.named() if current else None,
        spec=spec,
        refused=refused["error"] if refused else None,
    )


async def _file(body: bytes, headers: Headers) -> bytes:
    async def whole() -> Any:
        yield body

    try:
        form = await _Kept(headers, whole(), max_files=1, max_fields=4).parse()
    except MultiPartException:
        raise _no_file() from None
    except (KeyError, ValueError):  # no boundary
        raise _no_file() from None
    try:
        found = form.get("file")
        if not isinstance(found, UploadFile):
            raise _no_file()
        return await found.read()
    finally:
        await form.close()


def _no_file() -> ServiceError:
    return ServiceError(
        400, "there is no file in the form", code="THX-A04", wanted="one field named file", fix="Choose one."
    )


def _one(payload: Any) -> Any:
    """Take one patient, or a list of one, for a request of one."""
    rows = payload if isinstance(payload, list) else [payload]
    named = [{"patient_id": "patient-1", **r} if isinstance(r, dict) else r for r in rows]
    return {"patients": named}


@cache
def _template() -> Any:
    text = files("theracast.predict.serve").joinpath("upload.html.jinja").read_text("utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True).from_string(
        text
    )


def wants_page(accept: str) -> bool:
    """Say whether it is a browser that asks, who would rather read a page than JSON.

    Parameters
    ----------
    accept : str
        Header Accept.

    Returns
    -------
    bool
        True where HTML stands before JSON.

    Examples
    --------
    >>> wants_page("text/html,application/xhtml+xml"), wants_page("*/*")
    (True, False)
    """
    return bool(re.match(r"\s*text/html", accept))
