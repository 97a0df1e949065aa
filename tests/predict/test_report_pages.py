"""The report of a cohort as a folder; what is told around a prediction; small files; hostile names everywhere."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reports import ABOUT, HOSTILE, SPEC, changed, loads, renamed, visit, words

from theracast.errors import ModelError
from theracast.predict.records import Scores
from theracast.predict.report.page import cohort_page, patient_page
from theracast.predict.report.pages import write_pages
from theracast.predict.report.patient_facts import Around, share_in_words

#: Right to left, an override of direction, a path, a name of no end, and markup.
NAMES = ["שלום עולם", "\u202eevil", "../../etc/passwd", "x" * 5000, HOSTILE, "con", "a/b", ""]


def around(patient, block="mutations", about="Mutations", note=""):
    opened = pd.DataFrame(
        [{"patient_id": patient, "block": block, "about": about, "probability": 0.4, "lower": 0.31, "upper": 0.58,
          "swing": 0.08, "decides": 0.26, "note": note}]
    )  # fmt: skip
    changes = pd.DataFrame(
        [{"feature": "clinical__nlr", "about": about, "unit": "ratio", "value": 9.1, "to": 3.4, "probability": 0.4,
          "changed": 0.46, "points": 0.06}]
    )  # fmt: skip
    changes.attrs["note"] = "An association." + note
    alike = pd.DataFrame(
        {"n": [20], "responders": [8], "rate": [0.4], "lower": [0.22], "upper": [0.61], "note": [note]}, index=[patient]
    )
    return Around(opened, {patient: changes}, alike)


def test_what_is_open_what_would_change_and_who_is_alike_stand_on_the_page(scores):
    open_ = changed(
        scores, "Pt1", decision="abstain", reason="the evidence does not separate", blocks_missing="mutations"
    )
    text = words(patient_page(open_, "Pt1", SPEC, ABOUT, around=around("Pt1")))
    assert "the probability could land between 31% and 58%; it would settle the answer in 1 of 4." in text
    assert "NLR 9.1 ratio → 3.4 ratio: 46% (+6.0 points)" in text
    assert "Of the 20 most alike of the training cohorts 8 responded (40%, 95% interval 22% to 61%)." in text
    sure = changed(open_, "Pt1", decision="response", reason="")
    assert "one answer would be left in 1 of 4" in words(patient_page(sure, "Pt1", SPEC, ABOUT, around=around("Pt1")))
    strange = changed(open_, "Pt1", reason="out of domain: the tumour type is renal")
    text = words(patient_page(strange, "Pt1", SPEC, ABOUT, around=around("Pt1")))
    assert "would settle" not in text
    assert "most alike" not in text
    assert "What would change it" not in text
    assert "could land" not in text
    assert "Against response" not in text, "what the model was not made for is evidence of nothing"


def test_what_is_not_known_is_said_and_never_a_number(scores):
    known = around("Pt1", note="too few training patients had this block")
    known.open[["lower", "upper", "swing", "decides"]] = np.nan
    known.similar[["n", "responders", "rate", "lower", "upper"]] = [3, np.nan, np.nan, np.nan, np.nan]
    nothing = known.changes["Pt1"].iloc[:0]
    nothing.attrs["note"] = "The model reads nothing that can be changed on purpose."
    known = replace(known, changes={"Pt1": nothing})
    bare = changed(scores, "Pt1", blocks_missing="mutations")
    text = words(patient_page(bare, "Pt1", SPEC, ABOUT, around=known))
    assert "Mutations of the tumour, as burden. Too few training patients had this block." in text
    assert "The model reads nothing that can be changed on purpose." in text
    assert "could land" not in text
    assert "responded (" not in text
    assert not re.search(r"\bnan\b|\bnan%", text)


@pytest.mark.parametrize(
    ("share", "wanted"), [(0.0, "hardly ever"), (0.03, "in 1 of 10"), (0.5, "in 1 of 2"), (0.72, "in 7 of 10"),
                          (0.76, "in 3 of 4"), (0.98, "almost always")],
)  # fmt: skip
def test_a_share_is_said_as_people_count(share, wanted):
    assert share_in_words(share) == wanted


def test_evidence_stands_beside_counter_evidence_and_noise_is_not_narrated(model):
    from theracast.features.datasets import load_cohort
    from theracast.predict.predictor import Predictor

    told = Predictor(model, "0" * 64).score(load_cohort("riaz2017_mel"), explained=True, spread=True)
    firm = told.explanation.firm()
    for patient in firm.index[:8]:
        html = patient_page(told, patient, SPEC, ABOUT)
        for name, clear in firm.loc[patient].items():
            points = told.explanation.points.loc[patient, name]
            if abs(points) < 0.002 or clear:
                continue
            for side in ("for", "against"):
                lines = re.search(rf'<div class="side {side}">(.*?)</div>', html, re.S)[1]
                assert f">{name.split('__')[1].replace('_', ' ')} " not in lines
        assert "is the noise of training" in words(html)
    one = replace(told.explanation, directions=dict.fromkeys(firm.columns, 1) | dict.fromkeys(firm.columns[::2], -1))
    pages = [patient_page(replace(told, explanation=one), p, SPEC, ABOUT) for p in firm.index[:8]]
    assert any('<span class="flag">against expectation' in html for html in pages)
    assert all("Moved the number, but is no evidence" in html for html in pages if 'class="flag">against' in html)


@pytest.mark.parametrize(
    ("address", "linked"),
    [("https://example.org/card?v=3", True), ("cards/melanoma_ici.html", True), ("javascript:alert(1)", False),
     ("data:text/html,x", False), (HOSTILE, False), ("//evil.example/x.html", False), ("", False)],
)  # fmt: skip
def test_a_model_card_is_linked_where_its_address_is_one(scores, address, linked):
    html = patient_page(scores, "Pt1", SPEC, ABOUT | {"card_url": address})
    assert ("Model card" in html) == linked
    assert not loads(html)


@pytest.fixture(scope="module")
def few(scores):
    return replace(scores, table=scores.table.iloc[: len(NAMES) + 2], rows_in=len(NAMES) + 2)


def test_a_folder_has_an_index_and_a_page_for_each_patient(few, tmp_path):
    rejects = pd.DataFrame([{"row": 52, "patient_id": "refused", "code": "THX-D15", "reason": "age is -1"}])
    told = []
    all_ = replace(few, rejects=rejects, rows_in=len(few.table) + 1)
    index = write_pages(tmp_path / "new", all_, SPEC, ABOUT, progress=lambda done, of: told.append((done, of)))
    html, n = index.read_text("utf-8"), len(few.table) + 1
    assert sorted(f.name for f in index.parent.iterdir()) == [
        "index.html",
        *(f"patient-{i:02d}.html" for i in range(1, n + 1)),
    ]
    assert told == [(i, n + 1) for i in range(1, n + 2)]
    links = dict(re.findall(r'<a href="(patient-\d+\.html)">([^<]*)</a>', html))
    assert len(links) == n
    for file, patient in links.items():
        page = (index.parent / file).read_text("utf-8")
        assert f'<span class="id">{patient}</span>' in page
        assert 'href="index.html"' in page
    assert 'id="p1"' not in html


def test_ids_never_become_paths_and_are_inert(few, tmp_path):
    bad = few
    for old, new in zip(few.table.patient_id[: len(NAMES)], NAMES, strict=True):
        bad = renamed(bad, old, new)
    index = write_pages(tmp_path / "out" / "in", bad, SPEC, ABOUT)
    assert {f.parent for f in tmp_path.rglob("*.html")} == {index.parent}
    assert all(re.fullmatch(r"index\.html|patient-\d\d\.html", f.name) for f in tmp_path.rglob("*.html"))
    for file in index.parent.iterdir():
        html = file.read_text("utf-8")
        assert not loads(html)
        assert "<img" not in html
        assert "<script>alert" not in html
    with pytest.raises(ModelError, match="rows were lost"):
        write_pages(tmp_path / "lost", replace(few, rows_in=99), SPEC, ABOUT)
    assert not (tmp_path / "lost").exists()


def test_hostile_names_in_every_new_part(browser, scores, tmp_path):
    e = scores.explanation
    first = e.points.columns[0]
    block = first.split("__")[0]
    bad = renamed(changed(scores, "Pt1", blocks_missing=HOSTILE), "Pt1", HOSTILE)
    e = bad.explanation
    hostile = replace(
        bad,
        explanation=replace(
            e,
            cohort=HOSTILE,
            studies=pd.Series(HOSTILE, index=e.points.index),
            about=e.about | {first: HOSTILE},
            units=e.units | {first: HOSTILE},
            pathways=dict.fromkeys(e.points.columns, HOSTILE),
        ),
    )
    known = around(HOSTILE, block=HOSTILE, about=HOSTILE, note=HOSTILE)
    pages = (
        patient_page(hostile, HOSTILE, SPEC, ABOUT, around=known, back=HOSTILE),
        cohort_page(hostile, SPEC, ABOUT),
        cohort_page(hostile, SPEC, ABOUT, links=dict.fromkeys(hostile.table.patient_id, HOSTILE)),
    )
    assert block
    for at, html in enumerate(pages):
        assert "<img" not in html
        assert "<script>alert" not in html
        assert len(re.findall("<script", html)) <= 2
        file = tmp_path / f"{at}.html"
        file.write_text(html, encoding="utf-8")
        page, trouble = visit(browser, file, viewport={"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not trouble
        page.context.close()


def test_patients_who_are_called_like_blocks_are_patients(scores):
    blocks = scores.explanation.by_block()
    bad = scores
    for old, new in zip(scores.table.patient_id, blocks.columns, strict=False):
        bad = renamed(bad, old, new)
    assert np.array_equal(bad.explanation.by_block(), blocks)
    html = cohort_page(bad, SPEC, ABOUT)
    assert html.count("<tr data-decision=") == len(scores.table)


def many(scores, n):
    """The same patients again and again under other names."""
    at = np.arange(n) % len(scores.table)
    names = [f"patient-{i:04d}" for i in range(n)]
    e = scores.explanation
    rows = {
        k: getattr(e, k).iloc[at].set_axis(names) for k in ("probability", "reference", "points", "values", "proxy")
    }
    rows |= {k: getattr(e, k).iloc[at].set_axis(names) for k in ("percentile", "residual", "studies")}
    table = scores.table.iloc[at].assign(patient_id=names).reset_index(drop=True)
    return Scores(table, scores.rejects, n, replace(e, **rows), prior=scores.prior)


def test_pages_are_small(scores):
    assert len(cohort_page(many(scores, 121), SPEC, ABOUT).encode()) < 2_000_000
    large = many(scores, 500)
    links = {p: f"patient-{i:03d}.html" for i, p in enumerate(large.table.patient_id)}
    assert len(cohort_page(large, SPEC, ABOUT, links=links).encode()) < 2_000_000
    assert len(patient_page(scores, "Pt10", SPEC, ABOUT).encode()) < 500_000
