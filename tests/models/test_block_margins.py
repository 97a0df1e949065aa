"""Block margins: the distribution of what is not known, against slow twins, theory and simulated truth."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr, ndtri

from theracast.errors import ModelError, UsageError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.block_margins import DRAWS, BlockMargins
from theracast.models.positions import normal_score, percentile

STEPS = np.linspace(0, 1, 101)
NORMAL = ndtri(np.clip(STEPS, 0.001, 0.999))


def simulated(n, r, seed=0):
    rng = np.random.default_rng(seed)
    a, b, c = rng.normal(size=(3, n))
    return pd.DataFrame({"a": a, "b": np.exp(r * a + np.sqrt(1 - r * r) * b), "c": c})


def three(ab=0.6, ac=-0.3, bc=0.2):
    correlation = np.array([[1.0, ab, ac], [ab, 1.0, bc], [ac, bc, 1.0]])
    return BlockMargins({"a": NORMAL, "b": 2 * NORMAL + 1, "c": np.exp(NORMAL)}, correlation)


def slow(one, margins, blocks, n):
    """One patient after the other, by the formula of a normal distribution given a part of it."""
    names, out = list(one.quantiles), []
    golden = (1 + 5**0.5) / 2
    for _, row in margins.iterrows():
        given = [b for b in names if b in row and b not in blocks and not np.isnan(row[b])]
        g, d = [names.index(b) for b in given], [names.index(b) for b in blocks]
        z = [normal_score(percentile(np.array([row[b]]), one.quantiles[b]))[0] for b in given]
        r = one.correlation
        back = r[np.ix_(d, g)] @ np.linalg.inv(r[np.ix_(g, g)]) if g else np.zeros((len(d), 0))
        mean, left = back @ np.array(z), r[np.ix_(d, d)] - back @ r[np.ix_(g, d)]
        root = np.linalg.cholesky(left)
        points = []
        for k in range(n):
            u = [(k + 0.5) / n, (0.5 + (k + 0.5) / golden) % 1.0][: len(d)]
            normal = mean + root @ ndtri(np.array(u))
            points.append([np.interp(ndtr(x), STEPS, one.quantiles[b]) for x, b in zip(normal, blocks, strict=True)])
        out.append(points)
    return np.array(out)


@pytest.mark.parametrize("blocks", [["a"], ["c"], ["b", "c"], ["c", "a"]])
@pytest.mark.parametrize("n", [1, 7, 64])
def test_draws_are_those_of_the_slow_twin(blocks, n):
    margins = pd.DataFrame(
        {
            "a": [0.3, -9.0, np.nan, np.nan, 2.0],
            "b": [1.0, np.nan, 99.0, np.nan, -1.0],
            "c": [np.nan, 1.0, 1.0, np.nan, 0.4],
        }
    )
    np.testing.assert_allclose(three().draws(margins, blocks, n), slow(three(), margins, blocks, n), atol=1e-9)


def test_what_nothing_is_known_of_has_the_distribution_of_the_training_patients():
    drawn = three().draws(pd.DataFrame({"a": [np.nan]}), ["b"])[0, :, 0]
    assert drawn.shape == (DRAWS,)
    np.testing.assert_allclose(drawn, np.interp((np.arange(DRAWS) + 0.5) / DRAWS, STEPS, 2 * NORMAL + 1), atol=1e-9)


def test_what_is_known_moves_and_narrows_as_theory_says():
    drawn = three(0.6, 0.0, 0.0).draws(pd.DataFrame({"a": [NORMAL[84]]}), ["b"], 2000)[0, :, 0]
    assert drawn.mean() == pytest.approx(1 + 2 * 0.6 * NORMAL[84], abs=0.02)
    assert drawn.std() == pytest.approx(2 * 0.8, abs=0.03)


def test_blocks_drawn_together_hang_together():
    drawn = three(0.6, 0.0, 0.0).draws(pd.DataFrame({"c": [1.0]}), ["a", "b"], 4096)[0]
    assert np.corrcoef(drawn.T)[0, 1] == pytest.approx(0.6, abs=0.01)
    assert three(0.0, 0.0, 0.0).draws(pd.DataFrame({"c": [1.0]}), ["a", "b"], 512)[0].std(axis=0).round(1).tolist() == [
        1.0,
        2.0,
    ]


def test_the_range_holds_what_was_hidden():
    """Simulated: 80% of 2000 new patients, to two binomial standard errors of .9 points."""
    one = BlockMargins.of(simulated(2000, 0.7))
    new = simulated(2000, 0.7, seed=1)
    low, high = np.quantile(one.draws(new, ["b"])[:, :, 0], [0.1, 0.9], axis=1)
    assert ((new["b"] >= low) & (new["b"] <= high)).mean() == pytest.approx(0.8, abs=0.027)
    assert np.corrcoef((low + high) / 2, new["b"])[0, 1] > 0.4


def test_the_correlation_is_that_of_the_truth_drawn_to_zero():
    one = BlockMargins.of(simulated(2000, 0.7))
    assert one.correlation[0, 1] == pytest.approx(0.7, abs=0.03)
    assert abs(one.correlation[0, 2]) < 0.05
    few = BlockMargins.of(simulated(20, 0.7))
    assert few.correlation[0, 1] == pytest.approx(0.35, abs=0.1)


def test_pairs_are_complete_by_pair():
    margins = simulated(400, 0.7)
    margins.loc[:199, "a"] = np.nan
    margins.loc[350:, "b"] = np.nan
    one = BlockMargins.of(margins)
    both = margins.loc[200:349]
    z = [normal_score(percentile(both[b].to_numpy(), one.quantiles[b])) for b in "ab"]
    wanted = (z[0] @ z[1]) / np.sqrt((z[0] @ z[0]) * (z[1] @ z[1])) * 150 / 170
    assert one.correlation[0, 1] == pytest.approx(wanted, abs=1e-12)


def test_blocks_never_seen_together_are_taken_as_unrelated():
    margins = pd.DataFrame({"a": np.r_[np.arange(30.0), [np.nan] * 30], "b": np.r_[[np.nan] * 30, np.arange(30.0)]})
    assert BlockMargins.of(margins).correlation.tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_correlations_that_contradict_each_other_are_made_to_agree():
    """a goes with b, b with c, and a against c: each pair in other patients."""
    x, none = np.linspace(-1, 1, 900), np.full(900, np.nan)
    margins = pd.DataFrame({"a": np.r_[x, none, x], "b": np.r_[x, x, none], "c": np.r_[none, x, -x]})
    one = BlockMargins.of(margins)
    assert np.linalg.eigvalsh(one.correlation)[0] == pytest.approx(0.05, abs=1e-9)
    assert (np.diag(one.correlation) == 1.0).all()
    assert one.correlation[0, 1] > 0.3 > -0.3 > one.correlation[0, 2]
    one.draws(margins, ["a", "b", "c"], 3)


def test_copies_of_a_block_stay_positive_definite():
    a = np.linspace(-1, 1, 5000)
    one = BlockMargins.of(pd.DataFrame({"a": a, "b": a, "c": a}))
    assert np.linalg.eigvalsh(one.correlation)[0] >= 0.05 - 1e-9


def test_equal_weights_are_numpys_quantiles_and_a_weight_of_two_is_a_patient_twice():
    x = np.random.default_rng(0).normal(size=50)
    np.testing.assert_allclose(
        BlockMargins.of(pd.DataFrame({"a": x}), np.full(50, 3.0)).quantiles["a"], np.quantile(x, STEPS)
    )
    heavy = BlockMargins.of(pd.DataFrame({"a": x}), np.where(x > 0, 20.0, 1.0)).quantiles["a"]
    many = np.quantile(np.r_[x, np.repeat(x[x > 0], 19)], STEPS)
    assert abs(heavy[50] - many[50]) < 0.1
    assert heavy[50] > np.median(x) + 0.3


def test_weighted_quantiles_lie_between_the_middles_of_the_weights():
    """By hand: 0 to 19 weighing 1 each and 20 weighing 10 have their middles at 0.5 to 19.5, and at 25."""
    quantiles = BlockMargins.of(pd.DataFrame({"a": np.arange(21.0)}), np.r_[np.ones(20), 10.0]).quantiles["a"]
    for k in (1, 50, 77, 78, 90, 99):
        at = 0.5 + k / 100 * 24.5
        assert quantiles[k] == pytest.approx(at - 0.5 if at <= 19.5 else 19 + (at - 19.5) / 5.5, abs=1e-9)


def test_ties_and_constants_are_no_trouble():
    margins = pd.DataFrame({"a": [0.2] * 30, "b": [0.0] * 25 + [1.0] * 5})
    one = BlockMargins.of(margins)
    assert np.isfinite(one.correlation).all()
    assert (one.draws(margins, ["a"]) == 0.2).all()
    assert set(one.draws(margins, ["b"])[0, :, 0].round(9)) >= {0.0, 1.0}


def test_each_patient_alone_gets_the_same_bits():
    one, margins = three(), simulated(40, 0.5)
    margins.iloc[::3, 0] = np.nan
    whole = one.draws(margins, ["b"])
    for k in range(40):
        assert (one.draws(margins.iloc[[k]], ["b"])[0] == whole[k]).all()


def test_values_of_the_drawn_blocks_are_not_read():
    margins = simulated(10, 0.5)
    hidden = margins.assign(b=np.nan)
    assert (three().draws(margins, ["b"]) == three().draws(hidden, ["b"])).all()


def test_the_input_is_not_changed():
    margins = simulated(30, 0.5)
    kept = margins.copy()
    BlockMargins.of(margins).draws(margins, ["a"])
    pd.testing.assert_frame_equal(margins, kept)


@pytest.mark.parametrize(
    ("blocks", "n"), [(["x"], 3), (["a", "a"], 3), (["a"], 0), (["a"], -1)], ids=["unknown", "twice", "none", "minus"]
)
def test_what_cannot_be_drawn_is_said(blocks, n):
    with pytest.raises(UsageError, match="wanted: 1 draw or more, each block once, of a, b, c"):
        three().draws(pd.DataFrame({"a": [0.0]}), blocks, n)


def test_no_patients_no_rows():
    assert three().draws(pd.DataFrame({"a": [], "b": []}, dtype=float), ["c"]).shape == (0, DRAWS, 1)
    assert BlockMargins.of(pd.DataFrame({"a": []}, dtype=float)).quantiles == {}


def test_it_keeps_aggregates_only():
    """As many numbers of 40 patients as of 4000."""
    sizes = {n: len(json.dumps(BlockMargins.of(simulated(n, 0.5).round(3)).state()).split(",")) for n in (40, 4000)}
    assert sizes[40] == sizes[4000] < 3 * 101 + 20


def test_round_trip_to_the_bit():
    one = BlockMargins.of(simulated(300, 0.5))
    again = BlockMargins.from_state(json.loads(json.dumps(one.state(), sort_keys=True)))
    assert list(again.quantiles) == list(one.quantiles)
    assert (again.correlation == one.correlation).all()
    margins = simulated(20, 0.5, seed=3)
    assert (again.draws(margins, ["c", "b"]) == one.draws(margins, ["c", "b"])).all()


@pytest.mark.parametrize("learner", ["logistic", "xgboost"])
def test_fitted_models_know_the_margins_that_experts_gave_of_unseen_studies(models, learner):
    found = models[learner].fusion_.block_margins
    assert list(found.quantiles) == ["pathology", "mutations", "signatures", "clinical"]
    assert np.linalg.eigvalsh(found.correlation)[0] >= 0.05 - 1e-9
    assert all((np.diff(q) >= 0).all() for q in found.quantiles.values())


def test_a_block_of_one_study_alone_has_an_expert_but_no_distribution():
    """No expert had not seen the study of anyone who has it."""
    hugo = load_cohort("hugo2016_mel")
    without = replace(hugo, tables={k: t.drop(columns="tmb", errors="ignore") for k, t in hugo.tables.items()})
    fusion = ResponseModel().fit(Cohort.concat([load_cohort("liu2019_mel"), without])).fusion_
    assert "mutations" in fusion.experts
    assert "mutations" not in fusion.block_margins.quantiles


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("blocks", ["a", "a", "c"]),
        ("blocks", ["a"]),
        ("blocks", 3),
        ("blocks", None),
        ("quantiles", []),
        ("quantiles", "x"),
        ("quantiles", [[0.0] * 100] * 3),
        ("quantiles", [[1.0] * 50 + [0.5] * 51] * 3),
        ("quantiles", [[float("nan")] * 101] * 3),
        ("quantiles", [[0.0] * 100 + [float("inf")]] * 3),
        ("quantiles", [[10**400] * 101] * 3),
        ("correlation", [[1.0]]),
        ("correlation", [[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        ("correlation", [[1.0, 0.5, 0.0], [0.4, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        ("correlation", [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        ("correlation", [[4.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]),
        ("correlation", [[1.0, float("nan"), 0.0], [float("nan"), 1.0, 0.0], [0.0, 0.0, 1.0]]),
        ("correlation", [["x"] * 3] * 3),
    ],
)
def test_a_state_that_cannot_be_is_refused(key, value):
    state = three().state() | {key: value}
    with pytest.raises(ModelError, match="THX-R06"):
        BlockMargins.from_state(state)


@pytest.mark.parametrize("key", ["blocks", "quantiles", "correlation"])
def test_a_state_without_a_part_is_refused(key):
    state = {k: v for k, v in three().state().items() if k != key}
    with pytest.raises(ModelError, match="THX-R06"):
        BlockMargins.from_state(state)


@pytest.mark.parametrize("state", [[], "x", 3, True, {}])
def test_what_is_no_state_is_refused(state):
    with pytest.raises(ModelError, match="THX-R06"):
        BlockMargins.from_state(state)
