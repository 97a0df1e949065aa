"""The report on label sets, tumour types, the site, and what is published: said in words, and said first."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reports import ABOUT, COVERAGE, HOSTILE, MEAN, PUBLISHED, SETS, SPEC, TABLE, changed, row, words

from theracast.features.datasets import load_cohort
from theracast.models.recalibration import Recalibration
from theracast.predict.kept import unpack_validation
from theracast.predict.predictor import Predictor
from theracast.predict.report.judged import judged
from theracast.predict.report.page import cohort_page, patient_page

FULL = ABOUT | {"validation": [*TABLE, row("first_mel", "gep", 0.57)], "mean": [*MEAN, PUBLISHED], "sets": SETS,
                "coverage": COVERAGE}  # fmt: skip


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ({"set": "response", "decision": "response", "reason": ""}, "90% set: response only"),
        ({"set": "no_response", "decision": "no_response", "reason": ""}, "90% set: no response only"),
        ({"set": "both", "decision": "abstain", "reason": "the evidence does not separate"}, "90% set: both possible"),
    ],
)
def test_the_set_stands_in_words_beside_the_interval(scores, cells, wanted):
    text = words(patient_page(changed(scores, "Pt1", **cells), "Pt1", SPEC, ABOUT))
    assert re.search(rf"80% interval \d+% to \d+% ?{wanted}", text)
    html = cohort_page(changed(scores, "Pt1", **cells), SPEC, ABOUT)
    (line,) = re.findall(r'<tr data-decision[^>]*><th scope="row" data-v="Pt1">.*?</tr>', html)
    assert f'<td class="set">{wanted.removeprefix("90% set: ")}</td>' in line


def test_what_a_single_answer_means(scores):
    yes = words(patient_page(changed(scores, "Pt1", decision="response", reason=""), "Pt1", SPEC, ABOUT))
    no = words(patient_page(changed(scores, "Pt1", decision="no_response", reason=""), "Pt1", SPEC, ABOUT))
    assert "Of 100 non-responders of cohorts that the model had not seen" in yes
    assert "Of 100 responders of cohorts that the model had not seen" in no


def test_the_assumed_response_rate_and_the_tumour_type_are_said(scores):
    prior = f"{scores.prior:.0%}"
    for html in (patient_page(scores, "Pt1", SPEC, ABOUT), cohort_page(scores, SPEC, ABOUT)):
        assert f"Assumed response rate {prior}, that of the training studies" in words(html).replace("rate3", "rate 3")
    assert "Read as melanoma" in words(patient_page(scores, "Pt1", SPEC, ABOUT)).replace("asmel", "as mel")
    unknown = words(patient_page(changed(scores, "Pt1", tumour_type=""), "Pt1", SPEC, ABOUT))
    assert "tumour type not known" in unknown


def test_what_is_known_of_the_site_takes_the_place_of_the_assumed_rate(scores):
    note = "fitted to 12 labelled patients, 4 of them responders"
    moved = replace(changed(scores, "Pt1", notes=f"TMB from a count; {note}"), site=Recalibration(-0.4, 0.8, note))
    text = words(patient_page(moved, "Pt1", SPEC, ABOUT))
    assert "Known of the site" in text
    assert "that of the training studies" not in text
    assert text.count(note) == 2  # beside the number and where the rate is explained, not once more among the notes
    assert "TMB from a count" in text
    assert note in words(cohort_page(moved, SPEC, ABOUT))


@pytest.fixture(scope="module")
def strangers(model):
    wide = load_cohort("mgh2022_mel").wide().iloc[:4]
    wide["clinical:cancer_type"] = ["Kidney", "Kidney", "melanoma", "chordoma"]
    return Predictor(model, "0" * 64).score(wide, explained=True)


def test_out_of_domain_is_said_before_anything_else(strangers):
    first = strangers.table.patient_id[0]
    html = patient_page(strangers, first, SPEC, ABOUT)
    text = words(html)
    reason = "The tumour type is renal, the model is of melanoma."
    assert "This patient is out of domain: no answer is given" in text
    assert text.index(reason) < text.index("probability of response")
    assert 'class="warning" role="note"' in html
    assert 'class="probability muted"' in html
    assert "90% set: " not in text
    assert "kidney cancer" in text
    inside = patient_page(strangers, strangers.table.patient_id[2], SPEC, ABOUT)
    assert 'class="warning"' not in inside


def test_the_cohort_counts_who_is_out_of_domain_by_reason(strangers):
    html = cohort_page(strangers, SPEC, ABOUT)
    text = words(html)
    assert "Out of domain: 2 of 4. The tumour type is renal, the model is of melanoma." in text
    assert "Out of domain: 1 of 4. Tumour type is not one that is known here" in text
    assert html.count('class="warning"') == 2
    assert html.count("class=outside") == 3
    assert "Read as" in re.search(r'<table id="patients">.*?</thead>', html, re.S)[0]  # types differ: a column of them


def test_one_tumour_type_needs_no_column(scores):
    assert "Read as" not in re.search(r'<table id="patients">.*?</thead>', cohort_page(scores, SPEC, ABOUT), re.S)[0]


def test_published_scores_stand_beside_the_model(scores):
    text = words(patient_page(scores, "Pt1", SPEC, FULL))
    assert "Beside published scores and dull baselines" in text
    assert re.search(r"T-cell-inflamed GEP ?published ?\.56 \(\.46–\.66\) ?\.11 \(−\.02 to \.20\)", text)
    assert "The same on set A" in text
    assert ".71 (.65–.77)" in text


def test_coverage_of_each_cohort_and_those_below(scores):
    text = words(patient_page(scores, "Pt1", SPEC, FULL))
    assert "More than two standard errors too seldom on 1 of 2 cohorts: small_mel." in text
    assert re.search(r"small_mel ?40 ?70% \(too seldom\) ?70% ?– ?60% ?75%", text)
    held = FULL | {"coverage": COVERAGE[:1]}
    assert "On each of the 1 cohorts as often as promised" in words(patient_page(scores, "Pt1", SPEC, held))


def test_a_model_of_an_earlier_version_has_no_sets_and_no_coverage(scores):
    text = words(patient_page(scores, "Pt1", SPEC, ABOUT))
    assert "How often the" not in text
    assert "The same on set" not in text
    assert judged(unpack_validation({})) is None
    bare = {"validation": [{"cohort": "a", "model": "theracast", "auc": None, "n": 3, "R": 3, "NR": 0}]}
    assert judged(unpack_validation(bare))["cohorts"][0]["auc"] == "not estimable"


def test_hostile_names_of_sets_cohorts_types_and_sites_are_inert(scores):
    about = FULL | {"sets": {HOSTILE: SETS["A"]}, "coverage": [COVERAGE[1] | {"cohort": HOSTILE}]}
    site = Recalibration(0.1, 1.0, HOSTILE)
    bad = replace(changed(scores, "Pt1", tumour_type=HOSTILE, reason=f"out of domain: {HOSTILE}"), site=site)
    for html in (patient_page(bad, "Pt1", SPEC, about), cohort_page(bad, SPEC, about)):
        assert "<script>alert" not in html
        assert "<img" not in html


def test_no_rate_no_line(scores):
    assert "Assumed response rate" not in words(patient_page(replace(scores, prior=np.nan), "Pt1", SPEC, ABOUT))
    assert pd.isna(replace(scores, prior=np.nan).prior)
