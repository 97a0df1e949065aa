"""What recalibration to a new site is worth: experiments/ici/recalibration.csv and recalibration.png.

Each cohort in turn is the new site: it is predicted by a model that never saw it, then recalibrated by its response
rate (told), by 10, 20 or 50 of its labels (drawn 100 times, the rest judged) and by its scores alone. A method is
compared with the model as trained on the same patients. The told rate is the cohort's own: what a site knows is less
exact. Over draws: the mean of the Brier score, the median of slope and intercept, which run away in small rests.

experiments/ici.py runs it on its predictions. Alone:
.venv/bin/python experiments/recalibration.py experiments/melanoma_ici.yaml
or, with predictions kept as Parquet (cohort, y, prior, theracast): .venv/bin/python experiments/recalibration.py FILE
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit, logit

from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.config import Experiment
from theracast.models.metrics import brier, calibration
from theracast.models.recalibration import Recalibration, calibration_spread
from theracast.models.validate import MODEL, leave_cohorts_out

FOLDER = Path(__file__).resolve().parent
LABELS, DRAWS, SEED = (10, 20, 50), 100, 20261126
FEWEST_LEFT = 20  # patients to judge on
Fit = Callable[[np.ndarray, np.ndarray, float], Recalibration]
WHOLE: dict[str, Fit] = {
    "rate told": lambda margin, y, prior: Recalibration.from_rate(prior, float(y.mean())),
    "rate told, scores": lambda margin, y, prior: Recalibration.from_rate(prior, float(y.mean()), margin),
    "scores alone": lambda margin, y, prior: Recalibration.from_scores(margin, prior),
    "scores alone, no drift allowed for": lambda margin, y, prior: Recalibration.from_scores(margin, prior, drift=0.0),
}


def read_predictions(source: Path) -> pd.DataFrame:
    """Predictions of patients whose whole cohort was unseen: kept ones, or of an experiment."""
    if source.suffix != ".yaml":
        return pd.read_parquet(source)
    experiment = Experiment.from_yaml(source)
    names = [*experiment.cohorts, *experiment.holdout]
    model = ResponseModel(experiment.indication, experiment.learner, options=experiment.options)
    cohorts = {n: experiment.admitted(load_cohort(n)) for n in names}
    return leave_cohorts_out(model, cohorts, experiment.holdout, waive=experiment.waive).predictions


def judged(part: pd.DataFrame, spread: tuple[float, float], rng: np.random.Generator) -> Iterator[dict[str, object]]:
    """Each way to recalibrate one cohort, before and after."""
    margin, y, prior = logit(part[MODEL].to_numpy()), part["y"].to_numpy(float), float(part["prior"].iloc[0])
    for name, fit in WHOLE.items():
        found = fit(margin, y, prior)
        yield {"method": name, **compare(margin, y, found), "refused": float(found.refused)}
    for k in LABELS:
        if len(y) < k + FEWEST_LEFT:
            continue
        drawn = []
        for _ in range(DRAWS):
            order = rng.permutation(len(y))
            few, rest = order[:k], order[k:]
            drawn.append(compare(margin[rest], y[rest], Recalibration.from_labels(margin[few], y[few], prior, spread)))
        runs = pd.DataFrame(drawn)
        yield {"method": f"{k} labels", **runs.median(), **runs.filter(like="brier").mean(), "refused": 0.0}


def compare(margin: np.ndarray, y: np.ndarray, found: Recalibration) -> dict[str, float]:
    """Brier score, calibration slope and intercept as trained and recalibrated."""
    out = {}
    for when, p in (("before", expit(margin)), ("after", expit(found.apply(margin)))):
        slope, intercept = calibration(y, p)
        out |= {f"brier_{when}": brier(y, p), f"slope_{when}": slope.value, f"intercept_{when}": intercept.value}
    return out


def table(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row per cohort and method; the priors of a cohort come from the other cohorts."""
    known = predictions[predictions[MODEL].notna() & predictions["y"].notna()]
    margin, rng, rows = logit(known[MODEL].to_numpy()), np.random.default_rng(SEED), []
    for cohort, part in known.groupby("cohort", sort=False):
        others = (known["cohort"] != cohort).to_numpy()
        spread = calibration_spread(margin[others], known["y"][others], known["cohort"][others])
        rows += [
            {"cohort": cohort, "n": len(part), "rate": part["y"].mean(), **row} for row in judged(part, spread, rng)
        ]
    return pd.DataFrame(rows)


def draw(found: pd.DataFrame) -> plt.Figure:
    """Change of the Brier score by each method: a dot per cohort, a bar for their mean."""
    figure, axis = plt.subplots(figsize=(8, 3.4), layout="constrained")
    names = []
    for at, (name, part) in enumerate(found.groupby("method", sort=False)):
        change = part["brier_after"] - part["brier_before"]
        names.append(f"{name} ({len(part)} cohorts)")
        axis.scatter(change, np.full(len(part), at), s=np.sqrt(part["n"]) * 4, alpha=0.5, color="tab:blue")
        axis.plot([change.mean()] * 2, [at - 0.3, at + 0.3], color="black")
    axis.axvline(0.0, color="grey", linewidth=0.8)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set_xlabel("change of the Brier score, left is better; bar: mean")
    return figure


def main() -> None:
    """Write the table and the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="experiment.yaml, or kept predictions (Parquet)")
    parser.add_argument("--out", type=Path, default=FOLDER / "ici", help="folder of the results")
    given = parser.parse_args()
    predictions = read_predictions(given.source)
    found = table(predictions)
    found.round(4).to_csv(given.out / "recalibration.csv", index=False)
    draw(found).savefig(given.out / "recalibration.png", dpi=110)
    known = predictions[predictions[MODEL].notna()]
    spread = calibration_spread(logit(known[MODEL].to_numpy()), known["y"], known["cohort"])
    columns = ["brier_before", "brier_after", "slope_before", "slope_after", "refused"]
    shown = found.assign(
        intercept_before=found["intercept_before"].abs(), intercept_after=found["intercept_after"].abs()
    )
    columns = [*columns, "intercept_before", "intercept_after"]
    means = shown.groupby("method", sort=False)[columns].mean()
    means.insert(0, "cohorts", shown.groupby("method", sort=False).size())
    print(f"spread between cohorts: intercept {spread[0]:.2f}, slope {spread[1]:.2f}")
    print("means over cohorts, each counted once; of intercepts the mean size:")
    print(means.round(3).to_string())


if __name__ == "__main__":
    main()
