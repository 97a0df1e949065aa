"""The verb ``theracast monitor``: scores, and the outcomes that came later."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from theracast.errors import DataError, UsageError
from theracast.predict.cli_score import Tracking
from theracast.predict.console import Units, cohort_named, out, show, steps

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from theracast.models.validate import Validation
    from theracast.predict.monitor import Monitoring
    from theracast.predict.predictor import Predictor

#: What the command answers when a promise is broken; 1 to 5 are errors.
ALARMED = 10


def monitor(
    scores: Annotated[
        Path, typer.Argument(metavar="SCORES", help="Parquet file that 'theracast score' wrote, or Spark's folder.")
    ],
    outcomes: Annotated[
        Path,
        typer.Argument(
            metavar="OUTCOMES", help="CSV, TSV or Parquet: patient_id, response (R, NR; empty while not known)."
        ),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="HTML page; the same for machines beside it, as .json.")
    ] = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "--reference", metavar="SCORES|MODEL", help="Earlier scores, for drift, or the model: what validation had."
        ),
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option("--cohort", metavar="COHORT", help="Patients who were scored: drift of each block. Wants MODEL."),
    ] = None,
    precision: Annotated[
        float, typer.Option(min=0.02, max=0.3, help="Half width of the interval that is enough: 0.1 is ±10 points.")
    ] = 0.1,
    unit: Units = None,
    tracking: Tracking = None,
) -> None:
    """Hold scores against the outcomes that came later: calibration, coverage, abstention, drift.

    Run it as often as you like, each time with all scores and outcomes
    since the model was put to use: the chance of any alarm, ever, is at
    most 5% while the model keeps its promises. An alarm wants enough
    outcomes and a difference that matters. Months judged one by one are
    each a new chance of a false alarm.

    Exit codes for a scheduler: 0 quiet, or too few outcomes to tell (a
    line says how many more); 10 alarm; 2 to 5 as everywhere.

    \b
      theracast monitor scores.parquet outcomes.csv
      theracast monitor scores.parquet outcomes.csv --reference MODEL -o monitor.html
      theracast monitor scores.parquet outcomes.csv --reference MODEL --cohort COHORT
    """  # noqa: D301 # \b is how click keeps lines apart
    require_sense(output, reference or [], cohort)
    with steps() as step:
        step("hold scores against outcomes")
        found, title = _monitored(scores, outcomes, reference or [], cohort, precision, unit, tracking)
        if output is not None:
            from theracast.predict.files import replace_file
            from theracast.predict.report.frame import write_page
            from theracast.predict.report.monitor_page import monitor_page

            step("write the page")
            write_page(monitor_page(found, title), output)
            replace_file(output.with_suffix(".json"), lambda p: p.write_text(json.dumps(found.to_dict())))
    _tell(found, output)
    if found.alarms:
        raise typer.Exit(ALARMED)


def require_sense(output: Path | None, reference: list[str], cohort: str | None) -> None:
    """Refuse what would have no effect, before anything is read.

    Parameters
    ----------
    output : Path or None
        As typed.
    reference : list of str
        As typed.
    cohort : str or None
        As typed.

    Raises
    ------
    UsageError
        When a page would stand where its JSON stands, several scores or models are given, or a cohort without a model.

    Examples
    --------
    >>> require_sense(None, ["models:/melanoma_ici@champion"], "riaz2017_mel")
    """
    if output is not None and output.suffix not in (".html", ".htm"):
        raise UsageError("the page is a file that ends in .html", where="--output", got=output.suffix or "no suffix")
    kinds = [_is_scores(r) for r in reference]
    if kinds.count(True) > 1 or kinds.count(False) > 1:
        raise UsageError("--reference is one table of scores, one model, or one of each", got=f"{len(reference)} given")
    if cohort is not None and False not in kinds:
        raise UsageError(
            "drift of features needs the model that gave the scores", where="--cohort", fix="Add --reference MODEL."
        )


def _is_scores(reference: str) -> bool:
    path = Path(reference)
    return path.suffix == ".parquet" or (path.is_dir() and any(path.glob("*.parquet")))


def _monitored(
    scores: Path, outcomes: Path, reference: list[str], cohort: str | None, precision: float, unit: list[str] | None,
    tracking: str | None,
) -> tuple[Monitoring, str]:  # fmt: skip
    """Read everything, and judge."""
    from theracast.features.readers import read_table
    from theracast.predict.kept import unpack_validation
    from theracast.predict.monitor import monitor as hold
    from theracast.predict.monitor_tables import one_model, read_scores

    for path in (scores, outcomes, *(Path(r) for r in reference if _is_scores(r))):
        if not path.exists():
            raise UsageError("no such file", where=str(path))
    table, account = read_scores(scores)
    labels = read_table(outcomes)
    earlier: pd.DataFrame | None = None
    validation: Validation | None = None
    features: pd.DataFrame | None = None
    title = "What became of the patients who were scored"
    for each in reference:
        if _is_scores(each):
            earlier = read_scores(each)[0]
            continue
        predictor = _same_model(each, account, tracking)
        validation, title = unpack_validation(predictor.about), predictor.model.spec.title
        if cohort is not None:
            features = _features(predictor, cohort, unit, one_model(table)["patient_id"], validation)
    prior = account.get("prior")
    told = float(prior) if isinstance(prior, int | float) else float("nan")
    found = hold(
        table, labels, prior=told, validation=validation, reference=earlier, features=features, precision=precision
    )
    return found, title


def _same_model(uri: str, account: dict[str, Any], tracking: str | None) -> Predictor:
    from theracast.predict.registry import load_predictor

    predictor = load_predictor(uri, tracking=tracking)
    said = str(account.get("model") or "")
    if said and said != predictor.digest:
        raise DataError(
            "the scores are of another model",
            code="THX-D17",
            where="--reference",
            got=predictor.digest[:12],
            wanted=said[:12],
            fix="Name the version that gave them: models:/NAME/VERSION.",
        )
    return predictor


def _features(
    predictor: Predictor, cohort: str, unit: list[str] | None, scored: pd.Series, validation: Validation | None
) -> pd.DataFrame:
    from theracast.models.drift import drift_table

    model, values = predictor.model, predictor.model.matrix(cohort_named(cohort, unit)).values
    if len(scored) and not values.index.astype(str).isin(scored.astype(str)).any():
        raise DataError("none of these patients was scored", code="THX-D17", where="--cohort", got=f"{len(values)}")
    return drift_table(model.reference_, values, _trained_on(model.studies_, validation))


def _trained_on(studies: Sequence[str], validation: Validation | None) -> float:
    """Count the patients of the reference, as validation knew them; infinitely many where that was not kept."""
    from theracast.models.validate import MODEL

    if validation is None:
        return float("inf")
    rows = validation.table[(validation.table["model"] == MODEL) & validation.table["cohort"].isin(studies)]
    return float(rows["n"].sum()) or float("inf")


def _tell(found: Monitoring, output: Path | None) -> None:
    """Print the figures, what each promise came to, and a line for machines."""
    import pandas as pd

    from theracast.models.drift import by_block

    rows = found.measures
    lines = [(r.measure, _number(r.value), _between(r.lower, r.upper), r.before, r.n) for r in rows.itertuples()]
    show(pd.DataFrame(lines, columns=["measure", "value", "95% interval", "before", "n"]), "Scores against outcomes")
    if len(found.drift):
        drift = by_block(found.drift)
        show(drift.assign(psi=drift["psi"].round(2), missing=drift["missing"].round(2)), "Drift by block")
    for promise in found.promises:
        out.print(f"[bold]{promise.state}[/]: {promise.name}: {escape(promise.why)}", highlight=False, soft_wrap=True)
    summary = {"state": found.state, "alarms": found.alarms, **found.account}
    out.print(json.dumps(summary | ({"output": str(output)} if output else {})), highlight=False, soft_wrap=True)


def _number(value: float) -> str:
    """Write three decimals; a rounded -0 is 0."""
    return "" if value != value else f"{round(value, 3) + 0.0:.3f}"


def _between(low: float, high: float) -> str:
    return "" if low != low else f"{_number(low)} to {_number(high)}"
