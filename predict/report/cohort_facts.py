"""What the page of a cohort says of all its patients together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from theracast.models.base import OUTSIDE
from theracast.predict.explanation import Explanation
from theracast.predict.records import Scores
from theracast.predict.report.printed import signed

#: Columns of the heat strip; with more patients than this, neighbours share one.
STRIP = 240
#: Characters of an id that stand beside a value of the strip.
_SHORT = 24


def outside(scores: Scores) -> dict[str, int]:
    """Count the patients who are out of domain, by the reason.

    Parameters
    ----------
    scores : Scores
        Of a cohort.

    Returns
    -------
    dict of str to int
        The commonest reason first.

    Examples
    --------
    >>> outside(Scores(pd.DataFrame({"reason": ["out of domain: renal", ""]}), pd.DataFrame(), 2))
    {'out of domain: renal': 1}
    """
    reasons = scores.table.get("reason", pd.Series(dtype=object)).astype(str)
    return {str(r): int(n) for r, n in reasons[reasons.str.startswith(OUTSIDE)].value_counts().items()}


def strip(explanation: Explanation | None) -> dict[str, Any] | None:
    """Lay out the points of each block along the patients, from the least to the most probable response.

    Parameters
    ----------
    explanation : Explanation or None
        Of several patients.

    Returns
    -------
    dict or None
        ``blocks``: name, mean size in percentage points, and one cell per column, each with its colour in [-1, 1] and
        what it stands for. None where nothing is explained.

    Examples
    --------
    >>> strip(None) is None
    True
    """
    if explanation is None:
        return None
    points = explanation.by_block()[explanation.points.notna().all(axis=1)]
    if points.empty:
        return None
    order = explanation.probability[points.index].sort_values(kind="stable").index
    groups = np.array_split(order, min(len(order), STRIP))
    means = pd.DataFrame([points.loc[g].mean() for g in groups])
    top = max(float(means.abs().to_numpy().max()), 1e-9)
    names = [_named(list(g)) for g in groups]
    return {
        "n": len(order),
        "columns": len(groups),
        "shared": len(order) > len(groups),
        "top": 100 * top,
        "blocks": [
            (
                b,
                100 * float(points[b].abs().mean()),
                [
                    (round(float(v) / top, 2), f"{name}: {b} {signed(100 * float(v))}")
                    for name, v in zip(names, means[b], strict=True)
                ],
            )
            for b in points
        ],
    }


def _named(group: list[str]) -> str:
    first = str(group[0])
    short = first if len(first) <= _SHORT else f"{first[:_SHORT]}…"
    return short if len(group) == 1 else f"mean of {len(group)} patients"
