"""The verbs of data sets: which cohorts there are, and how public ones are brought here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from theracast.predict.console import err, out, show

app = typer.Typer(rich_markup_mode="rich")
Folder = Annotated[
    Path | None,
    typer.Option("--to", metavar="DIR", help="Folder for data; THERACAST_DATA, else the user's cache, by default."),
]


@app.callback(invoke_without_command=True)
def datasets(ctx: typer.Context) -> None:
    """List the real cohorts that ship with the package; fetch public ones that do not.

    \b
      theracast datasets               what ships
      theracast datasets list          what can be fetched, from where, under which licence
      theracast datasets fetch loris   bring it, check it, turn it into cohorts
    """  # noqa: D301 # \b is how click keeps lines apart
    if ctx.invoked_subcommand is None:
        _show_bundled()


@app.command("list")
def list_sources(to: Folder = None) -> None:
    """List what ships and what can be fetched: size, licence, whether it is here, and traps."""
    import pandas as pd

    from theracast.features.sources import data_folder, public_sources

    _show_bundled()
    folder = data_folder(to)
    rows = [
        {
            "name": s.name,
            "MB": f"{s.bytes / 1e6:.2f}",
            "here": s.state(folder),
            "becomes": f"{len(s.cohorts)} cohort{'s' * (len(s.cohorts) > 1)}" if s.cohorts else "as it is",
            "paper": s.reference,
            "licence": s.licence,
            "about": f"{s.about}. {s.caveats}",
        }
        for s in public_sources().values()
    ]
    show(pd.DataFrame(rows), f"Public sources (theracast datasets fetch NAME), kept in {escape(str(folder))}")


@app.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A public source; see 'theracast datasets list'.")],
    to: Folder = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror",
            metavar="URL",
            envvar="THERACAST_MIRROR",
            show_envvar=True,
            help="Server with the same paths as raw.githubusercontent.com.",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Make the cohorts anew from the files.")] = False,
) -> None:
    """Bring a public data set, check its sha256, and turn it into cohorts.

    A broken download goes on where it stopped. Without a network, bring
    the files by hand to where the message says, or name a --mirror. Each
    cohort can then be named wherever COHORT is asked for.

    \b
      theracast datasets fetch loris
      theracast check loris_kato_pan
    """  # noqa: D301
    import os

    from theracast.features.fetch import fetch as bring

    with _bars() as progress:
        done = bring(name, to=to, mirror=mirror, force=force, progress=progress)
    for file in done.files:
        out.print(f"file   {escape(str(file))}", highlight=False, soft_wrap=True)
    for cohort in done.cohorts:
        out.print(f"cohort {escape(str(cohort))}", highlight=False, soft_wrap=True)
    if done.cohorts and to is not None and os.environ.get("THERACAST_DATA") != str(to):
        out.print(f"To use them by name: export THERACAST_DATA={escape(str(to))}", highlight=False, soft_wrap=True)


def _show_bundled() -> None:
    from theracast.features.datasets import datasets as bundled

    show(bundled(), "Data sets")


@contextmanager
def _bars() -> Iterator[Any]:
    """Show a bar per file; on a terminal only."""
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        tasks: dict[str, Any] = {}

        def advance(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(escape(name), total=total)
            bar.update(tasks[name], completed=done)

        yield advance
