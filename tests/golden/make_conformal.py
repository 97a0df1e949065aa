"""Write conformal_input.csv (SIMULATED) and conformal_crepes.json: p-values and sets of crepes, one class at a time."""

import csv
import json
from importlib.metadata import version
from pathlib import Path

import numpy as np
from crepes import ConformalClassifier

HERE = Path(__file__).parent

rng = np.random.default_rng(20261126)
y = (rng.random(90) < 0.35).astype(int)
margin = np.round(rng.normal(-0.9 + 0.7 * y, 0.6), 1)  # one decimal: ties
test = np.round(np.linspace(-3.0, 2.0, 26), 1)

with (HERE / "conformal_input.csv").open("w", newline="") as file:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["margin", "y"])
    writer.writerows(zip(margin.tolist(), y.tolist(), strict=True))

strange = np.where(y == 1, -margin, margin)
classifier = ConformalClassifier().fit(strange, bins=y)
p = [
    classifier.predict_p(np.column_stack([test, -test]), bins=np.full(len(test), label), smoothing=False)[:, label]
    for label in (0, 1)
]
(HERE / "conformal_crepes.json").write_text(
    json.dumps({"crepes": version("crepes"), "margin": test.tolist(), "p": np.column_stack(p).tolist()}) + "\n"
)
