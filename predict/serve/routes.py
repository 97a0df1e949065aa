"""What the routes do: read, ask the model in a thread, answer; an answer that stands is given again."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from fastapi import Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

import theracast
from theracast.errors import TheracastError
from theracast.predict.serve.answers import predicted, ranked, reported
from theracast.predict.serve.asked import Asked
from theracast.predict.serve.held import Current, HeldModel
from theracast.predict.serve.limits import Limits
from theracast.predict.serve.metrics import Metrics
from theracast.predict.serve.patients import read_patients, read_request
from theracast.predict.serve.refusals import ServiceError, as_json, status_of, told
from theracast.predict.serve.replays import Answer, Replays
from theracast.predict.serve.schema import openapi
from theracast.predict.serve.strict_json import parse_json
from theracast.predict.serve.together import Together, joins
from theracast.predict.serve.upload import POLICY, asked_of, upload_page, wants_page
from theracast.predict.serve.work import Workers

_HTML = "text/html; charset=utf-8"
#: Bytes of a body that is read at once: a thread costs more.
_SMALL = 100_000
#: What a page of ours allows itself, in its first bytes; the header says the same.
_POLICY, _HEAD = re.compile(rb'http-equiv="Content-Security-Policy" content="([^"]+)"'), 2_000
#: Gives the body and its patients' account; the second is what is counted.
Work = Callable[[Current, Asked], tuple[bytes, str, dict[str, int]]]


class Service:
    """What the routes do.

    Parameters
    ----------
    held : HeldModel
        The model.
    limits : Limits
        Bounds.
    workers : Workers
        Where the model is worked with.
    metrics : Metrics
        Counters.

    Examples
    --------
    >>> import asyncio
    >>> asyncio.run(Service(HeldModel(lambda: None), Limits(), Workers(Limits()), Metrics()).health()).status_code
    200
    """

    def __init__(self, held: HeldModel, limits: Limits, workers: Workers, metrics: Metrics) -> None:
        self._held, self._limits, self._workers, self._metrics = held, limits, workers, metrics
        self._replays, self._together = Replays(limits), Together(workers, limits)

    async def predict(self, request: Request) -> Response:
        """Score patients.

        Parameters
        ----------
        request : Request
            With the patients as JSON.

        Returns
        -------
        Response
            As `predicted`.

        Examples
        --------
        >>> callable(Service.predict)
        True
        """
        current, body = self._held.current(), await request.body()
        _only_json(request)
        if len(body) > _SMALL:
            return await self._json(request, predicted)

        async def _make() -> Answer:
            given = read_request(parse_json(body, self._limits), self._limits)
            if not joins(current, given):
                return await self._work(given.asked, _as_json(predicted), current)
            try:
                answer = await self._together.score(current, given)
            except TheracastError as error:
                raise _clean(error, given.asked(), current) from None
            self._metrics.rows(answer["account"])
            return Answer(200, as_json(answer), rows=1, headers=(_versioned(current),))

        return await self._answered(request, body, _make)

    async def explain(self, request: Request) -> Response:
        """Score patients, and say why.

        Parameters
        ----------
        request : Request
            With the patients as JSON.

        Returns
        -------
        Response
            As `predicted`, explained.

        Examples
        --------
        >>> callable(Service.explain)
        True
        """
        return await self._json(request, lambda current, asked: predicted(current, asked, explained=True))

    async def rank(self, request: Request) -> Response:
        """Lay therapies side by side.

        Parameters
        ----------
        request : Request
            With the patients as JSON.

        Returns
        -------
        Response
            As `ranked`.

        Examples
        --------
        >>> callable(Service.rank)
        True
        """
        return await self._json(request, ranked)

    async def report(self, request: Request) -> Response:
        """Write the page of one patient.

        Parameters
        ----------
        request : Request
            JSON, CSV, or a form with a file.

        Returns
        -------
        Response
            HTML.

        Examples
        --------
        >>> callable(Service.report)
        True
        """
        current, body = self._held.current(), await request.body()

        def _write(current: Current, asked: Asked) -> tuple[bytes, str, dict[str, int]]:
            page, account = reported(current, asked)
            return page.encode(), _HTML, account

        async def _make() -> Answer:
            # a form is taken apart by a coroutine; it runs in the thread, for a large file would hold up the others
            return await self._work(lambda: asyncio.run(asked_of(body, request.headers, self._limits)), _write, current)

        browser = wants_page(request.headers.get("accept", ""))
        try:
            return await self._answered(request, body, _make)
        except TheracastError as error:
            if not browser:
                raise
            page = upload_page(current, told(error)).encode()
            more = error.headers if isinstance(error, ServiceError) else {}
            headers = {"Content-Security-Policy": POLICY, **more}
            return Response(page, status_of(error), headers, media_type=_HTML)

    async def page(self) -> Response:
        """Offer the form.

        Returns
        -------
        Response
            HTML.

        Examples
        --------
        >>> service = Service(HeldModel(lambda: None), Limits(), Workers(Limits()), Metrics())
        >>> import asyncio
        >>> asyncio.run(service.page()).status_code
        200
        """
        with suppress(ServiceError):
            return Response(
                upload_page(self._held.current()), headers={"Content-Security-Policy": POLICY}, media_type=_HTML
            )
        return Response(upload_page(None), headers={"Content-Security-Policy": POLICY}, media_type=_HTML)

    async def health(self) -> Response:
        """Say that the process lives.

        Returns
        -------
        Response
            200.

        Examples
        --------
        >>> callable(Service.health)
        True
        """
        return _json({"status": "alive", "theracast": theracast.__version__})

    async def ready(self) -> Response:
        """Say whether requests are answered.

        Returns
        -------
        Response
            200 or 503.

        Examples
        --------
        >>> callable(Service.ready)
        True
        """
        if self._held.draining:
            raise ServiceError(503, "the service ends", code="THX-A11", fix="Ask another instance.")
        return _json({"status": "ready", "model": self._held.current().named()})

    async def metrics(self) -> Response:
        """Write what Prometheus reads.

        Returns
        -------
        Response
            Text.

        Examples
        --------
        >>> callable(Service.metrics)
        True
        """
        return Response(self._metrics.page(self._held), media_type=CONTENT_TYPE_LATEST)

    async def document(self) -> Response:
        """Write the OpenAPI document of the model that is served now.

        Returns
        -------
        Response
            JSON.

        Examples
        --------
        >>> callable(Service.document)
        True
        """
        return _json(openapi(self._held.current(), self._limits))

    async def _json(self, request: Request, say: Callable[[Current, Asked], dict[str, Any]]) -> Response:
        current, body = self._held.current(), await request.body()
        _only_json(request)

        def _read() -> Asked:
            return read_patients(parse_json(body, self._limits), self._limits)

        async def _make() -> Answer:
            return await self._work(_read, _as_json(say), current)

        return await self._answered(request, body, _make)

    async def _work(self, read: Callable[[], Asked], work: Work, current: Current) -> Answer:
        """Read and answer in a thread; an error of the tables is an answer too, and repeats nothing that was sent."""

        def whole() -> tuple[Answer, dict[str, int]]:
            asked = read()
            try:
                body, media, account = work(current, asked)
            except TheracastError as error:
                raise _clean(error, asked, current) from None
            allowed = _POLICY.search(body[:_HEAD]) if media == _HTML else None
            headers = [_versioned(current)]
            if allowed:
                headers.append(("Content-Security-Policy", f"{allowed[1].decode()}; frame-ancestors 'none'"))
            return Answer(200, body, media, len(asked.wide), tuple(headers)), account

        answer, account = await self._workers.run(whole)
        self._metrics.rows(account)
        return answer

    async def _answered(self, request: Request, body: bytes, make: Callable[[], Awaitable[Answer]]) -> Response:
        key = request.headers.get("idempotency-key")
        if key is None:
            answer = await make()
        else:
            if not re.fullmatch(r"[A-Za-z0-9._:-]{1,128}", key):
                raise ServiceError(
                    400,
                    "the Idempotency-Key is none",
                    code="THX-A08",
                    where="header Idempotency-Key",
                    wanted="1 to 128 letters, digits, dots, colons, underscores and hyphens",
                )
            mark = _digest(request.state.caller, request.url.path, key)
            kind = request.headers.get("content-type", "")
            answer = await self._replays.once(mark, _digest(kind, body), make)
        request.state.rows = answer.rows
        return Response(answer.body, answer.status, dict(answer.headers), media_type=answer.media)


def _only_json(request: Request) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ServiceError(
            415,
            "the content type is none that is read here",
            code="THX-A04",
            where="header Content-Type",
            wanted="application/json",
        )


def _as_json(say: Callable[[Current, Asked], dict[str, Any]]) -> Work:
    def work(current: Current, asked: Asked) -> tuple[bytes, str, dict[str, int]]:
        answer = say(current, asked)
        return as_json(answer), "application/json", answer["account"]

    return work


def _clean(error: TheracastError, asked: Asked, current: Current) -> ServiceError:
    """Say the same without a text of the request; names of the model's own are no secret."""
    message = told(error, asked.secrets() - current.therapies)["error"]
    more = error.headers if isinstance(error, ServiceError) else {}
    parts = {"code": message["code"], "where": message["where"], "wanted": message["wanted"], "fix": message["do"]}
    return ServiceError(status_of(error), message["what"], headers=more, **parts)


def _versioned(current: Current) -> tuple[str, str]:
    return "X-Model-Version", current.predictor.version or "unregistered"


def _json(value: Any) -> Response:
    return Response(as_json(value), media_type="application/json")


def _digest(*parts: str | bytes) -> str:
    made = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogateescape")
        made.update(hashlib.sha256(raw).digest())
    return made.hexdigest()
