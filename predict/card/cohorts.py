"""What is known of the cohorts of a model: counts, source, licence, digest, traps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import pandas as pd
import yaml

from theracast.errors import UsageError
from theracast.features.datasets import STUDIES, dataset_card
from theracast.features.sources import public_sources
from theracast.models.validate import MODEL

TRAINED, HELD_OUT = "trained on", "held out"


@dataclass(frozen=True)
class CohortFacts:
    """One cohort of a model.

    Attributes
    ----------
    name, role, digest : str
        Name without any path; ``trained on`` or ``held out``; of its files.
    n, responders, non_responders : int or None
        Patients whose response is known, as the validation counted them.
    unknown : int or None
        Patients without a response, as the data card counts them.
    cancer, treatment, paper, reference, licence, definition : str
        Empty where no data card or list of sources tells.
    known : mapping of str to int
        Patients of whom there is a kind of value, as the data card counts them.
    traps : tuple of str
        As the data card warns.

    Examples
    --------
    >>> CohortFacts("a", TRAINED, "ab" * 32, 10, 4, 6).labelled
    '10 (4 / 6)'
    """

    name: str
    role: str
    digest: str
    n: int | None = None
    responders: int | None = None
    non_responders: int | None = None
    unknown: int | None = None
    cancer: str = ""
    treatment: str = ""
    paper: str = ""
    reference: str = ""
    licence: str = ""
    definition: str = ""
    known: Mapping[str, int] | None = None
    traps: tuple[str, ...] = ()

    @property
    def labelled(self) -> str:
        """Patients, responders and non-responders, as they are printed.

        Returns
        -------
        str
            A dash where nothing was counted.

        Examples
        --------
        >>> CohortFacts("a", TRAINED, "").labelled
        '–'
        """
        return "–" if self.n is None else f"{self.n} ({self.responders} / {self.non_responders})"


def shown_name(name: str) -> str:
    """Give the name of a cohort without the folders that it lies in: they may name a person or a machine.

    Parameters
    ----------
    name : str
        Name of a data set, or a path.

    Returns
    -------
    str
        The last part.

    Examples
    --------
    >>> shown_name("/home/somebody/ward_7"), shown_name("liu2019_mel")
    ('ward_7', 'liu2019_mel')
    """
    return PurePath(name.replace("\\", "/")).name or name


def cohort_facts(about: Mapping[str, Any], studies: tuple[str, ...] = ()) -> tuple[CohortFacts, ...]:
    """Gather what is known of every cohort that a model was fitted or judged on.

    Parameters
    ----------
    about : mapping
        What was kept with the model.
    studies : tuple of str, default ()
        Names where no experiment was kept.

    Returns
    -------
    tuple of CohortFacts
        Trained ones first, in the order of the experiment.

    Examples
    --------
    >>> cohort_facts({"experiment": {"cohorts": ["riaz2017_mel"]}, "data": {"riaz2017_mel": "ab"}})[0].unknown
    2
    """
    experiment = about.get("experiment") or {}
    held = [str(c) for c in experiment.get("holdout") or ()]
    data = about.get("data") or {}
    named = [str(c) for c in experiment.get("cohorts") or ()] or [c for c in data if c not in held] or list(studies)
    counted = _counted(about)
    given = _given(about)
    return tuple(_facts(name, role, str(data.get(name, "")), counted, given)
                 for role, names in ((TRAINED, named), (HELD_OUT, held)) for name in names)  # fmt: skip


def _counted(about: Mapping[str, Any]) -> dict[str, tuple[int, int, int]]:
    rows = [r for r in about.get("validation") or () if r.get("model") == MODEL]
    arms = pd.DataFrame(about.get("evidence") or (), columns=["study", "n", "responders"]).dropna()
    found = {str(r["cohort"]): (int(r["n"]), int(r["R"]), int(r["NR"])) for r in rows}
    for study, part in arms.groupby("study"):
        n, r = int(part["n"].sum()), int(part["responders"].sum())
        found[str(study)] = (n, r, n - r)
    return found


def _given(about: Mapping[str, Any]) -> dict[str, str]:
    """Name the therapies that were given in each study of a choice."""
    arms = pd.DataFrame(about.get("evidence") or (), columns=["study", "therapy"]).dropna()
    return {str(study): ", ".join(part["therapy"]) for study, part in arms.groupby("study")}


def _facts(
    name: str, role: str, digest: str, counted: Mapping[str, tuple[int, int, int]], given: Mapping[str, str]
) -> CohortFacts:
    n, r, nr = counted.get(name, (None, None, None))
    card = _card(name)
    if not card:
        return CohortFacts(shown_name(name), role, digest, n, r, nr, treatment=given.get(name, ""), **_listed(name))
    return CohortFacts(
        shown_name(name),
        role,
        digest,
        n,
        r,
        nr,
        card.get("n_unknown"),
        str(card.get("cancer") or ""),
        str(card.get("drug") or ""),
        str(card.get("paper") or ""),
        str(card.get("doi") or "") or (f"PMID {card['pmid']}" if card.get("pmid") else ""),
        str((card.get("licence") or {}).get("summary") or ""),
        str(card.get("response_definition") or ""),
        dict(card.get("patients_with") or {}),
        tuple(str(t) for t in card.get("traps") or ()),
    )


def _card(name: str) -> dict[str, Any]:
    try:
        found = dataset_card(name)
    except (UsageError, OSError, yaml.YAMLError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def _listed(name: str) -> dict[str, Any]:
    """Say what the list of public sources knows of a cohort."""
    for source in public_sources().values():
        if name in source.cohorts:
            traps = (source.caveats,) if source.caveats else ()
            return {"reference": source.reference, "licence": source.licence, "paper": source.about, "traps": traps}
    if name in STUDIES:
        study = STUDIES[name]
        known = {"paper": study.about, "reference": study.reference, "cancer": study.disease}
        return {**known, "licence": "not shipped: its terms do not allow it, or none are stated"}
    return {}
