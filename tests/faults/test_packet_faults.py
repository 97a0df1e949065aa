"""Files of criteria and details made to harm, values that are statements, and a disk that is full."""

import errno
import re

import pandas as pd
import pytest
from clis import run
from reports import words

from theracast.errors import SetupError, UsageError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.predict.packet.criteria import PayerCriteria, Person
from theracast.predict.packet.declared import MOST
from theracast.predict.packet.document import to_docx, to_html
from theracast.predict.packet.packet import fill_packet
from theracast.predict.predictor import Predictor

PHI = "ZZPHI-Smith-1960"
LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 60))


@pytest.fixture(scope="module")
def predictor():
    return Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "0" * 64)


@pytest.mark.parametrize("kind", [PayerCriteria, Person])
@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name: !!python/object/apply:os.system ['touch owned']\n", "line 1: a tag"),
        ("name: !!python/name:os.system\n", "line 1: a tag"),
        ("name: !include /etc/passwd\n", "line 1: a tag"),
        (LAUGHS, "an anchor that is used again"),
        ("a: &a [*a]\n", "an anchor that is used again"),
        ("x: " + "[" * 5000, "nested deeper|not YAML"),
        ("x: " + "[" * 60 + "]" * 60, "nested deeper"),
        ("name: a\nname: b\n", "written twice"),
        ("name: 'a\n", "not YAML"),
        ("name: a\x00b\n", "not YAML"),
        ("- a\n- b\n", "has no fields"),
        ("", "has no fields"),
        ("x" * (MOST + 1), "too long"),
        (b"\xff\xfe\x00", "not text"),
        ("? [a, b]\n: c\n", "not YAML"),
        ("<<: {name: a}\nzz: 1\n", "not valid"),
    ],
)
def test_R08_yaml_made_to_harm_is_refused_by_line(tmp_path, monkeypatch, kind, text, wanted):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "f.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=wanted):
        kind.from_yaml(file)
    assert [f.name for f in tmp_path.iterdir()] == ["f.yaml"]


def test_R08_the_mistake_is_named_by_line_and_field(tmp_path):
    file = tmp_path / "payer.yaml"
    good = PayerCriteria.example_file()
    for old, new, wanted in (
        ("at_most: 1}", "at_mots: 1}", r"line \d+, criteria 5 rule at_mots"),
        ("at_least: 10", "at_least: ten", r"line \d+, criteria 7 rule at_least"),
        ("at_least: 10", "at_least: .inf", r"line \d+, criteria 7 rule at_least"),
        ("at_least: 10", "at_least: 10, at_most: 5", "at_least is above at_most"),
        ("{attested_by: clinician}", "{}", "criteria 8 rule: needs feature, or table and column, or attested_by"),
        ("one_of: [nivolumab]", "one_of: []", "needs at_least or at_most, or one_of"),
        ("one_of: [nivolumab]", "one_of: [yes]", "criteria 3 rule one_of"),
        ("id: tmb", "id: pdl1", "an id stands twice"),
        ("id: tmb", "id: ../../tmb", "criteria 7 id"),
        ("EXAMPLE-ICI-1", "007", "policy: Input should be a valid string"),
        ("payer: Example payer (no such payer)", "payer: ' '", "payer"),
    ):
        assert old in good
        file.write_text(good.replace(old, new))
        with pytest.raises(UsageError, match=wanted):
            PayerCriteria.from_yaml(file)


@pytest.mark.parametrize("text", [f"name: [{PHI}]", f"{PHI}: [x", f"name: '{PHI}", f"simulated: {PHI}", f"zz: {PHI}"])
def test_A06_no_message_repeats_a_detail_of_a_person(tmp_path, text):
    (tmp_path / "p.yaml").write_text(text)
    with pytest.raises(UsageError) as told:
        Person.from_yaml(tmp_path / "p.yaml")
    assert PHI not in str(told.value)
    assert told.value.__cause__ is None
    assert told.value.__suppress_context__


