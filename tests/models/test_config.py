from pathlib import Path

import pytest
from pydantic import ValidationError

from theracast.errors import UsageError
from theracast.models.config import Experiment
from theracast.models.indications import INDICATIONS
from theracast.models.train import data_digests, train


def written(tmp_path, text):
    file = tmp_path / "e.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def test_the_indication_alone_is_enough(tmp_path):
    e = Experiment.from_yaml(written(tmp_path, "indication: melanoma_ici\n"))
    spec = INDICATIONS["melanoma_ici"]
    assert (e.name, e.learner, e.options) == ("melanoma_ici", "logistic", {})
    assert (tuple(e.cohorts), tuple(e.holdout)) == (spec.cohorts, spec.holdout)


def test_what_is_given_stands_even_when_it_is_empty():
    e = Experiment(indication="melanoma_ici", name="mine", holdout=[], options={"C": 1.0})
    assert (e.name, e.holdout, e.options) == ("mine", [], {"C": 1.0})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("indication: melanoma_ici\nlerner: logistic\n", "lerner"),
        ("indication: melanoma_ici\nlearner: forest\n", "learner"),
        ("indication: melanoma_ici\nname: ../champion\n", "name"),
        ("indication: melanoma_ici\ncohorts: 3\n", "cohorts"),
        ("learner: logistic\n", "indication"),
        ("", "indication"),
        ("indication: melanoma_ici\noptions: {c: 1}\n", "options: c"),
        ("indication: melanoma_ici\nlearner: xgboost\noptions: {C: 1}\n", "options: C"),
        *((f"indication: melanoma_ici\noptions: {{C: {v}}}\n", "options: C") for v in ("0", "[1, -1]", "ten", "[]")),
        ("indication: melanoma_ici\nlearner: xgboost\noptions: {depth: null}\n", "options: depth"),
        ("indication: melanoma\n", "Did you mean 'melanoma_ici'"),
        ("indication: melanoma_ici\nsets: [liu2019_mel]\n", "sets"),
        ("indication: melanoma_ici\nsets: {A: liu2019_mel}\n", "sets.A"),
        ("indication: melanoma_ici\ntumour_aware: some\n", "tumour_aware"),
        ("- a\n- b\n", "not YAML"),
        ("just words", "not YAML"),
        ("a: [1,\n", "not YAML"),
        ("indication: !!python/object/apply:os.system ['touch canary']\n", "not YAML"),
        (b"\xff\xfe\x00\x01", "not YAML"),
        (b"\x00", "not YAML"),
        ("1: 2\n", "not YAML"),
    ],
)
def test_rubbish_is_a_usage_error_that_names_it(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as error:
        Experiment.from_yaml(written(tmp_path, text))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("path", ["none.yaml", "."])
def test_no_file_is_a_usage_error(tmp_path, path):
    with pytest.raises(UsageError, match="no such experiment"):
        Experiment.from_yaml(tmp_path / path)


def test_experiments_do_not_change():
    e = Experiment(indication="melanoma_ici")
    with pytest.raises(ValidationError, match="frozen"):
        e.learner = "xgboost"


def test_the_digest_is_of_what_decides_the_model():
    plain = Experiment(indication="melanoma_ici")
    assert plain.digest == Experiment(indication="melanoma_ici", claim="words").digest
    assert plain.digest == Experiment(indication="melanoma_ici", sets={"A": ["liu2019_mel"]}).digest
    others = [
        {"learner": "xgboost"},
        {"options": {"C": 1.0}},
        {"options": {"C": [1.0, 0.1]}},
        {"options": {"C": [0.1, 1.0]}},  # of settings that are worth the same, the first is taken
        {"cohorts": ["liu2019_mel"]},
        {"holdout": []},
        {"tumour_aware": False},
        {"indication": "pan_ici"},
    ]
    made = {Experiment(**({"indication": "melanoma_ici"} | o)).digest for o in others}
    assert len(made | {plain.digest}) == len(others) + 1


def test_a_set_of_cohorts_that_are_not_in_the_experiment_is_refused(tmp_path):
    known = Experiment(indication="melanoma_ici", sets={"A": ["liu2019_mel", "mgh2022_mel"], "B": []})
    assert known.sets["A"] == ["liu2019_mel", "mgh2022_mel"]  # one of them is held out: it is predicted all the same
    text = "indication: melanoma_ici\nsets: {A: [liu2019_mel, kim2018_gastric], B: [liu2019]}\n"
    with pytest.raises(UsageError, match="a set names cohorts") as error:
        Experiment.from_yaml(written(tmp_path, text))
    assert "kim2018_gastric, liu2019" in str(error.value)
    with pytest.raises(UsageError, match="riaz2017_mel"):
        Experiment(indication="melanoma_ici", cohorts=["liu2019_mel", "hugo2016_mel"], sets={"A": ["riaz2017_mel"]})


@pytest.mark.parametrize(
    "wrong",
    [
        {"cohorts": ["liu2019_mel", "riaz2017_mel"], "holdout": ["riaz2017_mel"]},
        {"cohorts": ["liu2019_mel"], "holdout": []},
        {"cohorts": ["liu2019_mel", "riaz2017_mell"]},
    ],
)
def test_training_refuses_what_cannot_be_validated(wrong):
    with pytest.raises(UsageError):
        train(Experiment(indication="melanoma_ici", **wrong))


def test_data_digests_follow_the_files():
    e = Experiment(indication="melanoma_ici", cohorts=["liu2019_mel", "riaz2017_mel"], holdout=[])
    assert data_digests(e) == data_digests(e)
    assert sorted(data_digests(e)) == ["liu2019_mel", "riaz2017_mel"]


def experiments():
    """Those of an indication; the others say a kind, or are no experiments: gates and declared prices."""
    folder = Path(__file__).parents[2] / "experiments"
    return sorted(p.name for p in folder.glob("*.yaml") if "\nindication:" in p.read_text())


@pytest.mark.parametrize("file", experiments())
def test_the_experiments_of_the_repository_are_valid(file):
    Experiment.from_yaml(Path(__file__).parents[2] / "experiments" / file)
