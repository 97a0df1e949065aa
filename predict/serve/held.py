"""The model that is served: loaded, tried, swapped in one step when its alias moves, kept when the registry is away."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import theracast
from theracast.errors import ModelError, TheracastError
from theracast.features.blocks import BLOCKS
from theracast.predict.contract import input_example
from theracast.predict.predictor import Predictor
from theracast.predict.serve.journal import Journal
from theracast.predict.serve.refusals import ServiceError
from theracast.predict.therapies import SelectionPredictor

Served = Predictor | SelectionPredictor


@dataclass(frozen=True)
class Current:
    """A model as every answer names it; a request holds on to one from its first step to its last.

    Attributes
    ----------
    predictor : Predictor or SelectionPredictor
        The model.
    stale : bool
        Whether the registry could not be asked of late whether the alias has moved.

    Examples
    --------
    >>> Current.__dataclass_fields__["stale"].default
    False
    """

    predictor: Served
    stale: bool = False

    @property
    def name(self) -> str:
        """Name of what is predicted.

        Returns
        -------
        str
            Name of the indication or of the choice.

        Examples
        --------
        >>> from theracast.models.base import ResponseModel
        >>> Current(Predictor(ResponseModel("melanoma_ici"), "0" * 64)).name
        'melanoma_ici'
        """
        model = self.predictor.model
        return model.indication if isinstance(self.predictor, Predictor) else model.selection.name

    @property
    def blocks(self) -> tuple[str, ...]:
        """Blocks that the model reads.

        Returns
        -------
        tuple of str
            Names in `theracast.features.blocks.BLOCKS`.

        Examples
        --------
        >>> from theracast.models.base import ResponseModel
        >>> "clinical" in Current(Predictor(ResponseModel("melanoma_ici"), "0" * 64)).blocks
        True
        """
        if isinstance(self.predictor, Predictor):
            return tuple(self.predictor.model.spec.blocks)
        arms = self.predictor.model.selection.arms
        return tuple(dict.fromkeys(b for a in arms for b in a.blocks if b in BLOCKS))

    @property
    def therapies(self) -> frozenset[str]:
        """Therapies that the model chooses between.

        Returns
        -------
        frozenset of str
            None for a response model.

        Examples
        --------
        >>> from theracast.models.base import ResponseModel
        >>> sorted(Current(Predictor(ResponseModel("melanoma_ici"), "0" * 64)).therapies)
        []
        """
        if isinstance(self.predictor, Predictor):
            return frozenset()
        return frozenset(a.therapy for a in self.predictor.model.selection.arms)

    def named(self) -> dict[str, Any]:
        """Return what every answer says of the model.

        Returns
        -------
        dict
            ``name``, ``uri``, ``version``, ``digest``, ``theracast``, ``stale``.

        Examples
        --------
        >>> from theracast.models.base import ResponseModel
        >>> Current(Predictor(ResponseModel("melanoma_ici"), "0" * 64)).named()["digest"][:4]
        '0000'
        """
        p = self.predictor
        found = {"name": self.name, "uri": p.uri, "version": p.version, "digest": p.digest}
        return {**found, "theracast": theracast.__version__, "stale": self.stale}


class HeldModel:
    """Holds one model, and looks now and then whether its alias has moved.

    Parameters
    ----------
    load : callable
        Gives the model under the address served.
    version : callable, optional
        Gives the version that the alias names now; raises when the registry is away. None: nothing can move.
    journal : Journal
        Where it is told what happened.
    patience : float, default 60
        Seconds for which the last answer of the registry counts; then the model is marked stale.

    Examples
    --------
    >>> from theracast.models.base import ResponseModel
    >>> held = HeldModel(lambda: Predictor(ResponseModel("melanoma_ici"), "0" * 64))
    >>> held.ready
    False
    """

    def __init__(
        self,
        load: Callable[[], Served],
        version: Callable[[], str] | None = None,
        journal: Journal | None = None,
        patience: float = 60.0,
    ) -> None:
        self._load, self._version, self._patience = load, version, patience
        self._journal = journal or Journal()
        self._held: Served | None = None
        self._asked = time.monotonic()
        self._refused = ""
        self.draining = False

    @property
    def ready(self) -> bool:
        """Whether requests are answered.

        Returns
        -------
        bool
            False before the model is there, and while the service ends.

        Examples
        --------
        >>> HeldModel(lambda: None).ready
        False
        """
        return self._held is not None and not self.draining

    @property
    def moves(self) -> bool:
        """Whether the address can come to mean another version.

        Returns
        -------
        bool
            True for an alias.

        Examples
        --------
        >>> HeldModel(lambda: None).moves
        False
        """
        return self._version is not None

    def current(self) -> Current:
        """Take hold of the model.

        Returns
        -------
        Current
            One version, whatever happens meanwhile.

        Raises
        ------
        ServiceError
            503, THX-R01, before it is loaded.

        Examples
        --------
        >>> HeldModel(lambda: None).current()
        Traceback (most recent call last):
        ...
        theracast.predict.serve.refusals.ServiceError: THX-R01: no model is loaded | do: Ask again in a moment.
        """
        held = self._held
        if held is None:
            raise ServiceError(
                503,
                "no model is loaded",
                code="THX-R01",
                fix="Ask again in a moment.",
                headers={"Retry-After": "5"},
            )
        return Current(held, self.moves and time.monotonic() - self._asked > self._patience)

    def start(self) -> None:
        """Load the model and try it.

        Raises
        ------
        ModelError
            When it cannot be loaded, or cannot answer.

        Examples
        --------
        >>> callable(HeldModel.start)
        True
        """
        fresh = self._load()
        _tried(fresh)
        self._held, self._asked = fresh, time.monotonic()
        self._journal.write("model_loaded", version=fresh.version, digest=fresh.digest)

    def look(self) -> bool:
        """Ask the registry once; load, check and try a new version beside the old one, then put it in its place.

        Returns
        -------
        bool
            Whether another version is served now. A version that cannot be loaded or tried is not served, and told of
            once.

        Examples
        --------
        >>> HeldModel(lambda: None).look()
        False
        """
        if self._version is None:
            return False
        try:
            number = self._version()
        except Exception as error:  # whatever a registry that is away raises: the model that is here goes on
            self._journal.write("registry_away", error=type(error).__name__)
            return False
        self._asked = time.monotonic()
        if self._held is not None and number in (self._held.version, self._refused):
            return False
        try:
            fresh = self._load()
            _tried(fresh)
            if self._held is not None and type(fresh) is not type(self._held):
                raise ModelError("the alias names a model of another kind", code="THX-R01")
        except Exception as error:  # a version that is broken must not take the one that works with it
            self._refused = number
            code = error.code if isinstance(error, TheracastError) else ""
            self._journal.write("model_refused", version=number, error=type(error).__name__, code=code)
            return False
        self._held, self._refused = fresh, ""
        self._journal.write("model_swapped", version=fresh.version, digest=fresh.digest)
        return True


def _tried(predictor: Served) -> None:
    """Let it answer for one made-up patient: what cannot must not be served, and the first request need not compile."""
    example = input_example(Current(predictor).blocks)
    if isinstance(predictor, Predictor):
        predictor.score(example, explained=True)
    else:
        predictor.rank(example)
