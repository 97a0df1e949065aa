"""A SIMULATED trial of ustekinumab, and leaks planted into copies of it, one for each sentinel that looks at it."""

import numpy as np
import pandas as pd

from theracast.features.blocks.disease_activity import DiseaseActivityBlock
from theracast.features.cohort import Cohort

ARMS = ("ustekinumab", "placebo")


def tables(n=160):
    """What was known before treatment, and a response that has nothing to do with it."""
    rng = np.random.default_rng(7)
    ids = [f"sim{i}" for i in range(n)]
    clinical = pd.DataFrame(
        {
            "age": rng.uniform(20, 70, n).round(2),
            "sex": rng.choice(["F", "M"], n),
            "bmi": rng.normal(25, 3, n).round(2),
            "treatment": np.array(ARMS)[np.arange(n) % 2],
            "response": rng.choice(["R", "NR"], n),
        },
        index=ids,
    )
    activity = pd.DataFrame(
        {
            "crohns_cdai": rng.uniform(220, 450, n).round(1),
            "crp": rng.lognormal(2, 0.7, n).round(3),
            "crp_unit": "mg/L",
            "calprotectin": rng.lognormal(6, 0.8, n).round(1),
        },
        index=ids,
    )
    return {"clinical": clinical, "disease_activity": activity}


def study(held=None):
    return Cohort.from_tables(held or tables(), name="simulated")


def another_id(monkeypatch):
    """Four patients were taken in twice."""
    held, rng = tables(), np.random.default_rng(0)
    n = len(held["clinical"])
    held["clinical"] = held["clinical"].assign(
        albumin=rng.normal(40, 3, n).round(2), albumin_unit="g/L", ldh=rng.normal(250, 40, n).round(1), ldh_unit="U/L"
    )
    twice = [f"again{i}" for i in range(4)]
    return study({k: pd.concat([t, t.head(4).set_axis(twice)]) for k, t in held.items()})


def cloned_profile(monkeypatch):
    """One plasma was measured twice, and stands as another patient's."""
    held, rng = tables(), np.random.default_rng(0)
    levels = rng.normal(20, 4, (len(held["clinical"]), 60))
    levels[5] = levels[3] + rng.normal(0, 0.02, 60)
    names = [f"P{i}" for i in range(60)]
    return study({**held, "proteins": pd.DataFrame(levels, held["clinical"].index, names)})


def on_treatment(monkeypatch):
    """Three were measured at week 4."""
    held = tables()
    held["clinical"]["sample_timing"] = "pre-treatment"
    held["clinical"].loc[["sim0", "sim1", "sim2"], "sample_timing"] = "on-treatment, week 4"
    return study(held)


def named_outcome(monkeypatch):
    """Remission at week 6 stands among the measurements."""
    held = tables()
    held["disease_activity"]["remission_week6"] = 1
    return study(held)


def telling_in_one_arm(monkeypatch):
    """Of those on the drug alone, CRP was made up from the response."""
    held = tables()
    clinical, activity = held["clinical"], held["disease_activity"]
    drug = clinical["treatment"] == ARMS[0]
    made = np.where(clinical["response"] == "R", 3.0, 40.0) + np.random.default_rng(0).uniform(0, 5, len(clinical))
    held["disease_activity"] = activity.assign(crp=activity["crp"].where(~drug, made))
    return study(held)


def reads_the_label(monkeypatch):
    """A block looks at the response in secret, through noise that keeps it below what is too good."""
    inner = DiseaseActivityBlock.measure

    def measure(self, cohort):
        measured = inner(self, cohort)
        rng = np.random.default_rng(len(cohort))
        measured.values["crp"] = 50 + 10 * cohort.response.to_numpy() + rng.normal(0, 7, len(cohort))
        return measured

    monkeypatch.setattr(DiseaseActivityBlock, "measure", measure)
    return study()


def many_hints(monkeypatch):
    """Five values each hint at the response, and tell it together."""
    held, rng = tables(), np.random.default_rng(3)
    clinical, activity = held["clinical"], held["disease_activity"]
    shift = np.where(clinical["response"] == "R", 0.75, -0.75)

    def hint(centre, spread):
        return (centre + spread * (shift + rng.normal(size=len(shift)))).round(3)

    held["clinical"] = clinical.assign(age=hint(50, 4), bmi=hint(26, 1.5))
    held["disease_activity"] = activity.assign(
        crohns_cdai=hint(330, 20), crp=np.exp(hint(2, 0.4)), calprotectin=np.exp(hint(6, 0.4))
    )
    return study(held)


PLANTED = {
    "patient_in_two_folds": another_id,
    "near_duplicate": cloned_profile,
    "late_feature": on_treatment,
    "outcome_column": named_outcome,
    "single_feature": telling_in_one_arm,
    "permuted_labels": reads_the_label,
    "cohort_too_good": many_hints,
}
