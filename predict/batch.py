"""Scores to Parquet: of a cohort at once, or of a table of any length by chunks that outlive a kill."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import theracast
from theracast.errors import DataError, ModelError, SetupError, UsageError
from theracast.features.cohort import Cohort
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.files import replace_file, write_accounted
from theracast.predict.made_of import close_account, provenance, provenance_of
from theracast.predict.predictor import Predictor
from theracast.predict.records import Scores
from theracast.predict.stream_chunk import Settings
from theracast.predict.stream_job import Job, Lock
from theracast.predict.stream_repeats import find_repeats
from theracast.predict.stream_size import rows_at_once
from theracast.predict.stream_source import WideSource, open_source
from theracast.predict.stream_work import Work, work
from theracast.provenance import Source

#: Rows in a row group of the output, whatever the chunks were.
_GROUP = 100_000
#: Columns in which hardly a cell occurs twice, and those that no compression makes smaller.
_DENSE = ("provenance", "probability", "lower", "upper")
_SINGLE = ("patient_id", "row", *_DENSE)
#: How much of each patient is explained.
EXPLAIN = ("none", "top5", "all")


def write_scores(scores: Scores, path: str | Path, X: Cohort | None = None) -> dict[str, Any]:
    """Write a scores table; refused rows go to ``<name>.rejects.parquet``, the account to ``<name>.json``.

    Parameters
    ----------
    scores : Scores
        From `Predictor.score`.
    path : str or Path
        The Parquet file; replaced whole or not at all.
    X : Cohort, optional
        What was scored: with it `theracast.predict.verify.verify_scores` can name a table and column that changed.

    Returns
    -------
    dict
        The account: ``rows_in``, ``scored``, ``abstained``, ``rejected``; ``prior`` and ``site`` of
        `Scores.assumptions`; ``provenance`` and ``sealed``, by which the scores can be verified.

    Raises
    ------
    ModelError
        THX-S01 when a row was lost; nothing is written.
    SetupError
        THX-S03 when the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> table = pd.DataFrame({"patient_id": ["a"], "decision": ["response"]})
    >>> write_scores(Scores(table, pd.DataFrame({"row": []}), 1), f"{tempfile.mkdtemp()}/s.parquet")["scored"]
    1
    """
    account = {**scores.account(), **scores.assumptions()}
    write_accounted(scores.table, scores.rejects, account, path)
    # said beside the lines too: a byte of a line that changed must not send anyone to another model
    names = [c for c in ("model_uri", "model_version") if c in scores.table and len(scores.table)]
    model = {c: str(scores.table[c].iloc[0]) for c in names}
    return close_account(Path(path), account, provenance_of(scores.parts, X, **model))


def score_dataset(
    source: Any,
    sink: str | Path,
    predictor: Predictor,
    *,
    chunk_rows: int | None = None,
    explain: str = "none",
    explain_seconds: float = float("inf"),
    workers: int = 1,
    site: Recalibration = AS_TRAINED,
    units: Mapping[str, str] | None = None,
    strict: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Score a wide table of any length: Parquet, CSV, DuckDB or an Arrow dataset in, Parquet out.

    Numbers, fates and reasons are those of `Predictor.score` on the whole table, whatever the size of the chunks.
    A rule about a whole column ("these are counts, not mut/Mb") is asked of every chunk: it can only stop the job.
    What is done lies in ``<sink>.job`` until the output stands in its place: the same call resumes a job that was
    killed, with the model, the chunks and the input that it was begun with, and ends in the same bytes.

    Parameters
    ----------
    source : str, Path, pyarrow.dataset.Dataset or WideSource
        As `theracast.predict.stream_source.open_source` takes it.
    sink : str or Path
        The Parquet file; ``.rejects.parquet`` and ``.json`` stand beside it, as `write_scores` has them.
    predictor : Predictor
        The model; every row is scored by this version.
    chunk_rows : int, optional
        Rows that are scored, held in memory and kept on disk at a time: what is lost at most when a job is killed. By
        default as `theracast.predict.stream_size.rows_at_once` has it.
    explain : {"none", "top5", "all"}, default "none"
        Features in column ``explanation``: the JSON of `theracast.predict.told.told`, the weightiest first.
    explain_seconds : float, optional
        Time for the explanations of one chunk, in seconds; the patients left are scored, and "not computed" is said.
    workers : int, default 1
        Processes that share the chunks.
    site : Recalibration, optional
        As in `Predictor.score`.
    units : mapping of str to str, optional
        Declared units; that of ``expression`` must be declared where the table has more than one chunk.
    strict : bool, default False
        Whether one refused row stops everything.
    progress : callable, optional
        Told the rows done and the rows in all, after every chunk.

    Returns
    -------
    dict
        The account, as `write_scores` closes it; ``reasons`` and ``codes`` with their counts; model, times (UTC) and
        speed.

    Raises
    ------
    DataError
        What the table is refused for; THX-S05 when it changed since the job was begun.
    ModelError
        THX-S06 when the model did; THX-S01 when a row was lost.
    SetupError
        THX-S03 disk full, THX-S04 another process holds the job, THX-S10 stopped by SIGTERM; what is done is kept.
    UsageError
        When the call is wrong, or differs from the one that began the job.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> folder = Path(tempfile.mkdtemp())
    >>> pd.DataFrame({"patient_id": ["a", "b"], "clinical:age": [61.0, -1.0]}).to_parquet(folder / "wide.parquet")
    >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
    >>> score_dataset(folder / "wide.parquet", folder / "scores.parquet", predictor)["rejected"]
    1
    """
    if explain not in EXPLAIN:
        raise UsageError("no such explanation", got=repr(explain), wanted=f"one of {', '.join(EXPLAIN)}")
    if (chunk_rows is not None and chunk_rows < 1) or workers < 1:
        raise UsageError("chunk_rows and workers are at least 1", got=f"{chunk_rows} and {workers}")
    sink, began = Path(sink), time.monotonic()
    job = Job(sink.with_name(f"{sink.name}.job"))
    with job.held() as lock:
        table = open_source(source)
        if not table.rows:
            raise DataError("the table has no rows", code="THX-D33", where=table.name)
        chunk_rows = chunk_rows or rows_at_once(len(table.columns))
        _one_scale(table, chunk_rows, units or {})
        facts = job.begin(
            {
                "input": table.digest,
                "model": predictor.digest,
                "theracast": theracast.__version__,
                "model_uri": predictor.uri,
                "model_version": predictor.version,
                "chunk_rows": chunk_rows,
                "explain": [explain, None if explain_seconds == float("inf") else explain_seconds],
                "site": site.state(),
                "units": dict(units or {}),
                "strict": strict,
            }
        )
        # an alias may have moved since: the record says what the job was begun with
        predictor = Predictor(predictor.model, predictor.digest, uri=facts["model_uri"],
                              version=facts["model_version"], about=predictor.about)  # fmt: skip
        size = int(facts["chunk_rows"])
        settings = Settings(
            explain, explain_seconds, site, units or {}, strict, Source("wide", table.name, table.digest)
        )
        repeats = find_repeats(table, units or {})
        todo = Work(predictor, table, repeats, settings, job, size)
        done = _all_done(todo, workers, lock, progress, source)
        account = _finish(job, sink, table, done, predictor, site)
        account["began"], account["seconds"] = facts["begun"], round(time.monotonic() - began, 3)
        account["finished"] = datetime.now(UTC).isoformat(timespec="seconds")
        read = {"sha256": table.digest, "rows": size, "sums": [facts.get("sums", {}) for facts in done]}
        made = provenance(predictor.parts, read, units=dict(units or {}), explain=explain)
        account = close_account(sink, account, made)
        job.remove()
    return account


