"""A beeswarm of an explanation: one row per feature, one dot per patient, where it moved the probability to.

The colour of a dot is the place of the patient's value among the training patients; a value that is not known is a
hollow grey dot, so that it never passes for a low or a high one.
"""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theracast.errors import UsageError
from theracast.predict.explanation import Explanation
from theracast.predict.report.plots import INK, STYLE
from theracast.predict.report.printed import readable

#: From low to high: told apart by every kind of colour vision, and legible on white and on near-black.
LOW_TO_HIGH = LinearSegmentedColormap.from_list("low_to_high", ["#0072B2", "#A58DA8", "#E69F00"])
#: With more dots than this, they are drawn as one picture inside the figure.
MANY = 2000


def beeswarm_figure(explanation: Explanation, top: int = 12) -> Figure:
    """Draw what each feature did to every patient.

    Parameters
    ----------
    explanation : Explanation
        Of several patients; those whose explanation is withheld are not drawn.
    top : int, default 12
        Features drawn, the heaviest on average first.

    Returns
    -------
    Figure
        The same explanation gives the same picture. A sentence where nobody is explained.

    Raises
    ------
    UsageError
        When `top` is below 1.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
    >>> beeswarm_figure(e).axes[0].get_xlabel()
    'points: how far the value moved the probability of response, in percentage points'
    """
    if top < 1:
        raise UsageError("a beeswarm needs a feature", got=str(top), wanted="top of 1 or more")
    points = 100 * explanation.points[explanation.points.notna().all(axis=1)]
    weight = points.abs().mean().fillna(0.0)
    names = weight[weight > 0].sort_values(ascending=False, kind="stable").index[:top].tolist()
    with mpl.rc_context(STYLE):
        if not names:
            return empty_figure("Nobody is explained here, or nothing counted.")
        height = 0.40 * len(names) + 1.22
        figure = Figure(figsize=(7.2, height))
        ax = figure.add_axes((0.27, 0.80 / height, 0.63, 0.40 * len(names) / height))
        _draw(ax, explanation, points[names])
        left = len(weight[weight > 0]) - len(names)
        who = f"{len(points)} patient{'s' if len(points) != 1 else ''}"
        ax.set_title(f"{who}, a dot each", loc="left", x=-0.41, weight="bold", fontsize=9, pad=8)
        if left > 0:
            ax.set_title(f"{left} lighter feature{'s' if left > 1 else ''} not drawn", loc="right", fontsize=7.6, pad=8)
        colour_scale(figure, (0.925, 0.80 / height, 0.016, 0.40 * len(names) / height))
    return figure


