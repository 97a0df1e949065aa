import json
from pathlib import Path

import pandas as pd
import pytest

from theracast.errors import ModelError, SetupError
from theracast.models.recalibration import Recalibration
from theracast.predict.batch import write_scores
from theracast.predict.files import replace_file
from theracast.predict.records import Scores

TABLE = pd.DataFrame({"patient_id": ["a", "b"], "decision": ["response", "abstain"]})
REJECTS = pd.DataFrame({"row": [3], "patient_id": ["c"], "code": ["THX-D15"], "reason": ["age"]})
UNTOLD = {"prior": None, "site": {"intercept": 0.0, "slope": 1.0, "note": "", "refused": False}}


def test_what_was_assumed_of_the_site_stands_beside_the_scores(tmp_path):
    site = Recalibration(-0.5, 0.9, "fitted to 12 labelled patients, 4 of them responders")
    write_scores(Scores(TABLE, REJECTS, 3, prior=0.3, site=site), tmp_path / "s.parquet")
    kept = json.loads((tmp_path / "s.json").read_text())
    assert (kept["prior"], kept["site"]) == (
        0.3,
        {"intercept": -0.5, "slope": 0.9, "note": site.note, "refused": False},
    )


def test_scores_rejects_and_account_stand_beside_each_other(tmp_path):
    account = write_scores(Scores(TABLE, REJECTS, 3), tmp_path / "new" / "s.parquet")
    told = {k: v for k, v in account.items() if k not in ("provenance", "sealed")}
    assert told == {"rows_in": 3, "scored": 1, "abstained": 1, "rejected": 1} | UNTOLD
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "new" / "s.parquet"), TABLE)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "new" / "s.rejects.parquet"), REJECTS)
    assert json.loads((tmp_path / "new" / "s.json").read_text()) == account
    assert len(list((tmp_path / "new").iterdir())) == 3


def test_the_rejects_of_an_earlier_run_do_not_stay(tmp_path):
    write_scores(Scores(TABLE, REJECTS, 3), tmp_path / "s.parquet")
    write_scores(Scores(TABLE, REJECTS.iloc[:0], 2), tmp_path / "s.parquet")
    assert sorted(f.name for f in tmp_path.iterdir()) == ["s.json", "s.parquet"]


def test_s01_a_lost_row_writes_nothing(tmp_path):
    with pytest.raises(ModelError, match="THX-S01"):
        write_scores(Scores(TABLE, REJECTS, 4), tmp_path / "s.parquet")
    assert list(tmp_path.iterdir()) == []


def test_s02_the_file_is_flushed_before_it_is_moved(tmp_path, monkeypatch):
    steps = []
    inner = Path.replace
    monkeypatch.setattr("theracast.predict.files.os.fsync", lambda handle: steps.append("flush"))
    monkeypatch.setattr(Path, "replace", lambda self, to: (steps.append("move"), inner(self, to))[1])
    replace_file(tmp_path / "a.txt", lambda p: p.write_text("whole"))
    assert steps == ["flush", "move"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), PermissionError(13, "Permission denied")])
def test_s03_a_full_disk_leaves_the_old_file(tmp_path, error):
    (tmp_path / "s.parquet").write_text("old")

    def half(path):
        path.write_text("ha")
        raise error

    with pytest.raises(SetupError, match=r"THX-S03.*" + error.strerror) as raised:
        replace_file(tmp_path / "s.parquet", half)
    assert raised.value.exit_code == 5
    assert (tmp_path / "s.parquet").read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["s.parquet"]


@pytest.mark.parametrize("error", [ValueError("bug"), KeyboardInterrupt()])
def test_any_other_failure_leaves_the_old_file_and_no_litter(tmp_path, error):
    (tmp_path / "s.parquet").write_text("old")

    def half(path):
        path.write_text("ha")
        raise error

    with pytest.raises(type(error)):
        replace_file(tmp_path / "s.parquet", half)
    assert (tmp_path / "s.parquet").read_text() == "old"
    assert [f.name for f in tmp_path.iterdir()] == ["s.parquet"]


@pytest.mark.parametrize("place", ["file/s.parquet", "file/deeper/s.parquet"])
def test_s03_an_impossible_folder_is_a_setup_error(tmp_path, place):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(SetupError, match="THX-S03") as raised:
        write_scores(Scores(TABLE, REJECTS, 3), tmp_path / place)
    assert raised.value.exit_code == 5


def test_the_output_is_a_folder(tmp_path):
    with pytest.raises(SetupError, match="THX-S03"):
        replace_file(tmp_path, lambda p: p.write_text("x"))
