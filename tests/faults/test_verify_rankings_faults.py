"""Bytes, ranks and lines of a ranking that were changed behind its back are named. SIMULATED patients."""

import json

import numpy as np
import pandas as pd
import pytest
from service import choice_predictor

from theracast.errors import DataError
from theracast.features.readers import read_cohort
from theracast.predict.file_parts import file_parts
from theracast.predict.made_of import sealed
from theracast.predict.therapies import write_rankings
from theracast.predict.verify import verify_scores


@pytest.fixture(scope="module")
def predictor():
    return choice_predictor()


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """200 simulated patients; of some nothing is known, some are refused."""
    r = np.random.default_rng(4)
    ages = np.where(
        np.arange(200) == 0,
        33.0,
        np.where(r.random(200) < 0.1, r.choice([np.nan, -1.0], 200), r.uniform(20, 80, 200).round(1)),
    )
    file = tmp_path_factory.mktemp("simulated") / "wide.csv"
    pd.DataFrame({"patient_id": [f"simulated-{i}" for i in range(200)], "clinical:age": ages}).to_csv(file, index=False)
    return read_cohort(file)


@pytest.fixture(scope="module")
def ranked(predictor, cohort):
    return predictor.rank(cohort, tried={"simulated-0": ["Enbrel"]})


@pytest.fixture
def path(ranked, cohort, tmp_path):
    write_rankings(ranked, tmp_path / "r.parquet", cohort)
    return tmp_path / "r.parquet"


def said(found, part):
    return found.parts.set_index("part").loc[part, ["state", "what"]].tolist()


def wrong(found):
    return found.lines.index[found.lines.outcome != "same"].tolist()


def reclosed(path, change=lambda account: None):
    """Somebody who can write the account anew: only what is made again can tell."""
    account = json.loads(path.with_suffix(".json").read_text())
    account["provenance"]["files"]["scores"] = file_parts(path)
    change(account)
    path.with_suffix(".json").write_text(json.dumps(sealed({k: v for k, v in account.items() if k != "sealed"})))


def one_line_less(account):
    account["lines"] -= 1


def two_lines_less(account):
    account["lines"] -= 2


