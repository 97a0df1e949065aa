"""What every benchmark does: check that both agree, alternate them in one process, keep the medians."""

from __future__ import annotations

import gc
import statistics
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import numpy as np

PAIRS = 5
COLUMNS = (
    "job",
    "size",
    "ours_s",
    "peer",
    "peer_version",
    "peer_s",
    "ratio",
    "ratio_min",
    "ratio_max",
    "pairs",
    "agreement",
    "ours_peak_mb",
    "peer_peak_mb",
    "goal",
)


class Disagreement(SystemExit):
    """Ours and the peer differ: a wrong result has no speed."""

    def __init__(self, job: str, text: str) -> None:
        super().__init__(text)
        self.job = job


def paired(
    job: str,
    size: str,
    ours: Callable[[], Any],
    peer: Callable[[], Any],
    *,
    package: str,
    differ: Callable[[Any, Any], float],
    tolerance: float,
    goal: float,
    note: str = "",
) -> dict[str, Any]:
    """Time ours beside a peer.

    Parameters
    ----------
    job, size : str
        Name of the job, and what was computed; the first number of `size` is the number of samples, which the
        scaling curves read.
    ours, peer : callable
        No arguments; the result is compared before anything is timed, which also compiles the kernels.
    package : str
        The peer's package, for its version; may be followed by a colon and the function.
    differ : callable
        Largest difference of the two results.
    tolerance : float
        More than this is a failure: a wrong result has no speed.
    goal : float
        The ratio that was promised.
    note : str
        Said beside the job.

    Returns
    -------
    dict
        One row with `COLUMNS`; ratio is peer over ours.
    """
    agreement = float(differ(ours(), peer()))
    if not agreement <= tolerance:
        raise Disagreement(job, f"{job} {size}: differs from {package} by {agreement:.3g}, more than {tolerance:.3g}")
    (_, ours_mb), (_, peer_mb) = measured(ours), measured(peer)
    times = [(timed(ours), timed(peer)) for _ in range(PAIRS)]
    ratios = [p / o for o, p in times]
    return {
        "job": job,
        "size": size + (f" ({note})" if note else ""),
        "ours_s": round(statistics.median(o for o, _ in times), 6),
        "peer": package,
        "peer_version": version(package.split(":")[0]),
        "peer_s": round(statistics.median(p for _, p in times), 5),
        "ratio": round(statistics.median(ratios), 1),
        "ratio_min": round(min(ratios), 1),
        "ratio_max": round(max(ratios), 1),
        "pairs": PAIRS,
        "agreement": f"{agreement:.0e}",
        "ours_peak_mb": round(ours_mb),
        "peer_peak_mb": round(peer_mb),
        "goal": goal,
    }


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds of one call."""
    gc.collect()
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def measured(call: Callable[[], Any]) -> tuple[Any, float]:
    """Return the result of one call and by how many MB the process grew at most while it ran."""
    page = 4096 / 2**20
    statm = Path("/proc/self/statm")
    before = peak = int(statm.read_text().split()[1]) * page
    done = threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, int(statm.read_text().split()[1]) * page)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = call()
    finally:
        done.set()
        watcher.join()
    return result, max(peak - before, 0.0)


def largest(a: Any, b: Any) -> float:
    """Return the largest absolute difference of two arrays; NaN must meet NaN."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.shape != b.shape or (np.isnan(a) != np.isnan(b)).any():
        return float("inf")
    return float(np.nanmax(np.abs(a - b), initial=0.0))


def threads() -> int:
    """Return how many threads the kernels use."""
    return int(numba.get_num_threads())
