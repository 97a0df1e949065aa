"""Ridge, heads and meta-learners: equal to scikit-learn and econml, blind where they say so, near a simulated truth."""

import json
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, Ridge

from theracast.models.heads import Head, calibrate
from theracast.models.meta_learners import LEARNERS, SURFACES, doubly_robust
from theracast.models.metrics import calibration
from theracast.models.overlap import Propensity, fit_propensity
from theracast.models.ridge import SPREADS, fit_path, product
from theracast.models.ridge_folds import cross_fit, fit_inside, folds_of
from theracast.models.scaling import Scaling
from theracast.models.treated_cohort import Treated
from theracast.models.x_learner import Effect


def patients(seed, n=600, p=6, k=2, confounding=0.0):
    """SIMULATED patients; responses are additive in log-odds, and the choice of the therapy may follow them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, p))
    margins = X @ (rng.normal(size=(p, k)) * 0.6) + np.linspace(-0.5, 0.5, k)
    chosen = np.exp(confounding * X[:, [0]] * np.linspace(-1, 1, k))
    chosen /= chosen.sum(axis=1, keepdims=True)
    arm = (rng.random((n, 1)) > chosen.cumsum(axis=1)).sum(axis=1)
    y = (rng.random(n) < expit(margins[np.arange(n), arm])).astype(float)
    return X, arm, y, expit(margins), chosen


def treated(X, arm, y, known=None, k=2):
    folds = folds_of([f"{a}{b}" for a, b in zip(arm, y, strict=True)], 5, 0)
    if known is None:
        model, e = fit_propensity(X, arm, k, folds)
    else:
        model = Propensity(known)
        e = model.of(X)
    return Treated(X, arm, y, folds, e, (True,) * k, 0, model)


# ---------------------------------------------------------------- ridge and heads


@pytest.mark.parametrize(("n", "p"), [(200, 5), (40, 90)])
def test_ridge_is_scikit_learns(rng, n, p):
    X = rng.normal(size=(n, p))
    y = (rng.random(n) < expit(X[:, 0])).astype(float)
    path, Z = fit_path(X, y), Scaling.of(X).apply(X)
    linear = fit_path(X, X[:, 0] + y, logistic=False)
    for i, spread in enumerate(SPREADS):
        peer = LogisticRegression(C=spread / p, tol=1e-10, max_iter=99999).fit(Z, y)
        np.testing.assert_allclose(path.coefs[i], peer.coef_[0], atol=2e-4)
        line = Ridge(alpha=linear.strengths[i]).fit(Z, X[:, 0] + y)
        np.testing.assert_allclose(linear.coefs[i], line.coef_, atol=1e-8)
        assert linear.intercepts[i] == pytest.approx(line.intercept_, abs=1e-8)


@pytest.mark.parametrize(("n", "p"), [(200, 5), (30, 60)])
def test_the_variance_is_the_inverse_curvature(rng, n, p):
    X = rng.normal(size=(n, p))
    y = (rng.random(n) < expit(X[:, 0])).astype(float)
    path = fit_path(X, y)
    one = path.mix(np.eye(len(SPREADS))[2])
    Z = np.column_stack([np.ones(n), one.scaling.apply(X)])
    q = expit(Z @ np.r_[one.intercept, one.coef])
    curve = (Z * (q * (1 - q))[:, None]).T @ Z + np.diag([0.0, *np.full(p, path.strengths[2])])
    new = rng.normal(size=(7, p))
    z = one.scaling.apply(new)
    covariance = np.linalg.inv(curve)[1:, 1:]
    np.testing.assert_allclose(one.variance(new), ((z @ covariance) * z).sum(axis=1), rtol=1e-8)
    # a mixture adds what its parts differ by
    both = path.mix(np.full(len(SPREADS), 1 / len(SPREADS)))
    parts = [path.mix(w) for w in np.eye(len(SPREADS))]
    scores = np.array([r.score(new) for r in parts])
    wanted = np.mean([r.variance(new) for r in parts], axis=0) + scores.var(axis=0)
    np.testing.assert_allclose(both.variance(new), wanted, rtol=1e-8)
    np.testing.assert_allclose(both.score(new), scores.mean(axis=0), atol=1e-12)


@pytest.mark.parametrize("mean", [-0.4, 1.7])
def test_a_mean_pseudo_outcome_beyond_0_and_1_breaks_nothing(rng, mean):
    """Its log-odds do not exist: it counts as half a patient of all. Within 0-1 nothing is moved, to the bit."""
    X = rng.normal(size=(60, 3))
    y = 2.0 * X[:, 0] + rng.normal(size=60)
    y += mean - y.mean()
    path = fit_path(X, y)
    fitted = expit(path.margins(X))
    np.testing.assert_allclose(fitted.mean(axis=0), np.clip(mean, 0.5 / 60, 1 - 0.5 / 60), atol=1e-3)
    assert (np.diff(path.coefs[:, 0]) > 0).all()
    one = path.mix(np.full(len(SPREADS), 1 / len(SPREADS)))
    assert np.isfinite([one.intercept_variance, *one.variance(X), *one.score(X)]).all()
    inside = y + 0.5 - y.mean()
    moved = fit_path(X, inside + (0.5 - inside.mean()))
    np.testing.assert_allclose(fit_path(X, inside).coefs, moved.coefs, atol=1e-12)


def test_the_dr_learner_stands_a_mean_pseudo_outcome_beyond_1(monkeypatch):
    """SIMULATED: in a small cohort under strong confounding one patient can carry the mean beyond 0-1."""
    monkeypatch.setattr(
        "theracast.models.meta_learners.doubly_robust", lambda *args: doubly_robust(*args) + np.array([1.5, -1.5])
    )
    X, arm, y, _, _ = patients(4, n=100, confounding=2.0)
    surface, scores = LEARNERS["dr"](treated(X, arm, y))
    assert np.isfinite(scores).all()
    assert all(np.isfinite(a).all() for a in surface.predict(X))


def test_gaps_are_filled_by_the_median_and_learned_from_where_there_are_enough(rng):
    X = np.column_stack([rng.normal(size=100), rng.exponential(size=100), np.full(100, 3.0)])
    X[:30, 0], X[:5, 1] = np.nan, np.nan
    scaling = Scaling.of(X)
    assert scaling.gaps.tolist() == [0]
    assert scaling.live == 3
    Z = scaling.apply(np.array([[np.nan, np.nan, np.nan]]))[0]
    assert Z[1] == pytest.approx((np.nanmedian(X[:, 1]) - np.nanmean(X[:, 1])) / np.nanstd(X[:, 1]))
    assert Z[2] == 0.0
    assert Z[3] == pytest.approx((1 - 0.3) / np.sqrt(0.3 * 0.7))
    y = np.isnan(X[:, 0]).astype(float)
    head = fit_path(X, y).mix(np.eye(len(SPREADS))[-1])
    assert head.score(X[:1])[0] > head.score(X[50:51])[0] + 1


def test_a_product_is_a_matrix_product(rng):
    Z, weights = rng.normal(size=(2100, 7)), rng.normal(size=(7, 3))
    np.testing.assert_allclose(product(Z, weights), Z @ weights, atol=1e-12)
    Z, weights = rng.normal(size=(300, 61)), rng.normal(size=(61, 57))
    np.testing.assert_array_equal(product(Z, weights), np.vstack([product(row[None], weights) for row in Z]))


def test_the_slope_of_a_calibration_needs_data_that_bear_it(rng):
    score = rng.normal(size=20_000)
    y = (rng.random(20_000) < expit(0.3 + 2.5 * score)).astype(float)
    many, few = calibrate(score, y), calibrate(score[:15], y[:15])
    assert (many.intercept, many.slope) == pytest.approx((0.3, 2.5), abs=0.1)
    assert 1.0 < few.slope < 1.8
    assert calibrate(-score, y).slope == 0.0
    assert Head.of_rate(3, 9).margin(np.zeros((1, 2)))[0] == pytest.approx(np.log(3.5 / 6.5))


@pytest.mark.parametrize("logistic", [True, False])
def test_scores_and_margins_are_blind_to_the_fold(rng, logistic):
    X, y = rng.normal(size=(120, 4)), rng.integers(0, 2, 120).astype(float)
    folds, rows = np.arange(120) % 4, np.arange(120) < 100
    other = np.where(folds == 1, 1 - y, y)
    first, second = (cross_fit(X, v, rows, folds, logistic) for v in (y, other))
    mine = folds == 1
    np.testing.assert_array_equal(first.score[mine], second.score[mine])
    np.testing.assert_array_equal(first.margin[mine], second.margin[mine])
    np.testing.assert_array_equal(first.margins[1][~mine], second.margins[1][~mine])
    assert np.isnan(first.margins[1][mine]).all()
    assert not np.array_equal(first.score[~mine], second.score[~mine])
    assert fit_inside(X, y, rows, folds, logistic).intercept == pytest.approx(first.ridge.intercept)


# ---------------------------------------------------------------- learners


@pytest.mark.parametrize("name", list(LEARNERS))
def test_no_learner_scores_a_patient_by_the_patients_own_outcome(name):
    X, arm, y, _, _ = patients(3, n=240)
    data = treated(X, arm, y)
    mine = data.folds == 2
    flipped = Treated(X, arm, np.where(mine, 1 - y, y), *(getattr(data, f) for f in
                      ("folds", "propensity", "enough", "reference", "model")))  # fmt: skip
    first, second = LEARNERS[name](data)[1], LEARNERS[name](flipped)[1]
    np.testing.assert_array_equal(first[mine], second[mine])
    assert not np.array_equal(first[~mine], second[~mine])


@pytest.mark.parametrize("name", list(LEARNERS))
def test_learners_find_the_simulated_truth(name):
    X, arm, y, _, _ = patients(5, n=3000, confounding=0.7)
    new, _, _, truth, _ = patients(5, n=3000, confounding=0.7)
    surface, _ = LEARNERS[name](treated(X, arm, y))
    margin, se, own = surface.predict(new)
    p = expit(margin)
    # the x-learner's effects are linear in the probability, the truth in log-odds
    assert np.sqrt(((p - truth) ** 2).mean()) < (0.06 if name == "x" else 0.045)
    assert np.corrcoef(p[:, 1] - p[:, 0], truth[:, 1] - truth[:, 0])[0, 1] > 0.97
    assert ((p > 0) & (p < 1)).all()
    assert (se > 0).all()
    assert (own > 0).all()


@pytest.mark.parametrize("name", list(LEARNERS))
def test_a_surface_comes_back_to_the_bit(name):
    X, arm, y, _, _ = patients(1, n=240, k=3)
    data = treated(X, arm, y, k=3)
    data = Treated(X, arm, y, data.folds, data.propensity, (True, True, False), 2, data.model)
    surface, scores = LEARNERS[name](data)
    assert np.isnan(scores[:, 2]).all()
    state = json.loads(json.dumps(surface.state(), allow_nan=False))
    for got, wanted in zip(SURFACES[state["kind"]].from_state(state).predict(X), surface.predict(X), strict=True):
        np.testing.assert_array_equal(got, wanted)
    np.testing.assert_allclose(surface.predict(X)[0][:, 2], data.rate(2).intercept)


def test_doubly_robust_pseudo_outcomes_by_hand():
    got = doubly_robust(
        np.array([1.0, 0.0]), np.array([0, 1]), np.array([[0.5, 0.4], [0.2, 0.6]]), np.array([[0.5, 0.5], [0.99, 0.01]])
    )
    np.testing.assert_allclose(got, [[1.5, 0.4], [0.2, 0.6 - 0.6 / 0.02]])


def test_one_patient_of_a_small_cohort_does_not_decide(monkeypatch):
    """Nobody of 400 stands for more than 24 patients; in a trial everybody stands for as many as the draw says."""
    given = []
    monkeypatch.setattr(
        "theracast.models.meta_learners.doubly_robust",
        lambda *args: given.append(args[4]) or doubly_robust(*args),
    )
    X, arm, y, _, _ = patients(2, n=400)
    LEARNERS["dr"](treated(X, arm, y))
    assert given == pytest.approx([5 / (20 * np.log(400))] * 6)
    given.clear()
    LEARNERS["dr"](treated(X, arm, y, known=np.array([0.5, 0.5])))
    assert given == [0.0] * 6


def test_where_most_got_the_therapy_those_who_did_not_tell_the_effect():
    ones = np.ones(40)
    one, other = (
        fit_path(np.zeros((40, 1)), v * ones, logistic=False).mix(np.eye(len(SPREADS))[0]) for v in (0.1, 0.5)
    )
    effect = Effect(treated=one, untreated=other, calibration=Head.of_rate(1, 2)).of(np.zeros((1, 1)), np.array([0.9]))
    assert effect[0] == pytest.approx(0.9 * 0.5 + 0.1 * 0.1, abs=1e-6)


def test_confounding_by_indication_misleads_the_rates_and_not_the_learners():
    """SIMULATED: the sicker get therapy 1, which is the better one; its response rate is no higher than the other's."""
    naive, t, dr = [], [], []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(1500, 3))
        arm = (rng.random(1500) < expit(1.2 * X[:, 0])).astype(int)
        p = expit(-1.2 * X[:, [0]] + np.array([-0.4, 0.4]))
        y = (rng.random(1500) < p[np.arange(1500), arm]).astype(float)
        truth = (p[:, 1] - p[:, 0]).mean()
        naive.append(y[arm == 1].mean() - y[arm == 0].mean() - truth)
        data = treated(X, arm, y)
        for name, errors in (("t", t), ("dr", dr)):
            q = expit(LEARNERS[name](data)[0].predict(X)[0])
            errors.append((q[:, 1] - q[:, 0]).mean() - truth)
    assert np.mean(naive) < -0.15
    assert abs(np.mean(dr)) < 0.02
    assert abs(np.mean(t)) < 0.03


