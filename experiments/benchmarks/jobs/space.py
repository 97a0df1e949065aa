"""Cells in a tissue: cross-K against scipy, shuffled contacts against squidpy."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from harness import largest, paired

from theracast.features.spatial import contact_scores, cross_k

RADII = np.arange(5.0, 101.0, 5.0)
REACH, SHUFFLES = 15.0, 200


def tissue(n: int) -> pd.DataFrame:
    """Cells 10 um apart on average; SIMULATED."""
    rng = np.random.default_rng(0)
    kinds = rng.choice(["tumour", "cd8", "cd4", "b", "stroma"], n, p=[0.5, 0.15, 0.1, 0.05, 0.2])
    kinds = pd.Categorical(kinds)
    return pd.DataFrame({**dict(zip("xy", rng.uniform(0, 10 * np.sqrt(n), (2, n)), strict=True)), "cell_type": kinds})


def k_functions() -> list[dict]:
    """Twenty radii to 100 um."""
    from scipy.spatial import cKDTree

    rows = []
    for n in (10_000, 50_000, 100_000):
        cells = tissue(n)

        def peer(cells: pd.DataFrame = cells) -> np.ndarray:
            trees = [cKDTree(cells.loc[cells["cell_type"] == t, ["x", "y"]].to_numpy()) for t in ("tumour", "cd8")]
            return trees[0].count_neighbors(trees[1], RADII)

        rows.append(
            paired(
                "cross-K",
                f"{n} cells x 20 radii",
                partial(cross_k, cells, "tumour", "cd8", RADII),
                peer,
                package="scipy:count_neighbors",
                differ=lambda a, b: largest(a["pairs"], b),
                tolerance=0,
                goal=5,
            )
        )
    return rows


def shuffles() -> list[dict]:
    """Neighbourhood enrichment; counts must be equal, z-scores within what 200 shuffles can tell."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import anndata
        import scanpy
        import squidpy

    scanpy.settings.verbosity = 0

    rows = []
    for n in (5_000, 20_000, 50_000):
        cells = tissue(n)
        data = anndata.AnnData(np.zeros((n, 1), dtype=np.float32), obs=cells.set_axis(cells.index.astype(str)))
        data.obsm["spatial"] = cells[["x", "y"]].to_numpy()

        def peer(data: anndata.AnnData = data) -> tuple[np.ndarray, np.ndarray]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                squidpy.gr.spatial_neighbors(data, coord_type="generic", radius=REACH)
                found = squidpy.gr.nhood_enrichment(
                    data, "cell_type", n_perms=SHUFFLES, seed=0, copy=True, n_jobs=2, show_progress_bar=False,
                    backend="threading",
                )  # fmt: skip
            return found.counts, found.zscore

        def differ(a: pd.DataFrame, b: tuple[np.ndarray, np.ndarray]) -> float:
            unlike = largest(a["count"], b[0].ravel())
            apart = np.abs(a["z"] - b[1].ravel()) / (1 + np.abs(b[1].ravel()))
            return max(unlike, 0.0 if apart.max() < 0.6 else float("inf"))

        rows.append(
            paired(
                "contact z-scores",
                f"{n} cells x {SHUFFLES} shuffles",
                partial(contact_scores, cells, REACH, SHUFFLES),
                peer,
                package="squidpy:nhood_enrichment",
                differ=differ,
                tolerance=0,
                goal=5,
                note="with finding the neighbours",
            )
        )
    return rows


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Return the jobs of this family."""
    return {"cross_k": k_functions, "contacts": shuffles}
