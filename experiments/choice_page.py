"""In short what the experiments that choose between therapies found, for README.md, from their tables."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import yaml
from crohns_page import certifi_part
from drug_ranking_page import drugs_part
from ra_page import between, ra_part
from therapies_page import therapies_part

from theracast.predict.tables import markdown

HERE = Path(__file__).parent


def choice_parts() -> dict[str, str]:
    """Give the pages of the experiments, as they last ran."""
    return {"ra": ra_part(HERE / "ra"), "certifi": certifi_part(), "therapies": therapies_part(), "drugs": drugs_part()}


def choice_summary() -> str:
    """Lay out one line per question."""
    rows = [*_simulated(), *_arthritis(), *_crohns(), *_drugs()]
    return markdown(pd.DataFrame(rows, columns=["asked", "of", "answer"]))


def _simulated() -> list[tuple[str, str, str]]:
    settings = yaml.safe_load((HERE / "therapies_simulated.yaml").read_text(encoding="utf-8"))
    table = pd.read_csv(HERE / "therapies" / "simulated_summary.csv").query("scenario == 'grid'")
    mild = table[table["confounding"] == settings["mild"]["confounding"]].set_index(["method", "n"])
    most, least = settings["mild"]["n"], min(settings["grid"]["n"])
    name = f"selector, {settings['learners'][0]}"

    def said(method: str, n: int, what: str = "response") -> str:
        return f"{mild.loc[(method, n), what]:.0%}"

    told = (
        f"{said(name, most)} would respond (standard of care {said('standard of care', most)}, oracle "
        f"{said('oracle', most)}); {said(name, most, 'near')} on their best therapy or within .05 of it. With {least} "
        f"patients to learn from {said(name, least)}, and {said(name, least, 'ranked')} get a rank at all"
    )
    return [("does it find the best of five therapies?", f"**simulated** responses, n = {most:,}", told)]


def _arthritis() -> list[tuple[str, str, str]]:
    evidence, lipids = (pd.read_csv(HERE / "ra" / f"{n}.csv") for n in ("evidence", "lipids_validation"))
    arms = []
    for _, r in evidence.iterrows():
        state = "can be ranked" if r["state"] == "ranked" else r["state"]
        arms.append(f"{r['therapy']} {between(r, 'auc') or 'not estimable'}: {state}")
    declared = lipids[lipids["declared"]].iloc[0]
    again = lipids[lipids["reading"].str.startswith("replication")].iloc[0]
    lipid = (
        f"what was declared beforehand failed: AUC {between(declared, 'auc')}. The public baseline is replicated: "
        f"{between(again, 'auc')}"
    )
    return [
        ("which treatment of rheumatoid arthritis?", "AUC of held-out patients, 90% interval", "; ".join(arms)),
        ("do plasma lipids tell response to a csDMARD?", f"{declared['n']} patients of a second cohort", lipid),
    ]


def _crohns() -> list[tuple[str, str, str]]:
    table = pd.read_csv(HERE / "certifi" / "values.csv")
    mine = table[(table["endpoint"] == table["endpoint"].iloc[0]) & (table["features"] == "declared")]
    mine = mine[mine["learner"] == mine["learner"].iloc[0]].set_index("policy")

    def said(policy: str, name: str = "") -> str:
        value, lower, upper = (mine.loc[policy, f"{name}{c}"] for c in ("value", "lower", "upper"))
        return f"{100 * value:.1f} ({100 * lower:.1f} to {100 * upper:.1f})"

    chosen = "treat where a gain is predicted"
    told = (
        f"responders in 100 at week 6: treat all {said('treat all')}, treat none {said('treat none')}, {chosen} "
        f"{said(chosen)}, which is {said(chosen, 'over all, ')} above treating all"
    )
    return [("is choosing who gets ustekinumab worth anything?", "424 randomised patients, held-out folds", told)]


def _drugs() -> list[tuple[str, str, str]]:
    table = pd.read_csv(HERE / "drugs" / "scores.csv", comment="#").set_index(["split", "view", "model"])
    parts = []
    for (split, view), part in table.groupby(level=[0, 1], sort=False):
        if "selective" not in view:
            continue
        mine = part.droplevel([0, 1])
        ours, usual = (mine["hit@5"].get(m, "") for m in ("ranker, expression", "most often among the best"))
        parts.append(f"{split}: {ours}, always the drugs that are most often best {usual}")
    return [("is the best selective drug among the first five?", "cell lines, every drug measured", "; ".join(parts))]
