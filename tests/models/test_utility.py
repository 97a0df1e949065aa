"""Utility: linear in the probability, in its units, with nothing built in and nothing counted silently."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from theracast.errors import UsageError
from theracast.features.drugs import read_drug
from theracast.models.utility import Utility

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "experiments" / "utility_ra.yaml"
DRIP = {"price": 4000, "route": "intravenous", "infection_risk": 3.94}
PILL = {"price": 8000, "route": "oral", "infection_risk": 2.4}
WEIGHTS = {"currency": "EUR", "response_value": 30000, "infection_weight": 1.5}
ROUTES = {"route_weights": {"oral": 0.0, "intravenous": 0.02}}


def full(**changes):
    return Utility(**{**WEIGHTS, **ROUTES, "therapies": {"rituximab": DRIP, "tofacitinib": PILL}, **changes})


def test_by_hand():
    # 4000/30000 + .02 + 1.5 * 3.94/100, and 8000/30000 + 0 + 1.5 * 2.4/100
    assert full().cost("rituximab") == pytest.approx(0.133333333 + 0.02 + 0.0591, abs=1e-9)
    assert full().cost("tofacitinib") == pytest.approx(0.266666667 + 0.036, abs=1e-9)
    chances = np.array([0.5, 0.0, 1.0, np.nan])
    assert np.allclose(full().of("tofacitinib", chances), chances - 0.302666667, equal_nan=True)
    # a price of one response is worth exactly one response
    assert Utility(currency="x", response_value=1, therapies={"a": {"price": 1}}).of("a", [1.0]).tolist() == [0.0]


def test_what_costs_less_may_win_though_it_works_less_often():
    assert full().of("rituximab", [0.45]) > full().of("tofacitinib", [0.5])
    assert full(response_value=1e9, infection_weight=0).of("tofacitinib", [0.5]) > full().of("rituximab", [0.45])


def test_nothing_declared_is_the_probability():
    chances = np.array([0.0, 0.3, np.nan, 1.0])
    assert np.array_equal(Utility().of("any", chances), chances, equal_nan=True)
    assert Utility().table().empty
    assert Utility().of("any", pd.Series([0.25])).tolist() == [0.25]
    assert Utility(name="mine", therapies={"a": {"source": "none"}}).of("b", [0.5]).tolist() == [0.5]


amounts = st.floats(0, 1e6)


@given(amounts, amounts, st.floats(1e-3, 1e6), st.floats(0, 10), st.lists(st.floats(0, 1), min_size=2, max_size=20))
def test_monotone_and_never_above_the_probability(price, risk, value, weight, chances):
    worth = Utility(
        currency="EUR", response_value=value, infection_weight=weight,
        therapies={"a": {"price": price, "infection_risk": risk}},
    )  # fmt: skip
    ordered = np.sort(np.array(chances))
    net = worth.of("a", ordered)
    assert (np.diff(net) >= 0).all()
    assert (net <= ordered).all()
    assert np.isfinite(net).all()


@given(amounts, amounts)
def test_dearer_is_worse(one, other):
    def net(price):
        return Utility(currency="EUR", response_value=100, therapies={"a": {"price": price}}).of("a", [0.5]).item()

    assert (one <= other) == (net(one) >= net(other)) or np.isclose(one, other)


def test_input_is_not_modified_and_a_wrong_probability_is_refused():
    chances = np.array([0.5, 0.6])
    full().of("rituximab", chances)
    assert chances.tolist() == [0.5, 0.6]
    for wrong in ([1.1], [-0.1], [50.0], [np.inf]):
        with pytest.raises(UsageError, match=r"numbers in \[0, 1\]"):
            full().of("rituximab", wrong)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"therapies": {"a": {"price": 1}}}, "prices have no unit .*a: price.*currency"),
        ({"response_value": 30000}, "prices have no unit"),
        ({"currency": " ", "response_value": 1}, "prices have no unit"),
        ({"currency": "EUR", "therapies": {"a": {"price": 1}}}, "has no weight.*a: price.*response_value"),
        ({"therapies": {"a": {"route": "oral"}}}, "has no weight.*a: route.*route_weights"),
        ({"route_weights": {"oral": 0}, "therapies": {"a": {"route": "intravenous"}}}, "has no weight.*a: route"),
        ({"therapies": {"b": {}, "a": {"infection_risk": 2}}}, "has no weight.*a: infection_risk.*infection_weight"),
    ],
)
def test_a_figure_that_would_not_count_is_refused(declared, message):
    with pytest.raises(UsageError, match=message):
        Utility(**declared)


def test_what_is_missing_is_not_nought():
    bare = full(therapies={"rituximab": DRIP, "abatacept": {"price": 9000}})
    with pytest.raises(UsageError, match=r"lacks what it weighs .* abatacept .* route, infection_risk"):
        bare.of("abatacept", [0.5])
    with pytest.raises(UsageError, match="lacks what it weighs"):
        bare.table()
    with pytest.raises(UsageError, match=r"named 'tofacitinb' .*Did you mean 'tofacitinib'"):
        full().of("tofacitinb", [0.5])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("currency: EUR\nresponse_value: 1\ntherapies: {a: {price: -1}}", "therapies.a.price: .*or equal to 0"),
        ("currency: EUR\nresponse_value: 0", "response_value: .*greater than 0"),
        ("currency: EUR\nresponse_value: .inf", "response_value: .*finite"),
        ("infection_weight: .nan", "infection_weight: "),
        ("therapies: {a: {route: by mouth}}", "therapies.a.route: .*'oral', 'subcutaneous' or 'intravenous'"),
        ("therapies: {a: {cost: 1}}", "therapies.a.cost: .*a therapy price, route, infection_risk, source"),
        ("prices: {a: 1}", "prices: Extra inputs"),
        ("therapies: [a]", "therapies: "),
        ("- a", "have no fields"), ("1: a", "have no fields"), ("just words", "have no fields"),
        ("a: [", "not YAML"), ("!!python/object/apply:os.system [ls]", "not YAML"),
        ("currency: EUR\ntherapies: {a: {price: 1}}", "has no weight"),
    ],
)  # fmt: skip
def test_a_wrong_file_names_the_field(tmp_path, text, message):
    file = tmp_path / "u.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as caught:
        Utility.from_yaml(file)
    assert "u.yaml" in str(caught.value) or "has no weight" in str(caught.value)


def test_no_file_and_no_text(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        Utility.from_yaml(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00name")
    with pytest.raises(UsageError, match="not YAML"):
        Utility.from_yaml(tmp_path / "bytes.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert Utility.from_yaml(tmp_path / "empty.yaml") == Utility()


def test_frozen_and_round_trip():
    with pytest.raises(ValidationError):
        full().currency = "USD"
    assert Utility(**full().model_dump(mode="json")) == full()


def test_the_example_is_marked_and_sourced():
    worth = Utility.from_yaml(EXAMPLE)
    assert worth.name == "example"
    known = set(pd.read_csv(ROOT / "tests/golden/references.csv", comment="#")["reference"])
    lines = EXAMPLE.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# An EXAMPLE")
    chosen = [
        s for s in lines if s.strip().startswith(("price:", "response_value:", "infection_weight:", "route_weights:"))
    ]
    assert len(chosen) == 8
    assert all("# EXAMPLE" in s for s in chosen)
    for therapy, burden in worth.therapies.items():
        assert read_drug(therapy).name == therapy
        assert burden.source.split(", ")[1] in known


def test_the_table_adds_up():
    table = Utility.from_yaml(EXAMPLE).table()
    assert table.index.name == "therapy"
    assert np.allclose(table["cost"], table[["price_cost", "route_cost", "infection_cost"]].sum(axis=1))
    assert table.loc["adalimumab", "cost"] == pytest.approx(0.1 + 0.01 + 0.051)
    assert [Utility.from_yaml(EXAMPLE).cost(t) for t in table.index] == table["cost"].tolist()
