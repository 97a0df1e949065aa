"""Write enrichment_aucell.json with decoupler: .venv-bench/bin/python tests/golden/make_enrichment_aucell.py.

decoupler shuffles the genes to break ties at random: 'plain' comes from its public function, 'ties' from the method
below it, which keeps the order of the columns.
"""

import json
from importlib.metadata import version
from pathlib import Path

import decoupler as dc
import numpy as np
import pandas as pd

HERE = Path(__file__).parent
SETS = json.loads((HERE / "enrichment_sets.json").read_text())


def table(name):
    return pd.read_csv(HERE / f"enrichment_{name}.csv", comment="#", index_col=0)


def below(x):
    lists = [[x.columns.get_loc(g) for g in genes if g in x.columns] for genes in SETS.values()]
    offsets = np.array([len(part) for part in lists])
    starts = np.cumsum([0, *offsets[:-1]])
    method = dc.mt.aucell._method.func
    return method(x.to_numpy(float), np.concatenate(lists), starts, offsets, n_up=12)[0]


net = pd.DataFrame([(s, g, 1.0) for s, genes in SETS.items() for g in genes], columns=["source", "target", "weight"])
public, _ = dc.mt.aucell(table("plain"), net, tmin=1, n_up=12)
golden = {
    "made_by": ".venv-bench/bin/python tests/golden/make_enrichment_aucell.py",
    "versions": {p: version(p) for p in ("decoupler", "numpy", "scipy")},
    "n_up": 12,
    "sets": list(SETS),
    "plain": public[list(SETS)].to_numpy().tolist(),
    "ties": below(table("ties")).tolist(),
}
(HERE / "enrichment_aucell.json").write_text(json.dumps(golden) + "\n")
