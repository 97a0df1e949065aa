from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import ModelError
from theracast.features.datasets import load_cohort
from theracast.models.config import Experiment
from theracast.models.train import train
from theracast.predict.champion import champion_of, is_champion_of_another, version_of
from theracast.predict.contract import input_columns
from theracast.predict.publish import register
from theracast.predict.registry import list_models, load_predictor, load_validation
from theracast.predict.store import connect, store_uri

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::ResourceWarning")

SMALL = Experiment(
    indication="melanoma_ici",
    cohorts=["liu2019_mel", "riaz2017_mel"],
    holdout=["mgh2022_mel"],
    sets={"both trained": ["liu2019_mel", "riaz2017_mel"]},
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A real sqlite store with one registered model."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        uri, version = register(train(SMALL))
    assert (uri, version) == ("models:/melanoma_ici@champion", "1")
    return f"sqlite:///{folder / 'mlflow.db'}"


@pytest.fixture(scope="module")
def folder(store):
    """The registered model as it lies on disk."""
    return next(Path(store.removeprefix("sqlite:///")).parent.rglob("MLmodel")).parent


@pytest.fixture(scope="module")
def predictor(store):
    return load_predictor("models:/melanoma_ici@champion", tracking=store)


@pytest.fixture(scope="module")
def pyfunc(store):
    mlflow, _ = connect(store)
    return mlflow.pyfunc.load_model("models:/melanoma_ici@champion")


@pytest.fixture(scope="module")
def wide():
    return load_cohort("mgh2022_mel").wide()


def test_the_champion_is_found_again_and_only_by_what_made_it(store):
    assert champion_of(SMALL, tracking=store) == "1"
    assert champion_of(SMALL.model_copy(update={"claim": "words"}), tracking=store) == "1"
    assert champion_of(SMALL.model_copy(update={"learner": "xgboost"}), tracking=store) is None
    assert champion_of(SMALL.model_copy(update={"name": "other"}), tracking=store) is None


def test_a_champion_of_another_experiment_is_known_as_such(store):
    other = SMALL.model_copy(update={"learner": "xgboost"})
    assert version_of(SMALL, tracking=store) == "1"
    assert version_of(other, tracking=store) is None
    assert not is_champion_of_another(SMALL, tracking=store)
    assert is_champion_of_another(other, tracking=store)
    assert not is_champion_of_another(SMALL.model_copy(update={"name": "other"}), tracking=store)  # there is none


def test_the_list_names_versions_and_aliases(store):
    (row,) = list_models(store).to_dict("records")
    assert (row["name"], row["version"], row["aliases"], row["theracast"]) == (
        "melanoma_ici",
        "1",
        "champion",
        "0.1.0",
    )


def test_by_alias_by_version_and_by_folder_are_one_model(store, predictor, folder, wide):
    truth = predictor.score(wide).table
    assert (predictor.uri, predictor.version) == ("models:/melanoma_ici@champion", "1")
    for uri in ("models:/melanoma_ici/1", str(folder)):
        other = load_predictor(uri, tracking=store)
        assert other.uri == uri
        assert other.digest == predictor.digest
        np.testing.assert_array_equal(other.score(wide).table.probability, truth.probability)
        assert other.score(wide).table.provenance.tolist() == truth.provenance.tolist()


@pytest.mark.parametrize("uri", ["models:/nothing@champion", "models:/melanoma_ici@challenger"])
def test_r01_an_unknown_name_says_what_there_is(store, uri):
    with pytest.raises(ModelError, match=r"THX-R01.*registered: melanoma_ici@champion"):
        load_predictor(uri, tracking=store)


@pytest.mark.parametrize("uri", ["models:/melanoma_ici/9", "models:/nothing/1", "runs:/0123/model", "models:/x"])
def test_r01_what_cannot_be_fetched_is_a_model_error(store, uri):
    with pytest.raises(ModelError, match="THX-R01"):
        load_predictor(uri, tracking=store)


def test_r01_no_store_is_a_model_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for call in (lambda: load_predictor("models:/melanoma_ici@champion"), list_models, store_uri):
        with pytest.raises(ModelError, match="THX-R01"):
            call()
    assert list(tmp_path.iterdir()) == []
    assert store_uri(create=True) == f"sqlite:///{tmp_path / 'mlflow.db'}"
    with pytest.raises(ModelError, match="THX-R01"):
        load_predictor("no/such/folder")


def test_the_store_is_found_from_a_folder_below(store, monkeypatch):
    below = Path(store.removeprefix("sqlite:///")).parent / "a" / "b"
    below.mkdir(parents=True, exist_ok=True)
    monkeypatch.chdir(below)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert store_uri() == store
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    assert store_uri() == "http://elsewhere"


def test_r05_changed_bytes_are_refused(folder, tmp_path):
    import shutil

    copy = shutil.copytree(folder, tmp_path / "copy")
    file = copy / "artifacts" / "model" / "model.json"
    file.write_bytes(file.read_bytes().replace(b'"prior": 0.', b'"prior": 1.'))
    with pytest.raises(ModelError, match="THX-R05"):
        load_predictor(str(copy))


# ---------------------------------------------------------------- as MLflow serves it


def test_mlflow_gives_the_same_numbers(pyfunc, predictor, wide):
    served, ours = pyfunc.predict(wide), predictor.score(wide).aligned()
    np.testing.assert_array_equal(served.probability, ours.probability)
    np.testing.assert_array_equal(served.lower, ours.lower)
    assert served.decision.tolist() == ours.decision.tolist()
    assert served["set"].tolist() == ours["set"].tolist()
    assert set(served["set"]) <= {"response", "no_response", "both"}
    assert served.provenance.tolist() == ours.provenance.tolist()
    assert served.index.equals(wide.index)


def test_mlflow_reads_the_tumour_type(pyfunc, wide):
    assert "clinical:cancer_type" in wide  # of mgh2022_mel: melanoma
    served = pyfunc.predict(wide.assign(**{"clinical:cancer_type": "Kidney"}))
    assert served.decision.eq("abstain").all()
    assert served.reason.str.startswith("out of domain: the tumour type is renal").all()
    assert served.tumour_type.eq("renal").all()
    untold = pyfunc.predict(wide.drop(columns="clinical:cancer_type"))
    np.testing.assert_array_equal(untold.probability, pyfunc.predict(wide).probability)
    assert untold.tumour_type.eq("melanoma").all()


def test_the_signature_lists_the_tumour_type_and_the_set(pyfunc):
    signature = pyfunc.metadata.signature
    assert "clinical:cancer_type" in signature.inputs.input_names()
    assert signature.outputs.input_names() == ["probability", "decision", "set"]


def test_mlflow_takes_whole_numbers(pyfunc, wide):
    ages = wide["clinical:age"].round().fillna(60)
    floats, ints = wide.assign(**{"clinical:age": ages}), wide.assign(**{"clinical:age": ages.astype("int64")})
    np.testing.assert_array_equal(pyfunc.predict(ints).probability, pyfunc.predict(floats).probability)


def test_mlflow_takes_one_row_fewer_columns_and_more_columns(pyfunc, predictor, wide):
    truth = pyfunc.predict(wide).probability
    assert pyfunc.predict(wide.iloc[[3]]).probability.tolist() == [truth.iloc[3]]
    assert pyfunc.predict(wide.assign(**{"clinical:shoe_size": 42, "extra": "x"})).probability.equals(truth)
    fewer = wide[[c for c in wide if c.startswith("signatures:")]]
    np.testing.assert_array_equal(pyfunc.predict(fewer).probability, predictor.score(fewer).table.probability)
    nothing = pyfunc.predict(wide[["clinical:age"]] * np.nan)
    assert nothing.probability.isna().all()
    assert nothing.decision.eq("abstain").all()


def test_mlflow_takes_ids_in_a_column(pyfunc, wide):
    flat = wide.reset_index()
    assert flat.columns[0] == "patient_id"
    served = pyfunc.predict(flat)
    assert served.patient_id.tolist() == wide.index.tolist()
    np.testing.assert_array_equal(served.probability, pyfunc.predict(wide).probability)


def test_a_bad_row_is_rejected_in_place(pyfunc, wide):
    bad = wide.copy()
    bad["clinical:age"] = bad["clinical:age"].astype(float)
    bad.iloc[2, bad.columns.get_loc("clinical:age")] = -7.5
    served, truth = pyfunc.predict(bad), pyfunc.predict(wide)
    assert served.decision.iloc[2] == "rejected"
    assert served.reason.iloc[2].startswith("THX-D15")
    assert "7.5" not in served.reason.iloc[2]
    others = np.arange(len(wide)) != 2
    np.testing.assert_array_equal(served.probability[others], truth.probability[others])


# ---------------------------------------------------------------- what the registry holds


def test_the_run_tells_the_whole_story(store, predictor):
    mlflow, _ = connect(store)
    (run,) = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert run.data.params == {"learner": "logistic", "cohorts": "liu2019_mel,riaz2017_mel"}
    wanted = {"auc.liu2019_mel", "brier.riaz2017_mel", "mean_auc.theracast", "mean_auc.both_trained.theracast"}
    assert wanted | {"auc.mgh2022_mel", "coverage.mgh2022_mel"} <= set(run.data.metrics)
    assert run.data.tags["model_digest"] == predictor.digest
    assert {"data.liu2019_mel", "data.mgh2022_mel"} <= set(run.data.tags)
    names = {a.path for a in mlflow.MlflowClient().list_artifacts(run.info.run_id)}
    assert {"validation.csv", "mean.csv", "sets.csv", "coverage.csv", "forest.png"} <= names
    kept = pd.read_csv(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="validation.csv"))
    assert set(kept.cohort) == {"liu2019_mel", "riaz2017_mel", "mgh2022_mel"}
    kept = pd.read_csv(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path="sets.csv"))
    assert set(kept.set) == {"both trained"}
    assert kept.cohorts[kept.model == "theracast"].tolist() == [2]


