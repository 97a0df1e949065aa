"""Gene-set means against one numpy call per set."""

from collections.abc import Callable
from functools import partial

import numpy as np
from harness import largest, paired

from theracast.kernels.enrichment import set_means


def means() -> list[dict]:
    """20,000 genes and 50 sets; the goal is only not to lose to what one would write without a kernel."""
    rng = np.random.default_rng(0)
    rows = []
    for samples in (100, 300, 1000):
        values = rng.gamma(2.0, 2.0, size=(samples, 20_000)).astype(np.float32)  # simulated
        sets = [rng.choice(20_000, size=size, replace=False) for size in rng.integers(10, 200, size=50)]
        members = np.concatenate(sets).astype(np.int64)
        offsets = np.cumsum([0, *(len(s) for s in sets)]).astype(np.int64)
        rows.append(
            paired(
                "set_means",
                f"{samples} x 20k x 50",
                partial(set_means, values, members, offsets, 0.8),
                partial(by_numpy, values, sets),
                package="numpy",
                differ=largest,
                tolerance=1e-6,
                goal=1,
            )
        )
    return rows


def by_numpy(values: np.ndarray, sets: list[np.ndarray]) -> np.ndarray:
    """Do what one would write without a kernel."""
    return np.column_stack([np.nanmean(values[:, genes], axis=1, dtype=np.float64) for genes in sets])


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Return the jobs of this family."""
    return {"set_means": means}
