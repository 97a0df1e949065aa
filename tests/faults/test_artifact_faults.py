"""R05-R09: artifacts made to hurt. None runs, none hangs, none ends in anything but our own error."""

import json
import os
import random
import shutil
import time

import pytest
from faults.hostile import (
    AROUND,
    CONTENTS,
    ODD,
    PATHS,
    PATIENCE,
    PAYLOADS,
    TEXTS,
    fuzzed,
    joblibbed,
    pickled,
    put,
    refused,
    signed,
    spots,
)
from hypothesis import given
from hypothesis import strategies as st

from theracast.errors import ModelError
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.experts import EXPERTS
from theracast.models.storage import load_model, load_selection, save_model
from theracast.predict.registry import load_any, load_predictor


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """A sound folder of either learner."""
    made = {}
    for learner in EXPERTS:
        made[learner] = tmp_path_factory.mktemp(learner)
        save_model(ResponseModel("melanoma_ici", learner=learner).fit(load_cohort("liu2019_mel")), made[learner])
    return made


@pytest.fixture
def folder(originals, tmp_path):
    return shutil.copytree(originals["logistic"], tmp_path / "model")


@pytest.fixture
def canary(tmp_path):
    """Must not be there in the end."""
    place = tmp_path / "canary"
    yield place
    assert not place.exists(), "code of the artifact was run"


# ---------------------------------------------------------------- R05: changed bytes


@pytest.mark.parametrize("file", [*CONTENTS, "manifest.json"])
def test_R05_one_flipped_bit_anywhere_is_refused(folder, file):
    """200 positions of each file; in the manifest a flip may hit a blank between two words, which says the same."""
    content, rng = (folder / file).read_bytes(), random.Random(20260)
    for at in {0, len(content) - 1, *(rng.randrange(len(content)) for _ in range(200))}:
        flipped = bytearray(content)
        flipped[at] ^= 1 << rng.randrange(8)
        (folder / file).write_bytes(flipped)
        if file == "manifest.json" and content[at : at + 1].isspace() and chr(flipped[at]).isspace():
            continue
        refused(folder)
    (folder / file).write_bytes(content)
    load_model(folder)


@pytest.mark.parametrize("learner", EXPERTS)
def test_R05_cut_at_every_4_kb_is_refused(originals, tmp_path, learner):
    folder = shutil.copytree(originals[learner], tmp_path / "cut")
    for file in (*CONTENTS, "manifest.json"):
        content = (folder / file).read_bytes()
        for end in [*range(0, len(content), 4096), len(content) - 1]:
            (folder / file).write_bytes(content[:end])
            refused(folder, "THX-R05")
        (folder / file).write_bytes(content)
    load_model(folder)


def test_R05_cut_and_signed_is_no_sound_json(folder):
    for file in CONTENTS:
        content = (folder / file).read_bytes()
        for end in [*range(0, len(content), 4096), len(content) - 1]:
            (folder / file).write_bytes(content[:end])
            refused(signed(folder), "THX-R08")
        (folder / file).write_bytes(content)


def test_R05_files_of_two_models_are_not_one(originals, folder):
    shutil.copy(originals["xgboost"] / "model.json", folder / "model.json")
    refused(folder, "THX-R05")
    assert "does not say again" in refused(signed(folder), "THX-R06")


# ---------------------------------------------------------------- R06: written elsewhere


@pytest.mark.parametrize("library", ["python", "numpy", "scikit-learn", "xgboost"])
@pytest.mark.parametrize("learner", EXPERTS)
def test_R06_of_another_version_it_is_taken_when_its_golden_rows_agree_and_refused_when_not(
    originals, tmp_path, library, learner
):
    folder = shutil.copytree(originals[learner], tmp_path / "other")
    golden = json.loads((folder / "golden.json").read_text())
    here = golden["written_by"]["versions"][library]
    golden["written_by"]["versions"][library] = "1.2.3"
    (folder / "golden.json").write_text(json.dumps(golden))
    _, about = load_model(signed(folder))
    assert f"{library} 1.2.3 there, {here} here" in about["loaded"]
    numbers = golden["answers"]["response"]["probability"]
    for far, taken in ((0.5e-9, True), (2e-9, False)):
        moved = {**golden, "answers": {"response": {**golden["answers"]["response"]}}}
        moved["answers"]["response"]["probability"] = [numbers[0] + far, *numbers[1:]]
        (folder / "golden.json").write_text(json.dumps(moved))
        if taken:
            load_model(signed(folder))
            continue
        said = refused(signed(folder), "THX-R06")
        for wanted in ("probability differs in 1 of", f"{library} {here}", f"{library} 1.2.3"):
            assert wanted in said


# ---------------------------------------------------------------- R07: things that run when they are read


