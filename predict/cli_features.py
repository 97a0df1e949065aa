"""The verbs of the ground floor: what blocks read, what is wrong with a cohort, and its feature matrix."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from theracast.checks import listed
from theracast.errors import UsageError
from theracast.predict.console import CohortArgument, Units, cohort_named, cohort_place, declared, out, show, steps

if TYPE_CHECKING:
    import pandas as pd

    from theracast.features.base import OmicsBlock
    from theracast.features.checkup import Checkup

#: What of an example table is printed; the files hold it all.
_ROWS, _COLUMNS = 6, 7


def blocks(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="One block, in full.")] = None,
    example: Annotated[
        Path | None, typer.Option("--example", metavar="FOLDER", help="Write the block's example tables there, as CSV.")
    ] = None,
) -> None:
    """List the omics blocks, or what one needs and gives, with an example table.

    A block reads the tables that it names, any subset of their columns,
    and gives one row of features per patient. The example is made up:
    fill in your own values in the same layout, then check and build it.

    \b
      theracast blocks                              what there is
      theracast blocks clinical                     what one needs and gives
      theracast blocks clinical --example try/      its example as files
      theracast check try/
      theracast build try/ -o features.parquet --block clinical
    """  # noqa: D301 # \b is how click keeps lines apart
    import pandas as pd

    from theracast.features.blocks import BLOCKS

    if name is None:
        if example is not None:
            raise UsageError("an example is of one block", fix="Name it: theracast blocks clinical --example FOLDER.")
        rows = [
            (n, b.spec.about, ", ".join(b.spec.tables), len(b.spec.features) or "learned") for n, b in BLOCKS.items()
        ]
        show(pd.DataFrame(rows, columns=["block", "about", "tables", "features"]), "Blocks")
        return
    block = BLOCKS[name]
    tables = block.example()
    spec = block.spec
    out.print(f"[bold]{spec.name}[/]: {escape(spec.about)} Read from: {', '.join(spec.tables)}.\n")
    inputs = [(c.name, c.about, c.unit, c.example) for c in spec.inputs]
    show(pd.DataFrame(inputs, columns=["column", "about", "unit", "example"]), "Needs (any subset)")
    arrows = {1: "up", -1: "down", 0: ""}
    gives = [(f"{name}__{f.name}", f.about, f.unit, arrows[f.direction], f.reference) for f in _features(block)]
    show(pd.DataFrame(gives, columns=["feature", "about", "unit", "response", "reference"]), "Gives")
    for table, frame in tables.items():
        seen = _as_written(frame).iloc[:_ROWS, :_COLUMNS]
        rest = [f"{n} more {what}" for n, what in ((len(frame) - len(seen), "rows"),
                (_as_written(frame).shape[1] - seen.shape[1], "columns")) if n]  # fmt: skip
        show(seen, f"Example: {table}.csv" + (f" (and {' and '.join(rest)})" if rest else ""))
    if example is not None:
        for file in _write_example(tables, example):
            out.print(f"wrote {escape(str(file))}", highlight=False, soft_wrap=True)


def check(
    cohort: CohortArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, for a machine.")] = False,
    unit: Units = None,
) -> None:
    """Say everything that is wrong with a cohort's tables, and what to do about each; nothing is scored.

    Each table is read apart, then all together, then every block looks
    at what it reads. Rows are counted from 1, without the header; no value
    and no id of a patient is printed. Exit code 0: nothing was found; 3:
    something was.

    \b
      theracast check my_cohort/
      theracast check my_cohort/ --unit expression=TPM --unit clinical.albumin=g/dL
      theracast check wide.csv --json
    """  # noqa: D301
    from theracast.features.checkup import checkup

    said = declared(unit)
    with steps() as step:
        step("look at every table")
        done = checkup(cohort_place(cohort), said)
    if as_json:
        typer.echo(json.dumps(done.to_dict(), indent=2))
    else:
        _print(done)
    if done.findings:
        raise typer.Exit(3)


def build(
    cohort: CohortArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="Parquet file for the feature matrix.")],
    block: Annotated[
        list[str] | None,
        typer.Option("--block", help="Only these; by default those whose tables are there. Repeatable."),
    ] = None,
    unit: Units = None,
) -> None:
    """Turn a cohort's tables into a feature matrix with masks and lineage.

    One row per patient, columns <block>__<feature>; what is not known is
    empty, never 0. A block that is asked for and has no table gives empty
    columns.

    \b
      theracast build riaz2017_mel -o features.parquet
      theracast build my_cohort/ -o features.parquet --block clinical --block signatures --unit expression=TPM
    """  # noqa: D301
    from theracast.features.assembler import FeatureAssembler
    from theracast.features.blocks import BLOCKS
    from theracast.predict.files import replace_file

    tables = cohort_named(cohort, unit)
    there = {*tables.tables, *tables.events}
    chosen = list(block or (n for n, b in BLOCKS.items() if there & {*b.spec.tables}))
    if not chosen:
        raise UsageError(
            "no block reads any of these tables",
            got=listed(sorted(there)),
            fix="See 'theracast blocks' for the tables, or name a block with --block.",
        )
    with steps() as step:
        step(f"measure {len(tables)} patients")
        matrix = FeatureAssembler(chosen).fit(tables).matrix(tables)
        replace_file(output, matrix.to_parquet)
    show(
        matrix.describe().round(2).reset_index(names="study"),
        f"{escape(str(output))}: what is known, by study and block",
    )


def _print(done: Checkup) -> None:
    tables = ", ".join(f"{name} ({n} rows)" for name, n in done.tables.items())
    out.print(f"{escape(tables) or 'no table can be read'}; {done.patients} patients can be used\n", highlight=False)
    for table in dict.fromkeys(f.table for f in done.findings):
        out.print(f"[bold]{escape(table)}[/]", highlight=False, soft_wrap=True)
        mine = [f for f in done.findings if f.table == table]
        for name in dict.fromkeys(f.block for f in mine):
            out.print(f"  block {name}" if name else "  the table itself", highlight=False)
            for f in (f for f in mine if f.block == name):
                rows = f" (row{'s' * (len(f.rows) > 1)} {listed(f.rows)})" if f.rows else ""
                head = f"{f.column}: " if f.column else ""
                out.print(escape(f"    {f.code} {head}{f.what}{rows}"), highlight=False, soft_wrap=True)
                out.print(escape(f"      do: {f.fix}"), highlight=False, soft_wrap=True)
    for table, columns in done.unread.items():
        out.print(escape(f"{table}: read by no block: {listed(columns, 12)}"), style="dim", highlight=False)
    out.print(done.count(), highlight=False)


def _features(block: type[OmicsBlock]) -> list:
    """List what a block gives; of one that learns it, what it gives of its own example."""
    from theracast.features.cohort import Cohort

    return list(block.spec.features or block().fit(Cohort.from_tables(block.example())).outputs())


def _as_written(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn the index into the first column, as it stands in a file."""
    return frame if "patient_id" in frame.columns else frame.reset_index(names=frame.index.name or "patient_id")


def _write_example(tables: dict[str, pd.DataFrame], folder: Path) -> list[Path]:
    from theracast.predict.files import replace_file

    files = {folder / f"{table}.csv": frame for table, frame in tables.items()}
    there = [f.name for f in files if f.exists()]
    if there:
        raise UsageError(
            "the folder holds tables of that name", where=str(folder), got=listed(there), fix="Name another folder."
        )
    return [replace_file(f, partial(_as_written(t).to_csv, index=False)) for f, t in files.items()]
