"""Glucose scores with targets of one's own, and the personal glycaemic state."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from theracast.features.glucose import GAP, cogi_points, glucose_metrics, grade_points
from theracast.features.readings import read_glucose
from theracast.kernels.excursions import spells


def time_in_ranges(
    readings: pd.DataFrame,
    below: Sequence[float] = (54, 70),
    within: Sequence[tuple[float, float]] = ((70, 180),),
    above: Sequence[float] = (180, 250),
) -> pd.DataFrame:
    """Percent of readings below, within and above limits (consensus: Battelino 2019, 10.2337/dci19-0028).

    Parameters
    ----------
    readings : DataFrame
        Columns ``patient_id`` and ``glucose_mg_dl``, as `theracast.features.glucose.glucose_metrics` takes it.
    below : sequence of float
        Limits in mg/dL; a reading at the limit is not below it.
    within : sequence of pair of float
        Ranges in mg/dL; both ends are within.
    above : sequence of float
        Limits in mg/dL; a reading at the limit is not above it.

    Returns
    -------
    DataFrame
        Patients x limits: ``below_70``, ``in_70_180``, ``above_180``, ...

    Raises
    ------
    DataError
        As `theracast.features.glucose.glucose_metrics`.

    Examples
    --------
    >>> table = pd.DataFrame({"patient_id": "p1", "glucose_mg_dl": [62.0, 100.0, 150.0, 150.0]})
    >>> time_in_ranges(table, below=[63], within=[(63, 140)], above=[140]).loc["p1"].to_dict()
    {'below_63': 25.0, 'in_63_140': 25.0, 'above_140': 50.0}
    """
    ids, offsets, values, _, _ = read_glucose(readings, timed=False)
    patient = np.repeat(np.arange(len(ids)), np.diff(offsets))
    marks = {f"below_{b:g}": values < b for b in below}
    marks |= {f"in_{a:g}_{b:g}": (values >= a) & (values <= b) for a, b in within}
    marks |= {f"above_{a:g}": values > a for a in above}
    return pd.DataFrame({k: 100 * _mean(m, patient, len(ids)) for k, m in marks.items()}, index=ids)


def cogi(readings: pd.DataFrame, low: float = 70, high: float = 180) -> pd.Series:
    """Continuous glucose monitoring index (COGI, Leelarathna 2020, 10.1177/1932296819838525).

    Parameters
    ----------
    readings : DataFrame
        Columns ``patient_id`` and ``glucose_mg_dl``.
    low, high : float, default 70, 180
        Target range, mg/dL.

    Returns
    -------
    Series of float64
        0-100 by patient, more is better.

    Raises
    ------
    DataError
        As `theracast.features.glucose.glucose_metrics`.

    Examples
    --------
    >>> cogi(pd.DataFrame({"patient_id": "p1", "glucose_mg_dl": [90.0, 110.0]})).to_dict()
    {'p1': 100.0}
    """
    shares = time_in_ranges(readings, below=[low], within=[(low, high)], above=[])
    sd = glucose_metrics(readings, timed=False)["sd"]
    return pd.Series(
        cogi_points(shares.iloc[:, 1].to_numpy(), shares.iloc[:, 0].to_numpy(), sd.to_numpy()),
        index=shares.index,
        name="cogi",
    )


def grade_shares(readings: pd.DataFrame, low: float = 70, high: float = 140) -> pd.DataFrame:
    """Percent of GRADE that comes from low, normal and high readings (Hill 2007, 10.1111/j.1464-5491.2007.02119.x).

    Parameters
    ----------
    readings : DataFrame
        Columns ``patient_id`` and ``glucose_mg_dl``.
    low, high : float, default 70, 140
        Both are normal, mg/dL. iglu counts readings below 80 as low and, at the same time, those from 70 as normal.

    Returns
    -------
    DataFrame
        ``grade_hypo``, ``grade_eu`` and ``grade_hyper``, which add up to 100.

    Raises
    ------
    DataError
        As `theracast.features.glucose.glucose_metrics`.

    Examples
    --------
    >>> table = pd.DataFrame({"patient_id": "p1", "glucose_mg_dl": [60.0, 120.0, 200.0]})
    >>> grade_shares(table).round(1).loc["p1"].tolist()
    [28.0, 10.9, 61.0]
    """
    ids, offsets, values, _, _ = read_glucose(readings, timed=False)
    patient, x = np.repeat(np.arange(len(ids)), np.diff(offsets)), values.astype(np.float64)
    points = grade_points(x)
    kinds = {"grade_hypo": x < low, "grade_eu": (x >= low) & (x <= high), "grade_hyper": x > high}
    total = _mean(points, patient, len(ids))
    return pd.DataFrame({k: 100 * _mean(points * m, patient, len(ids)) / total for k, m in kinds.items()}, index=ids)


def glycemic_state(readings: pd.DataFrame) -> pd.Series:
    """Personal glycaemic state (PGS, Hirsch 2017, 10.1089/dia.2017.0080).

    Adds up four curves: of the glycaemic variability percentage, of the mean, of the percent in 70-180 mg/dL, and of
    hypoglycaemic events per week, which last 20 minutes and end after 30: below 54 mg/dL, and below 70 but never 54.

    Parameters
    ----------
    readings : DataFrame
        As `theracast.features.glucose.glucose_metrics` takes it.

    Returns
    -------
    Series of float64
        About 5-40 by patient, less is better; NaN where a part is not known.

    Raises
    ------
    DataError
        As `theracast.features.glucose.glucose_metrics`.

    Examples
    --------
    >>> time = pd.date_range("2024-05-01 00:05", periods=288, freq="5min")
    >>> level = 115 + 25 * np.sin(np.arange(288) / 20)
    >>> table = pd.DataFrame({"patient_id": "p1", "time": time, "glucose_mg_dl": level})
    >>> glycemic_state(table).round(2).to_dict()
    {'p1': 4.97}
    """
    ids, offsets, values, times, second = read_glucose(readings)
    known = glucose_metrics(readings).loc[ids]
    minute = 60 * second
    clock, lasting = (minute, 60 * minute, 1440 * minute), (20 * minute, 30 * minute)
    _, severe, mild, days = spells(times, values, offsets, clock, GAP * second, lasting, (70.0, 54.0)).T
    weeks = np.where(days > 0, days, np.nan) / 7
    parts = [
        1 + 9 * _logistic(0.049 * (known["gvp"] - 65.47)),
        1 + 9 * _logistic(-0.0833 * (known["in_70_180"] - 55.04)),
        1 + 9 * (_logistic(-0.1139 * (known["mean"] - 72.08)) + _logistic(0.09195 * (known["mean"] - 157.57))),
        0.5 + 4.5 * -np.expm1(-0.81093 * severe / weeks),
        np.where(mild / weeks <= 7.65, 0.5714 * mild / weeks + 0.625, 5),
    ]
    return pd.Series(np.sum(parts, axis=0), index=ids, name="pgs").where(weeks > 0)


def _mean(values: np.ndarray, patient: np.ndarray, n: int) -> np.ndarray:
    counts = np.bincount(patient, minlength=n)
    with np.errstate(invalid="ignore"):
        return np.bincount(patient, weights=values.astype(np.float64), minlength=n) / counts


def _logistic(x: pd.Series) -> pd.Series:
    return 1 / (1 + np.exp(-x))
