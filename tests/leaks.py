"""Leaks planted into copies of bundled cohorts, one for each sentinel. Everything planted is simulated."""

import numpy as np
import pandas as pd

from theracast.features.assembler import FeatureAssembler
from theracast.features.blocks.mutations import MutationsBlock
from theracast.features.datasets import dataset_path, load_cohort
from theracast.models.base import ResponseModel
from theracast.models.config import Experiment

NAMES = ("vanallen2015_mel", "riaz2017_mel", "hugo2016_mel")
#: Blocks that are fitted fast; the tables of the others are looked at all the same.
LIGHT = ("mutations", "clinical")


def copied(folder, changes):
    """Copies of the bundled cohorts, with tables changed: (cohort, table) to a function of the table."""
    for name in NAMES:
        (folder / name).mkdir(parents=True)
        source = dataset_path(name)
        for file in source.iterdir():
            if file.name != "card.yaml":
                (folder / name / file.name).write_bytes(file.read_bytes())
        for table in [t for c, t in changes if c == name]:
            _change(folder / name, table, changes[name, table])
    return [str(folder / name) for name in NAMES]


def _change(folder, table, change):
    file = next(folder.glob(f"{table}.*"), None) or folder / f"{table}.csv"
    if file.suffix == ".parquet":
        change(pd.read_parquet(file)).to_parquet(file)
        return
    read = pd.read_csv(file, dtype={"patient_id": str}) if file.exists() else pd.read_csv(folder / "clinical.csv")
    change(read).to_csv(file, index=False)


def cohorts(paths):
    return {p: load_cohort(p) for p in paths}


def experiment(paths, **waive):
    return Experiment(indication="melanoma_ici", cohorts=paths, holdout=[], waive=waive)


def light():
    return ResponseModel(blocks=LIGHT)


def another_name(folder, monkeypatch):
    """Four patients of one cohort are in another too, under ids of its own."""
    others = pd.read_csv(dataset_path("vanallen2015_mel") / "clinical.csv").head(4)
    others = others.assign(patient_id=[f"guest{i}" for i in range(4)], cohort="hugo2016_mel")
    return copied(folder, {("hugo2016_mel", "clinical"): lambda t: pd.concat([t, others])})


def cloned_profile(folder, monkeypatch):
    """One tumour was sequenced twice: its profile, with noise, stands in another cohort as another patient's."""
    theirs = pd.read_parquet(dataset_path("riaz2017_mel") / "expression.parquet").iloc[:, 0]

    def clone(table):
        noise = np.random.default_rng(0).normal(0, 0.02, len(theirs))
        twin = (theirs + noise).clip(lower=0).reindex(table.index)
        return table.assign(**{table.columns[5]: twin.fillna(table.iloc[:, 5])})

    return copied(folder, {("hugo2016_mel", "expression"): clone})


def fitted_on_all(folder, monkeypatch):
    """The blocks learn from everybody, test patients included."""
    paths = copied(folder, {})
    whole, inner = cohorts(paths), FeatureAssembler.fit
    everyone = next(iter(whole.values())).concat(list(whole.values()))
    monkeypatch.setattr(FeatureAssembler, "fit", lambda self, X, y=None: inner(self, everyone))
    return paths


def on_treatment(folder, monkeypatch):
    """Three biopsies were taken on treatment."""

    def late(table):
        table = table.assign(sample_timing="pre-treatment")
        table.loc[:2, "sample_timing"] = "on-treatment, week 4"
        return table

    return copied(folder, {("riaz2017_mel", "clinical"): late})


def named_outcome(folder, monkeypatch):
    """Best overall response stands among the measurements of a tumour."""

    def beside(clinical):
        return clinical[["patient_id", "recist"]].rename(columns={"recist": "Best.Overall.Response"})

    return copied(folder, {("riaz2017_mel", "mutations"): beside})


def telling_feature(folder, monkeypatch):
    """LDH was made up from the response."""

    def tell(table):
        rng = np.random.default_rng(0)
        level = np.where(table.response == "R", 150.0, 400.0) + rng.uniform(0, 50, len(table))
        return table.assign(ldh=level, ldh_unit="U/L")

    return copied(folder, {("riaz2017_mel", "clinical"): tell})


def many_hints(folder, monkeypatch):
    """Seven blood values and measures that each hint at the response, and tell it together."""
    centres = {"albumin": (40, 3), "nlr": (8, -1), "ldh": (400, -40), "glucose": (6, 0.5), "creatinine": (90, 8),
               "age": (60, 6), "bmi": (26, 2)}  # fmt: skip
    units = {"albumin_unit": "g/L", "ldh_unit": "U/L", "glucose_unit": "mmol/L", "creatinine_unit": "umol/L"}

    def tell(table):
        rng = np.random.default_rng(len(table))
        shift = np.where(table.response == "R", 0.65, -0.65)
        return table.assign(
            **units, **{n: c + s * (shift + rng.normal(size=len(table))) for n, (c, s) in centres.items()}
        )

    return copied(folder, {(name, "clinical"): tell for name in NAMES})


def reads_the_label(folder, monkeypatch):
    """A block looks at the response in secret, through noise that keeps it below what is too good."""
    inner = MutationsBlock.measure

    def measure(self, cohort):
        measured = inner(self, cohort)
        rng = np.random.default_rng(len(cohort))
        told = 20 + 8 * cohort.response.to_numpy() + rng.normal(0, 6, len(cohort))
        measured.values["tmb"] = np.clip(told, 0, None)
        return measured

    monkeypatch.setattr(MutationsBlock, "measure", measure)
    return copied(folder, {})


PLANTED = {
    "patient_in_two_folds": another_name,
    "near_duplicate": cloned_profile,
    "fit_on_test_rows": fitted_on_all,
    "late_feature": on_treatment,
    "outcome_column": named_outcome,
    "single_feature": telling_feature,
    "cohort_too_good": many_hints,
    "permuted_labels": reads_the_label,
}
