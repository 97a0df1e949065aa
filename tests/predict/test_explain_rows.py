"""Every row of long SIMULATED tables adds up, with blocks and values missing, for both learners."""

import numpy as np
import pandas as pd
import pytest

from theracast.features.blocks.pathology import PROXY_SETS
from theracast.features.blocks.signatures import SignaturesBlock
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.scores import HOUSEKEEPING
from theracast.models.base import ResponseModel
from theracast.models.experts import EXPERTS
from theracast.models.indications import INDICATIONS
from theracast.models.recalibration import AS_TRAINED, Recalibration
from theracast.predict.predictor import Predictor

AT_ONCE = 20_000


@pytest.fixture(scope="module")
def predictors():
    cohort = Cohort.concat([load_cohort(n) for n in INDICATIONS["melanoma_ici"].cohorts])
    return {learner: Predictor(ResponseModel(learner=learner).fit(cohort), "0" * 64) for learner in EXPERTS}


def simulated(n, seed):
    """Make up patients: each lacks whole blocks by chance, and values of those that are there."""
    r = np.random.default_rng(seed)

    def some(values, block, missing):
        return pd.Series(values).mask(lacks[block] | (r.random(n) < missing))

    lacks = {b: r.random(n) < 0.3 for b in ("clinical", "mutations", "pathology", "signatures")}
    sets = dict.fromkeys((*SignaturesBlock.set_names(), *PROXY_SETS, HOUSEKEEPING))
    return pd.DataFrame(
        {
            "patient_id": [f"simulated-{seed}-{i}" for i in range(n)],
            "clinical:age": some(r.normal(62, 12, n).clip(20, 100).round(1), "clinical", 0.2),
            "clinical:sex": some(r.choice(["M", "F"], n), "clinical", 0.2),
            "clinical:stage": some(r.choice(["III", "M1a", "M1b", "M1c"], n), "clinical", 0.2),
            "clinical:ecog": some(r.integers(0, 4, n).astype(float), "clinical", 0.2),
            "clinical:ldh": some(r.lognormal(5.4, 1.5, n).clip(60, 5000), "clinical", 0.2),
            "clinical:ldh_unit": "U/L",
            "clinical:prior_ici": some(r.choice(["none", "CTLA4", "PD1"], n), "clinical", 0.2),
            "clinical:ici_target": some(r.choice(["PD1", "PDL1", "CTLA4", "PD1+CTLA4"], n), "clinical", 0.2),
            "clinical:cancer_type": r.choice(["melanoma", "renal cell carcinoma", "bladder cancer"], n),
            "mutations:tmb": some(r.lognormal(2, 1, n).clip(0, 300).round(2), "mutations", 0.1),
            "mutations:tmb_unit": "mut/Mb",
            "pathology:pdl1": some(r.integers(0, 101, n).astype(float), "pathology", 0.1),
            "pathology:pdl1_unit": "22C3 TPS %",
            **{f"signatures:{s}": some(r.gamma(8, 0.13, n), "signatures", 0.05) for s in sets},
        }
    )


def adds_up(predictor, rows, site):
    """Explain simulated rows, some thousands at a time; count those explained and those of whom nothing is known."""
    explained = unknown = 0
    for first in range(0, rows, AT_ONCE):
        scores = predictor.score(simulated(min(AT_ONCE, rows - first), first), explained=True, site=site)
        e, p = scores.explanation, scores.table.set_index("patient_id").probability
        known = p.notna()
        pd.testing.assert_series_equal(e.probability, p, check_names=False, check_exact=True)
        assert e.points[known].notna().all(axis=None)
        assert e.points[~known].isna().all(axis=None)
        for parts in (e.points, e.by_block(), e.by_pathway()):
            assert (e.reference + parts.sum(axis=1) - p)[known].abs().max() <= 1e-6
        explained, unknown = explained + int(known.sum()), unknown + int((~known).sum())
    return explained, unknown


sites = pytest.mark.parametrize("site", [AS_TRAINED, Recalibration(-2.0, 1.5, "by hand")], ids=["as trained", "a site"])


@pytest.mark.parametrize("learner", EXPERTS)
@sites
def test_e01_five_thousand_simulated_rows_add_up(predictors, learner, site):
    explained, unknown = adds_up(predictors[learner], 5_000, site)
    assert explained + unknown == 5_000
    assert unknown < 300


@pytest.mark.nightly
@pytest.mark.parametrize("learner", EXPERTS)
@sites
def test_e01_a_hundred_thousand_simulated_rows_add_up(predictors, learner, site):
    explained, unknown = adds_up(predictors[learner], 100_000, site)
    assert explained + unknown == 100_000
    assert unknown < 6_000
