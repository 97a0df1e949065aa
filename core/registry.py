"""A name -> object mapping with a hint for near misses."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TypeVar

from theracast.errors import UsageError

T = TypeVar("T")


class Registry(Mapping[str, T]):
    """Named things of one kind, in the order in which they were listed.

    Parameters
    ----------
    kind : str
        What the things are, for the error message: ``"block"``.
    items : dict of str to object
        The things.

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

    def __init__(self, kind: str, items: dict[str, T]) -> None:
        self._kind, self._items = kind, dict(items)

    def __getitem__(self, name: str) -> T:
        if name in self._items:
            return self._items[name]
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
