"""Picture and page of experiments/dynamic.py, from the tables that it wrote."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml
from matplotlib.figure import Figure

from theracast.predict.tables import markdown

HERE = Path(__file__).parent
#: Of Okabe and Ito's palette, and told apart by their dashes.
LOOKS = (("#0072B2", "-"), ("#D55E00", "--"), ("#000000", ":"))


def draw(paths: pd.DataFrame) -> Figure:
    """Draw the probability of simulated patients over time."""
    figure = Figure(figsize=(8.0, 4.2), layout="constrained")
    axis = figure.subplots()
    for (name, part), (colour, dash) in zip(paths.groupby("patient", sort=False), LOOKS, strict=True):
        axis.fill_between(part["day"], 100 * part["lower"], 100 * part["upper"], color=colour, alpha=0.12, linewidth=0)
        axis.plot(part["day"], 100 * part["p"], dash, color=colour, linewidth=2, label=str(name))
    axis.set_xlabel("days since randomisation")
    axis.set_ylabel("relapse or death within the next year, %")
    axis.set_title("SIMULATED patients in the model fitted on EVIDENCE", fontsize=10.5, loc="left")
    axis.set_ylim(0, 100)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, loc="upper left")
    return figure


def dynamic_part(folder: Path = HERE) -> str:
    """Claim, picture and tables as experiments/dynamic.py last wrote them, in Markdown."""
    claim = yaml.safe_load((folder / "dynamic.yaml").read_text(encoding="utf-8"))["claim"].strip()
    found = pd.read_csv(folder / "dynamic" / "dynamic.csv", dtype={"landmark": str})
    patients = pd.read_csv(folder / "dynamic" / "patients.csv", dtype=str).fillna("")
    return "\n\n".join(
        (
            claim,
            "![Probability of relapse of three simulated patients over time](dynamic/dynamic.png)",
            "Mean over the landmarks; the gain is that of the dynamic model over each, on the same patients:",
            markdown(rows_of(found[found["landmark"] == "mean"]).drop(columns=["landmark", "n (events)"])),
            "Landmark by landmark, the dynamic model beside the baseline alone:",
            markdown(rows_of(found[(found["landmark"] != "mean") & found["model"].isin(["dynamic", "baseline only"])])),
            "Who was there:",
            markdown(patients),
            "95% intervals: bootstrap over patients, with the predictions as they are (the luck of training is not in "
            "them). AUC and Brier score are weighted by the inverse probability not to have been lost before the "
            "horizon. [dynamic.yaml](dynamic.yaml)",
        )
    )


def rows_of(found: pd.DataFrame) -> pd.DataFrame:
    """Write each line with its intervals."""
    out = []
    for _, r in found.iterrows():
        counts = "" if pd.isna(r["events"]) else f"{r['n']:.0f} ({r['events']:.0f})"
        cells = [between(r, c) for c in ("auc", "auc_gain", "brier", "brier_gain")]
        out.append((r["cohort"], r["landmark"], counts, r["model"], *cells))
    columns = ["cohort", "landmark", "n (events)", "model", "AUC", "gain in AUC", "Brier", "gain in Brier"]
    return pd.DataFrame(out, columns=columns)


def between(row: pd.Series, name: str) -> str:
    """Write a figure with its interval; three decimals for Brier scores."""
    if pd.isna(row[name]):
        return ""
    places = 3 if "brier" in name else 2
    value, low, high = (f"{row[c]:.{places}f}" for c in (name, f"{name}_lower", f"{name}_upper"))
    return f"{value} ({low} to {high})"
