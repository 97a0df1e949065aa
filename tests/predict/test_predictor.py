import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, ModelError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.storage import save_model
from theracast.predict.predictor import Predictor
from theracast.predict.records import COLUMNS, Scores


@pytest.fixture(scope="module")
def predictor():
    cohort = Cohort.concat([load_cohort("liu2019_mel"), load_cohort("riaz2017_mel")])
    return Predictor(ResponseModel().fit(cohort), "0" * 64, uri="models:/m@champion", version="3")


def wide():
    """Six rows: fine, refused age, fine, identical repeat of the first, and one patient twice with other values."""
    return pd.DataFrame(
        {
            "clinical:age": [61.0, -1.0, 70.0, 61.0, 50.0, 51.0],
            "clinical:sex": ["F", "M", "M", "F", "M", "M"],
            "mutations:tmb": [9.0, 3.0, 20.0, 9.0, 1.0, 1.0],
            "mutations:tmb_unit": "mut/Mb",
        },
        index=["p1", "p2", "p3", "p1", "p4", "p4"],
    )


def test_every_row_is_accounted_for(predictor):
    scores = predictor.score(wide())
    assert scores.account() == {"rows_in": 6, "scored": 0, "abstained": 3, "rejected": 3}
    assert scores.rejects.row.tolist() == [2, 5, 6]
    assert scores.rejects.patient_id.tolist() == ["p2", "p4", "p4"]
    assert scores.rejects.code.tolist() == ["THX-D15", "THX-D17", "THX-D17"]
    assert scores.table.patient_id.tolist() == ["p1", "p3", "p1"]
    assert "-1 " not in " ".join(scores.rejects.reason)  # reasons never hold values


def test_an_identical_repeat_is_scored_once_and_linked(predictor):
    table = predictor.score(wide()).table
    first, again = table.iloc[0], table.iloc[2]
    assert (again.probability, again.provenance) == (first.probability, first.provenance)
    assert "same as row 1" in again.notes
    assert "same as row" not in first.notes


def test_a_repeat_shares_the_fate_of_a_refused_row(predictor):
    scores = predictor.score(wide().iloc[[1, 1, 2]])
    assert scores.rejects.row.tolist() == [1, 2]
    assert scores.account()["rejected"] == 2


def test_rows_without_an_id_are_refused_one_by_one(predictor):
    scores = predictor.score(wide().iloc[[0, 2]].set_axis(["", "p3"]))
    assert scores.rejects.code.tolist() == ["THX-D17"]
    assert scores.table.patient_id.tolist() == ["p3"]


@pytest.mark.parametrize(("rows", "where"), [([0, 1], "row 2"), ([0, 4, 5], "row 2")])
def test_strict_stops_at_the_first_refused_row(predictor, rows, where):
    with pytest.raises(DataError, match=where):
        predictor.score(wide().iloc[rows], strict=True)
    assert predictor.score(wide().iloc[[0, 2, 3]], strict=True).account()["rejected"] == 0


def test_a_column_that_is_wrong_as_a_whole_stops_everything(predictor):
    table = pd.concat([wide().iloc[[0]]] * 40).set_axis([f"p{i}" for i in range(40)])
    with pytest.raises(DataError, match=r"THX-D16.*mutations:tmb"):
        predictor.score(table.assign(**{"mutations:tmb": 350.0}))


def test_aligned_has_one_line_per_row_in_order(predictor):
    scores = predictor.score(wide())
    lines = scores.aligned()
    assert lines.patient_id.tolist() == list(wide().index)
    assert lines.decision.tolist() == ["abstain", "rejected", "abstain", "abstain", "rejected", "rejected"]
    assert lines.probability.isna().tolist() == [False, True, False, False, True, True]
    assert lines.columns.tolist() == scores.table.columns.tolist()
    assert lines.reason[1].startswith("THX-D15: clinical:age")


def provenance(predictor, table):
    return predictor.score(table).table.provenance.tolist()


@pytest.mark.parametrize("change", [{"clinical:age": 62.0}, {"mutations:tmb": 9.1}, {"clinical:sex": "M"}])
def test_provenance_follows_every_input_value(predictor, change):
    one = wide().iloc[[0, 2]]
    other = one.copy()
    for column, value in change.items():
        other.loc["p1", column] = value
    before, after = provenance(predictor, one), provenance(predictor, other)
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_provenance_and_numbers_do_not_follow_order(predictor):
    one = wide().iloc[[0, 2]]
    assert provenance(predictor, one[one.columns[::-1]]) == provenance(predictor, one)
    assert provenance(predictor, one.iloc[::-1]) == provenance(predictor, one)[::-1]
    cohort = load_cohort("mgh2022_mel")
    turned = {k: t[t.columns[::-1]] for k, t in cohort.tables.items()}
    same = Cohort.from_tables(turned, units=cohort.units)
    pd.testing.assert_frame_equal(predictor.score(same).table, predictor.score(cohort).table, check_exact=True)


def test_provenance_follows_the_model(predictor):
    other = Predictor(predictor.model, "1" * 64)
    assert provenance(other, wide()) != provenance(predictor, wide())


def test_every_line_names_its_model(predictor):
    table = predictor.score(wide()).table
    assert set(table.model_uri) == {"models:/m@champion"}
    assert set(table.model_version) == {"3"}
    assert list(table.columns[: len(COLUMNS)]) == list(COLUMNS)


@pytest.mark.parametrize("explained", [False, True])
def test_d33_header_only_gives_an_empty_table_with_all_columns(predictor, explained):
    empty = pd.DataFrame(columns=["patient_id", "clinical:age", "mutations:tmb", "mutations:tmb_unit"])
    scores = predictor.score(empty, explained=explained)
    assert scores.account() == {"rows_in": 0, "scored": 0, "abstained": 0, "rejected": 0}
    assert scores.table.columns.tolist() == predictor.score(wide()).table.columns.tolist()
    assert scores.aligned().empty


def test_a_cohort_of_refused_rows_only(predictor):
    scores = predictor.score(wide().iloc[[1]])
    assert scores.account() == {"rows_in": 1, "scored": 0, "abstained": 0, "rejected": 1}
    assert scores.aligned().decision.tolist() == ["rejected"]


def test_the_input_is_left_alone(predictor):
    table = wide()
    predictor.score(table)
    pd.testing.assert_frame_equal(table, wide())


def test_a_lost_row_is_never_silent():
    with pytest.raises(ModelError, match="THX-S01"):
        Scores(pd.DataFrame({"decision": ["response"]}), pd.DataFrame(), 2).account()


def test_one_patients_record_is_json_ready(predictor):
    scores = predictor.score(wide())
    record = scores.prediction("p1").to_dict()
    assert record["patient_id"] == "p1"
    assert 0 < record["probability"] < 1
    assert set(record) == set(COLUMNS)
    with pytest.raises(ModelError, match="no such patient"):
        scores.prediction("p2")


def test_explanations_come_when_asked(predictor):
    scores = predictor.score(wide(), explained=True)
    assert predictor.score(wide()).explanation is None
    assert scores.explanation.points.index.tolist() == ["p1", "p3"]


def test_a_saved_predictor_gives_the_same_numbers(predictor, tmp_path):
    save_model(predictor.model, tmp_path, {"experiment": {"name": "x"}})
    again = Predictor.from_folder(tmp_path)
    assert again.about == {"experiment": {"name": "x"}}
    assert again.uri == str(tmp_path)
    cohort = load_cohort("mgh2022_mel")
    np.testing.assert_array_equal(again.score(cohort).table.probability, predictor.score(cohort).table.probability)
