"""Figures of the monitoring page: what was predicted against what came, and evidence as it gathers."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from theracast.predict.monitor import Monitoring
from theracast.predict.report.plots import INK, STYLE

#: Told apart by their dashes too; legible on white and on near-black.
_LOOKS = (("#2b86c5", "-"), ("#d5711e", "--"), ("#8a7ab8", ":"))


def calibration_figure(found: Monitoring) -> Figure:
    """Draw observed against predicted response rates, in groups of patients of like probability.

    Parameters
    ----------
    found : Monitoring
        From `theracast.predict.monitor.monitor`.

    Returns
    -------
    Figure
        A sentence where there are too few for a group.

    Examples
    --------
    >>> import pandas as pd
    >>> calibration_figure(Monitoring({}, (), pd.DataFrame(), pd.DataFrame())).axes[0].texts[0].get_text()
    'too few outcomes to draw'
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.2))
        axis = figure.add_axes((0.14, 0.13, 0.82, 0.82))
        _bare(axis)
        if not len(found.groups):
            axis.text(50, 50, "too few outcomes to draw", ha="center", va="center")
        else:
            g = 100 * found.groups[["predicted", "observed", "lower", "upper"]]
            axis.plot([0, 100], [0, 100], ":", color=INK, linewidth=1)
            axis.vlines(g["predicted"], g["lower"], g["upper"], color=_LOOKS[0][0], linewidth=2)
            axis.plot(g["predicted"], g["observed"], "o", color=_LOOKS[0][0], markersize=6)
        axis.set_xlim(0, 100)
        axis.set_ylim(0, 100)
        axis.set_aspect("equal")
        axis.set_xlabel("predicted, %")
        axis.set_ylabel("responded, % (95% interval)")
    return figure


def evidence_figure(found: Monitoring) -> Figure:
    """Draw the evidence against each promise as outcomes came, and where it becomes an alarm.

    Parameters
    ----------
    found : Monitoring
        From `theracast.predict.monitor.monitor`.

    Returns
    -------
    Figure
        On a scale of factors of ten.

    Examples
    --------
    >>> import pandas as pd
    >>> evidence_figure(Monitoring({}, (), pd.DataFrame(), pd.DataFrame())).axes[0].texts[0].get_text()
    'no outcomes yet'
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 4.2))
        axis = figure.add_axes((0.17, 0.13, 0.80, 0.82))
        _bare(axis)
        drawn = [(p, k) for k, p in enumerate(found.promises) if p.path]
        if not drawn:
            axis.text(0.5, 0.5, "no outcomes yet", ha="center", va="center")
            return figure
        for promise, k in drawn:
            outcomes, evidence = np.array(promise.path).T
            colour, dash = _LOOKS[k % len(_LOOKS)]
            axis.plot(outcomes, evidence / np.log(10), dash, color=colour, linewidth=2, label=promise.name)
        limit = drawn[0][0].threshold / np.log(10)
        axis.axhline(limit, color=INK, linewidth=1)
        axis.text(axis.get_xlim()[1], limit, "alarm ", ha="right", va="bottom")
        axis.axhline(0, color=INK, linewidth=0.6, linestyle=":")
        # that a promise holds is told by a line below, however far
        axis.set_ylim(max(-2.2, min(-1.2, axis.get_ylim()[0])), max(2.5, axis.get_ylim()[1]))
        axis.yaxis.set_major_locator(mpl.ticker.MaxNLocator(6, integer=True))
        axis.yaxis.set_major_formatter(mpl.ticker.FuncFormatter(_factor))
        axis.set_xlabel("outcomes")
        axis.set_ylabel("evidence against the promise")
        axis.legend(frameon=False, loc="upper left", fontsize=8)
    return figure


def _factor(power: float, _: Any) -> str:
    """Write a power of ten as a factor."""
    if power > 6:
        return f"10^{power:.0f}"
    return f"×{10**power:,.0f}" if power >= 0 else f"1/{10**-power:,.0f}"


def _bare(axis: Any) -> None:
    axis.spines[["top", "right"]].set_visible(False)
