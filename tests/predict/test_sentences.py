"""Sentences: adding the printed points gives the printed probability; what is unclear never reads as evidence."""

import re
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from explanations import explained, one_explained
from hypothesis import given, settings
from hypothesis import strategies as st

from theracast.errors import UsageError
from theracast.predict.report.printed import Printed, apportion, measured, readable
from theracast.predict.sentences import sentences

NAN = float("nan")
POINTS = re.compile(r": ([+−]?\d+\.\d) points")
PERCENT = re.compile(r"(\d+\.\d)% probability of response")


def added_up(said):
    """Add up as a reader does, from the text alone; what comes out beside what is written."""
    total = Decimal(PERCENT.search(said[0].text)[1])
    for s in said[1:-1]:
        (points,) = POINTS.findall(s.text)
        total += Decimal(points.replace("−", "-"))
    return total, Decimal(PERCENT.search(said[-1].text)[1])


def text(said, feature):
    return next(s for s in said if s.feature.endswith(feature))


@settings(max_examples=300, deadline=None)
@given(
    reference=st.floats(0, 1),
    weights=st.lists(st.floats(-1, 1), min_size=1, max_size=40),
    end=st.floats(0, 1),
    top=st.integers(0, 8),
)
def test_the_printed_points_add_up_exactly(reference, weights, end, top):
    total = sum(weights)
    scale = (end - reference) / total if abs(total) > 1e-3 else 0.0
    e = one_explained(reference, [w * scale for w in weights])
    said = sentences(e, "p", top)
    got, wanted = added_up(said)
    assert got == wanted
    assert sum(round(10 * s.points) for s in said[:-1]) == round(10 * said[-1].points)
    assert said[0].kind == "reference"
    assert said[-1].kind == "prediction"


@pytest.mark.parametrize("reference", [0.3015, 0.3005, 0.0005])
@pytest.mark.parametrize("change", [0.001, -0.001, 0.002, 0.0])
def test_halves_add_up_too(reference, change):
    if reference + change < 0:
        return
    got, wanted = added_up(sentences(one_explained(reference, [0.0, change]), "p"))
    assert got == wanted


@settings(max_examples=300, deadline=None)
@given(parts=st.lists(st.floats(-50, 50), min_size=1, max_size=12), off=st.integers(-2, 2))
def test_apportioned_parts_have_the_total_whatever_it_is(parts, off):
    total = round(sum(parts)) + off
    got = apportion(pd.Series(parts), total)
    assert got.sum() == total


def test_one_less_is_borne_by_the_heaviest_and_not_by_a_zero():
    assert apportion(pd.Series([0.0, -1.0]), -2).tolist() == [0, -2]
    assert apportion(pd.Series([0.0, 1.0]), 2).tolist() == [0, 2]


def test_a_sentence_says_value_median_place_and_points():
    e = one_explained(0.28, [-0.06, 0.02, 0.01, 0.015, 0.03, 0.01])
    said = sentences(e, "p")
    assert text(said, "nlr").text == "NLR 1 (reference median 0.5, 92nd percentile): −6.0 points"
    assert text(said, "prior_ici").text == "prior ICI: yes (as most of the reference): +2.0 points"
    assert text(said, "smoking").text.startswith("smoking former (")
    assert text(said, "tmb").text.startswith("TMB 1 mut/Mb (reference median 0.5 mut/Mb, ")
    assert text(said, "crp").text.startswith("CRP 1 mg/L")
    assert "simulated_a, simulated_b" in said[0].text
    assert "28.0%" in said[0].text
    assert [s.kind for s in said] == ["reference", *["for"] * 5, "against", "prediction"]
    assert [s.points for s in said[1:6]] == sorted((s.points for s in said[1:6]), reverse=True)


@pytest.mark.parametrize(
    ("percentile", "words"),
    [(1, "1st"), (2, "2nd"), (3, "3rd"), (4, "4th"), (11, "11th"), (12, "12th"), (13, "13th"), (21, "21st"),
     (92, "92nd"), (99.4, "99th"), (0.2, "below the 1st"), (99.8, "above the 99th")],
)  # fmt: skip
def test_ordinals(percentile, words):
    e = one_explained(0.3, [0.1], percentile=[float(percentile)])
    assert f"{words} percentile)" in sentences(e, "p")[1].text


def test_the_tail_is_one_sentence():
    e = one_explained(0.3, [0.03, -0.02, *[0.004] * 10])
    rest = [s for s in sentences(e, "p", 2) if s.kind == "rest"]
    assert [s.text for s in rest] == ["9 other values together: +3.6 points"]
    assert [s.text for s in sentences(one_explained(0.3, [0.03, 0.02]), "p", 1)][2] == "1 other value: +2.0 points"
    assert not [s for s in sentences(one_explained(0.3, [0.03]), "p") if s.kind == "rest"]


def test_both_sides_are_shown_even_where_one_is_light():
    said = sentences(one_explained(0.3, [*[0.05] * 8, -0.001]), "p", 3)
    assert [s.kind for s in said].count("against") == 1


def test_a_proxy_is_said():
    proxy = [False, False, False, True, True]
    said = sentences(one_explained(0.3, [0.01, 0.01, 0.01, 0.02, 0.03], proxy=proxy), "p")
    assert "(mRNA proxy, reference" in text(said, "pdl1").text
    assert "(stand-in, reference" in text(said, "tmb").text