def _one_scale(table: WideSource, size: int, units: Mapping[str, str]) -> None:
    """Refuse to guess the scale of expression chunk by chunk: two chunks might be read in two ways."""
    if table.rows > size and "expression" not in units and any(c.startswith("expression:") for c in table.columns):
        raise DataError(
            "the scale of expression is not declared",
            code="THX-D05",
            where=table.name,
            got=f"{table.rows} rows, read {size} at a time",
            fix="Declare it: --unit expression=TPM, or 'log2(TPM+1)'.",
        )


def _all_done(
    todo: Work, workers: int, lock: Lock, progress: Callable[[int, int], None] | None, source: Any
) -> list[dict[str, Any]]:
    """Do the chunks that are not done; stop between two of them when asked to."""
    total = todo.table.rows
    done = {k: facts for k in range(todo.chunks) if (facts := todo.job.done(k)) is not None}
    rows = sum(f["rows"] for f in done.values())
    with _stoppable() as stopped:
        try:
            for number, facts in work(todo, [k for k in range(todo.chunks) if k not in done], workers, source):
                done[number] = facts
                rows += facts["rows"]
                lock.renew()
                if progress:
                    progress(rows, total)
                if stopped.is_set() and len(done) < todo.chunks:
                    raise SetupError(
                        "stopped by a signal",
                        code="THX-S10",
                        where=str(todo.job.folder),
                        got=f"{len(done)} of {todo.chunks} chunks are done",
                        fix="Run the same command again: it goes on from here.",
                    )
        except SetupError as error:
            if error.code != "THX-S03":
                raise
            raise _no_room(error, done, todo) from None
    return [done[k] for k in range(todo.chunks)]


