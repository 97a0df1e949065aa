"""Rankings are made again: the same bits, or which part is another. SIMULATED patients and a simulated choice."""

import json

import numpy as np
import pandas as pd
import pytest
from service import SPEC, choice_predictor
from typer.testing import CliRunner

import theracast
from theracast.errors import DataError, UsageError
from theracast.features.datasets import load_cohort
from theracast.features.readers import read_cohort
from theracast.models.indications import SELECTIONS
from theracast.models.selection_train import SelectionExperiment, SelectionTraining, train_selection
from theracast.models.storage import save_selection
from theracast.models.utility import Utility
from theracast.predict.cli import app
from theracast.predict.made_of import PARTS, marks, sealed
from theracast.predict.predictor import Predictor
from theracast.predict.stream_source import open_source
from theracast.predict.therapies import SelectionPredictor, write_rankings
from theracast.predict.verify import verify_scores

WORTH = Utility(
    currency="GBP", response_value=30000, therapies={"etanercept": {"price": 9000}, "rituximab": {"price": 3000}}
)
TRIED = {"p1": ["Enbrel"], "p4": ["RTX"]}


@pytest.fixture(scope="module")
def predictor():
    return choice_predictor()


@pytest.fixture(scope="module")
def wide():
    """One of whom nothing is known, one who is refused, one who stands twice."""
    ages = np.random.default_rng(2).uniform(20, 80, 12).round(1)
    ages[[2, 5]] = np.nan, -4.0
    table = pd.DataFrame({"patient_id": [f"p{i}" for i in range(12)], "clinical:age": ages})
    return pd.concat([table, table.iloc[[3]]], ignore_index=True)


def read(folder, wide):
    wide.to_csv(folder / "wide.csv", index=False)
    return read_cohort(folder / "wide.csv")


@pytest.fixture(scope="module")
def cohort(wide, tmp_path_factory):
    return read(tmp_path_factory.mktemp("simulated"), wide)


@pytest.fixture(scope="module")
def ranked(predictor, cohort):
    return predictor.rank(cohort, tried=TRIED, utility=WORTH, therapies=["Enbrel", "rituximab", "etanarcept"])


@pytest.fixture
def written(ranked, cohort, tmp_path):
    write_rankings(ranked, tmp_path / "r.parquet", cohort)
    return tmp_path / "r.parquet"


def account_of(path):
    return json.loads(path.with_suffix(".json").read_text())


def state(found):
    return dict(zip(found.parts.part, found.parts.state, strict=True))


def what(found, part):
    return found.parts.set_index("part").what[part]


def resealed(path, change):
    account = account_of(path)
    change(account)
    path.with_suffix(".json").write_text(json.dumps(sealed({k: v for k, v in account.items() if k != "sealed"})))


def test_R11_a_ranking_comes_out_the_same_with_what_was_asked_then(written, predictor, cohort):
    found = verify_scores(written, cohort, predictor=predictor)
    assert found.same
    assert set(found.parts.state) == {"same"}, found.parts
    assert set(found.lines.outcome) == {"same"}
    assert found.rows == len(found.lines) == 33
    account = account_of(written)
    assert list(account["provenance"]["parts"]) == list(PARTS)
    assert account["provenance"]["asked"]["tried"] == {"p1": ["etanercept"], "p4": ["rituximab"]}
    assert account["lines"] == 33


def test_R11_a_sample_is_compared_with_the_whole_cohort_ranked_again(written, predictor, cohort):
    found = verify_scores(written, cohort, predictor=predictor, sample=4, seed=3)
    assert found.same
    assert len(found.lines) == 4


def test_R11_the_input_may_be_named_by_its_file(written, predictor, wide, tmp_path):
    read(tmp_path, wide)
    assert verify_scores(written, tmp_path / "wide.csv", predictor=predictor).same
    with pytest.raises(UsageError, match="made of a cohort"):
        verify_scores(written, open_source(tmp_path / "wide.csv"), predictor=predictor)


def test_R11_a_changed_value_of_the_input_is_named_by_its_column_and_its_lines(written, predictor, wide, tmp_path):
    other = wide.copy()
    other.loc[0, "clinical:age"] += 7.0
    other.loc[1, "clinical:age"] = -7.0
    found = verify_scores(written, read(tmp_path, other), predictor=predictor)
    assert what(found, "input") == "other columns: clinical:age"
    wrong = found.lines[found.lines.outcome != "same"]
    assert wrong.patient_id.tolist() == ["p0"] * 3 + ["p1"] * 3
    assert set(wrong.why) == {
        "the patient's input is another: clinical:age changed",
        "the patient's input: it is refused now, THX-D15",
    }


