"""Edges beyond which nobody got a therapy: by hand, where they are planted, and hardly ever where nothing is."""

import json

import numpy as np
import pytest

from theracast.models.overlap import Overlap
from theracast.models.positivity import Edge, Positivity


def definition(X, arm, k):
    """Count anew, therapy by therapy and value by value: (therapy, feature, above) and whoever is beyond the treated.

    Rounding may take some of those beyond away; who is left is never more than these.
    """
    found = {}
    tested = sum(len(np.unique(v[~np.isnan(v)])) > 1 for v in X.T)
    for therapy in range(k):
        for j, values in enumerate(X.T):
            known = ~np.isnan(values)
            mine = values[known & (arm == therapy)]
            if not len(mine):
                continue
            share = len(mine) / known.sum()
            for above in (True, False):
                beyond = values > mine.max() if above else values < mine.min()
                if beyond.sum() >= 5 and (1 - share) ** beyond.sum() < 0.01 / (2 * tested * k):
                    found[therapy, j, above] = np.flatnonzero(beyond)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_edges_are_those_of_the_definition(seed):
    """SIMULATED cohorts with gaps, ties, holes on either side and in several features."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=400), rng.poisson(3, 400), rng.exponential(size=400) * 1e4, np.ones(400)])
    arm = rng.integers(0, 3, 400)
    arm[(X[:, 0] > 0.8) & (arm == 2)] = 0
    arm[(X[:, 1] < 2) & (arm == 1)] = 0
    arm[(X[:, 2] > 1.5e4) & (arm == 2)] = 0
    X[rng.random(X.shape) < 0.05] = np.nan
    wanted, one = definition(X, arm, 3), Positivity.of(X, arm, 3)
    got = {(e.therapy, e.feature, e.above): e for e in one.edges}
    assert {(2, 0, True), (1, 1, False), (2, 2, True)} <= set(got) <= set(wanted)
    for key, edge in got.items():
        values = X[:, edge.feature]
        beyond = np.flatnonzero(values > edge.value if edge.above else values < edge.value)
        assert set(beyond) <= set(wanted[key])
        assert edge.patients == len(beyond) > 0.9 * len(wanted[key])
        assert not (arm[beyond] == edge.therapy).any()
        assert (values == edge.value).sum() == 0 or (values == edge.value).sum() >= 5
    assert [e.patients for e in one.edges] == sorted((e.patients for e in one.edges), reverse=True)
    which = one.which(X, 3)
    for (therapy, _, _), edge in got.items():
        values = X[:, edge.feature]
        assert (which[values > edge.value if edge.above else values < edge.value, therapy] >= 0).all()
    assert ((which >= 0) <= np.isin(np.arange(3), [t for t, _, _ in got])).all()


def test_the_least_number_of_patients_by_hand():
    """Half got it, one feature, two therapies: 0.5^m < .01 / 4 from m = 9 on; where nearly all got it, m = 5."""
    for beyond in range(7, 12):
        arm = np.repeat([0, 1, 0], [20 - beyond, 20, beyond])
        edges = Positivity.of(np.arange(40.0)[:, None], arm, 2).edges
        assert [e.patients for e in edges if (e.therapy, e.above) == (1, True)] == [beyond] * (beyond >= 9)
    for beyond, found in ((4, False), (5, True)):
        arm = np.repeat([1, 0], [400, beyond])
        edges = Positivity.of(np.arange(400.0 + beyond)[:, None], arm, 2).edges
        assert [e.value for e in edges if (e.therapy, e.above) == (1, True)] == [399.5] * found
    rare = np.zeros(1000, dtype=int)
    rare[:20] = 1
    edges = Positivity.of(np.arange(1000.0)[:, None], rare, 2).edges
    assert [(e.therapy, e.above, e.patients) for e in edges] == [(1, True, 980), (0, False, 20)]
    rare = np.zeros(300, dtype=int)
    rare[[290, 150, 7, 40, 77, 111]] = 1
    assert not Positivity.of(np.arange(300.0)[:, None], rare, 2).edges


def test_an_edge_is_rounded_outward_to_nobodys_value():
    """Treated are the 50 lowest; their greatest value is patient 49's own, so that the edge stands above it."""
    rng = np.random.default_rng(0)
    for scale, shift in ((1.0, 0.0), (1e-6, 0.0), (1e6, 0.0), (1.0, -1e4), (0.01, 310.15), (1e-100, 0.0), (1e28, 0.0)):
        values = np.sort(rng.normal(size=200)) * scale + shift
        arm = (np.arange(200) < 50).astype(int)
        (edge,) = [e for e in Positivity.of(values[:, None], arm, 2).edges if e.therapy == 1]
        assert edge.above
        assert values[49] < edge.value <= values[49] + 0.011 * values.std() + 1e-12 * abs(shift)
        assert edge.value not in values
        assert edge.patients == (values > edge.value).sum()
        mirrored = Positivity.of(-values[:, None], arm, 2).edges
        (edge_below,) = [e for e in mirrored if e.therapy == 1]
        assert (edge_below.value, edge_below.above) == (-edge.value, False)
    text = Edge(0, 0, True, 0.1 * 3, 9).reason(["a"])
    assert text == "nobody with a above 0.3 got it, of 9 such patients"


