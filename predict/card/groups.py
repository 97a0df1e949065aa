"""The audit by group of people, as a card tells it."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from theracast.models.fairness import COLUMNS
from theracast.models.validate import Validation
from theracast.predict.card.facts import CardFacts
from theracast.predict.card.parts import Bullets, Grid, Part, Picture, Section, Words
from theracast.predict.card.said import estimate, listing, share
from theracast.predict.card.small_cells import count, suppressed
from theracast.predict.report.equity_plot import equity_forest
from theracast.predict.tables import EQUITY_SHOWN

#: For a figure that reads one table of a validation.
_NOBODY = Validation(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())


def equity_section(facts: CardFacts) -> Section:
    """Tell how a model did on groups of people, and which of them differ.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    Section
        ``equity``; counts below five are not in it.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> equity_section(CardFacts("m", "", INDICATIONS["melanoma_ici"], {})).parts[0].tone
    'open'
    """
    title = "By group of people"
    table = facts.kept("equity")
    if table is None:
        return Section(
            "equity",
            title,
            (Words("The run did not keep it: no audit by sex, age, ancestry or site lies with the model.", "open"),),
        )
    if table.empty:
        return Section("equity", title, (Words("No group was known in the cohorts: too few to tell."),))
    table = suppressed(table)
    parts: list[Part] = []
    told = differing(table)
    if told:
        parts.append(Bullets(tuple(told)))
    else:
        parts.append(
            Words(
                "No difference between groups stood after correction for the number of tests. With few patients "
                "that is no proof of equality."
            )
        )
    shown = table[table["attribute"].isin(EQUITY_SHOWN)]
    if len(shown):
        words = "AUC, calibration, abstentions and responders missed of each group; the tables below have the figures"
        parts.append(Picture(lambda: equity_forest(replace(_NOBODY, equity=shown.reindex(columns=[*COLUMNS]))), words))
    for at, (attribute, part) in enumerate(shown.groupby("attribute", sort=False)):
        rows = tuple(
            (
                str(r["group"]),
                share(r.get("trained")),
                count(r.get("n")),
                f"{count(r.get('R'))} / {count(r.get('NR'))}",
                estimate(r, "auc"),
                estimate(r, "calibration"),
                estimate(r, "abstains", percent=True),
                str(r.get("note") or ""),
            )
            for r in part.to_dict("records")
        )
        columns = (
            _capital(str(attribute)),
            "Of training",
            "n",
            "R / NR",
            "AUC",
            "Observed − expected",
            "Abstains",
            "Note",
        )
        words = f"By {str(attribute).replace('_', ' ')}, with 95% intervals; counts below five are not told"
        parts.append(Grid(words, columns, rows, ("Note",), folded=at > 1))
    return Section(
        "equity",
        title,
        tuple(parts),
        "Patients whose whole cohort the model had not seen. Observed − expected is the response rate less the "
        "mean probability: above 0, too few responses were predicted.",
    )


def differing(table: pd.DataFrame) -> list[str]:
    """Name the groups that differ from the rest of their cohorts.

    Parameters
    ----------
    table : DataFrame
        `theracast.models.fairness.equity_audit`.

    Returns
    -------
    list of str
        A sentence for each attribute and finding.

    Examples
    --------
    >>> table = pd.DataFrame({"attribute": "sex", "group": ["f", "m"], "note": "differs from the rest in auc"})
    >>> differing(table)
    ['By sex: f and m differ from the rest in AUC.']
    """
    notes = table["note"].fillna("").astype(str)
    found = table[notes.str.contains("differs")]
    said = []
    for (attribute, note), part in found.groupby(["attribute", "note"], sort=False):
        text = str(note)[str(note).index("differs") :]
        if len(part) > 1:
            text = text.replace("differs", "differ", 1)
        names = listing([str(g) for g in part["group"]])
        said.append(f"By {str(attribute).replace('_', ' ')}: {names} {text.replace('auc', 'AUC')}.")
    return said


def _capital(text: str) -> str:
    text = text.replace("_", " ")
    return text[:1].upper() + text[1:]
