"""Accessibility of every page, judged by axe in a browser: nothing serious, and every text stands out."""

from dataclasses import replace

import pandas as pd
import pytest
from reports import ABOUT, COVERAGE, EQUITY, SETS, SPEC, WORTH, changed, findings, visit
from service import Client, choice_predictor, listening, response_predictor

from theracast.features.cohort import as_cohort
from theracast.features.datasets import load_cohort
from theracast.predict.predictor import Predictor
from theracast.predict.report.frame import write_page
from theracast.predict.report.page import cohort_page, patient_page
from theracast.predict.report.patient_facts import shipped_reference
from theracast.predict.report.therapies import therapies_page

FULL = ABOUT | {"sets": SETS, "coverage": COVERAGE, "net_benefit": WORTH, "equity": EQUITY}
LOOKS = [("light", 1280), ("dark", 1280), ("light", 390)]
EACH = [*LOOKS[:2], pytest.param(*LOOKS[2], marks=pytest.mark.nightly)]


def found(browser, html, path, scheme, width):
    page, trouble = visit(
        browser, write_page(html, path), color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    grave = findings(page)
    page.context.close()
    return grave + trouble


@pytest.fixture(scope="module")
def told(model):
    return Predictor(model, "0" * 64).score(load_cohort("riaz2017_mel"), explained=True, spread=True)


@pytest.mark.parametrize(("scheme", "width"), EACH)
def test_the_pages_of_a_response_model(browser, model, told, tmp_path, scheme, width):
    odd = changed(told, "Pt2", reason="out of domain: the tumour type is renal", decision="abstain")
    against = replace(told, explanation=replace(told.explanation, directions=dict.fromkeys(told.explanation.points, 1)))
    known = {"model": model, "reference": shipped_reference(model)}
    for html in (
        patient_page(against, "Pt1", SPEC, FULL | {"card_url": "card.html"}, back="index.html", **known),
        patient_page(odd, "Pt2", SPEC, FULL, **known),
        cohort_page(odd, SPEC, FULL),
    ):
        assert found(browser, html, tmp_path / "p.html", scheme, width) == []


@pytest.mark.parametrize(("scheme", "width"), EACH)
def test_the_pages_of_a_choice(browser, tmp_path, scheme, width):
    predictor, patients = choice_predictor(), as_cohort(pd.DataFrame({"clinical:age": [30.0, -1.0]}, index=["a", "b"]))
    rankings = predictor.rank(patients)
    for html in (
        therapies_page(rankings, predictor),
        therapies_page(rankings, predictor, "a", patients),
        therapies_page(rankings, predictor, "b", patients),
    ):
        assert found(browser, html, tmp_path / "t.html", scheme, width) == []


def test_the_upload_page_of_the_service(browser):
    with listening(Client(response_predictor()).app) as address:
        for scheme, width in LOOKS:
            page = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 800}).new_page()
            page.goto(address)
            assert findings(page) == []
            page.context.close()


def test_the_check_sees_a_picture_without_words_and_pale_text(browser, scores, tmp_path):
    html = patient_page(scores, "Pt10", SPEC, FULL)
    mute = html.replace('role="img" aria-label=', 'role="img" data-was=')
    assert any("svg-img-alt" in f for f in found(browser, mute, tmp_path / "p.html", "light", 1280))
    pale = html.replace("--soft: #56606b", "--soft: #b6c0cb").replace("--ink: #1c2126", "--ink: #a0a0a0")
    grave = found(browser, pale, tmp_path / "p.html", "light", 1280)
    assert any("color-contrast" in f for f in grave)
    assert any(f.startswith("contrast ") for f in grave)  # in a figure, where axe leaves it open
