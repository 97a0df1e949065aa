"""Does the range of an open block hold what the block says? Each bundled cohort left out, each block hidden and shown.

Patients who have every block; the model is trained on the other four cohorts. Aimed at: 80% of the probabilities with
the block inside the range that was told without it. Writes experiments/open_blocks/coverage.csv in under two minutes.
Run: python experiments/open_blocks.py
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.matrix import FeatureMatrix
from theracast.models.base import ResponseModel
from theracast.models.experts import EXPERTS
from theracast.models.indications import INDICATIONS
from theracast.predict.open_blocks import open_blocks

OUT = Path(__file__).parent / "open_blocks"
COHORTS = INDICATIONS["melanoma_ici"].cohorts


def main() -> None:
    """Write one row per learner, cohort left out and block hidden, and per learner over all of them."""
    rows = pd.DataFrame([row for learner in EXPERTS for cohort in COHORTS for row in hidden(learner, cohort)])
    total = pd.DataFrame([pooled(learner, part) for learner, part in rows.groupby("learner", sort=False)])
    table = pd.concat([rows, total], ignore_index=True)
    OUT.mkdir(exist_ok=True)
    table.round(3).to_csv(OUT / "coverage.csv", index=False)
    print(table.round(2).to_string(index=False))


def hidden(learner: str, left_out: str) -> Iterator[dict[str, object]]:
    """Hide each block of the complete patients of a cohort that the model has not seen."""
    model = ResponseModel(learner=learner).fit(Cohort.concat([load_cohort(n) for n in COHORTS if n != left_out]))
    matrix = model.matrix(load_cohort(left_out))
    matrix = matrix.subset(model.fusion_.present(matrix).all(axis=1).to_numpy())
    shown = model.respond(matrix).table
    for block in model.fusion_.features:
        told = open_blocks(model, without(matrix, block))
        probability = shown["probability"].to_numpy()
        inside = (probability >= told["lower"].to_numpy()) & (probability <= told["upper"].to_numpy())
        yield {
            "learner": learner,
            "left_out": left_out,
            "block": block,
            "n": len(matrix),
            "inside": inside.mean(),
            "se": np.sqrt(0.8 * 0.2 / len(matrix)),
            "swing_told": told["swing"].mean(),
            "swing_seen": np.abs(probability - told["probability"].to_numpy()).mean(),
            "decides_told": told["decides"].mean(),
            "decides_seen": (shown["set"] != "both").mean(),
        }


def pooled(learner: str, part: pd.DataFrame) -> dict[str, object]:
    """Average over cohorts and blocks, each counting the same."""
    numbers = ("inside", "swing_told", "swing_seen", "decides_told", "decides_seen")
    means = {name: part[name].mean() for name in numbers}
    return {"learner": learner, "left_out": "mean of all", "block": "", "n": int(part["n"].sum()), **means}


def without(matrix: FeatureMatrix, block: str) -> FeatureMatrix:
    """Forget one block."""
    gone = [c for c in matrix.values if c.startswith(f"{block}__")]
    return replace(matrix, values=matrix.values.assign(**dict.fromkeys(gone, np.nan)))


if __name__ == "__main__":
    main()
