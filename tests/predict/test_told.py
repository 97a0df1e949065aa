"""The same explanation through Python, batch and service, to the last bit."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from service import Client, as_patients

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.experts import EXPERTS
from theracast.models.indications import INDICATIONS
from theracast.predict.batch import score_dataset
from theracast.predict.predictor import Predictor
from theracast.predict.told import told

learners = pytest.mark.parametrize("learner", EXPERTS)


@pytest.fixture(scope="module")
def predictors():
    cohort = Cohort.concat([load_cohort(n) for n in INDICATIONS["melanoma_ici"].cohorts])
    return {learner: Predictor(ResponseModel(learner=learner).fit(cohort), "0" * 64) for learner in EXPERTS}


@pytest.fixture(scope="module")
def wide():
    table = load_cohort("riaz2017_mel").wide()
    return table.drop(columns=[c for c in table if c.startswith("expression:")])  # to be read in chunks


@learners
def test_a09_python_batch_and_service_explain_alike_to_the_last_bit(predictors, wide, learner, tmp_path):
    predictor = predictors[learner]
    e = predictor.score(wide, explained=True).explanation
    wide.reset_index().to_parquet(tmp_path / "wide.parquet")
    score_dataset(tmp_path / "wide.parquet", tmp_path / "s.parquet", predictor, chunk_rows=7, explain="all")
    batch = pd.read_parquet(tmp_path / "s.parquet").set_index("patient_id").explanation.map(json.loads)
    client = Client(predictor)
    lines = client.post("/explain", {"patients": as_patients(wide.iloc[:20])}).json()["predictions"]
    lines += client.post("/explain", {"patients": as_patients(wide.iloc[20:21])}).json()["predictions"]
    assert len(lines) == 21
    for line in lines:
        assert line["explanation"] == batch[line["patient_id"]]
    for patient, content in batch.items():
        assert content["reference"] == e.reference[patient]
        assert content["blocks"] == e.by_block().loc[patient].to_dict()
        assert content["pathways"] == e.by_pathway().loc[patient].to_dict()
        assert (content["withheld"], content["cohort"]) == (False, e.cohort)
        rows = e.patient(patient).drop(columns="spread")
        features = pd.DataFrame(content["features"], columns=rows.columns)
        for name in ("value", "median", "percentile", "points"):
            np.testing.assert_array_equal(features[name].to_numpy(dtype=float), rows[name].to_numpy(dtype=float))
        for name in ("block", "feature", "about", "unit", "proxy", "pathway", "expectation"):
            assert features[name].tolist() == rows[name].tolist()
    assert batch.map(lambda c: any(f["proxy"] for f in c["features"])).any()
    assert batch.map(lambda c: any(f["pathway"] for f in c["features"])).any()


@learners
def test_the_first_five_are_the_weightiest_and_blocks_still_add_up(predictors, wide, learner, tmp_path):
    wide.reset_index().to_parquet(tmp_path / "wide.parquet")
    found = {}
    for explain in ("top5", "all"):
        score_dataset(tmp_path / "wide.parquet", tmp_path / "s.parquet", predictors[learner], explain=explain)
        found[explain] = pd.read_parquet(tmp_path / "s.parquet")
    for few, every, p in zip(
        *(f.explanation.map(json.loads) for f in found.values()), found["all"].probability, strict=True
    ):
        assert few == every | {"features": every["features"][:5]}
        assert abs(few["reference"] + sum(few["blocks"].values()) - p) < 1e-6


def test_the_spread_is_told_where_there_is_one(predictors, wide):
    e = predictors["logistic"].score(wide.iloc[:3], explained=True, spread=True).explanation
    for patient, content in told(e):
        spread = {f"{f['block']}__{f['feature']}": f["spread"] for f in content["features"]}
        assert spread == e.spread.loc[patient, list(spread)].to_dict()
        assert content["block_spread"] == e.block_spread.loc[patient].to_dict()
        json.dumps(content, allow_nan=False)


def test_e01_what_is_withheld_tells_no_points(predictors, wide):
    e = predictors["logistic"].score(wide.iloc[:2], explained=True).explanation
    points = e.points.copy()
    points.iloc[0] = np.nan
    (_, withheld), (_, whole) = told(replace(e, points=points))
    assert (withheld["withheld"], withheld["blocks"], withheld["pathways"]) == (True, {}, {})
    assert all(f["points"] is None and f["expectation"] == "" for f in withheld["features"])
    assert len(withheld["features"]) == e.values.iloc[0].notna().sum()
    assert not whole["withheld"]


def test_nothing_known_is_told_without_numbers(predictors):
    bare = pd.DataFrame({"clinical:age": [None], "clinical:note": ["x"]}, index=["p1"])
    ((patient, content),) = told(predictors["logistic"].score(bare, explained=True).explanation)
    assert (patient, content["reference"], content["features"]) == ("p1", None, [])
    json.dumps(content, allow_nan=False)
