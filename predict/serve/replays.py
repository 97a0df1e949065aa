"""Answers that are given again: the same Idempotency-Key and body get the same answer, once worked for."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from theracast.predict.serve.limits import Limits
from theracast.predict.serve.refusals import ServiceError


@dataclass(frozen=True)
class Answer:
    """What is sent.

    Attributes
    ----------
    status : int
        HTTP.
    body : bytes
        Whole.
    media : str
        Content-Type.
    rows : int
        How many patients it is about.
    headers : tuple of (str, str)
        Beside it.

    Examples
    --------
    >>> Answer(200, b"{}").media
    'application/json'
    """

    status: int
    body: bytes
    media: str = "application/json"
    rows: int = 0
    headers: tuple[tuple[str, str], ...] = ()


class Replays:
    """A bounded store in memory; of a request only digests are kept, of an answer all.

    Parameters
    ----------
    limits : Limits
        How many, how large, how long.
    clock : callable, optional
        Seconds that only go forward.

    Examples
    --------
    >>> async def twice():
    ...     store, made = Replays(Limits()), []
    ...     async def make():
    ...         made.append(1)
    ...         return Answer(200, b"{}")
    ...     return await store.once("key", "body", make) is await store.once("key", "body", make), made
    >>> asyncio.run(twice())
    (True, [1])
    """

    def __init__(self, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits, self._clock = limits, clock
        self._kept: OrderedDict[str, tuple[str, asyncio.Future[Answer], float]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    async def once(self, key: str, digest: str, make: Callable[[], Awaitable[Answer]]) -> Answer:
        """Work, or give the answer that stands; who comes while it is worked for waits for it.

        Parameters
        ----------
        key, digest : str
            Digest of caller, route and Idempotency-Key; digest of the body.
        make : callable
            Gives the answer.

        Returns
        -------
        Answer
            The same object for the same key.

        Raises
        ------
        ServiceError
            409, THX-A08, when the key came with another body before.

        Examples
        --------
        >>> callable(Replays.once)
        True
        """
        self._forget()
        if key in self._kept:
            known, waiting, _ = self._kept[key]
            if known != digest:
                raise ServiceError(
                    409,
                    "the Idempotency-Key was used for another body",
                    code="THX-A08",
                    where="header Idempotency-Key",
                    fix="Take a new key for each new request.",
                )
            return await asyncio.shield(waiting)
        mine: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._kept[key] = (digest, mine, self._clock() + self._limits.replay_seconds)
        try:
            answer = await make()
        except BaseException as error:
            # not kept: a retry may have more luck
            self._kept.pop(key, None)
            mine.set_exception(
                error
                if isinstance(error, Exception)
                else ServiceError(503, "the first request was given up", code="THX-A05")
            )
            mine.exception()  # seen, should nobody else wait for it
            raise
        mine.set_result(answer)
        self._bytes += len(answer.body)
        if answer.status >= 500:
            self._drop(key)
        return answer

    def _forget(self) -> None:
        """Drop what is too old or too much; what is being worked for stays."""
        now = self._clock()
        for key in [k for k, (_, answer, until) in self._kept.items() if answer.done()]:
            over = len(self._kept) > self._limits.replays or self._bytes > self._limits.replay_bytes
            if not over and self._kept[key][2] > now:
                break  # kept in order of age
            self._drop(key)

    def _drop(self, key: str) -> None:
        _, answer, _ = self._kept.pop(key)
        self._bytes -= len(answer.result().body)
