"""Ranks and the scores made of them equal their slow twins on nasty inputs, and numbers worked out by hand."""

import importlib.util
from pathlib import Path

import numba
import numpy as np
import pytest
from scipy.stats import rankdata

from theracast.kernels.enrichment import ssgsea, zscores
from theracast.kernels.rank_scores import aucell, singscore
from theracast.kernels.ranks import ranks, sorted_genes


def twins(name):
    file = Path(__file__).resolve().parents[1] / "reference" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"reference_{name}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def normal(*shape):
    return np.random.default_rng(7).normal(8.0, 3.0, shape)


def frozen(values):
    values.setflags(write=False)
    return values


def holes(values, share=0.3):
    return np.where(np.random.default_rng(3).random(values.shape) < share, np.nan, values)


#: Neighbours in float64 that share their upper 48 bits, ten times over.
CLOSE = 1.0 + np.random.default_rng(5).permutation(40).reshape(2, 20) // 2 * 2.0**-52
GRID = {
    "plain": normal(4, 6),
    "many samples": normal(131, 6),
    "no samples": normal(0, 6),
    "no genes": normal(3, 0),
    "one sample": normal(1, 6),
    "one gene": normal(4, 1),
    "two genes": normal(4, 2),
    "all tied": np.ones((4, 6)),
    "some tied": np.round(normal(5, 40) / 3),
    "zero and minus zero": np.tile([0.0, -0.0, 1.0, -1.0, 0.0, -0.0], (2, 1)),
    "minus zeros float32": np.tile([0.0, -0.0, 1.0, -1.0, 0.0, -0.0], (2, 1)).astype(np.float32),
    "some NaN": holes(normal(5, 12)),
    "ties and NaN": holes(np.round(normal(5, 30) / 4)),
    "ties and NaN float32": holes(np.round(normal(5, 30) / 4)).astype(np.float32),
    "NaN with a sign": np.tile([-np.nan, 1.0, np.nan, -3.0, 2.0, 2.0], (2, 1)),
    "all NaN": np.full((3, 6), np.nan),
    "inf": np.tile([np.inf, -np.inf, 0.0, np.nan, np.inf, 3.0], (2, 1)),
    "inf float32": np.tile([np.inf, -np.inf, 0.0, np.nan, np.inf, 3.0], (2, 1)).astype(np.float32),
    "float32": normal(4, 6).astype(np.float32),
    "float16": normal(4, 6).astype(np.float16),
    "whole numbers": normal(4, 6).astype(np.int32),
    "strided": normal(8, 12)[::2, ::2],
    "reversed": normal(4, 6)[::-1, ::-1],
    "Fortran order": np.asfortranarray(normal(4, 6)),
    "read-only": frozen(normal(4, 6)),
    "read-only float32": frozen(normal(4, 6).astype(np.float32)),
    "huge": normal(4, 6) * 1e300,
    "tiny": normal(4, 6) * 1e-320,
    "huge beside tiny": np.tile([1e300, -1e300, 1e-300, -1e-300, 0.0, 5e-324], (2, 1)),
    "close": CLOSE,
    "close below zero, NaN": np.where(np.arange(20) == 4, np.nan, -CLOSE),
    "close and not": np.vstack([CLOSE, normal(70, 20)]),
}
SETS = {
    "no sets": [],
    "one gene": [[3]],
    "all genes": [[0, 1, 2, 3, 4, 5]],
    "overlapping": [[0, 1, 2], [2, 3], [5, 0, 3, 1]],
    "an empty set": [[0, 1], [], [2]],
    "unmeasured genes": [[0, -1, 2], [-1], [-1, -1, -1, 4]],
}
GENES = {k: v for k, v in GRID.items() if v.shape[1] >= 6}
cases = pytest.mark.parametrize("values", GRID.values(), ids=GRID)
scored = pytest.mark.parametrize("values", GENES.values(), ids=GENES)
sets_of = pytest.mark.parametrize("sets", SETS.values(), ids=SETS)


def packed(sets):
    members = np.array([g for part in sets for g in part], dtype=np.int64)
    return members, np.cumsum([0, *(len(part) for part in sets)]).astype(np.int64)


@cases
def test_ranks_equal_their_twin_and_scipy(values):
    before, got = values.copy(), ranks(values)
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, twins("ranks").ranks(values))
    if values.size:
        np.testing.assert_array_equal(got, rankdata(values, axis=1, nan_policy="omit"))
    np.testing.assert_array_equal(values, before)


