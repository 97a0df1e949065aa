"""Similar patients: how those of a reference cohort fared whom the model reads most alike.

Alike is meant as the model sees it: two patients are as far apart as their contributions to the log-odds are. The model
was trained on the cohorts that ship with it, so that their outcomes agree with it in part because it learned them. In
trees, what else is known of a patient has a part in what each value contributes.
Counts below five are never given, nor are ids, nor distances.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from theracast.errors import DataError, UsageError
from theracast.features.cohort import Cohort, as_cohort
from theracast.features.datasets import datasets, load_cohort
from theracast.features.feature_names import block_of
from theracast.features.matrix import FeatureMatrix
from theracast.models.base import ResponseModel
from theracast.models.combiner import patterns
from theracast.models.estimates import wilson

#: Fewer patients than this are not told of.
FEWEST = 5
#: What every row means.
NOTE = (
    "Outcomes of the patients of the reference cohort whom the model reads most alike, with a 95% interval (Wilson). "
    "Where the model was trained on them, that they agree with it is no proof of it."
)
#: Why a row says nothing.
TOO_FEW = f"fewer than {FEWEST} labelled patients of the reference have the same blocks and tumour type"
NOTHING = "nothing the model reads is known"
ALL = "all that have the same blocks and tumour type, however far"
_AT_ONCE = 256
#: Distances and values that differ by less than this share are the same.
_SAME = 1e-9


def reference_cohort(studies: Sequence[str]) -> Cohort | None:
    """Load those of a model's training cohorts that ship with the package.

    Parameters
    ----------
    studies : sequence of str
        As in `ResponseModel.studies_`.

    Returns
    -------
    Cohort or None
        Put together; None when none of them ships.

    Examples
    --------
    >>> len(reference_cohort(["riaz2017_mel", "our hospital"]))
    51
    >>> reference_cohort(["our hospital"]) is None
    True
    """
    bundled = set(datasets()["name"])
    found = [load_cohort(name) for name in sorted(set(studies)) if name in bundled]
    return Cohort.concat(found) if found else None


def similar_patients(
    model: ResponseModel,
    matrix: FeatureMatrix,
    reference: Cohort | pd.DataFrame | tuple[FeatureMatrix, ArrayLike],
    k: int = 20,
) -> pd.DataFrame:
    """Count how the nearest labelled patients of a reference cohort fared.

    Only those count who have the blocks that the patient has and half of the known features at least, and, where the
    model tells tumour types apart, the same type. The distance is Euclidean over the features that both know, in
    contributions to the log-odds, scaled to all that are known of the patient. The patient is never one of its own
    neighbours: whoever has the same id in the same study is left out, and so are those with the same values where
    fewer than five have them.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    matrix : FeatureMatrix
        Made by the model.
    reference : Cohort or wide DataFrame, or (FeatureMatrix, array-like of 0, 1 and NaN)
        With column ``response``, or a matrix made by the model and the labels of its patients.
    k : int, default 20
        How many count, 5 or more.

    Returns
    -------
    DataFrame, indexed by patient id
        ``n`` (more than `k` where several are equally near), ``responders``, ``rate`` in [0, 1], ``lower`` and
        ``upper`` of its 95% interval (Wilson), ``note``: why all are NaN, that all there are were counted, or empty.
        ``attrs["note"]`` says what the numbers mean.

    Raises
    ------
    UsageError
        When `k` is not a number of 5 or more.
    DataError
        THX-D24 when the labels are not 0, 1 and NaN, or are not one per patient.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> liu = load_cohort("liu2019_mel")
    >>> model = ResponseModel("melanoma_ici").fit(liu)
    >>> found = similar_patients(model, model.matrix(load_cohort("riaz2017_mel")), liu)
    >>> bool((found.n >= 20).all()), found.columns.tolist()
    (True, ['n', 'responders', 'rate', 'lower', 'upper', 'note'])
    """
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < FEWEST:
        raise UsageError(
            "too few similar patients to be told of",
            got=f"k = {k}" if isinstance(k, int | np.integer) else f"k of type {type(k).__name__}",
            wanted=f"a whole number, {FEWEST} or more",
            fix="Ask for more: the outcomes of fewer could tell who they are.",
        )
    others, y = _labelled(model, reference)
    names = [f"{b}__{f.name}" for b, e in model.fusion_.experts.items() for f in e.features]
    here, there = (_known(model, m) for m in (matrix, others))
    n, responders = (np.full(len(matrix), np.nan) for _ in range(2))
    notes = np.full(len(matrix), NOTHING, dtype=object)
    for blocks, rows in patterns(here):
        if not blocks:
            continue
        able = np.flatnonzero(there[list(blocks)].all(axis=1))
        mine = [name for name in names if block_of(name) in blocks]
        theirs = _Side.of(model, others.subset(able), mine, blocks)
        for at in np.array_split(rows, -(-len(rows) // _AT_ONCE)):
            one = _Side.of(model, matrix.subset(at), mine, blocks)
            n[at], responders[at], notes[at] = _counted(one, theirs, y[able], int(k))
    lower, upper = wilson(responders, n)
    told = {"n": n, "responders": responders, "rate": responders / n, "lower": lower, "upper": upper, "note": notes}
    found = pd.DataFrame(told, index=matrix.values.index)
    found.attrs["note"] = NOTE
    return found


class _Side:
    """Patients as arrays: values, contributions given the same blocks, who they are, and tumour types."""

    def __init__(self, values: np.ndarray, parts: np.ndarray, ids: np.ndarray, tumours: np.ndarray) -> None:
        self.values, self.parts, self.ids, self.tumours = values, parts, ids, tumours

    @classmethod
    def of(cls, model: ResponseModel, matrix: FeatureMatrix, names: Sequence[str], blocks: Sequence[str]) -> _Side:
        hidden = [c for c in matrix.values if block_of(c) not in blocks]
        alike = replace(matrix, values=matrix.values.assign(**dict.fromkeys(hidden, np.nan)))
        _, parts = model.fusion_.split(alike)
        studies = matrix.studies.astype(str)
        # cohorts that were put together have their study before the id already
        ids = [f"{s}:{i.removeprefix(f'{s}:')}" for i, s in zip(matrix.values.index.astype(str), studies, strict=True)]
        tumours = matrix.tumours.to_numpy() if model.fusion_.tumour_aware else np.full(len(matrix), "")
        return cls(
            matrix.values[list(names)].to_numpy(dtype=np.float64),
            parts[list(names)].to_numpy(dtype=np.float64),
            np.array(ids, dtype=object),
            np.asarray(tumours, dtype=object),
        )


def _known(model: ResponseModel, matrix: FeatureMatrix) -> pd.DataFrame:
    return model.fusion_.present(matrix)[list(model.fusion_.experts)]


def _labelled(
    model: ResponseModel, reference: Cohort | pd.DataFrame | tuple[FeatureMatrix, ArrayLike]
) -> tuple[FeatureMatrix, np.ndarray]:
    """Measure the reference, and keep those with a label."""
    if isinstance(reference, tuple):
        others, labels = reference[0], np.asarray(reference[1])
    else:
        cohort = as_cohort(reference)
        others, labels = model.matrix(cohort), cohort.response.to_numpy()
    if labels.shape != (len(others),) or labels.dtype.kind not in "biuf":
        raise DataError(
            "labels and patients of the reference do not fit",
            code="THX-D24",
            wanted="one number per patient: 0, 1, NaN",
        )
    y = labels.astype(np.float64)
    if not np.isin(y[~np.isnan(y)], (0, 1)).all():
        raise DataError("labels of the reference are something else than 0 and 1", code="THX-D24")
    return others.subset(~np.isnan(y)), y[~np.isnan(y)]


def _counted(one: _Side, theirs: _Side, y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Count the nearest of each patient, and the responders among them; NaN and a note where they are too few."""
    shape = (len(one.ids), len(y))
    squares, shared, equal = np.zeros(shape), np.zeros(shape), np.ones(shape, dtype=bool)
    for f in range(one.values.shape[1]):  # one feature at a time: no patient's sum depends on the others
        mine, other = one.values[:, [f]], theirs.values[:, f]
        both = ~np.isnan(mine) & ~np.isnan(other)
        squares += np.where(both, (one.parts[:, [f]] - theirs.parts[:, f]) ** 2, 0.0)
        shared += both
        equal &= np.isnan(mine) | (np.abs(mine - other) <= _SAME * np.abs(mine))
    known = (~np.isnan(one.values)).sum(axis=1, keepdims=True)
    able = (2 * shared >= known) & (one.tumours[:, None] == theirs.tumours) & (one.ids[:, None] != theirs.ids)
    equal &= able
    able &= ~equal | (equal.sum(axis=1, keepdims=True) >= FEWEST)
    count = able.sum(axis=1)
    distance = np.sqrt(np.where(able, squares * known / np.maximum(shared, 1), np.inf))
    enough = count >= FEWEST
    n, responders = np.full(len(count), np.nan), np.full(len(count), np.nan)
    if enough.any():
        last = np.minimum(k, count) - 1
        furthest = np.take_along_axis(np.sort(distance, axis=1), np.maximum(last, 0)[:, None], axis=1)
        near = able & (distance <= furthest * (1.0 + _SAME))
        n[enough], responders[enough] = near.sum(axis=1)[enough], (near & (y == 1.0)).sum(axis=1)[enough]
    notes = np.where(enough, np.where(count <= k, ALL, ""), TOO_FEW).astype(object)
    return n, responders, notes
