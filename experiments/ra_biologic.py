"""Rheumatoid arthritis: what open data say of each treatment, and where they say nothing.

Writes experiments/ra/*.csv and calibration.png. The YAML names the studies (under ../shared/data/ra, or THERACAST_DATA)
and declares, before they are opened, what is judged on the validation patients. About five minutes on one core.
Run: python experiments/ra_biologic.py
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from ra_nested import elastic_net, elastic_net_held_out, held_out_scores, nested, read_lipids
from ra_page import draw
from scipy.special import logit

from theracast.features.assembler import FeatureAssembler
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.datasets import dataset_path, load_cohort
from theracast.models.conformal import ConformalSets, coverage_table
from theracast.models.estimates import Estimate
from theracast.models.lone_therapy import LoneTherapy
from theracast.models.metrics import auc, auc_difference, brier, calibration
from theracast.models.selection import SelectionModel

HERE = Path(__file__).parent
OUT = HERE / "ra"
Settings = dict[str, Any]


def main() -> None:
    """Judge every part, and write what comes out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("lipids", "proteome", "repertoire", "selector"), help="one part alone")
    only = parser.parse_args().only
    settings = yaml.safe_load((HERE / "ra_biologic.yaml").read_text(encoding="utf-8"))
    OUT.mkdir(exist_ok=True)
    parts = {"lipids": lipids, "proteome": proteome, "repertoire": repertoire, "selector": selector}
    for name, part in parts.items():
        for file, table in part(settings) if only in (None, name) else ():
            table.round(4).to_csv(OUT / f"{file}.csv", index=False)
            print(f"\n{file}\n{table.round(3).to_string(index=False)}")
    draw(OUT).savefig(OUT / "calibration.png", dpi=150, metadata={"Software": None})


def spread(name: str, found: Estimate) -> dict[str, float]:
    """Lay an estimate out as three columns."""
    return {name: found.value, f"{name}_lower": found.lower, f"{name}_upper": found.upper}


def repeated(y: pd.Series, scores: np.ndarray) -> dict[str, float]:
    """AUC of the mean score of the repeats, with its interval, and the mean AUC of single repeats."""
    single = float(np.mean([auc(y, s).value for s in scores]))
    return {"n": len(y), "responders": int(y.sum()), **spread("auc", auc(y, scores.mean(axis=0))), "auc_single": single}


# ---------------------------------------------------------------- lipid mediators


def lipids(settings: Settings) -> Iterator[tuple[str, pd.DataFrame]]:
    """Choose within discovery; open the validation patients once, for what was declared."""
    how, seed = settings["lipids"], settings["seed"]
    train, test = load_cohort(how["fitted_on"]), load_cohort(how["judged_on"])
    y, truth = train.response, test.response
    seeds = range(seed, seed + how["repeats"])
    inside, outside, patients = [], [], []
    for name, r in how["readings"].items():
        X = lipid_table(train, train, r)
        line = {"reading": name, "way": r["way"], "declared": name == how["declared"]}
        inside.append({**line, **repeated(y, held_out_scores(X, y, how["folds"], seeds))})
        p, said = ridge_way(X, y, lipid_table(test, train, r), how, seed)
        outside.append({**line, "model": "ridge", **judged(truth, p, said, y.mean(), how["level"])})
        patients.append(pd.DataFrame({"reading": name, "y": truth.to_numpy(), "p": p, "set": said}))
    for name, r in {"logs, peer": how["peer"], **how["replication"]}.items():
        X, Z = (lipid_table(c, train, r) for c in (train, test))
        p = elastic_net(X, y, r["l1_ratio"], seed).predict_proba(Z)[:, 1]
        sets = ConformalSets(how["level"]).fit(
            elastic_net_held_out(X, y, r["l1_ratio"], how["folds"], seed), y, ["discovery"] * len(y)
        )
        line = {"reading": name, "way": r["way"], "declared": False, "model": "elastic net"}
        outside.append({**line, **judged(truth, p, sets.sets(logit(p)), y.mean(), how["level"])})
    line = {"reading": how["shipped"], "way": "ra_biologic as it ships", "declared": False, "model": "ridge"}
    outside.append({**line, **judged(truth, as_shipped(train, test), None, y.mean(), how["level"])})
    if how["reanalysed"]:
        table = reanalysed()
        r = how["readings"][how["declared"]]
        X = read_lipids(table.loc[train.ids], table.loc[train.ids], r["reading"], r["way"])
        Z = read_lipids(table.loc[test.ids], table.loc[train.ids], r["reading"], r["way"])
        line = {"reading": f"{how['declared']}, reanalysed table", "way": r["way"], "declared": False}
        inside.append({**line, **repeated(y, held_out_scores(X, y, how["folds"], seeds))})
        p, said = ridge_way(X, y, Z, how, seed)
        outside.append({**line, "model": "ridge", **judged(truth, p, said, y.mean(), how["level"])})
    yield "lipids_discovery", pd.DataFrame(inside)
    yield "lipids_validation", pd.DataFrame(outside)
    yield "lipids_calibration", calibration_points(pd.concat(patients, ignore_index=True))
    yield "lipids_antitnf", pd.DataFrame(list(antitnf(how, seeds)))


