"""Planted leaks stop the training of a choice between therapies. SIMULATED, but for the public studies that pass."""

import re
from pathlib import Path

import pytest
import yaml
from choice_leaks import PLANTED, study, tables
from typer.testing import CliRunner

from theracast.errors import UsageError
from theracast.features.datasets import load_cohort
from theracast.models import selection_train
from theracast.models.indications import SELECTIONS
from theracast.models.leakage import SENTINELS, LeakError
from theracast.models.selection import SelectionModel
from theracast.models.selection_leakage import CHOICE_LOOKS, look_at_choice
from theracast.models.selection_spec import Arm, SelectionSpec
from theracast.models.selection_train import SelectionExperiment, train_selection
from theracast.predict.cli import app
from theracast.predict.registry import load_any

NAME = "crohns_ustekinumab"
EXPERIMENTS = Path(__file__).parents[2] / "experiments"
IDS = re.compile(r"sim\d|again\d")
REASON = "simulated: planted for a test"


def asked(**waive):
    return SelectionExperiment(kind="selection", name=NAME, waive=waive)


def given(monkeypatch, cohort):
    monkeypatch.setattr(selection_train, "load_cohort", lambda name: cohort)


@pytest.mark.parametrize("sentinel", PLANTED)
def test_D18_D22_D23_a_planted_leak_stops_the_training_of_a_choice(sentinel, monkeypatch):
    given(monkeypatch, PLANTED[sentinel](monkeypatch))
    with pytest.raises(LeakError) as caught:
        train_selection(asked())
    error = caught.value
    # who was taken in twice has a profile that stands twice
    beside = {"near_duplicate"} if sentinel == "patient_in_two_folds" else set()
    assert {f.sentinel for f in error.findings} == {sentinel} | beside
    assert error.code == SENTINELS[sentinel].code
    assert all(part in str(error) for part in ("where:", "wanted:", "do:", "waive:"))
    assert not IDS.search(str(error))


def test_D23_every_sentinel_that_looks_at_a_choice_has_a_planted_leak():
    assert set(PLANTED) == set(CHOICE_LOOKS) == set(SENTINELS) - {"fit_on_test_rows"}


def test_D23_a_clean_choice_passes(monkeypatch):
    given(monkeypatch, study())
    assert train_selection(asked()).findings == ()


def test_D23_the_patients_of_a_study_are_counted(monkeypatch):
    given(monkeypatch, PLANTED["patient_in_two_folds"](monkeypatch))
    waived = train_selection(asked(patient_in_two_folds=REASON, near_duplicate=REASON)).findings
    assert [(f.what.split()[0], f.where, f.waived, f.reason) for f in waived] == [
        ("8", "certifi", True, REASON),
        ("the", "features of certifi", True, REASON),
    ]
    assert "of 8 of 164 patients" in waived[1].what


def test_D18_a_patient_in_two_studies_of_a_choice():
    held = tables(80)
    held["clinical"] = held["clinical"].assign(ldh=held["clinical"]["bmi"] * 9, ldh_unit="U/L")
    other = {k: t.tail(40).set_axis([f"other{i}" for i in range(40)]) for k, t in held.items()}
    arms = [Arm(t, "", s, ("clinical",)) for s in ("one", "two") for t in ("ustekinumab", "placebo")]
    spec = SelectionSpec("simulated", "SIMULATED", "", "", "", tuple(arms), "Tests.", "Anyone.")
    with pytest.raises(LeakError) as caught:
        look_at_choice(SelectionModel(spec), {"one": study(held), "two": study(other)}, "before")
    assert {(f.sentinel, f.where) for f in caught.value.findings} >= {("patient_in_two_folds", "one and two")}
    assert {f.where for f in caught.value.findings} <= {"one and two", "features of one and two"}


def test_D23_waivers_of_a_choice_are_held_to_what_looks():
    with pytest.raises(UsageError, match="does not look at a choice"):
        asked(fit_on_test_rows=REASON)
    with pytest.raises(UsageError, match="without a reason"):
        asked(late_feature=" ")
    with pytest.raises(UsageError, match="late_feature"):
        asked(late_features=REASON)
    assert asked(late_feature=REASON).digest == asked().digest


def test_D23_a_waiver_of_a_choice_is_shown_and_kept_with_the_model(tmp_path, monkeypatch):
    given(monkeypatch, PLANTED["late_feature"](monkeypatch))
    monkeypatch.setattr("theracast.predict.cli.require_cohorts", lambda *_: None)
    file, store = tmp_path / "e.yaml", f"sqlite:///{tmp_path / 'mlflow.db'}"
    file.write_text(yaml.safe_dump({"kind": "selection", "name": NAME, "waive": {"late_feature": REASON}}))
    said = CliRunner().invoke(
        app, ["train", str(file), "--no-promote", "--tracking-uri", store], catch_exceptions=False
    )
    assert said.exit_code == 0, said.output
    assert all(w in said.output for w in (f"of {len(CHOICE_LOOKS)} sentinels", "late_feature", "3 patients", "planted"))
    kept = load_any(f"models:/{NAME}/1", tracking=store).about["sentinels"]
    assert [(f["sentinel"], f["waived"], f["reason"]) for f in kept] == [("late_feature", True, REASON)]


@pytest.mark.shared
@pytest.mark.parametrize("name", [NAME, pytest.param("ra_biologic", marks=pytest.mark.nightly)])
def test_D23_the_public_studies_of_a_choice_pass(name, shared_data, monkeypatch):
    monkeypatch.setenv("THERACAST_DATA", str(shared_data))
    choice = SelectionExperiment.from_yaml(EXPERIMENTS / f"{name}.yaml")
    assert choice.waive == {}
    studies = {s: load_cohort(s) for s in SELECTIONS[name].studies}
    assert look_at_choice(SelectionModel(name, choice.settings or None), studies, "before") == ()
