"""What was found, in a few figures and a sentence: the head of a card."""

from __future__ import annotations

from theracast.models.fusion import SET_LEVEL
from theracast.models.ranking import RANKED
from theracast.predict.card.choices import choice_evidence
from theracast.predict.card.facts import CardFacts
from theracast.predict.card.groups import by_tumour
from theracast.predict.card.said import estimate, ours, overlapping


def key_figures(facts: CardFacts) -> tuple[tuple[str, str], ...]:
    """Pick the figures that stand at the head of a card.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    tuple of (str, str)
        Name and figure; empty where no validation was kept.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> key_figures(CardFacts("m", "", INDICATIONS["melanoma_ici"], {}))
    ()
    """
    validation = facts.validation
    mean = ours(validation.mean) if validation is not None else None
    if validation is None or mean is None:
        return ()
    found = [("mean AUC, cohorts not seen", estimate(mean, "auc")), ("cohorts", f"{mean['cohorts']:.0f}")]
    own, foreign = by_tumour(facts)
    if len(foreign):
        found += [(f"AUC, {r['group']} alone", estimate(r, "auc")) for r in own.to_dict("records")]
    if len(validation.coverage):
        cover = validation.coverage
        found.append(
            (f"{SET_LEVEL:.0%} sets hold, by cohort", f"{cover.coverage.min():.0%}–{cover.coverage.max():.0%}")
        )
        found.append(("sets hold both answers, by cohort", f"{cover.abstained.min():.0%}–{cover.abstained.max():.0%}"))
    return tuple(found)


def headline(facts: CardFacts) -> str:
    """Say in a sentence what was found.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    str
        Empty where no validation was kept.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> headline(CardFacts("m", "", INDICATIONS["melanoma_ici"], {}))
    ''
    """
    if facts.chooses:
        table = choice_evidence(facts)
        if table.empty:
            return ""
        ranked = int((table["state"] == RANKED).sum())
        if not ranked:
            return "No therapy can be ranked above another; each is shown with the reason why not"
        return f"{ranked} of {len(table)} therapies can be ranked; the others are shown with the reason why not"
    validation = facts.validation
    mean = ours(validation.mean) if validation is not None else None
    if validation is None or mean is None:
        return ""
    return f"Mean AUC {estimate(mean, 'auc')} on {mean['cohorts']:.0f} cohorts that it had not seen"


def compared(facts: CardFacts) -> str:
    """Say how that compares with what stands beside it.

    Parameters
    ----------
    facts : CardFacts
        Of the model.

    Returns
    -------
    str
        Empty where nothing stands beside it.

    Examples
    --------
    >>> from theracast.models.indications import INDICATIONS
    >>> compared(CardFacts("m", "", INDICATIONS["melanoma_ici"], {}))
    ''
    """
    return overlapping(facts.validation) if facts.validation is not None and not facts.chooses else ""
