"""Answers in plain words and numbers: what the predictor says, with every bit, and the account of every row."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pandas as pd

from theracast.errors import ModelError
from theracast.models.recalibration import AS_TRAINED
from theracast.predict.explain import TOLERANCE, Explanation
from theracast.predict.predictor import Predictor
from theracast.predict.serve.held import Current
from theracast.predict.serve.patients import Asked
from theracast.predict.serve.refusals import ServiceError, hiding
from theracast.predict.therapies import SelectionPredictor


def predicted(current: Current, asked: Asked, explained: bool = False) -> dict[str, Any]:
    """Score patients.

    Parameters
    ----------
    current : Current
        With a response model.
    asked : Asked
        Patients.
    explained : bool, default False
        Whether each prediction is explained.

    Returns
    -------
    dict
        ``model``, ``account``, ``assumptions`` and ``predictions``: one per row in, in order.

    Raises
    ------
    ServiceError
        404 when the model is a choice between therapies.
    DataError
        What `theracast.predict.predictor.Predictor.score` refuses.

    Examples
    --------
    >>> callable(predicted)
    True
    """
    predictor = _of_kind(current, Predictor, "/rank")
    if asked.tried or asked.therapies:
        raise ServiceError(
            400, "therapies have no place here", code="THX-A04", where="tried, therapies", fix="Leave them out."
        )
    scores = predictor.score(asked.cohort(), explained=explained, strict=asked.strict, site=AS_TRAINED)
    lines = _rows(scores.aligned(), scores.rejects, asked)
    if scores.explanation is not None:
        known = set(scores.explanation.points.index)
        for line in lines:
            mine = line["decision"] != "rejected" and line["patient_id"] in known
            line["explanation"] = _explained(scores.explanation, line["patient_id"]) if mine else None
    return {
        "model": current.named(),
        "account": scores.account(),
        "assumptions": _plain(scores.assumptions()),
        "predictions": lines,
    }


def ranked(current: Current, asked: Asked) -> dict[str, Any]:
    """Lay the therapies side by side.

    Parameters
    ----------
    current : Current
        With a choice between therapies.
    asked : Asked
        Patients.

    Returns
    -------
    dict
        ``model``, ``account``, ``standard`` and ``rankings``: one per row in, in order.

    Raises
    ------
    ServiceError
        404 when the model is none of a choice.
    DataError
        What `theracast.predict.therapies.SelectionPredictor.rank` refuses.

    Examples
    --------
    >>> callable(ranked)
    True
    """
    predictor = _of_kind(current, SelectionPredictor, "/predict")
    found = predictor.rank(asked.cohort(), tried=asked.tried, therapies=asked.therapies, strict=asked.strict)
    lines = _rows(found.aligned(), found.rejects, asked)
    for line in lines:
        line["ranking"] = json.loads(line["ranking"])
    return {
        "model": current.named(),
        "account": found.account(),
        "standard": found.standard,
        "rankings": lines,
    }


def reported(current: Current, asked: Asked) -> tuple[str, dict[str, int]]:
    """Write the page of one patient.

    Parameters
    ----------
    current : Current
        Either kind of model.
    asked : Asked
        One patient.

    Returns
    -------
    page : str
        HTML that loads nothing.
    account : dict of str to int
        Of the one row.

    Raises
    ------
    ServiceError
        413 for more than one patient.
    DataError
        What the predictor refuses.

    Examples
    --------
    >>> callable(reported)
    True
    """
    if len(asked.wide) != 1:
        raise ServiceError(
            413, "a page is of one patient", code="THX-A03", wanted="one patient", fix="Ask for one after the other."
        )
    cohort, predictor = asked.cohort(), current.predictor
    patient = str(asked.wide.index[0])
    if isinstance(predictor, Predictor):
        from theracast.predict.report.page import patient_page

        scores = predictor.score(cohort, explained=True, strict=asked.strict)
        return patient_page(scores, patient, predictor.model.spec, predictor.about), scores.account()
    from theracast.predict.report.therapies import therapies_page

    found = predictor.rank(cohort, tried=asked.tried, therapies=asked.therapies, strict=asked.strict)
    return therapies_page(found, predictor, patient, cohort), found.account()


def _of_kind(current: Current, kind: type, instead: str) -> Any:
    if not isinstance(current.predictor, kind):
        raise ServiceError(404, "the model served does not answer this", code="THX-A12", fix=f"Ask {instead}.")
    return current.predictor


def _rows(aligned: pd.DataFrame, rejects: pd.DataFrame, asked: Asked) -> list[dict[str, Any]]:
    """Write one line per row in, each with its number; a refused one with its code."""
    if len(aligned) != len(asked.wide) or aligned["patient_id"].tolist() != asked.wide.index.tolist():
        raise ModelError("rows were lost", code="THX-S01", wanted=f"{len(asked.wide)} rows in the order given")
    codes = dict(zip(rejects["row"].astype(int), rejects["code"], strict=True)) if len(rejects) else {}
    hide: Callable[[str], str] = hiding(asked.secrets()) if codes else str
    lines = []
    for row, line in enumerate(aligned.to_dict("records"), start=1):
        plain = {str(k): _plain(v) for k, v in line.items()}
        if row in codes:
            plain["reason"] = hide(str(plain["reason"]))
        lines.append({"row": row, "code": codes.get(row, ""), **plain})
    return lines


def _explained(explanation: Explanation, patient_id: str) -> dict[str, Any]:
    points = explanation.points.loc[patient_id]
    withheld = bool(points.isna().any())
    return {
        "reference": _plain(explanation.reference[patient_id]),
        "withheld": withheld,
        "tolerance": TOLERANCE,
        "cohort": explanation.cohort,
        "blocks": {} if withheld else _plain(explanation.by_block().loc[patient_id].to_dict()),
        "features": _plain(explanation.patient(patient_id).to_dict("records")),
    }


def _plain(value: Any) -> Any:
    """Plain Python; what is not a number is None."""
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
