"""A long table scored by chunks is the whole table scored at once."""

import json

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from theracast.errors import DataError, UsageError
from theracast.features.readers import read_table
from theracast.models.recalibration import Recalibration
from theracast.predict.batch import score_dataset
from theracast.predict.predictor import Predictor
from theracast.predict.stream_site import site_of
from theracast.predict.stream_source import open_source
from theracast.provenance import digest_json

SHEET = "simulated"


@pytest.fixture(scope="module")
def predictor(two_cohorts):
    return Predictor.from_folder(two_cohorts, uri="models:/m@champion", version="3")


def simulated(n=60, seed=0):
    """Patients of every fate: scored, abstained, refused, repeated far away, in conflict, without an id."""
    r = np.random.default_rng(seed)
    table = pd.DataFrame(
        {
            "patient_id": [f"{SHEET}-{i:04d}" for i in range(n)],
            "clinical:age": r.integers(30, 90, n),
            "clinical:sex": r.choice(["F", "M"], n),
            "clinical:prior_treatment": r.random(n) < 0.5,
            "clinical:ecog": r.integers(0, 3, n).astype(float),
            "mutations:tmb": r.lognormal(2, 1, n).round(2).clip(0, 140),
            "mutations:tmb_unit": "mut/Mb",
            "signatures:Ayers_IFNg18": r.gamma(8, 0.13, n).round(4),
            "signatures:Reference_NanoString09": r.gamma(8, 0.13, n).round(4),
        }
    )
    table.loc[r.random(n) < 0.3, "mutations:tmb"] = np.nan
    table.loc[3, "clinical:age"] = -1
    table.loc[5, "patient_id"] = ""
    for row, as_row in ((n - 1, 1), (n - 2, 1), (n - 3, 3), (n - 4, 8)):
        table.loc[row] = table.loc[as_row]
    table.loc[n - 4, "clinical:age"] = 99  # one patient, two ages
    table.loc[n // 2, "clinical:sex"] = None
    return table


def stored(frame, folder):
    path = folder / "wide.parquet"
    frame.to_parquet(path, row_group_size=7)
    return path


def read(sink):
    rejects = sink.with_suffix(".rejects.parquet")
    return pd.read_parquet(sink), pd.read_parquet(rejects) if rejects.exists() else None


def same(sink, whole):
    scores, rejects = read(sink)
    pd.testing.assert_frame_equal(scores, whole.table.reset_index(drop=True), check_dtype=False, check_exact=True)
    pd.testing.assert_frame_equal(rejects, whole.rejects, check_dtype=False)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(size=st.integers(1, 70), seed=st.integers(0, 3))
def test_the_size_of_a_chunk_changes_no_number_and_no_fate(predictor, tmp_path, size, seed):
    path = stored(simulated(40, seed), tmp_path)
    account = score_dataset(path, tmp_path / "s.parquet", predictor, chunk_rows=max(size, 5))
    whole = predictor.score(read_table(path))
    same(tmp_path / "s.parquet", whole)
    assert {k: account[k] for k in whole.account()} == whole.account()


def test_the_size_of_a_chunk_leaves_no_trace_in_the_bytes(predictor, tmp_path):
    path = stored(simulated(), tmp_path)
    contents = set()
    for size in (11, 60, 1000):
        score_dataset(path, tmp_path / "s.parquet", predictor, chunk_rows=size)
        contents.add((tmp_path / "s.parquet").read_bytes() + (tmp_path / "s.rejects.parquet").read_bytes())
    assert len(contents) == 1


def test_a_repeat_in_another_chunk_is_linked_to_its_first_row(predictor, tmp_path):
    path = stored(simulated(), tmp_path)
    score_dataset(path, tmp_path / "s.parquet", predictor, chunk_rows=10)
    scores, rejects = read(tmp_path / "s.parquet")
    mine = scores[scores.patient_id == f"{SHEET}-0001"]
    assert mine.notes.str.contains("same as row 2").tolist() == [False, True, True]
    assert len(set(mine.probability)) == 1
    assert rejects.row.tolist() == [4, 6, 9, 57, 58]
    assert rejects.code.tolist() == ["THX-D15", "THX-D17", "THX-D17", "THX-D17", "THX-D15"]


def kinds(frame, folder):
    """The same rows in every form that is read."""
    frame.to_csv(folder / "wide.csv", index=False)
    (folder / "parts").mkdir()
    for k in range(3):
        frame.iloc[k * 20 : k * 20 + 20].to_parquet(folder / "parts" / f"part-{k}.parquet", index=False)
    with duckdb.connect(str(folder / "wide.duckdb")) as base:
        base.register("frame", frame)
        base.execute('CREATE TABLE "patients; of ours" AS SELECT * FROM frame')
    return {
        "csv": folder / "wide.csv",
        "folder": folder / "parts",
        "duckdb": f"duckdb:{folder / 'wide.duckdb'}?table=patients; of ours",
        "dataset": ds.dataset(pa.Table.from_pandas(frame, preserve_index=False)),
    }


def test_every_form_gives_the_same_scores(predictor, tmp_path):
    frame = simulated()
    whole = predictor.score(frame)
    for kind, source in kinds(frame, tmp_path).items():
        score_dataset(source, tmp_path / "s.parquet", predictor, chunk_rows=17)
        scores, rejects = read(tmp_path / "s.parquet")
        numbers = ["probability", "lower", "upper"]
        # pandas reads the last bit of a decimal as it likes
        np.testing.assert_allclose(scores[numbers], whole.table[numbers], rtol=1e-12 if kind == "csv" else 0)
        assert scores.notes.tolist() == whole.table.notes.tolist(), kind
        assert rejects.row.tolist() == whole.rejects.row.tolist(), kind


def test_a_csv_gives_what_it_gives_read_whole(predictor, tmp_path):
    simulated().to_csv(tmp_path / "wide.csv", index=False)
    score_dataset(tmp_path / "wide.csv", tmp_path / "s.parquet", predictor, chunk_rows=9)
    same(tmp_path / "s.parquet", predictor.score(read_table(tmp_path / "wide.csv")))


def test_folders_that_say_a_column_are_read_with_it(predictor, tmp_path):
    frame = simulated(20)
    for unit, part in (("mut%2FMb", frame.iloc[:9]), ("count (exome)", frame.iloc[9:])):
        folder = tmp_path / "parts" / f"mutations:tmb_unit={unit}"
        folder.mkdir(parents=True)
        part.drop(columns="mutations:tmb_unit").to_parquet(folder / "a.parquet", index=False)
    table = open_source(tmp_path / "parts")
    assert "mutations:tmb_unit" in table.columns
    assert table.rows == 20


def test_what_is_no_table_of_the_database_is_refused(tmp_path):
    with duckdb.connect(str(tmp_path / "b.duckdb")) as base:
        base.execute("CREATE TABLE t AS SELECT 1 AS x")
    for name in ("t; DROP TABLE t", "nothing", "", '"t"'):
        with pytest.raises(UsageError, match="no such table"):
            open_source(f"duckdb:{tmp_path / 'b.duckdb'}?table={name}")


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.parquet", b"PAR1 cut off", "THX-D32"),
        ("a.csv", b"patient_id,clinical:age\np1,61,7\n", "THX-D31"),
        ("a.csv", b"patient_id,clinical:age\np1,6\x001\n", "THX-D31"),
        ("a.csv", b"", "THX-D33"),
        ("a.csv", b"patient_id,clinical:age\n", "THX-D33"),
        ("a.csv", b"patient_id,clinical:age,clinical:age\np1,1,2\n", "THX-D03"),
    ],
)
def test_what_cannot_be_read_is_refused(predictor, tmp_path, name, content, code):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        score_dataset(tmp_path / name, tmp_path / "s.parquet", predictor)
    assert caught.value.code == code
    assert not (tmp_path / "s.parquet").exists()


