"""``theracast packet``: from files to a document, and what is told in the terminal."""

import re

import pandas as pd
import pytest
from clis import printed, run, shell
from reports import words

from theracast.errors import DataError, ModelError, UsageError


@pytest.fixture
def payer(tmp_path):
    (tmp_path / "payer.yaml").write_text(printed("packet", "--example"))
    return tmp_path / "payer.yaml"


def test_the_example_fills_a_packet_of_a_real_patient(two_cohorts, payer, tmp_path):
    docx = pytest.importorskip("docx")
    (tmp_path / "person.yaml").write_text(printed("packet", "--example-person"))
    call = ["packet", two_cohorts, "mgh2022_mel", "--patient", "115T", "--criteria", payer]
    said = printed(*call, "--person", tmp_path / "person.yaml", "-o", tmp_path / "a.docx")
    assert re.search(r"criteria: \d met, \d not met, \d open; \d+ fields", said)
    assert "fields are left to fill in" in said
    document = docx.Document(tmp_path / "a.docx")
    cells = [c.text for t in document.tables for r in t.rows for c in r.cells]
    assert "Simulated Patient" in cells
    assert "1960-01-01" in cells
    printed(*call, "-o", tmp_path / "deep" / "a.html")
    page = words((tmp_path / "deep" / "a.html").read_text("utf-8"))
    assert "They are no payer's policy." in page
    assert "Patient's name" in page.rsplit("Left for you to fill in", 1)[1]
    printed(*call, "-o", tmp_path / "again.docx", "--person", tmp_path / "person.yaml")
    assert (tmp_path / "again.docx").read_bytes() == (tmp_path / "a.docx").read_bytes()


def test_an_abstention_is_said_in_the_terminal(two_cohorts, payer, tmp_path):
    (tmp_path / "w.csv").write_text("patient_id,clinical:age\n007,61\n")
    said = printed(
        "packet", two_cohorts, tmp_path / "w.csv", "--patient", "007", "--criteria", payer, "-o", tmp_path / "a.html"
    )
    assert "the model gives no answer for this patient" in said


def test_what_is_known_of_the_site_is_told(two_cohorts, payer, tmp_path):
    call = ["packet", two_cohorts, "mgh2022_mel", "--patient", "115T", "--criteria", payer, "-o", tmp_path / "a.html"]
    assert "site: response rate given: 15%" in printed(*call, "--response-rate", "0.15")


def test_the_example_needs_nothing_else_and_ships(tmp_path):
    done = shell(tmp_path, "packet", "--example")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# An example, and nobody's policy")
    assert done.stdout == printed("packet", "--example")
    assert printed("packet", "--example-person").startswith("# Simulated: nobody has this name.")


@pytest.mark.parametrize(
    ("criteria", "options", "kind"),
    [
        (None, ["--patient", "nobody"], UsageError),
        (None, ["--patient", "../../etc/passwd"], UsageError),
        (None, ["--patient", "115T", "-o", "a.pdf"], UsageError),
        (None, ["--patient", "115T", "-o", "folder"], UsageError),
        (None, ["--patient", "115T", "--person", "none.yaml"], UsageError),
        (None, ["--patient", "115T", "--response-rate", "0.2", "--recalibrate", "x.csv"], UsageError),
        ("payer: [", ["--patient", "115T"], UsageError),
        ("payer: x\n", ["--patient", "115T"], UsageError),
        ("a: !!python/object/apply:os.system ['touch owned']\n", ["--patient", "115T"], UsageError),
        ("mutations__tmb -> mutations__tbm", ["--patient", "115T"], UsageError),
        (None, [], SystemExit),
    ],
)
def test_rubbish_is_refused_and_writes_nothing(two_cohorts, payer, tmp_path, monkeypatch, criteria, options, kind):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    if criteria is not None:
        old, arrow, new = criteria.partition(" -> ")
        payer.write_text(payer.read_text().replace(old, new) if arrow else criteria)
    output = [] if "-o" in options else ["-o", "a.html"]
    done = run("packet", two_cohorts, "mgh2022_mel", "--criteria", payer, *output, *options)
    assert type(done.exception) is kind, done.exception
    assert list(work.iterdir()) == []


def test_a_column_that_does_not_exist_is_open_and_named(two_cohorts, payer, tmp_path):
    payer.write_text(payer.read_text().replace("column: ecog", "column: no_such_column"))
    printed("packet", two_cohorts, "mgh2022_mel", "--patient", "115T", "--criteria", payer, "-o", tmp_path / "a.html")
    page = words((tmp_path / "a.html").read_text("utf-8"))
    assert "the tables have no column clinical: no_such_column" in page


def test_a_choice_and_a_missing_model_are_model_errors(payer, tmp_path):
    call = ["mgh2022_mel", "--patient", "115T", "--criteria", payer, "-o", tmp_path / "a.html"]
    assert isinstance(run("packet", tmp_path / "none", *call).exception, ModelError)


def test_a_refused_patient_gets_no_packet(two_cohorts, payer, tmp_path):
    pd.DataFrame({"patient_id": ["a", "b"], "clinical:age": [61, -1]}).to_csv(tmp_path / "w.csv", index=False)
    call = ["packet", two_cohorts, tmp_path / "w.csv", "--patient", "b", "--criteria", payer, "-o", tmp_path / "a.html"]
    done = run(*call)
    assert isinstance(done.exception, DataError)
    assert "THX-D15" in str(done.exception)
    assert not (tmp_path / "a.html").exists()
