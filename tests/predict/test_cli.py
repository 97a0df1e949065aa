import json

import pandas as pd
import pytest
from clis import printed, run, shell

from theracast.errors import DataError, ModelError, UsageError
from theracast.features.datasets import datasets
from theracast.features.matrix import FeatureMatrix
from theracast.predict.cli import app

COMMANDS = ("demo", "blocks", "check", "indications", "datasets", "build", "train", "score", "rank")
COMMANDS += ("report", "explain", "packet", "models", "serve", "verify", "next-test", "card", "monitor", "experiment")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    assert command in printed("--help")
    assert "Usage" in printed(command, "--help")
    assert printed(command, "-h") == printed(command, "--help")


def test_no_command_is_forgotten_here():
    verbs = {c.name or c.callback.__name__ for c in app.registered_commands}
    assert verbs | {g.name for g in app.registered_groups} == set(COMMANDS)


def test_version():
    assert printed("--version").strip() == "0.1.0"


def test_blocks():
    assert all(b in printed("blocks") for b in ("clinical", "pathology", "mutations", "signatures"))
    one = printed("blocks", "mutations")
    assert "tmb_unit" in one
    assert "mut/Mb" in one


def test_indications():
    assert "melanoma_ici" in printed("indications")
    assert "not for" in printed("indications", "melanoma_ici")


def test_datasets():
    listed = printed("datasets")
    assert all(n[:6] in listed for n in datasets().name)


def test_build_writes_a_feature_matrix(tmp_path):
    printed("build", "riaz2017_mel", "-o", tmp_path / "m.parquet", "--block", "mutations", "--block", "clinical")
    assert FeatureMatrix.from_parquet(tmp_path / "m.parquet").blocks == ("mutations", "clinical")


def test_score_accounts_for_every_row(two_cohorts, tmp_path):
    done = printed("score", two_cohorts, "mgh2022_mel", "-o", tmp_path / "s.parquet")
    account = json.loads(done.strip().splitlines()[-1])
    assert account["rows_in"] == 34 == account["scored"] + account["abstained"] + account["rejected"]
    assert account["output"] == str(tmp_path / "s.parquet")
    assert len(pd.read_parquet(tmp_path / "s.parquet")) == 34


def test_score_of_a_wide_table_keeps_the_rejects(two_cohorts, tmp_path):
    (tmp_path / "w.csv").write_text("patient_id,clinical:age\np1,61\np2,-1\n")
    done = printed("score", two_cohorts, tmp_path / "w.csv", "-o", tmp_path / "s.parquet")
    assert "rejected 1: THX-D15" in done
    assert pd.read_parquet(tmp_path / "s.rejects.parquet").patient_id.tolist() == ["p2"]


@pytest.mark.shared
def test_score_of_an_outside_cohort(two_cohorts, tmp_path, shared_data):
    done = printed("score", two_cohorts, shared_data / "ici" / "roh2017_mel", "-o", tmp_path / "s.parquet")
    account = json.loads(done.strip().splitlines()[-1])
    assert account["rows_in"] == 16 == account["scored"] + account["abstained"] + account["rejected"]
    table = pd.read_parquet(tmp_path / "s.parquet")
    assert (table.reason[table.decision == "abstain"] != "").all()
    rejects = tmp_path / "s.rejects.parquet"
    assert account["rejected"] == (len(pd.read_parquet(rejects)) if rejects.exists() else 0)


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (["blocks", "mutation"], UsageError),
        (["indications", "melanoma"], UsageError),
        (["build", "liu2019", "-o", "x.parquet"], UsageError),
        (["build", "riaz2017_mel", "-o", "x.parquet", "--block", "rna"], UsageError),
        (["build", "riaz2017_mel", "-o", "x.parquet", "--unit", "TPM"], UsageError),
        (["train", "none.yaml"], UsageError),
        (["score", "none", "riaz2017_mel", "-o", "x.parquet"], ModelError),
        (["score", "models:/m@champion", "riaz2017_mel", "-o", "x.parquet"], ModelError),
        (["models"], ModelError),
        (["score", "none", "./none.csv", "-o", "x.parquet"], DataError),
    ],
)
def test_wrong_calls_are_errors_made_on_purpose(tmp_path, monkeypatch, arguments, kind):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    done = run(*arguments)
    assert type(done.exception) is kind, done.exception
    assert list(tmp_path.iterdir()) == []


def test_strict_stops_and_writes_nothing(two_cohorts, tmp_path):
    (tmp_path / "w.csv").write_text("patient_id,clinical:age\np1,61\np2,-1\n")
    done = run("score", two_cohorts, tmp_path / "w.csv", "-o", tmp_path / "s.parquet", "--strict")
    assert isinstance(done.exception, DataError)
    assert not (tmp_path / "s.parquet").exists()


def test_rubbish_is_one_line_and_an_exit_code(two_cohorts, tmp_path):
    (tmp_path / "e.yaml").write_text("indication: melanoma_ici\nlerner: x\n")
    (tmp_path / "no.csv").write_text("name,value\nZZPHI,1\n")
    (tmp_path / "file").write_text("")
    cases = {
        2: ["train", "e.yaml"],
        3: ["score", two_cohorts, "no.csv", "-o", "s.parquet"],
        4: ["score", "nowhere", "mgh2022_mel", "-o", "s.parquet"],
        5: ["score", two_cohorts, "mgh2022_mel", "-o", "file/s.parquet"],
    }
    for code, call in cases.items():
        done = shell(tmp_path, *call)
        assert done.returncode == code, (call, done.stderr)
        assert "ZZPHI" not in done.stderr + done.stdout
        assert len(done.stderr.strip().splitlines()) == 1
        assert done.stderr.startswith("error ")


def test_a_parquet_cut_off_is_a_data_error_and_an_unknown_verb_a_usage_error(two_cohorts, tmp_path):
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 cut off")
    done = run("score", two_cohorts, tmp_path / "cut.parquet", "-o", tmp_path / "s.parquet")
    assert isinstance(done.exception, DataError)
    assert run("nonsense").exit_code == 2
