"""The packet: what is open stays open and is listed, an abstention argues for nothing, and a document is a document."""

import io
import re
import zipfile
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reports import ABOUT, SPEC, changed, findings, loads, visit, words

from theracast.errors import DataError, ModelError, SetupError, UsageError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.recalibration import Recalibration
from theracast.predict.packet.checks import MET, NOT_MET, OPEN, check_criteria
from theracast.predict.packet.criteria import PayerCriteria, Person
from theracast.predict.packet.document import LANGUAGE, to_docx, to_html
from theracast.predict.packet.packet import fill_packet
from theracast.predict.packet.sections import BLANK
from theracast.predict.predictor import Predictor

PERSON = Person(simulated=True, name="Simulated Patient", clinic="Simulated Clinic", date_of_birth="1960-01-01")
STAINED = pd.DataFrame(
    {
        "clinical:age": [61.0, 17.0, 50.0, 44.0],
        "clinical:cancer_type": ["melanoma", "melanoma", "Lung adenocarcinoma", "melanoma"],
        "clinical:ecog": [1.0, 3.0, np.nan, 0.0],
        "clinical:word": ["<b>x</b>", "unknown", "=1+1", "b"],
        "pathology:pdl1": ["60", "0", "1-49%", np.nan],
        "pathology:pdl1_unit": ["22C3 TPS %", "22C3 TPS %", "22C3 TPS %", np.nan],
        "mutations:tmb": [20.0, 2.0, np.nan, 10.0],
        "mutations:tmb_unit": ["mut/Mb", "mut/Mb", np.nan, "mut/Mb"],
    },
    index=["p1", "p2", "p3", "p4"],
)


def asked(*rules, **fields):
    criteria = [{"id": f"c{n}", "text": f"criterion {n}", "source": "s", "rule": r} for n, r in enumerate(rules)]
    told = {"payer": "a payer", "policy": "p-1", "drug": "nivolumab", "indication": "melanoma", "source": "s"} | fields
    return PayerCriteria(**told, criteria=criteria)


@pytest.fixture(scope="module")
def stained(model):
    cohort = Cohort.from_wide(STAINED, name="stained")
    return cohort, Predictor(model, "0" * 64, uri="m", version="1").score(cohort, explained=True)


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    file = tmp_path_factory.mktemp("payer") / "payer.yaml"
    file.write_text(PayerCriteria.example_file(), "utf-8")
    return PayerCriteria.from_yaml(file)


@pytest.fixture
def answered(scores):
    return changed(scores, "Pt1", decision="response", reason="", probability=0.62, lower=0.5, upper=0.74)


def filled(scores, example, person=PERSON, about=ABOUT, patient="Pt1"):
    return fill_packet(example, scores, load_cohort("riaz2017_mel"), patient, SPEC, about, person)


def status(stained, patient, rule):
    cohort, scores = stained
    (check,) = check_criteria(asked(rule), cohort, scores.matrix, patient)
    return check.status, check.found


