"""Effect heterogeneity: by hand, equal to econml and statsmodels, found where it was planted, and only there."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from theracast.errors import DataError, UsageError
from theracast.models.heterogeneity import effect_calibration, group_effects, qini, uplift_curve
from theracast.models.policy import doubly_robust_scores

ECONML = json.loads((Path(__file__).parents[1] / "golden" / "policy_econml.json").read_text())
KNOWN = {k: np.array(v) for k, v in ECONML["input"].items()}


# ---------------------------------------------------------------- by hand, by econml, by statsmodels


def test_the_curve_is_that_of_econml():
    wanted = ECONML["curve"]
    curve = uplift_curve(np.array(ECONML["scores"])[:, 0], KNOWN["predicted"], shares=wanted["share"])
    assert curve["excess"].to_numpy() == pytest.approx(wanted["excess"], abs=1e-12)
    n = len(KNOWN["predicted"])
    half = (curve["excess_upper"] - curve["excess_lower"]) / 2
    assert half.to_numpy() == pytest.approx(1.959964 * np.array(wanted["se"]) * np.sqrt(n / (n - 1)), rel=1e-6)


def test_the_slope_is_that_of_statsmodels():
    wanted, n = ECONML["slope"], len(KNOWN["predicted"])
    _, slope = effect_calibration(KNOWN["effects"], KNOWN["two"], KNOWN["folds"])
    assert slope.value == pytest.approx(wanted["value"], abs=1e-10)
    assert slope.se == pytest.approx(wanted["se"] * np.sqrt(n / (n - 1)), rel=1e-8)


def test_six_patients_by_hand():
    """Two per third: the effects, least predicted first, are (0 + .1) / 2, (.2 + .4) / 2 and (.5 + .6) / 2."""
    effects, predicted = [0.6, 0.1, 0.4, 0.0, 0.5, 0.2], [6.0, 2.0, 4.0, 1.0, 5.0, 3.0]
    table, trend = group_effects(effects, predicted)
    assert table["effect"].tolist() == pytest.approx([0.05, 0.3, 0.55])
    assert table["predicted"].tolist() == pytest.approx([1.5, 3.5, 5.5])
    assert trend.value == pytest.approx(0.5)
    curve = uplift_curve(effects, predicted, shares=[0, 1 / 3, 0.5, 1])
    # of everybody: (.6 + .5) / 6, (.6 + .5 + .4) / 6, all 1.8 / 6
    assert curve["gain"].tolist() == pytest.approx([0, 1.1 / 6, 0.25, 0.3])
    assert curve["random"].tolist() == pytest.approx([0, 0.1, 0.15, 0.3])
    # sum over the ranks of (effect - .3) * (.5 - (rank - .5) / 6), over 6
    by_hand = (0.3 * 5 + 0.2 * 3 + 0.1 * 1 - 0.1 * -1 - 0.2 * -3 - 0.3 * -5) / 72
    assert qini(effects, predicted).value == pytest.approx(by_hand)
    bias, slope = effect_calibration(effects, np.array(predicted) / 10)
    assert bias.value == pytest.approx(0.3 - 0.35)
    x, y = np.array(predicted) / 10, np.array(effects)
    assert slope.value == pytest.approx(np.polyfit(x, y, 1)[0])


def test_the_area_is_that_below_the_curve():
    rng = np.random.default_rng(5)
    effects, predicted = rng.normal(size=40), rng.normal(size=40).round(1)
    curve = uplift_curve(effects, predicted, shares=np.linspace(0, 1, 4001))
    area = np.trapezoid(curve["excess"], curve["share"])
    assert qini(effects, predicted).value == pytest.approx(area, abs=1e-6)


def test_ties_draw_lots():
    flat = uplift_curve([0.4, 0.0, 0.2, 0.2], [1, 1, 1, 1], shares=[0.25, 0.5])
    assert flat["gain"].tolist() == pytest.approx(flat["random"].tolist())
    assert qini([0.4, 0.0, 0.2, 0.2], [1, 1, 1, 1]).value == pytest.approx(0)
    table, trend = group_effects([0.4, 0.0, 0.2, 0.2], [1, 1, 1, 1])
    assert table["effect"].tolist() == pytest.approx([0.2] * 3)
    assert trend.value == pytest.approx(0)
    assert np.isnan(effect_calibration([0.4, 0.0, 0.2], [1, 1, 1])[1].value)


def test_order_and_scale_of_patients_do_not_matter_and_folds_are_ranked_alone():
    rng = np.random.default_rng(2)
    effects, predicted, folds = rng.normal(size=50), rng.normal(size=50), np.arange(50) % 5
    found = qini(effects, predicted, folds)
    shuffled = rng.permutation(50)
    again = qini(effects[shuffled], predicted[shuffled], folds[shuffled])
    assert (again.value, again.se) == pytest.approx((found.value, found.se))
    # what a fold's model says on average is of no account
    moved = qini(effects, np.exp(predicted) + 10.0 * folds, folds)
    assert (moved.value, moved.se) == pytest.approx((found.value, found.se))
    assert qini(effects, predicted + 10.0 * folds).value != pytest.approx(found.value)


def test_repeats_are_averaged_and_are_no_new_patients():
    rng = np.random.default_rng(4)
    effects, predicted = rng.normal(size=50), rng.normal(size=50)
    once = qini(effects, predicted)
    twice = qini(np.column_stack([effects] * 2), np.column_stack([predicted] * 2))
    assert (twice.value, twice.se) == pytest.approx((once.value, once.se))
    for call in (lambda e, p: group_effects(e, p)[1], lambda e, p: effect_calibration(e, p)[1]):
        one, two = call(effects, predicted), call(np.column_stack([effects] * 2), np.column_stack([predicted] * 2))
        assert (two.value, two.se) == pytest.approx((one.value, one.se))


@pytest.mark.parametrize(
    ("effects", "predicted", "folds", "said"),
    [
        ([0.1, np.nan], [1, 2], None, "missing or infinite"),
        ([0.1, 0.2], [1, np.inf], None, "missing or infinite"),
        ([0.1, 0.2], [1, 2, 3], None, "unequal shapes"),
        ([0.1, 0.2], [1, 2], [0], "unequal shapes"),
        (np.zeros((2, 2, 2)), [1, 2], None, "one value per patient and repeat"),
    ],
)
def test_what_is_refused(effects, predicted, folds, said):
    for call in (qini, group_effects, effect_calibration, uplift_curve):
        with pytest.raises(DataError, match=said):
            call(effects, predicted, folds)


def test_one_group_is_no_comparison():
    with pytest.raises(UsageError, match="two groups or more"):
        group_effects([0.1, 0.2], [1, 2], groups=1)


# ---------------------------------------------------------------- simulated trials


def trial(seed, planted, n=424):
    """Simulated trial of CERTIFI's size: effect scores, and predictions of a model from other simulated patients."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    on = np.column_stack([expit(-1 + 0.5 * x), expit(-0.6 + (0.5 + planted) * x)])
    taken = (rng.random(n) < 0.74).astype(int)
    y = (rng.random(n) < on[np.arange(n), taken]).astype(int)
    names = np.array(["placebo", "drug"])
    outcome = pd.DataFrame({"placebo": expit(-1 + 0.4 * x), "drug": expit(-0.6 + 0.4 * x)})
    scores = doubly_robust_scores(y, names[taken], {"placebo": 0.26, "drug": 0.74}, outcome)
    return (scores["drug"] - scores["placebo"]).to_numpy(), x, on[:, 1] - on[:, 0]


