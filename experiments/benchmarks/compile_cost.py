"""What the first call of each kernel costs, in fresh processes: cold with an empty cache, warm from a full one.

The call is the kernel's docstring example. Writes compile_cost.csv and the page. Run: make bench JOB=compile.
"""

from __future__ import annotations

import csv
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pandas as pd
from page import write_page

import theracast.kernels

HERE = Path(__file__).parent
#: Prints seconds of the import, of the first calls, and the names of what was called.
ONE = """
import doctest, importlib, io, json, sys, time
import numba, numpy
begun = time.perf_counter()
modules = [importlib.import_module(f"theracast.kernels.{m}") for m in sys.argv[1].split(",")]
imported = time.perf_counter() - begun
tests = [t for m in modules for t in doctest.DocTestFinder().find(m) if t.examples]
wanted = [t for t in tests if sys.argv[2] == "*" or t.name.endswith("." + sys.argv[2])]
runner = doctest.DocTestRunner(verbose=False)
begun = time.perf_counter()
for test in wanted:
    runner.run(test, out=io.StringIO().write)
called = time.perf_counter() - begun
print(json.dumps([imported, called, runner.failures, len(wanted)]))
"""
NAMES = """
import importlib, json, pkgutil, theracast.kernels
from numba.core.dispatcher import Dispatcher
print(json.dumps([[m.name, k] for m in pkgutil.iter_modules(theracast.kernels.__path__) if m.name != "jit"
    for k, v in vars(importlib.import_module("theracast.kernels." + m.name)).items()
    if k[0] != "_" and isinstance(v, Dispatcher) and v.__module__.endswith("." + m.name)]))
"""


def python(script: str, *args: str, **environ: str) -> list:
    """Run a script in a fresh process and read the JSON it prints."""
    done = subprocess.run(
        [sys.executable, "-c", script, *args], capture_output=True, text=True, check=True, env=os.environ | environ
    )
    return json.loads(done.stdout.splitlines()[-1])


def cost(modules: str, kernel: str) -> tuple[float, float, float]:
    """Seconds of the import, of the cold and of the warm first call."""
    with tempfile.TemporaryDirectory() as cache:
        _, cold, failed, found = python(ONE, modules, kernel, NUMBA_CACHE_DIR=cache)
        imported, warm, _, _ = python(ONE, modules, kernel, NUMBA_CACHE_DIR=cache)
    if failed or not found:
        raise SystemExit(f"{modules}.{kernel}: its example {'fails' if failed else 'is missing'}")
    return round(imported, 3), round(cold, 3), round(warm, 3)


def main() -> None:
    """Measure every public kernel, then all in one process."""
    kernels = python(NAMES)
    rows: list[list] = []
    for i, (module, kernel) in enumerate(kernels, start=1):
        imported, cold, warm = cost(module, kernel)
        rows.append([module, kernel, imported, cold, warm])
        print(f"[{i}/{len(kernels)}] {module}.{kernel}: import {imported} s, cold {cold} s, warm {warm} s")
    modules = ",".join(m.name for m in pkgutil.iter_modules(theracast.kernels.__path__) if m.name != "jit")
    rows.append(["", "all of them", *cost(modules, "*")])
    with (HERE / "compile_cost.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["module", "kernel", "import_s", "cold_s", "warm_s"], *rows])
    write_page(HERE, pd.read_csv(HERE / "results.csv"))
    print(f"wrote compile_cost.csv and README.md: all in one process cold {rows[-1][3]} s, warm {rows[-1][4]} s")


if __name__ == "__main__":
    main()