@cases
def test_sorted_genes_equal_their_twin(values):
    for got, wanted in zip(sorted_genes(values), twins("ranks").sorted_genes(values), strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranks_of_more_genes_than_sixteen_bits_count(rng, dtype):
    values = np.round(rng.normal(size=(2, 65_537)), 3).astype(dtype)
    values[1, 7:5000:3] = np.nan
    np.testing.assert_array_equal(ranks(values), rankdata(values, axis=1, nan_policy="omit"))
    order, tied = sorted_genes(values)
    np.testing.assert_array_equal(order[0], np.argsort(values[0], kind="stable"))
    assert tied[0].sum() == 65_537 - len(np.unique(values[0]))


@sets_of
@scored
def test_rank_scores_equal_their_twins(values, sets):
    ordered, layout = sorted_genes(values), packed(sets)
    for alpha in (0.0, 0.25, 1.0):
        wanted = twins("enrichment").ssgsea(*ordered, *layout, alpha)
        np.testing.assert_allclose(ssgsea(*ordered, *layout, alpha), wanted, rtol=1e-12, atol=1e-12)
    for top in (2, 3, 50):
        wanted = twins("rank_scores").aucell(*ordered, *layout, top)
        np.testing.assert_array_equal(aucell(*ordered, *layout, top), wanted)
    for got, wanted in zip(
        singscore(*ordered, *layout), twins("rank_scores").singscore(*ordered, *layout), strict=True
    ):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


@sets_of
@scored
def test_zscores_equal_their_twin(values, sets):
    centre, spread = np.array([0.0, 8.0, np.nan, 8.0, 1.0, 2.0]), np.array([1.0, 3.0, 1.0, np.nan, 1e-5, 2.0])
    centre, spread = np.resize(centre, values.shape[1]), np.resize(spread, values.shape[1])
    layout = packed(sets)
    values = values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    with np.errstate(all="ignore"):
        wanted = twins("enrichment").zscores(values, centre, spread, *layout)
        got = zscores(values, centre, spread, *layout)
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=0)


def test_ssgsea_by_hand():
    """Four genes, ranks 4 3 2 1 from the top; the set is the first and the third, alpha 1.

    Inside: 4/6 4/6 6/6 6/6; outside: 0 1/2 1/2 1; differences 2/3 + 1/6 + 1/2 + 0.
    """
    got = ssgsea(*sorted_genes(np.array([[9.0, 8.0, 7.0, 6.0]])), *packed([[0, 2]]), 1.0)
    np.testing.assert_allclose(got, [[4 / 3]], rtol=1e-15)


def test_aucell_by_hand():
    """Places 1 and 3 of five, the top three counting: area 2 + 0 of at most 2 + 1."""
    got = aucell(*sorted_genes(np.array([[5.0, 4.0, 3.0, 2.0, 1.0]])), *packed([[0, 2]]), 3)
    assert got.tolist() == [[2 / 3]]


def test_singscore_by_hand():
    """Ranks by the paper: 1 2 2 4 5 6 8 with ties lowest (7 measured), set at 2, 5, 7 -> mean 14/3.

    Least (3 + 1) / 2 = 2, greatest (14 - 3 + 1) / 2 = 6: score (14/3 - 2) / 4 = 2/3. Median 5, deviations 3 0 2.
    """
    values = np.array([[0.1, 0.4, 0.4, 0.6, 0.8, 0.9, 1.5, np.nan]])
    score, dispersion = singscore(*sorted_genes(values), *packed([[2, 4, 6, 7]]))
    np.testing.assert_allclose(score, [[2 / 3]], rtol=1e-15)
    np.testing.assert_allclose(dispersion, [[1.4826 * 2]], rtol=1e-15)


def test_a_zscore_by_hand():
    """z of 2, -1 and 3: 4 / sqrt(3)."""
    got = zscores(np.array([[3.0, 0.0, 7.0]]), np.ones(3), np.array([1.0, 1.0, 2.0]), *packed([[0, 1, 2]]))
    np.testing.assert_allclose(got, [[4 / np.sqrt(3)]], rtol=1e-15)


def test_neither_threads_nor_neighbours_change_a_bit(rng):
    values = np.round(rng.normal(8, 3, (150, 300)), 1)
    values[rng.random(values.shape) < 0.1] = np.nan
    layout = packed([rng.choice(300, size=k, replace=False).tolist() for k in rng.integers(1, 60, 20)])
    centre, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)

    def everything(table):
        ordered = sorted_genes(table)
        scores = [ssgsea(*ordered, *layout, 0.25), aucell(*ordered, *layout, 15), *singscore(*ordered, *layout)]
        return np.hstack([ranks(table), *ordered, *scores, zscores(table, centre, spread, *layout)])

    before, found = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            found.append(everything(values).tobytes())
    finally:
        numba.set_num_threads(before)
    alone = np.vstack([everything(values[[i]]) for i in range(len(values))])
    assert {*found, alone.tobytes()} == {found[0]}
