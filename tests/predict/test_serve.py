"""The service answers what Python answers, for both kinds of model; it is found by its document and by people."""

import base64
import json
from hashlib import sha256

import numpy as np
import pandas as pd
import pytest
from reports import HOSTILE
from service import SMALL, Client, as_patients, choice_predictor, refused, response_predictor

from theracast.features.blocks import BLOCKS
from theracast.features.datasets import load_cohort
from theracast.predict.batch import write_scores
from theracast.predict.report.frame import text_of
from theracast.predict.serve.limits import Limits
from theracast.predict.serve.run import gatekeeper_for, is_loopback

NUMBERS = ("probability", "lower", "upper")


@pytest.fixture(scope="module")
def predictor():
    return response_predictor()


@pytest.fixture(scope="module")
def client(predictor):
    return Client(predictor)


@pytest.fixture(scope="module")
def choice():
    return Client(choice_predictor())


@pytest.fixture(scope="module")
def wide():
    return load_cohort("mgh2022_mel").wide()


def one(**clinical):
    return {"patients": [{"patient_id": "p1", "clinical": clinical}]}


# ---------------------------------------------------------------- the same numbers


def test_a09_rest_python_and_batch_agree_to_the_last_bit(client, predictor, wide, tmp_path):
    answer = client.post("/predict", {"patients": as_patients(wide)})
    assert answer.status_code == 200, answer.text
    told = answer.json()
    ours = predictor.score(wide)
    write_scores(ours, tmp_path / "s.parquet")
    stored = pd.read_parquet(tmp_path / "s.parquet")
    lines = pd.DataFrame(told["predictions"])
    assert told["account"] == ours.account()
    for column in stored.columns:
        theirs, mine = lines[column].to_numpy(), stored[column].to_numpy()
        if stored[column].dtype.kind == "f":
            np.testing.assert_array_equal(theirs.astype(float), mine.astype(float), err_msg=column)
        else:
            assert theirs.tolist() == mine.tolist(), column
    assert lines["row"].tolist() == list(range(1, len(wide) + 1))


def test_a09_a_patient_alone_and_in_company_gets_one_answer(client, wide):
    together = client.post("/predict", {"patients": as_patients(wide)}).json()["predictions"]
    for i in (0, 7, 33):
        (alone,) = client.post("/predict", {"patients": as_patients(wide.iloc[[i]])}).json()["predictions"]
        assert alone | {"row": i + 1} == together[i]


def test_a09_the_page_and_a_csv_say_the_same(client, wide):
    row = wide.iloc[[3]].astype(dict.fromkeys(wide.columns[wide.dtypes == "float32"], "float64")).round(4)
    (line,) = client.post("/predict", {"patients": as_patients(row)}).json()["predictions"]
    page = client.post("/report", content=row.to_csv(), headers={"content-type": "text/csv"})
    assert page.status_code == 200
    assert line["provenance"] in page.text
    assert page.text == client.post("/report", as_patients(row)[0]).text


def test_the_model_is_named_in_every_answer(client, predictor):
    model = client.post("/predict", one(age=61)).json()["model"]
    assert model == {
        "name": "melanoma_ici",
        "uri": predictor.uri,
        "version": "3",
        "digest": predictor.digest,
        "theracast": "0.1.0",
        "stale": False,
    }
    assert client.ask("GET", "/ready").json()["model"] == model


def test_explanations_are_those_of_python_and_add_up(client, predictor, wide):
    lines = client.post("/explain", {"patients": as_patients(wide.iloc[:4])}).json()["predictions"]
    ours = predictor.score(wide.iloc[:4], explained=True).explanation
    for line in lines:
        told = line["explanation"]
        assert told["reference"] + sum(f["points"] for f in told["features"]) == pytest.approx(line["probability"])
        assert told["reference"] == ours.reference[line["patient_id"]]
        assert told["blocks"] == ours.by_block().loc[line["patient_id"]].to_dict()
        assert not told["withheld"]


