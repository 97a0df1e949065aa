"""The packet: what a payer asks for, what the model says, and every field that is left for a person."""

from __future__ import annotations

from typing import Any

from theracast.errors import DataError, ModelError
from theracast.features.cohort import Cohort
from theracast.models.spec import ResponseSpec
from theracast.predict.packet.checks import OPEN, Check, check_criteria
from theracast.predict.packet.criteria import PayerCriteria, Person
from theracast.predict.packet.parts import Packet
from theracast.predict.packet.sections import answers, sections_of
from theracast.predict.records import Prediction, Scores


def fill_packet(
    criteria: PayerCriteria,
    scores: Scores,
    cohort: Cohort,
    patient_id: str,
    spec: ResponseSpec,
    about: dict[str, Any],
    person: Person | None = None,
) -> Packet:
    """Fill a packet in; what is not known stays open and is listed.

    Parameters
    ----------
    criteria : PayerCriteria
        What the payer asks for.
    scores : Scores
        Explained.
    cohort : Cohort
        The tables that were scored.
    patient_id : str
        One of the patients.
    spec : ResponseSpec
        What the model predicts, for whom.
    about : dict
        What was kept with the model, and its ``digest``.
    person : Person, optional
        What the tables do not hold.

    Returns
    -------
    Packet
        For `to_docx` or `to_html`.

    Raises
    ------
    ModelError
        When no row of this patient was read, or the scores are not explained.
    DataError
        When the patient was refused: no criterion could be checked against values that cannot be.
    UsageError
        A criterion on a feature that no block has.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from theracast import Predictor, ResponseModel, load_cohort
    >>> file = Path(tempfile.mkdtemp(), "payer.yaml")
    >>> _ = file.write_text(PayerCriteria.example_file())
    >>> predictor = Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)
    >>> riaz = load_cohort("riaz2017_mel")
    >>> scores = predictor.score(riaz, explained=True)
    >>> packet = fill_packet(PayerCriteria.from_yaml(file), scores, riaz, "Pt1", predictor.model.spec, {})
    >>> packet.count("met"), packet.count("not met"), packet.count("open")
    (3, 0, 5)
    """
    if not (scores.table.patient_id == patient_id).any():
        refused = scores.rejects[scores.rejects.patient_id == patient_id] if len(scores.rejects) else scores.rejects
        if refused.empty:
            raise ModelError("no such patient among the rows read", fix="Check the id.")
        raise DataError(
            "the patient was refused: no criterion can be checked",
            code=str(refused.code.iloc[0]),
            where=f"row {refused.row.iloc[0]}",
            fix="Correct the row; 'theracast report' says what is wrong with it.",
        )
    if scores.matrix is None or scores.explanation is None:
        raise ModelError("a packet needs explained scores", fix="Score with explained=True.")
    record, person = scores.prediction(patient_id), person or Person()
    checks = tuple(check_criteria(criteria, cohort, scores.matrix, patient_id))
    left = _left(criteria, checks, person, record, scores, spec, about)
    sections = sections_of(criteria, checks, person, record, scores, spec, about, left)
    return Packet("Prior-authorisation packet", sections, checks, left, answers(record))


def _left(
    criteria: PayerCriteria,
    checks: tuple[Check, ...],
    person: Person,
    record: Prediction,
    scores: Scores,
    spec: ResponseSpec,
    about: dict[str, Any],
) -> tuple[str, ...]:
    """List every field that is open, in the order in which they stand."""
    kept = {
        "Response rate that the prediction rests on": not answers(record) or scores.site.note or scores.prior > 0,
        "Published work that the model rests on": spec.references,
        "Validation of the model: none was kept with it": about.get("validation"),
        "Model": record.model_uri,
        "Version of the model": record.model_version,
        "Digest of the model": about.get("digest"),
        "When the model was trained": about.get("trained_at"),
        "What the model was trained on": scores.explanation and scores.explanation.cohort,
        "Digest of model, code and input": record.provenance,
    }
    return (
        *([] if criteria.source else ["Where the policy stands"]),
        *person.open(),
        f"Whether {criteria.drug} is a treatment that the model was made for: {spec.population}",
        "Signature and date",
        *(f"Criterion {c.criterion.id}: {c.found}" for c in checks if c.status == OPEN),
        *(f"Where criterion {c.criterion.id} stands" for c in checks if not c.criterion.source),
        *(name for name, entry in kept.items() if not entry),
    )
