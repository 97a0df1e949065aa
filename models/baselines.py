"""Dull baselines that every table must show."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit

from theracast.features.blocks import BLOCKS
from theracast.features.matrix import FeatureMatrix
from theracast.features.spec import Feature
from theracast.models.combiner import balanced_weights
from theracast.models.experts import LogisticExpert

#: Name of the baseline -> features it reads.
BASELINES: dict[str, tuple[str, ...]] = {
    "prevalence": (),
    "PD-L1": ("pathology__pdl1",),
    "TIL": ("pathology__til",),
    "PD-L1 + TIL": ("pathology__pdl1", "pathology__til"),
    "PD-L1 + TIL + TMB": ("pathology__pdl1", "pathology__til", "mutations__tmb"),
}


def baseline_predictions(train: FeatureMatrix, y: np.ndarray, test: FeatureMatrix) -> pd.DataFrame:
    """Predict the test patients by each baseline, fitted on the training patients.

    Parameters
    ----------
    train : FeatureMatrix
        Labelled training patients.
    y : ndarray of 0 and 1
        1 responded.
    test : FeatureMatrix
        Patients to predict.

    Returns
    -------
    DataFrame of shape (n_test, n_baselines)
        Probability of response; NaN where none of a baseline's features is known.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> from theracast.features.assembler import FeatureAssembler
    >>> a, b = load_cohort("liu2019_mel"), load_cohort("riaz2017_mel")
    >>> assembler = FeatureAssembler(["pathology", "mutations"]).fit(a)
    >>> known = a.response.notna().to_numpy()
    >>> train = assembler.matrix(a).subset(known)
    >>> baseline_predictions(train, a.response[known].to_numpy(int), assembler.matrix(b)).columns.tolist()
    ['prevalence', 'PD-L1', 'TIL', 'PD-L1 + TIL', 'PD-L1 + TIL + TMB']
    """
    weights = balanced_weights(train.studies.to_numpy())
    out = {"prevalence": pd.Series(np.average(y, weights=weights), index=test.values.index)}
    for name, columns in BASELINES.items():
        if not columns or not set(columns) <= set(train.values):
            continue
        known = train.values[list(columns)].notna().any(axis=1).to_numpy()
        seen = test.values[list(columns)].notna().any(axis=1)
        if len(np.unique(y[known])) < 2:
            out[name] = pd.Series(np.nan, index=test.values.index)
            continue
        expert = LogisticExpert([_feature(c) for c in columns], C=1.0, tie=None)
        expert.fit(train.values.loc[known, list(columns)], y[known], weights[known], train.studies.to_numpy()[known])
        base, parts = expert.split(test.values[list(columns)])
        out[name] = pd.Series(expit(base + parts.sum(axis=1)), index=test.values.index).where(seen)
    return pd.DataFrame(out)


def _feature(column: str) -> Feature:
    block, name = column.split("__", 1)
    return next(f for f in BLOCKS[block].spec.features if f.name == name)
