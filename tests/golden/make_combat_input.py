"""SIMULATED log expression of three sites, a covariate, and a copy with gaps, for the golden numbers of ComBat.

Run from the root: python tests/golden/make_combat_input.py; then Rscript tests/golden/combat.R
"""

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
rng = np.random.default_rng(20070118)
sites = np.repeat(["a", "b", "c"], [14, 9, 11])
n, genes = len(sites), 60
stage = rng.integers(0, 3, n)
grade = rng.choice(["high", "low"], n)
values = rng.normal(rng.uniform(2, 9, genes), rng.uniform(0.3, 1.6, genes), (n, genes))
values += np.outer(stage, rng.normal(0, 0.4, genes)) + np.outer(grade == "low", rng.normal(0, 0.5, genes))
for site in "bc":
    rows = sites == site
    centre, scale = rng.normal(0.8, 0.6, genes), rng.uniform(0.6, 2.2, genes)
    values[rows] = (values[rows] - values[rows].mean(axis=0)) * scale + values[rows].mean(axis=0) + centre
values[:, 7] = np.where(sites == "b", 3.0, values[:, 7])  # constant within one site
table = pd.DataFrame(values, columns=[f"g{i:02}" for i in range(genes)]).round(6)
table.insert(0, "grade", grade)
table.insert(0, "stage", stage)
table.insert(0, "site", sites)
table.to_csv(HERE / "combat_input.csv", index=False)
gaps = table.copy()
gaps.iloc[:, 3:] = gaps.iloc[:, 3:].mask(rng.random((n, genes)) < 0.08)
gaps.to_csv(HERE / "combat_gaps.csv", index=False)
