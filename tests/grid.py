"""The nasty inputs every kernel meets, in one place: tables of samples x features, and sets of features.

A kernel that cannot take a case says so by name where the grid is used; cases of its own are added there with ``|``.
"""

import numba
import numpy as np
import pytest

jitted = pytest.mark.skipif(numba.config.DISABLE_JIT, reason="the JIT is off: nothing to see in plain Python")


def normal(*shape, seed=7):
    return np.random.default_rng(seed).normal(8.0, 3.0, shape)


def spoilt(*cells, shape=(5, 9)):
    """A normal table with some cells replaced; None for a row or column means all of it."""
    values = normal(*shape)
    for row, column, value in cells:
        values[slice(None) if row is None else row, slice(None) if column is None else column] = value
    return values


def holes(values, share=0.3):
    return np.where(np.random.default_rng(3).random(values.shape) < share, np.nan, values)


def frozen(values):
    values.setflags(write=False)
    return values


_ZEROS = np.tile([0.0, -0.0, 1.0, -1.0, 0.0, -0.0, 2.0, -0.0, 0.0], (2, 1))
_INF = spoilt((0, 0, np.inf), (1, 2, -np.inf), (2, 0, np.inf), (2, 1, -np.inf), (3, 4, np.nan), (4, None, np.inf))
#: Neighbours in float64 that share their upper 44 bits, in pairs, too many for a few swaps to sort them.
_CLOSE = 1.0 + np.random.default_rng(5).permutation(240).reshape(2, 120) // 2 * 2.0**-52

TABLES = {
    "plain": normal(5, 9),
    "many samples": normal(131, 9),
    "many features": normal(3, 131),
    "no samples": normal(0, 9),
    "one sample": normal(1, 9),
    "two samples": normal(2, 9),
    "no features": normal(3, 0),
    "one feature": normal(5, 1),
    "two features": normal(5, 2),
    "all tied": np.ones((5, 9)),
    "all zero": np.zeros((5, 9)),
    "some tied": np.round(normal(5, 40) / 3),
    "two levels": np.eye(9)[:, :7],
    "copies": np.repeat(normal(6, 3), 3, axis=1),
    "constant columns": spoilt((None, 2, 4.0), (None, 7, 0.0)),
    "zero and minus zero": _ZEROS,
    "minus zero float32": _ZEROS.astype(np.float32),
    "some NaN": holes(normal(5, 12)),
    "ties and NaN": holes(np.round(normal(5, 30) / 4)),
    "a NaN row and a NaN column": spoilt((1, None, np.nan), (None, 3, np.nan)),
    "all NaN": np.full((3, 9), np.nan),
    "NaN with a sign": np.tile([-np.nan, 1.0, np.nan, -3.0, 2.0, 2.0, 0.0, -np.nan, 1.0], (2, 1)),
    "inf": _INF,
    "inf float32": _INF.astype(np.float32),
    "float32": normal(5, 9).astype(np.float32),
    "ties and NaN float32": holes(np.round(normal(5, 30) / 4)).astype(np.float32),
    "strided": normal(10, 18)[::2, ::2],
    "reversed": normal(5, 9)[::-1, ::-1],
    "Fortran order": np.asfortranarray(normal(5, 9)),
    "read-only": frozen(normal(5, 9)),
    "read-only float32": frozen(normal(5, 9).astype(np.float32)),
    "huge": normal(5, 9) * 1e300,
    "tiny": normal(5, 9) * 1e-300,
    "denormal": normal(5, 9) * 1e-320,
    "huge beside tiny": np.tile([1e300, -1e300, 1e-300, -1e-300, 0.0, 5e-324, 1.0, 1e16, -1e-16], (2, 1)),
    "far from zero": normal(5, 9) + 1e6,
    "outliers": spoilt((0, 3, 1e6), (1, 3, -1e5), shape=(40, 6)),
    "a bit apart": _CLOSE,
    "a bit apart below zero, NaN": np.where(np.arange(120) == 4, np.nan, -_CLOSE),
}
#: Sets of the first six features; -1 is one that was not measured. `packed` makes arrays of them.
SETS = {
    "no sets": [],
    "one feature": [[3]],
    "six features": [[0, 1, 2, 3, 4, 5]],
    "overlapping": [[0, 1, 2], [2, 3], [5, 0, 3, 1]],
    "an empty set": [[0, 1], [], [2]],
    "not measured": [[0, -1, 2], [-1], [-1, -1, -1, 4]],
}


def wide(dtype=np.float64):
    """More features than sixteen bits count, with ties and NaN: for kernels whose twin or peer is quick."""
    values = np.round(normal(2, 65_537), 3).astype(dtype)
    values[1, 7:5000:3] = np.nan
    return values


def packed(sets):
    members = np.array([g for part in sets for g in part], dtype=np.int64)
    return members, np.cumsum([0, *(len(part) for part in sets)]).astype(np.int64)


def over(name, cases):
    """Parametrise a test over named cases."""
    return pytest.mark.parametrize(name, list(cases.values()), ids=list(cases))


def bits(*arrays):
    """Shapes, types and bytes of arrays, to compare to the bit."""
    return [(a.shape, a.dtype.str, a.tobytes()) for a in map(np.asarray, arrays)]


def by_threads(call):
    """What a call returns with 1, 2, ... threads."""
    if numba.config.NUMBA_NUM_THREADS == 1:
        pytest.skip("one thread cannot show that threads do not matter")
    before, found = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            found.append(call())
    finally:
        numba.set_num_threads(before)
    return found
