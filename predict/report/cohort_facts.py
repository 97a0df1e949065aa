"""What the page of a cohort says of all its patients together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from theracast.models.base import OUTSIDE
from theracast.predict.explanation import Explanation
from theracast.predict.importance import ALL, importance, stability
from theracast.predict.records import Scores
from theracast.predict.report.beeswarm_plot import beeswarm_figure
from theracast.predict.report.dependence_plot import dependence_figure
from theracast.predict.report.frame import inline
from theracast.predict.report.importance_plot import importance_figure
from theracast.predict.report.printed import readable, signed

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


def weights(explanation: Explanation | None) -> dict[str, Any] | None:
    """Say what counts over all patients, cohort by cohort, and whether the cohorts agree.

    Parameters
    ----------
    explanation : Explanation or None
        Of several patients.

    Returns
    -------
    dict or None
        ``cohorts`` and ``rows``, the table of the blocks, with ``note`` and a mark of each; the pictures ``blocks``,
        ``swarm`` and ``dependence``, the last of the feature ``top``. None where fewer than two patients are explained.

    Examples
    --------
    >>> weights(None) is None
    True
    """
    if explanation is None or int(explanation.points.notna().all(axis=1).sum()) < 2:
        return None
    table, agreed = importance(explanation), stability(explanation, "block")
    blocks = table[table.level == "block"].pivot_table("points", "name", "cohort", sort=False, dropna=False)
    features = table[(table.level == "feature") & (table.cohort == ALL)].dropna(subset="points")
    top = str(features["name"].iloc[0])
    first = ", ".join(f"{readable(str(r['name']))} {100 * r['points']:.1f}" for r in features[:5].to_dict("records"))
    return {
        "cohorts": [str(c) for c in blocks.columns],
        "rows": [
            (str(name), [100 * float(v) for v in row], agreed.marks.get(str(name), ""))
            for name, row in blocks.iterrows()
        ],
        "tau": agreed.tau,
        "note": agreed.note,
        "blocks": inline(importance_figure(explanation), "Mean size of each block's points by cohort; table below"),
        "swarm": inline(
            beeswarm_figure(explanation),
            f"A dot per patient and feature: how far the value moved the probability. Mean size in points: {first}",
        ),
        "top": readable(top),
        "dependence": inline(
            dependence_figure(explanation, top),
            f"A dot per patient: value of {readable(top)} and the points it went with",
        ),
    }


def _named(group: list[str]) -> str:
    first = str(group[0])
    short = first if len(first) <= _SHORT else f"{first[:_SHORT]}…"
    return short if len(group) == 1 else f"mean of {len(group)} patients"
