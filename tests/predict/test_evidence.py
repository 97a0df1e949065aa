"""Claims of an evidence folder: listed with their state, run, recorded, and held against a new run."""

import json
import re
import sys
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from theracast.errors import DataError, SetupError, UsageError
from theracast.predict.cli import app
from theracast.predict.evidence.claims import claim_named, evidence_folder, read_claims
from theracast.predict.evidence.code import code_of
from theracast.predict.evidence.pages import claim_page, index_page
from theracast.predict.evidence.records import code_here, overview, read_run, record_of, state_of
from theracast.predict.evidence.running import Difference, compare_claim, run_claim

ROOT = Path(__file__).parents[2] / "experiments"
SCRIPT = """
from pathlib import Path
import yaml
from told import SAID
here = Path(__file__).parent
n = yaml.safe_load((here / "small.yaml").read_text())["n"]
(here / "small").mkdir(exist_ok=True)
lines = ["model,auc", *(f"m{k},{k / 10:.4f}" for k in range(n))]
(here / "small" / "means.csv").write_text("\\n".join(lines) + "\\n")
print(SAID)
"""
CLAIM = """
name: small
claim: >
  It works. Simulated or not.
run:
  by: small.py
  data: [riaz2017_mel]
  outputs: [small/*.csv]
  simulated: all of it
  minutes: 1
n: 3
"""


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "experiments"
    place.mkdir()
    (place / "small.yaml").write_text(CLAIM)
    (place / "small.py").write_text(SCRIPT)
    (place / "told.py").write_text("SAID = 'done'\n")
    (place / "gates.yaml").write_text("min_patients: 30\n")
    return place


@pytest.fixture
def claim(folder):
    return claim_named(folder, "small")


def again(folder):
    return claim_named(folder, "small")


def state(folder):
    one = again(folder)
    return state_of(one, read_run(one))


def change(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def said(*arguments):
    done = CliRunner().invoke(app, ["experiment", *map(str, arguments)])
    return done.output, done.exception


def test_only_what_claims_something_is_a_claim(folder):
    assert list(read_claims(folder)) == ["small"]
    assert evidence_folder(folder) == folder
    with pytest.raises(UsageError, match="no folder of experiments"):
        evidence_folder(folder / "none")


def test_a_run_is_recorded_with_what_it_rests_on(folder, claim):
    assert state(folder) == ("never run here", "nothing is kept")
    lines = []
    run = run_claim(claim, lines.append)
    assert lines == ["done"]
    assert list(run.outputs) == ["small/means.csv"]
    assert set(run.code) >= {"small.py", "told.py"}
    assert run.simulated == "all of it"
    assert read_run(claim) == run
    assert state(folder) == ("fresh", "")


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("small.yaml", "n: 3", "n: 4", ("stale", "the YAML: its settings")),
        ("told.py", "done", "did", ("stale", "code: told.py")),
        ("small/means.csv", "0.1000", "0.9000", ("changed", "not as the run wrote them: small/means.csv")),
        ("small.yaml", "It works", "It worked", ("fresh", "")),
        ("small.yaml", "minutes: 1", "minutes: 2", ("fresh", "")),
    ],
)
def test_what_changed_since_is_named(folder, claim, file, old, new, told):
    run_claim(claim)
    change(folder / file, old, new)
    assert state(folder) == told


def test_data_that_changed_or_are_away_are_told(folder, claim, tmp_path, monkeypatch):
    change(folder / "small.yaml", "riaz2017_mel", "some/table.csv")
    (tmp_path / "some").mkdir()
    (tmp_path / "some" / "table.csv").write_text("a\n1\n")
    monkeypatch.setenv("THERACAST_DATA", str(tmp_path))
    run_claim(again(folder))
    assert state(folder) == ("fresh", "")
    (tmp_path / "some" / "table.csv").write_text("a\n2\n")
    assert state(folder) == ("stale", "data: some/table.csv")
    monkeypatch.setenv("THERACAST_DATA", str(tmp_path / "elsewhere"))
    assert state(folder) == ("fresh", "data not here, not compared: some/table.csv")
    with pytest.raises(DataError, match=r"THX-D33.*some/table\.csv"):
        run_claim(again(folder))


def test_a_figure_that_does_not_come_out_again_is_named_and_the_kept_one_stays(folder, claim):
    run_claim(claim)
    record = record_of(claim).read_bytes()
    assert compare_claim(again(folder)) == []
    change(folder / "small.py", "k / 10", "k / 5")
    kept = (folder / "small" / "means.csv").read_bytes()
    apart = compare_claim(again(folder))
    assert apart == [Difference("small/means.csv", "row 2 (model m1), auc and 1 figures more", "0.1000", "0.2000")]
    assert (folder / "small" / "means.csv").read_bytes() == kept
    assert record_of(claim).read_bytes() == record
    assert "0.2000" in (folder / ".runs" / "differs" / "small" / "small" / "means.csv").read_text()


