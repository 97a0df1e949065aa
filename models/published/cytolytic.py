"""Cytolytic activity: granzyme A and perforin."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.features.cohort import Cohort
from theracast.models.published.levels import gene_levels, set_level
from theracast.models.published.spec import PublishedScore

_GENES = ("GZMA", "PRF1")
_OFFSET = 0.01


def measure(cohort: Cohort) -> pd.Series:
    """Take the geometric mean of GZMA and PRF1, in TPM with an offset of 0.01.

    Parameters
    ----------
    cohort : Cohort
        With the published set mean ``CytoxAct_Rooney``, else ``expression``. The first is a mean of log2(TPM+1), so
        its offset is 1, not 0.01: the two differ where one of the genes is near zero.

    Returns
    -------
    Series of float64
        TPM; NaN unless both genes, or the set mean, are known.

    Examples
    --------
    >>> c = Cohort.from_tables({"expression": pd.DataFrame({"GZMA": [3.0], "PRF1": [5.0]}, index=["p"])})
    >>> measure(c).round(3).tolist()
    [14.744]
    """
    tpm = np.exp2(gene_levels(cohort, _GENES)) - 1
    measured = np.exp(np.log(tpm.clip(lower=0) + _OFFSET).mean(axis=1, skipna=False))
    return (np.exp2(set_level(cohort, "CytoxAct_Rooney")) - 1).fillna(measured)


CYTOLYTIC = PublishedScore(
    name="cytolytic",
    title="Cytolytic activity (CYT)",
    about="Geometric mean of GZMA and PRF1; from the published set mean where there is one.",
    reference="10.1016/j.cell.2014.12.033",
    needs=("expression:GZMA", "expression:PRF1", "signatures:CytoxAct_Rooney"),
    measure=measure,
    unit="TPM",
)
