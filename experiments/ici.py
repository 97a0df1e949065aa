"""The evidence of the two immunotherapy experiments: experiments/ici/*.csv and *.png, and the page's part of it.

Every cohort is predicted by models that saw none of its patients, on the folds of the YAML files. Folds are kept in
experiments/.runs (not in git): a second run takes seconds, an interrupted one goes on.

Run: .venv/bin/python experiments/ici.py     (about 25 minutes on two quiet cores, from nothing)
--kept reads folds that earlier code predicted; --cohorts keeps to a few cohorts, to try things, and needs --out.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from ici_limits import passing
from ici_page import write_page
from ici_plots import draw_all
from ici_runs import RNA, Runs
from ici_tables import LARGE, beside_published, calibrated, decisions, dropped, ladder, loris, reliability

from theracast.models.config import Experiment
from theracast.models.leakage import look
from theracast.models.metrics import auc
from theracast.models.validate import MODEL, judged
from theracast.provenance import sha256_file

HERE = Path(__file__).resolve().parent
DATA = Path(os.environ.get("THERACAST_DATA", HERE.parents[1] / "shared" / "data")) / "ici"
EXPERIMENTS = ("pan_ici", "melanoma_ici")
BLOCKS = ("pathology", "mutations", "signatures", "clinical")
#: Of the rungs that no baseline is: blocks, and what else is changed.
RUNGS: dict[str, dict[str, Any]] = {
    "+ immune signatures": {"blocks": BLOCKS[:3], "tumour_aware": False, "options": {"C": 0.1, "tie": None}},
    "+ clinical": {"blocks": BLOCKS, "tumour_aware": False, "options": {"C": 0.1, "tie": None}},
    "tumour types known": {"blocks": BLOCKS, "options": {"C": 0.1, "tie": 30.0}},
}
FINAL = "settings chosen on unseen studies"
LORIS = (
    "loris_chowell_test_pan",
    "loris_vanguri_nsclc",
    "loris_ravi_nsclc",
    "loris_kato_pan",
    "loris_pradat_pan",
    "loris_msk2_pan",
)
CHOWELL = ("loris_chowell_train_pan", "loris_chowell_test_pan")


def main() -> None:
    """Predict, judge, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "ici", help="folder of the results")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--kept", action="store_true", help="read folds that earlier code predicted")
    parser.add_argument("--cohorts", nargs="+", default=[], help="only these, to try things")
    given = parser.parse_args()
    if given.cohorts and given.out == HERE / "ici":
        raise SystemExit("a part of the cohorts is no evidence: give --out")
    given.out.mkdir(parents=True, exist_ok=True)
    found, made = {}, {}
    for name in EXPERIMENTS:
        experiment = restricted(Experiment.from_yaml(HERE / f"{name}.yaml"), given.cohorts)
        runs = Runs(experiment, given.jobs, given.kept)
        found[name] = evidence(runs)
        made[name] = {"experiment": experiment.digest, "code": sorted(runs.codes)}
    tables = {t: pd.concat([f[t].assign(experiment=e) for e, f in found.items() if t in f]) for t in found["pan_ici"]}
    finals = {name: tables["predictions"].query("experiment == @name") for name in EXPERIMENTS}
    sets = restricted(Experiment.from_yaml(HERE / "pan_ici.yaml"), given.cohorts).sets
    tables["published"] = published(finals, sets)
    write(tables, given.out)
    final = given.out / "predictions.parquet"
    finals["pan_ici"].to_parquet(final)
    for script in ("recalibration.py", "conformal.py"):
        subprocess.run([sys.executable, HERE / script, final, "--out", given.out], check=True)
    final.unlink()
    draw_all(given.out)
    made["files"] = {f.name: sha256_file(f) for f in sorted(given.out.glob("*.csv"))}
    (given.out / "made.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    if given.out == HERE / "ici":
        write_page(HERE / "README.md", given.out)


def restricted(experiment: Experiment, cohorts: Sequence[str]) -> Experiment:
    """Keep to some cohorts."""
    if not cohorts:
        return experiment
    kept = [c for c in experiment.cohorts if c in cohorts]
    sets = {s: [c for c in names if c in kept] for s, names in experiment.sets.items()}
    return experiment.model_copy(update={"cohorts": kept, "sets": sets})


def evidence(runs: Runs) -> dict[str, pd.DataFrame]:
    """All tables of one experiment."""
    experiment, folds = runs.experiment, runs.strict()
    if not runs.complete():
        print(f"{experiment.name}: look for leaks", flush=True)
        look(runs.evidence(), "before", experiment.waive)
    final = runs.predictions(FINAL, runs.settings(), folds, full=True)
    extra = final.columns.str.startswith(("without_", "had_")) | (final.columns == "tumour")
    models = final.loc[:, ~extra].copy()
    # fitted there: no test of it
    models.loc[models["cohort"] == CHOWELL[0], ["loris_pan", "loris_nsclc"]] = np.nan
    sets = {"all": list(folds), **experiment.sets, "melanoma": [c for c in folds if c.endswith("_mel")]}
    sets |= {"clinical": clinical} if (clinical := [c for c in folds if c.startswith("loris_")]) else {}
    rungs = {name: runs.predictions(name, runs.settings(**changes), folds) for name, changes in RUNGS.items()}
    validation = judged(models, sets)
    look(replace(runs.evidence(), table=validation.table), "after", experiment.waive)
    found = {
        "cohorts": validation.table,
        "means": pd.concat([table.assign(set=name) for name, table in validation.sets.items()]),
        "coverage": validation.coverage,
        "ladder": ladder(beside(final, {**rungs, FINAL: final}), sets),
        "calibration": calibrated(final),
        "reliability": reliability(final),
        "decisions": decisions(final),
        "blocks": dropped(final, [*BLOCKS, RNA], sets),
        "predictions": final,
    }
    if clinical:
        again = dropped(refits(runs, folds, rungs["tumour types known"], final), BLOCKS, sets)
        found["blocks"] = pd.concat(
            [found["blocks"].assign(dropped="at prediction"), again.assign(dropped="at training")]
        )
        found["loris"] = loris_table(runs, folds, final)
    found["limits"] = limits(final, found)
    return found


def beside(frame: pd.DataFrame, others: Mapping[str, pd.DataFrame], column: str = MODEL) -> pd.DataFrame:
    """Put a column of other runs beside the predictions of one, patient by patient."""
    at = ["cohort", "patient"]
    placed = {n: f.reset_index().set_index(at)[column] for n, f in others.items()}
    return frame.reset_index().set_index(at).assign(**placed).reset_index()


def refits(runs: Runs, folds: Mapping[str, Sequence[str]], aware: pd.DataFrame, final: pd.DataFrame) -> pd.DataFrame:
    """Models trained without each block, at settings that nothing chose."""
    less = {}
    for block in BLOCKS:
        changes = RUNGS["tumour types known"] | {"blocks": tuple(b for b in BLOCKS if b != block)}
        less[f"without_{block}"] = runs.predictions(f"trained without {block}", runs.settings(**changes), folds)
    return beside(final, {MODEL: aware, **less})


def loris_table(runs: Runs, folds: Mapping[str, Sequence[str]], final: pd.DataFrame) -> pd.DataFrame:
    """LORIS beside our models: trained as strictly as everywhere, as LORIS was, and on the patients LORIS was."""
    names = [n for n in LORIS if n in folds]
    train, test = CHOWELL
    # the other half of Chowell has other patients; Vanguri has some of this one's, and stays out
    allowed = {n: [*folds[n], train] if n == test and train in folds else folds[n] for n in names}
    clinical = runs.settings(blocks=("pathology", "mutations", "clinical"))
    ours = {
        "all blocks, both Chowell halves left out": final,
        "all blocks": runs.predictions("trained as LORIS was", runs.settings(), allowed),
        "clinical blocks": runs.predictions("clinical blocks, trained as LORIS was", clinical, allowed),
    }
    if train in folds:
        alone = {n: [train] for n in names}
        ours["clinical blocks, Chowell train alone"] = runs.predictions("Chowell train alone", clinical, alone)
    parts = []
    for score in ("loris_pan", "loris_nsclc"):
        frames = {n: beside(f, {score: final}, score) for n, f in ours.items()}
        parts.append(loris(frames, names, score))
    return pd.concat(parts)


def limits(final: pd.DataFrame, found: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Count what a right model would pass, beside what ours passed."""
    loris = found.get("loris", pd.DataFrame(columns=["step", "step_lower", "step_upper"]))
    if len(loris):
        large = (loris["n"] >= LARGE) & (loris["cohort"] != "mean")
        loris = loris[large & (loris["model"] == "all blocks") & (loris["score"] == "loris_pan")]
    table = passing(final, found["coverage"], loris)
    ours = [found["calibration"]["slope_within"].sum(), found["coverage"]["within"].sum()]
    return table.assign(ours=[*ours, *[(loris["step"] >= 0).sum()] * (len(table) - 2)])


def published(finals: Mapping[str, pd.DataFrame], sets: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Our AUCs beside the published ones, and on the labels that COMPASS has for Van Allen's patients."""
    table = pd.read_csv(DATA / "published" / "compass_loco_metrics.csv")
    found = beside_published(finals, table, sets)
    name = "vanallen2015_mel"
    clinical = pd.read_csv(DATA / name / "clinical.csv", index_col="patient_id")
    label = clinical["compass_label"].map({"R": 1.0, "NR": 0.0})
    other = {e: f[f["cohort"] == name].assign(y=label).dropna(subset=["y"]) for e, f in finals.items()}
    again = {e: auc(f["y"], f[MODEL]).value for e, f in other.items() if len(f)}
    row = found[found["cohort"] == name].assign(cohort=f"{name}, COMPASS's label", **again)
    at = int(np.flatnonzero(found["cohort"] == name)[0]) + 1
    return pd.concat([found.iloc[:at], row, found.iloc[at:]])


def write(tables: Mapping[str, pd.DataFrame], out: Path) -> None:
    """Write the tables as CSV; predictions of patients stay here."""
    for name, table in tables.items():
        if name != "predictions":
            table.round(4).to_csv(out / f"{name}.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
