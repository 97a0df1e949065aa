"""Fault A09: the service, a batch and Python say the same of a patient, to the last bit, for every kind of model."""

import numpy as np
import pandas as pd
import pytest
from service import Client, as_patients, choice_predictor, response_predictor

from theracast.features.datasets import load_cohort
from theracast.models.utility import Utility
from theracast.predict.batch import score_dataset
from theracast.predict.serve.limits import Limits
from theracast.predict.therapies import write_rankings

WORTH = {
    "currency": "GBP",
    "response_value": 30000,
    "therapies": {"etanercept": {"price": 9000}, "rituximab": {"price": 3000}},
}


def holed(wide, rng, share):
    """The same patients with cells left out, some of them wrong, as floats that a file and JSON both keep."""
    table = wide.astype(dict.fromkeys(wide.columns[wide.dtypes == "float32"], "float64"))
    table = table.mask(rng.random(table.shape) < share)
    table["clinical:age"] = table["clinical:age"].mask(rng.random(len(table)) < 0.1, -5.0)
    return table.copy()


def same(line, mine):
    """Every column of a stored row, in the answer's line."""
    for name, value in mine.items():
        told = line[name]
        if isinstance(value, float) and np.isnan(value):
            assert told is None, name
        else:
            assert told == value, name


@pytest.mark.parametrize("share", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("learner", ["logistic", "xgboost"])
def test_A09_rest_alone_and_in_company_batch_and_python_agree(learner, share, rng, tmp_path):
    predictor = response_predictor(learner=learner)
    client = Client(predictor, options={"limits": Limits(concurrency=100)})
    wide = holed(load_cohort("mgh2022_mel").wide(), rng, share)
    wide.rename_axis("patient_id").to_parquet(tmp_path / "in.parquet")
    account = score_dataset(tmp_path / "in.parquet", tmp_path / "out.parquet", predictor, chunk_rows=7)
    stored = pd.read_parquet(tmp_path / "out.parquet").set_index("patient_id")
    rejects = pd.read_parquet(tmp_path / "out.rejects.parquet").set_index("patient_id")
    ours = predictor.score(wide)
    patients = as_patients(wide)
    together = client.post("/predict", {"patients": patients}).json()
    apart = client.ask_all([("POST", "/predict", {"json": {"patients": [p]}}) for p in patients])
    assert together["account"] == ours.account() == {k: account[k] for k in ours.account()}
    assert together["account"]["rejected"] > 0
    for line, alone in zip(together["predictions"], apart, strict=True):
        (single,) = alone.json()["predictions"]
        assert single | {"row": line["row"]} == line
        if line["decision"] == "rejected":
            mine = rejects.loc[line["patient_id"]]
            assert (line["code"], line["reason"]) == (mine.code, f"{mine.code}: {mine.reason}")
            assert line["patient_id"] not in stored.index
        else:
            same(line, stored.loc[line["patient_id"]].to_dict())
            same(line, ours.table.set_index("patient_id").loc[line["patient_id"]].to_dict())


@pytest.mark.parametrize("utility", [None, WORTH], ids=["by chance", "by utility"])
def test_A09_rankings_by_rest_file_and_python_agree(utility, rng, tmp_path):
    predictor = choice_predictor()
    client = Client(predictor)
    wide = pd.DataFrame({"clinical:age": rng.uniform(20, 80, 20).round(1)}, index=[f"p{i}" for i in range(20)])
    wide.iloc[3] = -5.0
    declared = {"utility": utility} if utility else {}
    told = client.post("/rank", {"patients": as_patients(wide), **declared}).json()
    ours = predictor.rank(wide, utility=Utility(**utility) if utility else None)
    write_rankings(ours, tmp_path / "r.parquet")
    stored = pd.read_parquet(tmp_path / "r.parquet")
    assert told["account"] == ours.account()
    assert told["account"]["rejected"] == 1
    for line in told["rankings"]:
        mine = stored[stored["patient_id"] == line["patient_id"]]
        assert len(line["ranking"]) == len(mine)
        for row, kept in zip(line["ranking"], mine.to_dict("records"), strict=True):
            same(row, {name: kept[name] for name in row})
