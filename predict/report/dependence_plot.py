"""What a feature did to the probability, against its value: one dot per patient, one colour and shape per study."""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from theracast.errors import UsageError
from theracast.features.feature_names import bare_name
from theracast.predict.explanation import Explanation
from theracast.predict.report.beeswarm_plot import LOW_TO_HIGH, MANY, colour_scale, empty_figure, places
from theracast.predict.report.plots import INK, STYLE
from theracast.predict.report.printed import PALETTE, measured, number, readable

_MARKERS = ("o", "s", "^", "D", "v", "P")
#: Values of a scale this skewed (greatest over median) are drawn on a logarithmic axis.
_SKEWED = 20.0


def dependence_figure(explanation: Explanation, feature: str, by: str | None = None) -> Figure:
    """Draw a feature's points against its value.

    Parameters
    ----------
    explanation : Explanation
        Of several patients.
    feature : str
        ``<block>__<feature>``, or its name alone where that is of one block.
    by : str, optional
        Another feature, whose percentile colours the dots; by default the study does.

    Returns
    -------
    Figure
        Value in native units, with the median of the training patients. Patients of whom the value is not known stand
        apart on the left, where the model gave them points.

    Raises
    ------
    UsageError
        When there is no such feature.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
    >>> dependence_figure(e, "tmb").axes[0].get_xlabel()
    'TMB, mut/Mb'
    """
    name = feature_named(explanation, feature)
    other = feature_named(explanation, by) if by is not None else None
    explained = explanation.points.notna().all(axis=1)
    points = 100 * explanation.points.loc[explained, name]
    values = explanation.values.loc[explained, name].astype(float)
    known = values.notna()
    if not known.any():
        return empty_figure(f"{readable(name)} is not known of anyone who is explained.")
    strip = bool((points[~known].abs() > 1e-7).any())
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.3))
        left = 0.20 if strip else 0.105
        ax = figure.add_axes((left, 0.235, (0.895 if other else 0.975) - left, 0.675))
        if strip:
            _draw_unknown(figure, ax, points[~known])
        _draw(ax, explanation, name, points[known], values[known], other)
        if other:
            colour_scale(figure, (0.925, 0.235, 0.016, 0.675), f"{readable(other)}, percentile")
    return figure


def feature_named(explanation: Explanation, feature: str) -> str:
    """Find a feature by its full name, or by its own where that is of one block.

    Parameters
    ----------
    explanation : Explanation
        Its features.
    feature : str
        As typed.

    Returns
    -------
    str
        ``<block>__<feature>``.

    Raises
    ------
    UsageError
        None has that name, or several have.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> feature_named(SimpleNamespace(points=pd.DataFrame(columns=["clinical__age"])), "age")
    'clinical__age'
    """
    names = explanation.points.columns.tolist()
    if feature in names:
        return feature
    found = [n for n in names if bare_name(n) == feature]
    if len(found) == 1:
        return str(found[0])
    near = found or get_close_matches(feature, [*names, *(bare_name(n) for n in names)], 3)
    raise UsageError(
        "several features have that name" if found else "no such feature in the explanation",
        got=repr(feature),
        wanted=", ".join(near) if near else f"one of {len(names)}: explanation.points.columns",
    )


def _draw(
    ax: Any, explanation: Explanation, name: str, points: pd.Series, values: pd.Series, other: str | None
) -> None:
    unit, about = explanation.units.get(name, ""), explanation.about.get(name, "")
    levels = sorted(values.unique())
    coded = unit == "0/1" or (len(levels) <= 6 and all(float(v).is_integer() for v in levels))
    turn = (np.arange(len(values)) * 0.6180339887) % 1 - 0.5  # spread evenly, the same each time
    x = values.to_numpy() + (0.5 * turn if coded else 0.0)
    label = "" if unit == "0/1" or coded else f", {unit}" if unit else ""
    ax.set(xlabel=f"{readable(name)}{label}", ylabel="points (percentage points of probability)")
    if coded:
        ax.set_xticks(levels, [measured(unit, v, about) for v in levels])
        ax.set_xlim(levels[0] - 0.6, levels[-1] + 0.6)
    elif values.min() >= 0 and values.max() > _SKEWED * max(values.median(), 1e-12):
        zero = {"linthresh": values[values > 0].min()} if values.min() == 0 else {}
        ax.set_xscale("symlog" if zero else "log", **zero)
        ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: number(v)))
    size = 20.0 if len(points) <= 300 else 10.0 if len(points) <= MANY else 4.0
    style = {"s": size, "lw": 0, "alpha": 0.85, "rasterized": len(points) > MANY}
    if other:
        place = places(explanation, other).reindex(points.index).to_numpy()
        seen = ~np.isnan(place)
        ax.scatter(x[seen], points[seen], c=place[seen], cmap=LOW_TO_HIGH, vmin=0, vmax=1, **style)
        ax.scatter(x[~seen], points[~seen], facecolors="none", edgecolors=INK, **{**style, "lw": 0.7})
        keys = [_key("o", "none", f"{readable(other)} not known", INK)] if not seen.all() else []
    else:
        keys = _draw_studies(ax, explanation, x, points, style)
    median = float(explanation.median.get(name, np.nan))
    ax.axhline(0, color=INK, lw=0.9)
    if not np.isnan(median):
        ax.axvline(median, color=INK, lw=1, ls=(0, (3, 3)))
        said = f"reference median {measured(unit, median, about)}"
        keys.append(Line2D([], [], color=INK, lw=1, ls=(0, (3, 3)), label=said))
    _finish(ax, explanation.directions.get(name, 0), keys, len(points))