def test_R11_a_patient_who_is_gone_is_missing_and_one_who_came_is_counted(written, predictor, wide, tmp_path):
    found = verify_scores(written, read(tmp_path, wide.drop(index=0)), predictor=predictor)
    assert found.lines[found.lines.outcome == "missing"].patient_id.tolist() == ["p0"] * 3
    assert set(found.lines.outcome[3:]) == {"same"}
    more = pd.concat([wide, wide.iloc[[0]].assign(patient_id="new")])
    found = verify_scores(written, read(tmp_path, more), predictor=predictor)
    assert set(found.lines.outcome) == {"same"}
    assert "13 rows then, 14 now" in what(found, "input")
    assert state(found)["scores file"] == "same", "who came later is no line that was taken out"


def test_R11_a_line_added_for_a_patient_who_is_there_is_no_missing_patient(written, predictor, wide, tmp_path):
    table = pd.read_parquet(written)
    pd.concat([table, table.iloc[[20]].assign(therapy="abatacept")]).to_parquet(written, index=False)
    other = wide.copy()
    other.loc[0, "clinical:age"] += 7.0
    found = verify_scores(written, read(tmp_path, other), predictor=predictor)
    assert found.lines.outcome[found.rows] == "differs"
    assert found.lines.why[found.rows] == "the scores file: the input has no row for this line"


def test_R11_a_line_taken_out_is_missed_where_the_input_is_another_too(written, predictor, wide, tmp_path):
    pd.read_parquet(written).drop(index=20).to_parquet(written, index=False)
    other = wide.copy()
    other.loc[0, "clinical:age"] += 7.0
    found = verify_scores(written, read(tmp_path, other), predictor=predictor)
    assert "1 lines that the input gives are not there" in what(found, "scores file")


def test_R11_another_model_is_told_before_anything_is_ranked(written, predictor, cohort):
    other = type(predictor)(predictor.model, "f" * 64, uri=predictor.uri, version="7")
    found = verify_scores(written, cohort, predictor=other)
    assert state(found)["model"] == "differs"
    assert set(found.lines.outcome) == {"differs"}


def test_R11_a_model_of_the_other_kind_is_a_wrong_call(written, cohort):
    with pytest.raises(UsageError, match="rankings are made by a choice"):
        verify_scores(written, cohort, predictor=Predictor(None, "0" * 64))


def test_R11_another_code_table_or_library_is_named_and_judged_by_the_bits(written, predictor, cohort):
    def other(account):
        here = account["provenance"]["here"]
        here["modules"]["models/selector.py"] = "0" * 12
        here["tables"]["gep.csv"] = "0" * 64
        here["versions"]["numpy"] = "1.0"

    resealed(written, other)
    found = verify_scores(written, cohort, predictor=predictor)
    assert (what(found, "code"), what(found, "tables")) == ("models/selector.py", "gep.csv")
    assert what(found, "libraries").startswith("numpy 1.0 then")
    assert found.same, "the same bits of another code are the same bits"


def test_R11_where_all_were_refused_there_is_nothing_to_differ(predictor, cohort, tmp_path):
    nobody = cohort.from_tables({"clinical": pd.DataFrame({"age": [-4.0, 300.0]}, index=["a", "b"])})
    write_rankings(predictor.rank(nobody), tmp_path / "r.parquet", nobody)
    found = verify_scores(tmp_path / "r.parquet", nobody, predictor=predictor)
    assert (found.rows, found.same) == (0, True)


@pytest.fixture
def old(written, predictor, cohort):
    """As rankings were written before their parts were told apart: without a utility, which nothing tells."""
    found = predictor.rank(cohort, tried=TRIED, therapies=["rituximab", "etanarcept", "Enbrel"])
    of_then = dict(zip(cohort.ids, found.digests.reindex(cohort.ids), strict=True))
    shared = [predictor.digest, theracast.__version__]
    line = [of_then[i] for i in found.table.patient_id]
    found.table.assign(provenance=marks(shared, line)).to_parquet(written, index=False)
    kept = {**found.account(), "standard": found.standard}
    written.with_suffix(".json").write_text(json.dumps(kept))
    return written


