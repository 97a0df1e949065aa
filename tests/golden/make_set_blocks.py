"""Input of the golden gene-set scores: a piece of a real cohort, and published sets.

20 patients of riaz2017_mel (Riaz et al. 2017, PMID 29033130; PredictioR, MIT), 400 of the genes that ship, log2(TPM+1)
in steps of 1/256, which float32 holds exactly, patients and genes sorted. Sets: those of `gene_sets("interferon")`
and of `gene_sets("proliferation")` with five measured genes or more, and SIMULATED weights (seed 5) for the linear
model.
"""

import json
from pathlib import Path

import numpy as np

from theracast.features.datasets import load_cohort
from theracast.features.gene_sets import GeneSets, gene_sets, write_gmt

HERE = Path(__file__).parent
cohort = load_cohort("riaz2017_mel").tables["expression"].astype(np.float64)
sets = {**gene_sets("interferon").weights, **gene_sets("proliferation").weights}
there = set(cohort.columns)
sets = {n: {g: 1.0 for g in genes if g in there} for n, genes in sets.items()}
sets = {n: genes for n, genes in sets.items() if len(genes) >= 5}
wanted = sorted({g for genes in sets.values() for g in genes})
rng = np.random.default_rng(5)
others = sorted(rng.choice(sorted(there - set(wanted)), 400 - len(wanted), replace=False))
table = cohort.loc[sorted(cohort.index)[:20], sorted([*wanted, *others])]
table = (table * 256).round() / 256
table.to_csv(HERE / "set_blocks.csv")
write_gmt(GeneSets(sets), HERE / "set_blocks.gmt")
weights = {
    f"simulated_{k}": dict(zip(genes, np.round(rng.normal(0, 2, len(genes)), 3).tolist(), strict=True))
    for k, genes in enumerate(sorted(rng.choice(table.columns, 40, replace=False).tolist()) for _ in range(4))
}
(HERE / "set_blocks_weights.json").write_text(json.dumps(weights, indent=1) + "\n")
print(table.shape, {n: len(g) for n, g in sets.items()})
