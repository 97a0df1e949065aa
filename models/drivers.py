"""Drivers of a ranking: what each feature of a patient does to the margin of each therapy, for any selector."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
from scipy.special import logit

from theracast.errors import UsageError


def drivers_of(
    margins: Callable[[pd.DataFrame], pd.DataFrame], patient: pd.DataFrame, typical: Mapping[str, float]
) -> pd.DataFrame:
    """Put the typical value in the place of one feature after the other, and see what changes.

    Where the margin is a sum over features, as in the linear heads of a T-learner, these are its parts: they add up to
    the patient's margin less that of the typical patient. Otherwise they are what each feature does on its own.

    Parameters
    ----------
    margins : callable
        Takes a DataFrame of patients by features, gives one of the same patients by therapies, such as
        ``lambda X: margins_of(selector.rank(X).wide("probability"))``.
    patient : DataFrame of float, shape (1, n_features)
        In native units; NaN is not known.
    typical : mapping of str to float
        What each feature is compared with, such as the median of the reference cohort.

    Returns
    -------
    DataFrame of float, shape (n_therapies, n_features)
        In units of the margin; positive = the patient's value speaks for response to the therapy. NaN where the value
        is not known (it had no say), where there is no typical one, and where there is no margin.

    Raises
    ------
    UsageError
        When there is not one patient.

    Examples
    --------
    >>> def margins(X):
    ...     return pd.DataFrame({"drug": 2.0 * X["a__x"] - X["b__y"]})
    >>> one = pd.DataFrame({"a__x": [3.0], "b__y": [1.0]})
    >>> drivers_of(margins, one, {"a__x": 1.0, "b__y": 0.0}).loc["drug"].to_dict()
    {'a__x': 4.0, 'b__y': -1.0}
    """
    if len(patient) != 1:
        raise UsageError("drivers are of one patient", got=str(len(patient)))
    values = patient.iloc[0].astype(np.float64)
    moved = [c for c in patient.columns if not np.isnan(values[c]) and not np.isnan(typical.get(c, np.nan))]
    sheet = pd.DataFrame([values] * (len(moved) + 1), index=[f"variant {i}" for i in range(len(moved) + 1)])
    for i, name in enumerate(moved):
        sheet.iloc[i + 1, sheet.columns.get_loc(name)] = typical[name]
    found = margins(sheet).loc[sheet.index]
    parts = pd.DataFrame(found.iloc[0].to_numpy() - found.iloc[1:].to_numpy(), index=moved, columns=found.columns)
    return parts.T.reindex(columns=patient.columns)


def margins_of(probability: pd.DataFrame) -> pd.DataFrame:
    """Turn probabilities into log-odds that are finite.

    Parameters
    ----------
    probability : DataFrame of float
        In [0, 1].

    Returns
    -------
    DataFrame of float, same shape
        Within about +-27.6; NaN stays NaN.

    Examples
    --------
    >>> margins_of(pd.DataFrame({"drug": [0.5, 1.0]})).round(1)["drug"].tolist()
    [0.0, 27.6]
    """
    table = probability.astype(np.float64).clip(1e-12, 1 - 1e-12)
    return pd.DataFrame(logit(table.to_numpy()), index=table.index, columns=table.columns)
