import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from simulated import FEATURES, matrix_of, simulated

from theracast.errors import UsageError
from theracast.features.spec import Feature
from theracast.models.crossfit import cross_fit, margins_of
from theracast.models.experts import EXPERTS
from theracast.models.fusion import Fusion
from theracast.models.metrics import auc
from theracast.models.splits import SAME_PATIENTS

learners = pytest.mark.parametrize("learner", EXPERTS)
TWINS = [*SAME_PATIENTS[0], "a", "b"]


def fitted(matrix, y, options=None, learner="logistic", features=FEATURES):
    return cross_fit(features, learner, options or {}, matrix, y, matrix.tumours.to_numpy())


def renamed(matrix, names):
    """The same patients, their studies under other names."""
    names = dict(zip(dict.fromkeys(matrix.studies), names, strict=True))
    return replace(matrix, studies=matrix.studies.map(names))


@learners
@pytest.mark.parametrize("left", [(0, 1), (2,), (3,)])
def test_the_labels_of_a_study_and_its_twin_do_not_move_their_own_margins(learner, left):
    """Two data sets of the same patients are one study: what one says must not come back through the other."""
    matrix, y = simulated(n=50, k=4)
    matrix = renamed(matrix, TWINS)
    mine = matrix.studies.isin([TWINS[i] for i in left]).to_numpy()
    one, other = (fitted(matrix, labels, learner=learner) for labels in (y, np.where(mine, 1 - y, y)))
    pd.testing.assert_frame_equal(one.unseen[mine], other.unseen[mine], check_exact=True)
    assert (one.unseen[~mine].fillna(0) != other.unseen[~mine].fillna(0)).any(axis=None)
    assert len(set(one.folds)) == 3
    assert len(set(one.folds[matrix.studies.isin(TWINS[:2])])) == 1


@learners
def test_a_replica_never_saw_its_study_nor_its_twin(monkeypatch, learner):
    seen, inner = [], EXPERTS[learner].fit
    monkeypatch.setattr(
        EXPERTS[learner],
        "fit",
        lambda self, X, y, w, s, t=None: (seen.append(frozenset(s)), inner(self, X, y, w, s, t))[1],
    )
    matrix, y = simulated(n=40, k=4)
    fusion = Fusion(FEATURES, learner).fit(renamed(matrix, TWINS), y)
    known = {b: matrix.values.filter(like=f"{b}__").notna().any(axis=1).to_numpy() for b in FEATURES}
    place = np.arange(160) // 40
    for (_, combiners), left in zip(fusion.replicas, [(2,), (3,), (0, 1)], strict=True):
        there = ~np.isin(place, left)
        assert len(combiners) == 7
        for blocks, combiner in combiners.items():
            assert combiner.n == np.all([there, *(known[b] for b in blocks)], axis=0).sum()
    everyone, twins = frozenset(TWINS), frozenset(TWINS[:2])
    assert set(seen) == {everyone, everyone - twins, everyone - {"a"}, everyone - {"b"}}
    assert len(seen) == 4 * len(FEATURES)


@learners
def test_each_margin_is_that_of_the_replica_without_the_study(learner):
    matrix, y = simulated(n=40, k=4, types=("melanoma", ""))
    found = fitted(matrix, y, learner=learner)
    tumours = matrix.tumours.to_numpy()
    for k, experts in found.replicas.items():
        rows = np.flatnonzero(found.folds == k)
        there = margins_of(experts, matrix, tumours).iloc[rows]
        pd.testing.assert_frame_equal(found.unseen.iloc[rows], there, check_exact=True)
        away = np.flatnonzero(found.folds != k)
        alone = EXPERTS[learner](FEATURES["two"])
        known = away[matrix.values["two__c"].notna().to_numpy()[away]]
        block = matrix.values[["two__c"]].iloc[known]
        alone.fit(block, y[known], np.ones(len(known)), matrix.studies.to_numpy()[known], tumours[known])
        assert json.dumps(alone.state()) == json.dumps(experts["two"].state())
    missing = pd.DataFrame({b: matrix.values.filter(like=f"{b}__").isna().all(axis=1) for b in FEATURES})
    assert (found.unseen.isna() == missing).all(axis=None)


