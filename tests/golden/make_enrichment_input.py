"""Write the inputs of enrichment.R and make_enrichment_aucell.py: python tests/golden/make_enrichment_input.py."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent

rng = np.random.default_rng(20261123)
genes = [f"G{i:03d}" for i in range(120)]
patients = [f"P{i:02d}" for i in range(15)]
logged = np.log2(1 + rng.gamma(0.6, 12.0, size=(15, 120)))
# one decimal, and nothing below 1: zeros and ties within every patient; G007 does not vary
tied = np.where(logged < 1, 0.0, np.round(logged, 1))
tied[:, 7] = 2.0
plain = np.round(logged, 9)
head = "# SIMULATED, seed 20261123, by make_enrichment_input.py; no patients\n"
for name, values in {"ties": tied, "plain": plain}.items():
    table = pd.DataFrame(values, index=pd.Index(patients, name="patient"), columns=genes)
    (HERE / f"enrichment_{name}.csv").write_text(head + table.to_csv())
sets = {f"S{k:02d}": sorted(rng.choice(genes, size=k, replace=False).tolist()) for k in (2, 3, 5, 9, 17, 40, 80)}
sets["S05"] = [*sets["S05"], "G007", "ABSENT1", "ABSENT2"]
(HERE / "enrichment_sets.json").write_text(json.dumps(sets, indent=1) + "\n")
