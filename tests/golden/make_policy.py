"""Doubly robust effect scores, Qini curve and best linear predictor by econml and statsmodels, on SIMULATED patients.

Writes policy_econml.json. Run: python tests/golden/make_policy.py
"""

import json
from pathlib import Path

import econml
import numpy as np
import pandas as pd
import statsmodels
import statsmodels.api as sm
from econml.validate.utils import calc_uplift, calculate_dr_outcomes

HERE = Path(__file__).parent
N, REPEATS, SEED = 60, 2, 20261126


def main():
    """Draw patients, ask econml and statsmodels, write both."""
    rng = np.random.default_rng(SEED)
    arm = rng.integers(0, 3, N)
    y = rng.integers(0, 2, N)
    outcome = rng.uniform(0.05, 0.95, (N, 3))
    propensity = rng.dirichlet([4, 4, 4], N)
    scores = calculate_dr_outcomes(arm, y, outcome, propensity)
    predicted = rng.normal(size=N)
    shares = np.array([25.0, 50.0, 75.0, 100.0])  # so that no share is between two patients
    _, _, curve = calc_uplift(predicted[:, None], predicted[:, None], scores[:, :1], 100 - shares, "qini", 10)
    two = np.column_stack([predicted, predicted + rng.normal(size=N)])
    folds = np.column_stack([np.arange(N) % 3, np.arange(N) % 4])
    effects = np.column_stack([scores[:, 0], scores[:, 0] + rng.normal(size=N)])
    long = pd.DataFrame({"y": effects.T.ravel(), "x": two.T.ravel(), "patient": np.tile(np.arange(N), REPEATS)})
    stratum = [f"{r} {f}" for r in range(REPEATS) for f in folds[:, r]]
    design = np.column_stack([long["x"], pd.get_dummies(stratum, dtype=float)])
    options = {"groups": long["patient"], "use_correction": False}
    fit = sm.OLS(long["y"], design).fit(cov_type="cluster", cov_kwds=options)
    found = {
        "made_with": {"econml": econml.__version__, "statsmodels": statsmodels.__version__},
        "input": {"arm": arm, "y": y, "outcome": outcome, "propensity": propensity, "predicted": predicted,
                  "two": two, "folds": folds, "effects": effects},
        "scores": scores,
        "curve": {"share": shares / 100, "excess": curve["value"], "se": curve["err"]},
        "slope": {"value": fit.params.iloc[0], "se": fit.bse.iloc[0]},
    }  # fmt: skip
    text = json.dumps(found, default=lambda v: v.tolist() if hasattr(v, "tolist") else v, separators=(",", ":"))
    (HERE / "policy_econml.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
