"""The verb ``theracast serve``: one model behind HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from theracast.errors import SetupError


def serve(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="models:/NAME@ALIAS, models:/NAME/VERSION, runs:/..., or a folder.")
    ],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8000,
    api_keys: Annotated[
        Path | None, typer.Option("--api-keys", metavar="FILE", help="API keys, one a line; or THERACAST_API_KEYS.")
    ] = None,
    oidc_issuer: Annotated[str, typer.Option(metavar="URL", help="Issuer of bearer tokens.")] = "",
    oidc_audience: Annotated[str, typer.Option(metavar="NAME", help="Audience that a token must name.")] = "",
    oidc_jwks: Annotated[str, typer.Option(metavar="URL|FILE", help="Public keys of the issuer.")] = "",
    allow_anonymous: Annotated[
        bool, typer.Option("--allow-anonymous", help="Let anyone ask, on an address that others reach.")
    ] = False,
    poll: Annotated[
        float, typer.Option(min=1, metavar="SECONDS", help="How often to look whether the alias has moved.")
    ] = 30.0,
    drain: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="From SIGTERM to the end of listening; /ready says no.")
    ] = 2.0,
    workers: Annotated[int, typer.Option(min=1, help="Threads that work on the model.")] = 2,
    concurrency: Annotated[int, typer.Option(min=1, help="Requests at work or waiting; more get 503.")] = 64,
    max_body: Annotated[int, typer.Option(min=1, metavar="MB", help="Of one request.")] = 16,
    tracking: Annotated[
        str | None,
        typer.Option(
            "--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="MLflow store; mlflow.db here or above by default."
        ),
    ] = None,
) -> None:
    """Serve a model: /predict, /explain, /rank, /report, and a page at / to upload one patient.

    Patients stay in memory: no value is logged, counted or written. Put
    TLS before it with a proxy. An address that others reach needs keys, or
    tokens of an OpenID Connect provider.

    \b
      theracast serve models:/melanoma_ici@champion
      theracast serve MODEL --host 0.0.0.0 --api-keys keys.txt
    """  # noqa: D301 # \b is how click keeps lines apart
    try:
        from theracast.predict.serve.limits import Limits
        from theracast.predict.serve.run import gatekeeper_for, run
    except ImportError as error:
        if (error.name or "").startswith("theracast"):
            raise
        raise SetupError(
            "what the service needs is not installed", got=error.name or "", fix="pip install 'theracast[serve]'"
        ) from None
    gatekeeper = gatekeeper_for(
        host,
        keys=api_keys,
        issuer=oidc_issuer,
        audience=oidc_audience,
        jwks=oidc_jwks,
        allow_anonymous=allow_anonymous,
    )
    limits = Limits(workers=workers, concurrency=concurrency, body_bytes=max_body * 1_000_000)
    run(model, host=host, port=port, gatekeeper=gatekeeper, limits=limits, poll=poll, drain=drain, tracking=tracking)
