"""What a model promised, and whether outcomes speak against it: three promises, judged as often as one likes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from theracast.models.estimates import Estimate, normal_quantile, wilson
from theracast.models.fusion import SET_LEVEL
from theracast.models.metrics import auc, calibration
from theracast.models.sequential import calibration_evidence, expected_gap, shortfall_evidence
from theracast.models.validate import MODEL, Validation

ALARM, QUIET, TOO_FEW = "alarm", "quiet", "too few"
#: Chance of any alarm, ever, while every promise holds; divided among the three.
ALPHA = 0.05
#: Probabilities that are off by less on average, and sets that hold the answer less often by less, are no alarm: a
#: calibration of a hundred patients leaves as much open.
SLACK = 0.05
#: Outcomes of each class without which probabilities are not judged.
CLASS_LEAST = 10
#: Natural logarithm of the evidence that makes an alarm of a promise, of three.
THRESHOLD = float(np.log(3 / ALPHA))
_POINTS = 100


@dataclass(frozen=True)
class Promise:
    """One promise, and what outcomes say of it.

    Attributes
    ----------
    name : str
        Such as ``probabilities``.
    state : str
        ``alarm``, ``quiet`` or ``too few``.
    why : str
        In words, with figures.
    n : int
        Outcomes that it was judged by.
    more : int
        How many more are needed to judge it; 0 when there are enough.
    evidence, threshold : float
        Natural logarithms of the evidence against the promise, and of what makes an alarm of it.
    path : tuple of (int, float)
        Outcomes, in the order of the scores, and the evidence after them.

    Examples
    --------
    >>> Promise("probabilities", "quiet", "", 200, 0, 0.1, 4.1).more
    0
    """

    name: str
    state: str
    why: str
    n: int
    more: int
    evidence: float
    threshold: float
    path: tuple[tuple[int, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Give it to a machine.

        Returns
        -------
        dict
            The attributes; the path as lists.

        Examples
        --------
        >>> Promise("probabilities", "quiet", "", 200, 0, 0.1, 4.1, ((1, 0.1),)).to_dict()["path"]
        [[1, 0.1]]
        """
        return {**asdict(self), "path": [list(pair) for pair in self.path]}


def promises(
    y: np.ndarray, p: np.ndarray, sets: np.ndarray, centre: float, precision: float = 0.1
) -> tuple[Promise, ...]:
    """Judge the three promises: probabilities are right, and the sets hold the answer of each class.

    An alarm wants three things: enough outcomes; evidence that, if the promise held, would ever be reached with a
    probability of `ALPHA` / 3, however often it is looked at; and a difference that matters (`SLACK`).

    Parameters
    ----------
    y, p : ndarray of shape (n_patients,)
        Outcome 0/1 and probability 0-1.
    sets : ndarray of str
        The label sets.
    centre : float
        Response rate around which slopes turn.
    precision : float, default 0.1
        Half width of the 95% interval that is enough.

    Returns
    -------
    tuple of Promise
        Of the probabilities, of the sets of responders, and of those of non-responders.

    Examples
    --------
    >>> y = np.array([1.0] * 90 + [0.0] * 10)
    >>> [q.state for q in promises(y, np.full(100, 0.3), np.full(100, "both"), 0.3)]
    ['alarm', 'quiet', 'too few']
    """
    out = [_probabilities(y, p, centre, precision)]
    for value, label, name in ((1, "response", "sets of responders"), (0, "no_response", "sets of non-responders")):
        mine = sets[y == value]
        missed = (~np.isin(mine, (label, "both"))).astype(float)
        out.append(_sets(name, missed, precision))
    return tuple(out)


