"""The part of experiments/README.md that shows experiments/ra/*.csv; nothing there is typed by hand."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from theracast.models.estimates import Estimate
from theracast.predict.tables import markdown

#: Readings that are drawn.
DRAWN = ("ranks", "logs")


def draw(folder: Path) -> Figure:
    """Draw predicted against seen, in fifths."""
    points = pd.read_csv(folder / "lipids_calibration.csv")
    figure = Figure(figsize=(4.6, 4.4), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", lw=1)
    for reading, marker, shift in zip(DRAWN, "os", (-0.004, 0.004), strict=True):
        part = points[points["reading"] == reading]
        axes.errorbar(
            part["predicted"] + shift,
            part["responded"],
            [(part["responded"] - part["lower"]).clip(lower=0), (part["upper"] - part["responded"]).clip(lower=0)],
            marker=marker, capsize=2, lw=1, label=reading,
        )  # fmt: skip
    axes.set(xlabel="predicted probability of response to a csDMARD", ylabel="share that responded (95%)",
             xlim=(0, 1), ylim=(0, 1), title="58 validation patients, in fifths")  # fmt: skip
    axes.legend(loc="upper left", frameon=False)
    return figure


def ra_part(folder: Path) -> str:
    """Markdown of all tables.

    Parameters
    ----------
    folder : Path
        ``experiments/ra``.

    Returns
    -------
    str
        For experiments/README.md.
    """
    names = ("lipids_discovery", "lipids_validation", "lipids_antitnf", "proteome", "repertoire", "evidence", "states")
    read = {n: pd.read_csv(folder / f"{n}.csv", keep_default_na=True) for n in names}
    return "\n\n".join((
        "### Lipid mediators before a csDMARD",
        lipid_note(read["lipids_validation"]),
        "Judged once on the 58 validation patients, fitted on the 52 of discovery. `declared`: named in the YAML "
        "before they were opened; the others stand beside it and were not chosen among. *One patient alone*: no other "
        "patient of either run is looked at. *Reference frozen at discovery*: limits and scale of the first run. "
        "*Within the cohort*: standardised among the new patients, so that one patient cannot be scored. "
        "*Replication*: added after the declared reading had failed, and no test of anything new: the public "
        "baseline's AUC of .82 was known before. Brier: lower is better, beside that of the discovery response rate. "
        "Sets: labels that cannot be excluded at 90%, calibrated on held-out discovery patients.",
        markdown(validation_rows(read["lipids_validation"])),
        "![Calibration](ra/calibration.png)",
        "Within discovery, the penalty chosen inside each training fold (AUC of the mean score of 20 repeats, and the "
        "mean of single repeats):",
        markdown(auc_rows(read["lipids_discovery"], ["reading", "way"])),
        "The reanalysed table is the author's own later integration of the same samples. Read by ranks, it tells "
        "response better within discovery and no better outside: a warning, not a gain." if _odd(read) else "",
        "### Lipid mediators before a TNF inhibitor",
        "36 patients and no second cohort:",
        markdown(auc_rows(read["lipids_antitnf"], ["reading"])),
        "### Proteins before csDMARD combinations",
        "The label is a drop of DAS28-CRP, which the baseline alone allows or forbids: each model beside disease "
        "activity on the same patients (gain: difference of AUC, paired). *Published*: AUC of the paper's "
        "protein model.",
        markdown(gain_rows(read["proteome"], ["regimen", "among", "model"])),
        "### Receptor repertoires and HLA before a TNF inhibitor",
        "Response: EULAR good or moderate against none.",
        markdown(gain_rows(read["repertoire"], ["treatment", "model"])),
        "### What the selector says",
        "Evidence of each arm, by models that did not see the patient:",
        markdown(evidence_rows(read["evidence"])),
        "States of the arms of which something is known, for the patients of each study:",
        markdown(read["states"].query("with_probability > 0").fillna("").astype(str)),
    )).replace("\n\n\n\n", "\n\n")  # fmt: skip


def lipid_note(table: pd.DataFrame) -> str:
    """Say what was declared, whether it reached the aim, and what the replication of the public baseline reached."""
    line = table[table["declared"]].iloc[0]
    again = table[table["reading"].str.startswith("replication")].iloc[0]
    reached = "at or above" if line["auc"] >= 0.82 else "below"
    return (
        f"Declared: {line['reading']}, {line['way']}. AUC {between(line, 'auc')} in the {line['n']} patients of the "
        f"second cohort: {reached} the aim of .82. Calibration slope {between(line, 'slope')}, intercept "
        f"{between(line, 'intercept')}; Brier {line['brier']:.3f}, of the rate alone {line['brier_rate']:.3f}. The "
        f"public baseline, an elastic net on levels, is replicated: AUC {between(again, 'auc')}, fitted on the 52 "
        f"only and scaled by them; slope {between(again, 'slope')} (too timid), Brier {again['brier']:.3f}; its 90% "
        f"sets hold {again['coverage']:.0%} because they abstain on {again['abstained']:.0%}."
    )


def between(line: pd.Series, name: str) -> str:
    """Write an estimate with its interval."""
    if pd.isna(line[name]):
        return ""
    return str(Estimate(line[name], line[f"{name}_lower"], line[f"{name}_upper"], float("nan")))


def auc_rows(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Keys, patients, AUC with its interval."""
    rows = table[keys].copy()
    rows["n (responders)"] = [f"{a} ({b})" for a, b in zip(table["n"], table["responders"], strict=True)]
    rows["AUC"] = table.apply(between, axis=1, name="auc")
    rows["mean of repeats"] = table["auc_single"].map("{:.2f}".format)
    return rows


def gain_rows(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """As `auc_rows`, with the paired difference."""
    rows = auc_rows(table, keys)
    rows["gain"] = table.apply(between, axis=1, name="gain")
    if "published" in table:
        rows["published"] = table["published"].map(lambda v: "" if pd.isna(v) else f"{v:.2f}")
    return rows


def validation_rows(table: pd.DataFrame) -> pd.DataFrame:
    """One line per judged model."""
    rows = table[["reading", "way", "model"]].copy()
    rows["declared"] = table["declared"].map({True: "yes", False: ""})
    for name in ("auc", "slope", "intercept"):
        rows[name.upper() if name == "auc" else name] = table.apply(between, axis=1, name=name)
    rows["Brier (rate)"] = [f"{a:.3f} ({b:.3f})" for a, b in zip(table["brier"], table["brier_rate"], strict=True)]
    for name in ("coverage", "abstained", "right_when_single"):
        rows[name.replace("_", " ")] = table[name].map(lambda v: "" if pd.isna(v) else f"{v:.2f}")
    return rows


def evidence_rows(table: pd.DataFrame) -> pd.DataFrame:
    """One line per arm."""
    rows = table[["study", "therapy"]].copy()
    rows["n (responders)"] = [f"{a} ({b})" for a, b in zip(table["n"], table["responders"], strict=True)]
    rows["AUC (90%)"] = table.apply(between, axis=1, name="auc")
    return rows.assign(state=table["state"], reason=table["reason"].fillna(""))


def _odd(read: dict[str, pd.DataFrame]) -> bool:
    """Whether the reanalysed table is told better within discovery, and not outside."""
    inside, outside = (read[f"lipids_{n}"].set_index("reading")["auc"] for n in ("discovery", "validation"))
    again = [i for i in inside.index if "reanalysed" in i]
    if not again:
        return False
    plain = again[0].split(",")[0]
    outside = outside[~outside.index.duplicated()]
    return bool(inside[again[0]] > inside[plain] + 0.05 and outside[again[0]] < outside[plain] + 0.02)
