"""The verb ``theracast packet``: a payer's criteria held against one patient, beside the prediction."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from theracast.errors import UsageError
from theracast.predict.cli_report import read_patients, require_patient
from theracast.predict.cli_score import Labelled, Model, Rate, Tracking, tell_site
from theracast.predict.console import CohortArgument, Units, out, steps

_SUFFIXES = (".docx", ".html")


def show_example(wanted: bool) -> None:
    """Print the example of criteria, and stop.

    Parameters
    ----------
    wanted : bool
        Whether it was asked for.

    Raises
    ------
    Exit
        When it was.

    Examples
    --------
    >>> show_example(False)
    """
    if wanted:
        from theracast.predict.packet.criteria import PayerCriteria

        typer.echo(PayerCriteria.example_file(), nl=False)
        raise typer.Exit


def show_person(wanted: bool) -> None:
    """Print the example of details, and stop.

    Parameters
    ----------
    wanted : bool
        Whether it was asked for.

    Raises
    ------
    Exit
        When it was.

    Examples
    --------
    >>> show_person(False)
    """
    if wanted:
        from theracast.predict.packet.criteria import Person

        typer.echo(Person.example_file(), nl=False)
        raise typer.Exit


def packet(
    model: Model,
    cohort: CohortArgument,
    patient: Annotated[str, typer.Option("--patient", metavar="ID", help="Whom it is about.")],
    criteria: Annotated[
        Path, typer.Option("--criteria", metavar="YAML", help="The payer's criteria; --example prints such a file.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="File that ends in .docx or .html.")],
    person: Annotated[
        Path | None,
        typer.Option("--person", metavar="YAML", help="Name, member number and the like; what is missing stays open."),
    ] = None,
    example: Annotated[
        bool, typer.Option("--example", callback=show_example, is_eager=True, help="Print an example of criteria.")
    ] = False,
    example_person: Annotated[
        bool,
        typer.Option("--example-person", callback=show_person, is_eager=True, help="Print an example of details."),
    ] = False,
    rate: Rate = None,
    labelled: Labelled = None,
    unit: Units = None,
    tracking: Tracking = None,
) -> None:
    """Fill in a prior-authorisation packet: a payer's criteria, the prediction, its sources and its limits.

    A criterion is met, not met, or open. What is not known is open, and so is
    what only a stand-in tells of; every open field is listed at the end, for
    a person. Where the model abstains, the packet does not argue from it.

    \b
      theracast packet --example > payer.yaml
      theracast packet MODEL COHORT --patient ID --criteria payer.yaml -o packet.docx
    """  # noqa: D301 # \b is how click keeps lines apart
    from theracast.predict.files import replace_file
    from theracast.predict.packet.criteria import PayerCriteria, Person
    from theracast.predict.packet.document import to_docx, to_html
    from theracast.predict.packet.packet import fill_packet
    from theracast.predict.registry import load_predictor

    if output.suffix.lower() not in _SUFFIXES:
        raise UsageError("a packet is DOCX or HTML", where="--output", wanted="a file that ends in .docx or .html")
    asked = PayerCriteria.from_yaml(criteria)
    told = Person.from_yaml(person) if person is not None else None
    with steps() as step:
        tables, known = read_patients(step, cohort, rate, labelled, unit)
        require_patient(tables, patient)
        step("load the model")
        predictor = load_predictor(model, tracking=tracking)
        site = predictor.site(tables, rate=rate, labelled=known)
        step("explain")
        scores = predictor.score(tables, explained=True, spread=True, site=site)
        about = {**predictor.about, "digest": predictor.digest}
        filled = fill_packet(asked, scores, tables, patient, predictor.model.spec, about, told)
        step("write the packet")
        raw = to_docx(filled) if output.suffix.lower() == ".docx" else to_html(filled).encode()
        replace_file(output, lambda scratch: scratch.write_bytes(raw))
    tell_site(site)
    if not filled.answered:
        out.print("the model gives no answer for this patient: the packet does not argue from it", highlight=False)
    counts = ", ".join(f"{filled.count(status)} {status}" for status in ("met", "not met", "open"))
    out.print(f"criteria: {counts}; {len(filled.open)} fields are left to fill in", highlight=False)
    out.print(escape(str(output)), highlight=False, soft_wrap=True)
