"""Who becomes champion: compare-and-set under a lock, behind gates, with an audit trail; and the way back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from theracast.errors import ModelError, UsageError
from theracast.predict.alias import lost, set_champion
from theracast.predict.gates import Check, Gates, Verdict, judge
from theracast.predict.registry import load_any
from theracast.predict.store import CHAMPION, connect, reaching, safe_name, shown
from theracast.predict.trail import (
    LEAST_REASON,
    Entry,
    champions,
    checked_reason,
    read_trail,
    whoever,
)

#: Of a challenger that the gates refuse.
GATES = "THX-R12"


@dataclass(frozen=True)
class Promotion:
    """What a promotion did.

    Attributes
    ----------
    name : str
        Registered model.
    before, after : str
        Version that was champion, and that is now; the same where nothing was to be done.
    verdict : Verdict
        What the gates said.
    entry : Entry or None
        As it stands in the audit trail; None where nothing was to be done.

    Examples
    --------
    >>> Promotion("m", "", "1", Verdict(), None).uri
    'models:/m@champion'
    """

    name: str
    before: str
    after: str
    verdict: Verdict
    entry: Entry | None

    @property
    def uri(self) -> str:
        """Address of the champion.

        Returns
        -------
        str
            An MLflow URI.

        Examples
        --------
        >>> Promotion("m", "", "1", Verdict(), None).uri
        'models:/m@champion'
        """
        return f"models:/{self.name}@{CHAMPION}"


def promote(
    name: str,
    version: str,
    *,
    tracking: str | None = None,
    expected: str | None = None,
    reason: str = "",
    by: str | None = None,
    gates: Gates | None = None,
    waive: str = "",
) -> Promotion:
    """Make a version the champion, if the champion is still the one it was compared with.

    Parameters
    ----------
    name : str
        Registered model.
    version : str
        Its new champion; it must load.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.
    expected : str, optional
        Version that is champion now, empty for none; by default the one that is when the call begins.
    reason : str, optional
        One line for the audit trail, without anything of a patient.
    by : str, optional
        Who; the account by default.
    gates : Gates, optional
        What the challenger must not be worse in; the defaults of `Gates` otherwise.
    waive : str, optional
        Why it shall be promoted although the gates speak against it, 10 characters or more; needs `by`.

    Returns
    -------
    Promotion
        Done; read back from the store.

    Raises
    ------
    UsageError
        On names, reasons and waivers that are none.
    ModelError
        THX-R01 when there is no such version; THX-R03 when another is champion than was expected; THX-R12 when the
        gates speak against it and are not waived. Nothing was changed then.

    Examples
    --------
    >>> promote("melanoma_ici; DROP TABLE", "2")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: THX-A01: not a name of a model | ...
    """
    reason = checked_reason(reason)
    who = safe_name(by, "person") if by else whoever()
    if waive:
        waive = checked_reason(waive, LEAST_REASON, "reason for a waiver")
        if not by:
            raise UsageError("a waiver needs a name", fix="Say who waives: --by NAME.")
    client, store = _client(name, tracking)
    with reaching(store):
        _require(client, name, version, store)
        before = _champion(client, name, store)
    if expected is not None and before != expected:
        raise lost(name, before, expected, version)
    if before == version:
        return Promotion(name, before, version, Verdict(), None)
    verdict = _judged(name, before, version, store, gates)
    if not verdict.passed and not waive:
        raise _refused(name, before, version, verdict)
    waived = waive if not verdict.passed else ""
    said = {"by": who, "kind": "promote", "reason": reason, "gates": verdict.summary(), "waiver": waived}
    return Promotion(name, before, version, verdict, set_champion(client, store, name, before, version, said))


def rollback(name: str, *, tracking: str | None = None, reason: str = "", by: str | None = None) -> Promotion:
    """Give the alias back to the champion before; twice goes back two.

    Parameters
    ----------
    name : str
        Registered model.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.
    reason, by : str, optional
        As in `promote`.

    Returns
    -------
    Promotion
        Done; no gate is asked.

    Raises
    ------
    ModelError
        THX-R10 when the trail knows no champion before; THX-R03 when the alias was moved by others.

    Examples
    --------
    >>> rollback("../../etc/passwd")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: THX-A01: not a name of a model | ...
    """
    reason, who = checked_reason(reason), safe_name(by, "person") if by else whoever()
    client, store = _client(name, tracking)
    with reaching(store):
        before, past = _champion(client, name, store), champions(trail_of(client, name))
    if past and past[-1] != before:
        raise ModelError(
            "the alias was moved without the audit trail",
            code="THX-R03",
            where=f"{name}@{CHAMPION}",
            got=f"version {before or 'none'}",
            wanted=f"version {past[-1]}, the last of the trail",
            fix=f"Name the version that is meant: 'theracast models promote {name} VERSION'.",
        )
    if len(past) < 2:
        raise ModelError("there is no champion before this one", code="THX-R10", where=f"{name}@{CHAMPION}")
    with reaching(store):
        _require(client, name, past[-2], store)
    load_any(f"models:/{name}/{past[-2]}", tracking=store)  # a version that does not load helps nobody
    said = {"by": who, "kind": "rollback", "reason": reason}
    return Promotion(name, before, past[-2], Verdict(), set_champion(client, store, name, before, past[-2], said))


def trail_of(client: Any, name: str) -> tuple[Entry, ...]:
    """Read the audit trail of a model.

    Parameters
    ----------
    client : mlflow.MlflowClient
        Of the store.
    name : str
        Registered model.

    Returns
    -------
    tuple of Entry
        Oldest first.

    Examples
    --------
    >>> callable(trail_of)
    True
    """
    return read_trail(client.get_registered_model(name).tags, name)


def held(name: str, *, tracking: str | None = None) -> tuple[str, tuple[Entry, ...]]:
    """Say which version is champion, and what the audit trail says.

    Parameters
    ----------
    name : str
        Registered model.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.

    Returns
    -------
    champion : str
        Its version; empty for none.
    trail : tuple of Entry
        Oldest first.

    Raises
    ------
    ModelError
        THX-R01 when there is no such model; THX-R05 when the trail was changed.

    Examples
    --------
    >>> held("a/b")
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: THX-A01: not a name of a model | ...
    """
    client, store = _client(name, tracking)
    with reaching(store):
        return _champion(client, name, store), trail_of(client, name)


def _client(name: str, tracking: str | None) -> tuple[Any, str]:
    safe_name(name)
    mlflow, store = connect(tracking)
    with reaching(store):
        return mlflow.MlflowClient(), store


def _champion(client: Any, name: str, store: str) -> str:
    from mlflow.exceptions import MlflowException

    try:
        return str(client.get_registered_model(name).aliases.get(CHAMPION, ""))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    raise ModelError(
        "no such model",
        code="THX-R01",
        where=f"{name} in {shown(store)}",
        fix="'theracast models list' shows what there is.",
    )


def _require(client: Any, name: str, version: str, store: str) -> None:
    """Stop unless a version is there and whole."""
    from mlflow.exceptions import MlflowException

    if not version.isdecimal():
        raise UsageError("a version is a number", code="THX-A01", got=f"{len(version)} characters", wanted="such as 2")
    try:
        if client.get_model_version(name, version).status == "READY":
            return
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    raise ModelError(
        "no such version, or it is not whole",
        code="THX-R01",
        where=f"{name}/{version} in {shown(store)}",
        fix="'theracast models list' shows what there is.",
    )


def _judged(name: str, before: str, version: str, store: str, gates: Gates | None) -> Verdict:
    """Load both, which holds their bytes against their digests, and compare them."""
    challenger = load_any(f"models:/{name}/{version}", tracking=store).about
    if not before:
        return judge(None, challenger, gates)
    try:
        champion = load_any(f"models:/{name}/{before}", tracking=store).about
    except ModelError as error:
        if error.code == "THX-R02":
            raise
        return Verdict((Check("comparable", "", "not comparable", f"the champion does not load ({error.code})"),))
    return judge(champion, challenger, gates)


def _refused(name: str, before: str, version: str, verdict: Verdict) -> ModelError:
    lacking = all(c.outcome == "not comparable" for c in verdict.against)
    return ModelError(
        "the challenger is not comparable: needs --waive" if lacking else "the gates speak against the challenger",
        code=GATES,
        where=f"{name}: version {version} against champion {before}",
        got=verdict.summary(),
        fix=f"Version {version} stays registered; {before} stays champion. "
        f"theracast models promote {name} {version} --waive 'REASON' --by NAME promotes it all the same, on record.",
    )
