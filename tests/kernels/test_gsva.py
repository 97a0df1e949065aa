"""GSVA's kernels equal their slow twins, to the bit where R's order of adding matters."""

import numba
import numpy as np
import pytest
from reference import gsva as twin

from theracast.kernels.gsva import bandwidths, descending, exact_levels, normal_table, table_levels, walk


def normal(shape, seed=7):
    return np.random.default_rng(seed).normal(8.0, 3.0, shape)


def spoilt(*cells, shape=(5, 9)):
    values = normal(shape)
    for row, column, value in cells:
        values[row, column] = value
    return values


def frozen(values):
    values.setflags(write=False)
    return values


VALUES = {
    "plain": normal((5, 9)),
    "many genes": normal((6, 131)),
    "many samples": normal((90, 3)),
    "no samples": normal((0, 6)),
    "no genes": normal((4, 0)),
    "one sample": normal((1, 6)),
    "two samples": normal((2, 6)),
    "one gene": normal((5, 1)),
    "constant": np.ones((5, 9)),
    "few levels": np.random.default_rng(3).integers(0, 3, (8, 70)).astype(float),
    "one value only": np.eye(9)[:, :7],
    "copies": np.repeat(normal((6, 4)), 4, axis=1),
    "some NaN": spoilt((0, 1, np.nan), (2, 0, np.nan), (2, 3, np.nan)),
    "all NaN": np.full((5, 9), np.nan),
    "inf": spoilt((0, 0, np.inf), (1, 2, -np.inf), (2, 0, -np.inf), (3, 4, np.nan)),
    "float32": normal((5, 9)).astype(np.float32),
    "float32 NaN": spoilt((0, 1, np.nan)).astype(np.float32),
    "strided": normal((10, 18))[::2, ::2],
    "reversed": normal((5, 9))[::-1, ::-1],
    "Fortran order": np.asfortranarray(normal((5, 9))),
    "read-only": frozen(normal((5, 9))),
    "huge": normal((5, 9)) * 1e150,
    "tiny": normal((5, 9)) * 1e-150,
    "far from zero": normal((5, 9)) + 1e6,
    "outlier": spoilt((0, 3, 1e6), (1, 3, -1e5), shape=(40, 5)),
}
LEVELS = {
    **VALUES,
    "infinite": np.array([[np.inf, 1.0, -np.inf, np.inf, np.nan, -np.inf]]),
    "both zeros": np.array([[0.0, -0.0, 0.0, -0.0, 1.0]]),
    "a bit apart": 1.0 + np.spacing(1.0) * np.random.default_rng(1).integers(0, 40, (3, 100)),
    "a bit apart below zero": -1.0 - np.spacing(1.0) * np.random.default_rng(1).integers(0, 40, (3, 100)),
}
SETS = {
    "no sets": [],
    "one gene": [[3]],
    "the middle": [[0], [1], [2], [3], [4], [5], [6], [7], [8]],
    "all genes": [[0, 1, 2, 3, 4, 5, 6, 7, 8]],
    "overlapping": [[0, 1, 2], [2, 3], [5, 0, 3, 1]],
    "an empty set": [[0, 1], [], [2]],
}


def by_gene(sets, n_genes):
    lists = [[s for s, part in enumerate(sets) if g in part] for g in range(n_genes)]
    flat = np.array([s for part in lists for s in part], dtype=np.int64)
    starts = np.cumsum([0, *(len(part) for part in lists)]).astype(np.int64)
    return flat, starts, np.array([len(part) for part in sets], dtype=np.int64)


def test_the_table_is_the_normal_cdf():
    np.testing.assert_allclose(normal_table(), twin.normal_table(), rtol=0, atol=3e-16)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_bandwidths(values):
    before = values.copy()
    np.testing.assert_allclose(bandwidths(values), twin.bandwidths(values).reshape(-1), rtol=1e-13)
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_levels_by_table_are_the_twins_to_the_bit(values):
    before, widths, table = values.copy(), bandwidths(values), normal_table()
    np.testing.assert_array_equal(table_levels(values, widths, table), twin.table_levels(values, widths, table))
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
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


@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
def test_descending(levels):
    got = descending(levels)
    assert got.dtype == np.int32
    np.testing.assert_array_equal(got, twin.descending(levels))


def test_descending_more_samples_than_a_block(rng):
    levels = rng.integers(0, 50, (130, 300)) / 7
    np.testing.assert_array_equal(descending(levels), np.argsort(-levels, axis=1, kind="stable"))


@pytest.mark.parametrize("max_diff", [True, False])
@pytest.mark.parametrize("sets", SETS.values(), ids=SETS)
@pytest.mark.parametrize("samples", [0, 1, 7])
@pytest.mark.parametrize("genes", [9, 10, 41])
def test_walk(genes, samples, sets, max_diff):
    order = np.argsort(normal((samples, genes)), axis=1).astype(np.int32)
    packed = by_gene(sets, genes)
    np.testing.assert_allclose(walk(order, *packed, max_diff), twin.walk(order, *packed, max_diff), rtol=0, atol=1e-14)


def test_walk_by_hand():
    """Members at positions 0 and 3 of five weigh 2.5 and 0.5: up to 5/6, down to 5/6 - 2/3, up to 1/3, down to 0."""
    order = np.array([[4, 0, 1, 2, 3]], dtype=np.int32)
    assert walk(order, *by_gene([[4, 2]], 5), True)[0, 0] == pytest.approx(5 / 6, abs=1e-15)
    order = np.array([[0, 1, 4, 2, 3]], dtype=np.int32)  # both late: down to -2/3, then 0.5 + 0.5, up to 1/3
    assert walk(order, *by_gene([[4, 2]], 5), True)[0, 0] == pytest.approx(-1 / 3, abs=1e-15)
    assert walk(order, *by_gene([[4, 2]], 5), False)[0, 0] == pytest.approx(-2 / 3, abs=1e-15)


def test_the_number_of_threads_does_not_change_a_bit(rng):
    values, found, before = rng.normal(8, 3, (70, 517)), set(), numba.get_num_threads()
    packed = by_gene([range(0, 517, 9), range(40)], 517)
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            widths = bandwidths(values)
            both = table_levels(values, widths, normal_table()), exact_levels(values, widths)
            for form, levels in enumerate(both):
                scores = walk(descending(levels), *packed, True)
                found.add((form, widths.tobytes(), levels.tobytes(), scores.tobytes()))
    finally:
        numba.set_num_threads(before)
    assert len(found) == 2
