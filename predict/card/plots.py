"""Figures of a card: calibration slopes and decision curves, cohort by cohort."""

from __future__ import annotations

import math

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from theracast.predict.report.plots import INK, STYLE

_BLUE = "#0072b2"
#: A slope's interval is drawn no further than this; an arrow says that it goes on.
_ENDS = (-1.0, 4.0)
_ACROSS = 3


def slopes(table: pd.DataFrame) -> Figure:
    """Draw the calibration slope of every cohort.

    Parameters
    ----------
    table : DataFrame
        ``cohort`` and ``calibration_slope`` with ``_lower`` and ``_upper``.

    Returns
    -------
    Figure
        The line at 1 is right.

    Examples
    --------
    >>> one = {"cohort": "a", "calibration_slope": 0.8, "calibration_slope_lower": 0.1, "calibration_slope_upper": 9.0}
    >>> len(slopes(pd.DataFrame([one])).axes)
    1
    """
    rows = table.to_dict("records")
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 0.36 * len(rows) + 0.95))
        height = figure.get_figheight()
        axes = figure.add_axes((0.24, 0.6 / height, 0.53, 1 - 0.7 / height))
        axes.set_xlim(*_ENDS)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.axvline(1.0, color=INK, linewidth=1, linestyle=(0, (3, 3)))
        for at, row in enumerate(rows):
            value, lower, upper = (
                float(row.get(f"calibration_slope{e}") or math.nan) for e in ("", "_lower", "_upper")
            )
            if math.isnan(value):
                axes.text(1.06, at, "not estimable", va="center", transform=axes.get_yaxis_transform())
                continue
            axes.plot(
                [max(lower, _ENDS[0]), min(upper, _ENDS[1])], [at, at], color=_BLUE, linewidth=2, solid_capstyle="butt"
            )
            for end, mark, beyond in ((_ENDS[0], "<", lower < _ENDS[0]), (_ENDS[1], ">", upper > _ENDS[1])):
                if beyond:
                    axes.plot([end], [at], mark, color=_BLUE, markersize=6, clip_on=False)
            if _ENDS[0] <= value <= _ENDS[1]:
                axes.plot([value], [at], "o", color=_BLUE, markersize=6)
            said = f"{value:.2f} ({lower:.2f} to {upper:.2f})".replace("-", "−")
            axes.text(1.06, at, said, va="center", transform=axes.get_yaxis_transform())
        axes.set_yticks(range(len(rows)), [str(r["cohort"]) for r in rows])
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("calibration slope; the dashed line, 1, is right")
        _bare(axes, ("top", "right", "left"))
    return figure


def decision_curves(table: pd.DataFrame) -> Figure:
    """Draw the net benefit of every cohort against the threshold.

    Parameters
    ----------
    table : DataFrame
        ``cohort``, ``threshold``, ``net_benefit`` with ``lower`` and ``upper``, ``treat_all``; ``state`` may be there.

    Returns
    -------
    Figure
        Small multiples: the model with its interval, treating all (dashed), treating no one (the line at 0).

    Examples
    --------
    >>> rows = [{"cohort": "a", "threshold": t, "net_benefit": 0.1, "lower": 0.0, "upper": 0.2, "treat_all": 0.05}
    ...         for t in (0.1, 0.2)]
    >>> decision_curves(pd.DataFrame(rows)).axes[0].get_title(loc="left")
    'a'
    """
    parts = list(table.groupby("cohort", sort=False))
    across = min(_ACROSS, len(parts))
    down = math.ceil(len(parts) / across)
    top = max(float(table["upper"].max()), 0.1) * 1.05
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 1.75 * down + 0.55))
        height = figure.get_figheight()
        for at, (cohort, part) in enumerate(parts):
            column, row = at % across, at // across
            left, width = 0.08 + column * 0.92 / across, 0.92 / across - 0.055
            axes = figure.add_axes((left, (0.75 + (down - 1 - row) * 1.75) / height, width, 1.2 / height))
            _curve(axes, part, top)
            few = str(part["state"].iloc[0] or "") if "state" in part else ""
            axes.set_title(f"{cohort}" + (f" ({few})" if few else ""), loc="left", fontsize=8.5)
            if row == down - 1 or at + across >= len(parts):
                axes.set_xlabel("treat from a probability of", fontsize=8)
            if column:
                axes.set_yticklabels([])
        figure.text(
            0.01,
            0.12 / height,
            "blue: the model, with 95% interval; dashed: treating all; line at 0: treating no one",
            fontsize=8.5,
        )
    return figure


def _curve(axes: mpl.axes.Axes, part: pd.DataFrame, top: float) -> None:
    axes.axhline(0.0, color=INK, linewidth=1)
    axes.fill_between(part["threshold"], part["lower"], part["upper"], color=_BLUE, alpha=0.25, linewidth=0)
    axes.plot(part["threshold"], part["treat_all"], color=INK, linewidth=1.2, linestyle=(0, (4, 2)))
    axes.plot(part["threshold"], part["net_benefit"], color=_BLUE, linewidth=1.8)
    axes.set_ylim(-0.12, top)
    ticks = [
        t
        for t in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
        if part["threshold"].min() - 1e-9 <= t <= part["threshold"].max() + 1e-9
    ]
    axes.set_xticks(ticks, [f"{100 * t:.0f}%" for t in ticks], fontsize=8)
    axes.tick_params(axis="y", labelsize=8)
    _bare(axes, ("top", "right"))


def _bare(axes: mpl.axes.Axes, sides: tuple[str, ...]) -> None:
    for side in sides:
        axes.spines[side].set_visible(False)
