"""Longitudinal measurements: what the visits of a patient say until a given time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from theracast.errors import DataError, UsageError

#: What is read of each marker until the landmark: its last value, that less the first, the greatest (of a yes or no:
#: ever yes), and the least-squares slope per unit of time.
SUMMARIES = ("last", "change", "max", "slope")
_KEYS = ("patient_id", "time")


def series_features(
    visits: pd.DataFrame, ids: Sequence[str] | pd.Index, landmark: float, uses: Sequence[str] = SUMMARIES
) -> pd.DataFrame:
    """Sum up the visits of each patient until a landmark; what comes later is not read.

    Parameters
    ----------
    visits : DataFrame
        One row per visit: ``patient_id``, ``time`` and one column per marker (NaN where it was not measured). Their
        order does not matter: of two values at one time the greater counts as the later.
    ids : sequence of str
        Patients, in the order wanted.
    landmark : float
        In the unit of ``time``; a visit on that very time counts.
    uses : sequence of str
        Of `SUMMARIES`.

    Returns
    -------
    DataFrame of float64
        One row per patient: ``<marker>__<summary>``. NaN without a visit; the slope of a single one is 0.

    Raises
    ------
    DataError
        THX-D22 when a visit has no time, columns are missing, or a column holds no numbers.
    UsageError
        On an unknown summary.

    Examples
    --------
    >>> visits = pd.DataFrame({"patient_id": ["a"] * 3, "time": [0, 10, 20], "crp": [8.0, 4.0, 90.0]})
    >>> series_features(visits, ["a"], 10).iloc[0].to_dict()
    {'crp__last': 4.0, 'crp__change': -4.0, 'crp__max': 8.0, 'crp__slope': -0.4}
    """
    unknown = [u for u in uses if u not in SUMMARIES]
    if unknown:
        raise UsageError("no such summary of a series", got=", ".join(unknown), wanted=", ".join(SUMMARIES))
    if not {*_KEYS} <= set(visits.columns):
        raise DataError("wants columns patient_id and time", code="THX-D22", where="visits")
    index = pd.Index(ids, name="patient_id")
    time, patients = _numbers(visits, "time"), index.unique()
    missing = int(np.isnan(time).sum())
    if missing:
        raise DataError(
            "visits without a time: nobody knows what was before the landmark",
            code="THX-D22",
            where="visits:time",
            got=f"{missing} of {len(visits)}",
            fix="Leave them out.",
        )
    patient = patients.get_indexer(visits["patient_id"])
    early = (time <= landmark) & (patient >= 0)
    columns: dict[str, np.ndarray] = {}
    for marker in (c for c in visits.columns if c not in _KEYS):
        value = _numbers(visits, marker)
        rows = np.flatnonzero(early & ~np.isnan(value))
        made = _summaries(patient[rows], time[rows], value[rows], len(patients))
        columns |= {f"{marker}__{u}": made[u] for u in uses}
    return pd.DataFrame(columns, index=patients, dtype=np.float64).loc[index]


def _numbers(visits: pd.DataFrame, column: str) -> np.ndarray:
    try:
        values = visits[column].to_numpy(dtype=np.float64, na_value=np.nan)
    except (TypeError, ValueError):
        raise DataError("wanted numbers", code="THX-D22", where=f"visits:{column}") from None
    if np.isinf(values).any():
        raise DataError("holds infinite values", code="THX-D22", where=f"visits:{column}")
    return values


def _summaries(patient: np.ndarray, time: np.ndarray, value: np.ndarray, n: int) -> dict[str, np.ndarray]:
    """Sum up each of `n` patients, given by number; a patient without a value has NaN."""
    out = {u: np.full(n, np.nan) for u in SUMMARIES}
    order = np.lexsort((value, time, patient))
    patient, time, value = patient[order], time[order], value[order]
    who, begins, counts = np.unique(patient, return_index=True, return_counts=True)
    if not who.size:
        return out
    last = begins + counts - 1
    of = np.repeat(np.arange(who.size), counts)
    # from the first visit on: the mean of equal times may differ from them in the last bit, their difference is 0
    since = time - time[begins][of]
    centred = since - (np.bincount(of, since) / counts)[of]
    spread, rise = np.bincount(of, centred**2), np.bincount(of, centred * value)
    out["last"][who] = value[last]
    out["change"][who] = value[last] - value[begins]
    out["max"][who] = np.maximum.reduceat(value, begins)
    out["slope"][who] = np.divide(rise, spread, out=np.zeros(who.size), where=spread > 0)
    return out
