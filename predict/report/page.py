"""Pages of the report: one self-contained HTML file, nothing loaded from anywhere, every text escaped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from theracast.errors import ModelError
from theracast.models.base import LEVEL, ResponseModel
from theracast.models.fingerprint import Fingerprint
from theracast.models.fusion import SET_LEVEL
from theracast.models.spec import ResponseSpec
from theracast.predict.explanation import Explanation
from theracast.predict.kept import unpack_validation
from theracast.predict.records import Prediction, Scores
from theracast.predict.report.cohort_facts import outside, strip, weights
from theracast.predict.report.decision_plot import decision_curves
from theracast.predict.report.equity_plot import equity_forest
from theracast.predict.report.fingerprint_plot import fingerprint_figure, fingerprint_words
from theracast.predict.report.frame import inline, render
from theracast.predict.report.judged import judged
from theracast.predict.report.patient_facts import Around, Reference, patient_facts
from theracast.predict.report.plots import contributions, forest
from theracast.predict.report.printed import PALETTE, Printed, colours

ANSWERS = {
    "response": "The evidence speaks for response",
    "no_response": "The evidence speaks against response",
    "abstain": "The model abstains",
}
#: What a label set leaves open.
SETS = {"response": "response only", "no_response": "no response only", "both": "both possible"}


def patient_page(
    scores: Scores,
    patient_id: str,
    spec: ResponseSpec,
    about: dict[str, Any],
    *,
    model: ResponseModel | None = None,
    reference: Reference | None = None,
    around: Around | None = None,
    back: str = "",
) -> str:
    """Write the page of one patient: the answer first, then what it rests on, then everything else.

    Parameters
    ----------
    scores : Scores
        Explained or not.
    patient_id : str
        One of the patients; one whom the model refused gets a page that says so.
    spec : ResponseSpec
        What the model predicts, for whom.
    about : dict
        What was kept with the model: ``experiment``, ``data``, ``trained_at``, ``digest``, ``card_url``, and what
        `theracast.predict.kept.pack_validation` gives; what is missing leaves its section out.
    model : ResponseModel, optional
        What predicted; with it the page says how far each missing block could move the probability, and what goes with
        another value of an input that can be changed.
    reference : Cohort or (FeatureMatrix, array-like), optional
        Training patients with their outcomes; with it and the model, the page says how patients alike fared.
    around : Around, optional
        The same for many patients, asked at once.
    back : str, default ""
        File of the cohort's page beside this one.

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
    >>> refused = pd.DataFrame({"row": [1], "patient_id": ["a"], "code": ["THX-D15"], "reason": ["age is -1"]})
    >>> nobody = pd.DataFrame({"patient_id": [], "decision": []})
    >>> "THX-D15" in patient_page(Scores(nobody, refused, 1), "a", INDICATIONS["melanoma_ici"], {})
    True
    """
    refusals = scores.rejects[scores.rejects.patient_id == patient_id] if len(scores.rejects) else scores.rejects
    scored = bool((scores.table.patient_id == patient_id).any())
    if not scored and refusals.empty:
        raise ModelError("no such patient among the rows read", fix="Check the id.")
    patient = None
    if scored:
        known = around or Around.of(scores, model, reference, [patient_id])
        patient = patient_facts(scores.prediction(patient_id), scores.explanation, scores.site.note, known)
    return _render(
        "patient.html.jinja",
        ("hover.js",),
        spec,
        about,
        scores,
        patient=patient,
        patient_id=str(patient_id),
        back=back,
        refusals=refusals.to_dict("records"),
        figure=_figure(scores.explanation, patient_id) if scored else None,
        prints=_prints(scores.fingerprint, patient_id) if scored and scores.fingerprint is not None else [],
    )


def cohort_page(
    scores: Scores, spec: ResponseSpec, about: dict[str, Any], *, links: Mapping[str, str] | None = None
) -> str:
    """Write the page of a cohort: the account of every row, a table to sort and filter, each patient in short.

    Parameters
    ----------
    scores : Scores
        Explained or not.
    spec : ResponseSpec
        What the model predicts, for whom.
    about : dict
        As for `patient_page`.
    links : mapping of str to str, optional
        Patient to the file of a page of its own; it stands in for the patient in short.

    Returns
    -------
    str
        HTML.

    Raises
    ------
    ModelError
        THX-S01 when rows were lost.

    Examples
    --------
    >>> import pandas as pd
    >>> from theracast.models.indications import INDICATIONS
    >>> one = pd.DataFrame({"patient_id": ["a"], "probability": [0.4], "decision": ["response"]})
    >>> page = cohort_page(Scores(one, pd.DataFrame(), 1), INDICATIONS["melanoma_ici"], {})
    >>> "Every row read is accounted for" in page
    True
    """
    first = {i: n for n, i in reversed(list(enumerate(scores.table.patient_id, start=1)))}
    fields = [c for c in scores.table.columns if c in Prediction.__dataclass_fields__]
    rows = [Prediction(**r) for r in scores.table[fields].to_dict("records")]
    short = [] if links is not None else sorted(first.values())
    return _render(
        "cohort.html.jinja",
        ("table.js", "hover.js"),
        spec,
        about,
        scores,
        account=scores.account(),
        rows=[((links or {}).get(r.patient_id, f"#p{first[r.patient_id]}"), r) for r in rows],
        links=links or {},
        types=len({r.tumour_type for r in rows}),
        patients=[(n, patient_facts(rows[n - 1], scores.explanation, scores.site.note)) for n in short],
        refusals=scores.rejects.to_dict("records"),
        whole=True,
        strip=strip(scores.explanation),
        weights=weights(scores.explanation),
    )


def _render(
    template: str,
    scripts: tuple[str, ...],
    spec: ResponseSpec,
    about: dict[str, Any],
    scores: Scores,
    whole: bool = False,
    **more: Any,
) -> str:
    """Fill in a page; the `whole` validation is drawn, or what is short enough for the page of every patient."""
    validation = unpack_validation(about)
    drawn = "AUC of the model on each cohort it had not seen; table below"
    curves = "Net benefit of treating by the model, everyone and no one, at every threshold, cohort by cohort"
    judges = judged(validation) or {}
    groups = "AUC, calibration, abstentions and responders missed of each group, with 95% intervals; table below"
    return render(
        template,
        scripts,
        spec=spec,
        about=about,
        card=_card(about),
        experiment=about.get("experiment") or {},
        level=f"{LEVEL:.0%}",
        set_level=f"{SET_LEVEL:.0%}",
        answers=ANSWERS,
        sets=SETS,
        outside=outside(scores),
        prior=scores.prior,
        site=scores.site,
        palette=PALETTE,
        colours=colours(scores.explanation) if scores.explanation else {},
        cohorts=scores.explanation.cohort if scores.explanation else "",
        judged=judges,
        forest=inline(forest(validation), drawn) if validation else None,
        curves=inline(decision_curves(validation), curves) if whole and validation and judges["worth"] else None,
        groups=inline(equity_forest(validation), groups) if whole and validation and judges["groups"] else None,
        **more,
    )


def _card(about: dict[str, Any]) -> str:
    """Return the address of the model card, or nothing: no other text becomes a link."""
    address = str(about.get("card_url") or "")
    return address if re.fullmatch(r"https?://[^\s\"'<>]+|(?!\w+:|/|\.)[\w./-]+\.html", address) else ""


def _figure(explanation: Explanation | None, patient_id: str) -> Markup | None:
    if explanation is None or Printed.of(explanation, patient_id) is None:
        return None
    return inline(
        contributions(explanation, patient_id),
        "Bars from the average prediction to this patient's, feature by feature; the same figures stand in the table",
    )


def _prints(vector: Fingerprint, patient_id: str) -> list[Markup]:
    """Draw the fingerprint for a page and for a phone."""
    words = fingerprint_words(vector, patient_id)
    return [inline(fingerprint_figure(vector, patient_id, phone=phone), words) for phone in (False, True)]
