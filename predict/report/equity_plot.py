"""The equity audit as a picture: how the model did on each group, and where there are too few to tell."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from theracast.models.fairness import ALPHA, METRICS
from theracast.models.validate import Validation
from theracast.predict.report.beeswarm_plot import empty_figure
from theracast.predict.report.plots import INK, STYLE
from theracast.predict.report.printed import PALETTE
from theracast.predict.tables import EQUITY_SHOWN

#: Metric, its title, the ends of its axis, and the line to look at.
_PANELS = (
    ("auc", "AUC", (0.0, 1.0), 0.5),
    ("calibration", "observed − expected", (-0.4, 0.4), 0.0),
    ("abstains", "abstains", (0.0, 1.0), None),
    ("missed", "responders missed", (0.0, 1.0), None),
)
_TITLES = {
    "sex": "Sex",
    "age": "Age in years",
    "ancestry": "Ancestry, race or ethnicity",
    "tumour": "Tumour type",
    "prior_ici": "Earlier checkpoint inhibitor",
    "prior_treatment": "Earlier systemic treatment",
}
_WORDS = ("attribute", "group", "note")
_ROW = 0.19


def equity_forest(validation: Validation) -> Figure:
    """Draw how the model did on each group: AUC, calibration in the large, abstentions and responders missed.

    Parameters
    ----------
    validation : Validation
        With `equity`, as `theracast.models.fairness.equity_audit` gives it.

    Returns
    -------
    Figure
        One row per group with 95% intervals; what differs from the other patients of the same cohorts after Holm's
        adjustment is a star in another colour, and an interval that goes on beyond the axis ends in an arrow. A
        sentence where no groups were looked at.

    Examples
    --------
    >>> len(equity_forest(Validation(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())).axes)
    0
    """
    held = validation.equity
    with mpl.rc_context(STYLE):
        if held.empty:
            return empty_figure("No groups were looked at with this model.")
        held = held[held["attribute"].isin(EQUITY_SHOWN)]
        # read from JSON, a column of nothing is of None
        held = held.assign(**{c: pd.to_numeric(held[c]) for c in held.columns.difference(_WORDS)})
        places = _places(held)
        rows = max(at for _, _, at in places) + 1
        height = _ROW * rows + 0.75
        figure = Figure(figsize=(7.2, height))
        box = (0.42 / height, (height - 0.75) / height)
        lefts, width = (0.345, 0.515, 0.685, 0.855), 0.135
        for left, (metric, title, ends, line) in zip(lefts, _PANELS, strict=True):
            ax = figure.add_axes((left, box[0], width, box[1]))
            _frame(ax, rows, ends, title, line)
            for row, _, at in places:
                if row is not None:
                    _mark(ax, row, metric, at, ends)
        _labels(figure.axes[0], places)
        figure.text(0.01, 0.06 / height, "* differs from the other patients of its cohorts (Holm)", fontsize=7.4)
    return figure


def _places(held: pd.DataFrame) -> list[tuple[pd.Series | None, str, float]]:
    """List headings (without a row) and groups with their place from the top."""
    places, at = list[tuple[pd.Series | None, str, float]](), 0.0
    for attribute, part in held.groupby("attribute", sort=False):
        places.append((None, _TITLES.get(str(attribute), str(attribute)), at))
        for _, row in part.iterrows():
            at += 1
            places.append((row, str(row["group"]), at))
        at += 1.4
    return places


def _frame(ax: Any, rows: float, ends: tuple[float, float], title: str, line: float | None) -> None:
    ax.set(xlim=ends, ylim=(rows - 0.4, -0.6), yticks=[])
    ax.set_title(title, fontsize=7.8, pad=5)
    ax.patch.set_visible(False)
    ax.spines[["left", "right", "top"]].set_visible(False)
    ax.grid(axis="x", color=INK, alpha=0.18, lw=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=7)
    if line is not None:
        ax.axvline(line, color=INK, lw=1, ls=(0, (3, 3)))


def _mark(ax: Any, row: pd.Series, metric: str, at: float, ends: tuple[float, float]) -> None:
    value, lower, upper = (row[f"{metric}{e}"] for e in ("", "_lower", "_upper"))
    if value != value:
        if metric == "auc":
            ax.text(ends[0], at, "too few", va="center", fontsize=7, alpha=0.9)
        elif metric == "missed" and row["auc"] == row["auc"]:
            ax.text(ends[0], at, "too few answered", va="center", fontsize=7, alpha=0.9)
        return
    differs = metric in METRICS and row[f"{metric}_gap_p"] < ALPHA
    colour = PALETTE[1] if differs else PALETTE[0]
    ax.plot([max(lower, ends[0]), min(upper, ends[1])], [at, at], color=colour, lw=1.3, solid_capstyle="butt")
    for beyond, end, arrow in ((lower < ends[0], ends[0], "<"), (upper > ends[1], ends[1], ">")):
        if beyond:
            ax.plot(end, at, arrow, ms=3.2, color=colour, clip_on=False)
    mark, size = ("*", 8) if differs else ("o", 4.4)
    ax.plot(min(max(value, ends[0]), ends[1]), at, mark, ms=size, color=colour, clip_on=False)


def _labels(ax: Any, places: list[tuple[pd.Series | None, str, float]]) -> None:
    beside = {"xycoords": ("figure fraction", "data"), "va": "center"}
    for row, text, at in places:
        if row is None:
            ax.annotate(text, (0.01, at), weight="bold", fontsize=8, ha="left", **beside)
            continue
        short = text if len(text) <= 27 else f"{text[:26]}…"
        ax.annotate(short, (0.02, at), fontsize=7.8, ha="left", **beside)
        n = "" if row["n"] != row["n"] else f"{row['n']:.0f}"
        ax.annotate(n, (0.325, at), fontsize=7.4, ha="right", **beside)
