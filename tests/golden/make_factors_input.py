"""Write the input of factors.R: SIMULATED blocks, or the public TCGA breast cancer ones where a folder is given."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent


def simulated(n=40, seed=20261126):
    rng = np.random.default_rng(seed)
    kinds = np.repeat(["one", "two", "three"], [16, 14, 10])
    drift = pd.factorize(kinds)[0][:, None] * [[0.9, -0.4]] + rng.normal(size=(n, 2))
    widths = {"rna": 8, "protein": 5, "lipid": 3}
    blocks = {
        f"{b}__f{i}": drift @ rng.normal(size=2) + rng.normal(scale=1.5, size=n)
        for b, p in widths.items()
        for i in range(p)
    }
    table = pd.DataFrame(blocks) * rng.lognormal(sigma=1.0, size=sum(widths.values())) + 10
    return table.round(4).assign(kind=kinds).rename_axis("patient").rename(index=lambda i: f"simulated_{i:02}")


def tcga(folder):
    parts = {b: pd.read_parquet(folder / f"{b}.parquet").set_index("patient_id") for b in ("mrna", "mirna", "protein")}
    table = pd.concat([t.add_prefix(f"{b}__") for b, t in parts.items()], axis=1, join="inner")
    kinds = pd.read_csv(folder / "clinical.csv").set_index("patient_id")["subtype"]
    return table.join(kinds.rename("kind")).rename_axis("patient")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        tcga(Path(sys.argv[1])).to_csv(sys.argv[2])
    else:
        simulated().to_csv(HERE / "factors_input.csv")
