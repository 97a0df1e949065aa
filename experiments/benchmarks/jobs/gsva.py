"""GSVA of a cohort beside gseapy (Rust) and decoupler: simulated log expression, 20,000 genes, 50 sets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from harness import largest, paired, threads

from theracast.features.gsva import gsva

SAMPLES = (50, 100, 300)
FEW = (20, 40, 80)  # decoupler takes about 0.35 s per sample
GENES, SETS = 20_000, 50


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Name the jobs of this family."""
    return {"gsva": by_table, "gsva_exact": exact, "gsva_decoupler": beside_decoupler}


def by_table() -> list[dict]:
    """Compare the form that equals R (to 4e-13 here) with gseapy, which orders some genes within 1e-16 differently."""
    return [_beside_gseapy("gsva", "table", n, tolerance=1e-4, goal=10) for n in SAMPLES]


def exact() -> list[dict]:
    """Compare the exact kernel with gseapy, which has R's table: scores differ by what the table costs."""
    return [_beside_gseapy("gsva_exact", "exact", n, tolerance=2e-3, goal=40) for n in SAMPLES]


def beside_decoupler() -> list[dict]:
    """Compare the form that equals R with decoupler, whose normal CDF is an approximation."""
    import decoupler

    rows = []
    for n in FEW:
        table, sets = simulated(n)
        net = pd.DataFrame([(s, g) for s, genes in sets.items() for g in genes], columns=["source", "target"])
        peer = partial(decoupler.mt.gsva, table, net, tmin=1)
        rows.append(
            paired(
                "gsva_decoupler",
                f"{n} x 20k x 50",
                partial(gsva, table, sets),
                lambda peer=peer, sets=sets: peer()[0][list(sets)],
                package="decoupler:gsva",
                differ=largest,
                tolerance=1e-3,
                goal=100,
                note=f"{threads()} threads",
            )
        )
    return rows


def simulated(n_samples: int) -> tuple[pd.DataFrame, dict[str, list[str]]]:
    """Draw log expression and sets of 10 to 200 genes."""
    rng = np.random.default_rng(n_samples)
    names = [f"G{g}" for g in range(GENES)]
    values = rng.normal(rng.uniform(2, 12, GENES), rng.uniform(0.3, 2, GENES), (n_samples, GENES))
    sets = {f"S{s}": rng.choice(names, rng.integers(10, 200), replace=False).tolist() for s in range(SETS)}
    return pd.DataFrame(values, [f"P{i}" for i in range(n_samples)], names), sets


def _beside_gseapy(job: str, kernel: Any, n: int, tolerance: float, goal: float) -> dict:
    import gseapy

    table, sets = simulated(n)
    flipped = table.T

    def peer() -> pd.DataFrame:
        found = gseapy.gsva(flipped, sets, outdir=None, min_size=1, threads=threads())
        return found.res2d.pivot_table(index="Name", columns="Term", values="ES").astype(float)

    return paired(
        job,
        f"{n} x 20k x 50",
        partial(gsva, table, sets, kernel=kernel),
        peer,
        package="gseapy",
        differ=lambda a, b: largest(a, b.loc[a.index, a.columns]),
        tolerance=tolerance,
        goal=goal,
        note=f"{threads()} threads",
    )
