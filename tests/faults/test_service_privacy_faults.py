"""Faults A06-A08: nothing of a patient leaves the service but to whom it belongs, and a retry is no second request."""

import json
import re
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import psutil
import pytest
from faults.judge import CANARY
from service import Client, in_a_loop_of_its_own, process, refused, response_predictor

from theracast.errors import DataError
from theracast.features.datasets import load_cohort
from theracast.models.storage import save_model
from theracast.predict.serve.limits import Limits
from theracast.predict.serve.patients import TABLES
from theracast.predict.serve.replays import Answer, Replays

JSON = {"content-type": "application/json"}
BODY = {"patients": [{"patient_id": "p1", "clinical": {"age": 61, "sex": "F"}}]}


@pytest.fixture(scope="module")
def predictor():
    return response_predictor()


@pytest.fixture(scope="module")
def client(predictor):
    return Client(predictor)


@pytest.fixture(scope="module")
def folder(predictor, tmp_path_factory):
    place = tmp_path_factory.mktemp("served")
    save_model(predictor.model, place)
    return place


def send(client, text, path="/predict", **headers):
    return client.ask("POST", path, content=text.encode(), headers={**JSON, **headers})


# ---------------------------------------------------------------- A06: nothing of a patient anywhere


def canaries():
    """Requests with a canary in every place that can hold a text, each wrong in its own way."""
    named = {"patient_id": "p1"}
    for table in sorted(TABLES):
        row = {f"{CANARY}col": 1.0, "age": f"{CANARY}cell", "cancer_type": f"{CANARY}type", "CD274": f"{CANARY}gene"}
        rows = [row, row] if table in ("variants", "glucose", "wearables", "ctdna", "clones", "cells") else row
        yield {"patients": [{**named, table: rows}]}
    yield {"patients": [{"patient_id": f"{CANARY} id", "clinical": {"age": 61}}]}
    yield {"patients": [{"patient_id": f"{CANARY}.7", "clinical": {"age": -3, "sex": f"{CANARY}"}}], "strict": True}
    twice = [{"patient_id": f"{CANARY}.7", "clinical": {"age": a}} for a in (61, 62)]
    yield {"patients": twice}
    yield {"patients": twice, "strict": True}
    yield {"patients": [{**named, f"{CANARY}table": {"age": 61}}]}
    yield {"patients": [{**named, "clinical": {"age": {f"{CANARY}": 1}}}]}
    yield {"patients": [{**named, "expression": {f"{CANARY}{i}": float(i) for i in range(40)}}]}
    yield {"patients": [{**named, "expression": {"CD274": 1.0, "PDL1": 2.0, f"{CANARY}": -9.0}}]}
    yield {"patients": [{**named, "expression": {"2-Sep": 1.0, f"{CANARY}": 3.0}}], "units": {"expression": CANARY}}
    yield {"patients": [{**named, "clinical": {"albumin": 4.0}}], "units": {"clinical.albumin": f"{CANARY}/dL"}}
    yield {"patients": [{**named, "tried": [f"{CANARY}mab"]}], "therapies": [f"{CANARY}mab"]}
    yield {f"{CANARY}": 1, "patients": []}


def unseen(answer):
    """A bad request is told of without it; a good one may name the patient that it asks about."""
    text = answer.text
    if answer.status_code == 200 and answer.headers["content-type"] == "application/json":
        lines = answer.json()["predictions"]
        text = json.dumps([[p["reason"], p["code"]] for p in lines if p["decision"] == "rejected"])
    elif answer.status_code == 200:
        text = ""
    assert CANARY not in text + str(answer.headers), text
    assert answer.status_code < 500, text


