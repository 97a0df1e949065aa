"""Answers in plain words and numbers: what the predictor says, with every bit, and the account of every row."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd

from theracast.errors import ModelError
from theracast.models.recalibration import AS_TRAINED
from theracast.predict.predictor import Predictor
from theracast.predict.serve.asked import Asked
from theracast.predict.serve.held import Current
from theracast.predict.serve.refusals import ServiceError, hiding
from theracast.predict.therapies import Rankings, SelectionPredictor
from theracast.predict.told import told

#: Takes the texts of a request out of a message.
Hide = Callable[[str], str]


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
    if asked.tried or asked.therapies or asked.utility:
        raise ServiceError(
            400,
            "therapies have no place here",
            code="THX-A04",
            where="tried, therapies, utility",
            fix="Leave them out.",
        )
    scores = predictor.score(asked.cohort(), explained=explained, strict=asked.strict, site=AS_TRAINED)
    lines = lines_of(scores.aligned(), scores.rejects, asked.wide.index, lambda _: hiding(asked.secrets()))
    if scores.explanation is not None:
        known = dict(told(scores.explanation))
        for line in lines:
            line["explanation"] = known.get(line["patient_id"]) if line["decision"] != "rejected" else None
    return {
        "model": current.named(),
        "account": scores.account(),
        "assumptions": plain(scores.assumptions()),
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
    found = _choice(predictor, asked)
    lines = lines_of(found.aligned(), found.rejects, asked.wide.index, lambda _: hiding(asked.secrets()))
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
    predictor = current.predictor
    patient = str(asked.wide.index[0])
    if isinstance(predictor, Predictor):
        from theracast.predict.report.page import patient_page
        from theracast.predict.report.patient_facts import shipped_reference

        scores, model = (
            predictor.score(asked.cohort(), explained=True, spread=True, strict=asked.strict),
            predictor.model,
        )
        page = patient_page(
            scores, patient, model.spec, predictor.about, model=model, reference=shipped_reference(model)
        )
        return page, scores.account()
    from theracast.predict.report.therapies import therapies_page

    found = _choice(predictor, asked)
    return therapies_page(found, predictor, patient, asked.cohort()), found.account()


def _of_kind(current: Current, kind: type, instead: str) -> Any:
    if not isinstance(current.predictor, kind):
        raise ServiceError(404, "the model served does not answer this", code="THX-A12", fix=f"Ask {instead}.")
    return current.predictor


def lines_of(
    aligned: pd.DataFrame, rejects: pd.DataFrame, ids: Sequence[str] | pd.Index, hidden: Callable[[int], Hide]
) -> list[dict[str, Any]]:
    """Write one line per row in, each with its number; a refused one with its code.

    Parameters
    ----------
    aligned, rejects : DataFrame
        From `theracast.predict.records.Scores`, or from rankings.
    ids : sequence of str
        Of the rows in, in order.
    hidden : callable
        Gives, for a row (from 1), what takes the texts of its request out of a message.

    Returns
    -------
    list of dict
        Plain Python.

    Raises
    ------
    ModelError
        THX-S01 when a row was lost, or stands elsewhere.

    Examples
    --------
    >>> row = pd.DataFrame({"patient_id": ["p1"], "decision": ["abstain"]})
    >>> lines_of(row, pd.DataFrame(), ["p1"], lambda _: str)
    [{'row': 1, 'code': '', 'patient_id': 'p1', 'decision': 'abstain'}]
    """
    if aligned["patient_id"].tolist() != list(ids):
        raise ModelError("rows were lost", code="THX-S01", wanted=f"{len(ids)} rows in the order given")
    codes = dict(zip(rejects["row"].astype(int), rejects["code"], strict=True)) if len(rejects) else {}
    lines = []
    for row, line in enumerate(aligned.to_dict("records"), start=1):
        cells = {str(k): plain(v) for k, v in line.items()}
        if row in codes:
            cells["reason"] = hidden(row)(str(cells["reason"]))
        lines.append({"row": row, "code": codes.get(row, ""), **cells})
    return lines


def plain(value: Any) -> Any:
    """Make plain Python of a value; what is not a number is None.

    Parameters
    ----------
    value : Any
        Of numpy, or plain.

    Returns
    -------
    Any
        As `json.dumps` takes it.

    Examples
    --------
    >>> plain({"a": [float("nan"), 1.5]})
    {'a': [None, 1.5]}
    """
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _choice(predictor: SelectionPredictor, asked: Asked) -> Rankings:
    return predictor.rank(
        asked.cohort(), tried=asked.tried, utility=asked.utility, therapies=asked.therapies, strict=asked.strict
    )
