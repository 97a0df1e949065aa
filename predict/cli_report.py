"""The verb ``theracast report``: a page for a patient or a cohort."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from theracast.errors import UsageError
from theracast.predict.cli_score import Labelled, Model, Rate, Tracking, tell_site
from theracast.predict.console import CohortArgument, Units, cohort_named, out, steps

if TYPE_CHECKING:
    from theracast.features.cohort import Cohort
    from theracast.predict.predictor import Predictor
    from theracast.predict.records import Scores


class View(Enum):
    """Whom a page is for.

    Examples
    --------
    >>> View("patient").name
    'patient'
    """

    clinician = "clinician"
    patient = "patient"


def report(
    model: Model,
    cohort: CohortArgument,
    output: Annotated[
        Path, typer.Option("-o", "--output", help="HTML file, or a folder: a page of the cohort and one per patient.")
    ],
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="ID", help="One patient; the cohort by default.")
    ] = None,
    view: Annotated[
        View, typer.Option("--view", help="Whom the page is for: a patient's is in plain words, with questions to ask.")
    ] = View.clinician,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            metavar="COHORT",
            help="Labelled patients among whom similar ones are sought; the training cohorts that ship by default.",
        ),
    ] = None,
    rate: Rate = None,
    labelled: Labelled = None,
    unit: Units = None,
    tracking: Tracking = None,
) -> None:
    """Write one self-contained page for a patient or a cohort, or a folder of both.

    Of a choice between therapies, the page has the therapies side by side.

    \b
      theracast report MODEL COHORT -o report.html
      theracast report MODEL COHORT -o pages
      theracast report MODEL COHORT --patient ID -o patient.html
      theracast report MODEL COHORT --patient ID --view patient -o plain.html
    """  # noqa: D301 # \b is how click keeps lines apart
    folder = output.is_dir() or not output.suffix
    _require_sense(folder, patient, view, reference)
    from theracast.models.recalibration import AS_TRAINED
    from theracast.predict.registry import load_any
    from theracast.predict.report.frame import write_page
    from theracast.predict.report.therapies import therapies_page
    from theracast.predict.therapies import SelectionPredictor

    site = AS_TRAINED
    with steps() as step:
        tables, known = read_patients(step, cohort, rate, labelled, unit)
        require_patient(tables, patient)
        others = cohort_named(reference, unit) if reference is not None else None
        step("load the model")
        predictor = load_any(model, tracking=tracking)
        if isinstance(predictor, SelectionPredictor):
            if rate is not None or labelled is not None:
                raise UsageError("a choice between therapies is not recalibrated", fix="Leave the option out.")
            if folder or view is View.patient or reference is not None:
                raise UsageError(
                    "a choice between therapies has one page",
                    got="a folder" if folder else "--reference" if reference is not None else "--view patient",
                    wanted="-o FILE.html, with --patient ID or without",
                )
            step("rank the therapies")
            write_page(therapies_page(predictor.rank(tables), predictor, patient or "", tables), output)
        else:
            step("fit the model to the site")
            site = predictor.site(tables, rate=rate, labelled=known)
            step("explain")
            scores = predictor.score(tables, explained=True, spread=True, site=site)
            output = _write(step, predictor, scores, output, patient, view, others)
    tell_site(site)
    out.print(str(output), highlight=False, soft_wrap=True)


def _require_sense(folder: bool, patient: str | None, view: View, reference: str | None) -> None:
    """Refuse options that would have no effect, before anything long."""
    if folder and patient is not None:
        raise UsageError("a folder of pages is of all patients", where="--output", wanted="a file that ends in .html")
    if view is View.patient and patient is None:
        raise UsageError("a patient's view is of one patient", where="--view patient", fix="Add --patient ID.")
    if reference is not None and (view is View.patient or (patient is None and not folder)):
        raise UsageError(
            "similar patients stand on a clinician's page of a patient",
            where="--reference",
            wanted="--patient ID, or a folder as output",
        )


def _write(
    step: Callable[[str], None], predictor: Predictor, scores: Scores, output: Path, patient: str | None, view: View,
    others: Cohort | None,
) -> Path:  # fmt: skip
    """Write the page or the pages that were asked for."""
    from theracast.predict.card.make import loaded_card
    from theracast.predict.card.page import card_page
    from theracast.predict.report.frame import write_page
    from theracast.predict.report.page import cohort_page, patient_page
    from theracast.predict.report.pages import CARD, write_pages
    from theracast.predict.report.patient_view import patient_view
    from theracast.predict.similar import reference_cohort

    model, spec, about = predictor.model, predictor.model.spec, predictor.about
    if patient is not None and view is View.patient:
        step("write the page")
        return write_page(patient_view(scores, patient, spec, {**about, "digest": predictor.digest}), output)
    if patient is None and output.suffix and not output.is_dir():
        step("write the page")
        return write_page(cohort_page(scores, spec, about), output)
    step("read the reference")
    beside = others if others is not None else reference_cohort(model.studies_)
    if patient is not None:
        step("write the page")
        return write_page(patient_page(scores, patient, spec, about, model=model, reference=beside), output)
    step("write the card")
    write_page(card_page(loaded_card(predictor)), output / CARD)
    return write_pages(
        output,
        scores,
        spec,
        {**about, "card_url": CARD},
        model=model,
        reference=beside,
        progress=lambda done, of: step(f"write page {done} of {of}"),
    )


def read_patients(
    step: Callable[[str], None], cohort: str, rate: float | None, labelled: str | None, unit: list[str] | None
) -> tuple[Cohort, Cohort | None]:
    """Read the cohort, and the labelled patients of its site.

    Parameters
    ----------
    step : callable
        Told what is under way.
    cohort : str
        As typed.
    rate : float or None
        Response rate of the site.
    labelled : str or None
        Labelled patients of the site, as typed.
    unit : list of str or None
        ``NAME=UNIT``.

    Returns
    -------
    tables : Cohort
        The patients.
    known : Cohort or None
        Those with labels.

    Raises
    ------
    UsageError
        When a rate and labels are given.

    Examples
    --------
    >>> len(read_patients(print, "riaz2017_mel", None, None, None)[0])
    read the cohort
    51
    """
    if rate is not None and labelled is not None:
        raise UsageError("--response-rate and --recalibrate exclude each other", fix="Labels tell the rate too.")
    step("read the cohort")
    return cohort_named(cohort, unit), cohort_named(labelled, unit) if labelled is not None else None


def require_patient(tables: Cohort, patient: str | None) -> None:
    """Stop before anything long when the patient is not there.

    Parameters
    ----------
    tables : Cohort
        As read.
    patient : str or None
        Id as typed; None asks for nobody.

    Raises
    ------
    UsageError
        When no row has this id.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> require_patient(load_cohort("riaz2017_mel"), "Pt1")
    """
    if patient is not None and patient not in tables.ids and patient not in set(tables.roster.patient_id):
        raise UsageError(
            "no such patient in the cohort",
            got=f"{len(tables)} patients",
            fix="Check the id; it is text, with leading zeros.",
        )