@pytest.mark.nightly
def test_A06_no_answer_log_or_metric_holds_what_was_sent(client):
    seen = set()
    for n, payload in enumerate(canaries()):
        # each to one route, and some to all
        for path in ("/predict", "/explain", "/report", "/rank", f"/{CANARY}") if n % 9 == 0 else ("/predict",):
            answer = client.post(path, payload, headers={"x-request-id": CANARY, "user-agent": CANARY})
            seen.add(answer.status_code)
            unseen(answer)
    for text in (f'{{"{CANARY}": }}', f'["{CANARY}', f"{CANARY}", f'{{"a": "{CANARY}", "a": "{CANARY}"}}'):
        unseen(send(client, text))
        unseen(client.ask("POST", "/report", files={"file": (f"{CANARY}.csv", text.encode())}))
        browser = {"accept": "text/html"}
        unseen(client.ask("POST", "/report", files={"file": (f"{CANARY}.csv", text.encode())}, headers=browser))
    unseen(client.ask("GET", f"/predict?name={CANARY}"))
    unseen(client.ask("GET", "/", headers={"authorization": f"Bearer {CANARY}"}))
    assert {400, 404, 422, 200} <= seen
    assert CANARY not in client.log.getvalue()
    assert CANARY not in client.ask("GET", "/metrics").text


def test_A06_what_was_not_foreseen_is_told_without_its_words(predictor, monkeypatch):
    def broken(*_, **__):
        raise KeyError(f"{CANARY} 61")

    client = Client(predictor)
    monkeypatch.setattr(predictor, "score", broken)
    answer = client.post("/predict", BODY)
    refused(answer, 500, "THX-A99")
    assert CANARY not in answer.text + client.log.getvalue()
    line = client.lines()[-1]
    assert (line["status"], line["error"]) == (500, "KeyError")
    assert line["at"].startswith("test_service_privacy_faults.py:"), "the place is told, so that it can be mended"
    assert line["id"] == answer.headers["x-request-id"]


def test_A06_a_message_that_repeats_a_text_loses_it(predictor, monkeypatch):
    """Our messages hold no value; should one do so one day, it does not leave the service."""

    def talkative(*_, **__):
        raise DataError(
            f"the word {CANARY}cell is none", where=f"row of {CANARY}.7", got=f"{CANARY}col", code="THX-D15"
        )

    client = Client(predictor)
    monkeypatch.setattr(predictor, "score", talkative)
    row = {"patient_id": f"{CANARY}.7", "clinical": {"sex": f"{CANARY}cell", f"{CANARY}col": 1}}
    answer = client.post("/predict", {"patients": [row]})
    assert refused(answer, 422, "THX-D15")["what"] == "the word [...] is none"
    assert CANARY not in answer.text


