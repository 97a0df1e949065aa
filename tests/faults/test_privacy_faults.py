"""Fault A06 from the shell: nothing of a patient is left behind but the ids of the scores."""

import json

import pandas as pd
import pytest
from clis import shell

from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.storage import save_model

CANARY = "ZZPHI"
EXPERIMENT = "indication: melanoma_ici\ncohorts: [one, two]\nholdout: []\n"


def write_cohort(name, folder):
    """A bundled cohort whose patients, and whose remarks, are canaries."""
    folder.mkdir()
    for table, frame in load_cohort(name).tables.items():
        known = frame.set_axis([f"{CANARY}-{i}" for i in frame.index]).rename_axis("patient_id")
        if table == "clinical":
            known["remark"] = f"{CANARY} was seen on Monday"
        known.to_parquet(folder / f"{table}.parquet")


def left_behind(folder, but=()):
    """Every file that holds the canary; Parquet is unpacked, and ids of scores are the user's own."""
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and not set(but) & set(p.relative_to(folder).parts)):
        held = path.read_bytes()
        if path.suffix == ".parquet":
            held = pd.read_parquet(path).drop(columns="patient_id", errors="ignore").reset_index().to_json().encode()
        if CANARY.encode() in held or CANARY in path.name:
            found.append(str(path.relative_to(folder)))
    return found


def test_A06_training_leaves_no_patient_in_the_registry_its_artifacts_or_its_logs(tmp_path, monkeypatch):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    for name, real in (("one", "liu2019_mel"), ("two", "riaz2017_mel")):
        write_cohort(real, tmp_path / name)
    (tmp_path / "e.yaml").write_text(EXPERIMENT)
    done = shell(tmp_path, "train", "e.yaml")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "mlflow.db").stat().st_size
    assert CANARY not in done.stdout + done.stderr
    assert len(left_behind(tmp_path)) >= 2, "the search finds what is there"
    assert left_behind(tmp_path, but=("one", "two")) == []


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_model(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), folder)
    return folder


@pytest.fixture
def wide(tmp_path):
    """Fifty patients; canaries as ids, in a column that nobody reads, and in one cell of every column."""
    cohort = load_cohort("mgh2022_mel")
    table = cohort.wide().astype(object).iloc[:30]
    table = table.set_axis([f"{CANARY}-{i}" for i in table.index]).rename_axis("patient_id").reset_index()
    table["clinical:remark"] = f"{CANARY} was seen on Monday"
    for k, column in enumerate(table.columns[1:]):
        table.loc[k % len(table), column] = f"{CANARY} 7"
    folder = tmp_path / "given"
    folder.mkdir()
    table.to_csv(folder / "wide.csv", index=False)
    return folder / "wide.csv"


@pytest.mark.parametrize("more", [(), ("--chunk-rows", "7", "--explain", "all")], ids=["whole", "in chunks"])
def test_A06_scoring_leaves_ids_in_the_scores_and_nothing_else(tmp_path, monkeypatch, wide, model, more):
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    done = shell(tmp_path, "score", model, wide, "-o", tmp_path / "scores.parquet", *more)
    assert done.returncode == 0, done.stderr
    account = json.loads(done.stdout.splitlines()[-1])
    assert account["rejected"] > 0
    assert account["scored"] + account["abstained"] + account["rejected"] == account["rows_in"] == 30
    assert CANARY not in done.stdout + done.stderr
    assert left_behind(tmp_path, but=("given",)) == []
    assert pd.read_parquet(tmp_path / "scores.rejects.parquet").patient_id.str.startswith(CANARY).all()


def test_A06_a_table_refused_as_a_whole_is_not_repeated(tmp_path, wide, model):
    table = pd.read_csv(wide).assign(**{"mutations:tmb": f"{CANARY} mut"})
    table.columns = [f"{c} {CANARY}" if c == "clinical:remark" else c for c in table.columns]
    pd.concat([table, table[["clinical:age"]]], axis=1).to_csv(wide, index=False)
    for words in (("--strict",), ("--unit", "expression=furlongs")):
        done = shell(tmp_path, "score", model, wide, "-o", tmp_path / "scores.parquet", *words)
        assert done.returncode != 0
        assert CANARY not in done.stdout + done.stderr, done.stderr
        assert not (tmp_path / "scores.parquet").exists()
