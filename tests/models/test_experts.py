import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from theracast.features.spec import Feature
from theracast.models.experts import EXPERTS, LogisticExpert, TreeExpert
from theracast.models.logistic import fit_logistic

FEATURES = (
    Feature("up", "", "", direction=1),
    Feature("down", "", "", direction=-1),
    Feature("against", "", "", direction=1),  # the simulated truth runs the other way
    Feature("free", "", "", scale="log2"),
    Feature("constant", "", ""),
    Feature("never", "", ""),
)
NAMES = [f.name for f in FEATURES]

learners = pytest.mark.parametrize("learner", EXPERTS)


def simulated(seed=0, n=300, missing=0.2):
    """Simulated truth: up and free help, down and against harm."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, len(NAMES))), columns=NAMES)
    X["free"] = 2.0 ** rng.normal(3.0, 1.0, n)
    y = rng.binomial(1, expit(1.2 * X.up - X.down - 0.8 * X.against + 0.5 * (np.log2(1 + X.free) - 3)))
    X = X.mask(rng.random(X.shape) < missing)
    X["constant"], X["never"] = 4.0, np.nan
    return X, y, np.ones(n), np.repeat(["a", "b", "c"], n // 3)


def margins(expert, X):
    base, parts = expert.split(X)
    return base + parts.sum(axis=1)


@pytest.fixture(scope="module")
def fitted():
    return {name: make(FEATURES).fit(*simulated()) for name, make in EXPERTS.items()}


@learners
def test_base_and_contributions_are_the_margin(fitted, learner):
    import xgboost as xgb

    X, expert = simulated(seed=1)[0], fitted[learner]
    if learner == "xgboost":
        truth = expert.booster.predict(xgb.DMatrix(X.to_numpy()), output_margin=True)
        assert margins(expert, X) == pytest.approx(truth, abs=1e-5)  # xgboost sums in float32
    else:
        values = X.assign(free=np.log2(1 + X.free))
        standard = ((values - expert.centre) / expert.spread).clip(-3, 3).fillna(0)
        assert margins(expert, X) == pytest.approx(expert.base + standard.to_numpy() @ expert.coef, abs=1e-12)


@learners
def test_state_survives_json_to_the_bit(fitted, learner):
    X, expert = simulated(seed=1)[0], fitted[learner]
    again = EXPERTS[learner].from_state(json.loads(json.dumps(expert.state())), FEATURES)
    assert (margins(again, X) == margins(expert, X)).all()
    assert json.dumps(again.state(), sort_keys=True) == json.dumps(expert.state(), sort_keys=True)


@learners
@pytest.mark.parametrize(("name", "direction"), [("up", 1), ("down", -1), ("against", 1)])
def test_known_directions_hold_even_against_the_data(fitted, learner, name, direction):
    patients = simulated(seed=2, n=30)[0]
    for _, patient in patients.iterrows():
        grid = pd.DataFrame([patient] * 25).assign(**{name: np.linspace(-4, 4, 25)})
        assert (direction * np.diff(margins(fitted[learner], grid)) >= -1e-5).all()


@learners
def test_the_signal_is_found(fitted, learner):
    low, high = (pd.DataFrame([{"up": v}], columns=NAMES, dtype=float) for v in (-2.0, 2.0))
    assert margins(fitted[learner], high)[0] - margins(fitted[learner], low)[0] > 0.5


@learners
def test_a_feature_never_seen_has_no_say_when_it_comes(fitted, learner):
    X = simulated(seed=1)[0]
    base, parts = fitted[learner].split(X.assign(never=99.0))
    assert (parts[:, NAMES.index("never")] == 0).all()
    assert (base + parts.sum(axis=1) == margins(fitted[learner], X)).all()


@learners
def test_a_constant_column_has_no_weight(fitted, learner):
    _, parts = fitted[learner].split(simulated(seed=1)[0].assign(constant=-50.0))
    assert (parts[:, NAMES.index("constant")] == 0).all()


def test_an_unseen_and_a_constant_column_change_no_other_weight():
    X, *rest = simulated()
    kept = [f for f in FEATURES if f.name not in ("never", "constant")]
    small = LogisticExpert(kept).fit(X[[f.name for f in kept]], *rest)
    assert LogisticExpert(FEATURES).fit(X, *rest).coef[:4] == pytest.approx(small.coef, abs=1e-6)


def test_a_missing_value_contributes_exactly_nothing(fitted):
    X = simulated(seed=1)[0]
    _, parts = fitted["logistic"].split(X)
    assert (parts[X.isna().to_numpy()] == 0.0).all()
    base, nothing = fitted["logistic"].split(X * np.nan)
    assert (nothing == 0.0).all()
    assert base == fitted["logistic"].base


@learners
def test_nobody_and_one_patient(fitted, learner):
    X = simulated(seed=1)[0]
    assert fitted[learner].split(X.iloc[:0])[1].shape == (0, len(NAMES))
    assert margins(fitted[learner], X.iloc[:1])[0] == margins(fitted[learner], X)[0]


@learners
def test_the_same_seed_gives_the_same_expert(learner):
    first, second = (EXPERTS[learner](FEATURES).fit(*simulated()).state() for _ in range(2))
    assert first == second


def test_another_seed_gives_other_trees():
    first, second = (TreeExpert(FEATURES, seed=s).fit(*simulated()) for s in (0, 1))
    assert (margins(first, simulated()[0]) != margins(second, simulated()[0])).any()


def test_an_outlier_counts_no_more_than_three_deviations(fitted):
    patients = pd.DataFrame({"up": [1e3, 1e308]}, columns=NAMES).astype(float)
    far, further = margins(fitted["logistic"], patients)
    assert far == further == pytest.approx(fitted["logistic"].base + 3 * fitted["logistic"].coef[0])


# ---------------------------------------------------------------- the fit behind experts and combiners


def newton(X, y, weight, studies, ridge, towards=0.0):
    """The slow twin: Newton's method on the criterion as it is written in the docstring of `fit_logistic`."""
    names = sorted(set(studies))
    design = np.column_stack([X, np.ones(len(y)), *[(np.asarray(studies) == s).astype(float) for s in names]])
    p = X.shape[1]
    goal = np.r_[np.full(p, towards), np.zeros(1 + len(names))]
    pull = np.r_[np.full(p, ridge), 0.0, np.full(len(names), 1 / 0.7**2)]
    x = goal.copy()
    for _ in range(50):
        mu = expit(design @ x)
        gradient = design.T @ (weight * (mu - y)) + pull * (x - goal)
        x = x - np.linalg.solve((design.T * (weight * mu * (1 - mu))) @ design + np.diag(pull), gradient)
    return x[:p], x[p]


