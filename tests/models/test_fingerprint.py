"""The fingerprint: percentiles by hand, blocks by hand, nothing filled in, order irrelevant."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matrices import matrix_of

from theracast.errors import UsageError
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.fingerprint import by_block, fingerprint, weights_of
from theracast.models.positions import normal_score, percentile, reference_of
from theracast.predict.explain import explain

HUNDRED = list(np.arange(101.0))
NAN = np.nan


def simulated(n=12, seed=0):
    """SIMULATED: two blocks, six and five features."""
    return matrix_of(np.random.default_rng(seed).normal(50, 40, size=(n, 11)))


def everywhere(matrix, quantiles=HUNDRED):
    return dict.fromkeys(matrix.values.columns, quantiles)


@pytest.mark.parametrize(
    ("quantiles", "value", "wanted"),
    [
        (HUNDRED, 0.0, 0.0),
        (HUNDRED, 37.0, 37.0),
        (HUNDRED, 37.4, 37.5),  # between two: half a step
        (HUNDRED, 100.0, 100.0),
        (HUNDRED, -3.0, 0.0),  # below the least
        (HUNDRED, 1e9, 100.0),  # above the greatest
        (HUNDRED, NAN, NAN),
        ([0.0] * 31 + list(range(1, 71)), 0.0, 15.0),  # 0% to 30% share the value: their middle
        ([0.0] * 92 + [1.0] * 9, 1.0, 96.0),  # a yes of 8%: 92% to 100%
        ([7.0] * 101, 7.0, 50.0),  # the same for all
        ([7.0] * 101, 6.9, 0.0),
        ([7.0] * 101, 7.1, 100.0),
        ([0.0, 10.0, 20.0, 30.0, 40.0], 10.0, 25.0),  # quartiles will do
        ([0.0, 10.0, 20.0, 30.0, 40.0], 12.0, 37.5),
        ([0.0, 1.0], 0.5, 50.0),
    ],
)
def test_percentiles_by_hand(quantiles, value, wanted):
    np.testing.assert_equal(percentile(np.array([value]), quantiles), [wanted])


def test_normal_scores_by_hand():
    """Quantiles of the normal distribution, from any table of it."""
    got = normal_score(np.array([2.5, 5.0, 25.0, 50.0, 84.134475, 97.5, NAN]))
    np.testing.assert_allclose(got, [-1.959964, -1.644854, -0.674490, 0.0, 1.0, 1.959964, NAN], atol=5e-7)
    np.testing.assert_allclose(normal_score(np.array([0.0, 0.5, 100.0])), [-2.575829, -2.575829, 2.575829], atol=5e-7)


def test_a_block_by_hand():
    """Percentiles 50, 97.5, 2.5 and 84.13; two features are not known."""
    values = np.full((1, 11), NAN)
    values[0, :4] = [500.0, 975.0, 25.0, 841.0]
    matrix = matrix_of(np.vstack([values, np.full((1, 11), NAN)]))
    f = fingerprint(matrix, everywhere(matrix, list(np.arange(1001.0))))
    row = f.blocks.loc[("p000", "a")]
    assert row.position == pytest.approx((0 + 1.959964 - 1.959964 + 0.998576) / 4, abs=1e-6)
    assert (row.known, row.features, row.beyond, row.state) == (4, 6, 0.5, "in part")
    assert row.expected == pytest.approx(0.1)
    assert f.beyond.loc["p000"].tolist()[:6] == [0, 1, -1, 0, 0, 0]
    weights = {"a__f0": 5.0, "a__f1": -1.0, "a__f3": 2.0, "a__f5": 9.0}  # the last is not known
    weighted = fingerprint(matrix, everywhere(matrix, list(np.arange(1001.0))), weights)
    assert weighted.weighted
    assert weighted.blocks.loc[("p000", "a"), "position"] == pytest.approx((-1.959964 + 2 * 0.998576) / 8, abs=1e-6)
    assert np.isnan(weighted.blocks.loc[("p000", "b"), "position"])


def test_the_5th_percentile_is_not_beyond_itself():
    rows = [[x] * 11 for x in (4.9, 5.0, 50.0, 95.0, 95.1)]
    matrix = matrix_of(np.array(rows))
    f = fingerprint(matrix, everywhere(matrix))
    assert f.beyond["a__f0"].tolist() == [-1, 0, 0, 0, 1]


@pytest.mark.parametrize(("share", "beyond", "expected"), [(3, 1, 0.03), (8, 0, 0.0)])
def test_a_yes_is_beyond_only_where_few_have_it(share, beyond, expected):
    matrix = matrix_of(np.ones((1, 11)))
    f = fingerprint(matrix, everywhere(matrix, [0.0] * (101 - share) + [1.0] * share))
    assert f.beyond.loc["p000", "a__f0"] == beyond
    assert f.blocks.loc[("p000", "a"), "expected"] == pytest.approx(expected)


def test_half_of_the_reference_cohort_lies_where_half_should():
    """SIMULATED: the cohort against itself has uniform percentiles, and a tenth of it beyond."""
    matrix = simulated(400, 3)
    f = fingerprint(matrix, reference_of(matrix.values))
    inside = ((f.percentiles >= 25) & (f.percentiles <= 75)).mean()
    assert inside.between(0.48, 0.52).all()
    assert f.blocks.beyond.mean() == pytest.approx(0.1, abs=0.01)
    assert f.blocks.position.mean() == pytest.approx(0.0, abs=0.01)


def test_nothing_known_is_nothing():
    values = simulated().values.to_numpy().copy()
    values[0] = NAN
    values[1, 6:] = NAN
    matrix = matrix_of(values)
    f = fingerprint(matrix, everywhere(matrix))
    assert f.percentiles.loc["p000"].isna().all()
    assert f.beyond.loc["p000"].eq(0).all()
    mine = f.blocks.loc["p000"]
    assert mine[["position", "beyond", "expected"]].isna().all(axis=None)
    assert mine.known.eq(0).all()
    assert mine.state.eq("not measured").all()
    assert f.of("p000")["state"] == "nothing is known"
    assert f.of("p001")["state"] == "1 of 2 blocks are known, at least in part"
    assert f.frame().loc["p000"].dropna().to_dict() == {"a:known": 0.0, "b:known": 0.0}


def test_what_the_reference_lacks_has_no_place():
    matrix = simulated()
    f = fingerprint(matrix, {"a__f0": HUNDRED, "a__f1": HUNDRED, "c__else": HUNDRED})
    assert f.percentiles.notna().sum().to_dict() == {c: 12 * (c in ("a__f0", "a__f1")) for c in matrix.values}
    assert f.blocks.xs("b", level="block").state.eq("no reference").all()
    assert f.blocks.xs("a", level="block").features.eq(2).all()


def test_order_does_not_matter(rng):
    matrix = simulated()
    reference = reference_of(simulated(80, 9).values)
    weights = dict(zip(matrix.values, rng.normal(size=11), strict=True))
    whole = fingerprint(matrix, reference, weights)
    rows = rng.permutation(12)
    turned = fingerprint(matrix.subset(rows), reference, weights)
    pd.testing.assert_frame_equal(turned.frame(), whole.frame().iloc[rows])
    alone = fingerprint(matrix.subset([5]), reference, weights)
    pd.testing.assert_frame_equal(alone.frame(), whole.frame().iloc[[5]])
    columns = rng.permutation(matrix.values.columns)
    mixed = fingerprint(replace(matrix, values=matrix.values[columns]), reference, dict(reversed(weights.items())))
    pd.testing.assert_frame_equal(mixed.frame()[whole.frame().columns], whole.frame(), rtol=1e-12)


def test_the_matrix_is_not_touched():
    matrix = simulated()
    before = matrix.values.copy()
    fingerprint(matrix, everywhere(matrix))
    pd.testing.assert_frame_equal(matrix.values, before)


@pytest.mark.parametrize(
    ("reference", "weights", "what"),
    [
        ({}, None, "holds no feature"),
        ({"a__f0": [2.0, 1.0]}, None, "no list of quantiles"),
        ({"a__f0": [1.0]}, None, "no list of quantiles"),
        ({"a__f0": [1.0, NAN]}, None, "no list of quantiles"),
        ({"a__f0": HUNDRED}, {"c__x": 1.0}, "weights hold no feature"),
        ({"a__f0": HUNDRED}, {"a__f0": np.inf}, "not a number"),
    ],
)
def test_what_cannot_be_meant_is_refused(reference, weights, what):
    with pytest.raises(UsageError, match=what):
        fingerprint(simulated(), reference, weights)


def test_an_unknown_patient_is_refused_without_the_id():
    matrix = simulated()
    with pytest.raises(UsageError, match="no such patient") as caught:
        fingerprint(matrix, everywhere(matrix)).of("secret")
    assert "secret" not in str(caught.value)


def test_weights_are_read_from_contributions():
    """Spread of the contribution with the sign of its slope; by hand."""
    values = pd.DataFrame({"up": [1.0, 2, 3, NAN], "down": [1.0, 2, 3, 4], "none": [1.0, 2, 3, 4], "flat": 5.0})
    given = pd.DataFrame(
        {"up": [0.0, 0.5, 1.0, 99], "down": [2.0, 0, -2, -4], "none": 0.3, "flat": [0.1, 0.2, 0.3, 0.4]}
    )
    got = weights_of(given, values)
    assert got["up"] == pytest.approx(0.5)
    assert got["down"] == pytest.approx(-np.std([2, 0, -2, -4], ddof=1))
    assert got[["none", "flat"]].tolist() == [0.0, 0.0]


def test_blocks_of_drivers_by_hand():
    drivers = pd.DataFrame({"a__x": [1.0, NAN], "b__y": [0.5, 2.0], "a__z": [-3.0, NAN]}, index=["one", "two"])
    np.testing.assert_equal(by_block(drivers).to_numpy(), [[-2.0, 0.5], [NAN, 2.0]])


@pytest.fixture(scope="module")
def melanoma():
    model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    return model, model.matrix(load_cohort("riaz2017_mel"))


def test_a_bundled_cohort_from_end_to_end(melanoma):
    model, matrix = melanoma
    _, parts = model.fusion_.split(matrix)
    weights = weights_of(parts, matrix.values)
    f = fingerprint(matrix, model.reference_, weights, cohort="liu2019_mel")
    # the report prints percentiles too: one definition
    pd.testing.assert_frame_equal(f.percentiles, explain(model, matrix).percentile[f.percentiles.columns])
    vector = f.frame()
    assert vector.shape == (51, 3 * 4 + matrix.values.shape[1])
    assert vector.columns.is_unique
    assert (f.blocks.xs("mutations", level="block").state == "measured").sum() == 42
    assert f.indirect["pathology__pdl1"].all()
    position = f.frame()["mutations:position"]
    contribution = parts["mutations__tmb"]
    known = position.notna()
    assert position[known].rank().corr(contribution[known].rank()) > 0.99  # it speaks in the model's direction


def test_json_holds_everything_and_no_nan(melanoma):
    model, matrix = melanoma
    f = fingerprint(matrix, model.reference_, cohort="liu2019_mel")
    read = json.loads(f.to_json(), parse_constant=lambda c: pytest.fail(c))
    assert [p["patient_id"] for p in read] == matrix.values.index.tolist()
    assert read[0] == f.of("Pt1")
    by_name = {x["feature"]: x for x in read[0]["features"]}
    assert by_name["mutations__tmb"]["percentile"] is None
    assert by_name["pathology__til"]["value"] == matrix.values.loc["Pt1", "pathology__til"]
    assert [b["block"] for b in read[0]["blocks"]] == list(matrix.blocks)