def test_ties_at_the_edge_are_within_reach():
    """Of 40 patients at 3 one got it: all at 3 may. The value is shared by more than five, and is told as it is."""
    values = np.repeat([1.0, 2.0, 3.0, 4.0], 40)[:, None]
    arm = np.arange(160) % 2
    arm[values[:, 0] > 2] = 0
    arm[85] = 1
    one = Positivity.of(values, arm, 2)
    assert one.edges == (Edge(1, 0, True, 3.0, 40),)
    assert (one.which(np.array([[3.0], [3.0001], [4.0], [np.nan], [-9.0]]), 2)[:, 1] >= 0).tolist() == [
        False, True, True, False, False
    ]  # fmt: skip


def test_a_binary_feature_has_an_edge_at_the_value_of_those_who_got_it():
    pregnant = (np.arange(120) % 3 == 0).astype(float)
    arm = np.arange(120) // 3 % 2
    arm[pregnant == 1] = 0
    for turned, edge in ((pregnant, Edge(1, 0, True, 0.0, 40)), (1 - pregnant, Edge(1, 0, False, 1.0, 40))):
        assert Positivity.of(turned[:, None], arm, 2).edges == (edge,)
    assert edge.reason(["fertile"]) == "nobody with fertile below 1 got it, of 40 such patients"


def test_both_sides_may_be_closed_and_the_middle_open():
    values = np.linspace(-1, 1, 300)
    arm = np.where(np.abs(values) < 0.5, np.arange(300) % 2, 0)
    edges = Positivity.of(values[:, None], arm, 2).edges
    assert sorted((e.therapy, e.above) for e in edges) == [(1, False), (1, True)]
    # a gap between treated patients is not looked for
    arm = np.where(np.abs(values) > 0.5, np.arange(300) % 2, 0)
    assert Positivity.of(values[:, None], arm, 2).edges == ()


def test_missing_values_have_no_edge_and_are_beyond_none():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=300), np.full(300, np.nan), rng.normal(size=300)])
    arm = rng.integers(0, 2, 300)
    X[arm == 1, 2] = np.nan  # of nobody who got it is the last known
    arm[(X[:, 0] > 0.5) & (arm == 1)] = 0
    one = Positivity.of(X, arm, 2)
    assert {(e.therapy, e.feature) for e in one.edges} == {(1, 0)}
    assert (one.which(X * np.nan, 2) == -1).all()
    gone = X.copy()
    gone[:60, 0] = np.nan
    (edge,) = Positivity.of(gone, arm, 2).edges
    assert edge.patients == (gone[:, 0] > edge.value).sum() < one.edges[0].patients
    # what says nothing does not make the rule stricter
    more = np.column_stack([X[:, [0]], np.full((300, 4), 7.0)])
    assert Positivity.of(more, arm, 2) == Positivity.of(X[:, [0]], arm, 2)
    assert Positivity.of(np.full((9, 2), np.nan), np.arange(9) % 2, 2).edges == ()


