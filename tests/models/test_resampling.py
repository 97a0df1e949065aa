"""Resampling an AUC: equal to scikit-learn on the same resamples, close to DeLong, fair under the null."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from theracast.errors import DataError, UsageError
from theracast.kernels.resample import resampled_counts
from theracast.models import metrics
from theracast.models.resampling import (
    _bootstrap,
    aucs,
    bootstrap_auc,
    bootstrap_auc_difference,
    permutation_p,
    reweighted_aucs,
    weighted_quantiles,
)


@pytest.fixture
def cohort(rng):
    y = (rng.random(150) < 0.35).astype(int)
    return y, np.round(y + rng.normal(0, 1.2, 150), 1), np.round(0.5 * y + rng.normal(0, 1.2, 150), 1)


def test_aucs_equal_scikit_learn(cohort, rng):
    y, a, b = cohort
    weights = rng.random(150)
    table = pd.DataFrame({"a": a, "b": b})
    for w in (None, weights, (weights > 0.5).astype(float)):
        wanted = [roc_auc_score(y, table[c], sample_weight=w) for c in table]
        np.testing.assert_allclose(aucs(y, table, w), wanted, rtol=0, atol=1e-12)


def test_many_rows_of_weights_are_each_as_one(cohort, rng):
    y, a, b = cohort
    table, weights = pd.DataFrame({"a": a, "b": b}), rng.integers(0, 3, (7, 150)).astype(float)
    weights[-1, y == 1] = 0.0
    found = reweighted_aucs(y, table, weights)
    pd.testing.assert_frame_equal(found, pd.DataFrame([aucs(y, table, w) for w in weights]), check_exact=True)
    assert found.iloc[-1].isna().all()
    pairs = [(y[:, None] > y) * w[:, None] * w for w in weights[:-1]]
    wins = (a[:, None] > a) + 0.5 * (a[:, None] == a)
    np.testing.assert_allclose(found["a"].iloc[:-1], [(p * wins).sum() / p.sum() for p in pairs], rtol=1e-12)


def test_a_draw_equals_scikit_learn_on_the_same_resample(cohort):
    y, a, b = cohort
    drawn = _bootstrap(y, [a, b], 20, 4, stratified=False)
    counts = resampled_counts(np.arange(150), np.array([0, 150]), 20, 4)
    for d, count in enumerate(counts):
        rows = np.repeat(np.arange(150), count)
        wanted = [roc_auc_score(y[rows], a[rows]), roc_auc_score(y[rows], b[rows])]
        np.testing.assert_allclose(drawn[d + 1], wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("stratified", [True, False])
def test_the_interval_is_close_to_delong(cohort, stratified):
    y, a, b = cohort
    ours, theirs = bootstrap_auc(y, a, stratified=stratified), metrics.auc(y, a)
    assert ours.value == pytest.approx(theirs.value, abs=1e-12)
    assert (ours.lower, ours.upper) == pytest.approx((theirs.lower, theirs.upper), abs=0.012)
    assert ours.se == pytest.approx(theirs.se, rel=0.05)
    ours, theirs = bootstrap_auc_difference(y, a, b, stratified=stratified), metrics.auc_difference(y, a, b)
    assert ours.value == pytest.approx(theirs.value, abs=1e-12)
    assert (ours.lower, ours.upper) == pytest.approx((theirs.lower, theirs.upper), abs=0.012)
    assert ours.se == pytest.approx(theirs.se, rel=0.05)


def test_permutation_p_is_exact_where_all_orders_are_few():
    y, score = [0, 0, 0, 1, 1, 1], [1, 2, 3, 4, 5, 6]
    assert permutation_p(y, score, draws=100_000) == pytest.approx(1 / 20, abs=0.003)
    assert permutation_p(y, score, draws=100_000, alternative="two-sided") == pytest.approx(2 / 20, abs=0.004)
    assert permutation_p(y, score, alternative="less") == 1.0
    assert permutation_p(y, [1] * 6) == 1.0


def test_permutation_p_is_uniform_without_signal(rng):
    y = np.repeat([0, 1], 25)
    found = np.array([permutation_p(y, rng.normal(size=50), draws=199, seed=s) for s in range(400)])
    for share in (0.05, 0.25, 0.5, 0.75):
        assert (found <= share).mean() == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 400))


def test_quantiles_equal_numpy(rng):
    values, weights = rng.normal(size=101), rng.random(101)
    wanted = np.quantile(values, [0.1, 0.5, 1], weights=weights, method="inverted_cdf")
    np.testing.assert_array_equal(weighted_quantiles(values, [0.1, 0.5, 1], weights), wanted)
    assert weighted_quantiles([3, 1, 2], 0.5).tolist() == [2.0]
    assert np.isnan(weighted_quantiles([], [0.5])).all()


def test_what_cannot_be_estimated_is_nan():
    assert np.isnan(bootstrap_auc([1, 1], [1, 2]).value)
    assert np.isnan(bootstrap_auc_difference([1, 1], [1, 2], [2, 1]).value)
    assert np.isnan(permutation_p([0, 0], [1, 2]))
    none = aucs([0, 1], pd.DataFrame(index=[0, 1]))
    assert none.empty
    assert none.dtype == np.float64
    assert aucs([1, 1], pd.DataFrame({"a": [1, 2]})).isna().all()
    assert np.isnan(bootstrap_auc([0, 1], [1, 2], draws=1).se)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: bootstrap_auc([0, 2], [1, 2]), DataError, "other values than 0 and 1"),
        (lambda: bootstrap_auc([0, 1], [1, np.nan]), DataError, "missing values"),
        (lambda: bootstrap_auc([0, 1], [1, 2, 3]), DataError, "unequal lengths"),
        (lambda: bootstrap_auc([0, 1], [1, 2], level=1), UsageError, "level"),
        (lambda: bootstrap_auc([0, 1], [1, 2], draws=0), UsageError, "one draw"),
        (lambda: permutation_p([0, 1], [1, 2], seed=-1), UsageError, "seed"),
        (lambda: permutation_p([0, 1], [1, 2], alternative="more"), UsageError, "alternative"),
        (lambda: aucs([0, 1], pd.DataFrame({"a": [1, 2]}), [1, -1]), DataError, "weights below 0"),
        (lambda: aucs([0, 1], pd.DataFrame({"a": [1, 2]}), [1]), DataError, "unequal lengths"),
        (lambda: aucs([0, 1], pd.DataFrame({"a": [1, 2, 3]})), DataError, "unequal lengths"),
        (lambda: reweighted_aucs([0, 1], pd.DataFrame({"a": [1, 2]}), np.ones(2)), DataError, "row of weights"),
        (lambda: reweighted_aucs([0, 1], pd.DataFrame({"a": [1, 2]}), np.ones((3, 1))), DataError, "unequal lengths"),
        (lambda: weighted_quantiles([1, 2], [1.5]), UsageError, "between 0 and 1"),
    ],
)
def test_mistakes_are_named(call, error, says):
    with pytest.raises(error, match=says):
        call()
