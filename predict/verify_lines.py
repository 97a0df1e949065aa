"""Lines of scores, made again from the input: of a cohort at once, or of some rows of a long table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.features.cohort import Cohort
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.made_of import column_sums
from theracast.predict.predictor import Predictor
from theracast.predict.records import Scores
from theracast.predict.stream_chunk import Settings, score_rows
from theracast.predict.stream_repeats import find_repeats
from theracast.predict.stream_size import rows_at_once
from theracast.predict.stream_source import WideSource
from theracast.predict.therapies import Rankings
from theracast.predict.verify_rows import occurrences
from theracast.provenance import Source

#: Rows of many chunks that are scored together.
_AT_ONCE = 20_000


@dataclass(frozen=True)
class Again:
    """What is said today of the lines that were asked for.

    Attributes
    ----------
    table : DataFrame
        As in `Scores`, indexed by the line (from 0); a line of whom nothing is said today is not in it.
    digests : Series of str
        What was read of each line's patient.
    refused : dict of int to str
        Line to the code for which its row is refused today.
    columns : dict of str to str
        Columns of the input that are others than they were, and in which rows; empty where nothing was kept.
    same : bool
        Whether the input is known to be that of then, to the last byte.
    surplus : tuple of int
        Lines of a patient who is there, of which nothing is said all the same.
    unwritten : tuple of str
        Patient of each line of today that does not stand in the file.
    fates : dict of str to object
        What the account of today says; empty of rows of a long table.

    Examples
    --------
    >>> Again(pd.DataFrame(), pd.Series(dtype=object)).refused
    {}
    """

    table: pd.DataFrame
    digests: pd.Series
    refused: Mapping[int, str] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    same: bool = False
    surplus: tuple[int, ...] = ()
    unwritten: tuple[str, ...] = ()
    fates: Mapping[str, Any] = field(default_factory=dict)


def of_cohort(
    predictor: Predictor, cohort: Cohort, ids: pd.Series, site: Recalibration = AS_TRAINED, *, in_place: bool = True
) -> Again:
    """Score a cohort again.

    Parameters
    ----------
    predictor : Predictor
        The model.
    cohort : Cohort
        The patients.
    ids : Series of str
        Patient of each line, in order; all lines of the file.
    site : Recalibration, optional
        What was known of the site.
    in_place : bool, default True
        As `placed`.

    Returns
    -------
    Again
        As `placed`.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
    >>> riaz = load_cohort("riaz2017_mel")
    >>> len(of_cohort(predictor, riaz, pd.Series(riaz.ids[:3])).table)
    3
    """
    scores = predictor.score(cohort, site=site)
    return replace(placed(scores, ids.to_frame("patient_id"), in_place=in_place), fates=scores.account())


def placed(said: Scores | Rankings, written: pd.DataFrame, *, in_place: bool = True) -> Again:
    """Find what is said today for each line of a file.

    Parameters
    ----------
    said : Scores or Rankings
        Of today.
    written : DataFrame
        What tells the lines of the file apart: ``patient_id``, of rankings also ``therapy``; all lines, in order.
    in_place : bool, default True
        Whether the lines stand as they are made, where there are as many: then a changed id is told as such.

    Returns
    -------
    Again
        Lines that are told apart by nothing are found by the order of them.

    Examples
    --------
    >>> today = Scores(pd.DataFrame({"patient_id": ["a", "b"]}), pd.DataFrame(), 2)
    >>> placed(today, pd.DataFrame({"patient_id": ["b"]})).unwritten
    ('a',)
    """
    refused = dict(zip(said.rejects.patient_id, said.rejects.code, strict=True)) if len(said.rejects) else {}
    if in_place and len(written) == len(said.table):
        place = np.arange(len(written))
    else:
        now, then = (occurrences(pd.MultiIndex.from_frame(t)) for t in (said.table[[*written]], written))
        place = now.get_indexer(then)
    known, ids = np.flatnonzero(place >= 0), written.patient_id[place < 0]
    table = said.table.iloc[place[known]].set_axis(written.index[known])
    told = {int(k): refused[i] for k, i in ids.items() if i in refused}
    surplus = ids.index[ids.isin(said.table.patient_id)] if "therapy" in written else ()
    unwritten = said.table.patient_id.drop(said.table.index[place[known]])
    return Again(
        table,
        _digests(said, table),
        told,
        surplus=tuple(int(k) for k in surplus),
        unwritten=tuple(map(str, unwritten)),
    )


def of_rows(
    predictor: Predictor,
    source: WideSource,
    rows: pd.Series,
    *,
    site: Recalibration = AS_TRAINED,
    units: Mapping[str, str] | None = None,
    explain: str = "none",
    read: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Again:
    """Score rows of a long table again; only the chunks that hold them are read.

    Parameters
    ----------
    predictor : Predictor
        The model.
    source : WideSource
        The table.
    rows : Series of int
        Line (its index) to row of the table (from 0), ascending.
    site : Recalibration, optional
        What was known of the site.
    units : mapping of str to str, optional
        Declared units.
    explain : {"none", "top5", "all"}, default "none"
        Features that were told of each patient.
    read : mapping, optional
        What was kept of the input: ``rows`` in a chunk and their ``sums``.
    progress : callable, optional
        Told the lines done and the lines in all.

    Returns
    -------
    Again
        Numbers are those of the whole table.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
    >>> wide = pd.DataFrame({"patient_id": ["a", "b", "c"], "clinical:age": [61.0, 48.0, 50.0]})
    >>> source = WideSource("memory", 3, "", lambda start: iter([wide.iloc[start:]]), ("clinical:age",))
    >>> of_rows(predictor, source, pd.Series([2], index=[1])).table.patient_id.to_dict()
    {1: 'c'}
    """
    units, read = dict(units or {}), dict(read or {})
    repeats = find_repeats(source, units)
    settings = Settings(explain, float("inf"), site, units, False, Source("wide", source.name, source.digest))
    size = int(read.get("rows") or rows_at_once(len(source.columns)))
    sums = read.get("sums") if read.get("sha256", source.digest) != source.digest else None
    # what a table of gene expression is scaled by may be told by all rows of a chunk together
    whole = "expression" not in units and any(c.startswith("expression:") for c in source.columns)
    lines = pd.Series(rows.index, index=rows.to_numpy())
    parts: list[Again] = []
    changed: dict[str, list[str]] = {}
    done = 0
    for frame, numbers in _batches(source, rows.to_numpy(), size, whole, sums, changed):
        try:
            parts.append(_scored(predictor, frame, numbers, repeats, settings, lines))
        except DataError:
            # a rule about a column may speak against a few of its rows, and not against all of a chunk
            parts += [
                _scored(predictor, all_of, np.arange(start, start + len(all_of)), repeats, settings, lines)
                for start, all_of in _wanted(source, numbers, size)
            ]
        done += int(np.isin(numbers, rows).sum())
        if progress:
            progress(done, len(rows))
    spelt = {c: ", ".join(where[:3]) + (" and more" if len(where) > 3 else "") for c, where in changed.items()}
    return _together(parts, spelt)


def _batches(
    source: WideSource,
    rows: np.ndarray,
    size: int,
    whole: bool,
    sums: Sequence[Mapping[str, str]] | None,
    changed: dict[str, list[str]],
) -> Iterator[tuple[pd.DataFrame, np.ndarray]]:
    """Gather rows of several chunks, or give each chunk as it is; note which of their columns changed."""
    held: list[pd.DataFrame] = []
    numbers: list[np.ndarray] = []
    for start, frame in _wanted(source, rows, size):
        if sums is not None and start // size < len(sums):
            _note_changed(changed, sums[start // size], frame, start)
        keep = np.arange(start, start + len(frame))
        if whole:
            yield frame, keep
            continue
        keep = keep[np.isin(keep, rows)]
        held.append(frame.iloc[keep - start])
        numbers.append(keep)
        if sum(map(len, held)) >= _AT_ONCE:
            yield pd.concat(held), np.concatenate(numbers)
            held, numbers = [], []
    if held:
        yield pd.concat(held), np.concatenate(numbers)


def _wanted(source: WideSource, rows: np.ndarray, size: int) -> Iterator[tuple[int, pd.DataFrame]]:
    """Read the chunks in which rows are; between two that follow each other the reading goes on."""
    chunks = np.unique(rows[rows < source.rows] // size)
    runs = np.split(chunks, np.flatnonzero(np.diff(chunks) > 1) + 1) if len(chunks) else []
    for run in runs:
        last = int(run[-1]) * size
        for start, frame in source.chunks(size, int(run[0])):
            yield start, frame
            if start >= last:
                break


def _scored(
    predictor: Predictor, frame: pd.DataFrame, numbers: np.ndarray, repeats: Any, settings: Settings, lines: pd.Series
) -> Again:
    scores = score_rows(predictor, frame, numbers, repeats, settings)
    table = scores.table.set_axis(list(scores.positions))
    table = table[table.index.isin(lines.index)]
    table.index = pd.Index(lines.loc[table.index].to_numpy())
    refused = {
        int(lines.loc[row - 1]): code
        for row, code in zip(scores.rejects.row, scores.rejects.code, strict=True)
        if row - 1 in lines.index
    }
    return Again(table, _digests(scores, table), refused)


def _together(parts: list[Again], columns: Mapping[str, str]) -> Again:
    if not parts:
        return Again(pd.DataFrame(), pd.Series(dtype=object), {}, columns)
    refused = {k: code for part in parts for k, code in part.refused.items()}
    return Again(pd.concat([p.table for p in parts]), pd.concat([p.digests for p in parts]), refused, columns)


def _digests(said: Scores | Rankings, table: pd.DataFrame) -> pd.Series:
    return said.digests.reindex(table.patient_id).set_axis(table.index)


def _note_changed(changed: dict[str, list[str]], kept: Mapping[str, str], frame: pd.DataFrame, start: int) -> None:
    now = column_sums(frame)
    for column in {**kept, **now}:
        if kept.get(column) != now.get(column):
            missing = "" if column in now else ", not there now" if column in kept else ""
            changed.setdefault(column, []).append(f"rows {start + 1:,} to {start + len(frame):,}{missing}")
