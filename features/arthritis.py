"""Public studies of treatments of rheumatoid arthritis as cohorts: what was known before treatment, and the response.

Their licences forbid shipping them; they are read from a folder. Nothing measured after the first dose is taken over,
but for the response itself.

======================  ===========================================================================================
``ra_lipids_*``         plasma lipid mediators before a csDMARD or a TNF inhibitor (10.1038/s41467-020-19176-z)
``ra_proteome``         plasma proteins and disease activity before combinations of csDMARDs
``ra_repertoire``       receptor repertoires and HLA before four TNF inhibitors (10.5281/zenodo.10641094)
======================  ===========================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.features.cohort import Cohort
from theracast.features.readers import read_table
from theracast.provenance import Source, sha256_file
from theracast.registry import Registry

#: Regimens by their drugs, as the study writes them; everything else given is one group.
_REGIMEN = {"MTXLEF": "MTX+LEF", "MTXHCQ": "MTX+HCQ"}
_OTHER = "other csDMARDs"
_LIPID_CLINICAL = {"pathotype": "pathotype", "symptom_duration_months": "symptom_duration_months"}
_LIPID_ACTIVITY = {
    "esr": "esr", "das28": "das28", "vas_patient_global": "patient_global", "vas_physician_global": "physician_global",
}  # fmt: skip
_PROTEOME_ACTIVITY = {
    "das28_crp_baseline": "das28_crp", "tjc28_baseline": "tender28", "sjc28_baseline": "swollen28",
    "crp_baseline": "crp", "vas_baseline": "patient_global",
}  # fmt: skip
_MM = ("patient_global", "physician_global")
#: Good or moderate against none, as EULAR counts responders.
_EULAR = {"good": "R", "moderate": "R", "none": "NR"}


def _lipids(folder: Path, name: str, group: str) -> Cohort:
    place = folder / "lipid_mediators"
    clinical, lipids = _read(place, "clinical.csv"), _read(place, "lipid_mediators.parquet")
    mine = clinical[clinical["cohort"] == group]
    known = mine[list(_LIPID_CLINICAL)].assign(treatment=mine["drug_class"], response=_said(mine["response"]))
    tables = {
        "clinical": known,
        "disease_activity": _activity(mine, _LIPID_ACTIVITY),
        "metabolites": lipids.loc[mine.index].dropna(axis=1, how="all"),
    }
    # in both runs 0 stands for "below detection", as the README of the data says
    units = {"metabolites": "pg/mL", "zeros": "below detection"}
    return _cohort(name, tables, units, place, ["clinical.csv", "lipid_mediators.parquet"])


def _proteome(folder: Path, name: str) -> Cohort:
    place = folder / "plasma_proteome_csdmard"
    clinical, proteins = _read(place, "clinical.csv"), _read(place, "proteins_baseline.parquet")
    regimen = clinical["regimen"]
    known = clinical[["age", "sex", "activity_class"]].assign(
        regimen=regimen,
        treatment=regimen.map(_REGIMEN).where(regimen.isin(list(_REGIMEN)) | regimen.isna(), _OTHER),
        response=_said(clinical["response"]),
    )
    activity = _activity(clinical, _PROTEOME_ACTIVITY).assign(crp_unit="mg/L")
    # one patient has 40 swollen joints of 28: neither the count nor the score that was made from it is known
    activity.loc[activity["swollen28"] > 28, ["swollen28", "das28_crp"]] = np.nan
    tables = {"clinical": known, "disease_activity": activity, "proteins": proteins}
    units = {"proteins": "intensity", "zeros": "below detection"}
    return _cohort(name, tables, units, place, ["clinical.csv", "proteins_baseline.parquet"])


def _repertoire(folder: Path, name: str) -> Cohort:
    place = folder / "airr_antitnf"
    samples = _read(place, "clinical.csv", "sample_id")
    first = samples[samples["visit"] == "week0"]
    patient = first["patient_id"].astype(str)

    def before(file: str) -> pd.DataFrame:
        table = _read(place, file, "sample_id")
        return table.loc[table.index.intersection(first.index)].rename(index=patient).rename_axis("patient_id")

    mine = first.set_index("patient_id")
    known = mine[["age", "sex"]].assign(treatment=mine["drug"].str.lower(), response=mine["eular_response"].map(_EULAR))
    diversity, genes = before("diversity.parquet"), before("gene_usage.parquet")
    tables = {
        "clinical": known,
        "disease_activity": mine[["das28", "acpa", "rf"]],
        "repertoire": diversity.join(genes),
        "hla": before("hla.parquet"),
    }
    files = ["clinical.csv", "diversity.parquet", "gene_usage.parquet", "hla.parquet"]
    return _cohort(name, tables, {}, place, files)


#: Name to (folder, name) -> Cohort.
ARTHRITIS: Registry[Callable[[Path, str], Cohort]] = Registry(
    "study of arthritis",
    {
        "ra_lipids_discovery": lambda folder, name: _lipids(folder, name, "csdmard_discovery"),
        "ra_lipids_validation": lambda folder, name: _lipids(folder, name, "csdmard_validation"),
        "ra_lipids_antitnf": lambda folder, name: _lipids(folder, name, "anti_tnf"),
        "ra_proteome": _proteome,
        "ra_repertoire": _repertoire,
    },
)


def read_arthritis(name: str, folder: str | Path) -> Cohort:
    """Read one study from where the public files were put.

    Parameters
    ----------
    name : str
        One of `ARTHRITIS`.
    folder : str or Path
        Holds ``lipid_mediators``, ``plasma_proteome_csdmard`` and ``airr_antitnf``.

    Returns
    -------
    Cohort
        Table ``clinical`` with ``treatment`` (what was given) and ``response`` (R, NR or missing), and what was
        measured before treatment: ``disease_activity``, ``metabolites`` (pg/mL, 0 below detection), ``proteins``
        (relative intensities), ``repertoire`` and ``hla``.

    Raises
    ------
    UsageError
        On an unknown name; the nearest is offered.
    DataError
        THX-D33 when the files are not there.

    Examples
    --------
    >>> read_arthritis("ra_lipid_discovery", "somewhere")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: no study of arthritis named ... | do: Did you mean 'ra_lipids_discovery'?
    """
    return ARTHRITIS[name](Path(folder), name)


def _read(place: Path, file: str, key: str = "patient_id") -> pd.DataFrame:
    if not (place / file).is_file():
        raise DataError("the files of the study are not there", code="THX-D33", where=str(place), wanted=file)
    table = read_table(place / file)
    return table.set_axis(table[key].astype(str).to_numpy(), axis=0).rename_axis(key).drop(columns=key)


def _said(response: pd.Series) -> pd.Series:
    return response.map({1: "R", 0: "NR"})


def _activity(clinical: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """Take the scores before treatment, under the names that the block reads; global assessments are in mm."""
    found = clinical[list(columns)].rename(columns=columns)
    return found.assign(**{f"{c}_unit": "mm" for c in _MM if c in found})


def _cohort(
    name: str, tables: dict[str, pd.DataFrame], units: dict[str, str], place: Path, files: Sequence[str]
) -> Cohort:
    sources = [Source(Path(f).stem, str(place / f), sha256_file(place / f)) for f in files]
    return Cohort.from_tables(tables, name=name, units=units, sources=sources)
