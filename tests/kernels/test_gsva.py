"""GSVA's kernels equal their slow twins, to the bit where R's order of adding matters."""

import numpy as np
import pytest
from grid import SETS, TABLES, by_threads, jitted, normal, over
from reference import gsva as twin

from theracast.kernels.gsva import bandwidths, exact_levels, normal_table, table_levels, walk
from theracast.kernels.ranks import sorted_genes

VALUES = TABLES | {"many samples, few levels": np.random.default_rng(3).integers(0, 3, (90, 7)).astype(float)}
#: Their spread is a few last digits: R rounds the mean it subtracts to a double, and so do we; the twin is exact.
NARROW = [name for name in TABLES if name.startswith("a bit apart")]
#: All members are there: the walk is over the genes of the table.
WALKED = {name: sets for name, sets in SETS.items() if name != "not measured"} | {
    "the middle": [[0], [1], [2], [3], [4], [5], [6], [7], [8]],
    "all genes": [[0, 1, 2, 3, 4, 5, 6, 7, 8]],
}


def by_gene(sets, n_genes):
    lists = [[s for s, part in enumerate(sets) if g in part] for g in range(n_genes)]
    flat = np.array([s for part in lists for s in part], dtype=np.int64)
    starts = np.cumsum([0, *(len(part) for part in lists)]).astype(np.int64)
    return flat, starts, np.array([len(part) for part in sets], dtype=np.int64)


def test_the_table_is_the_normal_cdf():
    np.testing.assert_allclose(normal_table(), twin.normal_table(), rtol=0, atol=3e-16)


@pytest.mark.parametrize("name", VALUES)
def test_bandwidths(name):
    values = VALUES[name]
    before = values.copy()
    tolerance = 0.5 if name in NARROW else 1e-13
    np.testing.assert_allclose(bandwidths(values), twin.bandwidths(values).reshape(-1), rtol=tolerance)
    np.testing.assert_array_equal(values, before)


@over("values", VALUES)
def test_levels_by_table_are_the_twins_to_the_bit(values):
    before, widths, table = values.copy(), bandwidths(values), normal_table()
    np.testing.assert_array_equal(table_levels(values, widths, table), twin.table_levels(values, widths, table))
    np.testing.assert_array_equal(values, before)


def test_levels_by_table_on_the_border_of_two_steps():
    """5.6 widths apart is 5600 steps of the table, less a last digit: R takes step 5599."""
    values = 1.0 + np.array([[11.0], [4.0]]) * 2.0**-52
    widths, table = bandwidths(values), normal_table()
    np.testing.assert_array_equal(table_levels(values, widths, table), twin.table_levels(values, widths, table))


@over("values", VALUES)
def test_exact_levels(values):
    before, widths = values.copy(), bandwidths(values)
    got = exact_levels(values, widths)
    np.testing.assert_allclose(got, twin.exact_levels(values, widths), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(values, before)


def test_exact_levels_of_heavy_tails(rng):
    values = rng.standard_t(1.5, (400, 6))
    widths = bandwidths(values)
    np.testing.assert_allclose(exact_levels(values, widths), twin.exact_levels(values, widths), rtol=0, atol=1e-12)


def test_exact_levels_of_equal_genes_are_equal(rng):
    gene = rng.integers(0, 3, 50).astype(float)
    values = np.column_stack([gene, rng.permutation(gene), gene * 5 + 3])
    levels = exact_levels(values, bandwidths(values))
    assert [np.unique(levels[values[:, 0] == v, 0]).size for v in range(3)] == [1, 1, 1]
    assert set(levels[:, 0]) == set(levels[:, 1]) == set(levels[:, 2])


@pytest.mark.parametrize("max_diff", [True, False])
@over("sets", WALKED)
@pytest.mark.parametrize("samples", [0, 1, 7])
@pytest.mark.parametrize("genes", [9, 10, 41])
def test_walk(genes, samples, sets, max_diff):
    order = np.argsort(normal(samples, genes), axis=1).astype(np.int32)
    packed = by_gene(sets, genes)
    got, wanted = walk(order, *packed, max_diff), twin.walk(order, *packed, max_diff)
    if not max_diff:  # as far up as down: rounding decides on the sign, in R as well
        tied = twin.walk(order, *packed, True) == 0
        got, wanted = np.where(tied, np.abs(got), got), np.where(tied, np.abs(wanted), wanted)
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-14)


def test_walk_by_hand():
    """Members at positions 0 and 3 of five weigh 2.5 and 0.5: up to 5/6, down to 5/6 - 2/3, up to 1/3, down to 0."""
    order = np.array([[4, 0, 1, 2, 3]], dtype=np.int32)
    assert walk(order, *by_gene([[4, 2]], 5), True)[0, 0] == pytest.approx(5 / 6, abs=1e-15)
    order = np.array([[0, 1, 4, 2, 3]], dtype=np.int32)  # both late: down to -2/3, then 0.5 + 0.5, up to 1/3
    assert walk(order, *by_gene([[4, 2]], 5), True)[0, 0] == pytest.approx(-1 / 3, abs=1e-15)
    assert walk(order, *by_gene([[4, 2]], 5), False)[0, 0] == pytest.approx(-2 / 3, abs=1e-15)


@jitted
def test_the_number_of_threads_does_not_change_a_bit(rng):
    values, packed, table = rng.normal(8, 3, (70, 517)), by_gene([range(0, 517, 9), range(40)], 517), normal_table()

    def everything():
        widths = bandwidths(values)
        both = table_levels(values, widths, table), exact_levels(values, widths)
        return tuple(a.tobytes() for a in (widths, *both, *(walk(sorted_genes(-x)[0], *packed, True) for x in both)))

    assert len(set(by_threads(everything))) == 1
