"""A card as Markdown and as JSON: the same parts in the same order, for people and for programs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from theracast.predict.card.checklists import Answered
from theracast.predict.card.parts import (
    ANSWERED,
    NOT_APPLICABLE,
    OPEN,
    PARTLY,
    PERSON,
    Bullets,
    Card,
    Grid,
    Pairs,
    Part,
    Words,
)

#: Of the JSON; a reader of another format should not guess.
FORMAT = "theracast card 1"
WORDING = (
    "Numbers are those of the published checklists; the wording of the items is ours. What theracast answers is "
    "read from "
    "the run; what only a person can answer is open, and nothing was made up for it."
)
#: Checklist to its heading and DOI.
TITLES = {
    "tripod": ("TRIPOD+AI", "10.1136/bmj-2023-078378"),
    "probast": ("PROBAST+AI", "10.1136/bmj-2024-082505"),
    "person": ("Beside the checklists", ""),
}
_ORDER = (ANSWERED, PERSON, NOT_APPLICABLE, PARTLY, OPEN)
_SPECIAL = re.compile(r"([\\`*{}\[\]<>|#~&]|(?<!\w)_|_(?!\w))")


def account(card: Card) -> dict[str, dict[str, int]]:
    """Count the items of each checklist by their status.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    dict of str to dict of str to int
        Checklist to status to number.

    Examples
    --------
    >>> items = {"person": (Answered("contact", "Contact", "", "open"),)}
    >>> account(Card("m", "M", "1", "", "", "", (), (), items))
    {'person': {'open': 1}}
    """
    counted = {}
    for name, items in card.checklists.items():
        found = [a.status for a in items]
        counted[name] = {s: found.count(s) for s in _ORDER if s in found}
    return counted


def to_markdown(card: Card) -> str:
    r"""Write a card as Markdown.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    str
        Text that came from outside is escaped: it is never markup.

    Examples
    --------
    >>> to_markdown(Card("m", "A <b>title</b>", "1", "ab", "2026-01-31", "", (), ())).splitlines()[0]
    '# Model card: A \\<b\\>title\\</b\\>'
    """
    lines = [f"# Model card: {_plain(card.title)}", "", "Research use; not a medical device.", ""]
    lines += [f"{_plain(card.name)}, version {_plain(card.version or 'not registered')}, {card.made}", ""]
    lines += [_plain(f"{card.headline}. {card.beneath}"), ""] if card.headline else []
    lines += [*(f"- {_plain(name)}: **{_plain(figure)}**" for name, figure in card.key), ""] if card.key else []
    left = len(open_items(card))
    lines += [f"**{left} items are left to a person; the last section lists them.**", ""] if left else []
    for section in card.sections:
        lines += [f"## {_plain(section.title)}", ""]
        lines += [_plain(section.lead), ""] if section.lead else []
        for part in section.parts:
            lines += [*_part(part), ""] if _part(part) else []
    for name, items in card.checklists.items():
        title, doi = TITLES[name]
        lines += [
            f"## {title}",
            "",
            f"{WORDING} DOI {doi}" if doi else "What registers and regulators ask of a card.",
            "",
        ]
        lines += [*_items(items, reply=name == "probast"), ""]
    lines += ["## Left to a person", "", _plain(open_line(card)), ""]
    lines += [f"- {TITLES[c][0]} {_plain(a.number)}, {_plain(a.topic)}: {_plain(a.rest)}" for c, a in open_items(card)]
    return "\n".join(lines).rstrip() + "\n"


def to_json(card: Card) -> str:
    """Write a card as JSON.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    str
        ``format``, ``model``, ``headline``, ``key``, ``sections`` (as printed), ``numbers`` (the tables as numbers),
        ``checklists`` and ``open``; no figure is drawn.

    Examples
    --------
    >>> json.loads(to_json(Card("m", "M", "1", "ab", "2026-01-31", "", (), ())))["model"]["digest"]
    'ab'
    """
    model = {k: getattr(card, k) for k in ("name", "title", "version", "digest", "made")}
    told = {
        "format": FORMAT,
        "model": model,
        "headline": card.headline,
        "beneath": card.beneath,
        "key": dict(card.key),
        "wording": WORDING,
        "sections": [
            {"name": s.name, "title": s.title, "lead": s.lead, "parts": [p for p in map(_json, s.parts) if p]}
            for s in card.sections
        ],
        "numbers": card.numbers,
        "checklists": {
            name: {"reference": TITLES[name][1], "items": [_item(a) for a in items]}
            for name, items in card.checklists.items()
        },
        "account": account(card),
        "open": [{"checklist": c, "number": a.number, "left": a.rest} for c, a in open_items(card)],
        "answered_by": card.answered_by,
    }
    return json.dumps(told, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def open_items(card: Card) -> list[tuple[str, Answered]]:
    """List what is left to a person.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    list of (str, Answered)
        Checklist and item, in order.

    Examples
    --------
    >>> open_items(Card("m", "M", "1", "", "", "", (), ()))
    []
    """
    return [(name, a) for name, items in card.checklists.items() for a in items if a.asks_a_person]


def open_line(card: Card) -> str:
    """Say how much is answered, and by whom.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    str
        A sentence per checklist.

    Examples
    --------
    >>> items = {"person": (Answered("contact", "Contact", "", "open"),)}
    >>> open_line(Card("m", "M", "1", "", "", "", (), (), items))
    'Beside the checklists: 1 open.'
    """
    said = [f"{TITLES[c][0]}: {', '.join(f'{n} {s}' for s, n in found.items())}." for c, found in account(card).items()]
    if card.answered_by:
        said.append(f"Answers by a person are from {card.answered_by}; theracast did not check them.")
    return " ".join(said)


def _item(item: Answered) -> dict[str, str]:
    fields = ("number", "topic", "asks", "status", "reply", "answer", "where", "rest", "person")
    return {k: getattr(item, k) for k in fields if getattr(item, k)}


def _json(part: Part) -> dict[str, Any]:
    if isinstance(part, Words):
        return {"kind": part.kind, "text": part.text, "tone": part.tone}
    if isinstance(part, Bullets):
        return {"kind": part.kind, "lines": list(part.lines)}
    if isinstance(part, Pairs):
        return {"kind": part.kind, "pairs": [list(p) for p in part.pairs]}
    if isinstance(part, Grid):
        return {
            "kind": part.kind,
            "title": part.title,
            "columns": list(part.columns),
            "rows": [list(r) for r in part.rows],
        }
    return {}


def _part(part: Part) -> list[str]:
    if isinstance(part, Words):
        return [("**Open.** " if part.tone == "open" else "") + _plain(part.text)]
    if isinstance(part, Bullets):
        return [f"- {_plain(line)}" for line in part.lines]
    if isinstance(part, Pairs):
        return [f"- {_plain(name)}: {_plain(value)}" for name, value in part.pairs]
    if isinstance(part, Grid):
        right = ["---" if at == 0 or c in part.words else "--:" for at, c in enumerate(part.columns)]
        lines = [part.columns, *part.rows]
        head, *rows = ("| " + " | ".join(_plain(c) for c in line) + " |" for line in lines)
        return [f"{_plain(part.title)}:", "", head, "|" + "|".join(right) + "|", *rows]
    return []


def _items(items: tuple[Answered, ...], reply: bool) -> list[str]:
    head = ["Item", "Topic", "Status", *(["Reply"] if reply else []), "Answer"]
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for a in items:
        told = [a.answer] if a.answer else []
        told += [f"By a person: {a.person}"] if a.person else []
        told += [f"Open: {a.rest}"] if a.asks_a_person else []
        told += [f"(see {a.where})"] if a.where and a.answer else []
        cells = [a.number, f"{a.topic}: {a.asks}", a.status, *([a.reply or "–"] if reply else []), " ".join(told)]
        lines.append("| " + " | ".join(_plain(c) for c in cells) + " |")
    return lines


def _plain(text: str) -> str:
    """Write text so that no part of it is markup, and no line break ends a cell."""
    return _SPECIAL.sub(r"\\\1", " ".join(str(text).split()))


def written(card: Card) -> Mapping[str, str]:
    """Write a card in every form that is text.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    mapping of str to str
        File name to content: Markdown, HTML, JSON and the schema of the Coalition for Health AI.

    Examples
    --------
    >>> sorted(written(Card("m", "M", "1", "ab", "2026-01-31", "", (), ())))
    ['card.chai.xml', 'card.html', 'card.json', 'card.md']
    """
    from theracast.predict.card.chai import to_chai
    from theracast.predict.card.page import card_page

    return {
        "card.md": to_markdown(card),
        "card.html": card_page(card),
        "card.json": to_json(card),
        "card.chai.xml": to_chai(card),
    }
