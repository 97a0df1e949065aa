"""Scores of the univariate linear model by decoupler: set_blocks_ulm.json."""

import json
from importlib.metadata import version
from pathlib import Path

import decoupler
import pandas as pd

HERE = Path(__file__).parent
table = pd.read_csv(HERE / "set_blocks.csv", index_col=0)
weights = json.loads((HERE / "set_blocks_weights.json").read_text())
net = pd.DataFrame(
    [(s, g, w) for s, genes in weights.items() for g, w in genes.items()], columns=["source", "target", "weight"]
)
scores, _ = decoupler.mt.ulm(table, net, tmin=5, empty=False)  # genes that are 0 in all patients stay
out = {
    "tool": f"decoupler {version('decoupler')}",
    "sets": list(weights),
    "scores": scores[list(weights)].values.tolist(),
}
(HERE / "set_blocks_ulm.json").write_text(json.dumps(out) + "\n")
