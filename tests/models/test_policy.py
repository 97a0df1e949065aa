"""Policy value: by hand, equal to econml, right on simulated truth when either nuisance is, refuses the impossible."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from theracast.errors import DataError
from theracast.models.policy import (
    doubly_robust_scores,
    mean_estimate,
    policy_contributions,
    policy_gain,
    policy_value,
    self_normalised_value,
)

ECONML = json.loads((Path(__file__).parents[1] / "golden" / "policy_econml.json").read_text())
HALF = {"drug": 0.5, "placebo": 0.5}


# ---------------------------------------------------------------- by hand and by econml


def test_four_patients_by_hand():
    """Scores, value and standard error worked out on paper; propensity of the drug 1/4.

    ======  =======  =  ==========  =============  ===================  =====================
    y       given    m  m(drug)     m(placebo)     score of the drug    score of placebo
    ======  =======  =  ==========  =============  ===================  =====================
    1       drug        .5          .25            .5 + .5 / .25 = 2.5  .25
    0       drug        .5          .25            .5 - .5 / .25 = -1.5 .25
    1       placebo     .75         .4             .75                  .4 + .6 / .75 = 1.2
    0       placebo     .25         .3             .25                  .3 - .3 / .75 = -.1
    ======  =======  =  ==========  =============  ===================  =====================
    """
    y, given = [1, 0, 1, 0], ["drug", "drug", "placebo", "placebo"]
    shares = {"drug": 0.25, "placebo": 0.75}
    outcome = pd.DataFrame({"drug": [0.5, 0.5, 0.75, 0.25], "placebo": [0.25, 0.25, 0.4, 0.3]})
    scores = doubly_robust_scores(y, given, shares, outcome)
    assert scores.to_numpy() == pytest.approx(np.array([[2.5, 0.25], [-1.5, 0.25], [0.75, 1.2], [0.25, -0.1]]))
    drug = policy_value(y, given, "drug", shares, outcome)
    # mean of 2.5, -1.5, .75, .25 is .5; squared deviations 4, 4, .0625, .0625 sum to 8.125; se = sqrt(8.125 / 3 / 4)
    assert (drug.value, drug.se) == pytest.approx((0.5, np.sqrt(8.125 / 12)))
    assert (drug.lower, drug.upper) == pytest.approx((0.5 - 1.959964 * drug.se, 0.5 + 1.959964 * drug.se))
    mixed = ["drug", "placebo", "placebo", "drug"]
    assert policy_value(y, given, mixed, shares, outcome).value == pytest.approx((2.5 + 0.25 + 1.2 + 0.25) / 4)
    gain = policy_gain(y, given, mixed, "drug", shares, outcome)
    assert gain.value == pytest.approx((0 + 1.75 + 0.45 + 0) / 4)
    tossed = pd.DataFrame({"placebo": [0.2, 1, 0, 0.5], "drug": [0.8, 0, 1, 0.5]})
    assert policy_contributions(scores, tossed) == pytest.approx([0.8 * 2.5 + 0.2 * 0.25, 0.25, 0.75, 0.075])
    # patients 1 (weight 4), 3 (4/3) and none of the others got what the policy names
    weighted = self_normalised_value(y, given, ["drug", "placebo", "placebo", "drug"], shares)
    assert weighted.value == pytest.approx(1.0)
    partly = self_normalised_value(y, given, ["drug", "placebo", "drug", "placebo"], shares)
    # 4 * 1 and 4/3 * 0 over 16/3; squared, 16 * .0625 and 16/9 * .5625 add up to 2
    assert (partly.value, partly.se) == pytest.approx((0.75, np.sqrt(2) * 3 / 16))


def test_scores_are_those_of_econml():
    known, names = ECONML["input"], ["a", "b", "c"]
    arm = np.array(names)[known["arm"]]
    tables = [pd.DataFrame(known[k], columns=names) for k in ("propensity", "outcome")]
    scores = doubly_robust_scores(known["y"], arm, *tables)
    ours = scores[["b", "c"]].sub(scores["a"], axis=0).to_numpy()
    assert ours == pytest.approx(np.array(ECONML["scores"]), abs=1e-12)


def test_treating_all_is_the_response_rate_of_the_arm():
    rng = np.random.default_rng(1)
    y, given = rng.integers(0, 2, 90), np.repeat(["drug", "placebo"], [60, 30])
    shares = {"drug": 2 / 3, "placebo": 1 / 3}
    rate = y[given == "drug"].mean()
    assert policy_value(y, given, "drug", shares).value == pytest.approx(rate)
    assert self_normalised_value(y, given, "drug", shares).value == pytest.approx(rate)
    flat = pd.DataFrame({t: np.full(90, 0.37) for t in shares})
    assert policy_value(y, given, "drug", shares, flat).value == pytest.approx(rate)


def test_order_of_columns_does_not_matter():
    y, given = [1, 0, 1], ["b", "a", "b"]
    one = pd.DataFrame({"a": [0.2, 0.4, 0.5], "b": [0.8, 0.6, 0.5]})
    assert policy_value(y, given, "b", one, one).value == policy_value(y, given, "b", one[["b", "a"]], one).value


def test_same_policy_gains_nothing_and_two_patients_are_needed():
    y, given = [1, 0, 1, 0], ["drug", "placebo"] * 2
    gain = policy_gain(y, given, ["drug"] * 4, "drug", HALF)
    assert (gain.value, gain.se) == (0.0, 0.0)
    assert np.isnan(mean_estimate([0.3]).value)


# ---------------------------------------------------------------- simulated truth


def simulated(rng, n=400):
    """Simulated patients: who is ill gets the drug, and gains from it where x is positive."""
    x = rng.normal(size=n)
    chance = expit(0.8 * x)
    on = np.column_stack([expit(-0.5 + 0.7 * x), expit(-0.5 + 1.6 * x)])
    taken = (rng.random(n) < chance).astype(int)
    y = (rng.random(n) < on[np.arange(n), taken]).astype(int)
    names = ["placebo", "drug"]
    tables = (pd.DataFrame(t, columns=names) for t in (np.column_stack([1 - chance, chance]), on))
    return x, y, np.array(names)[taken], *tables


def truth(policy, n=2_000_000):
    rng = np.random.default_rng(0)
    x, *_, on = simulated(rng, n)
    return float(np.where(policy(x) == "drug", on["drug"], on["placebo"]).mean())


def where_positive(x):
    return np.where(x > 0, "drug", "placebo")


SEEDS = 400
TRUE = truth(where_positive)


def values(propensities_right, outcome_right):
    found = []
    for seed in range(SEEDS):
        x, y, given, chance, on = simulated(np.random.default_rng(seed))
        chance = chance if propensities_right else HALF
        # among the placebo patients the wrong model is far off, and in the wrong direction
        outcome = on if outcome_right else pd.DataFrame({"drug": 0.2, "placebo": expit(x)}, index=on.index)
        found.append(policy_value(y, given, where_positive(x), chance, outcome))
    return found


@pytest.mark.parametrize(("propensities", "outcome"), [(True, True), (True, False), (False, True)])
def test_unbiased_when_either_is_right_and_the_interval_covers(propensities, outcome):
    found = values(propensities, outcome)
    means = np.array([e.value for e in found])
    assert abs(means.mean() - TRUE) < 4 * means.std() / np.sqrt(SEEDS)
    covered = sum(e.contains(TRUE) for e in found)
    # 95% of 400, with what chance does to it: 1 in 10,000 on either side
    assert 362 <= covered <= 395
    assert np.mean([e.se for e in found]) == pytest.approx(means.std(), rel=0.1)


def test_biased_when_both_are_wrong():
    means = np.array([e.value for e in values(propensities_right=False, outcome_right=False)])
    assert abs(means.mean() - TRUE) > 20 * means.std() / np.sqrt(SEEDS)


def test_good_predictions_narrow_the_interval():
    _, y, given, chance, on = simulated(np.random.default_rng(3), 2000)
    bare, helped = (policy_value(y, given, "drug", chance, o).se for o in (None, on))
    assert helped < 0.9 * bare


def test_the_paired_gain_covers_and_is_narrower_than_unpaired():
    gained = TRUE - truth(lambda x: np.where(x > -9, "drug", ""))
    covered, narrower = 0, 0
    for seed in range(SEEDS):
        x, y, given, chance, on = simulated(np.random.default_rng(seed))
        gain = policy_gain(y, given, where_positive(x), "drug", chance, on)
        alone = [policy_value(y, given, p, chance, on).se for p in (where_positive(x), "drug")]
        covered += gain.contains(gained)
        narrower += gain.se < np.hypot(*alone)
    assert 362 <= covered <= 395
    assert narrower == SEEDS


def test_the_weighted_mean_covers_too():
    covered = 0
    for seed in range(SEEDS):
        x, y, given, chance, _ = simulated(np.random.default_rng(seed))
        covered += self_normalised_value(y, given, where_positive(x), chance).contains(TRUE)
    assert 362 <= covered <= 395


# ---------------------------------------------------------------- what is refused


def test_d35_a_therapy_that_a_patient_could_not_have_had():
    y, given = [1, 0, 1], ["a", "a", "b"]
    chance = pd.DataFrame({"a": [1.0, 0.5, 0.5], "b": [0.0, 0.5, 0.5]})
    scores = doubly_robust_scores(y, given, chance)
    assert scores["b"].isna().tolist() == [True, False, False]
    assert policy_value(y, given, ["a", "b", "b"], chance).value == pytest.approx((1 + 0 + 2) / 3)
    for judge in (policy_value, self_normalised_value):
        with pytest.raises(DataError, match=r"THX-D35.*could not have had it.*propensity 0 for 1 of 3 patients"):
            judge(y, given, ["b", "a", "b"], chance)
    with pytest.raises(DataError, match=r"THX-D35.*given to patients whose propensity for it is 0"):
        policy_value(y, ["b", "a", "b"], "a", chance)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"y": [1, 0, 2]}, "holds other values than 0 and 1"),
        ({"y": [1, 0, np.nan]}, "holds missing values"),
        ({"treatment": ["drug", "drug"]}, "unequal lengths"),
        ({"treatment": ["drug", "drug", "aspirin"]}, "THX-D21.*a therapy has no propensity"),
        ({"policy": "aspirin"}, "THX-D21.*names a therapy that nobody could get"),
        ({"policy": ["drug", "drug"]}, "unequal lengths"),
        ({"policy": pd.DataFrame({"drug": [0.5] * 3, "placebo": [0.4] * 3})}, "do not add up to 1"),
        ({"policy": pd.DataFrame({"drug": [1.5] * 3, "placebo": [-0.5] * 3})}, "do not add up to 1"),
        ({"policy": pd.DataFrame({"drug": [1.0] * 3})}, "THX-D21.*names other therapies"),
        ({"propensity": {"drug": 1.2, "placebo": 0.5}}, "probabilities outside 0-1"),
        ({"propensity": pd.DataFrame({"drug": [0.5] * 2, "placebo": [0.5] * 2})}, "unequal lengths"),
        ({"outcome": pd.DataFrame({"drug": [0.5] * 3, "placebo": [np.nan] * 3})}, "holds missing values"),
        ({"outcome": pd.DataFrame({"drug": [0.5] * 3})}, "THX-D21.*names other therapies"),
    ],
)
def test_what_is_refused(change, said):
    asked = {"y": [1, 0, 1], "treatment": ["drug", "placebo", "drug"], "policy": "drug", "propensity": HALF}
    with pytest.raises(DataError, match=said):
        policy_value(**{**asked, **change})
