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


def distances(sizes: tuple[int, ...] = (200, 500, 1500), taxa: int = 2000) -> list[dict]:
    """Three distances on three sizes; the tree is read outside, by both."""
    from skbio import TreeNode
    from skbio.diversity import beta_diversity

    warnings.simplefilter("ignore")
    rows = []
    for samples in sizes:
        table, newick = simulated(samples, taxa)
        ours, theirs = read_newick(newick), {"tree": TreeNode.read(io.StringIO(newick)), "taxa": list(table.columns)}
        counts = table.to_numpy()
        jobs = {
            "Bray-Curtis": (partial(bray_curtis, table), "braycurtis", {}, 20),
            "UniFrac": (partial(unifrac, table, ours), "unweighted_unifrac", theirs, 70),
            "weighted UniFrac": (partial(unifrac, table, ours, weighted=True), "weighted_unifrac", theirs, 70),
        }
        for job, (call, metric, options, goal) in jobs.items():

            def peer(metric=metric, options=options, counts=counts) -> np.ndarray:
                return beta_diversity(metric, counts, **options).data

            size = f"{samples} samples x {taxa} taxa"
            pairs = 5 if samples <= 500 else 2
            options = {"package": "scikit-bio", "differ": largest, "tolerance": 1e-11, "goal": goal, "pairs": pairs}
            rows.append(paired(job, size, call, peer, **options))
    return rows


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Return the jobs of this family."""
    return {"diversity": distances}
