"""An explanation in sentences: the reference, what spoke for and against response, and the prediction they add up to.

The points of the sentences, as they are printed, sum to the printed probability exactly. What is said is an association
learned from other patients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from theracast.errors import UsageError
from theracast.features.feature_names import block_of
from theracast.predict.explanation import AGAINST, PRINTED, Explanation
from theracast.predict.report.printed import Printed, measured, readable, signed, stand_in

#: Why a contribution is no evidence.
UNKNOWN, NOISE, NO_SPREAD = "which is no evidence", "within the noise of training", "spread over training not known"
#: Contributions that have a sentence of their own, on either side.
TOP = 5


@dataclass(frozen=True)
class Sentence:
    """One sentence of an explanation.

    Attributes
    ----------
    text : str
        What is said, with its points.
    points : float
        As printed: percentage points with one decimal; of ``reference`` and ``prediction`` the probability in percent.
        NaN where there is no prediction.
    kind : str
        ``reference``, ``for``, ``against``, ``unclear``, ``rest`` or ``prediction``. Unclear is what must not be read
        as evidence: within the noise of training, a value that is not known, or against expectation.
    feature : str
        ``<block>__<feature>``, or empty.
    block : str
        Or empty.
    unexpected : bool
        Whether the points run against what is expected of the feature.

    Examples
    --------
    >>> Sentence("NLR 9.1: −6.0 points", -6.0, "against", "clinical__nlr", "clinical").unexpected
    False
    """

    text: str
    points: float
    kind: str
    feature: str = ""
    block: str = ""
    unexpected: bool = False


def sentences(explanation: Explanation, patient_id: str, top: int = TOP) -> list[Sentence]:
    """Say why one patient got the probability it got.

    Parameters
    ----------
    explanation : Explanation
        Of several patients.
    patient_id : str
        One of them; the id is not said.
    top : int, default `TOP`
        Contributions of either sign that have a sentence of their own; the others share one.

    Returns
    -------
    list of Sentence
        The reference first, then what spoke for response, against it, and what is unclear, each the weightiest first,
        then the rest, and last the prediction. The points of all but the last sum to the last's, exactly, in tenths of
        a point. Of a withheld explanation a single sentence.

    Raises
    ------
    UsageError
        When there is no such patient.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
    >>> said = sentences(e, "Pt1")
    >>> round(sum(s.points for s in said[:-1]), 1) == said[-1].points
    True
    """
    if patient_id not in explanation.points.index:
        raise UsageError(
            "no such patient in the explanation", got=f"{len(explanation.points)} others", fix="Check the id."
        )
    printed = Printed.of(explanation, patient_id)
    if printed is None:
        return [_withheld(float(explanation.probability[patient_id]))]
    explanation = _alone(explanation, patient_id)
    exact = explanation.points.loc[patient_id]
    counted = exact.index[explanation.values.loc[patient_id].notna() | (exact != 0) | (printed.features != 0)]
    order = exact[counted].abs().sort_values(ascending=False, kind="stable").index
    heavy = [f for f in order if abs(exact[f]) >= PRINTED]
    own = {side: [f for f in heavy if side * printed.features[f] > 0][:top] for side in (1, -1)}
    shown = [f for f in order if f in own[1] or f in own[-1]]
    unclear = doubts(explanation, patient_id)
    said = [_sentence(explanation, patient_id, f, float(printed.features[f]), unclear[f]) for f in shown]
    middle = [s for kind in ("for", "against", "unclear") for s in said if s.kind == kind]
    rest = [f for f in order if f not in shown]
    if rest:
        points = _tenths(math.fsum(printed.features[rest]))
        together = f"{len(rest)} other values together" if len(rest) > 1 else "1 other value"
        middle.append(Sentence(f"{together}: {_points(points)}", points, "rest"))
    return [_reference(explanation, printed), *middle, _prediction(printed)]


def doubts(explanation: Explanation, patient_id: str) -> dict[str, list[str]]:
    """Say of each contribution why it must not be read as evidence.

    Parameters
    ----------
    explanation : Explanation
        Of several patients.
    patient_id : str
        One of them.

    Returns
    -------
    dict of str to list of str
        By feature: `UNKNOWN`, against expectation, `NOISE` or `NO_SPREAD`; an empty list where nothing is in doubt.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
    >>> doubts(e, "Pt1")["mutations__tmb"]
    ['which is no evidence']
    """
    one = _alone(explanation, patient_id)
    rows = one.patient(patient_id)
    contrary = set((rows.block + "__" + rows.feature)[rows.expectation == AGAINST])
    points, unknown = one.points.loc[patient_id], one.values.loc[patient_id].isna()
    found = {f: [UNKNOWN] if unknown[f] else [AGAINST] if f in contrary else [] for f in points.index}
    if one.spread is None:
        return found
    spread = one.spread.loc[patient_id].reindex(points.index)
    clear = one.firm().loc[patient_id]
    for f, told in found.items():
        if np.isnan(spread[f]):
            told.append(NO_SPREAD)
        elif not clear[f]:
            told.append(NOISE)
    return found


def _alone(explanation: Explanation, patient_id: str) -> Explanation:
    """Keep one patient, so that what is asked of all is asked of one."""
    if len(explanation.points) == 1:
        return explanation
    one = [patient_id]
    spread, replicas = explanation.spread, explanation.replicas
    return replace(
        explanation,
        points=explanation.points.loc[one],
        values=explanation.values.loc[one],
        proxy=explanation.proxy.loc[one],
        percentile=explanation.percentile.loc[one],
        spread=None if spread is None else spread.loc[one],
        replicas=None if replicas is None else replicas.loc[one],
    )


def _reference(explanation: Explanation, printed: Printed) -> Sentence:
    whose = explanation.reference_of or (
        f"the average patient of {explanation.cohort or 'the training studies'} with the same kinds of data known and "
        "the same tumour type"
    )
    moved = f", moved to the site ({explanation.site})" if explanation.site else ""
    text = f"Reference: {whose} has a {printed.reference:.1f}% probability of response{moved}."
    return Sentence(text, printed.reference, "reference")


def _prediction(printed: Printed) -> Sentence:
    text = (
        f"Prediction: {printed.prediction:.1f}% probability of response, {printed.reference:.1f}% and the points above."
    )
    return Sentence(text, printed.prediction, "prediction")


def _withheld(probability: float) -> Sentence:
    if math.isnan(probability):
        return Sentence(
            "There is no prediction to explain: nothing that the model reads is known.", math.nan, "prediction"
        )
    percent = _tenths(100 * probability)
    text = f"Prediction: {percent:.1f}% probability of response; its explanation is withheld: it does not add up to it."
    return Sentence(text, percent, "prediction")


def _sentence(explanation: Explanation, patient_id: str, feature: str, points: float, remarks: list[str]) -> Sentence:
    value = float(explanation.values.at[patient_id, feature])
    kind = "unclear" if remarks else "for" if points > 0 else "against"
    text = ", ".join([f"{_named(explanation, patient_id, feature, value)}: {_points(points)}", *remarks])
    return Sentence(text, points, kind, feature, block_of(feature), AGAINST in remarks)


def _named(explanation: Explanation, patient_id: str, feature: str, value: float) -> str:
    """Name the feature, its value, and where that stands among the training patients."""
    unit, about = explanation.units.get(feature, ""), explanation.about.get(feature, "")
    colon = ":" if unit == "0/1" else ""
    named = f"{readable(feature)}{colon} {measured(unit, value, about)}"
    if math.isnan(value):
        return named
    beside = [stand_in(feature)] if explanation.proxy.at[patient_id, feature] else []
    median = float(explanation.median.get(feature, math.nan))
    if unit == "0/1" and not math.isnan(median):
        # of two values, a position among the training patients says nothing
        most = measured(unit, median)
        beside.append("as most of the reference" if most == measured(unit, value) else f"most of the reference: {most}")
    elif not math.isnan(median):
        place = float(explanation.percentile.at[patient_id, feature])
        beside += [f"reference median {measured(unit, median, about)}"]
        beside += [] if math.isnan(place) else [_place(place)]
    return f"{named} ({', '.join(beside)})" if beside else named


def _place(percentile: float) -> str:
    """Say a percentile; nobody is at the 0th or the 100th."""
    whole = round(percentile)
    if whole < 1:
        return "below the 1st percentile"
    if whole > 99:
        return "above the 99th percentile"
    last = "th" if 10 <= whole % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(whole % 10, "th")
    return f"{whole}{last} percentile"


def _points(points: float) -> str:
    return f"{signed(points)} points"


def _tenths(value: float) -> float:
    return round(10 * value) / 10
