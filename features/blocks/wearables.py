"""Wearables: activity, heart and sleep day by day, their trend, their week and their rhythm."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.rhythms import (
    interdaily_stability,
    intradaily_variability,
    relative_amplitude,
    sleep_regularity,
)
from theracast.features.spec import BlockSpec, Column, Feature
from theracast.features.wearable_days import MEASURES, read_days

_ABOUT = {
    "steps": ("steps", "10.1016/S2468-2667(21)00302-9"),
    "active_minutes": ("moderate or vigorous activity", "10.1136/bjsports-2020-102955"),
    "sleep_minutes": ("sleep", "10.1016/j.sleh.2014.12.010"),
    "heart_rate": ("heart rate", "10.1371/journal.pone.0227709"),
    "resting_heart_rate": ("resting heart rate", "10.1371/journal.pone.0227709"),
    "hrv_rmssd": ("heart-rate variability (RMSSD)", "10.3389/fpubh.2017.00258"),
}
_TREND, _MAD = "10.1080/01621459.1968.10480934", "10.1080/01621459.1993.10476408"
_WEEKEND = "10.1080/07420520500545979"


def _summaries(name: str) -> tuple[Feature, ...]:
    about, reference = _ABOUT[name]
    unit = MEASURES[name][0]
    return (
        Feature(f"{name}_median", unit, f"{about}, median of the days", reference),
        Feature(f"{name}_mad", unit, f"{about}, median distance of the days from it, times 1.4826", _MAD),
        Feature(f"{name}_trend", f"{unit} per week", f"{about}, median slope between days (Theil-Sen)", _TREND),
        Feature(f"{name}_weekend", unit, f"{about}, median of Saturdays and Sundays less that of weekdays", _WEEKEND),
    )


_RHYTHMS = (
    Feature("interdaily_stability", "0-1", "how alike the days' hourly steps are", "10.1016/0006-3223(90)90523-5"),
    Feature("intradaily_variability", "ratio", "how broken up the hourly steps are", "10.1016/0006-3223(90)90523-5"),
    Feature("relative_amplitude", "0-1", "ten most active hours against five least", "10.3109/07420529908998724"),
    Feature("sleep_regularity", "-100 to 100", "asleep or awake as 24 hours before", "10.1038/s41598-017-03171-4"),
)
_WORN = (
    Feature("days", "days", "days with ten hours of wear, or a row of the day", "10.1249/mss.0b013e31815a51b3"),
    Feature("coverage", "%", "days that count, of those from the first to the last", "10.1249/mss.0b013e31815a51b3"),
)
#: Days that a trend needs, how far they reach, and weekend days and weekdays that their difference needs.
_TREND_DAYS, _TREND_SPAN, _WEEKEND_DAYS, _WEEKDAYS = 7, 14, 2, 3


class WearablesBlock(OmicsBlock):
    """Activity, heart and sleep by day: level, spread, trend, weekend and rhythm.

    Rows may be days, or shorter intervals that are brought to days by the patient's own clock. A day counts with ten
    hours of wear (`wear_minutes`, or rows that hold something), or with a row of its own.

    Parameters
    ----------
    min_days : int, default 4
        Days that must count before anything is said.

    Examples
    --------
    >>> block = WearablesBlock()
    >>> out = block.fit_transform(Cohort.from_tables(block.example()))
    >>> out[["wearables__steps_median", "wearables__days"]].loc["p1"].tolist()
    [6825.0, 28.0]
    """

    spec = BlockSpec(
        "wearables",
        "Activity, heart and sleep of a wearable, day by day.",
        ("wearables",),
        (
            Column("time", "beginning of the row, or its date", "date or datetime", example="2024-05-01"),
            Column("steps", "steps", "steps", code="THX-D16", example="6200"),
            Column("active_minutes", "moderate or vigorous activity", "min", code="THX-D16", example="24"),
            Column("sleep_minutes", "sleep", "min", code="THX-D16", example="415"),
            Column("heart_rate", "mean heart rate", "1/min", code="THX-D16", example="74"),
            Column("resting_heart_rate", "resting heart rate", "1/min", code="THX-D16", example="61"),
            Column("hrv_rmssd", "heart-rate variability, RMSSD", "ms", code="THX-D16", example="38"),
            Column("wear_minutes", "how long it was worn", "min", code="THX-D16", example="1310"),
            Column("asleep", "asleep in this interval", "0-1", code="THX-D16", example="0"),
        ),
        (*(f for name in MEASURES for f in _summaries(name)), *_RHYTHMS, *_WORN),
    )

    def __init__(self, min_days: int = 4) -> None:
        self.min_days = min_days

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return four simulated weeks of two patients by day, and one of a third by hour.

        Returns
        -------
        dict of str to DataFrame
            The event table ``wearables``.

        Examples
        --------
        >>> WearablesBlock.example()["wearables"].loc["p3"].shape
        (168, 9)
        """
        parts = []
        for k, name in enumerate(("p1", "p2")):
            d = np.arange(28)
            weekend = d % 7 >= 5
            made = {
                "time": pd.date_range("2024-04-29", periods=28).strftime("%Y-%m-%d"),
                "steps": 6000 + 50 * d - 1500 * weekend * (1 - k) + 500 * (d % 3),
                "active_minutes": 20 + d % 5 + 4.0 * k,
                "sleep_minutes": 410 + 30 * weekend + 10 * (d % 2),
                "resting_heart_rate": 62 + 3 * k - d / 14,
                "hrv_rmssd": 38 - 5 * k + d % 4,
                "wear_minutes": np.where(d == 9 + 30 * (1 - k), 240, 1300),
            }
            parts.append(pd.DataFrame(made, index=[name] * 28))
        h = np.arange(168)
        asleep = ((h + (h // 24) % 2) % 24 < 7).astype(float)
        made = {
            "time": pd.date_range("2024-04-29", periods=168, freq="h").strftime("%Y-%m-%d %H:%M"),
            "steps": np.where(asleep > 0, 0, 300 + 200 * np.sin(h / 3).round(1)),
            "heart_rate": 60 + 15 * (1 - asleep),
            "sleep_minutes": 60 * asleep,
            "asleep": asleep,
        }
        parts.append(pd.DataFrame(made, index=["p3"] * 168))
        columns = [c.name for c in cls.spec.inputs]
        return {"wearables": pd.concat(parts).reindex(columns=columns).rename_axis("patient_id")}

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse values that a day cannot hold, other units, and times that cannot be.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        list of Problem
            THX-D11, THX-D13, THX-D16, THX-D29.

        Examples
        --------
        >>> table = pd.DataFrame({"patient_id": "p", "time": ["2024-05-01"], "sleep_minutes": [7.5]})
        >>> WearablesBlock().check(Cohort.from_tables({"wearables": table}))[0].what[-35:]
        'If these are hours, multiply by 60.'
        """
        # a hospital may be up to a day ahead of this machine
        return read_days(cohort, pd.Timestamp.now("UTC").tz_localize(None) + pd.Timedelta(days=1)).problems

    def measure(self, cohort: Cohort) -> Measured:
        """Summarise the days of each patient.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            Coverage is the share of the days that count.

        Examples
        --------
        >>> WearablesBlock().measure(Cohort.from_tables(WearablesBlock.example())).values["days"].tolist()
        [28.0, 27.0, 7.0]
        """
        read = read_days(cohort)
        out = np.full((len(cohort), len(self.spec.features)), np.nan)
        by_hour = dict(iter(read.hours.groupby(level="patient")))
        for p, table in read.days.groupby(level="patient"):
            at, counts = table.index.get_level_values("day").to_numpy(), table["counts"].to_numpy()
            out[p, -2:] = counts.sum(), 100 * counts.sum() / (at[-1] - at[0] + 1)
            if counts.sum() < self.min_days:
                line = f"wearables: fewer than {self.min_days} days count: left out"
                read.notes.setdefault(cohort.ids[p], []).append(line)
                continue
            told = [_summary(at[counts], table[name].to_numpy()[counts], self.min_days) for name in MEASURES]
            out[p, : -2 - len(_RHYTHMS)] = np.concatenate(told)
            if p in by_hour:
                out[p, -2 - len(_RHYTHMS) : -2] = _rhythms(by_hour[p].droplevel(0), at[counts], self.min_days)
        values = pd.DataFrame(out, index=cohort.ids, columns=[f.name for f in self.spec.features])
        return Measured.of(values, coverage=values["coverage"].fillna(0) / 100, notes=read.notes)


def _summary(at: np.ndarray, values: np.ndarray, least: int) -> list[float]:
    """Return median, spread, trend per week and weekend less weekday."""
    known = ~np.isnan(values)
    at, values = at[known], values[known]
    if len(values) < least:
        return [np.nan] * 4
    middle = float(np.median(values))
    trend, weekend = np.nan, (at + 3) % 7 >= 5  # 1970 began on a Thursday
    if len(values) >= _TREND_DAYS and at[-1] - at[0] + 1 >= _TREND_SPAN:
        i, j = np.triu_indices(len(values), 1)
        trend = 7 * float(np.median((values[j] - values[i]) / (at[j] - at[i])))
    difference = np.nan
    if weekend.sum() >= _WEEKEND_DAYS and (~weekend).sum() >= _WEEKDAYS:
        difference = float(np.median(values[weekend]) - np.median(values[~weekend]))
    return [middle, 1.4826 * float(np.median(np.abs(values - middle))), trend, difference]


def _rhythms(hours: pd.DataFrame, at: np.ndarray, least: int) -> list[float]:
    """Return the rhythms of the days that count."""
    first, n = int(at[0]), int(at[-1] - at[0]) + 1
    table = hours.reindex(np.arange(24 * first, 24 * (first + n))).to_numpy(copy=True).reshape(n, 24, 2)
    table[~np.isin(np.arange(first, first + n), at)] = np.nan
    steps, asleep = table[:, :, 0], np.round(table[:, :, 1])
    moved = (~np.isnan(steps)).any(axis=1).sum() >= least
    slept = (~np.isnan(asleep)).any(axis=1).sum() >= least
    return [
        interdaily_stability(steps) if moved else np.nan,
        intradaily_variability(steps) if moved else np.nan,
        relative_amplitude(steps) if moved else np.nan,
        sleep_regularity(asleep) if slept else np.nan,
    ]