def test_A06_a_large_upload_never_touches_a_disk(client, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("tempfile.SpooledTemporaryFile.rollover", lambda self: pytest.fail("written to a disk"))
    notes = ",".join(f"clinical:note{i}" for i in range(12))
    csv = f"patient_id,clinical:sex,{notes}\np1,{CANARY},{','.join([CANARY * 20_000] * 12)}\n"
    assert len(csv) > 1_100_000
    answer = client.ask("POST", "/report", files={"file": ("p.csv", csv.encode())})
    assert answer.status_code == 200
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- A07: nothing of the training patients


def test_A07_no_answer_holds_a_training_patient(client):
    ids = set(load_cohort("liu2019_mel").ids)
    told = client.post("/explain", BODY).text + client.post("/report", BODY["patients"][0]).text
    assert not [i for i in ids if re.search(rf"(?<!\w){re.escape(i)}(?!\w)", told)]
    percentiles = re.findall(r'"percentile":([\d.]+)', told)
    assert percentiles
    assert all(float(p) * 2 == int(float(p) * 2) for p in percentiles), "positions among 101 quantiles, no ranks"


# ---------------------------------------------------------------- A08: again


def test_A08_the_same_key_and_body_get_the_stored_answer(predictor, monkeypatch):
    client, calls, score = Client(predictor), [], predictor.score
    monkeypatch.setattr(predictor, "score", lambda *a, **k: calls.append(1) or score(*a, **k))
    key = {"idempotency-key": "retry-1"}
    first = client.post("/predict", BODY, headers=key)
    again = client.post("/predict", BODY, headers=key)
    assert (again.status_code, again.content) == (200, first.content)
    assert len(calls) == 1
    other = {"patients": [{"patient_id": "p1", "clinical": {"age": 62}}]}
    refused(client.post("/predict", other, headers=key), 409, "THX-A08")
    assert client.post("/explain", other, headers=key).status_code == 200, "a key is of one route"
    assert client.post("/predict", other, headers={"idempotency-key": "retry-2"}).content != first.content
    refused(client.post("/predict", BODY, headers={"idempotency-key": "no spaces"}), 400, "THX-A08")


def test_A08_retries_at_the_same_time_are_worked_for_once(predictor, monkeypatch):
    client, calls, score = Client(predictor), [], predictor.score
    monkeypatch.setattr(predictor, "score", lambda *a, **k: calls.append(1) or score(*a, **k))
    answers = client.ask_all([("POST", "/predict", {"json": BODY, "headers": {"idempotency-key": "k"}})] * 12)
    assert {a.status_code for a in answers} == {200}
    assert len({a.content for a in answers}) == 1
    assert len(calls) == 1


def test_A08_a_failure_is_not_stored(predictor, monkeypatch):
    client, score = Client(predictor), predictor.score
    failing = [KeyError("first"), None]
    monkeypatch.setattr(predictor, "score", lambda *a, **k: _fail(failing.pop(0)) or score(*a, **k))
    key = {"idempotency-key": "k"}
    assert client.post("/predict", BODY, headers=key).status_code == 500
    assert client.post("/predict", BODY, headers=key).status_code == 200


def _fail(error):
    if error:
        raise error


def test_A08_the_store_is_bounded_and_forgets():
    now = [0.0]
    store = Replays(Limits(replays=3, replay_seconds=10, replay_bytes=10_000), clock=lambda: now[0])
    made = []

    async def ask(key, size=10):
        async def make():
            made.append(key)
            return Answer(200, b"x" * size)

        return await store.once(key, "digest", make)

    async def story():
        for key in "abcde":
            await ask(key)
        assert len(store) <= 4
        await ask("e")
        assert made == list("abcde")
        now[0] = 11.0
        await ask("e")
        assert made == list("abcdee")
        await ask("large", 20_000)
        await ask("f")
        assert store._bytes <= 10_000

    in_a_loop_of_its_own(story)


# ---------------------------------------------------------------- as a process


@pytest.mark.nightly
def test_A03_A06_a_process_under_attack_stays_small_silent_and_ends_well(folder, tmp_path):
    with process(folder, tmp_path, "--drain", "1", "--max-body", "2") as (address, running, log):
        host, port = address.removeprefix("http://").split(":")
        me = psutil.Process(running.pid)
        for payload in canaries():
            httpx.post(f"{address}/predict", json=payload, timeout=60)
            httpx.post(f"{address}/report", json=payload, timeout=60)
        before = me.memory_info().rss
        # a head that never ends is hung up on, and the others are answered meanwhile
        silent = [socket.create_connection((host, int(port))) for _ in range(100)]
        for s in silent:
            s.sendall(f"POST /predict HTTP/1.1\r\nHost: {CANARY}\r\n".encode())
        assert httpx.post(f"{address}/predict", json=BODY, timeout=60).status_code == 200
        for _ in range(5):
            with socket.create_connection((host, int(port))) as s:
                s.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n")
                s.sendall(b"Content-Length: 1000000000\r\n\r\n")
                assert b" 413 " in s.recv(1000)
            with socket.create_connection((host, int(port))) as s:
                s.sendall(b"GET / HTTP/1.1\r\nX: " + b"a" * 100_000)
                assert b" 400 " in s.recv(1000)
        time.sleep(11)
        for s in silent:
            s.settimeout(1)
            assert s.recv(10) == b""
            s.close()
        assert me.memory_info().rss - before < 100e6
        # the last request is finished, readiness is gone, and the end is clean
        with ThreadPoolExecutor() as pool:
            last = pool.submit(httpx.post, f"{address}/explain", json=BODY, timeout=60)
            time.sleep(0.05)
            running.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            assert httpx.get(f"{address}/ready").status_code == 503
            assert last.result().status_code == 200
        assert running.wait(15) == 0
    text = log.read_text()
    assert CANARY not in text
    assert "Traceback" not in text
    assert all(json.loads(line) for line in text.splitlines())
    left = [f for f in tmp_path.rglob("*") if f.is_file() and f != log]
    assert not [f for f in left if CANARY.encode() in f.read_bytes()]
    assert not [f for f in tmp_path.iterdir() if f != log], "nothing is left behind"
