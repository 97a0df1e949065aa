"""Kernels of community distances: equal to their twins, whatever the threads."""

import importlib.util
from pathlib import Path

import numba
import numpy as np
import pytest

from theracast.kernels.diversity import branch_totals, overlaps

_FILE = Path(__file__).resolve().parents[1] / "reference" / "diversity.py"
_SPEC = importlib.util.spec_from_file_location("reference_diversity", _FILE)
twin = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(twin)


def counts(shape):
    return np.random.default_rng(7).poisson(2.0, shape).astype(np.float64)


def frozen(values):
    values.setflags(write=False)
    return values


VALUES = {
    "plain": counts((5, 8)),
    "three tiles": counts((37, 8)),
    "no samples": counts((0, 8)),
    "one sample": counts((1, 8)),
    "no taxa": counts((3, 0)),
    "ties": np.ones((4, 8)),
    "NaN": np.where(np.arange(40).reshape(5, 8) == 11, np.nan, counts((5, 8))),
    "all NaN": np.full((3, 8), np.nan),
    "inf": np.where(np.arange(40).reshape(5, 8) == 11, np.inf, counts((5, 8))),
    "uint16": counts((5, 8)).astype(np.uint16),
    "uint32": counts((37, 8)).astype(np.uint32),
    "float32": counts((5, 8)).astype(np.float32),
    "strided": counts((10, 16))[::2, ::2],
    "reversed": counts((5, 8))[::-1, ::-1],
    "Fortran order": np.asfortranarray(counts((5, 8))),
    "read-only": frozen(counts((5, 8))),
    "huge": counts((5, 8)) * 1e300,
    "tiny": counts((5, 8)) * 1e-300,
}
PARENT = np.array([2, 2, 4, 4, 14, 7, 7, 11, 10, 10, 11, 14, 13, 14, -1])
NODES = np.array([0, 1, 3, 5, 6, 8, 9, 12])


@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_the_kernels_equal_their_twins(values):
    with np.errstate(invalid="ignore"):
        got = overlaps(values)
        np.testing.assert_allclose(got, twin.overlaps(values), rtol=1e-12)
    np.testing.assert_array_equal(got, got.T)
    nodes = NODES[: values.shape[1]]
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
    before, found = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            found.append(overlaps(values).tobytes() + branch_totals(values[:, :8], NODES, PARENT).tobytes())
    finally:
        numba.set_num_threads(before)
    assert len(set(found)) == 1
