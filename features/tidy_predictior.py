"""PredictioR's R files as cohorts: a SummarizedExperiment becomes an expression and a clinical table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from theracast.errors import DataError
from theracast.features.tidy_loris import LAYOUT

#: What the curators added before they took the logarithm.
_OFFSET = 0.001
_RECIST = {"CR": "R", "PR": "R", "SD": "NR", "PD": "NR"}
_TARGETS = {"PD-1/PD-L1": "PD1/PDL1", "CTLA4": "CTLA4"}
_OURS = {
    "cancer_type": "cancer_type",
    "benefit_curated": "response",
    "age": "age",
    "sex": "sex",
    "stage": "stage",
    "tmb": "nsTMB_perMb",
    "histology": "histo",
    "treatment_class": "treatment",
}
_TIMES = {"pfs": "pfs", "os": "os"}
_TIMING = ("Biopsy.Time", "Biopsy.pre.or.post.ipi")


def tidy_predictior(files: Mapping[str, Path], cohort: str, parts: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Turn the files of a study into its tables.

    ``response`` is RECIST, CR/PR against SD/PD, in a study that gives RECIST for anyone; else the curators' benefit,
    which stands in ``benefit_curated`` in any case. A TMB of 0 means not sequenced there and is emptied.

    Parameters
    ----------
    files : mapping of str to Path
        ``.rda`` files by name.
    cohort : str
        What the cohort is called here.
    parts : sequence of str
        The files of the study; a patient in two of them is read once.

    Returns
    -------
    dict of str to DataFrame
        ``clinical`` (times in months, TMB in mut/Mb) and ``expression`` (genes in rows, log2(TPM+1) or, for panels,
        log2(value+1), float32).

    Raises
    ------
    DataError
        THX-D33 when a file holds something else.

    Examples
    --------
    >>> import tempfile
    >>> broken = Path(tempfile.mkdtemp(), "a.rda")
    >>> _ = broken.write_bytes(b"not R")
    >>> tidy_predictior({"a.rda": broken}, "predictior_a", ["a.rda"])
    Traceback (most recent call last):
    ...
    theracast.errors.DataError: THX-D33: the file is no SummarizedExperiment that can be read | where: a.rda | ...
    """
    read = [_experiment(files[name]) for name in parts]
    columns = pd.concat([c for c, _ in read])
    first = ~columns.index.duplicated()
    genes = pd.concat([e for _, e in read], axis=1, join="inner")
    genes = genes.loc[:, ~genes.columns.duplicated()]
    return {"clinical": _clinical(columns[first], cohort), "expression": _expression(genes)}


def _experiment(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    import rdata

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # rdata says of each S4 class that it hands over its slots
            (held,) = rdata.read_rda(path).values()
        ids = [str(i) for i in held.colData.rownames]
        columns = pd.DataFrame({str(k): _values(v) for k, v in held.colData.listData.items()}, index=ids)
        assay = held.assays.data.listData["gene_expression"]
        genes = assay if isinstance(assay, pd.DataFrame) else pd.DataFrame(np.asarray(assay), held.NAMES, ids)
    except Exception as error:  # the parser raises what it stumbles over
        raise DataError(
            "the file is no SummarizedExperiment that can be read",
            code="THX-D33",
            where=path.name,
            got=type(error).__name__,
            fix="In R: load() it, then write assay() and colData() as CSV.",
        ) from None
    genes.index, genes.columns = genes.index.astype(str), genes.columns.astype(str)
    return columns, genes


def _values(column: Any) -> list[Any]:
    absent = np.ma.getmaskarray(column) if isinstance(column, np.ma.MaskedArray) else pd.isna(column)
    return [None if gone else value for value, gone in zip(list(column), absent, strict=True)]


def _expression(genes: pd.DataFrame) -> pd.DataFrame:
    linear = np.maximum(np.exp2(genes.astype(float)) - _OFFSET, 0.0)
    # the offset leaves a residue of rounding where nothing was measured
    return np.log2(linear.mask(linear < 1e-9, 0.0) + 1.0).astype(np.float32).rename_axis("gene")


def _clinical(given: pd.DataFrame, cohort: str) -> pd.DataFrame:
    table = pd.DataFrame({ours: given[theirs] for ours, theirs in _OURS.items() if theirs in given}, index=given.index)
    table["cohort"], table["patient_id"] = cohort, given.index
    recist = given["recist"].map(lambda v: v.strip() if isinstance(v, str) else None)
    table["recist"] = recist
    if recist.notna().any():
        table["response"], source = recist.map(_RECIST), "RECIST CR/PR vs SD/PD"
    else:
        table["response"], source = table["benefit_curated"], "benefit (curated)"
    table["response_source"] = table["response"].notna().map({True: source})
    table["ici_target"] = table["treatment_class"].map(_TARGETS)
    in_months = given["survival_unit"] == "month"
    for ours, theirs in _TIMES.items():
        table[f"{ours}_months"] = pd.to_numeric(given[f"survival_time_{theirs}"]).where(in_months)
        table[f"{ours}_event"] = pd.to_numeric(given[f"event_occurred_{theirs}"]).where(in_months)
    tmb = pd.to_numeric(table["tmb"])
    table["tmb"] = tmb.where(tmb > 0)
    panel = given["dna"].map({"tgs": "mut/Mb (panel)"}).fillna("nonsynonymous mut/Mb")
    table["tmb_unit"] = panel.where(table["tmb"].notna())
    timing = next((t for t in _TIMING if t in given), None)
    if timing:
        table["sample_timing"] = given[timing]
    own = [c for c in _OURS if c not in LAYOUT]
    return table.reindex(columns=[*LAYOUT, *own]).reset_index(drop=True)
