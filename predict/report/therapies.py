"""Pages of a choice between therapies: side by side for one patient, and a table of a cohort."""

from __future__ import annotations

from typing import Any

import pandas as pd

from theracast.errors import ModelError
from theracast.features.cohort import Cohort
from theracast.models.ranking import INSUFFICIENT, NOT_COMPARABLE, RANKED, TRIED, UNKNOWN
from theracast.models.selection import SelectionModel
from theracast.models.selection_view import study_drivers, study_fingerprint
from theracast.models.selector import AS_TREATED
from theracast.predict.report.fingerprint_plot import fingerprint_figure, fingerprint_words
from theracast.predict.report.frame import inline, render
from theracast.predict.tables import evidence_rows
from theracast.predict.therapies import Rankings, SelectionPredictor

#: What each state means, for people.
MEANINGS = {
    RANKED: "patients like this one got it, and its model told responders from others among patients it had not seen",
    NOT_COMPARABLE: "too few patients like this one got it, or nobody could have got anything else: it has no rank",
    INSUFFICIENT: "what is known gives no ground to choose by: it has no rank",
    TRIED: "it failed already: it has no rank",
    UNKNOWN: "the model knows no therapy of this name",
}


def therapies_page(
    rankings: Rankings, predictor: SelectionPredictor, patient_id: str = "", cohort: Cohort | None = None
) -> str:
    """Write the page of one patient, or of all.

    Parameters
    ----------
    rankings : Rankings
        From `SelectionPredictor.rank`.
    predictor : SelectionPredictor
        What made them.
    patient_id : str, default ""
        One of the patients; all by default.
    cohort : Cohort, optional
        What was ranked; with it, and one patient, the page has the molecular fingerprint.

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
    >>> callable(therapies_page)
    True
    """
    known = rankings.roster["patient_id"].tolist()
    if patient_id and patient_id not in known:
        raise ModelError("no such patient among the rows read", fix="Check the id.")
    shown = [patient_id] if patient_id else list(dict.fromkeys(rankings.table["patient_id"]))
    spec = predictor.model.selection
    return render(
        "therapies.html.jinja",
        ("hover.js",) if patient_id else ("table.js",),
        spec=spec,
        about=predictor.about,
        experiment=predictor.about.get("experiment") or {},
        cohorts=", ".join(spec.studies),
        record=None,
        uri=predictor.uri,
        version=predictor.version,
        level=f"{_level(predictor.model):.0%}",
        standard=rankings.standard,
        beyond="what such patients got" if rankings.standard == AS_TREATED else rankings.standard,
        patient_id=patient_id,
        pictures=_pictures(predictor.model, cohort, patient_id, rankings) if cohort and patient_id else [],
        patients=[_patient(rankings, i, at) for at, i in enumerate(shown, start=1)],
        refusals=[r for r in rankings.rejects.to_dict("records") if patient_id in ("", r["patient_id"])],
        account=rankings.account(),
        meanings={s: m for s, m in MEANINGS.items() if s in set(rankings.table["state"])},
        evidence=evidence_rows(predictor.model).to_dict("records"),
    )


def _pictures(model: SelectionModel, cohort: Cohort, patient_id: str, rankings: Rankings) -> list[dict[str, Any]]:
    """Draw the patient's fingerprint among the patients of each study whose model can say something."""
    mine = rankings.table[(rankings.table["patient_id"] == patient_id) & rankings.table["probability"].notna()]
    one = cohort.subset(pd.Index([patient_id])) if len(mine) else cohort
    found = []
    for study, part in mine.groupby("study", sort=False):
        vector = study_fingerprint(model, str(study), one)
        ordered = part.sort_values(["rank", "probability"], ascending=[True, False], na_position="last", kind="stable")
        drivers = study_drivers(model, str(study), one).reindex(ordered["therapy"])
        words = fingerprint_words(vector, patient_id, drivers)
        drawn = [inline(fingerprint_figure(vector, patient_id, drivers, phone=phone), words) for phone in (False, True)]
        found.append({"study": study, "wide": drawn[0], "phone": drawn[1]})
    return found


def _patient(rankings: Rankings, patient_id: str, at: int) -> dict[str, Any]:
    """Gather what is printed of one patient: the therapies by study, ranked ones first."""
    mine = rankings.table[rankings.table["patient_id"] == patient_id]
    groups = []
    for study, part in mine.groupby("study", sort=False):
        ordered = part.sort_values(["rank", "probability"], ascending=[True, False], na_position="last", kind="stable")
        ranked = int((part["state"] == RANKED).sum())
        groups.append({"study": study, "lines": ordered.to_dict("records"), "ranked": ranked})
    groups.sort(key=lambda g: -int(g["ranked"] > 0))
    first = mine[mine["rank"] == 1]
    return {
        "at": at,
        "patient_id": patient_id,
        "groups": groups,
        "first": first.to_dict("records"),
        "counts": mine["state"].value_counts().to_dict(),
        "others": ", ".join(f"{n} {s}" for s, n in mine["state"].value_counts().items() if s != RANKED),
        "provenance": mine["provenance"].iloc[0] if len(mine) else "",
        "notes": [n for n in dict.fromkeys(mine["notes"]) if n],
    }


def _level(model: SelectionModel) -> float:
    return next(iter(model.selectors_.values())).level if model.selectors_ else 0.9
