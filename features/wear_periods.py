"""When a sensor was worn: periods of wear, how long they are by day and by night, and how much of them was recorded."""

from __future__ import annotations

import numpy as np
import pandas as pd

#: A sensor lives for seven to fourteen days: after a longer gap another one was put on.
_APART = pd.Timedelta(days=7)
_DAY, _DAWN, _MINUTE = 86_400_000_000, 21_600_000_000, 60_000_000


def worn(readings: pd.DataFrame) -> pd.DataFrame:
    """Say of each patient how long the sensor was worn, and what share of the expected readings is there.

    Parameters
    ----------
    readings : DataFrame
        ``patient_id`` (categorical), ``time`` and ``night``, in order, as
        `theracast.features.glucose_trace.read_traces` gives them.

    Returns
    -------
    DataFrame
        By patient: ``days`` worn, gaps of over seven days left out; ``periods`` between such gaps; and in percent
        ``coverage``, ``coverage_day`` and ``coverage_night``: readings there are, of those that the usual distance of
        two readings lets expect. NaN where no reading is expected.

    Examples
    --------
    >>> time = pd.date_range("2024-05-01 00:00", periods=288, freq="5min").append(pd.to_datetime(["2025-05-01"]))
    >>> table = pd.DataFrame({"patient_id": pd.Categorical(["p"] * 289), "time": time, "night": time.hour < 6})
    >>> worn(table).round(1).loc["p"].tolist()
    [1.0, 2.0, 100.0, 100.0, 100.0]
    """
    patient, time = readings["patient_id"], readings["time"]
    apart = time.groupby(patient, observed=True).diff()
    step = (apart.astype("timedelta64[us]").astype(np.int64).where(apart.notna()) / _MINUTE).groupby(
        patient, observed=True
    )
    step = (step.median().round().clip(1, 60) * _MINUTE).fillna(5 * _MINUTE)
    period = (apart > _APART).groupby(patient, observed=True).cumsum()
    ends = time.astype("datetime64[us]").astype(np.int64).groupby([patient, period], observed=True).agg(["min", "max"])
    until = ends["max"] + step.reindex(ends.index.get_level_values(0)).to_numpy()
    slept = _nights(until) - _nights(ends["min"])
    by_patient = {
        "periods": slept * 0 + 1,
        "long": ends["max"] - ends["min"],
        "all": until - ends["min"],
        "night": slept,
    }
    total = pd.DataFrame(by_patient).groupby(level=0, observed=True).sum()
    there = readings["night"].groupby(patient, observed=True).agg(["sum", "size"])
    length = {"coverage_day": total["all"] - total["night"], "coverage_night": total["night"]}
    seen = {"coverage_day": there["size"] - there["sum"], "coverage_night": there["sum"]}
    expected = (total["long"] / step).round() + total["periods"]
    out = pd.DataFrame({"days": total["long"] / _DAY, "periods": total["periods"].astype(float)})
    out["coverage"] = 100 * (there["size"] / expected).clip(upper=1)
    for name, whole in length.items():
        out[name] = 100 * (seen[name] * step / whole.where(whole > 0)).clip(upper=1)
    return out.rename_axis("patient_id")


def _nights(at: pd.Series) -> pd.Series:
    """How much time between midnight and six has gone by since 1970."""
    return at // _DAY * _DAWN + (at % _DAY).clip(upper=_DAWN)
