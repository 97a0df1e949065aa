"""Picture and page of experiments/crohns_ustekinumab.py, from the tables that it wrote."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from theracast.predict.tables import markdown

HERE = Path(__file__).parent
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#767676"


def draw(out: Path) -> Figure:
    """Draw what policies are worth, whom to treat first, and the effect by thirds of predicted effect."""
    values, groups, curve = (pd.read_csv(out / f"{n}.csv") for n in ("values", "groups", "curve"))
    figure = Figure(figsize=(12.5, 4.0), layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1.25, 1, 0.8))
    mine = first(values).iloc[::-1].reset_index(drop=True)
    for i, row in mine.iterrows():
        colour = GREY if row["policy"] in ("treat all", "treat none") else BLUE
        left.plot([row["lower"] * 100, row["upper"] * 100], [i, i], color=colour, linewidth=2)
        left.plot(row["value"] * 100, i, "o", color=colour)
    left.set_yticks(range(len(mine)), [f"{p}\n({t:.0%} treated)" for p, t in zip(mine["policy"], mine["treated"],
                                                                                 strict=True)])  # fmt: skip
    left.set_ylim(-0.5, len(mine) - 0.5)
    left.set_xlabel("patients who respond at week 6, %")
    left.set_title("What a policy is worth", fontsize=10.5)
    share = curve["share"] * 100
    middle.fill_between(share, curve["lower"] * 100, curve["upper"] * 100, color=BLUE, alpha=0.18, linewidth=0)
    middle.plot(share, curve["gain"] * 100, color=BLUE, label="largest predicted effect first")
    middle.plot(share, curve["random"] * 100, "--", color=GREY, label="in any order")
    middle.axhline(0, color=GREY, linewidth=0.8)
    middle.set_xlabel("patients treated, %")
    middle.set_ylabel("responses won per 100 patients")
    middle.set_title("Whom to treat first", fontsize=10.5)
    middle.legend(frameon=False, loc="upper left", fontsize=8.5)
    for i, row in groups.iterrows():
        right.plot([i, i], [row["lower"] * 100, row["upper"] * 100], color=BLUE, linewidth=2)
        right.plot(i, row["effect"] * 100, "o", color=BLUE, label="" if i else "seen")
        right.plot(
            i, row["predicted"] * 100, "D", color=ORANGE, markerfacecolor="white", label="" if i else "predicted"
        )
    right.axhline(0, color=GREY, linewidth=0.8)
    right.set_xticks(range(len(groups)), ["least", *[""] * (len(groups) - 2), "most"])
    right.set_xlim(-0.5, len(groups) - 0.5)
    right.set_xlabel("third of predicted effect")
    right.set_ylabel("effect, percentage points")
    right.set_title("Does the effect follow?", fontsize=10.5)
    right.legend(frameon=False, fontsize=8.5)
    for axis in (left, middle, right):
        tidy(axis)
    return figure


def tidy(axis: Axes) -> None:
    """Leave out what nobody reads."""
    axis.spines[["top", "right"]].set_visible(False)


def first(table: pd.DataFrame) -> pd.DataFrame:
    """Keep the declared endpoint and features, and the first learner."""
    keep = pd.Series(True, index=table.index)
    for column in ("endpoint", "features", "learner"):
        keep &= table[column] == table[column].iloc[0]
    return table[keep]


def points(row: pd.Series, prefix: str = "", digits: int = 1) -> str:
    """Write an estimate in per cent with its interval."""
    value, lower, upper = (100 * row[f"{prefix}{n}"] for n in ("value", "lower", "upper"))
    return f"{value:.{digits}f} ({lower:.{digits}f} to {upper:.{digits}f})"


def value_rows(values: pd.DataFrame) -> pd.DataFrame:
    """Policies, a line each; treating all and none once per endpoint."""
    rows, seen = [], set()
    for _, row in values.iterrows():
        plain = row["policy"] in ("treat all", "treat none")
        key = (row["endpoint"], row["policy"]) if plain else tuple(row[["endpoint", "features", "learner", "policy"]])
        if key in seen:
            continue
        seen.add(key)
        wide = ", wider features" if row["features"] != "declared" else ""
        rows.append(
            {
                "endpoint": words(row["endpoint"]),
                "policy": row["policy"] + ("" if plain else f" ({row['learner']}-learner{wide})"),
                "treated": f"{row['treated']:.0%}",
                "respond, %": points(row),
                "weighted, %": f"{100 * row['weighted']:.1f}",
                "over treat all": points(row, "over all, "),
                "over treat none": points(row, "over none, "),
            }
        )
    return pd.DataFrame(rows)


def words(endpoint: str) -> str:
    """Write an endpoint as people say it."""
    return endpoint.replace("_week", ", week ")


def heterogeneity_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Lay out the tests of a difference between patients, a line per model."""
    rows = []
    for (endpoint, features, learner), part in table.groupby(["endpoint", "features", "learner"], sort=False):
        row = {"endpoint": words(str(endpoint)), "model": f"{learner}-learner, {features} features"}
        for _, r in part.iterrows():
            slope = r["measure"] == "calibration slope"
            text = f"{r['value']:.1f} ({r['lower']:.1f} to {r['upper']:.1f})" if slope else points(r)
            row[r["measure"] + ("" if slope else ", points")] = f"{text}, p {r['p']:.2f}"
        rows.append(row)
    return pd.DataFrame(rows)


