"""Dosages times weights: the kernels equal their twins, the sums equal numpy."""

import numba
import numpy as np
import pandas as pd
import pytest
from reference import linear as slow

from theracast.errors import DataError, UsageError
from theracast.features.dosage import weighted_dosage
from theracast.kernels.linear import mean_dosages, weighted_sums


def table(n=9, m=50, low=-1, seed=0):
    return np.random.default_rng(seed).integers(low, 3, (n, m), dtype=np.int8)


def frozen(values):
    values.setflags(write=False)
    return values


GRID = {
    "plain": table(),
    "many": table(133, 7),
    "long": table(5, 9001),
    "no samples": table(0, 5),
    "no variants": table(4, 0),
    "one": table(1, 1),
    "nothing missing": table(low=0),
    "all missing": np.full((4, 6), -1, dtype=np.int8),
    "another code": np.where(table() < 0, np.int8(-9), table()),
    "all two": np.full((200, 3), 2, dtype=np.int8),
    "strided": table(18, 100)[::2, ::2],
    "reversed": table()[::-1, ::-1],
    "Fortran order": np.asfortranarray(table()),
    "read-only": frozen(table()),
}
grid = pytest.mark.parametrize("dosages", GRID.values(), ids=GRID)


@pytest.mark.parametrize("size", [1.0, 1e200, 1e-200])
@grid
def test_weighted_sums_equals_its_twin(dosages, size):
    rng = np.random.default_rng(1)
    weights, fill = rng.random(dosages.shape[1]) * size, rng.random(dosages.shape[1]) * size
    np.testing.assert_allclose(
        weighted_sums(dosages, weights, fill), slow.weighted_sums(dosages, weights, fill), rtol=1e-13
    )


@grid
def test_mean_dosages_equals_its_twin(dosages):
    np.testing.assert_array_equal(mean_dosages(dosages), slow.mean_dosages(dosages))


def frame(n=40, m=5000, seed=0):
    dosages = pd.DataFrame(table(n, m, seed=seed), columns=[f"rs{i}" for i in range(m)])
    return dosages, pd.Series(np.random.default_rng(2).normal(size=m), index=dosages.columns)


@pytest.mark.parametrize("missing", ["mean", "skip"])
def test_weighted_dosage_equals_numpy(missing):
    dosages, weights = frame()
    known = dosages.astype(float).where(dosages >= 0)
    filled = known.fillna(known.mean() if missing == "mean" else 0.0)
    got = weighted_dosage(dosages, weights[::-1], missing)
    np.testing.assert_allclose(got, filled.to_numpy() @ weights.to_numpy(), rtol=0, atol=1e-11)
    assert got.index.equals(dosages.index)


def test_a_patient_alone_is_the_same_to_the_bit_given_means():
    dosages, weights = frame()
    means = dosages.where(dosages >= 0).mean()
    crowd = weighted_dosage(dosages, weights, means=means)
    alone = [weighted_dosage(dosages.iloc[[i]], weights, means=means).iloc[0] for i in range(len(dosages))]
    assert alone == crowd.tolist()
    np.testing.assert_allclose(crowd, weighted_dosage(dosages, weights), rtol=1e-10)


def test_threads_do_not_change_a_bit():
    dosages, weights = frame(100, 9000)
    before, found = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            found.append(weighted_dosage(dosages, weights).to_numpy().tobytes())
    finally:
        numba.set_num_threads(before)
    assert len(set(found)) == 1


def test_impossible_input():
    dosages, weights = frame(4, 6)
    before = dosages.copy()
    weighted_dosage(dosages, weights)
    pd.testing.assert_frame_equal(dosages, before)
    with pytest.raises(DataError, match="not int8"):
        weighted_dosage(dosages.astype(float), weights)
    with pytest.raises(DataError, match="above 2"):
        weighted_dosage(dosages.replace(2, 3).astype(np.int8), weights)
    with pytest.raises(DataError, match="1 of 6 columns"):
        weighted_dosage(dosages, weights.iloc[1:])
    with pytest.raises(DataError, match="variants repeat"):
        weighted_dosage(dosages, pd.concat([weights, weights]))
    with pytest.raises(UsageError, match="missing is unknown"):
        weighted_dosage(dosages, weights, "drop")
    with pytest.raises(UsageError, match="means are given"):
        weighted_dosage(dosages, weights, "skip", means=weights)
