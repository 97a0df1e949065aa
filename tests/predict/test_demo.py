"""The demo, whole: a store, a champion, scores and pages; a second run uses them again."""

import pandas as pd
import pytest

from theracast.features.datasets import load_cohort
from theracast.models.config import Experiment
from theracast.predict.demo import run_demo
from theracast.predict.registry import load_predictor


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
