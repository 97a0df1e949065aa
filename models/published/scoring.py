"""All published scores of a cohort, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from theracast.features.cohort import Cohort
from theracast.models.published import PUBLISHED


def published_scores(cohort: Cohort, names: Sequence[str] = ()) -> pd.DataFrame:
    """Measure published scores of every patient.

    Parameters
    ----------
    cohort : Cohort
        Patients.
    names : sequence of str
        Which scores; all of `PUBLISHED` by default.

    Returns
    -------
    DataFrame of float64, shape (n_patients, n_scores)
        Higher means likelier to respond; NaN where what a score needs is not known. Scores are in units of their own.

    Raises
    ------
    UsageError
        There is no such score.
    DataError
        When a whole column is in another unit than it says.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> published_scores(load_cohort("mgh2022_mel"), ["cytolytic", "gep"]).notna().sum().to_dict()
    {'cytolytic': 34, 'gep': 0}
    """
    chosen = names or list(PUBLISHED)
    return pd.DataFrame({n: PUBLISHED[n].measure(cohort) for n in chosen}, index=cohort.ids)
