"""One promotion at a time, whatever the store.

Next to an sqlite store a file lock does it; the system frees it when its holder dies. A tracking server offers no lock
and its aliases and tags are last-writer-wins, but one call of its interface can succeed only once: registering a model
under a name that is not taken (``RESOURCE_ALREADY_EXISTS`` for all others). So a turn is a registered model named after
the number of the next entry in the audit trail, for as long as the promotion takes. A holder that died is passed over:
whoever has seen it stand still for `LEASE` seconds of its own clock writes the entry off as abandoned, and the next
number is up. A holder that wakes after that finds its turn over, and stops. The next turn is not taken before the alias
stands where the last entry says, or that entry's turn is free: between the two its holder is at work. What remains is
a holder that is halted for longer than `LEASE` between its last look and the one call that moves the alias: no
interface of MLflow closes that gap.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any

from filelock import FileLock, Timeout

from theracast.errors import ModelError
from theracast.predict import store as stores
from theracast.predict.trail import Entry, next_entry, read_trail

#: Seconds that the holder of a turn may stand still before it counts as dead. Half of it must be longer than one call
#: may take with all its tries (`theracast.predict.store.PATIENCE`: 4 times 20 s and the pauses): with 60 s, a call of
#: an overloaded server that was tried again moved the alias after others had gone on.
LEASE = 300.0
#: Tag of what is a turn and no model.
TURN = "theracast.turn"


@contextmanager
def turn(
    client: Any, name: str, store: str, hopeless: Callable[[Any], None] = lambda model: None
) -> Iterator[Callable[[], bool]]:
    """Wait for one's turn to promote.

    Parameters
    ----------
    client : mlflow.MlflowClient
        Of the store.
    name : str
        Registered model.
    store : str
        From `theracast.predict.store.connect`.
    hopeless : callable, optional
        Given the registered model as it is now, raises when there is nothing left to wait for.

    Yields
    ------
    callable
        Says whether the turn still lasts.

    Raises
    ------
    ModelError
        THX-R02 when it does not come.

    Examples
    --------
    >>> callable(turn)
    True
    """
    database = stores.sqlite_file(store)
    if database is None:
        with _claimed(client, name, hopeless) as lasts:
            yield lasts
        return
    lock = FileLock(database.with_name(f".{database.name}.promotion.lock"), timeout=stores.LOCK_WAIT)
    try:
        lock.acquire()
    except Timeout:
        raise _busy(name) from None
    try:
        yield lambda: True
    finally:
        lock.release()


def is_turn(model: Any) -> bool:
    """Say whether a registered model is a turn and no model.

    Parameters
    ----------
    model : mlflow.entities.model_registry.RegisteredModel
        Of the store.

    Returns
    -------
    bool
        Such models are not listed.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> is_turn(SimpleNamespace(tags={"theracast.turn": "ab12"}))
    True
    """
    return TURN in model.tags


@contextmanager
def _claimed(client: Any, name: str, hopeless: Callable[[Any], None]) -> Iterator[Callable[[], bool]]:
    owner, begun = secrets.token_hex(8), time.monotonic()
    seen, since = ("", ""), begun
    while True:
        model = client.get_registered_model(name)
        hopeless(model)
        trail = read_trail(model.tags, name)
        slot = f"{name}.turn-{len(trail) + 1}"
        before = "" if _settled(model, trail) else f"{name}.turn-{len(trail)}"
        if before and (holder := _holder(client, before)):
            slot = before  # its holder has written the entry, and is about to move the alias; or died over it
        else:
            holder = _claim(client, slot, owner)
        if holder == owner:
            if len(read_trail(client.get_registered_model(name).tags, name)) == len(trail):
                break
            _free(client, slot)  # the trail went on while we asked: this turn is long over
        elif holder:
            if (slot, holder) != seen:
                seen, since = (slot, holder), time.monotonic()
            elif time.monotonic() - since > LEASE and slot == before:
                _free(client, slot)
            elif time.monotonic() - since > LEASE:
                _write_off(client, name, slot, holder)
        if time.monotonic() - begun > LEASE + 3 * stores.LOCK_WAIT:
            raise _busy(name)
        time.sleep(random.uniform(0.05, 0.5))  # noqa: S311 # spreads those who wait; no secret
    mine = time.monotonic()
    try:
        yield lambda: time.monotonic() - mine < LEASE / 2
    finally:
        _sweep(client, name, slot)


def _claim(client: Any, slot: str, owner: str) -> str:
    """Take a turn, or say who has it; empty when it is free again by now."""
    from mlflow.exceptions import MlflowException

    try:
        client.create_registered_model(slot, tags={TURN: owner}, description="A promotion is under way.")
    except MlflowException as error:
        # the second, when it was freed while the store looked up who has it
        if error.error_code not in ("RESOURCE_ALREADY_EXISTS", "RESOURCE_DOES_NOT_EXIST"):
            raise
        # ours too, when a first answer was lost on its way and the call was repeated
        return _holder(client, slot)
    return owner


def _holder(client: Any, slot: str) -> str:
    """Say who has a turn; empty when nobody has."""
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_registered_model(slot).tags.get(TURN, "?"))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return ""


def _settled(model: Any, trail: tuple[Entry, ...]) -> bool:
    """Whether the alias stands where the last entry says: nobody is on the way between the two."""
    return not trail or trail[-1].kind == "abandoned" or str(model.aliases.get(stores.CHAMPION, "")) == trail[-1].after


def _free(client: Any, slot: str) -> None:
    from mlflow.exceptions import MlflowException

    try:
        client.delete_registered_model(slot)
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise


def _sweep(client: Any, name: str, slot: str) -> None:
    """Free one's own turn, and what others could not free; nobody asks again for one that the trail has passed."""
    from mlflow.exceptions import MlflowException

    with suppress(MlflowException):
        _free(client, slot)
        done = len(read_trail(client.get_registered_model(name).tags, name))
        for left in client.search_registered_models(f"name LIKE '{name}.turn-%'"):
            number = left.name.removeprefix(f"{name}.turn-")
            if is_turn(left) and number.isdecimal() and int(number) <= done:
                _free(client, left.name)


def _write_off(client: Any, name: str, slot: str, holder: str) -> None:
    """Pass over a turn whose holder stands still. All who do so write the same."""
    from mlflow.exceptions import MlflowException

    try:
        dead = client.get_registered_model(slot)
    except MlflowException:
        return
    trail = read_trail(client.get_registered_model(name).tags, name)
    if dead.tags.get(TURN) != holder or slot != f"{name}.turn-{len(trail) + 1}":
        return
    at = datetime.fromtimestamp(dead.creation_timestamp // 1000, UTC).isoformat(timespec="seconds")
    entry = next_entry(trail, at=at, by="unknown", kind="abandoned", before="", after="")
    client.set_registered_model_tag(name, *entry.tag)
    _free(client, slot)


def _busy(name: str) -> ModelError:
    return ModelError(
        "another promotion is under way", code="THX-R02", where=name, fix="Try again; nothing was changed."
    )
