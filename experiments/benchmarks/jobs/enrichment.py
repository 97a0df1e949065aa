"""Ranks against scipy, ssGSEA against gseapy, AUCell against decoupler; ours through the public functions."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from harness import largest, paired, threads

from theracast.features.enrichment import aucell, ssgsea
from theracast.kernels.ranks import ranks

GENES = 20_000


def simulated(samples: int, sets: int, genes: int = GENES) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Simulate log2(TPM+1) in float32 and sets of 15 to 200 genes; no ties, which every peer breaks its own way."""
    rng = np.random.default_rng(0)
    distinct = np.unique(np.log2(1 + rng.gamma(0.5, 20.0, size=2 * genes)).astype(np.float32))
    values = rng.permuted(np.tile(rng.choice(distinct, size=genes, replace=False), (samples, 1)), axis=1)
    names = np.array([f"G{i:05d}" for i in range(genes)])
    table = pd.DataFrame(values, index=[f"P{i:04d}" for i in range(samples)], columns=names)
    sizes = rng.integers(15, 200, size=sets)
    return table, {f"S{s:04d}": rng.choice(names, size=k, replace=False).tolist() for s, k in enumerate(sizes)}


def rank_job(sizes: tuple[int, ...] = (100, 300, 1000)) -> list[dict]:
    """Rank float32 values with zeros tied, within samples."""
    from scipy.stats import rankdata

    rows = []
    for samples in sizes:
        values = simulated(samples, 1)[0].to_numpy().copy()
        values[values < 0.3] = 0
        peer = partial(rankdata, values, axis=1)
        ours = partial(ranks, values)
        size = f"{samples} x 20k"
        note = f"ours {threads()} threads, scipy 1"
        row = paired("ranks", size, ours, peer, package="scipy", differ=largest, tolerance=0.0, goal=8, note=note)
        rows.append(row)
    return rows


def ssgsea_job(
    sizes: tuple[tuple[int, int, int], ...] = ((100, 50, 80), (300, 50, 80), (100, 1000, 250)),
) -> list[dict]:
    """Score by ssGSEA; gseapy sums the same walk, and gets the frame the way it likes it, genes in rows."""
    import gseapy

    rows = []
    for samples, n_sets, goal in sizes:
        table, sets = simulated(samples, n_sets)
        turned = table.T.copy()

        def peer(turned: pd.DataFrame = turned, sets: dict = sets) -> Any:
            options = {"sample_norm_method": "rank", "min_size": 1, "max_size": GENES, "weight": 0.25}
            return gseapy.ssgsea(turned, sets, outdir=None, no_plot=True, threads=threads(), **options)

        def differ(ours: pd.DataFrame, found: Any) -> float:
            wide = found.res2d.set_index(["Name", "Term"])["ES"].astype(float).unstack()  # noqa: PD010 - each pair once
            return largest(ours, wide.loc[ours.index, ours.columns]) / float(np.abs(ours.to_numpy()).max())

        size = f"{samples} x 20k x {n_sets} sets"
        ours = partial(ssgsea, table, sets)
        note = f"{threads()} threads each; agreement relative"
        rows.append(
            paired("ssgsea", size, ours, peer, package="gseapy", differ=differ, tolerance=1e-12, goal=goal, note=note)
        )
    return rows


def aucell_job(sizes: tuple[tuple[int, int], ...] = ((50, 50), (100, 50), (300, 50), (100, 1000))) -> list[dict]:
    """Score by AUCell."""
    import decoupler

    rows = []
    for samples, n_sets in sizes:
        table, sets = simulated(samples, n_sets)
        net = pd.DataFrame([(s, g) for s, genes in sets.items() for g in genes], columns=["source", "target"])

        def peer(table: pd.DataFrame = table, net: pd.DataFrame = net) -> pd.DataFrame:
            return decoupler.mt.aucell(table, net.assign(weight=1.0), tmin=1, n_up=GENES // 20)[0]

        def differ(ours: pd.DataFrame, found: pd.DataFrame) -> float:
            return largest(ours, found.loc[ours.index, ours.columns])

        size = f"{samples} x 20k x {n_sets} sets"
        ours = partial(aucell, table, sets)
        note = f"{threads()} threads each"
        rows.append(
            paired("aucell", size, ours, peer, package="decoupler", differ=differ, tolerance=0.0, goal=60, note=note)
        )
    return rows


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Offer the jobs by name."""
    return {"ranks": rank_job, "ssgsea": ssgsea_job, "aucell": aucell_job}
