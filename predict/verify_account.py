"""The account beside scores that were written: whether it reads, and which part of then is another today."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from theracast.checks import listed
from theracast.errors import DataError, UsageError
from theracast.models.utility import Utility
from theracast.predict.file_parts import FilePart
from theracast.predict.made_of import PARTS, file_digest, here, sealed
from theracast.predict.predictor import Predictor
from theracast.predict.therapies import SelectionPredictor

#: A part, its state, and what is to be said of it.
Part = tuple[str, str, str]
#: Changed parts of the file whose rows are all made again, so that the row can be named.
FOLLOWED = 3
_Count = Annotated[int, Field(ge=0)]


class _Layout(BaseModel):
    columns: list[str]
    rows: list[_Count]
    parts: list[tuple[int, int, _Count, _Count, str]]


class _Files(BaseModel):
    scores: _Layout
    rejects: str


class _Here(BaseModel):
    versions: dict[str, str]
    tables: dict[str, str]
    modules: dict[str, str]


class _Input(BaseModel):
    sha256: str = ""
    tables: dict[str, str] = {}
    rows: _Count | None = None
    sums: list[dict[str, str]] = []


class _Asked(BaseModel):
    tried: dict[str, list[str]] = {}
    utility: Utility | None = None
    therapies: list[str] = []


class _Made(BaseModel):
    parts: dict[str, str] = {}
    here: _Here
    input: _Input = _Input()
    units: dict[str, str] = {}
    explain: str = "none"
    asked: _Asked | None = None
    files: _Files | None = None


class _Site(BaseModel, extra="forbid"):
    intercept: float = 0.0
    slope: float = 1.0
    note: str = ""
    refused: bool = False


class _Account(BaseModel):
    rows_in: _Count | None = None
    scored: _Count | None = None
    abstained: _Count | None = None
    rejected: _Count | None = None
    site: _Site | None = None
    standard: str | None = None
    lines: _Count | None = None
    provenance: _Made | None = None


def read_account(path: Path) -> dict[str, Any]:
    """Read the account of scores.

    Parameters
    ----------
    path : Path
        The scores; the account is the ``.json`` beside them.

    Returns
    -------
    dict
        As `theracast.predict.batch.write_scores` closed it.

    Raises
    ------
    DataError
        THX-R11 when there is none, or when it holds what no account holds.

    Examples
    --------
    >>> read_account(Path("no/such.parquet"))
    Traceback (most recent call last):
    ...
    theracast.errors.DataError: THX-R11: no scores that can be verified | where: no/such.json | ...
    """
    beside = path.with_suffix(".json")
    try:
        account = json.loads(beside.read_text())
        kept = _Account.model_validate(account).provenance
    except ValidationError as error:
        raise no_scores(beside, "account: " + ".".join(map(str, error.errors()[0]["loc"]))) from None
    except UsageError as error:
        raise no_scores(beside, f"account: provenance.asked.utility: {error.what}") from None
    except (OSError, ValueError) as error:
        raise no_scores(beside, type(error).__name__) from None
    if kept and kept.parts and not {*PARTS} <= {*kept.parts}:
        raise no_scores(beside, "account: provenance.parts")
    layout = kept.files.scores if kept and kept.files else None
    if layout and any(c >= len(layout.columns) or g >= len(layout.rows) for c, g, *_ in layout.parts):
        raise no_scores(beside, "account: provenance.files")
    found: dict[str, Any] = account
    return found


def no_scores(path: Path, got: str) -> DataError:
    """Refuse what cannot be verified.

    Parameters
    ----------
    path : Path
        The file.
    got : str
        What it is instead.

    Returns
    -------
    DataError
        THX-R11, to be raised.

    Examples
    --------
    >>> no_scores(Path("a.csv"), "no column set").code
    'THX-R11'
    """
    return DataError(
        "no scores that can be verified",
        code="THX-R11",
        where=str(path),
        got=got,
        wanted="what 'theracast score' or 'theracast rank' wrote: a Parquet file, and its .json beside it",
    )


def of_choice(account: Mapping[str, Any]) -> bool:
    """Say whether an account is that of rankings.

    Parameters
    ----------
    account : mapping
        From `read_account`.

    Returns
    -------
    bool
        Only a ranking has a standard that gains are measured against.

    Examples
    --------
    >>> of_choice({"rows_in": 3, "standard": "as treated"})
    True
    """
    return account.get("standard") is not None


def lines_told(account: Mapping[str, Any]) -> int | None:
    """Say how many lines were written.

    Parameters
    ----------
    account : mapping
        From `read_account`.

    Returns
    -------
    int or None
        None where it was not told.

    Examples
    --------
    >>> lines_told({"scored": 3, "abstained": 1}), lines_told({"standard": "as treated", "lines": 12})
    (4, 12)
    """
    if of_choice(account):
        return None if account.get("lines") is None else int(account["lines"])
    scored, abstained = account.get("scored"), account.get("abstained")
    return None if scored is None or abstained is None else int(scored) + int(abstained)


def files_parts(path: Path, account: Mapping[str, Any], changed: list[FilePart]) -> list[Part]:
    """Compare the account, the scores file and the rejects with what was closed.

    Parameters
    ----------
    path : Path
        The scores.
    account : mapping
        From `read_account`.
    changed : list of FilePart
        Bytes of the scores file that are others.

    Returns
    -------
    list of tuple of str
        Three parts, in this order.

    Examples
    --------
    >>> [state for _, state, _ in files_parts(Path("s.parquet"), {}, [])]
    ['not told', 'not told', 'not told']
    """
    files = (account.get("provenance") or {}).get("files") or {}
    return [_sealed_part(account), _scores_part(files, changed), _rejects_part(path, files)]


def spelt(changed: list[FilePart]) -> str:
    """Name the bytes that changed, the first few in full.

    Parameters
    ----------
    changed : list of FilePart
        From `theracast.predict.file_parts.changed_parts`.

    Returns
    -------
    str
        One line.

    Examples
    --------
    >>> spelt([FilePart("set", 0, (1, 9), 4, 10)])
    'column set of rows 1 to 9 (bytes 4 to 13)'
    """
    more = f" and {len(changed) - FOLLOWED} parts more" if len(changed) > FOLLOWED else ""
    return "; ".join(map(str, changed[:FOLLOWED])) + more


def made_parts(made: Mapping[str, Any], predictor: Predictor | SelectionPredictor) -> list[Part]:
    """Compare schema, code, tables and libraries of then and now.

    Parameters
    ----------
    made : mapping
        ``provenance`` of the account.
    predictor : Predictor or SelectionPredictor
        The model of then, as it is read today.

    Returns
    -------
    list of tuple of str
        Four parts, in this order.

    Examples
    --------
    >>> {state for _, state, _ in made_parts({}, None)}
    {'not told'}
    """
    if not made.get("parts"):
        return [(part, "not told", "") for part in ("schema", "code", "tables", "libraries")]
    was, now, then, today = made["parts"], predictor.parts, made["here"], here()
    versions = {k: (then["versions"].get(k, "none"), v) for k, v in today["versions"].items()}
    other = {k: pair for k, pair in versions.items() if pair[0] != pair[1]}
    ours = other.pop("theracast", None)
    modules, tables = (_names_apart(then[k], today[k]) for k in ("modules", "tables"))
    code = "; ".join(filter(None, [ours and f"theracast {ours[0]} then, {ours[1]} now", modules]))
    libraries = ", ".join(f"{k} {a} then, {b} now" for k, (a, b) in other.items())
    schema = "" if was["schema"] == now["schema"] else f"{was['schema'][:16]} then, {now['schema'][:16]} now"
    told = {"schema": schema, "code": code, "tables": tables, "libraries": libraries}
    return [(part, "differs" if what else "same", what) for part, what in told.items()]


def _sealed_part(account: Mapping[str, Any]) -> Part:
    counts = [account.get(k) for k in ("scored", "abstained", "rejected", "rows_in")]
    told = [int(n) for n in counts if n is not None]
    if len(told) == len(counts) and sum(told[:-1]) != told[-1]:
        return "account", "differs", "its rows do not add up"
    if "sealed" not in account and not (account.get("provenance") or {}).get("files"):
        return "account", "not told", "written before accounts were sealed"
    held = {k: v for k, v in account.items() if k != "sealed"}
    good = sealed(held)["sealed"] == account.get("sealed")
    return "account", "same" if good else "differs", "" if good else "it is not what was written beside the scores"


def _scores_part(files: Mapping[str, Any], changed: list[FilePart]) -> Part:
    if not files:
        return "scores file", "not told", "no digest of the file was kept"
    return "scores file", "differs" if changed else "same", spelt(changed)


def _rejects_part(path: Path, files: Mapping[str, Any]) -> Part:
    if not files:
        return "rejects file", "not told", ""
    was, now = files.get("rejects", ""), file_digest(path.with_suffix(".rejects.parquet"))
    if was == now:
        return "rejects file", "same", ""
    return ("rejects file", "missing", "it is not there") if not now else ("rejects file", "differs", "other bytes")


def _names_apart(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    return listed(sorted(k for k in {**then, **now} if then.get(k) != now.get(k)))