def test_a_tolerance_with_its_reason_is_kept_to(folder, claim):
    run_claim(claim)
    change(folder / "small.py", "k / 10", "k / 10 + 0.0001")
    assert len(compare_claim(again(folder))) == 1
    change(folder / "small.yaml", "minutes: 1", "minutes: 1\n  tolerance: {value: 0.00011, why: BLAS}")
    assert compare_claim(again(folder)) == []
    change(folder / "small.py", "m{k}", "n{k}")
    assert "model" in compare_claim(again(folder))[0].figure, "words have no tolerance"
    change(folder / "small.yaml", ", why: BLAS", "")
    with pytest.raises(DataError, match="why"):
        again(folder)


def test_what_kept_stays_when_the_run_fails(folder, claim):
    run_claim(claim)
    kept = (folder / "small" / "means.csv").read_bytes()
    (folder / "small.py").write_text("from pathlib import Path\nPath(__file__).with_name('small').joinpath('means.csv')"
                                     ".write_text('half')\nraise SystemExit('no luck')\n")  # fmt: skip
    with pytest.raises(SetupError, match="no luck"):
        compare_claim(again(folder))
    assert (folder / "small" / "means.csv").read_bytes() == kept


def test_who_ends_a_comparison_finds_what_was_kept(folder, claim):
    run_claim(claim)
    kept = (folder / "small" / "means.csv").read_bytes()
    (folder / "small.py").write_text(
        "import time\nfrom pathlib import Path\nfile = Path(__file__).with_name('small') / 'means.csv'\n"
        "file.write_text('half')\nprint('begun', flush=True)\ntime.sleep(60)\nfile.write_text('late')\n"
    )
    began = time.monotonic()
    with pytest.raises(SystemExit):
        compare_claim(again(folder), lambda line: sys.exit(143))
    assert time.monotonic() - began < 50
    assert (folder / "small" / "means.csv").read_bytes() == kept


def test_rows_and_columns_that_are_others_are_told(folder, claim):
    run_claim(claim)
    change(folder / "small.yaml", "n: 3", "n: 4")
    assert compare_claim(again(folder))[0] == Difference("small/means.csv", "other rows", "3", "4")
    change(folder / "small.py", "model,auc", "model,brier")
    assert compare_claim(again(folder))[0].figure == "other columns"


def test_a_claim_that_cannot_be_run_says_so(folder):
    (folder / "bare.yaml").write_text("claim: It works.\n")
    assert state_of(claim_named(folder, "bare"), None)[0] == "not declared"
    with pytest.raises(UsageError, match="does not say how"):
        run_claim(claim_named(folder, "bare"))
    (folder / "bare.yaml").write_text("claim: It works.\nrun: {script: a.py}\n")
    with pytest.raises(DataError, match="script"):
        read_claims(folder)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("data: [riaz2017_mel]", "data: riaz2017_mel", "data: 'riaz2017_mel'"),
        ("minutes: 1", "minutes: soon", "minutes: 'soon'"),
        ("minutes: 1", "tolerance: 0.1", "tolerance: 0.1"),
        ("minutes: 1", "tolerance: {value: much, why: x}", "tolerance: 'much'"),
        ("n: 3", "n: [3", "got: ParserError"),
    ],
)
def test_a_yaml_that_cannot_be_right_is_refused_and_does_not_vanish(folder, old, new, told):
    change(folder / "small.yaml", old, new)
    with pytest.raises(DataError, match=rf"THX-D31.*small\.yaml.*{told}"):
        read_claims(folder)


def test_files_that_lay_there_before_are_no_proof_of_a_run(folder, claim):
    run_claim(claim)
    (folder / "small" / "older.csv").write_text("a\n1\n")
    run = run_claim(again(folder))
    assert list(run.outputs) == ["small/means.csv"]
    assert state(folder) == ("fresh", "not of this run: small/older.csv")
    assert compare_claim(again(folder)) == []
    (folder / "small.py").write_text("print('nothing')\n")
    with pytest.raises(SetupError, match="wrote none"):
        run_claim(again(folder))
    (folder / "small" / "means.csv").unlink()
    assert state(folder)[0] == "changed"


def test_the_settings_of_others_that_a_script_reads_count(folder, claim):
    (folder / "other.yaml").write_text("claim: Another.\nm: 1\n")
    change(folder / "told.py", "'done'", "'done'  # reads \"other\"")
    run_claim(again(folder))
    change(folder / "other.yaml", "Another", "Others")
    assert state(folder) == ("fresh", "")
    change(folder / "other.yaml", "m: 1", "m: 2")
    assert state(folder) == ("stale", "code: other.yaml")
    (folder / "plain.py").write_text('print("other")\n')
    (folder / "plain.yaml").write_text("claim: It needs none.\nrun: {by: plain.py}\n")
    assert list(code_here(claim_named(folder, "plain"))) == ["plain.py"], "a word that is no YAML"


