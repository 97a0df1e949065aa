"""A registered model as a folder or a zip that needs no registry: taken out, carried, checked, taken in.

The folder is the one MLflow keeps, with ``theracast-export.json`` beside it: every file with its sha256 and size. What
is taken in is checked by name, size and digest before a byte of it is read as a model, and no code of its own is ever
run: the one script in it must be the one that ships with this theracast.
"""

from __future__ import annotations

import json
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any

import theracast
from theracast.errors import ModelError, SetupError, UsageError
from theracast.predict.artifact import model_folder
from theracast.predict.card.attach import attach_card, described
from theracast.predict.card.make import written_by
from theracast.predict.offline_checks import (
    EXPORT,
    MOST_BYTES,
    Parcel,
    allowed,
    check_mlmodel,
    hostile,
    read_parcel,
)
from theracast.predict.predictor import Predictor
from theracast.predict.registry import fetch_folder, load_any
from theracast.predict.store import connect, experiment_id, reaching, safe_name, shown
from theracast.predict.therapies import SelectionPredictor
from theracast.provenance import sha256_file

#: What zipfile raises on an archive that is encrypted, cut off, changed, or packed in a way it does not know.
_UNREADABLE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    RuntimeError,
    EOFError,
    OSError,
    ValueError,
    LookupError,
    OverflowError,
)
_FIXED = (1980, 1, 1, 0, 0, 0)


def export_model(name: str, version: str, output: str | Path, *, tracking: str | None = None) -> Path:
    """Write a registered version as a folder, or as a zip where the name ends so.

    Parameters
    ----------
    name, version : str
        Of the model.
    output : str or Path
        Must not be there yet.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.

    Returns
    -------
    Path
        The folder or zip. The folder can be named wherever a MODEL is asked for.

    Raises
    ------
    UsageError
        When something stands there.
    ModelError
        THX-R01 when there is no such version; THX-R05 when its bytes changed.

    Examples
    --------
    >>> export_model("../m", "1", "out")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: THX-A01: not a name of a model | ...
    """
    output = Path(output)
    if output.exists():
        raise UsageError("something stands there", where=str(output), fix="Name another place.")
    load_any(f"models:/{safe_name(name)}/{version}", tracking=tracking)
    kept = fetch_folder(name, version, tracking)
    mlflow, store = connect(tracking)
    with reaching(store):
        tags = dict(mlflow.MlflowClient().get_model_version(name, version).tags)
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export-") as scratch:
            folder = Path(scratch) / "model"
            names = sorted(p.relative_to(kept).as_posix() for p in kept.rglob("*") if p.is_file())
            files = {n: _copied(kept / n, folder / n) for n in names if allowed(n)}
            about = {
                "format": 1,
                "theracast": theracast.__version__,
                "name": name,
                "version": version,
                "exported": datetime.now(UTC).isoformat(timespec="seconds"),
                "tags": tags,
                "files": files,
            }
            (folder / EXPORT).write_text(json.dumps(about, indent=1, sort_keys=True), encoding="utf-8")
            whole = _zipped(folder, Path(scratch) / "model.zip") if output.suffix == ".zip" else folder
            whole.replace(output)
    except OSError as error:
        raise SetupError(
            "the model cannot be written", code="THX-S03", where=str(output), got=error.strerror or ""
        ) from None
    return output


def import_model(source: str | Path, *, tracking: str | None = None, name: str = "") -> tuple[str, str]:
    """Register what `export_model` wrote, after every byte was checked. It becomes no champion.

    Parameters
    ----------
    source : str or Path
        Folder or zip.
    tracking : str, optional
        Store to register it in; begun in the current folder where there is none.
    name : str, optional
        To register it under; that of the export by default.

    Returns
    -------
    name, version : str
        As registered.

    Raises
    ------
    ModelError
        THX-R05 when bytes changed; THX-R07 on links, bombs and foreign code; THX-R09 on paths that lead elsewhere.

    Examples
    --------
    >>> import_model("no/such.zip")
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R01: no exported model here | where: no/such.zip | ...
    """
    source = Path(source)
    with _checked(source) as (folder, parcel):
        name = safe_name(name or parcel.name)
        loaded = load_any(str(folder))
        mlflow, store = connect(tracking, create=True)
        with reaching(store):
            return name, _register(mlflow, store, folder, parcel, name, loaded)


