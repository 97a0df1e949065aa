"""The model behind the service moves with its alias, and stays when the registry is away."""

import io
import json
import threading

import pytest
from service import Client, choice_predictor, response_predictor

from theracast.errors import ModelError
from theracast.predict.serve.held import HeldModel
from theracast.predict.serve.journal import Journal

BODY = {"patients": [{"patient_id": "p1", "clinical": {"age": 61}, "mutations": {"tmb": 12, "tmb_unit": "mut/Mb"}}]}


@pytest.fixture(scope="module")
def versions():
    return {"1": response_predictor("1"), "2": response_predictor("2", learner="xgboost"), "9": choice_predictor()}


class Registry:
    """Where an alias can be moved, and which can be away or hold what is broken."""

    def __init__(self, versions):
        self.versions, self.alias, self.away = versions, "1", False

    def version(self):
        if self.away:
            raise ConnectionError("ZZPHI")
        return self.alias

    def load(self):
        if self.alias not in self.versions:
            raise ModelError("its bytes changed", code="THX-R05")
        return self.versions[self.alias]


@pytest.fixture
def registry(versions):
    return Registry(versions)


@pytest.fixture
def client(registry):
    log = io.StringIO()
    held = HeldModel(registry.load, registry.version, Journal(log), patience=0.0)
    held.start()
    made = Client(held=held)
    made.told = lambda: [json.loads(line)["event"] for line in log.getvalue().splitlines()]
    return made


def version_of(client):
    return client.post("/predict", BODY).json()["model"]["version"]


def test_the_alias_moves_and_the_service_with_it(client, registry):
    before = client.post("/predict", BODY).json()
    assert not client.held.look()
    registry.alias = "2"
    assert version_of(client) == "1", "nothing is looked at while a request is answered"
    assert client.held.look()
    after = client.post("/predict", BODY).json()
    assert (before["model"]["version"], after["model"]["version"]) == ("1", "2")
    assert before["predictions"][0]["probability"] != after["predictions"][0]["probability"]
    assert after["predictions"][0]["model_version"] == "2"
    assert client.told() == ["model_loaded", "model_swapped"]


@pytest.mark.parametrize("alias", ["3", "9"])
def test_a_version_that_is_broken_or_of_another_kind_is_not_served(client, registry, alias):
    registry.alias = alias
    assert not client.held.look()
    assert not client.held.look()
    assert version_of(client) == "1"
    assert client.told().count("model_refused") == 1, "told once, not at every look"
    registry.alias = "2"
    assert client.held.look()
    registry.alias = "1"
    assert client.held.look()
    assert version_of(client) == "1"


def test_r01_the_registry_is_away_and_the_last_verified_model_answers_marked_stale(client, registry):
    client.held._patience = 3600.0
    assert not client.post("/predict", BODY).json()["model"]["stale"]
    registry.away = True
    assert not client.held.look()
    client.held._patience = 0.0
    answer = client.post("/predict", BODY)
    assert answer.status_code == 200
    assert answer.json()["model"]["stale"]
    assert "theracast_stale 1.0" in client.ask("GET", "/metrics").text
    assert "registry_away" in client.told()
    client.held._patience = 3600.0
    registry.away = False
    client.held.look()
    assert not client.post("/predict", BODY).json()["model"]["stale"]


def test_requests_under_way_keep_the_version_they_began_with(client, registry):
    """A swap in the middle of many requests: each answer is one version's own, whole."""
    expected = {}
    for alias in ("1", "2"):
        registry.alias = alias
        client.held.look()
        expected[alias] = client.post("/predict", BODY).json()["predictions"]
    stop = threading.Event()

    def move():
        while not stop.is_set():
            registry.alias = "1" if registry.alias == "2" else "2"
            client.held.look()

    mover = threading.Thread(target=move)
    mover.start()
    try:
        answers = client.ask_all([("POST", "/predict", {"json": BODY})] * 24)
    finally:
        stop.set()
        mover.join()
    for answer in answers:
        told = answer.json()
        assert told["predictions"] == expected[told["model"]["version"]]


def test_a_model_that_cannot_answer_is_not_started(versions, monkeypatch):
    def broken(*_, **__):
        raise ModelError("broken")

    monkeypatch.setattr(versions["1"], "score", broken)
    held = HeldModel(lambda: versions["1"])
    with pytest.raises(ModelError, match="broken"):
        held.start()
    assert not held.ready
