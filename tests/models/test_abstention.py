"""When the model does not decide, and that it says why: fault D20, label sets, coverage, core."""

from copy import copy
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.tumours import COARSE, UNLISTED
from theracast.models.base import ResponseModel
from theracast.models.experts import EXPERTS
from theracast.models.recalibration import Recalibration

learners = pytest.mark.parametrize("learner", EXPERTS)
TAKEN = "tumour type is not given: taken to be melanoma"
NUMBERS = ["probability", "lower", "upper"]


def of_type(cohort, *types):
    """The cohort, its patients of these types in turn; None: nothing is written."""
    clinical = cohort.tables["clinical"].drop(columns="cancer_type")
    if types != (None,):
        clinical = clinical.assign(cancer_type=np.resize(np.array(types, dtype=object), len(clinical)))
    return replace(cohort, tables={**cohort.tables, "clinical": clinical})


@pytest.fixture(scope="module")
def riaz():
    return load_cohort("riaz2017_mel")


@pytest.fixture(scope="module")
def pan(training):
    return ResponseModel("pan_ici").fit(training)


@pytest.fixture(scope="module")
def as_written(models, riaz):
    return {learner: model.respond(riaz).table for learner, model in models.items()}


# ---------------------------------------------------------------- D20: tumour types


@learners
@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("chordoma", UNLISTED),
        ("melanomma", f"{UNLISTED}; nearest: melanoma"),
        ("3", UNLISTED),
        ("Lung", COARSE),
        ("renal", "the tumour type is renal, the model is of melanoma"),
        ("KIRC", "the tumour type is renal, the model is of melanoma"),
        ("Bladder", "the tumour type is urothelial, the model is of melanoma"),  # trained on, and not made for
    ],
)
def test_d20_a_foreign_type_is_out_of_domain(models, riaz, learner, cell, why):
    table = models[learner].respond(of_type(riaz, cell)).table
    assert table.decision.eq("abstain").all()
    assert table.reason.str.startswith(f"out of domain: {why}").all()
    assert table.probability.between(0, 1).all()  # given all the same
    assert not table.reason.str.contains("chordoma|melanomma|KIRC|Bladder").any()  # what was written is not repeated


def test_d20_a_type_never_seen_is_no_category(models, riaz, as_written):
    """It gets what all types share: neither the weights of the first type, nor those of the nearest."""
    model = models["logistic"]
    assert model.tumours_ == ("melanoma", "urothelial")
    never, *others = (model.respond(of_type(riaz, t)).table[NUMBERS] for t in ("chordoma", "Lung", "renal", "3"))
    for other in others:
        pd.testing.assert_frame_equal(other, never, check_exact=True)
    bladder = model.respond(of_type(riaz, "Bladder")).table
    for known in (as_written["logistic"], bladder):
        assert (known.probability != never.probability).mean() > 0.9


def test_d20_types_may_stand_side_by_side(models, riaz, as_written):
    types = ("Melanoma", "Lung", "renal", "chordoma", "")
    mixed = models["logistic"].respond(of_type(riaz, *types)).table
    for k in range(5):
        mine = mixed.iloc[k::5]
        assert mine.reason.str.startswith("out of domain").all() == (k in (1, 2, 3))
        if k in (0, 4):
            pd.testing.assert_frame_equal(mine, as_written["logistic"].iloc[k::5], check_exact=True)


@learners
def test_a_type_that_is_not_given_is_taken_to_be_that_of_the_model_and_a_note_says_so(
    models, riaz, as_written, learner
):
    model = models[learner]
    for untold in (of_type(riaz, None), of_type(riaz, ""), of_type(riaz, np.nan), of_type(riaz, "unknown")):
        matrix = model.matrix(untold)
        assert set(matrix.tumours) == {"melanoma"}
        assert all(TAKEN in matrix.notes[i] for i in matrix.values.index)
        pd.testing.assert_frame_equal(model.respond(untold).table, as_written[learner], check_exact=True)
    told = model.matrix(riaz)
    assert not any(TAKEN in n for notes in told.notes.values() for n in notes)
    unclear = model.matrix(of_type(riaz, "chordoma"))
    assert set(unclear.tumours) == {""}
    assert not any(TAKEN in n for notes in unclear.notes.values() for n in notes)


def test_a_note_is_not_given_twice_nor_kept(models, riaz):
    untold = of_type(riaz, None)
    first, second = (models["logistic"].matrix(untold).notes for _ in range(2))
    assert first == second
    assert all(notes.count(TAKEN) == 1 for notes in first.values())


