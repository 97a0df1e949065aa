"""Time the kernels beside their peers: same process, alternating, median of five pairs, agreement checked first.

Run: make bench, or make bench JOB=set_means
Writes results.csv and the table in README.md beside this file.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from theracast.kernels.enrichment import set_means
from theracast.predict.tables import markdown

HERE = Path(__file__).parent
PAIRS = 5


def job_set_means() -> list[dict]:
    """Gene-set means of 300 samples x 20,000 genes x 50 sets, against one numpy call per set."""
    rng = np.random.default_rng(0)
    rows = []
    for samples in (100, 300, 1000):
        values = rng.gamma(2.0, 2.0, size=(samples, 20_000)).astype(np.float32)  # simulated
        sets = [rng.choice(20_000, size=size, replace=False) for size in rng.integers(10, 200, size=50)]
        members = np.concatenate(sets).astype(np.int64)
        offsets = np.cumsum([0, *(len(s) for s in sets)]).astype(np.int64)
        ours = partial(set_means, values, members, offsets, 0.8)
        peer = partial(means_by_numpy, values, sets)
        rows.append(paired("set_means", f"{samples} x 20k x 50", ours, "numpy", np.__version__, peer))
    return rows


def means_by_numpy(values: np.ndarray, sets: list[np.ndarray]) -> np.ndarray:
    """Do what one would write without a kernel."""
    return np.column_stack([np.nanmean(values[:, genes], axis=1, dtype=np.float64) for genes in sets])


def paired(job: str, size: str, ours: Callable, name: str, version: str, peer: Callable) -> dict:
    """Alternate both, after checking that they agree."""
    agreement = float(np.max(np.abs(ours() - peer())))
    if agreement > 1e-6:
        raise SystemExit(f"{job} {size}: differs from {name} by {agreement}")
    times = [(timed(ours), timed(peer)) for _ in range(PAIRS)]
    ratios = [p / o for o, p in times]
    return {
        "job": job,
        "size": size,
        "ours_s": round(statistics.median(o for o, _ in times), 5),
        "peer": name,
        "peer_version": version,
        "peer_s": round(statistics.median(p for _, p in times), 5),
        "ratio": round(statistics.median(ratios), 1),
        "ratio_min": round(min(ratios), 1),
        "ratio_max": round(max(ratios), 1),
        "pairs": PAIRS,
        "agreement": f"{agreement:.0e}",
    }


def timed(call: Callable) -> float:
    """Seconds of one call."""
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


JOBS = {"set_means": job_set_means}


def main() -> None:
    """Run the jobs named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("job", nargs="*", choices=[*JOBS, []], help="default: all")
    jobs = parser.parse_args().job or list(JOBS)
    results = pd.DataFrame([row for job in jobs for row in JOBS[job]()])
    results.to_csv(HERE / "results.csv", index=False)
    head = "# Benchmarks\n\nWritten by `make bench`. Simulated input; one process, alternating. Ratio = peer / ours.\n"
    (HERE / "README.md").write_text(f"{head}\n{markdown(results)}\n", encoding="utf-8")
    print(markdown(results))


if __name__ == "__main__":
    main()
