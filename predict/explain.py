"""Explanations in probability points that add up to the prediction, for every patient.

The margin (log-odds) splits exactly into one contribution per feature (`Fusion.split`). Along the straight path from
the reference to the patient, each contribution's share of the change in probability is its Aumann-Shapley value; for a
sum inside one monotone function that is the contribution times (p - p0) / (margin - margin0), so that the points of
all features sum to p - p0 (Sun and Sundararajan 2011, DOI 10.1145/1993574.1993601).
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from theracast.features.matrix import FeatureMatrix
from theracast.models.base import ResponseModel
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.explanation import Explanation

#: Above this, an explanation that does not add up is withheld.
TOLERANCE = 1e-6


def explain(
    model: ResponseModel, matrix: FeatureMatrix, site: Recalibration = AS_TRAINED, *, spread: bool = False
) -> Explanation:
    """Split each prediction into probability points.

    Parameters
    ----------
    model : ResponseModel
        Fitted.
    matrix : FeatureMatrix
        Made by the model.
    site : Recalibration, optional
        As in `ResponseModel.respond`.
    spread : bool, default False
        Whether to tell how far each contribution moves when one study is left out of training.

    Returns
    -------
    Explanation
        One row per patient; withheld (NaN) where it does not add up to `TOLERANCE`.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> model = ResponseModel("melanoma_ici", learner="xgboost").fit(load_cohort("liu2019_mel"))
    >>> e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
    >>> bool(e.residual.abs().max() < TOLERANCE)
    True
    """
    base, parts = model.fusion_.split(matrix)
    base, parts = site.apply(base), parts * site.slope
    reference = expit(base)
    predicted = expit(site.apply(model.fusion_.margin(matrix)))
    change = parts.sum(axis=1).to_numpy()
    slope = reference * (1.0 - reference)  # the limit for a patient who equals the reference
    moved = np.abs(change) > 1e-9
    slope[moved] = (expit(base + change) - reference)[moved] / change[moved]
    points = parts.mul(slope, axis=0)
    residual = pd.Series(predicted - reference, index=points.index) - points.sum(axis=1)
    points[~(residual.abs() <= TOLERANCE)] = np.nan
    lineage = matrix.lineage
    percentile = pd.DataFrame(
        {
            name: _position(values, model.reference_[name]) if name in model.reference_ else np.nan
            for name, values in matrix.values.items()
        },
        index=points.index,
    ).where(matrix.observed)
    return Explanation(
        probability=pd.Series(predicted, index=points.index),
        reference=pd.Series(reference, index=points.index),
        points=points,
        values=matrix.values,
        proxy=matrix.proxy,
        percentile=percentile,
        median=pd.Series({name: q[50] for name, q in model.reference_.items()}, dtype=float).reindex(points.columns),
        units={name: x.unit for name, x in lineage.items()},
        about={name: x.about for name, x in lineage.items()},
        residual=residual,
        cohort=", ".join(model.studies_),
        studies=matrix.studies,
        directions=_directions(model, points.columns),
    )


def _directions(model: ResponseModel, names: pd.Index) -> dict[str, int]:
    known = {f"{b}__{f.name}": f.direction for b, features in model.fusion_.features.items() for f in features}
    return {name: known.get(name, 0) for name in names}


def _position(values: pd.Series, quantiles: list[float]) -> np.ndarray:
    """Place values among 101 quantiles; a value that many share stands in the middle of them."""
    below = np.searchsorted(quantiles, values, side="left")
    up_to = np.searchsorted(quantiles, values, side="right")
    return np.clip((below + up_to - 1) / 2, 0.0, 100.0)
