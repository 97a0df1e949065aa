"""What several tests of the report need: one model, its scores, a browser."""

import pytest
from reports import CHROMIUM, QUIET

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.storage import save_model
from theracast.predict.predictor import Predictor


@pytest.fixture(scope="session")
def model():
    return ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))


@pytest.fixture(scope="session")
def scores(model):
    predictor = Predictor(model, "0" * 64, uri="models:/melanoma_ici@champion", version="3")
    return predictor.score(load_cohort("riaz2017_mel"), explained=True)


@pytest.fixture(scope="session")
def browser():
    sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.exists():
        pytest.skip("no chromium at /usr/bin/chromium")
    with sync.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def two_cohorts(tmp_path_factory):
    """A model of two cohorts, as a folder."""
    folder = tmp_path_factory.mktemp("two_cohorts")
    cohort = Cohort.concat([load_cohort("liu2019_mel"), load_cohort("riaz2017_mel")])
    save_model(ResponseModel().fit(cohort), folder)
    return folder
