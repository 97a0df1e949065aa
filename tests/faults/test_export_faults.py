"""Exports that somebody tampered with, cut off, or made up: none runs, each has its message."""

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from registries import MELANOMA

from theracast.errors import ModelError, UsageError
from theracast.features.datasets import load_cohort
from theracast.predict import store as stores
from theracast.predict.offline import export_model, import_model
from theracast.predict.promotion import promote
from theracast.predict.registry import list_models, load_predictor
from theracast.predict.store import connect
from theracast.provenance import sha256_file

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:mlflow.*", "ignore::ResourceWarning")
CANARY = "ZZPHI"
SAID = {"by": "me", "kind": "promote"}


def numbers(predictor):
    return predictor.score(load_cohort("mgh2022_mel")).table.probability.to_numpy()


@pytest.mark.parametrize("form", ["folder", "zip"])
def test_R05_an_export_is_the_same_model_elsewhere(store, exported, tmp_path, form):
    if form == "zip":
        exported = export_model(MELANOMA, "1", tmp_path / "m.zip", tracking=store)
    elsewhere = f"sqlite:///{tmp_path}/other/mlflow.db"
    (tmp_path / "other").mkdir()
    assert import_model(exported, tracking=elsewhere) == (MELANOMA, "1")
    assert list_models(elsewhere).aliases.tolist() == [""]  # it becomes no champion by itself
    promote(MELANOMA, "1", tracking=elsewhere)
    truth = load_predictor(f"models:/{MELANOMA}/1", tracking=store)
    there = load_predictor(f"models:/{MELANOMA}@champion", tracking=elsewhere)
    assert there.digest == truth.digest
    np.testing.assert_array_equal(numbers(there), numbers(truth))
    mlflow, _ = connect(elsewhere)
    served = mlflow.pyfunc.load_model(f"models:/{MELANOMA}@champion").predict(load_cohort("mgh2022_mel").wide())
    np.testing.assert_array_equal(served.probability, numbers(truth))
    tags = mlflow.MlflowClient().get_model_version(MELANOMA, "1").tags
    assert (tags["imported.name"], tags["imported.version"]) == (MELANOMA, "1")
    mlflow, _ = connect(store)
    key = mlflow.MlflowClient().get_model_version(MELANOMA, "1").tags
    assert key.items() <= tags.items()  # so that it is found again by what made it
    assert {"experiment_digest", "data_digest", "code_digest", "theracast"} <= set(key)


