"""Interactions on demand: what pairs of features do together in one prediction, in probability points that add up.

SHAP interaction values (Lundberg and others 2020, DOI 10.1038/s42256-019-0138-9) split each contribution of boosted
trees into what the feature does alone and what it does with each other one. The sum of all cells is the margin's
change, and one change of scale makes probability of all of them, as for contributions.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd

from theracast.errors import UsageError
from theracast.features.matrix import FeatureMatrix
from theracast.models.base import ResponseModel
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.models.trees import TreeExpert
from theracast.predict.explain import explain, points_of


def explain_pairs(
    model: ResponseModel, matrix: FeatureMatrix, patient_id: str, site: Recalibration = AS_TRAINED
) -> pd.DataFrame:
    """Split one patient's contributions into what features do alone and what each pair does together.

    Path-dependent SHAP interaction values of the trees (DOI 10.1038/s42256-019-0138-9), times the weight of their
    block, on the scale of probability. A logistic expert is a sum: it fills the diagonal only. So do the blocks among
    each other: the fusion adds their margins up.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    matrix : FeatureMatrix
        Made by the model.
    patient_id : str
        One of the patients.
    site : Recalibration, optional
        As in `ResponseModel.respond`.

    Returns
    -------
    DataFrame of float64, shape (n_features, n_features)
        Probability (0.05 is 5 points), symmetric; half of what a pair does stands on either side. Each row sums to the
        feature's points in `explain`, all cells to prediction minus reference. NaN where the explanation is withheld.

    Raises
    ------
    UsageError
        When there is no such patient.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> model = ResponseModel("melanoma_ici", learner="xgboost").fit(load_cohort("liu2019_mel"))
    >>> matrix = model.matrix(load_cohort("riaz2017_mel"))
    >>> pairs, e = explain_pairs(model, matrix, "Pt1"), explain(model, matrix)
    >>> bool(abs(pairs.to_numpy().sum() - (e.probability["Pt1"] - e.reference["Pt1"])) < 1e-6)
    True
    """
    if patient_id not in matrix.values.index:
        raise UsageError("no such patient in the matrix", fix="Check the id.")
    one = matrix.subset([patient_id])
    shares = model.fusion_.shares(one)
    names, pairs = list(shares.names), np.diag(shares.parts[0])
    for k, block in enumerate(shares.blocks):
        expert = model.fusion_.experts[block]
        if isinstance(expert, TreeExpert):
            read = [f"{block}__{f.name}" for f in expert.features]
            values = one.values[read].to_numpy(dtype=np.float64)
            at = [names.index(name) for name in read]
            pairs[np.ix_(at, at)] = shares.weights[0, k] * expert.tables.interactions(values)[0, :-1, :-1]
    change = replace(shares, parts=pairs.reshape(1, -1))
    withheld = explain(model, one, site).points.isna().to_numpy().any()
    points = np.full_like(pairs, np.nan) if withheld else points_of(change, site)[1].reshape(pairs.shape)
    return pd.DataFrame(points, names, names)
