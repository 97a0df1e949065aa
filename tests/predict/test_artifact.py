"""The model as MLflow carries it: what is uploaded, what is read back, what any kind of column makes of it."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from registries import mlflow_server

from theracast.errors import DataError, ModelError
from theracast.features.datasets import load_cohort
from theracast.models.config import Experiment
from theracast.models.storage import save_model
from theracast.models.train import train
from theracast.predict.artifact import INNER, digests_of, model_folder
from theracast.predict.predictor import Predictor
from theracast.predict.publish import register
from theracast.predict.store import connect

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::ResourceWarning")

ROOT = Path(__file__).parents[2]
CANARY = "ZZPHI"
LEARNERS = ("logistic", "xgboost")
SMALL = Experiment(indication="melanoma_ici", cohorts=["liu2019_mel", "riaz2017_mel"], holdout=["mgh2022_mel"])


@pytest.fixture(scope="module")
def training():
    return train(SMALL)


@pytest.fixture(scope="module")
def store(training, tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        register(training)
    return folder


@pytest.fixture(scope="module")
def artifact(store):
    return next(store.rglob("MLmodel")).parent


@pytest.fixture(scope="module")
def pyfunc(store):
    mlflow, _ = connect(f"sqlite:///{store / 'mlflow.db'}")
    assert os.environ["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    return mlflow.pyfunc.load_model("models:/melanoma_ici@champion")


@pytest.fixture(scope="module")
def wide():
    table = load_cohort("mgh2022_mel").wide()
    return table.assign(**{"clinical:age": table["clinical:age"].round().fillna(60.0), "clinical:prior_lines": 1.0})


# ---------------------------------------------------------------- read back


def test_what_is_registered_is_what_was_written(artifact, training, tmp_path):
    save_model(training.model, tmp_path)
    there = digests_of(artifact / INNER)
    assert set(there) == {"golden.json", "manifest.json", "model.json", "schema.json"}
    assert there["golden.json"] == digests_of(tmp_path)["golden.json"]  # the others hold what was kept beside it
    assert digests_of(artifact)["pyfunc.py"] == digests_of(ROOT / "predict")["pyfunc.py"]


FILES = ["model.json", "golden.json", "schema.json", "manifest.json", "pyfunc.py", "MLmodel", "requirements.txt"]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """In which nothing is ever registered."""
    return tmp_path_factory.mktemp("empty_store")


def often(values, first):
    return [pytest.param(v, marks=() if v in first else pytest.mark.nightly) for v in values]


@pytest.mark.parametrize("file", often(FILES, ("model.json", "pyfunc.py", "MLmodel")))
@pytest.mark.parametrize("at", often((0.0, 0.5, 0.9, -1, None), (0.5,)))
def test_R04_an_upload_cut_off_at_any_byte_registers_nothing(training, empty_store, monkeypatch, file, at):
    """The store breaks off at the first byte, half way, before the last byte, or loses the file."""
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    whole = LocalArtifactRepository.log_artifacts

    def cut(self, local_dir, artifact_path=None):
        whole(self, local_dir, artifact_path)
        for found in Path(self.artifact_dir).rglob(file):
            content = found.read_bytes()
            if at is None:
                found.unlink()
            else:
                found.write_bytes(content[: len(content) - 1 if at < 0 else int(at * len(content))])

    monkeypatch.setattr(LocalArtifactRepository, "log_artifacts", cut)
    monkeypatch.chdir(empty_store)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ModelError, match="THX-R04") as caught:
        register(training)
    assert file in caught.value.where or caught.value.where == "the artifact"
    mlflow, _ = connect(f"sqlite:///{empty_store / 'mlflow.db'}")
    client = mlflow.MlflowClient()
    assert client.search_model_versions() == []
    assert client.search_registered_models() == []
    run = mlflow.search_runs(search_all_experiments=True, output_format="list")[0]
    assert run.info.status == "FAILED"
    assert mlflow.search_logged_models(experiment_ids=[run.info.experiment_id], output_format="list") == []


def test_R04_a_file_that_came_too_much_is_found(training, empty_store, monkeypatch):
    from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

    whole = LocalArtifactRepository.log_artifacts

    def more(self, local_dir, artifact_path=None):
        whole(self, local_dir, artifact_path)
        for found in Path(self.artifact_dir).rglob("model.json"):
            (found.parent / "more.pkl").write_bytes(b"\x80\x04.")

    monkeypatch.setattr(LocalArtifactRepository, "log_artifacts", more)
    monkeypatch.chdir(empty_store)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(ModelError, match=r"THX-R04.*more\.pkl"):
        register(training)


def test_the_folder_of_a_model_is_found_and_no_link_is_followed(artifact, tmp_path):
    assert model_folder(artifact) == artifact / INNER
    assert model_folder(artifact / INNER) == artifact / INNER
    (tmp_path / "artifacts").mkdir()
    (tmp_path / INNER).symlink_to(artifact / INNER)
    with pytest.raises(ModelError, match="THX-R09"):
        model_folder(tmp_path)
    (tmp_path / INNER).unlink()
    (tmp_path / "artifacts").rmdir()
    (tmp_path / "artifacts").symlink_to(artifact / "artifacts")
    with pytest.raises(ModelError, match="THX-R09"):
        model_folder(tmp_path)
    with pytest.raises(ModelError, match="THX-R09"):
        digests_of(tmp_path)


# ---------------------------------------------------------------- any kind of column

KINDS = {
    "int64": lambda s: s.astype("int64"),
    "int32": lambda s: s.astype("int32"),
    "float32": lambda s: s.astype("float32"),
    "Int64": lambda s: s.astype("Int64"),
    "Float64": lambda s: s.astype("Float64"),
    "arrow": lambda s: s.astype("double[pyarrow]"),
    "object": lambda s: s.astype(object),
    "category": lambda s: s.astype("category"),
    "numeric str": lambda s: s.map("{:g}".format).astype(object),
    "str": lambda s: s.map("{:g}".format).astype("str"),
    "string": lambda s: s.map("{:g}".format).astype("string"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("column", ["clinical:age", "clinical:prior_lines", "pathology:pdl1", "mutations:tmb"])
def test_any_kind_of_column_gives_the_numbers_of_float64(pyfunc, wide, kind, column):
    numbers = wide.assign(**{"pathology:pdl1": 40.0, "pathology:pdl1_unit": "TPS %", "mutations:tmb": 9.0})
    numbers = numbers.assign(**{"mutations:tmb_unit": "mut/Mb"})
    truth = pyfunc.predict(numbers)
    assert truth.decision.isin(["response", "no_response", "abstain"]).all()
    found = pyfunc.predict(numbers.assign(**{column: KINDS[kind](numbers[column])}))
    pd.testing.assert_frame_equal(found, truth)


@pytest.mark.parametrize("kind", ["Int64", "Float64", "arrow", "object", "category", "string"])
def test_a_missing_value_of_any_kind_is_missing(pyfunc, wide, kind):
    gone = wide.assign(**{"clinical:age": wide["clinical:age"].where(np.arange(len(wide)) % 2 == 0)})
    truth = pyfunc.predict(gone)
    made = KINDS[kind](gone["clinical:age"]) if kind != "string" else gone["clinical:age"].astype("string")
    found = pyfunc.predict(gone.assign(**{"clinical:age": made}))
    pd.testing.assert_frame_equal(found, truth)


def test_yes_and_no_come_as_words_or_as_bool(pyfunc, wide):
    flags = np.arange(len(wide)) % 2 == 0
    words = pyfunc.predict(wide.assign(**{"clinical:prior_treatment": np.where(flags, "yes", "no")}))
    for kind in ("bool", "boolean", object):
        found = pyfunc.predict(wide.assign(**{"clinical:prior_treatment": pd.Series(flags, wide.index).astype(kind)}))
        np.testing.assert_array_equal(found.probability, words.probability)
        assert found.decision.tolist() == words.decision.tolist()


def test_optional_columns_may_be_missing_in_any_number(pyfunc, artifact, wide):
    predictor = Predictor.from_folder(artifact / INNER)
    for keep in (["clinical:age"], ["mutations:tmb"], [c for c in wide if c.startswith("clinical:")]):
        part = wide.reindex(columns=keep)
        np.testing.assert_array_equal(pyfunc.predict(part).probability, predictor.score(part).table.probability)


def test_D33_rows_without_any_known_column_are_refused_not_lost(pyfunc):
    with pytest.raises(DataError, match="THX-D33"):
        pyfunc.predict(pd.DataFrame({"age": [61.0], "sex": ["F"]}))


# ---------------------------------------------------------------- no patient in any message


def _chain(error):
    while error is not None:
        yield f"{error!s} {error!r}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.fixture(scope="module")
def columns(pyfunc):
    return [
        c for c in pyfunc.metadata.signature.inputs.input_names() if not c.startswith(("expression:", "signatures:"))
    ]


def _quiet(call, caplog, recwarn, capfd):
    """Whatever happens, the canary stands in no answer but its own id, and in no message."""
    caplog.set_level(logging.DEBUG)
    said = []
    try:
        answer = call()
        said.append(answer.drop(columns="patient_id", errors="ignore").reset_index(drop=True).to_csv())
    except Exception as error:
        said += _chain(error)
    said += [caplog.text, *capfd.readouterr(), *(str(w.message) for w in recwarn.list)]
    assert not [text for text in said if CANARY in text]


def test_A06_a_canary_in_any_field_stands_in_no_message(pyfunc, wide, columns, caplog, recwarn, capfd):
    """One column after another, each in a row of its own: the first wrong one of a row is told."""
    assert len(columns) > 30
    every = [*columns, "expression:CD274", "signatures:Ayers_IFNg18"]
    few = pd.concat([wide.iloc[[0]]] * len(every)).reset_index(drop=True).reindex(columns=every).astype(object)
    for row, column in enumerate(every):
        few.loc[row, column] = f"{CANARY} 7"
    few.loc[few.patient_id.isna(), "patient_id"] = [f"p{k}" for k in range(few.patient_id.isna().sum())]
    answer = pyfunc.predict(few)
    assert len(answer) == len(every)
    assert answer.decision.eq("rejected").sum() > len(every) / 3  # words and units are read as unknown, and say nothing
    _quiet(lambda: pyfunc.predict(few), caplog, recwarn, capfd)
    for column in every[:8]:
        _quiet(lambda c=column: pyfunc.predict(few[[c]].dropna()), caplog, recwarn, capfd)
    few = wide.iloc[:2]
    _quiet(lambda: pyfunc.predict(few.assign(**dict.fromkeys(columns, CANARY))), caplog, recwarn, capfd)
    _quiet(lambda: pyfunc.predict(few.set_axis([CANARY, f"{CANARY}2"])), caplog, recwarn, capfd)


@pytest.mark.parametrize(
    "given",
    [
        CANARY,
        [CANARY],
        [{"clinical:age": CANARY}, {"clinical:age": 3}],
        {"clinical:age": CANARY},
        {"clinical:age": {"a": CANARY}},
        {"clinical:age": [CANARY, 1, None]},
        np.array([[CANARY]]),
        pd.Series([CANARY], name="clinical:age"),
        pd.DataFrame({"clinical:age": [[CANARY]]}),
        pd.DataFrame({"clinical:age": [CANARY.encode()]}),
        pd.DataFrame([[CANARY, CANARY]], columns=["clinical:age", "clinical:age"]),
        pd.DataFrame({"patient_id": [CANARY, CANARY], "clinical:age": [1, 2]}),
    ],
    ids=lambda v: type(v).__name__,
)
def test_A06_a_canary_in_any_shape_stands_in_no_message(pyfunc, given, caplog, recwarn, capfd):
    _quiet(lambda: pyfunc.predict(given), caplog, recwarn, capfd)


def test_A06_the_canary_test_bites(pyfunc, wide, caplog, recwarn, capfd, monkeypatch):
    """Without our setting, MLflow's own error prints the rows."""
    monkeypatch.setenv("MLFLOW_DISABLE_SCHEMA_DETAILS", "false")
    twice = pd.DataFrame([[CANARY, CANARY]], columns=["clinical:age", "clinical:age"])
    with pytest.raises(AssertionError):
        _quiet(lambda: pyfunc.predict(twice), caplog, recwarn, capfd)


