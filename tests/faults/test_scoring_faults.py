"""Faults S01-S10 of long jobs: a kill, a full disk, a second worker, a changed input, a moved alias, and others."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, ModelError, SetupError, UsageError
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.storage import save_model
from theracast.predict import batch, stream_chunk, stream_job
from theracast.predict.batch import score_dataset
from theracast.predict.predictor import Predictor
from theracast.predict.stream_job import Job, Lock

ROWS, CHUNK = 120, 10
#: A process that scores; it says when it is about to begin, and after each chunk.
SCRIPT = """
import sys, time
from theracast.predict.batch import score_dataset
from theracast.predict.predictor import Predictor
predictor = Predictor.from_folder(sys.argv[1])
print("ready", flush=True)
def tell(done, total):
    print("done", done, flush=True)
    time.sleep(float(sys.argv[4]))
try:
    score_dataset(sys.argv[2], sys.argv[3], predictor, chunk_rows=10, progress=tell)
except Exception as error:
    print("error", error, flush=True)
    sys.exit(getattr(error, "exit_code", 1))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("model")
    save_model(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), where)
    return where


@pytest.fixture(scope="module")
def predictor(folder):
    return Predictor.from_folder(folder, uri="models:/m@champion", version="3")


@pytest.fixture
def wide(tmp_path):
    r = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "patient_id": [f"simulated-{i}" for i in range(ROWS)],
            "clinical:age": r.integers(30, 90, ROWS).astype(float),
            "mutations:tmb": r.lognormal(2, 1, ROWS).round(2).clip(0, 140),
            "mutations:tmb_unit": "mut/Mb",
        }
    )
    frame.loc[17, "clinical:age"] = 300
    frame.to_parquet(tmp_path / "wide.parquet")
    return tmp_path / "wide.parquet"


def content(sink):
    return hashlib.sha256(sink.read_bytes() + sink.with_suffix(".rejects.parquet").read_bytes()).hexdigest()


def begun(folder, wide, sink, pause=0.0):
    call = [sys.executable, "-c", SCRIPT, str(folder), str(wide), str(sink), str(pause)]
    return subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def broken_after(monkeypatch, chunks, error):
    """Fail when one more chunk is to be written."""
    inner = Job.write
    left = [chunks]

    def write(self, *args):
        left[0] -= 1
        if left[0] < 0:
            raise error
        return inner(self, *args)

    monkeypatch.setattr(Job, "write", write)


