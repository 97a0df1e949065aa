"""TCGA breast cancer for experiments/next_test.py: luminal A or not, from RNA, microRNA and proteins.

No response to a treatment, and no cohort left out: there is one, and folds of its patients. It is here because all of
its patients have three whole omics layers, so that every set of tests can be hidden and shown. The mixOmics package
chose the features on these patients: that one layer nearly tells the subtype is expected, and says nothing about
subtyping.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from theracast.features.cohort import Cohort
from theracast.models.base import ResponseModel
from theracast.models.spec import ResponseSpec

DATA = Path(os.environ.get("THERACAST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SPEC = ResponseSpec(
    name="tcga_brca",
    title="Subtype of breast cancer",
    endpoint="luminal A by PAM50 against basal-like and HER2-enriched",
    horizon="at diagnosis",
    population="the patients of the mixOmics package",
    blocks=("expression", "mirna", "proteins"),
    core=("expression", "mirna", "proteins"),
    tumours=("breast",),
    min_coverage={},
    cohorts=(),
    holdout=(),
    intended_use="Counting tests, in experiments/next_test.py.",
    not_for="Patients.",
    references=(),
)


class SubtypeModel(ResponseModel):
    """The model of an indication that is of this experiment alone."""

    @property
    def spec(self) -> ResponseSpec:
        """What is told."""
        return SPEC


def folds(how: Mapping[str, Any], seed: int) -> Iterator[tuple[ResponseModel, Cohort]]:
    """Fit on all patients but those of a fold, fold by fold."""
    cohort = complete(DATA / how["data"], how["label"])
    fold = np.random.default_rng(seed).permutation(len(cohort)) % how["folds"]
    for k in range(how["folds"]):
        yield SubtypeModel().fit(cohort.subset(cohort.ids[fold != k])), cohort.subset(cohort.ids[fold == k])


def complete(folder: Path, label: str) -> Cohort:
    """Read the patients who have all three layers."""
    clinical = pd.read_csv(folder / "clinical.csv", dtype=str).set_index("patient_id")
    ids = clinical.index[clinical["split"] == "train"]  # the others lack the proteins
    files = {"expression": "mrna", "mirna": "mirna", "proteins": "protein"}
    layers = {t: pd.read_parquet(folder / f"{f}.parquet").set_index("patient_id").loc[ids] for t, f in files.items()}
    response = (clinical.loc[ids, "subtype"] == label).map({True: "R", False: "NR"})
    about = pd.DataFrame({"response": response, "cancer_type": "Breast"})
    # RPPA, normalised and logged by its authors; read as it is
    units = {"mirna": "log2 intensity", "proteins": "NPX"}
    return Cohort.from_tables({"clinical": about, **layers}, name="tcga_brca", units=units)
