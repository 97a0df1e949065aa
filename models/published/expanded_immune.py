"""Expanded immune signature: the forerunner of the GEP, which published set means hold too."""

from __future__ import annotations

import pandas as pd

from theracast.features.cohort import Cohort
from theracast.features.scores import HOUSEKEEPING
from theracast.models.published.levels import gene_levels, mean_known, set_level, set_members
from theracast.models.published.spec import PublishedScore

_SET = "Ayers_IFNg18"
_LEAST = 0.8


def measure(cohort: Cohort) -> pd.Series:
    """Take the mean of the genes over the mean of the housekeeping genes.

    CCL5 is left out, for the published set means do not hold it: 17 of the 18 genes, the same from both tables.

    Parameters
    ----------
    cohort : Cohort
        With the published set means ``Ayers_IFNg18`` and ``Reference_NanoString09``, else ``expression``.

    Returns
    -------
    Series of float64
        log2 over housekeeping, mostly -7 to 0; NaN where under four fifths of either were measured.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> int(measure(load_cohort("mgh2022_mel")).notna().sum())
    34
    """
    immune, base = (mean_known(gene_levels(cohort, set_members(s)), _LEAST) for s in (_SET, HOUSEKEEPING))
    return (set_level(cohort, _SET) - set_level(cohort, HOUSEKEEPING)).fillna(immune - base)


EXPANDED_IMMUNE = PublishedScore(
    name="expanded_immune",
    title="Expanded immune signature (18 genes)",
    about="Unweighted mean over housekeeping. Not the GEP: another 18 genes of the same paper; set means will do.",
    reference="10.1172/JCI91190",
    needs=(
        *(f"expression:{g}" for s in (_SET, HOUSEKEEPING) for g in set_members(s)),
        f"signatures:{_SET}",
        f"signatures:{HOUSEKEEPING}",
    ),
    measure=measure,
    unit="log2 over housekeeping",
)