@pytest.mark.parametrize("payload", PAYLOADS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("file", [*CONTENTS, "manifest.json"])
def test_R07_whatever_is_called_json_is_read_as_json(folder, canary, payload, file):
    content = payload(canary)
    (folder / file).write_bytes(content)
    if file == "manifest.json":
        assert "no model here" in refused(folder, "THX-R05")
    else:
        refused(folder, "THX-R05")
        assert "not sound JSON" in refused(signed(folder), "THX-R08")


@pytest.mark.parametrize("name", ["model.pkl", "model.skops", "python_model.pkl", "sitecustomize.py", "model.json.gz"])
@pytest.mark.parametrize("payload", [pickled, joblibbed], ids=lambda f: f.__name__)
def test_R07_a_file_beside_the_model_is_refused_unread(folder, canary, payload, name):
    (folder / name).write_bytes(payload(canary))
    assert "does not name" in refused(folder, "THX-R09")
    assert "no part of a model" in refused(signed(folder), "THX-R09")


@pytest.mark.parametrize("alone", ["model.pkl", "model.skops"])
def test_R07_a_folder_with_a_pickle_alone_is_no_model(tmp_path, canary, alone):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / alone).write_bytes(pickled(canary))
    assert "no model here" in refused(tmp_path / "model", "THX-R05")
    assert "no model here" in refused(tmp_path / "model", "THX-R05", load_selection)


# ---------------------------------------------------------------- R07, R08: MLflow's own files


@pytest.fixture
def artifact(folder, tmp_path):
    """What MLflow keeps around a model: it is never opened by us."""
    place = tmp_path / "artifact"
    shutil.copytree(folder, place / "artifacts" / "model")
    (place / "MLmodel").write_text("flavors: {python_function: {loader_module: mlflow.pyfunc.model}}\n")
    return place


@pytest.mark.parametrize("trap", AROUND, ids=lambda f: f.__name__)
def test_R08_what_lies_around_the_model_is_neither_read_nor_run(artifact, canary, trap):
    """We read artifacts/model and nothing else: the model is what it was, whatever MLflow was told to run."""
    truth = load_predictor(str(artifact)).digest
    trap(artifact, canary)
    begin = time.monotonic()
    for load in (load_predictor, load_any):
        assert load(str(artifact)).digest == truth
    assert time.monotonic() - begin < PATIENCE


@pytest.fixture(scope="module")
def registry(originals, tmp_path_factory):
    """A store with a version whose artifact is what a stranger uploaded."""
    from theracast.predict.store import connect

    place = tmp_path_factory.mktemp("registry")
    mlflow, _ = connect(f"sqlite:///{place / 'mlflow.db'}", create=True)
    client = mlflow.MlflowClient()
    experiment = mlflow.create_experiment("strangers", artifact_location=(place / "runs").as_uri())
    client.create_registered_model("strange")
    return client, experiment, f"sqlite:///{place / 'mlflow.db'}"


@pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::ResourceWarning")
@pytest.mark.parametrize("trap", AROUND, ids=lambda f: f.__name__)
def test_R08_a_registered_version_never_runs_mlflows_loader(registry, artifact, canary, trap):
    client, experiment, store = registry
    truth = load_predictor(str(artifact)).digest
    trap(artifact, canary)
    run = client.create_run(experiment)
    client.log_artifacts(run.info.run_id, str(artifact), "model")
    version = client.create_model_version("strange", f"runs:/{run.info.run_id}/model", run.info.run_id)
    assert load_predictor(f"models:/strange/{version.version}", tracking=store).digest == truth


# ---------------------------------------------------------------- R08: JSON that is too much


@pytest.mark.parametrize("text", TEXTS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("file", ["model.json", "golden.json"])
def test_R08_json_that_nests_swells_or_repeats_is_refused(folder, text, file):
    (folder / file).write_bytes(text(json.loads((folder / file).read_text())))
    assert "not sound JSON" in refused(signed(folder), "THX-R08")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e308", "1e-999", "9" * 4000])
def test_R08_numbers_that_are_none_do_not_pass(folder, number):
    """Python's JSON reads them; no golden row comes out the same with one in the place of a weight."""
    state = json.loads((folder / "model.json").read_text())
    for combiner in state["fusion"]["combiners"]:
        combiner["fit"]["intercept"] = "HERE"
    (folder / "model.json").write_text(json.dumps(state).replace('"HERE"', number))
    if number == "1e-999":  # zero
        state["fusion"]["combiners"][0]["fit"]["intercept"] = 0.0
    refused(signed(folder), "THX-R06")


def test_R08_ten_gigabytes_are_not_read(folder):
    for file in (*CONTENTS, "manifest.json"):
        content = (folder / file).read_bytes()
        with (folder / file).open("r+b") as handle:
            handle.truncate(10_000_000_000)  # of holes: it takes no room
        assert "too large" in refused(folder, "THX-R08")
        (folder / file).write_bytes(content)


def test_R08_a_manifest_of_a_million_names_is_refused(folder):
    (folder / "manifest.json").write_text(json.dumps({f"{k}.json": "0" * 64 for k in range(1_000_000)}))
    assert "too large" in refused(folder, "THX-R08")


# ---------------------------------------------------------------- R09: paths


@pytest.mark.parametrize("name", PATHS)
def test_R09_a_manifest_that_names_another_place_is_refused(folder, name):
    kept = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({name: "0" * 64} | kept))
    said = refused(folder, "THX-R09")
    assert "no part of a model" in said
    assert "\x1b" not in said


