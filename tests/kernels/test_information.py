"""Feature selection: the kernels equal their twins, the tools equal scikit-learn and a plain mRMR."""

import numba
import numpy as np
import pandas as pd
import pytest
from reference import information as slow
from scipy.special import digamma
from sklearn.feature_selection import f_classif, mutual_info_classif

from theracast.errors import DataError, UsageError
from theracast.features.selection import mrmr, mutual_information
from theracast.kernels.information import correlations, f_statistics, neighbour_information


def normal(shape=(6, 40), decimals=None):
    values = np.random.default_rng(5).normal(3, 2, shape)
    return values if decimals is None else values.round(decimals)


def spoilt(values, *rows):
    values = values.copy()
    values[np.random.default_rng(6).random(values.shape) < 0.3] = np.nan
    values[list(rows)] = np.nan
    return values


def frozen(values):
    values.setflags(write=False)
    return values


#: Features x samples.
GRID = {
    "plain": normal(),
    "many": normal((90, 12)),
    "no features": normal((0, 6)),
    "one sample": normal((3, 1)),
    "two samples": normal((3, 2)),
    "ties": normal(decimals=0),
    "equal": np.ones((4, 16)),
    "zeros": np.zeros((4, 16)),
    "some NaN": spoilt(normal()),
    "features of NaN": spoilt(normal(), 0, 3),
    "all NaN": np.full((4, 16), np.nan),
    "float32": normal().astype(np.float32),
    "strided": normal((12, 80))[::2, ::2],
    "reversed": normal()[::-1, ::-1],
    "Fortran order": np.asfortranarray(normal()),
    "read-only": frozen(normal()),
    "huge": normal() * 1e100,
    "tiny": normal() * 1e-100,
    "far from zero": normal() + 1e6,
}
FINITE = {k: v for k, v in GRID.items() if np.isfinite(v).all() and v.shape[1] > 3}
grid = pytest.mark.parametrize("values", GRID.values(), ids=GRID)


@pytest.mark.parametrize("n_classes", [1, 2, 3])
@grid
def test_f_statistics_equals_its_twin(values, n_classes):
    labels = np.arange(values.shape[1]) % n_classes
    got, wanted = f_statistics(values, labels, n_classes + 1), slow.f_statistics(values, labels, n_classes + 1)
    np.testing.assert_allclose(got, wanted, rtol=1e-7, atol=1e-20)


@grid
def test_correlations_equals_its_twin(values):
    for target in (normal((1, values.shape[1]))[0], *values[:2]):
        np.testing.assert_allclose(
            correlations(values, target), slow.correlations(values, target), rtol=1e-9, atol=1e-12
        )


@pytest.mark.parametrize("k", [1, 3, 30])
@pytest.mark.parametrize("n_classes", [1, 2])
@pytest.mark.parametrize("values", FINITE.values(), ids=FINITE)
def test_neighbour_information_equals_its_twin(values, n_classes, k):
    labels = np.random.default_rng(4).permuted(
        np.tile(np.arange(values.shape[1]) % n_classes, (len(values), 1)), axis=1
    )
    given = np.sort(values, axis=1), labels, np.bincount(np.arange(values.shape[1]) % n_classes), k
    table = digamma(np.arange(values.shape[1] + 1.0))
    np.testing.assert_allclose(
        neighbour_information(*given, table), slow.neighbour_information(*given, table), rtol=1e-12, atol=1e-14
    )


