"""Choosing between simulated therapies whose truth is known, as confounding grows and the number of patients falls.

Covariates are real (../shared/data, or THERACAST_DATA), treatments and responses are simulated. Writes
experiments/therapies/simulated_*.csv and therapies.png; `make readme` puts the result on the page.
Run: python experiments/therapies_simulated.py
"""

from __future__ import annotations

import argparse
import os
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from theracast.features.simulate import Planted, plant, simulate_patients
from theracast.models.ranking import INSUFFICIENT, NOT_COMPARABLE, Ranking
from theracast.models.selector import TherapySelector

HERE = Path(__file__).parent
OUT = HERE / "therapies"
DATA = Path(os.environ.get("THERACAST_DATA", HERE.parents[1] / "shared" / "data"))
#: As good as the best: a therapy whose true probability of response is this near.
NEAR = 0.05
#: An interval that misses the truth by less than this misses nothing that a clinician would see.
SLIGHTLY = 0.02
KEYS = ("scenario", "method", "n", "confounding")


def main() -> None:
    """Run the grid and the scenarios, and write tables and picture."""
    from therapies_page import draw  # matplotlib only where it is drawn

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=2, help="processes; the numbers do not depend on them")
    if not DATA.exists():
        sys.exit(f"no data in {DATA}: set THERACAST_DATA to the folder of public cohorts")
    settings = yaml.safe_load((HERE / "therapies_simulated.yaml").read_text(encoding="utf-8"))
    jobs = parser.parse_args().jobs
    tables = {name: read_covariates(**told) for name, told in settings["covariates"].items()}
    cells = list(cells_of(settings))
    # the long ones first, so that no process waits for the last of them
    cells.sort(key=lambda c: -c["n"] * len(c["learners"]))
    found = Parallel(jobs)(delayed(run)(tables[c["covariates"]], c, settings) for c in cells)
    runs = pd.concat(found, ignore_index=True).sort_values([*KEYS, "seed"], ignore_index=True)
    OUT.mkdir(exist_ok=True)
    runs.round(4).to_csv(OUT / "simulated_runs.csv", index=False)
    summary = summarise(runs)
    summary.to_csv(OUT / "simulated_summary.csv", index=False)
    draw(summary, settings).savefig(OUT / "therapies.png", dpi=150, metadata={"Software": None})
    print(summary.to_string(index=False))


def read_covariates(
    file: str, drop: tuple[str, ...] = (), scale: str = "", known: float = 0.0, most_variable: int = 0
) -> pd.DataFrame:
    """Read a table of real covariates, on the scale told, with the columns told."""
    table = pd.read_parquet(DATA / file)
    table = table.set_index(table.columns[0]).drop(columns=list(drop)).astype(np.float64)
    if scale == "log2(1 + x)":
        table = np.log2(1 + table)
    elif scale == "log2":
        table = np.log2(table.where(table > 0))
    table = table[table.columns[table.notna().mean() >= known]]
    return table[sorted(table.var().nlargest(most_variable or table.shape[1]).index)]


def cells_of(settings: dict[str, Any]) -> Any:
    """List what is run: each cell of the grid and each scenario, with each seed."""
    base = {**settings["usual"], **settings["mild"], "covariates": settings["grid"]["covariates"]}
    grid = product(settings["grid"]["n"], settings["grid"]["confounding"])
    cells = [("grid", {"n": n, "confounding": c}, settings["learners"]) for n, c in grid]
    cells += [(name, changed, settings["learners"][:1]) for name, changed in settings["scenarios"].items()]
    for (scenario, changed, learners), seed in product(cells, range(settings["seeds"])):
        yield {**base, **changed, "scenario": scenario, "learners": learners, "seed": seed}


def run(covariates: pd.DataFrame, cell: dict[str, Any], settings: dict[str, Any]) -> pd.DataFrame:
    """Simulate one training and one test set, and judge every method on the truth of the test set."""
    seed = cell["seed"]
    planted = {"standard": settings["standard"], **{k: cell[k] for k in ("oracle", "burden")}}
    surfaces = plant(covariates, seed=seed, **planted)
    parts = [covariates, covariates]
    if cell["split"]:
        order = np.random.default_rng(seed).permutation(len(covariates))
        parts = [covariates.iloc[np.sort(half)] for half in np.array_split(order, 2)]
    told = {"smoothing": settings["smoothing"], **{k: cell[k] for k in ("confounding", "never", "hide")}}
    train = simulate_patients(surfaces, parts[0], cell["n"], seed=2 * seed, **told)
    test = simulate_patients(surfaces, parts[1], settings["test"], seed=2 * seed + 1, **told)
    lines = baselines(train, test)
    with threadpool_limits(1):
        for learner in cell["learners"]:
            lines[f"selector, {learner}"] = attempt(learner, train, test)
    table = pd.DataFrame(lines).T.rename_axis("method").reset_index()
    return table.assign(**{k: cell[k] for k in ("scenario", "n", "confounding", "seed")})[
        [*KEYS, "seed", *table.columns[1:]]
    ]


