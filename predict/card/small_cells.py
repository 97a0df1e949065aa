"""Small cells of a table of people: who is one of four may be known again, so fewer than five are not told."""

from __future__ import annotations

import pandas as pd

from theracast.models.subgroups import SMALLEST
from theracast.predict.card.said import NOTHING

_COUNTS = ("n", "R", "NR")
#: What stays of a group that is too small.
_KEPT = ("attribute", "group", "note")


def suppressed(table: pd.DataFrame) -> pd.DataFrame:
    """Blank what is told of fewer than five patients, and round what would give it away.

    The audit puts small groups together already; this holds for tables of any origin.

    Parameters
    ----------
    table : DataFrame
        One row per ``attribute`` and ``group``, with ``n``, ``R``, ``NR`` and figures.

    Returns
    -------
    DataFrame
        Rows of fewer than five patients have no figure; where responders or non-responders are fewer, neither count is
        told; the counts of an attribute with such a group are rounded to multiples of five.

    Examples
    --------
    >>> t = pd.DataFrame({"attribute": "sex", "group": ["f", "m"], "n": [3, 41], "R": [1, 20], "NR": [2, 21],
    ...                   "auc": [1.0, 0.6]})
    >>> suppressed(t)[["n", "R", "auc"]].values.tolist()
    [[nan, nan, nan], [40.0, 20.0, 0.6]]
    """
    out = table.copy()
    counts = [c for c in _COUNTS if c in out]
    figures = [c for c in out if c not in (*_KEPT, *counts) and pd.api.types.is_numeric_dtype(out[c])]
    out[counts] = out[counts].astype(float)
    small = (out["n"] < SMALLEST) if "n" in out else pd.Series(False, out.index)
    for _, part in out.groupby("attribute", sort=False) if "attribute" in out else ():
        if small[part.index].any():
            out.loc[part.index, counts] = (part[counts] / SMALLEST).round() * SMALLEST
    classes = [c for c in ("R", "NR") if c in out]
    out.loc[(table[classes] < SMALLEST).any(axis=1), classes] = float("nan")
    out.loc[small, [*counts, *figures]] = float("nan")
    return out


def count(value: object) -> str:
    """Print a count of people.

    Parameters
    ----------
    value : object
        Number, None or NaN.

    Returns
    -------
    str
        ``<5`` where it is smaller; a dash where it is not told.

    Examples
    --------
    >>> count(3), count(12), count(float("nan"))
    ('<5', '12', '–')
    """
    if value is None or value != value:
        return NOTHING
    number = float(value)  # type: ignore[arg-type]
    return f"<{SMALLEST}" if number < SMALLEST else f"{number:.0f}"
