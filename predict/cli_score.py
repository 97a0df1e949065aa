"""``theracast score``: a cohort at once, or a table of any length in chunks that can be resumed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from theracast.errors import DataError, UsageError
from theracast.predict.cli_spark import Engine, score_on_spark
from theracast.predict.console import Units, cohort_named, declared, err, out, steps

if TYPE_CHECKING:
    from theracast.features.cohort import Cohort
    from theracast.models.recalibration import Recalibration
    from theracast.predict.predictor import Predictor


class Explain(Enum):
    """How much of each patient is explained.

    Examples
    --------
    >>> Explain("top5").name
    'top5'
    """

    none = "none"
    top5 = "top5"
    all = "all"


def a_rate(rate: float | None) -> float | None:
    """Refuse an impossible rate before anything is read.

    Parameters
    ----------
    rate : float or None
        As typed.

    Returns
    -------
    float or None
        The same.

    Raises
    ------
    UsageError
        When it is not inside 0-1.

    Examples
    --------
    >>> a_rate(0.3)
    0.3
    """
    if rate is not None and not 0 < rate < 1:
        raise UsageError(
            "a response rate lies between 0 and 1", where="--response-rate", got=f"{rate:g}", wanted="0.3 for 30%"
        )
    return rate


Tracking = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="MLflow store; mlflow.db here or above by default."
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--response-rate",
        metavar="RATE",
        callback=a_rate,
        help="Response rate of the site, such as 0.3; that of the training studies is assumed otherwise.",
    ),
]
Labelled = Annotated[
    str | None,
    typer.Option(
        "--recalibrate",
        metavar="COHORT",
        help="Patients of the same site with column response (R or NR), however few, picked without regard to it.",
    ),
]
Model = Annotated[
    str, typer.Argument(metavar="MODEL", help="models:/NAME@ALIAS, models:/NAME/VERSION, runs:/..., or a folder.")
]


def score(
    model: Model,
    cohort: Annotated[
        str,
        typer.Argument(
            metavar="COHORT",
            help="A folder of tables, a data set's name, or a wide table of any length: Parquet (file or folder), CSV, "
            "or duckdb:FILE?table=NAME.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Parquet file for the scores.")],
    strict: Annotated[bool, typer.Option(help="Stop at the first refused row.")] = False,
    rate: Rate = None,
    labelled: Labelled = None,
    unit: Units = None,
    explain: Annotated[
        Explain, typer.Option(help="A column with the weightiest features of each patient, and their points.")
    ] = Explain.none,
    chunk_rows: Annotated[
        int | None,
        typer.Option(min=1, help="Rows of a wide table that are scored at a time; by default at most 50,000."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share the rows of a wide table.")] = 1,
    engine: Annotated[
        Engine, typer.Option(help="spark: Parquet in, a folder of Parquet out, by a cluster or the cores here.")
    ] = Engine.local,
    tracking: Tracking = None,
) -> None:
    """Score every patient of a cohort; every row read is scored, abstained or rejected.

    A wide table is read in chunks. A job that was killed is resumed by
    the same command, with the version of the model it was begun with.

    What is known of the site moves probabilities and intervals, in the
    open: each patient's notes say so. Ranks and decisions stay.

    \b
      theracast score MODEL COHORT -o scores.parquet --response-rate 0.3
      theracast score MODEL COHORT -o scores.parquet --recalibrate LABELLED
      theracast score MODEL patients.parquet -o scores.parquet --workers 4
    """  # noqa: D301 # \b is how click keeps lines apart
    if rate is not None and labelled is not None:
        raise UsageError("--response-rate and --recalibrate exclude each other", fix="Labels tell the rate too.")
    if engine is Engine.spark:
        only_here = {"strict": strict, "response_rate": rate is not None, "explain": explain is not Explain.none}
        site, account = score_on_spark(
            model, cohort, output, labelled=labelled, unit=unit, tracking=tracking, **only_here, workers=workers > 1
        )
    elif is_wide(cohort):
        how = {"strict": strict, "explain": explain.value, "chunk_rows": chunk_rows, "workers": workers}
        site, account = _long(model, cohort, output, rate, labelled, unit, tracking, how)
    else:
        if explain is not Explain.none:
            raise UsageError(
                "--explain is for a wide table",
                fix="Write 'theracast report' for a cohort, or give one table with columns <table>:<column>.",
            )
        site, account = _at_once(model, cohort, output, rate, labelled, unit, tracking, strict)
    tell_site(site)
    for reason, n in list(account.pop("reasons", {}).items())[:5]:
        out.print(f"  abstained {n}: {escape(str(reason))}", highlight=False)
    for code, n in account.pop("codes", {}).items():
        out.print(f"  rejected {n}: {code}, see {escape(str(output.with_suffix('.rejects.parquet')))}", highlight=False)
    told = {k: v for k, v in account.items() if k not in ("provenance", "sealed")}  # they are for 'theracast verify'
    out.print(json.dumps({**told, "output": str(output)}), highlight=False, soft_wrap=True)


def is_wide(cohort: str) -> bool:
    """Say whether a user's cohort is one wide table: then it is read in chunks.

    Parameters
    ----------
    cohort : str
        As typed.

    Returns
    -------
    bool
        Also for a folder of Parquet files whose columns are named ``<table>:<column>``.

    Examples
    --------
    >>> is_wide("patients.parquet"), is_wide("riaz2017_mel"), is_wide("duckdb:a.duckdb?table=t")
    (True, False, True)
    """
    path = Path(cohort)
    if cohort.startswith("duckdb:") or (not path.is_dir() and path.suffix in (".parquet", ".csv", ".tsv")):
        return True
    first = next(iter(sorted(path.rglob("*.parquet"))), None) if path.is_dir() else None
    if first is None:
        return False
    import pyarrow.parquet as pq

    try:
        return any(":" in name for name in pq.read_schema(first).names)
    except (OSError, ValueError):
        return False


def tell_site(site: Recalibration) -> None:
    """Print what is known of the site.

    Parameters
    ----------
    site : Recalibration
        Nothing is printed where nothing is known.

    Examples
    --------
    >>> from theracast.models.recalibration import AS_TRAINED
    >>> tell_site(AS_TRAINED)
    """
    if site.note:
        line = f"log-odds x {site.slope:.2f} {site.intercept:+.2f}"
        out.print(f"  site: {escape(site.note)} ({line})", highlight=False, soft_wrap=True)


def load_model_named(model: str, tracking: str | None) -> Predictor:
    """Load a model; a folder needs no registry.

    Parameters
    ----------
    model : str
        As typed.
    tracking : str or None
        As in `theracast.predict.store.store_uri`.

    Returns
    -------
    Predictor
        Ready.

    Examples
    --------
    >>> callable(load_model_named)
    True
    """
    folder = Path(model)
    if re.match(r"^(models|runs|mlflow-artifacts):/", model) or not folder.is_dir():
        from theracast.predict.registry import load_predictor

        return load_predictor(model, tracking=tracking)
    from theracast.predict.predictor import Predictor

    inner = folder / "artifacts" / "model"
    return Predictor.from_folder(inner if inner.is_dir() else folder, uri=model)


def _at_once(
    model: str, cohort: str, output: Path, rate: float | None, labelled: str | None, unit: list[str] | None,
    tracking: str | None, strict: bool,
) -> tuple[Recalibration, dict[str, Any]]:  # fmt: skip
    from theracast.predict.batch import write_scores

    with steps() as step:
        step("read the cohort")
        tables, known = cohort_named(cohort, unit), _labelled(labelled, unit)
        step("load the model")
        predictor = load_model_named(model, tracking)
        step("fit the model to the site")
        site = predictor.site(tables, rate=rate, labelled=known)
        step(f"score {len(tables)} patients")
        scores = predictor.score(tables, strict=strict, site=site)
        account = write_scores(scores, output, tables)
    reasons = scores.table.reason[scores.table.decision == "abstain"].value_counts().to_dict()
    return site, {**account, "reasons": reasons, "codes": scores.rejects.code.value_counts().to_dict()}


def _long(
    model: str, cohort: str, output: Path, rate: float | None, labelled: str | None, unit: list[str] | None,
    tracking: str | None, how: Mapping[str, Any],
) -> tuple[Recalibration, dict[str, Any]]:  # fmt: skip
    from theracast.predict.batch import score_dataset

    units = declared(unit)
    if not cohort.startswith("duckdb:") and not Path(cohort).exists():
        raise DataError("no such cohort", code="THX-D33", where=cohort, wanted="a folder of tables or a wide table")
    with steps() as step:
        step("load the model")
        predictor = load_model_named(_pinned(model, output), tracking)
        step("fit the model to the site")
        if rate is not None:
            from theracast.predict.stream_site import site_of

            site = site_of(cohort, predictor, rate, chunk_rows=how["chunk_rows"], units=units)
        else:
            site = predictor.site(labelled=_labelled(labelled, unit))
    with counting_rows("score") as tell:
        account = score_dataset(cohort, output, predictor, site=site, units=units, progress=tell, **how)
    return site, account


def _labelled(labelled: str | None, unit: list[str] | None) -> Cohort | None:
    return cohort_named(labelled, unit) if labelled is not None else None


def _pinned(model: str, output: Path) -> str:
    """Resume with the version that the job was begun with, wherever the alias points now."""
    try:
        begun = json.loads((output.with_name(f"{output.name}.job") / "job.json").read_text())
    except (OSError, ValueError):
        return model
    version = begun.get("model_version")
    return re.sub(r"@.*$", f"/{version}", model) if version and begun.get("model_uri") == model else model


@contextmanager
def counting_rows(verb: str) -> Iterator[Callable[[int, int], None]]:
    """Show the rows done and the time left; on a file or pipe nothing.

    Parameters
    ----------
    verb : str
        What is done with them.

    Yields
    ------
    callable
        Takes the rows done and the rows in all.

    Examples
    --------
    >>> with counting_rows("score") as tell:
    ...     tell(1, 2)
    """
    columns = (TextColumn(verb), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"))
    with Progress(*columns, TimeRemainingColumn(), console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("")
        yield lambda done, total: bar.update(task, completed=done, total=total)
