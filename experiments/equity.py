"""Equity audit and decision curves of the immunotherapy models: experiments/equity/*.csv and *.png.

melanoma_bundled is trained and judged anew, in seconds. pan_ici and melanoma_ici are judged on the folds that
experiments/ici.py kept in experiments/.runs (not in git): without them they are left out, unless they are asked for.

Run: .venv/bin/python experiments/equity.py     then: make readme
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
from ici import EXPERIMENTS, FINAL
from ici_runs import KEPT, Runs

from theracast.features.datasets import load_cohort
from theracast.models.config import Experiment
from theracast.models.fairness import equity_audit
from theracast.models.train import train
from theracast.models.validate import Validation, judged
from theracast.predict.report.decision_plot import decision_curves
from theracast.predict.report.equity_plot import equity_forest
from theracast.provenance import code_digest, sha256_file

HERE = Path(__file__).resolve().parent
BUNDLED = "melanoma_bundled"


def main() -> None:
    """Judge, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=HERE / "equity", help="folder of the results")
    parser.add_argument("--runs", type=Path, default=KEPT, help="folder of kept folds")
    parser.add_argument("--only", nargs="+", choices=(BUNDLED, *EXPERIMENTS), default=[], help="these experiments")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    made = {"code": code_digest(), "folds": {}}
    tables = {"equity": [], "net_benefit": []}
    for name in given.only or (BUNDLED, *EXPERIMENTS):
        experiment = Experiment.from_yaml(HERE / f"{name}.yaml")
        runs = None if name == BUNDLED else Runs(experiment, 1, True, given.runs)
        if runs is not None and not runs.complete():
            if given.only:
                raise SystemExit(f"{given.runs}: no folds of {name}; run experiments/ici.py first")
            print(f"{name}: no folds are kept; left out", flush=True)
            continue
        validation = train(experiment).validation if runs is None else kept(runs)
        made["folds"][name] = [made["code"]] if runs is None else sorted(runs.codes)
        for table, held in (("equity", validation.equity), ("net_benefit", validation.net_benefit)):
            tables[table].append(held.assign(experiment=name))
        for picture, figure in (("groups", equity_forest(validation)), ("curves", decision_curves(validation))):
            figure.savefig(given.out / f"{name}_{picture}.png", dpi=110, facecolor="white", metadata={"Software": None})
        print(f"{name}: {validation.equity['note'].str.contains('differs').sum()} groups differ", flush=True)
    for table, parts in tables.items():
        pd.concat(parts).round(4).to_csv(given.out / f"{table}.csv", index=False, lineterminator="\n")
    made["files"] = {f.name: sha256_file(f) for f in sorted(given.out.glob("*.csv"))}
    (given.out / "made.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def kept(runs: Runs) -> Validation:
    """Judge the folds of the final model, which experiments/ici.py predicted."""
    final = runs.predictions(FINAL, runs.settings(), runs.strict(), full=True)
    predictions = final[["cohort", "y", "prior", "set", "decision", "lower", "upper", "theracast", "prevalence"]]
    experiment = runs.experiment
    cohorts = {name: experiment.admitted(load_cohort(name)) for name in chosen(experiment)}
    audit = equity_audit(predictions, cohorts, holdout=experiment.holdout)
    return replace(judged(predictions, thresholds=experiment.thresholds), equity=audit)


def chosen(experiment: Experiment) -> Sequence[str]:
    """Name every cohort of an experiment."""
    return [*experiment.cohorts, *experiment.holdout]


if __name__ == "__main__":
    main()
