"""What if: what the model would say of a patient with another value of an input that can be changed.

Only the inputs of ``features/tables/modifiable.csv`` can be moved, each alone, and the model is asked anew with the
changed value. It knows associations among other patients: the answer is of the model, not of what a change would do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from numbers import Real

import numpy as np
import pandas as pd
from scipy.special import expit

from theracast.checks import listed
from theracast.errors import UsageError
from theracast.features.matrix import FeatureMatrix
from theracast.features.tables import load_table
from theracast.models.base import ResponseModel
from theracast.models.recalibration import AS_TRAINED, Recalibration

#: What every row means.
NOTE = (
    "What the model would say if this one value were another and all else the same. It is an association learned from "
    "other patients: it does not tell what happens if the value is changed."
)
#: Why there are no rows.
NONE_READ = "The model reads nothing that can be changed on purpose."
NONE_KNOWN = "Nothing that the model reads and that can be changed on purpose is known of this patient."
_COLUMNS = ("feature", "about", "unit", "value", "to", "probability", "changed", "points")
_MIDDLE = 50


@cache
def _ranges() -> Mapping[str, tuple[float, float]]:
    table = load_table("modifiable")
    ends = zip(table["low"].astype(float), table["high"].astype(float), strict=True)
    return dict(zip(table["feature"], ends, strict=True))


def modifiable(model: ResponseModel) -> dict[str, tuple[float, float]]:
    """Name the inputs of a model that a what-if may move.

    Parameters
    ----------
    model : ResponseModel
        Fitted.

    Returns
    -------
    dict of str to (float, float)
        Feature as ``<block>__<name>`` to its plausible range, ends included, in its unit; empty for many models.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> modifiable(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")))
    {}
    """
    fusion = model.fusion_
    read = [f"{b}__{f.name}" for b, e in fusion.experts.items() for f in e.features]
    return {name: _ranges()[name] for name in read if name in _ranges()}


def what_if(
    model: ResponseModel,
    matrix: FeatureMatrix,
    patient_id: str,
    changes: Mapping[str, float] | None = None,
    site: Recalibration = AS_TRAINED,
) -> pd.DataFrame:
    """Ask the model anew with one modifiable value changed, all else the same.

    This is what the model would say of such a patient, not what would happen to this one: an input can go with
    response and have no part in it.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    matrix : FeatureMatrix
        Made by the model.
    patient_id : str
        One of its patients.
    changes : mapping of str to float, optional
        Feature as ``<block>__<name>`` to the value to try, in its unit; each is tried alone. By default each known
        modifiable value is moved to the median of the training patients.
    site : Recalibration, optional
        As in `ResponseModel.respond`.

    Returns
    -------
    DataFrame
        One row per change: ``feature``, ``about``, ``unit``, ``value`` as it is, ``to``, ``probability`` as it is,
        ``changed`` (the probability with it), and ``points``, their difference, in probability. ``attrs["note"]`` says
        what it means, or why there is no row.

    Raises
    ------
    UsageError
        On a patient that is not there, and on a feature that cannot be changed, that the model does not read, whose
        value is not known of the patient, or that would leave its plausible range.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> matrix = model.matrix(load_cohort("riaz2017_mel"))
    >>> what_if(model, matrix, matrix.values.index[0]).attrs["note"]
    'The model reads nothing that can be changed on purpose.'
    """
    if patient_id not in matrix.values.index:
        raise UsageError("this patient is not in the matrix", got="an id that is none of its rows", wanted="a patient")
    one = matrix.subset([patient_id])
    able = modifiable(model)
    known = {name: float(one.values[name].iloc[0]) for name in able if one.values[name].notna().iloc[0]}
    if changes is None:
        changes = {name: model.reference_[name][_MIDDLE] for name in known}
    else:
        for name, to in changes.items():
            _refuse(name, to, able, known)
    probability = _probability(model, one, site)
    rows = []
    for name, to in changes.items():
        changed = _probability(model, replace(one, values=one.values.assign(**{name: float(to)})), site)
        about = one.lineage[name]
        told = (name, about.about, about.unit, known[name], float(to), probability, changed, changed - probability)
        rows.append(dict(zip(_COLUMNS, told, strict=True)))
    found = pd.DataFrame(rows, columns=list(_COLUMNS))
    found.attrs["note"] = NOTE if rows else NONE_KNOWN if able else NONE_READ
    return found


def _probability(model: ResponseModel, matrix: FeatureMatrix, site: Recalibration) -> float:
    return float(expit(site.apply(model.fusion_.margin(matrix)))[0])


def _refuse(name: str, to: object, able: Mapping[str, tuple[float, float]], known: Mapping[str, float]) -> None:
    """Refuse a change that cannot be tried; no value of the patient is said."""
    if name not in able:
        why = "that the model does not read" if name in _ranges() else "that cannot be changed on purpose"
        raise UsageError(
            f"a what-if of an input {why}",
            where=str(name)[:100],
            wanted=listed(able) if able else "nothing: this model reads no input that can be changed",
            fix="Take one of features/tables/modifiable.csv that the model reads.",
        )
    if name not in known:
        raise UsageError(
            "a what-if of a value that is not known of the patient",
            where=name,
            wanted=listed(known) if known else "nothing: none of the inputs that can be changed is known",
            fix="Enter the value as it is first.",
        )
    low, high = able[name]
    number = isinstance(to, Real) and not isinstance(to, bool | np.bool_) and to == to
    if not (number and low <= to <= high):  # type: ignore[operator]
        raise UsageError(
            "a what-if outside of what is plausible",
            where=name,
            got=("less" if to < low else "more") if number else "no number",  # type: ignore[operator]
            wanted=f"a number from {low:g} to {high:g}",
            fix="Give a value in the unit of the feature.",
        )