def data(seed=0, n=240, p=4):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = rng.binomial(1, expit(X @ np.linspace(-1, 1.5, p) - 0.5))
    return X, y, rng.uniform(0.5, 2.0, n), np.repeat(["a", "b", "c"], n // 3)


@pytest.mark.parametrize("ridge", [0.1, 1.0, 30.0])
def test_one_study_is_scikit_learns_ridge_logistic(ridge):
    X, y, weight, _ = data()
    coef, intercept = fit_logistic(X, y, weight, np.zeros(len(y)), ridge=ridge)
    theirs = LogisticRegression(C=1 / ridge, tol=1e-10, max_iter=10_000).fit(X, y, sample_weight=weight)
    # with one study its own intercept is pulled to 0 and the common one, which is free, takes it all
    assert coef == pytest.approx(theirs.coef_[0], abs=1e-5)
    assert intercept == pytest.approx(theirs.intercept_[0], abs=1e-5)


@pytest.mark.parametrize("towards", [0.0, 0.5])
@pytest.mark.parametrize("ridge", [0.1, 5.0])
def test_several_studies_agree_with_newton(ridge, towards):
    coef, intercept = fit_logistic(*data(seed=3), ridge=ridge, towards=towards)
    truth, level = newton(*data(seed=3), ridge, towards)
    assert coef == pytest.approx(truth, abs=1e-5)
    assert intercept == pytest.approx(level, abs=1e-5)


def test_a_wrong_sign_is_zero_and_the_others_are_as_if_it_were_not_there():
    X, y, weight, studies = data()
    coef, _ = fit_logistic(X, y, weight, studies, ridge=1.0, signs=np.array([1, 0, 0, 1]))
    assert coef[0] == 0.0
    assert coef[1:] == pytest.approx(newton(X[:, 1:], y, weight, studies, 1.0)[0], abs=1e-5)
    assert (fit_logistic(X, y, weight, studies, ridge=1.0, signs=-1)[0] <= 0).all()


def test_study_intercepts_absorb_a_shift_between_studies():
    """Simulated truth: x differs between studies as their response rates do, and says nothing within a study."""
    rng = np.random.default_rng(5)
    studies = np.repeat(np.arange(6), 200)
    rate = np.linspace(-1.0, 1.0, 6)[studies]
    X = (rate + rng.normal(size=studies.size))[:, None]
    y = rng.binomial(1, expit(rate))
    ours = fit_logistic(X, y, np.ones(studies.size), studies, ridge=1.0)[0][0]
    pooled = fit_logistic(X, y, np.ones(studies.size), np.zeros(studies.size), ridge=1.0)[0][0]
    assert pooled > 0.25
    assert abs(ours) < 0.12


@learners
def test_experts_do_not_learn_the_rate_of_a_study(learner):
    """Simulated truth, as above: an expert sees almost nothing in a feature that only names the study."""
    rng = np.random.default_rng(6)
    studies = np.repeat(np.arange(6), 150)
    rate = np.linspace(-1.0, 1.0, 6)[studies]
    X = pd.DataFrame({"x": rate + rng.normal(size=studies.size)})
    y, ones = rng.binomial(1, expit(rate)), np.ones(studies.size)
    told, untold = (EXPERTS[learner]([Feature("x", "", "")]).fit(X, y, ones, s) for s in (studies, ones))
    ends = pd.DataFrame({"x": [-2.0, 2.0]})
    assert abs(np.diff(margins(told, ends))[0]) < 0.6 * np.diff(margins(untold, ends))[0]


def test_trees_stored_without_tables_are_compiled_anew(fitted):
    expert, X = fitted["xgboost"], simulated(seed=1)[0]
    old = {k: v for k, v in expert.state().items() if k != "tables"}
    assert TreeExpert.from_state(old, FEATURES).split(X)[1].tobytes() == expert.split(X)[1].tobytes()
