"""Median-of-ratios size factors of pydeseq2 for the tables of normalise.R that have a gene without zeros.

Run from the root of the repository: .venv-bench/bin/python tests/golden/normalise_pydeseq2.py
"""

from importlib.metadata import version
from pathlib import Path

import pandas as pd
from pydeseq2.preprocessing import deseq2_norm

HERE = Path(__file__).parent
parts = []
for name, table in pd.read_csv(HERE / "normalise_counts.csv").groupby("table"):
    counts = table.pivot_table(index="sample", columns="gene", values="count")
    if (counts > 0).all().any():
        factors = deseq2_norm(counts.to_numpy())[1]
        parts.append(pd.DataFrame({"table": name, "sample": counts.index, "size_factor": factors}))
pd.concat(parts).to_csv(HERE / "normalise_size_factors.csv", index=False)
print("pydeseq2", version("pydeseq2"))