def attempt(learner: str, train: Planted, test: Planted) -> dict[str, float]:
    """Fit a selector and judge it; one that breaks down on numbers leaves all patients under standard of care."""
    try:
        selector = TherapySelector(learner).fit(train.X, train.treatment.to_numpy(), train.y.to_numpy())
    except ArithmeticError:
        return {**chosen(test, test.treatment), "ranked": 0.0, "failed": 1.0}
    return {**judge(selector.rank(test.X), test), "failed": 0.0}


def chosen(test: Planted, therapy: pd.Series, who: np.ndarray | None = None) -> dict[str, float]:
    """Judge a choice by the truth: exactly the best therapy, as good as the best, response, regret."""
    truth = test.truth.to_numpy()
    found = truth[np.arange(len(truth)), test.truth.columns.get_indexer(therapy)]
    best, kept = truth.max(axis=1), np.ones(len(truth), bool) if who is None else who
    if not kept.any():
        return dict.fromkeys(("best", "near", "response", "regret"), np.nan)
    figures = {"best": found == best, "near": found >= best - NEAR, "response": found, "regret": best - found}
    return {name: float(np.mean(values[kept])) for name, values in figures.items()}


def baselines(train: Planted, test: Planted) -> dict[str, dict[str, float]]:
    """Judge what needs no model; at random is the mean over all therapies."""
    means = train.y.groupby(train.treatment).mean()
    single = pd.Series(means.idxmax(), test.truth.index)
    every = pd.DataFrame([chosen(test, pd.Series(t, test.truth.index)) for t in test.truth])
    best, second = np.sort(test.truth.to_numpy(), axis=1)[:, [-1, -2]].T
    return {
        "oracle": {**chosen(test, test.truth.idxmax(axis=1)), "rivalled": float((second >= best - NEAR).mean())},
        "standard of care": chosen(test, test.treatment),
        "best single therapy": chosen(test, single),
        "at random": every.mean().to_dict(),
    }


def judge(ranking: Ranking, test: Planted) -> dict[str, float]:
    """Judge a ranking: who has no rank gets standard of care."""
    wide = {c: ranking.wide(c).loc[test.truth.index, test.truth.columns] for c in ("probability", "lower", "upper")}
    state = ranking.wide("state").loc[test.truth.index, test.truth.columns].to_numpy()
    best, truth = ranking.best().loc[test.truth.index], test.truth.to_numpy()
    ranked = (best != "").to_numpy()
    inside = ((wide["lower"] <= truth) & (truth <= wide["upper"])).to_numpy()
    outside = np.maximum(wide["lower"] - truth, truth - wide["upper"]).to_numpy()
    middle, never = (truth > NEAR) & (truth < 1 - NEAR), test.propensity.to_numpy() == 0
    bias = (wide["probability"] - truth).mean()
    return {
        **chosen(test, best.where(ranked, test.treatment)),
        **{f"{k}_ranked": v for k, v in chosen(test, best, ranked).items()},
        **{f"{k}_any": v for k, v in chosen(test, wide["probability"].idxmax(axis=1)).items()},
        "ranked": float(ranked.mean()),
        "not_comparable": float((state == NOT_COMPARABLE).mean()),
        "insufficient": float((state == INSUFFICIENT).mean()),
        "coverage": float(inside.mean()),
        "coverage_middle": float(inside[middle].mean()),
        "coverage_nearly": float((outside <= SLIGHTLY).mean()),
        "width": float((wide["upper"] - wide["lower"]).mean(axis=None)),
        # the last therapy goes to the severe, the first to the mild: what is not adjusted for shows between the two
        "tilt": float(bias.iloc[-1] - bias.iloc[0]),
        "never_ranked": float((state[never] == "ranked").mean()) if never.any() else np.nan,
    }


def summarise(runs: pd.DataFrame) -> pd.DataFrame:
    """Mean over the seeds, and the least and greatest of them."""
    figures = [c for c in runs if c not in (*KEYS, "seed")]
    groups = runs.groupby(list(KEYS), sort=True)[figures]
    parts = [groups.mean(), groups.min().add_suffix("_least"), groups.max().add_suffix("_most")]
    table = pd.concat(parts, axis=1)
    return table[[f"{c}{s}" for c in figures for s in ("", "_least", "_most")]].round(4).reset_index()


if __name__ == "__main__":
    main()
