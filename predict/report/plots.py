"""Figures of the report, as objects: nothing here touches pyplot's global state.

Text and rules are drawn in one mid grey that is legible on white and on near-black paper; `to_svg` turns that grey
into ``currentColor``, so that a figure inside a page takes the page's own ink.
"""

from __future__ import annotations

import io
import re
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theracast.features.feature_names import block_of
from theracast.models.estimates import Estimate
from theracast.models.validate import FEW, MODEL, Validation
from theracast.predict.explanation import Explanation
from theracast.predict.report.printed import PALETTE, Printed, colours, measured, readable, signed, stand_in
from theracast.predict.sentences import NO_SPREAD, NOISE, UNKNOWN, doubts

#: Legible on white (4.5:1) and on near-black (4.2:1).
INK = "#767676"
#: An artist whose gid begins so is a mark of the page: the rest is what a reader is told who points at it.
TIP = "tip:"
_BASELINES = {"PD-L1": "^", "TIL": "s", "PD-L1 + TIL": "x"}
STYLE: dict[str, Any] = {
    "font.size": 9,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same layout on every machine
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.unicode_minus": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "none",
}
_SHORT = {UNKNOWN: "no evidence", NOISE: "within noise", NO_SPREAD: "spread not known"}
_FONT = "'Helvetica Neue', Arial, sans-serif"


def forest(validation: Validation) -> Figure:
    """Draw how the model did on each cohort it had not seen, beside dull baselines.

    Parameters
    ----------
    validation : Validation
        Table and mean; baselines and mean may be missing.

    Returns
    -------
    Figure
        AUC with interval per cohort, the random-effects mean as a diamond.

    Examples
    --------
    >>> row = {"cohort": "a", "model": "theracast", "n": 40, "R": 15, "NR": 25, "auc": 0.7, "auc_lower": 0.5,
    ...        "auc_upper": 0.85, "note": ""}
    >>> len(forest(Validation(pd.DataFrame(), pd.DataFrame([row]), pd.DataFrame())).axes)
    1
    """
    with mpl.rc_context(STYLE):
        rows = len(_forest_rows(validation))
        figure = Figure(figsize=(7.2, 0.44 * rows + 1.3))
        axes = figure.add_axes((0.24, 0.98 / figure.get_figheight(), 0.53, 1 - 1.05 / figure.get_figheight()))
        _draw_forest(axes, validation)
    return figure


def contributions(explanation: Explanation, patient_id: str, top: int = 10) -> Figure:
    """Draw the way from the average prediction to one patient's, feature by feature.

    Parameters
    ----------
    explanation : Explanation
        Of several patients.
    patient_id : str
        One of them.
    top : int, default 10
        Features drawn one by one; the others share one bar.

    Returns
    -------
    Figure
        What must not be read as evidence is pale, and said why. A sentence instead of bars where the explanation is
        withheld.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
    >>> contributions(e, e.points.index[0]).axes[0].get_xlabel()
    'probability of response, %'
    """
    with mpl.rc_context(STYLE):
        bars = _bars(explanation, patient_id, top)
        figure = Figure(figsize=(7.2, 0.40 * max(len(bars), 1) + 1.05))
        axes = figure.add_axes((0.40, 0.48 / figure.get_figheight(), 0.51, 1 - 0.88 / figure.get_figheight()))
        _draw_contributions(axes, explanation, patient_id, bars)
    return figure


def overview(validation: Validation, explanation: Explanation, patient_id: str) -> Figure:
    """Draw `forest` beside `contributions`.

    Parameters
    ----------
    validation : Validation
        What the model is worth.
    explanation : Explanation
        Of several patients.
    patient_id : str
        One of them.

    Returns
    -------
    Figure
        1600 pixels wide under `to_png`.

    Examples
    --------
    >>> overview.__name__
    'overview'
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12.8, 5.0))
        bars = _bars(explanation, patient_id, 8)
        left = figure.add_axes((0.13, 0.19, 0.245, 0.71))
        left.set_title("Cohorts the model had not seen", loc="left", x=-0.52, weight="bold", pad=12)
        _draw_forest(left, validation, legend_x=-0.52)
        right = figure.add_axes((0.70, 0.10, 0.25, 0.80))
        _draw_contributions(right, explanation, patient_id, bars, title_x=-0.80)
    return figure


def to_svg(figure: Figure, label: str) -> str:
    """Write a figure as SVG that can stand inside a page; the same figure gives the same text.

    Parameters
    ----------
    figure : Figure
        From this module.
    label : str
        What a reader who cannot see it is told.

    Returns
    -------
    str
        One ``<svg>`` element in the ink of the page.

    Examples
    --------
    >>> to_svg(Figure(), "nothing <yet>")[:59]
    '<svg role="img" aria-label="nothing &lt;yet&gt;" style="str'
    """
    # two figures of one page must not share the ids of their markers
    salt = sha256(f"{label} {figure.get_size_inches().tolist()}".encode()).hexdigest()
    sheet = io.StringIO()
    with mpl.rc_context({**STYLE, "svg.hashsalt": salt}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(sheet, format="svg", transparent=True, metadata=nothing)
    svg = sheet.getvalue()
    svg = svg[svg.index("<svg") :].strip()
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, count=1, flags=re.S)  # would rule the whole page
    svg = re.sub(rf'<g id="{TIP}([^"]*)">', r'<g data-tip="\1">', svg)
    svg = re.sub(r'<g id="[^"]*"(/?)>', r"<g\1>", svg)
    svg = svg.replace("xlink:href", "href").replace(' xmlns:xlink="http://www.w3.org/1999/xlink"', "", 1)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"font-family: [^;\"]*|(?<=px )'DejaVu Sans'[^;\"]*", _family, svg)
    head = f'<svg role="img" aria-label="{escape(label)}" style="stroke-linejoin: round; stroke-linecap: butt"'
    return svg.replace("<svg", head, 1).replace(INK, "currentColor")


def to_png(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG on a transparent ground.

    Parameters
    ----------
    figure : Figure
        From this module.
    path : str or Path
        Where.

    Examples
    --------
    >>> sheet = io.BytesIO()
    >>> to_png(Figure(figsize=(1, 1)), sheet)
    >>> sheet.getvalue()[1:4]
    b'PNG'
    """
    with mpl.rc_context(STYLE):
        figure.savefig(path, format="png", dpi=125, transparent=True, metadata={"Software": None})


