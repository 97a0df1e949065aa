"""SelectionSpec: between which therapies is chosen, for whom, and which patients each was learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from theracast.errors import UsageError


@dataclass(frozen=True)
class Arm:
    """One therapy or regimen, as data.

    Attributes
    ----------
    therapy, mechanism : str
        Name of the therapy or regimen; what it acts on.
    study : str
        Data set in which patients got it. Arms of one study are compared with each other, never with those of another.
    blocks : tuple of str
        Blocks that its model reads.
    reads : str
        What that is, for the reader: ``"plasma lipid mediators"``.

    Examples
    --------
    >>> Arm("methotrexate + leflunomide", "csDMARD", "ra_proteome", ("disease_activity",), "disease activity").study
    'ra_proteome'
    """

    therapy: str
    mechanism: str
    study: str
    blocks: tuple[str, ...]
    reads: str = ""


@dataclass(frozen=True)
class SelectionSpec:
    """One choice between therapies, as data.

    Attributes
    ----------
    name, title : str
        Identifier and readable title.
    endpoint, horizon, population : str
        What 'response' means, when it is judged, and in whom.
    arms : tuple of Arm
        The therapies.
    intended_use, not_for : str
        For the report and the card.
    standard : str
        Therapy that a gain is measured against; empty: what patients got in the study, as treated.
    references : tuple of str
        DOIs.
    settings : mapping of str to mapping
        Per block, its parameters: ``{"metabolites": {"scaling": "robust"}}``.

    Raises
    ------
    UsageError
        When two arms of one study have the same name, or one study's arms read different blocks.

    Examples
    --------
    >>> arms = tuple(Arm(t, "", "trial", ("clinical",)) for t in ("drug", "placebo"))
    >>> SelectionSpec("x", "X", "response", "week 6", "adults", arms, "Research.", "Care.").studies
    ('trial',)
    """

    name: str
    title: str
    endpoint: str
    horizon: str
    population: str
    arms: tuple[Arm, ...]
    intended_use: str
    not_for: str
    standard: str = ""
    references: tuple[str, ...] = ()
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for study in self.studies:
            mine = self.of(study)
            if len({a.therapy for a in mine}) < len(mine):
                raise UsageError("a study has two arms of one name", where=f"{self.name}, {study}")
            if len({a.blocks for a in mine}) > 1:
                raise UsageError("arms that are compared read different blocks", where=f"{self.name}, {study}")

    @property
    def studies(self) -> tuple[str, ...]:
        """Name the studies, each once.

        Returns
        -------
        tuple of str
            In the order of the arms.

        Examples
        --------
        >>> SelectionSpec("x", "X", "", "", "", (Arm("a", "", "s", ()), Arm("b", "", "s", ())), "", "").studies
        ('s',)
        """
        return tuple(dict.fromkeys(a.study for a in self.arms))

    def of(self, study: str) -> tuple[Arm, ...]:
        """List the arms of a study.

        Parameters
        ----------
        study : str
            One of `studies`.

        Returns
        -------
        tuple of Arm
            Compared with each other.

        Examples
        --------
        >>> SelectionSpec("x", "X", "", "", "", (Arm("a", "", "s", ()),), "", "").of("s")[0].therapy
        'a'
        """
        return tuple(a for a in self.arms if a.study == study)