def test_R11_one_flipped_byte_of_every_column_is_named(path, predictor, cohort):
    layout = json.loads(path.with_suffix(".json").read_text())["provenance"]["files"]["scores"]
    whole = path.read_bytes()
    assert len(layout["parts"]) > len(layout["columns"]) - 1
    for number, group, start, size, _ in layout["parts"]:
        if number < 0 or group < 0:
            continue
        data = bytearray(whole)
        data[start + size // 2] ^= 1
        path.write_bytes(data)
        found = verify_scores(path, cohort, predictor=predictor, sample=3)
        assert not found.same
        assert said(found, "scores file")[0] == "differs"
        assert f"column {layout['columns'][number]} of rows" in said(found, "scores file")[1]


def swapped(table):
    order = np.arange(len(table))
    order[[6, 7]] = [7, 6]
    return table.iloc[order]


@pytest.mark.parametrize("closed", [False, True], ids=["as it was", "closed anew"])
@pytest.mark.parametrize(
    ("change", "lines", "what"),
    [
        (swapped, [7, 8], ""),
        (lambda t: t.drop(index=10), [], "1 lines that the input gives are not there"),
        (lambda t: t[t.patient_id != t.patient_id[20]], [], "2 lines that the input gives are not there"),
        (lambda t: pd.concat([t, t.iloc[[4]]]), [-1], "lines are there"),
        (lambda t: pd.concat([t, t.iloc[[4]].assign(therapy="abatacept")]), [-1], "lines are there"),
        (lambda t: pd.concat([t, t.iloc[[4]].assign(patient_id="simulated-new")]), [-1], "lines are there"),
        (lambda t: t.assign(patient_id=t.patient_id.where(t.index != 8, "simulated-x")), [9], ""),
        (lambda t: t.assign(therapy=t.therapy.where(t.index != 8, "abatacept")), [9], ""),
        (lambda t: t.drop(columns="notes"), [], "no column notes"),
        (lambda t: t.assign(note="simulated"), [], "column note was added"),
    ],
    ids=["swapped", "removed", "patient removed", "repeated", "therapy added", "patient added", "another id",
         "another therapy", "column gone", "column added"],
)  # fmt: skip
def test_R11_lines_and_columns_that_came_went_or_moved_are_told(path, predictor, cohort, change, lines, what, closed):
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    if closed:
        reclosed(path)
    found = verify_scores(path, cohort, predictor=predictor)
    assert not found.same
    assert what in said(found, "scores file")[1]
    if len(found.lines):
        assert wrong(found) == [found.rows if k < 0 else k for k in lines]
    if lines == [-1]:
        assert found.lines.why[found.rows] == "the scores file: the input has no row for this line"


@pytest.mark.parametrize("number", [1, 2], ids=["a line", "a patient"])
def test_R11_a_line_taken_out_of_rankings_and_account_is_missed_in_the_input(path, predictor, cohort, number):
    pd.read_parquet(path).drop(index=range(20, 20 + number)).to_parquet(path, index=False)
    reclosed(path, one_line_less if number == 1 else two_lines_less)
    found = verify_scores(path, cohort, predictor=predictor)
    assert said(found, "account")[0] == "same", "whoever closed it anew closed it well"
    assert f"{number} lines that the input gives are not there" in said(found, "scores file")[1]
    assert not found.same


@pytest.mark.parametrize("closed", [False, True], ids=["as it was", "closed anew"])
def test_R11_a_changed_rank_is_named_by_its_line(path, predictor, cohort, closed):
    table = pd.read_parquet(path)
    line = table.index[table["rank"] == 1][3]
    table.loc[line, "rank"] = 2
    table.to_parquet(path, index=False)
    if closed:
        reclosed(path)
    found = verify_scores(path, cohort, predictor=predictor)
    assert found.lines.why[line + 1] == (
        "rank: of the same model, code and input" if closed else
        f"the scores file: rank of row {line + 1:,} is not what was written"
    )  # fmt: skip
    assert wrong(found) == [line + 1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda a: a.update(standard="abatacept"), "standard"),
        (lambda a: a.update(scored=a["scored"] - 1, abstained=a["abstained"] + 1), "scored, abstained"),
    ],
)
def test_R11_an_account_that_tells_another_story_is_held_against_the_input(path, predictor, cohort, change, field):
    reclosed(path, change)
    found = verify_scores(path, cohort, predictor=predictor)
    assert said(found, "account") == ["differs", f"other than what the input gives: {field}"]
    assert not found.same


def test_R11_what_was_tried_is_part_of_what_is_made_again(path, predictor, cohort):
    reclosed(path, lambda a: a["provenance"]["asked"].update(tried={}))
    found = verify_scores(path, cohort, predictor=predictor)
    assert set(found.lines.patient_id[wrong(found)]) == {"simulated-0"}


@pytest.mark.parametrize(
    ("change", "got"),
    [
        (lambda a: a["provenance"].update(asked={"tried": 3}), "account: provenance.asked.tried"),
        (lambda a: a["provenance"]["asked"].update(utility={"response_value": 3}), "provenance.asked.utility"),
        (
            lambda a: a["provenance"]["asked"].update(
                utility={"infection_weight": 3, "therapies": {"abatacept": {"infection_risk": 3}}}
            ),
            "account: provenance.asked: ",
        ),
        (lambda a: a.update(lines=-1), "account: lines"),
        (lambda a: a.update(standard=3), "account: standard"),
    ],
)
def test_R11_an_account_that_is_none_is_refused_by_the_name_of_its_field(path, predictor, cohort, change, got):
    reclosed(path, change)
    with pytest.raises(DataError, match=rf"THX-R11.*r\.json.*{got}"):
        verify_scores(path, cohort, predictor=predictor)


def test_R11_a_line_of_another_version_sends_no_one_to_another_model(path, predictor, cohort):
    pd.read_parquet(path).assign(model_version="9").to_parquet(path, index=False)
    found = verify_scores(path, cohort, predictor=predictor)
    assert (said(found, "model")[0], said(found, "scores file")[0]) == ("same", "differs")
    assert len(wrong(found)) == found.rows
