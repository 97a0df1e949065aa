"""Write fairness_input.csv (SIMULATED) and fairness_fairlearn.json: figures by group, by fairlearn's MetricFrame.

Run: python -m venv f && f/bin/pip install fairlearn && f/bin/python tests/golden/make_fairness.py
"""

import csv
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from fairlearn.metrics import MetricFrame, count, false_negative_rate, mean_prediction

HERE = Path(__file__).parent

rng = np.random.default_rng(20261126)
n = 360
cohort = np.repeat(["first", "second", "third"], n // 3)
sex = rng.choice(["F", "M", ""], n, p=[0.45, 0.45, 0.10])
p = np.round(rng.uniform(0.05, 0.9, n), 3)
y = (rng.random(n) < p).astype(int)
said = np.where(p > 0.65, "response", np.where(p < 0.3, "no_response", "both"))
decision = np.where((said == "both") | (rng.random(n) < 0.1), "abstain", said)

with (HERE / "fairness_input.csv").open("w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["cohort", "sex", "y", "theracast", "set", "decision"])
    writer.writerows(zip(cohort, sex, y.tolist(), p.tolist(), said, decision, strict=True))

group = pd.Series(np.where(sex == "F", "female", np.where(sex == "M", "male", "not known")), name="sex")


def frame(metrics, truth, told, rows=slice(None)):
    """Figures of every group."""
    found = MetricFrame(metrics=metrics, y_true=truth[rows], y_pred=told[rows], sensitive_features=group[rows])
    return found.by_group


answered = decision != "abstain"
hit = ((said == "both") | (said == np.where(y == 1, "response", "no_response"))).astype(int)
squared = (p - y) ** 2
tables = [
    frame({"n": count, "abstains": mean_prediction}, y, (~answered).astype(int)),
    frame({"coverage": mean_prediction}, y, hit),
    frame({"brier": mean_prediction}, y, squared),
    frame({"missed": false_negative_rate}, y, (decision == "response").astype(int), answered),
]
found = pd.concat(tables, axis=1).astype(float)
(HERE / "fairness_fairlearn.json").write_text(
    json.dumps({"fairlearn": version("fairlearn"), "by_group": found.to_dict("index")}, indent=1) + "\n"
)
