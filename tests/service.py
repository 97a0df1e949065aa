"""The service in tests: inside this process, and as a process of its own."""

import asyncio
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx
import numpy as np
import pandas as pd
import uvicorn

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.selection import SelectionModel
from theracast.models.selection_spec import Arm, SelectionSpec
from theracast.predict.predictor import Predictor
from theracast.predict.serve.app import create_app
from theracast.predict.serve.held import HeldModel
from theracast.predict.serve.journal import Journal
from theracast.predict.serve.limits import Limits
from theracast.predict.therapies import SelectionPredictor

DRUGS = ("etanercept", "rituximab")
SPEC = SelectionSpec(
    "simulated_choice",
    "A SIMULATED choice",
    "response",
    "week 12",
    "nobody",
    tuple(Arm(t, m, "simulated", ("clinical",), "age") for t, m in zip(DRUGS, ("TNF", "CD20"), strict=True)),
    "Tests.",
    "Anyone.",
)


def response_predictor(version="3", **options):
    model = ResponseModel("melanoma_ici", **options).fit(load_cohort("liu2019_mel"))
    return Predictor(model, "0" * 64, uri="models:/melanoma_ici@champion", version=version)


def choice_predictor():
    """SIMULATED: young patients respond to the first drug, old ones to the second."""
    rng = np.random.default_rng(5)
    age, got = rng.uniform(20, 80, 300), rng.choice(DRUGS, 300)
    helped = np.where(got == DRUGS[0], age < 50, age >= 50) ^ (rng.random(300) < 0.15)
    table = pd.DataFrame({"age": age, "treatment": got, "response": np.where(helped, "R", "NR")})
    study = Cohort.from_tables({"clinical": table.set_axis([f"s{i}" for i in range(300)])}, name="simulated")
    return SelectionPredictor(
        SelectionModel(SPEC).fit({"simulated": study}), "1" * 64, uri="models:/simulated_choice@champion", version="7"
    )


def as_patients(wide):
    """The rows of a wide table as a request has them."""
    patients = []
    for patient_id, row in zip(wide.index, wide.to_dict("records"), strict=True):
        patient = {"patient_id": patient_id}
        for name, value in row.items():
            if not pd.isna(value):
                table, column = name.split(":", 1)
                patient.setdefault(table, {})[column] = value
        patients.append(patient)
    return patients


@dataclass
class Client:
    """Asks a service inside this process."""

    predictor: object = None
    held: HeldModel = None
    options: dict = field(default_factory=dict)

    def __post_init__(self):
        if self.held is None:
            self.held = HeldModel(lambda: self.predictor)
            if self.predictor is not None:
                self.held.start()
        self.log = io.StringIO()
        self.app = create_app(self.held, journal=Journal(self.log), **self.options)

    def ask(self, method, path, **request):
        return self.ask_all([(method, path, request)])[0]

    def post(self, path, payload=None, **request):
        return self.ask("POST", path, **({"json": payload} if payload is not None else {}), **request)

    def ask_all(self, requests):
        """All at the same time."""

        async def all_of_them():
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=None) as client:
                return await asyncio.gather(*(client.request(m, p, **r) for m, p, r in requests))

        return in_a_loop_of_its_own(all_of_them)

    def lines(self):
        return [json.loads(line) for line in self.log.getvalue().splitlines()]


def refused(answer, status, code):
    """An answer that says no, as every one of them does."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    error = answer.json()["error"]
    assert list(error) == ["code", "what", "where", "wanted", "do"]
    assert error["code"] == code, error
    assert error["what"]
    assert "Traceback" not in answer.text
    return error


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def process(folder, scratch, *options, env=None):
    """``theracast serve`` as a user runs it; gives its address, itself, and where its log goes."""
    port, log = free_port(), scratch / "log.txt"
    code = "from theracast.predict.cli import main; main()"
    with log.open("wb") as out:
        running = subprocess.Popen(
            [sys.executable, "-c", code, "serve", str(folder), "--port", str(port), *options],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=scratch,
            env={**os.environ, "TMPDIR": str(scratch), **(env or {})},
        )
        try:
            address = f"http://127.0.0.1:{port}"
            for _ in range(600):
                assert running.poll() is None, log.read_text()
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{address}/ready").status_code == 200:
                        break
                time.sleep(0.1)
            yield address, running, log
        finally:
            if running.poll() is None:
                running.send_signal(signal.SIGKILL)
            running.wait()


SMALL = Limits(
    body_bytes=20_000,
    bytes_in_flight=100_000,
    patients=4,
    columns=30,
    cells=60,
    text=50,
    concurrency=8,
    workers=2,
    body_seconds=0.3,
    work_seconds=5.0,
)


@contextlib.contextmanager
def listening(app):
    """The application behind a socket, in a thread of this process."""
    server = uvicorn.Server(uvicorn.Config(app, port=free_port(), log_config=None, access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.config.port}"
    finally:
        server.should_exit = True
        thread.join(20)


def in_a_loop_of_its_own(story):
    """Run a coroutine function; a browser, once started, keeps a loop running in the main thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: asyncio.run(story())).result()
