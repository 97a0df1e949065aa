"""Answers that only a person can give, from a YAML file."""

from __future__ import annotations

import datetime
import re
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from theracast.predict.card.checklists import CHECKLISTS, items
from theracast.predict.packet.declared import read_declared

#: Control characters, those that turn the direction of writing, and those that XML cannot hold.
_UNSEEN = re.compile(
    "[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\ufdd0-\\ufdef\\ufffe\\uffff]"
)


def _seen(text: str) -> str:
    if _UNSEEN.search(text):
        raise ValueError("it holds characters that cannot be seen")
    return text


def _numbered(held: Any) -> Any:
    """Read numbers as text, and a heading with nothing below it as no answer."""
    if held is None:
        return {}
    return {str(k) if type(k) is int else k: v for k, v in held.items()} if isinstance(held, dict) else held


_Text = Annotated[str, Field(min_length=1, max_length=4000), AfterValidator(_seen)]
_Items = Annotated[dict[str, _Text], BeforeValidator(_numbered)]
_EXAMPLE = """\
# Answers for a model card: only what you know. Number of the item, then the answer in your own words.
by: ""             # who answers, as it shall stand in the card
date: ""           # such as 2026-01-31
tripod:            # TRIPOD+AI; numbers as the card lists them
{tripod}
probast:           # PROBAST+AI
{probast}
person:            # what a card asks beside both
{person}
"""


class Answers(BaseModel):
    """What a person answers.

    Attributes
    ----------
    by : str
        Who answers, as it shall stand in the card.
    date : str
        ISO date.
    tripod, probast, person : dict of str to str
        Number of the item to the answer; an item may be left out.

    Examples
    --------
    >>> Answers(by="the developers", date="2026-01-31", tripod={19: "None."}).tripod
    {'19': 'None.'}
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    by: Annotated[str, AfterValidator(_seen)] = Field(min_length=1, max_length=200)
    date: str
    tripod: _Items = Field(default_factory=dict)
    probast: _Items = Field(default_factory=dict)
    person: _Items = Field(default_factory=dict)

    @field_validator("date")
    @classmethod
    def a_date(cls, date: str) -> str:
        """Refuse what is no date of an answer.

        Parameters
        ----------
        date : str
            As written.

        Returns
        -------
        str
            The same.

        Raises
        ------
        ValueError
            When it is none, or still to come.

        Examples
        --------
        >>> Answers.a_date("2026-01-31")
        '2026-01-31'
        """
        try:
            told = datetime.date.fromisoformat(date)
        except ValueError:
            raise ValueError("a date such as 2026-01-31 is wanted") from None
        # somewhere it may be tomorrow already
        if told > datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1):
            raise ValueError("the date is still to come")
        return told.isoformat()

    @field_validator(*CHECKLISTS)
    @classmethod
    def known_numbers(cls, told: dict[str, str], info: object) -> dict[str, str]:
        """Refuse numbers that the checklist does not have.

        Parameters
        ----------
        told : dict of str to str
            Number to answer.
        info : object
            Given by pydantic.

        Returns
        -------
        dict of str to str
            The same.

        Raises
        ------
        ValueError
            Naming those that are not known.

        Examples
        --------
        >>> Answers(by="x", date="2026-01-31", person={"contact": "a@b.org"}).person["contact"]
        'a@b.org'
        """
        checklist = str(getattr(info, "field_name", ""))
        known = [i["number"] for i in items(checklist)]
        strange = [n for n in told if n not in known]
        if strange:
            raise ValueError(f"no such item: {len(strange)}, of {len(told)}; {checklist} has {', '.join(known)}")
        return told

    @classmethod
    def from_yaml(cls, path: str | Path) -> Self:
        r"""Read answers.

        Parameters
        ----------
        path : str or Path
            YAML with the fields of `Answers`.

        Returns
        -------
        Answers
            Checked.

        Raises
        ------
        UsageError
            Naming the file, line and field of everything that is wrong, without repeating any answer.

        Examples
        --------
        >>> import tempfile
        >>> file = Path(tempfile.mkdtemp(), "a.yaml")
        >>> _ = file.write_text("by: me\ndate: 2026-01-31\ntripod:\n  19: None.\n")
        >>> Answers.from_yaml(file).tripod
        {'19': 'None.'}
        """
        return read_declared(path, cls, "the file of answers")

    @classmethod
    def example_file(cls) -> str:
        """Give a file to fill in, with every item that a run leaves to a person.

        Returns
        -------
        str
            YAML; the items are comments until they are answered.

        Examples
        --------
        >>> "# 3c:" in Answers.example_file()
        True
        """
        return _EXAMPLE.format(**{c: _left(c) for c in CHECKLISTS})


def _left(checklist: str) -> str:
    """List the items of a checklist that a run leaves to a person."""
    left = [i for i in items(checklist) if "alone" in i or "rest" in i]
    return "\n".join(f"  # {i['number']}: {i.get('alone') or i['rest']}" for i in left)
