"""Predictions of patients whose whole cohort was unseen, kept fold by fold in experiments/.runs.

A fold is kept under what it rests on: the settings, the data of every cohort and the code. So an interrupted run goes
on where it stood, and tables share what they have in common.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import Parallel, delayed

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.matrix import FeatureMatrix
from theracast.models.base import ResponseModel
from theracast.models.config import Experiment
from theracast.models.leakage_evidence import Evidence
from theracast.models.splits import leave_one_cohort_out
from theracast.models.train import data_digests
from theracast.models.validate import answers, beside
from theracast.provenance import code_digest, digest_json

KEPT = Path(__file__).resolve().parent / ".runs"
#: Not a block: what is read of gene expression, as signatures and in the stead of stains.
RNA = "rna"
Folds = Mapping[str, Sequence[str]]


@dataclass
class Runs:
    """Predicts folds, each once.

    `kept` takes a fold that earlier code predicted; `codes` says which code made what was read.
    """

    experiment: Experiment
    jobs: int = 2
    kept: bool = False
    folder: Path = KEPT
    codes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.code = code_digest()
        self.data = data_digests(self.experiment)
        self._cohorts: dict[str, Cohort] = {}

    def settings(self, **changes: Any) -> dict[str, Any]:
        """Parameters of the experiment's model, some of them changed."""
        e = self.experiment
        mine = {"indication": e.indication, "learner": e.learner, "options": e.options, "tumour_aware": e.tumour_aware}
        return mine | {"blocks": None} | changes

    def strict(self) -> dict[str, list[str]]:
        """Each cohort, and those that may train a model for it: the folds of `leave_cohorts_out`."""
        e = self.experiment
        pairs = leave_one_cohort_out([*e.cohorts, *e.holdout])
        return {name: [o for o in others if o not in e.holdout] for name, others in pairs}

    def complete(self) -> bool:
        """Say whether every fold of the experiment's own model is kept."""
        return all(self._file(self.settings(), name, train, True).exists() for name, train in self.strict().items())

    def evidence(self) -> Evidence:
        """Gather what the leakage sentinels look at."""
        folds = self.strict()
        return Evidence(ResponseModel(**self.settings()), {name: self._cohort(name) for name in folds}, folds)

    def predictions(self, what: str, settings: Mapping[str, Any], folds: Folds, full: bool = False) -> pd.DataFrame:
        """Predict the labelled patients of each fold; `full` adds what stands beside the model, and blocks dropped."""
        files = {name: self._file(settings, name, train, full) for name, train in folds.items()}
        missing = [name for name, file in files.items() if not file.exists()]
        self.folder.mkdir(exist_ok=True)
        work = (
            delayed(predict_fold)(settings, Cohort.concat([self._cohort(o) for o in folds[n]]), self._cohort(n), full)
            for n in missing
        )
        began = time.monotonic()
        found = Parallel(self.jobs, return_as="generator", pre_dispatch=self.jobs)(work)
        for at, (name, part) in enumerate(zip(missing, found, strict=True), 1):
            part.assign(cohort=name).to_parquet(files[name])
            spent = f"{time.monotonic() - began:.0f} s"
            print(f"{self.experiment.name}, {what}: {name} ({at} of {len(missing)}, {spent})", flush=True)
        self.codes |= {f.stem.rsplit("-", 1)[1] for f in files.values()}
        return pd.concat([pd.read_parquet(f) for f in files.values()])

    def _cohort(self, name: str) -> Cohort:
        if name not in self._cohorts:
            self._cohorts[name] = self.experiment.admitted(load_cohort(name))
        return self._cohorts[name]

    def _file(self, settings: Mapping[str, Any], name: str, train: Sequence[str], full: bool) -> Path:
        rests_on = [
            dict(settings),
            [name, self.data[name]],
            sorted((o, self.data[o]) for o in train),
            full,
            self.experiment.late,
        ]
        key = f"{name}-{digest_json(rests_on)[:20]}"
        mine = self.folder / f"{key}-{self.code[:12]}.parquet"
        if self.kept and not mine.exists():
            earlier = sorted(self.folder.glob(f"{key}-*.parquet"), key=lambda f: f.stat().st_mtime)
            return earlier[-1] if earlier else mine
        return mine


def predict_fold(settings: Mapping[str, Any], train: Cohort, test: Cohort, full: bool) -> pd.DataFrame:
    """Fit on some cohorts, predict another: one row per labelled patient."""
    model = ResponseModel(**settings).fit(train)
    unseen = model.matrix(test)
    out = answers(model, test, unseen).assign(tumour=unseen.tumours)
    if full:
        out = out.join(beside(model, train, test, unseen)).join(pd.DataFrame(dict(dropped_blocks(model, unseen))))
    return out[out.y.notna()].rename_axis("patient")


def dropped_blocks(model: ResponseModel, matrix: FeatureMatrix) -> Iterator[tuple[str, pd.Series]]:
    """Probability of each patient as if a block had never been measured, and who had it."""
    for block in (*matrix.blocks, RNA):
        less, had = without(matrix, block)
        found = model.respond(less).table
        _, parts = model.fusion_.split(less)
        told = parts.where(less.values.reindex(columns=parts.columns).isna())
        if (told.fillna(0.0) != 0.0).any(axis=None):
            raise SystemExit(f"without {block}: a feature that is not known has a say")
        yield f"without_{block}", found["probability"]
        yield f"had_{block}", had


def without(matrix: FeatureMatrix, block: str) -> tuple[FeatureMatrix, pd.Series]:
    """Forget a block, as if its tables had not come; and say who had it."""
    gone = matrix.proxy.copy() if block == RNA else pd.DataFrame(False, matrix.values.index, matrix.values.columns)
    gone[matrix.block("signatures" if block == RNA else block).columns] = True
    gone &= matrix.observed
    values, coverage = matrix.values.mask(gone), matrix.coverage.copy()
    for b in coverage:
        names = matrix.block(b).columns
        coverage.loc[gone[names].any(axis=1) & values[names].isna().all(axis=1), b] = 0.0
    return replace(matrix, values=values, coverage=coverage), gone.any(axis=1)
