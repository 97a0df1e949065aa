"""What the leakage sentinels found, as a card tells it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from theracast.predict.card.choices import NOT_LOOKED
from theracast.predict.card.facts import CardFacts
from theracast.predict.card.parts import Grid, Part, Section, Words
from theracast.predict.card.said import listing


def waivers(table: pd.DataFrame) -> list[dict[str, Any]]:
    """List what was found and waived.

    Parameters
    ----------
    table : DataFrame
        Findings, as kept with a model.

    Returns
    -------
    list of dict
        Those that would have stopped the training.

    Examples
    --------
    >>> waivers(pd.DataFrame([{"sentinel": "a", "waived": True}, {"sentinel": "b", "waived": False}]))[0]["sentinel"]
    'a'
    """
    if table.empty:
        return []
    waived = table["waived"].astype(bool) if "waived" in table else pd.Series(True, table.index)
    return [{str(k): v for k, v in row.items()} for row in table[waived].to_dict("records")]


def left_out(table: pd.DataFrame) -> list[str]:
    """Say which patients were left out before anything was fitted, and why.

    Parameters
    ----------
    table : DataFrame
        Findings, as kept with a model.

    Returns
    -------
    list of str
        One per cohort; empty where nobody was.

    Examples
    --------
    >>> what, why = "3 of 9 patients were sampled after treatment began", "they are left out (late: leave_out)"
    >>> left_out(pd.DataFrame([{"what": what, "where": "a", "waived": False, "reason": why}]))
    ['a: 3 of 9 patients were sampled after treatment began']
    """
    return [
        f"{r.get('where')}: {r.get('what')}"
        for r in table.to_dict("records")
        if not r.get("waived") and "left out" in str(r.get("reason") or "")
    ]


def passed(table: pd.DataFrame) -> str:
    """Say whether every sentinel passed.

    Parameters
    ----------
    table : DataFrame
        Findings, as kept with a model.

    Returns
    -------
    str
        A sentence.

    Examples
    --------
    >>> passed(pd.DataFrame())
    'Every sentinel passed; none was waived.'
    """
    waived = [str(r["sentinel"]) for r in waivers(table)]
    if waived:
        return f"Found, and waived with a reason: {listing(list(dict.fromkeys(waived)))}."
    if left_out(table):
        return "Every sentinel passed once the patients named had been left out; none was waived."
    return "Every sentinel passed; none was waived."


def leakage_section(facts: CardFacts) -> Section:
    """Say what the leakage sentinels found, and what was waived.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    Section
        ``leakage``.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> leakage_section(CardFacts("m", "", INDICATIONS["melanoma_ici"], {"sentinels": []})).parts[0].text
    'Every sentinel passed; none was waived.'
    """
    title = "Leaks looked for"
    table = facts.kept("sentinels")
    if table is None:
        missing = "The run did not keep it: whether leakage sentinels ran, and what they found."
        return Section("leakage", title, (Words(missing, "open"),))
    parts: list[Part] = [Words(passed(table))]
    rows = tuple(
        (*(str(r.get(k) or "") for k in ("sentinel", "what", "where")), str(r.get("reason") or "no reason given"))
        for r in table.to_dict("records")
    )
    columns = ("Sentinel", "What it found", "Where", "Why it did not stop")
    if facts.chooses:
        parts.append(Words(NOT_LOOKED))
    if rows:
        parts.append(Grid("Findings, and what was done about them", columns, rows, columns[1:]))
    return Section("leakage", title, tuple(parts))
