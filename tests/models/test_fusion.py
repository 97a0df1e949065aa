import json
import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from theracast.errors import DataError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.matrix import FeatureMatrix
from theracast.features.spec import Feature
from theracast.models.base import ResponseModel
from theracast.models.experts import EXPERTS
from theracast.models.fusion import Fusion
from theracast.models.indications import INDICATIONS
from theracast.models.metrics import auc, calibration

MELANOMA = INDICATIONS["melanoma_ici"]
FEATURES = {
    "one": [Feature("a", "", "", direction=1), Feature("b", "", "")],
    "two": [Feature("c", "", "", direction=1)],
    "three": [Feature("d", "", "")],
}
COLUMNS = ["one__a", "one__b", "two__c", "three__d"]

learners = pytest.mark.parametrize("learner", EXPERTS)


def matrix_of(values, studies):
    """A feature matrix made by hand, for simulated patients."""
    values = values.set_axis([f"p{i}" for i in range(len(values))])
    coverage = pd.DataFrame({b: values.filter(like=f"{b}__").notna().mean(axis=1) for b in FEATURES})
    series = pd.Series(np.asarray(studies, dtype=object), index=values.index)
    return FeatureMatrix(values, values.isna() & False, coverage, {}, {}, series, series)


def simulated(seed=0, n=150, k=5, missing=0.25):
    """Simulated truth: a and c help, d harms; studies differ in rate; whole blocks are missing at random."""
    rng = np.random.default_rng(seed)
    studies = np.repeat([f"s{i}" for i in range(k)], n)
    X = pd.DataFrame(rng.normal(size=(n * k, 4)), columns=COLUMNS)
    truth = X.one__a + 0.8 * X.two__c - 0.6 * X.three__d - 0.6 + rng.normal(0, 0.2, k).repeat(n)
    for b in FEATURES:
        X.loc[rng.random(n * k) < missing, [c for c in COLUMNS if c.startswith(f"{b}__")]] = np.nan
    return matrix_of(X, studies), rng.binomial(1, expit(truth))


@pytest.fixture(scope="module")
def real():
    """Both learners on the five bundled training cohorts."""
    cohort = Cohort.concat([load_cohort(n) for n in MELANOMA.cohorts])
    return {learner: ResponseModel(learner=learner).fit(cohort) for learner in EXPERTS}


@pytest.fixture(scope="module")
def patients(real):
    """Fifty patients who have every block, as far as the cohorts allow, and some who do not."""
    cohort = Cohort.concat([load_cohort("mgh2022_mel"), load_cohort("riaz2017_mel")])
    return {learner: model.assembler_.matrix(cohort).subset(np.arange(50)) for learner, model in real.items()}


@learners
@pytest.mark.parametrize("known", list(product([True, False], repeat=len(MELANOMA.blocks))))
def test_any_set_of_blocks_gives_a_number_and_none_gives_none(real, patients, learner, known):
    matrix, there = patients[learner], dict(zip(MELANOMA.blocks, known, strict=True))
    values = matrix.values.fillna(matrix.values.median()).fillna(1.0)
    values = values.mask([[not there[c.split("__")[0]] for c in values.columns]] * len(values))
    fusion = real[learner].fusion_
    whole = replace(matrix, values=values)
    margin, (lower, upper) = fusion.margin(whole), fusion.interval(whole, 0.9)
    assert np.isfinite(margin).all() == any(known)
    assert np.isnan(margin).all() == (not any(known))
    assert np.isfinite(lower).all() == np.isfinite(upper).all() == any(known)


@learners
def test_any_set_of_features_gives_a_number(real, patients, learner):
    rng = np.random.default_rng(0)
    matrix = patients[learner]
    for share in (0.3, 0.7, 0.95):
        values = matrix.values.fillna(matrix.values.median()).fillna(1.0).mask(rng.random(matrix.values.shape) < share)
        fusion, part = real[learner].fusion_, replace(matrix, values=values)
        read = [f"{b}__{f.name}" for b, features in fusion.features.items() for f in features]
        assert (np.isfinite(fusion.margin(part)) == values[read].notna().any(axis=1)).all()


