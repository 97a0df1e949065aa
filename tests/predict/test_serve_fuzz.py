"""Schemathesis makes requests from the document, right and wrong; every answer must be one that stands in it."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)
from service import Client, choice_predictor, listening, response_predictor

from theracast.predict.serve.limits import Limits

#: 503 is an answer too, but one that says "busy" would hide what is looked for.
LIMITS = Limits(concurrency=500)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]


def fuzz(schema, mode, examples):
    """Ask each route of the document."""
    tried = []
    for found in schema.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and operation.method == "get":
            continue  # there is nothing to send

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def ask(case):
            tried.append(case.call_and_validate(checks=CHECKS).status_code)

        ask()
    return tried


@pytest.fixture(scope="module")
def responding():
    with listening(Client(response_predictor(), options={"limits": LIMITS}).app) as address:
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


@pytest.fixture(scope="module")
def choosing():
    with listening(Client(choice_predictor(), options={"limits": LIMITS}).app) as address:
        yield schemathesis.openapi.from_url(f"{address}/openapi.json")


@pytest.mark.nightly  # two minutes
@pytest.mark.parametrize("examples", [5, 200])
@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda m: m.value)
@pytest.mark.parametrize("kind", ["responding", "choosing"])
def test_a04_every_answer_stands_in_the_document(request, kind, mode, examples):
    statuses = fuzz(request.getfixturevalue(kind), mode, examples)
    assert len(statuses) >= examples
    assert set(statuses) <= {200, 400, 401, 404, 408, 409, 413, 415, 422, 503}
    if mode is GenerationMode.NEGATIVE:
        assert 400 in statuses