def test_two_wrongs_doubly_robust_needs_one_right():
    """SIMULATED: the outcome model is blind to what moved the choice; the known propensity puts it right on average."""
    rng = np.random.default_rng(0)
    hidden = rng.integers(0, 2, 6000)
    e = np.where(hidden == 1, 0.8, 0.2)
    arm = (rng.random(6000) < e).astype(int)
    y = (rng.random(6000) < np.where(hidden == 1, 0.7, 0.3)).astype(float)
    outcome = np.tile([y[arm == 0].mean(), y[arm == 1].mean()], (6000, 1))
    right = doubly_robust(y, arm, outcome, np.column_stack([1 - e, e])).mean(axis=0)
    np.testing.assert_allclose(right, 0.5, atol=0.03)
    assert outcome[0, 1] - outcome[0, 0] > 0.2


@pytest.mark.parametrize(("n", "p", "share"), [(150, 8, 0.80), (600, 20, 0.84)])
def test_intervals_hold_the_truth_and_probabilities_are_calibrated(n, p, share):
    """SIMULATED: at a level of .9, over cohorts and patients; too narrow below `share`, too wide above .97."""
    held, slopes = [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        X, weights = rng.normal(size=(n + 2000, p)), rng.normal(size=p) / np.sqrt(p)
        truth = X @ weights - 0.3
        y = (rng.random(n + 2000) < expit(truth)).astype(float)
        fitted = cross_fit(X[:n], y[:n], np.ones(n, dtype=bool), folds_of(y[:n].astype(str), 5, 0))
        head = calibrate(fitted.score, y[:n], fitted.ridge)
        margin, se = head.margin(X[n:]), head.se(X[n:])
        held.append(np.abs(margin - truth[n:]) < 1.645 * se)
        slopes.append(calibration(y[n:], expit(margin))[0].value)
    assert share < np.mean(held) < 0.97
    assert np.median(slopes) == pytest.approx(1.0, abs=0.3)


# ---------------------------------------------------------------- econml


@pytest.fixture(scope="module")
def econml():
    """econml's meta-learners and DR-learners; what it imports warns about itself."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(econml|shap|sparse|numba|statsmodels)(\..*)?")
        pytest.importorskip("econml")
        from econml import dr, metalearners
    return SimpleNamespace(dr=dr, metalearners=metalearners)


class OurHead:
    """Our head as econml's base learner: the same folds, the same calibration."""

    def __init__(self, fold_of):
        self.fold_of = fold_of

    def get_params(self, deep=True):
        return {"fold_of": self.fold_of}

    def fit(self, X, y):
        folds = np.array([self.fold_of[row.tobytes()] for row in X])
        fitted = cross_fit(X, y, np.ones(len(y), dtype=bool), folds)
        self.head_ = calibrate(fitted.score, y, fitted.ridge)
        return self

    def predict(self, X):
        return expit(self.head_.margin(X))


class OurEffect(OurHead):
    """Our linear ridge as econml's model of an effect."""

    def fit(self, X, y):
        folds = np.array([self.fold_of[row.tobytes()] for row in X])
        self.ridge_ = fit_inside(X, y, np.ones(len(y), dtype=bool), folds, logistic=False)
        return self

    def predict(self, X):
        return self.ridge_.intercept + self.ridge_.score(X)


def against(name, data, new):
    p = expit(LEARNERS[name](data)[0].predict(new)[0])
    return p[:, 1] - p[:, 0]


QUIET = pytest.mark.filterwarnings(
    "ignore:.*force_all_finite.*:FutureWarning", "ignore:.*column-vector y was passed.*", "ignore:.*multi_class.*"
)


@QUIET
def test_the_t_learner_is_econmls(econml):
    X, arm, y, _, _ = patients(11, n=800, confounding=0.6)
    data = treated(X, arm, y)
    fold_of = {row.tobytes(): f for row, f in zip(X, data.folds, strict=True)}
    peer = econml.metalearners.TLearner(models=OurHead(fold_of)).fit(y, arm, X=X)
    np.testing.assert_allclose(against("t", data, X), peer.effect(X), atol=1e-12)


@QUIET
def test_the_x_learner_is_near_econmls(econml):
    """Econml imputes outcomes by models that saw the patient, we by models that did not; then we calibrate."""
    X, arm, y, truth, _ = patients(12, n=1500, confounding=0.6)
    data = treated(X, arm, y)
    fold_of = {row.tobytes(): f for row, f in zip(X, data.folds, strict=True)}
    peer = econml.metalearners.XLearner(
        models=OurHead(fold_of), cate_models=OurEffect(fold_of), propensity_model=LogisticRegression()
    ).fit(y, arm, X=X)
    surface, e = LEARNERS["x"](data)[0], data.model.of(X)
    effect, theirs = surface.effects[1].of(X, e[:, 1]), peer.effect(X)
    assert np.abs(effect - theirs).max() < 0.02
    assert np.sqrt(((effect - theirs) ** 2).mean()) < 0.01
    real = truth[:, 1] - truth[:, 0]
    assert ((against("x", data, X) - real) ** 2).mean() < ((theirs - real) ** 2).mean()


@QUIET
def test_the_dr_learner_is_near_econmls(econml):
    """Econml's last stage is linear in the probability, ours in the log-odds."""
    X, arm, y, truth, _ = patients(13, n=3000, confounding=0.6)
    data = treated(X, arm, y)
    peer = econml.dr.LinearDRLearner(
        model_propensity=LogisticRegression(), model_regression=LogisticRegression(), discrete_outcome=True,
        min_propensity=0.02, random_state=0, cv=5,
    ).fit(y, arm, X=X)  # fmt: skip
    ours, theirs = against("dr", data, X), peer.effect(X).ravel()
    assert ours.mean() == pytest.approx(theirs.mean(), abs=0.01)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.95
    real = truth[:, 1] - truth[:, 0]
    assert np.sqrt(((ours - real) ** 2).mean()) < np.sqrt(((theirs - real) ** 2).mean()) + 0.01
