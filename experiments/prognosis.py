"""Predictive or prognostic? Held against patients of the same hospital who got no checkpoint inhibitor.

Writes experiments/prognosis/*.csv and prognosis.png, and features/tables/prognosis.csv, which the model card reads.
The YAML names the cohorts (under ../shared/data/ici, or THERACAST_DATA); `make readme` puts the result on the page.
Run: python experiments/prognosis.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from prognosis_page import draw, feature_of
from scipy.special import logit
from sklearn.metrics import roc_auc_score

from theracast.features.assembler import FeatureAssembler
from theracast.features.datasets import load_cohort
from theracast.models.effects import odds_effects
from theracast.models.metrics import auc
from theracast.models.prognosis import COMMON, Followed, prognostic_effects, propensity
from theracast.models.published.loris import LORIS_PAN
from theracast.models.survival import concordance

HERE = Path(__file__).parent
OUT = HERE / "prognosis"
TABLE = HERE.parent / "features" / "tables" / "prognosis.csv"
COMMAND = "python experiments/prognosis.py"


def main() -> None:
    """Compare both groups, and write what comes out."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    settings = yaml.safe_load((HERE / "prognosis.yaml").read_text(encoding="utf-8"))
    parts = [followed(name, settings) for name in settings["treated"]]
    untreated = followed(settings["untreated"], settings)
    treated = together(parts)
    shared = set(treated.strata) & set(untreated.strata)
    parts = [p.subset(p.strata.isin(shared)) for p in parts]
    everyone, left_out = together(parts), len(treated) - len(together(parts))
    effects = prognostic_effects(everyone, untreated)
    again = pd.concat(sensitivity(everyone, untreated, effects["step"], settings))
    same = again["verdict"] == effects["verdict"].reindex(again.index.get_level_values("feature")).to_numpy()
    held = same.rename("same").reset_index().pivot_table(index="feature", columns="analysis", values="same")
    held = held.loc[effects.index, list(settings["sensitivity"])].eq(1)
    effects["robust"] = held[settings["robust_in"]].all(axis=1)
    effects["same_in"] = ["; ".join(held.columns[row]) for _, row in held.iterrows()]
    OUT.mkdir(exist_ok=True)
    effects.round(4).to_csv(OUT / "effects.csv")
    again.round(4).to_csv(OUT / "sensitivity.csv")
    overlap(everyone, untreated, left_out, settings).to_csv(OUT / "overlap.csv", index=False)
    scores(parts, untreated, settings).to_csv(OUT / "scores.csv", index=False)
    header = (
        "Whether features go with survival without a checkpoint inhibitor too: per step, in both groups alike.",
        f"Source: {', '.join(settings['treated'])} (on the drug) and {settings['untreated']} (not), as published with",
        "Chowell 2021 and LORIS, PMID 34725502 and 38831056; NLR and TMB as log2(1 + x). Not randomised: hints.",
        "Licence: Apache-2.0 (figures computed by theracast; no patient's values).",
        f"Version: by theracast, statsmodels' Cox and logistic regression. Command: {COMMAND}",
    )
    text = "".join(f"# {line}\n" for line in header) + effects.round(4).to_csv(lineterminator="\n")
    TABLE.write_text(text, encoding="utf-8")
    draw(effects, settings["doublings"]).savefig(OUT / "prognosis.png", dpi=150, metadata={"Software": None})
    print(effects[["response", "treated", "untreated", "interaction", "p_holm", "verdict", "robust"]].to_string())


def followed(name: str, settings: dict[str, Any]) -> Followed:
    """Read one cohort: features through the blocks, cut alike, some of them in doublings."""
    cohort = load_cohort(name)
    wanted = list(settings["features"])
    values = FeatureAssembler(settings["blocks"]).fit(cohort).matrix(cohort).values[wanted]
    cut = values.clip(upper=pd.Series(settings["features"], dtype=float), axis=1)
    return Followed.of(cohort, on_scale(cut, settings))


def on_scale(values: pd.DataFrame, settings: dict[str, Any]) -> pd.DataFrame:
    """Count in doublings what the settings say."""
    return values.transform(lambda v: np.log2(1 + v) if v.name in settings["doublings"] else v)


def together(groups: list[Followed]) -> Followed:
    """Put groups one below the other."""
    fields = ("features", "time", "event", "strata", "response")
    return Followed(*(pd.concat([getattr(g, f) for g in groups]) for f in fields))


def sensitivity(
    treated: Followed, untreated: Followed, step: pd.Series, settings: dict[str, Any]
) -> Iterator[pd.DataFrame]:
    """Repeat the comparison among other patients, in the steps of the first."""
    for name, rule in settings["sensitivity"].items():
        groups = [treated, untreated]
        if "landmark" in rule:
            groups = [g.landmark(rule["landmark"]) for g in groups]
        if "strata" in rule:
            groups = [g.subset(g.strata.isin(rule["strata"])) for g in groups]
        if rule.get("common_support"):
            chances = propensity(*groups)
            groups = [g.subset(c.between(*COMMON)) for g, c in zip(groups, chances, strict=True)]
        for feature, least in rule.get("least", {}).items():
            from_here = on_scale(pd.DataFrame({feature: [least]}), settings).iloc[0, 0]
            groups = [g.subset(g.features[feature] >= from_here) for g in groups]
        for feature, value in rule.get("only", {}).items():
            kept = [g.subset(g.features[feature] == value) for g in groups]
            groups = [replace(g, features=g.features.drop(columns=feature)) for g in kept]
        steps = step
        if rule.get("native"):
            doubled = settings["doublings"]
            groups = [replace(g, features=g.features.assign(**2 ** g.features[doubled] - 1)) for g in groups]
            steps = pd.Series({**step, **groups[0].features[doubled].std()})
        found = prognostic_effects(*groups, scale=steps)
        yield pd.concat({name: found}, names=["analysis", "feature"])