# ---------------------------------------------------------------- other environments

_SAY = """
import json, platform, sys
import numpy, xgboost
from theracast.errors import TheracastError
from theracast.features.datasets import load_cohort
from theracast.predict.registry import load_predictor
from theracast.predict.store import connect
tracking, cohort = sys.argv[1], load_cohort("mgh2022_mel")
mlflow, _ = connect(tracking)
out = {"versions": {"python": platform.python_version(), "numpy": numpy.__version__, "xgboost": xgboost.__version__}}
for name in sys.argv[2:]:
    uri = f"models:/{name}@champion"
    try:
        predictor = load_predictor(uri, tracking=tracking)
    except TheracastError as error:
        out[name] = {"refused": str(error)}
        continue
    table, by_mlflow = predictor.score(cohort).table, mlflow.pyfunc.load_model(uri).predict(cohort.wide())
    out[name] = {"numbers": [v.hex() for c in ("probability", "lower", "upper") for v in table[c]],
                 "decisions": table.decision.tolist(), "by_mlflow": [v.hex() for v in by_mlflow.probability],
                 "version": predictor.version, "note": predictor.about.get("loaded", "")}
print(json.dumps(out))
"""


def _python(version):
    # what pyenv puts on the path may be a word that stands for no Python
    places = [*sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")), shutil.which(f"python{version}")]
    return next((str(p) for p in places if p), None)


def _ran(*call, **options):
    done = subprocess.run([*map(str, call)], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Of this tree, and of nothing that an earlier build left behind."""
    place = tmp_path_factory.mktemp("wheel")
    for part in ("core", "features", "models", "predict"):
        shutil.copytree(ROOT / part, place / "tree" / part, ignore=shutil.ignore_patterns("__pycache__"))
    for part in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / part, place / "tree")
    _ran(sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", place, place / "tree")
    return next(place.glob("*.whl"))


@pytest.fixture(scope="module")
def served(wheel, tmp_path_factory):
    """Two models on a real tracking server, and what this environment says of them; after the wheel was built."""
    with mlflow_server(tmp_path_factory.mktemp("served")) as uri:
        for learner in LEARNERS:
            register(train(SMALL.model_copy(update={"learner": learner, "name": learner})), tracking=uri)
        yield uri, json.loads(_ran(sys.executable, "-c", _SAY, uri, *LEARNERS).splitlines()[-1])


@pytest.mark.nightly
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_R06_another_environment_loads_by_alias_and_says_the_same_to_the_bit_or_why_not(
    wheel, served, tmp_path, version
):
    """A venv with the wheel and what it asks for; over a real server, by our door and by MLflow's."""
    python, (uri, here) = _python(version), served
    if python is None:
        pytest.skip(f"no Python {version}")
    _ran(python, "-m", "venv", tmp_path / "venv")
    inside = tmp_path / "venv" / "bin" / "python"
    _ran(inside, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel)
    there = json.loads(_ran(inside, "-c", _SAY, uri, *LEARNERS, cwd=tmp_path).splitlines()[-1])
    shutil.rmtree(tmp_path / "venv")
    assert there["versions"]["python"].startswith(version)
    for learner in LEARNERS:
        mine, theirs = here[learner], there[learner]
        assert mine["note"] == ""
        assert mine["by_mlflow"] == mine["numbers"][: len(mine["by_mlflow"])]
        if "refused" in theirs:
            assert version != "3.11"
            assert "THX-R06" in theirs["refused"]
            for side in (here, there):
                assert f"python {side['versions']['python']}" in theirs["refused"]
            continue
        assert {k: v for k, v in theirs.items() if k != "note"} == {k: v for k, v in mine.items() if k != "note"}
        assert ("python" in theirs["note"]) == (here["versions"]["python"] != there["versions"]["python"])
        assert "code of theracast" not in theirs["note"]  # the wheel holds the code that wrote the model
