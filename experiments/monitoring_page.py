"""Picture and page of experiments/monitoring.py, from the tables that it wrote."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml
from matplotlib.figure import Figure

from theracast.predict.monitor_promises import ALPHA, SLACK
from theracast.predict.tables import markdown

HERE = Path(__file__).parent
#: Of Okabe and Ito's palette, and told apart by their dashes.
LOOKS = (("#000000", "-"), ("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", ":"), ("#CC79A7", "-."), ("#E69F00", "--"))
#: What each part of the picture holds.
PARTS = {
    "probabilities": (
        "promises hold",
        "far too much is promised",
        "too much is promised",
        "a little too much is promised",
        "twice too bold",
        "the order means nothing",
    ),
    "sets, a moved block, what breaks late": (
        "responders' sets hold 80%",
        "responders' sets hold 70%",
        "responders' sets hold 50%",
        "a block moved by one deviation",
        "far too much after 200 outcomes",
        "far too much after 500 outcomes",
    ),
}


def draw(curve: pd.DataFrame) -> Figure:
    """Draw the share of simulated lives with an alarm along the outcomes."""
    figure = Figure(figsize=(9.6, 5.0), layout="constrained")
    for axis, (title, names) in zip(figure.subplots(1, 2, sharey=True), PARTS.items(), strict=True):
        for name, (colour, dash) in zip(names, LOOKS, strict=True):
            part = curve[curve["scenario"] == name]
            axis.plot(part["outcomes"], 100 * part["alarmed"], dash, color=colour, linewidth=2, label=name)
        axis.axhline(100 * ALPHA, color="#777777", linewidth=0.8)
        axis.set_title(title, fontsize=10, loc="left")
        axis.set_xlabel("outcomes")
        axis.set_ylim(0, 102)
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncols=2)
    figure.axes[0].set_ylabel("lives with an alarm, %")
    figure.suptitle(
        f"SIMULATED lives of a model, looked at after every tenth outcome; the line: {ALPHA:.0%}", fontsize=11
    )
    return figure


def monitoring_part(folder: Path = HERE) -> str:
    """Claim, picture and tables as experiments/monitoring.py last wrote them, in Markdown."""
    claim = yaml.safe_load((folder / "monitoring.yaml").read_text(encoding="utf-8"))["claim"].strip()
    lives, drift, real = (
        pd.read_csv(folder / "monitoring" / f"{name}.csv") for name in ("lives_simulated", "drift_simulated", "real")
    )
    return "\n\n".join(
        (
            claim,
            false_alarms(lives),
            "![SIMULATED: share of lives with an alarm along the outcomes](monitoring/monitoring_simulated.png)",
            "**Simulated.** Lives with an alarm, in %, within so many outcomes; off: how far the true probabilities "
            f"lie from those told, in points on average (what matters begins at {100 * SLACK:.0f}); last: outcomes "
            "since it broke after which half of the lives are called.",
            markdown(lives_rows(lives)),
            "**Simulated.** Notices of drift by block, in % of lives; the reference is what a model keeps of its "
            "training patients, and the features of the other block are as they were.",
            markdown(drift_rows(drift)),
            "Real cohorts, each scored by a model that saw none of its study, outcomes in the order of the file. What "
            "is out of domain is not judged by `theracast monitor`; the row in brackets says what it would have said.",
            markdown(real_rows(real)),
        )
    )


def monitoring_summary(folder: Path = HERE / "monitoring") -> str:
    """Say in a line what experiments/monitoring.py last found of false alarms."""
    return f"- `theracast monitor`: {false_alarms(pd.read_csv(folder / 'lives_simulated.csv'))}"


def false_alarms(lives: pd.DataFrame) -> str:
    """Say how many simulated lives had an alarm while everything held."""
    hold = lives[lives["kind"] == "hold"]
    said = [
        f"{100 * r['within 1000']:.1f}% ({100 * r['lower']:.1f} to {100 * r['upper']:.1f})" for _, r in hold.iterrows()
    ]
    return (
        f"**Simulated.** False alarms over whole lives of {len(hold)} kinds, {hold['lives'].iloc[0]} lives each, a "
        f"look after every tenth outcome: {', '.join(said)}; allowed are {ALPHA:.0%}."
    )


def lives_rows(lives: pd.DataFrame) -> pd.DataFrame:
    """Lay out the table of simulated lives."""
    within = [c for c in lives if c.startswith("within ")]
    rows = {"simulated": lives["scenario"], "off": (100 * lives["off"]).map("{:.0f}".format), "lives": lives["lives"]}
    rows |= {c: (100 * lives[c]).map("{:.0f}".format) for c in within}
    rows["95%"] = [f"{100 * low:.0f}-{100 * high:.0f}" for low, high in lives[["lower", "upper"]].to_numpy()]
    rows["half of them after"] = lives["half of them after"].map(lambda v: "" if v != v else f"{v:.0f}")
    return pd.DataFrame(rows).astype(str)


def drift_rows(drift: pd.DataFrame) -> pd.DataFrame:
    """Lay out the notices of drift."""
    rows = {"simulated: block moved by, deviations": drift["moved"], "new patients": drift["new"]}
    rows |= {"size of the reference": drift["size of reference"]}
    rows |= {f"{c}, noticed": (100 * drift[c]).map("{:.0f}".format) for c in ("moving block", "still block")}
    return pd.DataFrame(rows).astype(str)


def real_rows(real: pd.DataFrame) -> pd.DataFrame:
    """Lay out what monitoring says of real cohorts."""
    figures = real[["observed over expected", "lower", "upper"]].to_numpy()
    inside = zip(real["cohort"], real["in domain"], strict=True)
    rows = {
        "cohort": [name if k else f"({name}, out of domain)" for name, k in inside],
        "judged": real["judged"],
        "observed / expected": [f"{v:.2f} ({low:.2f}-{high:.2f})" if v == v else "" for v, low, high in figures],
        "probabilities": real["probabilities"],
        "sets of responders": real["sets of responders"],
        "sets of non-responders": real["sets of non-responders"],
        "first alarm after": real["first alarm after"].map(lambda v: "" if v != v else f"{v:.0f}"),
    }
    return pd.DataFrame(rows).astype(str)
