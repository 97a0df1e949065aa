"""ComBat: the numbers of R's sva on the rows it was fitted on, and nothing of the test rows in any other."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from theracast.errors import DataError, UsageError
from theracast.features import batch as batch_room
from theracast.features.batch import LEAST, ComBat

GOLDEN = Path(__file__).parents[1] / "golden"
CASES = {
    "plain": {},
    "reference": {"reference": "a"},
    "covariates": {},
    "reference_covariates": {"reference": "b"},
    "empirical": {"parametric": False},
    "empirical_reference": {"parametric": False, "reference": "c"},
}


@pytest.fixture(scope="module")
def golden():
    return json.loads((GOLDEN / "combat_r.json").read_text())


def read(name):
    table = pd.read_csv(GOLDEN / name)
    return table.iloc[:, 3:], table["site"], table[["stage", "grade"]]


@pytest.fixture(scope="module")
def simulated():
    return read("combat_input.csv")


@pytest.mark.parametrize("case", CASES)
def test_as_sva_on_the_rows_it_was_fitted_on(case, golden, simulated):
    X, site, covariates = simulated
    given = {"covariates": covariates} if "covariates" in case else {}
    got = ComBat(**CASES[case]).fit_transform(X, batch=site, **given)
    np.testing.assert_allclose(got, np.array(golden[case]), rtol=0, atol=1e-8)
    assert np.abs(got - X.to_numpy()).max() > 0.5


@pytest.mark.parametrize("reference", [None, "a"])
def test_as_sva_with_gaps_but_for_its_variance(reference, golden, monkeypatch):
    """With a gap anywhere sva divides the squares of every feature by n - 1, without one by n: we do not."""
    X, site, _ = read("combat_gaps.csv")
    X = X.drop(columns="g07")
    wanted = np.array(golden["gaps_reference" if reference else "gaps"], dtype=float)
    ours = ComBat(reference=reference).fit_transform(X, batch=site)
    assert np.array_equal(np.isnan(ours), X.isna().to_numpy())
    assert np.nanmax(np.abs(ours - wanted)) < 0.2
    monkeypatch.setattr(batch_room, "_mean_squares", lambda r: np.nanvar(r, axis=0, ddof=1))
    theirs = ComBat(reference=reference).fit_transform(X, batch=site)
    np.testing.assert_allclose(theirs, wanted, rtol=0, atol=1e-8)


@pytest.mark.parametrize("site_of", ["b", "c"])
def test_adapting_to_a_site_is_the_reference_form(site_of, golden, simulated):
    """A fit on the reference alone, adapted site by site, gives what sva gives for all at once."""
    X, site, _ = simulated
    X = X.drop(columns="g07")  # constant in one site, hence adjusted in none by sva
    at = [i for i in range(60) if i != 7]
    here = ComBat(reference="a").fit(X[site == "a"], batch=site[site == "a"])
    there = X[site == site_of]
    if len(there) < LEAST:
        with pytest.raises(DataError, match=f"THX-D25.*at least {LEAST}"):
            here.adapt(there, site_of)
        return
    got = here.adapt(there, site_of).transform(there, batch=site[site == site_of])
    np.testing.assert_allclose(got, np.array(golden["reference"])[site == site_of][:, at], rtol=0, atol=1e-8)
    assert here.batches_ == ["a"], "adapting makes a copy"


def test_rows_held_out_do_not_touch_each_other(simulated, rng):
    """The leak of the transductive libraries: here a row's result is the same whatever stands beside it."""
    X, site, covariates = simulated
    train, test = np.arange(len(X)) % 3 > 0, np.flatnonzero(np.arange(len(X)) % 3 == 0)
    combat = ComBat().fit(X[train], batch=site[train], covariates=covariates[train])

    def transformed(rows, table=X):
        return combat.transform(table.iloc[rows], batch=site.iloc[rows], covariates=covariates.iloc[rows])

    crowd = transformed(test)
    other = X.copy()
    other.iloc[test[1:]] = rng.normal(50, 9, other.iloc[test[1:]].shape)
    assert transformed(test, other)[0].tobytes() == crowd[0].tobytes()
    for k, row in enumerate(test):
        assert transformed([row])[0].tobytes() == crowd[k].tobytes()
    assert transformed(test[::-1])[::-1].tobytes() == crowd.tobytes()
    assert ComBat().fit(X, batch=site).mean_ != ComBat().fit(other, batch=site).mean_, "the fit does see its rows"


def test_training_rows_come_out_the_same_alone(simulated):
    X, site, _ = simulated
    combat = ComBat(reference="a").fit(X, batch=site)
    whole = combat.transform(X, batch=site)
    assert combat.transform(X.iloc[[20]], batch=site.iloc[[20]]).tobytes() == whole[[20]].tobytes()
    assert whole[(site == "a").to_numpy()].tobytes() == X[site == "a"].to_numpy().tobytes(), "the reference stays"


