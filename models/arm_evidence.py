"""How well each therapy's model orders patients that it did not see, and whether that is enough to choose by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit

from theracast.models.heads import calibrate
from theracast.models.metrics import auc, brier
from theracast.models.ranking import INSUFFICIENT, RANKED
from theracast.models.treated_cohort import Treated

_NAN = float("nan")


def arm_evidence(
    data: Treated, scores: np.ndarray, therapies: Sequence[str], min_treated: int, level: float
) -> pd.DataFrame:
    """Judge each therapy's model by the patients who got the therapy.

    Parameters
    ----------
    data : Treated
        Patients.
    scores : ndarray of float64, shape (n, k)
        By models that did not see the patient.
    therapies : sequence of str, length k
        Names.
    min_treated : int
        A therapy with fewer patients is insufficient.
    level : float
        Coverage of the AUC's interval.

    Returns
    -------
    DataFrame
        One line per therapy: ``therapy``, ``n``, ``responders``, ``rate``, ``auc``, ``auc_lower``, ``auc_upper``
        (higher is better, .5 is no skill), ``brier`` (lower is better; calibrated without the patient's fold),
        ``brier_rate`` (of the rate alone, without the patient's fold), ``state`` (ranked or insufficient), ``reason``.

    Examples
    --------
    >>> arm, y = np.zeros(8, dtype=int), np.array([0.0, 1.0] * 4)
    >>> data = Treated(np.zeros((8, 1)), arm, y, np.arange(8) // 2, np.ones((8, 1)), (True,), 0)
    >>> arm_evidence(data, y[:, None], ["drug"], 20, 0.9).reason[0]
    '8 got it; at least 20 are asked'
    """
    lines = []
    for k, therapy in enumerate(therapies):
        mine = data.arm == k
        y, n = data.y[mine], int(mine.sum())
        line = {"therapy": therapy, "n": n, "responders": int(y.sum()), "rate": float(y.mean())}
        figures = dict.fromkeys(("auc", "auc_lower", "auc_upper", "brier", "brier_rate"), _NAN)
        if data.enough[k]:
            found = auc(y, scores[mine, k], level)
            figures = {"auc": found.value, "auc_lower": found.lower, "auc_upper": found.upper}
            figures |= _briers(y, scores[mine, k], data.folds[mine])
        reason = ""
        if n < min_treated:
            reason = f"{n} got it; at least {min_treated} are asked"
        elif y.min() == y.max():
            reason = f"all who got it {'responded' if y[0] else 'failed to respond'}"
        elif not data.enough[k]:
            reason = f"{int(min(y.sum(), n - y.sum()))} patients of the rarer outcome are too few to learn from"
        elif not figures["auc_lower"] > 0.5:
            reason = f"no signal to choose by: AUC {found} in held-out patients"
        lines.append({**line, **figures, "state": INSUFFICIENT if reason else RANKED, "reason": reason})
    return pd.DataFrame(lines)


def pack_evidence(evidence: pd.DataFrame) -> list[dict[str, Any]]:
    """Write evidence as plain values, JSON-ready.

    Parameters
    ----------
    evidence : DataFrame
        From `arm_evidence`.

    Returns
    -------
    list of dict
        One per therapy; what could not be estimated is None.

    Examples
    --------
    >>> pack_evidence(pd.DataFrame({"therapy": ["drug"], "auc": [np.nan]}))
    [{'therapy': 'drug', 'auc': None}]
    """
    return evidence.astype(object).where(evidence.notna(), None).to_dict("records")


def unpack_evidence(packed: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Read evidence back.

    Parameters
    ----------
    packed : sequence of mapping
        From `pack_evidence`, also after a trip through JSON.

    Returns
    -------
    DataFrame
        As `arm_evidence` gave it.

    Examples
    --------
    >>> unpack_evidence([{"therapy": "drug", "auc": None}]).auc.isna().tolist()
    [True]
    """
    evidence = pd.DataFrame(packed)
    numbers = [c for c in evidence if c not in ("therapy", "state", "reason", "n", "responders")]
    return evidence.astype(dict.fromkeys(numbers, np.float64))


def _briers(y: np.ndarray, score: np.ndarray, folds: np.ndarray) -> dict[str, float]:
    p, rate = np.empty((2, len(y)))
    for f in np.unique(folds):
        out = folds == f
        head = calibrate(score[~out], y[~out])
        p[out], rate[out] = expit(head.intercept + head.slope * score[out]), y[~out].mean()
    return {"brier": brier(y, p), "brier_rate": brier(y, rate)}