def _family(match: re.Match[str]) -> str:
    return f"font-family: {_FONT}" if match[0].startswith("font-family") else _FONT


def _forest_rows(validation: Validation) -> list[tuple[str, str, Estimate, bool, dict[str, float]]]:
    """List label, small print, AUC, whether a claim may be made, and the baselines; the mean comes last."""
    rows = []
    for cohort, part in validation.table.groupby("cohort", sort=False):
        auc = part.set_index("model").auc.astype(float)
        for _, x in part[part.model == MODEL].iterrows():
            small = f"n {x.n:.0f}: {x.R:.0f} R, {x.NR:.0f} NR"
            rows.append((str(cohort), small, _estimate(x), x.note != "too few for a claim", auc.to_dict()))
    if not validation.mean.empty:
        auc = validation.mean.set_index("model").auc.astype(float)
        for _, x in validation.mean[validation.mean.model == MODEL].iterrows():
            rows.append(("random-effects mean", f"{x.cohorts:.0f} cohorts", _estimate(x), True, auc.to_dict()))
    return rows


def _estimate(row: pd.Series) -> Estimate:
    value, lower, upper = (float("nan") if row[k] is None else float(row[k]) for k in ("auc", "auc_lower", "auc_upper"))
    return Estimate(value, lower, upper, float("nan"))


def _draw_forest(ax: Any, validation: Validation, legend_x: float = -0.44) -> None:
    rows = _forest_rows(validation)
    last = len(rows) - (not validation.mean.empty)  # the row of the mean
    ends = [v for *_, e, _, b in rows for v in (e.lower, *(b.get(k, np.nan) for k in _BASELINES))]
    left = np.floor(10 * np.nanmin([*ends, 0.4])) / 10
    _frame(ax, len(rows), (left, 1.0), "AUC (0.5 is chance)")
    ax.axvline(0.5, color=INK, lw=1, ls=(0, (3, 3)))
    width = ax.get_position().width * ax.figure.get_figwidth() * 72
    radius = 3.6 * (1 - left) / width  # of the round marker, in AUC
    for y, (label, small, auc, firm, others) in enumerate(rows):
        _label(ax, y, label, small)
        _beside(ax, y, str(auc).replace("-", "–"))
        if y == last:
            ax.fill([auc.lower, auc.value, auc.upper, auc.value], [y, y - 0.24, y, y + 0.24], color=PALETTE[0], lw=0)
            ax.axhline(y - 0.5, color=INK, lw=0.6, alpha=0.5)
        elif not np.isnan(auc.value):
            for ends_at in ([auc.lower, auc.value - radius], [auc.value + radius, auc.upper]):
                ax.plot(ends_at, [y, y], color=PALETTE[0], lw=1.8 if firm else 1.1, solid_capstyle="butt")
            ax.plot(auc.value, y, "o", ms=7, color=PALETTE[0], mfc=PALETTE[0] if firm else "none", mew=1.4)
        for name, marker in _BASELINES.items():
            ax.plot(others.get(name, np.nan), y + 0.3, marker, ms=3.6, color=INK, mfc="none", mew=0.9)
    keys = [Line2D([], [], ls="", marker=m, ms=4, color=INK, mfc="none", label=k) for k, m in _BASELINES.items()]
    keys.insert(0, Line2D([], [], marker="o", ms=6, color=PALETTE[0], label="model, 95% interval"))
    if not all(firm for _, _, _, firm, _ in rows):
        few = f"fewer than {FEW}: no claim"
        keys.insert(1, Line2D([], [], ls="", marker="o", ms=6, color=PALETTE[0], mfc="none", label=few))
    below = -0.52 / (ax.get_position().height * ax.figure.get_figheight())
    ax.legend(
        handles=keys, loc="upper left", bbox_to_anchor=(legend_x, below), ncols=len(keys), frameon=False, fontsize=7.8,
        handletextpad=0.4, columnspacing=1.2, borderpad=0,
    )  # fmt: skip


