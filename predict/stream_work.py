"""The chunks of a job, done one after the other or by several processes."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from typing import Any

from theracast.predict.predictor import Predictor
from theracast.predict.stream_chunk import Settings, score_chunk
from theracast.predict.stream_job import Job
from theracast.predict.stream_repeats import Repeats
from theracast.predict.stream_source import WideSource, open_source


@dataclass(frozen=True)
class Work:
    """What a process needs to do a chunk.

    Attributes
    ----------
    predictor : Predictor
        The model.
    table : WideSource or None
        What is scored.
    repeats : Repeats
        What the whole table says of repeated ids.
    settings : Settings
        How.
    job : Job
        Where it is kept.
    size : int
        Rows in a chunk.

    Examples
    --------
    >>> Work.__dataclass_fields__["size"].type
    'int'
    """

    predictor: Predictor
    table: WideSource
    repeats: Repeats
    settings: Settings
    job: Job
    size: int

    @property
    def chunks(self) -> int:
        """Say how many chunks there are.

        Returns
        -------
        int
            The last may be shorter.

        Examples
        --------
        >>> Work(None, WideSource("", 11, "", None, ()), None, None, None, 5).chunks
        3
        """
        return -(-self.table.rows // self.size)

    def do(self, numbers: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
        """Score chunks and keep them.

        Parameters
        ----------
        numbers : sequence of int
            Of the chunks, ascending.

        Yields
        ------
        number : int
            Of a chunk that is done.
        facts : dict
            As `theracast.predict.stream_job.Job.write` gives them.

        Examples
        --------
        >>> list(Work(None, None, None, None, None, 5).do([]))
        []
        """
        wanted = set(numbers)
        if not wanted:
            return
        last = max(wanted)
        for start, frame in self.table.chunks(self.size, min(wanted)):
            number = start // self.size
            if number in wanted:
                facts, scores, rejects = score_chunk(self.predictor, frame, start, self.repeats, self.settings)
                yield number, self.job.write(number, facts, scores, rejects)
            if number >= last:
                return


def work(todo: Work, numbers: Sequence[int], workers: int, source: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    """Do the chunks that are left.

    Parameters
    ----------
    todo : Work
        The job.
    numbers : sequence of int
        Of the chunks.
    workers : int
        Processes.
    source : object
        What `open_source` was given; every process opens it for itself.

    Yields
    ------
    number : int
        Of a chunk that is done.
    facts : dict
        What became of it.

    Examples
    --------
    >>> list(work(None, [], 4, None))
    []
    """
    if workers == 1 or len(numbers) < 2:
        yield from todo.do(numbers) if numbers else ()
        return
    context = multiprocessing.get_context("spawn")  # a fork would inherit threads half-way
    bare = replace(todo, table=replace(todo.table, read=_unread, read_ids=None))
    pool = ProcessPoolExecutor(workers, context, _begin, (bare, source if not isinstance(source, WideSource) else None))
    try:
        queue = list(numbers)
        under_way: set[Future[list[tuple[int, dict[str, Any]]]]] = set()
        while queue or under_way:
            while queue and len(under_way) < workers:
                under_way.add(pool.submit(_do, queue.pop(0)))
            ready, under_way = wait(under_way, return_when=FIRST_COMPLETED)
            for one in ready:
                yield from one.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


_here: dict[str, Work] = {}


def _begin(todo: Work, source: Any) -> None:
    # the parent is told to stop, and lets every process finish its chunk
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    _here["work"] = replace(todo, table=open_source(source))


def _do(number: int) -> list[tuple[int, dict[str, Any]]]:
    return list(_here["work"].do([number]))


def _unread(start: int) -> Iterator[Any]:
    raise NotImplementedError(start)
