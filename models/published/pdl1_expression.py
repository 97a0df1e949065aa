"""PD-L1 by its gene, CD274."""

from __future__ import annotations

import pandas as pd

from theracast.features.cohort import Cohort
from theracast.models.published.levels import gene_levels, set_level
from theracast.models.published.spec import PublishedScore


def measure(cohort: Cohort) -> pd.Series:
    """Read CD274.

    Parameters
    ----------
    cohort : Cohort
        With the published set mean ``Target_marker_PDL1``, which is CD274 alone, else ``expression``.

    Returns
    -------
    Series of float64
        log2(TPM+1); NaN where not known. A stain is never read: it is on another scale.

    Examples
    --------
    >>> measure(Cohort.from_tables({"expression": pd.DataFrame({"CD274": [1.5]}, index=["p"])})).tolist()
    [1.5]
    """
    return set_level(cohort, "Target_marker_PDL1").fillna(gene_levels(cohort, ["CD274"])["CD274"])


PDL1_EXPRESSION = PublishedScore(
    name="pdl1_expression",
    title="PD-L1 expression (CD274)",
    about="One gene, by mRNA, not by stain.",
    reference="10.1038/nature14011",
    needs=("expression:CD274", "signatures:Target_marker_PDL1"),
    measure=measure,
    unit="log2(TPM+1)",
)
