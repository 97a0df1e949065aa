"""Distances of scikit-bio on a SIMULATED tree and table; run with a Python that has scikit-bio 0.7.4.

Run: python tests/golden/make_diversity.py
"""

import io
import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from skbio import TreeNode
from skbio.diversity import alpha_diversity, beta_diversity

warnings.simplefilter("ignore")
rng = np.random.default_rng(20240601)
parts = [f"t{i}:{rng.random():.4f}" for i in range(18)]
while len(parts) > 2:
    a, b = (parts.pop(int(rng.integers(len(parts)))) for _ in range(2))
    parts.append(f"({a},{b}):{rng.random():.4f}")
newick = "(" + ",".join(parts) + ");"
taxa = [f"t{i}" for i in range(15)]
counts = rng.poisson(0.6, (7, 15)) * rng.integers(1, 40, (7, 15))
counts[4] = counts[3]
tree = {"tree": TreeNode.read(io.StringIO(newick)), "taxa": taxa}
out = {
    "tool": f"scikit-bio {version('scikit-bio')}",
    "newick": newick,
    "taxa": taxa,
    "counts": counts.tolist(),
    "bray_curtis": beta_diversity("braycurtis", counts).data.tolist(),
    "unweighted": beta_diversity("unweighted_unifrac", counts, **tree).data.tolist(),
    "weighted": beta_diversity("weighted_unifrac", counts, **tree).data.tolist(),
    "normalized": beta_diversity("weighted_unifrac", counts, normalized=True, **tree).data.tolist(),
    "faith_pd": alpha_diversity("faith_pd", counts, **tree).tolist(),
}
(Path(__file__).parent / "diversity_skbio.json").write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
