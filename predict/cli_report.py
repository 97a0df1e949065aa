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
    output: Annotated[Path, typer.Option("-o", "--output", help="HTML file.")],
    patient: Annotated[
        str | None, typer.Option("--patient", metavar="ID", help="One patient; the cohort by default.")
    ] = None,
    view: Annotated[
        View, typer.Option("--view", help="Whom the page is for: a patient's is in plain words, with questions to ask.")
    ] = View.clinician,
    rate: Rate = None,
    labelled: Labelled = None,
    unit: Units = None,
    tracking: Tracking = None,
) -> None:
    """Write one self-contained page for a patient or a cohort; of a choice, with the therapies side by side."""
    from theracast.models.recalibration import AS_TRAINED
    from theracast.predict.registry import load_any
    from theracast.predict.report.frame import write_page
    from theracast.predict.report.page import cohort_page, patient_page
    from theracast.predict.report.patient_view import patient_view
    from theracast.predict.report.therapies import therapies_page
    from theracast.predict.therapies import SelectionPredictor

    if view is View.patient and patient is None:
        raise UsageError("a patient's view is of one patient", where="--view patient", fix="Add --patient ID.")
    site = AS_TRAINED
    with steps() as step:
        tables, known = read_patients(step, cohort, rate, labelled, unit)
        require_patient(tables, patient)
        step("load the model")
        predictor = load_any(model, tracking=tracking)
        if isinstance(predictor, SelectionPredictor):
            if rate is not None or labelled is not None:
                raise UsageError("a choice between therapies is not recalibrated", fix="Leave the option out.")
            if view is View.patient:
                raise UsageError("a choice between therapies has no patient's view", fix="Leave --view out.")
            step("rank the therapies")
            page = therapies_page(predictor.rank(tables), predictor, patient or "", tables)
        else:
            step("fit the model to the site")
            site = predictor.site(tables, rate=rate, labelled=known)
            step("explain")
            scores = predictor.score(tables, explained=True, site=site)
            spec, about = predictor.model.spec, predictor.about
            if patient is None:
                page = cohort_page(scores, spec, about)
            elif view is View.patient:
                page = patient_view(scores, patient, spec, {**about, "digest": predictor.digest})
            else:
                page = patient_page(scores, patient, spec, about)
        step("write the page")
        write_page(page, output)
    tell_site(site)
    out.print(str(output), highlight=False, soft_wrap=True)


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
