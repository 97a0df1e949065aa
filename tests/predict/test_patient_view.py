"""The patient view: plain enough to read, no number without an answer, no news where there is none."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reports import ABOUT, HOSTILE, SPEC, changed, loads, renamed, visit, words

from theracast.errors import ModelError
from theracast.features.blocks import BLOCKS
from theracast.features.datasets import load_cohort
from theracast.models.indications import INDICATIONS
from theracast.models.recalibration import Recalibration
from theracast.predict.predictor import Predictor
from theracast.predict.records import Prediction
from theracast.predict.report.patient_view import of_a_hundred, patient_view
from theracast.predict.report.plain_words import BLOCKS_IN_WORDS, state_of, title_in_words

JARGON = (
    "conformal", "calibrat", "log-odds", "shap", "percentile", "cohort", "probability", "interval", "prediction",
    "algorithm", "biomarker", "abstain", "out of domain", "baseline", "quantile", "median", "feature", "auc", "recist",
    "proxy", "mrna", "tmb", "transcript", "checkpoint", "objective response", "provenance", "digest", "likelihood",
)  # fmt: skip
CALM = "This is not bad news, and it is not good news."


def prose(html):
    """Sentences of paragraphs and list items; headings and codes would only make the grade better."""
    html = re.sub(r"<(style|script|svg|figcaption svg)\b.*?</\1>", " ", html, flags=re.S)
    html = re.sub(r'<span class="(?:code|id)">.*?</span>', " ", html)
    parts = re.findall(r"<(?:p|li)\b[^>]*>(.*?)</(?:p|li)>", html, re.S)
    plain = [re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", "", p))).strip() for p in parts]
    return [s for p in plain for s in re.split(r"(?<=[.!?:])\s+", p) if re.search("[A-Za-z]", s)]


def grade(sentences):
    """Flesch-Kincaid grade level (Kincaid et al. 1975): 0.39 words per sentence + 11.8 syllables per word - 15.59."""
    pyphen = pytest.importorskip("pyphen")
    hyphens = pyphen.Pyphen(lang="en_US", left=1, right=1)

    def syllables(word):
        # a hyphen is not put everywhere where a syllable begins: the larger of two counts
        vowels = len(re.findall(r"[aeiouy]+", re.sub(r"e$", "", word))) or 1
        return max(len(hyphens.positions(word)) + 1, vowels)

    told = [w.lower() for s in sentences for w in re.findall(r"[A-Za-z'’]+|\d+", s)]
    return 0.39 * len(told) / len(sentences) + 11.8 * sum(map(syllables, told)) / len(told) - 15.59


@pytest.fixture(scope="module")
def strangers(model):
    wide = pd.DataFrame(
        {"clinical:age": [61.0, -1.0, 50.0], "clinical:cancer_type": ["melanoma", "melanoma", "lung adenocarcinoma"]},
        index=["p1", "p2", "p3"],
    )
    return Predictor(model, "0" * 64).score(wide, explained=True)


@pytest.fixture(scope="module")
def pages(scores, strangers):
    """One page of every state."""
    both = "the evidence does not separate: the 90% set holds both answers"
    response = changed(scores, "Pt1", decision="response", reason="", probability=0.34, lower=0.2, upper=0.51)
    against = changed(scores, "Pt1", decision="no_response", reason="", probability=0.08, lower=0.03, upper=0.2)
    return {
        "response": patient_view(response, "Pt1", SPEC, ABOUT),
        "no_response": patient_view(against, "Pt1", SPEC, ABOUT),
        "unclear": patient_view(changed(scores, "Pt1", decision="abstain", reason=both), "Pt1", SPEC, ABOUT),
        "missing": patient_view(strangers, "p1", SPEC, ABOUT),
        "refused": patient_view(strangers, "p2", SPEC, ABOUT),
        "outside": patient_view(strangers, "p3", SPEC, ABOUT),
        "pan": patient_view(response, "Pt1", INDICATIONS["pan_ici"], {}),
    }


def test_every_state_reads_at_grade_8_or_below(pages):
    grades = {name: grade(prose(page)) for name, page in pages.items()}
    assert max(grades.values()) <= 8, grades


def test_every_patient_of_a_cohort_reads_at_grade_8_or_below(scores):
    assert len(scores.table) == len(load_cohort("riaz2017_mel")) == 51
    grades = [grade(prose(patient_view(scores, i, SPEC, ABOUT))) for i in scores.table.patient_id]
    assert max(grades) <= 8


def test_the_grade_is_the_published_formula():
    assert grade(["The cat sat on the mat."]) == pytest.approx(0.39 * 6 + 11.8 * 1 - 15.59)
    hard = ["Immunohistochemical stratification necessitates multidisciplinary interpretation of heterogeneity."]
    assert grade(hard) > 12


def test_no_jargon_and_no_percent(pages):
    for name, page in pages.items():
        said = words(page).lower()
        assert [j for j in JARGON if j in said] == [], name
        assert "%" not in said, name
        assert not re.search(r"\bnan\b|\bnone\b|\bwill respond|\bcauses? response", said), name


def test_numbers_stand_with_an_answer_only(pages):
    for name, page in pages.items():
        if name in ("response", "no_response", "pan"):
            assert page.count('<g class="who-does') == 102, "100 figures and two in the legend"
            assert CALM not in page
        else:
            assert "out of 100" not in page.lower(), name
            assert "<rect" not in page
            assert CALM in page


def test_natural_frequencies_with_both_sides_and_the_range(pages):
    said = words(pages["response"])
    for wanted in (
        "Out of 100 people with results like yours, we expect that about 34 would respond and about 66 would not.",
        "The true number may be between 20 and 51.",
        "No one can say which of these 100 people you are.",
        "Some people with results like yours do not respond.",
    ):
        assert wanted in said
    label = re.search(r'role="img"[^>]*aria-label="([^"]*)"', pages["response"])[1]
    assert label.startswith("100 figures")
    assert "About 34 are filled in" in label
    assert "from figure 20 to figure 51" in label
    assert pages["response"].count('<g class="who-does"') == 35
    assert pages["response"].count("<rect") == 31
    assert "This does not mean that the drug cannot help you." in words(pages["no_response"])


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        ((0.001, 0.0, 0.02), "fewer than 1 would respond and more than 99 would not"),
        ((0.999, 0.97, 1.0), "more than 99 would respond and fewer than 1 would not"),
        ((0.4, np.nan, np.nan), "We do not know how far off this number may be"),
    ],
)
def test_ends_of_the_scale(scores, cells, wanted):
    odd = dict(zip(("probability", "lower", "upper"), cells, strict=True))
    page = patient_view(changed(scores, "Pt1", decision="response", reason="", **odd), "Pt1", SPEC, ABOUT)
    assert wanted in words(page)


@pytest.mark.parametrize("seed", range(50))
def test_counts_hold_the_number(seed):
    p, a, b = np.random.default_rng(seed).uniform(size=3)
    counted = of_a_hundred(Prediction("a", p, min(a, b, p), max(a, b, p)))
    assert 0 <= counted["low"] <= counted["n"] <= counted["high"] <= 100
    assert abs(counted["n"] - 100 * p) <= 0.5
    assert sum(f["responds"] for f in counted["figures"]) == counted["n"]
    assert sum(f["open"] for f in counted["figures"]) == counted["high"] - counted["low"]


def test_a_comparison_only_where_it_bears_the_answer_out(scores):
    usual = round(100 * scores.prior)
    above = changed(scores, "Pt1", decision="response", reason="", probability=0.6)
    assert f"about {usual} out of 100 did respond" in words(patient_view(above, "Pt1", SPEC, {}))
    assert "respond more often than most" in words(patient_view(above, "Pt1", SPEC, {}))
    odd = changed(scores, "Pt1", decision="response", reason="", probability=0.05)
    for other in (odd, replace(above, site=Recalibration(0.1, 1.0, "response rate given: 20%"))):
        said = words(patient_view(other, "Pt1", SPEC, {}))
        assert "than most" not in said
        assert "look more like those of people who did respond" in said


def test_what_was_looked_at_and_what_is_missing(scores, pages):
    first = scores.prediction("Pt1")
    assert first.blocks_missing == "mutations"
    said = words(pages["unclear"])
    assert "What is not known How many changes there are in the genes of your cancer." in said
    assert "no sign for or against you" in said
    assert "how active some genes are" in said, "mRNA stands in for a stain"
    assert "to give an answer, the tool needs" in words(pages["missing"]).lower()
    assert "made for people with melanoma" in words(pages["outside"])
    assert "THX-D15" in words(pages["refused"])


def test_each_state_has_questions_of_its_own(pages):
    asked = {n: tuple(re.findall(r"<li>([^<]*\?)</li>", p)) for n, p in pages.items()}
    assert all(5 <= len(q) <= 8 for q in asked.values())
    assert len({asked[n] for n in ("response", "unclear", "missing", "outside", "refused")}) == 5
    assert all(q.endswith("?") and grade([q]) <= 8 for found in asked.values() for q in found)


def test_every_block_and_indication_has_plain_words():
    assert set(BLOCKS_IN_WORDS) >= set(BLOCKS)
    assert len({title_in_words(s) for s in INDICATIONS.values()}) == len(INDICATIONS)


def test_states_follow_the_reasons_of_the_model(scores, strangers):
    told = [state_of(r.decision, r.reason) for r in scores.table.itertuples()]
    assert set(told) == {"answered", "unclear"}
    assert [state_of(r.decision, r.reason) for r in strangers.table.itertuples()] == ["missing", "outside"]
    assert state_of("abstain", "signatures covers 40% of what the model reads; tested with 80% or more") == "missing"
    assert state_of("response", "out of domain: x") == "outside"


def test_strangers_and_hostile_ids(scores):
    with pytest.raises(ModelError, match="no such patient"):
        patient_view(scores, "nobody", SPEC, ABOUT)
    html = patient_view(renamed(scores, "Pt1", HOSTILE), HOSTILE, SPEC, ABOUT)
    assert "<script" not in html
    assert "<img" not in html
    assert not loads(html)
    assert "default-src 'none'" in html


def test_in_a_browser_on_paper_and_for_everybody(browser, pages, tmp_path):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    for name, html in pages.items():
        path = Path(tmp_path, f"{name}.html")
        path.write_text(html, "utf-8")
        for scheme, width in (("light", 1000), ("dark", 1000), ("light", 360)):
            page, trouble = visit(browser, path, color_scheme=scheme, viewport={"width": width, "height": 800})
            found = axe.run(page).response
            assert len(found["passes"]) > 10
            assert [v["id"] for v in found["violations"] if v["impact"] in ("serious", "critical")] == []
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert page.locator("h2#answer").bounding_box()["y"] < 400
            assert float(page.evaluate("parseFloat(getComputedStyle(document.body).fontSize)")) >= 18
            assert not trouble
        printed = page.pdf(prefer_css_page_size=True)
        assert 1 <= len(re.findall(rb"/Type\s*/Page[^s]", printed)) <= 2
        page.context.close()
