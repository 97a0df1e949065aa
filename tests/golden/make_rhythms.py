"""Rhythms of pyActigraphy 1.2.2 on simulated hours of activity.

Run: python tests/golden/make_rhythms.py <folder into which pip installed pyactigraphy --no-deps --target>
pandas and statsmodels are needed; the package's own __init__, which imports its plots, is passed by.
"""

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd

folder = Path(sys.argv[1]) / "pyActigraphy"
for name in ("pyActigraphy", "pyActigraphy.utils", "pyActigraphy.metrics"):
    sys.modules[name] = ModuleType(name)
    sys.modules[name].__path__ = [str(folder.joinpath(*name.split(".")[1:]))]
peer = importlib.import_module("pyActigraphy.metrics.metrics")

rng = np.random.default_rng(20261125)
typical = 300 + 280 * np.sin((np.arange(24) - 8) / 24 * 2 * np.pi)
hours = np.round(np.maximum(typical * rng.uniform(0.2, 1.8, (9, 24)), 0), 1)
series = pd.Series(hours.ravel(), index=pd.date_range("2024-04-29", periods=hours.size, freq="h"))
most, least = (peer._lmx(series, f"{n}h", lowest=n == 5)[1] for n in (10, 5))
found = {
    "about": "SIMULATED hourly activity, 9 days; pyActigraphy 1.2.2, numpy 2.4.6",
    "hours": hours.tolist(),
    "interdaily_stability": peer._interdaily_stability(series),
    "intradaily_variability": peer._intradaily_variability(series),
    "relative_amplitude": (most - least) / (most + least),
}
(Path(__file__).parent / "rhythms_pyactigraphy.json").write_text(json.dumps(found) + "\n")
