"""D01, R08, A02: lists of tests that are rubbish, patients that are not there, models that were bent."""

import contextlib

import pytest
import yaml
from clis import run, shell
from faults.hostile import fuzzed
from hypothesis import given
from hypothesis import strategies as st

from theracast.errors import UsageError
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.storage import save_model
from theracast.predict.diagnostic_tests import DiagnosticTests

PANEL = "tests: {panel: {gives: [mutations], cost: {value: %s, source: us, year: 2026}}}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_model(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), folder)
    return folder


def refused(tmp_path, text):
    file = tmp_path / "costs.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as error:
        DiagnosticTests.from_yaml(file)
    assert str(file) in str(error.value) or "tests." in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "3", "tests", "{", "a: b: c", "\t", "!!python/object/apply:os.system [id]", "tests: {}", "tests: []",
     "1: 2", "currency: EUR", "tests: {panel: {}}", "tests: {panel: {gives: []}}", "tests: {panel: {gives: mutations}}",
     "tests: {'a b': {gives: [mutations]}}", "tests: {panel: {gives: [mutations], price: 3}}", "tests: {panel: 3}",
     "currency: EUR\ntests: {panel: {gives: [mutations], cost: 500}}",
     "currency: EUR\ntests: {panel: {gives: [mutations], cost: {value: 500}}}",
     "currency: EUR\ntests: {panel: {gives: [mutations], cost: {value: 500, source: '', year: 2026}}}",
     "currency: EUR\ntests: {panel: {gives: [mutations], cost: {value: 500, source: us, year: 26}}}",
     b"\xff\xfe\x00", b"\x00" * 10],
)  # fmt: skip
def test_a_list_of_tests_that_is_none_is_refused(tmp_path, text):
    refused(tmp_path, text)


@pytest.mark.parametrize(
    "cost", ["-1", "0", ".nan", ".inf", "-.inf", "1.0e+300", "free", "[1]", "null x", "yes", "'500'"]
)
def test_a_cost_that_is_none_is_refused_and_not_shown(tmp_path, cost):
    said = refused(tmp_path, "currency: EUR\n" + PANEL % cost)
    assert "cost" in said
    assert "e+300" not in said


def test_a_cost_without_a_currency_is_refused(tmp_path):
    assert "currency" in refused(tmp_path, PANEL % "5")


@pytest.mark.parametrize("block", ["mutation", "MUTATIONS", "../mutations", "\x1b[31m", "x" * 1000])
def test_an_unknown_block_is_named_in_short(tmp_path, block):
    said = refused(tmp_path, f'tests: {{panel: {{gives: ["{block.encode("unicode_escape").decode()}"]}}}}')
    assert "no such block" in said
    assert "\x1b" not in said
    assert len(said) < 400


@pytest.mark.parametrize(
    "text",
    ["tests: {panel: {gives: [mutations]}, panel: {gives: [signatures]}}", "tests: {}\n" + PANEL % "5",
     "currency: EUR\n" + (PANEL % "5").replace("source: us", "source: us, value: 6")],
)  # fmt: skip
def test_a_name_that_stands_twice_is_refused(tmp_path, text):
    """The second would replace the first, and a test or a price be gone."""
    assert "a name stands twice" in refused(tmp_path, text)


def test_a_block_named_twice_is_refused(tmp_path):
    assert "named twice" in refused(tmp_path, "tests: {panel: {gives: [mutations, mutations]}}")


@pytest.mark.parametrize("year", ["2026.5", "yes", "'2026'", "-2026", "20260"])
def test_a_year_that_is_none_is_refused(tmp_path, year):
    cost = f"{{value: 5, source: us, year: {year}}}"
    assert "year" in refused(tmp_path, f"currency: EUR\ntests: {{panel: {{gives: [mutations], cost: {cost}}}}}")


def test_days_that_are_missing_are_open_and_days_that_are_none_refused(tmp_path):
    file = tmp_path / "open.yaml"
    file.write_text("currency: EUR\n" + PANEL % "5")
    assert DiagnosticTests.from_yaml(file).tests["panel"].days is None
    for days in ("3", "{value: -3, source: us, year: 2026}", "{value: 3}"):
        assert "days" in refused(tmp_path, f"tests: {{panel: {{gives: [mutations], days: {days}}}}}")


def test_a_near_miss_is_told_its_neighbour(tmp_path):
    assert "'mutations'" in refused(tmp_path, "tests: {panel: {gives: [mutation]}}")


def test_too_large_too_deep_and_not_there(tmp_path):
    assert "too large" in refused(tmp_path, "#" * 1_000_001)
    refused(tmp_path, "[" * 50_000)
    with pytest.raises(UsageError, match="no such file"):
        DiagnosticTests.from_yaml(tmp_path / "none.yaml")
    with pytest.raises(UsageError, match="no such file"):
        DiagnosticTests.from_yaml(tmp_path)


@fuzzed(60)
@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner) |
       st.dictionaries(st.sampled_from(["tests", "panel", "gives", "cost", "value", "currency"]), inner)))  # fmt: skip
def test_anything_else_is_our_error_or_a_list_of_tests(thing):
    with contextlib.suppress(UsageError):
        assert DiagnosticTests._of(yaml.safe_dump(thing), "x").tests


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--budget", "-5"], "above 0"),
        (["--budget", "nan"], "above 0"),
        (["--budget", "inf"], "above 0"),
        (["--costs", "none.yaml"], "no such file of tests"),
    ],
)
def test_a_wrong_call_is_refused_before_anything_is_read(tmp_path, arguments, said):
    done = run("next-test", tmp_path / "no model", "no cohort", *arguments)
    assert isinstance(done.exception, UsageError)
    assert said in str(done.exception)


def test_an_unknown_patient_ends_with_2_and_is_not_named(folder, tmp_path):
    done = shell(tmp_path, "next-test", folder, "riaz2017_mel", "--patient", "ZZPHI-nobody")
    assert done.returncode == 2
    assert "no such patient" in done.stderr
    assert "ZZPHI" not in done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())
