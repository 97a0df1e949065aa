"""The pictures of experiments/ici.py, drawn from the tables that it wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from ici_tables import LADDER
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from theracast.models.validate import MODEL

#: Of Okabe and Ito's palette: told apart with every kind of colour vision, and by their marks.
BLUE, ORANGE, GREEN, BLACK, GREY = "#0072B2", "#D55E00", "#009E73", "#000000", "#767676"
BESIDE = {
    "PD-L1": (GREY, "x", "PD-L1"),
    "expanded_immune": (ORANGE, "^", "T-cell-inflamed signature (18 genes)"),
    "loris_pan": (BLACK, "s", "LORIS"),
}
SETS = {"all": "all cohorts", "A": "set A", "B": "set B", "melanoma": "melanoma", "clinical": "clinical cohorts"}


def draw_all(folder: Path, experiment: str = "pan_ici") -> None:
    """Draw every picture of one experiment into the folder."""
    read = {n: pd.read_csv(folder / f"{n}.csv") for n in ("cohorts", "means", "ladder", "reliability", "decisions")}
    mine = {n: t[t["experiment"] == experiment] for n, t in read.items()}
    pictures = {
        "forest": forest(mine["cohorts"], mine["means"], pd.read_csv(folder / "published.csv")),
        "ladder": steps(mine["ladder"]),
        "calibration": calibration_curves(mine["reliability"]),
        "decisions": decision_curves(mine["decisions"]),
    }
    for name, figure in pictures.items():
        figure.savefig(folder / f"{name}.png", dpi=110, metadata={"Software": None})


def forest(cohorts: pd.DataFrame, means: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """AUC of every cohort with its interval, what stands beside it, and the means below."""
    ours = cohorts[cohorts["model"] == MODEL].sort_values("n", ascending=False, kind="stable")
    ours = ours[ours["auc"].notna()]
    clinical = ours["cohort"].str.startswith("loris_")
    ours = pd.concat([ours[~clinical], ours[clinical]])
    averages = means[means["model"] == MODEL]
    rows = len(ours) + len(averages) + 1
    figure = Figure(figsize=(9, 0.27 * rows + 1.5), layout="constrained")
    axis = figure.subplots()
    names = []
    compass = published.set_index("cohort")["COMPASS PFT"]
    for at, row in enumerate(ours.itertuples()):
        names.append((at, f"{row.cohort}  {row.R}/{row.n}"))
        axis.plot([row.auc_lower, row.auc_upper], [at, at], color=BLUE, linewidth=1.6, zorder=2)
        axis.plot(row.auc, at, "o", color=BLUE, markersize=3 + np.sqrt(row.n) / 4, zorder=3)
        for model, (colour, mark, _) in BESIDE.items():
            there = cohorts[(cohorts["cohort"] == row.cohort) & (cohorts["model"] == model)]["auc"]
            axis.plot(there, [at] * len(there), mark, color=colour, markerfacecolor="none", markersize=6, zorder=4)
        if row.cohort in compass.index:
            axis.plot(compass[row.cohort], at, "D", color=GREEN, markerfacecolor="none", markersize=6, zorder=4)
    for at, row in enumerate(averages.itertuples(), len(ours) + 1):
        names.append((at, f"mean, {SETS[row.set]} ({row.cohorts})"))
        x, y = [row.auc_lower, row.auc, row.auc_upper, row.auc], [at, at - 0.3, at, at + 0.3]
        axis.fill(x, y, color=BLUE)
    axis.axvline(0.5, color=GREY, linewidth=1, zorder=0)
    axis.set_yticks(*zip(*names, strict=True))
    axis.set_ylim(rows - 0.4, -0.6)
    axis.set_xlim(0.1, 1.0)
    axis.set_xlabel("AUC of a cohort that the model never saw, with 95% interval   (responders/patients)")
    tidy(axis)
    marks = [
        (BLUE, "o", "theracast"),
        *BESIDE.values(),
        (GREEN, "D", "COMPASS PFT, as published (Van Allen: other labels)"),
    ]
    for colour, mark, label in marks:
        fill = colour if mark == "o" else "none"
        axis.plot([], [], mark, color=colour, markerfacecolor=fill, linestyle="none", label=label)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def steps(ladder: pd.DataFrame) -> Figure:
    """Mean AUC of each rung on each set, and the step from the rung below on the same patients."""
    sets = [s for s in SETS if s in set(ladder["set"]) and s != "all"]
    figure = Figure(figsize=(3.0 * len(sets) + 2.5, 6.6), layout="constrained")
    axes = figure.subplots(2, len(sets), sharey=True, sharex="row", squeeze=False)
    rungs = [r for r, _ in LADDER]
    for column, name in enumerate(sets):
        part = ladder[ladder["set"] == name].set_index("rung").reindex(rungs)
        for at, (rung, row) in enumerate(part.iterrows()):
            top, bottom = axes[:, column]
            mark = "D" if rung == rungs[-1] else "o"
            if rung != "prevalence":
                top.plot([row["auc_lower"], row["auc_upper"]], [at, at], color=BLUE, linewidth=1.6)
            top.plot(row["auc"], at, mark, color=BLUE)
            bottom.plot([row["step_lower"], row["step_upper"]], [at, at], color=ORANGE, linewidth=1.6)
            bottom.plot(row["step"], at, mark, color=ORANGE)
        top, bottom = axes[:, column]
        top.set_title(SETS[name], fontsize=10.5)
        top.axvline(0.5, color=GREY, linewidth=1, zorder=0)
        bottom.axvline(0.0, color=GREY, linewidth=1, zorder=0)
        top.set_xlabel("mean AUC")
        bottom.set_xlabel("step from the rung below")
        tidy(top), tidy(bottom)
    axes[0, 0].set_yticks(range(len(rungs)), rungs)
    axes[0, 0].set_ylim(len(rungs) - 0.5, -0.5)
    axes[0, 0].set_xlim(0.35, 0.85)
    axes[1, 0].set_xlim(-0.2, 0.2)
    axes[1, 0].set_xticks([-0.2, -0.1, 0.0, 0.1, 0.2])
    return figure


def calibration_curves(reliability: pd.DataFrame) -> Figure:
    """Response rate against prediction, in five groups of each large cohort."""
    parts = list(reliability.groupby("cohort", sort=False))
    figure, axes = panels(len(parts), sharex=True, sharey=True)
    for axis, (cohort, part) in zip(axes, parts, strict=False):
        axis.plot([0, 1], [0, 1], color=GREY, linewidth=1, zorder=0)
        axis.vlines(part["predicted"], part["rate_lower"], part["rate_upper"], color=BLUE, linewidth=1.4)
        axis.plot(part["predicted"], part["rate"], "o-", color=BLUE, markersize=5, linewidth=0.8)
        axis.set_title(f"{cohort}, n {part['n'].sum()}", fontsize=9)
        axis.set_xlim(0, 0.8)
        axis.set_ylim(0, 1)
        tidy(axis)
    figure.supxlabel("predicted probability of response: means of five equal groups", fontsize=10)
    figure.supylabel("response rate, with 95% interval", fontsize=10)
    return figure


def decision_curves(decisions: pd.DataFrame) -> Figure:
    """Net benefit of each large cohort at every threshold, beside treating everyone and no one."""
    parts = list(decisions.groupby("cohort", sort=False))
    figure, axes = panels(len(parts), sharex=True, sharey=False)
    for axis, (cohort, part) in zip(axes, parts, strict=False):
        x = part["threshold"]
        axis.fill_between(x, part["lower"], part["upper"], color=BLUE, alpha=0.2, linewidth=0)
        axis.plot(x, part["net_benefit"], color=BLUE, label="treat by theracast")
        axis.plot(x, part["treat_all"], color=ORANGE, linestyle="--", label="treat everyone")
        axis.axhline(0.0, color=BLACK, linewidth=1, linestyle=":", label="treat no one")
        top = max(part["upper"].max(), part["treat_all"].max())
        axis.set_ylim(-0.35 * top, 1.1 * top)
        axis.set_title(cohort, fontsize=9)
        tidy(axis)
    figure.supxlabel("treat from this probability up", fontsize=10)
    figure.supylabel("net benefit: responses per patient", fontsize=10)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False)
    return figure


def panels(count: int, sharex: bool, sharey: bool) -> tuple[Figure, list[Axes]]:
    """Make a grid of small pictures, the unused ones taken out."""
    wide = min(4, max(1, count))
    high = -(-max(1, count) // wide)
    figure = Figure(figsize=(2.7 * wide + 0.5, 2.5 * high + 0.8), layout="constrained")
    axes = list(figure.subplots(high, wide, sharex=sharex, sharey=sharey, squeeze=False).flat)
    for axis in axes[count:]:
        axis.remove()
    for axis in axes[max(0, count - wide) : count]:
        axis.tick_params(labelbottom=True)
    return figure, axes[:count]


def tidy(axis: Axes) -> None:
    """Take out what says nothing."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.tick_params(labelsize=8)
