"""shap in and out: real shap draws our numbers, and a user's own xgboost gets our sentences, points and pictures."""

import sys
from dataclasses import replace
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from explanations import explained
from scipy.special import expit

from theracast.errors import DataError, SetupError, UsageError
from theracast.predict.explanation import Explanation
from theracast.predict.sentences import sentences

NAN = float("nan")
#: What shap and what it draws with warn of among themselves.
foreign = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@pytest.fixture(scope="module")
def e():
    return explained(60)


def given(values, base=0.0, data=None, names=("tmb", "age")):
    values = np.array(values, dtype=float)
    return SimpleNamespace(
        values=values, base_values=base, data=np.ones(values.shape) if data is None else data, feature_names=list(names)
    )


@foreign
def test_ours_is_drawn_by_shap(e):
    shap = pytest.importorskip("shap")
    mpl.use("Agg")
    import matplotlib.pyplot as plt

    theirs = e.to_shap()
    assert theirs.values == pytest.approx(e.points.to_numpy())
    assert theirs.base_values + theirs.values.sum(axis=1) == pytest.approx(e.probability.to_numpy(), abs=1e-9)
    assert np.array_equal(theirs.data, e.values.to_numpy(), equal_nan=True)
    assert theirs.feature_names[:2] == ["NLR", "prior ICI"]
    for draw, what in ((shap.plots.waterfall, theirs[0]), (shap.plots.beeswarm, theirs), (shap.plots.bar, theirs)):
        draw(what, show=False)
        assert plt.gcf().axes
        plt.close("all")


def test_withheld_patients_stay_here_and_no_id_goes_out(e):
    pytest.importorskip("shap")
    points = e.points.copy()
    points.iloc[:7] = NAN
    theirs = replace(e, points=points).to_shap()
    assert theirs.shape == (53, 6)
    assert "p00" not in repr(vars(theirs))


def test_features_of_two_blocks_with_one_name_are_told_apart(e):
    pytest.importorskip("shap")
    two = e.points.rename(columns={"clinical__nlr": "clinical__age", "mutations__tmb": "extra__age"})
    assert {"age (clinical)", "age (extra)"} <= set(replace(e, points=two).to_shap().feature_names)


def test_there_and_back_is_the_same(e):
    pytest.importorskip("shap")
    again = Explanation.from_shap(
        e.to_shap(), "identity", patient_ids=e.points.index, studies=e.studies, training=e.values
    )
    assert again.points.to_numpy() == pytest.approx(e.points.to_numpy(), abs=1e-12)
    assert again.probability.to_numpy() == pytest.approx(e.probability.to_numpy(), abs=1e-9)
    assert again.median.to_numpy() == pytest.approx(e.median.to_numpy())
    assert again.studies.tolist() == e.studies.tolist()


@foreign
def test_a_users_own_xgboost_gets_our_sentences_and_pictures():
    shap = pytest.importorskip("shap")
    from xgboost import XGBClassifier

    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(200, 4)), columns=["tmb", "nlr", "age", "clinical__ldh"])  # simulated
    X = X.mask(rng.random(X.shape) < 0.1)
    y = rng.binomial(1, expit(X.tmb.fillna(0) - X.nlr.fillna(0)))
    model = XGBClassifier(n_estimators=40, max_depth=3, random_state=0).fit(X, y)
    theirs = shap.TreeExplainer(model)(X)
    e = Explanation.from_shap(theirs, link="logit", units={"tmb": "mut/Mb"}, cohort="200 simulated patients")
    assert e.probability.to_numpy() == pytest.approx(model.predict_proba(X)[:, 1], abs=1e-4)
    assert (e.reference + e.points.sum(axis=1)).to_numpy() == pytest.approx(e.probability.to_numpy(), abs=1e-9)
    assert e.points.columns.tolist() == ["model__tmb", "model__nlr", "model__age", "clinical__ldh"]
    assert e.by_block().columns.tolist() == ["model", "clinical"]
    said = sentences(e, "0")
    assert sum(round(10 * s.points) for s in said[:-1]) == round(10 * said[-1].points)
    assert "200 simulated patients" in said[0].text
    assert "tumour type" not in said[0].text
    for figure in (
        e.plot.waterfall("0"),
        e.plot.beeswarm(),
        e.plot.dependence("tmb", by="nlr"),
        e.plot.fingerprint("0"),
    ):
        assert figure.axes


def test_log_odds_become_points_along_the_straight_path():
    parts, base = np.array([[0.5, -1.5], [0.0, 0.0], [2.0, 1.0]]), -0.4
    e = Explanation.from_shap(given(parts, base), "logit")
    steps = (np.arange(100_000) + 0.5) / 100_000
    for row, found in zip(parts, e.points.to_numpy(), strict=True):
        p = expit(base + steps * row.sum())
        assert found == pytest.approx(row * (p * (1 - p)).mean(), abs=1e-8)
    assert e.residual.abs().max() < 1e-12


def test_one_patient_and_no_reference():
    e = Explanation.from_shap(given([0.1, 0.2], 0.3), "identity")
    assert e.probability.tolist() == pytest.approx([0.6])
    assert e.percentile.isna().all(axis=None)
    assert [s.text for s in sentences(e, "0")][1] == "age 1: +20.0 points"


@pytest.mark.parametrize(
    ("wrong", "link", "error", "message"),
    [
        (given([[0.1, 0.2]]), "log", UsageError, "no such link"),
        (given(np.zeros((3, 2, 2))), "logit", UsageError, "several outputs"),
        (given([[0.1, NAN]]), "logit", DataError, "THX-D11"),
        (given([[0.1, 0.2]], NAN), "logit", DataError, "THX-D11"),
        (given([[0.1, 0.2]], [0.1, 0.2]), "logit", UsageError, "base values"),
        (given([[0.1, 0.2]], [[0.1, 0.9]]), "logit", UsageError, "base values"),
        (given([[1.0, 2.0]]), "identity", DataError, "THX-D15.*logit"),
        (given([[0.1, 0.2]], data=[["a", "b"]]), "logit", DataError, "THX-D15"),
        (given([[0.1, 0.2]], data=[[1.0, 2.0], [1.0, 2.0]]), "logit", UsageError, "differ in shape"),
        (given([[0.1, 0.2]], names=["a"]), "logit", UsageError, "feature names"),
        (given([[0.1, 0.2]], names=["a", "a"]), "logit", UsageError, "one name"),
        (SimpleNamespace(values=[[0.1]], base_values=0.1, data=None), "logit", UsageError, "no data"),
    ],
)
def test_what_does_not_fit_is_said(wrong, link, error, message):
    with pytest.raises(error, match=message):
        Explanation.from_shap(wrong, link)


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({"patient_ids": ["a"]}, "lengths differ"),
        ({"patient_ids": ["a", "a"]}, "twice"),
        ({"studies": ["s"]}, "lengths differ"),
        ({"training": np.ones((4, 3))}, "training data"),
    ],
)
def test_what_is_told_beside_must_fit(told, message):
    with pytest.raises(UsageError, match=message):
        Explanation.from_shap(given([[0.1, 0.2], [0.3, 0.1]]), "logit", **told)


def test_without_shap_the_extra_is_named(e, monkeypatch):
    monkeypatch.setitem(sys.modules, "shap", None)
    with pytest.raises(SetupError, match=r"theracast\[shap\]"):
        e.to_shap()
