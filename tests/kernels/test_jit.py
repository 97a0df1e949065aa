"""Kernels run wherever Python does: forked, in threads, from a zip, without a cache, without the JIT."""

import os
import pickle
import re
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numba
import numpy as np
import pytest
from grid import jitted

from theracast.kernels import jit
from theracast.kernels.enrichment import set_means

CORE = Path(jit.__file__).resolve().parents[1]
linux = pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="no fork here")

#: Each script starts so: one kernel, its input, the right answer, and a fork that reports how the child ended.
HEAD = """
import os, sys, threading, time
import numba
import numpy as np
from theracast.kernels.enrichment import set_means

values = np.random.default_rng(0).normal(8, 3, (300, 400))
members, offsets = np.tile(np.arange(400), 20), np.arange(0, 8001, 400)

def run():
    return set_means(values, members, offsets, 0.8).tobytes()

def forked(work=lambda: all(run() == wanted for _ in range(5))):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if work() else 9)
    for _ in range(3000):
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        time.sleep(0.01)
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    return "hangs"
"""


def python(script, *, head=HEAD, cwd=None, **environ):
    """Run a script in a fresh Python and return what it printed; it must say nothing else."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA_", "OMP_"))}
    kept |= {"NUMBA_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"}  # numba loads scipy's OpenBLAS, with its threads
    environ = {k: v for k, v in {**kept, **environ}.items() if v is not None}
    done = subprocess.run(
        [sys.executable, "-c", head + textwrap.dedent(script)],
        capture_output=True, text=True, timeout=300, env=environ, cwd=cwd, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert not done.stderr, done.stderr
    return done.stdout.strip()


# ---------------------------------------------------------------- forks and threads: each in a Python of its own


@jitted
@linux
def test_a_fork_after_use_gives_the_same_bits():
    script = "wanted = run()\nprint([forked() for _ in range(3)], run() == wanted, numba.threading_layer())"
    assert python(script) == "[0, 0, 0] True workqueue"


@jitted
@linux
def test_a_fork_from_a_thread_gives_the_same_bits():
    """multiprocessing.Pool replaces its workers from a thread of its own."""
    script = """
    wanted, found = run(), []
    thread = threading.Thread(target=lambda: found.append(forked()))
    thread.start(), thread.join()
    print(found, forked(), run() == wanted)
    """
    assert python(script) == "[0] 0 True"


@jitted
@linux
def test_a_fork_while_threads_compute_gives_the_same_bits():
    script = """
    wanted, stop, bad = run(), False, []
    def busy():
        while not stop:
            if run() != wanted:
                bad.append(1)
    threads = [threading.Thread(target=busy) for _ in range(3)]
    [t.start() for t in threads]
    found = [forked() for _ in range(5)]
    stop = True
    [t.join() for t in threads]
    print(found, bad)
    """
    assert python(script) == "[0, 0, 0, 0, 0] []"


@jitted
@linux
def test_workers_of_workers_give_the_same_bits():
    """Spark: a daemon forks workers, which fork and run threads of their own."""
    script = """
    wanted = run()
    def worker():
        found = []
        threads = [threading.Thread(target=lambda: found.append(run())) for _ in range(4)]
        [t.start() for t in threads], [t.join() for t in threads]
        return set(found) == {wanted} and len(found) == 4 and forked() == 0
    print([forked(worker) for _ in range(2)])
    """
    assert python(script) == "[0, 0]"


@jitted
@linux
def test_a_pool_that_forks_works():
    script = """
    import multiprocessing
    def work(_):
        return run() == wanted
    wanted = run()
    with multiprocessing.get_context("fork").Pool(2, maxtasksperchild=2) as pool:
        print(all(pool.map(work, range(8), chunksize=1)))
    """
    assert python(script) == "True"


@jitted
def test_eight_threads_at_once_give_the_same_bits():
    """From the first call on: all eight ask for the kernel before it is compiled."""
    script = """
    found = []
    threads = [threading.Thread(target=lambda: found.extend(run() for _ in range(20))) for _ in range(8)]
    [t.start() for t in threads], [t.join() for t in threads]
    print(len(found), len(set(found)))
    """
    assert python(script) == "160 1"


@jitted
@pytest.mark.parametrize(
    ("environ", "threads"),
    [
        ({"NUMBA_NUM_THREADS": "1"}, 1),
        ({"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": None}, 1),
        ({"OMP_NUM_THREADS": "1,2", "NUMBA_NUM_THREADS": None}, 1),
        ({"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}, 2),
        ({"OMP_NUM_THREADS": "nonsense", "NUMBA_NUM_THREADS": "2"}, 2),
    ],
    ids=str,
)
def test_the_cap_on_threads_is_respected(environ, threads):
    """Counted by the kernel's own threads, beside what numba says."""
    script = """
    before = len(os.listdir("/proc/self/task")) if os.path.exists("/proc/self/task") else None
    run()
    after = len(os.listdir("/proc/self/task")) if before else None
    print(numba.get_num_threads(), after - before if before else numba.get_num_threads())
    """
    assert python(script, **environ) == f"{threads} {threads}"


