"""Bray-Curtis and UniFrac against scikit-bio."""

import io
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from harness import largest, paired

from theracast.features.diversity import bray_curtis, read_newick, unifrac


def simulated(samples: int, taxa: int) -> tuple[pd.DataFrame, str]:
    """Sparse counts and a random tree; SIMULATED."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.4, (samples, taxa)) * rng.integers(1, 50, (samples, taxa))
    parts = [f"t{i}:{rng.random():.5f}" for i in range(taxa)]
    while len(parts) > 2:
        a, b = (parts.pop(int(rng.integers(len(parts)))) for _ in range(2))
        parts.append(f"({a},{b}):{rng.random():.5f}")
    table = pd.DataFrame(counts, columns=[f"t{i}" for i in range(taxa)], index=[f"s{i}" for i in range(samples)])
    return table, "(" + ",".join(parts) + ");"


def compared(job: str, table: pd.DataFrame, ours: Callable, metric: str, goal: int, **options: object) -> dict:
    """Compare with scikit-bio."""
    from skbio.diversity import beta_diversity

    def peer() -> np.ndarray:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return beta_diversity(metric, table.to_numpy(), **options).data

    size = f"{table.shape[0]} samples x {table.shape[1]} taxa"
    known = {"package": "scikit-bio", "differ": largest, "tolerance": 1e-12, "goal": goal}
    return paired(job, size, ours, peer, **known)


def without_a_tree(sizes: tuple[int, ...] = (500, 1500, 3000), taxa: int = 2000) -> list[dict]:
    """Bray-Curtis."""
    tables = [simulated(n, taxa)[0] for n in sizes]
    return [compared("Bray-Curtis", t, partial(bray_curtis, t), "braycurtis", 20) for t in tables]


def with_a_tree(sizes: tuple[int, ...] = (100, 200, 500), taxa: int = 2000) -> list[dict]:
    """UniFrac; the tree is read outside, by both."""
    from skbio import TreeNode

    rows = []
    for n in sizes:
        table, newick = simulated(n, taxa)
        tree, theirs = read_newick(newick), {"tree": TreeNode.read(io.StringIO(newick)), "taxa": list(table.columns)}
        for name in ("unweighted", "weighted"):
            ours = partial(unifrac, table, tree, weighted=name == "weighted")
            rows.append(
                compared(f"{name} UniFrac".removeprefix("unweighted "), table, ours, f"{name}_unifrac", 70, **theirs)
            )
    return rows


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Return the jobs of this family."""
    return {"bray_curtis": without_a_tree, "unifrac": with_a_tree}