def _bars(explanation: Explanation, patient_id: str, top: int) -> list[tuple[str, str, str, float, bool]]:
    """List label, small print, colour, points and firmness of each bar; what counted for nothing is in the last one."""
    printed = Printed.of(explanation, patient_id)
    if printed is None:
        return []
    colour, points = colours(explanation), explanation.points.loc[patient_id]
    known = points[explanation.values.loc[patient_id].notna() | (points != 0)]
    order = known.abs().sort_values(ascending=False, kind="stable").index
    shown = [f for f in order[:top] if abs(points[f]) > 1e-9]
    rest = [f for f in order if f not in shown]
    unclear = doubts(explanation, patient_id)
    bars = []
    for f in shown:
        doubt = [_SHORT.get(d, d) for d in unclear[f]][:1]
        small = ", ".join(_small(explanation, patient_id, f) + doubt)
        bars.append((readable(f), small, colour[block_of(f)], float(printed.features[f]), not doubt))
    if rest:
        plural = "s" if len(rest) > 1 else ""
        bars.append(
            (f"other {len(rest)} feature{plural}", "", INK, round(float(printed.features[rest].sum()), 1), True)
        )
    return bars


def _small(explanation: Explanation, patient_id: str, feature: str) -> list[str]:
    """Say the value, the median and what stood in."""
    value, median = float(explanation.values.loc[patient_id, feature]), float(explanation.median.get(feature, np.nan))
    if np.isnan(value):
        return ["not known"]
    unit, about = explanation.units.get(feature, ""), explanation.about.get(feature, "")
    parts = [measured(unit, value, about)]
    parts += [] if np.isnan(median) else [f"median {measured(unit, median, about).removesuffix(f' {unit}')}"]
    return parts + ([stand_in(feature)] if explanation.proxy.loc[patient_id, feature] else [])


def _draw_contributions(ax: Any, explanation: Explanation, patient_id: str, bars: list, title_x: float = -0.78) -> None:
    printed = Printed.of(explanation, patient_id)
    if printed is None:
        ax.set_axis_off()
        nothing = patient_id not in explanation.probability or np.isnan(explanation.probability[patient_id])
        withheld = "The explanation is withheld: it does not add up to the prediction."
        ax.text(0.0, 0.5, "There is no prediction to explain." if nothing else withheld, ha="center")
        return
    start, end = (100 * float(s[patient_id]) for s in (explanation.reference, explanation.probability))
    title = f"{start:.0f}% average → {end:.0f}% this patient"  # rounded once: 27.46 is 27, though 27.5 is printed below
    ax.set_title(title, loc="left", x=title_x, weight="bold", pad=12)
    stops = printed.reference + np.concatenate([[0.0], np.cumsum([b[3] for b in bars])])
    room = max(0.05 * np.ptp(stops), 0.5)
    _frame(ax, len(bars), (stops.min() - room, stops.max() + room), "probability of response, %")
    ax.axvline(printed.reference, color=INK, lw=1, ls=(0, (3, 3)))
    for y, (label, small, colour, points, firm) in enumerate(bars):
        _label(ax, y, label, small)
        tip = f"{TIP}{label}: {signed(points)} points{f'; {small}' if small else ''}"
        ax.barh(y, points, left=stops[y], height=0.56, color=colour, lw=0, alpha=1.0 if firm else 0.4, gid=tip)
        ax.plot([stops[y + 1]] * 2, [y - 0.28, y + 0.72 if y + 1 < len(bars) else y + 0.28], color=INK, lw=0.8)
        _beside(ax, y, signed(points))
    _beside(ax, -0.85, "points")
    blocks = dict.fromkeys(b[2] for b in bars if b[2] != INK)
    names = {c: b for b, c in colours(explanation).items()}
    keys = [Line2D([], [], ls="", marker="s", ms=6, color=c, label=names[c]) for c in blocks]
    if keys:
        ax.legend(
            handles=keys, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(keys), frameon=False, fontsize=7.8,
            handletextpad=0.2, columnspacing=1.0, borderpad=0.2,
        )  # fmt: skip


def _frame(ax: Any, rows: int, limits: tuple[float, float], label: str) -> None:
    ax.set(xlim=limits, ylim=(rows - 0.4, -0.6), yticks=[], xlabel=label)
    ax.patch.set_visible(False)
    ax.spines[["left", "right", "top"]].set_visible(False)
    ax.grid(axis="x", color=INK, alpha=0.18, lw=0.6)
    ax.set_axisbelow(True)


def _label(ax: Any, y: float, name: str, small: str) -> None:
    place = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right", "va": "center"}
    ax.annotate(name, (0, y), (-10, 5 if small else 0), weight="bold", fontsize=8.8, **place)
    ax.annotate(small, (0, y), (-10, -6), fontsize=7.6, **place)


def _beside(ax: Any, y: float, text: str) -> None:
    ax.text(1.03, y, text, transform=ax.get_yaxis_transform(), va="center", fontsize=8.5)