def test_every_row_has_one_fate_in_place(client):
    rows = [("a", 61), ("b", -4), ("a", 61), ("c", None)]
    answer = client.post("/predict", {"patients": [{"patient_id": i, "clinical": {"age": a}} for i, a in rows]})
    told = answer.json()
    assert told["account"] == {"rows_in": 4, "scored": 0, "abstained": 3, "rejected": 1}
    assert [p["patient_id"] for p in told["predictions"]] == ["a", "b", "a", "c"]
    assert [p["code"] for p in told["predictions"]] == ["", "THX-D15", "", ""]
    assert told["predictions"][2]["notes"].endswith("same as row 1")
    error = refused(client.post("/predict", {**one(age=-4), "strict": True}), 422, "THX-D15")
    assert error["where"] == "row 1"


def test_a_declared_unit_counts(client, predictor):
    row = {"patient_id": "p", "clinical": {"albumin": 4.1}}
    given = client.post("/predict", {"patients": [row], "units": {"clinical.albumin": "g/dL"}})
    beside = {"patient_id": "p", "clinical": {"albumin": 4.1, "albumin_unit": "g/dL"}}
    assert given.json()["predictions"] == client.post("/predict", {"patients": [beside]}).json()["predictions"]


def test_whole_numbers_stay_whole_in_company(client):
    alone = client.post("/predict", one(ecog=1)).json()["predictions"][0]
    both = {"patients": [{"patient_id": "p1", "clinical": {"ecog": 1}}, {"patient_id": "p2", "clinical": {"age": 50}}]}
    assert client.post("/predict", both).json()["predictions"][0] == alone


def test_events_and_flat_names_are_read(client):
    nested = {"patient_id": "p1", "mutations": {"tmb": 9.5, "tmb_unit": "mut/Mb"}}
    flat = {"patient_id": "p1", "mutations:tmb": 9.5, "mutations:tmb_unit": "mut/Mb"}
    told = [client.post("/predict", {"patients": [p]}).json()["predictions"] for p in (nested, flat)]
    assert told[0] == told[1]
    assert "mutations" in told[0][0]["blocks_used"]
    calls = [{"gene": "BRAF", "protein": "p.V600E", "consequence": "missense_variant"}] * 2
    assert client.post("/predict", {"patients": [{"patient_id": "p1", "variants": calls}]}).status_code == 200


# ---------------------------------------------------------------- a choice between therapies


def test_therapies_are_ranked_as_python_ranks_them(choice):
    predictor = choice.held.current().predictor
    ages = [30, 70, -4, None]
    patients = [{"patient_id": f"p{i}", "clinical": {"age": a}} for i, a in enumerate(ages)]
    patients[1]["tried"] = ["rituximab"]
    told = choice.post("/rank", {"patients": patients}).json()
    table = pd.DataFrame({"clinical:age": ages}, index=[f"p{i}" for i in range(4)])
    ours = predictor.rank(table, tried={"p1": ["rituximab"]})
    assert told["account"] == ours.account()
    assert told["standard"] == ours.standard
    for line, mine in zip(told["rankings"], ours.aligned().to_dict("records"), strict=True):
        assert line["ranking"] == json.loads(mine["ranking"])
        assert (line["decision"], line["therapy"]) == (mine["decision"], mine["therapy"])
        assert [line[n] is None for n in NUMBERS] == [bool(np.isnan(mine[n])) for n in NUMBERS]
        assert all(line[n] is None or line[n] == mine[n] for n in NUMBERS)
    only = choice.post("/rank", {"patients": patients[:1], "therapies": ["etanercept"]}).json()["rankings"][0]
    assert [t["therapy"] for t in only["ranking"]] == ["etanercept"]


def test_each_kind_of_model_answers_its_own_route(client, choice):
    assert "/predict" in refused(client.post("/rank", one(age=61)), 404, "THX-A12")["do"]
    assert "/rank" in refused(choice.post("/predict", one(age=61)), 404, "THX-A12")["do"]
    assert "etanercept" in choice.post("/report", {"patient_id": "p", "clinical": {"age": 30}}).text
    refused(client.post("/predict", {**one(age=61), "therapies": ["x"]}), 400, "THX-A04")
    refused(client.post("/predict", {**one(age=61), "utility": {}}), 400, "THX-A04")


# ---------------------------------------------------------------- the document


