"""Files that users declare things in: YAML held against a model, every mistake with its line and field."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from theracast.errors import UsageError

#: Bytes of a declared file; the longest list of criteria is a hundredth of it.
MOST = 1_000_000
_DEPTH = 20

Declared = TypeVar("Declared", bound=BaseModel)


def read_declared(path: str | Path, model: type[Declared], what: str) -> Declared:
    r"""Read a YAML file into a model.

    Only plain values are read: no tag, no anchor, no key twice. No value of the file is repeated in a message.

    Parameters
    ----------
    path : str or Path
        The file.
    model : type of BaseModel
        What its fields must be.
    what : str
        What the file is called in a message.

    Returns
    -------
    BaseModel
        Of that type, checked.

    Raises
    ------
    UsageError
        Naming the file, and line and field of everything that is wrong.

    Examples
    --------
    >>> import tempfile
    >>> class Line(BaseModel):
    ...     text: str
    >>> file = Path(tempfile.mkdtemp(), "l.yaml")
    >>> _ = file.write_text("text: [1]\n")
    >>> read_declared(file, Line, "the line")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: the line is not valid | where: ... | got: line 1, text: Input should be ...
    """
    node = _composed(path, what)
    try:
        return model.model_validate(_Plain("").construct_document(node))
    except yaml.YAMLError as error:
        raise _broken(what, path, error) from None
    except ValidationError as error:
        found = dict.fromkeys(
            _told(e["loc"], e["msg"].removeprefix("Value error, "), node) for e in error.errors(include_url=False)
        )
        raise UsageError(
            f"{what} is not valid",
            where=str(path),
            got="; ".join(list(found)[:10]) + (f"; and {len(found) - 10} more" if len(found) > 10 else ""),
            wanted=f"fields {', '.join(model.model_fields)}",
        ) from None


class _Plain(yaml.SafeLoader):
    """Loads what JSON could hold; a date stays the text that was written."""


_Plain.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def _composed(path: str | Path, what: str) -> yaml.MappingNode:
    """Read the nodes of a file, and refuse what plain values do not need."""
    try:
        with Path(path).open("rb") as file:
            raw = file.read(MOST + 1)
        if len(raw) > MOST:
            raise UsageError(f"{what} is too long", where=str(path), wanted=f"at most {MOST:,} bytes")
        node = yaml.compose(raw.decode("utf-8-sig"), Loader=_Plain)
        doubtful = _doubtful(node) if node is not None else ""
    except OSError:
        raise UsageError(f"{what} cannot be read", where=str(path), wanted="a YAML file") from None
    except UnicodeDecodeError:
        raise UsageError(f"{what} is not text", where=str(path), wanted="YAML in UTF-8") from None
    except yaml.YAMLError as error:
        raise _broken(what, path, error) from None
    except RecursionError:
        doubtful = f"values nested deeper than {_DEPTH}"
    if doubtful:
        raise UsageError(f"{what} is not plain YAML", where=str(path), got=doubtful)
    if not isinstance(node, yaml.MappingNode):
        raise UsageError(f"{what} has no fields", where=str(path), wanted="name: value, a line each")
    return node


def _broken(what: str, path: str | Path, error: yaml.YAMLError) -> UsageError:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or type(error).__name__
    return UsageError(
        f"{what} is not YAML", where=f"{path}, line {mark.line + 1}" if mark else str(path), got=str(problem)
    )


def _doubtful(node: yaml.Node) -> str:
    """Find an anchor that is used again, a key that stands twice, or values that are nested too deep."""
    seen: set[int] = set()
    for inner, depth in _walk(node):
        line = inner.start_mark.line + 1
        if id(inner) in seen:
            return f"line {line}: an anchor that is used again"
        if depth > _DEPTH:
            return f"line {line}: values nested deeper than {_DEPTH}"
        if not inner.tag.startswith("tag:yaml.org,2002:") or inner.tag.startswith("tag:yaml.org,2002:python/"):
            return f"line {line}: a tag"
        if isinstance(inner, yaml.MappingNode):
            keys = [k.value if isinstance(k, yaml.ScalarNode) else "" for k, _ in inner.value]
            if len(set(keys)) < len(keys):
                return f"line {line}: a field that is written twice"
        seen.add(id(inner))
    return ""


def _walk(node: yaml.Node, depth: int = 0) -> Iterator[tuple[yaml.Node, int]]:
    """Give every node with its depth; the caller stops at the first that it has seen."""
    yield node, depth
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(key, depth + 1)
            yield from _walk(value, depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        for inner in node.value:
            yield from _walk(inner, depth + 1)


def _told(place: tuple[int | str, ...], message: str, node: yaml.Node) -> str:
    """Say where a value stands that is not valid; parts of the place that name a choice of models are skipped."""
    named: list[str] = []
    for at, part in enumerate(place):
        inner = _inside(node, part)
        if inner is not None:
            node = inner
        elif at < len(place) - 1:
            continue
        named.append(str(part + 1) if isinstance(part, int) else part)
    return f"line {node.start_mark.line + 1}, {' '.join(named) or 'all'}: {message}"


def _inside(node: yaml.Node, part: int | str) -> Any:
    if isinstance(node, yaml.MappingNode):
        return next((v for k, v in node.value if isinstance(k, yaml.ScalarNode) and k.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part]
    return None
