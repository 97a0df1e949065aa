"""What a model that is right would show on these cohorts: how often it passes tests that ask each cohort to pass.

SIMULATED labels: drawn from the model's own probabilities, so that calibration is perfect by construction; and label
sets that hold exactly what they promise. What is asked of every cohort at once fails by chance alone, and this says how
often.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from ici_tables import LARGE, SLOPES, known_pairs
from scipy.special import logit
from scipy.stats import binom, norm

from theracast.models.fusion import SET_LEVEL
from theracast.models.validate import MODEL

DRAWS = 2000
#: True gains in AUC at which it is asked how often no cohort comes out below.
GAINS = (0.0, 0.01, 0.02, 0.05)


def slopes(probability: np.ndarray, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Calibration slope of each draw of labels; NaN where the classes do not overlap."""
    x = logit(np.clip(probability, 1e-6, 1 - 1e-6))
    design = np.column_stack([np.ones_like(x), x])
    y = (rng.random((draws, len(x))) < probability).astype(float)
    beta = np.tile([0.0, 1.0], (draws, 1))
    for _ in range(25):
        p = 1.0 / (1.0 + np.exp(-beta @ design.T))
        gradient = (y - p) @ design
        weight = p * (1.0 - p)
        hessian = np.einsum("dn,ni,nj->dij", weight, design, design)
        beta = beta + np.linalg.solve(hessian, gradient[..., None])[..., 0].clip(-2.0, 2.0)
    return np.where(np.abs(gradient).max(axis=1) < 1e-6, beta[:, 1], np.nan)


def passing(frame: pd.DataFrame, coverage: pd.DataFrame, loris: pd.DataFrame, draws: int = DRAWS) -> pd.DataFrame:
    """One line per test: in how many cohorts a right model passes on average, and how often it passes in all."""
    rng = np.random.default_rng(0)
    large = {c: p for c, p in known_pairs(frame, MODEL) if len(p) >= LARGE}
    found = {c: slopes(p[MODEL].to_numpy(), draws, rng) for c, p in large.items()}
    inside = [np.mean((s >= SLOPES[0]) & (s <= SLOPES[1])) for s in found.values()]
    rows = [line(f"calibration slope within {SLOPES[0]}-{SLOPES[1]}, simulated labels", inside)]
    rows.append(line("label sets within two standard errors", [within(n) for n in coverage["n"]]))
    if len(loris):
        se = (loris["step_upper"] - loris["step_lower"]) / (2 * norm.ppf(0.975))
        rows += [line(f"not below LORIS, true gain {g:.2f}", norm.cdf(g / se).tolist()) for g in GAINS]
    return pd.DataFrame(rows)


def within(n: int) -> float:
    """Chance that sets which hold a label 90% of the time do so in n patients within two standard errors."""
    k = np.arange(n + 1)
    near = np.abs(k / n - SET_LEVEL) <= 2 * np.sqrt(SET_LEVEL * (1 - SET_LEVEL) / n)
    return float(binom.pmf(k[near], n, SET_LEVEL).sum())


def line(test: str, chances: Sequence[float]) -> dict[str, object]:
    """Sum up what holds with these chances, cohort by cohort."""
    expected, every = float(np.sum(chances)), float(np.prod(chances))
    return {"test": test, "cohorts": len(chances), "expected": expected, "all_at_once": every}