def test_R11_rankings_of_before_are_verified_as_far_as_they_can_be(old, predictor, cohort):
    found = verify_scores(old, cohort, predictor=predictor)
    assert found.same, found.lines
    assert {p for p, s in state(found).items() if s == "not told"} == {
        "account", "scores file", "rejects file", "schema", "code", "tables", "libraries", "input",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(index=4), "1 lines that the input gives are not there"),
        (lambda t: t[t.patient_id != "p7"], "3 lines that the input gives are not there"),
        (lambda t: pd.concat([t, t.iloc[[4]].assign(therapy="abatacept")]), "lines that the input gives"),
    ],
    ids=["a line", "a patient", "a therapy added"],
)
def test_R11_lines_of_before_that_came_or_went_are_seen_by_what_is_made_today(old, predictor, cohort, change, said):
    change(pd.read_parquet(old)).to_parquet(old, index=False)
    found = verify_scores(old, cohort, predictor=predictor)
    assert not found.same
    assert state(found)["scores file"] == "differs"
    assert said in what(found, "scores file")


def test_R11_one_bit_or_one_rank_of_before_is_seen(old, predictor, cohort):
    table = pd.read_parquet(old)
    table.loc[0, "probability"] = np.nextafter(table.probability[0], 1.0)
    ranked = table.index[table["rank"].notna()][-1]
    table.loc[ranked, "rank"] += 1
    table.to_parquet(old, index=False)
    lines = verify_scores(old, cohort, predictor=predictor).lines
    assert lines.why[lines.outcome != "same"].to_dict() == {
        1: "probability: of the same model, code and input",
        ranked + 1: "rank: of the same model, code and input",
    }


@pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::ResourceWarning")
def test_R11_by_the_command_with_the_version_of_then(predictor, tmp_path, monkeypatch):
    from theracast.predict.publish import register_selection

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    experiment = SelectionExperiment.model_construct(kind="selection", name=SPEC.name, claim="", settings={})
    uri, _ = register_selection(SelectionTraining(experiment, predictor.model, {"simulated": "1" * 64}))
    pd.DataFrame({"patient_id": ["a", "b", "c"], "clinical:age": [30, 70, -4]}).to_csv("cohort.csv", index=False)
    (tmp_path / "tried.csv").write_text("patient_id,therapy\na,Enbrel\n")
    run = CliRunner().invoke(app, ["rank", uri, "cohort.csv", "-o", "r.parquet", "--tried", "tried.csv"])
    assert run.exit_code == 0, run.output
    assert "provenance" not in run.output
    run = CliRunner().invoke(app, ["verify", "r.parquet", "--input", "cohort.csv"])
    assert run.exit_code == 0, run.output
    assert json.loads(run.output.splitlines()[-1]) == {
        "lines": 4, "checked": 4, "same": 4, "differs": 0, "missing": 0,
    }  # fmt: skip
    run = CliRunner().invoke(app, ["verify", "r.parquet", "--input", "cohort.csv", "--model", uri])
    assert run.exit_code == 0, run.output
    flip = bytearray((tmp_path / "r.parquet").read_bytes())
    layout = account_of(tmp_path / "r.parquet")["provenance"]["files"]["scores"]
    number = layout["columns"].index("rank")
    start, size = next(p[2:4] for p in layout["parts"] if p[0] == number)
    flip[start + size // 2] ^= 1
    (tmp_path / "r.parquet").write_bytes(flip)
    run = CliRunner().invoke(app, ["verify", "r.parquet", "--input", "cohort.csv"])
    assert isinstance(run.exception, DataError)
    assert (run.exception.code, run.exception.exit_code) == ("THX-R11", 3)
    assert "column rank of rows 1 to 4" in run.output


@pytest.mark.shared
@pytest.mark.nightly
def test_R11_the_choice_of_public_studies_is_ranked_again_from_its_folder(shared_data, monkeypatch, tmp_path):
    monkeypatch.setenv("THERACAST_DATA", str(shared_data))
    trained = train_selection(SelectionExperiment(kind="selection", name="ra_biologic"))
    save_selection(trained.model, tmp_path / "model", {})
    cohort = load_cohort("ra_proteome")
    ranked = SelectionPredictor.from_folder(tmp_path / "model").rank(cohort)
    write_rankings(ranked, tmp_path / "r.parquet", cohort)
    found = verify_scores(tmp_path / "r.parquet", cohort)
    assert set(found.parts.state) == {"same"}
    assert set(found.lines.outcome) == {"same"}
    assert found.rows == len(cohort) * len(SELECTIONS["ra_biologic"].arms)
