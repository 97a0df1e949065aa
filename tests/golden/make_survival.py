"""Concordance and Kaplan-Meier of lifelines on a SIMULATED cohort with ties; run with a Python that has lifelines.

Run: python tests/golden/make_survival.py
"""

import json
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
from lifelines import KaplanMeierFitter
from lifelines.utils import concordance_index

warnings.simplefilter("ignore")
rng = np.random.default_rng(20240601)
time, event = np.ceil(rng.exponential(6, 80)), (rng.random(80) < 0.6).astype(int)
risk = np.round(-time / 4 + rng.normal(0, 2, 80))
fitted = KaplanMeierFitter().fit(time, event).survival_function_.iloc[:, 0]
out = {
    "tool": f"lifelines {version('lifelines')}",
    "time": time.tolist(),
    "event": event.tolist(),
    "risk": risk.tolist(),
    "concordance": float(concordance_index(time, -risk, event)),
    "survival": {str(k): float(v) for k, v in fitted.items() if k > 0},
}
(Path(__file__).parent / "survival_lifelines.json").write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
