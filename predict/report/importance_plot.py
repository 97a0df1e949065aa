"""What counts, on average: a bar over all patients, a mark per cohort, and whether the cohorts agree."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from theracast.predict.explanation import Explanation
from theracast.predict.importance import ALL, FEW, NOT_MEASURED, TOO_FEW, Stability, importance, stability
from theracast.predict.report.beeswarm_plot import empty_figure
from theracast.predict.report.plots import INK, STYLE
from theracast.predict.report.printed import PALETTE, readable

_MARKERS = ("o", "s", "^", "D", "v", "P")


def importance_figure(explanation: Explanation, level: str = "block", top: int = 12) -> Figure:
    """Draw how far each block, pathway or feature moves the probability, in each cohort and over all.

    Parameters
    ----------
    explanation : Explanation
        Of several patients.
    level : {"block", "pathway", "feature"}, default "block"
        What is drawn.
    top : int, default 12
        How many are drawn, the heaviest over all first.

    Returns
    -------
    Figure
        What is important in one cohort alone is said beside it.

    Raises
    ------
    UsageError
        When there is no such level.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> from theracast.predict.explain import explain
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
    >>> importance_figure(e).axes[0].get_xlabel()
    'mean absolute points (percentage points of probability)'
    """
    agreed = stability(explanation, level)
    rows = importance(explanation)
    rows = rows[(rows.level == level) & (rows.points > 0)]
    names = rows[rows.cohort == ALL].name.tolist()
    wide = 100 * rows.pivot_table("points", "name", "cohort", dropna=False).reindex(names[:top])
    sizes = rows.drop_duplicates("cohort").set_index("cohort").n
    with mpl.rc_context(STYLE):
        if wide.empty:
            return empty_figure(f"Nobody is explained here, or no {level} counted.")
        height = 0.40 * len(wide) + 1.40
        figure = Figure(figsize=(7.2, height))
        ax = figure.add_axes((0.27, 0.92 / height, 0.55, 0.40 * len(wide) / height))
        cohorts = [str(c) for c in sizes.index if c != ALL]
        _draw(ax, wide[[ALL, *cohorts]], agreed, level)
        _key(ax, cohorts, sizes.to_dict(), len(wide))
        ax.set_title(_agreement(agreed), loc="left", x=-0.47, weight="bold", fontsize=9, pad=8)
    return figure


def _draw(ax: Any, wide: Any, agreed: Stability, level: str) -> None:
    ax.set(xlim=(0, 1.06 * float(np.nanmax(wide.to_numpy()))), ylim=(len(wide) - 0.5, -0.5), yticks=[])
    ax.set_xlabel("mean absolute points (percentage points of probability)", fontsize=8)
    ax.patch.set_visible(False)
    ax.spines[["right", "top"]].set_visible(False)
    ax.grid(axis="x", color=INK, alpha=0.18, lw=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(labelsize=8)
    ax.barh(np.arange(len(wide)), wide[ALL], height=0.62, color=INK, alpha=0.28, lw=0)
    for k, cohort in enumerate(_own(wide)):
        y = np.arange(len(wide)) + np.linspace(-0.2, 0.2, max(len(_own(wide)), 2))[k]
        ax.plot(wide[cohort], y, ls="", marker=_MARKERS[k], ms=4.6, color=PALETTE[k], mew=0)
    for y, name in enumerate(wide.index):
        label = readable(name) if level != "pathway" else str(name)
        beside = {"xycoords": ("axes fraction", "data"), "textcoords": "offset points", "va": "center"}
        ax.annotate(label, (0, y), (-8, 0), weight="bold", fontsize=8.6, ha="right", **beside)
        mark = agreed.marks.get(str(name), "")
        said = mark if mark in ("", TOO_FEW) else "" if mark == NOT_MEASURED else f"important only\nin {mark}"
        ax.annotate(said, (1, y), (8, 0), fontsize=7.4, ha="left", linespacing=1.05, **beside)


def _own(wide: Any) -> list[str]:
    return [c for c in wide if c != ALL][: len(PALETTE)]


def _key(ax: Any, cohorts: list[str], sizes: dict[str, int], rows: int) -> None:
    keys: list[Any] = [Patch(color=INK, alpha=0.28, lw=0, label=f"{ALL} ({sizes[ALL]})")]
    for k, cohort in enumerate(cohorts[: len(PALETTE)]):
        few = ", few" if sizes[cohort] < FEW else ""
        label = f"{cohort} ({sizes[cohort]}{few})"
        keys.append(Line2D([], [], ls="", marker=_MARKERS[k], ms=5, color=PALETTE[k], mew=0, label=label))
    if len(cohorts) > len(PALETTE):
        keys.append(Line2D([], [], ls="", label=f"{len(cohorts) - len(PALETTE)} more not drawn"))
    ax.legend(
        handles=keys, loc="upper left", bbox_to_anchor=(-0.47, -0.42 / (0.40 * rows)), ncols=4, frameon=False,
        fontsize=7.6, handletextpad=0.3, columnspacing=1.1, borderpad=0,
    )  # fmt: skip


def _agreement(agreed: Stability) -> str:
    if np.isnan(agreed.tau):
        return f"Whether cohorts agree on the order: {agreed.note.replace(':', ',', 1)}"
    tau = f"{agreed.tau:.2f}".replace("-", "−")
    return f"Agreement of {agreed.cohorts} cohorts on the order: tau {tau} (1 the same, 0 as by chance)"
