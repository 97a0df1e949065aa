"""Scores that were written are made again: the same bits, or which part is another or missing."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from registries import MELANOMA, SMALL, versions_of
from typer.testing import CliRunner

import theracast
from theracast.errors import DataError, UsageError
from theracast.features.datasets import load_cohort
from theracast.predict.batch import score_dataset, write_scores
from theracast.predict.cli import app
from theracast.predict.made_of import PARTS, column_sums, marks, sealed
from theracast.predict.promotion import promote
from theracast.predict.registry import load_predictor
from theracast.predict.verify import verify_scores

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::ResourceWarning")
CHAMPION = f"models:/{MELANOMA}@champion"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two versions; the first is champion when patients are scored, the other one later."""
    uri = versions_of(tmp_path_factory.mktemp("verify"), SMALL, SMALL.model_copy(update={"learner": "xgboost"}))
    promote(MELANOMA, "1", tracking=uri)
    return uri


@pytest.fixture(scope="module")
def cohort():
    return load_cohort("mgh2022_mel")


@pytest.fixture(scope="module")
def scored(store, cohort, tmp_path_factory):
    """What is known of the site moves the numbers: it must be found again."""
    place = tmp_path_factory.mktemp("scored")
    predictor = load_predictor(CHAMPION, tracking=store)
    write_scores(predictor.score(cohort, site=predictor.site(rate=0.2)), place / "s.parquet", cohort)
    promote(MELANOMA, "2", tracking=store, waive="another learner, on trial", by="me")
    return place / "s.parquet"


@pytest.fixture
def copy(scored, tmp_path):
    for suffix in (".parquet", ".json"):
        shutil.copy(scored.with_suffix(suffix), tmp_path)
    return tmp_path / "s.parquet"


@pytest.fixture
def old(copy, store, cohort):
    """As scores were written before their parts were told apart."""
    account = json.loads(copy.with_suffix(".json").read_text())
    kept = {k: v for k, v in account.items() if k not in ("provenance", "sealed")}
    copy.with_suffix(".json").write_text(json.dumps(kept))
    predictor = load_predictor(f"models:/{MELANOMA}/1", tracking=store)
    digests = predictor.score(cohort).digests
    return changed(copy, provenance=marks([predictor.digest, theracast.__version__], digests.to_numpy()))


def changed(path, **columns):
    pd.read_parquet(path).assign(**columns).to_parquet(path, index=False)
    return path


def resealed(path, change):
    """Another account, that somebody closed as if it were the first."""
    account = json.loads(path.with_suffix(".json").read_text())
    change(account["provenance"])
    path.with_suffix(".json").write_text(json.dumps(sealed({k: v for k, v in account.items() if k not in ("sealed",)})))
    return path


def of_version_9(made):
    made["model_version"] = "9"


def state(found):
    return dict(zip(found.parts.part, found.parts.state, strict=True))


def what(found, part):
    return found.parts.set_index("part").what[part]


def test_R11_with_the_alias_moved_the_same_version_says_the_same_bits(store, scored, cohort):
    found = verify_scores(scored, cohort, tracking=store)
    assert found.lines.patient_id.tolist() == cohort.wide().index.tolist()
    assert set(found.lines.outcome) == {"same"}
    assert set(found.lines.why) == {""}
    assert set(found.parts.state) == {"same"}
    assert found.same


def test_R11_of_a_long_table_too_with_its_explanations(store, cohort, tmp_path):
    wide = cohort.wide().rename_axis("patient_id").reset_index()
    wide = wide[[c for c in wide if not c.startswith("expression:")]]
    wide.to_parquet(tmp_path / "wide.parquet", index=False)
    predictor = load_predictor(f"models:/{MELANOMA}/1", tracking=store)
    score_dataset(tmp_path / "wide.parquet", tmp_path / "s.parquet", predictor, chunk_rows=3, explain="top5")
    for sample in (None, 5):
        found = verify_scores(tmp_path / "s.parquet", tmp_path / "wide.parquet", sample=sample, tracking=store)
        assert found.same
        assert len(found.lines) == (sample or found.rows)
    assert verify_scores(tmp_path / "s.parquet", wide, tracking=store).same, "in memory it is the same input"


