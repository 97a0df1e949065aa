"""How the service says no: a status, and what, where, wanted and what to do as JSON. Never a patient's value."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from typing import Any

from theracast.errors import DataError, ModelError, SetupError, TheracastError, UsageError

#: Shorter words stand in every sentence; none of them tells who a patient is.
_SHORTEST = 4
_HIDDEN = "[...]"


class ServiceError(TheracastError):
    """A request that the service does not answer.

    Parameters
    ----------
    status : int
        HTTP status.
    what : str
        As in `TheracastError`.
    headers : mapping of str to str, optional
        Beside the answer, such as ``Retry-After``.
    **told : str
        As in `TheracastError`.

    Examples
    --------
    >>> ServiceError(413, "the body is too large", code="THX-A03").status
    413
    """

    def __init__(self, status: int, what: str, *, headers: Mapping[str, str] | None = None, **told: str) -> None:
        super().__init__(what, **told)
        self.status, self.headers = status, dict(headers or {})


def status_of(error: Exception) -> int:
    """Say which HTTP status an error is.

    Parameters
    ----------
    error : Exception
        Any.

    Returns
    -------
    int
        400 a wrong call, 422 wrong tables, 503 a wrong model or machine, 500 anything that was not foreseen.

    Examples
    --------
    >>> status_of(DataError("ids repeat")), status_of(ValueError())
    (422, 500)
    """
    if isinstance(error, ServiceError):
        return error.status
    if isinstance(error, DataError):
        return 422
    if isinstance(error, UsageError):
        return 400
    return 503 if isinstance(error, ModelError | SetupError) else 500


def told(error: Exception, secrets: Collection[str] = ()) -> dict[str, Any]:
    """Return the body of an answer that says no.

    Parameters
    ----------
    error : Exception
        Of an error that was not foreseen nothing is told but that it happened.
    secrets : collection of str, optional
        Texts of the request: ids, cells and names of columns that the model does not know. Our messages hold none;
        should one stand there all the same, it is left out.

    Returns
    -------
    dict
        ``{"error": {"code", "what", "where", "wanted", "do"}}``.

    Examples
    --------
    >>> told(DataError("ids repeat", code="THX-D17", where="table of Jane.Doe"), ["Jane.Doe"])["error"]["where"]
    'table of [...]'
    >>> told(ValueError("Jane.Doe"))["error"]["what"]
    'something went wrong that was not foreseen'
    """
    if not isinstance(error, TheracastError):
        error = ServiceError(
            500,
            "something went wrong that was not foreseen",
            code="THX-A99",
            fix="Tell the operator the X-Request-ID of this answer.",
        )
    hide = hiding(secrets)
    # what was got is left out: of one patient a range is a value
    parts = {"what": error.what, "where": error.where, "wanted": error.wanted, "do": error.fix}
    return {"error": {"code": error.code or "THX-A00", **{k: hide(v) for k, v in parts.items()}}}


def hiding(secrets: Collection[str]) -> Any:
    """Make what leaves the texts of a request out of a message.

    Parameters
    ----------
    secrets : collection of str
        Those shorter than four characters are no secrets.

    Returns
    -------
    callable
        str to str.

    Examples
    --------
    >>> hiding(["007-Doe"])("row of 007-Doe")
    'row of [...]'
    """
    kept = {s.strip() for s in secrets if len(s.strip()) >= _SHORTEST}

    def _hide(text: str) -> str:
        # the message is short and the texts may be a whole transcriptome's names: look for those that stand in it
        for secret in sorted((s for s in kept if s in text), key=len, reverse=True):
            text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", _HIDDEN, text)
        return text

    return _hide


def as_json(value: Any) -> bytes:
    """Write an answer; numbers keep every bit, and what is not a number has no place in it.

    Parameters
    ----------
    value : Any
        Plain dicts, lists, texts and numbers.

    Returns
    -------
    bytes
        JSON, UTF-8.

    Raises
    ------
    ValueError
        On NaN and infinities: they must be None by then.

    Examples
    --------
    >>> as_json({"p": 0.1})
    b'{"p":0.1}'
    """
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
