"""Work on the model: a few threads, a bounded wait, and an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from theracast.predict.serve.limits import Limits
from theracast.predict.serve.refusals import ServiceError

Result = TypeVar("Result")


class Workers:
    """Threads for what keeps the processor busy, so that the loop goes on answering.

    Parameters
    ----------
    limits : Limits
        How many threads, how long.

    Examples
    --------
    >>> async def ask():
    ...     workers = Workers(Limits(workers=1))
    ...     return await workers.run(lambda: 7)
    >>> asyncio.run(ask())
    7
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pool = ThreadPoolExecutor(limits.workers, thread_name_prefix="model")
        self.busy = 0

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do it in a thread.

        Parameters
        ----------
        work : callable
            Takes nothing.

        Returns
        -------
        Any
            What it gives.

        Raises
        ------
        ServiceError
            503, THX-A03, when it takes too long; 503, THX-A05, when too much is being worked on. A thread cannot be
            stopped: work that is given up counts until it ends.

        Examples
        --------
        >>> callable(Workers.run)
        True
        """
        if self.busy >= self._limits.concurrency:
            raise crowded()
        self.busy += 1
        waiting = asyncio.get_running_loop().run_in_executor(self._pool, work)
        waiting.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(waiting), self._limits.work_seconds)
        except TimeoutError:
            raise too_slow(self._limits) from None

    def _ended(self, waiting: asyncio.Future[Result]) -> None:
        self.busy -= 1
        if not waiting.cancelled():
            waiting.exception()  # seen, should the request have been given up

    def close(self) -> None:
        """Take no more work, and do not wait for what is given up.

        Examples
        --------
        >>> Workers(Limits(workers=1)).close()
        """
        self._pool.shutdown(wait=False, cancel_futures=True)


def crowded() -> ServiceError:
    """Say that there is too much to do.

    Returns
    -------
    ServiceError
        503 with Retry-After.

    Examples
    --------
    >>> crowded().headers
    {'Retry-After': '1'}
    """
    return ServiceError(
        503, "too many requests at a time", code="THX-A05", fix="Ask again.", headers={"Retry-After": "1"}
    )


def too_slow(limits: Limits) -> ServiceError:
    """Say that an answer took too long.

    Parameters
    ----------
    limits : Limits
        How long it may take.

    Returns
    -------
    ServiceError
        503 with Retry-After.

    Examples
    --------
    >>> too_slow(Limits()).wanted
    'at most 60 seconds'
    """
    return ServiceError(
        503,
        "the answer took too long",
        code="THX-A03",
        wanted=f"at most {limits.work_seconds:g} seconds",
        fix="Ask for fewer patients, or again later.",
        headers={"Retry-After": "10"},
    )
