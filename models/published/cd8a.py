"""CD8A: the T cells that kill, by one gene."""

from __future__ import annotations

import pandas as pd

from theracast.features.cohort import Cohort
from theracast.models.published.levels import gene_levels, set_level
from theracast.models.published.spec import PublishedScore


def measure(cohort: Cohort) -> pd.Series:
    """Read CD8A.

    Parameters
    ----------
    cohort : Cohort
        With the published set mean ``CD8Tcell_sc``, which is that of CD8A and CD8B, else ``expression``.

    Returns
    -------
    Series of float64
        log2(TPM+1); NaN where not known.

    Examples
    --------
    >>> measure(Cohort.from_tables({"expression": pd.DataFrame({"CD8A": [3.5]}, index=["p"])})).tolist()
    [3.5]
    """
    return set_level(cohort, "CD8Tcell_sc").fillna(gene_levels(cohort, ["CD8A"])["CD8A"])


CD8A = PublishedScore(
    name="cd8a",
    title="CD8A expression",
    about="One gene; the published mean of CD8A and CD8B where there is one.",
    reference="10.1038/nature13954",
    needs=("expression:CD8A", "signatures:CD8Tcell_sc"),
    measure=measure,
    unit="log2(TPM+1)",
)
