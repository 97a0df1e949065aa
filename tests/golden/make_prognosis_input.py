"""SIMULATED patients, treated and not, with tied times: input of prognosis.R and of tests/models/test_prognosis.py."""

from pathlib import Path

import numpy as np
import pandas as pd

rng = np.random.default_rng(20261126)
n = 240
given = np.arange(n) % 2
table = pd.DataFrame(
    {
        "treated": given,
        "tumour": rng.choice(["lung", "skin", "kidney"], n, p=[0.5, 0.3, 0.2]),
        "marker": rng.normal(0, 1, n).round(3),
        "albumin": rng.normal(40, 5, n).round(1),
        "earlier": rng.integers(0, 2, n),
    }
)
risk = -0.8 * table["marker"] * given - 0.08 * (table["albumin"] - 40) + 0.4 * table["earlier"]
time = rng.exponential(12 * np.exp(-risk))
seen = rng.uniform(3, 40, n)
table["months"] = np.ceil(np.minimum(time, seen))
table["died"] = (time <= seen).astype(int)
table["response"] = (rng.random(n) < 1 / (1 + np.exp(-(0.9 * table["marker"] - 0.5)))).astype(int)
table.to_csv(Path(__file__).parent / "prognosis_input.csv", index=False)
