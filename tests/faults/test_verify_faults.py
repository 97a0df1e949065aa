"""Bytes and rows that were changed behind the back of a score file are named."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from theracast.errors import DataError, UsageError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.predict.batch import score_dataset, write_scores
from theracast.predict.file_parts import FRAME, file_parts
from theracast.predict.made_of import sealed
from theracast.predict.predictor import Predictor
from theracast.predict.verify import verify_scores


def simulated(n, seed=0):
    r = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "patient_id": [f"simulated-{i}" for i in range(n)],
            "clinical:age": np.where(r.random(n) < 0.001, -1.0, r.integers(30, 90, n)),
            "clinical:sex": r.choice(["F", "M"], n),
            "mutations:tmb": r.lognormal(2, 1, n).round(2).clip(0, 140),
            "mutations:tmb_unit": "mut/Mb",
        }
    )


@pytest.fixture(scope="module")
def predictor():
    both = Cohort.concat([load_cohort("liu2019_mel"), load_cohort("riaz2017_mel")])
    return Predictor(ResponseModel("melanoma_ici").fit(both), "0" * 64, uri="models:/m/3", version="3")


@pytest.fixture(scope="module")
def written(predictor, tmp_path_factory):
    """20,000 simulated patients in 3 row groups of input."""
    place = tmp_path_factory.mktemp("verify")
    simulated(20_000).to_parquet(place / "wide.parquet", row_group_size=8_000)
    score_dataset(place / "wide.parquet", place / "s.parquet", predictor, chunk_rows=7_000)
    return place


@pytest.fixture
def place(written, tmp_path):
    for name in ("s.parquet", "s.json", "s.rejects.parquet", "wide.parquet"):
        (tmp_path / name).write_bytes((written / name).read_bytes())
    return tmp_path


def verified(place, predictor, sample=200, **more):
    return verify_scores(place / "s.parquet", place / "wide.parquet", sample=sample, predictor=predictor, **more)


def flip(path, at):
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def column(place, name):
    """Where the bytes of a column of the first row group lie."""
    kept = json.loads((place / "s.json").read_text())["provenance"]["files"]["scores"]
    number = kept["columns"].index(name)
    return next((start, size) for k, group, start, size, _ in kept["parts"] if (k, group) == (number, 0))


def said(found, part):
    return found.parts.set_index("part").loc[part, ["state", "what"]].tolist()


def test_R11_a_sample_of_20000_lines_is_the_same(written, predictor):
    found = verified(written, predictor)
    assert found.same
    assert (len(found.lines), found.rows) == (200, pq.read_metadata(written / "s.parquet").num_rows)
    assert set(found.parts.state) == {"same"}
    again = verified(written, predictor)
    assert again.lines.index.equals(found.lines.index), "the same seed draws the same lines"
    assert not verified(written, predictor, seed=1).lines.index.equals(found.lines.index)


def test_R11_a_flipped_byte_of_a_number_is_named_by_row_and_column(place, predictor):
    table = pd.read_parquet(place / "s.parquet")
    start, size = column(place, "probability")
    line = int(table.probability.dropna().drop_duplicates(keep=False).index[100])
    at = place.joinpath("s.parquet").read_bytes().index(table.probability[line].tobytes(), start, start + size)
    flip(place / "s.parquet", at)
    found = verified(place, predictor, sample=10)
    assert not found.same
    assert said(found, "scores file")[0] == "differs"
    assert "column probability of rows 1 to" in said(found, "scores file")[1]
    wrong = found.lines[found.lines.outcome != "same"]
    assert wrong.index.tolist() == [line + 1]
    assert wrong.why.tolist() == [f"the scores file: probability of row {line + 1:,} is not what was written"]


@pytest.mark.parametrize("where", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("name", ["patient_id", "lower", "upper", "set", "decision", "provenance", "notes"])
def test_R11_a_flipped_byte_of_any_column_is_named(place, predictor, name, where):
    start, size = column(place, name)
    flip(place / "s.parquet", start + int(size * where))
    found = verified(place, predictor, sample=10)
    assert not found.same
    assert f"column {name} of rows 1 to" in said(found, "scores file")[1]


def test_R11_a_flipped_byte_of_the_footer_or_the_end_is_named(place, predictor):
    whole = (place / "s.parquet").read_bytes()
    for at in (len(whole) - 3, len(whole) - 7, len(whole) - 400, 2):
        (place / "s.parquet").write_bytes(whole)
        flip(place / "s.parquet", at)
        found = verified(place, predictor, sample=10)
        assert not found.same
        assert FRAME in said(found, "scores file")[1]
    (place / "s.parquet").write_bytes(whole + b"x")
    assert FRAME in said(verified(place, predictor, sample=10), "scores file")[1]
    (place / "s.parquet").write_bytes(whole[: len(whole) // 2])
    found = verified(place, predictor, sample=10)
    assert found.rows == 0
    assert said(found, "scores file")[1].startswith("it no longer reads as scores")
    assert not found.same


def test_R11_a_changed_account_is_named(place, predictor):
    account = json.loads((place / "s.json").read_text())
    account["site"]["intercept"] = 0.25
    (place / "s.json").write_text(json.dumps(account))
    found = verified(place, predictor)
    assert said(found, "account") == ["differs", "it is not what was written beside the scores"]
    assert set(found.lines.outcome) == {"differs"}
    assert found.lines.why.str.contains("probability").all()


def test_R11_rejects_that_are_gone_or_others_are_named(place, predictor):
    flip(place / "s.rejects.parquet", 100)
    assert said(verified(place, predictor, sample=5), "rejects file") == ["differs", "other bytes"]
    (place / "s.rejects.parquet").unlink()
    found = verified(place, predictor, sample=5)
    assert said(found, "rejects file")[0] == "missing"
    assert set(found.lines.outcome) == {"same"}, "the rows are found by their ids"
    assert not found.same


def test_R11_a_changed_cell_of_the_input_is_named_by_its_column(place, predictor):
    wide = pd.read_parquet(place / "wide.parquet")
    wide.loc[15_000, "mutations:tmb"] += 1.0
    wide.to_parquet(place / "wide.parquet", row_group_size=8_000)
    found = verified(place, predictor, sample=None)
    assert said(found, "input") == ["differs", "other columns: mutations:tmb (rows 14,001 to 20,000)"]
    wrong = found.lines[found.lines.outcome != "same"]
    assert wrong.patient_id.tolist() == ["simulated-15000"]
    assert wrong.why.tolist() == ["the patient's input is another: mutations:tmb changed"]


def test_R11_rows_that_came_went_or_moved_are_told(place, predictor):
    wide = pd.read_parquet(place / "wide.parquet")
    gone = wide.drop(index=15_000).reset_index(drop=True)
    gone.to_parquet(place / "wide.parquet")
    found = verified(place, predictor, sample=None)
    assert found.lines.outcome.value_counts().to_dict() == {"same": found.rows - 1, "missing": 1}
    moved = wide.copy()
    moved.iloc[[15_000, 15_001]] = wide.iloc[[15_001, 15_000]].to_numpy()
    moved.to_parquet(place / "wide.parquet")
    found = verified(place, predictor, sample=None)
    assert said(found, "input")[0] == "differs"
    assert found.same, "each patient is found, and the same is said of each"
    pd.concat([wide, wide.iloc[[9]].assign(patient_id="simulated-late")]).to_parquet(place / "wide.parquet")
    found = verified(place, predictor)
    assert said(found, "input")[1].startswith("20,000 rows then, 20,001 now")
    assert found.same


def test_R11_another_model_is_told_before_anything_is_scored(place, predictor):
    other = Predictor(predictor.model, "f" * 64, uri=predictor.uri, version="3")
    found = verified(place, other)
    assert said(found, "model")[0] == "differs"
    assert set(found.lines.outcome) == {"differs"}


def test_R11_a_line_of_another_patient_is_seen_by_no_digest_of_the_file(place, predictor):
    """Somebody who writes the file anew and has no account to fit: every line speaks for itself."""
    account = json.loads((place / "s.json").read_text())
    del account["provenance"]["files"], account["sealed"]
    (place / "s.json").write_text(json.dumps(account))
    table = pd.read_parquet(place / "s.parquet")
    table.loc[[3, 4], ["probability", "lower", "upper"]] = table.loc[
        [4, 3], ["probability", "lower", "upper"]
    ].to_numpy()
    table.to_parquet(place / "s.parquet", index=False)
    found = verified(place, predictor, sample=None)
    assert found.lines.index[found.lines.outcome != "same"].tolist() == [4, 5]


def swapped(table):
    order = np.arange(len(table))
    order[[5, 6]] = [6, 5]
    return table.iloc[order]


@pytest.fixture(scope="module", params=["wide", "cohort"])
def few(request, predictor, tmp_path_factory):
    """300 simulated patients, one of them twice and some of them refused; as one table, or as a cohort."""
    place = tmp_path_factory.mktemp("few")
    wide = simulated(300, seed=3)
    wide.loc[[50, 51], "clinical:age"] = -1.0
    if request.param == "cohort":
        cohort = Cohort.from_wide(wide.set_index("patient_id"))
        write_scores(predictor.score(cohort), place / "s.parquet", cohort)
        return place, cohort
    pd.concat([wide, wide.iloc[[7]]], ignore_index=True).to_parquet(place / "wide.parquet")
    score_dataset(place / "wide.parquet", place / "s.parquet", predictor, chunk_rows=90)
    return place, place / "wide.parquet"


@pytest.fixture
def copied(few, tmp_path):
    for file in few[0].glob("s.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path / "s.parquet", few[1]


def reclosed(path, change=lambda account: None):
    """Somebody who can write the account anew: only what is made again can tell."""
    account = json.loads(path.with_suffix(".json").read_text())
    account["provenance"]["files"]["scores"] = file_parts(path)
    change(account)
    path.with_suffix(".json").write_text(json.dumps(sealed({k: v for k, v in account.items() if k != "sealed"})))


@pytest.mark.parametrize("closed", [False, True], ids=["as it was", "closed anew"])
@pytest.mark.parametrize(
    ("change", "wrong", "what"),
    [
        (swapped, [6, 7], ""),
        (lambda t: t.drop(index=10), [], "lines are there"),
        (lambda t: pd.concat([t, t.iloc[[4]]]), [-1], "lines are there"),
        (lambda t: pd.concat([t, t.iloc[[4]].assign(patient_id="simulated-new")]), [-1], "lines are there"),
        (lambda t: t.assign(patient_id=t.patient_id.replace("simulated-8", "simulated-x")), [9], ""),
        (lambda t: t.drop(columns="notes"), [], "column notes is not there"),
        (lambda t: t.assign(note="simulated"), [], "column note was added"),
    ],
    ids=["swapped", "removed", "repeated", "added", "another id", "column gone", "column added"],
)
def test_R11_lines_and_columns_that_came_went_or_moved_are_told(copied, predictor, change, wrong, what, closed):
    path, X = copied
    change(pd.read_parquet(path)).to_parquet(path, index=False)
    if closed:
        reclosed(path)
    found = verify_scores(path, X, predictor=predictor)
    assert not found.same
    assert what in said(found, "scores file")[1]
    lines = [found.rows if k < 0 else k for k in wrong]
    assert found.lines.index[found.lines.outcome != "same"].tolist() == lines
    if wrong == [-1]:
        assert found.lines.why[found.rows] == "the scores file: the input has no row for this line"
    elif wrong and closed:
        assert "the digest of the line is not that of" in found.lines.why[wrong[0]] or wrong == [9]


def test_R11_a_line_taken_out_of_scores_and_account_is_missed_in_the_input(copied, predictor):
    path, X = copied

    def one_less(account):
        account["rows_in"] -= 1
        account["abstained" if account["abstained"] else "scored"] -= 1

    pd.read_parquet(path).drop(index=10).to_parquet(path, index=False)
    reclosed(path, one_less)
    found = verify_scores(path, X, predictor=predictor)
    assert said(found, "account")[0] == "differs"
    assert "rows then" in said(found, "account")[1]
    assert not found.same


def test_R11_a_line_taken_out_and_a_count_lowered_does_not_add_up(copied, predictor):
    path, X = copied
    table = pd.read_parquet(path)
    table.drop(index=10).to_parquet(path, index=False)
    fate = "abstained" if table.decision[10] == "abstain" else "scored"
    reclosed(path, lambda account: account.update({fate: account[fate] - 1}))
    found = verify_scores(path, X, predictor=predictor)
    assert said(found, "account")[1].startswith("its rows do not add up")
    assert not found.same


@pytest.mark.parametrize(
    ("change", "got"),
    [
        (lambda a: a.update(provenance=[1]), "account: provenance"),
        (lambda a: a["site"].update(intercept="much"), "account: site.intercept"),
        (lambda a: a["provenance"].update(parts={"model": "0"}), "account: provenance.parts"),
        (lambda a: a["provenance"]["files"].update(scores={}), "account: provenance.files.scores"),
        (lambda a: a["provenance"]["files"]["scores"].update(columns=["a"]), "account: provenance.files"),
        (lambda a: a.update(scored=-1), "account: scored"),
    ],
)
def test_R11_an_account_that_is_none_is_refused_by_the_name_of_its_field(copied, predictor, change, got):
    path, X = copied
    account = json.loads(path.with_suffix(".json").read_text())
    change(account)
    path.with_suffix(".json").write_text(json.dumps(account))
    with pytest.raises(DataError, match=rf"THX-R11.*s\.json.*{got}"):
        verify_scores(path, X, predictor=predictor)


def test_R11_an_account_whose_seal_was_taken_off_is_another(copied, predictor):
    path, X = copied
    account = json.loads(path.with_suffix(".json").read_text())
    del account["sealed"]
    path.with_suffix(".json").write_text(json.dumps(account))
    assert said(verify_scores(path, X, predictor=predictor), "account")[0] == "differs"


def test_R11_what_is_no_file_or_no_parquet_is_told(copied, predictor):
    path, X = copied
    table = pd.read_parquet(path)
    path.unlink()
    with pytest.raises(DataError, match=r"THX-R11.*no such file"):
        verify_scores(path, X, predictor=predictor)
    path.mkdir()
    with pytest.raises(DataError, match=r"THX-R11.*a folder"):
        verify_scores(path, X, predictor=predictor)
    table.to_csv(path.with_suffix(".csv"))
    found = verify_scores(path.with_suffix(".csv"), X, predictor=predictor)
    assert said(found, "scores file")[1].startswith("it no longer reads as scores")
    with pytest.raises(UsageError, match="seed is at least 0"):
        verify_scores(path, X, predictor=predictor, seed=-1)


def test_R11_an_input_that_is_refused_as_a_whole_is_told(copied, predictor, tmp_path):
    path, _ = copied
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 cut off")
    found = verify_scores(path, tmp_path / "cut.parquet", predictor=predictor)
    assert said(found, "input")[0] == "differs"
    assert said(found, "input")[1].startswith("it is refused now: THX-D32")
    assert set(found.lines.outcome) == {"differs"}


def test_R11_a_unit_that_was_declared_then_and_not_now_is_named(predictor, tmp_path):
    wide = simulated(20).set_index("patient_id")
    then = Cohort.from_wide(wide, units={"expression": "TPM"})
    write_scores(predictor.score(then), tmp_path / "s.parquet", then)
    assert verify_scores(tmp_path / "s.parquet", then, predictor=predictor).same
    found = verify_scores(tmp_path / "s.parquet", Cohort.from_wide(wide), predictor=predictor)
    assert said(found, "input") == ["differs", "other columns: the unit of expression (TPM then, none now)"]


def test_R11_where_all_were_refused_there_is_nothing_to_differ(predictor, tmp_path):
    simulated(5).assign(**{"clinical:age": -1.0}).to_parquet(tmp_path / "wide.parquet")
    score_dataset(tmp_path / "wide.parquet", tmp_path / "s.parquet", predictor)
    found = verify_scores(tmp_path / "s.parquet", tmp_path / "wide.parquet", predictor=predictor)
    assert (found.rows, found.same) == (0, True)


def test_R11_an_empty_file_holds_no_scores(tmp_path, predictor):
    (tmp_path / "s.parquet").write_bytes(b"")
    (tmp_path / "s.json").write_text("{}")
    with pytest.raises(DataError, match="THX-R11"):
        verify_scores(tmp_path / "s.parquet", pd.DataFrame(), predictor=predictor)


@pytest.mark.nightly
def test_R11_a_sample_of_a_million_lines_passes_and_one_flipped_byte_is_named(tmp_path, predictor):
    simulated(1_000_000).to_parquet(tmp_path / "wide.parquet", row_group_size=100_000)
    score_dataset(tmp_path / "wide.parquet", tmp_path / "s.parquet", predictor)
    assert verified(tmp_path, predictor, sample=1_000).same
    probability = pd.read_parquet(tmp_path / "s.parquet", columns=["probability"]).probability
    line = int(probability.dropna().drop_duplicates(keep=False).index[-1])
    value = probability[line].tobytes()
    flip(tmp_path / "s.parquet", (tmp_path / "s.parquet").read_bytes().rindex(value))
    found = verified(tmp_path, predictor, sample=1_000)
    wrong = found.lines[found.lines.outcome != "same"]
    assert wrong.index.tolist() == [line + 1]
    assert "probability" in wrong.why.iloc[0]