def overlap(treated: Followed, untreated: Followed, left_out: int, settings: dict[str, Any]) -> pd.DataFrame:
    """Show how far the two groups differ before anything was given."""
    rows = []
    for column in treated.features:
        pair = [g.features[column] for g in (treated, untreated)]
        row = {
            "what": feature_of(column).about,
            "treated": middle(pair[0], settings),
            "untreated": middle(pair[1], settings),
        }
        rows.append(row | {"difference, SD": f"{(pair[0].mean() - pair[1].mean()) / pair[0].std():+.2f}"})
    chances = propensity(treated, untreated)
    given = np.repeat([1, 0], [len(c) for c in chances])
    for what, values in {
        "patients": [str(len(g)) for g in (treated, untreated)],
        "deaths": [str(int(g.event.sum())) for g in (treated, untreated)],
        "last seen within the first month": [f"{(g.time < 1).mean():.1%}" for g in (treated, untreated)],
        f"either group likely ({COMMON[0]:g}-{COMMON[1]:g})": [f"{c.between(*COMMON).mean():.0%}" for c in chances],
        "AUC of telling the groups apart": [f"{roc_auc_score(given, np.concatenate(chances)):.2f}", ""],
        "left out: tumour type in one group only": [str(left_out), "0"],
    }.items():
        rows.append({"what": what, "treated": values[0], "untreated": values[1], "difference, SD": ""})
    return pd.DataFrame(rows)


def middle(values: pd.Series, settings: dict[str, Any]) -> str:
    """Write the share of a yes, or the median with its quartiles, in native units."""
    if values.nunique() <= 2:
        return f"{values.mean():.0%}"
    native = 2**values - 1 if values.name in settings["doublings"] else values
    low, median, high = native.quantile([0.25, 0.5, 0.75])
    return f"{median:.3g} ({low:.3g}-{high:.3g})"


# ---------------------------------------------------------------- whole scores


def scores(parts: list[Followed], untreated: Followed, settings: dict[str, Any]) -> pd.DataFrame:
    """Ask of each score how much of it is prognosis: on treated patients whom it never saw, and on untreated ones."""
    train, test = parts
    names = (settings["treated"][1], settings["untreated"])
    pairs = {"LORIS, as published": [published(n, g) for n, g in zip(names, (test, untreated), strict=True)]}
    pairs["LORIS, alive after 3 months"] = [g.landmark(3) for g in pairs["LORIS, as published"]]
    for name, columns in settings["scores"].items():
        weights = odds_effects(train.features[columns], train.response, train.strata)["log_ratio"]
        pairs[name] = [
            replace(g, features=(g.features[columns] @ weights).to_frame("score")) for g in (test, untreated)
        ]
    return pd.DataFrame([score_row(name, *pair, settings) for name, pair in pairs.items()])


def published(name: str, group: Followed) -> Followed:
    """Score a group by LORIS's own weights, in log-odds."""
    score = logit(LORIS_PAN.measure(load_cohort(name))).rename("score")
    return replace(group, features=score.loc[group.features.index].to_frame())


def score_row(name: str, treated: Followed, untreated: Followed, settings: dict[str, Any]) -> dict[str, str]:
    """Write what one score does in both groups."""
    found = prognostic_effects(treated, untreated).loc["score"]
    return {
        "score": name,
        "AUC for response": str(auc(treated.response, treated.features["score"])),
        **{f"HR, {g}": ratio(found, g) for g in ("treated", "untreated", "interaction")},
        "C, treated": agreement(treated, settings),
        "C, untreated": agreement(untreated, settings),
        "share that is prognosis": share(found),
        "verdict": found["verdict"],
    }


def ratio(row: pd.Series, name: str) -> str:
    """Write a ratio with its interval."""
    return f"{row[name]:.2f} ({row[f'{name}_lower']:.2f}-{row[f'{name}_upper']:.2f})"


def share(row: pd.Series) -> str:
    """Divide the untreated's effect by the treated's, in log hazard ratios, with a delta-method interval."""
    log, se = {}, {}
    for g in ("treated", "untreated"):
        log[g] = np.log(row[g])
        se[g] = np.log(row[f"{g}_upper"] / row[f"{g}_lower"]) / (2 * 1.96)
    part = log["untreated"] / log["treated"]
    if part < 0:
        return "none: the other way round"
    error = np.hypot(se["untreated"], part * se["treated"]) / abs(log["treated"])
    return f"{part:.0%} ({part - 1.96 * error:.0%} to {part + 1.96 * error:.0%})"


def agreement(group: Followed, settings: dict[str, Any]) -> str:
    """Harrell's C within tumour types, a higher score being a lower risk; bootstrap interval over patients."""
    rng = np.random.default_rng(settings["seed"])
    columns = (group.time, group.event, -group.features["score"], group.strata)
    time, event, risk, strata = (np.asarray(c) for c in columns)
    codes = np.unique(strata, return_inverse=True)[1]
    draws = [np.arange(len(time)), *(rng.integers(0, len(time), len(time)) for _ in range(settings["draws"]))]
    values = [concordance(time[d], event[d], risk[d], codes[d]) for d in draws]
    low, high = np.quantile(values[1:], [0.025, 0.975])
    return f"{values[0]:.2f} ({low:.2f}-{high:.2f})"


if __name__ == "__main__":
    main()
