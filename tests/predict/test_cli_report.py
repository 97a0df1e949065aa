"""``theracast report``: a page, a folder of pages, and a page for the patient."""

import pandas as pd
import pytest
from clis import printed, run, shell
from reports import words

from theracast.errors import DataError, ModelError, UsageError

IDS = ["../../p1", "p<b>2</b>", "p3"]


@pytest.fixture
def few(tmp_path):
    """Three patients with odd ids, one of whom is refused."""
    wide = pd.DataFrame({"patient_id": IDS, "clinical:age": [61.0, 50.0, -1.0], "mutations:tmb": [20.0, 2.0, 3.0]})
    wide.assign(**{"mutations:tmb_unit": "mut/Mb"}).to_csv(tmp_path / "few.csv", index=False)
    return tmp_path / "few.csv"


def test_a_page_of_a_patient_has_what_the_clinician_asks(two_cohorts, tmp_path):
    printed("report", two_cohorts, "mgh2022_mel", "-o", tmp_path / "p.html", "--patient", "115T")
    said = words((tmp_path / "p.html").read_text("utf-8"))
    assert "What it rests on" in said
    assert "Patients alike" in said
    assert [f.name for f in tmp_path.iterdir()] == ["p.html"]


def test_a_folder_has_a_page_for_each_whatever_the_id(two_cohorts, few, tmp_path):
    out = tmp_path / "deep" / "pages"
    assert str(out / "index.html") in printed("report", two_cohorts, few, "-o", out)
    pages = ["card.html", "index.html", "patient-1.html", "patient-2.html", "patient-3.html"]
    assert sorted(f.name for f in out.iterdir()) == pages
    assert sorted(f.name for f in tmp_path.iterdir()) == ["deep", "few.csv"]
    everything = "".join(f.read_text("utf-8") for f in out.iterdir())
    assert "<b>2</b>" not in everything
    assert "THX-D15" in everything
    printed("report", two_cohorts, few, "-o", out)  # into a folder that is there


def test_the_patients_view(two_cohorts, few, tmp_path):
    call = ["report", two_cohorts, few, "-o", tmp_path / "v.html", "--view", "patient", "--patient"]
    printed(*call, IDS[0])
    assert "The computer cannot tell" in words((tmp_path / "v.html").read_text("utf-8"))
    printed(*call, "p3")
    assert "Your data could not be used" in words((tmp_path / "v.html").read_text("utf-8"))


def test_a_reference_of_ones_own(two_cohorts, tmp_path):
    call = ["report", two_cohorts, "mgh2022_mel", "--patient", "115T", "-o", tmp_path / "p.html"]
    told = []
    for option in ([], ["--reference", "vanallen2015_mel"]):
        printed(*call, *option)
        told.append(words((tmp_path / "p.html").read_text("utf-8")).split("Patients alike")[1][:120])
    assert told[0] != told[1]
    call.append("--reference")
    assert isinstance(run(*call, tmp_path / "none.csv").exception, DataError)


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        (["-o", "r.html", "--view", "patient"], UsageError),
        (["-o", "r.html", "--reference", "hugo2016_mel"], UsageError),
        (["-o", "v.html", "--patient", "115T", "--view", "patient", "--reference", "hugo2016_mel"], UsageError),
        (["-o", "folder", "--patient", "115T"], UsageError),
        (["-o", "r.html", "--patient", "../../etc/passwd"], UsageError),
        (["-o", "r.html", "--patient", "115T", "--response-rate", "0.2", "--recalibrate", "x.csv"], UsageError),
        (["-o", "r.html", "--view", "doctor"], SystemExit),
    ],
)
def test_what_makes_no_sense_is_refused_and_writes_nothing(two_cohorts, tmp_path, monkeypatch, options, kind):
    monkeypatch.chdir(tmp_path)
    done = run("report", two_cohorts, "mgh2022_mel", *options)
    assert type(done.exception) is kind, done.exception
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_not_there(tmp_path):
    assert isinstance(run("report", tmp_path / "no", "mgh2022_mel", "-o", tmp_path / "r.html").exception, ModelError)


def test_in_the_shell_it_is_one_line(two_cohorts, tmp_path):
    done = shell(tmp_path, "report", two_cohorts, "mgh2022_mel", "-o", "r.html", "--patient", "ZZPHI")
    assert done.returncode == 2
    assert done.stderr.startswith("error no such patient")
    assert "ZZPHI" not in done.stderr + done.stdout
