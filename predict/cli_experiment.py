"""``theracast experiment``: the claims of the evidence folder, whether they stand, and how they are run again."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from theracast.errors import DataError, TheracastError, UsageError
from theracast.predict.console import err, out, show, steps

if TYPE_CHECKING:
    from theracast.predict.evidence.claims import Claim

app = typer.Typer(rich_markup_mode="rich")
Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder", metavar="PATH", help="The evidence folder; 'experiments' here, or of the checkout, by default."
    ),
]
_COLOURS = {"fresh": "green", "stale": "yellow", "changed": "bold red", "not declared": "bold red"}


@app.callback(invoke_without_command=True)
def experiment(ctx: typer.Context, folder: Folder = None) -> None:
    """List the claims of the evidence folder; run them again; print their tables.

    One YAML per claim: what is claimed, on which data, how it is run,
    what it writes, and what of it is simulated. A run is recorded with
    the digests of the YAML, the data, the code and the tables.

    \b
      theracast experiment list                     and which are stale
      theracast experiment run melanoma_bundled     anew, and record it
      theracast experiment run --compare --minutes 5
                                                    what is kept, does it
                                                    come out again?
      theracast experiment table open_blocks        as Markdown
    """  # noqa: D301 # \b is how click keeps lines apart
    ctx.obj = folder
    if ctx.invoked_subcommand is None:
        _list(folder)


@app.command("list")
def _list_claims(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One line of JSON, for programs.")] = False,
    folder: Folder = None,
) -> None:
    """Say of every claim whether it is fresh, and if not, what is another since."""
    if not as_json:
        _list(folder or ctx.obj)
        return
    from theracast.predict.evidence.claims import evidence_folder, read_claims
    from theracast.predict.evidence.records import overview

    out.print_json(data=overview(read_claims(evidence_folder(folder or ctx.obj))).to_dict("records"), indent=None)


@app.command("run")
def _run(
    ctx: typer.Context,
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Claims; see 'list'.")] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="Keep what is kept, and say whether it comes out again; all by default.")
    ] = False,
    minutes: Annotated[
        float, typer.Option("--minutes", metavar="M", help="With --compare: leave out what is declared to run longer.")
    ] = float("inf"),
    folder: Folder = None,
) -> None:
    """Run a claim and record it, or hold what is kept against a new run.

    Exit code 3: a figure did not come out again; file, row and column are
    named, and what came out is left in .runs/differs of the folder.
    """
    from theracast.predict.evidence.claims import claim_named, evidence_folder, read_claims

    place = evidence_folder(folder or ctx.obj)
    if not names and not compare:
        raise UsageError("no claim is named", fix="theracast experiment list shows them; --compare takes all.")
    if not compare and minutes < float("inf"):
        raise UsageError("--minutes leaves out claims that are compared", where="--minutes", fix="Add --compare.")
    claims = [claim_named(place, n) for n in names] if names else list(read_claims(place).values())
    if compare:
        # a scheduler that ends it finds what is kept put back
        before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
        try:
            _compare(claims, minutes)
        finally:
            signal.signal(signal.SIGTERM, before)
        return
    from theracast.predict.evidence.running import run_claim

    for claim in claims:
        with steps() as step:
            step(f"{claim.name}: {claim.command}")
            run = run_claim(claim, _lines(claim.name, step))
        out.print(f"{claim.name}: {len(run.outputs)} files in {run.seconds:.0f} s{_mark(claim)}", highlight=False)
        for file in run.outputs:
            out.print(f"  {escape(file)}", highlight=False, soft_wrap=True)


@app.command("table")
def _table(
    ctx: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One claim; all in short by default.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE.md", help="Write it instead of printing it.")
    ] = None,
    folder: Folder = None,
) -> None:
    """Print claims with their state, or the tables of one claim, as Markdown; simulated tables say so."""
    from theracast.predict.evidence.claims import claim_named, evidence_folder, read_claims
    from theracast.predict.evidence.pages import claim_page, index_page
    from theracast.predict.files import replace_file

    place = evidence_folder(folder or ctx.obj)
    text = claim_page(claim_named(place, name)) if name else index_page(read_claims(place))
    if output is None:
        out.print(text, markup=False, highlight=False, soft_wrap=True)
        return
    replace_file(output, lambda p: p.write_text(text + "\n", encoding="utf-8"))
    out.print(escape(str(output)), highlight=False, soft_wrap=True)


def _list(folder: Path | None) -> None:
    from theracast.predict.evidence.claims import evidence_folder, read_claims
    from theracast.predict.evidence.records import overview

    place = evidence_folder(folder)
    found = overview(read_claims(place))
    show(found[["claim", "state", "why", "when", "seconds", "simulated"]], f"Claims in {escape(str(place))}")


def _compare(claims: list[Claim], minutes: float) -> None:
    """Run what can be run; what cannot is said, and is no difference."""
    from theracast.predict.evidence.claims import TRAIN
    from theracast.predict.evidence.running import compare_claim

    wrong, ran = 0, 0
    before: dict[tuple[str, tuple[str, ...]], str] = {}
    for claim in claims:
        same = before.get((claim.by, claim.outputs)) if claim.by != TRAIN else None
        why = f"the run of {same} is its run" if same else _not_compared(claim, minutes)
        if why:
            out.print(f"  left out  {claim.name}: {escape(why)}", highlight=False, soft_wrap=True)
            continue
        before[claim.by, claim.outputs] = claim.name
        try:
            with steps() as step:
                step(f"{claim.name}: {claim.command}")
                apart = compare_claim(claim, _lines(claim.name, step))
        except TheracastError as error:
            err.print(f"  failed    {claim.name}: {escape(str(error))}", highlight=False, soft_wrap=True)
            wrong += 1
            continue
        ran += 1
        wrong += len(apart)
        out.print(f"  {'differs' if apart else 'same':9} {claim.name}{_mark(claim)}", highlight=False)
        for one in apart:
            out.print(f"    {escape(str(one))}", highlight=False, soft_wrap=True)
    if wrong:
        raise DataError(
            "not all figures come out again",
            got=f"{wrong} differences in {ran} claims",
            fix="What is another is named above, and what came out lies in .runs/differs of the evidence folder.",
        )


def _not_compared(claim: Claim, minutes: float) -> str:
    """Say why a claim cannot be held against a new run; empty when it can."""
    if not claim.declared:
        return "is not declared"
    if not claim.written():
        return "nothing is kept"
    if claim.minutes > minutes:
        return "runs longer"
    away = claim.missing_data()
    return f"{len(away)} of {len(claim.data)} data sets are not here: {', '.join(away[:5])}" if away else ""


def _lines(name: str, tell: Callable[[str], None]) -> Callable[[str], None]:
    """Show the last line that a run printed."""
    return lambda text: tell(f"{name}: {text[:100]}")


def _mark(claim: Claim) -> str:
    return f" (simulated: {escape(claim.simulated)})" if claim.simulated else ""
