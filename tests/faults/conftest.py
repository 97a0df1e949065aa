"""A small fitted model, a few measured genes, and a store with models in it."""

import numpy as np
import pytest
from registries import MELANOMA, SMALL, versions_of

from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.predict import store as stores
from theracast.predict.offline import export_model
from theracast.predict.predictor import Predictor
from theracast.predict.promotion import promote


@pytest.fixture(scope="module")
def predictor():
    return Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)


@pytest.fixture(scope="module")
def genes():
    """Twelve patients, genes measured: log2(TPM+1), patients x genes."""
    return load_cohort("riaz2017_mel").tables["expression"].iloc[:12].astype(np.float64)


@pytest.fixture
def tpm(genes):
    return np.exp2(genes) - 1.0


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """Two versions of one model; the first is champion."""
    uri = versions_of(tmp_path_factory.mktemp("faults"), SMALL, SMALL)
    promote(MELANOMA, "1", tracking=uri)
    return uri


@pytest.fixture(scope="session")
def exported(store, tmp_path_factory):
    return export_model(MELANOMA, "1", tmp_path_factory.mktemp("exported") / "model", tracking=store)


@pytest.fixture
def impatient(monkeypatch):
    """The same bounds, shorter."""
    monkeypatch.setattr(stores, "LOCK_WAIT", 0.6)
    monkeypatch.setattr(
        stores,
        "PATIENCE",
        {
            "MLFLOW_HTTP_REQUEST_TIMEOUT": "1",
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
            "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "0",
        },
    )
    for key in stores.PATIENCE:
        monkeypatch.delenv(key, raising=False)
