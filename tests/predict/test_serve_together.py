"""Patients of many callers are scored in one call, and each gets to the last bit what it gets alone."""

import asyncio
import json
import threading

import numpy as np
import pytest
from service import Client, as_patients, in_a_loop_of_its_own, refused, response_predictor

from theracast.features.datasets import load_cohort
from theracast.predict.serve.answers import predicted
from theracast.predict.serve.limits import Limits
from theracast.predict.serve.patients import read_request
from theracast.predict.serve.together import Together, joins, outcomes
from theracast.predict.serve.work import Workers

#: Each is strange in a way of its own: whole where others are not, text, refused; a crowd of some is refused whole.
ODD = [
    {"clinical": {"age": 61}},
    {"clinical": {"age": 61.0, "ecog": 1}},
    {"clinical": {"age": "61", "ecog": 1.0}},
    {"clinical": {"age": -4}},
    {"clinical": {"age": "old", "cancer_type": "years"}},
    {"clinical": {"ecog": "1", "sex": "F", "prior_treatment": 1}},
    {"clinical": {"prior_treatment": 1.0, "sex": True}},
    {"clinical": {"cancer_type": "Kidney"}},
    {"clinical": {"tumor_type": "melanoma", "cancer_type": "Lung"}},
    {"clinical": {"cdai": 12}},
    {"clinical": {"albumin": 4.1}},
    {"clinical": {"albumin": 41, "creatinine": 0.9}},
    {"clinical": {"albumin": 3.9, "albumin_unit": "g/L"}},
    {"clinical": {"albumin": 4.4, "albumin_unit": "g/L"}},
    {"clinical": {"neutrophils": 4200, "lymphocytes": 1500}},
    {"mutations": {"tmb": 300.0, "tmb_unit": "mut/Mb"}},
    {"mutations": {"tmb": 380, "tmb_unit": "mut/Mb"}},
    {"mutations": {"tmb": 12}},
    {"mutations": {"tmb": 500.0, "tmb_unit": "mut/Mb"}},
    {"clinical": {"tmb": 9.5, "tmb_unit": "mut/Mb"}},
    {"clinical": {"tmb_unit": "mut/Mb", "pdl1": 60, "pdl1_unit": "22C3 TPS %"}},
    {"pathology": {"pdl1": 0.5, "pdl1_unit": "22C3 TPS %"}},
    {"pathology": {"pdl1": 0.9, "pdl1_unit": "22C3 TPS %"}},
    {"pathology": {"pdl1": 60}},
    {"pathology": {"pdl1": "1-49%", "pdl1_unit": "22C3 TPS %"}},
    {"pathology": {"pdl1": True, "til": None}},
    {"signatures": {"Ayers_IFNg18": 900.0}},
    {"signatures": {"Ayers_IFNg18": 1, "Reference_NanoString09": 1.5}},
    {"signatures": {"Ayers_IFNg18": "high"}},
    {},
]


@pytest.fixture(scope="module")
def client():
    return Client(response_predictor(), options={"limits": Limits(concurrency=200)})


@pytest.fixture(scope="module")
def crowd():
    rows = as_patients(load_cohort("mgh2022_mel").wide())[:12]
    rows += [{"patient_id": name, **odd} for name in ("p1", "x") for odd in ODD]
    return [read_request({"patients": [row]}, Limits()) for row in rows]


@pytest.fixture(scope="module")
def truth(client, crowd):
    found = [alone(client.held.current(), given) for given in crowd]
    assert {t["predictions"][0]["decision"] for t in found} >= {"abstain", "rejected", "response"}
    return found


def alone(current, given):
    try:
        return predicted(current, given.asked())
    except Exception as error:
        return str(error)


@pytest.mark.parametrize("size", [2, 5, 20, 72])
def test_A05_each_gets_what_it_gets_alone_whoever_waits_beside(client, crowd, truth, size):
    current, rng = client.held.current(), np.random.default_rng(size)
    for _ in range(3):
        picked = rng.permutation(len(crowd))[:size]
        found = outcomes([(current, crowd[i]) for i in picked])
        for i, answer in zip(picked, found, strict=True):
            assert (answer if isinstance(answer, dict) else str(answer)) == truth[i]


def test_A05_a_column_that_only_a_crowd_makes_implausible_refuses_nobody(client):
    """Five burdens of 300 are told to be counts; one is a burden."""
    rows = [{"patient_id": "p", "mutations": {"tmb": 300.0 + k, "tmb_unit": "mut/Mb"}} for k in range(6)]
    answers = client.ask_all([("POST", "/predict", {"json": {"patients": [row]}}) for row in rows])
    assert {a.status_code for a in answers} == {200}
    refused(client.post("/predict", {"patients": [{**r, "patient_id": f"p{k}"} for k, r in enumerate(rows)]}), 422,
            "THX-D16")  # fmt: skip


def test_A05_those_who_wait_are_scored_in_few_calls(client, monkeypatch):
    predictor = client.held.current().predictor
    calls, score = [], predictor.score
    monkeypatch.setattr(predictor, "score", lambda *a, **k: calls.append(1) or score(*a, **k))
    patients = as_patients(load_cohort("mgh2022_mel").wide())[:30]
    answers = client.ask_all([("POST", "/predict", {"json": {"patients": [p]}}) for p in patients])
    assert [a.json()["predictions"][0]["patient_id"] for a in answers] == [p["patient_id"] for p in patients]
    assert len(calls) <= 6


