"""What a card tells of a choice between therapies alone: how each is judged, and what that leaves open."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from theracast.models.prognosis import EVENTS_PER_FEATURE
from theracast.models.selection_spec import SelectionSpec
from theracast.predict.card.facts import CardFacts
from theracast.predict.card.said import listing
from theracast.predict.card.small_cells import count
from theracast.predict.tables import as_met

#: Patients of either kind that a cohort should have to judge a model by (Collins 2016, 10.1002/sim.6787).
HUNDRED = 100
#: Why one sentinel does not look at a choice.
NOT_LOOKED = (
    "The sentinel fit_on_test_rows does not look at a choice: blocks are fitted on all patients of a study, without "
    "the response. One that reads it all the same is found by permuted_labels."
)


def choice_words(facts: CardFacts) -> dict[str, str]:
    """Say in words what the evidence of each therapy tells.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    dict of str to str
        Name to words, for the checklists; empty of a model of response to one therapy, or without evidence.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> choice_words(CardFacts("m", "ab", INDICATIONS["melanoma_ici"], {}))
    {}
    """
    table = choice_evidence(facts)
    if not isinstance(facts.spec, SelectionSpec) or not {"therapy", "n", "responders"} <= set(table):
        return {}
    rarer = {str(r["therapy"]): _rarer(r) for r in table.to_dict("records")}
    large = [t for t, n in rarer.items() if n >= HUNDRED]
    words = {
        "hundred": f"{len(large)} of {len(rarer)} therapies have {HUNDRED} patients of either outcome or more"
        + (f": {listing(large)}." if large else "."),
        "reply_hundred": "probably yes" if len(large) == len(rarer) else "probably no",
        "performance": "AUC with interval and Brier score by therapy, in the table.",
    }
    read = {a.therapy: _features(facts, a.blocks) for a in facts.spec.arms}
    known = {t: n for t, n in rarer.items() if read.get(t)}
    if known:
        told = [f"{t} {count(n)} for {read[t]}" for t, n in known.items()]
        enough = min(n / read[t] for t, n in known.items()) >= EVENTS_PER_FEATURE
        words["events"] = (
            f"Patients of the rarer outcome, for the features of the blocks that are read: {listing(told)}; "
            f"{EVENTS_PER_FEATURE} per feature are asked of a model without a penalty."
        )
        words["reply_events"] = "probably yes" if enough else "probably no"
    return words


def choice_limits(facts: CardFacts) -> list[str]:
    """List what limits a choice, whatever its figures.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    list of str
        Sentences; empty of a model of response to one therapy.

    Examples
    --------
    >>> from theracast.models.indications import SELECTIONS
    >>> facts = CardFacts("m", "", SELECTIONS["ra_biologic"], {"experiment": {"settings": {"propensity": {"a": 0.7}}}})
    >>> choice_limits(facts)[0]
    'Who got which therapy is taken as drawn by lot, in known shares: a 70%.'
    """
    if not facts.chooses:
        return []
    shares = (facts.experiment.get("settings") or {}).get("propensity") or {}
    lots = (
        f"Who got which therapy is taken as drawn by lot, in known shares: "
        f"{listing([f'{t} {p:.0%}' for t, p in shares.items()])}."
        if shares
        else "Nobody drew lots for who got which therapy: what one would have brought is an estimate."
    )
    return [
        lots,
        "No study was held back whole, and blocks are fitted on all patients of a study, those included on whom a "
        "therapy is judged; they are not given the response.",
    ]


def choice_evidence(facts: CardFacts) -> pd.DataFrame:
    """Give the evidence of each therapy; one that no other of its study can stand beside is not comparable.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    DataFrame
        As kept, with ``state`` and ``reason`` as every patient will meet them; empty where none was kept.

    Examples
    --------
    >>> from theracast.models.indications import SELECTIONS
    >>> line = {"study": "certifi", "therapy": "ustekinumab", "state": "ranked", "reason": ""}
    >>> choice_evidence(CardFacts("m", "", SELECTIONS["crohns_ustekinumab"], {"evidence": [line]})).state.tolist()
    ['not comparable']
    """
    table = facts.kept("evidence")
    if table is None or table.empty or not {"study", "state", "reason"} <= set(table):
        return pd.DataFrame() if table is None else table
    return as_met(table)


def _rarer(row: Mapping[str, Any]) -> int:
    n, r = int(row["n"]), int(row["responders"])
    return min(r, n - r)


def _features(facts: CardFacts, blocks: tuple[str, ...]) -> int:
    return sum(str(f["name"]).partition("__")[0] in blocks for f in facts.features)
