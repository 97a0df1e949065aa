"""Scaling factors: the kernels equal their twins, the factors equal edgeR 3.40 and pydeseq2, ties included."""

from pathlib import Path

import numba
import numpy as np
import pandas as pd
import pytest
from reference import normalise as slow

from theracast.errors import DataError, UsageError
from theracast.features.normalisation import logcpm, size_factors, tmm_factors
from theracast.kernels.normalise import mean_logs, median_ratios, order_statistics, trimmed_means

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
NAMES = ["alone", "composed", "expected", "plain", "proportional", "same", "sparse", "ties", "two"]


@pytest.fixture(scope="module")
def golden():
    kinds = ("counts", "tmm", "logcpm", "size_factors")
    return {k: dict(tuple(pd.read_csv(GOLDEN / f"normalise_{k}.csv").groupby("table"))) for k in kinds}


def wide(golden, name):
    return golden["counts"][name].pivot_table(index="sample", columns="gene", values="count")


@pytest.mark.parametrize("name", NAMES)
def test_tmm_equals_edger(golden, name):
    np.testing.assert_allclose(tmm_factors(wide(golden, name)), golden["tmm"][name]["tmm"], rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_logcpm_equals_edger(golden, name):
    counts = wide(golden, name)
    wanted = golden["logcpm"][name].pivot_table(index="sample", columns="gene", values="logcpm")
    np.testing.assert_allclose(logcpm(counts, tmm_factors(counts)).iloc[:, :5], wanted, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"sparse"}))
def test_size_factors_equal_pydeseq2(golden, name):
    np.testing.assert_allclose(
        size_factors(wide(golden, name)), golden["size_factors"][name]["size_factor"], rtol=1e-13
    )


def normal(shape=(5, 40), decimals=None):
    values = np.random.default_rng(5).normal(0, 2, shape)
    return values if decimals is None else values.round(decimals)


def spoilt(values, *rows):
    values = values.copy()
    values[np.random.default_rng(6).random(values.shape) < 0.3] = np.nan
    values[list(rows)] = np.nan
    return values


def frozen(values):
    values.setflags(write=False)
    return values


GRID = {
    "plain": normal(),
    "many": normal((70, 9)),
    "no samples": normal((0, 6)),
    "no genes": normal((4, 0)),
    "one gene": normal((4, 1)),
    "two genes": normal((4, 2)),
    "ties": normal(decimals=0),
    "more ties": (normal() > 0).astype(float),
    "zeros": np.zeros((4, 6)),
    "equal": np.ones((4, 6)),
    "some NaN": spoilt(normal()),
    "NaN and ties": spoilt(normal(decimals=0)),
    "a sample of NaN": spoilt(normal(), 1, 4),
    "all NaN": np.full((4, 6), np.nan),
    "strided": normal((10, 80))[::2, ::2],
    "reversed": normal()[::-1, ::-1],
    "Fortran order": np.asfortranarray(normal()),
    "read-only": frozen(normal()),
    "huge": normal() * 1e150,
    "tiny": normal() * 1e-5,
    "float32": normal().astype(np.float32),
}