def test_a_model_of_many_types_decides_for_those_it_was_trained_on(pan, riaz):
    assert pan.spec.tumours == ()
    assert pan.tumours_ == ("melanoma", "urothelial")
    for cell in ("Melanoma", "Bladder"):
        assert not pan.respond(of_type(riaz, cell)).table.reason.str.startswith("out of domain").any()
    renal = pan.respond(of_type(riaz, "renal")).table
    why = "out of domain: the tumour type is renal, the model is of melanoma, urothelial"
    assert set(renal.reason) == {why}
    assert renal.decision.eq("abstain").all()
    chordoma = pan.respond(of_type(riaz, "chordoma")).table
    assert chordoma.reason.str.startswith(f"out of domain: {UNLISTED}").all()
    assert chordoma.decision.eq("abstain").all()


def test_a_model_of_many_types_takes_no_type_for_granted(pan, riaz):
    """What is not given, or said too coarsely, is read with the common weights."""
    untold, coarse = (pan.respond(of_type(riaz, t)).table for t in (None, "Lung"))
    pd.testing.assert_frame_equal(untold, coarse, check_exact=True)
    assert not untold.reason.str.startswith("out of domain").any()
    assert set(pan.matrix(of_type(riaz, None)).tumours) == {""}
    never = pan.respond(of_type(riaz, "renal")).table
    pd.testing.assert_frame_equal(untold[NUMBERS], never[NUMBERS], check_exact=True)


def test_the_gravest_reason_is_said(models):
    """Nothing known of a foreign tumour: it is the tumour that has to be told."""
    wide = pd.DataFrame({"clinical:cancer_type": ["renal", "Melanoma"]}, index=["a", "b"])
    table = models["logistic"].respond(wide).table
    assert table.probability.isna().all()
    assert table.reason["a"].startswith("out of domain")
    assert table.reason["b"] == "nothing the model reads is known"


# ---------------------------------------------------------------- label sets


@learners
def test_the_decision_is_the_one_label_of_the_set(models, as_written, learner):
    fusion, table = models[learner].fusion_, as_written[learner]
    sets = fusion.sets.sets(logit(table.probability))
    assert (table["set"] == sets).all()
    single = table[table["set"] != "both"]
    assert (single.decision == single["set"]).where(single.reason == "", True).all()
    both = table[(table["set"] == "both") & ~table.reason.str.contains("known|covers")]
    assert len(both) > 5
    assert set(both.reason) == {"the evidence does not separate: the 90% set holds both answers"}
    assert both.decision.eq("abstain").all()


def with_fusion(model, **changes):
    """The same model with a fusion of which something is changed; the model itself is not."""
    other = copy(model)
    other.fusion_ = copy(model.fusion_)
    vars(other.fusion_).update(changes)
    return other


def test_a_single_label_is_a_decision_either_way(models, riaz):
    far = np.array([-20.0, 20.0])
    model = with_fusion(models["logistic"], estimate=lambda m, level: (far, far - 1.0, far + 1.0))
    table = model.respond(riaz.subset(riaz.ids[:2])).table
    assert table["set"].tolist() == ["no_response", "response"]
    assert table.decision.tolist() == ["no_response", "response"]
    assert table.reason.tolist() == ["", ""]
    turned = SimpleNamespace(which=lambda m: np.array([1, 0]))  # response, no_response
    table = with_fusion(model, sets=turned).respond(riaz.subset(riaz.ids[:2])).table
    assert table.decision.tolist() == ["response", "no_response"]  # the set decides, not the probability


def test_without_calibrated_sets_every_set_holds_both(models, riaz):
    table = with_fusion(models["logistic"], sets=None).respond(riaz).table
    assert table["set"].eq("both").all()
    assert table.decision.eq("abstain").all()
    assert table.probability.notna().all()


@learners
def test_what_is_known_of_a_site_moves_numbers_and_not_the_set(models, riaz, as_written, learner):
    site = Recalibration(0.7, 1.4, "simulated site")
    plain, moved = as_written[learner], models[learner].respond(riaz, site).table
    for name in NUMBERS:
        assert moved[name].to_numpy() == pytest.approx(expit(0.7 + 1.4 * logit(plain[name])), abs=1e-12)
    assert (moved.probability - plain.probability).abs().min() > 0.001
    rest = [c for c in plain if c not in NUMBERS]
    pd.testing.assert_frame_equal(moved[rest], plain[rest], check_exact=True)
    pd.testing.assert_frame_equal(models[learner].respond(riaz, Recalibration()).table, plain, check_exact=True)


# ---------------------------------------------------------------- coverage and core


