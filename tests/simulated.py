"""Simulated patients of three blocks, for tests of what is fitted to a feature matrix."""

import numpy as np
import pandas as pd
from scipy.special import expit

from theracast.features.matrix import FeatureMatrix
from theracast.features.spec import Feature

FEATURES = {
    "one": [Feature("a", "", "", direction=1), Feature("b", "", "")],
    "two": [Feature("c", "", "", direction=1)],
    "three": [Feature("d", "", "")],
}
COLUMNS = ["one__a", "one__b", "two__c", "three__d"]


def matrix_of(values, studies, tumours=None):
    """A feature matrix made by hand."""
    values = values.set_axis([f"p{i}" for i in range(len(values))])
    blocks = list(dict.fromkeys(c.split("__")[0] for c in values))
    coverage = pd.DataFrame({b: values.filter(like=f"{b}__").notna().mean(axis=1) for b in blocks})
    of = pd.Series(np.asarray(studies, dtype=object), index=values.index)
    kinds = pd.Series("" if tumours is None else np.asarray(tumours, dtype=object), index=values.index, dtype=object)
    return FeatureMatrix(values, values.isna() & False, coverage, {}, {}, of, of, tumours=kinds)


def simulated(seed=0, n=150, k=5, missing=0.25, types=("",)):
    """Simulated truth: a and c help, d harms; studies differ in rate; whole blocks are missing at random.

    Studies are of the types in turn; in a type called ``turned`` c harms.
    """
    rng = np.random.default_rng(seed)
    studies = np.repeat([f"s{i}" for i in range(k)], n)
    kinds = np.repeat(np.array([types[i % len(types)] for i in range(k)], dtype=object), n)
    X = pd.DataFrame(rng.normal(size=(n * k, 4)), columns=COLUMNS)
    helps = np.where(kinds == "turned", -0.8, 0.8)
    truth = X.one__a + helps * X.two__c - 0.6 * X.three__d - 0.6 + rng.normal(0, 0.2, k).repeat(n)
    for b in FEATURES:
        X.loc[rng.random(n * k) < missing, [c for c in COLUMNS if c.startswith(f"{b}__")]] = np.nan
    return matrix_of(X, studies, kinds), rng.binomial(1, expit(truth))