def test_a_column_that_is_wrong_as_a_whole_stops_the_job(predictor, tmp_path):
    frame = simulated().assign(**{"mutations:tmb": 350.0})
    with pytest.raises(DataError, match=r"THX-D16.*mutations:tmb"):
        score_dataset(stored(frame, tmp_path), tmp_path / "s.parquet", predictor, chunk_rows=20)


def test_strict_names_the_row_of_the_whole_table(predictor, tmp_path):
    frame = simulated().drop(index=[3, 5, 8, 56, 57]).reset_index(drop=True)
    frame.loc[44, "clinical:age"] = 200
    with pytest.raises(DataError, match="row 45"):
        score_dataset(stored(frame, tmp_path), tmp_path / "s.parquet", predictor, chunk_rows=20, strict=True)


def test_the_scale_of_expression_is_not_guessed_by_chunk(predictor, tmp_path):
    frame = simulated().assign(**{"expression:CD8A": 3.0})
    path = stored(frame, tmp_path)
    with pytest.raises(DataError, match="THX-D05"):
        score_dataset(path, tmp_path / "s.parquet", predictor, chunk_rows=20)
    score_dataset(path, tmp_path / "s.parquet", predictor, chunk_rows=20, units={"expression": "log2(TPM+1)"})


def test_rows_without_an_id_column_are_numbered_through(predictor, tmp_path):
    frame = simulated().drop(index=[55, 56, 57, 58, 59], columns="patient_id")
    path = stored(frame, tmp_path)
    score_dataset(path, tmp_path / "s.parquet", predictor, chunk_rows=9)
    same(tmp_path / "s.parquet", predictor.score(read_table(path)))


