"""Cross-fitting: every expert fitted once on all studies, and once without each.

Each patient so has a margin by experts that never saw the patient's study. From those margins the settings of each
block's expert are chosen, the experts are combined, the interval is taken and the label sets are calibrated. A study
that is left out of the whole model has therefore chosen nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from theracast.errors import UsageError
from theracast.features.matrix import FeatureMatrix
from theracast.features.spec import Feature
from theracast.models.experts import EXPERTS, Expert
from theracast.models.logistic import Kinds
from theracast.models.metrics import auc
from theracast.models.splits import family

#: Fewest labelled patients, and of each class, on which anything is fitted.
_FEWEST = 20
_FEWEST_CLASS = 5


@dataclass(frozen=True)
class CrossFit:
    """Experts with and without each study.

    Attributes
    ----------
    folds : ndarray of int, shape (n_patients,)
        Study (with any that holds its patients) of each patient, or one of five parts where there is one study only.
    experts : dict of str to Expert
        Fitted on all patients; blocks known in too few have none.
    replicas : dict of int to dict of str to Expert
        Fitted without each fold.
    unseen : DataFrame of float64, shape (n_patients, n_blocks)
        Log-odds by experts that had not seen the patient's fold; NaN where the block is missing.

    Examples
    --------
    >>> CrossFit(np.array([0]), {}, {}, pd.DataFrame()).experts
    {}
    """

    folds: np.ndarray
    experts: dict[str, Expert]
    replicas: dict[int, dict[str, Expert]]
    unseen: pd.DataFrame


def cross_fit(
    features: Mapping[str, Sequence[Feature]],
    learner: str,
    options: Mapping[str, Any],
    matrix: FeatureMatrix,
    y: np.ndarray,
    tumours: np.ndarray,
) -> CrossFit:
    """Fit the experts of every block; of several settings, each block takes those that order unseen studies best.

    Parameters
    ----------
    features : mapping of str to sequence of Feature
        Block name to the features that are read.
    learner : {"logistic", "xgboost"}
        Kind of expert.
    options : mapping
        Options of the expert; a list is a choice.
    matrix : FeatureMatrix
        Labelled training patients.
    y : ndarray of 0 and 1, shape (n_patients,)
        1 responded.
    tumours : ndarray of str, shape (n_patients,)
        Tumour type of each patient.

    Returns
    -------
    CrossFit
        All fits, and the margins of each patient by experts that had not seen its study.

    Raises
    ------
    UsageError
        When an option is a list of no values.

    Examples
    --------
    >>> from theracast.features.assembler import FeatureAssembler
    >>> from theracast.features.datasets import load_cohort
    >>> cohort = load_cohort("hugo2016_mel")
    >>> assembler = FeatureAssembler(["mutations"]).fit(cohort)
    >>> reads = {"mutations": assembler.blocks_[0].outputs()}
    >>> y, none = cohort.response.to_numpy(int), np.full(len(cohort), "", dtype=object)
    >>> cross_fit(reads, "logistic", {"C": [0.1, 1.0]}, assembler.matrix(cohort), y, none).unseen.shape
    (26, 1)
    """
    folds = _folds(matrix.studies.to_numpy(), y)
    everyone = np.ones(len(y), dtype=bool)
    found = CrossFit(folds, {}, {int(k): {} for k in np.unique(folds)}, _nothing(matrix, features))
    for b, read in features.items():
        best = -np.inf
        tries = _choices(options)
        for chosen in tries:
            unseen = _nothing(matrix, [b])
            replicas: dict[int, Expert | None] = {}
            for k in found.replicas:
                expert = _expert(b, read, learner, chosen, matrix, y, tumours, folds != k)
                replicas[k] = expert
                if expert is not None:
                    rows = np.flatnonzero(folds == k)
                    unseen.iloc[rows, 0] = margins_of({b: expert}, matrix.subset(rows), tumours[rows])[b].to_numpy()
            order = _ordering(unseen[b].to_numpy(), y, folds) if len(tries) > 1 else 0.0
            if order > best:
                best, settings = order, chosen
                found.unseen[b] = unseen[b]
                kept = replicas
        whole = _expert(b, read, learner, settings, matrix, y, tumours, everyone)
        if whole is not None:
            found.experts[b] = whole
        for k, expert in kept.items():
            if expert is not None:
                found.replicas[k][b] = expert
    return found


def margins_of(experts: Mapping[str, Expert], matrix: FeatureMatrix, tumours: np.ndarray | Kinds) -> pd.DataFrame:
    """Margin of each expert for each patient.

    Parameters
    ----------
    experts : mapping of str to Expert
        By block.
    matrix : FeatureMatrix
        Patients.
    tumours : ndarray of str, shape (n_patients,)
        Tumour type of each patient.

    Returns
    -------
    DataFrame of float64, shape (n_patients, n_blocks)
        Log-odds, one column per block of the matrix; NaN where the block is missing or has no expert.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> matrix = model.matrix(load_cohort("riaz2017_mel"))
    >>> margins_of(model.fusion_.experts, matrix, matrix.tumours.to_numpy()).shape
    (51, 4)
    """
    return margins_each([experts], matrix, tumours)[0]


def margins_each(
    experts: Sequence[Mapping[str, Expert]], matrix: FeatureMatrix, tumours: np.ndarray | Kinds
) -> list[pd.DataFrame]:
    """Margins by several sets of experts, such as a model and its replicas; every block is laid out once.

    Parameters
    ----------
    experts : sequence of mapping of str to Expert
        Each by block.
    matrix : FeatureMatrix
        Patients.
    tumours : ndarray of str, or Kinds, shape (n_patients,)
        Tumour type of each patient.

    Returns
    -------
    list of DataFrame of float64, shape (n_patients, n_blocks)
        As `margins_of`.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.models.base import ResponseModel
    >>> model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    >>> matrix = model.matrix(load_cohort("riaz2017_mel"))
    >>> [m.shape for m in margins_each([model.fusion_.experts] * 2, matrix, matrix.tumours.to_numpy())]
    [(51, 4), (51, 4)]
    """
    out = [np.full((len(matrix.values), len(matrix.blocks)), np.nan) for _ in experts]
    kinds = Kinds.of(tumours)
    for column, b in enumerate(matrix.blocks):
        laid: dict[tuple[str, ...], tuple[np.ndarray, np.ndarray]] = {}
        for margins, expert in ((m, e[b]) for m, e in zip(out, experts, strict=True) if b in e):
            key = tuple(f.name for f in expert.features)
            if key not in laid:
                values = values_of(matrix, b, expert.features).to_numpy(dtype=np.float64)
                rows = np.flatnonzero(~np.isnan(values).all(axis=1))
                laid[key] = rows, np.ascontiguousarray(values[rows])
            rows, values = laid[key]
            margins[rows, column] = _margin(expert, values, kinds[rows])
    return [pd.DataFrame(m, index=matrix.values.index, columns=list(matrix.blocks)) for m in out]


def _margin(expert: Expert, values: np.ndarray, tumours: Kinds) -> np.ndarray:
    """Add up what an expert says of patients of whom something is known; of equal ones it is asked once."""
    if expert.by_values and values.shape[1] == 1:
        which, kept = pd.factorize(values[:, 0])
        return _margin_of_each(expert, kept[:, None], tumours[np.zeros(len(kept), dtype=np.intp)])[which]
    return _margin_of_each(expert, values, tumours)


def _margin_of_each(expert: Expert, values: np.ndarray, tumours: Kinds) -> np.ndarray:
    _, shares = expert.split(values, tumours)  # the level is the combiner's to say
    # row by row in memory, or numpy adds one patient in another order than fifty, and the last bit differs
    total: np.ndarray = np.ascontiguousarray(shares).sum(axis=1)
    return total


def values_of(matrix: FeatureMatrix, name: str, features: Sequence[Feature]) -> pd.DataFrame:
    """Return what a model reads of one block.

    Parameters
    ----------
    matrix : FeatureMatrix
        Patients.
    name : str
        The block.
    features : sequence of Feature
        Those that are read.

    Returns
    -------
    DataFrame of float64, shape (n_patients, n_features)
        Native units.

    Examples
    --------
    >>> from theracast.features.assembler import FeatureAssembler
    >>> from theracast.features.datasets import load_cohort
    >>> cohort = load_cohort("hugo2016_mel")
    >>> assembler = FeatureAssembler(["mutations"]).fit(cohort)
    >>> values_of(assembler.matrix(cohort), "mutations", assembler.blocks_[0].outputs()[:1]).columns.tolist()
    ['mutations__tmb']
    """
    return matrix.values[[f"{name}__{f.name}" for f in features]]


def enough(y: np.ndarray) -> bool:
    """Say whether something can be fitted on these patients.

    Parameters
    ----------
    y : ndarray of 0 and 1
        Outcomes.

    Returns
    -------
    bool
        At least 20 patients, and 5 of each class.

    Examples
    --------
    >>> enough(np.array([0, 1] * 12)), enough(np.array([0] * 30))
    (True, False)
    """
    return bool(len(y) >= _FEWEST and min(y.sum(), len(y) - y.sum()) >= _FEWEST_CLASS)


def _choices(options: Mapping[str, Any]) -> list[dict[str, Any]]:
    lists = [v if isinstance(v, list) else [v] for v in options.values()]
    if not all(lists):
        empty = ", ".join(k for k, v in options.items() if v == [])
        raise UsageError("an option has no value to choose", got=f"options: {empty}", wanted="one value or more")
    return [dict(zip(options, values, strict=True)) for values in product(*lists)]


def _expert(
    name: str,
    features: Sequence[Feature],
    learner: str,
    options: Mapping[str, Any],
    matrix: FeatureMatrix,
    y: np.ndarray,
    tumours: np.ndarray,
    rows: np.ndarray,
) -> Expert | None:
    block = values_of(matrix, name, features)
    mine = rows & block.notna().any(axis=1).to_numpy()
    if not enough(y[mine]):
        return None
    expert = EXPERTS[learner](features, **options)
    studies = matrix.studies.to_numpy()[mine]
    return expert.fit(block[mine], y[mine], np.ones(mine.sum()), studies, tumours[mine])


def _ordering(margin: np.ndarray, y: np.ndarray, folds: np.ndarray) -> float:
    """Mean AUC within the folds, each weighing as its pairs do; patients of two studies are never compared."""
    total = weights = 0.0
    for k in np.unique(folds):
        mine = (folds == k) & ~np.isnan(margin)
        n1 = int(y[mine].sum())
        n0 = int(mine.sum()) - n1
        if n1 and n0:
            weight = n1 * n0 / (n1 + n0)
            total, weights = total + weight * auc(y[mine], margin[mine]).value, weights + weight
    return total / weights if weights else 0.0


def _folds(studies: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Whole studies, or five stratified parts where there is one study only, large enough to be parted."""
    families = np.array(["+".join(sorted(family(str(s)))) for s in studies])
    if len(np.unique(families)) > 1 or not enough(y):
        return np.unique(families, return_inverse=True)[1]
    folds = np.zeros(len(y), dtype=int)
    for k, (_, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(np.zeros(len(y)), y)):
        folds[test] = k
    return folds


def _nothing(matrix: FeatureMatrix, blocks: Sequence[str] | Mapping[str, Any]) -> pd.DataFrame:
    return pd.DataFrame(np.nan, index=matrix.values.index, columns=list(blocks))
