"""The part of experiments/README.md that shows experiments/ici/*.csv; nothing there is typed by hand."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
from ici_tables import LADDER, LARGE, SLOPES

from theracast.models.estimates import Estimate
from theracast.models.published import PUBLISHED
from theracast.models.validate import MODEL, Validation
from theracast.predict.tables import cohort_rows, markdown

SETS = {"all": "all", "A": "A", "B": "B", "melanoma": "melanoma", "clinical": "clinical"}
#: What the issue asks of the mean AUC over a set, and what a published system reached as published.
AIMS = {"A": (0.65, 0.70), "B": (0.71, 0.765)}
Table = pd.DataFrame


def write_page(page: Path, folder: Path) -> None:
    """Put the tables into the marked place of a page."""
    text = page.read_text(encoding="utf-8")
    found = re.search("<!-- begin ici -->\n(.*?)<!-- end ici -->", text, flags=re.DOTALL)
    if found is None:
        raise SystemExit(f"{page}: no place marked 'ici'")
    page.write_text(f"{text[: found.start(1)]}{ici_part(folder)}\n{text[found.end(1) :]}", encoding="utf-8")


def ici_part(folder: Path) -> str:
    """Markdown of all tables."""
    names = (
        "cohorts",
        "means",
        "published",
        "ladder",
        "loris",
        "blocks",
        "calibration",
        "coverage",
        "decisions",
        "limits",
    )
    read = {name: pd.read_csv(folder / f"{name}.csv") for name in names}
    pan = {n: t[t["experiment"] == "pan_ici"] if "experiment" in t else t for n, t in read.items()}
    again = {n: pd.read_csv(folder / f"{n}.csv") for n in ("recalibration", "conformal")}
    return "\n\n".join(
        (
            "### Mean AUC on cohorts that the model never saw",
            aims(read["means"]),
            markdown(mean_rows(read["means"])),
            "Gains over what stands beside it, on the same patients (random effects over cohorts; LORIS not on Chowell "
            "train, on which it was fitted):",
            *(
                f"{name}:\n\n{markdown(gain_rows(part))}"
                for name, part in read["means"].groupby("experiment", sort=False)
            ),
            "![AUC of every cohort](ici/forest.png)",
            *(f"Each cohort, {name}:\n\n{cohort_table(read, name)}" for name in read["means"]["experiment"].unique()),
            "### Beside what was published with COMPASS",
            published_note(read["published"]),
            markdown(read["published"].map(lambda v: short(v, 3) if isinstance(v, float) else v)),
            "### The ladder",
            "Mean AUC of each rung on the patients whom it can predict; the step is from the rung named, on the "
            "patients of both (paired), over the cohorts in which the order of patients changes at all. The last rung "
            "alone chooses settings, on training studies.",
            *(
                f"{name}:\n\n{markdown(ladder_rows(part))}"
                for name, part in read["ladder"].groupby("experiment", sort=False)
            ),
            "![The ladder](ici/ladder.png)",
            "### LORIS on the same patients",
            "Trained without the judged cohort and any that holds its patients; Chowell train, on which LORIS was "
            "fitted, stays in for Chowell test. Some patients of Vanguri are in Chowell: there LORIS, and the model of "
            "Chowell train alone, are no test. Means: random effects, and the plain mean of the differences.",
            markdown(loris_rows(read["loris"])),
            "### Dropping each block in turn",
            "Patients who had the block and another one. At prediction: the fitted model, the block masked; at "
            "training: models that never had it, at the settings of the rung 'tumour types known'. Without the "
            "signatures PD-L1 and TIL are still read from expression where no stain is known; 'rna' drops both.",
            markdown(block_rows(pan["blocks"])),
            "### Calibration and decisions",
            calibration_note(read["calibration"]),
            markdown(calibration_rows(read["calibration"])),
            "![Calibration curves](ici/calibration.png)",
            decision_note(pan["decisions"]),
            "![Decision curves](ici/decisions.png)",
            "### Label sets that shall hold 90%",
            coverage_note(read["coverage"]),
            markdown(coverage_rows(pan["coverage"])),
            "Three forms of such sets, cohorts counted once ([conformal.py](conformal.py), pan_ici):",
            markdown(form_rows(again["conformal"])),
            "### What is gained by knowing something of a site",
            "Means over cohorts of pan_ici, each counted once ([recalibration.py](recalibration.py)).",
            markdown(site_rows(again["recalibration"])),
            "### What can be asked of every cohort at once",
            "A model that is right passes such tests in most cohorts, not in all: labels come by chance. Simulated "
            "labels, drawn from the model's own probabilities, say how often a perfectly calibrated model has its "
            "slope within the bounds; the other lines are exact, or rest on the standard errors of the differences "
            "([ici_limits.py](ici_limits.py)).",
            markdown(limit_rows(read["limits"])),
        )
    )


def told(row: pd.Series, name: str) -> str:
    """Write an estimate with its interval."""
    return "" if pd.isna(row[name]) else str(Estimate(row[name], row[f"{name}_lower"], row[f"{name}_upper"], 0.0))


def step_told(row: pd.Series) -> str:
    """Write a step, and in how many cohorts it changes the order of patients, where not in all."""
    if pd.isna(row["step_all"]) or not row["step_all"]:
        return ""
    count = "" if row["step_cohorts"] == row["step_all"] else f", {row['step_cohorts']:.0f} of {row['step_all']:.0f}"
    return f"{told(row, 'step') or 'none'}{count}"


def short(value: float, digits: int = 2) -> str:
    """Write a number."""
    return "" if pd.isna(value) else re.sub(r"^(-?)0\.", r"\1.", f"{value + 0.0:.{digits}f}")


def rows_of(table: Table, columns: dict[str, Callable[[pd.Series], object]]) -> Table:
    """Make one text per cell."""
    return pd.DataFrame({name: [str(make(row)) for _, row in table.iterrows()] for name, make in columns.items()})


def aims(means: Table) -> str:
    """Say which aims are reached."""
    said = []
    for row in means[(means["model"] == MODEL) & means["set"].isin(list(AIMS))].itertuples():
        least, aim = AIMS[row.set]
        steps = f"below {short(least)}", f"{short(least)} reached, not {short(aim, 3)}", f"{short(aim, 3)} reached"
        verdicts = [steps[(v >= least) + (v >= aim)] for v in (row.plain, row.auc)]
        by = f"{short(row.plain, 3)} ({verdicts[0]})", f"{short(row.auc, 3)} ({verdicts[1]})"
        said.append(f"{row.experiment}, set {row.set}: plain mean {by[0]}, random effects {by[1]}")
    published = "published means are plain means over cohorts"
    return f"Asked for: .65 on set A and .71 on set B; aimed at: .70 and .765 ({published}). {'; '.join(said)}."


def cohort_table(read: dict[str, Table], experiment: str) -> str:
    """Every cohort of an experiment, beside the baselines."""
    table, means = (read[n][read[n]["experiment"] == experiment] for n in ("cohorts", "means"))
    return markdown(cohort_rows(Validation(Table(), table.fillna({"note": ""}), means)).fillna(""))


def mean_rows(means: Table) -> Table:
    """Our mean AUC on each set, by both kinds of mean."""
    return rows_of(
        means[means["model"] == MODEL],
        {
            "experiment": lambda r: r["experiment"],
            "cohorts": lambda r: f"{SETS[r['set']]} ({r['cohorts']})",
            "random-effects mean": lambda r: told(r, "auc"),
            "plain mean": lambda r: short(r["plain"], 3),
            "spread between cohorts (tau, logits)": lambda r: short(r["tau2"] ** 0.5),
        },
    )


def gain_rows(means: Table) -> Table:
    """One line per model beside ours, a column per set."""
    beside = [m for m in means["model"].unique() if m != MODEL]
    out = []
    for model in beside:
        row = {"beside": f"{model} (published)" if model in PUBLISHED else model}
        for name in SETS:
            found = means[(means["model"] == model) & (means["set"] == name)]
            row[SETS[name]] = f"{told(found.iloc[0], 'gain')}, {found.iloc[0]['cohorts']} cohorts" if len(found) else ""
        out.append(row)
    return pd.DataFrame(out)


def published_note(table: Table) -> str:
    """Say where the published values stand apart from every other method, COMPASS's own variants included."""
    said = []
    other = [c for c in table.columns if c in ("COMPASS FFT", "COMPASS NFT", "GEP", "IFNG", "NetBio", "PDL1")]
    for name in ("liu2019_mel", "riaz2017_mel", "vanallen2015_mel"):
        row = table[table["cohort"] == name].iloc[0]
        high = f"{short(row['COMPASS PFT'])} (PFT) and {short(row['COMPASS LFT'])} (LFT)"
        said.append(f"{name}: {high}, the others {short(row[other].min())} to {short(row[other].max())}")
    return (
        "As published, seeds averaged, cohorts counted once. PFT and LFT are the variants of COMPASS whose means are "
        f"quoted, FFT and NFT its other two. Where they part from every other method: {'; '.join(said)}. COMPASS's "
        "labels of Van Allen's patients are not RECIST: the line below has our model on those labels."
    )


