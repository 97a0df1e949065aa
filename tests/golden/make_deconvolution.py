"""NNLS by SciPy and nu-SVR by scikit-learn on SIMULATED mixtures of four blood cell types: deconvolution.json."""

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import nnls
from sklearn.svm import NuSVR

HERE = Path(__file__).parent
matrix = pd.read_csv(HERE.parents[1] / "features" / "tables" / "blood_cells.csv", comment="#", index_col=0)
rng = np.random.default_rng(20150330)
cases = []
for _ in range(6):
    s = matrix.sample(40, random_state=int(rng.integers(1e6))).round(1)
    y = np.round(s.to_numpy() @ rng.dirichlet(np.ones(4)) * rng.lognormal(0, 0.4, 40), 2)
    zs, zy = (s.to_numpy() - s.to_numpy().mean()) / s.to_numpy().std(), (y - y.mean()) / y.std()
    tried = []
    for nu in (0.25, 0.5, 0.75):
        model = NuSVR(kernel="linear", nu=nu, C=1.0).fit(zs, zy)
        w = (model.dual_coef_ @ model.support_vectors_).ravel()
        w[w < 0] = 0
        w /= w.sum()
        tried.append((float(np.sqrt(np.mean((zs @ w - zy) ** 2))), w.tolist()))
    best = min(tried)[1]
    cases.append(
        {"signature": s.values.tolist(), "mixture": y.tolist(), "nnls": nnls(s.values, y)[0].tolist(), "nusvr": best}
    )
tool = f"scipy {version('scipy')}, scikit-learn {version('scikit-learn')}"
(HERE / "deconvolution.json").write_text(json.dumps({"tool": tool, "cases": cases}) + "\n")
