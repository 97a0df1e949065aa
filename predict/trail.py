"""The audit trail of a registered model: who made which version champion, when, from which, and why.

Each promotion is a tag of the registered model, numbered, and holds the digest of the one before: an entry that was
changed or taken out is seen. MLflow itself lets whoever may write change tags; the trail shows it, it cannot forbid it.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from theracast.errors import ModelError, UsageError
from theracast.provenance import digest_json

_TAG = "theracast.trail."
#: What a waiver must at least say.
LEAST_REASON = 10
_MOST_REASON = 500


@dataclass(frozen=True)
class Entry:
    """One line of the trail.

    Attributes
    ----------
    number : int
        From 1, without gaps.
    at : str
        UTC, ISO 8601.
    by : str
        Who.
    kind : {"promote", "rollback", "abandoned"}
        What was done; abandoned, when the entry before came to nothing, or a process died before it wrote one.
    before, after : str
        Version that was champion, and that became it; empty for none.
    reason : str
        As it was given.
    gates : str
        What the gates said.
    waiver : str
        Why the gates were waived; empty where they were not.
    previous : str
        Digest of the entry before; empty for the first.

    Examples
    --------
    >>> Entry(1, "2026-01-01T00:00:00+00:00", "me", "promote", "", "1").digest[:8]
    'befa933a'
    """

    number: int
    at: str
    by: str
    kind: str
    before: str
    after: str
    reason: str = ""
    gates: str = ""
    waiver: str = ""
    previous: str = ""

    @property
    def digest(self) -> str:
        """Digest what it says.

        Returns
        -------
        str
            64 hexadecimal characters.

        Examples
        --------
        >>> len(Entry(1, "", "", "promote", "", "1").digest)
        64
        """
        return digest_json(asdict(self))

    @property
    def tag(self) -> tuple[str, str]:
        """Name and value of the tag that keeps it.

        Returns
        -------
        tuple of str
            Name, and JSON.

        Examples
        --------
        >>> Entry(1, "", "", "promote", "", "1").tag[0]
        'theracast.trail.000001'
        """
        return f"{_TAG}{self.number:06d}", json.dumps(asdict(self), sort_keys=True)


def read_trail(tags: Mapping[str, str], where: str) -> tuple[Entry, ...]:
    """Read the trail from the tags of a registered model.

    Parameters
    ----------
    tags : mapping of str to str
        All of its tags.
    where : str
        Its name, for the message.

    Returns
    -------
    tuple of Entry
        Oldest first.

    Raises
    ------
    ModelError
        THX-R05 when an entry is missing, changed or no entry at all.

    Examples
    --------
    >>> first = Entry(1, "2026-01-01T00:00:00+00:00", "me", "promote", "", "1")
    >>> read_trail(dict([first.tag]), "m") == (first,)
    True
    """
    kept = sorted((k, v) for k, v in tags.items() if k.startswith(_TAG))
    entries: list[Entry] = []
    for number, (key, value) in enumerate(kept, start=1):
        try:
            entry = Entry(**json.loads(value))
        except (TypeError, ValueError):
            entry = None
        previous = entries[-1].digest if entries else ""
        if entry is None or key != f"{_TAG}{number:06d}" or (entry.number, entry.previous) != (number, previous):
            raise ModelError(
                "the audit trail was changed",
                code="THX-R05",
                where=f"{where}, entry {number}",
                fix="Somebody wrote to the tags of the model. Restore the store from a backup.",
            )
        entries.append(entry)
    return tuple(entries)


def next_entry(trail: tuple[Entry, ...], **said: Any) -> Entry:
    """Write the entry that follows.

    Parameters
    ----------
    trail : tuple of Entry
        So far.
    **said : Any
        Fields of `Entry` but ``number`` and ``previous``; ``at`` is now where it is not given.

    Returns
    -------
    Entry
        Chained to the last.

    Examples
    --------
    >>> next_entry((), at="", by="me", kind="promote", before="", after="1").number
    1
    """
    said.setdefault("at", datetime.now(UTC).isoformat(timespec="seconds"))
    return Entry(number=len(trail) + 1, previous=trail[-1].digest if trail else "", **said)


def champions(trail: tuple[Entry, ...]) -> list[str]:
    """Replay the trail: the champions one could go back to, and the present one.

    Parameters
    ----------
    trail : tuple of Entry
        Oldest first.

    Returns
    -------
    list of str
        The present champion last; a rollback takes one away.

    Examples
    --------
    >>> first = Entry(1, "", "", "promote", "", "1")
    >>> champions((first, Entry(2, "", "", "promote", "1", "3"), Entry(3, "", "", "rollback", "3", "1")))
    ['1']
    """
    states: list[list[str]] = [[]]
    for entry in trail:
        stack = list(states[-1])
        if entry.kind == "abandoned":
            stack = list(states[-2]) if entry.before else stack
        elif entry.kind == "rollback":
            del stack[-1:]
        else:
            if entry.before and stack[-1:] != [entry.before]:  # an alias that was moved without us
                stack.append(entry.before)
            stack.append(entry.after)
        states.append(stack)
    return states[-1]


def checked_reason(reason: str, least: int = 0, what: str = "reason") -> str:
    """Let through a reason that can stand in logs and pages. It must not name a patient.

    Parameters
    ----------
    reason : str
        One line.
    least : int, default 0
        Fewest characters.
    what : str, default "reason"
        For the message.

    Returns
    -------
    str
        Without space around it.

    Raises
    ------
    UsageError
        Too short, too long, or with control characters; it is not repeated.

    Examples
    --------
    >>> checked_reason(" better on every cohort ")
    'better on every cohort'
    """
    text = reason.strip()
    if not least <= len(text) <= _MOST_REASON or not text.isprintable():
        raise UsageError(
            f"not a {what}",
            code="THX-A02",
            got=f"{len(text)} characters",
            wanted=f"one line of {least} to {_MOST_REASON} printable characters, and nothing of a patient",
        )
    return text


def whoever() -> str:
    """Name the account that this process runs under.

    Returns
    -------
    str
        ``unknown`` where the machine does not say.

    Examples
    --------
    >>> bool(whoever())
    True
    """
    try:
        name = getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"
    return "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "_" for c in name)[:64] or "unknown"
