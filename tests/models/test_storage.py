import json
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import ModelError
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.experts import EXPERTS
from theracast.models.storage import load_model, model_digest, save_model
from theracast.provenance import sha256_file

learners = pytest.mark.parametrize("learner", EXPERTS)
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture
def folder(models, tmp_path):
    save_model(models["logistic"], tmp_path / "model", {"who": "me"})
    return tmp_path / "model"


def rewrite(folder, **changes):
    """Change the model and sign it anew, as someone would who knows the format."""
    state = json.loads((folder / "model.json").read_text()) | changes
    (folder / "model.json").write_text(json.dumps(state))
    (folder / "manifest.json").write_text(json.dumps({"model.json": sha256_file(folder / "model.json")}))


@learners
def test_round_trip_to_the_bit(models, tmp_path, learner):
    model = models[learner]
    digest = save_model(model, tmp_path, {"experiment": "x"})
    again, about = load_model(tmp_path)
    assert about == {"experiment": "x", "digest": digest}
    assert again.get_params() == model.get_params()
    assert (again.reference_, again.studies_) == (model.reference_, model.studies_)
    assert again.tumours_ == model.tumours_ == ("melanoma", "urothelial")
    assert again.fusion_.tumour_aware
    for name in ("mgh2022_mel", "hugo2016_mel", "imvigor210_uc"):
        cohort = load_cohort(name)
        pd.testing.assert_frame_equal(again.respond(cohort).table, model.respond(cohort).table, check_exact=True)
        np.testing.assert_array_equal(again.predict_proba(cohort), model.predict_proba(cohort))
    assert save_model(again, tmp_path / "again") == digest


def test_settings_with_choices_types_and_sets_come_back(models, tmp_path):
    """Lists in options are choices, and stay lists; blocks are a tuple, and stay one."""
    cohort = load_cohort("hugo2016_mel")
    options = {"C": [0.1, 1.0], "tie": [30.0, None]}
    model = ResponseModel("pan_ici", blocks=("mutations", "clinical"), options=options, tumour_aware=False).fit(cohort)
    save_model(model, tmp_path)
    again, _ = load_model(tmp_path)
    assert again.get_params() == model.get_params()
    assert again.fusion_.options == options
    assert not again.fusion_.tumour_aware
    pd.testing.assert_frame_equal(again.respond(cohort).table, model.respond(cohort).table, check_exact=True)
    whole = models["logistic"]
    save_model(whole, tmp_path / "whole")
    stored = json.loads((tmp_path / "whole" / "model.json").read_text())
    assert {t for c in stored["fusion"]["combiners"] for t in c["fit"]["own"]} == {"melanoma", "urothelial"}
    assert set(stored["fusion"]["experts"]["mutations"]["fit"]["own"]) == {"melanoma", "urothelial"}
    margins = np.linspace(-3, 3, 61)
    found = load_model(tmp_path / "whole")[0].fusion_.sets.p_values(margins)
    np.testing.assert_array_equal(found, whole.fusion_.sets.p_values(margins))


def test_the_digest_is_of_what_decides_a_prediction(models, tmp_path):
    first = save_model(models["logistic"], tmp_path / "a", {"when": 1})
    assert save_model(models["logistic"], tmp_path / "b", {"when": 2}) == first
    assert save_model(models["xgboost"], tmp_path / "c") != first
    state = json.loads((tmp_path / "a" / "model.json").read_text())
    assert model_digest(state) == first
    state["fusion"]["prior"] += 1e-12
    assert model_digest(state) != first


@pytest.mark.parametrize("at", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_r05_a_flipped_byte_is_refused(folder, at):
    content = bytearray((folder / "model.json").read_bytes())
    content[int(at * (len(content) - 1))] ^= 1
    (folder / "model.json").write_bytes(content)
    with pytest.raises(ModelError, match="THX-R05"):
        load_model(folder)


@pytest.mark.parametrize("name", ["manifest.json", "model.json"])
def test_r05_a_missing_file_is_refused(folder, name):
    (folder / name).unlink()
    with pytest.raises(ModelError, match="THX-R05"):
        load_model(folder)


def test_r05_no_folder_at_all(tmp_path):
    with pytest.raises(ModelError, match="THX-R05"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("manifest", ["{}", "[]", "null", "", "{", '{"model.json": null}', '{"x": "y"}', "\x00"])
def test_r05_a_manifest_that_vouches_for_nothing_is_refused(folder, manifest):
    (folder / "manifest.json").write_text(manifest)
    with pytest.raises(ModelError, match="THX-R05"):
        load_model(folder)


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "..\\x", "%2e%2e/x", "a/../../x", "\x00", "."])
def test_r09_path_tricks_in_the_manifest_touch_nothing(folder, name, monkeypatch):
    """Whatever else a manifest names is not opened; the model itself is still checked."""
    (folder.parent / "x").write_text("secret")
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({name: "0" * 64} | manifest))
    opened, inner = [], Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **k: (opened.append(self), inner(self, *a, **k))[1])
    load_model(folder)
    assert set(opened) <= {folder / "model.json", folder / "manifest.json"}


@pytest.mark.parametrize("version", [1, 2, 4, None, "1", "3", 0])
def test_r06_another_format_is_refused(folder, version):
    rewrite(folder, format=version)
    with pytest.raises(ModelError, match="THX-R06"):
        load_model(folder)


def test_r06_a_folder_that_theracast_wrote_in_format_2_is_refused_with_what_to_do():
    with pytest.raises(ModelError) as caught:
        load_model(GOLDEN / "model_format_2")
    assert caught.value.code == "THX-R06"
    said = str(caught.value)
    for part in ("the model is of another format", "format 2 by theracast", "format 3", "train again"):
        assert part in said


def test_a_model_written_in_format_3_predicts_the_same_as_then():
    """A registered model outlives the code that wrote it; tests/golden/README.md says how it was made."""
    model, about = load_model(GOLDEN / "model_format_3")
    then = json.loads((GOLDEN / "model_format_3.json").read_text())
    assert about["digest"] == then["digest"]
    table = model.respond(pd.DataFrame(then["patients"], index=then["ids"])).table
    for name in ("probability", "lower", "upper"):
        np.testing.assert_allclose(table[name].to_numpy(), np.array(then[name], dtype=float), rtol=1e-12)
    for name in ("set", "decision", "reason"):
        assert table[name].tolist() == then[name]


@pytest.mark.parametrize("text", ["[]", "null", "1", "{}"])
def test_r06_a_signed_file_that_is_no_model_is_refused(folder, text):
    (folder / "model.json").write_text(text)
    (folder / "manifest.json").write_text(json.dumps({"model.json": sha256_file(folder / "model.json")}))
    with pytest.raises(ModelError, match="THX-R06"):
        load_model(folder)


@learners
def test_r07_only_json_and_nothing_is_unpickled(models, tmp_path, learner, monkeypatch):
    def refused(*_args, **_kwargs):
        raise AssertionError("a pickle was read")

    save_model(models[learner], tmp_path)
    assert sorted(f.name for f in tmp_path.iterdir()) == ["manifest.json", "model.json"]
    assert all(isinstance(json.loads(f.read_text()), dict) for f in tmp_path.iterdir())
    monkeypatch.setattr(pickle, "loads", refused)
    monkeypatch.setattr(pickle, "load", refused)
    monkeypatch.setattr(pickle, "Unpickler", refused)
    load_model(tmp_path)[0].respond(load_cohort("mgh2022_mel"))