def _probabilities(y: np.ndarray, p: np.ndarray, centre: float, precision: float) -> Promise:
    name, n, z = "probabilities", len(y), normal_quantile(0.95)
    spread = float(np.mean(p * (1 - p))) if n else 0.25
    wanted = int(np.ceil(spread * (z / precision) ** 2))
    short = [max(0, CLASS_LEAST - int((y == c).sum())) for c in (1, 0)]
    more = max(wanted - n, sum(short), 0)
    path = _path(n, lambda at: calibration_evidence(y, p, centre, at))
    evidence = path[-1][1] if path else 0.0
    if more:
        each = f", of each class {CLASS_LEAST} or more" if sum(short) else ""
        why = f"{n} outcomes; {more} more would tell the response rate to ±{_POINTS * precision:.0f} points{each}"
        return Promise(name, TOO_FEW, why, n, more, evidence, THRESHOLD, path)
    slope, intercept = calibration(y, p)
    # where no slope can be fitted, the response rate alone is judged
    b, a = (1.0, intercept.value) if np.isnan(slope.value) else _line(y, p)
    gap = expected_gap(p, b, a)
    rates = f"{_POINTS * y.mean():.0f}% responded, {_POINTS * p.mean():.0f}% expected"
    why = f"off by {_POINTS * gap:.0f} points on average; {rates}"
    broken = evidence >= THRESHOLD and gap >= SLACK
    return Promise(name, ALARM if broken else QUIET, why, n, 0, evidence, THRESHOLD, path)


def _sets(name: str, missed: np.ndarray, precision: float) -> Promise:
    n = len(missed)
    wanted = int(np.ceil(SET_LEVEL * (1 - SET_LEVEL) * (normal_quantile(0.95) / precision) ** 2))
    promised = 1 - SET_LEVEL + SLACK
    path = _path(n, lambda at: shortfall_evidence(missed, promised, at))
    evidence = path[-1][1] if path else 0.0
    if n < wanted:
        why = f"{n} outcomes; {wanted - n} more would tell the coverage to ±{_POINTS * precision:.0f} points"
        return Promise(name, TOO_FEW, why, n, wanted - n, evidence, THRESHOLD, path)
    why = f"held the answer of {_POINTS * (1 - missed.mean()):.0f}% (promised: {_POINTS * SET_LEVEL:.0f}%)"
    return Promise(name, ALARM if evidence >= THRESHOLD else QUIET, why, n, 0, evidence, THRESHOLD, path)


def _path(n: int, evidence: Any, most: int = 100) -> tuple[tuple[int, float], ...]:
    """Walk along the outcomes in at most a hundred steps."""
    if not n:
        return ()
    at = np.unique(np.linspace(1, n, min(n, most)).astype(int))
    return tuple((int(k), float(v)) for k, v in zip(at, evidence(at), strict=True))


