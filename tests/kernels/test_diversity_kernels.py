"""Kernels of community distances: equal to their twins, whatever the threads."""

import numpy as np
import pytest
from grid import TABLES, by_threads, over
from reference import diversity as twin

from theracast.kernels.diversity import branch_totals, overlaps


def counts(shape):
    return np.random.default_rng(7).poisson(2.0, shape).astype(np.float64)


#: Abundances are not negative: the grid without its signs.
VALUES = {name: np.abs(table) for name, table in TABLES.items()} | {
    "three tiles": counts((37, 8)),
    "uint16": counts((5, 8)).astype(np.uint16),
    "uint32": counts((37, 8)).astype(np.uint32),
    "strided counts": counts((10, 16))[::2, ::2],
    "reversed counts": counts((5, 8))[::-1, ::-1],
    "Fortran counts": np.asfortranarray(counts((5, 8))),
}
PARENT = np.array([2, 2, 4, 4, 14, 7, 7, 11, 10, 10, 11, 14, 13, 14, -1])
NODES = np.array([0, 1, 3, 5, 6, 8, 9, 12])


@over("values", VALUES)
def test_the_kernels_equal_their_twins(values):
    with np.errstate(invalid="ignore"):
        got = overlaps(values)
        # sums are kept in the type given, as the kernel says
        np.testing.assert_allclose(got, twin.overlaps(values), rtol=1e-6 if values.dtype == np.float32 else 1e-12)
    np.testing.assert_array_equal(got, got.T)
    values, nodes = values[:, :8], NODES[: values.shape[1]]
    got, wanted = branch_totals(values, nodes, PARENT), twin.branch_totals(values, nodes, PARENT)
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.mark.parametrize("n", [15, 16, 17, 33, 200])
def test_every_pair_is_visited(n):
    values = np.random.default_rng(1).random((n, 3))
    wanted = np.minimum(values[:, None], values).sum(axis=2)
    np.testing.assert_allclose(overlaps(values), wanted, rtol=1e-12)


@pytest.mark.parametrize("columns", [31, 33, 1024, 1025, 2100])
def test_every_column_is_counted(columns):
    values = np.random.default_rng(1).random((5, columns))
    np.testing.assert_allclose(overlaps(values), np.minimum(values[:, None], values).sum(axis=2), rtol=1e-12)


@pytest.mark.parametrize("kind", [np.uint16, np.uint32])
def test_counts_are_exact_up_to_the_largest_total(kind):
    most = np.iinfo(kind).max
    values = np.array([[most, 0], [most - 7, 7], [0, 1]], dtype=kind)
    assert overlaps(values).tolist() == [[most, most - 7, 0], [most - 7, most, 1], [0, 1, 1]]


def test_equal_rows_overlap_to_the_bit():
    values = np.random.default_rng(1).random((70, 301))
    values[1::3] = values[0]
    got = overlaps(values)[1::3, 1::3]
    assert (got == got[0, 0]).all()


def test_the_number_of_threads_does_not_change_a_bit():
    values = np.random.default_rng(1).random((70, 301))
    found = by_threads(lambda: overlaps(values).tobytes() + branch_totals(values[:, :8], NODES, PARENT).tobytes())
    assert len(set(found)) == 1