def arm_rows(arms: pd.DataFrame) -> pd.DataFrame:
    """Arms and doses, responders and what they are above placebo."""
    return pd.DataFrame(
        [
            {
                "endpoint": words(r["endpoint"]),
                "arm": r["therapy"],
                "patients": r["n"],
                "responders": f"{r['responders']} ({r['responders'] / r['n']:.0%})",
                "above placebo, points": "" if r["therapy"] == "placebo" else points(r, "over placebo, "),
            }
            for _, r in arms.iterrows()
        ]
    )


def threshold_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Least gain asked for, who is then treated, and what that is worth."""
    mine = table[table["learner"] == table["learner"].iloc[0]]
    return pd.DataFrame(
        [
            {
                "least predicted gain": f"{r['least gain']:.0%}",
                "treated": f"{r['treated']:.0%}",
                "respond, %": points(r),
                "net of the price, over treat all": points(r, "net over all, "),
                "net of the price, over treat none": points(r, "net over none, "),
            }
            for _, r in mine.iterrows()
        ]
    )


def dose_rows(doses: pd.DataFrame) -> pd.DataFrame:
    """Four arms at once."""
    against = next(c for c in doses if c.startswith("over all on")).removesuffix("value")
    return pd.DataFrame(
        [
            {"policy": r["policy"], "respond, %": points(r), against.removesuffix(", "): points(r, against)}
            for _, r in doses.iterrows()
        ]
    )


def left_out_sentence(table: pd.DataFrame) -> str:
    """Say who of the trial is not in the file, and how they fared."""
    parts = [
        f"{r['left out']:.0f} on {r['therapy']} ({r['left out, responders']:.0f} of them responders)"
        for _, r in table.iterrows()
    ]
    p = table["p"].iloc[0]
    return (
        f"The file holds {table['file'].sum()} of the {table['trial'].sum()} randomised patients. By the published "
        f"counts those left out were {' and '.join(parts)} (p {'< .0001' if p < 0.0001 else f'{p:.4f}'}): being in the "
        "file is no matter of chance, the effect in it is smaller than in the trial, and lots alone no longer protect "
        "the comparison."
    )


def certifi_part(folder: Path = HERE) -> str:
    """Claim, picture and tables as experiments/crohns_ustekinumab.py last wrote them, in Markdown."""
    settings = yaml.safe_load((folder / "crohns_ustekinumab.yaml").read_text(encoding="utf-8"))
    out = folder / "certifi"
    names = ("arms", "left_out", "values", "heterogeneity", "thresholds", "doses", "simulated")
    arms, left, values, tests, least, doses, chance = (pd.read_csv(out / f"{n}.csv") for n in names)
    return "\n\n".join(
        (
            settings["claim"].strip(),
            "![What policies are worth, whom to treat first, and the effect by predicted effect](certifi/certifi.png)",
            left_out_sentence(left),
            markdown(arm_rows(arms)),
            "What policies are worth on patients of whom they knew nothing (doubly robust, the randomised shares as "
            "propensities; beside it the self-normalised weighted mean), in per cent of patients who respond:",
            markdown(value_rows(values)),
            "Do patients in whom a larger effect is predicted gain more? Intervals and p are held against "
            f"{len(chance)} simulated trials in which the effect is the same for everybody, because out-of-fold "
            "predictions of one trial scatter more than their plain standard errors say. "
            f"A test at .05 would find an area of {findable(tests):.1f} points in four of five trials.",
            markdown(heterogeneity_rows(tests)),
            "Treat only where more than a least gain is predicted (the price of treating one patient, in responses):",
            markdown(threshold_rows(least)),
            "Four arms, placebo and three doses:",
            markdown(dose_rows(doses)),
        )
    )


def findable(tests: pd.DataFrame) -> float:
    """Area that the declared test would find in four of five trials, in points."""
    mine = first(tests)
    return float(100 * mine.loc[mine["measure"] == "Qini area", "findable"].iloc[0])
