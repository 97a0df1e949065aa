"""Patients of many callers scored in one call, where each is known to get what it would get alone.

Scoring one patient costs nearly as much as scoring fifty: the time goes into the steps, not into the rows. Who comes
while the model works waits, and all who wait are scored together. Nobody's answer may rest on who else is waiting:
only requests of one patient join, with tables whose rules are of single rows; a column that stands in two tables, or
that holds a number here and a text there, parts them. What is told of a whole column can then only be told of a crowd,
never of one patient: such a crowd is halved until nobody is refused for another's sake.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from theracast.models.recalibration import AS_TRAINED
from theracast.predict.predictor import Predictor
from theracast.predict.serve.answers import Hide, lines_of, plain, predicted
from theracast.predict.serve.asked import Given, measured
from theracast.predict.serve.held import Current
from theracast.predict.serve.limits import Limits
from theracast.predict.serve.refusals import hiding
from theracast.predict.serve.work import Workers, too_slow

#: Their rules about a whole column, if any, need more than one patient; the scale of a table of genes does not.
TABLES = frozenset({"clinical", "pathology", "mutations", "signatures"})
#: Blocks that were read for such rules.
BLOCKS = frozenset({"clinical", "pathology", "mutations", "signatures"})
_FATES = {"abstain": "abstained", "rejected": "rejected"}
#: What a request gets: an answer, or the error that it would get alone.
Outcome = dict[str, Any] | Exception


class Together:
    """Lets who waits be scored at once.

    Parameters
    ----------
    workers : Workers
        Threads.
    limits : Limits
        How long a request waits, and how many are scored at once.

    Examples
    --------
    >>> len(Together(Workers(Limits()), Limits()))
    0
    """

    def __init__(self, workers: Workers, limits: Limits) -> None:
        self._workers, self._limits = workers, limits
        self._waiting: list[_Waiting] = []
        self._last = self._ended = 0.0
        self._answered = 0
        self._draining: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    async def score(self, current: Current, given: Given) -> dict[str, Any]:
        """Score one patient, alone or with those who wait.

        Parameters
        ----------
        current : Current
            The model.
        given : Given
            As `joins` allows.

        Returns
        -------
        dict
            As `theracast.predict.serve.answers.predicted`.

        Raises
        ------
        DataError
            As alone.
        ServiceError
            503, THX-A03, when this request has waited and been worked on for too long.

        Examples
        --------
        >>> callable(Together.score)
        True
        """
        mine = _Waiting(current, given, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        if self._draining is None or self._draining.done():
            self._draining = asyncio.create_task(self._drain())
        try:
            found = await asyncio.wait_for(mine.answer, self._limits.work_seconds)
        except TimeoutError:
            raise too_slow(self._limits) from None
        if isinstance(found, Exception):
            raise found
        return found

    async def _drain(self) -> None:
        while self._waiting:
            await self._gathered()
            # who was given up, by its own time or by its caller, is not worked for
            self._waiting = [w for w in self._waiting if not w.answer.done()]
            model = self._waiting[0].current.predictor if self._waiting else None
            crowd = [w for w in self._waiting if w.current.predictor is model][: self._limits.crowd]
            here = {id(w) for w in crowd}
            self._waiting = [w for w in self._waiting if id(w) not in here]
            if crowd:
                await self._worked(crowd)

    async def _worked(self, crowd: Sequence[_Waiting]) -> None:
        asked, started = [(w.current, w.given) for w in crowd], time.monotonic()
        try:
            found = await self._workers.run(lambda: outcomes(asked))
        except Exception as error:  # each of them is told, and the next are served
            found = [error] * len(crowd)
        self._ended, self._answered = time.monotonic(), len(crowd)
        self._last = self._ended - started
        for waiting, outcome in zip(crowd, found, strict=True):
            if not waiting.answer.done():
                waiting.answer.set_result(outcome)

    async def _gathered(self) -> None:
        """Wait while others come, at most as long as a call takes: who is missed waits for all of one.

        Who was answered a moment ago often asks again at once: as long as fewer wait than were answered, a longer
        silence is borne.
        """
        ends = time.monotonic() + self._last
        while True:
            before, now = len(self._waiting), time.monotonic()
            again = before < self._answered and now - self._ended < self._last
            await asyncio.sleep(max(self._limits.gather_seconds, self._last / 8 if again else 0.0))
            if len(self._waiting) == before or before >= self._limits.crowd or now > ends:
                return


@dataclass(frozen=True, eq=False)
class _Waiting:
    current: Current
    given: Given
    answer: asyncio.Future[Outcome]


def joins(current: Current, given: Given) -> bool:
    """Say whether a request may be scored with others.

    Parameters
    ----------
    current : Current
        The model.
    given : Given
        Patients.

    Returns
    -------
    bool
        True for one patient of a response model, without events, genes, or anything declared.

    Examples
    --------
    >>> from theracast.models.base import ResponseModel
    >>> current = Current(Predictor(ResponseModel("melanoma_ici"), "0" * 64))
    >>> one = ({"clinical:age": 61},)
    >>> joins(current, Given(("p1",), one)), joins(current, Given(("p1",), one, units={"clinical.albumin": "g/dL"}))
    (True, False)
    """
    declared = given.events or given.units or given.strict or given.tried or given.therapies or given.utility
    return (
        len(given.ids) == 1
        and not declared
        and isinstance(current.predictor, Predictor)
        and BLOCKS.issuperset(current.blocks)
        and TABLES.issuperset(column.partition(":")[0] for column in given.cells[0])
    )


def outcomes(asked: Sequence[tuple[Current, Given]]) -> list[Outcome]:
    """Score many requests of one patient each, by one model.

    Parameters
    ----------
    asked : sequence of (Current, Given)
        As `joins` allows; the model may be marked stale for some.

    Returns
    -------
    list of dict or Exception
        What each would get alone.

    Examples
    --------
    >>> outcomes([])
    []
    """
    found: dict[int, Outcome] = {}
    for group in _alike([given for _, given in asked]):
        found |= zip(group, _halved([asked[k] for k in group]), strict=True)
    return [found[k] for k in range(len(asked))]


@dataclass
class _Group:
    """Requests whose cells fit into one table."""

    kinds: dict[str, str] = field(default_factory=dict)
    tables: dict[str, str] = field(default_factory=dict)
    members: list[int] = field(default_factory=list)

    def takes(self, kinds: dict[str, str]) -> bool:
        for column, kind in kinds.items():
            table, _, name = column.partition(":")
            if self.kinds.get(column, kind) != kind or self.tables.get(name, table) != table:
                return False
        return True

    def add(self, member: int, kinds: dict[str, str]) -> None:
        self.kinds |= kinds
        self.tables |= {name: table for table, _, name in (c.partition(":") for c in kinds)}
        self.members.append(member)


def _alike(asked: Sequence[Given]) -> list[list[int]]:
    """Part the requests by where they keep what, and as which kind of cell."""
    groups: list[_Group] = []
    for member, given in enumerate(asked):
        kinds = {c: _kind(c, value) for c, value in given.cells[0].items() if value is not None}
        group = next((g for g in groups if g.takes(kinds)), None)
        if group is None:
            groups.append(group := _Group())
        group.add(member, kinds)
    return [g.members for g in groups]


def _kind(column: str, value: Any) -> str:
    kind = type(value).__name__
    return "number" if kind in ("int", "float") and measured(column) else kind


def _halved(crowd: list[tuple[Current, Given]]) -> list[Outcome]:
    """Score a crowd; where it is refused, each half of it, down to one."""
    if len(crowd) == 1:
        current, given = crowd[0]
        try:
            return [predicted(current, given.asked())]
        except Exception as error:  # it is this request's own
            return [error]
    try:
        return _at_once(crowd)
    except Exception:  # of the crowd, or of one in it: which one shows when it is alone
        half = len(crowd) // 2
        return _halved(crowd[:half]) + _halved(crowd[half:])


def _at_once(crowd: list[tuple[Current, Given]]) -> list[Outcome]:
    """Score a crowd in one call, under names of ours: two callers may have called two patients the same."""
    ids = [f"r{k}" for k in range(len(crowd))]
    cells = [{c: v for c, v in given.cells[0].items() if v is not None} for _, given in crowd]
    predictor = cast(Predictor, crowd[0][0].predictor)  # `joins` lets no other in
    scores = predictor.score(Given(tuple(ids), tuple(cells)).asked().cohort(), site=AS_TRAINED)

    def hidden(row: int) -> Hide:
        return hiding(crowd[row - 1][1].asked().secrets())

    lines = lines_of(scores.aligned(), scores.rejects, ids, hidden)
    assumptions = plain(scores.assumptions())
    answers: list[Outcome] = []
    for line, (current, given) in zip(lines, crowd, strict=True):
        account = {"rows_in": 1, "scored": 0, "abstained": 0, "rejected": 0}
        account[_FATES.get(line["decision"], "scored")] = 1
        mine = {**line, "row": 1, "patient_id": given.ids[0]}
        answers.append(
            {"model": current.named(), "account": account, "assumptions": assumptions, "predictions": [mine]}
        )
    return answers
