"""The code that a claim rests on: a script, and all of theracast that it imports, with the tables these read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import theracast

_FLOORS = ("features", "models", "predict")


def code_of(script: Path | None, module: str = "") -> dict[str, str]:
    """Digest the files that a script or a module may run, found by their imports, nothing being imported.

    Parameters
    ----------
    script : Path or None
        Of the evidence folder.
    module : str, optional
        Of theracast, where there is no script.

    Returns
    -------
    dict of str to str
        File to the first 16 characters of its SHA-256: of theracast as ``models/train.py``, scripts by their name,
        tables of knowledge as ``tables/gep.csv`` where a file names them.

    Examples
    --------
    >>> "core/errors.py" in code_of(None, "theracast.errors")
    True
    """
    found: dict[str, Path] = {}
    waiting = [script] if script is not None else []
    waiting += [p for p in [_place(module)] if p is not None and script is None]
    while waiting:
        file = waiting.pop()
        name = _named(file)
        if name in found or not file.exists():
            continue
        found[name] = file
        waiting += list(_imported(file))
    digests = {name: _digest(file) for name, file in found.items()}
    text = "\n".join(_text(file) for file in found.values())
    for table in files("theracast.features.tables").iterdir():
        stem = table.name.rpartition(".")[0]
        if table.name.endswith((".csv", ".parquet", ".yaml")) and (f'"{stem}"' in text or f'"{table.name}"' in text):
            digests[f"tables/{table.name}"] = sha256(table.read_bytes()).hexdigest()[:16]
    return dict(sorted(digests.items()))


def _imported(file: Path) -> Iterator[Path]:
    later = _later(_text(file))
    yield from (beside for beside in sorted(file.parent.glob("*.py")) if beside.stem in later)
    for names in _modules(_text(file)):
        for name in names:
            place = _place(name) if name.split(".")[0] == "theracast" else file.with_name(f"{name}.py")
            if place is not None and place.exists():
                yield place


@cache
def _later(text: str) -> frozenset[str]:
    """Name what a file imports when it is first asked for (`theracast.registry.Later`): files beside it."""
    if "Later(" not in text:
        return frozenset()
    words = (node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant))
    return frozenset(w for word in words if isinstance(word, str) for w in word.split())


def _place(module: str) -> Path | None:
    """Find the file of a module of theracast, as it lies in a checkout and as it is installed."""
    root = Path(theracast.__file__).parent
    parts = module.split(".")[1:]
    if not module.startswith("theracast"):
        return None
    if parts and parts[0] in _FLOORS and not (root / parts[0]).is_dir():
        root = root.parent
    base = root.joinpath(*parts)
    return base / "__init__.py" if base.is_dir() else base.with_suffix(".py")


def _named(file: Path) -> str:
    root = Path(theracast.__file__).resolve().parent
    place = file.resolve()
    for top in (root.parent / f for f in _FLOORS):
        if top in place.parents:
            return place.relative_to(root.parent).as_posix()
    return f"core/{place.relative_to(root).as_posix()}" if root in place.parents else place.name


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8")


@cache
def _modules(text: str) -> tuple[tuple[str, ...], ...]:
    """Name what is imported anywhere in a file: the names of each statement that may be modules."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.append(tuple(alias.name for alias in node.names))
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.append((node.module, *(f"{node.module}.{alias.name}" for alias in node.names)))
    return tuple(found)


def _digest(file: Path) -> str:
    return sha256(_text(file).encode()).hexdigest()[:16]
