"""Picture and page of experiments/next_test.py, from the tables that it wrote."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure
from next_test_policies import ADAPTIVE, ANY, FIRST, FIXED, RANDOM

#: Of Okabe and Ito's palette: told apart with every kind of colour vision, and by their marks and lines.
LOOKS = {
    ADAPTIVE: ("#0072B2", "o", "-"),
    FIXED: ("#D55E00", "s", "-"),
    RANDOM: ("#000000", "^", "-"),
    FIRST: ("#D55E00", "s", ":"),
    ANY: ("#000000", "^", ":"),
}


def draw(curve: pd.DataFrame, level: float) -> Figure:
    """Draw how many are as with all tests against the share of tests used, a panel for each recipe and cohort."""
    panels = list(curve.groupby(["recipe", "cohort"], sort=False))
    columns = 4
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(13, 2.9 * rows + 0.8), layout="constrained")
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis, ((recipe, cohort), part) in zip(axes, panels, strict=False):
        for policy, (colour, mark, line) in LOOKS.items():
            mine = part[part["policy"] == policy].sort_values(["used", "alike"])
            axis.plot(mine["used"], mine["alike"], line, marker=mark, markersize=4, color=colour, label=policy)
        axis.axhline(level, color="#999999", linewidth=0.8)
        axis.set_title(f"{cohort} (n = {part['n'].iloc[0]})\n{recipe}", fontsize=9)
        axis.set_xlim(-0.03, 1.03)
        axis.grid(alpha=0.2)
    for axis in axes[: len(panels)]:
        axis.tick_params(labelsize=8, labelbottom=True)
    figure.supxlabel("share of the tests done")
    figure.supylabel("share of patients whose decision and call are as with all tests")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(LOOKS), frameon=False)
    return figure
