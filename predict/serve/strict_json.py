"""JSON as it may come from anyone: bounded, finite, every key once, and no deeper than a table needs."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

import numpy as np

from theracast.predict.serve.limits import Limits
from theracast.predict.serve.refusals import ServiceError

#: A text that is never closed is a text too: otherwise a row of quotes is looked through again and again.
_TEXT = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)', re.DOTALL)
#: Characters of a number; a longer one is no measurement.
_LONGEST = 40
#: Beyond it a float is not whole any more.
_LARGEST = 2**53


def parse_json(body: bytes, limits: Limits) -> Any:
    """Parse a body.

    Parameters
    ----------
    body : bytes
        UTF-8.
    limits : Limits
        How deep.

    Returns
    -------
    Any
        Plain Python.

    Raises
    ------
    ServiceError
        400, THX-A04: not JSON, a key twice, NaN or an infinity, a number too large; THX-A03: too deep.

    Examples
    --------
    >>> parse_json(b'{"a": [1, 2.5, null]}', Limits())
    {'a': [1, 2.5, None]}
    >>> parse_json(b'{"a": NaN}', Limits())
    Traceback (most recent call last):
    ...
    theracast.predict.serve.refusals.ServiceError: THX-A04: NaN and Infinity are not JSON | ...
    """
    _no_deeper(body, limits.depth)
    try:
        return json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_each_once,
            parse_constant=_not_finite,
            parse_int=_whole,
            parse_float=_finite,
        )
    except UnicodeDecodeError as error:
        raise _malformed("the body is not UTF-8", f"byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _malformed("the body is not JSON", f"line {error.lineno}, column {error.colno}") from None
    except RecursionError:
        raise _malformed("the body is nested too deeply", "") from None


def _no_deeper(body: bytes, depth: int) -> None:
    """Count brackets outside texts; parsing would recurse once for each."""
    if body.count(b"{") + body.count(b"[") <= depth:
        return
    folded = np.frombuffer(_TEXT.sub(b"", body), np.uint8) | 0x20  # "[" and "{" become one, and so do their ends
    marks = folded[(folded == ord("{")) | (folded == ord("}"))]
    if (
        marks.size
        and int(np.cumsum(np.where(marks == ord("{"), np.int8(1), np.int8(-1)), dtype=np.int32).max()) > depth
    ):
        raise ServiceError(
            400,
            "the body is nested too deeply",
            code="THX-A03",
            wanted=f"at most {depth} arrays and objects inside each other",
            fix="Give each table of a patient as one object.",
        )


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _malformed("a key stands twice in one object", f"an object of {len(pairs)} keys")
    return found


def _not_finite(text: str) -> NoReturn:
    raise _malformed("NaN and Infinity are not JSON", "", "Leave unknown cells out, or write null.")


def _whole(text: str) -> int:
    if len(text) > _LONGEST or abs(int(text)) > _LARGEST:
        raise _malformed("a whole number is too large", f"{len(text)} characters", "Give ids as text.")
    return int(text)


def _finite(text: str) -> float:
    value = float(text) if len(text) <= _LONGEST else math.inf
    if math.isinf(value):
        raise _malformed("a number is too large, or too long", f"{len(text)} characters")
    return value


def _malformed(what: str, where: str, fix: str = "Send one JSON object, UTF-8.") -> ServiceError:
    return ServiceError(400, what, code="THX-A04", where=f"body: {where}" if where else "body", fix=fix)
