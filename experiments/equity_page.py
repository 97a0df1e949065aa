"""The page's part on equity and decision curves, from the tables that experiments/equity.py wrote."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from theracast.models.decision_curve import MEAN_OF_COHORTS, TOO_FEW
from theracast.models.fairness import ALPHA, METRICS
from theracast.models.subgroups import ATTRIBUTES, NOT_KNOWN
from theracast.models.validate import Validation
from theracast.predict.tables import decision_rows, equity_rows, markdown

HERE = Path(__file__).parent
CALLED = {
    "auc": "AUC",
    "calibration": "observed minus expected response rate",
    "coverage": "coverage of the sets",
    "abstains": "abstentions",
    "missed": "responders missed among those answered",
}


def equity_part(folder: Path = HERE / "equity") -> str:
    """Say what experiments/equity.py last found."""
    equity = pd.read_csv(folder / "equity.csv", keep_default_na=False, na_values=[""])
    equity["note"] = equity["note"].fillna("")
    worth = pd.read_csv(folder / "net_benefit.csv", keep_default_na=False, na_values=[""])
    worth["state"] = worth["state"].fillna("")
    parts = []
    for name, held in equity.groupby("experiment", sort=False):
        curves = worth[worth["experiment"] == name].drop(columns="experiment")
        found = Validation(pd.DataFrame(), pd.DataFrame(), pd.DataFrame(), net_benefit=curves, equity=held)
        parts += [
            f"### {name}",
            known(held),
            gaps(held),
            f"![Groups](equity/{name}_groups.png)",
            "<details><summary>Group by group</summary>",
            markdown(equity_rows(found)),
            "</details>",
            curves_note(curves),
            f"![Decision curves](equity/{name}_curves.png)",
            "<details><summary>Cohort by cohort: responses per 100 patients above the better of treating everyone and "
            "no one, with 95% interval</summary>",
            markdown(decision_rows(found)),
            "</details>",
        ]
    return "\n\n".join(parts)


def known(held: pd.DataFrame) -> str:
    """Say of how many patients each attribute is known, and who is hardly there."""
    shares = []
    for attribute, part in held.groupby("attribute", sort=False):
        silent = part[part["group"] == NOT_KNOWN]["share"].sum()
        if attribute != "study":
            shares.append(f"{ATTRIBUTES[attribute].split(',')[0]} {1 - silent:.0%}")
    few = held[(held["attribute"] != "study") & held["note"].str.startswith(TOO_FEW)]
    told = held[(held["attribute"] != "study") & (held["group"] != NOT_KNOWN)]
    return (
        f"{held[held['attribute'] == 'study']['n'].sum():.0f} patients with a known response were judged. Known: "
        f"{'; '.join(shares)}. {len(few)} of the {len(told)} groups that are told apart have too few to tell."
    )


def gaps(held: pd.DataFrame) -> str:
    """List the gaps that stand after Holm's adjustment."""
    rows, tests = [], set()
    for _, r in held.iterrows():
        for m in METRICS:
            gap, p = r[f"{m}_gap"], r[f"{m}_gap_p"]
            # of two groups that are each other's rest, one says it
            test = (r["attribute"], m, abs(gap), p)
            if gap != gap or test in tests:
                continue
            tests.add(test)
            if p < ALPHA:
                ends = f"{r[f'{m}_gap_lower']:+.2f} to {r[f'{m}_gap_upper']:+.2f}"
                said = "p below .0001" if p < 1e-4 else f"p {p:.4f}".replace("0.", ".")
                rows.append(
                    f"- {r['attribute'].replace('_', ' ')}, {r['group']}: {CALLED[m]} {gap:+.2f} ({ends}), {said}"
                )
    if not rows:
        return f"Of {len(tests)} gaps between a group and the rest of its cohorts none stands after Holm's adjustment."
    head = (
        f"Of {len(tests)} gaps between a group and the rest of its cohorts {len(rows)} stand after Holm's adjustment:"
    )
    return "\n".join([head, "", *rows])


def curves_note(curves: pd.DataFrame) -> str:
    """Say at which thresholds the model is worth more than the better of treating all and none."""
    mean = curves[curves["cohort"] == MEAN_OF_COHORTS]
    each = curves[(curves["cohort"] != MEAN_OF_COHORTS) & (curves["state"] == "")]
    better = mean[mean["gain_lower"] > 0]["threshold"]
    worse = mean[mean["gain_upper"] < 0]["threshold"]
    count = each["cohort"].nunique()

    def listed(found: pd.Series) -> str:
        return "none" if found.empty else ", ".join(f"{t:.0%}" for t in found)

    return (
        f"Over the {count} cohorts that are large enough, the mean net benefit is above that of treating everyone and "
        f"no one, with its whole interval, at these thresholds: {listed(better)}; below it at: {listed(worse)} (of "
        f"{mean['threshold'].min():.0%} to {mean['threshold'].max():.0%})."
    )