# ---------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("patient", "rule", "wanted", "why"),
    [
        ("p1", {"table": "clinical", "column": "ecog", "at_most": 1}, MET, "clinical: ecog is 1"),
        ("p2", {"table": "clinical", "column": "ecog", "at_most": 1}, NOT_MET, "clinical: ecog is 3"),
        ("p3", {"table": "clinical", "column": "ecog", "at_most": 1}, OPEN, "not known"),
        ("p1", {"table": "clinical", "column": "age", "at_least": 18, "unit": "years"}, MET, "61 years"),
        ("p2", {"table": "clinical", "column": "age", "at_least": 18}, NOT_MET, "17"),
        ("p1", {"table": "clinical", "column": "age", "at_least": 18, "unit": "months"}, OPEN, "not compared"),
        ("p1", {"table": "clinical", "column": "cancer_type", "one_of": ["Melanoma "]}, MET, "melanoma"),
        ("p3", {"table": "clinical", "column": "cancer_type", "one_of": ["melanoma"]}, NOT_MET, "Lung"),
        ("p2", {"table": "clinical", "column": "word", "one_of": ["b"]}, OPEN, "not known"),
        ("p1", {"table": "clinical", "column": "word", "at_least": 1}, OPEN, "no plain number"),
        ("p1", {"table": "clinical", "column": "ecog", "one_of": [0, 1]}, MET, "is 1"),
        ("p1", {"table": "clinical", "column": "no_such", "at_least": 1}, OPEN, "no column clinical: no_such"),
        ("p1", {"table": "no_such", "column": "x", "at_least": 1}, OPEN, "no column no_such: x"),
        ("p1", {"table": "pathology", "column": "pdl1", "at_least": 1, "unit": "22C3 TPS %"}, MET, "60"),
        ("p2", {"table": "pathology", "column": "pdl1", "at_least": 1, "unit": "22c3 tps%"}, NOT_MET, "0"),
        ("p1", {"table": "pathology", "column": "pdl1", "at_least": 1, "unit": "CPS"}, OPEN, "criterion in CPS"),
        ("p1", {"table": "pathology", "column": "pdl1", "at_least": 1}, OPEN, "the criterion has no unit"),
        ("p3", {"table": "pathology", "column": "pdl1", "at_least": 1, "unit": "22C3 TPS %"}, OPEN, "plain number"),
        ("p1", {"feature": "mutations__tmb", "at_least": 10, "unit": "mut/Mb"}, MET, "TMB 20 mut/Mb"),
        ("p2", {"feature": "mutations__tmb", "at_least": 10, "unit": "mut/Mb"}, NOT_MET, "TMB 2 mut/Mb"),
        ("p3", {"feature": "mutations__tmb", "at_least": 10, "unit": "mut/Mb"}, OPEN, "not known"),
        ("p4", {"feature": "mutations__tmb", "at_least": 10, "unit": "mut/Mb"}, MET, "TMB 10 mut/Mb"),
        ("p1", {"feature": "mutations__tmb", "at_least": 10, "unit": "mutations"}, OPEN, "not compared"),
        ("p1", {"feature": "mutations__tmb", "at_least": 10}, OPEN, "the criterion has no unit"),
        ("p1", {"feature": "pathology__pdl1", "at_least": 1, "unit": "%"}, OPEN, "in position 0-1"),
        ("p1", {"feature": "pathology__pdl1", "at_least": 0.5, "unit": "position 0-1"}, MET, "PD-L1"),
        ("p3", {"feature": "pathology__pdl1", "at_least": 0.1, "unit": "position 0-1"}, OPEN, "range"),
        ("p1", {"feature": "ctdna__slope", "at_least": 0, "unit": ""}, OPEN, "does not measure"),
        ("p1", {"attested_by": "clinician"}, OPEN, "clinician"),
    ],
)
def test_each_rule(stained, patient, rule, wanted, why):
    got, found = status(stained, patient, rule)
    assert got == wanted, found
    assert why in found


def test_a_stand_in_meets_nothing_and_fails_nothing(scores):
    assert scores.matrix.proxies["pathology__pdl1"]["Pt1"]
    for rule in ({"at_least": 0.0}, {"at_least": 1.0}, {"at_most": 0.0}):
        one = asked({"feature": "pathology__pdl1", "unit": "position 0-1"} | rule)
        (check,) = check_criteria(one, load_cohort("riaz2017_mel"), scores.matrix, "Pt1")
        assert check.status == OPEN
        assert "stand-in" in check.found


@pytest.mark.parametrize(
    ("limit", "rule", "wanted"),
    [
        (-1, {"at_least": 30}, NOT_MET),
        (-1, {"at_least": 10}, OPEN),
        (-1, {"at_most": 30}, MET),
        (-1, {"at_most": 10}, OPEN),
        (1, {"at_least": 10}, MET),
        (1, {"at_least": 30}, OPEN),
        (1, {"at_most": 10}, NOT_MET),
        (1, {"at_least": 10, "at_most": 30}, OPEN),
    ],
)
def test_a_limit_of_the_assay_tells_what_it_can(stained, limit, rule, wanted):
    cohort, scores = stained
    limits = pd.DataFrame({"mutations__tmb": [limit, 0, 0, 0]}, index=scores.matrix.values.index)
    one = asked({"feature": "mutations__tmb", "unit": "mut/Mb"} | rule)
    assert check_criteria(one, cohort, replace(scores.matrix, limits=limits), "p1")[0].status == wanted


def test_tables_of_events_are_for_a_person():
    cohort = Cohort.from_tables(
        {
            "clinical": pd.DataFrame({"age": [61.0]}, index=["p"]),
            "glucose": pd.DataFrame({"patient_id": ["p"], "time": ["2026-01-01 10:00"], "glucose": [99.0]}),
        }
    )
    (check,) = check_criteria(asked({"table": "glucose", "column": "glucose", "at_least": 1}), cohort, None, "p")
    assert check.status == OPEN


@pytest.mark.parametrize("feature", ["mutations__tbm", "mutation__tmb"])
def test_a_misspelt_feature_is_an_error_and_not_open_for_ever(stained, feature):
    with pytest.raises(UsageError, match="criterion c0"):
        status(stained, "p1", {"feature": feature, "at_least": 1})