def lipid_table(cohort: Cohort, reference: Cohort, how: Settings) -> pd.DataFrame:
    """Read a cohort's lipids one way."""
    table, limits = cohort.table("metabolites"), reference.table("metabolites")
    both = [c for c in limits if c in table]
    return read_lipids(table, limits[both], how["reading"], how["way"])


def reanalysed() -> pd.DataFrame:
    """Read the author's later integration of the same samples."""
    path = dataset_path("ra_lipids_discovery") / "lipid_mediators" / "lipid_mediators_reanalysed.parquet"
    return pd.read_parquet(path).set_index("patient_id")


def ridge_way(
    X: pd.DataFrame, y: pd.Series, Z: pd.DataFrame, how: Settings, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fit the model that ships to one reading; probabilities and label sets of the validation patients."""
    lone = LoneTherapy(folds=how["folds"], seed=seed).fit(X, ["csDMARD"] * len(X), y)
    head = lone.heads_.heads[0]
    held_out = held_out_scores(X[list(lone.columns_)].sort_index(), y.sort_index(), how["folds"], [seed])[0]
    margin = head.intercept + head.slope * held_out
    sets = ConformalSets(how["level"]).fit(margin, y.sort_index(), ["discovery"] * len(y))
    p = lone.rank(Z).table["probability"].to_numpy()
    return p, sets.sets(logit(p))


def as_shipped(train: Cohort, test: Cohort) -> np.ndarray:
    """Probability by the selection model, through its blocks, one cohort unseen."""
    model = SelectionModel("ra_biologic")
    studies = {s: train if s == train.name else load_cohort(s) for s in model.selection.studies}
    table = model.fit(studies).rank(test).table
    return table.loc[table["therapy"] == "csDMARD", "probability"].to_numpy()


def judged(y: pd.Series, p: np.ndarray, said: np.ndarray | None, rate: float, level: float) -> dict[str, Any]:
    """Hold probabilities against outcomes; `rate` is the response rate of the patients that were learned from."""
    slope, intercept = calibration(y, p)
    line = {"n": len(y), **spread("auc", auc(y, p)), **spread("slope", slope), **spread("intercept", intercept)}
    line |= {"brier": brier(y, p), "brier_rate": brier(y, np.full(len(y), rate))}
    if said is not None:
        sets = coverage_table(pd.DataFrame({"cohort": "validation", "y": y.to_numpy(), "set": said}), level).iloc[0]
        names = ("coverage", "coverage_response", "coverage_no_response", "abstained", "right_when_single")
        line |= {name: sets[name] for name in names}
    return line


def calibration_points(patients: pd.DataFrame, bins: int = 5) -> pd.DataFrame:
    """Mean predicted probability and share of responders, in fifths of each reading; no line is of one patient."""
    lines = []
    for reading, part in patients.groupby("reading", sort=False):
        fifth = np.minimum((part["p"].rank(method="first") - 1) * bins // len(part), bins - 1)
        for b, group in part.groupby(fifth):
            n, k = len(group), group["y"].sum()
            centre, half = (k + 2) / (n + 4), 1.96 * np.sqrt((k + 2) * (n - k + 2) / (n + 4) ** 3)
            line = {"reading": reading, "fifth": int(b) + 1, "n": n, "predicted": group["p"].mean()}
            lines.append({**line, "responded": k / n, "lower": max(centre - half, 0), "upper": min(centre + half, 1)})
    return pd.DataFrame(lines)


def antitnf(how: Settings, seeds: range) -> Iterator[dict[str, Any]]:
    """Lipids before a TNF inhibitor, by the same readings; there is no second cohort."""
    cohort = load_cohort("ra_lipids_antitnf")
    for name, r in how["readings"].items():
        if r["way"] != "within the cohort":
            X = lipid_table(cohort, cohort, r)
            yield {
                "reading": name,
                **repeated(cohort.response, held_out_scores(X, cohort.response, how["folds"], seeds)),
            }


# ---------------------------------------------------------------- proteome and repertoire


def features_of(cohort: Cohort, blocks: list[str]) -> pd.DataFrame:
    """Compute the features of blocks, without any outcome; those that are the same for all are left out."""
    values = FeatureAssembler([BLOCKS[b]() for b in blocks]).fit(cohort).matrix(cohort).values
    return values[[c for c in values if values[c].max() > values[c].min()]]


def proteome(settings: Settings) -> Iterator[tuple[str, pd.DataFrame]]:
    """Disease activity beside proteins, per regimen, among all patients and among those whose disease is active."""
    how, cohort = settings["proteome"], load_cohort(settings["proteome"]["study"])
    clinical = cohort.table("clinical")
    lines = []
    for scope, rule in how["scopes"].items():
        for among, classes in how["among"].items():
            rows = cohort.response.notna()
            rows &= clinical["treatment"].eq(rule["treatment"]) if "treatment" in rule else True
            rows &= clinical["activity_class"].isin(classes) if classes else True
            part = cohort.subset(cohort.ids[rows.to_numpy()])
            line = {"regimen": scope, "among": among}
            found = side_by_side(part, how, settings["seed"], "disease activity")
            lines += [{**line, **f, "published": rule.get("published", np.nan)} for f in found]
    yield "proteome", pd.DataFrame(lines)


def repertoire(settings: Settings) -> Iterator[tuple[str, pd.DataFrame]]:
    """Receptors and HLA before TNF inhibitors, all four together and the one with patients enough."""
    how, cohort = settings["repertoire"], load_cohort(settings["repertoire"]["study"])
    given = cohort.table("clinical")["treatment"]
    lines = []
    for scope in ("all four", "etanercept"):
        rows = cohort.response.notna() & (given.eq(scope) | (scope == "all four"))
        part = cohort.subset(cohort.ids[rows.to_numpy()])
        found = side_by_side(part, {"most": 30, **how}, settings["seed"], "age, sex, activity")
        lines += [{"treatment": scope, **f} for f in found]
    yield "repertoire", pd.DataFrame(lines)


def side_by_side(cohort: Cohort, how: Settings, seed: int, base: str) -> Iterator[dict[str, Any]]:
    """Nested cross-validation of each set of blocks on the same patients, and the difference from the first."""
    y = cohort.response
    scores = {}
    for name, blocks in how["models"].items():
        X = features_of(cohort, blocks)
        scores[name] = nested(X, y, how["folds"], how["repeats"], how["most"], seed)
        line = {"model": name, "features": X.shape[1], **repeated(y, scores[name])}
        if name != base:
            gain = auc_difference(y, scores[name].mean(axis=0), scores[base].mean(axis=0))
            line |= spread("gain", gain)
        yield line


# ---------------------------------------------------------------- the selector


def selector(settings: Settings) -> Iterator[tuple[str, pd.DataFrame]]:
    """Fit the model that ships: what each therapy rests on, and what is said of the patients of each study."""
    model = SelectionModel(settings["name"])
    studies = {s: load_cohort(s) for s in model.selection.studies}
    yield "evidence", model.fit(studies).evidence_
    lines = []
    for name, cohort in studies.items():
        table = model.rank(cohort).table
        counted = table.groupby(["therapy", "state"], sort=False).agg(
            patients=("patient_id", "size"), with_probability=("probability", "count"), reason=("reason", _commonest)
        )
        lines.append(counted.reset_index().assign(patients_of=name))
    yield "states", pd.concat(lines)[["patients_of", "therapy", "state", "patients", "with_probability", "reason"]]


def _commonest(reasons: pd.Series) -> str:
    return str(reasons.mode().iloc[0])


if __name__ == "__main__":
    main()
