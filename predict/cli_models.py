"""``theracast models``: what is registered, who is champion and why, and the way in and out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from theracast.predict.console import out, show

if TYPE_CHECKING:
    from theracast.predict.promotion import Promotion

app = typer.Typer(rich_markup_mode="rich")
Tracking = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="MLflow store; mlflow.db here or above by default."
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A registered model; see 'theracast models list'.")]
Reason = Annotated[
    str, typer.Option("--reason", metavar="TEXT", help="One line for the audit trail; nothing of a patient.")
]
By = Annotated[str | None, typer.Option("--by", metavar="NAME", help="Who decides; your account by default.")]
Json = Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")]


@app.callback(invoke_without_command=True)
def models(ctx: typer.Context, tracking: Tracking = None) -> None:
    """List the registered models; say which is champion, and why; carry them elsewhere.

    A new version is promoted only if the champion is still the one it
    was compared with, and if it is not worse (experiments/gates.yaml).
    What was done stands in the audit trail.

    \b
      theracast models                            list them
      theracast models show melanoma_ici          figures, audit trail
      theracast models promote melanoma_ici 3     if it is not worse
      theracast models rollback melanoma_ici      to the champion before
      theracast models export melanoma_ici m.zip  to be without a registry
      theracast models import m.zip               every byte checked
    """  # noqa: D301 # \b is how click keeps lines apart
    ctx.obj = tracking
    if ctx.invoked_subcommand is None:
        _list(tracking)


@app.command("list")
def _list_versions(ctx: typer.Context, as_json: Json = False, tracking: Tracking = None) -> None:
    """List the registered models, their versions and aliases."""
    if not as_json:
        _list(_where(ctx, tracking))
        return
    from theracast.predict.registry import list_models

    out.print_json(data=list_models(_where(ctx, tracking)).to_dict("records"), indent=None)


@app.command("show")
def _show_model(
    ctx: typer.Context,
    name: Name,
    version: Annotated[str | None, typer.Option("--version", metavar="N", help="The champion by default.")] = None,
    as_json: Json = False,
    tracking: Tracking = None,
) -> None:
    """Show versions, digests, cohorts, what the validation said, and the audit trail."""
    if as_json:
        from theracast.predict.facts import model_facts

        out.print_json(data=model_facts(name, version, tracking=_where(ctx, tracking)), indent=None)
        return
    import pandas as pd

    from theracast.predict.promotion import held
    from theracast.predict.registry import list_models, load_any

    where = _where(ctx, tracking)
    champion, trail = held(name, tracking=where)
    versions = list_models(where)
    show(versions[versions.name == name].drop(columns="name"), f"Versions of {escape(name)}")
    wanted = version or champion or versions.version[versions.name == name].iloc[-1]
    loaded = load_any(f"models:/{name}/{wanted}", tracking=where)
    out.print(f"[bold]version {escape(wanted)}[/]  model {loaded.digest[:16]}", highlight=False)
    data = loaded.about.get("data") or {}
    show(pd.DataFrame([(c, d[:16]) for c, d in data.items()], columns=["cohort", "sha256"]), "Data")
    _show_figures(loaded.about)
    show(
        pd.DataFrame(
            [
                (e.at, e.by, e.kind, f"{e.before or 'none'} to {e.after or 'none'}", e.reason, e.gates, e.waiver)
                for e in trail
            ],
            columns=["when (UTC)", "who", "what", "champion", "reason", "gates", "waiver"],
        ),
        "Audit trail",
    )
    last = [e for e in trail if e.after]
    if last and last[-1].after != champion:
        out.print("[bold red]The alias was moved without the audit trail.[/]")


@app.command("promote")
def _promote(
    ctx: typer.Context,
    name: Name,
    version: Annotated[str, typer.Argument(metavar="VERSION", help="Such as 3.")],
    expect: Annotated[
        str | None,
        typer.Option("--expect", metavar="VERSION|none", help="Refuse if another is champion; today's by default."),
    ] = None,
    reason: Reason = "",
    by: By = None,
    gates: Annotated[
        Path | None, typer.Option("--gates", metavar="FILE", help="As experiments/gates.yaml, which are the defaults.")
    ] = None,
    waive: Annotated[
        str,
        typer.Option("--waive", metavar="REASON", help="Promote although the gates speak against it; needs --by."),
    ] = "",
    tracking: Tracking = None,
) -> None:
    """Make a version the champion, if it is not worse than the one that is.

    \b
      theracast models promote melanoma_ici 3 --reason "two cohorts more"
      theracast models promote melanoma_ici 3 --waive "new label rule, agreed" --by j.doe
    """  # noqa: D301
    from theracast.predict.gates import Gates
    from theracast.predict.promotion import promote as make_champion

    done = make_champion(
        name,
        version,
        tracking=_where(ctx, tracking),
        expected="" if expect == "none" else expect,
        reason=reason,
        by=by,
        gates=Gates.from_yaml(gates) if gates else None,
        waive=waive,
    )
    for check in done.verdict.checks:
        out.print(f"  {check.outcome:15} {escape(str(check))}", highlight=False, soft_wrap=True)
    _tell(done)


@app.command("rollback")
def _rollback(ctx: typer.Context, name: Name, reason: Reason = "", by: By = None, tracking: Tracking = None) -> None:
    """Give the alias back to the champion before; twice goes back two."""
    from theracast.predict.promotion import rollback as go_back

    _tell(go_back(name, tracking=_where(ctx, tracking), reason=reason, by=by))


@app.command("export")
def _export(
    ctx: typer.Context,
    model: Annotated[str, typer.Argument(metavar="NAME", help="NAME (its champion), NAME@ALIAS or NAME/VERSION.")],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="Folder, or a file ending on .zip; must not be there.")],
    tracking: Tracking = None,
) -> None:
    """Write a model as a folder or zip that needs no registry.

    The folder can be named wherever a MODEL is asked for.
    """
    from theracast.predict.offline import export_model
    from theracast.predict.registry import version_at

    name, version = version_at(model, tracking=_where(ctx, tracking))
    path = export_model(name, version, output, tracking=_where(ctx, tracking))
    out.print(f"{escape(str(path))}: {name} version {version}", highlight=False, soft_wrap=True)


@app.command("import")
def _import(
    ctx: typer.Context,
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="What 'theracast models export' wrote.")],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="To register it under; its own by default.")] = "",
    tracking: Tracking = None,
) -> None:
    """Register an exported model, after every byte was checked; it becomes no champion."""
    from theracast.predict.offline import import_model

    registered, version = import_model(source, tracking=_where(ctx, tracking), name=name)
    out.print(
        f"registered models:/{registered}/{version}. Next: theracast models promote {registered} {version}",
        highlight=False,
        soft_wrap=True,
    )


def _where(ctx: typer.Context, tracking: str | None) -> str | None:
    """Prefer what was typed after the verb, then what was typed before it, then the environment."""
    source = ctx.get_parameter_source("tracking")
    return tracking if source is not None and source.name == "COMMANDLINE" else ctx.obj or tracking


def _list(tracking: str | None) -> None:
    from theracast.predict.registry import list_models
    from theracast.predict.store import shown, store_uri

    show(list_models(tracking), f"Models in {escape(shown(store_uri(tracking)))}")


def _tell(done: Promotion) -> None:
    if done.entry is None:
        out.print(f"{done.uri} is version {done.after} already", highlight=False)
        return
    was = f"version {done.before}" if done.before else "none"
    out.print(f"{done.uri} is version {done.after} now; before: {was}", highlight=False, soft_wrap=True)


def _show_figures(about: dict[str, Any]) -> None:
    import pandas as pd

    from theracast.predict.kept import unpack_validation
    from theracast.predict.tables import decision_rows, equity_rows, mean_rows, set_rows

    validation = unpack_validation(about)
    if validation is not None and len(validation.mean):
        show(mean_rows(validation), "Random-effects mean over the cohorts (AUC, cohorts it never saw)")
        for name, rows in set_rows(validation).items():
            show(rows, f"Random-effects mean over set {escape(name)}")
    if validation is not None and len(validation.net_benefit):
        show(decision_rows(validation), "Treating by it above the better of all and none (responses per 100 patients)")
    if validation is not None and len(validation.equity):
        show(equity_rows(validation), "Equity: the same model by groups (AUC within cohorts)")
    if about.get("evidence"):
        arms = pd.DataFrame(about["evidence"])
        columns = [c for c in ("study", "therapy", "n", "responders", "auc", "auc_lower", "auc_upper") if c in arms]
        show(arms[columns].round(2), "What each therapy's model rests on (AUC of patients it did not see)")
    if validation is None and not about.get("evidence"):
        out.print("no validation was kept with it")