def test_what_is_not_known_is_no_evidence():
    said = text(sentences(one_explained(0.3, [0.05, 0.01], values=[NAN, 1.0]), "p"), "nlr")
    assert said.text == "NLR not known: +5.0 points, which is no evidence"
    assert said.kind == "unclear"
    quiet = sentences(one_explained(0.3, [0.0, 0.01], values=[NAN, 1.0]), "p")
    assert not [s for s in quiet if "NLR" in s.text or s.kind == "rest"]


def test_against_expectation_is_no_evidence():
    said = text(sentences(one_explained(0.3, [0.05], directions={"clinical__nlr": -1}), "p"), "nlr")
    assert said.text.endswith(": +5.0 points, against expectation")
    assert said.unexpected
    assert said.kind == "unclear"
    assert not text(sentences(one_explained(0.3, [-0.05], directions={"clinical__nlr": -1}), "p"), "nlr").unexpected


@pytest.mark.parametrize(
    ("spread", "kind", "words"),
    [
        (0.01, "for", ""),
        (0.03, "unclear", "within the noise of training"),
        (NAN, "unclear", "spread over training not"),
    ],
)
def test_what_is_within_the_noise_of_training_is_unclear(spread, kind, words):
    said = text(sentences(one_explained(0.3, [0.05], spread=[spread]), "p"), "nlr")
    assert said.kind == kind
    assert words in said.text


@pytest.mark.parametrize(("replicas", "kind"), [(2, "unclear"), (6, "for")])
def test_with_replicas_it_is_unclear_what_is_not_firm(replicas, kind):
    e = one_explained(0.3, [0.05], spread=[0.02], replicas=pd.Series({"p": replicas}))
    assert text(sentences(e, "p"), "nlr").kind == kind
    assert bool(e.firm().loc["p", "clinical__nlr"]) == (kind == "for")


def test_a_withheld_explanation_is_one_honest_sentence():
    (said,) = sentences(one_explained(0.3, [NAN, 0.1], probability=pd.Series({"p": 0.341})), "p")
    assert said.text.startswith("Prediction: 34.1% probability of response; its explanation is withheld")
    (none,) = sentences(one_explained(0.3, [NAN], probability=pd.Series({"p": NAN})), "p")
    assert "no prediction to explain" in none.text
    assert np.isnan(none.points)


def test_somebody_else_is_a_wrong_call_and_no_id_is_said():
    e = one_explained(0.3, [0.1])
    with pytest.raises(UsageError, match="no such patient") as caught:
        sentences(e, "secret")
    assert "secret" not in str(caught.value)


def test_a_reference_that_was_moved_to_a_site_is_said_so(model):
    from theracast.features.datasets import load_cohort
    from theracast.predict.predictor import Predictor

    predictor, riaz = Predictor(model, "0" * 64), load_cohort("riaz2017_mel")
    moved = predictor.score(riaz, explained=True, site=predictor.site(riaz, rate=0.1)).explanation
    said = moved.sentences("Pt1")
    assert said[0].text.endswith(
        "probability of response, moved to the site (response rate given: 10%, matched to the mean of 51 patients)."
    )
    got, wanted = added_up(said)
    assert got == wanted
    assert "site" not in predictor.score(riaz, explained=True).explanation.sentences("Pt1")[0].text


def test_nothing_is_promised():
    e = explained(20)
    e = replace(e, spread=e.points.abs() / 2)
    said = " ".join(s.text for p in e.points.index for s in sentences(e, p))
    assert not re.search(r"\b(will|cause[sd]?|because|effect)\b", said)


def test_reader_test_on_ten_simulated_patients():
    e = explained(10)
    for p in e.points.index:
        got, wanted = added_up(sentences(e, p))
        assert got == wanted
        assert wanted == Decimal(f"{round(1000 * e.probability[p]) / 10:.1f}")


@pytest.mark.parametrize("learner", ["logistic", "xgboost"])
def test_reader_test_on_ten_real_patients(learner):
    from theracast.features.datasets import load_cohort
    from theracast.models.base import ResponseModel
    from theracast.predict.explain import explain

    model = ResponseModel("melanoma_ici", learner=learner).fit(load_cohort("liu2019_mel"))
    e = explain(model, model.matrix(load_cohort("riaz2017_mel")))
    for p in e.points.index[:10]:
        got, wanted = added_up(sentences(e, p))
        assert got == wanted
        assert wanted == Decimal(f"{Printed.of(e, p).prediction:.1f}")


def test_abbreviations_are_written_as_they_are():
    said = {n: readable(n) for n in ("crp", "esr", "das28", "das28_crp", "haq", "hba1c", "acpa_positive", "nk_cells")}
    assert list(said.values()) == ["CRP", "ESR", "DAS28", "DAS28-CRP", "HAQ", "HbA1c", "ACPA positive", "NK cells"]
    assert readable("ra_cdai") == "RA CDAI"
    assert readable("age") == "age"


def test_values_for_sentences():
    assert measured("position 0-1", 0.5) == "0.5"
    assert measured("ratio to housekeeping", 0.932) == "0.932"
    assert measured("0-4", 4.0, "0 I-II, 1 III, 2 M1a, 3 M1b, 4 M1c") == "M1c"
    assert measured("0-4", 1.0, "ECOG performance status") == "1"
    assert measured("0/1", NAN) == "not known"