def _register(
    mlflow: Any, store: str, folder: Path, parcel: Parcel, name: str, loaded: Predictor | SelectionPredictor
) -> str:
    subject = str((loaded.about.get("experiment") or {}).get("indication") or name)
    client = mlflow.MlflowClient()
    run = client.create_run(experiment_id(mlflow, subject, store), run_name=f"import {name}").info
    status = "FAILED"
    try:
        client.log_artifacts(run.run_id, str(folder), "model")
        back = Path(mlflow.artifacts.download_artifacts(run_id=run.run_id, artifact_path="model", tracking_uri=store))
        if {n: _digest(back / n) for n in parcel.files} != {n: f.sha256 for n, f in parcel.files.items()}:
            raise ModelError(
                "the store gave back other bytes than it got", code="THX-R04", where=shown(store), fix="Import again."
            )
        with suppress(mlflow.MlflowException):  # it is there already
            client.create_registered_model(name)
        origin = {"imported.name": parcel.name, "imported.version": parcel.version, "imported.digest": parcel.digest}
        # with the version, not after it: one without its tags would be half registered
        made = client.create_model_version(
            name,
            f"{run.artifact_uri}/model",
            run.run_id,
            tags={**parcel.tags, **origin},
            description=described(f"{name}, imported", run.run_id),
        )
        attach_card(client, made, loaded.model, loaded.about, loaded.digest, written_by(model_folder(folder)))
        status = "FINISHED"
        return str(made.version)
    finally:
        with suppress(mlflow.MlflowException):
            client.set_terminated(run.run_id, status)


@contextmanager
def _checked(source: Path) -> Iterator[tuple[Path, Parcel]]:
    """Copy what is exported to a place of our own while it is checked, so that nobody changes it afterwards."""
    with tempfile.TemporaryDirectory(prefix="theracast-") as scratch:
        folder = Path(scratch) / "model"
        if source.is_dir():
            parcel = _from_folder(source, folder)
        elif source.is_file() and zipfile.is_zipfile(source):
            parcel = _from_zip(source, folder)
        else:
            raise ModelError(
                "no exported model here",
                code="THX-R01",
                where=str(source),
                wanted="a folder or zip that 'theracast models export' wrote",
            )
        check_mlmodel(folder)
        yield folder, parcel


def _from_folder(source: Path, folder: Path) -> Parcel:
    there = sorted(source.rglob("*"))
    for path in there:
        kind = path.lstat().st_mode
        if not (stat.S_ISREG(kind) or stat.S_ISDIR(kind)):
            raise hostile("a link or device", "THX-R09")
    names = {p.relative_to(source).as_posix() for p in there if p.is_file()}
    if EXPORT not in names:
        raise ModelError("no exported model here", code="THX-R01", where=str(source), wanted=f"with {EXPORT}")
    with (source / EXPORT).open("rb") as stream:
        parcel = read_parcel(stream.read(MOST_BYTES[EXPORT] + 1))
    # MLflow leaves a note of its own in folders it reads
    parcel.hold(names - {EXPORT, "registered_model_meta"})
    for name, file in parcel.files.items():
        with (source / name).open("rb") as stream:
            file.keep(stream, folder / name)
    return parcel


def _from_zip(source: Path, folder: Path) -> Parcel:
    try:
        with zipfile.ZipFile(source) as archive:
            infos = archive.infolist()
            entries = {i.filename: i for i in infos if not i.is_dir()}
            if len({i.filename for i in infos}) < len(infos):
                raise hostile("a name twice", "THX-R07")
            for info in infos:
                if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                    raise ValueError("packed in a way that is not ours")
                kind = info.external_attr >> 16
                if kind and not (stat.S_ISREG(kind) or stat.S_ISDIR(kind) or not stat.S_IFMT(kind)):
                    raise hostile("a link or device", "THX-R09")
            if EXPORT not in entries:
                raise ModelError("no exported model here", code="THX-R01", where=str(source), wanted=f"with {EXPORT}")
            with archive.open(EXPORT) as stream:
                parcel = read_parcel(stream.read(MOST_BYTES[EXPORT] + 1))
            parcel.hold(set(entries) - {EXPORT})
            for name, file in parcel.files.items():
                with archive.open(name) as stream:
                    file.keep(stream, folder / name)
            return parcel
    except _UNREADABLE:
        raise ModelError("the zip cannot be read", code="THX-R05", where=str(source), fix="Copy it again.") from None


def _copied(source: Path, target: Path) -> dict[str, Any]:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    return {"sha256": sha256_file(target), "bytes": target.stat().st_size}


def _digest(file: Path) -> str:
    return sha256(file.read_bytes()).hexdigest() if file.is_file() else ""


def _zipped(folder: Path, target: Path) -> Path:
    """Pack in one order and with one date: the same model gives the same bytes."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            info = zipfile.ZipInfo(str(PurePosixPath(path.relative_to(folder))), _FIXED)
            info.external_attr, info.compress_type = (stat.S_IFREG | 0o644) << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, path.read_bytes())
    return target
