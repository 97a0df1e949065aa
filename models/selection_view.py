"""What a choice between therapies reads of one patient: the fingerprint in each study, and what moved each therapy."""

from __future__ import annotations

import pandas as pd

from theracast.features.cohort import Cohort
from theracast.models.drivers import drivers_of, margins_of
from theracast.models.fingerprint import Fingerprint, fingerprint
from theracast.models.selection import SelectionModel


def study_fingerprint(model: SelectionModel, study: str, cohort: Cohort) -> Fingerprint:
    """Place patients among those from whom a study's therapies were learned.

    Parameters
    ----------
    model : SelectionModel
        Fitted.
    study : str
        One of `SelectionModel.studies_`.
    cohort : Cohort
        Patients.

    Returns
    -------
    Fingerprint
        Of the features that the study's models read.

    Examples
    --------
    >>> callable(study_fingerprint)
    True
    """
    matrix = model.assemblers_[study].matrix(cohort, checked=True)
    return fingerprint(matrix, model.references_[study], cohort=study)


def study_drivers(model: SelectionModel, study: str, cohort: Cohort) -> pd.DataFrame:
    """Say what each feature of one patient does to the log-odds of each therapy, against the study's median patient.

    Parameters
    ----------
    model : SelectionModel
        Fitted.
    study : str
        One of `SelectionModel.studies_`.
    cohort : Cohort
        One patient.

    Returns
    -------
    DataFrame of float, shape (n_therapies, n_features)
        Log-odds; positive speaks for response. NaN where a value is not known.

    Examples
    --------
    >>> callable(study_drivers)
    True
    """
    assembler, selector = model.assemblers_[study], model.selectors_[study]
    X = assembler.matrix(cohort, checked=True).values[model.columns_[study]]
    typical = {name: quantiles[len(quantiles) // 2] for name, quantiles in model.references_[study].items()}

    def _margins(variants: pd.DataFrame) -> pd.DataFrame:
        return margins_of(selector.rank(assembler.scaled(variants)).wide("probability"))

    return drivers_of(_margins, X, typical)
