"""Stores with models in them, for tests of the registry."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress

from typer.testing import CliRunner

from theracast.models.config import Experiment
from theracast.models.train import train
from theracast.predict.cli_models import app
from theracast.predict.publish import register
from theracast.predict.store import connect

MELANOMA = "melanoma_ici"
#: A version must come from a run or a logged model of the server: no path, no file://.
SOURCES = "^(models:/m-[0-9a-f]{32}|runs:/.*|mlflow-artifacts:/.*)$"
SMALL = Experiment(
    indication=MELANOMA,
    cohorts=["liu2019_mel", "riaz2017_mel"],
    holdout=["mgh2022_mel"],
    sets={"both trained": ["liu2019_mel", "riaz2017_mel"]},
)


def versions_of(folder, *experiments, store=None):
    """Train and register, without a champion; equal experiments are trained once."""
    store = store or f"sqlite:///{folder / 'mlflow.db'}"
    trained = {}
    for experiment in experiments:
        if experiment.digest not in trained:
            trained[experiment.digest] = train(experiment)
        register(trained[experiment.digest], tracking=store, promote=False)
    return store


def bare_versions(store, count, name="m", champion="1"):
    """A registered model with versions that hold nothing, for what only moves aliases."""
    mlflow, _ = connect(store, create=True)
    client = mlflow.MlflowClient()
    client.create_registered_model(name)
    run = client.create_run("0").info
    for _ in range(count):
        client.create_model_version(name, f"{run.artifact_uri}/model", run.run_id)
    if champion:
        client.set_registered_model_alias(name, "champion", champion)
    return client


def commands(store):
    """``theracast models`` against a store; returns what it prints, raises what it raises."""

    def said(*arguments):
        done = CliRunner().invoke(app, [*map(str, arguments), "--tracking-uri", store])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        assert done.exit_code == 0, done.output
        return done.output

    return said


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextmanager
def mlflow_server(folder, seconds=180):
    """A real ``mlflow server``, as its manual says; ended with all its processes."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")} | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_CREATE_MODEL_VERSION_SOURCE_VALIDATION_REGEX": SOURCES,
    }
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "2"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/server.db",
        "--artifacts-destination",
        f"{folder}/artifacts",
    ]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True, cwd=folder)
    try:
        until = time.monotonic() + seconds
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
                if answer.status == 200:
                    break
            assert process.poll() is None, (folder / "server.log").read_text()
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}"
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
