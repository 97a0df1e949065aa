"""Whether scores that were written come out the same today, to the last bit; if not, which part is another."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

import theracast
from theracast.checks import listed
from theracast.errors import DataError, ModelError, UsageError
from theracast.features.cohort import Cohort, as_cohort
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.file_parts import FilePart, changed_parts
from theracast.predict.made_of import PARTS, file_digest, here, sealed, table_sums
from theracast.predict.predictor import Predictor
from theracast.predict.registry import load_predictor
from theracast.predict.stream_source import WideSource, open_source
from theracast.predict.verify_compare import OF_OURS, compare_lines
from theracast.predict.verify_lines import Again, of_cohort, of_rows

#: What is said of a part or a line: equal; another; not there; the account is too old to tell.
STATES = ("same", "differs", "missing", "not told")
#: Parts that no line may outlive; another code, table or input is told, and judged by what it does to the lines.
DECIDE = ("account", "scores file", "rejects file", "model")
_READ = ("patient_id", "probability", "lower", "upper", "decision", "set", "reason", "provenance")
#: Changed parts of the file whose rows are all made again, so that the row can be named.
_FOLLOWED = 3


@dataclass(frozen=True)
class Verification:
    """What was found.

    Attributes
    ----------
    parts : DataFrame
        ``part``, ``state`` (`STATES`) and ``what``: the account, the files, the model, its schema, the code, the
        bundled tables, the libraries, and the input.
    lines : DataFrame
        One row per line checked, indexed by its row in the file (from 1): ``patient_id``, ``outcome`` (`STATES`),
        ``why``.
    rows : int
        Lines in the file; 0 where it cannot be read.

    Examples
    --------
    >>> parts = pd.DataFrame({"part": ["model", "code"], "state": ["same", "differs"], "what": ["", ""]})
    >>> Verification(parts, pd.DataFrame({"outcome": ["same"]}), 1).same
    True
    """

    parts: pd.DataFrame
    lines: pd.DataFrame
    rows: int

    @property
    def same(self) -> bool:
        """Whether every line that was checked is the same to the last bit, and no part of `DECIDE` is another.

        Returns
        -------
        bool
            Also where another code, table or input gives the same bits.

        Examples
        --------
        >>> parts = pd.DataFrame({"part": ["scores file"], "state": ["differs"], "what": [""]})
        >>> Verification(parts, pd.DataFrame({"outcome": ["same"]}), 1).same
        False
        """
        broken = self.parts.part.isin(DECIDE) & self.parts.state.isin(["differs", "missing"])
        return not broken.any() and bool(len(self.lines)) and bool((self.lines.outcome == "same").all())


def verify_scores(
    scores: str | Path,
    X: Cohort | pd.DataFrame | WideSource | str | Path,
    *,
    sample: int | None = None,
    seed: int = 0,
    predictor: Predictor | None = None,
    units: Mapping[str, str] | None = None,
    tracking: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Make scores again from model, code, tables and input, and compare every column to the last bit.

    The account beside the scores holds a digest of each part (`theracast.predict.made_of`). Of scores that were written
    without them, model, version of the code and input are compared together, by the ``provenance`` of each line.

    Parameters
    ----------
    scores : str or Path
        The Parquet file that `theracast.predict.batch` wrote, with its ``.json`` beside it.
    X : Cohort, wide DataFrame, or what `theracast.predict.stream_source.open_source` takes
        The input, as it was given then.
    sample : int, optional
        How many lines to check, drawn by `seed`; all by default. Of a long table only the chunks that hold them are
        read.
    seed : int, default 0
        The same seed draws the same lines.
    predictor : Predictor, optional
        The model, where it does not lie where it lay.
    units : mapping of str to str, optional
        Declared units of a long table; those of the account by default.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.
    progress : callable, optional
        Told the lines done and the lines in all.

    Returns
    -------
    Verification
        Of the file, of each part and of each line checked.

    Raises
    ------
    DataError
        THX-R11 when the file holds no scores.
    UsageError
        When the scores are a choice between therapies, or less than one line is asked for.

    Examples
    --------
    >>> verify_scores("no/such.parquet", pd.DataFrame())
    Traceback (most recent call last):
    ...
    theracast.errors.DataError: THX-R11: no scores that can be verified | where: no/such.json | ...
    """
    if sample is not None and sample < 1:
        raise UsageError("a sample has at least one line", got=str(sample))
    path = Path(scores)
    account = _account(path)
    made: dict[str, Any] = account.get("provenance") or {}
    files = made.get("files") or {}
    changed = changed_parts(path, files["scores"]) if files else []
    parts = [_account_part(account), _file_part(files, changed), _rejects_part(path, files)]
    try:
        file = pq.ParquetFile(path)
    except (OSError, ValueError) as error:
        if not files:
            raise _no_scores(path, type(error).__name__) from None
        parts[1] = ("scores file", "differs", f"it no longer reads as Parquet; changed: {_spelt(changed)}")
        return Verification(_frame(parts), pd.DataFrame(columns=["patient_id", "outcome", "why"]), 0)
    _is_scores(path, file)
    rows = file.metadata.num_rows
    lines = _drawn(rows, sample, seed)
    followed = [p for p in changed if p.group >= 0][:_FOLLOWED]
    lines = np.union1d(lines, np.concatenate([np.arange(p.rows[0] - 1, p.rows[1]) for p in followed] or [lines]))
    written, unread = _written(file, lines)
    if unread:
        parts[1] = ("scores file", "differs", f"{parts[1][2]}; no longer reads: {listed(unread)}")
    predictor, told = _model(account, written, predictor, tracking)
    parts.append(told)
    if predictor is None or told[1] == "differs":
        lost = pd.DataFrame({"outcome": told[1], "why": f"the model: {told[2]}"}, index=written.index)
        return Verification(_frame(parts), _told(written, lost), rows)
    parts += _made_parts(made, predictor)
    again, read = _again(written, path, X, predictor, account, units or made.get("units"), progress)
    parts.append(read)
    shared = [made["parts"][p] for p in PARTS] if made.get("parts") else [predictor.digest, theracast.__version__]
    other = [p[0] for p in parts if p[1] == "differs" and p[0] in OF_OURS]
    fates = compare_lines(written, again, shared, changed, other, told=bool(made.get("parts")))
    return Verification(_frame(parts), _told(written, fates), rows)


