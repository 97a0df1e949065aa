"""Bootstrap of an AUC against a loop over scikit-learn on the same resamples."""

from collections.abc import Callable
from functools import partial

import numpy as np
from harness import largest, paired

from theracast.kernels.resample import resampled_counts
from theracast.models.resampling import _bootstrap

DRAWS = 10_000
LOOP = 100  # the loop's time per draw does not depend on how many there are


def bootstrap() -> list[dict]:
    """10,000 draws of ours against 100 of scikit-learn; the goal is stated for the same number of draws."""
    from sklearn.metrics import roc_auc_score

    rows = []
    for n in (250, 1000, 4000):
        rng = np.random.default_rng(0)
        y = (rng.random(n) < 0.3).astype(np.int64)
        score = np.round(y + rng.normal(0, 1.5, n), 2)
        counts = resampled_counts(np.arange(n), np.array([0, n]), LOOP, 0)

        def loop(y=y, score=score, counts=counts, n=n) -> np.ndarray:
            drawn = [np.repeat(np.arange(n), count) for count in counts]
            return np.array([roc_auc_score(y[r], score[r]) for r in drawn])

        def first(a: np.ndarray, b: np.ndarray) -> float:
            return largest(a[1 : LOOP + 1, 0], b)

        ours = partial(_bootstrap, y, [score], DRAWS, 0, False)
        row = paired(
            "auc bootstrap",
            f"n={n}, 10,000 draws",
            ours,
            loop,
            package="scikit-learn:roc_auc_score",
            differ=first,
            tolerance=1e-12,
            goal=300,
            note=f"peer timed on {LOOP} draws, x{DRAWS // LOOP}",
        )
        for key in ("peer_s", "ratio", "ratio_min", "ratio_max"):
            row[key] = round(row[key] * (DRAWS / LOOP), 1)
        rows.append(row)
    return rows


def jobs() -> dict[str, Callable[[], list[dict]]]:
    """Return the jobs of this family."""
    return {"resample": bootstrap}
