"""Every public kernel has a slow twin that a test calls; here also the twin of `set_means`, the simplest of them."""

import importlib
import importlib.util
import pkgutil
import re
from pathlib import Path

import numpy as np
import pytest
from grid import SETS, TABLES, by_threads, jitted, over, packed
from reference import enrichment as twin

import theracast.kernels
from theracast.kernels.enrichment import set_means

HERE = Path(__file__).resolve().parent
REFERENCE = HERE.parent / "reference"
KERNELS = Path(theracast.kernels.__file__).parent
MODULES = [m.name for m in pkgutil.iter_modules(theracast.kernels.__path__) if m.name != "jit"]


def loaded(file, name):
    spec = importlib.util.spec_from_file_location(name, file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def public(module):
    """Public functions made in a module; a compiled one is a dispatcher with its Python function inside."""
    return [k for k, v in vars(module).items() if k[0] != "_" and callable(v) and v.__module__ == module.__name__]


def without_twin(module):
    """Kernels without a function of the same name in the module of the same name, or whose twin no test calls."""
    name = module.__name__.rsplit(".", 1)[1]
    file = REFERENCE / f"{name}.py"
    slow = loaded(file, f"reference_{name}") if file.exists() else None
    tests = "".join(f.read_text("utf-8") for f in HERE.glob("test_*.py"))
    return [
        k
        for k in public(module)
        if not callable(getattr(slow, k, None)) or not re.search(rf"\b\w*(twin|slow)\w*(\(\"\w+\"\))?\.{k}\b", tests)
    ]


@pytest.mark.parametrize("name", MODULES)
def test_every_kernel_has_a_twin(name):
    module = importlib.import_module(f"theracast.kernels.{name}")
    assert public(module), f"theracast.kernels.{name} offers no kernel"
    missing = without_twin(module)
    assert not missing, f"write the slow twins {missing} in tests/reference/{name}.py and a test over the grid"


@pytest.mark.parametrize("line", ["@kernel\ndef planted(x):\n    return x", "def planted(x):\n    return x"])
def test_a_kernel_without_a_twin_is_seen(line, tmp_path):
    """Also one that is not compiled: `ranks` is a function around a kernel."""
    file = tmp_path / "survival.py"
    file.write_text((KERNELS / "survival.py").read_text("utf-8") + f"\n\n{line}\n")
    assert without_twin(loaded(file, "planted.survival")) == ["planted"]


def test_a_twin_that_no_test_calls_is_seen(tmp_path):
    file = tmp_path / "rank_scores.py"
    file.write_text("def never_called(x):\n    return x\n")
    assert without_twin(loaded(file, "planted.rank_scores")) == ["never_called"]


# ---------------------------------------------------------------- the mean of a set

MEANT = SETS | {"a feature twice": [[1, 1, 2]]}


@over("sets", MEANT)
@over("values", {k: v for k, v in TABLES.items() if v.shape[1] >= 6})
def test_set_means_equals_its_twin(values, sets):
    members, offsets = packed(sets)
    before = values.copy()
    for needed in (0.0, 0.5, 0.8, 1.0):
        with np.errstate(all="ignore"):
            wanted = twin.set_means(values, members, offsets, needed)
            got = set_means(values, members, offsets, needed)
        assert got.dtype == np.float64
        # where numbers cancel, the order in which a vector adds them shows: 1e-16 of the largest
        largest = float(np.abs(values[np.isfinite(values)]).max(initial=0))
        np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-300 if largest > 1e290 else 0)
    np.testing.assert_array_equal(values, before)


def test_set_means_by_hand():
    values = np.array([[1.0, np.nan, 3.0, 8.0]])
    members, offsets = packed([[0, 1, 2], [0, -1, 3], [1]])
    assert set_means(values, members, offsets, 2 / 3)[0].tolist()[:2] == [2.0, 4.5]
    assert np.isnan(set_means(values, members, offsets, 1.0)).all()
    assert np.isnan(set_means(values, members, offsets, 0.0)[0, 2])


@jitted
def test_the_number_of_threads_does_not_change_a_bit(rng):
    values = rng.normal(8, 3, (301, 500))
    values[rng.random(values.shape) < 0.1] = np.nan
    members, offsets = packed([rng.choice(500, size=rng.integers(1, 60)).tolist() for _ in range(40)])
    assert len({found.tobytes() for found in by_threads(lambda: set_means(values, members, offsets, 0.8))}) == 1


def test_a_sample_alone_is_the_same_to_the_bit(rng):
    values = rng.normal(8, 3, (50, 100))
    members, offsets = packed([list(range(0, 100, 3)), list(range(50))])
    crowd = set_means(values, members, offsets, 0.8)
    alone = [set_means(values[[i]], members, offsets, 0.8)[0] for i in range(50)]
    assert np.array(alone).tobytes() == crowd.tobytes()
