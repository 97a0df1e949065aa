"""The gate before every route: who asks, how much is sent, how long it takes; and the line that is logged of it."""

from __future__ import annotations

import asyncio
import secrets
import time
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from theracast.errors import TheracastError
from theracast.predict.serve.auth import Gatekeeper
from theracast.predict.serve.journal import Journal
from theracast.predict.serve.limits import Limits
from theracast.predict.serve.metrics import Metrics
from theracast.predict.serve.refusals import ServiceError, as_json, status_of, told
from theracast.predict.serve.work import crowded

#: Routes by their names in logs and metrics; anything else a caller sends stands in neither.
ROUTES = ("/", "/predict", "/explain", "/rank", "/report", "/health", "/ready", "/metrics", "/openapi.json")
#: Answered to anyone: they hold nothing, and an orchestrator has no key.
FREE = frozenset({"/health", "/ready"})
_HEADERS = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Gate:
    """An ASGI application around the routes.

    Parameters
    ----------
    app : ASGI application
        The routes.
    limits : Limits
        Bounds.
    gatekeeper : Gatekeeper
        Who may ask.
    journal : Journal
        One line per request.
    metrics : Metrics
        Counters.

    Examples
    --------
    >>> callable(Gate)
    True
    """

    def __init__(
        self, app: ASGIApp, limits: Limits, gatekeeper: Gatekeeper, journal: Journal, metrics: Metrics
    ) -> None:
        self._app, self._limits, self._gatekeeper = app, limits, gatekeeper
        self._journal, self._metrics = journal, metrics
        self._at_work = self._bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, request_id = time.monotonic(), secrets.token_hex(8)
        route = scope["path"] if scope["path"] in ROUTES else "other"
        scope["state"] = {**scope.get("state", {}), "rows": 0}
        status = 0

        async def answering(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                given = {name.lower() for name, _ in message["headers"]}
                more = [h for h in _HEADERS if h[0] not in given]
                message = {**message, "headers": [*message["headers"], *more, (b"x-request-id", request_id.encode())]}
            await send(message)

        fault: dict[str, str] = {}
        try:
            await self._pass(scope, receive, answering, route)
        except _GoneError:
            status = status or 499
        except Exception as error:  # nothing of it may reach a caller or a log but its kind and its place
            if not isinstance(error, TheracastError):
                fault = {"error": type(error).__name__, "at": _place(error)}
            if not status:
                await refuse(answering, error)
        finally:
            seconds = time.monotonic() - started
            self._metrics.request(route, status, seconds)
            rows = int(scope["state"]["rows"])
            self._journal.write(
                "request", id=request_id, route=route, status=status, ms=round(1000 * seconds, 1), rows=rows, **fault
            )

    async def _pass(self, scope: Scope, receive: Receive, send: Send, route: str) -> None:
        """Let a request through, once it is known and all of it is here."""
        headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
        if route in FREE:
            await self._app(scope, receive, send)
            return
        caller = self._gatekeeper.caller
        scope["state"]["caller"] = (
            await asyncio.to_thread(caller, headers) if self._gatekeeper.waits else caller(headers)
        )
        if scope["method"] not in ("POST", "PUT", "PATCH"):
            await self._app(scope, receive, send)
            return
        if self._at_work >= self._limits.concurrency:
            raise crowded()
        self._at_work += 1
        self._metrics.in_flight.set(self._at_work)
        held = [0]
        try:
            self._admissible(headers)
            body = await self._body(receive, held)
            await self._app(scope, _again(body, receive), send)
        finally:
            self._at_work -= 1
            self._bytes -= held[0]
            self._metrics.in_flight.set(self._at_work)

    async def _body(self, receive: Receive, held: list[int]) -> bytes:
        """Read all of it, unless it is too much or too slow; what is held counts for all requests together."""
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _GoneError
                    part = message.get("body", b"")
                    held[0] += len(part)
                    self._bytes += len(part)
                    if held[0] > self._limits.body_bytes:
                        raise self._too_large()
                    if self._bytes > self._limits.bytes_in_flight:
                        raise crowded()
                    body += part
                    if not message.get("more_body"):
                        return bytes(body)
        except TimeoutError:
            raise ServiceError(
                408,
                "the body did not arrive in time",
                code="THX-A03",
                wanted=f"all of it within {self._limits.body_seconds:g} seconds",
                headers={"Connection": "close"},
            ) from None

    def _admissible(self, headers: Mapping[str, str]) -> None:
        """Refuse by the head what need not be read."""
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise ServiceError(
                415,
                "compressed bodies are not read",
                code="THX-A03",
                where="header Content-Encoding",
                wanted="identity",
                fix="Send the body as it is.",
                headers={"Connection": "close"},
            )
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > self._limits.body_bytes:
            raise self._too_large()

    def _too_large(self) -> ServiceError:
        return ServiceError(
            413,
            "the body is too large",
            code="THX-A03",
            wanted=f"at most {self._limits.body_bytes} bytes",
            fix="Send fewer patients at a time, or use theracast score.",
            headers={"Connection": "close"},
        )


class _GoneError(Exception):
    """The caller has gone."""


async def refuse(send: Send, error: Exception) -> None:
    """Send an answer that says no.

    Parameters
    ----------
    send : callable
        Of ASGI.
    error : Exception
        As `theracast.predict.serve.refusals.told`.

    Examples
    --------
    >>> callable(refuse)
    True
    """
    body = as_json(told(error))
    more = error.headers if isinstance(error, ServiceError) else {}
    headers = {"content-type": "application/json", "content-length": str(len(body)), **more}
    raw = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
    await send({"type": "http.response.start", "status": status_of(error), "headers": raw})
    await send({"type": "http.response.body", "body": body})


def _again(body: bytes, receive: Receive) -> Receive:
    """Give the body that was read already, then what comes."""
    given = False

    async def once() -> dict[str, Any]:
        nonlocal given
        if given:
            return dict(await receive())
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return once


def _place(error: BaseException) -> str:
    """Say in which line it happened: code is no secret, and without it nobody can mend it."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    return f"{Path(last[0].filename).name}:{last[0].lineno}" if last else ""
