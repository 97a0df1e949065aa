"""CERTIFI as a cohort: ustekinumab or placebo in Crohn's disease, what was known before the first dose, and a response.

The trial is Sandborn 2012 (10.1056/NEJMoa1203572), the file that of Doherty 2018 (10.1128/mBio.02120-17), whose
repository states no licence: it is read from a folder, never shipped. Of ``visits`` only the one before treatment is
read (its week 6 has the CDAI of week 8); the microbiome's coordinates, made of all patients together, are not read.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from theracast.errors import DataError, UsageError
from theracast.features.cohort import Cohort
from theracast.features.readers import read_table
from theracast.provenance import Source, sha256_file

#: The arms; a dose of the first may stand as an arm of its own.
DRUG, PLACEBO = "ustekinumab", "placebo"
#: What may be called the response; the trial's own is the first.
ENDPOINTS = (
    "response_week6",
    "remission_week6",
    "response_week8",
    "remission_week8",
    "response_week22",
    "remission_week22",
)
#: Everything that is read of what was known before the first dose. What is not named here is never read.
_CLINICAL = {"age": "age", "sex": "sex", "bmi": "bmi"}
_ACTIVITY = {"cdai_week0": "crohns_cdai", "crp": "crp", "fecal_calprotectin": "calprotectin"}
_CROHNS = (
    "disease_years", "fecal_lactoferrin", "corticosteroid", "immunomodulator", "methotrexate", "aminosalicylate",
    "antibiotic", "fistula", "tnf_inadequate_response", "tnf_lost_response", "tnf_intolerant",
)  # fmt: skip
_FILES = ("clinical.csv", "visits.parquet")


def read_certifi(folder: str | Path, endpoint: str = ENDPOINTS[0], *, doses: bool = False) -> Cohort:
    """Read the trial from where the public files were put.

    Parameters
    ----------
    folder : str or Path
        Holds ``clinical.csv`` and ``visits.parquet``.
    endpoint : str, default "response_week6"
        What counts as response: response is a CDAI that fell by 100 or below 150, remission a CDAI below 150; who has
        no CDAI that week did not respond. Week 22 follows a second randomisation.
    doses : bool, default False
        Whether each dose is a treatment of its own (``"ustekinumab 6 mg/kg"``).

    Returns
    -------
    Cohort
        Table ``clinical`` with ``treatment`` and ``response`` (R, NR), ``disease_activity`` (CDAI, CRP in mg/L,
        calprotectin in ug/g), and ``crohns``: the course of the disease, drugs taken, earlier anti-TNF, lactoferrin in
        ug/g, and the inverse Simpson index of the stool (reads' effective number of kinds).

    Raises
    ------
    UsageError
        On another endpoint.
    DataError
        THX-D33 when the files are not there.

    Examples
    --------
    >>> read_certifi("somewhere", "cdai_week6")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: unknown endpoint | got: cdai_week6 | wanted: one of response_week6, ...
    """
    if endpoint not in ENDPOINTS:
        raise UsageError("unknown endpoint", got=endpoint, wanted=f"one of {', '.join(ENDPOINTS)}")
    place = Path(folder)
    missing = [f for f in _FILES if not (place / f).exists()]
    if missing:
        raise DataError(
            "the files of the trial are not here", code="THX-D33", where=str(place), wanted=", ".join(missing)
        )
    patients, visits = (read_table(place / f) for f in _FILES)
    patients = patients.set_index("patient_id")
    first = visits[visits["visit"] == "screening"].set_index("patient_id")
    treatment = patients["arm"]
    if doses:
        given = treatment + " " + pd.to_numeric(patients["dose_mg_per_kg"]).map("{:g} mg/kg".format)
        treatment = given.where(treatment == DRUG, treatment)
    said = pd.to_numeric(patients[endpoint]).map({1: "R", 0: "NR"})
    crohns = patients[list(_CROHNS)].assign(
        colon=_touches(patients["tissue_involved"], "Colon"),
        ileum=_touches(patients["tissue_involved"], "Ileum"),
        several_anti_tnf=patients["prior_tnf_count"].map({"RXTNF1": 0.0, "RXTNF2or3": 1.0}),
        inverse_simpson=first["invsimpson"].reindex(patients.index),
    )
    tables = {
        "clinical": patients[list(_CLINICAL)].rename(columns=_CLINICAL).assign(treatment=treatment, response=said),
        "disease_activity": patients[list(_ACTIVITY)].rename(columns=_ACTIVITY).assign(crp_unit="mg/L"),
        "crohns": crohns.apply(pd.to_numeric),
    }
    sources = [Source(Path(f).stem, str(place / f), sha256_file(place / f)) for f in _FILES]
    return Cohort.from_tables(tables, name="certifi", sources=sources)


def _touches(tissue: pd.Series, part: str) -> pd.Series:
    return tissue.str.contains(part, na=False).astype(float).where(tissue.notna())
