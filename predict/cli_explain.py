"""The verb ``theracast explain``: why each patient got the probability it got, in sentences, tables and pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from theracast.errors import UsageError
from theracast.predict.cli_report import read_patients, require_patient
from theracast.predict.cli_score import Labelled, Model, Rate, Tracking, tell_site
from theracast.predict.console import CohortArgument, Units, err, out, steps

if TYPE_CHECKING:
    from theracast.predict.records import Scores

_HEADINGS = {
    "for": "For response",
    "against": "Against response",
    "unclear": "Unclear, no evidence either way",
    "rest": "The rest",
}


def explain(
    model: Model,
    cohort: CohortArgument,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for the tables and pictures of the cohort.")
    ] = None,
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="ID", help="Say in sentences why this patient got its number.")
    ] = None,
    parquet: Annotated[bool, typer.Option("--parquet", help="Write the tables as Parquet rather than CSV.")] = False,
    rate: Rate = None,
    labelled: Labelled = None,
    unit: Units = None,
    tracking: Tracking = None,
) -> None:
    """Say why each patient got the probability it got, in points that add up to it.

    Of one patient, sentences: the reference, what spoke for response and what
    against, what is unclear, and the prediction. Adding the printed points to
    the reference gives the prediction exactly.

    Of a cohort, a folder: patients and points (a line per patient and value,
    in percentage points, with their spread over training), importance (mean
    absolute points per block, pathway and feature in each study), and pictures
    (beeswarm, importance, dependence).

    \b
      theracast explain models:/melanoma_ici@champion COHORT --patient ID
      theracast explain MODEL COHORT -o why
      theracast explain MODEL COHORT -o why --parquet --response-rate 0.2

    What is said is an association learned from other patients.
    """  # noqa: D301 # \b is how click keeps lines apart
    if output is None and patient is None:
        raise UsageError("nothing to write and nobody to tell of", wanted="-o FOLDER, --patient ID, or both")
    if output is not None and output.is_file():
        raise UsageError("the output is a file", where=str(output), wanted="a folder")
    from theracast.predict.explanation_files import write_explanation
    from theracast.predict.registry import load_any
    from theracast.predict.therapies import SelectionPredictor

    with steps() as step:
        tables, known = read_patients(step, cohort, rate, labelled, unit)
        require_patient(tables, patient)
        step("load the model")
        predictor = load_any(model, tracking=tracking)
        if isinstance(predictor, SelectionPredictor):
            raise UsageError(
                "a choice between therapies is explained on its page",
                fix="Call theracast report MODEL COHORT -o page.html --patient ID.",
            )
        step("fit the model to the site")
        site = predictor.site(tables, rate=rate, labelled=known)
        step("explain")
        scores = predictor.score(tables, explained=True, spread=True, site=site)
        if scores.explanation is None or scores.explanation.points.empty:
            raise UsageError("nobody is left to explain", got=f"{len(scores.rejects)} of {scores.rows_in} rows refused")
        written = (
            [] if output is None else write_explanation(scores.explanation, output, parquet=parquet, progress=step)
        )
    if patient is not None:
        _tell(scores, patient)
    for path in written:
        out.print(str(path), highlight=False, soft_wrap=True)
    tell_site(site)
    for code, n in scores.rejects["code"].value_counts().items() if len(scores.rejects) else ():
        err.print(f"  refused {n}: {escape(str(code))}; theracast check says why", highlight=False, soft_wrap=True)


def _tell(scores: Scores, patient: str) -> None:
    """Print the sentences of one patient, and what the model decides."""
    from theracast.predict.sentences import sentences

    if scores.explanation is None or patient not in scores.explanation.points.index:
        raise UsageError("the patient's row was refused", fix="theracast check says what is wrong with it.")
    said, heading = sentences(scores.explanation, patient), ""
    for s in said:
        if _HEADINGS.get(s.kind, "") not in ("", heading):
            heading = _HEADINGS[s.kind]
            out.print(f"\n[bold]{heading}[/]", highlight=False)
        if s.kind == "prediction" and len(said) > 1:
            out.print("")
        out.print(("  " if s.kind in _HEADINGS else "") + escape(s.text), highlight=False, soft_wrap=True)
    record = scores.prediction(patient)
    if record.decision == "abstain":
        out.print(f"The model abstains: {escape(record.reason)}.", highlight=False, soft_wrap=True)
    if len(said) > 1:
        out.print("\nPoints are associations learned from other patients.", highlight=False)