def cohort(n=120, p=25, n_classes=2, seed=0, missing=0.0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    x = rng.normal(size=(n, p)) + np.outer(y, rng.random(p))
    x[:, 3] = x[:, 3].round(1)
    x[:, 4] = 2 * x[:, 5] + 1
    x[rng.random(x.shape) < missing] = np.nan
    return pd.DataFrame(x, columns=[f"f{i}" for i in range(p)]), pd.Series(y)


@pytest.mark.parametrize("k", [1, 3, 7])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_mutual_information_equals_sklearn(n_classes, k):
    x, y = cohort(n_classes=n_classes)
    y.iloc[0] = 9  # a class of one
    noise = np.random.RandomState(3).standard_normal(x.shape)
    wanted = mutual_info_classif(x, y, n_neighbors=k, random_state=3)
    np.testing.assert_allclose(mutual_information(x, y, k, noise), wanted, rtol=0, atol=1e-12)


def test_f_statistics_equal_sklearn():
    x, y = cohort(n_classes=3)
    np.testing.assert_allclose(f_statistics(x.to_numpy().T, y.to_numpy(), 3), f_classif(x, y)[0], rtol=1e-10)


def plain_mrmr(x, y, k):
    """mRMR as mrmr-selection spells it, with pandas."""
    relevance = pd.Series({c: f_classif(x[[c]][x[c].notna()], y[x[c].notna()])[0][0] for c in x})
    picked, left = [], list(relevance[relevance > 0].index)
    while left and len(picked) < k:
        far = x[left].apply(lambda c: pd.Series({p: max(abs(c.corr(x[p])), 0.001) for p in picked}, dtype=float))
        mean = far.mean().replace(1.0, np.inf) if picked else 1.0
        best = (relevance[left] / mean).idxmax()
        picked.append(best)
        left.remove(best)
    return picked


@pytest.mark.parametrize("missing", [0.0, 0.15])
def test_mrmr_selects_the_same_in_the_same_order(missing):
    x, y = cohort(n_classes=3, missing=missing)
    assert mrmr(x, y, 12) == plain_mrmr(x, y, 12)
    assert mrmr(x, y.map(lambda c: "abc"[c]), 12) == plain_mrmr(x, y, 12)


def test_mrmr_of_odd_columns():
    x, y = cohort()
    x["constant"], x["empty"], x["twin"] = 1.0, np.nan, x["f1"]
    picked = mrmr(x, y, 99)
    assert len(picked) == len(set(picked)) == 26
    assert not {"constant", "empty"} & set(picked)
    perfect = pd.DataFrame({"a": y.astype(float), "b": 1.0 - y, "f1": x["f1"]})
    assert set(mrmr(perfect, y, 3)) == {"a", "b", "f1"}
    assert mrmr(x[["constant"]], y, 3) == []


def test_threads_do_not_change_a_bit():
    x, y = cohort(missing=0.1)
    full, before, found = x.fillna(0.0), numba.get_num_threads(), []
    columns = np.ascontiguousarray(x.to_numpy().T)
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            parts = mutual_information(full, y).to_numpy(), f_statistics(columns, y.to_numpy(), 2)
            found.append(b"".join(p.tobytes() for p in (*parts, correlations(columns, columns[0]))))
    finally:
        numba.set_num_threads(before)
    assert len(set(found)) == 1


def test_impossible_input():
    x, y = cohort()
    before = x.copy()
    mutual_information(x, y, noise=np.ones(x.shape))
    pd.testing.assert_frame_equal(x, before)
    with pytest.raises(UsageError, match="n_neighbors"):
        mutual_information(x, y, 0)
    with pytest.raises(UsageError, match="noise"):
        mutual_information(x, y, noise=np.ones(3))
    with pytest.raises(UsageError, match="n_features"):
        mrmr(x, y, 0)
    for tool in (lambda *a: mutual_information(*a), lambda *a: mrmr(*a, 3)):
        with pytest.raises(DataError, match="differ in length"):
            tool(x, y[1:])
        with pytest.raises(DataError, match=r"index \| .* 120 of 120 patients .* do: Use target.loc"):
            tool(x, y[::-1])
        with pytest.raises(DataError, match="got: 119 of 120 patients"):
            tool(x, y.rename({0: 500}))
        with pytest.raises(DataError, match="missing classes"):
            tool(x, y.astype(float).replace(0.0, np.nan))
        with pytest.raises(DataError, match="infinities"):
            tool(x.replace(x.iloc[0, 0], np.inf), y)
    assert mutual_information(x.iloc[:, :0], y).empty