def ladder_rows(ladder: Table) -> Table:
    """One line per rung, per set its AUC and the step to it."""
    out = []
    for rung, part in ladder.groupby("rung", sort=False):
        row = {"rung": rung, "from": dict(LADDER)[str(rung)]}
        for r in (r for _, r in part.iterrows()):
            area = ".50" if rung == "prevalence" else told(r, "auc")
            row[f"{SETS[r['set']]}: AUC"], row[f"{SETS[r['set']]}: step"] = area, step_told(r)
        out.append(row)
    return pd.DataFrame(out).fillna("")


def loris_rows(table: Table) -> Table:
    """One line per model and cohort."""
    return rows_of(
        table,
        {
            "published": lambda r: r["score"],
            "theracast": lambda r: r["model"],
            "cohort": lambda r: r["cohort"].removeprefix("loris_"),
            "n": lambda r: int(r["n"]),
            "AUC": lambda r: told(r, "auc"),
            "LORIS": lambda r: told(r, "published"),
            "difference": lambda r: (
                told(r, "step") + ("" if pd.isna(r["plain_step"]) else f"; plain {short(r['plain_step'], 3)}")
            ),
        },
    )


def block_rows(table: Table) -> Table:
    """One line per set, block and way to drop it."""
    table = table[table["set"].isin(["A", "B", "melanoma", "clinical"]) & (table["cohorts"] > 0)]
    return rows_of(
        table,
        {
            "dropped": lambda r: r["dropped"],
            "cohorts": lambda r: f"{SETS[r['set']]} ({r['cohorts']})",
            "block": lambda r: r["block"],
            "patients": lambda r: int(r["n"]),
            "AUC with": lambda r: told(r, "auc"),
            "without": lambda r: told(r, "without_auc"),
            "the block gives": step_told,
            "nothing left to predict from": lambda r: int(r["nothing_left"]),
        },
    )


