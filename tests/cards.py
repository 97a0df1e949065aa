"""Cards in tests: what a run may have kept, and the card of it."""

import numpy as np
import pandas as pd
from registries import SMALL
from reports import ABOUT, COVERAGE, SETS

from theracast.models.indications import INDICATIONS
from theracast.models.train import Training
from theracast.models.validate import judged
from theracast.predict.card.facts import CardFacts
from theracast.predict.card.make import make_card

SPEC = INDICATIONS["melanoma_ici"]
MADE = "2026-01-31"
SHIPPED = {"experiment": {"name": "m", "cohorts": ["liu2019_mel", "riaz2017_mel"], "holdout": ["mgh2022_mel"],
                          "learner": "logistic"}, "data": {"liu2019_mel": "ab" * 32}}  # fmt: skip
FULL = ABOUT | SHIPPED | {"sets": SETS, "coverage": COVERAGE, "experiment_digest": "ef" * 32, "sentinels": []}
FULL |= {"environment": {"versions": {"theracast": "0.1.0"}, "platform": "Linux x86_64", "code": "12" * 32}}
FULL["net_benefit"] = [
    {"cohort": "first_mel", "threshold": t, "net_benefit": 0.1, "lower": 0.0, "upper": 0.2, "treat_all": 0.0,
     "gain": 0.1, "gain_lower": -0.1, "gain_upper": 0.2, "state": ""}
    for t in (0.1, 0.2, 0.3)
]  # fmt: skip
EQUITY = [
    {"attribute": "sex", "group": g, "trained": 0.5, "n": n, "R": r, "NR": n - r, "auc": 0.6, "auc_lower": 0.5,
     "auc_upper": 0.7, "calibration": 0.1, "calibration_lower": 0.0, "calibration_upper": 0.2, "abstains": 0.5,
     "abstains_lower": 0.4, "abstains_upper": 0.6, "missed": 0.1, "missed_lower": 0.0, "missed_upper": 0.3,
     "auc_gap_p": 1.0, "note": ""}
    for g, n, r in (("female", 43, 20), ("male", 61, 21), ("other groups", 3, 1))
]  # fmt: skip
FULL["equity"] = EQUITY


def card_of(about=FULL, answers=None, features=()):
    where = about.get("environment") or {}
    facts = CardFacts("m", "cd" * 32, SPEC, about, "3", "2026-01-30 10:00", features, where)
    return make_card(facts, answers, MADE)


def renamed():
    """The model's rows, under the names of cohorts that ship."""
    mine = [r for r in FULL["validation"] if r["model"] == "theracast"]
    return [r | {"cohort": c} for r, c in zip(mine, ["liu2019_mel", "riaz2017_mel", "mgh2022_mel"], strict=True)]


def section(card, name):
    return next(s for s in card.sections if s.name == name)


def item(card, checklist, number):
    return next(a for a in card.checklists[checklist] if a.number == number)


def training(model):
    """A training whose figures are made up (SIMULATED): nothing is validated, so that it takes no time."""
    rng = np.random.default_rng(0)
    y = np.tile([0, 1], 30)
    p = np.clip(0.4 + 0.2 * y + rng.normal(0, 0.2, 60), 0.01, 0.99)
    said = np.where(p > 0.6, "response", "both")
    people = {"cohort": ["liu2019_mel"] * 40 + ["riaz2017_mel"] * 20, "y": y, "prior": 0.5, "prevalence": 0.5}
    return Training(SMALL, model, judged(pd.DataFrame({**people, "theracast": p, "set": said})), {})
