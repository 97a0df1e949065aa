"""Whether scores that were written come out the same today, to the last bit; if not, which part is another."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

import theracast
from theracast.checks import listed
from theracast.errors import DataError, ModelError, UsageError
from theracast.features.cohort import Cohort, as_cohort
from theracast.features.readers import read_cohort
from theracast.models.ranking import RANKING
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.file_parts import changed_parts
from theracast.predict.made_of import PARTS, table_sums
from theracast.predict.predictor import Predictor
from theracast.predict.registry import load_predictor, load_selection_predictor
from theracast.predict.stream_source import WideSource, open_source
from theracast.predict.therapies import BESIDE, SelectionPredictor
from theracast.predict.verify_account import (
    FOLLOWED,
    Part,
    files_parts,
    lines_told,
    made_parts,
    no_scores,
    of_choice,
    read_account,
    spelt,
)
from theracast.predict.verify_compare import OF_OURS, compare_lines
from theracast.predict.verify_lines import Again, of_cohort, of_rows
from theracast.predict.verify_rankings import of_rankings
from theracast.predict.verify_rows import UNREADABLE, cells_of, read_lines, rows_by_id, rows_by_place

#: What is said of a part or a line: equal; another; not there; the account is too old to tell.
STATES = ("same", "differs", "missing", "not told")
#: Parts that no line may outlive; another code, table or input is told, and judged by what it does to the lines.
DECIDE = ("account", "scores file", "rejects file", "model")
_READ = ("patient_id", "probability", "lower", "upper", "decision", "set", "reason", "provenance")
_Model = Predictor | SelectionPredictor


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
        return not broken.any() and bool((self.lines.outcome == "same").all())


def verify_scores(
    scores: str | Path,
    X: Cohort | pd.DataFrame | WideSource | str | Path,
    *,
    sample: int | None = None,
    seed: int = 0,
    predictor: Predictor | SelectionPredictor | None = None,
    units: Mapping[str, str] | None = None,
    tracking: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Make scores or rankings again from model, code, tables and input, and compare every column to the last bit.

    The account beside the scores holds a digest of each part (`theracast.predict.made_of`). Of scores that were written
    without them, model, version of the code and input are compared together, by the ``provenance`` of each line.

    Parameters
    ----------
    scores : str or Path
        The Parquet file that `theracast.predict.batch` or `theracast.predict.therapies.write_rankings` wrote, with its
        ``.json`` beside it.
    X : Cohort, wide DataFrame, or what `theracast.predict.stream_source.open_source` takes
        The input, as it was given then. Rankings are made again of the whole cohort, with the therapies tried and the
        utility that their account holds.
    sample : int, optional
        How many lines to check, drawn by `seed`; all by default. Of a long table only the chunks that hold them are
        read.
    seed : int, default 0
        The same seed draws the same lines; at least 0.
    predictor : Predictor or SelectionPredictor, optional
        The model, where it does not lie where it lay.
    units : mapping of str to str, optional
        Declared units of a table that is read here; those of the account by default.
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
        When the model is no choice between therapies and the lines are, or the other way round; when less than one line
        is asked for, or the seed is below 0.

    Examples
    --------
    >>> verify_scores("no/such.parquet", pd.DataFrame())
    Traceback (most recent call last):
    ...
    theracast.errors.DataError: THX-R11: no scores that can be verified | where: no/such.json | ...
    """
    if sample is not None and sample < 1:
        raise UsageError("a sample has at least one line", got=str(sample))
    if seed < 0:
        raise UsageError("a seed is at least 0", got=str(seed))
    path = Path(scores)
    account = read_account(path)
    made: dict[str, Any] = account.get("provenance") or {}
    files = made.get("files") or {}
    if not path.is_file():
        raise no_scores(path, "no such file" if not path.exists() else "a folder")
    changed = changed_parts(path, files["scores"]) if files else []
    parts = files_parts(path, account, changed)
    file, rows, lost = _opened(path, (*RANKING, *BESIDE) if of_choice(account) else _READ)
    if file is None:
        if not files:
            raise no_scores(path, lost)
        parts[1] = ("scores file", "differs", f"it no longer reads as scores: {lost}; changed: {spelt(changed)}")
        return Verification(_frame(parts), pd.DataFrame(columns=["patient_id", "outcome", "why"]), 0)
    lines = _drawn(rows, sample, seed)
    followed = [p for p in changed if p.group >= 0 and p.rows[1] <= rows][:FOLLOWED]
    lines = np.union1d(lines, np.concatenate([np.arange(p.rows[0] - 1, p.rows[1]) for p in followed] or [lines]))
    written, unread = read_lines(file, lines)
    told, wrong = lines_told(account), [f"no longer reads: {listed(unread)}"] if unread else []
    if told is not None and told != rows:
        wrong.append(f"{rows:,} lines are there, {told:,} were written")
    predictor, of_model = _model(account, written, predictor, tracking)
    if predictor is None or of_model[1] == "differs":
        fates = pd.DataFrame({"outcome": of_model[1], "why": f"the model: {of_model[2]}"}, index=written.index)
        parts[1] = _more(parts[1], wrong)
        return Verification(_frame([*parts, of_model]), _told(written, fates), rows)
    ours = made_parts(made, predictor)
    again, read = _again(written, path, rows, X, predictor, account, units or made.get("units"), progress)
    if again.unwritten:
        wrong.append(f"{len(again.unwritten):,} lines that the input gives are not there")
    wrong += _columns_apart(file.schema_arrow.names, again, made)
    parts[1] = _more(parts[1], wrong)
    if again.same and read[1] == "differs":
        parts[0] = _more(parts[0], [f"of the input it tells otherwise: {read[2]}"])
    untrue = [k for k, fate in again.fates.items() if again.same and account.get(k) not in (None, fate)]
    parts[0] = _more(parts[0], [f"other than what the input gives: {', '.join(untrue)}"] if untrue else [])
    parts += [of_model, *ours, read]
    shared = [made["parts"][p] for p in PARTS] if made.get("parts") else [predictor.digest, theracast.__version__]
    other = [p[0] for p in parts if p[1] == "differs" and p[0] in OF_OURS]
    if read[2].startswith(_REFUSED):
        fates = pd.DataFrame({"outcome": "differs", "why": f"the patient's input: {read[2]}"}, index=written.index)
    else:
        fates = compare_lines(written, again, shared, changed, other, told=bool(made.get("parts")))
    return Verification(_frame(parts), _told(written, fates), rows)


