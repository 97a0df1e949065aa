"""Explanations in probability points that add up to the prediction, for every patient.

The margin (log-odds) splits exactly into one contribution per feature (`Fusion.shares`). Along the straight path from
the reference to the patient, each contribution's share of the change in probability is its Aumann-Shapley value; for a
sum inside one monotone function that is the contribution times (p - p0) / (margin - margin0), so that the points of
all features sum to p - p0 (Sun and Sundararajan 2011, DOI 10.1145/1993574.1993601).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.special import expit

from theracast.features.feature_names import block_of
from theracast.features.matrix import FeatureMatrix
from theracast.features.pathways import pathways
from theracast.models.base import ResponseModel
from theracast.models.combiner import jackknife_variance
from theracast.models.positions import percentiles
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.models.shares import Shares
from theracast.predict.explanation import Explanation

#: Above this, an explanation that does not add up is withheld.
TOLERANCE = 1e-6
#: Patients whose replicas are held at a time, for the spread.
_AT_ONCE = 1024


def explain(
    model: ResponseModel,
    matrix: FeatureMatrix,
    site: Recalibration = AS_TRAINED,
    *,
    spread: bool = False,
    predicted: np.ndarray | None = None,
) -> Explanation:
    """Split each prediction into probability points.

    Cost: each expert looks at each patient once, and with `spread` so does each replica.

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
    predicted : ndarray of float64, shape (n_patients,), optional
        Probabilities that were given out, and must be what the explanations add up to; by default those of the model.

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
    shares = model.fusion_.shares(matrix)
    if predicted is None:
        predicted = expit(site.apply(shares.margin))
    reference, points = points_of(shares, site)
    residual = predicted - reference - points.sum(axis=1)
    withheld = ~(np.abs(residual) <= TOLERANCE)
    points[withheld] = np.nan
    index, names = matrix.values.index, list(shares.names)
    lineage, known = matrix.lineage, pathways()
    directions = {f"{b}__{f.name}": f.direction for b, read in model.fusion_.features.items() for f in read}
    median = np.array([model.reference_[name][50] if name in model.reference_ else np.nan for name in names])
    found = Explanation(
        probability=pd.Series(predicted, index),
        reference=pd.Series(reference, index),
        points=pd.DataFrame(points, index, names, copy=False),
        values=matrix.values,
        proxy=matrix.proxy,
        percentile=percentiles(matrix.values, model.reference_),
        median=pd.Series(median, names),
        units={name: x.unit for name, x in lineage.items()},
        about={name: x.about for name, x in lineage.items()},
        residual=pd.Series(residual, index),
        cohort=", ".join(model.studies_),
        studies=matrix.studies,
        site="" if site.intercept == 0.0 and site.slope == 1.0 else site.note or "recalibrated",
        directions={name: directions.get(name, 0) for name in names},
        pathways={name: known[name] for name in names if name in known},
    )
    return _with_spread(found, model, matrix, site, withheld) if spread else found


def points_of(shares: Shares, site: Recalibration = AS_TRAINED) -> tuple[np.ndarray, np.ndarray]:
    """Turn log-odds into probability, in the place of the parts.

    Parameters
    ----------
    shares : Shares
        Of some patients; their parts become the points.
    site : Recalibration, optional
        As in `ResponseModel.respond`.

    Returns
    -------
    reference : ndarray of float64, shape (n_patients,)
        Probability before any feature is read.
    points : ndarray of float64, shape (n_patients, n_features)
        Probability; with the reference they sum to the prediction.

    Examples
    --------
    >>> shares = Shares(np.zeros(1), np.zeros(1), np.array([[2.0, -2.0]]), np.ones((1, 1)), ("a__x", "a__y"), ("a",))
    >>> points_of(shares)[1].tolist()
    [[0.5, -0.5]]
    """
    base, change = site.apply(shares.base), site.slope * shares.parts.sum(axis=1)
    reference = expit(base)
    slope = reference * (1.0 - reference)  # the limit for a patient who equals the reference
    moved = np.abs(change) > 1e-9
    slope[moved] = (expit(base + change) - reference)[moved] / change[moved]
    shares.parts[:] *= (site.slope * slope)[:, None]
    return reference, shares.parts


def _with_spread(
    found: Explanation, model: ResponseModel, matrix: FeatureMatrix, site: Recalibration, withheld: np.ndarray
) -> Explanation:
    """Explain the patients by each replica, and take the jackknife's standard error of every feature and block.

    A block's is that of its sum: what its features take from each other by chance is no spread of the block.
    """
    names = found.points.columns
    blocks, owner = np.unique([block_of(name) for name in names], return_inverse=True)
    fusion, n = model.fusion_, len(matrix)
    replicas = range(len(fusion.replicas))
    each, whole = np.empty((n, len(names))), np.empty((n, len(blocks)))
    usable = np.zeros(n, dtype=int)
    for first in range(0, n, _AT_ONCE):
        rows = np.arange(first, min(first + _AT_ONCE, n))
        part = matrix.subset(rows) if n > _AT_ONCE else matrix
        points = np.array([points_of(fusion.shares(part, k), site)[1] for k in replicas])
        points = points.reshape(len(replicas), len(rows), len(names))
        usable[rows] = (~np.isnan(points).any(axis=2)).sum(axis=0)
        sums = np.stack([points[:, :, owner == b].sum(axis=2) for b in range(len(blocks))], axis=2)
        each[rows], whole[rows] = (np.sqrt(jackknife_variance(estimates)) for estimates in (points, sums))
    each[withheld], whole[withheld] = np.nan, np.nan
    order = list(dict.fromkeys(block_of(name) for name in names))
    return replace(
        found,
        spread=pd.DataFrame(each, found.points.index, names, copy=False),
        block_spread=pd.DataFrame(whole, found.points.index, blocks)[order],
        replicas=pd.Series(usable, found.points.index),
    )
