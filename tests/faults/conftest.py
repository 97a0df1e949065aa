"""A small fitted model and a few measured genes."""

import numpy as np
import pytest

from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.predict.predictor import Predictor


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
