"""The figure that only a card has: calibration slopes, cohort by cohort."""

from __future__ import annotations

import math

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from theracast.predict.report.plots import INK, STYLE

_BLUE = "#0072b2"
#: A slope's interval is drawn no further than this; an arrow says that it goes on.
_ENDS = (-1.0, 4.0)


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


def _bare(axes: mpl.axes.Axes, sides: tuple[str, ...]) -> None:
    for side in sides:
        axes.spines[side].set_visible(False)
