"""A name -> object mapping with a hint for near misses."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar, cast

from theracast.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Later:
    """A thing that is imported when it is first looked up.

    Attributes
    ----------
    module, name : str
        Where it is.

    Examples
    --------
    >>> Registry("kind of number", {"fraction": Later("fractions", "Fraction")})["fraction"].__name__
    'Fraction'
    """

    module: str
    name: str


class Registry(Mapping[str, T]):
    """Named things of one kind, in the order in which they were listed.

    Parameters
    ----------
    kind : str
        What the things are, for the error message: ``"block"``.
    items : dict of str to object
        The things, or `Later` where they are.

    Raises
    ------
    UsageError
        On look-up of a name that is not there; the nearest names are offered.

    Examples
    --------
    >>> blocks = Registry("block", {"clinical": 1, "mutations": 2})
    >>> blocks["clinical"]
    1
    >>> blocks["mutation"]
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: no block named 'mutation' | ... | do: Did you mean 'mutations'?
    """

    def __init__(self, kind: str, items: Mapping[str, T | Later]) -> None:
        self._kind, self._items = kind, dict(items)

    def __getitem__(self, name: str) -> T:
        if name in self._items:
            item = self._items[name]
            if isinstance(item, Later):
                item = self._items[name] = cast(T, getattr(import_module(item.module), item.name))
            return item
        near = difflib.get_close_matches(name, self._items, n=1)
        raise UsageError(
            f"no {self._kind} named {name!r}",
            wanted=f"one of {', '.join(self._items)}",
            fix=f"Did you mean {near[0]!r}?" if near else "",
        )

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)
