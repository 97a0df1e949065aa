"""IMPRES: fifteen pairs of checkpoint genes, a point for each in the published order."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.features.cohort import Cohort
from theracast.features.tables import load_table
from theracast.models.published.levels import gene_levels
from theracast.models.published.spec import PublishedScore

#: Fewest pairs that must be judged; the others get the share of the judged.
_LEAST = 12


def measure(cohort: Cohort) -> pd.Series:
    """Count the pairs in which the first gene is above the second; equal is no point.

    The authors' code calls genes that were not measured zero, which decides their pairs. Here such a pair is left out,
    and the count is scaled to 15 pairs.

    Parameters
    ----------
    cohort : Cohort
        With ``expression``.

    Returns
    -------
    Series of float64
        0-15; NaN where under 12 pairs could be judged.

    Examples
    --------
    >>> pairs = load_table("impres")
    >>> levels = pd.DataFrame(5.0, index=["p"], columns=sorted({*pairs["above"], *pairs["below"]}))
    >>> measure(Cohort.from_tables({"expression": levels.assign(CD40=6.0)})).tolist()
    [4.0]
    """
    pairs = load_table("impres")
    above, below = (gene_levels(cohort, pairs[side]).to_numpy() for side in ("above", "below"))
    judged = (~np.isnan(above) & ~np.isnan(below)).sum(axis=1)
    points = (above > below).sum(axis=1)
    scaled = points * len(pairs) / np.maximum(judged, 1)
    return pd.Series(np.where(judged >= _LEAST, scaled, np.nan), index=cohort.ids)


IMPRES = PublishedScore(
    name="impres",
    title="IMPRES",
    about="15 pairs of checkpoint genes. Its first results could not be reproduced (10.1038/s41591-019-0671-4).",
    reference="10.1038/s41591-018-0157-9",
    needs=tuple(f"expression:{g}" for g in sorted({*load_table("impres")["above"], *load_table("impres")["below"]})),
    measure=measure,
    unit="pairs, 0-15",
)