def _opened(path: Path, columns: Sequence[str]) -> tuple[pq.ParquetFile | None, int, str]:
    """Open scores: the file and how many lines it has, or why it holds none."""
    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        rows = sum(file.metadata.row_group(k).num_rows for k in range(file.num_row_groups))
    except UNREADABLE as error:
        return None, 0, type(error).__name__
    missing = [c for c in columns if c not in names]
    if missing:
        return None, 0, f"no column {missing[0]}"
    # a line has 64 characters of its own: a footer that tells of more lines than bytes is no footer
    if not 0 <= rows <= path.stat().st_size or rows != file.metadata.num_rows:
        return None, 0, "its footer tells of lines that are not there"
    return file, rows, ""


def _drawn(rows: int, sample: int | None, seed: int) -> np.ndarray:
    """Draw lines (from 0), in order."""
    if sample is None or sample >= rows:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, sample, replace=False))


def _more(part: Part, wrong: list[str]) -> Part:
    return (part[0], "differs", "; ".join(filter(None, [part[2] * (part[1] == "differs"), *wrong]))) if wrong else part


def _columns_apart(names: Sequence[str], again: Again, made: Mapping[str, Any]) -> list[str]:
    """Name columns that came or went; of scores of before it is not known whether they were explained."""
    if not len(again.table):
        return []
    explained = {"explanation"} if made.get("explain", "none") != "none" else set()
    known = {*again.table.columns} | explained
    gone, came = sorted(known - {*names}), sorted({*names} - known - ({"explanation"} if not made else set()))
    return [f"column {c} is not there" for c in gone] + [f"column {c} was added" for c in came]


def _model(
    account: Mapping[str, Any], written: pd.DataFrame, given: _Model | None, tracking: str | None
) -> tuple[_Model | None, Part]:
    """Load the version that scored, wherever the alias points now."""
    if given is not None and isinstance(given, SelectionPredictor) != of_choice(account):
        raise UsageError("rankings are made by a choice between therapies, scores by any other model", where=given.uri)
    load: Callable[..., _Model] = load_selection_predictor if of_choice(account) else load_predictor
    made = account.get("provenance") or {}
    uri, version = (
        str(
            account.get(c)
            or made.get(c)
            or (written[c].mode().iloc[0] if c in written and len(written[c].mode()) else "")
        )
        for c in ("model_uri", "model_version")
    )
    pinned = re.sub(r"^(models:/[^/@]+)@.*$", rf"\1/{version}", uri) if version else uri
    if given is None and not pinned:
        return None, ("model", "missing", "no line says which it was")
    try:
        found = given or load(pinned, tracking=tracking)
    except ModelError as error:
        state = "missing" if error.code in ("THX-R01", "THX-R05") else "differs"
        return None, ("model", state, f"{pinned}: {error.code}, {error.what}")
    mine = copy(found)
    mine.uri, mine.version = uri, version
    was = made.get("parts", {}).get("model") or account.get("model") or found.digest
    same = was == found.digest
    return mine, ("model", *(("same", "") if same else ("differs", f"{was[:16]} then, {found.digest[:16]} now")))


