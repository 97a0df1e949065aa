"""T-cell-inflamed gene expression profile (GEP): 18 weighted genes over housekeeping genes."""

from __future__ import annotations

import pandas as pd

from theracast.features.cohort import Cohort
from theracast.features.tables import load_table
from theracast.models.published.levels import gene_levels, mean_known, sum_known
from theracast.models.published.spec import PublishedScore

#: Least share of the absolute weight, and of the housekeeping genes, that must be measured.
_LEAST_WEIGHT, _LEAST_HOUSEKEEPING = 0.9, 0.8


def measure(cohort: Cohort) -> pd.Series:
    """Sum the weighted genes after the mean of the housekeeping genes was taken off each.

    The paper weighs NanoString counts; this is its form for log2(TPM+1), in which nothing comes from other patients.
    Where up to a tenth of the weight was not measured, the rest is scaled up to the whole.

    Parameters
    ----------
    cohort : Cohort
        With ``expression``. No published set mean holds these 18 genes: see `expanded_immune` for such cohorts.

    Returns
    -------
    Series of float64
        Weighted log2 over housekeeping, mostly -4 to 3; NaN where too little was measured.

    Examples
    --------
    >>> table = load_table("gep").set_index("gene")
    >>> levels = table["role"].map({"score": 6.0, "housekeeping": 5.0}).to_frame("p").T
    >>> measure(Cohort.from_tables({"expression": levels})).round(6).tolist()
    [1.142788]
    """
    table = load_table("gep").set_index("gene")
    weights = table["weight"].dropna()
    base = mean_known(gene_levels(cohort, table.index[table["role"] == "housekeeping"]), _LEAST_HOUSEKEEPING)
    over = gene_levels(cohort, weights.index).sub(base, axis=0)
    size = weights.abs()
    share = sum_known(over.notna().mul(size, axis=1)) / sum_known(size.to_frame().T).item()
    return sum_known(over.mul(weights, axis=1)) / share.where(share >= _LEAST_WEIGHT)


GEP = PublishedScore(
    name="gep",
    title="T-cell-inflamed GEP",
    about="18 weighted genes over 11 housekeeping genes; needs genes, no published set mean holds it.",
    reference="10.1172/JCI91190",
    needs=tuple(f"expression:{g}" for g in load_table("gep")["gene"]),
    measure=measure,
    unit="log2 over housekeeping",
)