def _no_room(error: SetupError, done: Mapping[int, Mapping[str, Any]], todo: Work) -> SetupError:
    """Say how many bytes are missing, by the bytes of the rows that are done."""
    rows, size = sum(f["rows"] for f in done.values()), sum(f["bytes"] for f in done.values())
    each = size / rows if rows else 400.0
    left = int(each * (todo.table.rows - rows))
    return SetupError(
        "the scores cannot be written",
        code="THX-S03",
        where=str(todo.job.folder),
        got=error.got,
        wanted=f"about {left + int(each * todo.table.rows)} bytes: {left} for the chunks left, and the output",
        fix=f"Make room and run the same command again: {len(done)} of {todo.chunks} chunks are kept.",
    )


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """Note a SIGTERM, so that the chunk at hand can be finished."""
    stopped = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopped
        return
    before = signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    try:
        yield stopped
    finally:
        signal.signal(signal.SIGTERM, before)


def _finish(
    job: Job, sink: Path, table: WideSource, done: list[dict[str, Any]], predictor: Predictor, site: Recalibration
) -> dict[str, Any]:
    """Hold the account, then put rejects and scores in their places."""
    fates = {k: sum(f[k] for f in done) for k in ("scored", "abstained", "rejected")}
    if sum(fates.values()) != table.rows:
        raise ModelError("rows were lost", code="THX-S01", got=str(fates), wanted=f"{table.rows} rows")
    counts = {k: dict(sum((Counter(f[k]) for f in done), Counter()).most_common()) for k in ("reasons", "codes")}
    rejects = sink.with_suffix(".rejects.parquet")
    try:
        if fates["rejected"]:
            replace_file(rejects, lambda p: _write(job, "rejects", len(done), p))
        else:
            rejects.unlink(missing_ok=True)
        replace_file(sink, lambda p: _write(job, "scores", len(done), p))
    except SetupError as error:
        raise SetupError(
            error.what,
            code=error.code,
            where=error.where,
            got=error.got,
            wanted=f"about {sum(f['bytes'] for f in done)} bytes",
            fix=f"Make room and run the same command again: all {len(done)} chunks are kept.",
        ) from None
    assumed = Scores(None, None, table.rows, prior=predictor.model.fusion_.prior, site=site).assumptions()
    model = {"model_uri": predictor.uri, "model_version": predictor.version, "model": predictor.digest}
    return {"rows_in": table.rows, **fates, **assumed, **counts, **model, "chunks": len(done)}


def _write(job: Job, kind: str, chunks: int, path: Path) -> None:
    """Put the chunks together in row groups of one size: the size of a chunk leaves no trace in the bytes."""
    out, held, n = None, [], 0
    try:
        for part in job.tables(kind, range(chunks)):
            # ids, digests and probabilities do not repeat: a dictionary of them costs time and room
            shared = [c for c in part.column_names if c not in _SINGLE]
            dense = {c: "NONE" if c in _DENSE else "SNAPPY" for c in part.column_names}
            out = out or pq.ParquetWriter(path, part.schema, use_dictionary=shared, compression=dense)
            held.append(part)
            n += len(part)
            while n >= _GROUP:
                whole = pa.concat_tables(held)
                out.write_table(whole.slice(0, _GROUP).combine_chunks(), row_group_size=_GROUP)
                held, n = [whole.slice(_GROUP)], n - _GROUP
        if out and n:
            out.write_table(pa.concat_tables(held).combine_chunks(), row_group_size=_GROUP)
    finally:
        if out:
            out.close()
