"""A card from what is known of a model, and from what a person answers."""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from theracast.models.base import ResponseModel
from theracast.models.sealed import parsed, read_bounded
from theracast.models.selection import SelectionModel
from theracast.models.storage import chooses
from theracast.predict.card.answers import Answers
from theracast.predict.card.checklists import CHECKLISTS, answered, with_person
from theracast.predict.card.facts import CardFacts, facts_of
from theracast.predict.card.findings import compared, headline, key_figures
from theracast.predict.card.leaks import leakage_section
from theracast.predict.card.limits import limits_of
from theracast.predict.card.parts import Bullets, Card, Section
from theracast.predict.card.results import result_sections
from theracast.predict.card.sections import (
    abstention_section,
    data_section,
    environment_section,
    identity_section,
    inputs_section,
    method_section,
    use_section,
)
from theracast.predict.card.small_cells import suppressed
from theracast.predict.card.words import words_of
from theracast.predict.predictor import Predictor
from theracast.predict.registry import fetch_model, list_models
from theracast.predict.therapies import SelectionPredictor

#: Of what was kept to replay a model, as `theracast.models.storage` reads it.
_MOST_BYTES = 16_000_000
_TABLES = ("net_benefit", "equity", "sentinels", "evidence")


def make_card(facts: CardFacts, answers: Answers | None = None, made: str = "") -> Card:
    """Make a card.

    Parameters
    ----------
    facts : CardFacts
        Of the model.
    answers : Answers, optional
        What a person adds; it is marked as such.
    made : str, default ""
        Date (UTC) of the card; today by default.

    Returns
    -------
    Card
        For the writers.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> card = make_card(CardFacts("m", "ab", INDICATIONS["melanoma_ici"], {}))
    >>> len(card.checklists["tripod"]), len(card.open) > 20
    (52, True)
    """
    made = made or datetime.datetime.now(datetime.UTC).date().isoformat()
    said, limits = headline(facts), limits_of(facts)
    beneath = compared(facts)
    words = words_of(facts, ". ".join(filter(None, (said, beneath))), len(limits))
    sections = (
        use_section(facts),
        *result_sections(facts),
        Section("limits", "Limits", (Bullets(limits),), "Each follows from what the run kept."),
        abstention_section(facts),
        data_section(facts),
        inputs_section(facts),
        method_section(facts, words),
        leakage_section(facts),
        environment_section(facts),
        identity_section(facts, made),
    )
    told = {c: getattr(answers, c) if answers else {} for c in CHECKLISTS}
    return Card(
        facts.name,
        facts.spec.title,
        facts.version,
        facts.digest,
        made,
        said,
        key_figures(facts),
        sections,
        {c: with_person(answered(c, words), told[c]) for c in CHECKLISTS},
        _numbers(facts),
        f"{answers.by}, {answers.date}" if answers else "",
        beneath,
    )


def card_of(model_uri: str, answers: Answers | None = None, *, tracking: str | None = None) -> Card:
    """Make the card of a model that is registered, or lies in a folder.

    Parameters
    ----------
    model_uri : str
        As in `theracast.predict.registry.load_any`.
    answers : Answers, optional
        What a person adds.
    tracking : str, optional
        As in `theracast.predict.store.store_uri`.

    Returns
    -------
    Card
        A model of an earlier version of theracast has one too, with more left open.

    Raises
    ------
    ModelError
        When there is no such model, or its bytes changed.

    Examples
    --------
    >>> card_of("no/such/folder")
    Traceback (most recent call last):
    ...
    theracast.errors.ModelError: THX-R01: no such model | where: no/such/folder | ...
    """
    folder, version = fetch_model(model_uri, tracking)
    kind = SelectionPredictor if chooses(folder) else Predictor
    loaded = kind.from_folder(folder, uri=model_uri, version=version)
    return loaded_card(
        loaded, answers, registered=_registered(model_uri, version, tracking), environment=written_by(folder)
    )


def loaded_card(
    loaded: Predictor | SelectionPredictor,
    answers: Answers | None = None,
    *,
    registered: str = "",
    environment: Mapping[str, Any] | None = None,
) -> Card:
    """Make the card of a model that is loaded.

    Parameters
    ----------
    loaded : Predictor or SelectionPredictor
        The model.
    answers : Answers, optional
        What a person adds.
    registered : str, default ""
        When it was registered (UTC).
    environment : mapping, optional
        Where it was written, if what was kept with it does not say.

    Returns
    -------
    Card
        For the writers.

    Examples
    --------
    >>> from theracast.features.datasets import load_cohort
    >>> loaded_card(Predictor(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), "ab" * 32)).name
    'melanoma_ici'
    """
    kept = str((loaded.about.get("experiment") or {}).get("name") or "")
    facts = facts_of(
        loaded.model,
        loaded.about,
        name=_named(loaded.uri) or kept or _own_name(loaded.model),
        digest=loaded.digest,
        version=loaded.version,
        registered=registered,
        environment=environment,
    )
    return make_card(facts, answers)


def _named(model_uri: str) -> str:
    found = re.match(r"models:/([^/@]+)", model_uri)
    return found[1] if found else ""


def _own_name(model: ResponseModel | SelectionModel) -> str:
    return model.selection.name if isinstance(model, SelectionModel) else model.spec.name


def _registered(model_uri: str, version: str, tracking: str | None) -> str:
    name = _named(model_uri)
    if not name:
        return ""
    versions = list_models(tracking)
    mine = versions[(versions["name"] == name) & (versions["version"] == version)]
    return f"{mine['registered'].iloc[0]}" if len(mine) else ""


def written_by(folder: Path) -> dict[str, Any]:
    """Read with what a model was written.

    Parameters
    ----------
    folder : Path
        Of the model, whose digests were checked.

    Returns
    -------
    dict
        ``versions`` and ``code``; empty where an earlier version of theracast did not keep them.

    Examples
    --------
    >>> written_by(Path("no/such/folder"))
    {}
    """
    file = folder / "golden.json"
    if not file.exists():
        return {}
    written = parsed(read_bounded(file, _MOST_BYTES), file.name).get("written_by") or {}
    return {k: written[k] for k in ("versions", "code") if k in written}


def _numbers(facts: CardFacts) -> dict[str, Any]:
    """Give the tables as numbers: those of people without their small cells."""
    found: dict[str, Any] = {}
    validation = facts.validation
    if validation is not None:
        tables = {"validation": validation.table, "mean": validation.mean, "coverage": validation.coverage}
        found |= {name: _records(table) for name, table in tables.items()}
        found["sets"] = {name: _records(mean) for name, mean in validation.sets.items()}
    for name in _TABLES:
        table = facts.kept(name)
        if table is not None:
            found[name] = _records(suppressed(table) if name == "equity" and len(table) else table)
    return found


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): None if _missing(v) else v for k, v in row.items()} for row in table.to_dict("records")]


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