def test_A05_patients_of_one_name_do_not_meet(client):
    rows = [{"patient_id": "p1", "clinical": {"age": 30 + k}, "mutations": {"tmb": 1.0 + k, "tmb_unit": "mut/Mb"}}
            for k in range(20)]  # fmt: skip
    answers = client.ask_all([("POST", "/predict", {"json": {"patients": [r]}}) for r in rows])
    lines = [a.json()["predictions"][0] for a in answers]
    assert len({line["provenance"] for line in lines}) == 20
    for row, line in zip(rows, lines, strict=True):
        assert line == client.post("/predict", {"patients": [row]}).json()["predictions"][0]
        assert line["notes"].count("same as") == 0


def test_A05_a_fault_of_one_is_told_to_nobody_else(client):
    good = {"patient_id": "p1", "clinical": {"age": 61}}
    bad = {"patient_id": "p2", "clinical": {"age": -61}}
    answers = client.ask_all([("POST", "/predict", {"json": {"patients": [p]}}) for p in [good, bad] * 5])
    assert {a.status_code for a in answers} == {200}
    assert len({a.content for a in answers[::2]}) == 1
    assert len({a.content for a in answers[1::2]}) == 1


def test_A05_A06_nothing_of_one_caller_stands_in_the_answer_of_another(client):
    """A canary of its own in every place that takes a text, wrong in ways that each make a message."""
    tables = ("clinical", "mutations", "pathology", "signatures")
    rows = []
    for k in range(24):
        mark = f"ZZPHI{k:03d}"
        row = {"patient_id": f"{mark}.id", tables[k % 4]: {f"{mark}col": mark, "age": -5 if k % 3 else 50}}
        words = {"sex": mark, "cancer_type": f"{mark}oma", "smoking_status": mark, "ldh_unit": mark, "ici_target": mark}
        rows.append(row | {"clinical": row.get("clinical", {}) | words})
    for path in ("/predict", "/explain"):
        answers = client.ask_all([("POST", path, {"json": {"patients": [r]}}) for r in rows])
        for k, answer in enumerate(answers):
            text = answer.text + str(answer.headers)
            assert not [j for j in range(24) if j != k and f"ZZPHI{j:03d}" in text]
    assert "ZZPHI" not in client.log.getvalue() + client.ask("GET", "/metrics").text


def test_A05_an_error_that_was_not_foreseen_is_of_the_caller_it_belongs_to(client, monkeypatch):
    predictor = client.held.current().predictor
    score = predictor.score

    def broken(cohort, **options):
        ages = cohort.tables["clinical"]["age"]
        if (ages == 66).any():
            raise KeyError("66")
        return score(cohort, **options)

    monkeypatch.setattr(predictor, "score", broken)
    rows = [{"patient_id": "p", "clinical": {"age": age}} for age in range(60, 76)]
    answers = client.ask_all([("POST", "/predict", {"json": {"patients": [r]}}) for r in rows])
    assert [a.status_code for a in answers] == [500 if r["clinical"]["age"] == 66 else 200 for r in rows]


def test_what_rests_on_all_rows_joins_nobody(client):
    current = client.held.current()
    one = {"patient_id": "p1", "clinical": {"age": 61}}
    apart = [
        {"patients": [one, {**one, "patient_id": "p2"}]},
        {"patients": [one], "units": {"clinical.albumin": "g/dL"}},
        {"patients": [one], "strict": True},
        {"patients": [{**one, "expression": {"CD274": 1.0}}]},
        {"patients": [{**one, "counts": {"CD274": 7}}]},
        {"patients": [{**one, "proteins": {"IL6": 7}}]},
        {"patients": [{**one, "variants": [{"gene": "BRAF"}]}]},
        {"patients": [one], "therapies": ["x"]},
        {"patients": [one], "utility": {}},
    ]
    assert joins(current, read_request({"patients": [one]}, Limits()))
    assert not any(joins(current, read_request(payload, Limits())) for payload in apart)


def test_a_caller_who_waits_too_long_or_goes_is_not_worked_for(client, monkeypatch):
    predictor, limits = client.held.current().predictor, Limits(work_seconds=3.0, workers=1)
    current, score, gate, seen = client.held.current(), predictor.score, threading.Event(), []

    def hanging(cohort, **options):
        seen.append(len(cohort))
        gate.wait(20)
        return score(cohort, **options)

    monkeypatch.setattr(predictor, "score", hanging)
    given = read_request({"patients": [{"patient_id": "p", "clinical": {"age": 61}}]}, limits)

    async def story():
        workers = Workers(limits)
        waiting = Together(workers, limits)
        first = asyncio.create_task(waiting.score(current, given))
        await asyncio.sleep(0.1)
        second, third = (asyncio.create_task(waiting.score(current, given)) for _ in range(2))
        await asyncio.sleep(0.05)
        third.cancel()
        found = await asyncio.gather(first, second, third, return_exceptions=True)
        gate.set()
        last = await waiting.score(current, given)
        workers.close()
        return found, last

    (first, second, third), last = in_a_loop_of_its_own(story)
    assert [getattr(e, "code", type(e).__name__) for e in (first, second, third)] == [
        "THX-A03", "THX-A03", "CancelledError",
    ]  # fmt: skip
    assert last["predictions"][0]["patient_id"] == "p"
    assert sum(seen) <= 3, "the second had gone when its turn came, or was taken with the last"
    assert json.dumps(last)
