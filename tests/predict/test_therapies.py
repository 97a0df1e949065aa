"""Therapies side by side: accounts, names, files, pages, MLflow. SIMULATED patients, so that it runs anywhere."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from reports import HOSTILE
from typer.testing import CliRunner

from theracast.errors import DataError, ModelError, UsageError
from theracast.features.cohort import Cohort
from theracast.models.ranking import RANKING
from theracast.models.selection import SelectionModel
from theracast.models.selection_spec import Arm, SelectionSpec
from theracast.models.selection_train import SelectionExperiment, SelectionTraining
from theracast.models.storage import load_selection, save_selection
from theracast.models.therapy_names import therapy_named
from theracast.predict.cli import app
from theracast.predict.cli_rank import read_tried
from theracast.predict.report.therapies import therapies_page
from theracast.predict.therapies import BESIDE, SelectionPredictor, write_rankings

NAMES = ("etanercept", "rituximab")
SPEC = SelectionSpec(
    "simulated_choice",
    "A SIMULATED choice",
    "response",
    "week 12",
    "nobody",
    (
        *(Arm(t, m, "simulated", ("clinical",), "age") for t, m in zip(NAMES, ("TNF", "CD20"), strict=True)),
        Arm("tocilizumab", "IL-6", "elsewhere", ("clinical",), "age"),
    ),
    "Tests.",
    "Anyone.",
)


def people(n, rng, drugs=NAMES):
    """Young patients respond to the first drug, old ones to the second."""
    age = rng.uniform(20, 80, n)
    got = rng.choice(drugs, n)
    helped = np.where(got == drugs[0], age < 50, age >= 50) ^ (rng.random(n) < 0.15)
    table = pd.DataFrame({"age": age, "treatment": got, "response": np.where(helped, "R", "NR")})
    return Cohort.from_tables({"clinical": table.set_axis([f"s{i}" for i in range(n)])}, name="simulated")


@pytest.fixture(scope="module")
def predictor():
    rng = np.random.default_rng(5)
    studies = {"simulated": people(300, rng), "elsewhere": people(60, rng, ("tocilizumab", "tocilizumab"))}
    return SelectionPredictor(SelectionModel(SPEC).fit(studies), "0" * 64, uri="models:/simulated_choice@champion")


def patients(**columns):
    table = pd.DataFrame(columns)
    return Cohort.from_tables({"clinical": table.set_axis([f"p{i}" for i in range(len(table))])})


def test_every_row_has_one_fate(predictor):
    table = pd.DataFrame({"patient_id": ["a", "b", "c", "a", "d"], "age": [30, 70, -4, 30, None]})
    found = predictor.rank(Cohort.from_tables({"clinical": table}))
    assert found.account() == {"rows_in": 5, "scored": 3, "abstained": 1, "rejected": 1}
    assert found.rejects.code.tolist() == ["THX-D15"]
    assert found.best().to_dict() == {"a": "etanercept", "b": "rituximab", "d": ""}
    assert list(found.table.columns) == [*RANKING, *BESIDE]
    assert set(found.table.loc[found.table.patient_id == "a", "notes"]) == {"1 more identical row"}
    lines = found.aligned()
    assert lines.decision.tolist() == ["ranked", "ranked", "rejected", "ranked", "abstain"]
    assert [t["therapy"] for t in json.loads(lines.ranking[0])] == [*NAMES, "tocilizumab"]
    assert lines.ranking[2] == "[]"


def test_a_cohort_of_refused_rows_is_accounted_for(predictor):
    found = predictor.rank(patients(age=[-4.0, 300.0]))
    assert found.account() == {"rows_in": 2, "scored": 0, "abstained": 0, "rejected": 2}
    assert found.aligned().decision.tolist() == ["rejected", "rejected"]
    assert "THX-D15" in therapies_page(found, predictor)


def test_a_lost_row_is_told_before_anything_is_written(predictor, tmp_path):
    found = predictor.rank(patients(age=[30.0, 70.0]))
    lost = replace(found, table=found.table[found.table.patient_id != "p1"])
    with pytest.raises(ModelError, match="THX-S01"):
        write_rankings(lost, tmp_path / "r.parquet")
    assert not list(tmp_path.iterdir())


def test_rows_in_another_order_and_a_single_patient_give_the_same(predictor):
    cohort = patients(age=[30.0, 55.0, 70.0])
    whole = predictor.rank(cohort).table
    for i in cohort.ids:
        alone = predictor.rank(cohort.subset(pd.Index([i]))).table
        mine = whole[whole.patient_id == i].reset_index(drop=True)
        pd.testing.assert_frame_equal(mine, alone)


def test_therapies_of_another_study_are_never_ranked_beside(predictor):
    found = predictor.rank(patients(age=[30.0])).table.set_index("therapy")
    assert found.loc["tocilizumab", "state"] in ("not comparable", "insufficient")
    assert np.isnan(found.loc["tocilizumab", "rank"])


@pytest.mark.parametrize("text", ["Enbrel", " ETANERCEPT ", "ETN", "etanercept (Enbrel)"])
def test_a_therapy_goes_by_any_of_its_names(text):
    assert therapy_named(text, NAMES) == "etanercept"


def test_an_order_of_a_combination_does_not_matter():
    assert therapy_named("leflunomide and methotrexate", ["MTX+HCQ", "MTX+LEF"]) == "MTX+LEF"


def test_D21_a_misspelt_drug_gets_the_nearest_name_and_no_rank(predictor):
    with pytest.raises(DataError, match=r"THX-D21.*etanercept"):
        therapy_named("etanarcept", NAMES)
    found = predictor.rank(patients(age=[30.0, 70.0]), therapies=["etanarcept", "RTX"])
    assert found.table.therapy.tolist() == ["rituximab", "etanarcept"] * 2
    strange = found.table[found.table.therapy == "etanarcept"]
    assert set(strange.state) == {"unknown"}
    assert strange["rank"].isna().all()
    assert strange.probability.isna().all()
    assert strange.reason.str.contains("etanercept").all()


def test_a_patient_whose_second_choice_alone_is_shown_is_no_abstention(predictor):
    found = predictor.rank(patients(age=[30.0]), therapies=["rituximab"])
    assert found.table["rank"].tolist() == [2]
    assert found.account()["scored"] == 1
    assert found.aligned()[["therapy", "decision"]].values.tolist() == [["", "ranked"]]


def test_D21_a_known_drug_that_nobody_got_has_no_rank(predictor):
    found = predictor.rank(patients(age=[30.0]), therapies=["abatacept"])
    assert found.table.state.tolist() == ["unknown"]
    assert "did not learn" in found.table.reason[0]
    assert found.account()["abstained"] == 1


def test_a_failed_therapy_is_not_offered_again(predictor):
    found = predictor.rank(patients(age=[30.0]), tried={"p0": ["Enbrel"]}).table.set_index("therapy")
    assert found.loc["etanercept", "state"] == "tried"
    assert np.isnan(found.loc["etanercept", "rank"])
    with pytest.raises(DataError, match="THX-D21"):
        predictor.rank(patients(age=[30.0]), tried={"p0": ["Enbril"]})


def test_it_is_stored_as_plain_numbers_and_ranks_to_the_bit(predictor, tmp_path):
    digest = save_selection(predictor.model, tmp_path / "model", {"data": {"simulated": "1"}})
    model, about = load_selection(tmp_path / "model")
    assert about == {"data": {"simulated": "1"}, "digest": digest}
    cohort = patients(age=[30.0, np.nan, 70.0])
    again = SelectionPredictor(model, "0" * 64, uri=predictor.uri)
    pd.testing.assert_frame_equal(predictor.rank(cohort).table, again.rank(cohort).table)
    assert {f.name for f in (tmp_path / "model").iterdir()} == {
        "golden.json",
        "manifest.json",
        "model.json",
        "schema.json",
    }


def test_R05_a_flipped_byte_is_refused(predictor, tmp_path):
    save_selection(predictor.model, tmp_path)
    file = tmp_path / "model.json"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(ModelError, match="THX-R05"):
        load_selection(tmp_path)


def test_the_page_escapes_what_it_is_given_and_says_why_there_is_no_rank(predictor):
    table = pd.DataFrame({"patient_id": [HOSTILE, "b", "c"], "age": [30, 70, -4]})
    found = predictor.rank(Cohort.from_tables({"clinical": table}), therapies=["etanercept", "rituximab", HOSTILE])
    page = therapies_page(found, predictor)
    one = therapies_page(found, predictor, "b")
    for html in (page, one):
        assert "<script>alert" not in html
        assert "<img" not in html
    assert "THX-D15" in page
    assert "First: rituximab" in one
    refused = therapies_page(found, predictor, "c")
    assert "refused" in refused
    assert "First" not in refused
    with pytest.raises(ModelError):
        therapies_page(found, predictor, "nobody")


def test_nothing_known_is_no_first_therapy(predictor):
    found = predictor.rank(patients(age=[None], sex=["female"]))
    assert "No therapy can be ranked" in therapies_page(found, predictor, "p0")


@pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::ResourceWarning")
def test_registered_and_ranked_through_mlflow_and_the_command_line(predictor, tmp_path, monkeypatch):
    import mlflow

    from theracast.predict.publish import register_selection
    from theracast.predict.registry import load_predictor, load_selection_predictor

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    experiment = SelectionExperiment.model_construct(kind="selection", name=SPEC.name, claim="", settings={})
    uri, version = register_selection(SelectionTraining(experiment, predictor.model, {"simulated": "1" * 64}))
    assert (uri, version) == ("models:/simulated_choice@champion", "1")
    again = load_selection_predictor(uri)
    assert again.about["evidence"][0]["therapy"]
    with pytest.raises(ModelError, match="rank"):
        load_predictor(uri)

    wide = pd.DataFrame({"patient_id": ["a", "b", "c"], "clinical:age": [30, 70, -4]}, index=[7, 8, 9])
    lines = mlflow.pyfunc.load_model(uri).predict(wide)
    assert lines.therapy.to_dict() == {7: "etanercept", 8: "rituximab", 9: ""}
    assert lines.decision.tolist() == ["ranked", "ranked", "rejected"]

    wide.to_csv("cohort.csv", index=False)
    (tmp_path / "tried.csv").write_text("patient_id,therapy\na,Enbrel\n")
    call = ["rank", uri, "cohort.csv", "-o", "r.parquet", "--report", "r.html", "--tried", "tried.csv"]
    run = CliRunner().invoke(app, call)
    assert run.exit_code == 0, run.output
    assert json.loads(run.output.strip().splitlines()[-1])["rejected"] == 1
    table = pd.read_parquet("r.parquet")
    direct = again.rank(Cohort.from_wide(wide.set_index("patient_id")), tried={"a": ["etanercept"]}).table
    pd.testing.assert_frame_equal(table.drop(columns="model_version"), direct.drop(columns="model_version"))
    assert "side by side" in (tmp_path / "r.html").read_text("utf-8")
    assert pd.read_parquet("r.rejects.parquet").code.tolist() == ["THX-D15"]
    run = CliRunner().invoke(app, ["report", uri, "cohort.csv", "-o", "one.html", "--patient", "b"])
    assert run.exit_code == 0, run.output
    assert "First: rituximab" in (tmp_path / "one.html").read_text("utf-8")
    run = CliRunner().invoke(app, ["report", uri, "cohort.csv", "-o", "no.html", "--response-rate", "0.3"])
    assert "not recalibrated" in str(run.exception)
    assert not (tmp_path / "no.html").exists()


@pytest.mark.parametrize("text", ["patient,therapy\na,b\n", "", b"\xff\xfe\x00"])
def test_rubbish_for_tried_is_a_usage_error(tmp_path, text):
    file = tmp_path / "t.csv"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError):
        read_tried(file)
    with pytest.raises(UsageError):
        read_tried(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: selection\nname: ra_biologics\n", "ra_biologic"),
        ("kind: selection\n", "name"),
        ("kind: selection\nname: 3\n", "name"),
    ],
)
def test_an_experiment_that_is_not_valid_names_what_is_wrong(tmp_path, text, said):
    (tmp_path / "e.yaml").write_text(text)
    with pytest.raises(UsageError) as error:
        SelectionExperiment.from_yaml(tmp_path / "e.yaml")
    assert said in str(error.value)


@pytest.mark.parametrize("text", ["indication: melanoma_ici\n", "- a\n", "a: [1,\n", "just words"])
def test_an_experiment_of_another_kind_is_left_to_others(tmp_path, text):
    (tmp_path / "e.yaml").write_text(text)
    assert SelectionExperiment.from_yaml(tmp_path / "e.yaml") is None
    assert SelectionExperiment.from_yaml(tmp_path / "none.yaml") is None
