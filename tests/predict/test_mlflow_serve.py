"""``mlflow models serve`` as MLflow's users run it: a real process, over HTTP."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from registries import MELANOMA, SMALL, free_port, versions_of

from theracast.features.datasets import load_cohort
from theracast.predict.promotion import promote
from theracast.predict.registry import load_predictor

pytestmark = [
    pytest.mark.nightly,
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::ResourceWarning"),
]
CANARY = "ZZPHI"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    uri = versions_of(tmp_path_factory.mktemp("registry"), SMALL)
    promote(MELANOMA, "1", tracking=uri)
    return uri


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    return tmp_path_factory.mktemp("served") / "server.log"


@pytest.fixture(scope="module")
def server(store, log):
    """The model by its alias, in the environment that is there; nothing of ours is set."""
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")} | {
        "MLFLOW_TRACKING_URI": store,
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", f"models:/{MELANOMA}@champion"]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment, start_new_session=True)
    try:
        until = time.monotonic() + 180
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
                if answer.status == 200:
                    break
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        for how in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, how)
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)


@pytest.fixture(scope="module")
def wide():
    """Without genes: a request of a few hundred columns."""
    table = load_cohort("mgh2022_mel").wide()
    return table[[c for c in table if not c.startswith("expression:")]]


def asked(server, body, kind="application/json"):
    """Status and text of the answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(server, content, {"Content-Type": kind})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def split(table):
    """To the last bit: pandas' own JSON rounds."""
    held = table.astype(object).where(table.notna(), None)
    return {"dataframe_split": held.to_dict(orient="split")}


def test_the_scores_are_those_of_one_process(server, store, wide):
    truth = load_predictor(f"models:/{MELANOMA}@champion", tracking=store).score(wide).table
    status, text = asked(server, split(wide))
    assert status == 200, text
    told = json.loads(text)["predictions"]
    assert [t["decision"] for t in told] == truth.decision.tolist()
    for column in ("probability", "lower", "upper"):
        found = np.array([t[column] for t in told], dtype=float)
        np.testing.assert_array_equal(found, truth[column])


def test_a_parquet_body_gives_the_same_numbers(server, store, wide):
    truth = load_predictor(f"models:/{MELANOMA}@champion", tracking=store).score(wide).table
    status, text = asked(server, wide.to_parquet(), "application/vnd.apache.parquet")
    assert status == 200, text
    assert [t["probability"] for t in json.loads(text)["predictions"]] == truth.probability.tolist()


@pytest.mark.parametrize(
    ("record", "code"),
    [
        ({"clinical:age": f"{CANARY} 7"}, "THX-D13"),
        ({"clinical:sex": CANARY}, "THX-D15"),
        ({"mutations:tmb": 9.0, "mutations:tmb_unit": CANARY}, "THX-D16"),
        ({"pathology:pdl1": CANARY, "pathology:pdl1_unit": "TPS %"}, "THX-D13"),
    ],
)
def test_A06_a_row_that_cannot_be_is_answered_with_its_code_and_without_its_value(server, log, record, code):
    status, text = asked(server, {"dataframe_records": [record, {"clinical:age": 61.0}]})
    assert status == 200
    first, second = json.loads(text)["predictions"]
    assert first["decision"] == "rejected"
    assert second["decision"] in ("response", "no_response", "abstain")
    assert code in first["reason"]
    assert CANARY not in text
    assert CANARY not in log.read_text()


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["clinical:age"], "data": [[CANARY, 2]]}},
        {"dataframe_split": {"columns": ["age"], "data": [[CANARY]]}},
        {"dataframe_split": {"columns": ["clinical:age"], "data": CANARY}},
        {"inputs": [CANARY]},
        {"x": CANARY},
        [CANARY],
    ],
    ids=["ragged", "no column of ours", "no rows", "a list", "no field", "no dictionary"],
)
def test_A06_a_request_that_is_none_is_400_and_its_values_stand_nowhere(server, log, body):
    status, text = asked(server, body)
    assert status == 400
    assert json.loads(text)["error_code"]
    assert CANARY not in text
    assert CANARY not in log.read_text()


def test_mlflow_makes_one_patient_of_instances_with_unlike_fields(server):
    """Before our code is asked: why the manual names dataframe_split and dataframe_records alone."""
    _, text = asked(server, {"instances": [{"clinical:sex": "F"}, {"clinical:age": 61.0}]})
    assert len(json.loads(text)["predictions"]) == 1


def test_columns_that_the_model_does_not_read_are_told_with_our_code(server):
    _, text = asked(server, {"dataframe_split": {"columns": ["age"], "data": [[61.0]]}})
    assert "THX-D33: no column is one that the model reads" in text


@pytest.mark.parametrize(
    "body",
    [
        b'{"dataframe_records": [{"clinical:age": "ZZPHI',
        json.dumps({"dataframe_split": {"columns": ["clinical:age"] * 2, "data": [[CANARY] * 2]}}).encode(),
    ],
    ids=["cut off", "a column twice"],
)
def test_what_mlflow_repeats_before_our_code_is_reached_stays_out_of_the_log(server, log, body):
    """MLflow 3.17 sends such a body back to whoever sent it; `theracast serve` does not. Our code is not asked."""
    status, _ = asked(server, body)
    assert status == 400
    assert CANARY not in log.read_text()


def test_a_csv_body_is_refused_whole(server, log):
    """MLflow reads CSV only for signatures whose columns have one type each; ours take any."""
    status, text = asked(server, f"clinical:age\n{CANARY}\n".encode(), "text/csv")
    assert status == 400
    assert CANARY not in text + log.read_text()
