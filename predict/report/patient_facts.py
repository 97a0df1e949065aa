"""What the page of one patient says: gathered here, so that the templates only lay it out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.feature_names import block_of
from theracast.features.matrix import FeatureMatrix
from theracast.models.base import OUTSIDE, ResponseModel
from theracast.predict.explanation import AGAINST, Explanation
from theracast.predict.records import Prediction, Scores
from theracast.predict.report.printed import Printed, readable, stand_in
from theracast.predict.sentences import sentences

#: Patients with their outcomes: as they came, or measured by the model already.
Reference = Cohort | tuple[FeatureMatrix, ArrayLike]
#: The training cohorts that ship, measured once for each model.
_measured: WeakKeyDictionary[ResponseModel, Reference | None] = WeakKeyDictionary()
#: Shares that a person pictures, as denominators.
_PARTS = (1, 2, 3, 4, 5, 10)


@dataclass(frozen=True)
class Around:
    """What is known around the predictions: of blocks that are missing, of changes, of patients alike.

    Attributes
    ----------
    open : DataFrame or None
        As `theracast.predict.open_blocks.open_blocks` gives; None where it was not asked.
    changes : dict of str to DataFrame
        Per patient, as `theracast.predict.what_if.what_if` gives.
    similar : DataFrame or None
        As `theracast.predict.similar.similar_patients` gives.

    Examples
    --------
    >>> Around().changes
    {}
    """

    open: pd.DataFrame | None = None
    changes: dict[str, pd.DataFrame] = field(default_factory=dict)
    similar: pd.DataFrame | None = None

    @classmethod
    def of(
        cls, scores: Scores, model: ResponseModel | None, reference: Reference | None, patients: Iterable[str]
    ) -> Around:
        """Ask the model what would follow from what is not known of some patients.

        Parameters
        ----------
        scores : Scores
            Explained, so that it holds what was measured.
        model : ResponseModel or None
            What predicted; without it nothing is asked.
        reference : Cohort or (FeatureMatrix, array-like), or None
            Patients with their outcomes, as `theracast.predict.similar.similar_patients` takes them.
        patients : iterable of str
            Those of `scores` who are wanted.

        Returns
        -------
        Around
            Of these patients.

        Examples
        --------
        >>> Around.of(Scores(pd.DataFrame(), pd.DataFrame(), 0), None, None, []) == Around()
        True
        """
        if model is None or scores.matrix is None:
            return cls()
        from theracast.predict.open_blocks import open_blocks
        from theracast.predict.similar import similar_patients
        from theracast.predict.what_if import what_if

        wanted = [p for p in dict.fromkeys(patients) if p in scores.matrix.values.index]
        matrix = scores.matrix.subset(pd.Index(wanted))
        if not wanted:
            return cls()
        return cls(
            open_blocks(model, matrix, scores.site),
            {p: what_if(model, matrix, p, site=scores.site) for p in wanted},
            None if reference is None else similar_patients(model, matrix, reference),
        )


def shipped_reference(model: ResponseModel) -> Reference | None:
    """Measure those training cohorts of a model that ship with the package; once, however often it is asked.

    Parameters
    ----------
    model : ResponseModel
        Fitted.

    Returns
    -------
    (FeatureMatrix, Series of float) or None
        Patients and whether they responded; None when none of the cohorts ships.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("riaz2017_mel"))
    >>> len(shipped_reference(model)[0])
    51
    """
    if model not in _measured:
        from theracast.predict.similar import reference_cohort

        found = reference_cohort(model.studies_)
        _measured[model] = None if found is None else (model.matrix(found), found.response)
    return _measured[model]


def patient_facts(
    p: Prediction, explanation: Explanation | None, site_note: str, around: Around | None = None
) -> dict[str, Any]:
    """Gather what is printed of one patient.

    Parameters
    ----------
    p : Prediction
        The record.
    explanation : Explanation or None
        Of several patients.
    site_note : str
        What is known of the site; it has a place of its own on the page.
    around : Around, optional
        Nothing by default.

    Returns
    -------
    dict
        For the templates; ``why`` says why there is no explanation.

    Examples
    --------
    >>> patient_facts(Prediction("a", 0.4, blocks_missing="mutations"), None, "")["why"]
    'No explanation was asked for.'
    """
    around = around or Around()
    printed = Printed.of(explanation, p.patient_id) if explanation else None
    gathered: dict[str, Any] = {
        "record": p,
        "outside": p.reason.startswith(OUTSIDE),
        "used": [b for b in p.blocks_used.split(",") if b],
        "missing": _missing(p, around.open),
        "swings": around.open is not None,
        **_changes(around.changes.get(p.patient_id)),
        "similar": _similar(around.similar, p.patient_id),
        "notes": [n.strip() for n in p.notes.split(";") if n.strip() not in ("", site_note)],
        "printed": printed,
        "spread": explanation is not None and explanation.spread is not None,
        "reference": float("nan"),
        "blocks": [],
        "features": [],
        "evidence": {},
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
    blocks = [_block(explanation, p.patient_id, b, t, known) for b, t in printed.blocks.items() if b not in silent]
    towards = {"response": 1, "no_response": -1}.get(p.decision, 0)
    return gathered | {
        # the decision and the points have different averages; where they point apart, the page must say so
        "contrary": towards * (printed.prediction - printed.reference) < 0,
        "features": known,
        "evidence": _evidence(explanation, p.patient_id),
        "unknown": [f for f in features if f not in known and f["block"] in gathered["used"]],
        "blocks": sorted(
            (b for b in blocks if b["name"] in gathered["used"] or b["points"]), key=lambda b: -abs(b["points"])
        ),
        "silent": sorted(silent),
    }


def share_in_words(share: float) -> str:
    """Say a share as people count.

    Parameters
    ----------
    share : float
        In [0, 1].

    Returns
    -------
    str
        Such as ``in 1 of 4``.

    Examples
    --------
    >>> share_in_words(0.26), share_in_words(0.001), share_in_words(1.0)
    ('in 1 of 4', 'hardly ever', 'almost always')
    """
    if not 0.03 <= share <= 0.97:
        return "hardly ever" if share < 0.5 else "almost always"
    near = min((Fraction(k, n) for n in _PARTS for k in range(1, n)), key=lambda f: abs(float(f) - share))
    return f"in {near.numerator} of {near.denominator}"


def _missing(p: Prediction, opened: pd.DataFrame | None) -> list[dict[str, Any]]:
    """List the missing blocks, those first that could move the answer most."""
    rows = [
        {"block": b, "about": BLOCKS[b].spec.about if b in BLOCKS else "", "lower": np.nan, "upper": np.nan}
        | {"swing": np.nan, "decides": "", "note": ""}
        for b in p.blocks_missing.split(",")
        if b
    ]
    if opened is None or opened.empty:
        return rows
    mine = opened[opened.patient_id == p.patient_id].set_index("block")
    for row in rows:
        if row["block"] in mine.index:
            found = mine.loc[row["block"]]
            row |= {k: float(found[k]) for k in ("lower", "upper", "swing")}
            row["note"] = str(found.get("note", ""))
            row["decides"] = "" if pd.isna(found.decides) else share_in_words(float(found.decides))
    return sorted(rows, key=lambda r: -np.nan_to_num(r["swing"]))


def _changes(found: pd.DataFrame | None) -> dict[str, Any]:
    """List what goes with another value of an input that can be changed; ``changes`` is None where it was not asked."""
    if found is None:
        return {"changes": None, "changing": ""}
    rows = [{**r, "name": readable(str(r["feature"]))} for r in found.to_dict("records")]
    return {"changes": rows, "changing": str(found.attrs.get("note", ""))}


def _similar(found: pd.DataFrame | None, patient_id: str) -> dict[str, Any] | None:
    if found is None or patient_id not in found.index:
        return None
    return {str(k): v for k, v in found.loc[patient_id].to_dict().items()}


def _evidence(explanation: Explanation, patient_id: str) -> dict[str, list[dict[str, Any]]]:
    """Sort the sentences by what they speak for; each is split into what is known, its points, and remarks.

    What is within the noise alone is no sentence of the page: ``noise`` holds its name and points.
    """
    found: dict[str, list[dict[str, Any]]] = {k: [] for k in ("for", "against", "unclear", "noise", "rest")}
    for s in sentences(explanation, patient_id):
        if s.kind not in found:
            continue
        known, _, told = s.text.rpartition(": ")
        remark = told.partition(" points")[2].lstrip(", ")
        unknown = s.kind == "unclear" and np.isnan(explanation.values.loc[patient_id, s.feature])
        narrated = s.kind != "unclear" or s.unexpected or unknown
        found[s.kind if narrated else "noise"].append(
            {"known": known, "points": s.points, "remark": remark, "block": s.block, "unexpected": s.unexpected}
            | {"name": readable(s.feature)}
        )
    return found


def _block(
    explanation: Explanation, patient_id: str, name: str, points: float, known: list[dict[str, Any]]
) -> dict[str, Any]:
    """Describe one block: its points, their spread over training, and what inside it counted most."""
    spread, half = explanation.block_spread, float("nan")
    if spread is not None and name in spread:
        half = 100 * float(explanation.reach()[patient_id] * spread.loc[patient_id, name])
    mine = [f for f in known if f["block"] == name]
    paths: dict[str, float] = {}
    for f in mine:
        label = f["pathway"] or f["name"]
        paths[label] = round(paths.get(label, 0.0) + f["points"], 1)
    top = sorted(paths.items(), key=lambda item: -abs(item[1]))[:2]
    return {
        "name": name,
        "points": float(points),
        "half": half,
        # an error that is not known clears nothing
        "noise": spread is not None and not abs(points) > half,
        "top": [(label, value) for label, value in top if value],
    }


def _features(explanation: Explanation, patient_id: str, printed: Printed) -> list[dict[str, Any]]:
    mine = {k: getattr(explanation, k).loc[patient_id] for k in ("values", "proxy", "percentile", "points")}
    listed = explanation.patient(patient_id)
    contrary = set((listed.block + "__" + listed.feature)[listed.expectation == AGAINST])
    reach, rows = 100 * float(explanation.reach()[patient_id]), []
    for name in explanation.points.columns:
        unit, error = explanation.units.get(name, ""), float("nan")
        if explanation.spread is not None and name in explanation.spread:
            error = float(explanation.spread.loc[patient_id, name])
        rows.append(
            {
                "block": block_of(name),
                "name": readable(name),
                "about": explanation.about.get(name, ""),
                "pathway": explanation.pathways.get(name, ""),
                "unit": unit,
                "value": float(mine["values"][name]),
                "proxy": bool(mine["proxy"][name]),
                "stand_in": stand_in(name),
                "median": float(explanation.median[name]),
                # where there are two values only, a position among the training patients says nothing
                "percentile": float("nan") if unit == "0/1" else float(mine["percentile"][name]),
                "points": float(printed.features[name]),
                "exact": float(mine["points"][name]),
                "half": reach * error,
                "contrary": name in contrary,
            }
        )
    return sorted(rows, key=lambda f: -abs(f["exact"]))
