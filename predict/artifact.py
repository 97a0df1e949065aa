"""A model's folder inside an MLflow artifact: where it lies, and that what was uploaded is what was written."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from theracast.errors import ModelError
from theracast.provenance import sha256_file

#: Where MLflow keeps the folder that `theracast.models.storage` wrote.
INNER = "artifacts/model"
_TRUE_OF = ("model_uuid", "model_id", "utc_time_created", "flavors", "signature_dict", "metadata")


def model_folder(artifact: str | Path) -> Path:
    """Find the model in what was fetched; nothing of MLflow's own files is opened, and no code of the artifact runs.

    Parameters
    ----------
    artifact : str or Path
        An MLflow artifact with ``artifacts/model`` in it, or the folder of a model itself.

    Returns
    -------
    Path
        For `theracast.models.storage.load_model`.

    Raises
    ------
    ModelError
        THX-R09 when a link leads elsewhere.

    Examples
    --------
    >>> model_folder("no/such/folder").name
    'folder'
    """
    artifact = Path(artifact)
    inner = artifact / INNER
    if inner.parent.is_symlink() or inner.is_symlink():
        raise ModelError(
            "a link stands where the model should be", code="THX-R09", where=INNER, wanted="a folder of the artifact"
        )
    return inner if inner.is_dir() else artifact


def digests_of(folder: str | Path) -> dict[str, str]:
    """Digest every file of a folder.

    Parameters
    ----------
    folder : str or Path
        Of plain files and folders.

    Returns
    -------
    dict of str to str
        Path within the folder, with slashes, to sha256.

    Raises
    ------
    ModelError
        THX-R09 when a link or a device is among them.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.txt").write_text("a")
    >>> list(digests_of(folder))
    ['a.txt']
    """
    folder, found = Path(folder), {}
    for file in sorted(folder.rglob("*")):
        if file.is_symlink() or not (file.is_file() or file.is_dir()):
            raise ModelError("not a plain file", code="THX-R09", where=file.name, wanted="a file; no link or device")
        if file.is_file():
            found[file.relative_to(folder).as_posix()] = sha256_file(file)
    return found


def read_back(mlflow: ModuleType, info: Any, written: Mapping[str, str], requirements: list[str]) -> None:
    """Fetch a logged model again, and hold it against what was written.

    Parameters
    ----------
    mlflow : module
        From `theracast.predict.store.connect`.
    info : mlflow.models.model.ModelInfo
        Of the logged model.
    written : mapping of str to str
        Path within the artifact to sha256: all of the model's folder, and the script that MLflow runs.
    requirements : list of str
        Lines that ``requirements.txt`` must hold.

    Raises
    ------
    ModelError
        THX-R04 when a file is missing, cut or another; nothing may be registered then.

    Examples
    --------
    >>> callable(read_back)
    True
    """
    with tempfile.TemporaryDirectory() as scratch:
        try:
            there = Path(mlflow.artifacts.download_artifacts(artifact_uri=info.model_uri, dst_path=scratch))
        except (mlflow.MlflowException, OSError) as error:
            raise _cut(["the artifact"], f"it cannot be fetched: {type(error).__name__}") from None
        found = digests_of(there)
        mine = {f for f in found if f.startswith(f"{INNER}/")} | set(written)
        other = [f for f in sorted(mine) if found.get(f) != written.get(f)]
        lines = (there / "requirements.txt").read_text().split() if "requirements.txt" in found else []
        if lines != requirements:
            other.append("requirements.txt")
        if not _says_what_was_logged(mlflow, there, info):
            other.append("MLmodel")
    if other:
        raise _cut(other, f"{len(other)} of {len(mine) + 2} files are missing, cut or others")


def _says_what_was_logged(mlflow: ModuleType, there: Path, info: Any) -> bool:
    """Compare MLflow's own description, which is written in memory and nowhere here."""
    try:
        if not (there / "MLmodel").read_text().endswith("\n"):
            return False
        found = mlflow.models.Model.load(str(there)).get_model_info()
    except Exception:  # a file cut anywhere may fail in any way
        return False
    return all(getattr(found, k, None) == getattr(info, k, None) for k in _TRUE_OF)


def _cut(files: list[str], got: str) -> ModelError:
    return ModelError(
        "the model did not arrive as it was written",
        code="THX-R04",
        where=", ".join(files[:5]),
        got=got,
        wanted="every byte, read back before a version is registered",
        fix="Nothing was registered. Look at the space and the network of the artifact store, and train again.",
    )
