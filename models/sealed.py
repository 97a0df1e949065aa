"""Folders of plain JSON under a manifest of digests: nothing is parsed before its digest was found right."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from theracast.errors import ModelError

#: Names what lies beside it, each with its sha256.
MANIFEST = "manifest.json"
_MANIFEST_BYTES = 65_536
_MOST_FILES = 64
_DIGEST = re.compile(r"[0-9a-f]{64}")
_FETCH = "Register it again, or fetch it from its registry anew."


def seal(folder: str | Path, files: Mapping[str, Any]) -> None:
    """Write JSON files, and the manifest of their digests last.

    Parameters
    ----------
    folder : str or Path
        Made if it is not there.
    files : mapping of str to object
        File name to what it holds, JSON-ready.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> seal(folder, {"model.json": {"format": 0}})
    >>> sorted(f.name for f in Path(folder).iterdir())
    ['manifest.json', 'model.json']
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    for name, content in files.items():
        data = json.dumps(content, sort_keys=True).encode()
        (folder / name).write_bytes(data)
        digests[name] = sha256(data).hexdigest()
    (folder / MANIFEST).write_text(json.dumps(digests, sort_keys=True), encoding="utf-8")


def unsealed(folder: str | Path, most: Mapping[str, int]) -> dict[str, Any]:
    """Read what `seal` wrote, after its digests were checked.

    Every file must be named in the manifest, be of a name that is known here, lie in the folder itself and be a plain
    file: links, folders and devices are refused. Each is read once, to a bound, and the bytes that were digested are
    those that are parsed.

    Parameters
    ----------
    folder : str or Path
        Of the model.
    most : mapping of str to int
        Names that may be there, and how many bytes each may have; the first must be there.

    Returns
    -------
    dict of str to object
        File name to what it holds.

    Raises
    ------
    ModelError
        THX-R05 when there is none, or a byte changed; THX-R08 when a file is too large, or is no sound JSON; THX-R09
        when something else lies there, or is named in the manifest.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> seal(folder, {"model.json": {"format": 0}})
    >>> unsealed(folder, {"model.json": 1000})
    {'model.json': {'format': 0}}
    """
    folder, required = Path(folder), next(iter(most))
    manifest = _manifest(folder, required)
    strange = [n for n in manifest if n not in most]
    if strange:
        raise ModelError(
            "the manifest names what is no part of a model",
            code="THX-R09",
            where=MANIFEST,
            got=f"{len(strange)} of {len(manifest)} names",
            wanted=", ".join(most),
            fix=_FETCH,
        )
    with os.scandir(folder) as entries:
        beside = [e.name for e in islice(entries, _MOST_FILES) if e.name not in manifest and e.name != MANIFEST]
    if beside:
        raise ModelError(
            "files lie beside the model that its manifest does not name",
            code="THX-R09",
            where="the folder of the model",
            got=f"{len(beside)} more",
            wanted=", ".join([MANIFEST, *manifest]),
            fix="Keep the folder of a model for itself.",
        )
    contents = {name: read_bounded(folder / name, most[name]) for name in manifest}
    for name, content in contents.items():
        got = sha256(content).hexdigest()
        if got != manifest[name]:
            raise ModelError(
                "the model changed after it was written",
                code="THX-R05",
                where=name,
                got=got[:12],
                wanted=manifest[name][:12],
                fix=_FETCH,
            )
    return {name: parsed(content, name) for name, content in contents.items()}


def read_bounded(file: str | Path, most: int) -> bytes:
    """Read a plain file whole, if it is no larger than it may be.

    Parameters
    ----------
    file : str or Path
        The file; a link is not followed.
    most : int
        Bytes.

    Returns
    -------
    bytes
        The content.

    Raises
    ------
    ModelError
        THX-R05 when it cannot be read, THX-R08 when it is too large, THX-R09 when it is no plain file.

    Examples
    --------
    >>> read_bounded("/dev/zero", 10)
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R09: not a plain file | where: zero | ...
    """
    file = Path(file)
    try:
        if not stat.S_ISREG(file.lstat().st_mode):
            raise ModelError("not a plain file", code="THX-R09", where=file.name, wanted="a file; no link or device")
        # whoever puts a link here after the look gets an error, not the file behind it
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
        with os.fdopen(handle, "rb") as opened:
            content = opened.read(most + 1)
    except (OSError, ValueError):
        raise _nothing(file.parent, file.name) from None
    if len(content) > most:
        raise ModelError("a file of the model is too large", code="THX-R08", where=file.name, wanted=f"{most} bytes")
    return content


def parsed(content: bytes, name: str) -> Any:
    """Parse JSON in which every key occurs once.

    Parameters
    ----------
    content : bytes
        UTF-8.
    name : str
        Of the file, for the message.

    Returns
    -------
    object
        As `json.loads`.

    Raises
    ------
    ModelError
        THX-R08 when it is no JSON, nests too deeply, has numbers of thousands of digits, or repeats a key.

    Examples
    --------
    >>> parsed(b'{"a": 1, "a": 2}', "model.json")
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R08: not sound JSON | where: model.json | ...
    """
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise ModelError(
            "not sound JSON",
            code="THX-R08",
            where=name,
            got=type(error).__name__,
            wanted="what theracast wrote",
            fix=_FETCH,
        ) from None


def _manifest(folder: Path, required: str) -> dict[str, str]:
    if not folder.is_dir():
        raise _nothing(folder, required)
    content = read_bounded(folder / MANIFEST, _MANIFEST_BYTES)
    try:
        manifest = parsed(content, MANIFEST)
    except ModelError:
        raise _nothing(folder, required) from None
    sound = isinstance(manifest, dict) and all(isinstance(d, str) and _DIGEST.fullmatch(d) for d in manifest.values())
    if not sound or required not in manifest:
        raise _nothing(folder, required)
    return manifest


def _nothing(folder: Path, name: str) -> ModelError:
    return ModelError(
        "no model here", code="THX-R05", where=str(folder), wanted=f"{name}, and {MANIFEST} with its digest"
    )


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a key is repeated")
    return made