# ---------------------------------------------------------------- what is in it


def text_of(packet):
    return "\n".join(" | ".join(line) for _, parts in packet.sections for part in parts for line in part.lines)


def test_every_open_field_is_listed_at_the_end(scores, example):
    nameless = changed(scores, "Pt1", model_uri="", model_version="", provenance="")
    for given, person, about in (
        (scores, Person(), {}),
        (scores, PERSON, ABOUT),
        (scores, Person(), ABOUT),
        (nameless, Person(), {}),
    ):
        packet = filled(given, example, person, about)
        heading, (last,) = packet.sections[-1]
        assert heading == "Left for you to fill in"
        assert [line[0] for line in last.lines] == list(packet.open)
        blanks = sum(c.startswith(BLANK) for _, parts in packet.sections for p in parts for x in p.lines for c in x)
        other = sum(c.status == OPEN for c in packet.checks) + 1  # whether the drug is one of the model's
        assert len(packet.open) == blanks + other
        assert len(set(packet.open)) == len(packet.open)


def test_nothing_is_invented(scores, example):
    """Every entry of the request was given, or is open."""
    packet = filled(scores, example, Person())
    rows = dict(packet.sections[0][1][-1].lines[1:])
    given = {example.payer, example.policy, example.drug, example.indication, example.source, "Pt1"}
    assert set(rows.values()) == given | {BLANK}
    assert rows["Patient's name"] == BLANK


def test_an_answer_with_its_interval_its_counter_evidence_and_its_sources(answered, example):
    packet = filled(answered, example)
    said = text_of(packet)
    assert packet.answered
    for wanted in (
        "Probability of response | 62%",
        "80% interval | 50% to 74%",
        "the evidence speaks for response",
        "For response:",
        "Against response:",
        "https://doi.org/10.1016/j.cell.2016.02.065",
        "first_mel | 40 (13 / 27) | .66 (.56–.76)",
        "too few for a claim",
        SPEC.intended_use,
        SPEC.not_for,
        answered.table.provenance[0],
        "cd" * 32,
        "does not say that the treatment is necessary",
        "The details of the person are simulated.",
        "They are no payer's policy.",
    ):
        assert wanted in said
    heads = [h for h, _ in packet.sections]
    assert heads.index("What the prediction rests on") == heads.index("What the model says") + 1


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        ("none of pathology, signatures is known", "The model abstains: none of pathology, signatures is known."),
        (
            "out of domain: the tumour type is renal, the model is of melanoma",
            "The patient is out of domain: the tumour",
        ),
    ],
)
def test_without_an_answer_there_is_no_argument(scores, example, reason, wanted):
    silent = changed(scores, "Pt1", decision="abstain", reason=reason)
    packet = filled(silent, example)
    said = text_of(packet)
    assert not packet.answered
    assert said.count(wanted) == 2, "at the head of the packet, and where the prediction would stand"
    assert "Nothing in this packet argues from the model" in said
    assert not re.search(r"Probability|\bpoints\b|interval \|", said)
    assert f"{100 * scores.table.probability[0]:.0f}%" not in said.replace("90% set", "")
    assert "What the prediction rests on" not in [h for h, _ in packet.sections]


def test_no_promise_and_no_cause(answered, example):
    said = text_of(filled(answered, example)).lower()
    assert not re.search(
        r"will (work|respond|benefit)|medically necessary|causes?\b|guarantee|should be approved", said
    )


def test_a_withheld_explanation_is_no_evidence(answered, example):
    points = answered.explanation.points.copy()
    points.loc["Pt1"] = np.nan
    packet = filled(replace(answered, explanation=replace(answered.explanation, points=points)), example)
    assert "its explanation is withheld" in text_of(packet)


def test_a_patient_of_a_training_study_is_pointed_out(answered, example):
    assert "was trained on. If this patient" not in text_of(filled(answered, example))
    seen = replace(answered, explanation=replace(answered.explanation, cohort="liu2019_mel, riaz2017_mel"))
    assert "was trained on. If this patient" in text_of(filled(seen, example))


def test_the_response_rate_is_told_or_open(answered, example):
    told = replace(answered, site=Recalibration(0.1, 1.0, "response rate given: 20%"))
    assert "Response rate it rests on | response rate given: 20%" in text_of(filled(told, example))
    silent = filled(replace(answered, prior=float("nan")), example)
    assert f"Response rate it rests on | {BLANK}" in text_of(silent)
    assert "Response rate that the prediction rests on" in silent.open


