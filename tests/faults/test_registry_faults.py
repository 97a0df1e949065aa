"""Faults of the registry: unreachable, slow, locked, called by hostile names."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from registries import MELANOMA, SMALL, bare_versions, commands

from theracast.errors import ModelError, UsageError
from theracast.models.train import train
from theracast.predict import store as stores
from theracast.predict import turns
from theracast.predict.alias import set_champion
from theracast.predict.champion import champion_of
from theracast.predict.offline import export_model
from theracast.predict.promotion import held, promote, rollback
from theracast.predict.publish import register
from theracast.predict.registry import list_models, load_predictor, version_at
from theracast.predict.store import connect, reaching

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::ResourceWarning")
CANARY = "ZZPHI"
SAID = {"by": "me", "kind": "promote"}


# ---------------------------------------------------------------- R01: unreachable, 5xx, slow, nonsense


class Stub(BaseHTTPRequestHandler):
    """Answers as its server was told to; counts what it was asked."""

    def do_GET(self):
        self.server.asked += 1
        how = self.server.how(self.server.asked)
        if how == "hang":
            time.sleep(3)
            return
        status, body = how
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815 # its name in the standard library

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def log_message(self, *arguments):
        pass


@contextmanager
def stub(how):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Stub)
    server.daemon_threads, server.how, server.asked = True, how, 0
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server, f"http://user:{CANARY}@127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


MODELS = json.dumps({"registered_models": [{"name": "m", "tags": [{"key": "theracast.turn", "value": "x"}]}]}).encode()
NONSENSE = f"<html>{CANARY}</html>".encode()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda n: (500, NONSENSE), "it answered 500"),
        (lambda n: (503, b""), "it answered 503"),
        (lambda n: (502, b"{}"), "it answered 502"),
        (lambda n: (200, NONSENSE), "it answered something that is not MLflow's"),
        (lambda n: (200, b"[1, 2"), "it answered something that is not MLflow's"),
        (lambda n: (401, NONSENSE), "it answered 401"),
        (lambda n: (403, b'{"error_code": "PERMISSION_DENIED", "message": "ZZPHI"}'), "permission denied"),
        (lambda n: "hang", "it did not answer in time"),
    ],
    ids=["500", "503", "502", "html", "cut json", "401", "403", "hang"],
)
def test_R01_a_registry_that_fails_is_tried_to_a_bound_and_named(impatient, how, said):
    with stub(how) as (server, uri):
        begun = time.monotonic()
        for call in (lambda: list_models(uri), lambda: load_predictor("models:/m@champion", tracking=uri)):
            before = server.asked
            with pytest.raises(ModelError, match="THX-R01: the model registry cannot be used") as caught:
                call()
            assert said in str(caught.value)
            assert CANARY not in str(caught.value), "neither a password nor what it answered is repeated"
            assert f"127.0.0.1:{server.server_port}" in str(caught.value)
            assert caught.value.exit_code == 4
            assert 1 <= server.asked - before <= 3
        assert time.monotonic() - begun < 15


def test_R01_one_that_comes_back_is_waited_for(impatient):
    with stub(lambda n: (503, b"") if n <= 2 else (200, MODELS)) as (server, uri):
        assert list_models(uri).empty  # its only model is a turn, and no model
        assert server.asked == 3


def test_R01_nobody_listens(impatient):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{s.getsockname()[1]}"
        for call in (
            lambda: list_models(uri),
            lambda: promote("m", "1", tracking=uri),
            lambda: rollback("m", tracking=uri),
            lambda: champion_of(SMALL, tracking=uri),
            lambda: export_model("m", "1", "nowhere", tracking=uri),
        ):
            with pytest.raises(ModelError, match=r"THX-R01: the model registry cannot be used.*no connection"):
                call()


def test_R01_variables_of_the_user_stay_and_ours_go(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", raising=False)
    connect("sqlite:///nowhere.db", create=True)

    def inside():
        with reaching("s"):
            time.sleep(0.02)
            assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
            assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "3"

    threads = [threading.Thread(target=inside) for _ in range(20)]
    with reaching("s"), reaching("s"):
        for t in threads:
            t.start()
    for t in threads:
        t.join()
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
    assert "MLFLOW_HTTP_REQUEST_MAX_RETRIES" not in os.environ


# ---------------------------------------------------------------- R02: locked


@contextmanager
def locked(file, seconds):
    """Another process holds the database for itself."""
    code = textwrap.dedent(f"""
        import sqlite3, sys, time
        database = sqlite3.connect({str(file)!r}, isolation_level=None)
        database.execute("BEGIN EXCLUSIVE")
        print("held", flush=True)
        time.sleep({seconds})
        database.execute("ROLLBACK")
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == b"held\n"
            yield process
        finally:
            process.kill()


