"""TreeSHAP of 500 trees of depth 6 over 200 features, beside xgboost (shap.TreeExplainer calls it) and woodelf."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pandas as pd
import xgboost as xgb
from harness import largest, paired, threads, timed

from theracast.models.treeshap import TreeTables

TREES, DEPTH, FEATURES = 500, 6, 200


@cache
def trained(trees: int = TREES) -> tuple[xgb.Booster, TreeTables, str]:
    """One model for all jobs: simulated, 5% missing; with its tables and what they cost to build, once compiled."""
    X = rows(2000)
    known = np.nan_to_num(X)
    noise = np.random.default_rng(1).normal(size=len(X))
    y = known[:, 0] + known[:, 1] * known[:, 2] + noise > 0
    settings = {"objective": "binary:logistic", "max_depth": DEPTH, "eta": 0.05, "max_bin": 64, "nthread": threads()}
    settings["min_child_weight"] = 0  # full trees: the most work
    booster = xgb.train(settings, xgb.DMatrix(X, label=y), trees)
    tables = TreeTables.from_booster(booster)
    return booster, tables, f"build {timed(partial(TreeTables.from_booster, booster)):.2f} s apart"


def rows(count: int) -> np.ndarray:
    """Draw standard normals, 5% missing; SIMULATED."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(count, FEATURES)).astype(np.float32)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X


def named(count: int) -> str:
    """Say the size."""
    return f"{count} rows x {TREES} trees x depth {DEPTH} x {FEATURES} features"


def beside_xgboost(sizes: tuple[int, ...] = (100, 1_000, 3_000), pairs: int = 5) -> list[dict]:
    """Compare with xgboost; it needs minutes for 100,000 rows."""
    booster, tables, note = trained()
    found = []
    for count in sizes:
        X = rows(count)
        ours, peer = partial(tables.contributions, X), partial(contributions_by_xgboost, booster, X)
        options = {"package": "xgboost", "differ": largest, "tolerance": 2e-5, "goal": 30, "note": note}
        found.append(paired("treeshap", named(count), ours, peer, pairs=pairs, **options))
    return found


def contributions_by_xgboost(booster: xgb.Booster, X: np.ndarray) -> np.ndarray:
    """Do as shap.TreeExplainer does for xgboost."""
    return booster.predict(xgb.DMatrix(X, nthread=threads()), pred_contribs=True)


def beside_woodelf(sizes: tuple[int, ...] = (1_000, 10_000, 100_000), pairs: int = 3) -> list[dict]:
    """Compare with woodelf, which prepares the model in every call: so does our side here."""
    from woodelf import WoodelfExplainer

    booster, _, _ = trained()
    explainer, names = WoodelfExplainer(booster), [f"f{i}" for i in range(FEATURES)]
    found = []
    for count in sizes:
        X = rows(count)
        ours, peer = (
            partial(built_and_run, booster, X),
            partial(explainer.shap_values, pd.DataFrame(X, columns=names), verbose=False),
        )
        options = {"package": "woodelf-explainer", "differ": largest, "tolerance": 1e-4, "goal": 3}
        note = "one woodelf thread; our build in every call"
        found.append(paired("treeshap_woodelf", named(count), ours, peer, pairs=pairs, note=note, **options))
    return found


def built_and_run(booster: xgb.Booster, X: np.ndarray) -> np.ndarray:
    """Build the tables and run them; contributions without the bias."""
    return TreeTables.from_booster(booster).contributions(X)[:, :-1]


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Return the jobs of this family."""
    return {"treeshap": beside_xgboost, "treeshap_woodelf": beside_woodelf}