_REFUSED = "it is refused now"


def _again(
    written: pd.DataFrame,
    path: Path,
    rows: int,
    X: Cohort | pd.DataFrame | WideSource | str | Path,
    predictor: _Model,
    account: Mapping[str, Any],
    units: Mapping[str, str] | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[Again, Part]:
    """Make the lines again; say of the input what is another."""
    made = account.get("provenance") or {}
    was = made.get("input") or {}
    site = Recalibration.from_state(account["site"]) if account.get("site") else AS_TRAINED
    kept: Any = was.get("tables")
    known: Any
    try:
        if isinstance(predictor, SelectionPredictor) or isinstance(X, Cohort | pd.DataFrame):
            cohort = _cohort_of(X, units)
            known, count = {s.name: s.sha256 for s in cohort.sources}, len(cohort.roster)
            in_place = not kept or kept == known
            if isinstance(predictor, SelectionPredictor):
                again = of_rankings(predictor, cohort, path, rows, account, in_place=in_place)
            else:
                again = of_cohort(predictor, cohort, cells_of(path, rows), site, in_place=in_place)
            table = again.table[again.table.index.isin(written.index)]
            again = replace(
                again, table=table, digests=again.digests.reindex(table.index), columns=_tables_apart(made, cohort)
            )
        else:
            source, kept = open_source(X), was.get("sha256")
            known, count = source.digest, source.rows
            place = None
            if not kept or kept == known:
                place = rows_by_place(path.with_suffix(".rejects.parquet"), account.get("rejected"), source.rows)
            if place is not None and len(place) == rows:
                at = pd.Series(place[written.index.to_numpy()], index=written.index)
            else:
                at = rows_by_id(source, cells_of(path, rows), written.index.to_numpy())
            explain = str(made.get("explain", "none")) if "explanation" in written else "none"
            again = of_rows(predictor, source, at, site=site, units=units, explain=explain, read=was, progress=progress)
    except DataError as error:
        if error.code in ("THX-D33", "THX-R11"):
            raise
        return Again(pd.DataFrame(), pd.Series(dtype=object)), ("input", "differs", f"{_REFUSED}: {error}")
    same = bool(kept) and kept == known
    ours = same or (not kept and account.get("rows_in") in (None, count))
    # of another input only patients who have lines of a ranking must have them all
    there = set(cells_of(path, rows)) if of_choice(account) else set()
    read = replace(again, same=same, unwritten=tuple(i for i in again.unwritten if ours or i in there))
    return read, _input_part(kept, read, account.get("rows_in"), count)


def _cohort_of(X: Cohort | pd.DataFrame | WideSource | str | Path, units: Mapping[str, str] | None) -> Cohort:
    if isinstance(X, WideSource):
        raise UsageError("rankings are made of a cohort", where=X.name, wanted="a Cohort, or its address")
    return read_cohort(X, units=units) if isinstance(X, str | Path) else as_cohort(X)


def _tables_apart(made: Mapping[str, Any], cohort: Cohort) -> dict[str, str]:
    """Name columns whose cells are others, and tables that are read in another unit."""
    was = made.get("input") or {}
    if not was.get("tables"):
        return {}
    kept, now = (was.get("sums") or [{}])[0], table_sums(cohort)
    units, said = made.get("units") or {}, {str(k): str(v) for k, v in cohort.units.items()}
    pairs = {k: (units.get(k, "none"), said.get(k, "none")) for k in {**units, **said}}
    return {c: "" for c in {**kept, **now} if kept.get(c) != now.get(c)} | {
        f"the unit of {k}": f"{a} then, {b} now" for k, (a, b) in pairs.items() if a != b
    }


def _input_part(was: Any, again: Again, told: int | None, count: int) -> Part:
    rows = "" if told in (None, count) else f"{told:,} rows then, {count:,} now"
    if not was:
        return ("input", "differs", rows) if rows else ("input", "not told", "no digest of what was read was kept")
    if again.same and not again.columns and not rows:
        return "input", "same", ""
    named = listed([f"{c} ({where})" if where else c for c, where in again.columns.items()])
    what = f"other columns: {named}" if named else "" if again.same else "other bytes; no checked column is another"
    return "input", "differs", "; ".join(filter(None, [rows, what]))


def _told(written: pd.DataFrame, fates: pd.DataFrame) -> pd.DataFrame:
    ids = written.patient_id if "patient_id" in written else pd.Series("", written.index)
    table = fates.assign(patient_id=ids)[["patient_id", "outcome", "why"]]
    return table.set_axis(pd.Index(table.index + 1, name="row"))


def _frame(parts: list[Part]) -> pd.DataFrame:
    return pd.DataFrame(parts, columns=["part", "state", "what"])