def test_R01_an_exported_folder_needs_no_registry(store, exported, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    np.testing.assert_array_equal(
        numbers(load_predictor(str(exported))), numbers(load_predictor(f"models:/{MELANOMA}/1", tracking=store))
    )


def test_an_export_stands_in_nobodys_way(store, exported, tmp_path):
    with pytest.raises(UsageError, match="something stands there"):
        export_model(MELANOMA, "1", exported, tracking=store)
    with pytest.raises(ModelError, match="THX-R01"):
        export_model(MELANOMA, "77", tmp_path / "x", tracking=store)
    assert list(tmp_path.iterdir()) == []
    files = {p.relative_to(exported).as_posix() for p in exported.rglob("*") if p.is_file()}
    assert "registered_model_meta" not in files
    assert {"MLmodel", "pyfunc.py", "theracast-export.json", "artifacts/model/model.json"} <= files


def edited(exported, folder, change):
    """A copy of the export, tampered with."""
    copy = shutil.copytree(exported, folder / "copy")
    change(copy)
    return copy


def relisted(copy):
    """Write the list anew, as somebody would who knows how."""
    file = copy / "theracast-export.json"
    said = json.loads(file.read_text())
    said["files"] = {
        p.relative_to(copy).as_posix(): {"sha256": sha256_file(p), "bytes": p.stat().st_size}
        for p in sorted(copy.rglob("*"))
        if p.is_file() and p != file
    }
    file.write_text(json.dumps(said))


def flip(copy):
    file = copy / "artifacts/model/model.json"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def foreign_code(copy):
    (copy / "pyfunc.py").write_text("import pathlib; pathlib.Path('/tmp/registry-canary').touch()\n")
    relisted(copy)


def mlmodel(old, new):
    def change(copy):
        file = copy / "MLmodel"
        assert old in file.read_text()
        file.write_text(file.read_text().replace(old, new))
        relisted(copy)

    return change


def add(name, content=b"\x80\x04N."):
    def change(copy):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes(content)
        relisted(copy)

    return change


def said(**fields):
    def change(copy):
        file = copy / "theracast-export.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | fields))

    return change


def link(copy):
    (copy / "conda.yaml").unlink()
    (copy / "conda.yaml").symlink_to("/etc/hostname")


LOADER = "mlflow.pyfunc.loaders.code_model"
HOSTILE = {
    "a flipped bit": (flip, "THX-R05"),
    "a file less": (lambda c: (c / "requirements.txt").unlink(), "THX-R05"),
    "a file more": (lambda c: (c / "artifacts/model/more.json").write_text("{}"), "THX-R05"),
    "code": (foreign_code, "THX-R07"),
    "a loader": (mlmodel(LOADER, "os"), "THX-R07"),
    "a loader of pickles": (mlmodel(LOADER, "mlflow.sklearn"), "THX-R07"),
    "a code folder": (mlmodel("code: null", "code: code"), "THX-R07"),
    "a script elsewhere": (mlmodel("pyfunc.py", "../../evil.py"), "THX-R07"),
    "a flavor more": (mlmodel("flavors:", "flavors:\n  sklearn: {}"), "THX-R07"),
    "yaml tags": (mlmodel("streamable: false", "streamable: !!python/object/apply:os.system [id]"), "THX-R08"),
    "no yaml": (mlmodel("flavors:", "]["), "THX-R08"),
    "a pickle": (add("python_model.pkl"), "THX-R07"),
    "a pickle as skops": (add("artifacts/model/model.skops"), "THX-R07"),
    "a joblib as json": (add("artifacts/model/model.json"), "THX-R0[58]"),
    "a module": (add("code/theracast/__init__.py", b"raise SystemExit"), "THX-R07"),
    "a link": (link, "THX-R09"),
    "a list that is none": (said(files=[]), "THX-R08"),
    "a name that is none": (said(name="../m"), "THX-R08"),
    "a name in SQL": (said(name="m'; DROP TABLE runs; --"), "THX-R08"),
    "a version that is none": (said(version="1/../../x"), "THX-R08"),
    "sizes that are none": (said(files={"MLmodel": {"sha256": "0" * 64, "bytes": -1}}), "THX-R08"),
    "sizes beyond all": (
        said(
            files={
                "MLmodel": {"sha256": "0" * 64, "bytes": 9},
                **{f"artifacts/model/{i}.json": {"sha256": "0" * 64, "bytes": 1 << 29} for i in range(9)},
            }
        ),
        "THX-R08",
    ),
    "nothing": (lambda c: (c / "theracast-export.json").unlink(), "THX-R01"),
}


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize("what", HOSTILE)
def test_R07_a_hostile_export_is_refused_and_nothing_of_it_runs(exported, tmp_path, monkeypatch, what, form):
    change, code = HOSTILE[what]
    copy = edited(exported, tmp_path, change)
    if form == "zip":
        if what == "a link":
            pytest.skip("in a zip: below")
        with zipfile.ZipFile(tmp_path / "m.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for p in sorted(copy.rglob("*")):
                archive.write(p, p.relative_to(copy))
        copy = tmp_path / "m.zip"
    (tmp_path / "store").mkdir()
    uri = f"sqlite:///{tmp_path}/store/mlflow.db"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "store"))
    with pytest.raises(ModelError, match=code) as caught:
        import_model(copy, tracking=uri)
    assert caught.value.exit_code == 4
    assert not stores.Path("/tmp/registry-canary").exists()
    assert list((tmp_path / "store").iterdir()) == [], "no store was begun, and nothing was left behind"


