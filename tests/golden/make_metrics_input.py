"""Write the inputs of make_metrics.R: python tests/golden/make_metrics_input.py."""

from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.datasets import load_breast_cancer

HERE = Path(__file__).parent


def write(table: pd.DataFrame, name: str, head: str) -> None:
    (HERE / name).write_text(f"# {head}\n{table.to_csv(index=False)}")


rng = np.random.default_rng(20240601)
n = 120
risk = rng.normal(size=n)
y = (rng.random(n) < 1 / (1 + np.exp(-risk))).astype(int)
simulated = pd.DataFrame(
    {
        "cohort": np.repeat(["a", "b", "c", "d"], [20, 25, 30, 45]),
        "y": y,
        # one decimal and whole numbers: plenty of ties within and between the classes
        "score_a": np.round(risk + rng.normal(size=n), 1),
        "score_b": np.round(risk + 2 * rng.normal(size=n)),
        # too extreme and too high on purpose: slope below 1, intercept below 0
        "p": np.round(1 / (1 + np.exp(-(0.6 + 2 * risk + 0.5 * rng.normal(size=n)))), 4).clip(0.001, 0.999),
    }
)
write(simulated, "metrics_input.csv", "SIMULATED, seed 20240601, by make_metrics_input.py; no patients")

data = load_breast_cancer(as_frame=True).frame
real = pd.DataFrame({"y": 1 - data["target"], "a": data["mean texture"], "b": data["mean smoothness"]})
write(
    real,
    "metrics_breast.csv",
    "Breast Cancer Wisconsin (Diagnostic), UCI, 10.24432/C5DW2B, CC BY 4.0, by way of scikit-learn; "
    "y: 1 = malignant, a: mean texture, b: mean smoothness",
)
