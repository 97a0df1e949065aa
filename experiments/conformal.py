"""Which form of conformal sets holds in a cohort that no one has seen: experiments/ici/conformal.csv, and a simulation.

Real: each cohort is judged by sets calibrated on the others, every patient by a model that had not seen his cohort. The
models behind the calibration had seen the judged cohort, so coverage is rather understated; the sets that a trained
model carries are nested and have not. SIMULATED: cohorts of the sizes of the real ones, 2 classes .75 apart, response
rates from a beta distribution, margins that drift by .3 from cohort to cohort; 300 times, a new cohort of 300.

experiments/ici.py runs it on its predictions. Alone:
.venv/bin/python experiments/conformal.py experiments/melanoma_ici.yaml
or, with predictions kept as Parquet (cohort, y, prior, theracast): .venv/bin/python experiments/conformal.py FILE
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from recalibration import read_predictions
from scipy.special import logit

from theracast.models.conformal import ConformalSets, coverage_table
from theracast.models.splits import family
from theracast.models.validate import MODEL

FOLDER = Path(__file__).resolve().parent
LEVEL, TIMES, SEED = 0.9, 300, 20261126
Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], Callable[[np.ndarray], np.ndarray]]


def together(margin: np.ndarray, y: np.ndarray, cohorts: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Plain split conformal: one limit for both classes."""
    strange = np.sort(np.where(y == 1, -margin, margin))
    limit = strange[min(int(np.ceil(LEVEL * (len(strange) + 1))), len(strange)) - 1]

    def sets(new: np.ndarray) -> np.ndarray:
        no, yes = new <= limit, -new <= limit
        return np.where(no == yes, "both", np.where(yes, "response", "no_response"))

    return sets


FORMS: dict[str, Fit] = {
    "both classes together": together,
    "per class, patients pooled": lambda margin, y, cohorts: ConformalSets(LEVEL).fit(margin, y, cohorts * 0).sets,
    "per class, cohorts alike (used)": lambda margin, y, cohorts: ConformalSets(LEVEL).fit(margin, y, cohorts).sets,
}


def real(predictions: pd.DataFrame) -> pd.DataFrame:
    """Coverage of each form in each cohort."""
    known = predictions[predictions[MODEL].notna() & predictions["y"].notna()]
    margin, y = logit(known[MODEL].to_numpy()), known["y"].to_numpy(int)
    which, names = pd.factorize(known["cohort"])
    found = []
    for form, fit in FORMS.items():
        said = np.empty(len(y), dtype=object)
        for k, name in enumerate(names):
            mine, rest = which == k, ~known["cohort"].isin(family(name)).to_numpy()
            said[mine] = fit(margin[rest], y[rest], which[rest])(margin[mine])
        found.append(coverage_table(known.assign(set=said), LEVEL).assign(form=form))
    return pd.concat(found)


def simulated(sizes: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Average the coverage over new cohorts (SIMULATED), and its spread between them."""
    found = []
    for _ in range(TIMES):
        margin, y, which = [], [], np.repeat(np.arange(len(sizes) + 1), [*sizes, 300])
        for n in (*sizes, 300):
            labels = (rng.random(n) < np.clip(rng.beta(2, 5), 0.12, 0.67)).astype(int)
            labels[:2] = 0, 1
            margin.append(rng.normal(0, 0.3) - 0.8 + 0.75 * labels + 0.8 * rng.normal(size=n))
            y.append(labels)
        m, t, new = np.concatenate(margin), np.concatenate(y), which == len(sizes)
        for form, fit in FORMS.items():
            said = fit(m[~new], t[~new], which[~new])(m[new])
            found.append(
                coverage_table(pd.DataFrame({"cohort": "new", "y": t[new], "set": said}), LEVEL).assign(form=form)
            )
    runs = pd.concat(found).groupby("form", sort=False)
    columns = ["coverage", "coverage_response", "coverage_no_response", "abstained", "right_when_single"]
    return runs[columns].mean().assign(spread_of_coverage=runs["coverage"].std())


def main() -> None:
    """Write the table of the real cohorts, show both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="experiment.yaml, or kept predictions (Parquet)")
    parser.add_argument("--out", type=Path, default=FOLDER / "ici", help="folder of the results")
    given = parser.parse_args()
    found = real(read_predictions(given.source))
    found.round(4).to_csv(given.out / "conformal.csv", index=False)
    forms = found.groupby("form", sort=False)
    columns = ["coverage", "coverage_response", "coverage_no_response", "abstained", "right_when_single"]
    counted = forms[["holds", "within"]].sum().assign(cohorts=forms.size())
    print("real, cohorts counted once:")
    print(forms[columns].mean().join(counted).round(3).to_string())
    print("SIMULATED:")
    sizes = found.groupby("cohort", sort=False)["n"].first().to_numpy()
    print(simulated(sizes, np.random.default_rng(SEED)).round(3).to_string())


if __name__ == "__main__":
    main()
