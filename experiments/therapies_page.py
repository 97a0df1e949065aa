"""Picture and page of experiments/therapies_simulated.py, from the tables that it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

from theracast.predict.tables import markdown

HERE = Path(__file__).parent
#: Of Okabe and Ito's palette: told apart with every kind of colour vision, and by marks and dashes.
LOOKS = {
    "oracle": ("#000000", "^", "--"),
    "selector, t": ("#0072B2", "o", "-"),
    "selector, x": ("#E69F00", "s", "-"),
    "selector, dr": ("#009E73", "D", "-"),
    "best single therapy": ("#CC79A7", "v", ":"),
    "standard of care": ("#D55E00", "X", ":"),
    "at random": ("#767676", "P", ":"),
}


def draw(summary: pd.DataFrame, settings: dict[str, Any]) -> Figure:
    """Draw the quality of the choice as n and confounding grow, and what the selector says of itself."""
    grid, mild = summary[summary["scenario"] == "grid"], settings["mild"]
    figure = Figure(figsize=(11, 8.6), layout="constrained")
    axes = figure.subplots(2, 3)
    by_n = grid[grid["confounding"] == mild["confounding"]]
    by_confounding = grid[grid["n"] == mild["n"]]
    for row, what, title in (
        (0, "response", "responding, true rate"),
        (1, "near", "on a therapy within .05 of the best"),
    ):
        lines(axes[row, 0], by_n, "n", what, LOOKS)
        lines(axes[row, 1], by_confounding, "confounding", what, LOOKS)
        for axis, at in ((axes[row, 0], f"confounding {mild['confounding']}"), (axes[row, 1], f"n = {mild['n']:,}")):
            axis.set_title(f"{title}\n({at})", fontsize=10)
            asked(axis, 0.85)
    mine = {m: look for m, look in LOOKS.items() if m.startswith("selector")}
    lines(axes[0, 2], by_confounding, "confounding", "not_comparable", mine)
    axes[0, 2].set_title(f"patient and therapy not comparable\n(n = {mild['n']:,})", fontsize=10)
    lines(axes[1, 2], by_confounding, "confounding", "coverage", mine)
    axes[1, 2].set_title(f"true probability within the 90% interval\n(n = {mild['n']:,})", fontsize=10)
    asked(axes[1, 2], 0.9)
    for axis in axes.flat:
        axis.set_ylim(0, 1)
        axis.yaxis.set_major_formatter(PercentFormatter(1.0))
        axis.spines[["top", "right"]].set_visible(False)
    for axis in axes[:, 0]:
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(FixedLocator(sorted(by_n["n"].unique())))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter("{x:g}")
        axis.set_xlabel("simulated training patients")
    for axis in axes[:, 1:].flat:
        axis.set_xticks(sorted(by_confounding["confounding"].unique()))
        axis.set_xlabel("confounding by indication (0: randomised)")
    figure.suptitle(
        "Simulated treatments and responses on real covariates: mean, least and greatest of "
        f"{settings['seeds']} planted truths"
    )
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    return figure


def asked(axis: Axes, share: float) -> None:
    """Draw what is asked for."""
    axis.axhline(share, color="#767676", linewidth=0.8, zorder=0)
    axis.annotate(f"asked {share:.0%}", (0.01, share - 0.012), xycoords=("axes fraction", "data"), va="top", fontsize=8)


def lines(axis: Axes, table: pd.DataFrame, along: str, what: str, looks: dict[str, tuple[str, str, str]]) -> None:
    """Draw one line per method, with a bar from the least to the greatest seed."""
    there = [m for m in looks if (table["method"] == m).any()]
    for i, method in enumerate(there):
        colour, mark, dash = looks[method]
        mine = table[table["method"] == method].sort_values(along)
        off = i - (len(there) - 1) / 2
        x = mine[along] * 1.025**off if along == "n" else mine[along] + 0.05 * off
        ends = np.abs(mine[[f"{what}_least", f"{what}_most"]].to_numpy().T - mine[what].to_numpy())
        axis.errorbar(x, mine[what], ends, color=colour, marker=mark, linestyle=dash, markersize=5, elinewidth=0.9,
                      label=method)  # fmt: skip


def percent(row: pd.Series, what: str, spread: bool = False) -> str:
    """Write a share, and the least and greatest over the seeds if asked."""
    if np.isnan(row[what]):
        return ""
    text = f"{row[what]:.0%}"
    return f"{text} ({row[f'{what}_least']:.0%}-{row[f'{what}_most']:.0%})" if spread else text


def method_rows(summary: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    """Every method where confounding is mild and n is largest."""
    mild = settings["mild"]
    here = summary[(summary["scenario"] == "grid") & (summary["n"] == mild["n"])]
    here = here[here["confounding"] == mild["confounding"]].set_index("method")
    rows = []
    for method in (m for m in LOOKS if m in here.index):
        row = here.loc[method]
        rows.append(
            {
                "method (simulated)": method,
                "responding": percent(row, "response", True),
                "on the best or within .05": percent(row, "near", True),
                "on exactly the best": percent(row, "best", True),
                "regret": f"{row['regret']:.3f}",
                "ranked": percent(row, "ranked"),
                "responding, all eligible": percent(row, "response_any"),
                "coverage of 90%": percent(row, "coverage"),
                "the same, truth .05-.95": percent(row, "coverage_middle"),
                "truth within .02 of it": percent(row, "coverage_nearly"),
            }
        )
    return pd.DataFrame(rows)


def grid_rows(summary: pd.DataFrame, settings: dict[str, Any], cells: dict[str, str]) -> pd.DataFrame:
    """Write one learner over the grid: n down, confounding across."""
    grid = summary[(summary["scenario"] == "grid") & (summary["method"] == f"selector, {settings['learners'][0]}")]
    texts = grid.apply(lambda r: " / ".join(percent(r, c) for c in cells), axis=1)
    wide = grid.assign(text=texts).pivot_table(index="n", columns="confounding", values="text", aggfunc="first")
    return wide.add_prefix("confounding ").rename_axis(columns=None).reset_index()


def scenario_rows(summary: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    """Write the scenarios beside the grid."""
    table = summary.set_index(["scenario", "method"])
    rows = []
    for scenario in settings["scenarios"]:
        found, usual = (table.loc[(scenario, m)] for m in (f"selector, {settings['learners'][0]}", "standard of care"))
        rows.append(
            {
                "simulated": scenario,
                "standard of care": percent(usual, "response"),
                "oracle": percent(table.loc[(scenario, "oracle")], "response"),
                "selector": percent(found, "response", True),
                "on the best or within .05": percent(found, "near"),
                "coverage of 90%": percent(found, "coverage"),
                "tilt": f"{found['tilt']:+.3f}",
                "not comparable": percent(found, "not_comparable"),
                "ranked where it never happens": percent(found, "never_ranked"),
            }
        )
    return pd.DataFrame(rows)


def therapies_part(folder: Path = HERE) -> str:
    """Claim, picture and tables as experiments/therapies_simulated.py last wrote them, in Markdown."""
    settings = yaml.safe_load((folder / "therapies_simulated.yaml").read_text(encoding="utf-8"))
    summary = pd.read_csv(folder / "therapies" / "simulated_summary.csv")
    mild = settings["mild"]
    quality = {"response": "responding", "near": "within .05", "ranked": "ranked"}
    failed = summary.loc[summary["scenario"] == "grid"].eval("failed * @settings['seeds']").sum()
    fits = summary.loc[summary["scenario"] == "grid", "failed"].notna().sum() * settings["seeds"]
    rivalled = summary.loc[summary["scenario"] == "grid", "rivalled"].mean()
    honesty = {"coverage": "coverage", "not_comparable": "not comparable", "insufficient": "insufficient"}
    return "\n\n".join(
        (
            settings["claim"].strip(),
            "![Simulated: quality of the choice as n and confounding grow](therapies/therapies.png)",
            f"All figures simulated. n = {mild['n']:,}, confounding {mild['confounding']}; mean (least-greatest) of "
            f"{settings['seeds']} planted truths. Who gets no rank is counted under standard of care; 'all eligible' "
            f"ranks whatever the state. For {rivalled:.0%} of patients the second therapy is within .05 of the best. "
            f"Fits of the grid that broke down: {failed:.0f} of {fits}.",
            markdown(method_rows(summary, settings)),
            f"Simulated, {settings['learners'][0]}-learner: {' / '.join(quality.values())}:",
            markdown(grid_rows(summary, settings, quality)),
            f"Simulated, {settings['learners'][0]}-learner: {' / '.join(honesty.values())}:",
            markdown(grid_rows(summary, settings, honesty)),
            f"Simulated, n = {mild['n']:,}: other patients, other covariates, and what breaks. Tilt: error of the mean "
            "probability of the last therapy, which goes to the severe, less that of the first (0 is unbiased):",
            markdown(scenario_rows(summary, settings)),
        )
    )
