"""The demo, whole: a store, a champion, scores and pages; a second run uses them again."""

import pandas as pd
import pytest
from clis import printed

from theracast.features.datasets import load_cohort
from theracast.models.config import Experiment
from theracast.models.train import train
from theracast.predict.demo import run_demo
from theracast.predict.publish import register
from theracast.predict.registry import list_models, load_predictor


@pytest.fixture(scope="module")
def twice(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    store = f"sqlite:///{folder}/mlflow.db"
    experiment = Experiment(
        indication="melanoma_ici", cohorts=["liu2019_mel", "riaz2017_mel"], holdout=["hugo2016_mel"]
    )
    return store, *(run_demo(experiment, folder / "out", tracking=store) for _ in range(2))


def test_everything_it_names_is_there(twice):
    _, first, _ = twice
    assert first.trained
    assert all(path.stat().st_size > 1000 for path in first.files.values())
    written = pd.read_parquet(first.files["scores"])
    assert written.patient_id.tolist() == load_cohort("hugo2016_mel").ids.tolist()
    assert first.patient_id in first.files["patient page"].read_text("utf-8")
    assert "hugo2016_mel" in set(first.validation.table.cohort)


def test_a_second_run_uses_what_is_there(twice):
    _, first, second = twice
    assert not second.trained
    assert (second.version, second.model_uri) == (first.version, first.model_uri)
    pd.testing.assert_frame_equal(second.scores.table, first.scores.table)
    pd.testing.assert_frame_equal(second.validation.mean, first.validation.mean, check_dtype=False)


def test_one_patient_alone_scores_as_among_fifty_from_the_registry(twice):
    predictor = load_predictor(twice[1].model_uri, tracking=twice[0])
    cohort = load_cohort("riaz2017_mel")
    crowd = predictor.score(cohort.subset(cohort.ids[:50])).table.set_index("patient_id")
    for i in cohort.ids[:50:7]:
        alone = predictor.score(cohort.subset([i])).table.set_index("patient_id")
        pd.testing.assert_frame_equal(alone, crowd.loc[[i]], check_exact=True)


@pytest.mark.nightly
def test_a_champion_of_another_experiment_keeps_the_alias(tmp_path, monkeypatch):
    store = f"sqlite:///{tmp_path}/mlflow.db"
    other, ours = (
        Experiment(indication="melanoma_ici", cohorts=c, holdout=["mgh2022_mel"])
        for c in (["riaz2017_mel", "hugo2016_mel"], ["liu2019_mel", "hugo2016_mel"])
    )
    assert register(train(other), tracking=store) == ("models:/melanoma_ici@champion", "1")
    first, second = (run_demo(ours, tmp_path / "out", tracking=store) for _ in range(2))
    assert (first.trained, first.promoted, first.model_uri) == (True, False, "models:/melanoma_ici/2")
    assert (second.trained, second.promoted, second.model_uri) == (False, False, "models:/melanoma_ici/2")
    assert list_models(store).set_index("version").aliases.to_dict() == {"1": "champion", "2": ""}
    assert set(first.scores.table.model_uri) == {"models:/melanoma_ici/2"}
    own = run_demo(other, tmp_path / "out", tracking=store)
    assert (own.trained, own.promoted, own.version) == (False, True, "1")
    monkeypatch.setattr("theracast.predict.demo.run_demo", lambda *a, **k: second)
    said = printed("demo")
    assert "models:/melanoma_ici@champion was trained by another experiment and stays champion" in said
    assert "Next: theracast report models:/melanoma_ici/2 mgh2022_mel" in said
