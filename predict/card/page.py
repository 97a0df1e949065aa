"""A card as one self-contained page."""

from __future__ import annotations

from markupsafe import Markup

from theracast.predict.card.parts import Card, Picture
from theracast.predict.card.writers import TITLES, WORDING, account, open_items, open_line
from theracast.predict.report.frame import inline, render


def card_page(card: Card) -> str:
    """Write a card as HTML: the findings first, then what they rest on, then the checklists and what is open.

    Parameters
    ----------
    card : Card
        The card.

    Returns
    -------
    str
        HTML that loads nothing; every text is escaped.

    Examples
    --------
    >>> "&lt;b&gt;" in card_page(Card("m", "a <b>", "1", "ab", "2026-01-31", "", (), ()))
    True
    """
    figures = {id(p): _drawn(p) for s in card.sections for p in s.parts if isinstance(p, Picture)}
    return render(
        "card.html.jinja",
        spec=card,
        card=card,
        figures=figures,
        identify=id,
        titles=TITLES,
        wording=WORDING,
        account=account(card),
        left=[(c, a) for c, a in open_items(card)],
        said=open_line(card),
        sections={s.name: s.title for s in card.sections},
    )


def _drawn(picture: Picture) -> Markup:
    return inline(picture.draw(), picture.words)
