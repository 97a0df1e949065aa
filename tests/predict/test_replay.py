"""Scores that were written are replayed: the same bits, or which input is missing."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from registries import MELANOMA, SMALL, commands, versions_of

from theracast.errors import DataError, UsageError
from theracast.features.datasets import load_cohort
from theracast.predict.batch import score_dataset, write_scores
from theracast.predict.promotion import promote
from theracast.predict.registry import load_predictor
from theracast.predict.replay import replay_scores
from theracast.predict.store import connect

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::ResourceWarning")
CHAMPION = f"models:/{MELANOMA}@champion"


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Two versions; the first is champion when patients are scored, the other one later."""
    uri = versions_of(tmp_path_factory.mktemp("replay"), SMALL, SMALL.model_copy(update={"learner": "xgboost"}))
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
    write_scores(predictor.score(cohort, site=predictor.site(rate=0.2)), place / "s.parquet")
    promote(MELANOMA, "2", tracking=store, waive="another learner, on trial", by="me")
    return place / "s.parquet"


@pytest.fixture
def copy(scored, tmp_path):
    for suffix in (".parquet", ".json"):
        shutil.copy(scored.with_suffix(suffix), tmp_path)
    return tmp_path / "s.parquet"


def changed(path, **columns):
    pd.read_parquet(path).assign(**columns).to_parquet(path, index=False)
    return path


def test_R11_with_the_alias_moved_the_same_version_says_the_same_bits(store, scored, cohort):
    told = replay_scores(scored, cohort, tracking=store)
    assert told.patient_id.tolist() == cohort.wide().index.tolist()
    assert set(told.outcome) == {"same"}
    assert set(told.why) == {""}


def test_R11_of_a_long_table_too(store, cohort, tmp_path):
    wide = cohort.wide().rename_axis("patient_id").reset_index()
    wide = wide[[c for c in wide if not c.startswith("expression:")]]
    wide.to_parquet(tmp_path / "wide.parquet", index=False)
    predictor = load_predictor(f"models:/{MELANOMA}/1", tracking=store)
    score_dataset(tmp_path / "wide.parquet", tmp_path / "s.parquet", predictor, chunk_rows=3)
    assert set(replay_scores(tmp_path / "s.parquet", wide, tracking=store).outcome) == {"same"}


def test_R11_the_input_that_is_another_missing_or_refused_is_named(store, scored, cohort):
    wide = cohort.wide().copy()
    wide.iloc[0, wide.columns.get_loc("clinical:age")] += 1.0
    wide.iloc[1, wide.columns.get_loc("clinical:age")] = -4.0
    told = replay_scores(scored, wide.drop(index=wide.index[2]), tracking=store)
    assert told.outcome.tolist()[:4] == ["differs", "differs", "missing", "same"]
    assert told.why[0] == "the patient's input is another"
    assert told.why[1] == "the patient's input: it is refused now, THX-D15"
    assert "no row of this patient" in told.why[2]
    assert set(told.outcome[3:]) == {"same"}


def test_R11_a_model_that_is_gone_or_another_is_named(store, copy, cohort):
    told = replay_scores(changed(copy, model_version="9"), cohort, tracking=store)
    assert set(told.outcome) == {"missing"}
    assert "the model models:/melanoma_ici/9: THX-R01" in told.why[0]
    changed(copy, model_version="1")
    account = json.loads(copy.with_suffix(".json").read_text())
    copy.with_suffix(".json").write_text(json.dumps({**account, "model": "f" * 64}))
    told = replay_scores(copy, cohort, tracking=store)
    assert set(told.outcome) == {"differs"}
    assert "is another: ffffffffffffffff then" in told.why[0]


def test_R11_where_all_lines_are_of_others_the_code_is_named_too(store, copy, cohort):
    told = replay_scores(changed(copy, provenance="0" * 64), cohort, tracking=store)
    assert told.why.str.contains("is another, or the code: theracast ").all()


def test_R11_one_bit_of_one_number_is_seen(store, copy, cohort):
    probability = pd.read_parquet(copy).probability
    probability[0] = np.nextafter(probability[0], 1.0)
    told = replay_scores(changed(copy, probability=probability), cohort, tracking=store)
    assert told.why[0] == "probability: of the same model, code and input"
    assert told.outcome.value_counts().to_dict() == {"same": len(told) - 1, "differs": 1}


def test_R11_what_holds_no_scores_is_refused(copy, cohort):
    with pytest.raises(UsageError, match="choice between therapies"):
        replay_scores(changed(copy, therapy="x"), cohort)
    pd.read_parquet(copy).drop(columns=["provenance", "therapy"]).to_parquet(copy)
    with pytest.raises(DataError, match=r"THX-R11.*no column provenance"):
        replay_scores(copy, cohort)
    for content in ("[]", "{", None):
        shutil.copy(copy, copy.with_name("t.parquet"))
        changed(copy.with_name("t.parquet"), provenance="")
        if content:
            copy.with_name("t.json").write_text(content)
        else:
            copy.with_name("t.json").unlink()
        with pytest.raises(DataError, match=r"THX-R11.*t\.json"):
            replay_scores(copy.with_name("t.parquet"), cohort)


def test_R11_by_the_command(store, scored, copy):
    told = json.loads(commands(store)("replay", scored, "mgh2022_mel").splitlines()[-1])
    assert (told["same"], told["differs"], told["missing"]) == (told["lines"], 0, 0)
    mlflow, _ = connect(store)
    assert mlflow.MlflowClient().get_model_version_by_alias(MELANOMA, "champion").version == 2
    with pytest.raises(DataError, match="THX-R11"):
        commands(store)("replay", changed(copy, model_version="9"), "mgh2022_mel")