def calibration_note(table: Table) -> str:
    """Count what holds."""
    said = []
    for name, part in table.groupby("experiment", sort=False):
        within, could, below = (part[c].sum() for c in ("slope_within", "slope_could_be", "brier_below"))
        said.append(
            f"{name}: slope within {SLOPES[0]}-{SLOPES[1]} in {within} of {len(part)}, its interval holds 1 in "
            f"{could}, Brier score below that of the training prevalence in {below}"
        )
    return f"Cohorts of {LARGE} patients or more. {'; '.join(said)}."


def calibration_rows(table: Table) -> Table:
    """One line per large cohort."""
    return rows_of(
        table,
        {
            "experiment": lambda r: r["experiment"],
            "cohort": lambda r: r["cohort"],
            "n": lambda r: r["n"],
            "response rate": lambda r: f"{r['rate']:.0%}",
            "predicted": lambda r: f"{r['predicted']:.0%}",
            "slope": lambda r: told(r, "slope"),
            "intercept": lambda r: told(r, "intercept"),
            "Brier": lambda r: short(r["brier"], 3),
            "training prevalence": lambda r: short(r["brier_prevalence"], 3),
            "own rate": lambda r: short(r["brier_own_rate"], 3),
        },
    )


def decision_note(table: Table) -> str:
    """Say where acting on the prediction pays."""
    better = table[table["gain_lower"] > 0].groupby("cohort", sort=False)["threshold"].agg(["min", "max"])
    said = [f"{cohort} ({short(r['min'])}-{short(r['max'])})" for cohort, r in better.iterrows()]
    worse = table[table["gain_upper"] < 0]["cohort"].unique()
    return (
        "Net benefit (10.1177/0272989X06295361) of treating from a probability up; bands: bootstrap. Better than "
        "treating everyone and than treating no one, its interval above 0, at some threshold (the range of these): "
        f"{', '.join(said) or 'nowhere'}. Worse than the better of both somewhere, its interval below 0: "
        f"{', '.join(worse) or 'nowhere'}."
    )


