"""What a feature matrix at scale costs: peak memory above the loaded cohort, in units of the matrix's float32 size.

SIMULATED expression of many patients and genes through the block `expression`, every gene a feature. Linux: the peak
is VmHWM, set back before each step. Run: python experiments/benchmarks/matrix_memory.py [PATIENTS GENES] [--json]
"""

from __future__ import annotations

import ctypes
import gc
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from theracast.features.assembler import FeatureAssembler
from theracast.features.cohort import Cohort
from theracast.features.matrix import FeatureMatrix
from theracast.provenance import Source


def simulated(patients: int, genes: int) -> Cohort:
    """Draw a cohort of two platforms, of which one lacks a tenth of the genes."""
    rng = np.random.default_rng(4)
    cells = rng.random((patients, genes), dtype=np.float32) * np.float32(15)
    cells[patients * 3 // 5 :, -(genes // 10) :] = np.nan
    ids = pd.Index([f"p{i:06}" for i in range(patients)], name="patient_id")
    table = pd.DataFrame(cells, index=ids, columns=[f"G{i:05}" for i in range(genes)], copy=False)
    studies = pd.Series(np.where(np.arange(patients) % 2, "simulated_a", "simulated_b"), index=ids, dtype=object)
    roster = pd.DataFrame({"patient_id": ids, "repeats": -1, "code": "", "reason": ""})
    return Cohort(
        "simulated", ids, {"expression": table}, roster, (Source("expression", "memory", "0" * 64),), {}, studies
    )


def memory(field: str) -> int:
    """Read VmRSS or VmHWM of this process, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


@contextmanager
def watched(name: str, size: int, seen: dict[str, dict[str, float]]) -> Iterator[None]:
    """Note the seconds, and the peak above what was held before."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    before, begun = memory("VmRSS"), time.perf_counter()
    yield
    peak = memory("VmHWM") - before
    seen[name] = {"seconds": time.perf_counter() - begun, "peak_mb": peak / 1e6, "times_float32": peak / size}


def run(patients: int, genes: int) -> dict[str, dict[str, float]]:
    """Build, describe, draw, write and read back."""
    cohort = simulated(patients, genes)
    small = cohort.subset(cohort.ids[:2])
    FeatureAssembler(["expression"]).fit(small).matrix(small).plot_missing()  # imports are no part of it
    size = patients * genes * 4
    seen: dict[str, dict[str, float]] = {}
    with watched("build", size, seen):
        matrix = FeatureAssembler(["expression"]).fit(cohort).matrix(cohort)
    steps: dict[str, Callable[[], object]] = {"describe": matrix.describe, "present": matrix.present}
    steps |= {"trace": lambda: matrix.trace("expression__G00001"), "plot_missing": matrix.plot_missing}
    for name, step in steps.items():
        with watched(name, size, seen):
            step()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "m.parquet")
        with watched("to_parquet", size, seen):
            matrix.to_parquet(file)
        with watched("from_parquet", size, seen):
            again = FeatureMatrix.from_parquet(file)
        with watched("from_parquet, 100 genes of 50 patients", size, seen):
            FeatureMatrix.from_parquet(file, columns=list(matrix.lineage)[:100], rows=matrix.values.index[:50])
    if not again.values.equals(matrix.values) or again.lineage != matrix.lineage:
        raise SystemExit("what was read is not what was written")
    return seen


if __name__ == "__main__":
    given = [int(a) for a in sys.argv[1:] if a.isdigit()]
    found = run(*(given or (10_000, 20_000)))
    print(json.dumps(found) if "--json" in sys.argv else pd.DataFrame(found).T.round(2).to_string())