def _drawn(rows: int, sample: int | None, seed: int) -> np.ndarray:
    """Draw lines (from 0), in order."""
    if sample is None or sample >= rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, sample, replace=False))


def _account(path: Path) -> dict[str, Any]:
    beside = path.with_suffix(".json")
    try:
        account = json.loads(beside.read_text())
    except (OSError, ValueError) as error:
        raise _no_scores(beside, type(error).__name__) from None
    if not isinstance(account, dict):
        raise _no_scores(beside, type(account).__name__)
    return account


def _account_part(account: Mapping[str, Any]) -> tuple[str, str, str]:
    if "sealed" not in account:
        return "account", "not told", "written before accounts were sealed"
    held = {k: v for k, v in account.items() if k != "sealed"}
    good = sealed(held)["sealed"] == account["sealed"]
    return "account", "same" if good else "differs", "" if good else "it is not what was written beside the scores"


def _file_part(files: Mapping[str, Any], changed: list[FilePart]) -> tuple[str, str, str]:
    if not files:
        return "scores file", "not told", "no digest of the file was kept"
    return "scores file", "differs" if changed else "same", _spelt(changed)


def _rejects_part(path: Path, files: Mapping[str, Any]) -> tuple[str, str, str]:
    if not files:
        return "rejects file", "not told", ""
    was, now = files.get("rejects", ""), file_digest(path.with_suffix(".rejects.parquet"))
    if was == now:
        return "rejects file", "same", ""
    return ("rejects file", "missing", "it is not there") if not now else ("rejects file", "differs", "other bytes")


def _spelt(changed: list[FilePart]) -> str:
    more = f" and {len(changed) - _FOLLOWED} parts more" if len(changed) > _FOLLOWED else ""
    return "; ".join(map(str, changed[:_FOLLOWED])) + more


def _is_scores(path: Path, file: pq.ParquetFile) -> None:
    names = file.schema_arrow.names
    if "therapy" in names:
        raise UsageError(
            "a choice between therapies is not verified",
            where=path.name,
            fix="Write 'theracast rank' again, with the model by its version, and compare the two files.",
        )
    missing = [c for c in _READ if c not in names]
    if missing:
        raise _no_scores(path, f"no column {missing[0]}")


def _written(file: pq.ParquetFile, lines: np.ndarray) -> tuple[pd.DataFrame, list[str]]:
    """Read some lines, only from the row groups that hold them; also name what no longer reads."""
    ends = np.cumsum([0, *(file.metadata.row_group(k).num_rows for k in range(file.num_row_groups))])
    found, unread = [], []
    for group in np.unique(np.searchsorted(ends, lines, side="right") - 1):
        mine = lines[(lines >= ends[group]) & (lines < ends[group + 1])]
        columns = {}
        for name in file.schema_arrow.names:
            try:
                columns[name] = file.read_row_group(int(group), columns=[name]).column(0).take(mine - ends[group])
            except (OSError, ValueError, IndexError):
                unread.append(f"column {name} of rows {ends[group] + 1:,} to {ends[group + 1]:,}")
        part = {name: column.to_pandas().to_numpy() for name, column in columns.items()}
        found.append(pd.DataFrame(part, index=mine))
    return (pd.concat(found) if found else pd.DataFrame(columns=file.schema_arrow.names)), unread


