"""SIMULATED explanations that add up, for tests of what is said and drawn of them."""

import numpy as np
import pandas as pd
from scipy.special import expit

from theracast.predict.explanation import Explanation

UNITS = {
    "clinical__nlr": "ratio",
    "clinical__prior_ici": "0/1",
    "clinical__smoking": "0-2",
    "pathology__pdl1": "position 0-1",
    "mutations__tmb": "mut/Mb",
    "disease_activity__crp": "mg/L",
}
ABOUT = dict.fromkeys(UNITS, "simulated") | {"clinical__smoking": "0 never, 1 former, 2 current"}
FEATURES = tuple(UNITS)


def one_explained(reference, points, **parts):
    """One patient, ``p``, of whom everything is known unless it is told."""
    names = [*FEATURES, *(f"extra__f{i}" for i in range(max(len(points) - len(FEATURES), 0)))][: len(points)]
    frame = pd.DataFrame([points], index=["p"], columns=names, dtype=float)
    ones = frame * 0.0 + 1.0
    given = {
        "probability": pd.Series({"p": reference}) + frame.sum(axis=1),
        "reference": pd.Series({"p": reference}),
        "points": frame,
        "values": ones,
        "proxy": ones.astype(bool) & False,
        "percentile": 92.0 * ones,
        "median": pd.Series(0.5, index=names),
        "units": UNITS,
        "about": ABOUT,
        "residual": pd.Series({"p": 0.0}),
        "cohort": "simulated_a, simulated_b",
        "studies": pd.Series({"p": "simulated_a"}, dtype=object),
    }
    for key, value in parts.items():
        given[key] = pd.DataFrame([value], index=["p"], columns=names) if isinstance(value, list) else value
    return Explanation(**given)


def explained(n=60, studies=3, seed=0, missing=0.1):
    """Several patients of several studies; the margin is a sum, of which the last block has most."""
    rng = np.random.default_rng(seed)
    index = pd.Index([f"p{i:05}" for i in range(n)], name="patient_id")
    values = pd.DataFrame(rng.lognormal(size=(n, len(FEATURES))), index=index, columns=list(FEATURES))
    values["clinical__prior_ici"] = (values.clinical__prior_ici > 1).astype(float)
    values["clinical__smoking"] = rng.integers(0, 3, n).astype(float)
    values["pathology__pdl1"] = rng.random(n)
    values = values.mask(rng.random(values.shape) < missing)
    weight = np.array([-0.3, 0.2, 0.05, 0.8, 0.6, -0.1])
    parts = ((values - values.median()) * weight).fillna(0.0)
    margin = parts.sum(axis=1)
    reference = pd.Series(float(expit(-0.8)), index=index)
    probability = pd.Series(expit(-0.8 + margin), index=index)
    points = parts.mul((probability - reference) / margin.where(margin.abs() > 1e-9, 1.0), axis=0)
    return Explanation(
        probability=probability,
        reference=reference,
        points=points,
        values=values,
        proxy=values.notna() & (rng.random(values.shape) < 0.1),
        percentile=100 * values.rank(pct=True),
        median=values.median(),
        units=UNITS,
        about=ABOUT,
        residual=probability - reference - points.sum(axis=1),
        cohort=", ".join(f"simulated_{i}" for i in range(studies)),
        studies=pd.Series([f"simulated_{i % studies}" for i in range(n)], index=index, dtype=object),
        directions={"clinical__nlr": -1, "mutations__tmb": 1},
        pathways={"pathology__pdl1": "checkpoint", "mutations__tmb": "antigens"},
    )