def _line(y: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Slope and intercept of a logistic regression on the log-odds, both free."""
    x = logit(np.clip(p, 1e-6, 1 - 1e-6))
    slope = calibration(y, p)[0].value
    return slope, calibration(y, expit(slope * x))[1].value


# ---------------------------------------------------------------- figures that stand beside


def measures(
    y: np.ndarray,
    judged: pd.DataFrame,
    everyone: pd.DataFrame,
    prior: float,
    validation: Validation | None,
    reference: pd.DataFrame | None,
) -> pd.DataFrame:
    """Lay out the figures, with what validation or earlier scores had.

    Parameters
    ----------
    y : ndarray
        Outcomes of `judged`.
    judged, everyone : DataFrame
        Scores of those with an outcome, and of all.
    prior : float
        Response rate that the model assumed.
    validation : Validation or None
        Of the model.
    reference : DataFrame or None
        Earlier scores.

    Returns
    -------
    DataFrame
        As `theracast.predict.monitor.Monitoring.measures`; NaN where nothing can be estimated.

    Examples
    --------
    >>> one = pd.DataFrame({"probability": [0.2], "set": ["both"], "decision": ["abstain"]}, index=["a"])
    >>> measures(np.array([0.0]), one, one, 0.3, None, None)["measure"].iloc[0]
    'observed over expected responses'
    """
    p, sets = judged["probability"].to_numpy(float), judged["set"].astype(str).to_numpy()
    n = len(y)
    slope, intercept = calibration(y, p)
    lost = (p - y) ** 2
    rows = [
        ("observed over expected responses", *_over(y, p), "", n, "1 is ideal"),
        ("calibration intercept, log-odds", *_parts(intercept), "", n, "0 is ideal; below 0 too many were promised"),
        ("calibration slope", *_parts(slope), _range(validation, "calibration_slope"), n, "1 is ideal"),
        ("AUC", *_parts(auc(y, p)), _mean_auc(validation), n, "0.5 is a coin"),
        ("Brier score", *_mean(lost), _range(validation, "brier"), n, "lower is better"),
    ]  # fmt: skip
    if 0 <= prior <= 1:
        beaten = (prior - y) ** 2 - lost
        rows.append(("gain in Brier score over the assumed rate", *_mean(beaten), "", n, "above 0 is better"))
    for value, label, name in ((1, "response", "responders"), (0, "no_response", "non-responders")):
        mine = sets[y == value]
        held = np.isin(mine, (label, "both"))
        before = _range(validation, f"coverage_{label}", "coverage")
        note = f"{SET_LEVEL:.0%} is promised"
        rows.append((f"sets that hold the answer, {name}", *_share(held.sum(), len(mine)), before, len(mine), note))
    abstained = everyone["decision"].astype(str) == "abstain"
    before = _range(validation, "abstained", "coverage")
    if reference is not None:
        before = f"{(reference['decision'].astype(str) == 'abstain').mean():.2f} in the earlier scores"
    rows.append(("abstained, of all scored", *_share(int(abstained.sum()), len(everyone)), before, len(everyone), ""))
    rest = everyone.drop(index=judged.index)["probability"].dropna().to_numpy(float)
    rows.append(("mean probability, outcome known", *_mean(p), "", n, ""))
    note = "if far from the line above, outcomes are told for some kinds of patients sooner"
    rows.append(("mean probability, not judged", *_mean(rest), "", len(rest), note))
    return pd.DataFrame(rows, columns=["measure", "value", "lower", "upper", "before", "n", "note"])


def _parts(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.lower, estimate.upper


def _mean(values: np.ndarray) -> tuple[float, float, float]:
    if len(values) < 2:
        return (float(values.mean()) if len(values) else float("nan"), float("nan"), float("nan"))
    half = normal_quantile(0.95) * float(values.std(ddof=1)) / np.sqrt(len(values))
    middle = float(values.mean())
    return middle, middle - half, middle + half


def _share(successes: int, n: int) -> tuple[float, float, float]:
    if not n:
        return (float("nan"),) * 3
    low, high = wilson(successes, n)
    return float(successes / n), float(low), float(high)


def _over(y: np.ndarray, p: np.ndarray) -> tuple[float, float, float]:
    expected = float(p.mean()) if len(p) else 0.0
    if not expected:
        return (float("nan"),) * 3
    value, low, high = _share(int(y.sum()), len(y))
    return value / expected, low / expected, high / expected


def _range(validation: Validation | None, column: str, table: str = "table") -> str:
    """Give the range over the cohorts that the model had not seen."""
    if validation is None:
        return ""
    rows = getattr(validation, table)
    if table == "table" and "model" in rows:
        rows = rows[rows["model"] == MODEL]
    known = rows[column].dropna() if column in rows else pd.Series(dtype=float)
    return f"{known.min():.2f} to {known.max():.2f} over {len(known)} cohorts" if len(known) else ""


def _mean_auc(validation: Validation | None) -> str:
    if validation is None or "model" not in validation.mean:
        return ""
    ours = validation.mean[validation.mean["model"] == MODEL]
    if not len(ours):
        return ""
    r = ours.iloc[0]
    return f"{r['auc']:.2f} ({r['auc_lower']:.2f} to {r['auc_upper']:.2f}), mean over cohorts"