def test_R11_scores_of_before_are_verified_as_far_as_they_can_be(store, old, cohort):
    found = verify_scores(old, cohort, tracking=store)
    assert found.same
    assert set(found.lines.outcome) == {"same"}
    assert {p for p, s in state(found).items() if s == "not told"} == {
        "account", "scores file", "rejects file", "schema", "code", "tables", "libraries", "input",
    }  # fmt: skip


def test_R11_the_input_that_is_another_missing_or_refused_is_named(store, scored, cohort):
    wide = cohort.wide().copy()
    wide.iloc[0, wide.columns.get_loc("clinical:age")] += 1.0
    wide.iloc[1, wide.columns.get_loc("clinical:age")] = -4.0
    lines = verify_scores(scored, wide.drop(index=wide.index[2]), tracking=store).lines
    assert lines.outcome.tolist()[:4] == ["differs", "differs", "missing", "same"]
    assert lines.why[1].startswith("the patient's input is another")
    assert lines.why[2] == "the patient's input: it is refused now, THX-D15"
    assert "no row of this patient" in lines.why[3]
    assert set(lines.outcome[3:]) == {"same"}


def test_R11_the_table_and_column_that_changed_are_named(store, scored, cohort):
    tables = {k: t.copy() for k, t in cohort.tables.items()}
    tables["clinical"].iloc[0, tables["clinical"].columns.get_loc("age")] += 1.0
    other = type(cohort).from_tables(tables, name=cohort.name, units=cohort.units)
    found = verify_scores(scored, other, tracking=store)
    assert what(found, "input") == "other columns: clinical:age"
    assert found.lines.why[1] == "the patient's input is another: clinical:age changed"
    assert set(found.lines.outcome[1:]) == {"same"}
    assert not found.same


def test_R11_a_model_that_is_gone_or_another_is_named(store, copy, cohort):
    account = json.loads(copy.with_suffix(".json").read_text())
    found = verify_scores(resealed(copy, of_version_9), cohort, tracking=store)
    assert set(found.lines.outcome) == {"missing"}
    assert "models:/melanoma_ici/9: THX-R01" in what(found, "model")
    account["provenance"]["parts"]["model"] = "f" * 64
    copy.with_suffix(".json").write_text(json.dumps(account))
    found = verify_scores(copy, cohort, tracking=store)
    assert set(found.lines.outcome) == {"differs"}
    assert what(found, "model").startswith("ffffffffffffffff then")
    assert state(found)["account"] == "differs", "and who changed it did not close it"


def test_R11_lines_that_say_another_version_send_no_one_to_another_model(store, copy, cohort):
    found = verify_scores(changed(copy, model_version="2"), cohort, tracking=store)
    assert (state(found)["model"], state(found)["scores file"]) == ("same", "differs")
    assert found.lines.why[1] == "the scores file: model_version of row 1 is not what was written"


def test_R11_without_parts_the_code_may_be_another_too(store, old, cohort):
    found = verify_scores(changed(old, provenance="0" * 64), cohort, tracking=store)
    assert found.lines.why.str.contains("is another, or the code: theracast ").all()


def test_R11_another_code_table_schema_or_library_is_named_and_judged_by_the_bits(store, copy, cohort):
    def other(made):
        made["here"]["modules"]["models/fusion.py"] = "0" * 12
        made["here"]["tables"]["gep.csv"] = "0" * 64
        made["here"]["versions"]["numpy"] = "1.0"

    found = verify_scores(resealed(copy, other), cohort, tracking=store)
    assert (what(found, "code"), what(found, "tables")) == ("models/fusion.py", "gep.csv")
    assert what(found, "libraries").startswith("numpy 1.0 then")
    assert found.same, "the same bits of another code are the same bits"
    assert state(found)["account"] == "same"

    def read_by_another_schema(made):
        made["parts"]["schema"] = "0" * 64

    found = verify_scores(resealed(copy, read_by_another_schema), cohort, tracking=store)
    assert what(found, "schema").startswith("0000000000000000 then")
    assert found.lines.why.str.contains("or what is read of it: another schema and code and tables").all()
    assert not found.same