@learners
def test_what_no_training_patient_had_neither_counts_nor_changes_a_bit(learner):
    """A patient of whom only that is known is a patient of whom nothing is known."""
    matrix, y = simulated(seed=1)
    wide = replace(matrix, values=matrix.values.assign(three__never=np.nan))
    model = Fusion(FEATURES, learner).fit(wide, y)
    assert model.margin(wide).tobytes() == Fusion(FEATURES, learner).fit(matrix, y).margin(matrix).tobytes()
    alone = wide.values.mask(wide.values.notna()).assign(three__never=5.0)
    only = replace(wide, values=alone)
    assert np.isnan(model.margin(only)).all()
    assert not model.present(only).any(axis=None)
    assert (model.split(wide)[1]["three__never"] == 0).all()


@learners
def test_one_patient_alone_is_the_same_patient_among_fifty(real, patients, learner):
    fusion, matrix = real[learner].fusion_, patients[learner]
    margin, (lower, upper), (base, parts) = fusion.margin(matrix), fusion.interval(matrix, 0.9), fusion.split(matrix)
    for i in range(0, 50, 4):
        alone = matrix.subset(np.array([i]))
        np.testing.assert_array_equal(fusion.margin(alone), margin[[i]])
        np.testing.assert_array_equal(fusion.interval(alone, 0.9), [lower[[i]], upper[[i]]])
        np.testing.assert_array_equal(fusion.split(alone)[0], base[[i]])
        pd.testing.assert_frame_equal(fusion.split(alone)[1], parts.iloc[[i]], check_exact=True)


@learners
def test_one_patient_alone_through_the_whole_model(real, learner):
    """From raw tables, to the bit: nothing a patient gets depends on who else is in the cohort."""
    cohort = load_cohort("mgh2022_mel")
    together = real[learner].respond(cohort).table
    for i in cohort.ids[:6]:
        pd.testing.assert_frame_equal(
            real[learner].respond(cohort.subset([i])).table, together.loc[[i]], check_exact=True, check_dtype=False
        )


@learners
def test_row_order_is_irrelevant(real, patients, learner):
    fusion, matrix = real[learner].fusion_, patients[learner]
    turned = np.arange(50)[::-1].copy()
    np.testing.assert_array_equal(fusion.margin(matrix.subset(turned)), fusion.margin(matrix)[turned])


@learners
def test_probabilities_are_calibrated_on_simulated_truth(learner):
    fusion = Fusion(FEATURES, learner).fit(*simulated(seed=1, n=400))
    matrix, y = simulated(seed=2, n=800)
    known = matrix.present().any(axis=1).to_numpy()
    slope, _ = calibration(y[known], expit(fusion.margin(matrix.subset(known))))
    assert known.mean() > 0.95
    assert 0.8 < slope.value < 1.4  # trees, few and shrunken, err on the side of caution: 1.28 here


@learners
def test_skill_is_found_on_simulated_truth(learner):
    fusion = Fusion(FEATURES, learner).fit(*simulated(seed=1))
    matrix, y = simulated(seed=2, missing=0.0)
    assert auc(y, fusion.margin(matrix)).value > 0.7


@learners
def test_permuted_labels_teach_nothing(learner):
    """M04, the negative control: trained on shuffled labels, judged on true ones.

    Without known directions: those are knowledge, and would rank patients even where the labels say nothing.
    """
    blind = {b: [replace(f, direction=0) for f in features] for b, features in FEATURES.items()}
    few = {"rounds": 15} if learner == "xgboost" else {}
    test, truth = simulated(seed=99, missing=0.0)
    areas = []
    for seed in range(6):
        matrix, y = simulated(seed=seed, n=40)
        rng = np.random.default_rng(seed)
        shuffled = y.copy()
        for s in matrix.studies.unique():  # within studies: their rates stay as they were
            mine = np.flatnonzero(matrix.studies == s)
            shuffled[mine] = rng.permutation(y[mine])
        areas.append(auc(truth, Fusion(blind, learner, few).fit(matrix, shuffled).margin(test)).value)
    assert 0.4 < np.mean(areas) < 0.6


