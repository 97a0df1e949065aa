"""Diversity and log-ratios of scikit-bio on SIMULATED counts; run with a Python that has scikit-bio 0.7.4.

Run: python tests/golden/make_communities.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from skbio.diversity import alpha
from skbio.stats.composition import closure, clr, multi_replace, rclr

rng = np.random.default_rng(20260417)
counts = rng.poisson(rng.lognormal(1.0, 2.0, (9, 24)) * rng.binomial(1, 0.6, (9, 24)))
counts[3] = 0
counts[3, 5] = 812  # a single taxon
counts[4] = 7  # all alike
replaced = multi_replace(closure(counts.astype(float)))
small = multi_replace(closure(counts.astype(float)), delta=1e-4)
robust = rclr(counts.astype(float))
out = {
    "tool": f"scikit-bio {version('scikit-bio')}",
    "counts": counts.tolist(),
    "kinds": [float(alpha.sobs(c)) for c in counts],
    "shannon": [float(alpha.shannon(c)) for c in counts],
    "pielou": [float(alpha.pielou_e(c)) for c in counts],
    "simpson": [float(alpha.simpson(c)) for c in counts],
    "gini": [float(alpha.gini_index(c[c > 0], method="trapezoids")) for c in counts],
    "top_share": [float(alpha.berger_parker_d(c)) for c in counts],
    "replaced": replaced.tolist(),
    "replaced_1e-4": small.tolist(),
    "clr": clr(replaced).tolist(),
    "rclr": [[None if np.isnan(x) else x for x in row] for row in robust.tolist()],
}
(Path(__file__).parent / "communities_skbio.json").write_text(json.dumps(out) + "\n", encoding="utf-8")