def test_order_of_patients_and_features_does_not_matter(rng):
    X = rng.normal(size=(500, 4))
    arm = rng.integers(0, 3, 500)
    arm[(X[:, 1] < -0.6) & (arm == 0)] = 1
    arm[(X[:, 3] > 0.9) & (arm == 2)] = 1
    one = Positivity.of(X, arm, 3)
    rows, columns = rng.permutation(500), rng.permutation(4)
    assert len(one.edges) >= 2
    assert Positivity.of(X[rows], arm[rows], 3) == one
    turned = Positivity.of(X[:, columns], arm, 3).edges
    assert {(e.therapy, columns[e.feature], e.above, e.value, e.patients) for e in turned} == {
        (e.therapy, e.feature, e.above, e.value, e.patients) for e in one.edges
    }
    names = np.array(list("abcd"))
    there = Positivity.of(X[:, columns], arm, 3).reasons(X[:, columns], 3, names[columns])
    np.testing.assert_array_equal(there, one.reasons(X, 3, names))
    np.testing.assert_array_equal(np.vstack([one.which(row[None], 3) for row in X]), one.which(X, 3))


def test_the_edge_with_most_patients_beyond_it_is_said():
    one = Positivity((Edge(0, 1, True, 2.0, 90), Edge(0, 0, True, 1.0, 50)))
    X = np.array([[1.5, 2.5], [1.5, 0.0], [0.0, 2.5], [0.0, 0.0]])
    assert one.which(X, 1)[:, 0].tolist() == [0, 1, 0, -1]
    said = one.reasons(X, 1, ["age", "crp"])[:, 0].tolist()
    assert said[0] == said[2] == "nobody with crp above 2 got it, of 90 such patients"
    assert said[1] == "nobody with age above 1 got it, of 50 such patients"
    assert said[3] == ""


def test_beyond_an_edge_nobody_is_comparable_and_the_state_comes_back(rng):
    X = rng.normal(size=(400, 3))
    arm = rng.integers(0, 2, 400)
    arm[(X[:, 2] > 0.6) & (arm == 1)] = 0
    even = np.full((400, 2), 0.5)
    overlap = Overlap.of(even, arm, X)
    count, ess = overlap.comparable(even, X)
    beyond = X[:, 2] > overlap.positivity.edges[0].value
    assert beyond.sum() > 80
    assert not count[beyond, 1].any()
    assert not ess[beyond, 1].any()
    assert (count[~beyond, 1] == (arm == 1).sum()).all()
    assert (count[:, 0] == (arm == 0).sum()).all()
    state = json.loads(json.dumps(overlap.state(), allow_nan=False))
    back = Overlap.from_state(state)
    assert back.positivity == overlap.positivity
    assert back.state() == state
    np.testing.assert_array_equal(back.comparable(even, X)[0], count)
    assert Overlap.of(even, arm).positivity == Positivity()


def worlds(seeds, n, p, k, shares=None):
    """Share of randomised SIMULATED cohorts in which any edge is found."""
    found = 0
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        arm = rng.choice(k, n, p=shares)
        found += bool(Positivity.of(rng.normal(size=(n, p)), arm, k).edges)
    return found / seeds


@pytest.mark.parametrize(
    ("n", "p", "k", "shares"),
    [(100, 1, 2, None), (100, 10, 5, None), (100, 54, 5, None), (60, 5, 2, (0.8, 0.2)), (1000, 5, 3, (0.6, 0.3, 0.1))],
)
def test_a_randomised_cohort_is_hardly_ever_flagged(n, p, k, shares):
    """Family-wise: at most 1% of cohorts; 1,000 are drawn, so that 1.9% would be three standard errors more."""
    assert worlds(1000, n, p, k, shares) < 0.019


def test_the_bound_is_not_idle():
    """With one feature and 1,000 patients per cohort some are flagged by chance: about as many as are allowed."""
    assert 0.002 < worlds(2000, 1000, 1, 2) < 0.016
