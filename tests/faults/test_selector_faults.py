"""Faults of a choice between therapies, named by their id; no message repeats a patient's value or id."""

import numpy as np
import pandas as pd
import pytest
from faults.judge import CANARY, refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.special import expit

from theracast.errors import DataError, UsageError
from theracast.models.meta_learners import LEARNERS
from theracast.models.ranking import NOT_COMPARABLE, RANKED
from theracast.models.selector import TherapySelector

DRUGS = np.array(["adalimumab", "rituximab"])


def cohort(n=80):
    """SIMULATED."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(n, 3)), index=[f"{CANARY}{i}" for i in range(n)], columns=["age", "crp", "das28"])
    return X, DRUGS[np.arange(n) % 2], (rng.random(n) < expit(2 * X["crp"])).astype(int).to_numpy()


@pytest.fixture(scope="module")
def fitted():
    return TherapySelector().fit(*cohort())


# D03, D08, D11, D13, D17, D24, D33, D34: what patients are described by


def test_D03_a_feature_twice():
    X, drug, y = cohort()
    assert "crp" in refused(lambda: TherapySelector().fit(pd.concat([X, X[["crp"]]], axis=1), drug, y), "THX-D03")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda X: X.drop(columns="crp"), "lacking: crp"),
        (lambda X: X.assign(esr=1.0), "not known: esr"),
        (lambda X: X.rename(columns={"crp": "CRP"}), "lacking: crp; not known: CRP"),
    ],
)
def test_D08_other_features_than_fitted(fitted, change, said):
    assert said in refused(lambda: fitted.rank(change(cohort()[0])), "THX-D08")


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308])
def test_D11_infinite_values(fitted, value):
    X, drug, y = cohort()
    X.iloc[3, 1] = value
    assert "crp" in refused(lambda: TherapySelector().fit(X, drug, y), "THX-D11")
    assert "crp" in refused(lambda: fitted.rank(X), "THX-D11")


def test_D12_a_feature_that_is_the_same_for_all_or_missing_in_all_says_nothing():
    X, drug, y = cohort()
    plain = TherapySelector().fit(X, drug, y).rank(X).table
    more = X.assign(aaa=7.0, bbb=np.nan)
    table = TherapySelector().fit(more, drug, y).rank(more).table
    np.testing.assert_allclose(table["probability"], plain["probability"], atol=1e-9)
    elsewhere = TherapySelector().fit(more, drug, y).rank(more.assign(aaa=1e9, bbb=3.0)).table
    np.testing.assert_array_equal(elsewhere["probability"], table["probability"])


def test_D13_text_where_numbers_are_wanted(fitted):
    X, drug, y = cohort()
    X["crp"] = X["crp"].map(lambda v: f"{CANARY}{v}")
    assert "crp" in refused(lambda: TherapySelector().fit(X, drug, y), "THX-D13")
    assert "crp" in refused(lambda: fitted.rank(X), "THX-D13")


def test_D17_a_patient_twice(fitted):
    X, drug, y = cohort()
    twice = pd.concat([X, X.head(1)])
    assert "1 patients" in refused(lambda: TherapySelector().fit(twice, np.append(drug, drug[0]), [*y, 0]), "THX-D17")
    refused(lambda: fitted.rank(twice), "THX-D17")


@pytest.mark.parametrize("wrong", [2, -1, 0.5, np.nan, None, CANARY])
def test_D24_outcomes_other_than_0_and_1(wrong):
    X, drug, y = cohort()
    assert "1 outcomes" in refused(lambda: TherapySelector().fit(X, drug, [wrong, *y[1:]]), "THX-D24")


def test_D24_lengths_and_orders_that_differ():
    X, drug, y = cohort()
    refused(lambda: TherapySelector().fit(X, drug[1:], y), "THX-D24")
    refused(lambda: TherapySelector().fit(X, drug, y[1:]), "THX-D24")
    refused(lambda: TherapySelector().fit(X, drug, np.column_stack([y, y])), "THX-D24")
    refused(lambda: TherapySelector().fit(X, drug, pd.Series(y, index=X.index[::-1])), "THX-D24")
    TherapySelector().fit(X, pd.Series(drug, index=X.index), pd.Series(y))


def test_D33_nothing_to_learn_from(fitted):
    X, drug, y = cohort()
    refused(lambda: TherapySelector().fit(X.iloc[:0], drug[:0], y[:0]), "THX-D33")
    refused(lambda: TherapySelector().fit(X[[]], drug, y), "THX-D33")
    refused(lambda: TherapySelector().fit(X.to_numpy(), drug, y), "THX-D33")
    assert fitted.rank(X.iloc[:0]).table.empty


def test_D34_columns_in_another_order(fitted):
    X = cohort()[0]
    pd.testing.assert_frame_equal(fitted.rank(X[["das28", "age", "crp"]]).table, fitted.rank(X).table, check_exact=True)


# D21: drugs


@pytest.mark.parametrize("blank", ["", "  ", None, np.nan, "unknown", "NA"])
def test_D21_treatments_that_are_not_known(blank):
    X, drug, y = cohort()
    given = [blank, *drug[1:]]
    assert "1 patients" in refused(lambda: TherapySelector().fit(X, given, y), "THX-D21")


def test_D21_a_misspelt_drug_that_was_tried_gets_the_nearest_name_and_no_rank(fitted):
    X = cohort()[0]
    message = refused(lambda: fitted.rank(X, tried={X.index[0]: ["adalimumabb"]}), "THX-D21")
    assert "'adalimumab'" in message
    refused(lambda: fitted.rank(X, tried={X.index[0]: ["xyz"]}), "THX-D21")


def test_D21_misspelt_names_in_the_call_get_the_nearest_one():
    X, drug, y = cohort()
    for wrong in ({"standard": "rituximabe"}, {"propensity": {"rituximabe": 0.5, "adalimumab": 0.5}}):
        with pytest.raises(UsageError, match="Did you mean 'rituximab'"):
            TherapySelector(**wrong).fit(X, drug, y)


def test_patients_who_tried_something_must_be_there(fitted):
    with pytest.raises(DataError, match="1 patients who tried a therapy are not among the patients") as caught:
        fitted.rank(cohort()[0], tried={f"{CANARY}nobody": ["rituximab"]})
    assert CANARY not in str(caught.value)


# D35: no comparable patients


def test_D35_one_therapy_is_nothing_to_choose_between():
    X, _, y = cohort()
    refused(lambda: TherapySelector().fit(X, ["rituximab"] * len(X), y), "THX-D35")


def test_D35_a_therapy_that_patients_like_this_one_never_got():
    """SIMULATED: the third drug was never given to half of the patients; there it has no rank, elsewhere it has."""
    rng = np.random.default_rng(1)
    X = pd.DataFrame(rng.normal(size=(900, 4)), columns=list("abcd")).assign(pregnant=np.arange(900) % 2.0)
    arm = rng.integers(0, 3, 900)
    arm[(X["pregnant"] == 1) & (arm == 2)] = 1
    y = (rng.random(900) < expit(2 * X["a"] * (arm - 1) + X["b"])).astype(int)
    selector = TherapySelector().fit(X, np.array(["x", "y", "z"])[arm], y)
    table = selector.rank(X).table
    third = table[table["therapy"] == "z"].set_index("patient_id")
    pregnant = X["pregnant"].set_axis(X.index.map(str)) == 1
    assert (third.loc[pregnant[pregnant].index, "state"] == NOT_COMPARABLE).mean() > 0.97
    assert (third.loc[pregnant[~pregnant].index, "state"] == RANKED).mean() > 0.9


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    seed=st.integers(0, 10_000),
    n=st.integers(60, 240),
    k=st.integers(2, 4),
    confounding=st.floats(0.0, 8.0),
    learner=st.sampled_from(list(LEARNERS)),
    known=st.booleans(),
    min_ess=st.sampled_from([1.0, 10.0, 25.0]),
    never=st.sampled_from([None, -0.6, 0.6]),
)
def test_D35_without_comparable_patients_there_is_never_a_rank(seed, n, k, confounding, learner, known, min_ess, never):
    """Over random SIMULATED cohorts, patients far outside them included: counted anew here, by the definition."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n, 3)), columns=list("abc")).mask(rng.random((n, 3)) < 0.1)
    e = np.exp(confounding * X["a"].fillna(0.0).to_numpy()[:, None] * np.linspace(-1, 1, k))
    arm = (rng.random((n, 1)) > (e / e.sum(axis=1, keepdims=True)).cumsum(axis=1)).sum(axis=1)
    if never is not None:
        arm[(np.sign(never) * X["c"] > abs(never)) & (arm == k - 1)] = 0
    arm[:k] = np.arange(k)
    y = (rng.random(n) < expit(2 * X["b"].fillna(0.0))).astype(int)
    shares = {f"t{i}": 1 / k for i in range(k)} if known else None
    selector = TherapySelector(learner, propensity=shares, min_ess=min_ess, min_treated=0)
    selector.fit(X, [f"t{a}" for a in arm], y)
    new = pd.concat([X.head(30), 30 * X.iloc[30:40], X.iloc[40:41] * np.nan], ignore_index=True)
    table = selector.rank(new).table
    propensity = selector.propensity_.of(X.to_numpy())
    for line in table.itertuples():
        j = int(line.therapy[1:])
        there = np.log(propensity[arm == j, j] / (1 - propensity[arm == j, j]))
        here = np.log(line.propensity / (1 - line.propensity))
        near = np.abs(there - here) < selector.overlap_.reach[j]
        weight = 1 - ((there[near] - here) / selector.overlap_.reach[j]) ** 2
        ess = weight.sum() ** 2 / (weight**2).sum() if near.any() else 0.0
        if np.isnan(line.rank):
            continue
        assert line.state == RANKED
        assert near.sum() == line.n_comparable > 0
        assert ess == pytest.approx(line.ess)
        assert ess >= min_ess - 1e-9
        assert line.propensity >= 0.02
        patient = new.iloc[int(line.patient_id)]
        assert known or not any(nobody_beyond(X[f], arm == j, patient[f], 2 * X.shape[1] * k) for f in X)