def test_a_refused_patient_a_stranger_and_bare_scores(model, scores, example):
    wide = Cohort.from_wide(pd.DataFrame({"clinical:age": [61.0, -1.0]}, index=["p1", "p2"]))
    bad = Predictor(model, "0" * 64).score(wide, explained=True)
    with pytest.raises(DataError, match=r"THX-D15.*row 2"):
        fill_packet(example, bad, wide, "p2", SPEC, {})
    with pytest.raises(ModelError, match="no such patient"):
        fill_packet(example, bad, wide, "p3", SPEC, {})
    with pytest.raises(ModelError, match="explained"):
        filled(replace(scores, matrix=None), example)


# ---------------------------------------------------------------- documents


def opened(packet):
    docx = pytest.importorskip("docx")
    return docx.Document(io.BytesIO(to_docx(packet)))


def test_the_document_has_headings_tables_language_and_no_patient_in_its_properties(answered, example):
    packet = filled(answered, example)
    document = opened(packet)
    heads = [p.text for p in document.paragraphs if p.style.name == "Heading 1"]
    assert heads == [h for h, _ in packet.sections]
    tables = [p for _, parts in packet.sections for p in parts if p.kind == "table"]
    assert len(document.tables) == len(tables)
    for table, part in zip(document.tables, tables, strict=True):
        assert [tuple(c.text for c in r.cells) for r in table.rows] == list(part.lines)
        assert table.rows[0]._tr.trPr.xpath("./w:tblHeader")
    styles = document.styles.element.xpath("//w:lang/@w:val")
    assert styles
    assert set(styles) == {LANGUAGE}
    core = document.core_properties
    assert (core.title, core.author, core.language) == ("Prior-authorisation packet", "theracast", LANGUAGE)
    with zipfile.ZipFile(io.BytesIO(to_docx(packet))) as held:
        properties = b"".join(held.read(n) for n in held.namelist() if n.startswith("docProps/"))
    for private in (b"Pt1", b"Simulated", b"1960"):
        assert private not in properties


def test_the_same_packet_has_the_same_bytes(answered, example):
    assert to_docx(filled(answered, example)) == to_docx(filled(answered, example))
    assert to_html(filled(answered, example)) == to_html(filled(answered, example))


def test_page_and_document_say_the_same(answered, example):
    packet = filled(answered, example)
    document, page = opened(packet), words(to_html(packet))
    cells = [c.text for t in document.tables for r in t.rows for c in r.cells]
    for text in [p.text for p in document.paragraphs] + cells:
        assert re.sub(r"\s+", " ", text) in page


def test_hostile_texts_are_inert_in_both(stained):
    cohort, scores = stained
    evil = "<script>alert(1)</script>"
    one = asked(
        {"table": "clinical", "column": "word", "one_of": ["<b>x</b>"]},
        {"table": "clinical", "column": "word", "one_of": ["=1+1"]},
        payer=evil,
        drug="=cmd|' /C calc'!A0",
        policy="x\u202egnp.exe",
    )
    packet = fill_packet(one, scores, cohort, "p1", SPEC, {}, Person(name="a\x00b\x1b[31m", contact=evil))
    html = to_html(packet)
    assert "<script" not in html
    assert "<b>x" not in html
    assert "&lt;script&gt;" in html
    assert not loads(html)
    assert "\x00" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "default-src 'none'" in html
    cells = [c.text for t in opened(packet).tables for r in t.rows for c in r.cells]
    assert evil in cells, "text, as it was given"
    with zipfile.ZipFile(io.BytesIO(to_docx(packet))) as held:
        assert not re.search(rb"fldChar|instrText|w:object|Target=\"file", held.read("word/document.xml"))


def test_without_python_docx_html_is_still_there(answered, example, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "docx", None)
    with pytest.raises(SetupError, match=r"theracast\[packet\]"):
        to_docx(filled(answered, example))
    assert "Criteria of the payer" in to_html(filled(answered, example))


def test_in_a_browser(browser, answered, scores, example, tmp_path):
    pytest.importorskip("axe_playwright_python")
    for n, one in enumerate((answered, scores)):
        path = tmp_path / f"{n}.html"
        path.write_text(to_html(filled(one, example)), "utf-8")
        for scheme, width in (("light", 1280), ("dark", 1280), ("light", 390)):
            page, trouble = visit(browser, path, color_scheme=scheme, viewport={"width": width, "height": 800})
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert findings(page) == []
            assert not trouble
            page.context.close()