def test_an_unknown_site_is_refused(simulated):
    X, site, _ = simulated
    combat = ComBat().fit(X, batch=site)
    with pytest.raises(DataError, match=r"THX-D20.*at least 10"):
        combat.transform(X.iloc[:2], batch=["a", "z"])
    with pytest.raises(UsageError, match="batch"):
        combat.transform(X.iloc[:2])
    with pytest.raises(UsageError, match="reference"):
        combat.adapt(X.iloc[:12], "z")
    with pytest.raises(UsageError, match="known already"):
        ComBat(reference="a").fit(X, batch=site).adapt(X.iloc[:12], "b")
    with pytest.raises(UsageError, match="not among"):
        ComBat(reference="z").fit(X, batch=site)
    with pytest.raises(DataError, match="no batch"):
        combat.transform(X.iloc[:2], batch=["a", None])


def test_batches_that_cannot_be_estimated_are_refused(simulated):
    X, site, _ = simulated
    with pytest.raises(DataError, match="THX-D25"):
        ComBat().fit(X, batch=[*site[:-1], "alone"])
    with pytest.raises(DataError, match="told apart"):
        ComBat().fit(X, batch=site, covariates=pd.DataFrame({"platform": (site == "a").astype(float)}))
    combat = ComBat().fit(X, batch=site, covariates=pd.DataFrame({"grade": ["x", "y"] * (len(X) // 2)}))
    with pytest.raises(DataError, match="THX-D20"):
        combat.transform(X.iloc[:1], batch=["a"], covariates=pd.DataFrame({"grade": ["never"]}))
    with pytest.raises(UsageError, match="covariates"):
        combat.transform(X.iloc[:1], batch=["a"])


def test_constant_and_unknown_features_stay(simulated):
    X, site, _ = simulated
    X = X.assign(flat=3.0, never=np.nan, once=np.where(np.arange(len(X)) < 16, 1.0, np.nan))
    combat = ComBat().fit(X, batch=site)
    assert [X.columns[i] for i in combat.unadjusted_["a"]] == ["g07", "flat", "never", "once"]
    out = combat.set_output(transform="pandas").transform(X, batch=site)
    pd.testing.assert_frame_equal(out[["g07", "flat", "never", "once"]], X[["g07", "flat", "never", "once"]])
    assert np.isfinite(out.drop(columns=["never", "once"])).all(axis=None)


def test_a_feature_that_the_covariates_explain_stays(simulated):
    X, site, covariates = simulated
    X = X.assign(told=2.0 * covariates["stage"])
    out = ComBat().fit_transform(X, batch=site, covariates=covariates)
    np.testing.assert_allclose(out[:, -1], X["told"], atol=1e-9)
    assert np.isfinite(out).all()


def test_stored_as_json_and_read_back(simulated):
    X, site, covariates = simulated
    combat = ComBat(reference="a").fit(X, batch=site, covariates=covariates)
    again = ComBat.from_state(json.loads(json.dumps(combat.state())))
    given = {"batch": site, "covariates": covariates}
    assert again.transform(X, **given).tobytes() == combat.transform(X, **given).tobytes()
    assert again.get_feature_names_out().tolist() == X.columns.tolist()


def test_fitted_inside_folds_by_metadata_routing(simulated):
    X, site, covariates = simulated
    y = covariates["grade"] == "low"
    folds = list(StratifiedKFold(4, shuffle=True, random_state=0).split(X, site))
    with sklearn.config_context(enable_metadata_routing=True):
        combat = ComBat().set_fit_request(batch=True).set_transform_request(batch=True)
        model = make_pipeline(combat, LogisticRegression(C=0.01))
        scores = cross_val_score(model, X, y, cv=folds, params={"batch": site})
        assert np.isfinite(scores).all()
        model.fit(X, y, batch=site)
        wanted = clone(combat).fit(X, batch=site).transform(X.iloc[:2], batch=site[:2])
        got = model.predict_proba(X.iloc[:2], batch=site[:2])
        assert got.tobytes() == model[-1].predict_proba(wanted).tobytes()


def test_what_the_sites_shared_comes_back(rng):
    """SIMULATED truth: one population measured at two sites; half the patients train, the others are judged."""
    truth = rng.normal(5, 1, (200, 80))
    site = np.where(rng.random(200) < 0.5, "a", "b")
    measured = np.where((site == "b")[:, None], truth * rng.uniform(0.5, 2, 80) + rng.normal(0, 2, 80), truth)
    combat = ComBat(reference="a").fit(measured[:100], batch=site[:100])
    mended = combat.transform(measured[100:], batch=site[100:])
    away, left = np.abs(measured[100:] - truth[100:]).mean(), np.abs(mended - truth[100:]).mean()
    assert left < 0.25 * away


@parametrize_with_checks([ComBat(), ComBat(parametric=False)])
def test_sklearn(estimator, check):
    check(estimator)
