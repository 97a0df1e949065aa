"""The verb ``theracast rank``: therapies side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from theracast.errors import UsageError
from theracast.predict.console import CohortArgument, Units, cohort_named, out, steps

Selection = Annotated[
    str, typer.Argument(metavar="MODEL", help="models:/ra_biologic@champion, models:/NAME/VERSION, or a folder.")
]
Tried = Annotated[
    Path | None,
    typer.Option("--tried", metavar="CSV", help="Therapies that failed already: columns patient_id and therapy."),
]
Declared = Annotated[
    Path | None,
    typer.Option("--utility", metavar="YAML", help="Prices, routes and harms to rank by beside the probability."),
]
Asked = Annotated[
    list[str] | None,
    typer.Option("--therapy", metavar="NAME", help="Only these, by any name (MTX, Enbrel). Repeatable."),
]
Tracking = Annotated[
    str | None,
    typer.Option(
        "--tracking-uri", envvar="MLFLOW_TRACKING_URI", help="MLflow store; mlflow.db here or above by default."
    ),
]


def rank(
    model: Selection,
    cohort: CohortArgument,
    output: Annotated[Path, typer.Option("-o", "--output", help="Parquet file: a line per patient and therapy.")],
    page: Annotated[
        Path | None, typer.Option("--report", metavar="HTML", help="Also write a page, therapies side by side.")
    ] = None,
    tried: Tried = None,
    utility: Declared = None,
    therapy: Asked = None,
    strict: Annotated[bool, typer.Option(help="Stop at the first refused row.")] = False,
    unit: Units = None,
    tracking: Tracking = None,
) -> None:
    """Lay the therapies side by side for every patient, and rank those that may be compared.

    A therapy is ranked when patients like this one got it, and when what is
    known before treatment told its responders from the others. Otherwise it
    says why not. Therapies of different studies are never ranked against
    each other.

    \b
      theracast rank models:/ra_biologic@champion COHORT -o ranking.parquet
      theracast rank MODEL COHORT -o r.parquet --tried failed.csv --report r.html
    """  # noqa: D301 # \b is how click keeps lines apart
    from theracast.models.utility import Utility
    from theracast.predict.registry import load_selection_predictor
    from theracast.predict.therapies import write_rankings

    with steps() as step:
        step("read the cohort")
        tables = cohort_named(cohort, unit)
        declared = Utility.from_yaml(utility) if utility else None
        failed = read_tried(tried) if tried else None
        step("load the model")
        predictor = load_selection_predictor(model, tracking=tracking)
        step(f"rank the therapies of {len(tables)} patients")
        found = predictor.rank(tables, tried=failed, utility=declared, therapies=therapy or (), strict=strict)
        account = write_rankings(found, output, tables)
        if page is not None:
            from theracast.predict.report.frame import write_page
            from theracast.predict.report.therapies import therapies_page

            step("write the page")
            write_page(therapies_page(found, predictor), page)
    states = found.table.groupby("state")["patient_id"].count()
    out.print("  " + ", ".join(f"{n} {state}" for state, n in states.items()), highlight=False)
    for reason, n in found.table["reason"][found.table["state"] != "ranked"].value_counts().head(5).items():
        out.print(f"  {n}: {escape(str(reason))}", highlight=False, soft_wrap=True)
    for code, n in found.rejects["code"].value_counts().items():
        out.print(f"  rejected {n}: {code}, see {escape(str(output.with_suffix('.rejects.parquet')))}", highlight=False)
    told = {k: v for k, v in account.items() if k not in ("provenance", "sealed")}  # they are for 'theracast verify'
    out.print(json.dumps({**told, "output": str(output)}), highlight=False, soft_wrap=True)


def read_tried(path: Path) -> dict[str, list[str]]:
    r"""Read which therapies failed already.

    Parameters
    ----------
    path : Path
        CSV with columns ``patient_id`` and ``therapy``, a line for each failure.

    Returns
    -------
    dict of str to list of str
        Patient to therapies, as written.

    Raises
    ------
    UsageError
        When the file or a column is not there.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "tried.csv"
    >>> _ = file.write_text("patient_id,therapy\n007,Enbrel\n")
    >>> read_tried(file)
    {'007': ['Enbrel']}
    """
    import pandas as pd

    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise UsageError("therapies tried cannot be read", where=str(path), got=type(error).__name__) from None
    missing = [c for c in ("patient_id", "therapy") if c not in table]
    if missing:
        raise UsageError(
            "a column is missing", where=str(path), got=", ".join(table.columns), wanted="patient_id, therapy"
        )
    return {str(i): part["therapy"].tolist() for i, part in table.groupby("patient_id", sort=False)}