def test_R11_one_bit_of_one_number_is_seen(store, old, cohort):
    probability = pd.read_parquet(old).probability
    probability[0] = np.nextafter(probability[0], 1.0)
    lines = verify_scores(changed(old, probability=probability), cohort, tracking=store).lines
    assert lines.why[1] == "probability: of the same model, code and input"
    assert lines.outcome.value_counts().to_dict() == {"same": len(lines) - 1, "differs": 1}


def test_R11_what_holds_no_scores_is_refused(copy, cohort):
    pd.read_parquet(copy).drop(columns=["provenance"]).to_parquet(copy)
    assert "no column provenance" in what(verify_scores(copy, cohort), "scores file")
    account = json.loads(copy.with_suffix(".json").read_text())
    copy.with_suffix(".json").write_text(json.dumps({k: account[k] for k in ("scored", "abstained")}))
    with pytest.raises(DataError, match=r"THX-R11.*no column provenance"):
        verify_scores(copy, cohort)
    for content in ("[]", "{", None):
        shutil.copy(copy, copy.with_name("t.parquet"))
        changed(copy.with_name("t.parquet"), provenance="")
        if content:
            copy.with_name("t.json").write_text(content)
        else:
            copy.with_name("t.json").unlink()
        with pytest.raises(DataError, match=r"THX-R11.*t\.json"):
            verify_scores(copy.with_name("t.parquet"), cohort)
    with pytest.raises(UsageError, match="at least one line"):
        verify_scores(copy, cohort, sample=0)


def said(store, *arguments):
    done = CliRunner().invoke(app, ["verify", *map(str, arguments), "--tracking-uri", store])
    return done.output, done.exception


def test_R11_by_the_command(store, scored, copy):
    told, failed = said(store, scored, "--input", "mgh2022_mel", "--sample", "10")
    assert not failed, told
    account = json.loads(told.splitlines()[-1])
    assert (account["same"], account["checked"], account["differs"], account["missing"]) == (10, 10, 0, 0)
    told, failed = said(store, resealed(copy, of_version_9), "--input", "mgh2022_mel")
    assert isinstance(failed, DataError)
    assert (failed.code, failed.exit_code) == ("THX-R11", 3)
    assert "THX-R01" in told
    assert not [i for i in pd.read_parquet(copy).patient_id if f" {i} " in told], "rows are named, not patients"


def test_the_mark_of_a_line_is_the_digest_of_its_parts(store, scored, cohort):
    from theracast.provenance import digest_json

    account, table = json.loads(scored.with_suffix(".json").read_text()), pd.read_parquet(scored)
    predictor = load_predictor(f"models:/{MELANOMA}/1", tracking=store)
    parts = [account["provenance"]["parts"][p] for p in PARTS]
    assert parts == list(predictor.parts.values())
    one = predictor.score(cohort).digests.iloc[0]
    assert table.provenance[0] == digest_json([*parts, one])


@pytest.mark.parametrize(
    ("column", "other"),
    [
        ([1.0, 2.0, np.nan], [1.0, 3.0, np.nan]),
        ([1.0, 2.0, np.nan], [2.0, 1.0, np.nan]),
        ([1.0, 2.0, np.nan], [1.0, 2.0, 0.0]),
        (["a", "b", None], ["a", "a", None]),
        (["a", "b", None], ["b", "a", None]),
        (["a", "b", None], ["a", "b", ""]),
        (["a", "a", "a"], ["b", "b", "b"]),
        ([True, False, None], [True, True, None]),
        ([1, 2, 3], [1, 2, 4]),
    ],
)
def test_a_changed_cell_gives_another_sum(column, other):
    one, two = (column_sums(pd.DataFrame({"t:x": c}))["t:x"] for c in (column, other))
    assert one != two
    assert one == column_sums(pd.DataFrame({"t:x": list(column)}))["t:x"]


def test_a_table_of_all_genes_has_no_sums():
    frame = pd.DataFrame(np.zeros((2, 301)), columns=["clinical:age", *(f"expression:G{i}" for i in range(300))])
    assert list(column_sums(frame)) == ["clinical:age"]
