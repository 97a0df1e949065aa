"""Decision curves: what treating by the model brings on each cohort, beside treating everyone and no one."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from theracast.models.decision_curve import MEAN_OF_COHORTS
from theracast.models.validate import MODEL, Validation
from theracast.predict.report.beeswarm_plot import empty_figure
from theracast.predict.report.plots import INK, STYLE
from theracast.predict.report.printed import PALETTE

#: Panels side by side.
_WIDE = 4


def decision_curves(validation: Validation) -> Figure:
    """Draw the net benefit at every threshold, cohort by cohort.

    Parameters
    ----------
    validation : Validation
        With `net_benefit`, as `theracast.models.decision_curve.decision_table` gives it.

    Returns
    -------
    Figure
        A panel per cohort and one of their mean: net benefit in responses per 100 patients with its 95% band, and the
        lines of treating everyone and no one. A cohort that is too small to tell is pale and says so. A sentence
        where nothing was kept.

    Examples
    --------
    >>> from theracast.models.decision_curve import decision_table
    >>> p = pd.DataFrame({"cohort": "a", "y": [0, 1] * 10, "theracast": [0.2, 0.8] * 10})
    >>> len(decision_curves(Validation(p, p, p, net_benefit=decision_table(p, "theracast"))).axes)
    1
    """
    held = validation.net_benefit
    with mpl.rc_context(STYLE):
        if held.empty:
            return empty_figure("No net benefit was kept with this model.")
        parts = list(held.groupby("cohort", sort=False))
        wide = min(_WIDE, len(parts))
        high = -(-len(parts) // wide)
        height = 1.75 * high + 1.0
        figure = Figure(figsize=(7.2, height))
        grid = {"left": 0.09, "right": 0.99, "bottom": 0.50 / height, "top": 1 - 0.66 / height}
        axes = figure.subplots(
            high, wide, sharex=True, squeeze=False, gridspec_kw=grid | {"hspace": 0.30, "wspace": 0.30}
        ).flat
        for k, ax in enumerate(axes):
            if k >= len(parts):
                ax.remove()
                continue
            _panel(ax, *parts[k])
            ax.tick_params(labelbottom=k + wide >= len(parts))
        figure.supxlabel("treat from this probability up, %", fontsize=8.4, y=0.06 / height)
        figure.supylabel("responses per 100 patients, net", fontsize=8.4, x=0.005)
        _key(figure, height)
    return figure


def _panel(ax: Any, cohort: str, part: pd.DataFrame) -> None:
    few = part["state"].iloc[0] != ""
    x = 100 * part["threshold"]
    ax.fill_between(x, 100 * part["lower"], 100 * part["upper"], color=PALETTE[0], alpha=0.10 if few else 0.22, lw=0)
    ax.plot(x, 100 * part["treat_all"], color=PALETTE[1], lw=1.1, ls="--")
    ax.axhline(0, color=INK, lw=1, ls=":")
    ax.plot(x, 100 * part["net_benefit"], color=PALETTE[0], lw=1.0 if few else 1.7, alpha=0.6 if few else 1.0)
    top = 100 * max(part["upper"].max(), part["treat_all"].max(), 0.01)
    ax.set(ylim=(-0.45 * top, 1.1 * top), xlim=(float(x.min()), float(x.max())))
    ax.set_title(cohort, fontsize=7.8, weight="bold" if cohort == MEAN_OF_COHORTS else "normal", pad=3)
    if few:
        ax.text(0.97, 0.90, part["state"].iloc[0], transform=ax.transAxes, ha="right", va="top", fontsize=7)
    ax.patch.set_visible(False)
    ax.spines[["right", "top"]].set_visible(False)
    ax.tick_params(labelsize=7)


def _key(figure: Figure, height: float) -> None:
    keys = [
        Line2D([], [], color=PALETTE[0], lw=1.7, label=f"treat by {MODEL}, 95% band"),
        Line2D([], [], color=PALETTE[1], lw=1.1, ls="--", label="treat everyone"),
        Line2D([], [], color=INK, lw=1, ls=":", label="treat no one"),
    ]
    figure.legend(
        handles=keys, loc="upper left", bbox_to_anchor=(0.08, 1 - 0.05 / height), ncols=3, frameon=False, fontsize=7.8,
        borderpad=0,
    )  # fmt: skip
