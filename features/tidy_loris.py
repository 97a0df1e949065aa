"""The LORIS workbook as cohorts: which column of a sheet is which of ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from theracast.errors import DataError

#: First columns of every clinical table of the project, in this order; what a source lacks is empty.
LAYOUT = (
    *("patient_id", "cohort", "cancer_type", "treatment", "ici_target", "prior_ici", "response", "recist"),
    *("response_source", "benefit_curated", "pfs_months", "pfs_event", "os_months", "os_event", "age", "sex", "stage"),
    *("tmb", "tmb_unit", "pdl1", "pdl1_unit", "til", "til_unit", "ldh", "ecog", "prior_treatment", "sample_timing"),
)
_OURS = {
    "cancer_type": "CancerType",
    "pfs_months": "PFS_Months",
    "pfs_event": "PFS_Event",
    "os_months": "OS_Months",
    "os_event": "OS_Event",
    "age": "Age",
    "stage": "Stage",
    "tmb": "TMB",
    "pdl1": "PDL1_TPS(%)",
    "ecog": "Performance_status",
    "drug_code_source": "Drug",
    "albumin": "Albumin",
    "nlr": "NLR",
    "fcna": "FCNA",
    "msi": "MSI",
    "hla_loh": "HLA_LOH",
    "hed": "HED",
    "platelets": "Platelets",
    "hgb": "HGB",
    "bmi": "BMI",
    "year_start": "Year of ICI treatment start",
    "histology_code": "Histology",
    "smoking_code": "Smoking_status",
    "pack_years": "Pack_years",
}
_CODES = {
    "response": ("Response", {0: "NR", 1: "R"}),
    "sex": ("Sex", {0: "F", 1: "M"}),
    "prior_treatment": ("Systemic_therapy_history", {0: "no", 1: "yes"}),
}
#: The 841 patients who were not treated with a checkpoint inhibitor.
_CONTROL = "MSK_nonICB"


def tidy_loris(files: Mapping[str, Path], cohort: str, parts: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Turn a sheet of the workbook into a clinical table.

    Parameters
    ----------
    files : mapping of str to Path
        The workbook, by its name.
    cohort : str
        What the cohort is called here.
    parts : sequence of str
        The sheet.

    Returns
    -------
    dict of str to DataFrame
        ``clinical``: one row per patient in the layout of the project, four decimals; times in months as the
        workbook names them, TMB in mut/Mb, albumin in g/dL, PD-L1 as tumour proportion score in percent.

    Raises
    ------
    DataError
        THX-D33 when the sheet is not what it was.

    Examples
    --------
    >>> tidy_loris({"AllData.xlsx": Path("no.xlsx")}, "loris_kato_pan", ["Kato_panCancer"])
    Traceback (most recent call last):
    ...
    FileNotFoundError: [Errno 2] No such file or directory: 'no.xlsx'
    """
    (workbook,), (sheet,) = files.values(), parts
    given = pd.read_excel(workbook, sheet_name=sheet, engine="openpyxl")
    needed = {"SAMPLE_ID", "CancerType", "TMB", "Age", "Albumin", "NLR"}
    if not needed <= set(given.columns):
        raise DataError(
            "the sheet lacks columns", code="THX-D33", where=f"{workbook.name}, sheet {sheet}", wanted=str(needed)
        )
    control = sheet == _CONTROL
    prefix = sheet.removeprefix("MSK_") if control else sheet
    known = {ours: given[theirs] for ours, theirs in _OURS.items() if theirs in given}
    known |= {ours: given[theirs].map(words) for ours, (theirs, words) in _CODES.items() if theirs in given}
    said = {
        "patient_id": prefix + "_" + given["SAMPLE_ID"].astype(str),
        "cohort": cohort,
        "treatment": "no ICI (control)" if control else "immune checkpoint blockade",
        "tmb_unit": "mut/Mb (panel)" if control else "mut/Mb (panel or exome)",
    }
    clinical = pd.DataFrame({**known, **said})
    if "response" in clinical:
        clinical["response_source"] = "objective response (CR/PR) vs SD/PD, source 0/1"
    if "pdl1" in clinical:
        clinical["pdl1_unit"] = clinical["pdl1"].notna().map({True: "tumour proportion score %"})
    own = [c for c in _OURS if c in clinical and c not in LAYOUT]
    return {"clinical": clinical.reindex(columns=[*LAYOUT, *own]).round(4)}
