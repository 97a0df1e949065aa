import json
import subprocess
import sys
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from simulated import FEATURES, simulated

from theracast.errors import DataError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.crossfit import margins_of
from theracast.models.experts import EXPERTS
from theracast.models.fusion import Fusion
from theracast.models.indications import INDICATIONS
from theracast.models.metrics import auc, calibration

MELANOMA = INDICATIONS["melanoma_ici"]
learners = pytest.mark.parametrize("learner", EXPERTS)
#: Types of simulated studies, in turn; in `turned` one feature runs the other way.
TYPES = ("melanoma", "turned", "")


@pytest.fixture(scope="module")
def typed():
    """Both learners on six simulated studies of two types, and of one not known."""
    return {learner: Fusion(FEATURES, learner).fit(*simulated(k=6, types=TYPES)) for learner in EXPERTS}


@pytest.fixture(scope="module")
def patients(models):
    """Fifty patients who have every block, as far as the cohorts allow, and some who do not."""
    cohort = Cohort.concat([load_cohort("mgh2022_mel"), load_cohort("riaz2017_mel")])
    return {learner: model.matrix(cohort).subset(np.arange(50)) for learner, model in models.items()}


@learners
@pytest.mark.parametrize("known", list(product([True, False], repeat=len(MELANOMA.blocks))))
def test_any_set_of_blocks_gives_a_number_and_none_gives_none(models, patients, learner, known):
    matrix, there = patients[learner], dict(zip(MELANOMA.blocks, known, strict=True))
    values = matrix.values.fillna(matrix.values.median()).fillna(1.0)
    values = values.mask([[not there[c.split("__")[0]] for c in values.columns]] * len(values))
    fusion = models[learner].fusion_
    whole = replace(matrix, values=values)
    margin, (lower, upper) = fusion.margin(whole), fusion.interval(whole, 0.9)
    assert np.isfinite(margin).all() == any(known)
    assert np.isnan(margin).all() == (not any(known))
    assert np.isfinite(lower).all() == np.isfinite(upper).all() == any(known)


@learners
def test_any_set_of_features_gives_a_number(models, patients, learner):
    rng = np.random.default_rng(0)
    matrix = patients[learner]
    for share in (0.3, 0.7, 0.95):
        values = matrix.values.fillna(matrix.values.median()).fillna(1.0).mask(rng.random(matrix.values.shape) < share)
        fusion, part = models[learner].fusion_, replace(matrix, values=values)
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
def test_one_patient_alone_is_the_same_patient_among_fifty(models, patients, learner):
    fusion, matrix = models[learner].fusion_, patients[learner]
    margin, (lower, upper), (base, parts) = fusion.margin(matrix), fusion.interval(matrix, 0.9), fusion.split(matrix)
    for i in range(0, 50, 4):
        alone = matrix.subset(np.array([i]))
        np.testing.assert_array_equal(fusion.margin(alone), margin[[i]])
        np.testing.assert_array_equal(fusion.interval(alone, 0.9), [lower[[i]], upper[[i]]])
        np.testing.assert_array_equal(fusion.split(alone)[0], base[[i]])
        pd.testing.assert_frame_equal(fusion.split(alone)[1], parts.iloc[[i]], check_exact=True)


@learners
def test_one_patient_alone_through_the_whole_model(models, learner):
    """From raw tables, to the bit: nothing a patient gets depends on who else is in the cohort."""
    cohort = load_cohort("mgh2022_mel")
    together = models[learner].respond(cohort).table
    for i in cohort.ids[:6]:
        pd.testing.assert_frame_equal(
            models[learner].respond(cohort.subset([i])).table, together.loc[[i]], check_exact=True, check_dtype=False
        )


@learners
def test_one_simulated_patient_alone_with_any_type(typed, learner):
    matrix = simulated(seed=3, n=4, k=4, types=(*TYPES, "never"))[0]
    fusion = typed[learner]
    margin, (lower, upper), (base, parts) = fusion.margin(matrix), fusion.interval(matrix, 0.9), fusion.split(matrix)
    p, sets = fusion.sets.p_values(margin), fusion.sets.sets(margin)
    for i in range(len(matrix)):
        alone = matrix.subset(np.array([i]))
        np.testing.assert_array_equal(fusion.margin(alone), margin[[i]])
        np.testing.assert_array_equal(fusion.interval(alone, 0.9), [lower[[i]], upper[[i]]])
        np.testing.assert_array_equal(fusion.split(alone)[0], base[[i]])
        np.testing.assert_array_equal(fusion.sets.p_values(fusion.margin(alone)), p[[i]])
        assert fusion.sets.sets(fusion.margin(alone)) == sets[[i]]
        pd.testing.assert_frame_equal(fusion.split(alone)[1], parts.iloc[[i]], check_exact=True)


@learners
def test_row_order_is_irrelevant(models, patients, learner):
    fusion, matrix = models[learner].fusion_, patients[learner]
    turned = np.arange(50)[::-1].copy()
    np.testing.assert_array_equal(fusion.margin(matrix.subset(turned)), fusion.margin(matrix)[turned])
    (low, high), back = fusion.interval(matrix, 0.9), fusion.interval(matrix.subset(turned), 0.9)
    np.testing.assert_array_equal(back, [low[turned], high[turned]])
    np.testing.assert_array_equal(fusion.split(matrix.subset(turned))[0], fusion.split(matrix)[0][turned])


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
def test_the_interval_holds_the_estimate_and_widens_with_the_level(models, patients, learner):
    fusion, matrix = models[learner].fusion_, patients[learner]
    margin = fusion.margin(matrix)
    (low90, high90), (low50, high50) = fusion.interval(matrix, 0.9), fusion.interval(matrix, 0.5)
    assert ((low90 <= low50) & (low50 <= margin) & (margin <= high50) & (high50 <= high90)).all()