def test_the_document_is_made_of_what_the_blocks_say(client):
    document = client.ask("GET", "/openapi.json").json()
    schemas = document["components"]["schemas"]
    for block in client.held.current().blocks:
        spec = BLOCKS[block].spec
        for column in spec.inputs:
            if not column.name.startswith("<"):
                told = schemas[spec.tables[0]]["properties"][column.name]
                assert column.about in told["description"]
                assert told.get("x-unit", "") == column.unit
                assert told.get("minimum", np.nan) == pytest.approx(column.low, nan_ok=True)
                assert told.get("maximum", np.nan) == pytest.approx(column.high, nan_ok=True)
                assert told["examples"] or not column.example.strip()
    text = json.dumps(document)
    for name in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in schemas
    assert set(document["paths"]) == {"/predict", "/explain", "/report", "/health", "/ready", "/metrics"}


def test_the_examples_of_the_document_are_scored(client):
    schemas = client.ask("GET", "/openapi.json").json()["components"]["schemas"]
    patient = {"patient_id": "p1"}
    for table in set(schemas["Patient"]["properties"]) & set(schemas) - {"variants"}:
        cells = {n: c["examples"][0] for n, c in schemas[table].get("properties", {}).items() if c["examples"]}
        patient[table] = cells
    told = client.post("/predict", {"patients": [patient]}).json()
    assert told["account"]["rejected"] == 0
    assert {"clinical", "mutations", "pathology"} <= set(told["predictions"][0]["blocks_used"].split(",")), told


def test_the_document_of_a_choice_has_its_own_routes(choice):
    document = choice.ask("GET", "/openapi.json").json()
    assert set(document["paths"]) == {"/rank", "/report", "/health", "/ready", "/metrics"}
    assert "tried" in document["components"]["schemas"]["Patient"]["properties"]


# ---------------------------------------------------------------- for people


def test_the_page_has_a_form_and_loads_nothing(client):
    page = client.ask("GET", "/")
    assert page.status_code == 200
    assert "script" not in page.text.lower()
    assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "https://" not in page.text
    assert '<label for="file">' in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert "Not yet" in Client().ask("GET", "/").text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("p.csv", b"patient_id,clinical:age,clinical:sex\np1,61,F\n"),
        ("p.csv", b"\xef\xbb\xbfpatient_id,clinical:age,clinical:sex\r\np1,61,F\r\n"),
        ("p.json", b'{"patient_id": "p1", "clinical": {"age": 61, "sex": "F"}}'),
        ("p.json", b'{"patient_id": "p1", "clinical:age": 61, "clinical:sex": "F"}'),
        ("p.json", b'[{"patient_id": "p1", "clinical": {"age": 61, "sex": "F"}}]'),
        ("p.json", b'{"patients": [{"patient_id": "p1", "clinical": {"age": 61, "sex": "F"}}]}'),
    ],
)
def test_a_file_becomes_a_report(client, name, content):
    page = client.ask("POST", "/report", files={"file": (name, content)}, headers={"accept": "text/html"})
    assert page.status_code == 200, page.text
    assert page.headers["content-type"].startswith("text/html")
    ours = base64.b64encode(sha256(text_of("hover.js").encode()).digest()).decode()
    assert f"script-src 'sha256-{ours}';" in page.headers["content-security-policy"]
    assert page.headers["x-model-version"] == "3"
    wanted = client.post("/report", {"patient_id": "p1", "clinical": {"age": 61, "sex": "F"}})
    assert page.text == wanted.text