@pytest.mark.parametrize("file", [*CONTENTS, "manifest.json"])
@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "folder", "hard loop"])
def test_R09_what_is_no_plain_file_is_refused(folder, tmp_path, file, kind):
    place, aside = folder / file, tmp_path / "aside.json"
    shutil.move(place, aside)
    if kind == "link":
        place.symlink_to(aside)  # of the very bytes that the manifest names
    elif kind == "dangling":
        place.symlink_to(tmp_path / "nowhere")
    elif kind == "fifo":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to(place)
    assert "not a plain file" in refused(folder, "THX-R09")


def test_R09_a_file_swapped_for_a_link_after_the_look_is_not_followed(folder, tmp_path, monkeypatch):
    secret = tmp_path / "secret.json"
    shutil.copy(folder / "model.json", secret)
    inner = os.open

    def swapped(place, *args, **kwargs):
        if str(place).endswith("model.json"):
            place.unlink()
            place.symlink_to(secret)
        return inner(place, *args, **kwargs)

    monkeypatch.setattr(os, "open", swapped)
    refused(folder, "THX-R05")


FILES = [("gene_sets", "sets"), ("deconvolution", "signature"), ("polygenic", "scores")]


@pytest.mark.parametrize(("block", "param"), FILES)
@pytest.mark.parametrize("file", ["/etc/passwd", "secret.gmt", "..\\secret", "/dev/zero"])
@pytest.mark.parametrize("fitted", [False, True])
def test_R09_a_block_may_not_name_a_file_of_ours(folder, monkeypatch, block, param, file, fitted):
    """As parameter of an unfitted block, or in the place of what was learned."""
    monkeypatch.chdir(folder.parent)
    (folder.parent / "secret.gmt").write_text("a\tb\tc\n")
    state = json.loads((folder / "model.json").read_text())
    named = [file] if param == "scores" else file
    kept = {f"{param}_": named} if fitted else {}
    state["blocks"].append({"name": block, "params": {param: named}, "fitted": kept})
    (folder / "model.json").write_text(json.dumps(state))
    assert "names a file" in refused(signed(folder), "THX-R09")
    state["blocks"][-1]["params"] = {param: "immune"} if param == "sets" else {}
    state["blocks"][-1]["fitted"] = {}
    (folder / "model.json").write_text(json.dumps(state))
    assert "names a file" not in refused(signed(folder), "THX-R06")  # another block, other answers


# ---------------------------------------------------------------- wrong types everywhere


def hold(folder, file, changed):
    """Either our error, or a model that says of its golden rows what it said."""
    (folder / file).write_text(json.dumps(changed))
    begin, code = time.process_time(), "THX-R0"
    try:
        load_model(signed(folder))
    except ModelError as error:
        code = error.code
    assert code.startswith("THX-R0")
    assert time.process_time() - begin < PATIENCE


@pytest.mark.parametrize(
    "odd", [[], {}, [["x"]], None, 3.5, True, "x" * 100_000, 10**400], ids=lambda v: type(v).__name__
)
@pytest.mark.parametrize("key", ["format", "theracast"])
def test_R08_a_format_that_is_none_is_told_as_such(folder, key, odd):
    """Found by the test below, a thousand times a night: a list cannot be looked up."""
    state = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**state, "format": 0, key: odd}))
    assert "of another format" in refused(signed(folder), "THX-R06")
    for load in (load_any, load_selection):
        refused(folder, "THX-R06", lambda place, load=load: load(str(place)))


@pytest.mark.parametrize("file", ["model.json", "golden.json"])
@fuzzed(50)
@given(data=st.data())
def test_R08_any_other_type_anywhere_is_our_error_or_harmless(originals, folder, file, data):
    original = json.loads((originals["logistic"] / file).read_text())
    path = data.draw(st.sampled_from(list(spots(original))))
    how = data.draw(st.sampled_from(["replace", "remove", "rename"]))
    hold(folder, file, put(original, path, data.draw(ODD), how))
    (folder / file).write_text(json.dumps(original))


@pytest.mark.nightly
@pytest.mark.parametrize("learner", EXPERTS)
@pytest.mark.parametrize("file", ["model.json", "golden.json"])
@fuzzed(1000)
@given(data=st.data())
def test_R08_any_other_type_anywhere_often(originals, folder, learner, file, data):
    for name in CONTENTS:
        shutil.copy(originals[learner] / name, folder / name)
    original = json.loads((folder / file).read_text())
    path = data.draw(st.sampled_from(list(spots(original))))
    how = data.draw(st.sampled_from(["replace", "remove", "rename"]))
    hold(folder, file, put(original, path, data.draw(ODD), how))