def empty_figure(sentence: str) -> Figure:
    """Say why there is nothing to draw.

    Parameters
    ----------
    sentence : str
        What is said.

    Returns
    -------
    Figure
        As wide as the others.

    Examples
    --------
    >>> len(empty_figure("Nobody is here.").texts)
    1
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 0.7))
        figure.text(0.5, 0.5, sentence, ha="center", va="center")
    return figure


def places(explanation: Explanation, feature: str) -> pd.Series:
    """Say where each patient's value stands among the training patients, for its colour.

    Parameters
    ----------
    explanation : Explanation
        Of several patients.
    feature : str
        ``<block>__<feature>``.

    Returns
    -------
    Series of float
        In [0, 1]; no is 0 and yes is 1; NaN where the value is not known, or the reference does not hold the feature.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> e = SimpleNamespace(units={}, percentile=pd.DataFrame({"a__x": [25.0]}), values=pd.DataFrame({"a__x": [7.0]}))
    >>> places(e, "a__x").tolist()
    [0.25]
    """
    if explanation.units.get(feature) == "0/1":
        return explanation.values[feature].astype(float)
    return explanation.percentile[feature].astype(float) / 100


def swarm(x: np.ndarray, bin_width: float, step: float, most: float) -> np.ndarray:
    """Spread dots that share a place, alternately up and down; nothing is drawn by lot.

    Parameters
    ----------
    x : ndarray of float, shape (n,)
        Places.
    bin_width : float
        Dots within it share a place, in units of `x`.
    step : float
        From one dot to the next.
    most : float
        How far the farthest may stand; a larger swarm is drawn closer.

    Returns
    -------
    ndarray of float, shape (n,)
        Offsets in [-most, most].

    Examples
    --------
    >>> swarm(np.array([0.0, 0.0, 0.0, 5.0]), 1.0, 0.1, 1.0).tolist()
    [0.0, -0.1, 0.1, 0.0]
    """
    if not len(x):
        return np.zeros(0)
    bins = pd.Series(np.round(x / bin_width).astype(np.int64))
    k = bins.groupby(bins).cumcount().to_numpy()
    offset = (k + 1) // 2 * np.where(k % 2, -1.0, 1.0) * step
    far = np.abs(offset).max()
    return offset * min(1.0, most / far) if far > 0 else np.zeros(len(x))


def colour_scale(
    figure: Figure, place: tuple[float, float, float, float], label: str = "percentile of the value"
) -> None:
    """Draw what the colours stand for.

    Parameters
    ----------
    figure : Figure
        Gets an axes more.
    place : tuple of float
        Left, bottom, width and height, in parts of the figure.
    label : str, optional
        Beside the scale.

    Examples
    --------
    >>> figure = Figure()
    >>> colour_scale(figure, (0.9, 0.1, 0.02, 0.8))
    >>> len(figure.axes)
    1
    """
    ax = figure.add_axes(place)
    ax.imshow(np.linspace(1, 0, 128)[:, None], aspect="auto", cmap=LOW_TO_HIGH, extent=(0, 1, 0, 100))
    ax.set(xticks=[], yticks=[0, 50, 100])
    ax.yaxis.tick_right()
    ax.tick_params(labelsize=7.4, length=2, pad=1.5)
    ax.yaxis.set_label_position("right")
    ax.set_ylabel(label, fontsize=7.6, labelpad=1)
    ax.spines[:].set_visible(False)


def _draw(ax: Any, explanation: Explanation, points: pd.DataFrame) -> None:
    size = 12.0 if len(points) <= 300 else 7.0 if len(points) <= MANY else 3.0
    reach = points.to_numpy()
    room = max(0.04 * float(np.ptp(reach)), 0.05)
    low, high = min(float(reach.min()), 0.0) - room, max(float(reach.max()), 0.0) + room
    figure = ax.figure
    wide = ax.get_position().width * figure.get_figwidth() * 72
    tall = ax.get_position().height * figure.get_figheight() * 72 / points.shape[1]
    diameter = np.sqrt(size)
    ax.set(xlim=(low, high), ylim=(points.shape[1] - 0.5, -0.5), yticks=[])
    ax.set_xlabel("points: how far the value moved the probability of response, in percentage points", fontsize=8)
    ax.patch.set_visible(False)
    ax.spines[["left", "right", "top"]].set_visible(False)
    ax.tick_params(labelsize=8)
    ax.grid(axis="x", color=INK, alpha=0.18, lw=0.6)
    ax.set_axisbelow(True)
    ax.axvline(0, color=INK, lw=0.9)
    unknown = False
    for y, name in enumerate(points.columns):
        x = points[name].to_numpy()
        values = explanation.values.loc[points.index, name]
        known, place = values.notna().to_numpy(), places(explanation, name).reindex(points.index).to_numpy()
        drawn = known | (np.abs(x) > 1e-7)  # what is not known and moved nothing is no dot at 0
        offset = np.zeros(len(x))
        offset[drawn] = swarm(x[drawn], diameter * (high - low) / wide, 0.9 * diameter / tall, 0.42)
        seen = known & ~np.isnan(place)
        style = {"s": size, "rasterized": points.size > MANY}
        ax.scatter(x[seen], (y + offset)[seen], c=place[seen], cmap=LOW_TO_HIGH, vmin=0, vmax=1, lw=0, **style)
        alone = known & np.isnan(place)
        ax.scatter(x[alone], (y + offset)[alone], color=INK, lw=0, **style)
        grey = drawn & ~known
        unknown = unknown or bool(grey.any())
        ax.scatter(x[grey], (y + offset)[grey], facecolors="none", edgecolors=INK, lw=0.6, alpha=0.8, **style)
        beside = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "ha": "right", "va": "center"}
        ax.annotate(readable(name), (0, y), (-8, 4.5), weight="bold", fontsize=8.6, **beside)
        ax.annotate(f"{known.sum()} of {len(x)} known", (0, y), (-8, -5.5), fontsize=7.2, **beside)
    if unknown:
        key = Line2D([], [], ls="", marker="o", ms=4, mfc="none", mec=INK, label="not known: no evidence")
        ax.legend(
            handles=[key], loc="upper left", bbox_to_anchor=(-0.43, -0.34 / (tall * points.shape[1] / 72)),
            frameon=False, fontsize=7.6, handletextpad=0.2, borderpad=0,
        )  # fmt: skip