def nobody_beyond(values, treated, value, tests):
    """Whether far too many patients had values as far out as this one or not quite, and none of them got it."""
    share, fine = treated[values.notna()].mean(), 0.01 * values.std()
    for sign in (-1, 1):
        last = (sign * values[treated]).max()
        beyond = (sign * values > last + fine).sum()
        if sign * value > last + fine and beyond >= 5 and (1 - share) ** beyond < 0.01 / tests:
            return True
    return False


@pytest.mark.parametrize("learner", list(LEARNERS))
@pytest.mark.parametrize("side", [-1, 1])
def test_D35_a_therapy_closed_beyond_a_value_is_never_ranked_there(learner, side):
    """SIMULATED: nobody with a CRP beyond a value got the third drug; a linear propensity smooths over the edge."""
    rng = np.random.default_rng(2)
    X = pd.DataFrame(rng.normal(size=(600, 4)), index=[f"{CANARY}{i}" for i in range(600)]).add_prefix("f")
    X["crp"] = np.round(rng.gamma(2.0, 10.0, 600), 3)
    cut = X["crp"].quantile(0.5 + 0.25 * side)
    arm = rng.integers(0, 3, 600)
    arm[(side * X["crp"] > side * cut) & (arm == 2)] = 1
    y = (rng.random(600) < expit(2 * X["f0"] * (arm - 1) + X["f1"])).astype(int)
    drugs = np.array(["x", "y", "z"])
    selector = TherapySelector(learner).fit(X, drugs[arm], y)
    third = selector.rank(X).table.query("therapy == 'z'")
    beyond = (side * X["crp"] > side * cut + 0.02 * X["crp"].std()).to_numpy()
    assert beyond.sum() > 130
    assert set(third["state"][beyond]) == {NOT_COMPARABLE}
    assert (third["state"][(side * X["crp"] < side * cut).to_numpy()] == RANKED).mean() > 0.9
    said = set(third["reason"][beyond])
    assert len(said) == 1
    text = said.pop()
    assert text.startswith(f"nobody with crp {'above' if side > 0 else 'below'} ")
    assert CANARY not in text
    assert float(text.split()[4]) not in set(X["crp"])
