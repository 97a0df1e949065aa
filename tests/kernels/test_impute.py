"""Donors of missing cells: the kernel equals its twin, the imputer equals scikit-learn to the bit."""

import numpy as np
import pandas as pd
import pytest
from grid import TABLES, by_threads, frozen, over
from reference import impute as slow
from sklearn.impute import KNNImputer
from sklearn.utils.estimator_checks import parametrize_with_checks

from theracast.errors import UsageError
from theracast.features import imputation
from theracast.features.imputation import NearestPatientsImputer
from theracast.kernels.impute import nearest_donors, shared_ones


def table(n=30, p=8, share=0.2, decimals=None, seed=1):
    rng = np.random.default_rng(seed)
    values = rng.normal(5, 2, (n, p))
    values = values if decimals is None else values.round(decimals)
    values[rng.random(values.shape) < share] = np.nan
    return values


def with_column(values, column, value):
    values[:, column] = value
    return values


def with_row(values, row, value):
    values[row] = value
    return values


#: scikit-learn refuses these (no rows, no columns, infinite values, squares beyond float64).
REFUSED = ("no samples", "no features", "inf", "inf float32", "huge", "huge beside tiny")
NASTY = {name: t for name, t in TABLES.items() if name not in REFUSED} | {
    "a fifth missing": table(),
    "many": table(300, 40),
    "one column": with_row(table(20, 1), 0, 1.0),
    "one patient": np.array([[1.0, np.nan, 3.0]]),
    "two patients": np.array([[1.0, np.nan, 3.0], [2.0, 5.0, np.nan]]),
    "nothing missing": table(share=0),
    "mostly missing": table(share=0.85),
    "a column of NaN": with_column(table(), 2, np.nan),
    "a patient of NaN": with_row(table(), 3, np.nan),
    "one donor": with_row(with_column(table(), 2, np.nan), 4, 1.5),
    "ties": table(decimals=0),
    "ties up to rounding": table(200, 12, decimals=1),
    "many columns": table(50, 400, decimals=1),
    "all equal": with_row(np.where(np.isnan(table()), np.nan, 1.0), 0, 1.0),
    "same patients twice": np.vstack([table(), table()]),
    "large": table() * 1e150,
    "small": table() * 1e-150,
}
NASTY_IDS = over("values", NASTY)


@pytest.mark.filterwarnings("ignore:Skipping features without any observed values:UserWarning")
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize(
    ("k", "weights"), [(1, "uniform"), (3, "uniform"), (5, "distance"), (9, "distance"), (99, "uniform")]
)
@NASTY_IDS
def test_imputer_equals_sklearn(values, k, weights, keep):
    with np.errstate(all="ignore"):
        wanted = KNNImputer(n_neighbors=k, weights=weights, keep_empty_features=keep).fit_transform(
            values.astype(float)
        )
        before = values.copy()
        got = NearestPatientsImputer(k, weights, keep).fit_transform(values)
    assert got.dtype == np.float64
    # a processor without AVX-512 sorts the donors otherwise: then the sums may differ in the last bits
    np.testing.assert_allclose(got, wanted, rtol=4e-15, atol=0)
    np.testing.assert_array_equal(values, before)


def test_only_training_patients_are_donors():
    train, test = table(50), table(40, seed=2)
    ours, theirs = NearestPatientsImputer().fit(train), KNNImputer().fit(train)
    np.testing.assert_allclose(ours.transform(test), theirs.transform(test), rtol=4e-15)
    alone = np.vstack([ours.transform(row[None]) for row in test])
    np.testing.assert_allclose(alone, ours.transform(test), rtol=1e-12)


@pytest.mark.parametrize("decimals", [None, 0], ids=["no ties", "ties"])
def test_batches_do_not_matter(monkeypatch, decimals):
    values = table(200, 20, decimals=decimals)
    whole = NearestPatientsImputer(7).fit_transform(values)
    monkeypatch.setattr(imputation, "CELLS", 50)
    np.testing.assert_array_equal(NearestPatientsImputer(7).fit_transform(values), whole)


@pytest.mark.parametrize("k", [1, 4, 50])
@NASTY_IDS
def test_nearest_donors_equals_its_twin(values, k):
    rng = np.random.default_rng(3)
    away = rng.random((len(values), len(values))).round(1)
    away[rng.random(away.shape) < 0.2] = np.nan
    rows, columns = np.nonzero(np.isnan(values))
    offsets = np.searchsorted(rows, np.arange(len(values) + 1))
    given = away, values, columns, offsets, k
    for got, wanted in zip(nearest_donors(*given), slow.nearest_donors(*given), strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("shape", [(0, 2), (1, 1), (7, 3), (70, 9), (3, 0)])
@pytest.mark.parametrize("change", [lambda w: w, lambda w: w[::-1, ::-1], np.asfortranarray, frozen, np.bitwise_not])
def test_shared_ones_equals_its_twin(shape, change):
    rng = np.random.default_rng(4)
    these, those = (change(rng.integers(0, 2**64, shape, dtype=np.uint64)) for _ in range(2))
    wanted = np.reshape(slow.shared_ones(these, those), (len(these), len(those)))
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(shared_ones(these, those), wanted)
        np.testing.assert_array_equal(shared_ones(these, np.zeros_like(those)), 0 * wanted)


def test_nobody_to_impute():
    given = np.zeros((0, 3)), np.ones((3, 2)), np.zeros(0, int), np.zeros(1, int), 2
    assert [part.shape for part in nearest_donors(*given)] == [(0, 2), (0, 2), (0,)]


def test_threads_do_not_change_a_bit():
    values = table(120, 30)
    found = by_threads(lambda: NearestPatientsImputer(weights="distance").fit_transform(values).tobytes())
    assert len(set(found)) == 1


def test_names_and_frames():
    frame = pd.DataFrame(with_column(table(), 1, np.nan), columns=list("abcdefgh")).set_index(pd.Index(range(7, 37)))
    imputer = NearestPatientsImputer().set_output(transform="pandas").fit(frame)
    filled = imputer.transform(frame)
    assert filled.columns.tolist() == list("acdefgh")
    assert filled.index.equals(frame.index)
    assert not filled.isna().to_numpy().any()
    assert NearestPatientsImputer().fit(table()).get_feature_names_out()[:2].tolist() == ["x0", "x1"]
    assert NearestPatientsImputer().fit(table()).get_feature_names_out(list("abcdefgh"))[1] == "b"
    with pytest.raises(ValueError, match="feature_names_in_"):
        imputer.get_feature_names_out(list("hgfedcba"))
    with pytest.raises(ValueError, match="length"):
        NearestPatientsImputer().fit(table()).get_feature_names_out(["a"])


@pytest.mark.parametrize(
    "wrong", [{"n_neighbors": 0}, {"n_neighbors": 2.5}, {"n_neighbors": True}, {"weights": "near"}]
)
def test_impossible_parameters(wrong):
    with pytest.raises(UsageError, match=next(iter(wrong))):
        NearestPatientsImputer(**wrong).fit(table())


@parametrize_with_checks([NearestPatientsImputer()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)