def coverage_note(table: Table) -> str:
    """Count the cohorts in which the sets hold."""
    said = []
    for name, part in table.groupby("experiment", sort=False):
        said.append(
            f"{name}: within two standard errors of 90% in {part['within'].sum()} of {len(part)} cohorts, not below "
            f"that in {part['holds'].sum()}; abstains on {part['abstained'].mean():.0%} on average"
        )
    return "; ".join(said) + "."


def coverage_rows(table: Table) -> Table:
    """One line per cohort."""
    return rows_of(
        table,
        {
            "cohort": lambda r: r["cohort"],
            "n": lambda r: r["n"],
            "coverage": lambda r: short(r["coverage"]),
            "responders": lambda r: short(r["coverage_response"]),
            "non-responders": lambda r: short(r["coverage_no_response"]),
            "abstained": lambda r: short(r["abstained"]),
            "right when single": lambda r: short(r["right_when_single"]),
            "two standard errors": lambda r: "within" if r["within"] else "above" if r["holds"] else "below",
        },
    )


def limit_rows(table: Table) -> Table:
    """One line per test."""
    return rows_of(
        table,
        {
            "experiment": lambda r: r["experiment"],
            "asked of each cohort": lambda r: r["test"],
            "cohorts": lambda r: r["cohorts"],
            "a right model passes in, on average": lambda r: f"{r['expected']:.1f}",
            "theracast passes in": lambda r: r["ours"],
            "a right model passes in all": lambda r: f"{r['all_at_once']:.1%}",
        },
    )


def form_rows(table: Table) -> Table:
    """Means over cohorts of each form of label sets."""
    forms = table.groupby("form", sort=False)
    columns = ["coverage", "coverage_response", "coverage_no_response", "abstained", "right_when_single"]
    found = forms[columns].mean().map(short)
    found["within"] = [f"{int(p['within'].sum())} of {len(p)}" for _, p in forms]
    return found.rename(columns=lambda c: c.replace("_", " ")).reset_index()


def site_rows(table: Table) -> Table:
    """Means over cohorts of each way to recalibrate."""
    columns: Sequence[str] = ("brier_before", "brier_after", "refused")
    methods = table.groupby("method", sort=False)
    found = methods[list(columns)].mean().map(lambda v: short(v, 3))
    for when in ("before", "after"):
        found[f"intercept {when}, size"] = methods[f"intercept_{when}"].agg(lambda v: v.abs().mean()).map(short)
    found.insert(0, "cohorts", methods.size())
    return found.rename(columns=lambda c: c.replace("_", " ")).reset_index()
