"""Tumour mutational burden."""

from __future__ import annotations

import pandas as pd

from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.models.published.readings import readings
from theracast.models.published.spec import PublishedScore


def measure(cohort: Cohort) -> pd.Series:
    """Read the burden through block `mutations`, which knows its units.

    Parameters
    ----------
    cohort : Cohort
        With ``tmb`` and ``tmb_unit``, or variants and the panel that was sequenced.

    Returns
    -------
    Series of float64
        Mutations per megabase; NaN where it is not known, or a count of unknown territory.

    Raises
    ------
    DataError
        THX-D16 when the whole column is in another unit than it says.

    Examples
    --------
    >>> c = Cohort.from_tables({"clinical": pd.DataFrame({"tmb": [9.0], "tmb_unit": "mut/Mb"}, index=["p"])})
    >>> measure(c).tolist()
    [9.0]
    """
    return readings(BLOCKS["mutations"](), cohort, ["tmb"])["tmb"]


TMB = PublishedScore(
    name="tmb",
    title="Tumour mutational burden",
    about="Panels and exomes count differently: compare patients of one study.",
    reference="10.1038/s41588-018-0312-8",
    needs=("mutations:tmb", "mutations:tmb_unit"),
    measure=measure,
    unit="mut/Mb",
)