@jitted
@pytest.mark.parametrize("name", ["NUMBA_THREADING_LAYER", "NUMBA_THREADING_LAYER_PRIORITY"])
def test_a_threading_layer_asked_for_is_obeyed(name):
    asked = {"NUMBA_THREADING_LAYER": "omp", "NUMBA_THREADING_LAYER_PRIORITY": "omp workqueue tbb"}
    script = "try:\n    run()\nexcept ValueError:\n    sys.exit(print('omp'))\nprint(numba.threading_layer())"
    assert python(script, **{name: asked[name]}) == "omp"


def test_without_the_jit_kernels_are_python():
    script = "values, members, offsets = values[:3], members[:800], offsets[:3]\nrun()\nprint(type(set_means).__name__)"
    assert python(script, NUMBA_DISABLE_JIT="1") == "function"


# ---------------------------------------------------------------- the cache

HIDDEN = """
import sys
sys.path.insert(0, {folder!r})
sys.meta_path[:] = [f for f in sys.meta_path if "editable" not in str(f).lower()]
"""


def copied(folder):
    """The foundation as it stands once installed: core/ is theracast, the other rooms are not needed here."""
    skip = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(CORE, folder / "theracast", ignore=skip)


def used_from(folder, **environ):
    """Where the package was found, and how many kernels came from a cache."""
    script = """
    import theracast
    wanted = values[0].mean()
    assert abs(np.frombuffer(run())[0] - wanted) < 1e-9
    stats = getattr(set_means, "stats", None)
    print(theracast.__file__, sum(stats.cache_hits.values()))
    """
    return python(script, head=HIDDEN.format(folder=str(folder)) + HEAD, cwd=CORE.parent, **environ).split()


@jitted
def test_a_second_process_reads_the_cache(tmp_path):
    package = copied(tmp_path)
    assert used_from(tmp_path) == [str(package / "__init__.py"), "0"]
    assert used_from(tmp_path) == [str(package / "__init__.py"), "1"]
    assert list((package / "kernels" / "__pycache__").glob("enrichment.set_means-*.nbi"))


@jitted
def test_a_helper_in_another_file_makes_the_cache_stale(tmp_path):
    package = copied(tmp_path)
    assert [used_from(tmp_path)[1] for _ in range(2)] == ["0", "1"]
    with (package / "kernels" / "ranks.py").open("a") as file:
        file.write("# changed\n")
    assert [used_from(tmp_path)[1] for _ in range(2)] == ["0", "1"]


@jitted
def test_from_a_zip_file_kernels_compile_anew(tmp_path):
    package = copied(tmp_path / "source")
    archive = tmp_path / "theracast.zip"
    with zipfile.ZipFile(archive, "w") as out:
        for file in package.rglob("*.py"):
            out.write(file, file.relative_to(tmp_path / "source"))
    found = used_from(archive, HOME=str(tmp_path / "home"), XDG_CACHE_HOME=str(tmp_path / "home"))
    assert found[0].startswith(str(archive))


@jitted
@pytest.mark.parametrize("elsewhere", [True, False], ids=["a home", "nowhere to write"])
def test_in_a_read_only_folder_kernels_work(tmp_path, elsewhere):
    """numba falls back to the user's own cache folder; where there is none either, nothing is cached."""
    package = copied(tmp_path / "source")
    home = tmp_path / "home"
    if elsewhere:
        home.mkdir()
    else:
        home.write_text("a file: no folder can be made in it, not even by root")
    pycache = package / "kernels" / "__pycache__"
    pycache.write_text("a file where the cache would be: read-only for root, too")
    for folder in (package, package / "kernels"):
        folder.chmod(0o555)
    try:
        found = used_from(tmp_path / "source", HOME=str(home), XDG_CACHE_HOME=str(home))
    finally:
        for folder in (package, package / "kernels"):
            folder.chmod(0o755)
    assert found == [str(package / "__init__.py"), "0"]
    assert any(home.rglob("*.nbi")) == elsewhere


@jitted
def test_a_cache_under_the_bare_name_cannot_poison(tmp_path):
    """`import core.kernels` from the repository's root once wrote a cache that broke every later import."""
    package = copied(tmp_path)
    bare = tmp_path / "core"
    bare.symlink_to(package)
    script = """
    from core.kernels.jit import kernel
    import types
    source = types.ModuleType("core.kernels.enrichment")
    source.__file__ = {file!r}
    sys.modules["core.kernels.enrichment"] = source
    exec(compile(open(source.__file__).read(), source.__file__, "exec"), vars(source))
    x = np.ones((2, 3))
    print(source.set_means(x, np.array([0, 1]), np.array([0, 2]), 0.5).tolist(), source.set_means.__module__)
    """.format(file=str(package / "kernels" / "enrichment.py"))
    head = HIDDEN.format(folder=str(tmp_path)) + "import numpy as np\n"
    assert python(script, head=head, cwd=tmp_path) == "[[1.0], [1.0]] core.kernels.enrichment"
    assert not list(tmp_path.rglob("*.nbi"))
    assert used_from(tmp_path)[1:] == ["0"]


