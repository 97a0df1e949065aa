"""How good a choice is when the outcome of every option is known: hits, precision, NDCG, regret, rank correlation.

Everywhere the outcome is lower = better, a lower score means an option is chosen earlier, and only options whose
outcome is known count: the choice is among them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from theracast.errors import DataError, UsageError


def choice_metrics(
    outcome: ArrayLike,
    score: ArrayLike,
    gain: ArrayLike | None = None,
    k: Sequence[int] = (1, 3, 5),
    least: int = 2,
    seed: int = 0,
) -> pd.DataFrame:
    """Judge the order of the options within each row.

    An option without a score comes after all that have one. Ties in the score fall in an order that `seed` chooses;
    ties in the outcome are equally good: any of the best is a hit.

    Parameters
    ----------
    outcome : array-like of shape (n_rows, n_options)
        Measured, lower = better; NaN where it was not measured: such an option does not take part.
    score : array-like of shape (n_rows, n_options)
        Lower = chosen earlier, in any unit.
    gain : array-like of shape (n_rows, n_options), optional
        What each option is worth to NDCG (Järvelin and Kekäläinen 2002, 10.1145/582415.582418), 0 or more, higher =
        better; discounted by log2 of the place + 1, without further transformation. No NDCG by default.
    k : sequence of int, default (1, 3, 5)
        How many options are chosen.
    least : int, default 2
        A row with fewer measured options, or with no score, is NaN throughout.
    seed : int, default 0
        Breaks ties.

    Returns
    -------
    DataFrame of float, one row per row
        ``measured``: options that take part; ``spearman``: rank correlation of score and outcome, -1 to 1, NaN when
        all scores tie; and for each k ``hit@k``: whether a best option is among the k; ``precision@k``: share of the k
        that are among the k best; ``ndcg@k``: 0-1, NaN when no option is worth anything; ``regret@k``: outcome of the
        best of the k less that of the best option, in units of the outcome, 0 or more, lower is better; ``chosen@k``:
        mean outcome of the k.

    Raises
    ------
    DataError
        On unequal shapes, or a gain below 0 or missing where the outcome is known.
    UsageError
        On k below 1.

    Examples
    --------
    >>> table = choice_metrics([[0.2, 0.5, np.nan, 0.9]], [[2.0, 1.0, 0.0, 3.0]], k=[1, 2])
    >>> table[["hit@1", "regret@1", "hit@2", "regret@2"]].round(2).values.tolist()
    [[0.0, 0.3, 1.0, 0.0]]
    """
    truth, order = np.asarray(outcome, dtype=np.float64), np.asarray(score, dtype=np.float64)
    worth = None if gain is None else np.asarray(gain, dtype=np.float64)
    for other, name in ((order, "score"), (truth if worth is None else worth, "gain")):
        if truth.ndim != 2 or other.shape != truth.shape:
            raise DataError("unequal shapes", where=f"outcome and {name}", got=f"{truth.shape} and {other.shape}")
    if not k or min(k) < 1:
        raise UsageError("at least one option must be chosen", got=str(list(k)))
    if worth is not None and not (worth[~np.isnan(truth)] >= 0).all():
        raise DataError("a gain is missing or below 0", where="gain", wanted="0 or more for each measured option")
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(len(truth)):
        known = np.flatnonzero(~np.isnan(truth[i]))
        row: dict[str, float] = {"measured": float(known.size)}
        if known.size >= max(least, 1) and not np.isnan(order[i, known]).all():
            said = np.where(np.isnan(order[i, known]), np.inf, order[i, known])
            placed = known[np.lexsort((rng.random(known.size), said))]
            row |= _judge(truth[i, placed], None if worth is None else worth[i, placed], said, truth[i, known], k)
        rows.append(row)
    names = [f"{m}@{q}" for q in k for m in ("hit", "precision", *(["ndcg"] if gain is not None else []), *_REST)]
    return pd.DataFrame(rows, columns=["measured", "spearman", *names], dtype=np.float64)


_REST = ("regret", "chosen")


def _judge(
    placed: np.ndarray, worth: np.ndarray | None, said: np.ndarray, true: np.ndarray, k: Sequence[int]
) -> dict[str, float]:
    best = np.sort(true)
    flat = (said == said[0]).all() or (true == true[0]).all()
    found = {"spearman": np.nan if flat else float(np.corrcoef(rankdata(said), rankdata(true))[0, 1])}
    for q in k:
        chosen, m = placed[:q], min(q, placed.size)
        found[f"hit@{q}"] = float(chosen.min() <= best[0])
        found[f"precision@{q}"] = float((chosen <= best[m - 1]).sum()) / m
        found[f"regret@{q}"] = float(chosen.min() - best[0])
        found[f"chosen@{q}"] = float(chosen.mean())
        if worth is not None:
            discount = 1 / np.log2(np.arange(2, m + 2))
            ideal = float(discount @ np.sort(worth)[::-1][:m])
            found[f"ndcg@{q}"] = float(discount @ worth[:m]) / ideal if ideal > 0 else np.nan
    return found
