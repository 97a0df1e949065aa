"""Brier scores under censoring of scikit-survival on SIMULATED cohorts, without ties of time and with.

scikit-survival weighs an event at T by 1 / G(T), Graf 1999 by 1 / G(T-): they differ where somebody is censored at T.
On the tied cohort its G is learned from the times as they are and looked up just before each event.

Run with a Python that has scikit-survival: python tests/golden/make_brier.py
"""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from sksurv.metrics import brier_score
from sksurv.util import Surv

rng = np.random.default_rng(20240601)
out = {"tool": f"scikit-survival {version('scikit-survival')}"}
for name, digits, before in (("distinct", 6, 0), ("tied", 0, 1e-9)):
    time = np.round(rng.exponential(6, 80) + 1, digits)
    event, alive = rng.random(80) < 0.6, np.round(rng.random(80), 4)
    learned, judged = Surv.from_arrays(event, time), Surv.from_arrays(event, time - before * event)
    horizons = [2.0, 3.5, 5.0, 8.0, 12.5]  # of the tied times 2, 5 and 8 are times of events and of censorings
    scores = [float(brier_score(learned, judged, alive, h)[1][0]) for h in horizons]
    out[name] = {"time": time.tolist(), "event": event.astype(int).tolist(), "survival": alive.tolist()}
    out[name] |= {"horizons": horizons, "brier": scores}
(Path(__file__).parent / "brier_sksurv.json").write_text(json.dumps(out, indent=1) + "\n", encoding="utf-8")
