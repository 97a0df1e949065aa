"""Load on the service over loopback, beside the model's own time in the same run.

    python experiments/benchmarks/serving.py [--seconds 20] [--clients 50] [--output experiments/benchmarks/serving.md]

The service is a process of its own, as `theracast serve` starts it, with a model of two bundled cohorts. Clients are
another process, keep their connection, and each asks for one patient. Three kinds of load: one client at a time;
clients that ask again SECONDS/request after their last question, so that the service would be busy for a share of its
time if it scored one by one (open arrivals); and clients that ask again at once (closed).

The model's own time is the median wall time of `Predictor.score` on a wide table of one patient, called in this
process with nothing beside it: no HTTP, no JSON, no ids checked. It is measured on the same machine in the same run,
before and after the load. The time of one call with as many patients as there are clients is given beside it.
The clients' share of the machine is theirs and the service's: both run on the same cores.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import platform
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import psutil

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.storage import save_model
from theracast.predict.predictor import Predictor

PORT = 8917


def requests_of(wide: pd.DataFrame) -> list[bytes]:
    """Write each patient as a request, whole."""
    made = []
    for patient_id, row in zip(wide.index, wide.to_dict("records"), strict=True):
        patient: dict[str, object] = {"patient_id": str(patient_id)}
        for name, value in row.items():
            if not pd.isna(value):
                table, column = str(name).split(":", 1)
                patient.setdefault(table, {})[column] = value  # type: ignore[index]
        body = json.dumps({"patients": [patient]}).encode()
        head = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
        made.append(f"POST /predict HTTP/1.1\r\n{head}\r\n\r\n".encode() + body)
    return made


def own_times(predictor: Predictor, wide: pd.DataFrame, rows: int = 1, n: int = 60) -> np.ndarray:
    """Measure the model alone, some patients at a time, seconds."""
    tables = [wide.iloc[[(i + k) % len(wide) for k in range(rows)]].copy() for i in range(n)]
    for table in tables:
        table.index = [f"p{k}" for k in range(rows)]
    for table in tables[:5]:
        predictor.score(table)
    times = []
    for table in tables:
        started = time.perf_counter()
        predictor.score(table)
        times.append(time.perf_counter() - started)
    return np.array(times)


@contextlib.contextmanager
def served(folder: Path, workers: int) -> Iterator[psutil.Process]:
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
        yield psutil.Process(running.pid)
    finally:
        running.terminate()
        running.wait(90)


class Client(asyncio.Protocol):
    """One connection; as little of a client as there can be, for it takes its time from the service."""

    def __init__(self) -> None:
        self.held = b""
        self.length = 0
        self.answer: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way out."""
        self.transport = transport

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """Send a request; gives the status."""
        self.held, self.length = b"", 0
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)  # type: ignore[attr-defined]
        return self.answer

    def data_received(self, data: bytes) -> None:
        """Take in an answer; the last part of it wakes who waits."""
        self.held += data
        if not self.length:
            end = self.held.find(b"\r\n\r\n")
            at = self.held.find(b"content-length: ")
            if end < 0 or at < 0:
                return
            self.length = end + 4 + int(self.held[at + 16 : self.held.index(b"\r", at)])
        if len(self.held) >= self.length and self.answer is not None and not self.answer.done():
            self.answer.set_result(int(self.held[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits that there is no answer."""
        if self.answer is not None and not self.answer.done():
            self.answer.set_result(0)


async def _load(requests: list[bytes], clients: int, seconds: float, pause: float) -> list[tuple[float, int]]:
    answers: list[tuple[float, int]] = []
    loop, ends = asyncio.get_running_loop(), time.monotonic() + seconds

    async def one(k: int) -> None:
        rng = random.Random(k)
        _, client = await loop.create_connection(Client, "127.0.0.1", PORT)
        await asyncio.sleep(rng.uniform(0, max(pause, 0.01)))
        while time.monotonic() < ends:
            due = time.monotonic() + (rng.expovariate(1 / pause) if pause else 0.0)
            if client.transport.is_closing():  # the service hangs up on who is silent for long
                _, client = await loop.create_connection(Client, "127.0.0.1", PORT)
            started = time.perf_counter()
            status = await client.ask(rng.choice(requests))
            answers.append((time.perf_counter() - started, status))
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    await asyncio.gather(*(one(k) for k in range(clients)))
    return answers


def load(requests: list[bytes], clients: int, seconds: float, pause: float) -> tuple[list[tuple[float, int]], float]:
    """Ask for some seconds; give (seconds, status) of each answer, and the processor time that asking took."""
    started = time.process_time()
    return asyncio.run(_load(requests, clients, seconds, pause)), time.process_time() - started


def row(name: str, clients: int, answers: list, seconds: float, own: float, spent: tuple[float, float]) -> str:
    """Write one line of the table."""
    times = np.array([t for t, status in answers if status == 200])
    refused = len(answers) - len(times)
    p50, p95, p99 = np.quantile(times, [0.5, 0.95, 0.99])
    served, asked = (1000 * s / max(1, len(answers)) for s in spent)
    return (
        f"| {name} | {clients} | {len(times)} | {refused} | {len(times) / seconds:.1f} | {served:.1f} | {asked:.2f} | "
        f"{1000 * p50:.0f} | {1000 * p95:.0f} | {1000 * p99:.0f} | {p50 / own:.2f} | {p99 / own:.2f} |"
    )


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--note", default="", help="how it was run, where that matters")
    asked = parser.parse_args()
    model = ResponseModel().fit(Cohort.concat([load_cohort("liu2019_mel"), load_cohort("riaz2017_mel")]))
    wide = load_cohort("mgh2022_mel").wide()
    requests = requests_of(wide)
    predictor = Predictor(model, "0" * 64)
    busy_before = os.getloadavg()[0]
    before, many = own_times(predictor, wide), own_times(predictor, wide, asked.clients, 20)
    own, crowd = float(np.median(before)), float(np.median(many))
    lines = []
    fresh = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    with tempfile.TemporaryDirectory() as scratch, fresh as pool:
        save_model(model, Path(scratch) / "model")
        with served(Path(scratch) / "model", asked.workers) as process:
            pool.submit(load, requests, asked.clients, 3.0, 0.0).result()
            for name, clients, busy in (
                ("one after the other", 1, None),
                ("paced, one by one busy 25%", asked.clients, 0.25),
                ("paced, one by one busy 50%", asked.clients, 0.5),
                ("at once again (closed)", asked.clients, 1.0),
            ):
                pause = 0.0 if busy in (None, 1.0) else clients * own / float(busy or 1)
                started = sum(process.cpu_times()[:2])
                answers, spent = pool.submit(load, requests, clients, asked.seconds, pause).result()
                both = sum(process.cpu_times()[:2]) - started, spent
                lines.append(row(name, clients, answers, asked.seconds, own, both))
    after = float(np.median(own_times(predictor, wide)))
    command = f"python {sys.argv[0]} --seconds {asked.seconds:g} --clients {asked.clients}"
    head = [
        "# The service under load (loopback)",
        "",
        f"`{command}` on {platform.machine()}, {os.cpu_count()} cores, load average before the run "
        f"{busy_before:.1f}, Python {platform.python_version()}; {asked.workers} worker threads. Every request is one "
        f"patient of mgh2022_mel with {wide.shape[1]} columns, the model that of two bundled cohorts.",
        *(["", asked.note] if asked.note else []),
        "",
        "The model's own time is that of `Predictor.score` on one patient, in this process, without HTTP or JSON: "
        f"{1000 * own:.1f} ms before, {1000 * after:.1f} ms after the run (medians of {len(before)}; p99 before "
        f"{1000 * float(np.quantile(before, 0.99)):.0f} ms). '/ own' divides by the first. One call with "
        f"{asked.clients} patients takes {1000 * crowd:.1f} ms ({crowd / own:.2f} of it). CPU is the processor time "
        "of an answer, of the service and of the client that asks; both share the cores.",
        "",
        "| load | clients | answers | refused | per second | CPU ms | client CPU ms | p50 ms | p95 ms | p99 ms "
        "| p50 / own | p99 / own |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    text = "\n".join([*head, *lines, ""])
    print(text)
    if asked.output:
        asked.output.write_text(text)


if __name__ == "__main__":
    main()