def _draw_studies(ax: Any, explanation: Explanation, x: np.ndarray, points: pd.Series, style: dict) -> list[Line2D]:
    """Draw the largest studies in colours of their own, and the others in grey."""
    studies = explanation.studies.reindex(points.index).fillna("").replace("", "patients").astype(object)
    sizes = studies.value_counts(sort=False).sort_values(ascending=False, kind="stable")
    own = sizes.index[: len(PALETTE)] if len(sizes) <= len(PALETTE) else sizes.index[: len(PALETTE) - 1]
    keys = []
    for k, study in enumerate(own):
        mine = (studies == study).to_numpy()
        ax.scatter(x[mine], points[mine], color=PALETTE[k], marker=_MARKERS[k], **style)
        keys.append(_key(_MARKERS[k], PALETTE[k], f"{study} ({mine.sum()})", PALETTE[k]))
    others = ~studies.isin(own).to_numpy()
    if others.any():
        ax.scatter(x[others], points[others], color=INK, marker="x", **{**style, "lw": 0.8})
        keys.append(_key("x", INK, f"{len(sizes) - len(own)} other studies ({others.sum()})", INK))
    return keys


def _draw_unknown(figure: Figure, beside: Any, points: pd.Series) -> None:
    place = beside.get_position()
    ax = figure.add_axes((0.105, place.y0, 0.075, place.height), sharey=beside)
    turn = (np.arange(len(points)) * 0.6180339887) % 1 - 0.5
    ax.scatter(0.7 * turn, points, s=14, facecolors="none", edgecolors=INK, lw=0.6, rasterized=len(points) > MANY)
    ax.set(xlim=(-0.5, 0.5), xticks=[0], xticklabels=[f"not known\n({len(points)})"])
    ax.set_ylabel("points (percentage points of probability)", fontsize=8)
    ax.tick_params(labelsize=7.6, length=0, axis="x")
    ax.tick_params(labelsize=8, axis="y")
    ax.axhline(0, color=INK, lw=0.9)
    ax.patch.set_visible(False)
    ax.spines[["right", "top"]].set_visible(False)
    beside.tick_params(labelleft=False)


def _finish(ax: Any, direction: int, keys: list[Line2D], n: int) -> None:
    unknown = len(ax.figure.axes) > 1
    ax.set_ylabel("" if unknown else ax.get_ylabel(), fontsize=8)
    ax.xaxis.label.set_fontsize(8.6)
    ax.tick_params(labelsize=8)
    ax.patch.set_visible(False)
    ax.spines[["right", "top"]].set_visible(False)
    ax.grid(axis="y", color=INK, alpha=0.18, lw=0.6)
    ax.set_axisbelow(True)
    ax.set_title(f"{n} patient{'s' if n != 1 else ''}, a dot each", loc="left", weight="bold", fontsize=9, pad=8)
    if direction:
        expected = f"expected: higher speaks {'for' if direction > 0 else 'against'} response"
        ax.set_title(expected, loc="right", fontsize=8, pad=8)
    ax.legend(
        handles=keys, loc="upper left", bbox_to_anchor=(0, -0.155), ncols=3, frameon=False, fontsize=7.8,
        handletextpad=0.3, columnspacing=1.2, borderpad=0,
    )  # fmt: skip


def _key(marker: str, face: str, label: str, edge: str) -> Line2D:
    return Line2D([], [], ls="", marker=marker, ms=5, mfc=face, mec=edge, mew=0.8, label=label)
