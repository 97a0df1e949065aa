"""The service ranks by what the caller declares of prices, routes and harms, as `theracast rank --utility` does."""

import json

import pandas as pd
import pytest
from service import Client, choice_predictor, refused

from theracast.models.utility import Burden, Utility

UTILITY = {
    "name": "SIMULATED",
    "currency": "GBP",
    "response_value": 30000,
    "route_weights": {"oral": 0, "subcutaneous": 0.01, "intravenous": 0.05},
    "infection_weight": 2,
    "therapies": {
        "etanercept": {"price": 24000, "route": "subcutaneous", "infection_risk": 4},
        "rituximab": {"price": 300, "route": "intravenous", "infection_risk": 3},
    },
}


@pytest.fixture(scope="module")
def choice():
    return Client(choice_predictor())


def test_therapies_are_ranked_by_a_declared_utility(choice):
    predictor = choice.held.current().predictor
    patient = {"patient_id": "p1", "clinical": {"age": 30}}
    table = pd.DataFrame({"clinical:age": [30]}, index=["p1"])
    told = choice.post("/rank", {"patients": [patient], "utility": UTILITY})
    assert told.status_code == 200, told.text
    (line,) = told.json()["rankings"]
    ours = predictor.rank(table, utility=Utility(**UTILITY))
    assert line["ranking"] == json.loads(ours.aligned()["ranking"].iloc[0])
    (by_chance,) = choice.post("/rank", {"patients": [patient]}).json()["rankings"]
    assert (by_chance["therapy"], line["therapy"]) == ("etanercept", "rituximab"), "the price turns the choice"
    assert line["probability"] == next(t["probability"] for t in by_chance["ranking"] if t["therapy"] == "rituximab")
    page = choice.post("/report", {"patients": [patient], "utility": UTILITY})
    assert page.text != choice.post("/report", {"patients": [patient]}).text


@pytest.mark.parametrize(
    ("changed", "code", "word"),
    [
        ({"currency": ""}, "THX-A00", "unit"),
        ({"route_weights": {}}, "THX-A00", "weight"),
        ({"therapies": {"rituximab": UTILITY["therapies"]["rituximab"]}}, "THX-A00", "therapy"),
        ({"response_value": -1}, "THX-A04", "utility: response_value"),
        ({"infection_weight": "ZZPHI"}, "THX-A04", "utility: infection_weight"),
        ({"ZZPHI": 1}, "THX-A04", "utility"),
        ({"route_weights": {"ZZPHI": 1}}, "THX-A04", "route_weights"),
        ({"therapies": {"ZZPHI": {"price": -1}}}, "THX-A04", "therapies.price"),
        ({"therapies": {"ZZPHI mab": {"price": 1}}}, "THX-A00", "therapy"),
        ({"therapies": {"etanercept": {"route": "ZZPHI"}}}, "THX-A04", "therapies.route"),
        ({"name": "ZZPHI\x1b"}, "THX-A04", "control"),
        ({"therapies": 1}, "THX-A04", "utility: therapies"),
    ],
)
def test_a_utility_that_is_none_is_told_without_its_words(choice, changed, code, word):
    patient = {"patient_id": "p1", "clinical": {"age": 30}}
    answer = choice.post("/rank", {"patients": [patient], "utility": {**UTILITY, **changed}})
    assert word in " ".join(refused(answer, 400, code).values())
    assert "ZZPHI" not in answer.text + choice.log.getvalue()
    refused(choice.post("/rank", {"patients": [patient], "utility": []}), 400, "THX-A04")


def test_the_document_says_what_a_utility_is(choice):
    schemas = choice.ask("GET", "/openapi.json").json()["components"]["schemas"]
    assert schemas["Request"]["properties"]["utility"] == {"$ref": "#/components/schemas/Utility"}
    assert set(schemas["Utility"]["properties"]) == set(Utility.model_fields)
    assert set(schemas["Burden"]["properties"]) == set(Burden.model_fields)
    patient = {"patient_id": "p1", "clinical": {"age": 30}}
    for declared in schemas["Utility"]["examples"]:
        assert choice.post("/rank", {"patients": [patient], "utility": declared}).status_code == 200
