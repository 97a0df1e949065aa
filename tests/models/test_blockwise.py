"""One model per block: a missing block has no say, and nothing is filled in for it."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge

from theracast.errors import DataError, UsageError
from theracast.models.blockwise import BlockAverage


def simulated(n=60, seed=0):
    """Two blocks of three features each, three classes; SIMULATED."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    columns = [f"{b}__{k}" for b in ("rna", "protein") for k in range(3)]
    return pd.DataFrame(rng.normal(size=(n, 6)) + np.eye(3)[y][:, [0, 1, 2, 0, 1, 2]], columns=columns), y


def test_is_the_mean_of_its_experts_by_hand():
    X, y = simulated()
    model = BlockAverage(LogisticRegression()).fit(X, y)
    apart = [LogisticRegression().fit(X[c], y).predict_proba(X[c]) for c in (X.columns[:3], X.columns[3:])]
    np.testing.assert_allclose(model.predict_proba(X), np.mean(apart, axis=0), atol=1e-12)


def test_a_missing_block_has_no_say():
    X, y = simulated()
    model = BlockAverage(LogisticRegression()).fit(X, y)
    alone = BlockAverage(LogisticRegression()).fit(X[X.columns[:3]], y).predict_proba(X)
    gone = X.copy()
    gone.loc[:, X.columns[3:]] = np.nan
    np.testing.assert_allclose(model.predict_proba(gone), alone, atol=1e-12)
    np.testing.assert_allclose(model.predict_proba(X[X.columns[:3]]), alone, atol=1e-12)
    mixed = X.copy()
    mixed.loc[5:, X.columns[3:]] = np.nan
    both = model.predict_proba(X)
    np.testing.assert_allclose(model.predict_proba(mixed), [*both.iloc[:5].to_numpy(), *alone.iloc[5:].to_numpy()])


def test_a_patient_of_whom_nothing_is_known():
    X, y = simulated()
    X.iloc[3] = np.nan
    model = BlockAverage(LogisticRegression()).fit(X, y)
    assert model.predict_proba(X).iloc[3].isna().all()
    assert model.predict_proba(X.iloc[[3]]).isna().all(axis=None)
    assert BlockAverage(Ridge()).fit(X, y).predict(X.iloc[[3]]).tolist() == pytest.approx([np.nan], nan_ok=True)
    with pytest.raises(DataError, match="THX-D10"):
        BlockAverage(Ridge()).fit(X.iloc[[3]], [0.0])


def test_a_class_that_one_block_never_saw():
    X, y = simulated()
    X.loc[y == 2, X.columns[3:]] = np.nan
    chances = BlockAverage(LogisticRegression()).fit(X, y).predict_proba(X)
    assert chances.columns.tolist() == [0, 1, 2]
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)


def test_several_targets_clone_and_names():
    X, y = simulated()
    model = clone(BlockAverage(Ridge()))
    assert model.fit(X, np.column_stack([y, -y])).predict(X).shape == (60, 2)
    with pytest.raises(UsageError, match="belongs to no block"):
        model.fit(X.assign(x=1.0), y)
