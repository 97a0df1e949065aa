"""``train``: what it prints of the validation, how it tells its progress, and what it says when data are not here."""

import io

import pytest
from clis import run, shell
from rich.console import Console

from theracast.errors import UsageError
from theracast.predict import console
from theracast.predict.registry import list_models, load_validation

SMALL = """indication: melanoma_ici
cohorts: [liu2019_mel, riaz2017_mel]
holdout: [hugo2016_mel]
sets: {small: [riaz2017_mel, hugo2016_mel]}
"""


def test_train_as_a_user_runs_it(tmp_path):
    (tmp_path / "e.yaml").write_text(SMALL)
    done = shell(tmp_path, "train", "e.yaml", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["1/3", "2/3", "3/3"], done.stderr
    assert "riaz2017_mel" in done.stderr
    for wanted in (
        "AUC on cohorts the model never saw",
        "Random-effects mean over the cohorts",
        "plain mean",
        "cytolytic",
        "Random-effects mean over set small",
        "Coverage of the label sets",
        "right when single",
        "registered models:/melanoma_ici@champion (version 1)",
    ):
        assert wanted in done.stdout
    store = f"sqlite:///{tmp_path / 'mlflow.db'}"
    assert list_models(store).aliases.tolist() == ["champion"]
    kept = load_validation("models:/melanoma_ici@champion", tracking=store)
    assert kept.sets["small"].cohorts.iloc[0] == 2
    assert set(kept.coverage.cohort) == {"liu2019_mel", "riaz2017_mel", "hugo2016_mel"}


@pytest.mark.parametrize("jobs", ["0", "-1", "many"])
def test_a_wrong_number_of_processes(tmp_path, jobs):
    (tmp_path / "e.yaml").write_text(SMALL)
    assert run("train", tmp_path / "e.yaml", "--jobs", jobs).exit_code == 2


def missing(tmp_path, monkeypatch, cohorts):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "e.yaml").write_text(f"indication: melanoma_ici\ncohorts: [{', '.join(cohorts)}]\nholdout: []\n")
    done = run("train", "e.yaml")
    assert isinstance(done.exception, UsageError), done.output
    assert [f.name for f in tmp_path.iterdir()] == ["e.yaml"]  # no store is begun
    return str(done.exception)


def test_missing_cohorts_are_all_named_with_the_place_and_the_way_to_bring_them(tmp_path, monkeypatch):
    monkeypatch.setenv("THERACAST_DATA", str(tmp_path / "data"))
    said = missing(tmp_path, monkeypatch, ["liu2019_mel", "loris_kato_pan", "braun2020_rcc"])
    assert "where: e.yaml" in said
    assert "2 of 3 missing: loris_kato_pan, braun2020_rcc" in said
    assert f"{tmp_path / 'data' / 'ici'} (THERACAST_DATA)" in said
    assert "'theracast datasets fetch loris'" in said
    assert "shared" not in said


def test_where_it_looked_without_the_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("THERACAST_DATA", raising=False)
    said = missing(tmp_path, monkeypatch, ["liu2019_mel", "braun2020_rcc"])
    assert "THERACAST_DATA is not set" in said
    assert str(tmp_path.parent / "shared" / "data" / "ici") in said
    assert "datasets fetch" not in said  # no public source has it


def test_a_terminal_shows_the_bar_with_the_number_done_and_the_time_left(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=screen, force_terminal=True, width=120))
    with console.steps(3) as step:
        step("read a")
        for name in "abc":
            step(f"predicted {name} by the others", done=True)
    assert "3/3" in screen.getvalue()
    assert "predicted c by the others" in screen.getvalue()
    assert "left" in screen.getvalue()


def test_a_pipe_gets_one_line_for_each_of_a_total_and_nothing_else(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(console, "err", Console(file=screen, force_terminal=False, width=40))
    with console.steps() as step:
        step("read a")
    assert screen.getvalue() == ""
    with console.steps(2) as step:
        step("read a")
        step("predicted [b]a[/] by the others", done=True)
        step("predicted b by the others", done=True)
    assert screen.getvalue() == "1/2 predicted [b]a[/] by the others\n2/2 predicted b by the others\n"