def test_the_validation_comes_with_the_model(store):
    validation = load_validation("models:/melanoma_ici@champion", tracking=store)
    assert validation.predictions.empty
    assert set(validation.table.cohort) == {"liu2019_mel", "riaz2017_mel", "mgh2022_mel"}
    assert validation.mean.model.iloc[0] == "theracast"
    assert list(validation.sets) == ["both trained"]
    assert validation.sets["both trained"].cohorts.iloc[0] == 2
    assert set(validation.coverage.cohort) == {"liu2019_mel", "riaz2017_mel", "mgh2022_mel"}
    assert validation.coverage.coverage.between(0, 1).all()
    assert validation.table.auc.dtype == validation.mean.gain.dtype == float
    assert {"tmb", "cytolytic"} <= set(validation.table.model)


def test_r07_the_model_on_disk_holds_no_pickle(folder):
    files = [f for f in folder.rglob("*") if f.is_file()]
    assert not [f for f in files if f.suffix in (".pkl", ".pickle", ".joblib", ".skops", ".cloudpickle")]
    assert not [f for f in files if f.read_bytes()[:2] in (b"\x80\x04", b"\x80\x05")]
    assert {f.suffix for f in (folder / "artifacts" / "model").iterdir()} == {".json"}


def test_requirements_are_ours_and_pinned(folder):
    lines = (folder / "requirements.txt").read_text().split()
    assert lines[0] == "theracast==0.1.0"
    assert all("==" in line for line in lines)
    assert not [line for line in lines if line.startswith("pytest")]


def test_the_signature_lists_what_the_blocks_read():
    columns = input_columns(("pathology", "mutations", "signatures", "clinical"))
    assert {"patient_id", "clinical:age", "pathology:pdl1", "mutations:tmb", "expression:CD274"} <= set(columns)
    assert not [c for c in columns if "<" in c]
