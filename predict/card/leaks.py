"""What the leakage sentinels found, as a card tells it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from theracast.predict.card.facts import CardFacts
from theracast.predict.card.parts import Grid, Part, Section, Words


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
    found = waivers(table)
    parts: list[Part] = [] if found else [Words("Every sentinel passed; none was waived.")]
    rows = tuple(
        (*(str(r.get(k) or "") for k in ("sentinel", "what", "where")), str(r.get("reason") or "no reason given"))
        for r in table.to_dict("records")
    )
    columns = ("Sentinel", "What it found", "Where", "Why it did not stop")
    if rows:
        parts.append(Grid("Findings, and what was done about them", columns, rows, columns[1:]))
    return Section("leakage", title, tuple(parts))
