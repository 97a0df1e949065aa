"""Eight planted leaks, eight stops: a model that seems better than it is is not trained."""

import re
from dataclasses import replace

import pandas as pd
import pytest
import yaml
from leaks import PLANTED, cohorts, copied, experiment, light
from typer.testing import CliRunner

from theracast.errors import DataError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models import train as training
from theracast.models.leakage import SENTINELS, LeakError
from theracast.models.train import Training, train
from theracast.models.validate import leave_cohorts_out
from theracast.predict.cli import app
from theracast.predict.registry import load_predictor

IDS = re.compile(r"Pt\d|Pat\d|guest\d|Patient\d")
#: Stopped before anything is fitted: the whole road costs little. The others are validated with fast blocks.
EARLY = [n for n, s in SENTINELS.items() if s.when == "before"]
LATE = [n for n in SENTINELS if n not in EARLY]


def stopped(sentinel, road):
    """The error of a road that must end at a sentinel."""
    with pytest.raises(LeakError) as caught:
        road()
    error = caught.value
    assert sentinel in {f.sentinel for f in error.findings}
    assert error.findings[0].sentinel in str(error)
    assert error.code == SENTINELS[error.findings[0].sentinel].code
    assert all(part in str(error) for part in ("where:", "wanted:", "do:", "waive:"))
    assert not any(f.waived for f in error.findings)
    assert isinstance(error, DataError)
    assert not IDS.search(str(error))
    return error


@pytest.mark.parametrize("sentinel", EARLY)
def test_D18_D22_D23_a_planted_leak_stops_the_training(sentinel, tmp_path, monkeypatch):
    paths = PLANTED[sentinel](tmp_path, monkeypatch)
    error = stopped(sentinel, lambda: train(experiment(paths)))
    assert {f.sentinel for f in error.findings} == {sentinel}


@pytest.mark.parametrize("sentinel", LATE)
def test_D23_a_leak_that_only_the_fitted_models_show_stops_the_validation(sentinel, tmp_path, monkeypatch):
    paths = PLANTED[sentinel](tmp_path, monkeypatch)
    error = stopped(sentinel, lambda: leave_cohorts_out(light(), cohorts(paths)))
    assert {f.sentinel for f in error.findings} == {sentinel}


@pytest.mark.parametrize("sentinel", SENTINELS)
def test_D23_a_waived_leak_is_told_with_its_reason(sentinel, tmp_path, monkeypatch):
    paths = PLANTED[sentinel](tmp_path, monkeypatch)
    found = leave_cohorts_out(light(), cohorts(paths), waive={sentinel: "simulated, planted for a test"})
    assert {(f.sentinel, f.waived, f.reason) for f in found.findings} == {
        (sentinel, True, "simulated, planted for a test")
    }
    assert all(f.what != "nothing was found" for f in found.findings)


def test_D23_another_sentinel_waived_is_no_help(tmp_path, monkeypatch):
    paths = PLANTED["late_feature"](tmp_path, monkeypatch)
    stopped("late_feature", lambda: train(experiment(paths, single_feature="simulated")))


def test_D23_the_clean_cohorts_pass(tmp_path, monkeypatch):
    """Their clinical tables hold RECIST and survival, where they belong; hugo and riaz both have a Pt1."""
    assert leave_cohorts_out(light(), cohorts(copied(tmp_path, {}))).findings == ()


def test_D18_one_cohort_twice_under_two_names(tmp_path, monkeypatch):
    cohort = load_cohort("riaz2017_mel")
    error = stopped(
        "patient_in_two_folds",
        lambda: leave_cohorts_out(light(), {"a": cohort, "b": cohort, "hugo2016_mel": load_cohort("hugo2016_mel")}),
    )
    assert {f.sentinel for f in error.findings} == {"patient_in_two_folds", "near_duplicate"}
    assert "of near_duplicate" in str(error)


def test_D23_a_waiver_is_shown_and_kept_with_the_model(tmp_path, monkeypatch):
    """By the command: the reason stands in what it prints and in what the model's card is written from."""
    reason = "simulated: three biopsies on treatment were planted"
    paths = PLANTED["late_feature"](tmp_path / "data", monkeypatch)
    asked, read = experiment(paths, late_feature=reason), cohorts(paths)
    whole = Cohort.concat(list(read.values()))
    judged = replace(leave_cohorts_out(light(), read, waive=asked.waive), equity=pd.DataFrame())
    monkeypatch.setattr(training, "train", lambda *_: Training(asked, light().fit(whole), judged, read))
    file, store = tmp_path / "e.yaml", f"sqlite:///{tmp_path / 'mlflow.db'}"
    file.write_text(yaml.safe_dump(asked.model_dump(exclude={"sets"})))
    said = CliRunner().invoke(
        app, ["train", str(file), "--no-promote", "--tracking-uri", store], catch_exceptions=False
    )
    assert said.exit_code == 0, said.output
    assert all(w in said.output for w in ("late_feature", "three biopsies", "3 patients were measured after"))
    kept = load_predictor("models:/melanoma_ici/1", tracking=store).about["sentinels"]
    assert [(f["sentinel"], f["waived"], f["reason"]) for f in kept] == [("late_feature", True, reason)]
