"""What a notebook shows of a prediction and of an explanation: small, self-contained, in the notebook's own ink."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

import numpy as np

from theracast.features.feature_names import block_of
from theracast.models.base import LEVEL
from theracast.models.indications import INDICATIONS
from theracast.predict.importance import cohorts_of
from theracast.predict.report.printed import colours, readable
from theracast.predict.sentences import Sentence, sentences

if TYPE_CHECKING:
    from theracast.models.spec import ResponseSpec
    from theracast.predict.explanation import Explanation
    from theracast.predict.records import Prediction

_ANSWERS = {
    "response": "The evidence speaks for response",
    "no_response": "The evidence speaks against response",
    "abstain": "The model abstains",
}
_KINDS = {
    "reference": "",
    "for": "For response",
    "against": "Against response",
    "unclear": "Unclear, no evidence either way",
    "rest": "The rest",
    "prediction": "",
}
#: The ink of the page, whatever its colour; rules in a grey that shows on white and on black.
_RULE = "rgba(128,128,128,.45)"
_BOX = f"max-width:46em;border:1px solid {_RULE};border-radius:4px;padding:.7em 1em;line-height:1.45"
_CELL = "text-align:left;padding:.15em 1.2em .15em 0;background:none;border:0;font-weight:"


def prediction_html(prediction: Prediction) -> str:
    """Show one patient's prediction.

    Parameters
    ----------
    prediction : Prediction
        Of one patient.

    Returns
    -------
    str
        HTML: the answer, the probability with its interval on a track, what is missing, and the intended use where the
        model's name tells the indication. Every text is escaped.

    Examples
    --------
    >>> from theracast.predict.records import Prediction
    >>> "The model abstains" in prediction_html(Prediction("<b>", 0.4, 0.2, 0.6, "abstain", "too little is known"))
    True
    """
    p = prediction
    parts = [_line(f"<strong>{_ANSWERS.get(p.decision, 'No answer')}</strong>{_who(p)}")]
    if p.reason:
        parts.append(_line(_text(p.reason[:1].upper() + p.reason[1:]) + "."))
    if np.isnan(p.probability):
        parts.append(_line("There is no probability: nothing that the model reads is known."))
    else:
        interval = "" if np.isnan(p.lower) else f", {LEVEL:.0%} interval {_percent(p.lower)} to {_percent(p.upper)}"
        said = f"Probability of response {_percent(p.probability)}{interval}"
        parts += [_line(said), _track(p, said)]
    for label, listed in (("Known", p.blocks_used), ("Missing", p.blocks_missing)):
        names = ", ".join(readable(b) for b in listed.split(",") if b)
        parts.append(_line(f"{label}: {_text(names) or 'nothing'}") if names or label == "Known" else "")
    parts += [_line(f"Notes: {_text(p.notes)}", small=True)] if p.notes else []
    spec = _spec(p.model_uri)
    if spec is not None:
        parts.append(_line(f"Intended use: {_text(spec.intended_use)} Not for: {_text(spec.not_for)}", small=True))
    return _box("Prediction", parts)


def explanation_html(explanation: Explanation) -> str:
    """Show an explanation: of one patient its sentences, of several what there is.

    Parameters
    ----------
    explanation : Explanation
        Of one patient or several.

    Returns
    -------
    str
        HTML; every text is escaped.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> "51 patients explained" in explanation_html(explain(model, model.matrix(load_cohort("riaz2017_mel"))))
    True
    """
    if len(explanation.points) == 1:
        return _box("Explanation of one patient", _sentences(explanation))
    told = explanation.points.notna().all(axis=1)
    withheld, none = (~told & explanation.probability.notna()).sum(), explanation.probability.isna().sum()
    first = f"<strong>{told.sum():,} patient{'' if told.sum() == 1 else 's'} explained</strong>"
    more = [f"{withheld:,} withheld (they do not add up)"] if withheld else []
    more += [f"{none:,} without a prediction"] if none else []
    parts = [_line(", ".join([first, *more]))]
    if explanation.cohort:
        parts.append(_line(f"Reference: {_text(explanation.cohort)}", small=True))
    if told.any():
        mean = 100 * explanation.by_block()[told].abs().mean().sort_values(ascending=False, kind="stable")
        colour = colours(explanation)
        known = explanation.values[told].notna()
        rows = [_row("th", "block", "mean absolute points", "known of")]
        for block, points in mean.items():
            mine = known[[c for c in known if block_of(c) == block]].any(axis=1).sum()
            rows.append(
                _row("td", _chip(colour[str(block)]) + _text(readable(str(block))), f"{points:.1f}", f"{mine:,}")
            )
        parts.append(f'<table style="border-collapse:collapse;margin:.5em 0">{"".join(rows)}</table>')
        studies = cohorts_of(explanation).nunique()
        parts.append(_line(f"{studies} stud{'ies' if studies != 1 else 'y'}", small=True))
    calls = [".plot.beeswarm()", ".plot.importance()", ".plot.dependence(feature)", ".sentences(id)"]
    calls += [".plot.waterfall(id)", ".patient(id)", ".to_shap()"]
    parts.append(_line("Go on with " + ", ".join(f"<code>{c}</code>" for c in calls), small=True))
    return _box("Explanation", parts)


def _sentences(explanation: Explanation) -> list[str]:
    said = sentences(explanation, explanation.points.index[0])
    parts, kind = [], ""
    for s in said:
        if s.kind != kind:
            parts += ["</ul>"] if _KINDS.get(kind) else []
            heading = _KINDS[s.kind]
            parts += (
                [_line(f"<strong>{heading}</strong>"), '<ul style="margin:.1em 0;padding-left:1.4em">']
                if heading
                else []
            )
            kind = s.kind
        parts.append(f"<li>{_text(s.text)}</li>" if _KINDS[s.kind] else _line(_said(s)))
    return [*parts, _line("Points are associations learned from other patients.", small=True)]


def _said(s: Sentence) -> str:
    return f"<strong>{_text(s.text)}</strong>" if s.kind == "prediction" else _text(s.text)


def _spec(uri: str) -> ResponseSpec | None:
    """Find the indication by the name of the registered model; another name tells nothing."""
    found = re.fullmatch(r"models:/([\w-]+)[@/].*", uri)
    return INDICATIONS[found[1]] if found and found[1] in list(INDICATIONS) else None


def _who(p: Prediction) -> str:
    version = f" version {p.model_version}" if p.model_version else ""
    model = f", by {p.model_uri}{version}" if p.model_uri else ""
    return f" <small>(patient {_text(p.patient_id + model)})</small>"


def _track(p: Prediction, said: str) -> str:
    """Draw the interval on a line from 0 to 100%."""
    at = 100 * min(max(p.probability, 0.0), 1.0)
    bar = ""
    if not np.isnan(p.lower):
        low, high = 100 * max(p.lower, 0.0), 100 * min(p.upper, 1.0)
        bar = (
            f'<span style="position:absolute;left:{low:.1f}%;width:{max(high - low, 0.5):.1f}%;top:5px;height:6px;'
            'background:#3C8DBC;border-radius:3px"></span>'
        )
    return (
        f'<div role="img" aria-label="{escape(said)}" style="max-width:26em;margin:.2em 0 .4em">'
        f'<div style="position:relative;height:16px"><span style="position:absolute;left:0;right:0;top:7px;height:2px;'
        f'background:{_RULE}"></span>{bar}<span style="position:absolute;left:calc({at:.1f}% - 6px);top:2px;width:12px;'
        'height:12px;border-radius:6px;background:#D55E00"></span></div>'
        '<div style="display:flex;justify-content:space-between;font-size:.8em"><span>0%</span><span>50%</span>'
        "<span>100%</span></div></div>"
    )


def _percent(p: float) -> str:
    return "below 1%" if p < 0.005 else "above 99%" if p > 0.995 else f"{100 * p:.0f}%"


def _text(text: object) -> str:
    return escape(str(text))


def _line(html: str, small: bool = False) -> str:
    return f'<div style="margin:.15em 0{";font-size:.88em" if small else ""}">{html}</div>'


def _row(tag: str, *cells: str) -> str:
    weight = "bold" if tag == "th" else "normal"
    style = [f"{_CELL}{weight}{';text-align:right' if i else ''}" for i in range(len(cells))]
    inside = "".join(f'<{tag} style="{s}">{c}</{tag}>' for s, c in zip(style, cells, strict=True))
    return f'<tr style="background:none">{inside}</tr>'


def _chip(colour: str) -> str:
    return f'<span style="display:inline-block;width:.7em;height:.7em;margin-right:.5em;background:{colour}"></span>'


def _box(label: str, parts: list[str]) -> str:
    return f'<div role="group" aria-label="{label}" style="{_BOX}">{"".join(parts)}</div>'