def positive(values):
    """Return two to the power of the grid's numbers, where that is finite; as many ties as there were."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where(np.isinf(values), values, np.exp2(values)).astype(values.dtype)


@pytest.mark.parametrize("extra", [1.0, 0.0, np.inf, -1.0, 5e-324, 1e300])
@pytest.mark.parametrize("trims", [(0.3, 0.05), (0.0, 0.0), (0.49, 0.2)])
@pytest.mark.parametrize("values", GRID.values(), ids=GRID)
def test_trimmed_means_equals_its_twin(values, trims, extra):
    rng = np.random.default_rng(8)
    ratios = positive(values)
    ratios = np.where(rng.random(ratios.shape) < 0.05, np.float64(extra), ratios) if extra != 1.0 else ratios
    shares = np.roll(np.nan_to_num(positive(values), posinf=1.0), 1, axis=1) / 64
    sizes, target = rng.random(len(values)) + 9, rng.random(values.shape[1])
    given = ratios, shares, sizes, target, np.log2(target), 7.0, *trims
    with np.errstate(all="ignore"):
        got, wanted = trimmed_means(*given), slow.trimmed_means(*given)
    rtol = 1e-6 if values.dtype == np.float32 else 1e-10
    np.testing.assert_allclose(got, wanted, rtol=rtol, atol=1e-13)


def test_a_variance_of_zero_is_left_to_r():
    one = np.ones((5, 40))
    given = positive(normal()), one, one[:, 0], one[0], np.zeros(40), 1.0, 0.3, 0.05
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(trimmed_means(*given), slow.trimmed_means(*given))


WHOLE = {name: values for name, values in GRID.items() if not np.isnan(values).any()}
SPECIAL = np.array([[-0.0, 0.0, np.inf, -np.inf, 5e-324, -5e-324, 1.0, np.nextafter(1.0, 2.0), -1.0, 1e308]])


@pytest.mark.parametrize("values", [*(v for v in WHOLE.values() if v.shape[1]), SPECIAL], ids=str)
def test_order_statistics_equals_its_twin(values):
    places = np.unique([0, values.shape[1] // 3, values.shape[1] // 2, values.shape[1] - 1])
    np.testing.assert_array_equal(order_statistics(values, places), slow.order_statistics(values, places))
    every = np.arange(values.shape[1])
    np.testing.assert_array_equal(order_statistics(values, every), np.sort(values, axis=1))


@pytest.mark.parametrize("zeros", [False, True])
@pytest.mark.parametrize("values", WHOLE.values(), ids=WHOLE)
def test_median_of_ratios_equals_its_twin(values, zeros):
    values = np.abs(values) + (0 if zeros else np.abs(values).max(initial=0.0) / 64 + 1e-5)
    rtol = 1e-6 if values.dtype == np.float32 else 1e-13
    with np.errstate(over="ignore", invalid="ignore"):
        means = mean_logs(values)
    np.testing.assert_allclose(means, slow.mean_logs(values), rtol=rtol, atol=1e-15)
    genes = np.flatnonzero(np.isfinite(means))
    if genes.size:
        given = values, genes, np.exp(means[genes])
        np.testing.assert_allclose(median_ratios(*given), slow.median_ratios(*given), rtol=rtol)


@pytest.mark.parametrize("size", [1e-300, 1e-60, 1e60, 1e300])
def test_products_out_of_range(size):
    values = (np.abs(normal((21, 30))) + 0.1) * size
    values[4, 3] = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        np.testing.assert_allclose(mean_logs(values), slow.mean_logs(values), rtol=1e-14)
    table = pd.DataFrame(values).drop(columns=3)
    np.testing.assert_allclose(size_factors(table), size_factors(table / size), rtol=1e-12)


def counts(n=9, genes=200, seed=0):
    table = np.random.default_rng(seed).poisson(3, (n, genes))
    return pd.DataFrame(table, index=[f"p{i}" for i in range(n)])


def test_ties_share_their_rank():
    """Which genes are cut must not depend on their order; with ranks in order of appearance it does."""
    table = counts()
    shuffled = table.iloc[:, np.random.default_rng(1).permutation(table.shape[1])]
    np.testing.assert_allclose(tmm_factors(shuffled), tmm_factors(table), rtol=1e-13)


def test_threads_and_batches_do_not_change_a_bit(monkeypatch):
    table, before, found = counts(70), numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            found.append(tmm_factors(table).to_numpy().tobytes())
    finally:
        numba.set_num_threads(before)
    monkeypatch.setattr("theracast.features.normalisation.ROWS", 7)
    found.append(tmm_factors(table).to_numpy().tobytes())
    assert len(set(found)) == 1


def test_frames_in_frames_out():
    table = counts()
    before = table.copy()
    assert tmm_factors(table).index.equals(table.index)
    assert size_factors(table[table.columns[(table > 0).all()]]).index.equals(table.index)
    assert logcpm(table).columns.equals(table.columns)
    pd.testing.assert_frame_equal(table, before)
    empty = tmm_factors(counts(0))
    assert empty.empty
    mixed = logcpm(table, tmm_factors(table)[::-1])
    pd.testing.assert_frame_equal(mixed, logcpm(table, tmm_factors(table)))


@pytest.mark.parametrize("tool", [tmm_factors, size_factors, logcpm])
@pytest.mark.parametrize("bad", [np.nan, -1.0, np.inf])
def test_impossible_counts(tool, bad):
    table = counts().astype(float)
    table.iloc[2, 3] = bad
    with pytest.raises(DataError, match="1 such cells in 1 samples"):
        tool(table)


def test_impossible_tables():
    table = counts()
    table.iloc[2] = 0
    with pytest.raises(DataError, match="1 of 9 samples"):
        tmm_factors(table)
    table = counts()
    table[:] = np.eye(*table.shape, dtype=int)
    with pytest.raises(DataError, match="no gene is above zero"):
        size_factors(table)
    with pytest.raises(UsageError, match="prior"):
        logcpm(counts(), prior=0.0)
    with pytest.raises(UsageError, match="no factor"):
        logcpm(counts(), tmm_factors(counts()).iloc[1:])
