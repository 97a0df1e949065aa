"""What was sequenced of a tumour: the genes a panel reads, and the megabases its burden is counted over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN, Problem
from theracast.features.symbols import approved
from theracast.features.tables import load_table

#: All coding genes. Its size is a parameter of the blocks.
EXOME = "exome"
#: A panel that is in no list.
OTHER = "?"
_EXOME = re.compile(r"\b(whole[ -]?)?(exome|genome)\b|\bw[eg]s\b")
_ALIASES = {"f1cdx": "FoundationOneCDx"}


def panel_names(words: pd.Series) -> pd.Series:
    """Recognise panels however they are written.

    Parameters
    ----------
    words : Series of str
        Lower-case words; empty is unknown.

    Returns
    -------
    Series of str
        A name of ``features/tables/gene_panels.csv``, ``exome``, empty where unknown, or ``?`` for another panel.

    Examples
    --------
    >>> panel_names(pd.Series(["msk-impact 468", "wes", "", "our own"])).tolist()
    ['MSK-IMPACT468', 'exome', '', '?']
    """
    known = {_key(name): name for name in load_table("gene_panels")["panel"]}
    known |= {_key(alias): name for alias, name in _ALIASES.items()}

    def _name(word: str) -> str:
        if word in UNKNOWN:
            return ""
        return EXOME if _EXOME.search(word) else known.get(_key(word), OTHER)

    return words.map(_name).astype(object)


def panel_mb(names: pd.Series, exome_mb: float) -> pd.Series:
    """Return the megabases of each panel.

    Parameters
    ----------
    names : Series of str
        As `panel_names` gives them.
    exome_mb : float
        Size of an exome.

    Returns
    -------
    Series of float64
        NaN where unknown.

    Examples
    --------
    >>> panel_mb(pd.Series(["MSK-IMPACT468", "exome", "?"]), 50.0).tolist()
    [1.22, 50.0, nan]
    """
    sizes = {**load_table("gene_panels").set_index("panel")["mb"].to_dict(), EXOME: exome_mb}
    return names.map(sizes).astype(np.float64)


def panel_genes(words: pd.Series, genes: Iterable[str], own: Mapping[str, Sequence[str]] | None = None) -> pd.DataFrame:
    """Say which genes each patient's panel reads.

    Parameters
    ----------
    words : Series of str
        Names of panels, in lower case, as written.
    genes : iterable of str
        Approved symbols.
    own : mapping of str to sequence of str, optional
        Further panels and their genes.

    Returns
    -------
    DataFrame of bool, shape (n_patients, n_genes)
        False also where nobody knows.

    Examples
    --------
    >>> panel_genes(pd.Series(["msk-impact341", "exome", ""]), ["BRAF", "SERPINB3"]).values.tolist()
    [[True, False], [True, True], [False, False]]
    """
    genes = list(genes)
    names = panel_names(words)
    lists = {n: text.split(":") for n, text in load_table("gene_panels").set_index("panel")["genes"].items()}
    covered = pd.DataFrame(False, index=words.index, columns=genes)
    covered[(names == EXOME).to_numpy()] = True
    mine = {str(n): (names == n, members) for n, members in lists.items()}
    mine |= {n: (words == n.strip().lower(), members) for n, members in (own or {}).items()}
    for rows, members in mine.values():
        if rows.any():
            covered.loc[rows.to_numpy()] = np.isin(genes, approved(members))
    return covered


def panel_problems(where: str, words: pd.Series, size: pd.Series, own: Iterable[str] = ()) -> list[Problem]:
    """Refuse panels that nobody knows the size of: a misspelt one would otherwise be read as none.

    Parameters
    ----------
    where : str
        Table and column, for the message.
    words : Series of str
        What was written, in lower case.
    size : Series of float
        Megabases given beside it; a panel with a size may have any name.
    own : iterable of str
        Names of further panels.

    Returns
    -------
    list of Problem
        THX-D20 by row, or none.

    Examples
    --------
    >>> words, size = pd.Series(["impct"], index=["p"]), pd.Series([np.nan], index=["p"])
    >>> panel_problems("mutations:panel", words, size)[0].code
    'THX-D20'
    """
    mine = {name.strip().lower() for name in own}
    odd = ((panel_names(words) == OTHER) & size.isna() & ~words.isin(mine)).to_numpy()
    if not odd.any():
        return []
    known = ", ".join([*load_table("gene_panels")["panel"], EXOME])
    what = f"is a panel that is not known here; known: {known}. For another one give its size in panel_mb"
    return [Problem("THX-D20", where, what, tuple(int(i) for i in np.flatnonzero(odd)))]


def _key(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower()).removeprefix("msk")
