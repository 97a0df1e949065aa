"""The pages as a browser shows them: both schemes, narrow and wide, sorted and filtered."""

import re

import numpy as np
import pandas as pd
import pytest
from reports import ABOUT, COVERAGE, HOSTILE, MEAN, PUBLISHED, SETS, SPEC, changed, renamed, row, visit
from service import choice_predictor

from theracast.features.cohort import as_cohort
from theracast.features.datasets import load_cohort
from theracast.predict.predictor import Predictor
from theracast.predict.report.frame import write_page
from theracast.predict.report.page import cohort_page, patient_page
from theracast.predict.report.patient_facts import Around, shipped_reference
from theracast.predict.report.printed import signed
from theracast.predict.report.therapies import therapies_page


def test_patient_page_in_a_browser(browser, scores, tmp_path):
    path = write_page(patient_page(renamed(scores, "Pt1", HOSTILE), HOSTILE, SPEC, ABOUT), tmp_path / "p.html")
    for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390)):
        page, trouble = visit(browser, path, color_scheme=scheme, viewport={"width": width, "height": 800})
        assert page.screenshot(full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.locator("h2#answer").bounding_box()["y"] < 400
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (ground == "rgb(255, 255, 255)") == (scheme == "light")
        assert not trouble
    printed = page.pdf(prefer_css_page_size=True)
    assert 1 <= len(re.findall(rb"/Type\s*/Page[^s]", printed)) <= 2


def test_cohort_table_sorts_and_filters(browser, scores, tmp_path):
    path = write_page(cohort_page(changed(scores, "Pt1", probability=np.nan), SPEC, ABOUT), tmp_path / "c.html")
    page, trouble = visit(browser, path, viewport={"width": 390, "height": 800})
    read = "[...document.querySelectorAll('#patients tbody tr:not([hidden])')].map(r => r.cells[%d].dataset.v)"
    head = page.locator("#patients thead th").nth(1)
    for direction, order in (("ascending", 1), ("descending", -1)):
        head.locator("button").click()
        assert head.get_attribute("aria-sort") == direction
        values = [float(v) for v in page.evaluate(read % 1)]
        assert np.isnan(values[-1])
        assert values[:-1] == sorted(values[:-1], reverse=order < 0)
    page.locator("#patients thead button").nth(1).press("ArrowLeft")
    page.keyboard.press("Enter")
    names = page.evaluate(read % 0)
    assert names.index("Pt2") < names.index("Pt10")
    assert page.locator("#patients thead th").first.get_attribute("aria-sort") == "ascending"

    page.fill("#find", "Pt10")
    expected = int(scores.table.patient_id.str.contains("Pt10").sum())
    assert len(page.evaluate(read % 0)) == expected
    assert page.inner_text("#shown") == f"{expected} of {len(scores.table)} shown"
    page.locator("#find").press("Escape")
    page.select_option("#decision", "response")
    assert len(page.evaluate(read % 0)) == int((scores.table.decision == "response").sum())
    page.select_option("#decision", "")

    page.click("text=Pt10 >> nth=0")
    assert page.evaluate("document.activeElement.parentElement.open")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not trouble


def told(page):
    return page.locator(".tip").inner_text()


@pytest.mark.parametrize("figure", ["contributions", "fingerprint"])
def test_a_mark_tells_its_value_to_pointer_and_keyboard(browser, scores, tmp_path, figure):
    path = write_page(patient_page(scores, "Pt10", SPEC, ABOUT), tmp_path / "p.html")
    page, trouble = visit(browser, path, viewport={"width": 1280, "height": 800})
    marks = page.locator(f".{figure} .marks [data-tip]:visible")
    assert marks.count() > 3
    said = marks.evaluate_all("marks => marks.map(m => m.dataset.tip)")
    marks.nth(2).hover()
    assert told(page) == said[2]
    page.mouse.move(1, 1)
    assert told(page) == ""
    page.keyboard.press("Tab")  # a focus that a keyboard gave
    page.locator(f".{figure} .marks:visible").focus()
    assert told(page) == said[0]
    page.keyboard.press("ArrowRight")
    assert told(page) == said[1]
    box, mark = page.locator(".tip").bounding_box(), marks.nth(1).bounding_box()
    assert box["y"] + box["height"] <= mark["y"] or mark["y"] + mark["height"] <= box["y"], "beside the mark, not on it"
    page.keyboard.press("ArrowDown")
    assert told(page) not in ("", said[1])
    page.keyboard.press("Escape")
    assert told(page) == ""
    page.keyboard.press("ArrowLeft")
    assert told(page)
    page.evaluate("document.activeElement.blur()")
    assert told(page) == ""
    assert not trouble


def test_the_strip_tells_patient_block_and_points(browser, scores, tmp_path):
    first = scores.explanation.probability.idxmin()
    bad = renamed(scores, first, HOSTILE)
    page, trouble = visit(browser, write_page(cohort_page(bad, SPEC, ABOUT), tmp_path / "c.html"))
    page.keyboard.press("Tab")
    page.locator(".marks:has(.strip)").focus()
    blocks = scores.explanation.by_block()
    points = signed(100 * blocks.iloc[:, 0][first])
    assert told(page) == f"{HOSTILE[:24]}…: {blocks.columns[0]} {points}"
    page.keyboard.press("ArrowDown")
    assert f"…: {blocks.columns[1]} " in told(page)
    page.keyboard.press("ArrowRight")
    second = scores.explanation.probability.sort_values(kind="stable").index[1]
    assert told(page).startswith(f"{second}: {blocks.columns[1]} ")
    assert not trouble


def test_the_fingerprint_of_a_choice_tells_its_values_on_a_phone_too(browser, tmp_path):
    predictor, patients = choice_predictor(), as_cohort(pd.DataFrame({"clinical:age": [30.0]}, index=["a"]))
    html = therapies_page(predictor.rank(patients), predictor, "a", patients)
    page, trouble = visit(browser, write_page(html, tmp_path / "t.html"), viewport={"width": 390, "height": 800})
    mark = page.locator(".marks [data-tip]:visible").first
    mark.hover()
    assert told(page).startswith("age: 30 years, percentile ")
    box = page.locator(".tip").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
    assert not trouble


def test_every_kind_of_patient_prints_on_two_pages(browser, model, tmp_path):
    known = load_cohort("riaz2017_mel")
    wide = load_cohort("mgh2022_mel").wide().iloc[:2]
    wide["clinical:cancer_type"] = ["Kidney", "melanoma"]
    little = pd.DataFrame({"clinical:age": [61.0, -1.0]}, index=["known", "refused"])
    long = ABOUT | {"validation": [row(f"cohort_{i}", "theracast", 0.6) for i in range(6)], "mean": [*MEAN, PUBLISHED],
                    "sets": SETS, "coverage": COVERAGE}  # fmt: skip
    predictor = Predictor(model, "0" * 64, uri="models:/melanoma_ici@champion", version="3")
    page = browser.new_page()
    for patients in (known, wide, little):
        scores = predictor.score(patients, explained=True, spread=True)
        decided = scores.table.drop_duplicates(["decision", "blocks_missing"]).patient_id.tolist()
        around = Around.of(scores, model, shipped_reference(model), decided)
        for patient in [*decided, *scores.rejects.get("patient_id", [])]:
            html = patient_page(scores, patient, SPEC, long, around=around)
            page.goto(write_page(html, tmp_path / "p.html").as_uri())
            printed = page.pdf(prefer_css_page_size=True)
            assert 1 <= len(re.findall(rb"/Type\s*/Page[^s]", printed)) <= 2, patient
