from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from theracast.errors import DataError, UsageError
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.experts import EXPERTS
from theracast.models.indications import INDICATIONS

BLOCKS = INDICATIONS["melanoma_ici"].blocks
learners = pytest.mark.parametrize("learner", EXPERTS)


def wide(**columns):
    return pd.DataFrame({k.replace("__", ":"): v for k, v in columns.items()}, index=["p1"])


@learners
def test_d10_nothing_known_is_no_prediction(models, learner):
    row = models[learner].respond(wide(clinical__note="x")).table.loc["p1"]
    assert np.isnan(row.probability)
    assert np.isnan(row.lower)
    assert np.isnan(row.upper)
    assert (row.decision, row.reason) == ("abstain", "nothing the model reads is known")
    assert (row.blocks_used, row.blocks_missing) == ("", ",".join(BLOCKS))


@learners
def test_no_core_block_is_no_decision(models, learner):
    patient = wide(clinical__age=61.0, clinical__sex="F", mutations__tmb=9.0, mutations__tmb_unit="mut/Mb")
    row = models[learner].respond(patient).table.loc["p1"]
    assert 0 < row.probability < 1
    assert (row.decision, row.reason) == ("abstain", "none of pathology, signatures is known")
    assert row.blocks_used == "mutations,clinical"


@learners
@pytest.mark.parametrize("share", [0.3, 0.5, 0.75])
def test_d08_coverage_below_the_minimum_is_no_decision(models, learner, share):
    cohort = load_cohort("hugo2016_mel")
    genes = cohort.tables["expression"]
    few = genes.iloc[:, np.random.default_rng(0).permutation(genes.shape[1])[: int(share * genes.shape[1])]]
    tables = {"clinical": cohort.tables["clinical"], "expression": few}
    table = models[learner].respond(replace(cohort, tables=tables)).table
    low = table[(table.coverage_signatures > 0) & (table.coverage_signatures < 0.8)]
    assert len(low) > 20
    assert low.decision.eq("abstain").all()
    assert low.reason.str.fullmatch(r"signatures covers \d+% of what the model reads; tested with 80% or more").all()


@learners
@pytest.mark.parametrize("block", BLOCKS)
def test_d09_a_block_all_missing_is_left_out(models, learner, block):
    model, cohort = models[learner], load_cohort("riaz2017_mel")
    matrix = model.matrix(cohort)
    mine = matrix.values.columns.str.startswith(f"{block}__")
    without = replace(
        matrix, values=matrix.values.mask([mine] * len(matrix)), coverage=matrix.coverage.assign(**{block: 0.0})
    )
    table = model.respond(without).table
    assert table.probability.between(0, 1).all()
    assert table.blocks_missing.str.contains(block).all()
    assert not table.blocks_used.str.contains(block).any()
    _, parts = model.fusion_.split(without)
    assert (parts.loc[:, mine] == 0).all(axis=None)


@learners
def test_the_decision_is_what_the_set_says_and_the_interval_holds_the_estimate(models, learner):
    table = pd.concat(
        [models[learner].respond(load_cohort(n)).table for n in ("mgh2022_mel", "riaz2017_mel", "imvigor210_uc")]
    )
    assert ((table.lower <= table.probability) & (table.probability <= table.upper)).all()
    assert ((table.decision == "abstain") == (table.reason != "")).all()
    decided = table[table.decision != "abstain"]
    assert len(decided) > 5
    assert (decided.decision == decided["set"]).all()
    # one threshold for each label: of two patients, the set never favours the one who is less likely to respond
    low, both, high = (table.probability[table["set"] == s] for s in ("no_response", "both", "response"))
    assert len(low) + len(both) + len(high) == len(table)
    assert low.max() < both.min()
    assert both.max() < high.min()


@learners
@pytest.mark.parametrize("dropped", BLOCKS)
def test_any_block_can_be_dropped(training, learner, dropped):
    model = ResponseModel(learner=learner, blocks=tuple(b for b in BLOCKS if b != dropped)).fit(training)
    table = model.respond(load_cohort("mgh2022_mel")).table
    assert table.probability.notna().all()
    assert not any(dropped in c for c in table.columns)


def test_a_model_without_core_blocks_never_decides_and_says_why(training):
    model = ResponseModel(blocks=("mutations", "clinical")).fit(training)
    table = model.respond(load_cohort("riaz2017_mel")).table
    assert table.decision.eq("abstain").all()
    assert set(table.reason) == {"none of pathology, signatures is known"}


def test_scikit_learn_contract(models, training):
    model = models["xgboost"]
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert set(model.get_params()) == {"indication", "learner", "blocks", "options", "tumour_aware"}
    assert is_classifier(model)
    check_is_fitted(model)
    with pytest.raises(NotFittedError):
        check_is_fitted(copy)
    assert copy.set_params(learner="logistic").learner == "logistic"
    assert copy.fit(training) is copy
    cohort = load_cohort("mgh2022_mel")
    p = copy.predict_proba(cohort)
    assert p.shape == (34, 2)
    assert p.sum(axis=1) == pytest.approx(1.0)
    assert (copy.predict(cohort) == (p[:, 1] >= copy.fusion_.prior)).all()
    assert 0 <= copy.score(cohort, cohort.response) <= 1


@pytest.mark.parametrize("method", ["predict", "predict_proba", "respond"])
def test_an_unfitted_model_says_so(method):
    with pytest.raises(NotFittedError):
        getattr(ResponseModel(), method)(load_cohort("mgh2022_mel"))


def test_fit_leaves_the_settings_and_the_cohort_alone(training):
    before = {k: t.copy() for k, t in training.tables.items()}
    model = ResponseModel(options={"C": 0.3})
    model.fit(training)
    assert model.get_params() == ResponseModel(options={"C": 0.3}).get_params()
    for name, table in training.tables.items():
        pd.testing.assert_frame_equal(table, before[name])


def test_labels_may_be_given_and_unlabelled_patients_teach_nothing():
    cohort = load_cohort("liu2019_mel")
    given = ResponseModel().fit(cohort, cohort.response.to_numpy())
    own = ResponseModel().fit(cohort)
    assert given.fusion_.state() == own.fusion_.state()
    flipped = ResponseModel().fit(cohort, 1 - cohort.response.to_numpy())
    assert flipped.fusion_.prior == pytest.approx(1 - own.fusion_.prior)
    assert own.studies_ == ("liu2019_mel",)
    assert own.tumours_ == ("melanoma",)


@pytest.mark.parametrize("rubbish", [np.zeros(3), np.full(121, 2.0), np.full(121, -1.0)])
def test_d24_rubbish_labels_are_refused(rubbish):
    with pytest.raises(DataError, match="THX-D24"):
        ResponseModel().fit(load_cohort("liu2019_mel"), rubbish)


def test_d24_one_class_is_refused():
    cohort = load_cohort("liu2019_mel")
    with pytest.raises(DataError, match="THX-D24"):
        ResponseModel().fit(cohort.subset(cohort.ids[cohort.response == 1]))


@pytest.mark.parametrize("wrong", [{"indication": "melanoma"}, {"learner": "forest"}, {"blocks": ("rna",)}])
def test_an_unknown_name_is_a_usage_error(wrong):
    with pytest.raises(UsageError, match="wanted: one of"):
        ResponseModel(**wrong).fit(load_cohort("liu2019_mel"))


def test_the_reference_is_of_the_training_patients(models):
    reference = models["logistic"].reference_
    assert all(len(q) == 101 and (np.diff(q) >= 0).all() for q in reference.values())
    assert all(c.split("__")[0] in BLOCKS for c in reference)
