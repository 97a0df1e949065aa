"""The report: adds up as printed, treats every id as hostile, loads nothing, says what is not known."""

import re
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from reports import ABOUT, HOSTILE, SPEC, TABLE, VALIDATION, changed, loads, renamed, row, withheld, words

from theracast.errors import ModelError, SetupError
from theracast.models.validate import Validation
from theracast.predict.predictor import Predictor
from theracast.predict.report.frame import write_page
from theracast.predict.report.page import cohort_page, patient_page
from theracast.predict.report.plots import contributions, forest, overview, to_png, to_svg
from theracast.predict.report.printed import Printed, apportion, value_in


def test_every_patient_adds_up_as_printed(scores):
    e = scores.explanation
    for patient in e.points.index:
        p = Printed.of(e, patient)
        change = 10 * (p.prediction - p.reference)
        assert (10 * p.blocks).sum() == pytest.approx(change, abs=1e-6)
        assert (10 * p.features).sum() == pytest.approx(change, abs=1e-6)
        assert np.allclose(p.features, 100 * e.points.loc[patient], atol=0.1 + 1e-9)
        assert np.allclose(p.blocks, 100 * e.by_block().loc[patient], atol=0.1 + 1e-9)
        assert p.prediction == pytest.approx(100 * e.probability[patient], abs=0.05 + 1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_apportion_keeps_total_and_rounds_to_a_neighbour(seed):
    exact = pd.Series(np.random.default_rng(seed).normal(0, 20, 1 + seed))
    got = apportion(exact, round(exact.sum()))
    assert got.sum() == round(exact.sum())
    assert ((got - exact).abs() < 1).all()
    assert apportion(pd.Series([0.0, 0.6, -1e-18, 0.6]), 1).tolist() == [0, 1, 0, 0]  # nothing stays nothing


def test_the_sum_on_the_page_holds(scores):
    for patient in scores.table.patient_id[:12]:
        table = re.search(r'<table class="steps">(.*?)</table>', patient_page(scores, patient, SPEC, {}), re.S)[1]
        cells = re.findall(r'<td class="n">([^<]*)</td></tr>', table)
        start, *parts, end = (float(c.replace("−", "-").rstrip("%")) for c in cells)
        assert round(start + sum(parts), 1) == end


def test_patient_page_says_the_answer_and_everything_behind_it(scores):
    text = words(patient_page(scores, "Pt1", SPEC, ABOUT))
    for wanted in (
        SPEC.intended_use,
        SPEC.not_for,
        "mRNA proxy",
        "PD-L1 from CD274 mRNA, not from a stain",
        "mutations: Mutations of the tumour",  # this patient has none
        "models:/melanoma_ici@champion",
        scores.table.provenance[0],
        "cd" * 32,
        "Never trained on: mgh2022_mel",
        "too few for a claim",
        ".67 (.60–.74)",
        "2026-01-31",
    ):
        assert wanted in text
    assert f"{100 * scores.table.probability[0]:.0f}%" in text


def test_without_anything_known_of_the_model_its_sections_are_left_out(scores):
    text = words(patient_page(scores, "Pt1", SPEC, {}))
    assert not re.search("cohorts it had not seen|Trained at", text)
    assert "What it rests on" in text


@pytest.mark.parametrize(
    ("cells", "wanted"),
    [
        (
            {"decision": "abstain", "reason": "none of pathology is known"},
            "The model abstains: none of pathology is known",
        ),
        ({"decision": "response", "reason": ""}, "The evidence speaks for response"),
        ({"decision": "no_response", "reason": ""}, "The evidence speaks against response"),
    ],
)
def test_each_decision_in_plain_words(scores, cells, wanted):
    assert wanted in words(patient_page(changed(scores, "Pt1", **cells), "Pt1", SPEC, ABOUT))


def test_a_decision_against_the_points_is_explained(scores):
    higher = scores.explanation.probability > scores.explanation.reference + 0.01
    patient = higher[higher].index[0]
    odd = changed(scores, patient, decision="no_response", reason="")
    assert "The points below start elsewhere" in words(patient_page(odd, patient, SPEC, ABOUT))


def test_nothing_known_gives_a_page_without_a_number(model):
    stranger = pd.DataFrame({"clinical:age": [61.0, np.nan]}, index=["p1", "p2"])
    scores = Predictor(model, "0" * 64).score(stranger, explained=True)
    empty = changed(scores, "p2", probability=np.nan, lower=np.nan, upper=np.nan, decision="abstain", reason="nothing")
    text = words(patient_page(withheld(empty, "p2"), "p2", SPEC, ABOUT))
    assert "There is no probability for this patient" in text
    assert "There is no prediction to explain" in text
    assert not re.search(r"\bnan\b|\bnan%", text)
    assert "no probability" in words(cohort_page(withheld(empty, "p2"), SPEC, ABOUT))


def test_withheld_and_unasked_explanations_say_so(scores):
    assert "The explanation is withheld" in words(patient_page(withheld(scores, "Pt1"), "Pt1", SPEC, ABOUT))
    assert "No explanation was asked for" in words(patient_page(replace(scores, explanation=None), "Pt1", SPEC, ABOUT))
    assert "No explanation was asked for" in words(cohort_page(replace(scores, explanation=None), SPEC, ABOUT))


def test_a_refused_patient_has_a_page_and_a_stranger_has_none(model):
    wide = pd.DataFrame({"clinical:age": [61.0, -1.0]}, index=["p1", "p2"])
    scores = Predictor(model, "0" * 64).score(wide, explained=True)
    text = words(patient_page(scores, "p2", SPEC, ABOUT))
    assert "refused" in text
    assert "THX-D15" in text
    assert "THX-D15" in words(cohort_page(scores, SPEC, ABOUT))
    with pytest.raises(ModelError, match="no such patient"):
        patient_page(scores, "p3", SPEC, ABOUT)


def test_hostile_ids_and_notes_are_inert(scores):
    bad = changed(renamed(scores, "Pt1", HOSTILE), HOSTILE, notes="<b onclick=alert(3)>bold</b>", reason=HOSTILE)
    bad = replace(
        bad, rejects=pd.DataFrame([{"row": 52, "patient_id": HOSTILE, "code": "X", "reason": HOSTILE}]), rows_in=52
    )
    about = ABOUT | {"validation": [row(HOSTILE, "theracast", 0.6)], "trained_at": HOSTILE, "data": {HOSTILE: HOSTILE}}
    for html in (patient_page(bad, HOSTILE, SPEC, about), cohort_page(bad, SPEC, about)):
        assert "<script>alert" not in html
        assert "<img" not in html
        assert "<b onclick" not in html
        assert "&lt;script&gt;alert(1)" in html
        assert not loads(html)
        assert len(re.findall(r"<script", html)) <= 2  # table.js and hover.js alone


def test_pages_load_nothing_and_are_small(scores):
    for html in (patient_page(scores, "Pt1", SPEC, ABOUT), cohort_page(scores, SPEC, ABOUT)):
        assert not loads(html)
        assert "default-src 'none'" in html
        assert len(html.encode()) < 2_000_000
        links = re.findall(r'<a [^>]*href="(http[^"]*)"', html)
        assert links == [f"https://doi.org/{r}" for r in SPEC.references]
        ids = re.findall(r'\sid="([^"]+)"', html)
        assert len(ids) == len(set(ids))


def test_cohort_page_lists_every_row_and_the_account(scores):
    repeat = replace(scores, table=pd.concat([scores.table, scores.table.iloc[[0]]]), rows_in=scores.rows_in + 1)
    html = cohort_page(repeat, SPEC, ABOUT)
    assert html.count("<tr data-decision=") == len(scores.table) + 1
    assert html.count('<details id="p') == len(scores.table)
    assert html.count('href="#p1"') == 2  # the repeat leads to the same patient
    assert f"{repeat.rows_in}rows in" in words(html).replace(" rows in", "rows in")
    with pytest.raises(ModelError, match="rows were lost"):
        cohort_page(replace(scores, rows_in=99), SPEC, ABOUT)


def test_figures_are_deterministic_and_take_the_ink_of_the_page(scores, tmp_path):
    e = scores.explanation
    for figure in (forest(VALIDATION), contributions(e, "Pt10"), overview(VALIDATION, e, "Pt10")):
        svg = to_svg(figure, 'a "label" <b>')
        assert svg == to_svg(figure, 'a "label" <b>')
        assert svg.startswith('<svg role="img" aria-label="a &quot;label&quot; &lt;b&gt;"')
        assert "currentColor" in svg
        assert "<text" in svg
        assert "#767676" not in svg
        assert "<style" not in svg
    to_png(overview(VALIDATION, e, "Pt10"), tmp_path / "o.png")
    head = (tmp_path / "o.png").read_bytes()[16:20]
    assert int.from_bytes(head, "big") == 1600


def test_forest_says_cohort_size_and_interval():
    svg = unescape(to_svg(forest(VALIDATION), "x"))
    for wanted in (
        "first_mel",
        "n 40: 13 R, 27 NR",
        ".66 (.56–.76)",
        "not estimable",
        "random-effects mean",
        "no claim",
    ):
        assert wanted in svg
    only = Validation(pd.DataFrame(), pd.DataFrame(TABLE[:1]), pd.DataFrame())
    assert "random-effects" not in to_svg(forest(only), "x")


def test_contributions_add_up_in_the_figure(scores):
    e = scores.explanation
    svg = to_svg(contributions(e, "Pt10", top=3), "x").replace("−", "-")
    drawn = [float(t) for t in re.findall(r">([+-]\d+\.\d|0\.0)</text>", svg)]
    p = Printed.of(e, "Pt10")
    assert len(drawn) == 4
    assert sum(drawn) == pytest.approx(p.prediction - p.reference)
    assert "other 13 features" in svg
    assert "withheld" in to_svg(contributions(withheld(scores, "Pt10").explanation, "Pt10"), "x")


def test_writing_replaces_whole_files_or_nothing(tmp_path):
    page = write_page("old", tmp_path / "p.html")
    assert write_page("nëw", page).read_text("utf-8") == "nëw"
    assert [f.name for f in tmp_path.iterdir()] == ["p.html"]
    with pytest.raises(SetupError, match="cannot be written"):
        write_page("x", page / "p.html")


def test_a_yes_or_no_that_is_not_known_is_a_dash():
    assert [value_in("0/1", v) for v in (1.0, 0.0, np.nan)] == ["yes", "no", "–"]


def test_text_stands_out_in_both_schemes():
    """Contrast of text on its ground, as WCAG 2.2 counts it; AA asks 4.5."""
    css = Path(__file__).parents[2].joinpath("predict/report/style.css").read_text("utf-8")
    for block in re.findall(r"--paper:.*?}", css, re.S):
        ink = dict(re.findall(r"--(\w+): (#\w+);", block))
        for name, ground in (
            ("ink", "paper"),
            ("soft", "paper"),
            ("link", "paper"),
            ("ink", "panel"),
            ("soft", "panel"),
            ("warn", "panel"),
        ):
            assert contrast(ink[name], ink[ground]) >= 4.5


def contrast(a, b):
    def light(colour):
        colour = colour.lstrip("#")
        colour = "".join(2 * c for c in colour) if len(colour) == 3 else colour
        c = np.array([int(colour[i : i + 2], 16) / 255 for i in (0, 2, 4)])
        return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    high, low = sorted((light(a), light(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)
