"""``theracast verify``: whether scores of then are the same today, to the last bit; if not, which part is another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from theracast.errors import DataError
from theracast.predict.cli_score import Tracking, counting_rows, is_wide
from theracast.predict.console import Units, cohort_named, declared, out

_SHOWN = {"same": "same", "differs": "[bold red]differs[/]", "missing": "[bold red]missing[/]"}


def verify(
    scores: Annotated[
        Path, typer.Argument(metavar="SCORES", help="Parquet file that 'theracast score' or 'rank' wrote.")
    ],
    cohort: Annotated[
        str, typer.Option("--input", metavar="COHORT", help="What was scored then: tables or a wide table, as then.")
    ],
    sample: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Check so many lines, drawn by --seed; all by default.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same lines.")] = 0,
    model: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Where the model is now, if it is not where it was.")
    ] = None,
    unit: Units = None,
    tracking: Tracking = None,
) -> None:
    """Make scores or rankings again from model, code, tables and input, and compare every column to the last bit.

    It says which part is another: the file (one flipped byte is told by
    row and column), the account, the model, its feature schema, the
    code, the bundled tables, the libraries, or the patient's input, with
    the columns that changed. Of a long table only the rows are scored
    that are checked. Declare the units of a cohort again; those of a
    long table are kept. A ranking is made again of the whole cohort,
    with the therapies tried and the utility of then, and every line is
    told by its patient and therapy.

    \b
      theracast verify scores.parquet --input COHORT
      theracast verify scores.parquet --input patients.parquet --sample 1000
      theracast verify ranking.parquet --input COHORT

    Exit code 0: the same. 3: something differs, is missing, or is no
    score file. 2, 4, 5 as everywhere.
    """  # noqa: D301 # \b is how click keeps lines apart
    from theracast.predict.registry import load_any
    from theracast.predict.verify import verify_scores

    predictor = load_any(model, tracking=tracking) if model else None
    with counting_rows("verify") as tell:
        found = verify_scores(
            scores,
            cohort if is_wide(cohort) else cohort_named(cohort, unit),
            sample=sample,
            seed=seed,
            predictor=predictor,
            units=declared(unit) or None,
            tracking=tracking,
            progress=tell,
        )
    for part, state, what in found.parts.itertuples(index=False):
        more = f": {escape(str(what))}" if what else ""
        out.print(f"  {part:13} {_SHOWN.get(state, state)}{more}", highlight=False, soft_wrap=True)
    wrong = found.lines[found.lines.outcome != "same"]
    for why, rows in wrong.groupby("why", sort=False):
        first = ", ".join(f"{row:,}" for row in rows.index[:3]) + (" and others" if len(rows) > 3 else "")
        out.print(f"  {len(rows)} lines (row {first}): {escape(str(why))}", highlight=False, soft_wrap=True)
    counts = {o: int((found.lines.outcome == o).sum()) for o in ("same", "differs", "missing")}
    out.print_json(data={"lines": found.rows, "checked": len(found.lines), **counts}, indent=None)
    if not found.same:
        raise DataError(
            "not all is as it was written",
            code="THX-R11",
            where=scores.name,
            got=f"{counts['same']} of {len(found.lines)} lines checked are the same",
            fix="Give the tables, the model and the version of then; what is another or missing is told above.",
        )
