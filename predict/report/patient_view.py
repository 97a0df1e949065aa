"""The patient view: one result in plain words, with questions for the care team; nothing is loaded from anywhere."""

from __future__ import annotations

from typing import Any

import numpy as np
from markupsafe import Markup

from theracast.errors import ModelError
from theracast.models.spec import ResponseSpec
from theracast.predict.records import Prediction, Scores
from theracast.predict.report.frame import render, text_of
from theracast.predict.report.plain_words import (
    QUESTIONS,
    block_in_words,
    response_in_words,
    state_of,
    title_in_words,
)


def patient_view(scores: Scores, patient_id: str, spec: ResponseSpec, about: dict[str, Any]) -> str:
    """Write the page of one patient for the patient: how many of 100, what is not known, what to ask.

    A number is given only with an answer: where the model abstains, the page says that it cannot tell, and that this
    is neither good nor bad news.

    Parameters
    ----------
    scores : Scores
        Explained or not.
    patient_id : str
        One of the patients; one whom the model refused gets a page that says so.
    spec : ResponseSpec
        What the model predicts, for whom.
    about : dict
        What was kept with the model; its ``digest`` is printed.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    ModelError
        When no row of this patient was read.

    Examples
    --------
    >>> import pandas as pd
    >>> from theracast.models.indications import INDICATIONS
    >>> cells = {"probability": 0.34, "lower": 0.2, "upper": 0.51, "decision": "response", "reason": ""}
    >>> table = pd.DataFrame([{"patient_id": "a"} | cells])
    >>> page = patient_view(Scores(table, pd.DataFrame(), 1), "a", INDICATIONS["melanoma_ici"], {})
    >>> "about 34 would respond" in page and "between 20 and 51" in page
    True
    """
    refused = scores.rejects[scores.rejects.patient_id == patient_id] if len(scores.rejects) else scores.rejects
    scored = bool((scores.table.patient_id == patient_id).any())
    if not scored and refused.empty:
        raise ModelError("no such patient among the rows read", fix="Check the id.")
    record = scores.prediction(patient_id) if scored else None
    state = state_of(record.decision, record.reason) if record else "refused"
    counts = of_a_hundred(record) if record and state == "answered" else None
    return render(
        "patient_view.html.jinja",
        plain_style=Markup(text_of("patient_view.css")),  # noqa: S704 - our own file
        patient_id=str(patient_id),
        title=title_in_words(spec),
        responding=response_in_words(spec),
        state=state,
        record=record,
        counts=counts,
        usual=_usual(scores, record, counts["n"]) if record and counts else None,
        used=_named(record.blocks_used) if record else [],
        missing=_named(record.blocks_missing) if record else [],
        wanted=[block_in_words(b) for b in spec.core],
        made_for=[t.replace("_", " ") for t in spec.tumours],
        stand_in=record is not None and _stand_in(scores, record),
        site=bool(scores.site.note),
        codes=sorted(set(refused["code"])) if len(refused) else [],
        questions=(*QUESTIONS[state], *QUESTIONS["always"]),
        version=record.model_version if record else "",
        digest=str(about.get("digest") or ""),
        provenance=record.provenance if record else "",
    )


def of_a_hundred(record: Prediction) -> dict[str, Any] | None:
    """Turn a probability into people of a hundred.

    Parameters
    ----------
    record : Prediction
        Of one patient.

    Returns
    -------
    dict or None
        ``n``, ``low`` and ``high``, people of 100, ``low`` and ``high`` None where there is no interval; ``few`` and
        ``most``, whether it is fewer than one, or all but fewer than one; ``figures``, one per person: position,
        whether it responds, whether the true number may end here. None without a probability.

    Examples
    --------
    >>> counted = of_a_hundred(Prediction("a", 0.34, 0.2, 0.51))
    >>> counted["n"], counted["low"], counted["high"]
    (34, 20, 51)
    """
    if np.isnan(record.probability):
        return None
    n = round(100 * record.probability)
    bounded = not (np.isnan(record.lower) or np.isnan(record.upper))
    # outwards, and never so narrow that the number itself is left out
    low = min(int(np.floor(100 * record.lower + 0.5)), n) if bounded else None
    high = max(int(np.floor(100 * record.upper + 0.5)), n) if bounded else None
    figures = [
        {
            "x": 22 * (k % 10),
            "y": 34 * (k // 10),
            "responds": k < n,
            "open": low is not None and high is not None and low <= k < high,
        }
        for k in range(100)
    ]
    few, most = record.probability < 0.005, record.probability > 0.995
    return {"n": n, "low": low, "high": high, "few": few, "most": most, "figures": figures}


def _usual(scores: Scores, record: Prediction, n: int) -> int | None:
    """Count those of 100 who responded in training; None where the comparison would not bear the answer out.

    What is known of the site moves a probability, but not the rate that it would be compared with.
    """
    if np.isnan(scores.prior) or scores.site.note:
        return None
    usual = round(100 * scores.prior)
    towards = {"response": 1, "no_response": -1}[record.decision]
    return usual if towards * (n - usual) > 0 else None


def _named(blocks: str) -> list[str]:
    return list(dict.fromkeys(block_in_words(b) for b in blocks.split(",") if b))


def _stand_in(scores: Scores, record: Prediction) -> bool:
    """Say whether gene activity stood in for a test that was not made."""
    if scores.explanation is not None and record.patient_id in scores.explanation.proxy.index:
        return bool(scores.explanation.proxy.loc[record.patient_id].any())
    return "not from a stain" in record.notes
