"""What may be in an exported model, and nothing else: names, sizes, digests, and no code but ours."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Any

import yaml

from theracast.errors import ModelError
from theracast.predict.store import safe_name

#: Names every file of an export, with size and digest.
EXPORT = "theracast-export.json"
_MB = 1 << 20
#: Files that may be there, and how large each may be.
MOST_BYTES = {
    EXPORT: _MB,
    "MLmodel": _MB,
    "conda.yaml": _MB,
    "python_env.yaml": _MB,
    "requirements.txt": _MB,
    "input_example.json": 16 * _MB,
    "serving_input_example.json": 16 * _MB,
    "pyfunc.py": _MB,
    "pyfunc_selection.py": _MB,
}
#: Parts of the model itself: plain JSON.
_PART = re.compile(r"artifacts/model/[A-Za-z0-9_-]{1,64}\.(json|ubj)")
_MOST_PART = 512 * _MB
_MOST_ALL = 1024 * _MB
_MOST_FILES = 100
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SCRIPTS = ("pyfunc.py", "pyfunc_selection.py")
_LOADER = "mlflow.pyfunc.loaders.code_model"


@dataclass(frozen=True)
class Packed:
    """One file as the export says it is.

    Attributes
    ----------
    name : str
        Relative, with slashes.
    sha256 : str
        64 hexadecimal characters.
    size : int
        Bytes.

    Examples
    --------
    >>> Packed("MLmodel", "0" * 64, 3).size
    3
    """

    name: str
    sha256: str
    size: int

    def keep(self, stream: IO[bytes], target: Path) -> None:
        """Copy it, never more than it says it has, and hold the bytes against the digest.

        Parameters
        ----------
        stream : file
            Open for bytes; unpacked while it is read.
        target : Path
            Where to; its folder is made.

        Raises
        ------
        ModelError
            THX-R07 when it is longer, THX-R05 when the bytes are others.

        Examples
        --------
        >>> import io, tempfile
        >>> Packed("MLmodel", "0" * 64, 3).keep(io.BytesIO(b"bomb"), Path(tempfile.mkdtemp()) / "MLmodel")
        Traceback (most recent call last):
        ...
        theracast.errors.ModelError: THX-R07: the export holds a file that is longer than it says | ...
        """
        target.parent.mkdir(parents=True, exist_ok=True)
        seen, left = sha256(), self.size
        with target.open("xb") as out:
            while chunk := stream.read(min(left + 1, _MB)):
                left -= len(chunk)
                if left < 0:
                    raise hostile("a file that is longer than it says", "THX-R07")
                seen.update(chunk)
                out.write(chunk)
        if left or seen.hexdigest() != self.sha256:
            raise ModelError(
                "bytes of the export changed since it was written",
                code="THX-R05",
                where=self.name,
                fix="Export it again, and carry it as it is.",
            )


@dataclass(frozen=True)
class Parcel:
    """What an export says of itself.

    Attributes
    ----------
    name, version : str
        In the registry it comes from.
    tags : dict of str to str
        Of the version.
    files : dict of str to Packed
        All but the list itself.
    digest : str
        Of the list.

    Examples
    --------
    >>> Parcel("m", "1", {}, {}, "").version
    '1'
    """

    name: str
    version: str
    tags: dict[str, str]
    files: dict[str, Packed]
    digest: str

    def hold(self, names: set[str]) -> None:
        """Hold what is there against the list.

        Parameters
        ----------
        names : set of str
            Files that are there.

        Raises
        ------
        ModelError
            THX-R09 on names that lead elsewhere, THX-R07 on files that have no place in a model, THX-R05 when some
            are missing.

        Examples
        --------
        >>> Parcel("m", "1", {}, {}, "").hold({"../../.bashrc"})
        Traceback (most recent call last):
        ...
        theracast.errors.ModelError: THX-R09: the export holds a path that leads elsewhere | ...
        """
        for name in (*names, *self.files):
            if _leads_elsewhere(name):
                raise hostile("a path that leads elsewhere", "THX-R09")
            if not allowed(name):
                raise hostile("a file that has no place in a model", "THX-R07")
        if names != set(self.files):
            raise ModelError("the export is not whole, or more than it says", code="THX-R05", fix="Export it again.")


def allowed(name: str) -> bool:
    """Say whether a file has a place in a model.

    Parameters
    ----------
    name : str
        Relative, with slashes.

    Returns
    -------
    bool
        Names are listed, not guessed by what they end on.

    Examples
    --------
    >>> [allowed(n) for n in ("MLmodel", "artifacts/model/model.json", "python_model.pkl", "code/x.py")]
    [True, True, False, False]
    """
    return (name in MOST_BYTES and name != EXPORT) or _PART.fullmatch(name) is not None


def read_parcel(content: bytes) -> Parcel:
    """Read the list of an export.

    Parameters
    ----------
    content : bytes
        Of the list.

    Returns
    -------
    Parcel
        Checked as far as a list can be.

    Raises
    ------
    ModelError
        THX-R08 when it is none.

    Examples
    --------
    >>> read_parcel(b"[" * 100000)
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R08: the list of the export is none | where: theracast-export.json | ...
    """
    try:
        if len(content) > MOST_BYTES[EXPORT]:
            raise ValueError
        said = json.loads(content)
        files = {n: Packed(n, _digest(f["sha256"]), _size(n, f["bytes"])) for n, f in said["files"].items()}
        tags = {str(k): str(v)[:5000] for k, v in said["tags"].items() if str(k).isprintable()}
        if len(files) > _MOST_FILES or sum(f.size for f in files.values()) > _MOST_ALL:
            raise ValueError
        if said["format"] != 1 or not str(said["version"]).isdecimal() or "MLmodel" not in files:
            raise ValueError
        name = safe_name(said["name"])
    except Exception:  # whatever a list that somebody made up may do to the lines above
        raise ModelError(
            "the list of the export is none",
            code="THX-R08",
            where=EXPORT,
            wanted="as 'theracast models export' writes it",
        ) from None
    return Parcel(name, str(said["version"]), tags, files, sha256(content).hexdigest())


def check_mlmodel(folder: Path) -> None:
    """Hold what MLflow would do with a model against what it may do.

    Parameters
    ----------
    folder : Path
        With ``MLmodel``.

    Raises
    ------
    ModelError
        THX-R08 when it is no plain YAML; THX-R07 when it would run other code than that of this theracast.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "MLmodel").write_text("flavors: {python_function: {loader_module: os}}")
    >>> check_mlmodel(folder)
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R07: the export holds code of its own | ...
    """
    try:
        said: Any = yaml.safe_load((folder / "MLmodel").read_text("utf-8"))
        flavors = said["flavors"]
        pyfunc = flavors["python_function"]
        script = PurePosixPath(str(pyfunc.get("model_code_path", "")).replace("\\", "/")).name
        known = (
            set(flavors) == {"python_function"}
            and pyfunc["loader_module"] == _LOADER
            and not pyfunc.get("code")
            and script in _SCRIPTS
        )
    except (yaml.YAMLError, KeyError, TypeError, AttributeError, ValueError, RecursionError, OSError):
        raise ModelError("the MLmodel of the export cannot be read", code="THX-R08", where="MLmodel") from None
    there = [n for n in _SCRIPTS if (folder / n).is_file()]
    if (
        not known
        or there != [script]
        or (folder / script).read_bytes() != Path(__file__).with_name(script).read_bytes()
    ):
        raise hostile("code of its own", "THX-R07")


def hostile(what: str, code: str) -> ModelError:
    """Say what is wrong with an export.

    Parameters
    ----------
    what : str
        Found in it.
    code : str
        ``THX-R07`` or ``THX-R09``.

    Returns
    -------
    ModelError
        To raise; no name from the export is repeated.

    Examples
    --------
    >>> hostile("a link or device", "THX-R09").code
    'THX-R09'
    """
    return ModelError(
        f"the export holds {what}",
        code=code,
        wanted="what 'theracast models export' of this version of theracast wrote, unchanged",
        fix="Do not use it. Ask where it comes from.",
    )


def _leads_elsewhere(name: str) -> bool:
    parts = PurePosixPath(name).parts
    odd = "\\" in name or "%" in name or ":" in name or not name.isprintable()
    return odd or name.startswith("/") or not parts or ".." in parts or str(PurePosixPath(name)) != name


def _digest(text: str) -> str:
    if not _DIGEST.fullmatch(text):
        raise ValueError
    return text


def _size(name: str, size: int) -> int:
    if type(size) is not int or not 0 <= size <= MOST_BYTES.get(name, _MOST_PART):
        raise ValueError
    return size
