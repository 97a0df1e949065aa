"""Answers that only a person can give, from a YAML file."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from theracast.predict.card.checklists import CHECKLISTS, items
from theracast.predict.packet.declared import read_declared

_Number = Annotated[str, BeforeValidator(lambda n: str(n) if isinstance(n, int) else n)]
_Text = Annotated[str, Field(min_length=1, max_length=4000)]
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

    by: str = Field(min_length=1, max_length=200)
    date: str
    tripod: dict[_Number, _Text] = Field(default_factory=dict)
    probast: dict[_Number, _Text] = Field(default_factory=dict)
    person: dict[_Number, _Text] = Field(default_factory=dict)

    @field_validator("date")
    @classmethod
    def a_date(cls, date: str) -> str:
        """Refuse what is no date.

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
            When it is none.

        Examples
        --------
        >>> Answers.a_date("2026-01-31")
        '2026-01-31'
        """
        try:
            return datetime.date.fromisoformat(date).isoformat()
        except ValueError:
            raise ValueError("a date such as 2026-01-31 is wanted") from None

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