@pytest.mark.parametrize("points", [5, pytest.param(50, marks=pytest.mark.nightly)])
def test_S01_a_kill_at_any_moment_and_a_rerun_give_the_bytes_of_an_uninterrupted_run(folder, wide, tmp_path, points):
    """Random moments, spread over the job: from before its first chunk until its files are put together."""
    alone = Predictor.from_folder(folder)
    score_dataset(wide, tmp_path / "whole.parquet", alone, chunk_rows=CHUNK)
    wanted, r = content(tmp_path / "whole.parquet"), np.random.default_rng(points)
    digests, kept, unfinished = set(), 0, 0
    for k in range(points):
        sink = tmp_path / f"killed-{k}.parquet"
        process = begun(folder, wide, sink)
        for _ in range(1 + int((ROWS // CHUNK + 1) * (k + r.uniform()) / points)):
            process.stdout.readline()
        time.sleep(r.uniform(0.0, 0.2))
        process.kill()
        process.communicate()
        unfinished += sink.with_name(f"{sink.name}.job").exists()
        rows = []
        score_dataset(wide, sink, alone, chunk_rows=CHUNK, progress=lambda done, _, rows=rows: rows.append(done))
        kept += bool(rows) and rows[0] > CHUNK
        digests.add(content(sink))
        assert not sink.with_name(f"{sink.name}.job").exists()
    assert digests == {wanted}
    assert min(unfinished, kept) > points / 2, "most kills came too early or too late to tell anything"


@pytest.mark.parametrize("at", range(1, 40, 7))
def test_S01_a_crash_at_any_write_and_a_rerun_give_the_same_bytes(predictor, wide, tmp_path, monkeypatch, at):
    """Power is lost at the n-th move of a file into its place: every step of the job is one."""
    score_dataset(wide, tmp_path / "whole.parquet", predictor, chunk_rows=CHUNK)
    inner, left = Path.replace, [at]

    def replace(self, to):
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return inner(self, to)

    sink = tmp_path / "s.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(KeyboardInterrupt):
            score_dataset(wide, sink, predictor, chunk_rows=CHUNK)
    score_dataset(wide, sink, predictor, chunk_rows=CHUNK)
    assert content(sink) == content(tmp_path / "whole.parquet")


@pytest.mark.parametrize("spoil", ["cut", "flip", "gone"])
def test_S02_what_a_power_loss_left_half_written_is_done_again(predictor, wide, tmp_path, monkeypatch, spoil):
    score_dataset(wide, tmp_path / "whole.parquet", predictor, chunk_rows=CHUNK)
    sink = tmp_path / "s.parquet"
    with monkeypatch.context() as patch:
        broken_after(patch, 5, RuntimeError("power"))
        with pytest.raises(RuntimeError):
            score_dataset(wide, sink, predictor, chunk_rows=CHUNK)
    part = next((tmp_path / "s.parquet.job").glob("chunk-000003.scores"))
    whole = bytearray(part.read_bytes())
    whole[len(whole) // 2] ^= 1
    part.write_bytes(bytes(whole) if spoil == "flip" else whole[: len(whole) // 2])
    if spoil == "gone":
        part.unlink()
    score_dataset(wide, sink, predictor, chunk_rows=CHUNK)
    assert content(sink) == content(tmp_path / "whole.parquet")


def test_S03_a_full_disk_keeps_what_is_done_and_says_how_much_room_is_needed(folder, wide, tmp_path):
    sink = tmp_path / "s.parquet"
    limited = SCRIPT.replace("import sys, time", "import sys, time, resource", 1).replace(
        'print("ready"', 'resource.setrlimit(resource.RLIMIT_FSIZE, (7000, 7000)); print("ready"', 1
    )
    call = [sys.executable, "-c", limited, str(folder), str(wide), str(sink), "0"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode == SetupError.exit_code, done.stdout + done.stderr
    assert "THX-S03" in done.stdout
    assert "bytes" in done.stdout
    assert not sink.exists()
    score_dataset(wide, sink, Predictor.from_folder(folder), chunk_rows=CHUNK)
    assert len(pd.read_parquet(sink)) == ROWS - 1


def test_S03_the_chunks_before_the_disk_was_full_are_kept(predictor, wide, tmp_path, monkeypatch):
    sink = tmp_path / "s.parquet"
    with monkeypatch.context() as patch:
        broken_after(patch, 4, SetupError("the file cannot be written", code="THX-S03", got="No space left on device"))
        with pytest.raises(SetupError, match=r"THX-S03.*about \d+ bytes.*4 of 12") as e:
            score_dataset(wide, sink, predictor, chunk_rows=CHUNK)
    assert e.value.exit_code == 5
    rows = []
    score_dataset(wide, sink, predictor, chunk_rows=CHUNK, progress=lambda done, _: rows.append(done))
    assert rows[0] == 50  # only what was missing was scored


def test_S04_a_second_worker_is_sent_away(folder, predictor, wide, tmp_path):
    sink = tmp_path / "s.parquet"
    process = begun(folder, wide, sink, pause=0.5)
    while not process.stdout.readline().startswith("done"):
        pass
    with pytest.raises(SetupError, match=r"THX-S04.*another process") as caught:
        score_dataset(wide, sink, predictor, chunk_rows=CHUNK)
    assert caught.value.exit_code == 5
    process.kill()
    process.communicate()


def test_S04_a_lock_that_ran_out_or_whose_owner_is_dead_holds_nobody(predictor, wide, tmp_path):
    path = tmp_path / "s.parquet.job" / "lock.json"
    path.parent.mkdir()
    hour = timedelta(hours=1)
    host = stream_job.socket.gethostname()
    for owner, until in (("elsewhere:1:ab", -hour), (f"{host}:999999999:ab", hour)):
        path.write_text(json.dumps({"owner": owner, "until": (datetime.now(UTC) + until).isoformat()}))
        lock = Lock(path, "me:1:cd")
        lock.take()
        lock.release()
    path.write_text(json.dumps({"owner": "elsewhere:1:ab", "until": (datetime.now(UTC) + hour).isoformat()}))
    with pytest.raises(SetupError, match="THX-S04"):
        score_dataset(wide, tmp_path / "s.parquet", predictor)


def test_S05_an_input_that_changed_since_the_start_is_refused(predictor, wide, tmp_path, monkeypatch):
    sink = tmp_path / "s.parquet"
    with monkeypatch.context() as patch:
        broken_after(patch, 2, RuntimeError("power"))
        with pytest.raises(RuntimeError):
            score_dataset(wide, sink, predictor, chunk_rows=CHUNK)
    frame = pd.read_parquet(wide)
    frame.loc[119, "clinical:age"] += 1
    frame.to_parquet(wide)
    with pytest.raises(DataError, match=r"THX-S05.*input is another"):
        score_dataset(wide, sink, predictor, chunk_rows=CHUNK)
    assert not sink.exists()


def test_S05_other_settings_are_refused_and_other_chunks_are_those_of_the_start(predictor, wide, tmp_path, monkeypatch):
    sink = tmp_path / "s.parquet"
    with monkeypatch.context() as patch:
        broken_after(patch, 2, RuntimeError("power"))
        with pytest.raises(RuntimeError):
            score_dataset(wide, sink, predictor, chunk_rows=CHUNK)
    with pytest.raises(UsageError, match=r"THX-S05.*strict"):
        score_dataset(wide, sink, predictor, chunk_rows=CHUNK, strict=True)
    assert score_dataset(wide, sink, predictor, chunk_rows=50)["chunks"] == ROWS // CHUNK


def test_S06_an_alias_that_moves_changes_no_row(folder, predictor, wide, tmp_path, monkeypatch):
    sink = tmp_path / "s.parquet"
    with monkeypatch.context() as patch:
        broken_after(patch, 3, RuntimeError("power"))
        with pytest.raises(RuntimeError):
            score_dataset(wide, sink, predictor, chunk_rows=CHUNK)
    other = Predictor(predictor.model, "1" * 64, uri="models:/m@champion", version="4")
    with pytest.raises(ModelError, match=r"THX-S06.*got: version 4.*wanted: version 3"):
        score_dataset(wide, sink, other, chunk_rows=CHUNK)
    account = score_dataset(wide, sink, Predictor.from_folder(folder, uri="models:/m/3", version="3"))
    scores = pd.read_parquet(sink)
    assert scores.model_version.unique().tolist() == ["3"]
    assert scores.model_uri.unique().tolist() == ["models:/m@champion"]
    assert account["model"] == predictor.digest


@pytest.mark.nightly
def test_S07_memory_does_not_grow_with_the_rows(folder, tmp_path):
    script = """
import resource, sys
import numpy as np, pandas as pd
from theracast.predict.batch import score_dataset
from theracast.predict.predictor import Predictor
n, where = int(sys.argv[2]), sys.argv[3]
frame = pd.DataFrame({"patient_id": np.arange(n).astype(str), "clinical:age": 61.0, "mutations:tmb": 9.0,
                      "mutations:tmb_unit": "mut/Mb"})
frame.to_parquet(where + "/w.parquet", row_group_size=10_000)
del frame
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
score_dataset(where + "/w.parquet", where + "/s.parquet", Predictor.from_folder(sys.argv[1]), chunk_rows=5_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""
    peaks = []
    for n in (20_000, 200_000):
        done = subprocess.run(
            [sys.executable, "-c", script, str(folder), str(n), str(tmp_path)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout))
    assert peaks[1] < 1_500
    assert peaks[1] - peaks[0] < 150


def test_S08_without_time_for_explanations_every_patient_is_scored_all_the_same(predictor, wide, tmp_path, monkeypatch):
    inner = stream_chunk.explain
    monkeypatch.setattr(stream_chunk, "explain", lambda *a, **k: (time.sleep(0.3), inner(*a, **k))[1])
    monkeypatch.setattr(stream_chunk, "_AT_ONCE", 20)
    score_dataset(wide, tmp_path / "s.parquet", predictor, explain="top5", explain_seconds=0.4)
    told = pd.read_parquet(tmp_path / "s.parquet")
    assert told.probability.notna().all()
    late = told.explanation == stream_chunk.NOT_COMPUTED
    assert late.tolist() == sorted(late.tolist())
    assert 0 < late.sum() < len(told)


def test_S09_durations_do_not_come_from_the_clock_on_the_wall(predictor, wide, tmp_path, monkeypatch):
    class Backwards(datetime):
        ticks = 0

        @classmethod
        def now(cls, tz=None):
            cls.ticks += 1
            return datetime(2026, 10, 25, 3, tzinfo=UTC) - timedelta(hours=cls.ticks)

    for module in (batch, stream_job):
        monkeypatch.setattr(module, "datetime", Backwards)
    account = score_dataset(wide, tmp_path / "s.parquet", predictor, chunk_rows=CHUNK)
    assert 0 < account["seconds"] < 120
    for key in ("began", "finished"):
        assert datetime.fromisoformat(account[key]).utcoffset() == timedelta(0)


def test_S10_a_sigterm_finishes_the_chunk_and_can_be_resumed(folder, predictor, wide, tmp_path):
    sink = tmp_path / "s.parquet"
    process = begun(folder, wide, sink, pause=0.3)
    while not process.stdout.readline().startswith("done"):
        pass
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    rest = process.communicate(timeout=10)[0]
    assert time.monotonic() - sent < 10
    assert process.returncode == 5, rest
    assert "THX-S10" in rest
    score_dataset(wide, tmp_path / "whole.parquet", Predictor.from_folder(folder), chunk_rows=CHUNK)
    rows = []
    score_dataset(
        wide, sink, Predictor.from_folder(folder), chunk_rows=CHUNK, progress=lambda done, _: rows.append(done)
    )
    assert rows[0] >= 2 * CHUNK
    assert content(sink) == content(tmp_path / "whole.parquet")


def test_no_identifier_stands_in_the_files_of_the_job_but_in_its_rows(predictor, wide, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        broken_after(patch, 3, RuntimeError("power"))
        with pytest.raises(RuntimeError):
            score_dataset(wide, tmp_path / "s.parquet", predictor, chunk_rows=CHUNK)
    for file in (tmp_path / "s.parquet.job").glob("*.json"):
        assert "simulated-" not in file.read_text()