def test_claims_of_one_script_are_run_once(folder, claim):
    (folder / "twin.yaml").write_text(CLAIM.replace("small\n", "twin\n", 1).replace("simulated: all of it", ""))
    run_claim(claim)
    twin = claim_named(folder, "twin")
    assert read_run(twin).simulated == ""
    assert state_of(twin, read_run(twin)) == ("fresh", "")
    told, failed = said("run", "--compare", "--folder", folder)
    assert failed is None
    assert "left out  twin: the run of small is its run" in told
    kept = record_of(twin).read_bytes()
    record_of(claim).unlink()
    change(folder / "small.py", "k / 10", "k / 5")
    assert len(compare_claim(again(folder))) == 1
    assert record_of(twin).read_bytes() == kept
    assert not record_of(claim).exists()


def test_data_that_are_away_are_left_out_and_errors_of_a_run_are_not(folder, claim, monkeypatch, tmp_path):
    run_claim(claim)
    monkeypatch.setattr("theracast.predict.evidence.running._script", lambda *_: _missing_column())
    told, failed = said("run", "--compare", "--folder", folder)
    assert isinstance(failed, DataError)
    assert "left out" not in told
    change(folder / "small.yaml", "riaz2017_mel", "no/such")
    told, failed = said("run", "--compare", "--folder", folder)
    assert failed is None
    assert "left out  small: 1 of 1 data sets are not here: no/such" in told
    assert isinstance(said("run", "small", "--minutes", "1", "--folder", folder)[1], UsageError)


def _missing_column():
    raise DataError("a column is missing", code="THX-D33", where="clinical")


def test_simulated_claims_are_marked_wherever_they_stand(folder, claim):
    run_claim(claim)
    page = claim_page(again(folder))
    assert "**Simulated**: all of it." in page
    assert "Simulated. small/means.csv:" in page
    assert "| [small](small.yaml) | It works. | simulated: all of it | fresh |" in index_page(read_claims(folder))
    assert overview(read_claims(folder)).simulated.tolist() == ["simulated"]


def test_by_the_command(folder, claim, tmp_path):
    told, failed = said("run", "--folder", folder)
    assert isinstance(failed, UsageError)
    told, failed = said("run", "small", "--folder", folder)
    assert not failed, told
    assert "simulated: all of it" in told
    told, _ = said("list", "--json", "--folder", folder)
    assert json.loads(told)[0]["state"] == "fresh"
    assert "fresh" in said("--folder", folder)[0]
    assert "same      small (simulated: all of it)" in said("run", "--compare", "--folder", folder)[0]
    assert "left out  small: runs longer" in said("run", "--compare", "--minutes", "0.5", "--folder", folder)[0]
    change(folder / "small.py", "k / 10", "k / 5")
    told, failed = said("run", "--compare", "--folder", folder)
    assert isinstance(failed, DataError)
    assert failed.exit_code == 3
    assert "small/means.csv: row 2 (model m1), auc" in told
    told, _ = said("table", "small", "-o", tmp_path / "t.md", "--folder", folder)
    assert (tmp_path / "t.md").read_text().startswith("# small")
    assert "| claim |" in said("table", "--folder", folder)[0]


def test_a_trained_experiment_writes_its_tables(folder):
    fields = {"indication": "melanoma_ici", "name": "tiny", "claim": "It trains.", "holdout": []}
    fields |= {"cohorts": ["liu2019_mel", "riaz2017_mel"], "run": {"by": "train", "outputs": ["tiny/*.csv"]}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(fields))
    tiny = claim_named(folder, "tiny")
    assert tiny.data == ("liu2019_mel", "riaz2017_mel")
    run = run_claim(tiny)
    assert "tiny/mean.csv" in run.outputs
    assert {"models/fusion.py", "features/blocks/signatures.py"} <= set(run.code), (
        "also what is imported when asked for"
    )
    assert "predict/serve/app.py" not in run.code, "a page of the service moves no figure"


def test_the_code_of_a_script_is_found_without_running_it(folder):
    (folder / "other.py").write_text("from theracast.features.blocks.pathology import PathologyBlock\n")
    found = code_of(folder / "other.py")
    assert {"other.py", "features/blocks/pathology.py", "features/base.py", "core/errors.py"} <= set(found)
    assert all(re.fullmatch("[0-9a-f]{16}", d) for d in found.values())
    assert [f for f in found if f.startswith("tables/")], "and the tables that the code names"


@pytest.mark.parametrize("name", sorted(read_claims(ROOT)))
def test_every_claim_of_ours_says_how_it_is_run(name):
    one = claim_named(ROOT, name)
    assert one.declared, f"{name}.yaml: run: {{by, data, outputs}}"
    assert one.data
    assert one.outputs
    assert one.by == "train" or (ROOT / one.by.split()[0]).is_file()
    assert one.simulated or "simulated" not in name


def test_a_record_says_no_more_than_its_run():
    for claim in read_claims(ROOT).values():
        run = read_run(claim)
        if run is not None:
            assert run.outputs, claim.name
            assert run.claim == claim.name
