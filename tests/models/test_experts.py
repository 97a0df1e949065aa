import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from theracast.features.spec import Feature
from theracast.models.experts import EXPERTS, LogisticExpert, TreeExpert

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
        assert margins(expert, X) == pytest.approx(
            expert.fit_.intercept + standard.to_numpy() @ expert.fit_.coef, abs=1e-12
        )


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
    assert LogisticExpert(FEATURES).fit(X, *rest).fit_.coef[:4] == pytest.approx(small.fit_.coef, abs=1e-6)


def test_a_missing_value_contributes_exactly_nothing(fitted):
    X = simulated(seed=1)[0]
    _, parts = fitted["logistic"].split(X)
    assert (parts[X.isna().to_numpy()] == 0.0).all()
    base, nothing = fitted["logistic"].split(X * np.nan)
    assert (nothing == 0.0).all()
    assert base == fitted["logistic"].fit_.intercept


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
    fit = fitted["logistic"].fit_
    assert far == further == pytest.approx(fit.intercept + 3 * fit.coef[0])


def test_above_its_published_cut_a_value_counts_as_the_cut():
    """TMB and NLR enter as they are, up to the cut of LORIS; patients above it also set centre and spread by it."""
    X, y, weight, studies = simulated()
    cut = (replace(FEATURES[0], most=1.0), *FEATURES[1:])
    found = LogisticExpert(cut).fit(X, y, weight, studies)
    before = LogisticExpert(FEATURES).fit(X.assign(up=X.up.clip(upper=1.0)), y, weight, studies)
    assert (margins(found, X) == margins(before, X.assign(up=X.up.clip(upper=1.0)))).all()
    high = pd.DataFrame({"up": [1.0, 5.0, np.nan]}, columns=NAMES).astype(float)
    at, above, missing = margins(found, high)
    assert at == above > missing == found.fit_.intercept


# ---------------------------------------------------------------- tumour types


def typed(seed=0, n=600):
    """Simulated truth: `free` helps in melanoma, harms in renal; the third type is rare; the last is not known."""
    X, y, weight, studies = simulated(seed, n)
    rng = np.random.default_rng(seed + 100)
    kinds = rng.choice(np.array(["melanoma", "renal", "rare", ""], dtype=object), n, p=[0.45, 0.45, 0.02, 0.08])
    turn = np.where(kinds == "renal", -1.0, 1.0)
    z = (np.log2(1 + X.free) - 3).fillna(0)
    y = rng.binomial(1, expit(X.up.fillna(0) + 1.5 * turn * z - 0.5))
    return X, y, weight, studies, kinds


@pytest.fixture(scope="module")
def of_types():
    return LogisticExpert(FEATURES, tie=5.0).fit(*typed())


def test_each_type_is_read_with_its_own_weights(of_types):
    X, *_, kinds = typed(seed=1)
    _, parts = of_types.split(X, kinds)
    for kind in set(kinds):
        mine = kinds == kind
        alone = of_types.split(X[mine], kinds[mine])[1]
        assert (alone == parts[mine]).all()
        unit = of_types.fit_.own.get(kind, of_types.fit_.coef)
        values = X[mine].assign(free=np.log2(1 + X[mine].free))
        standard = ((values - of_types.centre) / of_types.spread).clip(-3, 3).fillna(0).to_numpy()
        assert alone == pytest.approx(standard * unit, abs=1e-12)
    free = NAMES.index("free")
    assert of_types.fit_.own["melanoma"][free] > 0.4
    assert of_types.fit_.own["renal"][free] < -0.4


def test_a_type_never_seen_and_no_type_get_the_common_weights(of_types):
    X = typed(seed=1)[0]
    base, bare = of_types.split(X)
    for kind in ("chordoma", ""):
        level, parts = of_types.split(X, np.full(len(X), kind, dtype=object))
        assert (parts == bare).all()
        assert level == base
    assert (of_types.split(X, np.full(len(X), "renal", dtype=object))[1] != bare).any()


def test_the_rate_of_a_type_is_left_to_the_combiner(of_types):
    """Every block's expert would add it, and a patient with four blocks would get it four times."""
    assert of_types.fit_.offset == {}
    X, y, weight, studies, kinds = typed()
    rates = np.where(kinds == "melanoma", 1, y)  # simulated: every melanoma responded
    expert = LogisticExpert(FEATURES, tie=5.0).fit(X * np.nan, rates, weight, studies, kinds)
    base, parts = expert.split(X, kinds)
    assert np.ndim(base) == 0
    assert (parts == 0).all()


def test_directions_and_dead_columns_hold_in_every_type(of_types):
    for w in (of_types.fit_.coef, *of_types.fit_.own.values()):
        assert w[0] >= 0
        assert w[1] <= 0
        assert w[2] >= 0
        assert (w[4:] == 0).all()
    assert set(of_types.fit_.own) == {"melanoma", "renal", "rare"}


def test_without_a_tie_there_is_one_set_of_weights():
    X, *_, kinds = typed(seed=1)
    shared = LogisticExpert(FEATURES, tie=None).fit(*typed())
    assert shared.fit_.own == {}
    assert (shared.split(X, kinds)[1] == shared.split(X)[1]).all()


def test_types_survive_json_to_the_bit(of_types):
    X, *_, kinds = typed(seed=1)
    again = LogisticExpert.from_state(json.loads(json.dumps(of_types.state())), FEATURES)
    assert again.split(X, kinds)[1].tobytes() == of_types.split(X, kinds)[1].tobytes()
    assert (again.C, again.tie) == (of_types.C, of_types.tie)


def test_trees_do_not_read_the_type(fitted):
    X, *_, kinds = typed(seed=1)
    assert fitted["xgboost"].split(X, kinds)[1].tobytes() == fitted["xgboost"].split(X)[1].tobytes()


# ---------------------------------------------------------------- studies


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
