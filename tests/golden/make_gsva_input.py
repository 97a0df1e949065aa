"""Simulate the cohorts of gsva.R (seed 1471): continuous, with ties, mostly zero, and of two samples."""

from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent


def main():
    rng = np.random.default_rng(1471)
    genes = [f"G{i:03d}" for i in range(150)]
    plain = rng.normal(8, 2, (12, 150)).round(3)
    plain[3, :20] += 3
    ties = rng.integers(0, 4, (11, 150)).astype(float)
    ties[:, 70:80] = ties[:, :10]  # genes that are copies
    ties[:, 80:90] = rng.permuted(ties[:, :10], axis=0)  # the same values in other samples
    ties[:, 90:93] = 2.0  # constant: dropped
    sparse = np.where(rng.random((14, 150)) < 0.8, 0.0, np.log2(1 + rng.integers(1, 9, (14, 150)))).round(6)
    two = rng.normal(8, 2, (2, 150)).round(3)
    for name, values in {"plain": plain, "ties": ties, "sparse": sparse, "two": two}.items():
        table = pd.DataFrame(values, [f"S{i:02d}" for i in range(len(values))], genes)
        text = table.to_csv(lineterminator="\n")
        (HERE / f"gsva_{name}.csv").write_text(f"# SIMULATED, see make_gsva_input.py\n{text}")
    sets = {f"set{s}": rng.choice(genes, size, replace=False) for s, size in enumerate([2, 5, 10, 20, 40, 75])}
    sets["one"] = genes[17:18]
    sets["strangers"] = [*genes[40:52], "NOT_MEASURED"]
    sets["some_constant"] = genes[85:99]
    sets["whole"] = genes
    rows = [(name, gene) for name, members in sets.items() for gene in members]
    pd.DataFrame(rows, columns=["set", "gene"]).to_csv(HERE / "gsva_sets.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
