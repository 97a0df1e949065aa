"""Picture and page of experiments/next_test.py, from the tables that it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from matplotlib.figure import Figure
from next_test_policies import ADAPTIVE, ANY, DECISION, EVERYTHING, FIRST, FIXED, LABEL, RANDOM, needed

from theracast.predict.tables import markdown

HERE = Path(__file__).parent
#: Of Okabe and Ito's palette: told apart with every kind of colour vision, and by their marks and lines.
LOOKS = {
    ADAPTIVE: ("#0072B2", "o", "-"),
    FIXED: ("#D55E00", "s", "-"),
    RANDOM: ("#000000", "^", "-"),
    FIRST: ("#D55E00", "s", ":"),
    ANY: ("#000000", "^", ":"),
}
#: Share of tests that the project's mission asks to save.
ASKED = 0.2
#: Patients from whom a share is shown.
ENOUGH = 20


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
        axis.tick_params(labelsize=8, labelbottom=True)
    figure.supxlabel("share of the tests done")
    figure.supylabel("share of patients whose decision and call are as with all tests")
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(LOOKS), frameon=False)
    return figure


def next_test_part(folder: Path = HERE / "next_test") -> str:
    """Say what experiments/next_test.py last found."""
    settings = yaml.safe_load((HERE / "next_test.yaml").read_text(encoding="utf-8"))
    policies, curve, told = (pd.read_csv(folder / f"{n}.csv") for n in ("policies", "curve", "calibration"))
    parts = [settings["claim"].strip()]
    parts += [reached(part, str(r), settings) for r, part in policies.groupby("recipe", sort=False)]
    parts.append(
        f"Testing stops when all other tests would leave decision and call as they are in {settings['sure']:.0%} of "
        "the draws; the call is the side of the average training patient. Saved: share of tests not done. Accuracy: "
        "share of calls that are right, less that with all tests. 95% intervals by bootstrap over patients, of the "
        "mean also over cohorts; where all patients are alike it has no width, and says less than it seems to. Every "
        "patient keeps what is known without a test. Every test counts the same: costs differ between places."
    )
    parts.append(markdown(policy_rows(policies)))
    parts.append(
        f"`{LABEL}` is the rule that suggests itself. It looks several times at a set that is meant for one look, and "
        "so decides more patients than all tests together would, and is right in fewer of them. "
        f"`{DECISION}` stops as soon as the decision would stay, an abstention too: it saves more, and the probability "
        "of those whom the model abstains from then rests on less."
    )
    parts.append(markdown(rule_rows(policies)))
    parts.append(
        f"Least share of tests at which decision and call of {settings['level']:.0%} of the patients are as with all "
        "tests (read from the curves, without interval):"
    )
    parts.append(markdown(needed_rows(curve, settings["level"])))
    parts.append("![Share of patients as with all tests, by share of tests done](next_test/curve.png)")
    parts.append("What next-test told, and what was seen when the hidden test was shown (interval over patients):")
    parts.append(markdown(told_rows(told)))
    parts.append(
        "tcga_brca is no response to a treatment and no cohort left out: luminal A or not, in folds of the patients of "
        "the mixOmics package who have three whole layers. Its features were chosen on these patients, so that an AUC "
        "near 1 is expected and says nothing about subtyping."
    )
    return "\n\n".join(parts)


def next_test_summary(folder: Path = HERE / "next_test") -> list[str]:
    """Say in a line per recipe how many tests next-test saves, and how many decisions stay as they are."""
    policies = pd.read_csv(folder / "policies.csv")
    recipes = yaml.safe_load((HERE / "next_test.yaml").read_text(encoding="utf-8"))["recipes"]
    lines = []
    for recipe, part in policies[policies["cohort"] == "mean"].groupby("recipe", sort=False):
        by = part.set_index("policy")
        mine, fixed = by.loc[ADAPTIVE], by.loc[FIXED]
        what = f"; {recipes[recipe]['what']}" if "what" in recipes[recipe] else ""
        lines.append(
            f"- `theracast next-test` on {recipe} ({mine['n']:.0f} patients, tests hidden{what}): "
            f"{_span(mine, 'saved', '.0%')} of the tests saved (asked for: 20-30%, "
            f"{'reached' if mine['saved_lower'] >= ASKED else 'not reached'}; fixed order, same stop: "
            f"{fixed['saved']:.0%}), "
            f"{_span(mine, 'agreement', '.0%')} of the decisions as with all tests."
        )
    return lines


def reached(policies: pd.DataFrame, recipe: str, settings: dict[str, Any]) -> str:
    """Say plainly whether a fifth of the tests is saved at equal accuracy and equal decisions."""
    mean = policies[policies["cohort"] == "mean"].set_index("policy")
    right = mean.loc[EVERYTHING, "right_when_decided"]
    said = []
    for policy in (ADAPTIVE, DECISION, LABEL):
        row = mean.loc[policy]
        missed = [
            name
            for name, value, least in (
                ("too few saved", row["saved"], ASKED),
                ("the decisions differ", row["agreement"], settings["level"]),
                ("the accuracy is lower", row["d_accuracy"], -settings["worse"]),
            )
            if value < least
        ]
        sure = row["saved_lower"] >= ASKED and row["d_accuracy_lower"] >= -settings["worse"]
        verdict = f"not reached ({', '.join(missed)})" if missed else "reached" if sure else "open, by its interval"
        said.append(
            f"- `{policy}`: {verdict}. Saved {_span(row, 'saved', '.0%')}; decision as with all tests "
            f"{_span(row, 'agreement', '.0%')}; accuracy {_span(row, 'd_accuracy', '+.3f')}; right when decided "
            f"{row['right_when_decided']:.0%}, with all tests {right:.0%}."
        )
    n = (policies["policy"] == EVERYTHING).sum() - 1
    mean_of = f"mean of {n} cohorts" if n > 1 else "one cohort, in folds"
    return (
        f"Asked for: 20-30% fewer tests at equal accuracy (lower by less than {settings['worse']:g}) and equal "
        f"decisions ({settings['level']:.0%} or more). {recipe}, {mean_of}:\n\n" + "\n".join(said)
    )


def policy_rows(policies: pd.DataFrame) -> pd.DataFrame:
    """Lay the policies with the same stop side by side, a row for each cohort."""
    rows = []
    for (recipe, cohort), part in policies.groupby(["recipe", "cohort"], sort=False):
        by = part.set_index("policy")
        mine, all_tests = by.loc[ADAPTIVE], by.loc[EVERYTHING]
        rows.append(
            {
                "recipe": recipe,
                "cohort": cohort,
                "n": int(mine["n"]),
                "tests": "" if pd.isna(mine["tests"]) else f"{mine['tests']:.0f}",
                "decided with all": f"{all_tests['decided']:.0%}",
                "saved": _span(mine, "saved", ".0%"),
                "decision as with all": _span(mine, "agreement", ".0%"),
                "accuracy": _span(mine, "d_accuracy", "+.2f"),
                "AUC": _span(mine, "d_auc", "+.2f"),
                "saved, fixed order": _span(by.loc[FIXED], "saved", ".0%"),
                "saved, random order": _span(by.loc[RANDOM], "saved", ".0%"),
                "note": mine["note"] if isinstance(mine["note"], str) else "",
            }
        )
    return pd.DataFrame(rows).astype(str)


def rule_rows(policies: pd.DataFrame) -> pd.DataFrame:
    """Lay other rules to stop side by side, means over the cohorts."""
    rows = []
    for (recipe, policy), part in policies[policies["cohort"] == "mean"].groupby(["recipe", "policy"], sort=False):
        row = part.iloc[0]
        rows.append(
            {
                "recipe": recipe,
                "policy": policy,
                "saved": _span(row, "saved", ".0%"),
                "decision as with all": _span(row, "agreement", ".0%"),
                "call as with all": _span(row, "same_call", ".0%"),
                "accuracy": _span(row, "d_accuracy", "+.3f"),
                "AUC": _span(row, "d_auc", "+.3f"),
                "decided": f"{row['decided']:.0%}",
                "right when decided": f"{row['right_when_decided']:.0%}",
            }
        )
    return pd.DataFrame(rows).astype(str)


def needed_rows(curve: pd.DataFrame, level: float) -> pd.DataFrame:
    """Say per cohort how many tests each policy needs for the same agreement."""
    rows = []
    for (recipe, cohort), part in curve.groupby(["recipe", "cohort"], sort=False):
        row = {"recipe": recipe, "cohort": cohort}
        row |= {p: needed(part[part["policy"] == p], level) for p in LOOKS}
        rows.append(row)
    table = pd.DataFrame(rows)
    means = table.groupby("recipe", sort=False)[list(LOOKS)].mean().reset_index().assign(cohort="mean")
    return pd.concat([table, means], ignore_index=True).map(lambda v: f"{v:.0%}" if isinstance(v, float) else v)


def told_rows(told: pd.DataFrame) -> pd.DataFrame:
    """Lay told and seen side by side."""
    names = {
        "decides": "one label is left",
        "same_decision": "the decision stays",
        "same_side": "the call stays",
    }
    rows = []
    for row in told[told["told_in"].str.startswith("(")].itertuples():
        low, high = row.told_in.strip("(]").split(",")
        seen = f"{row.seen:.0%} ({row.seen_lower:.0%}-{row.seen_upper:.0%})"
        rows.append(
            {
                "recipe": row.recipe,
                "what": names[row.what],
                "told between": f"{max(float(low), 0):.0%} and {float(high):.0%}",
                "patients": row.patients,
                "told": f"{row.told:.0%}",
                "seen": seen if row.patients >= ENOUGH else "too few to tell",
            }
        )
    return pd.DataFrame(rows).astype(str)


def _span(row: pd.Series, name: str, form: str) -> str:
    low, high = row[f"{name}_lower"], row[f"{name}_upper"]
    between = " to " if form.startswith("+") else "-"
    return f"{row[name]:{form}} ({low:{form}}{between}{high:{form}})"