def test_R02_a_locked_store_is_waited_for_then_named_and_nothing_is_half_registered(store, impatient):
    before = list_models(store)
    training = train(SMALL)
    with locked(stores.sqlite_file(store), 120):
        for call in (
            lambda: list_models(store),
            lambda: load_predictor(f"models:/{MELANOMA}@champion", tracking=store),
            lambda: promote(MELANOMA, "2", tracking=store),
            lambda: register(training, tracking=store),
        ):
            begun = time.monotonic()
            with pytest.raises(ModelError, match="THX-R02: the model registry is locked by another process") as caught:
                call()
            assert 0.6 <= time.monotonic() - begun < 10
            assert caught.value.exit_code == 4
    assert list_models(store).equals(before)
    assert held(MELANOMA, tracking=store)[0] == "1"


def test_R02_a_lock_that_goes_away_is_waited_for(store, monkeypatch):
    with locked(stores.sqlite_file(store), 1.5):
        begun = time.monotonic()
        assert len(list_models(store)) == 2
        assert time.monotonic() - begun > 0.5


def test_R02_a_lock_in_the_middle_is_told_too(store):
    """What sqlite and MLflow say after their own wait, without their SQL."""
    mlflow, _ = connect(store)
    for error in (
        mlflow.MlflowException(f"(sqlite3.OperationalError) database is locked [SQL: INSERT {CANARY}]"),
        sqlite3.OperationalError("database is locked"),
    ):
        with pytest.raises(ModelError, match="THX-R02") as caught, reaching(store):
            raise error
        assert CANARY not in str(caught.value)
        assert caught.value.__suppress_context__


def test_R02_another_promotion_that_does_not_end(tmp_path, impatient):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    client = bare_versions(uri, 2)
    with turns.turn(client, "m", uri), pytest.raises(ModelError, match="THX-R02: another promotion is under way"):
        set_champion(client, uri, "m", "1", "2", SAID)
    assert set_champion(client, uri, "m", "1", "2", SAID).after == "2"


# ---------------------------------------------------------------- A01, A02: hostile names

NAMES = [
    "'; DROP TABLE model_versions; --",
    "m' OR '1'='1",
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    "a\r\nSet-Cookie: x",
    "\x1b[31mred",
    "{{7*7}}",
    "m\x00",
    "",
    " ",
    "a" * 65,
    "ß",
    "file:///etc/passwd",
    "m?x=1",
    "m#x",
    "m%2e%2e",
]


@pytest.mark.parametrize("name", NAMES)
def test_A01_names_that_are_none_are_refused_and_not_repeated(store, name):
    for call in (
        lambda: promote(name, "1", tracking=store),
        lambda: promote(MELANOMA, "1", tracking=store, by=name or "?"),
        lambda: rollback(name, tracking=store),
        lambda: held(name, tracking=store),
        lambda: export_model(name, "1", "nowhere", tracking=store),
        lambda: version_at(f"{MELANOMA}@{name or '?'}", tracking=store),
        lambda: promote(MELANOMA, name, tracking=store),
        lambda: champion_of(SMALL.model_copy(update={"name": name}), tracking=store),
    ):
        with pytest.raises(UsageError, match="THX-A01") as caught:
            call()
        assert len(name) < 3 or name not in str(caught.value)
        assert caught.value.exit_code == 2
    assert held(MELANOMA, tracking=store)[0] == "1"


@pytest.mark.parametrize("text", ["two\nlines", "a\x1b[2J", "x" * 501, "bell\x07", "\u202egnp"])
def test_A02_reasons_with_control_characters_are_refused(store, text):
    for call in (
        lambda: promote(MELANOMA, "2", tracking=store, reason=text),
        lambda: promote(MELANOMA, "2", tracking=store, waive=text, by="me"),
        lambda: rollback(MELANOMA, tracking=store, reason=text),
    ):
        with pytest.raises(UsageError, match="THX-A02") as caught:
            call()
        assert text not in str(caught.value)


def test_A01_commands_say_it_in_one_line(store):
    with pytest.raises(UsageError, match="THX-A01"):
        commands(store)("show", "m'; DROP TABLE runs; --")
