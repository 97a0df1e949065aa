"""What every verb of the command line shares: where it prints, how it names a cohort, how it shows a table."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from theracast.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from theracast.features.cohort import Cohort

# a pipe has no width: tables that are read by a file may be as wide as they need
_WIDTH = None if sys.stdout.isatty() else 150
out, err = Console(width=_WIDTH), Console(stderr=True)

CohortArgument = Annotated[
    str, typer.Argument(metavar="COHORT", help="A folder of tables, a wide table, or a data set's name.")
]
Units = Annotated[
    list[str] | None,
    typer.Option(
        "--unit",
        metavar="NAME=UNIT",
        help="Declare a unit: --unit expression=TPM, --unit clinical.albumin=g/dL. Repeatable.",
    ),
]


def cohort_place(cohort: str) -> Path:
    """Find what a user calls a cohort: a path where there is one, else the data set of that name.

    Parameters
    ----------
    cohort : str
        As typed.

    Returns
    -------
    Path
        A folder or a file; one that is not there only where it was typed as a path.

    Examples
    --------
    >>> cohort_place("riaz2017_mel").name
    'riaz2017_mel'
    """
    from theracast.features.datasets import dataset_path

    path = Path(cohort)
    return path if path.exists() or "/" in cohort or path.suffix else dataset_path(cohort)


def declared(units: list[str] | None) -> dict[str, str]:
    """Read ``--unit NAME=UNIT``.

    Parameters
    ----------
    units : list of str or None
        As typed.

    Returns
    -------
    dict of str to str
        Name to unit.

    Raises
    ------
    UsageError
        Something else was typed.

    Examples
    --------
    >>> declared(["expression=TPM"])
    {'expression': 'TPM'}
    """
    pairs = [u.partition("=") for u in units or []]
    for text, (name, equals, unit) in zip(units or [], pairs, strict=True):
        if not equals or not name or not unit:
            raise UsageError("a unit is declared as NAME=UNIT", got=repr(text), wanted="--unit expression=TPM")
    return {name: unit for name, _, unit in pairs}


def cohort_named(cohort: str, units: list[str] | None) -> Cohort:
    """Read what a user calls a cohort.

    Parameters
    ----------
    cohort : str
        A folder of tables, a wide table, or a data set's name.
    units : list of str or None
        ``NAME=UNIT``.

    Returns
    -------
    Cohort
        Checked as `read_cohort` does.

    Examples
    --------
    >>> len(cohort_named("riaz2017_mel", None))
    51
    """
    from theracast.features.datasets import load_cohort
    from theracast.features.readers import read_cohort

    said, path = declared(units), Path(cohort)
    typed = path.exists() or "/" in cohort or path.suffix
    return read_cohort(path, units=said) if typed else load_cohort(cohort, said)


def require_cohorts(names: Sequence[str], where: str) -> None:
    """Stop before a long run when a cohort that it needs is not here.

    Parameters
    ----------
    names : sequence of str
        Data sets or folders.
    where : str
        What names them, for the message.

    Raises
    ------
    UsageError
        All that are missing, where they were looked for, and how to bring those that can be fetched.

    Examples
    --------
    >>> require_cohorts(["riaz2017_mel", "riaz2071_mel"], "e.yaml")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: cohorts are not here | where: e.yaml | got: 1 of 2 missing: riaz2071_mel | ...
    """
    from theracast.features.datasets import dataset_path
    from theracast.features.sources import data_folder, public_sources

    missing = []
    for name in names:
        try:
            dataset_path(name)
        except UsageError:
            missing.append(name)
    if not missing:
        return
    told = os.environ.get("THERACAST_DATA")
    looked = [data_folder() / "ici", *([] if told else [Path("../shared/data/ici").resolve()])]
    calls = [f"'theracast datasets fetch {n}'" for n, s in public_sources().items() if set(s.cohorts) & set(missing)]
    bring = f"bring some of them with {' and '.join(calls)}, " if calls else ""
    raise UsageError(
        "cohorts are not here",
        where=where,
        got=f"{len(missing)} of {len(names)} missing: {', '.join(missing)}",
        wanted=f"a folder of each name in {' or '.join(map(str, looked))}"
        + (" (THERACAST_DATA)" if told else "; THERACAST_DATA is not set"),
        fix=f"Set THERACAST_DATA to the folder that holds ici/, {bring}or leave them out of the experiment.",
    )


@contextmanager
def steps(total: int | None = None) -> Iterator[Any]:
    """Show the step under way, and how much of a long run is done.

    On a terminal a spinner with the time, and a bar with the time left where there is a total; elsewhere nothing, but
    a line on stderr for each of a total.

    Parameters
    ----------
    total : int, optional
        How many long steps there are.

    Yields
    ------
    callable
        Takes the text of the step, and ``done=True`` when one of the total is done.

    Examples
    --------
    >>> with steps() as step:
    ...     step("wait")
    """
    columns: list[ProgressColumn] = [SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()]
    if total:
        columns[2:] = [
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        ]
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task, count = bar.add_task("", total=total), 0

        def tell(text: str, done: bool = False) -> None:
            nonlocal count
            count += done
            bar.update(task, description=escape(text), advance=int(done))
            if done and not err.is_terminal:
                err.print(f"{count}/{total} {escape(text)}", highlight=False, soft_wrap=True)

        yield tell


def show(frame: pd.DataFrame, title: str) -> None:
    """Print a table.

    Parameters
    ----------
    frame : DataFrame
        Few rows; NaN is printed as nothing.
    title : str
        Above it.

    Examples
    --------
    >>> import pandas as pd
    >>> show(pd.DataFrame(), "nothing")
    <BLANKLINE>
    """
    table = Table(title=title, title_justify="left", header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for k, column in enumerate(frame.columns):
        table.add_column(escape(str(column)), overflow="fold", no_wrap=k == 0)
    for row in frame.itertuples(index=False):
        table.add_row(*(escape("" if v != v else str(v)) for v in row))
    out.print(table)
