"""What the first call of each kernel costs, in fresh processes: cold with an empty cache, warm from a full one.

The call is the kernel's docstring example. Before any kernel numba sets itself up, once per process (its registries,
and scipy.linalg for them): a kernel that only doubles an array shows how much of a first call that is. Writes
compile.csv and the page. Run: make bench JOB=compile.
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from page import write_page

HERE = Path(__file__).parent
#: Warm calls, each in a process of its own; the median counts.
REPEATS = 3
#: Prints seconds of importing the module and of its example, what failed, and how many compiled functions were loaded.
ONE = """
import doctest, importlib, io, json, sys, time
import numba, numpy
from numba.core.dispatcher import Dispatcher
begun = time.perf_counter()
modules = [importlib.import_module(m) for m in sys.argv[1].split(",")]
imported = time.perf_counter() - begun
tests = [t for m in modules for t in doctest.DocTestFinder().find(m) if t.examples]
wanted = [t for t in tests if sys.argv[2] == "*" or t.name.endswith("." + sys.argv[2])]
runner = doctest.DocTestRunner(verbose=False)
begun = time.perf_counter()
for test in wanted:
    runner.run(test, out=io.StringIO().write)
called = time.perf_counter() - begun
every = {v for m in list(sys.modules.values()) for v in list(vars(m).values()) if isinstance(v, Dispatcher)}
hits = sum(n for v in every for n in v.stats.cache_hits.values())
print(json.dumps([imported, called, runner.failures, len(wanted), hits]))
"""
NAMES = """
import importlib, json, pkgutil, theracast.kernels
names = [f"theracast.kernels.{m.name}" for m in pkgutil.iter_modules(theracast.kernels.__path__) if m.name != "jit"]
print(json.dumps([[name, k] for name in names for k, v in vars(importlib.import_module(name)).items()
    if k[0] != "_" and callable(v) and v.__module__ == name]))
"""
TRIVIAL = '''
import numba
import numpy as np

@numba.njit(cache=True, parallel=True)
def doubled(x):
    """
    >>> doubled(np.ones(2)).tolist()
    [2.0, 2.0]
    """
    out = np.empty(x.size)
    for i in numba.prange(x.size):
        out[i] = 2 * x[i]
    return out
'''


def python(script: str, *args: str, **environ: str) -> list:
    """Run a script in a fresh process and read the JSON it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script, *args], capture_output=True, text=True, check=True, env=os.environ | environ
    )
    return json.loads(done.stdout.splitlines()[-1])


def cost(modules: str, kernel: str, **environ: str) -> list[float]:
    """Seconds of the import, of the cold and of the warm first call, and how many functions the cache gave."""
    with tempfile.TemporaryDirectory() as cache:
        _, cold, failed, found, _ = python(ONE, modules, kernel, NUMBA_CACHE_DIR=cache, **environ)
        warm = [python(ONE, modules, kernel, NUMBA_CACHE_DIR=cache, **environ) for _ in range(REPEATS)]
    if failed or not found:
        raise ValueError(f"{modules}.{kernel}: its example {'fails' if failed else 'is missing'}")
    imported, called = (statistics.median(run[i] for run in warm) for i in (0, 1))
    return [round(imported, 3), round(cold, 3), round(called, 3), warm[0][4]]


def main() -> None:
    """Measure numba itself, every public kernel, then all in one process."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "trivial.py").write_text(TRIVIAL)
        rows: list[list] = [["", "numba itself", *cost("trivial", "doubled", PYTHONPATH=folder)]]
    kernels = python(NAMES)
    wrong = 0
    for i, (module, kernel) in enumerate(kernels, start=1):
        try:
            rows.append([module.rsplit(".", 1)[1], kernel, *cost(module, kernel)])
        except ValueError as error:
            wrong += 1
            print(f"[{i}/{len(kernels)}] WRONG: {error}")
            continue
        print(f"[{i}/{len(kernels)}] {module}.{kernel}: cold {rows[-1][3]} s, warm {rows[-1][4]} s", flush=True)
    if wrong:
        raise SystemExit(f"{wrong} examples are wrong: nothing written")
    rows.append(["", "all of them", *cost(",".join(dict.fromkeys(m for m, _ in kernels)), "*")])
    with (HERE / "compile.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["module", "kernel", "import_s", "cold_s", "warm_s", "loaded"], *rows])
    write_page(HERE, pd.read_csv(HERE / "results.csv"))
    print(f"wrote compile.csv and README.md: all in one process cold {rows[-1][3]} s, warm {rows[-1][4]} s")


if __name__ == "__main__":
    main()
