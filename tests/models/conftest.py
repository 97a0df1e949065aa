"""Models of the bundled cohorts, fitted once for all tests of this folder; no test may change one."""

import pytest

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.experts import EXPERTS
from theracast.models.indications import INDICATIONS


@pytest.fixture(scope="session")
def training():
    """The five bundled training cohorts: four of melanoma, one urothelial."""
    return Cohort.concat([load_cohort(n) for n in INDICATIONS["melanoma_ici"].cohorts])


@pytest.fixture(scope="session")
def models(training):
    return {learner: ResponseModel(learner=learner).fit(training) for learner in EXPERTS}
