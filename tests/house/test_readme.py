"""What the README shows runs, and what it claims is what the repository holds."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import theracast
from theracast.features.datasets import load_cohort
from theracast.models.config import Experiment
from theracast.models.indications import INDICATIONS
from theracast.predict.cli import app

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
COMMANDS = [line.split("#")[0].strip() for line in README.splitlines() if line.startswith("theracast ")]


#: A row of each generated part that is not of a model.
GENERATED = {
    "bench": "| ranks |",
    "blocks": "| clinical |",
    "brca_subtype": "| average over the observed blocks |",
    "certifi": "treat where a gain is predicted",
    "claims": "| simulated: ",
    "choice": "which treatment of rheumatoid arthritis?",
    "drugs": "| random drug |",
    "dynamic": "| last value only |",
    "equity": "prior treatment",
    "explaining": "1,848 hidden blocks",
    "gdsc2_response": "| mean of each drug |",
    "ici": "set A: plain mean",
    "monitoring": "False alarms over whole lives",
    "next_test": "random order, same stop",
    "prognosis": "| serum albumin |",
    "ra": "| ra_repertoire |",
    "therapies": "| standard of care |",
    "trust": "of the tests saved",
}


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("readme")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs_in_the_order_shown(command, folder, monkeypatch, request):
    if "ra_biologic" in command:  # of public data that may not be shipped
        monkeypatch.setenv("THERACAST_DATA", str(request.getfixturevalue("shared_data")))
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
    arguments = [str(ROOT / a) if a.startswith("experiments/") else a for a in shlex.split(command)[1:]]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    if "-o" in arguments:
        assert (folder / arguments[arguments.index("-o") + 1]).stat().st_size > 0


def test_the_python_shown_runs():
    choice, first, registry, why, kernels = blocks("python")
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"crp": rng.gamma(2, 5, 200)}, index=[f"p{i}" for i in range(200)])
    made_up = {"X": X, "treatment": ["TNF", "JAK"] * 100, "y": rng.integers(0, 2, 200), "patients": X}
    exec(compile(choice, "README", "exec"), {"theracast": theracast, **made_up})
    names: dict[str, object] = {}
    exec(compile(first, "README", "exec"), names)
    exec(compile(why, "README", "exec"), names)
    exec(compile(kernels, "README", "exec"), {"expression": load_cohort("riaz2017_mel").tables["expression"]})
    assert "load_model" in registry, "shown with a store; tests/predict/test_registry.py runs it"


def test_the_make_targets_shown_are_there():
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.MULTILINE)
    text = README + (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    named = set(re.findall(r"^make (\w+)", text, flags=re.MULTILINE)) | set(re.findall(r"`make (\w+)`", text))
    assert {"demo", "test", "check", "readme"} <= named <= set(targets)


def test_the_generated_parts_are_filled():
    for file in (ROOT / "README.md", ROOT / "experiments" / "README.md"):
        for name, part in re.findall(
            r"<!-- begin (\w+) -->\n(.*?)<!-- end \1 -->", file.read_text("utf-8"), flags=re.DOTALL
        ):
            assert GENERATED.get(name, "theracast") in part, (file, name)
    assert (ROOT / "experiments" / "overview.png").stat().st_size > 10_000


def test_the_experiment_says_what_the_indication_says():
    written = Experiment.from_yaml(ROOT / "experiments" / "melanoma_bundled.yaml")
    spec = INDICATIONS["melanoma_ici"]
    assert (written.cohorts, written.holdout) == (list(spec.cohorts), list(spec.holdout))
    assert written.digest == Experiment(indication="melanoma_ici").digest
    assert all(len(load_cohort(name)) for name in (*written.cohorts, *written.holdout))


@pytest.mark.parametrize("name", ["melanoma_ici", "pan_ici"])
def test_the_experiments_on_all_cohorts_say_their_sets(name):
    written = Experiment.from_yaml(ROOT / "experiments" / f"{name}.yaml")
    assert written.indication == written.name == name
    assert (len(written.sets["A"]), len(written.sets["B"])) == (12, 6)
    assert set(written.sets["B"]) < set(written.sets["A"])
