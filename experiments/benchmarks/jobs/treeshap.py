"""TreeSHAP of 500 trees of depth 6 over 200 features, beside xgboost, shap, fasttreeshap and woodelf; and its pairs.

Contributions are timed with stored tables, and the note says what building them costs; beside woodelf, which prepares
the model in every call, we build in every call too. Interactions: 100 trees, because xgboost needs half a minute for
20 rows of 500, and we build in every call. fasttreeshap runs its first algorithm: the second fails its own additivity
check on this model.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import pandas as pd
import xgboost as xgb
from harness import largest, paired, threads, timed

from theracast.models.treeshap import TreeTables

TREES, DEPTH, FEATURES = 500, 6, 200
FEW = 100


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
    """Draw standard normals, 5% missing; SIMULATED.

    In steps of 1/64, which are exact in binary and in decimals: woodelf reads thresholds as short decimals, so that of
    10,000 rows at full precision it sends a few the wrong way.
    """
    rng = np.random.default_rng(0)
    X = (np.round(64 * rng.normal(size=(count, FEATURES))) / 64).astype(np.float32)
    X[rng.random(X.shape) < 0.05] = np.nan
    return X


def named(count: int, trees: int = TREES) -> str:
    """Say the size."""
    return f"{count} rows x {trees} trees x depth {DEPTH} x {FEATURES} features"


def beside_xgboost(sizes: tuple[int, ...] = (100, 300, 1_000)) -> list[dict]:
    """Compare with xgboost; it needs minutes for 100,000 rows."""
    booster, _, _ = trained()
    return [stored("treeshap", "xgboost", rows(n), partial(contributions_by_xgboost, booster)) for n in sizes]


def beside_shap(sizes: tuple[int, ...] = (1_000,)) -> list[dict]:
    """Compare with shap.TreeExplainer, which calls xgboost for path-dependent values."""
    import shap

    values = shap.TreeExplainer(trained()[0]).shap_values
    return [stored("treeshap_shap", "shap:TreeExplainer", rows(n), values) for n in sizes]


def beside_fasttreeshap(sizes: tuple[int, ...] = (300, 1_000)) -> list[dict]:
    """Compare with fasttreeshap's first algorithm; its trees run on as many threads as ours."""
    import fasttreeshap_fixed

    explainer = fasttreeshap_fixed.TreeExplainer(trained()[0], algorithm="v1", n_jobs=threads())
    values = partial(explainer.shap_values, check_additivity=False)
    return [stored("treeshap_fast", "fasttreeshap-fixed", rows(n), values) for n in sizes]


def stored(job: str, package: str, X: np.ndarray, peer: Callable[[np.ndarray], np.ndarray]) -> dict:
    """Time stored tables beside a peer that holds its model too; not all peers give the bias."""
    _, tables, note = trained()
    ours, theirs = (lambda: tables.contributions(X)[:, :FEATURES]), (lambda: peer(X)[:, :FEATURES])
    options = {"package": package, "differ": largest, "tolerance": 2e-5, "goal": 30, "note": note}
    return paired(job, named(len(X)), ours, theirs, **options)


def contributions_by_xgboost(booster: xgb.Booster, X: np.ndarray) -> np.ndarray:
    """Let xgboost do it."""
    return booster.predict(xgb.DMatrix(X, nthread=threads()), pred_contribs=True)


def beside_woodelf(sizes: tuple[int, ...] = (1_000, 10_000, 100_000)) -> list[dict]:
    """Compare contributions with woodelf's."""
    run, peer = TreeTables.contributions, "shap_values"
    return [against_woodelf("treeshap_woodelf", n, TREES, run, peer, goal=3) for n in sizes]


def pairs_beside_woodelf(sizes: tuple[int, ...] = (20, 200)) -> list[dict]:
    """Compare interactions with woodelf's."""
    run, peer = TreeTables.interactions, "shap_interaction_values"
    return [against_woodelf("treeshap_pairs_woodelf", n, FEW, run, peer, goal=20) for n in sizes]


def against_woodelf(job: str, count: int, trees: int, run: Callable, peer: str, goal: int) -> dict:
    """Time beside woodelf, which prepares the model in every call: so does our side."""
    from woodelf import WoodelfExplainer

    booster, _, _ = trained(trees)
    X = rows(count)
    theirs = partial(getattr(WoodelfExplainer(booster), peer), framed(X), verbose=False)
    options = {"package": "woodelf-explainer", "differ": largest, "tolerance": 1e-4, "goal": goal}
    note = "one woodelf thread; our build in every call"
    return paired(job, named(count, trees), partial(built, booster, X, run), theirs, note=note, **options)


def pairs_beside_xgboost(sizes: tuple[int, ...] = (20,)) -> list[dict]:
    """Compare interactions with xgboost's."""
    booster, _, _ = trained(FEW)
    found = []
    for count in sizes:
        X = rows(count)
        ours = partial(built, booster, X, TreeTables.interactions)
        peer = partial(interactions_by_xgboost, booster, X)
        options = {"package": "xgboost", "differ": largest, "tolerance": 1e-5, "goal": 20}
        note = "our build in every call"
        found.append(paired("treeshap_pairs", named(count, FEW), ours, peer, note=note, **options))
    return found


def interactions_by_xgboost(booster: xgb.Booster, X: np.ndarray) -> np.ndarray:
    """Let xgboost do it; without the bias."""
    return booster.predict(xgb.DMatrix(X, nthread=threads()), pred_interactions=True)[:, :FEATURES, :FEATURES]


def framed(X: np.ndarray) -> pd.DataFrame:
    """Name the columns as xgboost does."""
    return pd.DataFrame(X, columns=[f"f{i}" for i in range(X.shape[1])])


def built(booster: xgb.Booster, X: np.ndarray, run: Callable[[TreeTables, np.ndarray], np.ndarray]) -> np.ndarray:
    """Build the tables and run them; the result without the bias, in each dimension after the rows."""
    result = run(TreeTables.from_booster(booster), X)
    return result[(slice(None), *[slice(FEATURES)] * (result.ndim - 1))]


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Return the jobs of this family."""
    return {
        "treeshap_xgboost": beside_xgboost,
        "treeshap_shap": beside_shap,
        "treeshap_fast": beside_fasttreeshap,
        "treeshap_woodelf": beside_woodelf,
        "treeshap_pairs": pairs_beside_xgboost,
        "treeshap_pairs_woodelf": pairs_beside_woodelf,
    }