@learners
def test_one_replica_per_study(models, learner):
    assert len(models[learner].fusion_.replicas) == len(MELANOMA.cohorts)
    assert len(Fusion(FEATURES, learner).fit(*simulated(n=40, k=7)).replicas) == 7


def test_one_study_is_folded_in_five():
    assert len(Fusion(FEATURES, "logistic").fit(*simulated(n=150, k=1)).replicas) == 5


@learners
def test_experts_are_never_weighed_against_their_word(models, learner):
    fusion = models[learner].fusion_
    for combiners in (fusion.combiners, *(c for _, c in fusion.replicas)):
        assert all((w >= 0).all() for c in combiners.values() for w in (c.fit.coef, *c.fit.own.values()))


# ---------------------------------------------------------------- tumour types


def test_a_type_in_which_a_marker_runs_the_other_way_is_found(typed):
    fusion = typed["logistic"]
    unknown, turned, never = (simulated(seed=9, n=300, k=3, missing=0.0, types=(t,)) for t in ("", "turned", "never"))
    matrix, y = turned
    assert (
        auc(y, fusion.margin(matrix)).value > auc(y, fusion.margin(replace(matrix, tumours=unknown[0].tumours))).value
    )
    np.testing.assert_array_equal(fusion.margin(never[0]), fusion.margin(unknown[0]))


@learners
def test_the_types_are_not_read_where_the_model_is_told_not_to(learner):
    matrix, y = simulated(n=40, k=6, types=TYPES)
    blank = replace(matrix, tumours=matrix.tumours.replace(dict.fromkeys(TYPES, "")))
    told, never = (Fusion(FEATURES, learner, tumour_aware=False).fit(m, y) for m in (matrix, blank))
    assert told.state() == never.state()
    assert told.margin(matrix).tobytes() == never.margin(blank).tobytes()
    assert told.state()["experts"] == Fusion(FEATURES, learner).fit(blank, y).state()["experts"]


@learners
def test_a_replica_has_the_rate_of_the_model_in_every_type(typed, learner):
    """The response rate is an assumption that is stated; it is no part of the interval."""
    matrix, _ = simulated(k=6, types=TYPES)
    fusion, tumours = typed[learner], matrix.tumours.to_numpy()
    margins = margins_of(fusion.experts, matrix, tumours)
    assert len(fusion.replicas) == 6
    for experts, combiners in fusion.replicas:
        there = margins_of(experts, matrix, tumours)
        for blocks, combiner in combiners.items():
            gap = fusion.combiners[blocks].margin(margins, tumours) - combiner.margin(there, tumours)
            for t in ("melanoma", "turned"):
                assert np.nanmean(gap[tumours == t]) == pytest.approx(0.0, abs=1e-9)


def test_sets_are_calibrated_on_every_patient_with_a_margin(typed):
    matrix, y = simulated(k=6, types=TYPES)
    for fusion in typed.values():
        known = ~np.isnan(fusion.margin(matrix))
        assert [len(s) for s in fusion.sets.scores] == [(known & (y == label)).sum() for label in (0, 1)]


@learners
def test_sets_of_unseen_simulated_studies_hold_their_label(typed, learner):
    matrix, y = simulated(seed=11, k=20, types=TYPES)
    margin = typed[learner].margin(matrix)
    known = ~np.isnan(margin)
    sets = typed[learner].sets.sets(margin[known])
    for label, word in ((0, "no_response"), (1, "response")):
        mine = y[known] == label
        assert np.isin(sets[mine], ["both", word]).mean() > 0.87
    assert (sets == "both").mean() < 0.8


# ---------------------------------------------------------------- too little to learn from


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
    assert fusion.sets is None
    assert Fusion.from_state(json.loads(json.dumps(fusion.state())), FEATURES).sets is None


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
    matrix, y = simulated(n=40, k=6, types=TYPES)
    one = Fusion(FEATURES, learner).fit(matrix, y)
    two = Fusion.from_state(json.loads(json.dumps(one.state())), FEATURES)
    np.testing.assert_array_equal(two.margin(matrix), one.margin(matrix))
    np.testing.assert_array_equal(two.interval(matrix, 0.9), one.interval(matrix, 0.9))
    np.testing.assert_array_equal(two.split(matrix)[0], one.split(matrix)[0])
    np.testing.assert_array_equal(two.sets.sets(two.margin(matrix)), one.sets.sets(one.margin(matrix)))
    np.testing.assert_array_equal(two.sets.p_values(two.margin(matrix)), one.sets.p_values(one.margin(matrix)))
    assert json.dumps(two.state()) == json.dumps(one.state())
    assert any(c.fit.own for c in two.combiners.values())


_RUN = """
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.provenance import digest_frame, digest_json
train = Cohort.concat([load_cohort("liu2019_mel"), load_cohort("imvigor210_uc"), load_cohort("hugo2016_mel")])
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
