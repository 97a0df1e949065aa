"""Concordance: equal to its twin, whatever the threads."""

import numpy as np
from grid import TABLES, by_threads, frozen, over
from reference import survival as twin

from theracast.kernels.survival import concordance_counts


def cohort(n, levels=5, share=0.6, seed=7):
    rng = np.random.default_rng(seed)
    times, events = rng.integers(1, levels + 1, n).astype(float), rng.random(n) < share
    order = np.lexsort((events, -times))
    return rng.integers(1, max(n // 2, 1) + 1, (3, n)), times[order], events[order]


def drawn(table):
    """A cohort whose times are the grid's numbers; the kernel is given them sorted, as `cohort` does, without NaN."""
    times = np.abs(table[~np.isnan(table)])
    events = np.arange(times.size) % 3 > 0
    order = np.lexsort((events, -times))
    scores = np.random.default_rng(7).integers(1, max(times.size // 2, 1) + 1, (3, times.size))
    return scores, times[order], events[order]


GRID = {name: drawn(table) for name, table in TABLES.items()} | {
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
    "frozen": tuple(frozen(part) for part in cohort(20)),
}


@over("args", GRID)
def test_the_counts_equal_their_twin(args):
    np.testing.assert_array_equal(concordance_counts(*args), twin.concordance_counts(*args))


def test_the_number_of_threads_does_not_change_a_bit():
    args = cohort(500)
    assert len(set(by_threads(lambda: concordance_counts(*args).tobytes()))) == 1
