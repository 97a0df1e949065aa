"""Checklists answered from a run: what it knows is filled in, what only a person can say stays open."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from theracast.predict.card.parts import ANSWERED, NOT_APPLICABLE, OPEN, PARTLY, PERSON

#: Checklists of every card, as files of this folder.
CHECKLISTS = ("tripod", "probast", "person")
#: What a signalling question of PROBAST+AI may be answered with.
REPLIES = ("yes", "probably yes", "probably no", "no", "no information", NOT_APPLICABLE)


@dataclass(frozen=True)
class Answered:
    """One item of a checklist with its answer.

    Attributes
    ----------
    number, topic, asks : str
        As in the checklist; the wording is ours.
    status : {"answered", "partly", "by a person", "not applicable", "open"}
        ``partly``: the run knows something, and `rest` is for a person.
    answer : str
        Of the run; empty where it knows nothing.
    reply : str
        One of `REPLIES`; empty where a person judges, or no reply is asked for.
    where : str
        Section of the card.
    rest : str
        What a person has to add.
    person : str
        What a person has answered.

    Examples
    --------
    >>> Answered("19", "Patients", "how they took part", "open").asks_a_person
    True
    """

    number: str
    topic: str
    asks: str
    status: str
    answer: str = ""
    reply: str = ""
    where: str = ""
    rest: str = ""
    person: str = ""

    @property
    def asks_a_person(self) -> bool:
        """Whether something is left for a person.

        Returns
        -------
        bool
            True where the item is open, wholly or in part.

        Examples
        --------
        >>> Answered("1", "Title", "", "answered", "x").asks_a_person
        False
        """
        return self.status in (OPEN, PARTLY)


def answered(checklist: str, words: Mapping[str, str]) -> tuple[Answered, ...]:
    """Answer a checklist from what a run knows.

    Parameters
    ----------
    checklist : {"tripod", "probast", "person"}
        Which.
    words : mapping of str to str
        What is filled in for the names in braces; a name that is missing or empty leaves its item open.

    Returns
    -------
    tuple of Answered
        One per item, in order.

    Examples
    --------
    >>> items = {a.number: a for a in answered("tripod", {"title": "T", "endpoint": "CR", "population": "adults"})}
    >>> len(items), items["1"].status, items["19"].status
    (52, 'answered', 'open')
    """
    return tuple(_answered(item, words, checklist) for item in items(checklist))


@cache
def items(checklist: str) -> tuple[dict[str, str], ...]:
    """Read the items of a checklist.

    Parameters
    ----------
    checklist : {"tripod", "probast", "person"}
        Which.

    Returns
    -------
    tuple of dict
        As in its file.

    Examples
    --------
    >>> len([i for i in items("probast") if not i["number"].endswith("ratings")])
    34
    """
    return tuple(read_knowledge(f"{checklist}.yaml"))


@cache
def read_knowledge(name: str) -> Any:
    """Read a YAML file of this folder.

    Parameters
    ----------
    name : str
        File.

    Returns
    -------
    object
        Its content.

    Examples
    --------
    >>> sorted(read_knowledge("design.yaml"))
    ['learners', 'response', 'scales', 'selection']
    """
    return yaml.safe_load(files("theracast.predict.card").joinpath(name).read_text("utf-8"))


def with_person(answers: tuple[Answered, ...], told: Mapping[str, str]) -> tuple[Answered, ...]:
    """Put the answers of a person beside those of the run; nothing of the run is overwritten.

    Parameters
    ----------
    answers : tuple of Answered
        Of the run.
    told : mapping of str to str
        Number to text.

    Returns
    -------
    tuple of Answered
        Those that a person answered are marked so.

    Examples
    --------
    >>> with_person((Answered("19", "", "", "open"),), {"19": "None."})[0].status
    'by a person'
    """
    return tuple(
        replace(a, status=PERSON, person=told[a.number], rest="") if told.get(a.number) else a for a in answers
    )


def _answered(item: Mapping[str, str], words: Mapping[str, str], checklist: str) -> Answered:
    known = {k: v for k, v in words.items() if v}
    base = Answered(
        item["number"],
        item.get("topic") or item["domain"],
        item["asks"],
        OPEN,
        where=item.get("where", ""),
        rest=item.get("alone") or item.get("rest", ""),
    )
    if "alone" in item:
        return base
    answer = filled(item["answer"], known)
    if not answer:
        return replace(base, rest=base.rest or "The run did not keep what answers this.")
    if checklist != "probast":
        return replace(base, answer=answer, status=PARTLY if base.rest else ANSWERED)
    reply = filled(item.get("reply", ""), known)
    if reply == NOT_APPLICABLE:
        return replace(base, answer=answer, reply=reply, status=NOT_APPLICABLE)
    if not reply:
        return replace(
            base, answer=answer, status=PARTLY, rest=f"The judgement: {item['asks']}; the item has what the run knows."
        )
    return replace(base, answer=answer, reply=reply, status=ANSWERED)


def filled(template: str, known: Mapping[str, str]) -> str:
    """Fill a template in, or give nothing where a name of it is not known.

    Parameters
    ----------
    template : str
        With names in braces; ``claim`` may be missing.
    known : mapping of str to str
        What is filled in.

    Returns
    -------
    str
        Empty where something is missing.

    Examples
    --------
    >>> filled("For {population}.", {"population": "adults"}), filled("For {population}.", {})
    ('For adults.', '')
    """
    names = [name for _, name, _, _ in string.Formatter().parse(template) if name]
    if any(n not in known for n in names if n not in _MAY_BE_MISSING):
        return ""
    return " ".join(template.format(**{n: known.get(n, "") for n in names}).split())


_MAY_BE_MISSING = ("claim", "subgroups")