TESTS = {
    "area": qini,
    "thirds": lambda e, p: group_effects(e, p)[1],
    "slope": lambda e, p: effect_calibration(e, p)[1],
}


def found(test, planted, trials):
    estimates = [TESTS[test](*trial(seed, planted)[:2]) for seed in range(trials)]
    return sum(e.lower > 0 or e.upper < 0 for e in estimates)


@pytest.mark.parametrize("test", TESTS)
def test_predictions_that_know_nothing_are_found_out_at_the_error_rate(test):
    errors = 0
    for seed in range(400):
        effects, _, _ = trial(seed, 0.0)
        errors += not TESTS[test](effects, np.random.default_rng(seed + 10_000).normal(size=len(effects))).contains(0)
    assert 5 <= errors <= 38  # 5% of 400, with what chance does to it


@pytest.mark.parametrize("test", TESTS)
def test_planted_heterogeneity_is_found(test):
    assert found(test, 1.2, 60) >= 57


def test_intervals_of_the_curve_cover_the_planted_truth():
    covered = 0
    for seed in range(400):
        effects, x, true = trial(seed, 0.8)
        curve = uplift_curve(effects, x, shares=[0.4]).iloc[0]
        top = np.argsort(-x)[: int(0.4 * len(x))]
        covered += curve["lower"] <= true[top].sum() / len(x) <= curve["upper"]
    assert 362 <= covered <= 396


def test_calibrated_predictions_have_slope_one():
    slopes = [effect_calibration(e, true)[1] for e, _, true in (trial(s, 1.0) for s in range(200))]
    assert np.mean([s.value for s in slopes]) == pytest.approx(1.0, abs=0.05)
    assert 180 <= sum(s.contains(1.0) for s in slopes) <= 199


@pytest.mark.nightly
def test_out_of_fold_predictions_of_one_trial_scatter_more_than_their_standard_errors():
    """Why experiments/crohns_ustekinumab.py widens its intervals: models of one trial's folds share their luck."""
    z = []
    for seed in range(150):
        rng = np.random.default_rng(seed)
        X, drug = rng.normal(size=(424, 6)), rng.random(424) < 0.74
        y = (rng.random(424) < expit(-1 + 0.5 * X[:, 0] + 0.4 * drug)).astype(int)
        outcome, folds = pd.DataFrame(np.zeros((424, 2)), columns=["placebo", "drug"]), np.empty(424, dtype=int)
        for k, (train, test) in enumerate(StratifiedKFold(5, shuffle=True, random_state=seed).split(X, drug)):
            folds[test] = k
            for name, of in (("placebo", ~drug), ("drug", drug)):
                mine = train[of[train]]
                model = LogisticRegression(C=0.1).fit(X[mine], y[mine])
                outcome.loc[test, name] = model.predict_proba(X[test])[:, 1]
        given = np.where(drug, "drug", "placebo")
        scores = doubly_robust_scores(y, given, {"placebo": 0.26, "drug": 0.74}, outcome)
        area = qini(scores["drug"] - scores["placebo"], outcome["drug"] - outcome["placebo"], folds)
        z.append(area.value / area.se)
    assert abs(np.mean(z)) < 0.35
    assert 1.1 < np.std(z) < 1.5
