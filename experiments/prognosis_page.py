"""Forest plot and page of experiments/prognosis.py, from the tables that it wrote."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from theracast.features.blocks import BLOCKS
from theracast.features.feature_names import bare_name, block_of
from theracast.features.spec import Feature
from theracast.predict.tables import markdown

HERE = Path(__file__).parent
#: Of Okabe and Ito's palette: told apart with every kind of colour vision, and by their marks.
LOOKS = {
    "response": ("#0072B2", "o", "response on the drug"),
    "treated": ("#D55E00", "s", "death on the drug"),
    "untreated": ("#000000", "D", "death without it"),
}
TICKS = (0.25, 0.33, 0.5, 0.67, 1.0, 1.5, 2.0, 3.0)


def feature_of(column: str) -> Feature:
    """Find the spec of a feature."""
    return next(f for f in BLOCKS[block_of(column)].spec.features if f.name == bare_name(column))


def named(feature: str, step: float, doublings: list[str]) -> tuple[str, str]:
    """Name a feature, and what one step of it is."""
    spec = feature_of(feature)
    if spec.unit == "0/1":
        return spec.about, "yes against no"
    size = f"{step:.2g} doublings of 1 + value" if feature in doublings else f"{step:.2g} {spec.unit}"
    return spec.about, size


def draw(effects: pd.DataFrame, doublings: list[str]) -> Figure:
    """Draw odds ratios for response beside hazard ratios on the drug and without it."""
    figure = Figure(figsize=(9.5, 0.78 * len(effects) + 1.5), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True, width_ratios=(1, 1.25))
    names = []
    for i, (feature, row) in enumerate(effects.iloc[::-1].iterrows()):
        about, size = named(str(feature), row["step"], doublings)
        names.append(f"{about}\n({size})")
        for axis, what, shift in (
            (axes[0], "response", 0.0),
            (axes[1], "treated", 0.14),
            (axes[1], "untreated", -0.14),
        ):
            colour, mark, label = LOOKS[what]
            ends = [row[f"{what}_lower"], row[f"{what}_upper"]]
            axis.plot(ends, [i + shift] * 2, color=colour, linewidth=2, solid_capstyle="butt")
            fill = "white" if what == "untreated" else colour
            axis.plot(
                row[what],
                i + shift,
                mark,
                color=colour,
                markerfacecolor=fill,
                markersize=7,
                label=label if not i else None,
            )
    limits = np.array([[effects[f"{w}_lower"].min(), effects[f"{w}_upper"].max()] for w in LOOKS])
    for axis, rows, title, ends in (
        (axes[0], limits[:1], "Odds ratio for response", ("less likely", "more likely")),
        (axes[1], limits[1:], "Hazard ratio for death", ("lives longer", "dies earlier")),
    ):
        axis.axvline(1.0, color="#767676", linewidth=1, zorder=0)
        axis.set_xscale("log")
        axis.set_xlim(rows.min() / 1.1, rows.max() * 1.1)
        axis.xaxis.set_major_locator(FixedLocator(TICKS))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
        axis.set_xlabel(f"\N{LEFTWARDS ARROW} {ends[0]}      {ends[1]} \N{RIGHTWARDS ARROW}")
        axis.set_title(title, fontsize=10.5)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.tick_params(axis="y", length=0)
    axes[0].set_yticks(range(len(names)), names)
    axes[0].set_ylim(-0.5, len(names) - 0.5)
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    return figure


def rows_of(effects: pd.DataFrame, doublings: list[str]) -> pd.DataFrame:
    """Write the effects with their intervals, one row per feature."""
    out = []
    for feature, row in effects.iterrows():
        about, size = named(str(feature), row["step"], doublings)
        texts = [f"{row[w]:.2f} ({row[f'{w}_lower']:.2f}-{row[f'{w}_upper']:.2f})" for w in (*LOOKS, "interaction")]
        p = "< .001" if row["p_holm"] < 0.001 else f"{row['p_holm']:.3f}".replace("0.", ".", 1)
        robust = "" if row["robust"] else ": not robust"
        out.append((about, size, *texts, p, f"{row['verdict']}{robust}"))
    columns = ["feature", "per", "OR response", "HR on the drug", "HR without", "interaction", "p (Holm)", "verdict"]
    return pd.DataFrame(out, columns=columns)


def sensitivity_rows(again: pd.DataFrame) -> pd.DataFrame:
    """Interaction of each feature in each repeat; a star where its corrected p is below .05."""
    texts = again.apply(
        lambda r: (
            f"{r['interaction']:.2f} ({r['interaction_lower']:.2f}-{r['interaction_upper']:.2f})"
            + ("*" if r["p_holm"] < 0.05 else "")
        ),
        axis=1,
    )
    analyses, features = (again.index.get_level_values(n).unique() for n in ("analysis", "feature"))
    long = texts.rename("text").reset_index()
    wide = long.pivot_table(index="analysis", columns="feature", values="text", aggfunc="first").loc[analyses, features]
    deaths = again.groupby("analysis", sort=False)[["deaths_treated", "deaths_untreated"]].first()
    wide.insert(0, "deaths on / without", deaths.astype(int).astype(str).agg(" / ".join, axis=1))
    return (
        wide.fillna("left out")
        .rename(columns=lambda c: c.split("__")[-1].replace("_", " "))
        .rename_axis("among")
        .reset_index()
    )


def prognosis_part(folder: Path = HERE) -> str:
    """Claim, picture and tables as experiments/prognosis.py last wrote them, in Markdown."""
    settings = yaml.safe_load((folder / "prognosis.yaml").read_text(encoding="utf-8"))
    out = folder / "prognosis"
    effects = pd.read_csv(out / "effects.csv", index_col="feature")
    again = pd.read_csv(out / "sensitivity.csv", index_col=["analysis", "feature"])
    scores, overlap = (pd.read_csv(out / f"{n}.csv", dtype=str).fillna("") for n in ("scores", "overlap"))
    return "\n\n".join(
        (
            settings["claim"].strip(),
            "![Odds ratios for response and hazard ratios for death, on the drug and without](prognosis/prognosis.png)",
            markdown(rows_of(effects, settings["doublings"])),
            "Cox regression, each feature given the others, stratified by tumour type; interaction: hazard ratio on "
            "the drug over the one without. The same among other patients (interaction; * corrected p < .05):",
            markdown(sensitivity_rows(again)),
            "LORIS, and scores of its features fitted to response here (both on chowell_train), per SD, on unseen "
            "treated patients (chowell_test) and on the untreated; C within tumour types; the share is the effect "
            "without the drug over the effect on it, in log hazard ratios:",
            markdown(scores),
            "Before treatment, the groups differ:",
            markdown(overlap),
        )
    )
