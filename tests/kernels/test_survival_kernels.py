"""Concordance: equal to its twin, whatever the threads."""

import importlib.util
from pathlib import Path

import numba
import numpy as np
import pytest

from theracast.kernels.survival import concordance_counts

_FILE = Path(__file__).resolve().parents[1] / "reference" / "survival.py"
_SPEC = importlib.util.spec_from_file_location("reference_survival", _FILE)
twin = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(twin)


def cohort(n, levels=5, share=0.6, seed=7):
    rng = np.random.default_rng(seed)
    times, events = rng.integers(1, levels + 1, n).astype(float), rng.random(n) < share
    order = np.lexsort((events, -times))
    return rng.integers(1, max(n // 2, 1) + 1, (3, n)), times[order], events[order]


def frozen(*arrays):
    for a in arrays:
        a.setflags(write=False)
    return arrays


GRID = {
    "empty": cohort(0),
    "one": cohort(1),
    "two": cohort(2),
    "many ties": cohort(40),
    "no ties": cohort(40, levels=100_000),
    "all censored": cohort(30, share=0),
    "all events": cohort(30, share=1.1),
    "one time": cohort(30, levels=1),
    "no scores": (np.zeros((0, 5), np.int64), *cohort(5)[1:]),
    "infinite time": (cohort(9)[0], np.r_[np.inf, np.inf, np.arange(7.0)[::-1]], cohort(9)[2]),
    "float32, huge": (cohort(20)[0], cohort(20)[1].astype(np.float32) * 1e30, cohort(20)[2]),
    "strided": (cohort(40)[0][:, ::2], cohort(40)[1][::2], cohort(40)[2][::2]),
    "read-only": frozen(*cohort(20)),
}


@pytest.mark.parametrize("args", GRID.values(), ids=GRID)
def test_the_counts_equal_their_twin(args):
    np.testing.assert_array_equal(concordance_counts(*args), twin.concordance_counts(*args))


def test_the_number_of_threads_does_not_change_a_bit():
    args, before, found = cohort(500), numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            found.append(concordance_counts(*args).tobytes())
    finally:
        numba.set_num_threads(before)
    assert len(set(found)) == 1
