"""Models for experiments/ra_biologic.py: how lipids are read, and nested cross-validation with all choices inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.feature_selection import f_classif
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from theracast.models.ridge_folds import cross_fit, folds_of

PENALTIES = (0.001, 0.01, 0.1, 1.0)
#: Features of which a model reads only the best, chosen within its training patients.
MANY = ("proteins__", "repertoire__")


def read_lipids(table: pd.DataFrame, reference: pd.DataFrame, reading: str, way: str) -> pd.DataFrame:
    """Read concentrations (pg/mL, 0 below detection); `reference` are the patients that limits are taken from."""
    columns = [c for c in reference if c in table and (reference[c] > 0).sum() > 1]
    given, within = table[columns], way == "within the cohort"
    if reading == "ranks":
        found = (given.rank(axis=1) - 0.5) / len(columns)
    elif reading == "log1p":
        found = np.log2(given + 1.0)
    elif reading == "detected":
        found = (given > 0).astype(float)
    else:
        source = given if within else reference[columns]
        # a lipid that this cohort has in nobody is below every limit
        limits = source.where(source > 0).min().fillna(reference[columns].where(reference > 0).min())
        found = np.log2(given.where(given > 0, limits, axis=1))
        if reading == "log-ratios":
            found = found.sub(found.mean(axis=1), axis=0)
    if within:
        spread = found.std(ddof=0)
        found = (found - found.mean()) / spread.where(spread > 0, 1.0)
    return found


def held_out_scores(X: pd.DataFrame, y: pd.Series, folds: int, seeds: Sequence[int]) -> np.ndarray:
    """Score each patient by ridge models blind to the patient, the penalty chosen inside: repeats x patients."""
    values, truth, all_rows = X.to_numpy(), y.to_numpy(), np.ones(len(y), dtype=bool)
    strata = [str(int(v)) for v in truth]
    return np.array([cross_fit(values, truth, all_rows, folds_of(strata, folds, s)).score for s in seeds])


def elastic_net(X: pd.DataFrame, y: pd.Series, l1_ratio: float, seed: int) -> GridSearchCV:
    """Fit the peer: an elastic net whose penalty is chosen on five inner folds, by log loss."""
    net = LogisticRegression(solver="saga", l1_ratio=l1_ratio, max_iter=5000, tol=1e-3, random_state=seed)
    inner = StratifiedKFold(5, shuffle=True, random_state=seed)
    grid = {"logisticregression__C": [0.03, 0.1, 0.3, 1.0]}
    return GridSearchCV(make_pipeline(StandardScaler(), net), grid, cv=inner, scoring="neg_log_loss").fit(X, y)


def elastic_net_held_out(X: pd.DataFrame, y: pd.Series, l1_ratio: float, folds: int, seed: int) -> np.ndarray:
    """Log-odds of each patient by an elastic net blind to the patient."""
    margins = np.empty(len(y))
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(X, y):
        margins[test] = elastic_net(X.iloc[train], y.iloc[train], l1_ratio, seed).decision_function(X.iloc[test])
    return margins


def nested(X: pd.DataFrame, y: pd.Series, folds: int, repeats: int, most: int, seed: int) -> np.ndarray:
    """Log-odds of each patient by models blind to the patient; filling, choice and penalty inside: repeats x n."""
    many = np.array([c.startswith(MANY) for c in X])
    values, truth = X.to_numpy(dtype=np.float64), y.to_numpy()
    scores = np.empty((repeats, len(y)))
    for r in range(repeats):
        outer = StratifiedKFold(folds, shuffle=True, random_state=seed + r)
        for train, test in outer.split(values, truth):
            inner = StratifiedKFold(folds, shuffle=True, random_state=seed + r)
            seen, mine = values[train], truth[train]
            losses = np.zeros(len(PENALTIES))
            for fitted, held in inner.split(seen, mine):
                Z, W = _prepared(seen[fitted], mine[fitted], seen[held], many, most)
                for k, c in enumerate(PENALTIES):
                    margin = _margins(Z, mine[fitted], W, c)
                    losses[k] += (np.logaddexp(0.0, margin) - mine[held] * margin).sum()
            Z, W = _prepared(seen, mine, values[test], many, most)
            scores[r, test] = _margins(Z, mine, W, PENALTIES[int(np.argmin(losses))])
    return scores


def _margins(Z: np.ndarray, y: np.ndarray, W: np.ndarray, penalty: float) -> np.ndarray:
    return LogisticRegression(C=penalty, max_iter=2000).fit(Z, y).decision_function(W)


def _prepared(
    train: np.ndarray, y: np.ndarray, test: np.ndarray, many: np.ndarray, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Fill with medians, standardise, and keep the best of the many by the F statistic, all by the training rows."""
    known = (~np.isnan(train)).any(axis=0)
    train, test, many = train[:, known], test[:, known], many[known]
    median = np.nanmedian(train, axis=0)
    train, test = (np.where(np.isnan(part), median, part) for part in (train, test))
    centre, spread = train.mean(axis=0), train.std(axis=0)
    live = spread > 1e-12
    train, test = ((part[:, live] - centre[live]) / spread[live] for part in (train, test))
    many = many[live]
    kept = ~many
    if many.any():
        statistic = np.where(many, f_classif(train, y)[0], -np.inf)
        kept[np.argsort(-statistic, kind="stable")[: min(most, int(many.sum()))]] = True
    return train[:, kept], test[:, kept]
