"""theracast explain: sentences of a patient that add up, a folder of a cohort whose files do."""

import re
from decimal import Decimal

import pandas as pd
import pytest
from clis import printed, run, shell

from theracast.errors import UsageError
from theracast.features.datasets import load_cohort
from theracast.predict.explanation_files import points_table
from theracast.predict.predictor import Predictor

COHORT = "mgh2022_mel"


@pytest.fixture(scope="module")
def scores(two_cohorts):
    return Predictor.from_folder(two_cohorts).score(load_cohort(COHORT), explained=True, spread=True)


def test_sentences_of_one_patient_add_up(two_cohorts, scores):
    for patient in scores.table.patient_id[:3]:
        said = printed("explain", two_cohorts, COHORT, "--patient", patient)
        start, end = (Decimal(p) for p in re.findall(r"(\d+\.\d)% probability of response", said))
        points = [Decimal(p.replace("−", "-")) for p in re.findall(r": ([+−]?\d+\.\d) points", said)]
        assert start + sum(points) == end
        assert end == Decimal(f"{round(1000 * scores.prediction(patient).probability) / 10:.1f}")
        abstains = scores.prediction(patient).decision == "abstain"
        assert ("The model abstains" in said) == abstains


def test_an_abstention_is_said(two_cohorts, scores):
    patient = scores.table[scores.table.decision == "abstain"].patient_id.iloc[0]
    said = printed("explain", two_cohorts, COHORT, "--patient", patient)
    assert f"The model abstains: {scores.prediction(patient).reason}." in said


@pytest.mark.parametrize("parquet", [False, True])
def test_a_cohort_is_a_folder_of_tables_and_pictures(two_cohorts, scores, tmp_path, parquet):
    said = printed("explain", two_cohorts, COHORT, "-o", tmp_path / "why", *(["--parquet"] if parquet else []))
    files = sorted(p.name for p in (tmp_path / "why").iterdir())
    assert sorted(line.rsplit("/", 1)[-1] for line in said.split()) == files
    kind = "parquet" if parquet else "csv"
    assert {f"{n}.{kind}" for n in ("patients", "points", "importance")} <= set(files)
    assert {"beeswarm.png", "importance.png", "importance_features.png"} <= set(files)
    assert sum(f.startswith("dependence_") for f in files) == 3
    assert all((tmp_path / "why" / f).read_bytes()[1:4] == b"PNG" for f in files if f.endswith(".png"))
    read = pd.read_parquet if parquet else lambda p: pd.read_csv(p, dtype={"patient_id": str})
    points, patients = (read(tmp_path / "why" / f"{n}.{kind}") for n in ("points", "patients"))
    total = points.groupby("patient_id").points.sum()
    change = patients.set_index("patient_id").pipe(lambda t: t.prediction - t.reference)
    assert (total - change[total.index]).abs().max() < 1e-6
    assert set(patients.patient_id) == set(scores.table.patient_id)
    wanted = ["patient_id", "block", "pathway", "feature", "value", "unit", "proxy", "percentile", "points", "spread"]
    assert points.columns.tolist() == wanted
    assert points.spread.notna().any()


def test_the_rate_of_the_site_moves_where_it_begins(two_cohorts, tmp_path):
    for name, more in (("as_trained", []), ("rare", ["--response-rate", "0.05"])):
        printed("explain", two_cohorts, COHORT, "-o", tmp_path / name, *more)
    trained, rare = (pd.read_csv(tmp_path / n / "patients.csv") for n in ("as_trained", "rare"))
    assert (rare.reference < trained.reference).all()


def test_withheld_patients_have_no_points(scores):
    e = scores.explanation
    broken = e.points.copy()
    broken.iloc[0] = float("nan")
    rows = points_table(type(e)(**{**vars(e), "points": broken}))
    assert e.points.index[0] not in set(rows.patient_id)
    assert rows.points.notna().all()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "nothing to write"),
        (["--patient", "nobody at all"], "no such patient"),
        (["-o", "FILE"], "the output is a file"),
        (["-o", "x", "--response-rate", "2"], "rate"),
    ],
)
def test_wrong_calls_write_nothing(two_cohorts, tmp_path, monkeypatch, more, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").write_text("")
    done = run("explain", two_cohorts, COHORT, *more)
    assert isinstance(done.exception, UsageError)
    assert message in str(done.exception)
    assert [p.name for p in tmp_path.iterdir()] == ["FILE"]


def test_a_refused_patient_is_told_so(two_cohorts, tmp_path):
    (tmp_path / "w.csv").write_text("patient_id,clinical:age\np1,61\np2,-1\n")
    said = printed("explain", two_cohorts, tmp_path / "w.csv", "--patient", "p1")
    assert said.startswith("There is no prediction to explain: nothing that the model reads is known.")
    assert "Points are" not in said
    done = run("explain", two_cohorts, tmp_path / "w.csv", "--patient", "p2")
    assert isinstance(done.exception, UsageError)
    assert "refused" in str(done.exception)


def test_a_choice_between_therapies_is_sent_to_its_page(monkeypatch, two_cohorts):
    from theracast.predict import registry
    from theracast.predict.therapies import SelectionPredictor

    monkeypatch.setattr(registry, "load_any", lambda *a, **k: SelectionPredictor.__new__(SelectionPredictor))
    done = run("explain", two_cohorts, COHORT, "--patient", load_cohort(COHORT).ids[0])
    assert isinstance(done.exception, UsageError)
    assert "theracast report" in str(done.exception)


def test_exit_codes(two_cohorts, tmp_path):
    (tmp_path / "no.csv").write_text("name,value\nZZPHI,1\n")
    (tmp_path / "file").write_text("")
    calls = {
        2: ["explain", two_cohorts, COHORT],
        3: ["explain", two_cohorts, "no.csv", "-o", "why"],
        4: ["explain", "nowhere", COHORT, "-o", "why"],
        5: ["explain", two_cohorts, COHORT, "-o", "file/why"],
    }
    for code, call in calls.items():
        done = shell(tmp_path, *call)
        assert done.returncode == code, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert "ZZPHI" not in done.stderr


def test_help_teaches():
    said = printed("explain", "--help")
    assert "--patient" in said
    assert "theracast explain MODEL COHORT -o why" in " ".join(said.split())
    assert "associ" in said