@pytest.mark.parametrize(
    "cell",
    ["=cmd|' /C calc'!A0", "@SUM(1)", "<img src=x onerror=alert(1)>", "{{ 7*7 }}", "a\u202eb", "a\x1b[31mb", "]]>"],
)
def test_A01_values_that_are_statements_stay_text(predictor, cell):
    cohort = Cohort.from_wide(pd.DataFrame({"clinical:age": [61.0], "clinical:odd": [cell]}, index=["p"]))
    rule = {"table": "clinical", "column": "odd", "one_of": ["x"]}
    one = [{"id": "odd", "text": cell, "source": cell, "rule": rule}]
    asked = PayerCriteria(payer=cell, policy=cell, drug=cell, indication=cell, criteria=one)
    scores = predictor.score(cohort, explained=True)
    packet = fill_packet(asked, scores, cohort, "p", predictor.model.spec, {}, Person(name=cell))
    page = to_html(packet)
    assert not re.search(r"<img|onerror=[^&]*>|\b49\b|\x1b|\u202e", page)
    if cell.isprintable() and "\u202e" not in cell:
        assert cell in words(page) or "<" in cell
    assert to_docx(packet)[:2] == b"PK"


@pytest.mark.parametrize("patient", ["../../p", "/etc/passwd", "C:\\p", "p\r\nSet-Cookie: a", "a" * 400])
def test_A02_an_id_is_no_path(predictor, patient, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cohort = Cohort.from_wide(pd.DataFrame({"clinical:age": [61.0]}, index=[patient]))
    scores = predictor.score(cohort, explained=True)
    asked = PayerCriteria(
        payer="p", policy="q", drug="d", indication="i",
        criteria=[{"id": "a", "text": "b", "rule": {"attested_by": "clinician"}}],
    )  # fmt: skip
    packet = fill_packet(asked, scores, cohort, patient, predictor.model.spec, {})
    assert to_docx(packet)[:2] == b"PK"
    assert "<h1>" in to_html(packet)
    assert list(tmp_path.iterdir()) == []


def test_S03_a_full_disk_leaves_the_old_packet(predictor, tmp_path, monkeypatch):
    from theracast.models.storage import save_model

    save_model(predictor.model, tmp_path / "model")
    (tmp_path / "payer.yaml").write_text(PayerCriteria.example_file())
    old = tmp_path / "a.html"
    old.write_text("old")

    def full(self, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    call = ["packet", tmp_path / "model", "riaz2017_mel", "--patient", "Pt1", "--criteria", tmp_path / "payer.yaml"]
    done = run(*call, "-o", old)
    assert isinstance(done.exception, SetupError)
    assert old.read_text() == "old"
    assert sorted(f.name for f in tmp_path.iterdir()) == ["a.html", "model", "payer.yaml"]


def test_D10_of_whom_nothing_is_known_nothing_is_met_and_nothing_argued(predictor):
    cohort = Cohort.from_wide(pd.DataFrame({"clinical:age": [None, 61.0]}, index=["p", "q"]))
    scores = predictor.score(cohort, explained=True)
    rules = [
        {"table": "clinical", "column": "age", "at_least": 18},
        {"table": "clinical", "column": "ecog", "at_most": 1},
        {"feature": "pathology__pdl1", "at_least": 0, "unit": "position 0-1"},
        {"attested_by": "clinician"},
    ]
    asked = PayerCriteria(
        payer="p", policy="q", drug="d", indication="i",
        criteria=[{"id": f"c{n}", "text": "t", "rule": r} for n, r in enumerate(rules)],
    )  # fmt: skip
    packet = fill_packet(asked, scores, cohort, "p", predictor.model.spec, {})
    assert (packet.count("met"), packet.count("not met"), packet.count("open")) == (0, 0, 4)
    assert not packet.answered
