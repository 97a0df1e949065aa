"""Load on the service over loopback, beside the model's own time in the same run.

    python experiments/benchmarks/serving.py [--seconds 20] [--clients 50] [--output experiments/benchmarks/serving.md]

The service is a process of its own, as `theracast serve` starts it, with a model of two bundled cohorts. Clients keep
their connection and each asks for one patient. Three kinds of load: one client at a time; clients that ask again
SECONDS/request after their last question, so that the service is busy for a share of its time (open arrivals); and
clients that ask again at once (closed), when it is busy always and a queue of all the others stands before each.
The model's own time is that of `Predictor.score` on one patient in this process, measured before and after.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pandas as pd

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.storage import save_model
from theracast.predict.predictor import Predictor

PORT = 8917


def requests_of(wide: pd.DataFrame) -> list[dict[str, object]]:
    """Write each patient as a request."""
    made = []
    for patient_id, row in zip(wide.index, wide.to_dict("records"), strict=True):
        patient: dict[str, object] = {"patient_id": str(patient_id)}
        for name, value in row.items():
            if not pd.isna(value):
                table, column = str(name).split(":", 1)
                patient.setdefault(table, {})[column] = value  # type: ignore[index]
        made.append({"patients": [patient]})
    return made


def own_times(predictor: Predictor, wide: pd.DataFrame, n: int = 60) -> np.ndarray:
    """Measure the model alone, one patient at a time, seconds."""
    rows = [wide.iloc[[i % len(wide)]] for i in range(n)]
    for row in rows[:5]:
        predictor.score(row)
    times = []
    for row in rows:
        started = time.perf_counter()
        predictor.score(row)
        times.append(time.perf_counter() - started)
    return np.array(times)


@contextlib.contextmanager
def served(folder: Path, workers: int) -> Iterator[str]:
    """Start the service and wait until it is ready."""
    code = "from theracast.predict.cli import main; main()"
    options = ["serve", str(folder), "--port", str(PORT), "--concurrency", "400", "--workers", str(workers)]
    running = subprocess.Popen([sys.executable, "-c", code, *options], stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{PORT}"
    try:
        for _ in range(1200):
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(f"{address}/ready").status_code == 200:
                    break
            time.sleep(0.1)
        yield address
    finally:
        running.terminate()
        running.wait(90)


async def load(address: str, payloads: list[dict[str, object]], clients: int, seconds: float, pause: float) -> list:
    """Ask for some seconds; give (seconds, status) of each answer."""
    answers: list[tuple[float, int]] = []
    ends = time.monotonic() + seconds

    async def one(k: int) -> None:
        rng = random.Random(k)
        async with httpx.AsyncClient(base_url=address, timeout=120) as client:
            await asyncio.sleep(rng.uniform(0, max(pause, 0.01)))
            while time.monotonic() < ends:
                due = time.monotonic() + (rng.expovariate(1 / pause) if pause else 0.0)
                started = time.perf_counter()
                answer = await client.post("/predict", json=rng.choice(payloads))
                answers.append((time.perf_counter() - started, answer.status_code))
                await asyncio.sleep(max(0.0, due - time.monotonic()))

    await asyncio.gather(*(one(k) for k in range(clients)))
    return answers


def row(name: str, clients: int, answers: list, seconds: float, own: float) -> str:
    """Write one line of the table."""
    times = np.array([t for t, status in answers if status == 200])
    refused = len(answers) - len(times)
    p50, p95, p99 = np.quantile(times, [0.5, 0.95, 0.99])
    rate = len(times) / seconds
    return (
        f"| {name} | {clients} | {len(times)} | {refused} | {rate:.1f} | {rate * own:.0%} | {1000 * p50:.0f} | "
        f"{1000 * p95:.0f} | {1000 * p99:.0f} | {p50 / own:.1f} | {p99 / own:.1f} |"
    )


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    model = ResponseModel().fit(Cohort.concat([load_cohort("liu2019_mel"), load_cohort("riaz2017_mel")]))
    wide = load_cohort("mgh2022_mel").wide()
    payloads = requests_of(wide)
    predictor = Predictor(model, "0" * 64)
    before = own_times(predictor, wide)
    own = float(np.median(before))
    lines = []
    with tempfile.TemporaryDirectory() as scratch:
        save_model(model, Path(scratch) / "model")
        with served(Path(scratch) / "model", asked.workers) as address:
            asyncio.run(load(address, payloads, 2, 3.0, 0.0))
            for name, clients, busy in (
                ("one after the other", 1, None),
                ("paced, busy 25% of the time", asked.clients, 0.25),
                ("paced, busy 50% of the time", asked.clients, 0.5),
                ("at once again (closed)", asked.clients, 1.0),
            ):
                pause = 0.0 if busy in (None, 1.0) else clients * own / float(busy or 1)
                answers = asyncio.run(load(address, payloads, clients, asked.seconds, pause))
                lines.append(row(name, clients, answers, asked.seconds, own))
    after = float(np.median(own_times(predictor, wide)))
    head = [
        "# The service under load (loopback)",
        "",
        f"`python {' '.join(sys.argv)}` on {platform.machine()}, {os.cpu_count()} cores, load average before the run "
        f"{os.getloadavg()[2]:.1f}, Python {platform.python_version()}; {asked.workers} worker thread(s). Every "
        "request is one patient of mgh2022_mel with "
        f"{wide.shape[1]} columns, the model that of two bundled cohorts.",
        "",
        f"The model's own time for one patient: {1000 * own:.0f} ms before, {1000 * after:.0f} ms after the run "
        f"(medians of {len(before)}; p99 before {1000 * float(np.quantile(before, 0.99)):.0f} ms). '/ own' divides by "
        "the first.",
        "",
        "| load | clients | answers | refused | per second | busy | p50 ms | p95 ms | p99 ms | p50 / own | p99 / own |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    text = "\n".join([*head, *lines, ""])
    print(text)
    if asked.output:
        asked.output.write_text(text)


if __name__ == "__main__":
    main()