# ---------------------------------------------------------------- at import

#: Imports every module of kernels and says of each compiled function: module, name, signatures, cache.
EVERY = """
import importlib, pkgutil, sys
import theracast.kernels
names = [m.name for m in pkgutil.iter_modules(theracast.kernels.__path__)]
modules = [importlib.import_module(f"theracast.kernels.{name}") for name in names]
from numba.core.dispatcher import Dispatcher
held = [(m.__name__, v) for m in modules for v in vars(m).values() if isinstance(v, Dispatcher)]
found = [v for name, v in held if v.__module__ == name]
"""


PLANTED = """
from theracast.kernels.jit import helper

@helper
def doubled(x):
    return 2 * x

doubled(1)
"""


@jitted
@pytest.mark.parametrize("planted", [[], ["doubled"]], ids=["as it is", "planted"])
def test_no_kernel_compiles_at_import(tmp_path, planted):
    file = copied(tmp_path) / "kernels" / "survival.py"
    if planted:
        file.write_text(file.read_text("utf-8") + PLANTED)
    script = """
    import numba
    print(len(found) > 30, [v.__name__ for v in found if v.signatures])
    try:
        print(numba.threading_layer())
    except ValueError:
        print("no threads")
    """
    said = python(script, head=HIDDEN.format(folder=str(tmp_path)) + EVERY, cwd=CORE.parent).splitlines()
    assert said[0] == f"True {planted}"
    assert said[1] == "no threads"


@jitted
def test_every_kernel_has_a_cache_under_its_installed_name(tmp_path):
    """In __pycache__ beside its module, in files that bear the names of both."""
    folder = copied(tmp_path) / "kernels"
    script = """
    for v in found:
        print(v.__module__, v.__name__, v._cache.cache_path, v._cache._impl.filename_base)
    """
    said = python(script, head=HIDDEN.format(folder=str(tmp_path)) + EVERY, cwd=CORE.parent).splitlines()
    compiled = re.compile(r"^@(kernel|helper|strict)$", re.MULTILINE)
    wanted = {f"theracast.kernels.{f.stem}" for f in folder.glob("*.py") if compiled.search(f.read_text("utf-8"))}
    assert {line.split()[0] for line in said} == wanted
    for module, name, place, base in map(str.split, said):
        assert place == str(folder / "__pycache__")
        assert base.startswith(f"{module.rsplit('.', 1)[1]}.{name}-")


@jitted
@pytest.mark.nightly
def test_every_kernel_can_be_cached(tmp_path):
    """numba keeps no kernel that asks for the number of threads: it compiles in every process, with a warning."""
    script = """
    import doctest, warnings
    warnings.simplefilter("error", numba.NumbaWarning)
    for module in modules:
        assert doctest.testmod(module).failed == 0
    print([v.__name__ for v in found if len(v.signatures) and not list(cache.rglob(f"*.{v.__name__}-*.nbc"))])
    """
    head = f"import numba\nfrom pathlib import Path\ncache = Path({str(tmp_path)!r})\n" + EVERY
    assert python(script, head=head, NUMBA_CACHE_DIR=str(tmp_path)) == "[]"


# ---------------------------------------------------------------- the guard


@jitted
def test_a_kernel_pickles():
    again = pickle.loads(pickle.dumps(set_means))
    assert again(np.ones((1, 2)), np.array([0, 1]), np.array([0, 2]), 0.5).tolist() == [[1.0]]


@jitted
def test_an_error_in_a_kernel_gives_the_turn_back():
    with pytest.raises(numba.TypingError):
        set_means("not an array", 1, 2, 3)
    script = """
    try:
        set_means("no", 1, 2, 3)
    except numba.TypingError:
        pass
    wanted, found = run(), []
    thread = threading.Thread(target=lambda: found.append(run()))
    thread.start(), thread.join(60)
    print(found == [wanted])
    """
    assert python(script) == "True"


@jitted
def test_kernels_may_call_kernels():
    @jit.kernel
    def twice(values, members, offsets):
        return 2 * set_means(values, members, offsets, 0.5)

    assert twice(np.ones((1, 2)), np.array([0, 1]), np.array([0, 2])).tolist() == [[2.0]]


def test_no_full_fast_math():
    assert not jit.FLAGS & {"nnan", "ninf", "fast"}
    x = np.array([[1.0, np.nan, 3.0]])
    assert set_means(x, np.arange(3), np.array([0, 3]), 0.5).tolist() == [[2.0]]