def test_one_study_is_parted_in_five_with_both_classes_in_each():
    matrix, y = simulated(n=60, k=1)
    found = fitted(matrix, y)
    parts = [y[found.folds == k] for k in range(5)]
    assert [len(p) for p in parts] == [12] * 5
    assert {int(p.sum()) for p in parts} <= {int(y.sum()) // 5, int(y.sum()) // 5 + 1}
    assert len(found.replicas) == 5


# ---------------------------------------------------------------- settings are chosen on unseen studies


MANY = {"noise": [Feature(f"x{i}", "", "") for i in range(30)]}


def overfitted(seed=0, n=25, k=4):
    """Simulated truth: three of thirty values help, a little; with weights left free, chance takes over."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n * k, 30)), columns=[f"noise__x{i}" for i in range(30)])
    y = rng.binomial(1, expit(0.8 * X.iloc[:, :3].sum(axis=1)))
    return matrix_of(X, np.repeat([f"s{i}" for i in range(k)], n)), y


def within(matrix, y, margin):
    """Mean AUC within the studies, which are of one size."""
    return np.mean([auc(y[matrix.studies == s], margin[matrix.studies == s]).value for s in matrix.studies.unique()])


@pytest.mark.parametrize("order", [[0.003, 100.0], [100.0, 0.003]])
def test_the_setting_that_is_best_in_sample_is_not_the_one_taken(order):
    matrix, y = overfitted()
    seen, unseen = {}, {}
    for c in order:
        alone = fitted(matrix, y, {"C": c}, features=MANY)
        seen[c] = within(matrix, y, margins_of(alone.experts, matrix, matrix.tumours.to_numpy())["noise"].to_numpy())
        unseen[c] = within(matrix, y, alone.unseen["noise"].to_numpy())
    assert seen[100.0] > seen[0.003] + 0.01
    assert unseen[0.003] > unseen[100.0] + 0.01
    chosen = fitted(matrix, y, {"C": order}, features=MANY)
    assert chosen.experts["noise"].C == 0.003
    assert {e["noise"].C for e in chosen.replicas.values()} == {0.003}
    only = fitted(matrix, y, {"C": 0.003}, features=MANY)
    pd.testing.assert_frame_equal(chosen.unseen, only.unseen, check_exact=True)
    assert chosen.experts["noise"].state() == only.experts["noise"].state()


PAIR = {"apart": [Feature("x", "", "")], "alike": [Feature(f"z{i}", "", "") for i in range(12)]}


def parted(seed=0, n=60, k=6):
    """Simulated truth: x helps in one type and harms in the other; the z help a little, alike in both."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(rng.normal(size=(n * k, 13)), columns=["apart__x", *(f"alike__z{i}" for i in range(12))])
    kinds = np.repeat(np.array(["melanoma", "renal"] * (k // 2), dtype=object), n)
    z = X.filter(like="z").sum(axis=1)
    y = rng.binomial(1, expit(1.5 * np.where(kinds == "renal", -1, 1) * X.apart__x + 0.3 * z))
    return matrix_of(X, np.repeat([f"s{i}" for i in range(k)], n), kinds), y


@pytest.mark.parametrize("order", [[0.1, None], [None, 0.1]])
def test_each_block_chooses_for_itself(order):
    found = fitted(*parted(), {"C": 1.0, "tie": order}, features=PAIR)
    assert {b: e.tie for b, e in found.experts.items()} == {"apart": 0.1, "alike": None}
    assert found.experts["apart"].fit_.own["renal"][0] < 0 < found.experts["apart"].fit_.own["melanoma"][0]


@pytest.mark.parametrize("order", [[5.0, None, 30.0], [None, 30.0, 5.0]])
def test_of_settings_that_are_worth_the_same_the_first_is_taken(order):
    """Without tumour types the tie is of no account."""
    matrix, y = simulated(n=40, k=3)
    assert {e.tie for e in fitted(matrix, y, {"tie": order}).experts.values()} == {order[0]}


def test_all_settings_are_tried_with_all_others():
    matrix, y = overfitted()
    found = fitted(matrix, y, {"tie": [None, 30.0], "C": [100.0, 0.003, 30.0]}, features=MANY)
    assert (found.experts["noise"].C, found.experts["noise"].tie) == (0.003, None)


def test_patients_of_two_studies_are_never_compared_and_a_study_weighs_as_its_pairs_do():
    """Simulated: of studies of 12, 14, 16 and 60 patients; the plain mean chooses otherwise."""
    matrix, y = overfitted(seed=4, n=60)
    kept = np.concatenate([60 * k + np.arange(n) for k, n in enumerate((12, 14, 16, 60))])
    matrix, y = matrix.subset(kept), y[kept]
    worth = {}
    for c in (0.003, 100.0):
        unseen = fitted(matrix, y, {"C": c}, features=MANY).unseen["noise"].to_numpy()
        pairs = [(y[matrix.studies == s], unseen[matrix.studies == s]) for s in matrix.studies.unique()]
        areas = [auc(*p).value for p in pairs]
        weights = [t.sum() * (1 - t).sum() / len(t) for t, _ in pairs]
        worth[c] = (np.average(areas, weights=weights), np.mean(areas))
    assert worth[0.003][0] > worth[100.0][0]
    assert worth[0.003][1] < worth[100.0][1]
    assert fitted(matrix, y, {"C": [100.0, 0.003]}, features=MANY).experts["noise"].C == 0.003


@learners
def test_the_same_bits_again(learner):
    options = {"C": [0.1, 1.0], "tie": [30.0, None]} if learner == "logistic" else {"depth": [1, 3], "rounds": 10}
    matrix, y = simulated(n=40, k=4, types=("melanoma", "renal"))
    first, second = (Fusion(FEATURES, learner, options).fit(matrix, y) for _ in range(2))
    assert json.dumps(first.state()) == json.dumps(second.state())
    again = Fusion.from_state(json.loads(json.dumps(first.state())), FEATURES)
    assert again.options == options
    assert again.margin(matrix).tobytes() == first.margin(matrix).tobytes()


@pytest.mark.parametrize("order", [[1, 60], [60, 1]])
def test_trees_choose_too(order):
    """Simulated truth: a sum of two values, which one tree tells in four steps only."""
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(400, 2)), columns=["both__a", "both__b"])
    y = rng.binomial(1, expit(X.sum(axis=1)))
    features = {"both": [Feature("a", "", ""), Feature("b", "", "")]}
    matrix = matrix_of(X, np.repeat(["s0", "s1", "s2", "s3"], 100))
    assert fitted(matrix, y, {"rounds": order}, "xgboost", features).experts["both"].rounds == 60


def test_an_option_without_a_value_is_refused():
    with pytest.raises(UsageError, match="options: C"):
        fitted(*simulated(n=30, k=2), {"C": []})
