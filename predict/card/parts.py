"""What a card is made of; every writer writes the same parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from theracast.predict.card.checklists import Answered

#: What an item may be.
ANSWERED, PARTLY, PERSON, NOT_APPLICABLE, OPEN = "answered", "partly", "by a person", "not applicable", "open"


@dataclass(frozen=True)
class Words:
    """A paragraph.

    Attributes
    ----------
    text : str
        Plain text.
    tone : {"plain", "open"}
        ``open``: the run did not keep it.

    Examples
    --------
    >>> Words("It abstains.").tone
    'plain'
    """

    kind: ClassVar[str] = "words"
    text: str
    tone: str = "plain"


@dataclass(frozen=True)
class Bullets:
    """A list of sentences.

    Attributes
    ----------
    lines : tuple of str
        Each one sentence or more.

    Examples
    --------
    >>> Bullets(("a",)).kind
    'bullets'
    """

    kind: ClassVar[str] = "bullets"
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Pairs:
    """Names and what stands for them.

    Attributes
    ----------
    pairs : tuple of (str, str)
        In order.
    code : tuple of str
        Names whose values are digests.

    Examples
    --------
    >>> Pairs((("Version", "3"),)).pairs[0][1]
    '3'
    """

    kind: ClassVar[str] = "pairs"
    pairs: tuple[tuple[str, str], ...]
    code: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """A table.

    Attributes
    ----------
    title : str
        What it shows, with units and the level of intervals.
    columns : tuple of str
        Headings.
    rows : tuple of tuple of str
        As long as the headings; the first cell names the row.
    words : tuple of str
        Headings of columns that hold words, which may be broken into lines.
    folded : bool
        Whether a page shows it only when asked.

    Examples
    --------
    >>> Grid("n by cohort", ("cohort", "n"), (("a", "12"),)).folded
    False
    """

    kind: ClassVar[str] = "grid"
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[str, ...] = ()
    folded: bool = False


@dataclass(frozen=True)
class Picture:
    """A figure, drawn only where one can be seen.

    Attributes
    ----------
    draw : callable
        Gives a matplotlib Figure.
    words : str
        What a reader hears who does not see it; all its figures stand in a table too.

    Examples
    --------
    >>> Picture(lambda: None, "nothing").kind
    'picture'
    """

    kind: ClassVar[str] = "picture"
    draw: Callable[[], Any]
    words: str


Part = Words | Bullets | Pairs | Grid | Picture


@dataclass(frozen=True)
class Section:
    """A part of a card with a heading.

    Attributes
    ----------
    name : str
        Anchor; pointers name it.
    title : str
        Heading.
    parts : tuple of Part
        In order.
    lead : str
        One or two sentences below the heading.

    Examples
    --------
    >>> Section("use", "What it is for", ()).name
    'use'
    """

    name: str
    title: str
    parts: tuple[Part, ...]
    lead: str = ""


@dataclass(frozen=True)
class Card:
    """A model card.

    Attributes
    ----------
    name, title, version, digest, made : str
        Of the model; date (UTC) on which the card was made.
    headline, beneath : str
        What was found, in a sentence; and how that compares.
    key : tuple of (str, str)
        A few figures, each with its name.
    sections : tuple of Section
        In order.
    checklists : dict of str to tuple of Answered
        ``tripod``, ``probast`` and ``person``.
    numbers : dict
        The tables as numbers, JSON-ready.
    answered_by : str
        Who supplied answers; empty when nobody did.

    Examples
    --------
    >>> Card("m", "M", "1", "ab", "2026-01-01", "", (), ()).open
    ()
    """

    name: str
    title: str
    version: str
    digest: str
    made: str
    headline: str
    key: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    checklists: dict[str, tuple[Answered, ...]] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    answered_by: str = ""
    beneath: str = ""

    @property
    def open(self) -> tuple[Answered, ...]:
        """What only a person can answer, wholly or in part.

        Returns
        -------
        tuple of Answered
            In the order of the checklists.

        Examples
        --------
        >>> isinstance(Card.open, property)
        True
        """
        return tuple(a for answers in self.checklists.values() for a in answers if a.asks_a_person)