@pytest.mark.parametrize(
    ("content", "status", "word"),
    [
        (b"patient_id,clinical:age\np1\n", 422, "line 2"),
        (b"patient_id,clinical:age\n" + b'p1,"6\n', 422, "THX-D31"),
        (b"patient_id,clinical:age,clinical:age\np1,1,2\n", 422, "twice"),
        (b"patient_id,clinical:age\np1,61\np2,62\n", 413, "one patient"),
        (b"patient_id,clinical:age\n,61\n", 422, "THX-A01"),
        (b"\xff\xfe", 422, "UTF-8"),
        (b"", 422, "header"),
        (b"age\n61\n", 422, "THX-A04"),
        (b"{]", 400, "not JSON"),
    ],
)
def test_a_file_that_is_none_gets_a_page_that_says_so(client, content, status, word):
    page = client.ask("POST", "/report", files={"file": ("f", content)}, headers={"accept": "text/html,*/*"})
    assert (page.status_code, page.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert word in page.text
    assert 'role="alert"' in page.text
    machine = client.ask("POST", "/report", files={"file": ("f", content)})
    assert machine.status_code == status
    assert machine.json()["error"]["code"] in page.text


def test_no_file_and_other_types_are_told(client):
    refused(client.ask("POST", "/report", data={"x": "1"}), 415, "THX-A04")
    refused(client.ask("POST", "/report", files={"other": ("f", b"x")}), 400, "THX-A04")
    broken = client.ask("POST", "/report", content=b"--x", headers={"content-type": "multipart/form-data"})
    refused(broken, 400, "THX-A04")
    hostile = client.ask(
        "POST", "/report", files={"file": (HOSTILE, HOSTILE.encode())}, headers={"accept": "text/html"}
    )
    assert HOSTILE not in hostile.text
    assert "<script>" not in hostile.text


# ---------------------------------------------------------------- what runs beside


def test_metrics_and_log_tell_routes_counts_and_times_only(predictor):
    client = Client(predictor)
    client.post("/predict", {"patients": [*one(age=61)["patients"], {"patient_id": "b", "clinical": {"age": -1}}]})
    client.ask("GET", "/patients/Jane-Doe?name=Jane")
    text = client.ask("GET", "/metrics").text
    assert 'theracast_requests_total{route="/predict",status="200"} 1.0' in text
    assert 'theracast_requests_total{route="other",status="404"} 1.0' in text
    assert 'theracast_rows_total{fate="rejected"} 1.0' in text
    assert 'theracast_model{digest="000000000000",name="melanoma_ici",version="3"} 1.0' in text
    assert "Jane" not in text + client.log.getvalue()
    first = client.lines()[0]
    assert first.keys() == {"time", "event", "id", "route", "status", "ms", "rows"}
    assert (first["route"], first["status"], first["rows"]) == ("/predict", 200, 2)


def test_ready_says_no_without_a_model_and_while_it_ends(predictor):
    refused(Client().ask("GET", "/ready"), 503, "THX-R01")
    answer = Client().post("/predict", one(age=61))
    refused(answer, 503, "THX-R01")
    assert answer.headers["retry-after"]
    client = Client(predictor)
    client.held.draining = True
    refused(client.ask("GET", "/ready"), 503, "THX-A11")
    assert client.ask("GET", "/health").status_code == 200
    assert client.post("/predict", one(age=61)).status_code == 200, "who is in is served"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/x", 404), ("GET", "/predict", 405), ("PUT", "/", 405)]
)
def test_what_is_no_route_is_told(client, method, path, status):
    refused(client.ask(method, path), status, "THX-A12")


def test_nobody_listens_to_others_by_oversight(tmp_path, monkeypatch):
    monkeypatch.delenv("THERACAST_API_KEYS", raising=False)
    assert gatekeeper_for("127.0.0.1").caller({}) == "anyone"
    assert gatekeeper_for("0.0.0.0", allow_anonymous=True).caller({}) == "anyone"
    for host in ("0.0.0.0", "::", "10.0.0.1", "example.org"):
        assert not is_loopback(host)
        with pytest.raises(Exception, match="nobody is asked who they are"):
            gatekeeper_for(host)
    keys = tmp_path / "keys"
    keys.write_text("short\n")
    with pytest.raises(Exception, match="too short"):
        gatekeeper_for("0.0.0.0", keys=keys)
    with pytest.raises(Exception, match="cannot be read"):
        gatekeeper_for("0.0.0.0", keys=tmp_path / "none")
    monkeypatch.setenv("THERACAST_API_KEYS", "a-long-secret-key,another-secret-key")
    assert len(gatekeeper_for("0.0.0.0").digests) == 2


def test_limits_are_told(predictor):
    assert Limits().workers >= 1
    client = Client(predictor, options={"limits": SMALL})
    document = client.ask("GET", "/openapi.json").json()
    assert document["components"]["schemas"]["Request"]["properties"]["patients"]["maxItems"] == SMALL.patients