def zipped(exported, file, *more):
    """The export as a zip, with entries that no tool of ours writes."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for p in sorted(q for q in exported.rglob("*") if q.is_file()):
            archive.write(p, p.relative_to(exported))
        for name, content, mode in more:
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, content)
    return file


@pytest.mark.parametrize(
    ("name", "mode", "code"),
    [
        ("../../evil.txt", 0o100644, "THX-R09"),
        ("/etc/cron.d/evil", 0o100644, "THX-R09"),
        ("artifacts/../../evil.txt", 0o100644, "THX-R09"),
        ("..\\..\\evil.txt", 0o100644, "THX-R09"),
        ("C:\\evil.txt", 0o100644, "THX-R09"),
        ("\\\\server\\share\\evil", 0o100644, "THX-R09"),
        ("artifacts/%2e%2e/%2e%2e/evil", 0o100644, "THX-R09"),
        ("file:///etc/passwd", 0o100644, "THX-R09"),
        ("evil\r\nname", 0o100644, "THX-R09"),
        ("artifacts//model/x.json", 0o100644, "THX-R09"),
        ("conda2.yaml", 0o120777, "THX-R09"),  # a link
        ("pipe", 0o010644, "THX-R09"),
        ("python_model.pkl", 0o100644, "THX-R07"),
    ],
)
def test_R09_paths_in_a_zip_that_lead_elsewhere(exported, tmp_path, name, mode, code):
    file = zipped(exported, tmp_path / "m.zip", (name, b"/etc/passwd", mode))
    with pytest.raises(ModelError, match=code) as caught:
        import_model(file, tracking=f"sqlite:///{tmp_path}/mlflow.db")
    assert "evil" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["m.zip"]


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
def test_R07_bombs_and_doubles_in_a_zip(exported, tmp_path):
    big = io.BytesIO(b" " * (64 << 20)).getvalue()
    for n, more in enumerate(
        [
            [("artifacts/model/model.json", b"{}", 0o100644)],  # which of the two would be read?
            [("artifacts/model/bomb.json", big, 0o100644)],
        ]
    ):
        file = zipped(exported, tmp_path / f"{n}.zip", *more)
        with pytest.raises(ModelError, match=r"THX-R0[57]"):
            import_model(file, tracking=f"sqlite:///{tmp_path}/mlflow.db")
    # one that says it is small
    copy = edited(exported, tmp_path, lambda c: (c / "conda.yaml").write_bytes(big))
    assert zipped(copy, tmp_path / "bomb.zip").stat().st_size < 1 << 20
    with pytest.raises(ModelError, match="THX-R07: the export holds a file that is longer than it says"):
        import_model(tmp_path / "bomb.zip", tracking=f"sqlite:///{tmp_path}/mlflow.db")


@pytest.mark.parametrize(("cuts", "flips"), [(8, 3), pytest.param(40, 5, marks=pytest.mark.nightly)])
def test_R05_a_zip_cut_off_or_flipped_anywhere_is_refused_or_the_same(cuts, flips, store, tmp_path):
    whole = export_model(MELANOMA, "1", tmp_path / "m.zip", tracking=store).read_bytes()
    cut = tmp_path / "cut.zip"
    for k in [*range(0, len(whole), max(1, len(whole) // cuts)), len(whole) - 1]:
        cut.write_bytes(whole[:k])
        with pytest.raises(ModelError, match=r"THX-R0[15]"):
            import_model(cut, tracking=f"sqlite:///{tmp_path}/mlflow.db")
    with zipfile.ZipFile(tmp_path / "m.zip") as archive:
        packed = [(i.header_offset + 30 + len(i.filename), i.compress_size) for i in archive.infolist()]
    refused, places = 0, [start + size * part // flips for start, size in packed for part in range(flips)]
    for n, k in enumerate(places):
        flipped = bytearray(whole)
        flipped[k] ^= 1
        cut.write_bytes(flipped)
        try:
            import_model(cut, tracking=f"sqlite:///{tmp_path}/mlflow.db", name=f"flipped-{n}")
        except ModelError:
            refused += 1
        else:  # a bit that unpacking does not look at: what is registered is the same to the byte
            there = load_predictor(f"models:/flipped-{n}/1", tracking=f"sqlite:///{tmp_path}/mlflow.db")
            assert there.digest == load_predictor(f"models:/{MELANOMA}/1", tracking=store).digest
    assert refused >= len(places) - 2 * len(packed)


def test_R04_a_store_that_gives_back_other_bytes_registers_nothing(exported, tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    mlflow, _ = connect(uri, create=True)
    real = mlflow.artifacts.download_artifacts

    def cut_off(**where):
        folder = real(**where)
        file = stores.Path(folder) / "artifacts/model/model.json"
        file.write_bytes(file.read_bytes()[:-1])
        return folder

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", cut_off)
    with pytest.raises(ModelError, match="THX-R04"):
        import_model(exported, tracking=uri)
    assert list_models(uri).empty
