import json

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from theracast.models.logistic import Logistic, fit_logistic

TYPES = ("melanoma", "renal", "urothelial", "")


def twin(X, y, weight, studies, tumours=None, *, ridge, tie=None, towards=0.0, signs=0):
    """The slow twin: the criterion as the docstring of `fit_logistic` has it, patient by patient, by L-BFGS-B."""
    n, p = X.shape
    kinds = [""] * n if tumours is None else list(tumours)
    types, places = sorted(set(kinds) - {""}), sorted(set(studies))
    own = types if tie is not None else []
    at = {t: slice(p * (1 + k), p * (2 + k)) for k, t in enumerate(own)}
    level = p * (1 + len(own))
    shift = {t: level + 1 + k for k, t in enumerate(types)}
    place = {s: level + 1 + len(types) + k for k, s in enumerate(places)}

    def criterion(x):
        value, slope = 0.0, np.zeros_like(x)
        for row, label, w, study, kind in zip(X, y, weight, studies, kinds, strict=True):
            mine = at.get(kind, slice(0, p))
            intercepts = [level, place[study], *([shift[kind]] if kind else [])]
            margin = row @ x[mine] + x[intercepts].sum()
            value += w * (np.logaddexp(0.0, margin) - label * margin)
            slope[mine] += w * (expit(margin) - label) * row
            slope[intercepts] += w * (expit(margin) - label)
        b = x[:p]
        value += 0.5 * ridge * ((b - towards) ** 2).sum()
        slope[:p] += ridge * (b - towards)
        for t in own:
            value += 0.5 * tie * ((x[at[t]] - b) ** 2).sum()
            slope[at[t]] += tie * (x[at[t]] - b)
            slope[:p] -= tie * (x[at[t]] - b)
        for where, spread in ((list(shift.values()), 0.35), (list(place.values()), 0.7)):
            value += 0.5 * ((x[where] / spread) ** 2).sum()
            slope[where] += x[where] / spread**2
        return value, slope

    each = [{1: (0, None), -1: (None, 0)}.get(s, (None, None)) for s in np.broadcast_to(signs, p)]
    size = level + 1 + len(types) + len(places)
    bounds = each * (1 + len(own)) + [(None, None)] * (size - level)
    options = {"ftol": 0.0, "gtol": 1e-9, "maxiter": 10_000, "maxfun": 20_000, "maxcor": 40}
    x = minimize(criterion, np.zeros(size), jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return Logistic(x[:p], x[level], {t: x[at[t]] for t in own}, {t: x[shift[t]] for t in types})


def agree(one, other, within=1e-6):
    assert one.coef == pytest.approx(other.coef, abs=within)
    assert one.intercept == pytest.approx(other.intercept, abs=within)
    assert list(one.own) == list(other.own)
    assert list(one.offset) == list(other.offset)
    for t in other.own:
        assert one.own[t] == pytest.approx(other.own[t], abs=within)
    assert one.offset == pytest.approx(other.offset, abs=within)


def data(seed=0, n=240, p=4):
    """Simulated patients of three studies."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    y = rng.binomial(1, expit(X @ np.linspace(-1, 1.5, p) - 0.5))
    return X, y, rng.uniform(0.5, 2.0, n), np.repeat(["a", "b", "c"], n // 3)


def typed(seed=0, n=120, p=3):
    """Simulated patients of three studies and four types, the last not known; each type's truth is its own."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    kind = rng.choice(len(TYPES), n, p=[0.4, 0.3, 0.1, 0.2])
    truth = np.linspace(-1, 1.5, p) + rng.normal(0, 1.0, (len(TYPES), p))
    y = rng.binomial(1, expit((X * truth[kind]).sum(axis=1) + rng.normal(0, 1.0, len(TYPES))[kind]))
    return X, y, rng.uniform(0.5, 2.0, n), rng.choice(["a", "b", "c"], n), np.array(TYPES, dtype=object)[kind]


@pytest.mark.parametrize("ridge", [0.1, 1.0, 30.0])
def test_one_study_is_scikit_learns_ridge_logistic(ridge):
    X, y, weight, _ = data()
    found = fit_logistic(X, y, weight, np.zeros(len(y)), ridge=ridge)
    theirs = LogisticRegression(C=1 / ridge, tol=1e-10, max_iter=10_000).fit(X, y, sample_weight=weight)
    # with one study its own intercept is pulled to 0 and the common one, which is free, takes it all
    assert found.coef == pytest.approx(theirs.coef_[0], abs=1e-5)
    assert found.intercept == pytest.approx(theirs.intercept_[0], abs=1e-5)
    assert (found.own, found.offset) == ({}, {})


@pytest.mark.parametrize("towards", [0.0, 0.5])
@pytest.mark.parametrize("ridge", [0.1, 5.0])
def test_several_studies_agree_with_the_twin(ridge, towards):
    given = {"ridge": ridge, "towards": towards}
    agree(fit_logistic(*data(seed=3), **given), twin(*data(seed=3), **given))


@pytest.mark.parametrize(
    "given",
    [
        {"ridge": 1.0},
        {"ridge": 1.0, "tie": 2.0},
        {"ridge": 0.1, "tie": 30.0, "towards": 0.5},
        {"ridge": 5.0, "tie": 0.1, "towards": -0.25},
        {"ridge": 1.0, "tie": 2.0, "signs": 1},
        {"ridge": 1.0, "tie": 2.0, "signs": -1, "towards": -0.5},
        {"ridge": 1.0, "tie": 2.0, "signs": np.array([1, -1, 0])},
        {"ridge": 10.0, "tie": None, "signs": np.array([1, 0, 1])},
        {"ridge": 5.0, "tie": 20.0, "towards": 1 / 3, "signs": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [0, 1])
def test_tumour_types_agree_with_the_twin(given, seed):
    agree(fit_logistic(*typed(seed), **given), twin(*typed(seed), **given))


def test_many_features_and_types_end_at_the_optimum():
    """Twenty features in eight types, in the sizes of the real thing: the slope is nothing where a weight is free."""
    rng = np.random.default_rng(1)
    n, p = 2000, 20
    X, kinds = rng.normal(size=(n, p)), np.array([f"t{i}" for i in rng.integers(0, 8, n)], dtype=object)
    y = rng.binomial(1, expit(X[:, 0] - X[:, 1] - 1.0))
    found = fit_logistic(X, y, np.ones(n), kinds, kinds, ridge=10.0, tie=30.0, signs=1)
    pulls = np.zeros(p)
    held = 0
    # of each type's weights; the study of a type is its own, so its intercept is left out of what is held here
    margin = (X * found.weights(kinds)).sum(axis=1)
    base = np.array([_level(y[kinds == t], margin[kinds == t], found, t) for t in found.own])
    for t, level in zip(found.own, base, strict=True):
        mine = kinds == t
        slope = X[mine].T @ (expit(margin[mine] + level) - y[mine]) + 30.0 * (found.own[t] - found.coef)
        free = found.own[t] > 0
        held += (~free).sum()
        assert np.abs(slope[free]).max() < 1e-5
        assert (slope[~free] > -1e-5).all()
        pulls += 30.0 * (found.coef - found.own[t])
    free = found.coef > 0
    assert np.abs((pulls + 10.0 * found.coef)[free]).max() < 1e-5
    assert 0 < held < 8 * p


def _level(y, margin, found, kind):
    """Intercept of a type that is one study, its two shifts together of spread sqrt(.35^2 + .7^2)."""
    v = 0.35**2 + 0.7**2
    return brentq(lambda a: (expit(margin + a) - y).sum() + (a - found.intercept) / v, -10, 10, xtol=1e-13)


def test_a_type_with_many_patients_goes_its_own_way_and_one_with_few_follows():
    """Simulated truth: the weight is 1 in two types of 1,000, and -1 in a third of 1,000 and in a fourth of 6."""
    rng = np.random.default_rng(2)
    kinds = np.repeat(np.array(["a", "b", "own", "few"], dtype=object), [1000, 1000, 1000, 6])
    X = rng.normal(size=(len(kinds), 1))
    y = rng.binomial(1, expit(X[:, 0] * np.where(np.isin(kinds, ["a", "b"]), 1.0, -1.0)))
    found = fit_logistic(X, y, np.ones(len(y)), kinds, kinds, ridge=1.0, tie=30.0)
    assert found.own["a"][0] > 0.7
    assert found.own["b"][0] > 0.7
    assert found.own["own"][0] < -0.7
    assert abs(found.own["few"][0] - found.coef[0]) < 0.1
    assert 0.1 < found.coef[0] < 0.6
    assert found.weights(["never", ""]).tolist() == [found.coef.tolist()] * 2
    assert found.intercepts(["never", ""]).tolist() == [found.intercept] * 2
    alike = fit_logistic(X, y, np.ones(len(y)), kinds, kinds, ridge=1.0, tie=1e7)
    assert [w[0] for w in alike.own.values()] == pytest.approx([alike.coef[0]] * 4, abs=1e-4)


def test_without_a_tie_all_types_share_their_weights_but_not_their_rate():
    X, y, weight, studies, kinds = typed()
    shared = fit_logistic(X, y, weight, studies, kinds, ridge=1.0)
    assert shared.own == {}
    assert list(shared.offset) == sorted(set(kinds) - {""})
    assert (shared.weights(kinds) == shared.coef).all()
    assert len(set(shared.intercepts(kinds))) == 4
    endless = fit_logistic(X, y, weight, studies, kinds, ridge=1.0, tie=1e8)
    agree(Logistic(endless.coef, endless.intercept, {}, endless.offset), shared, within=1e-5)


def test_no_types_and_types_not_known_are_the_same():
    X, y, weight, studies, kinds = typed()
    bare = fit_logistic(X, y, weight, studies, ridge=1.0, tie=2.0)
    blank = fit_logistic(X, y, weight, studies, np.full(len(kinds), "", dtype=object), ridge=1.0, tie=2.0)
    assert bare.state() == blank.state()
    assert (bare.own, bare.offset) == ({}, {})


def test_a_wrong_sign_is_zero_and_the_others_are_as_if_it_were_not_there():
    X, y, weight, studies = data()
    found = fit_logistic(X, y, weight, studies, ridge=1.0, signs=np.array([1, 0, 0, 1]))
    assert found.coef[0] == 0.0
    assert found.coef[1:] == pytest.approx(twin(X[:, 1:], y, weight, studies, ridge=1.0).coef, abs=1e-6)
    assert (fit_logistic(X, y, weight, studies, ridge=1.0, signs=-1).coef <= 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_signs_hold_in_every_type(seed):
    found = fit_logistic(*typed(seed), ridge=0.1, tie=0.5, signs=np.array([1, -1, 0]))
    for w in (found.coef, *found.own.values()):
        assert w[0] >= 0
        assert w[1] <= 0


def test_a_patient_of_weight_two_is_two_patients_and_the_order_does_not_matter():
    X, y, weight, studies, kinds = typed()
    given = {"ridge": 1.0, "tie": 2.0, "signs": 1}
    whole = fit_logistic(X, y, 2.0 * weight, studies, kinds, **given)
    twice = fit_logistic(*(np.concatenate([a, a]) for a in (X, y, weight, studies, kinds)), **given)
    agree(twice, whole, within=1e-8)
    turned = fit_logistic(*(a[::-1] for a in (X, y, 2.0 * weight, studies, kinds)), **given)
    agree(turned, whole, within=1e-8)


def test_classes_that_part_give_finite_weights():
    X = np.repeat([[-50.0], [50.0]], 30, axis=0)
    found = fit_logistic(X, (X[:, 0] > 0).astype(int), np.ones(60), np.zeros(60), ridge=1e-3)
    assert np.isfinite(found.coef[0])
    assert found.coef[0] > 0
    assert np.isfinite(found.intercept)


def test_study_intercepts_absorb_a_shift_between_studies():
    """Simulated truth: x differs between studies as their response rates do, and says nothing within a study."""
    rng = np.random.default_rng(5)
    studies = np.repeat(np.arange(6), 200)
    rate = np.linspace(-1.0, 1.0, 6)[studies]
    X = (rate + rng.normal(size=studies.size))[:, None]
    y = rng.binomial(1, expit(rate))
    ours = fit_logistic(X, y, np.ones(studies.size), studies, ridge=1.0).coef[0]
    pooled = fit_logistic(X, y, np.ones(studies.size), np.zeros(studies.size), ridge=1.0).coef[0]
    assert pooled > 0.25
    assert abs(ours) < 0.12


def test_state_survives_json_to_the_bit():
    found = fit_logistic(*typed(), ridge=1.0, tie=2.0)
    again = Logistic.from_state(json.loads(json.dumps(found.state())))
    kinds = np.array([*TYPES, "never"], dtype=object)
    assert again.weights(kinds).tobytes() == found.weights(kinds).tobytes()
    assert again.intercepts(kinds).tobytes() == found.intercepts(kinds).tobytes()
    assert again.state() == found.state()
