"""The audit by group of people, as a card tells it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from theracast.models.fairness import COLUMNS, METRICS, SHARES
from theracast.models.selection_spec import SelectionSpec
from theracast.models.validate import Validation
from theracast.predict.card.facts import CardFacts
from theracast.predict.card.parts import Bullets, Grid, Part, Picture, Section, Words
from theracast.predict.card.said import NOTHING, attribute_title, estimate, listing, share, short
from theracast.predict.card.small_cells import count, suppressed
from theracast.predict.report.equity_plot import equity_forest
from theracast.predict.tables import EQUITY_SHOWN

_ENDS = ("lower", "upper")
#: Groups of the audit that name no tumour.
_VAGUE = ["not known", "other groups"]
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
        title_of = attribute_title(str(attribute))
        rows = tuple(
            (
                str(r["group"]),
                share(r.get("trained")),
                count(r.get("n")),
                f"{count(r.get('R'))} / {count(r.get('NR'))}",
                estimate(r, "auc"),
                estimate(r, "calibration"),
                estimate(r, "abstains", percent=True),
                estimate(r, "missed", percent=True),
                _note(r),
            )
            for r in part.to_dict("records")
        )
        columns = (
            title_of[:1].upper() + title_of[1:],
            "Of training",
            "n",
            "R / NR",
            "AUC",
            "Observed − expected",
            "Abstains",
            "Missed",
            "Note",
        )
        words = f"By {title_of}, with 95% intervals; counts below five are not told"
        parts.append(Grid(words, columns, rows, ("Note",), folded=at > 1))
    return Section(
        "equity",
        title,
        tuple(parts),
        "Patients whose whole cohort the model had not seen. Observed − expected is the response rate less the "
        "mean probability: above 0, too few responses were predicted. Missed are the responders with a "
        "decision who were told no response. The p values are adjusted for all comparisons "
        "(Holm), and ask whether there is no difference in any cohort; an interval is of the mean difference.",
    )


def by_tumour(facts: CardFacts) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Part the tumours that a model was judged on: those that it is made for, and others.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    own, foreign : DataFrame
        Rows of the audit, without counts below five; both empty where nothing is known of the tumours.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> rows = [{"attribute": "tumour", "group": g, "n": 50, "R": 20, "NR": 30} for g in ("melanoma", "urothelial")]
    >>> own, foreign = by_tumour(CardFacts("m", "", INDICATIONS["melanoma_ici"], {"equity": rows}))
    >>> own["group"].tolist(), foreign["group"].tolist()
    (['melanoma'], ['urothelial'])
    """
    table = facts.kept("equity")
    if table is None or table.empty or isinstance(facts.spec, SelectionSpec) or not facts.spec.tumours:
        return pd.DataFrame(), pd.DataFrame()
    known = table[(table["attribute"] == "tumour") & ~table["group"].isin(_VAGUE)]
    known = suppressed(known) if len(known) else known
    own = known["group"].isin(list(facts.spec.tumours))
    return known[own], known[~own]


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
        by = f"By {attribute_title(str(attribute))}: {names} {text.replace('auc', 'AUC')}."
        gaps = [f"{r['group']}: {gap}" for r in part.to_dict("records") if (gap := _gaps(r, text))]
        said.append(f"{by} Against the other patients of the same cohorts, {'; '.join(gaps)}." if gaps else by)
    return said


def _gaps(row: Mapping[str, Any], text: str) -> str:
    """Print the gaps that stood, with their intervals and adjusted p values."""
    told = []
    for metric in METRICS:
        gap = estimate(row, f"{metric}_gap", percent=metric in SHARES)
        if metric in text and gap != NOTHING:
            told.append(f"{metric.replace('auc', 'AUC')} {gap}, {_p(row.get(f'{metric}_gap_p'))}")
    return ", ".join(told)


def _p(value: object) -> str:
    told = short(value, 3)
    return "p below .001" if told == ".000" else f"p {told}"


def _note(row: Mapping[str, Any]) -> str:
    """Print the note of a row; an interval that holds half of all there could be tells nothing, and is said to."""
    ends = [float("nan") if row.get(f"calibration_{e}") is None else float(row[f"calibration_{e}"]) for e in _ENDS]
    wide = "too few cohorts to tell observed − expected" if ends[1] - ends[0] > 1 else ""
    return "; ".join(filter(None, [str(row.get("note") or "").replace("auc", "AUC"), wide]))
