"""The page of monitoring: the state first, then what it rests on, then every figure."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd

from theracast.models.drift import SHIFTED, by_block
from theracast.models.fusion import SET_LEVEL
from theracast.predict.monitor import Monitoring
from theracast.predict.monitor_promises import ALARM, ALPHA, QUIET, SLACK, TOO_FEW
from theracast.predict.report.frame import inline, render
from theracast.predict.report.monitor_plot import calibration_figure, evidence_figure

#: The state, as a heading says it.
HEADINGS = {
    ALARM: "A promise of the model is broken",
    QUIET: "The model keeps its promises, as far as outcomes tell",
    TOO_FEW: "Too few outcomes to tell",
}


def monitor_page(found: Monitoring, title: str) -> str:
    """Write the page; no patient is on it.

    Parameters
    ----------
    found : Monitoring
        From `theracast.predict.monitor.monitor`.
    title : str
        What the model predicts.

    Returns
    -------
    str
        HTML.

    Examples
    --------
    >>> scores = pd.DataFrame({"patient_id": ["a"], "probability": [0.2], "set": "both", "decision": "abstain"})
    >>> from theracast.predict.monitor import monitor
    >>> page = monitor_page(monitor(scores, pd.DataFrame({"patient_id": ["a"], "response": ["R"]})), "t")
    >>> "Too few outcomes to tell" in page
    True
    """
    return render(
        "monitor.html.jinja",
        spec=SimpleNamespace(title=title),
        about={},
        experiment={},
        cohorts="",
        record=None,
        found=found,
        heading=HEADINGS[found.state],
        measures=[_written(r) for r in found.measures.to_dict("records")],
        drift=by_block(found.drift).to_dict("records") if len(found.drift) else [],
        features=found.drift.to_dict("records"),
        calibration=inline(calibration_figure(found), _groups(found.groups)),
        evidence=inline(evidence_figure(found), _evidence(found)),
        alpha=f"{ALPHA:.0%}",
        slack=f"{100 * SLACK:.0f}",
        set_level=f"{SET_LEVEL:.0%}",
        shifted=f"{SHIFTED:g}",
    )


def _written(row: dict[str, Any]) -> dict[str, str]:
    """Write a figure and its interval with two decimals, three for Brier scores."""
    places = 3 if "Brier" in row["measure"] else 2
    told = row["value"] == row["value"]
    spread = f"{row['lower']:.{places}f} to {row['upper']:.{places}f}" if row["lower"] == row["lower"] else ""
    value = f"{row['value']:.{places}f}".replace("-", "\N{MINUS SIGN}") if told else "not estimable"
    return {**row, "value": value, "interval": spread.replace("-", "\N{MINUS SIGN}")}


def _groups(groups: pd.DataFrame) -> str:
    if not len(groups):
        return "Predicted against observed response: too few outcomes to draw"
    said = [f"{100 * r.predicted:.0f}% predicted, {100 * r.observed:.0f}% responded" for r in groups.itertuples()]
    return "Predicted against observed response, by group: " + "; ".join(said)


def _evidence(found: Monitoring) -> str:
    said = [f"{p.name} {p.state}" for p in found.promises]
    return "Evidence against each promise as outcomes came; at the end: " + ", ".join(said)
