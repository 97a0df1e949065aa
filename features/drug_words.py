"""Drug words: what a cell says about treatment, laid out in names, before any of them is looked up."""

from __future__ import annotations

import html
import re
import unicodedata

import pandas as pd

from theracast.checks import UNKNOWN

#: Longer than any regimen; more of a cell is not looked at, so that hostile text costs no time.
LONGEST = 300
#: Ends what was cut off: no name has it, so that nothing is read from half a cell.
_CUT = "\ufffd"

_MARKS = re.compile("[®™©℠]|\\((?:r|tm|c)\\)", re.IGNORECASE)
_DASHES = re.compile("[\u00ad\u2010-\u2015\u2212\ufe58\ufe63\uff0d]")
_EITHER = re.compile(r"pd-? ?\(l\) ?-?1")
_GREEK = str.maketrans({"α": "alpha", "β": "beta", "γ": "gamma", "µ": "u", "μ": "u"})
#: Signs that a name may have or lack; '+', '/', '→', '?' and brackets are none of them.
_NOT_IN_KEY = re.compile(r"[\s_.'\"`’-]+")
_DOSE = re.compile(
    r"(?<![\w-])\d{1,6}(?:[.,]\d{1,4})? ?(?:mg|mcg|ug|g|ml|iu|units?)"
    r"(?: ?(?:/|per) ?(?:kg|m2|ml|day|d|week|wk|w|month|dose))?(?![\w-])"
)
_IDLE = re.compile(
    r"(?<![\w-])(?:treatment|therapy|monotherapy|alone|only|biosimilar|originator|iv|sc|po|im|orally|oral|subcutaneous(?:ly)?|"
    r"intravenous(?:ly)?|injections?|infusions?|tablets?|capsules?|pen|syringe|daily|weekly|monthly|od|bd|bid|qd|qw|"
    r"q\d{1,2}w|once|twice|a|per|week|day|eow)(?![\w-])"
)
_BRACKETS = re.compile(r"\(([^()\[\]]*)\)|\[([^()\[\]]*)\]")
_CHOICE = re.compile(r"\b(?:or|then|versus|vs|followed by|switched to|switch to|not|no|without|after|before)\b|[→>]")
#: From the strongest to the weakest: a slash and a dash stand inside names too.
JOINTS = (
    re.compile(r" ?(?:[+,;&|]|\b(?:and|with|plus|combined with|in combination with)\b)(?: ?\b(?:and|with|plus)\b)? ?"),
    re.compile("/"),
    re.compile("-"),
)


def is_missing(text: object) -> bool:
    """Say whether a cell says nothing, which is not the same as an unknown drug.

    Parameters
    ----------
    text : object
        A cell.

    Returns
    -------
    bool
        True for an empty cell, NaN, a dash, and words such as 'unknown'.

    Examples
    --------
    >>> [is_missing(t) for t in (None, " ", "-", "N/A", "unknown", "MTX")]
    [True, True, True, True, True, False]
    """
    if pd.api.types.is_scalar(text) and pd.isna(text):
        return True
    said = plain(text)
    # mgh2022_mel writes 'unknow'
    return said in UNKNOWN or said in {"unknow", "none given"} or not (names_something(said) or _CUT in said)


def plain(text: object) -> str:
    """Write a cell plainly: lower case, one kind of dash and of space, no trademark signs, no HTML.

    Parameters
    ----------
    text : object
        A cell.

    Returns
    -------
    str
        About `LONGEST` characters at most; what was cut off ends in a sign that no name has.

    Examples
    --------
    >>> plain(" Humira&reg;\u00a0– TNF\u03b1 ")
    'humira - tnfalpha'
    """
    said = _MARKS.sub(" ", html.unescape(_at_most(str(text))))
    said = _DASHES.sub("-", unicodedata.normalize("NFKC", said)).casefold().translate(_GREEK)
    said = "".join(c for c in unicodedata.normalize("NFKD", said) if unicodedata.category(c) not in {"Mn", "Cf"})
    said = "".join(" " if c == "_" or unicodedata.category(c) == "Cc" else c for c in said)
    return _EITHER.sub("pd-1/pd-l1", _at_most(" ".join(said.split())))


def _at_most(text: str) -> str:
    return text if len(text) <= LONGEST + len(_CUT) else text[:LONGEST] + _CUT


def key(text: str) -> str:
    """Reduce a name to its letters and digits; signs that join, part or doubt stay.

    Parameters
    ----------
    text : str
        As `plain` writes it, or as a table spells it.

    Returns
    -------
    str
        Names with one key are one name.

    Examples
    --------
    >>> key("Certolizumab-pegol"), key("5-ASA"), key("MTX + ?")
    ('certolizumabpegol', '5asa', 'mtx+?')
    """
    return _NOT_IN_KEY.sub("", text.casefold())


def names_something(text: str) -> bool:
    """Say whether a text has a letter or a digit.

    Parameters
    ----------
    text : str
        Any.

    Returns
    -------
    bool
        False for '', '-' and '?'.

    Examples
    --------
    >>> names_something(" ? "), names_something("5-ASA")
    (False, True)
    """
    return any(c.isalnum() for c in text)


def without_dose(text: str) -> str:
    """Leave out the dose, the route and words that name no drug.

    Parameters
    ----------
    text : str
        As `plain` writes it.

    Returns
    -------
    str
        May be empty.

    Examples
    --------
    >>> without_dose("tocilizumab 8 mg/kg iv"), without_dose("adalimumab 40 mg sc eow + mtx")
    ('tocilizumab', 'adalimumab + mtx')
    """
    return " ".join(_IDLE.sub(" ", _DOSE.sub(" ", text)).split())


def names_choice(text: str) -> bool:
    """Say whether a text names alternatives, an order in time or what was not given, not one combination.

    Parameters
    ----------
    text : str
        As `plain` writes it.

    Returns
    -------
    bool
        True means that it cannot be one regimen.

    Examples
    --------
    >>> names_choice("mtx then lef"), names_choice("mtx and/or lef"), names_choice("mtx and lef")
    (True, True, False)
    """
    return bool(_CHOICE.search(text))


def bracketed(text: str) -> tuple[str, list[str]]:
    """Part what stands in brackets from the rest.

    Parameters
    ----------
    text : str
        As `plain` writes it.

    Returns
    -------
    rest : str
        The text without its brackets.
    inside : list of str
        What stood in them.

    Examples
    --------
    >>> bracketed("methotrexate (mtx) + etanercept [enbrel]")
    ('methotrexate + etanercept', ['mtx', 'enbrel'])
    """
    inside = [a or b for a, b in _BRACKETS.findall(text)]
    return " ".join(_BRACKETS.sub(" ", text).split()), inside


def joined(text: str, words: tuple[str, ...]) -> list[str]:
    """Take apart words that were written without a gap.

    Parameters
    ----------
    text : str
        A key.
    words : tuple of str
        Keys that may stand in it; none is the beginning of another.

    Returns
    -------
    list of str
        At least two of the words, each once; empty when the text is not made of them.

    Examples
    --------
    >>> joined("mtxlefhcq", ("mtx", "lef", "hcq")), joined("mtxx", ("mtx", "lef", "hcq"))
    (['mtx', 'lef', 'hcq'], [])
    """
    found: list[str] = []
    while text:
        first = next((w for w in words if text.startswith(w)), "")
        if not first:
            return []
        found.append(first)
        text = text[len(first) :]
    return found if 1 < len(found) == len(set(found)) else []
