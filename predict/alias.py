"""The one place that moves the alias of the champion: compare, write down, set, read back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from theracast.errors import ModelError
from theracast.predict.store import CHAMPION, reaching, shown
from theracast.predict.trail import Entry, next_entry, read_trail
from theracast.predict.turns import turn


def set_champion(client: Any, store: str, name: str, expected: str, version: str, said: Mapping[str, str]) -> Entry:
    """Move the alias from one version to another, and write it down; or do nothing.

    Parameters
    ----------
    client : mlflow.MlflowClient
        Of the store.
    store : str
        From `theracast.predict.store.connect`.
    name : str
        Registered model.
    expected : str
        Version that must be champion still; empty for none.
    version : str
        The new champion.
    said : mapping of str to str
        ``by``, ``kind`` and what else `Entry` keeps.

    Returns
    -------
    Entry
        As it was read back.

    Raises
    ------
    ModelError
        THX-R03 when another was quicker.

    Examples
    --------
    >>> callable(set_champion)
    True
    """

    def _still(model: Any) -> None:
        now = str(model.aliases.get(CHAMPION, ""))
        if now != expected:
            raise lost(name, now, expected, version)

    with reaching(store), turn(client, name, store, _still) as lasts:
        held = client.get_registered_model(name)
        _still(held)
        trail = read_trail(held.tags, name)
        entry = next_entry(trail, before=expected, after=version, **said)
        slow = ModelError("the store is too slow to promote safely", code="THX-R02", where=shown(store))
        if not lasts():
            raise slow
        # the entry first: an alias that moved unrecorded would be worse than an entry that came to nothing
        client.set_registered_model_tag(name, *entry.tag)
        failed = _moved(client, name, version) if lasts() else slow
        after = client.get_registered_model(name)
        now, trail = str(after.aliases.get(CHAMPION, "")), read_trail(after.tags, name)
        if now == version and trail[-1] == entry:
            return entry  # also when only the answer was lost
        if entry in trail and any(e.before == version and e.kind != "abandoned" for e in trail[entry.number :]):
            return entry  # somebody went on from it before we looked
        if trail[-1] == entry:
            undone = next_entry(trail, by=entry.by, kind="abandoned", before=version, after=now)
            client.set_registered_model_tag(name, *undone.tag)
        raise failed or lost(name, now, expected, version)


def _moved(client: Any, name: str, version: str) -> Exception | None:
    """Move the alias; return what went wrong."""
    from mlflow.exceptions import MlflowException

    try:
        client.set_registered_model_alias(name, CHAMPION, version)
    except MlflowException as error:
        return error
    return None


def lost(name: str, now: str, expected: str, version: str) -> ModelError:
    """Say that another version is champion than was expected.

    Parameters
    ----------
    name : str
        Registered model.
    now, expected : str
        Version that is champion, and that should be; empty for none.
    version : str
        Version that was to be promoted.

    Returns
    -------
    ModelError
        THX-R03, to raise.

    Examples
    --------
    >>> lost("m", "3", "1", "2").code
    'THX-R03'
    """
    return ModelError(
        "the champion is another than expected",
        code="THX-R03",
        where=f"{name}@{CHAMPION}",
        got=f"version {now or 'none'}",
        wanted=f"version {expected or 'none'}; version {version} was not promoted",
        fix="Somebody else promoted. Compare with the new champion, then try again.",
    )
