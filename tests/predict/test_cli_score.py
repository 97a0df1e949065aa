"""``theracast score`` of wide tables: chunks, resuming, options; and what is not imported on the way."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from theracast.errors import UsageError
from theracast.predict import cli_score
from theracast.predict.cli import app
from theracast.predict.cli_score import is_wide

#: Trees of modules that take seconds to import and that one patient's score does not need.
HEAVY = ("mlflow", "shap", "matplotlib", "fastapi", "pyspark", "duckdb", "IPython", "statsmodels")


@pytest.fixture
def wide(tmp_path):
    n = 50
    frame = pd.DataFrame(
        {
            "patient_id": [f"simulated-{i}" for i in range(n)],
            "clinical:age": np.linspace(30, 89, n),
            "mutations:tmb": np.linspace(0.5, 40, n),
            "mutations:tmb_unit": "mut/Mb",
        }
    )
    frame.to_parquet(tmp_path / "wide.parquet")
    return tmp_path / "wide.parquet"


def run(*words):
    done = CliRunner().invoke(app, ["score", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout.splitlines()[-1])


def test_a_wide_table_is_scored_in_chunks(two_cohorts, wide, tmp_path):
    account = run(two_cohorts, wide, "-o", tmp_path / "s.parquet", "--chunk-rows", 20, "--explain", "top5")
    assert account["rows_in"] == 50
    assert account["chunks"] == 3
    told = pd.read_parquet(tmp_path / "s.parquet").explanation
    assert (told.map(lambda t: len(json.loads(t)["features"])) > 0).all()


def test_a_rate_reaches_every_chunk(two_cohorts, wide, tmp_path):
    run(two_cohorts, wide, "-o", tmp_path / "s.parquet", "--chunk-rows", 20, "--response-rate", 0.2)
    scores = pd.read_parquet(tmp_path / "s.parquet")
    assert scores.notes.str.contains("response rate given: 20%").all()
    assert scores.probability.mean() == pytest.approx(0.2, abs=1e-6)


def test_what_is_a_wide_table(wide, tmp_path):
    (tmp_path / "cohort").mkdir()
    pd.DataFrame({"patient_id": ["a"], "age": [1]}).to_parquet(tmp_path / "cohort" / "clinical.parquet")
    assert is_wide(str(wide))
    (tmp_path / "parts" / "clinical:sex=F").mkdir(parents=True)
    wide.rename(tmp_path / "parts" / "clinical:sex=F" / "a.parquet")
    assert is_wide(str(tmp_path / "parts"))
    assert not is_wide(str(tmp_path / "cohort"))
    assert is_wide("duckdb:a?table=t")


def test_explanations_of_a_cohort_are_the_report(two_cohorts, tmp_path):
    with pytest.raises(UsageError, match="theracast report"):
        run(two_cohorts, "riaz2017_mel", "-o", tmp_path / "s.parquet", "--explain", "all")


def test_S06_a_job_is_resumed_with_its_version(tmp_path):
    output = tmp_path / "s.parquet"
    job = tmp_path / "s.parquet.job"
    job.mkdir()
    (job / "job.json").write_text(json.dumps({"model_uri": "models:/m@champion", "model_version": "3"}))
    assert cli_score._pinned("models:/m@champion", output) == "models:/m/3"
    assert cli_score._pinned("models:/m@challenger", output) == "models:/m@challenger"
    assert cli_score._pinned("models:/m@champion", tmp_path / "other.parquet") == "models:/m@champion"


def test_no_heavy_tree_is_imported_for_help(tmp_path):
    call = "import theracast.predict.cli as c\ntry: c.app(['--help'])\nexcept SystemExit: pass\n"
    assert imported(call, tmp_path) == "[]"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_no_heavy_tree_is_imported_for_one_patient(two_cohorts, wide, tmp_path, form):
    one = pd.read_parquet(wide).head(1)
    (one.to_csv if form == "csv" else one.to_parquet)(tmp_path / f"one.{form}", index=False)
    words = ["score", str(two_cohorts), str(tmp_path / f"one.{form}"), "-o", str(tmp_path / "s.parquet")]
    call = f"import theracast.predict.cli as c\ntry: c.app({words!r})\nexcept SystemExit: pass\n"
    assert imported(call, tmp_path) == "[]"
    assert len(pd.read_parquet(tmp_path / "s.parquet")) == 1


def imported(call, folder):
    code = f"import sys\n{call}\nprint(sorted(m for m in {HEAVY!r} if m in sys.modules), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=folder)
    return done.stderr.strip().splitlines()[-1]
