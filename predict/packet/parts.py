"""A packet before it is a document: sections of paragraphs, lists and tables, clean of what no document may hold."""

from __future__ import annotations

import re
from dataclasses import dataclass

from theracast.predict.packet.checks import Check

#: Neither text of a document nor safe in one: control characters, surrogates, and marks that turn the line around.
_UNPRINTED = re.compile(
    "[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)


@dataclass(frozen=True)
class Part:
    """One part of a section.

    Attributes
    ----------
    kind : {"text", "notice", "items", "table"}
        A paragraph; one that must not be missed; a list; a table, whose first line is its head.
    lines : tuple of tuple of str
        One cell per line, but for a table.

    Examples
    --------
    >>> Part("text", (("a line",),)).lines[0][0]
    'a line'
    """

    kind: str
    lines: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        cleaned = tuple(tuple(_UNPRINTED.sub("\ufffd", c) for c in line) for line in self.lines)
        object.__setattr__(self, "lines", cleaned)


@dataclass(frozen=True)
class Packet:
    """A packet, before it is a document.

    Attributes
    ----------
    title : str
        Without a word of the patient.
    sections : tuple of (str, tuple of Part)
        Heading and parts, in order.
    checks : tuple of Check
        What became of each criterion.
    open : tuple of str
        What is left for a person to fill in; also the last section.
    answered : bool
        Whether the model gave an answer that the packet may argue from.

    Examples
    --------
    >>> Packet("t", (), (), ("Signature",), False).open
    ('Signature',)
    """

    title: str
    sections: tuple[tuple[str, tuple[Part, ...]], ...]
    checks: tuple[Check, ...]
    open: tuple[str, ...]
    answered: bool

    def count(self, status: str) -> int:
        """Count the criteria of one status.

        Parameters
        ----------
        status : str
            ``met``, ``not met`` or ``open``.

        Returns
        -------
        int
            How many.

        Examples
        --------
        >>> Packet("t", (), (), (), False).count("met")
        0
        """
        return sum(c.status == status for c in self.checks)
