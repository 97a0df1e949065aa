"""The process: sockets that cannot be held open by silence, and an end that lets the last request finish."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from theracast.errors import UsageError
from theracast.predict.serve.app import create_app
from theracast.predict.serve.auth import Gatekeeper, Keys, Open, Tokens
from theracast.predict.serve.held import HeldModel
from theracast.predict.serve.journal import Journal, mute_libraries
from theracast.predict.serve.limits import Limits

#: Where keys may stand instead of a file.
KEYS = "THERACAST_API_KEYS"


def run(
    model: str,
    *,
    host: str,
    port: int,
    gatekeeper: Gatekeeper,
    limits: Limits,
    poll: float = 30.0,
    drain: float = 2.0,
    tracking: str | None = None,
) -> None:
    """Load a model and serve it until SIGTERM.

    Parameters
    ----------
    model : str
        As `theracast.predict.registry.load_any`.
    host, port : str, int
        Where to listen.
    gatekeeper : Gatekeeper
        From `gatekeeper_for`.
    limits : Limits
        Bounds.
    poll : float, default 30
        Seconds between two looks at the alias.
    drain : float, default 2
        Seconds between the signal and the end of listening, in which ``/ready`` says no.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.

    Raises
    ------
    ModelError
        When the model cannot be loaded.

    Examples
    --------
    >>> callable(run)
    True
    """
    journal = Journal()
    held = held_model(model, tracking=tracking, journal=journal, patience=3 * poll)
    held.start()
    mute_libraries(journal)
    app = create_app(held, limits=limits, gatekeeper=gatekeeper, journal=journal, poll=poll)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=_protocol(limits.header_seconds),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=int(limits.work_seconds) + 5,
    )
    gc.collect()
    gc.freeze()  # a full collection looked at every module and table again, and made one request in fifty wait
    journal.write("listening", host=host, port=port)
    _Server(config, held, drain).run()
    journal.write("ended")


def held_model(
    model: str, *, tracking: str | None = None, journal: Journal | None = None, patience: float = 90.0
) -> HeldModel:
    """Hold a model of the registry, a run or a folder.

    Parameters
    ----------
    model : str
        As `theracast.predict.registry.load_any`.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.
    journal : Journal, optional
        Where it is told what happens.
    patience : float, default 90
        As in `HeldModel`.

    Returns
    -------
    HeldModel
        Not started. One under an alias follows it.

    Examples
    --------
    >>> held_model("no/such/folder").moves
    False
    """
    # the last verified model goes on meanwhile: better to know soon that the registry is away than to wait for it
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    from theracast.predict.registry import load_any

    alias = re.fullmatch(r"models:/([^/@]+)@(.+)", model)
    version: Callable[[], str] | None = None
    if alias:

        def version() -> str:
            from theracast.predict.store import connect

            mlflow, _ = connect(tracking)
            return str(mlflow.MlflowClient().get_model_version_by_alias(*alias.groups()).version)

    return HeldModel(lambda: load_any(model, tracking=tracking), version, journal, patience)


def gatekeeper_for(
    host: str,
    *,
    keys: Path | None = None,
    issuer: str = "",
    audience: str = "",
    jwks: str = "",
    allow_anonymous: bool = False,
) -> Gatekeeper:
    """Choose who may ask; an address that others can reach is not opened to everyone by oversight.

    Parameters
    ----------
    host : str
        Where is listened.
    keys : Path, optional
        File of API keys; the variable ``THERACAST_API_KEYS`` (separated by commas) does as well.
    issuer, audience, jwks : str, optional
        Of an OpenID Connect provider.
    allow_anonymous : bool, default False
        Whether anyone may ask from anywhere.

    Returns
    -------
    Gatekeeper
        Ready.

    Raises
    ------
    UsageError
        When others can reach the address and nobody is asked who they are.

    Examples
    --------
    >>> gatekeeper_for("0.0.0.0")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: others can reach this address, and nobody is asked who they are | where: 0.0.0.0 | ...
    """
    told, oidc = os.environ.get(KEYS, ""), (issuer, audience, jwks)
    if any(oidc):
        if not all(oidc) or keys is not None or told:
            raise UsageError(
                "an identity provider needs issuer, audience and JWKS, and no API keys beside it",
                fix="Give --oidc-issuer, --oidc-audience and --oidc-jwks.",
            )
        return Tokens(issuer, audience, jwks)
    if keys is not None or told:
        try:
            return Keys.of(keys.read_text("utf-8").splitlines() if keys is not None else told.split(","))
        except OSError as error:
            raise UsageError("the keys cannot be read", where=str(keys), got=error.strerror or "") from None
    if not is_loopback(host) and not allow_anonymous:
        raise UsageError(
            "others can reach this address, and nobody is asked who they are",
            where=host,
            wanted="--api-keys FILE, --oidc-issuer ..., or --host 127.0.0.1",
            fix="Say --allow-anonymous if a gate of another make stands before it.",
        )
    return Open()


def is_loopback(host: str) -> bool:
    """Say whether only this machine reaches an address.

    Parameters
    ----------
    host : str
        Name or address.

    Returns
    -------
    bool
        False for any name but ``localhost``.

    Examples
    --------
    >>> is_loopback("127.0.0.1"), is_loopback("::"), is_loopback("localhost")
    (True, False, True)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Server(uvicorn.Server):
    """Says that it is not ready before it stops to listen."""

    def __init__(self, config: uvicorn.Config, held: HeldModel, drain: float) -> None:
        super().__init__(config)
        self._held, self._drain = held, drain
        self._loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: Any = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self._loop is None or self._held.draining:
            self.should_exit = self.force_exit = True
            return
        self._held.draining = True
        self._loop.call_soon_threadsafe(self._loop.call_later, self._drain, self._stop)

    def _stop(self) -> None:
        self.should_exit = True


def _protocol(seconds: float) -> type[H11Protocol]:
    """Make a protocol that hangs up on those who do not finish the head of a request."""

    class Hurried(H11Protocol):
        waiting: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._watch()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch()

        def connection_lost(self, exc: Exception | None) -> None:
            self._unwatch()
            super().connection_lost(exc)

        def _watch(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._unwatch()
            elif self.waiting is None:
                self.waiting = self.loop.call_later(seconds, self._hang_up)

        def _unwatch(self) -> None:
            if self.waiting is not None:
                self.waiting.cancel()
                self.waiting = None

        def _hang_up(self) -> None:
            self.waiting = None
            if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
                self.transport.close()

    return Hurried
