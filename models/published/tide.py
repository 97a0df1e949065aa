"""TIDE, through its authors' package: an optional comparison, which needs a cohort and stays outside the registry."""

from __future__ import annotations

import contextlib
import importlib
import io
from typing import Any

import pandas as pd

from theracast.errors import DataError, SetupError
from theracast.features.cohort import Cohort
from theracast.features.scales import EXPRESSION

#: Patients whose mean is taken off each gene, and genes over which profiles are correlated: fewer mean nothing.
_LEAST_PATIENTS, _LEAST_GENES = 10, 10_000


def tide_scores(cohort: Cohort, cancer: str = "Melanoma") -> pd.Series:
    """Score by TIDE (Jiang et al. 2018, 10.1038/s41591-018-0136-1), turned round.

    Unlike every score of `theracast.models.published.PUBLISHED`, it takes the mean of the cohort off each gene, so a
    patient scores differently among others and cannot be scored alone.

    Parameters
    ----------
    cohort : Cohort
        With ``expression``, log2(TPM+1), of a transcriptome.
    cancer : {"Melanoma", "NSCLC", "Other"}, default "Melanoma"
        As tidepy calls them; its authors validated the first two.

    Returns
    -------
    Series of float64
        Minus TIDE, so that higher means likelier to respond; NaN for patients without expression.

    Raises
    ------
    SetupError
        When tidepy (GPL-3, never shipped here) is not installed.
    DataError
        THX-D25 under ten patients; THX-D08 under 10,000 genes.

    Examples
    --------
    >>> tide_scores(Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, index=["p"])}))
    Traceback (most recent call last):
    ...
    theracast.errors.DataError: THX-D25: TIDE compares each patient with the mean of the cohort | ...
    """
    table = cohort.tables.get(EXPRESSION, pd.DataFrame())
    if len(table) < _LEAST_PATIENTS:
        raise DataError(
            "TIDE compares each patient with the mean of the cohort",
            code="THX-D25",
            where=EXPRESSION,
            got=f"{len(table)} patients",
            wanted=f"{_LEAST_PATIENTS} or more",
            fix="Leave TIDE out for this cohort.",
        )
    if table.shape[1] < _LEAST_GENES:
        raise DataError(
            "TIDE correlates whole transcriptomes",
            code="THX-D08",
            where=EXPRESSION,
            got=f"{table.shape[1]} genes",
            wanted=f"{_LEAST_GENES:,} or more",
            fix="Leave TIDE out for this cohort.",
        )
    centred = (table - table.mean()).T
    with contextlib.redirect_stdout(io.StringIO()):  # tidepy prints its warnings
        result = _tidepy().TIDE(centred, cancer=cancer, pretreat=False, vthres=0.0, ignore_norm=True)
    return -result["TIDE"].astype(float).reindex(cohort.ids)


def _tidepy() -> Any:
    try:
        return importlib.import_module("tidepy.pred")
    except ImportError:
        raise SetupError(
            "TIDE needs the package tidepy", fix="pip install 'theracast[peers]' (tidepy is GPL-3)"
        ) from None
