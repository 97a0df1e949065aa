"""CGM: continuous glucose monitoring by the consensus metrics, over the whole trace, by day and by night."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.checks import Problem
from theracast.errors import UsageError
from theracast.features.base import Measured, OmicsBlock
from theracast.features.cohort import Cohort
from theracast.features.excursions import mage
from theracast.features.glucose import glucose_metrics
from theracast.features.glucose_trace import read_traces
from theracast.features.glycemic_scores import glycemic_state
from theracast.features.spec import BlockSpec, Column, Feature
from theracast.features.variability import variability
from theracast.features.wear_periods import worn

_RANGES = "10.2337/dci19-0028"
_BATTELINO = "10.1016/S2213-8587(22)00319-9"
#: Metrics of readings: given over the whole trace, by day and by night.
_ROUND_THE_CLOCK = (
    Feature("in_70_180", "%", "readings within 70-180 mg/dL", _RANGES),
    Feature("in_70_140", "%", "readings within 70-140 mg/dL", _BATTELINO),
    Feature("below_70", "%", "readings below 70 mg/dL", _RANGES),
    Feature("below_54", "%", "readings below 54 mg/dL", _RANGES),
    Feature("above_180", "%", "readings above 180 mg/dL", _RANGES),
    Feature("above_250", "%", "readings above 250 mg/dL", _RANGES),
    Feature("mean", "mg/dL", "mean glucose", _RANGES),
    Feature("sd", "mg/dL", "standard deviation of glucose", "10.1089/dia.2009.0015"),
    Feature("cv", "%", "coefficient of variation of glucose", "10.2337/dc17-1600"),
)
_WHOLE = (
    Feature("median", "mg/dL", "median glucose", "10.1089/dia.2009.0015"),
    Feature("iqr", "mg/dL", "interquartile range of glucose", "10.1089/dia.2009.0015"),
    Feature("gmi", "% HbA1c", "glucose management indicator", "10.2337/dc18-1581"),
    Feature("j_index", "mg2/dL2/1000", "J-index", "10.1055/s-2007-979906"),
    Feature("lbgi", "score", "low blood glucose index", "10.2337/diacare.20.11.1655"),
    Feature("hbgi", "score", "high blood glucose index", "10.2337/diacare.20.11.1655"),
    Feature("grade", "0-50", "glycaemic risk assessment (GRADE)", "10.1111/j.1464-5491.2007.02119.x"),
    Feature("gri", "0-100", "glycaemia risk index", "10.1177/19322968221085273"),
    Feature("m_value", "score", "M-value against 90 mg/dL", "10.1111/j.0954-6820.1965.tb01810.x"),
    Feature("adrr", "score", "average daily risk range", "10.2337/dc06-1085"),
    Feature("mage", "mg/dL", "mean amplitude of glycaemic excursions", "10.1177/19322968211061165"),
    Feature("modd", "mg/dL", "mean of daily differences", "10.2337/diacare.3.1.58"),
    Feature("conga", "mg/dL", "spread of the change over 24 hours (CONGA24)", "10.1089/dia.2005.7.253"),
    Feature("mag", "mg/dL/h", "mean absolute glucose change", "10.1097/CCM.0b013e3181cc4be9"),
    Feature("gvp", "%", "glycaemic variability percentage", "10.1089/dia.2017.0187"),
    Feature("sd_within_days", "mg/dL", "mean of the days' standard deviations", "10.1089/dia.2009.0015"),
    Feature("sd_between_days", "mg/dL", "mean over the times of day of the spread between days",
            "10.1089/dia.2009.0015"),
    Feature("cogi", "0-100", "continuous glucose monitoring index", "10.1177/1932296819838525"),
    Feature("pgs", "score", "personal glycaemic state", "10.1089/dia.2017.0080"),
    Feature("hypo_events_per_day", "1/day", "events below 70 mg/dL for 15 minutes or more", _BATTELINO),
    Feature("severe_hypo_events_per_day", "1/day", "events below 54 mg/dL for 15 minutes or more", _BATTELINO),
    Feature("hyper_events_per_day", "1/day", "events above 180 mg/dL for 15 minutes or more", _BATTELINO),
    Feature("severe_hyper_events_per_day", "1/day", "events above 250 mg/dL for 15 minutes or more", _BATTELINO),
)  # fmt: skip
_WORN = (
    Feature("days", "days", "from the first reading to the last, gaps of over a week left out", _RANGES),
    Feature("coverage", "%", "readings there are, of those expected while worn", _RANGES),
)
_WINDOWS = {"day": "06:00-24:00", "night": "00:00-06:00"}
_PARTS = tuple(
    Feature(f"{f.name}_{w}", f.unit, f"{f.about}, {hours}", f.reference)
    for w, hours in _WINDOWS.items()
    for f in _ROUND_THE_CLOCK
)
#: What moves which way when readings beyond the sensor's limit are put at the limit.
_LEVELS = ("mean", "gmi", "mean_day", "mean_night")
_SPREADS = (
    *("sd", "cv", "iqr", "j_index", "grade", "m_value", "adrr", "mage", "modd", "conga", "mag", "gvp"),
    *("sd_within_days", "sd_between_days", "pgs", "sd_day", "sd_night", "cv_day", "cv_night"),
)
#: Days that ten of fourteen are; and how long one reading may stand before that is noted.
_RECOMMENDED, _STUCK = 10, pd.Timedelta(hours=2)
_STALE = pd.Timedelta(minutes=12)


class CgmBlock(OmicsBlock):
    """Continuous glucose monitoring: time in ranges, level, variability, risk and events of each trace.

    Times are the patient's own clock; with a zone, time goes on evenly when that clock is set. Day is 06:00-24:00 and
    night 00:00-06:00 (Danne 2017, 10.2337/dc17-1600). Readings are brought to whole mg/dL, so that 3.9 and 10.0
    mmol/L are 70 and 180 mg/dL. Gaps over 45 minutes stay open, and after gaps over a week the sensor was worn anew.

    Parameters
    ----------
    min_coverage : float, default 70
        Percent of the expected readings below which metrics are not given.
    now : str, optional
        When the patients were assessed, such as ``"2024-05-15 08:00"``: later readings are refused, and a trace that
        ended more than 12 minutes before is noted as stale. By default only readings from after tomorrow are refused.

    Examples
    --------
    >>> block = CgmBlock()
    >>> out = block.fit_transform(Cohort.from_tables(block.example()))
    >>> out[["cgm__in_70_180", "cgm__gmi"]].round(2).loc["p1"].tolist()
    [98.26, 6.18]
    """

    spec = BlockSpec(
        "cgm",
        "Continuous glucose monitoring: the consensus metrics, whole, by day and by night.",
        ("glucose",),
        (
            Column("time", "when, by the patient's clock", "datetime, a zone if known", example="2024-05-01 08:05"),
            Column("glucose", "reading of the sensor; LOW and HIGH are understood", "mg/dL, or mmol/L by unit",
                   code="THX-D16", example="112"),
            Column("unit", "unit of glucose", "mg/dL or mmol/L", example="mg/dL"),
        ),
        (*_ROUND_THE_CLOCK, *_WHOLE, *_PARTS, *_WORN),
    )  # fmt: skip

    def __init__(self, min_coverage: float = 70.0, now: str | None = None) -> None:
        self.min_coverage = min_coverage
        self.now = now

    @classmethod
    def example(cls) -> dict[str, pd.DataFrame]:
        """Return two simulated days of three patients, one of them in mmol/L with gaps and words.

        Returns
        -------
        dict of str to DataFrame
            The event table ``glucose``.

        Examples
        --------
        >>> CgmBlock.example()["glucose"].columns.tolist()
        ['time', 'glucose', 'unit']
        """
        parts = []
        for k, (name, unit) in enumerate((("p1", "mg/dL"), ("p2", "mg/dL"), ("p3", "mmol/L"))):
            step = np.arange(576)
            level = 120 + 30 * k + (40 + 45 * k) * np.sin(step / (23 + 5 * k)) + 15 * np.sin(step / (7 + k))
            cells = [f"{v:.0f}" if unit == "mg/dL" else f"{v / 18.016:.1f}" for v in level]
            cells = ["LOW" if v < 40 else c for v, c in zip(level, cells, strict=True)]
            time = pd.date_range("2024-05-01 00:05", periods=576, freq="5min").strftime("%Y-%m-%d %H:%M")
            part = pd.DataFrame({"time": time, "glucose": cells, "unit": unit}, index=[name] * 576)
            parts.append(part[(step < 200) | (step >= 200 + 20 * k)])
        return {"glucose": pd.concat(parts).rename_axis("patient_id")}

    def check(self, cohort: Cohort) -> list[Problem]:
        """Refuse traces in another unit, faulty readings and clocks that cannot be.

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
        >>> table = CgmBlock.example()["glucose"].assign(unit="mg/dL")
        >>> CgmBlock().check(Cohort.from_tables({"glucose": table}))[0].rows
        (2,)
        """
        if self.now is None:
            # a hospital may be up to a day ahead of this machine
            return read_traces(cohort, pd.Timestamp.now("UTC").tz_localize(None) + pd.Timedelta(days=1)).problems
        return read_traces(cohort, self._assessed()).problems

    def measure(self, cohort: Cohort) -> Measured:
        """Compute the metrics of each trace.

        Parameters
        ----------
        cohort : Cohort
            Patients.

        Returns
        -------
        Measured
            Coverage is the share of the expected readings; censored marks what depends on readings at a limit.

        Examples
        --------
        >>> measured = CgmBlock().measure(Cohort.from_tables(CgmBlock.example()))
        >>> measured.coverage.round(2).tolist(), measured.censored["mean"].tolist()
        ([1.0, 0.97, 0.93], [0, 0, -1])
        """
        traces = read_traces(cohort)
        readings, notes = traces.readings, traces.notes
        names = [f.name for f in self.spec.features]
        values = pd.DataFrame(np.nan, index=cohort.ids, columns=names)
        if len(readings):
            found = glucose_metrics(readings).drop(columns=["q25", "q75"])
            found = found.join(variability(readings)).join(mage(readings)).join(glycemic_state(readings))
            wear = worn(readings)
            found[["days", "coverage"]] = wear[["days", "coverage"]]
            for window in _WINDOWS:
                part = readings[readings["night"] == (window == "night")]
                told = glucose_metrics(part, timed=False)[[f.name for f in _ROUND_THE_CLOCK]].add_suffix(f"_{window}")
                found = found.join(told.where(wear[f"coverage_{window}"] >= self.min_coverage))
            values.loc[found.index] = found[names]
            for i in wear.index[wear["periods"] > 1]:
                notes.setdefault(i, []).append("cgm: worn more than once, over a week apart: taken together")
        covered = values["coverage"].fillna(0) / 100
        self._leave_out(values, readings, notes)
        return Measured.of(values, coverage=covered, censored=_censored(readings, values), notes=notes)

    def _assessed(self) -> pd.Timestamp:
        try:
            return pd.Timestamp(self.now).tz_localize(None)
        except (TypeError, ValueError) as error:
            raise UsageError("now is no time", got=repr(self.now), wanted="such as 2024-05-15 08:00") from error

    def _leave_out(self, values: pd.DataFrame, readings: pd.DataFrame, notes: dict[str, list[str]]) -> None:
        """Leave out what the trace is too thin or too still for, and say so."""
        metrics = [c for c in values.columns if c not in [f.name for f in _WORN]]
        worn = values["coverage"].notna()
        thin, short = worn & (values["coverage"] < self.min_coverage), worn & (values["days"] < _RECOMMENDED)
        still = worn & (values["sd"] == 0) & (values["days"] >= 1)
        values.loc[thin | still, metrics] = np.nan
        by_patient = readings.groupby("patient_id", observed=True)
        change = (by_patient["glucose_mg_dl"].diff() != 0) | (by_patient["time"].diff() > pd.Timedelta(minutes=45))
        runs = readings[readings["limit"] == 0].groupby(["patient_id", change.cumsum()], observed=True)["time"]
        stuck = (runs.max() - runs.min()).groupby(level=0, observed=True).max().reindex(values.index) >= _STUCK
        lines = [
            (thin, f"cgm: fewer than {self.min_coverage:g}% of the expected readings: metrics left out"),
            (still, "cgm: one reading throughout is no glucose: metrics left out"),
            (stuck & ~still, "cgm: one reading stands for two hours or more: is the sensor at fault?"),
            (short, "cgm: worn for fewer than 10 days; 10 of 14 are recommended"),
        ]
        if self.now is not None:
            last = by_patient["time"].max().reindex(values.index)
            lines.append((self._assessed() - last > _STALE, "cgm: the last reading is stale: not for dosing"))
        for which, line in lines:
            for i in values.index[which.to_numpy(dtype=bool)]:
                notes.setdefault(i, []).append(line)


def _censored(readings: pd.DataFrame, values: pd.DataFrame) -> pd.DataFrame:
    """Say what would be lower or higher had the sensor read on beyond its limits."""
    low, high = (
        (readings["limit"] == end).groupby(readings["patient_id"], observed=True).sum().reindex(values.index).fillna(0)
        for end in (-1, 1)
    )
    out = pd.DataFrame(0, index=values.index, columns=[*_LEVELS, *_SPREADS, "lbgi", "hbgi"], dtype=np.int8)
    for name in _LEVELS:
        out[name] = np.sign(high - low + 0.5 * ((high > 0) & (high == low)))
    for name in _SPREADS:
        out[name] = (low + high > 0).astype(np.int8)
    out["lbgi"], out["hbgi"] = (low > 0).astype(np.int8), (high > 0).astype(np.int8)
    return out.where(values[out.columns].notna(), 0).astype(np.int8)
