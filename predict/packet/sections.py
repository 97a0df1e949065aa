"""Sections of a packet: what each of them says, of an answer and of an abstention."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from theracast.features.blocks import BLOCKS
from theracast.features.tumours import tumour_types
from theracast.models.base import LEVEL, OUTSIDE
from theracast.models.spec import ResponseSpec
from theracast.predict.kept import unpack_validation
from theracast.predict.packet.checks import MET, NOT_MET, OPEN, Check
from theracast.predict.packet.criteria import PayerCriteria, Person
from theracast.predict.packet.parts import Part
from theracast.predict.records import Prediction, Scores
from theracast.predict.report.judged import judged
from theracast.predict.report.printed import readable
from theracast.predict.sentences import Sentence, sentences

#: What stands where nothing is known.
BLANK = "____ (open)"
PURPOSE = (
    "Filled in by a program from the tables and the criteria that it was given. It supports a request and replaces "
    "nobody's judgement. It does not say that the treatment is necessary, or what it would do for this patient."
)
SEEN = (
    "The tables bear the name of a study that the model was trained on. If this patient was among its patients, the "
    "figures were learned from this very outcome: do not argue from them."
)
DECISIONS = {"response": "the evidence speaks for response", "no_response": "the evidence speaks against response"}


def answers(record: Prediction) -> bool:
    """Say whether the model gave an answer that a packet may argue from.

    Parameters
    ----------
    record : Prediction
        Of one patient.

    Returns
    -------
    bool
        False where it abstains, and where the patient is out of domain.

    Examples
    --------
    >>> answers(Prediction("a", 0.4, decision="abstain"))
    False
    """
    return record.decision in DECISIONS and not record.reason.startswith(OUTSIDE)


def sections_of(
    criteria: PayerCriteria,
    checks: tuple[Check, ...],
    person: Person,
    record: Prediction,
    scores: Scores,
    spec: ResponseSpec,
    about: dict[str, Any],
    left: tuple[str, ...],
) -> tuple[tuple[str, tuple[Part, ...]], ...]:
    """Write the sections of a packet.

    Parameters
    ----------
    criteria : PayerCriteria
        What the payer asks for.
    checks : tuple of Check
        What became of it.
    person : Person
        What the tables do not hold.
    record : Prediction
        Of the patient.
    scores : Scores
        Explained.
    spec : ResponseSpec
        What the model predicts, for whom.
    about : dict
        What was kept with the model, and its ``digest``.
    left : tuple of str
        Fields that are open.

    Returns
    -------
    tuple of (str, tuple of Part)
        Heading and parts. Without an answer of the model there is no probability in them, and nothing that it would
        rest on.

    Examples
    --------
    >>> callable(sections_of)
    True
    """
    answered = answers(record)
    said = sentences(scores.explanation, record.patient_id) if answered and scores.explanation else []
    return (
        ("Request", _request(criteria, person, record)),
        ("Criteria of the payer", _criteria(checks)),
        ("What the model says", _prediction(record, scores, spec, answered)),
        *([("What the prediction rests on", _evidence(said, scores))] if answered else []),
        ("Sources", _sources(spec, said, scores)),
        ("How the model did on cohorts it had not seen", _validation(judged(unpack_validation(about)))),
        ("What the model is for, and its limits", _limits(spec)),
        ("Model and provenance", _provenance(record, about, scores)),
        ("Left for you to fill in", (Part("items", tuple((f,) for f in left)),)),
    )


def _request(criteria: PayerCriteria, person: Person, record: Prediction) -> tuple[Part, ...]:
    rows = [
        ("Payer", criteria.payer),
        ("Policy", criteria.policy),
        ("Where the policy stands", criteria.source or BLANK),
        ("Drug", criteria.drug),
        ("Indication", criteria.indication),
        ("Patient, as in the tables", record.patient_id),
        *((title, text or BLANK) for title, text in person.details().items()),
        ("Signature and date", BLANK),
    ]
    notices = [
        *(["These criteria are an example. They are no payer's policy."] if criteria.example else []),
        *(["The details of the person are simulated."] if person.simulated else []),
        *([] if answers(record) else [_silence(record)]),
    ]
    return (
        Part("text", ((PURPOSE,),)),
        *(Part("notice", ((n,),)) for n in notices),
        Part("table", (("Field", "Entry"), *rows)),
    )


def _silence(record: Prediction) -> str:
    """Say why the packet does not argue from the model."""
    outside = record.reason.startswith(OUTSIDE)
    why = record.reason.removeprefix(f"{OUTSIDE}: ") or "no reason was kept"
    return (
        f"{'The patient is out of domain' if outside else 'The model abstains'}: {why}. The model gives no answer for "
        "this patient. Nothing in this packet argues from the model, for the treatment or against it."
    )


def _criteria(checks: tuple[Check, ...]) -> tuple[Part, ...]:
    counts = {status: sum(c.status == status for c in checks) for status in (MET, NOT_MET, OPEN)}
    summary = f"Of {len(checks)} criteria: {', '.join(f'{n} {status}' for status, n in counts.items())}."
    rows = [(c.criterion.id, c.criterion.text, c.criterion.source or BLANK, c.status, c.found) for c in checks]
    meaning = (
        "Met and not met are what the tables say, word for word; whether the policy is fulfilled is for the payer to "
        "say. Open is what is not known, what is not in the unit of the criterion, what only a stand-in tells of, and "
        "what only a person can answer. Open is never counted as not met."
    )
    head = ("Criterion", "Asked", "Source", "Status", "What was found, and where")
    return Part("text", ((summary,),)), Part("table", (head, *rows)), Part("text", ((meaning,),))


def _prediction(record: Prediction, scores: Scores, spec: ResponseSpec, answered: bool) -> tuple[Part, ...]:
    rows = [
        ("Model of", spec.title),
        ("Predicted", f"{spec.endpoint}; {spec.horizon}"),
        ("In whom", spec.population),
        ("Read as", _tumour(record.tumour_type) or "tumour type not known"),
    ]
    blocks = [
        ("Known", ", ".join(filter(None, record.blocks_used.split(","))) or "nothing that the model reads"),
        ("Not known", ", ".join(_missing(b) for b in record.blocks_missing.split(",") if b) or "no block as a whole"),
        ("Notes", record.notes or "none"),
    ]
    if not answered:
        return Part("notice", ((_silence(record),),)), Part("table", (("Of the model", "Here"), *rows, *blocks))
    bounded = not np.isnan(record.lower)
    interval = f"{_percent(record.lower)} to {_percent(record.upper)}" if bounded else "not known"
    assumed = scores.site.note or (
        BLANK if np.isnan(scores.prior) else f"{_percent(scores.prior)}, that of the training studies"
    )
    rows += [
        ("Probability of response", _percent(record.probability)),
        (f"{LEVEL:.0%} interval", interval),
        ("Decision", DECISIONS[record.decision]),
        ("Response rate it rests on", assumed),
        *blocks,
    ]
    meaning = (
        "An association learned from other patients. Of 100 patients with this probability, about so many are expected "
        "to respond. The prediction supports judgement and does not replace it."
    )
    notices = [Part("notice", ((SEEN,),))] if _seen(scores, record.patient_id) else []
    return *notices, Part("table", (("Of the model", "Here"), *rows)), Part("text", ((meaning,),))


def _seen(scores: Scores, patient_id: str) -> bool:
    """Say whether the patient is of a study that the model was trained on."""
    if scores.explanation is None or scores.matrix is None:
        return False
    return str(scores.matrix.studies[patient_id]) in scores.explanation.cohort.split(", ")


def _evidence(said: list[Sentence], scores: Scores) -> tuple[Part, ...]:
    shown: list[Part] = []
    for title, kinds in (
        ("Where it starts", ("reference",)),
        ("For response", ("for",)),
        ("Against response", ("against",)),
        ("Not evidence: within the noise, not known, or against expectation", ("unclear",)),
        ("Everything else, and the sum", ("rest", "prediction")),
    ):
        lines = tuple((s.text,) for s in said if s.kind in kinds)
        if lines:
            shown += [Part("text", ((f"{title}:",),)), Part("items", lines)]
    cohort = scores.explanation.cohort if scores.explanation else ""
    points = f"Points are percentage points of probability, beside the patients of {cohort or 'the training studies'}."
    return (*shown, Part("text", ((points,),)))


def _sources(spec: ResponseSpec, said: list[Sentence], scores: Scores) -> tuple[Part, ...]:
    parts = [Part("text", (("Published work that the model as a whole rests on:",),))]
    parts.append(Part("items", tuple((_address(r),) for r in spec.references) or ((BLANK,),)))
    lineage = scores.matrix.lineage if scores.matrix else {}
    named = [s.feature for s in said if s.feature in lineage and lineage[s.feature].reference]
    if named:
        rows = [(readable(f), lineage[f].about, _address(lineage[f].reference)) for f in dict.fromkeys(named)]
        parts.append(Part("table", (("Value", "What it is", "Source"), *rows)))
    return tuple(parts)


def _validation(validation: dict[str, Any] | None) -> tuple[Part, ...]:
    if validation is None:
        return (Part("notice", ((f"{BLANK}: no validation was kept with this model.",),)),)
    lead = (
        "Each cohort was predicted by a model trained on the others. The AUC is the chance that a responder gets a "
        "higher probability than a non-responder; 0.5 is a coin."
    )
    rows = [(r["cohort"], r["n"], r["auc"], r["note"]) for r in validation["cohorts"]]
    means = [f"Mean over {name}: {r['auc']}" for name, table in validation["means"][:1] for r in table if r["ours"]]
    below = validation["below"]
    if validation["coverage"]:
        n = len(validation["coverage"])
        means.append(
            f"Its sets held the answer too seldom on {len(below)} of {n} cohorts: {', '.join(below)}"
            if below
            else f"Its sets held the answer as often as promised on each of {n} cohorts"
        )
    return (
        Part("text", ((lead,),)),
        Part("table", (("Cohort", "n (responders / others)", "AUC (95% interval)", "Note"), *rows)),
        *([Part("items", tuple((m,) for m in means))] if means else []),
    )


def _limits(spec: ResponseSpec) -> tuple[Part, ...]:
    rows = (
        ("Intended use", spec.intended_use),
        ("Not for", spec.not_for),
        ("Standing", "Research software. It is not a medical device, and no authority has reviewed it."),
    )
    return (Part("table", (("Limit", "In full"), *rows)),)


def _provenance(record: Prediction, about: dict[str, Any], scores: Scores) -> tuple[Part, ...]:
    rows = (
        ("Model", record.model_uri or BLANK),
        ("Version", record.model_version or BLANK),
        ("Digest of the model", str(about.get("digest") or BLANK)),
        ("Trained at", str(about.get("trained_at") or BLANK)),
        ("Trained on", (scores.explanation.cohort if scores.explanation else "") or BLANK),
        ("Digest of model, code and input", record.provenance or BLANK),
    )
    return (Part("table", (("Field", "Entry"), *rows)),)


def _percent(p: float) -> str:
    return "below 1%" if p < 0.005 else "above 99%" if p > 0.995 else f"{100 * p:.0f}%"


def _tumour(name: str) -> str:
    known = tumour_types()
    return known[name].title if name in known else name


def _missing(block: str) -> str:
    return f"{block} ({BLOCKS[block].spec.about.rstrip('.')})" if block in BLOCKS else block


def _address(reference: str) -> str:
    return f"https://doi.org/{reference}" if re.fullmatch(r"10\.\d{4,9}/[-._;()/:A-Za-z0-9]+", reference) else reference