def _model(
    account: Mapping[str, Any], written: pd.DataFrame, given: Predictor | None, tracking: str | None
) -> tuple[Predictor | None, tuple[str, str, str]]:
    """Load the version that scored, wherever the alias points now."""
    uri, version = (
        str(account.get(c) or (written[c].mode().iloc[0] if c in written and written[c].notna().any() else ""))
        for c in ("model_uri", "model_version")
    )
    pinned = re.sub(r"^(models:/[^/@]+)@.*$", rf"\1/{version}", uri) if version else uri
    try:
        found = given or load_predictor(pinned, tracking=tracking)
    except ModelError as error:
        state = "missing" if error.code in ("THX-R01", "THX-R05") else "differs"
        return None, ("model", state, f"{pinned}: {error.code}, {error.what}")
    mine = Predictor(found.model, found.digest, uri=uri, version=version, about=found.about)
    was = (account.get("provenance") or {}).get("parts", {}).get("model") or account.get("model") or found.digest
    same = was == found.digest
    return mine, ("model", *(("same", "") if same else ("differs", f"{was[:16]} then, {found.digest[:16]} now")))


def _made_parts(made: Mapping[str, Any], predictor: Predictor) -> list[tuple[str, str, str]]:
    """Compare schema, code, tables and libraries."""
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


def _names_apart(then: Mapping[str, str], now: Mapping[str, str]) -> str:
    return listed(sorted(k for k in {**then, **now} if then.get(k) != now.get(k)))


def _again(
    written: pd.DataFrame,
    path: Path,
    X: Cohort | pd.DataFrame | WideSource | str | Path,
    predictor: Predictor,
    account: Mapping[str, Any],
    units: Mapping[str, str] | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[Again, tuple[str, str, str]]:
    """Make the lines again; say of the input what is another."""
    made = account.get("provenance") or {}
    was = made.get("input") or {}
    site = Recalibration.from_state(account["site"]) if account.get("site") else AS_TRAINED
    if isinstance(X, Cohort | pd.DataFrame):
        cohort = as_cohort(X)
        ids = pd.read_parquet(path, columns=["patient_id"]).patient_id
        again = of_cohort(predictor, cohort, ids, site)
        table = again.table[again.table.index.isin(written.index)]
        again = Again(table, again.digests.reindex(table.index), again.refused, _tables_apart(was, cohort))
        now = {s.name: s.sha256 for s in cohort.sources}
        return again, _input_part(was.get("tables"), now, again.columns)
    source = open_source(X)
    rows = _rows_of(written, path, account, source)
    explain = str(made.get("explain", "none")) if "explanation" in written else "none"
    again = of_rows(predictor, source, rows, site=site, units=units, explain=explain, read=was, progress=progress)
    return again, _input_part(was.get("sha256"), source.digest, again.columns)


def _tables_apart(was: Mapping[str, Any], cohort: Cohort) -> dict[str, str]:
    kept, now = (was.get("sums") or [{}])[0], table_sums(cohort) if was.get("tables") else {}
    return {c: "" for c in {**kept, **now} if kept.get(c) != now.get(c)}


def _input_part(was: Any, now: Any, columns: Mapping[str, str]) -> tuple[str, str, str]:
    if not was:
        return "input", "not told", "no digest of what was read was kept"
    if was == now and not columns:
        return "input", "same", ""
    named = listed([f"{c} ({where})" if where else c for c, where in columns.items()])
    return "input", "differs", f"other columns: {named}" if named else "other bytes; no checked column is another"


def _rows_of(written: pd.DataFrame, path: Path, account: Mapping[str, Any], source: WideSource) -> pd.Series:
    """Find the row of the input at which each line was read: by place, or by id where rows came or went."""
    refused = path.with_suffix(".rejects.parquet")
    gone = np.sort(pd.read_parquet(refused).row.to_numpy()) - 1 if refused.exists() else np.zeros(0, dtype=np.int64)
    if source.rows == account.get("rows_in") and len(gone) == account.get("rejected"):
        kept = np.delete(np.arange(source.rows), gone)
        return pd.Series(kept[written.index.to_numpy()], index=written.index)
    wanted = pd.Index(written.patient_id.drop_duplicates())
    at: dict[str, int] = {}
    start = 0
    for frame in source.ids():
        ids = frame["patient_id"] if "patient_id" in frame else frame.index.to_series()
        for k in np.flatnonzero(ids.astype(str).isin(wanted)):
            at.setdefault(str(ids.iloc[k]), start + int(k))
        start += len(frame)
    found = written.patient_id.map(at).dropna().astype(np.int64)
    return found.sort_values()


def _told(written: pd.DataFrame, fates: pd.DataFrame) -> pd.DataFrame:
    ids = written.patient_id if "patient_id" in written else pd.Series("", written.index)
    table = fates.assign(patient_id=ids)[["patient_id", "outcome", "why"]]
    return table.set_axis(pd.Index(table.index + 1, name="row"))


def _frame(parts: list[tuple[str, str, str]]) -> pd.DataFrame:
    return pd.DataFrame(parts, columns=["part", "state", "what"])


def _no_scores(path: Path, got: str) -> DataError:
    return DataError(
        "no scores that can be verified",
        code="THX-R11",
        where=str(path),
        got=got,
        wanted="what 'theracast score' wrote: a Parquet file, and its .json beside it",
    )