@learners
def test_the_interval_holds_the_estimate_and_widens_with_the_level(real, patients, learner):
    fusion, matrix = real[learner].fusion_, patients[learner]
    margin = fusion.margin(matrix)
    (low90, high90), (low50, high50) = fusion.interval(matrix, 0.9), fusion.interval(matrix, 0.5)
    assert ((low90 <= low50) & (low50 <= margin) & (margin <= high50) & (high50 <= high90)).all()


@learners
def test_one_replica_per_study(real, learner):
    assert len(real[learner].fusion_.replicas) == len(MELANOMA.cohorts)
    assert len(Fusion(FEATURES, learner).fit(*simulated(n=40, k=7)).replicas) == 7


def test_one_study_is_folded_in_five():
    assert len(Fusion(FEATURES, "logistic").fit(*simulated(n=150, k=1)).replicas) == 5


def test_a_replica_never_saw_its_study(monkeypatch):
    seen = []
    inner = EXPERTS["logistic"].fit
    monkeypatch.setattr(
        EXPERTS["logistic"], "fit", lambda self, X, y, w, s: (seen.append(frozenset(s)), inner(self, X, y, w, s))[1]
    )
    Fusion(FEATURES, "logistic").fit(*simulated(n=40, k=3))
    everyone = frozenset({"s0", "s1", "s2"})
    assert set(seen) == {everyone, *(everyone - {s} for s in everyone)}


@learners
def test_experts_are_never_weighed_against_their_word(real, learner):
    fusion = real[learner].fusion_
    for combiners in (fusion.combiners, *(c for _, c in fusion.replicas)):
        assert all(w >= 0 for c in combiners.values() for w in c.weights)


@pytest.mark.parametrize("label", [0, 1])
def test_d24_one_class_is_refused(label):
    matrix, y = simulated(n=20)
    with pytest.raises(DataError, match="THX-D24"):
        Fusion(FEATURES, "logistic").fit(matrix, np.full_like(y, label))


@learners
@pytest.mark.parametrize("sizes", [(4, 4), (3, 30), (9, 2)])
def test_a_handful_of_patients_is_no_evidence_and_no_crash(learner, sizes):
    matrix, _ = simulated(n=sum(sizes), k=1, missing=0.0)
    fusion = Fusion(FEATURES, learner).fit(matrix, np.repeat([0, 1], sizes))
    assert np.isnan(fusion.margin(matrix)).all()
    assert np.isnan(fusion.interval(matrix, 0.9)).all()


@learners
def test_a_block_known_in_few_patients_gets_no_expert(learner):
    matrix, y = simulated(n=60, missing=0.0)
    values = matrix.values.copy()
    values.iloc[10:, values.columns.get_loc("three__d")] = np.nan
    fusion = Fusion(FEATURES, learner).fit(replace(matrix, values=values), y)
    assert list(fusion.experts) == ["one", "two"]
    assert np.isfinite(fusion.margin(matrix)).all()


@learners
def test_state_survives_json_to_the_bit(learner):
    matrix, y = simulated(n=40)
    one = Fusion(FEATURES, learner).fit(matrix, y)
    two = Fusion.from_state(json.loads(json.dumps(one.state())), FEATURES)
    np.testing.assert_array_equal(two.margin(matrix), one.margin(matrix))
    np.testing.assert_array_equal(two.interval(matrix, 0.9), one.interval(matrix, 0.9))


_RUN = """
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.provenance import digest_frame, digest_json
train = Cohort.concat([load_cohort("liu2019_mel"), load_cohort("riaz2017_mel"), load_cohort("hugo2016_mel")])
for learner in ("logistic", "xgboost"):
    model = ResponseModel(learner=learner).fit(train)
    print(digest_json(model.fusion_.state()), digest_frame(model.respond(load_cohort("mgh2022_mel")).table))
"""


def test_m03_the_same_bits_on_every_run_and_with_any_number_of_threads(monkeypatch):
    found = set()
    for threads in ("1", "2"):
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
            monkeypatch.setenv(name, threads)
        done = subprocess.run([sys.executable, "-c", _RUN], capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1
    assert len(found.pop().split()) == 4