def test_d08_too_few_genes_outweigh_a_set_of_one_label(models, riaz):
    model = models["logistic"]
    matrix = model.matrix(riaz)
    low = replace(matrix, coverage=matrix.coverage.assign(signatures=0.5))
    table = model.respond(low).table
    assert (table["set"] != "both").any()
    assert set(table.reason) == {"signatures covers 50% of what the model reads; tested with 80% or more"}
    edge = replace(matrix, coverage=matrix.coverage.assign(signatures=0.8))
    assert not model.respond(edge).table.reason.str.contains("covers").any()


def test_no_core_block_outweighs_a_set_of_one_label(models, riaz):
    model = models["logistic"]
    matrix = model.matrix(riaz)
    gone = matrix.values.columns.str.startswith(("pathology__", "signatures__"))
    bare = replace(
        matrix,
        values=matrix.values.mask([gone] * len(matrix)),
        coverage=matrix.coverage.assign(pathology=0.0, signatures=0.0),
    )
    table = model.respond(bare).table[lambda t: t.probability.notna()]
    assert len(table) > 20
    assert set(table.reason) == {"none of pathology, signatures is known"}
    assert table.decision.eq("abstain").all()


# ---------------------------------------------------------------- values that are the same for a whole study


def blood(n, seed=0, study="simulated"):
    """A simulated melanoma study: TMB and albumin help; other studies have albumin, this has one value for all."""
    rng = np.random.default_rng(seed)
    clinical = pd.DataFrame(
        {
            "cancer_type": "Melanoma",
            "age": rng.uniform(40, 80, n).round(),
            "albumin": rng.normal(40, 4, n).round(1),
            "tmb": rng.lognormal(1.5, 1, n).round(1),
            "tmb_unit": "mut/Mb",
        },
        index=[f"{study}:{i}" for i in range(n)],
    )
    clinical["response"] = np.where(rng.binomial(1, expit((clinical.albumin - 40) / 4 + 0.05 * clinical.tmb - 1)),
                                    "R", "NR")  # fmt: skip
    return Cohort.from_tables({"clinical": clinical}, name=study)


def constant(cohort, value):
    clinical = cohort.tables["clinical"].assign(albumin=value)
    return replace(cohort, tables={**cohort.tables, "clinical": clinical})


@pytest.mark.parametrize(("n", "forgotten"), [(20, True), (19, False), (60, True)])
def test_a_value_that_a_whole_study_shares_teaches_nothing(n, forgotten):
    others = [blood(60, seed, f"s{seed}") for seed in (1, 2)]
    mine = blood(n, 3, "s3")
    one, none = (
        ResponseModel("pan_ici", blocks=("mutations", "clinical")).fit(Cohort.concat([*others, constant(mine, value)]))
        for value in (47.0, np.nan)
    )
    assert (one.fusion_.state() == none.fusion_.state()) == forgotten
    assert (one.reference_ == none.reference_) == forgotten
    # and it is forgotten of studies, not of patients: one alone is read, and so are twenty with one value
    alone = blood(25, 4)
    low, high = (one.respond(constant(alone, v)).table.probability for v in (30.0, 50.0))
    assert (high > low).all()


def test_what_no_study_measured_in_each_patient_is_not_read():
    both = Cohort.concat([constant(blood(60, 1, "s1"), 41.0), constant(blood(60, 2, "s2"), 44.0)])
    model = ResponseModel("pan_ici", blocks=("mutations", "clinical")).fit(both)
    assert "clinical__albumin" not in model.reference_
    assert "albumin" not in [f.name for f in model.fusion_.features["clinical"]]
    alone = blood(5, 4)
    low, high = (model.respond(constant(alone, v)).table.probability for v in (30.0, 50.0))
    pd.testing.assert_series_equal(low, high, check_exact=True)


@pytest.mark.shared
def test_albumin_and_nlr_of_kato_and_ravi_are_forgotten(shared_data):
    """Their README says it: one albumin and one NLR for everyone."""
    trained = Cohort.concat([load_cohort("loris_kato_pan"), load_cohort("loris_ravi_nsclc")])
    model = ResponseModel("pan_ici", blocks=("mutations", "clinical")).fit(trained)
    ranges = model.matrix(trained).values.groupby(trained.studies.to_numpy()).agg(np.ptp)
    for name in ("clinical__albumin", "clinical__nlr"):
        assert (ranges[name] == 0).all()  # the trap is there
        assert name not in model.reference_
        assert name.split("__")[1] not in [f.name for f in model.fusion_.features["clinical"]]
    assert "mutations__tmb" in model.reference_
