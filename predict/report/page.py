"""Pages of the report: one self-contained HTML file, nothing loaded from anywhere, every text escaped."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from theracast.errors import ModelError
from theracast.features.blocks import BLOCKS
from theracast.models.base import LEVEL, OUTSIDE
from theracast.models.fingerprint import Fingerprint
from theracast.models.fusion import SET_LEVEL
from theracast.models.spec import ResponseSpec
from theracast.predict.explanation import Explanation
from theracast.predict.kept import unpack_validation
from theracast.predict.records import Prediction, Scores
from theracast.predict.report.fingerprint_plot import fingerprint_figure, fingerprint_words
from theracast.predict.report.frame import inline, render, text_of
from theracast.predict.report.judged import judged
from theracast.predict.report.plots import contributions, forest
from theracast.predict.report.printed import PALETTE, Printed, colours, readable

ANSWERS = {
    "response": "The evidence speaks for response",
    "no_response": "The evidence speaks against response",
    "abstain": "The model abstains",
}
#: What a label set leaves open.
SETS = {"response": "response only", "no_response": "no response only", "both": "both possible"}
#: Columns of the heat strip; with more patients than this, neighbours share one.
_STRIP = 240


def patient_page(scores: Scores, patient_id: str, spec: ResponseSpec, about: dict[str, Any]) -> str:
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
        What was kept with the model: ``experiment``, ``data``, ``trained_at``, ``digest``, and what
        `theracast.predict.kept.pack_validation` gives; what is missing leaves its section out.

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
    return _render(
        "patient.html.jinja",
        spec,
        about,
        scores,
        patient=_patient(scores.prediction(patient_id), scores.explanation, scores.site.note) if scored else None,
        patient_id=str(patient_id),
        refusals=refusals.to_dict("records"),
        figure=_figure(scores.explanation, patient_id) if scored else None,
        prints=_prints(scores.fingerprint, patient_id) if scored and scores.fingerprint is not None else [],
    )


def cohort_page(scores: Scores, spec: ResponseSpec, about: dict[str, Any]) -> str:
    """Write the page of a cohort: the account of every row, a table to sort and filter, each patient in short.

    Parameters
    ----------
    scores : Scores
        Explained or not.
    spec : ResponseSpec
        What the model predicts, for whom.
    about : dict
        As for `patient_page`.

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
    >>> from theracast.models.indications import INDICATIONS
    >>> one = pd.DataFrame({"patient_id": ["a"], "probability": [0.4], "decision": ["response"]})
    >>> page = cohort_page(Scores(one, pd.DataFrame(), 1), INDICATIONS["melanoma_ici"], {})
    >>> "Every row read is accounted for" in page
    True
    """
    first = {i: n for n, i in reversed(list(enumerate(scores.table.patient_id, start=1)))}
    fields = [c for c in scores.table.columns if c in Prediction.__dataclass_fields__]
    rows = [Prediction(**r) for r in scores.table[fields].to_dict("records")]
    patients = [(n, _patient(rows[n - 1], scores.explanation, scores.site.note)) for n in sorted(first.values())]
    script = text_of("table.js")
    return _render(
        "cohort.html.jinja",
        spec,
        about,
        scores,
        account=scores.account(),
        rows=[(first[r.patient_id], r) for r in rows],
        types=len({r.tumour_type for r in rows}),
        patients=patients,
        refusals=scores.rejects.to_dict("records"),
        strip=_strip(scores.explanation),
        script=Markup(script),  # noqa: S704 - our own file
        script_digest=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )


def _render(template: str, spec: ResponseSpec, about: dict[str, Any], scores: Scores, **more: Any) -> str:
    validation = unpack_validation(about)
    drawn = "AUC of the model on each cohort it had not seen; table below"
    return render(
        template,
        spec=spec,
        about=about,
        experiment=about.get("experiment") or {},
        level=f"{LEVEL:.0%}",
        set_level=f"{SET_LEVEL:.0%}",
        answers=ANSWERS,
        sets=SETS,
        outside=_outside(scores),
        prior=scores.prior,
        site=scores.site,
        palette=PALETTE,
        colours=colours(scores.explanation) if scores.explanation else {},
        cohorts=scores.explanation.cohort if scores.explanation else "",
        judged=judged(validation),
        forest=inline(forest(validation), drawn) if validation else None,
        **more,
    )


def _outside(scores: Scores) -> dict[str, int]:
    """Count the patients who are out of domain, by the reason."""
    reasons = scores.table.get("reason", pd.Series(dtype=object)).astype(str)
    return {str(r): int(n) for r, n in reasons[reasons.str.startswith(OUTSIDE)].value_counts().items()}


def _patient(p: Prediction, explanation: Explanation | None, site_note: str) -> dict[str, Any]:
    """Gather what is printed of one patient; ``why`` says why there is no explanation.

    The note of the site has a place of its own.
    """
    printed = Printed.of(explanation, p.patient_id) if explanation else None
    gathered: dict[str, Any] = {
        "record": p,
        "outside": p.reason.startswith(OUTSIDE),
        "used": [b for b in p.blocks_used.split(",") if b],
        "missing": [(b, BLOCKS[b].spec.about if b in BLOCKS else "") for b in p.blocks_missing.split(",") if b],
        "notes": [n.strip() for n in p.notes.split(";") if n.strip() not in ("", site_note)],
        "printed": printed,
        "reference": float("nan"),
        "blocks": [],
        "features": [],
        "unknown": [],
        "contrary": False,
        "silent": [],
        "why": "",
    }
    if explanation is None:
        return gathered | {"why": "No explanation was asked for."}
    if p.patient_id in explanation.reference.index:
        gathered["reference"] = float(explanation.reference[p.patient_id])
    if printed is None:
        none = "There is no prediction to explain." if np.isnan(p.probability) else ""
        return gathered | {"why": none or "The explanation is withheld: it does not add up to the prediction."}
    features = _features(explanation, p.patient_id, printed)
    known = [f for f in features if not np.isnan(f["value"]) or f["exact"]]
    silent = {b for b in gathered["used"] if all(f["exact"] == 0 for f in known if f["block"] == b)}
    blocks = [(b, t, [f for f in known if f["block"] == b][:2]) for b, t in printed.blocks.items() if b not in silent]
    towards = {"response": 1, "no_response": -1}.get(p.decision, 0)
    return gathered | {
        # the decision and the points have different averages; where they point apart, the page must say so
        "contrary": towards * (printed.prediction - printed.reference) < 0,
        "features": known,
        "unknown": [f for f in features if f not in known and f["block"] in gathered["used"]],
        "blocks": sorted((b for b in blocks if b[0] in gathered["used"] or b[1]), key=lambda b: -abs(b[1])),
        "silent": sorted(silent),
    }


def _features(explanation: Explanation, patient_id: str, printed: Printed) -> list[dict[str, Any]]:
    mine = {k: getattr(explanation, k).loc[patient_id] for k in ("values", "proxy", "percentile", "points")}
    rows = []
    for name in explanation.points.columns:
        unit = explanation.units.get(name, "")
        rows.append(
            {
                "block": name.split("__")[0],
                "name": readable(name),
                "about": explanation.about.get(name, ""),
                "unit": unit,
                "value": float(mine["values"][name]),
                "proxy": bool(mine["proxy"][name]),
                "median": float(explanation.median[name]),
                # where there are two values only, a position among the training patients says nothing
                "percentile": float("nan") if unit == "0/1" else float(mine["percentile"][name]),
                "points": float(printed.features[name]),
                "exact": float(mine["points"][name]),
            }
        )
    return sorted(rows, key=lambda f: -abs(f["exact"]))


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


def _strip(explanation: Explanation | None) -> dict[str, Any] | None:
    """Mean points of each block along the patients, from the least to the most probable response."""
    if explanation is None:
        return None
    points = explanation.by_block()[explanation.points.notna().all(axis=1)]
    if points.empty:
        return None
    order = explanation.probability[points.index].sort_values(kind="stable").index
    groups = np.array_split(order, min(len(order), _STRIP))
    means = pd.DataFrame([points.loc[g].mean() for g in groups])
    top = max(float(means.abs().to_numpy().max()), 1e-9)
    return {
        "n": len(order),
        "columns": len(groups),
        "shared": len(order) > len(groups),
        "top": 100 * top,
        "blocks": [
            (b, 100 * float(points[b].abs().mean()), [(round(float(v) / top, 2)) for v in means[b]]) for b in points
        ],
    }