def test_what_is_known_of_the_site_moves_every_chunk(predictor, tmp_path):
    path, site = stored(simulated(), tmp_path), Recalibration(-0.5, 0.9, "by hand")
    account = score_dataset(path, tmp_path / "s.parquet", predictor, chunk_rows=13, site=site)
    same(tmp_path / "s.parquet", predictor.score(read_table(path), site=site))
    assert account["site"]["note"] == "by hand"


@pytest.mark.parametrize("explain", ["top5", "all"])
def test_explanations_add_up_and_the_weightiest_come_first(predictor, tmp_path, explain):
    path = stored(simulated(), tmp_path)
    score_dataset(path, tmp_path / "s.parquet", predictor, chunk_rows=25, explain=explain)
    scores, _ = read(tmp_path / "s.parquet")
    told = predictor.score(read_table(path), explained=True).explanation
    for row in scores.itertuples():
        content = json.loads(row.explanation)
        points = [f["points"] for f in content["features"]]
        assert [abs(p) for p in points] == sorted((abs(p) for p in points), reverse=True)
        assert explain == "all" or len(points) <= 5
        assert content["reference"] == told.reference[row.patient_id]
        assert content["reference"] + sum(content["blocks"].values()) == pytest.approx(row.probability, abs=1e-6)
        if explain == "all":
            assert content["reference"] + sum(points) == pytest.approx(row.probability, abs=1e-6)


def test_two_processes_give_the_bytes_of_one(predictor, tmp_path):
    path = stored(simulated(), tmp_path)
    score_dataset(path, tmp_path / "one.parquet", predictor, chunk_rows=20)
    seen = []
    score_dataset(
        path, tmp_path / "two.parquet", predictor, chunk_rows=20, workers=2, progress=lambda *n: seen.append(n)
    )
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert [n for n, _ in seen] == [20, 40, 60]


def test_the_summary_says_what_was_done(predictor, tmp_path):
    account = score_dataset(stored(simulated(), tmp_path), tmp_path / "s.parquet", predictor, chunk_rows=20)
    assert json.loads((tmp_path / "s.json").read_text()) == account
    assert sum(account["codes"].values()) == account["rejected"]
    assert sum(account["reasons"].values()) == account["abstained"]
    assert (account["model_version"], account["chunks"]) == ("3", 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["s.json", "s.parquet", "s.rejects.parquet", "wide.parquet"]


def test_the_provenance_can_be_recomputed(predictor):
    matrix = predictor.model.matrix(simulated().iloc[9:12])
    marks = predictor.score(simulated().iloc[9:12]).table.provenance.tolist()
    assert marks == [digest_json([*predictor.parts.values(), d]) for d in matrix.digests]


@pytest.mark.parametrize("wrong", [{"explain": "some"}, {"chunk_rows": 0}, {"workers": 0}])
def test_a_wrong_call_is_refused_before_anything_is_read(predictor, tmp_path, wrong):
    with pytest.raises(UsageError):
        score_dataset(tmp_path / "none.parquet", tmp_path / "s.parquet", predictor, **wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [9, 25, 100])
def test_the_rate_of_a_site_is_matched_to_all_its_patients(predictor, tmp_path, size):
    path = stored(simulated(), tmp_path)
    whole = predictor.site(read_table(path), rate=0.2)
    assert site_of(path, predictor, 0.2, chunk_rows=size) == whole
    assert "matched to the mean of" in whole.note
