"""Ranks and the scores made of them equal their slow twins on nasty inputs, and numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from grid import SETS, TABLES, bits, by_threads, jitted, normal, over, packed, wide
from reference import enrichment as twin
from reference import rank_scores as rank_twin
from reference import ranks as order_twin
from scipy.stats import rankdata

from theracast.features import enrichment as features
from theracast.kernels.enrichment import ssgsea, zscores
from theracast.kernels.rank_scores import aucell, singscore
from theracast.kernels.ranks import ranks, sorted_genes, top_genes

#: Only the sort takes any type of number, and has a second way for many close neighbours.
SORTED = TABLES | {
    "float16": normal(4, 6).astype(np.float16),
    "whole numbers": normal(4, 6).astype(np.int32),
    "a bit apart and not": np.vstack([TABLES["a bit apart"], normal(70, 120)]),
}
SCORED = {name: values for name, values in SORTED.items() if values.shape[1] >= 6}
MEASURED = {name: values for name, values in SCORED.items() if values.dtype in (np.float32, np.float64)}


@over("values", SORTED)
def test_ranks_equal_their_twin_and_scipy(values):
    before, got = values.copy(), ranks(values)
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, order_twin.ranks(values))
    if values.size:
        np.testing.assert_array_equal(got, rankdata(values, axis=1, nan_policy="omit"))
    np.testing.assert_array_equal(values, before)


@over("values", SORTED)
def test_sorted_genes_equal_their_twin(values):
    for got, wanted in zip(sorted_genes(values), order_twin.sorted_genes(values), strict=True):
        assert got.dtype == wanted.dtype
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("count", [2, 5, 30, 200])
@over("values", SORTED)
def test_top_genes_equal_their_twin(values, count):
    got, wanted = top_genes(values, count), order_twin.top_genes(values, count)
    assert got.dtype == wanted.dtype
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranks_of_more_genes_than_sixteen_bits_count(dtype):
    values = wide(dtype)
    np.testing.assert_array_equal(ranks(values), rankdata(values, axis=1, nan_policy="omit"))
    order, tied = sorted_genes(values)
    np.testing.assert_array_equal(order[0], np.argsort(values[0], kind="stable"))
    assert tied[0].sum() == 65_537 - len(np.unique(values[0]))
    np.testing.assert_array_equal(top_genes(values, 700)[0], np.argsort(-values[0], kind="stable")[:700])


@over("sets", SETS)
@over("values", SCORED)
def test_rank_scores_equal_their_twins(values, sets):
    ordered, layout = sorted_genes(values), packed(sets)
    for alpha in (0.0, 0.25, 1.0):
        wanted = twin.ssgsea(*ordered, *layout, alpha)
        np.testing.assert_allclose(ssgsea(*ordered, *layout, alpha), wanted, rtol=1e-12, atol=1e-12)
    numbers = values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)
    for count in (2, 3, 50):
        top = top_genes(values, count)
        np.testing.assert_array_equal(aucell(top, numbers, *layout), rank_twin.aucell(top, numbers, *layout))
    for got, wanted in zip(singscore(*ordered, *layout), rank_twin.singscore(*ordered, *layout), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-12)


@over("sets", SETS)
@over("values", MEASURED)
def test_zscores_equal_their_twin(values, sets):
    centre, spread = np.array([0.0, 8.0, np.nan, 8.0, 1.0, 2.0]), np.array([1.0, 3.0, 1.0, np.nan, 1e-5, 2.0])
    centre, spread = np.resize(centre, values.shape[1]), np.resize(spread, values.shape[1])
    layout = packed(sets)
    with np.errstate(all="ignore"):
        wanted = twin.zscores(values, centre, spread, *layout)
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
    values = np.array([[5.0, 4.0, 3.0, 2.0, 1.0]])
    got = aucell(top_genes(values, 3), values, *packed([[0, 2]]))
    assert got.tolist() == [[2 / 3]]


def test_singscore_by_hand():
    """Ranks by the paper: 1 2 2 4 5 6 8 with ties lowest (7 measured), set at 2, 5, 7 -> mean 14/3.

    Least (3 + 1) / 2 = 2, greatest (14 - 3 + 1) / 2 = 6: score (14/3 - 2) / 4 = 2/3. Median 5, deviations 3 0 2.
    """
    values = np.array([[0.1, 0.4, 0.4, 0.6, 0.8, 0.9, 1.5, np.nan]])
    score, dispersion = singscore(*sorted_genes(values), *packed([[2, 4, 6, 7]]))
    np.testing.assert_allclose(score, [[2 / 3]], rtol=1e-15)
    np.testing.assert_allclose(dispersion, [[1.4826 * 2]], rtol=1e-15)


def test_singscore_as_in_the_authors_own_test():
    """singscore's tests/testthat/test-scoring.R: ranks 1 2 3 3, up 3 and 4, down 1; centred 0.25 up, 0.5 down.

    By the formula: up (3 - 1.5) / (3.5 - 1.5) = 3/4; down 1 - (1 - 1) / (4 - 1) = 1, the ranks turned round
    (n + 1 - rank) say the same.
    """
    order = sorted_genes(np.array([[1.0, 2.0, 5.0, 5.0]]))
    score, dispersion = singscore(*order, *packed([[2, 3], [0]]))
    assert (score - 0.5).tolist() == [[0.25, -0.5]]
    assert dispersion.tolist() == [[0.0, 0.0]]
    table = pd.DataFrame([[1.0, 2.0, 5.0, 5.0]], index=["p"], columns=list("ABCD"))
    both = features.singscore(table, {"s": ["C", "D"]}, down={"s": ["A"]}, min_size=1)
    assert both.score.loc["p", "s"] == 0.75


def test_a_zscore_by_hand():
    """z of 2, -1 and 3: 4 / sqrt(3)."""
    got = zscores(np.array([[3.0, 0.0, 7.0]]), np.ones(3), np.array([1.0, 1.0, 2.0]), *packed([[0, 1, 2]]))
    np.testing.assert_allclose(got, [[4 / np.sqrt(3)]], rtol=1e-15)


@jitted
def test_neither_threads_nor_neighbours_change_a_bit(rng):
    values = np.round(rng.normal(8, 3, (150, 300)), 1)
    values[rng.random(values.shape) < 0.1] = np.nan
    layout = packed([rng.choice(300, size=k, replace=False).tolist() for k in rng.integers(1, 60, 20)])
    centre, spread = np.nanmean(values, axis=0), np.nanstd(values, axis=0)

    def everything(table):
        ordered = sorted_genes(table)
        top = top_genes(table, 15)
        scores = [ssgsea(*ordered, *layout, 0.25), aucell(top, table, *layout), *singscore(*ordered, *layout)]
        return np.hstack([ranks(table), *ordered, top, *scores, zscores(table, centre, spread, *layout)])

    alone = np.vstack([everything(values[[i]]) for i in range(len(values))])
    for found in by_threads(lambda: everything(values)):
        assert bits(found) == bits(alone)
