"""Time to an event: Kaplan-Meier, Harrell's concordance, and the Brier score under censoring.

Everywhere ``time`` is the time to event or end of observation in any unit, ``event`` is 1 = happened and 0 = censored.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from theracast.errors import DataError
from theracast.kernels.ranks import sorted_genes
from theracast.kernels.survival import concordance_counts
from theracast.models.estimates import read_columns

#: Below it numpy's sort is quicker than waking the threads of a kernel.
_SHORT = 4096


def kaplan_meier(time: ArrayLike, event: ArrayLike) -> pd.DataFrame:
    """Kaplan-Meier estimate of survival (10.1080/01621459.1958.10501452).

    Parameters
    ----------
    time, event : array-like of shape (n_patients,)
        See the head of this module.

    Returns
    -------
    DataFrame
        One row per distinct time, ascending, with columns ``at_risk``, ``events``, ``censored`` and ``survival``, the
        share still free of the event right after that time.

    Raises
    ------
    DataError
        On missing or negative times, unequal lengths, or events other than 0 and 1.

    Examples
    --------
    >>> kaplan_meier([1, 2, 2, 3], [1, 1, 0, 1])["survival"].to_dict()
    {1.0: 0.75, 2.0: 0.5, 3.0: 0.0}
    """
    times, happened = _read(time, event)
    order, fresh = _ascending(times)
    begins = np.flatnonzero(fresh)
    past = np.append(0, np.cumsum(happened[order], dtype=np.int64))
    events = np.diff(past[np.append(begins, times.size)])
    at_risk = times.size - begins
    censored = at_risk - np.append(at_risk[1:], 0)[: begins.size] - events
    survival = np.cumprod(1 - events / at_risk)
    columns = {"at_risk": at_risk, "events": events, "censored": censored, "survival": survival}
    return pd.DataFrame(columns, index=pd.Index(times[order[begins]], name="time"))


def concordance(time: ArrayLike, event: ArrayLike, risk: ArrayLike, strata: ArrayLike | None = None) -> float:
    """Harrell's C: the chance that of two patients the one with the higher risk has the event first.

    Ties in risk count half. Pairs of which nobody knows who went first are left out, as are events at one time; an
    event counts as before a censoring at the same time.

    Parameters
    ----------
    time, event : array-like of shape (n_patients,)
        See the head of this module.
    risk : array-like of shape (n_patients,)
        Higher means an earlier event; in any unit.
    strata : array-like of shape (n_patients,), optional
        Only patients of one stratum are compared, such as those of one tumour type.

    Returns
    -------
    float
        On 0-1, .5 is no skill; NaN when no pair can be compared.

    Raises
    ------
    DataError
        As `kaplan_meier`, and on missing risks.

    Examples
    --------
    >>> concordance([2, 5, 9], [1, 1, 0], [0.9, 0.9, 0.1])
    0.8333333333333334
    """
    times, happened, risks = _read(time, event, risk)
    if strata is None:
        right, tied, pairs = _counts(times, happened, risks)
    else:
        among = np.asarray(strata)
        if among.shape != times.shape:
            raise DataError("unequal lengths", where="time, strata", got=f"{times.size}, {among.size}")
        groups = [among == s for s in np.unique(among)]
        right, tied, pairs = sum((_counts(times[g], happened[g], risks[g]) for g in groups), np.zeros(3, np.int64))
    return float((right + tied / 2) / pairs) if pairs else float("nan")


def brier_ipcw(time: ArrayLike, event: ArrayLike, survival: ArrayLike, horizon: float) -> float:
    """Brier score of predicted survival at a horizon, weighted by the inverse probability of being observed.

    Graf 1999 (10.1002/(SICI)1097-0258(19990915/30)18:17/18<2529::AID-SIM274>3.0.CO;2-5): those with the event by the
    horizon weigh ``1 / G(T-)``, those beyond it ``1 / G(horizon)``, those censored before it 0, with ``G`` the
    Kaplan-Meier estimate of the censoring of these patients. (scikit-survival takes ``G(T)`` for ``G(T-)``, which
    differs where an event and a censoring share a time.)

    Parameters
    ----------
    time, event : array-like of shape (n_patients,)
        See the head of this module.
    survival : array-like of shape (n_patients,)
        Predicted probability to be free of the event at the horizon.
    horizon : float
        In the unit of `time`.

    Returns
    -------
    float
        On 0-1 (nearly: weights are estimates), lower is better; NaN when nobody can be judged at the horizon.

    Raises
    ------
    DataError
        As `kaplan_meier`, and on probabilities outside 0-1.

    Examples
    --------
    >>> round(brier_ipcw([1, 2, 3, 4], [1, 0, 1, 1], [0.1, 0.8, 0.6, 0.9], 2.5), 5)
    0.06625
    """
    told = outcome_until(time, event, horizon)
    (alive,) = read_columns(p=survival)
    if alive.size != len(told):
        raise DataError("unequal lengths", where="time, survival", got=f"{len(told)}, {alive.size}")
    if not told["weight"].any():
        return float("nan")
    lost = np.where(told["y"] == 1, alive, 1 - alive) ** 2 * told["weight"]
    return float(lost.mean())


def outcome_until(time: ArrayLike, event: ArrayLike, horizon: float) -> pd.DataFrame:
    """Say who had the event by a horizon, with weights that make up for those lost before it.

    With these weights `theracast.models.resampling.aucs` is the area at the horizon: cases are those with the event
    until then, controls those beyond it (cumulative/dynamic).

    Parameters
    ----------
    time, event : array-like of shape (n_patients,)
        See the head of this module.
    horizon : float
        In the unit of `time`; an event on that very time counts.

    Returns
    -------
    DataFrame
        One row per patient: ``y`` (1, 0; NaN when lost before the horizon) and ``weight``, 1 over the probability not
        to have been lost until the event or the horizon (Kaplan-Meier of the censoring of these patients); 0 for those
        lost.

    Raises
    ------
    DataError
        As `kaplan_meier`.

    Examples
    --------
    >>> outcome_until([4, 5, 9], [0, 1, 0], 7).round(2).values.tolist()
    [[nan, 0.0], [1.0, 1.5], [0.0, 1.5]]
    """
    times, happened = _read(time, event)
    # at one time events come before censorings: those who had one are no longer at risk of being censored
    table = kaplan_meier(times, happened)
    staying = table["at_risk"] - table["events"]
    observed = np.append(1.0, np.cumprod(1 - table["censored"] / staying.where(staying > 0, 1)))
    known = table.index.to_numpy()
    before, late = observed[np.searchsorted(known, times)], observed[np.searchsorted(known, horizon, side="right")]
    gone, beyond = (times <= horizon) & (happened == 1), times > horizon
    # before an event, and while somebody is beyond the horizon, not all can have been lost
    weight = np.where(gone, 1 / np.where(gone, before, 1), np.where(beyond, 1 / (late if late > 0 else 1), 0.0))
    return pd.DataFrame({"y": np.where(gone, 1.0, np.where(beyond, 0.0, np.nan)), "weight": weight})


def _counts(times: np.ndarray, happened: np.ndarray, risks: np.ndarray) -> np.ndarray:
    """Concordant, tied and comparable pairs."""
    order = np.concatenate([np.flatnonzero(happened == 0), np.flatnonzero(happened == 1)])
    order = order[_ascending(-times[order])[0]]
    by_risk, fresh = _ascending(risks)
    ranks = np.empty(risks.size, np.int64)
    ranks[by_risk] = np.cumsum(fresh)
    return concordance_counts(ranks[None, order], times[order], happened[order] == 1)[0]


def _ascending(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the stable order of patients by a value, and where in it a new value begins."""
    if values.size < _SHORT:
        order = np.argsort(values, kind="stable")
        ascending = values[order]
        return order, np.append(True, ascending[1:] != ascending[:-1])[: values.size]
    orders, tied = sorted_genes(values[None, :])
    return orders[0], ~tied[0]


def _read(time: ArrayLike, event: ArrayLike, *others: ArrayLike) -> list[np.ndarray]:
    named = {f"prediction {i + 1}": o for i, o in enumerate(others)}
    times, *rest = read_columns(time=time, event=event, **named)
    if not np.isin(rest[0], (0, 1)).all():
        raise DataError("holds other values than 0 and 1", where="event")
    if not ((times >= 0) & np.isfinite(times)).all():
        raise DataError("holds negative or infinite values", where="time")
    return [times, *rest]
