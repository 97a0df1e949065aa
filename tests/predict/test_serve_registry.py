"""The service follows an alias of a real registry: promoted and rolled back by command, and no request fails."""

import threading
import time
from contextlib import ExitStack, contextmanager
from itertools import groupby

import httpx
import pytest
from registries import MELANOMA, SMALL, commands, mlflow_server, versions_of
from service import as_patients, process

from theracast.features.datasets import load_cohort
from theracast.predict.registry import load_predictor

pytestmark = [
    pytest.mark.nightly,  # two models are trained, and a server started
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::ResourceWarning"),
]


@pytest.fixture(scope="module", params=["sqlite", "server"])
def store(request, tmp_path_factory):
    """Two versions of unlike models, none of them champion."""
    folder = tmp_path_factory.mktemp(request.param)
    with ExitStack() as stack:
        uri = stack.enter_context(mlflow_server(folder)) if request.param == "server" else None
        yield versions_of(folder, SMALL, SMALL.model_copy(update={"learner": "xgboost"}), store=uri)


class Asking(threading.Thread):
    """A client that asks again and again, and keeps every answer."""

    def __init__(self, address, body, stop):
        super().__init__()
        self.address, self.body, self.stop, self.answers = address, body, stop, []

    def run(self):
        with httpx.Client(base_url=self.address, timeout=60) as client:
            while not self.stop.is_set():
                answer = client.post("/predict", json=self.body)
                self.answers.append((answer.status_code, answer.headers.get("x-model-version"), answer.json()))


@contextmanager
def asking(address, body, clients=4):
    stop = threading.Event()
    threads = [Asking(address, body, stop) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield threads
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def until_served(address, version, seconds=60):
    ends = time.monotonic() + seconds
    while httpx.get(f"{address}/ready").json()["model"]["version"] != version:
        assert time.monotonic() < ends, f"version {version} is not served"
        time.sleep(0.1)
    time.sleep(0.5)


def test_the_alias_is_moved_and_moved_back_under_load_and_nothing_fails(store, tmp_path):
    row = load_cohort("mgh2022_mel").wide().iloc[[3]]
    body = {"patients": as_patients(row)}
    truth = {v: load_predictor(f"models:/{MELANOMA}/{v}", tracking=store).score(row).table.iloc[0] for v in ("1", "2")}
    assert truth["1"].probability != truth["2"].probability
    said = commands(store)
    said("promote", MELANOMA, "1", "--by", "j.doe")
    options = ("--poll", "1", "--drain", "0", "--tracking-uri", store)
    with process(f"models:/{MELANOMA}@champion", tmp_path, *options) as (address, running, log):
        with asking(address, body) as clients:
            until_served(address, "1")
            said("promote", MELANOMA, "2", "--by", "j.doe", "--waive", "another learner, on trial")
            until_served(address, "2")
            said("rollback", MELANOMA, "--by", "j.doe", "--reason", "complaints")
            until_served(address, "1")
        for client in clients:
            assert {status for status, _, _ in client.answers} == {200}
            versions = [told["model"]["version"] for _, _, told in client.answers]
            assert [v for v, _ in groupby(versions)] == ["1", "2", "1"], "never back and forth, never both"
            for _, header, told in client.answers:
                (line,), version = told["predictions"], told["model"]["version"]
                assert header == line["model_version"] == version
                assert line["probability"] == truth[version].probability
        events = log.read_text()
        assert events.count('"event": "model_swapped"') == 2
        assert "model_refused" not in events
        assert "registry_away" not in events
        running.terminate()
        assert running.wait(30) == 0
