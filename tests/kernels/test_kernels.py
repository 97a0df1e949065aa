"""Every kernel equals its slow twin on the same nasty inputs, whatever the number of threads."""

import importlib
import importlib.util
import pkgutil
from pathlib import Path

import numba
import numpy as np
import pytest

import theracast.kernels
from theracast.kernels.enrichment import set_means

REFERENCE = Path(__file__).resolve().parents[1] / "reference"
MODULES = [m.name for m in pkgutil.iter_modules(theracast.kernels.__path__) if m.name != "jit"]


def public_kernels(module):
    """Public functions made in a module; a compiled one is a dispatcher with its Python function inside."""
    return [k for k, v in vars(module).items() if k[0] != "_" and callable(v) and v.__module__ == module.__name__]


def twins(name):
    file = REFERENCE / f"{name}.py"
    if not file.exists():
        return None
    spec = importlib.util.spec_from_file_location(f"reference_{name}", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def normal(shape):
    return np.random.default_rng(7).normal(8.0, 3.0, shape)


def spoilt(*cells, shape=(4, 6)):
    values = normal(shape)
    for row, column, value in cells:
        values[row, column] = value
    return values


def frozen(values):
    values.setflags(write=False)
    return values


#: One grid for every kernel that takes samples x genes.
VALUES = {
    "plain": normal((4, 6)),
    "many": normal((257, 6)),
    "no samples": normal((0, 6)),
    "one sample": normal((1, 6)),
    "ties": np.ones((4, 6)),
    "zeros": np.zeros((4, 6)),
    "some NaN": spoilt((0, 1, np.nan), (2, 0, np.nan), (2, 3, np.nan)),
    "all NaN": np.full((4, 6), np.nan),
    "a sample of NaN": spoilt(*((1, c, np.nan) for c in range(6))),
    "inf": spoilt((0, 0, np.inf), (1, 2, -np.inf), (2, 0, np.inf), (2, 1, -np.inf), (3, 4, np.nan)),
    "float32": normal((4, 6)).astype(np.float32),
    "float32 NaN": spoilt((0, 1, np.nan)).astype(np.float32),
    "strided": normal((8, 12))[::2, ::2],
    "reversed": normal((4, 6))[::-1, ::-1],
    "Fortran order": np.asfortranarray(normal((4, 6))),
    "read-only": frozen(normal((4, 6))),
    "huge": normal((4, 6)) * 1e300,
    "tiny": normal((4, 6)) * 1e-300,
    "huge beside tiny": spoilt((0, 0, 1e300), (0, 1, 1e-300)),
}
SETS = {
    "no sets": [],
    "one gene": [[3]],
    "one set": [[0, 1, 2, 3, 4, 5]],
    "overlapping": [[0, 1, 2], [2, 3], [5, 0, 3, 1]],
    "a gene twice": [[1, 1, 2]],
    "an empty set": [[0, 1], [], [2]],
    "unmeasured genes": [[0, -1, 2], [-1], [-1, -1, -1, 4]],
}


def packed(sets):
    members = np.array([g for part in sets for g in part], dtype=np.int64)
    return members, np.cumsum([0, *(len(part) for part in sets)]).astype(np.int64)


@pytest.mark.parametrize("sets", SETS.values(), ids=SETS)
@pytest.mark.parametrize("values", VALUES.values(), ids=VALUES)
def test_set_means_equals_its_twin(values, sets):
    members, offsets = packed(sets)
    before = values.copy()
    for needed in (0.0, 0.5, 0.8, 1.0):
        with np.errstate(all="ignore"):
            wanted = twins("enrichment").set_means(values, members, offsets, needed)
            got = set_means(values, members, offsets, needed)
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=0)
    np.testing.assert_array_equal(values, before)


def test_set_means_by_hand():
    values = np.array([[1.0, np.nan, 3.0, 8.0]])
    members, offsets = packed([[0, 1, 2], [0, -1, 3], [1]])
    assert set_means(values, members, offsets, 2 / 3)[0].tolist()[:2] == [2.0, 4.5]
    assert np.isnan(set_means(values, members, offsets, 1.0)).all()
    assert np.isnan(set_means(values, members, offsets, 0.0)[0, 2])


def test_the_number_of_threads_does_not_change_a_bit(rng):
    values = rng.normal(8, 3, (301, 500))
    values[rng.random(values.shape) < 0.1] = np.nan
    members, offsets = packed([rng.choice(500, size=rng.integers(1, 60)).tolist() for _ in range(40)])
    before, found = numba.get_num_threads(), []
    try:
        for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
            numba.set_num_threads(threads)
            found.append(set_means(values, members, offsets, 0.8).tobytes())
    finally:
        numba.set_num_threads(before)
    assert len(set(found)) == 1


def test_a_sample_alone_is_the_same_to_the_bit(rng):
    values = rng.normal(8, 3, (50, 100))
    members, offsets = packed([list(range(0, 100, 3)), list(range(50))])
    crowd = set_means(values, members, offsets, 0.8)
    alone = [set_means(values[[i]], members, offsets, 0.8)[0] for i in range(50)]
    assert np.array(alone).tobytes() == crowd.tobytes()


@pytest.mark.parametrize("name", MODULES)
def test_every_kernel_has_a_twin(name):
    kernels = public_kernels(importlib.import_module(f"theracast.kernels.{name}"))
    assert kernels, f"theracast.kernels.{name} offers no kernel"
    missing = [k for k in kernels if not callable(getattr(twins(name), k, None))]
    assert not missing, f"write the slow twins {missing} in tests/reference/{name}.py and a row in the grid"
