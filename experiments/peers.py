"""AUC of every published score on every public cohort, beside what was published; TIDE where tidepy is installed.

Run: python experiments/peers.py ../shared/data/ici   (with theracast[peers] for TIDE). Nothing is fitted here.
Writes experiments/peers/scores.csv and, with tidepy, experiments/peers/tide.csv.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

import pandas as pd

from theracast.errors import DataError
from theracast.features.readers import read_cohort
from theracast.models.metrics import auc
from theracast.models.published.scoring import published_scores
from theracast.models.published.tide import tide_scores

HERE = Path(__file__).parent / "peers"
#: Name of each score among the methods of COMPASS, and of each cohort there.
METHODS = {"cytolytic": "ICA", "gep": "GEP", "expanded_immune": "IFNG", "impres": "IMPRES", "cd8a": "CD8",
           "pdl1_expression": "PDL1", "tide": "TIDE"}  # fmt: skip
COHORTS = {"vanallen2015_mel": "Allen", "choueiri2016_rcc": "Choueiri", "hugo2016_mel": "Hugo",
           "imvigor210_uc": "IMVigor210", "immotion150_rcc": "IMmotion150", "kim2018_gastric": "Kim",
           "liu2019_mel": "Liu", "mgh2022_mel": "MGH", "miao2018_rcc": "Miao", "riaz2017_mel": "Riaz",
           "rose2021_uc": "Rose", "snyder2017_uc": "Snyder", "zhao2019_gbm": "Zhao"}  # fmt: skip
#: Trained on; an AUC there is no test.
TRAINED = {("loris_chowell_train_pan", "loris_pan"), ("loris_chowell_train_pan", "loris_nsclc")}


def judged(cohort, name, score, values, published):
    """One row: AUC with its interval, where both classes are known."""
    known = values.notna() & cohort.response.notna()
    y = cohort.response[known]
    if y.nunique() < 2:
        return []
    found = auc(y, values[known])
    printed = published.get((METHODS.get(score, ""), COHORTS.get(name, "")))
    row = {"cohort": name, "score": score, "n": int(known.sum()), "R": int(y.sum()), "auc": found.value,
           "lower": found.lower, "upper": found.upper, "compass": printed,
           "in_sample": (name, score) in TRAINED}  # fmt: skip
    return [row]


def cancer_of(cohort):
    """Name the cancer as tidepy does; it knows two."""
    said = cohort.column("cancer_type", ["clinical"])[1].mode().item()
    return {"Melanoma": "Melanoma", "NSCLC": "NSCLC", "Lung": "NSCLC"}.get(said, "Other")


def main(folder):
    printed = pd.read_csv(folder / "published" / "compass_loco_metrics.csv")
    published = printed.set_index(["method", "test_cohort"])["ROC"].to_dict()
    rows, tide = [], []
    for file in sorted(folder.glob("*/clinical.csv")):
        name, cohort = file.parent.name, read_cohort(file.parent)
        for score, values in published_scores(cohort).items():
            rows += judged(cohort, name, score, values, published)
        if find_spec("tidepy"):
            try:
                cancer = cancer_of(cohort)
                found = judged(cohort, name, "tide", tide_scores(cohort, cancer), published)
                tide += [{**row, "as": cancer} for row in found]
            except DataError as why:
                print(f"{name}: no TIDE: {why.what}, got {why.got}")
    HERE.mkdir(exist_ok=True)
    for stem, part in (("scores", rows), ("tide", tide)):
        if part:
            table = pd.DataFrame(part).round(4)
            table.to_csv(HERE / f"{stem}.csv", index=False, lineterminator="\n")
            print(table.to_string(index=False))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
