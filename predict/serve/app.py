"""The service as an ASGI application: its routes, its errors, and the gate around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

import theracast
from theracast.errors import TheracastError
from theracast.predict.serve.auth import Gatekeeper, Open
from theracast.predict.serve.gate import Gate
from theracast.predict.serve.held import HeldModel
from theracast.predict.serve.journal import Journal
from theracast.predict.serve.limits import Limits
from theracast.predict.serve.metrics import Metrics
from theracast.predict.serve.refusals import ServiceError, as_json, status_of, told
from theracast.predict.serve.routes import Service
from theracast.predict.serve.work import Workers


def create_app(
    held: HeldModel,
    *,
    limits: Limits | None = None,
    gatekeeper: Gatekeeper | None = None,
    journal: Journal | None = None,
    poll: float = 0.0,
) -> ASGIApp:
    """Make the service around a model.

    Parameters
    ----------
    held : HeldModel
        The model; started or not.
    limits : Limits, optional
        Bounds.
    gatekeeper : Gatekeeper, optional
        Who may ask; anyone by default.
    journal : Journal, optional
        Where the log goes; stderr by default.
    poll : float, default 0
        Seconds between two looks at the registry; 0 is never.

    Returns
    -------
    ASGI application
        For uvicorn.

    Examples
    --------
    >>> type(create_app(HeldModel(lambda: None))).__name__
    'Gate'
    """
    limits, journal, metrics = limits or Limits(), journal or Journal(), Metrics()
    workers = Workers(limits)

    @asynccontextmanager
    async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(_looking(held, poll)) if poll and held.moves else None
        yield
        if looking is not None:
            looking.cancel()
            with suppress(asyncio.CancelledError):
                await looking
        workers.close()

    app = FastAPI(
        title="theracast",
        version=theracast.__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
    )
    service = Service(held, limits, workers, metrics)
    for path, answer in (
        ("/predict", service.predict),
        ("/explain", service.explain),
        ("/rank", service.rank),
        ("/report", service.report),
    ):
        # bodies are bounded, parsed and checked by us: FastAPI's own way of doing so is not gone twice
        app.add_route(path, answer, methods=["POST"])
    for path, page in (
        ("/", service.page),
        ("/health", service.health),
        ("/ready", service.ready),
        ("/metrics", service.metrics),
        ("/openapi.json", service.document),
    ):
        app.add_api_route(path, page, methods=["GET"], response_model=None)
    app.add_exception_handler(TheracastError, _refused)
    app.add_exception_handler(Exception, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    app.add_exception_handler(RequestValidationError, _no_route)
    return Gate(app, limits, gatekeeper or Open(), journal, metrics)


async def _looking(held: HeldModel, poll: float) -> None:
    while True:
        await asyncio.sleep(poll)
        await asyncio.to_thread(held.look)


async def _refused(request: Request, error: Exception) -> Response:
    more = error.headers if isinstance(error, ServiceError) else {}
    return Response(as_json(told(error)), status_of(error), more, media_type="application/json")


async def _no_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 400)
    what = {404: "there is no such route", 405: "the route has another method"}.get(status, "the request is not read")
    more = dict(getattr(error, "headers", None) or {})
    return await _refused(request, ServiceError(status, what, code="THX-A12", fix="See /openapi.json.", headers=more))
