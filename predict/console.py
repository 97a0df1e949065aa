"""What every verb of the command line shares: where it prints, how it names a cohort, how it shows a table."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
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
    from theracast.features.readers import read_cohort

    said = declared(units)
    return read_cohort(cohort_place(cohort), units=said)


@contextmanager
def steps() -> Iterator[Any]:
    """Show the step under way; on a terminal as a spinner with the time, elsewhere not at all.

    Yields
    ------
    callable
        Takes the text of the step.

    Examples
    --------
    >>> with steps() as step:
    ...     step("wait")
    """
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("")
        yield lambda text: bar.update(task, description=escape(text))


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
