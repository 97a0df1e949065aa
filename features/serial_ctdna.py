"""Serial ctDNA: from the samples of a patient to baseline, clearance, slope, nadir and ratio."""

from __future__ import annotations

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN, Problem, to_numbers
from theracast.features.cohort import Cohort

#: What `follow` gives, in this order.
FIELDS = ("baseline", "positive", "n_samples", "cleared", "time_to_clearance", "slope", "nadir", "ratio")

_CALLS = {
    **dict.fromkeys(("positive", "pos", "+", "detected", "yes", "ctdna+"), 1.0),
    **dict.fromkeys(("negative", "neg", "-", "not detected", "undetected", "no", "ctdna-"), 0.0),
}
_UNITS = {"fraction": 1.0, "vaf": 1.0, "%": 0.01, "percent": 0.01, "per cent": 0.01}
_LEVELS = ("tumour_fraction", "vaf")
_MONTH = 30.0


def read_samples(cohort: Cohort, lod: float) -> pd.DataFrame:
    """Read the samples that have a day, one row per patient and day.

    Parameters
    ----------
    cohort : Cohort
        Patients, with events ``ctdna``.
    lod : float
        Limit of detection where the sample gives none.

    Returns
    -------
    DataFrame
        Indexed by patient id, sorted by day: ``day``; ``level``, the fraction, at least its limit of detection;
        ``below``, whether it stands at that limit; ``positive`` (1, 0, NaN), by the call, else by the limit;
        ``same_day``, whether several samples were averaged.

    Examples
    --------
    >>> rows = {"patient_id": ["p", "p"], "day": [21, 0], "vaf": [0.0, 5.0], "unit": ["%", "%"]}
    >>> read_samples(Cohort.from_tables({"ctdna": pd.DataFrame(rows)}), 1e-4)["level"].tolist()
    [0.05, 0.0001]
    """
    events = cohort.event("ctdna")
    day = _numbers(events, "day")
    factor = _words(events, "unit").map(_UNITS).astype(float)
    raw = _level(events)[1] * factor
    limit = (_numbers(events, "lod") * factor).fillna(lod)
    call = _words(events, "call").map(_CALLS).astype(float)
    positive = call.fillna((raw >= limit).astype(float).where(raw.notna()))
    # what the assay calls positive was measured, even under a limit that is only general
    below = (raw < limit) & ~((call == 1.0) & (raw > 0))
    table = pd.DataFrame(
        {"day": day, "level": raw.mask(below, limit), "below": below.astype(float), "positive": positive}
    )
    table = table[table["day"].notna() & (raw.notna() | positive.notna())]
    # sums of floats depend on their order: averages are taken over sorted values
    table = table.rename_axis("patient_id").reset_index()
    table = table.sort_values(["patient_id", "day", "level", "below", "positive"]).drop_duplicates()
    groups = table.groupby(["patient_id", "day"], sort=True)
    once = groups.agg(level=("level", "mean"), below=("below", "min"), positive=("positive", "max"))
    once["same_day"] = groups.size() > 1
    once["below"] = (once["below"] == 1.0) & once["level"].notna()
    return once.reset_index("day")


def event_problems(cohort: Cohort) -> list[Problem]:
    """Find samples that cannot be read.

    Parameters
    ----------
    cohort : Cohort
        Patients.

    Returns
    -------
    list of Problem
        THX-D11 and THX-D13 in numbers, THX-D16 without a unit or outside 0-1, THX-D20 for other calls; rows are
        patients.

    Examples
    --------
    >>> rows = {"patient_id": ["p"], "day": [0], "vaf": [12.0]}
    >>> event_problems(Cohort.from_tables({"ctdna": pd.DataFrame(rows)}))[0].what[:24]
    "needs a unit: 'fraction'"
    """
    events = cohort.event("ctdna")
    if not len(events):
        return []
    found: list[tuple[str, str, str, np.ndarray]] = []
    for name in ("day", *_LEVELS, "lod"):
        if name in events.columns:
            _, problems = to_numbers(events[name], f"ctdna:{name}")
            found += [(p.code, name, p.what, np.isin(np.arange(len(events)), p.rows)) for p in problems]
    name, levels = _level(events)
    unit, call = _words(events, "unit"), _words(events, "call")
    factor = unit.map(_UNITS).astype(float)
    odd = "needs a unit: 'fraction' (0-1) or '%' in column unit; 0.5 may be either"
    found.append(("THX-D16", name, odd, (levels.notna() & factor.isna()).to_numpy()))
    outside = ((levels < 0) | (levels * factor > 1)).to_numpy()
    found.append(("THX-D16", name, "should be within 0-1 as a fraction, 0-100 in %", outside))
    unread = (~call.isin([*_CALLS, *UNKNOWN])).to_numpy()
    found.append(("THX-D20", "call", "should be positive or negative; leave other calls empty", unread))
    if "day" not in events.columns:
        found.append(
            ("THX-D22", "day", "is missing: without days nobody knows what was before the decision", ~unread | unread)
        )
    ids = cohort.ids
    return [
        Problem(code, f"ctdna:{column}", what, tuple(sorted({int(i) for i in ids.get_indexer(events.index[mask])})))
        for code, column, what, mask in found
        if mask.any()
    ]


def follow(
    samples: pd.DataFrame, landmark: float, baseline_day: float, window: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """Follow one patient until the landmark.

    Parameters
    ----------
    samples : DataFrame
        Of `read_samples`, one patient, none after the landmark.
    landmark, baseline_day, window : float
        Days, as the parameters of the block `ctdna`.

    Returns
    -------
    values : ndarray of float64
        `FIELDS`.
    limits : ndarray of int8
        -1 for an upper limit, 1 for a lower one.
    coverage : float
        Share of the samples that matter that were there.

    Examples
    --------
    >>> rows = {"patient_id": ["p", "p"], "day": [0, 30], "vaf": [0.01, 0.001], "unit": ["fraction"] * 2}
    >>> samples = read_samples(Cohort.from_tables({"ctdna": pd.DataFrame(rows)}), 1e-5)
    >>> values, _, _ = follow(samples, landmark=30, baseline_day=0, window=28)
    >>> dict(zip(FIELDS, values.round(6).tolist()))["slope"]
    -1.0
    """
    day, level, below, positive = (samples[c].to_numpy() for c in ("day", "level", "below", "positive"))
    values = dict.fromkeys(FIELDS, np.nan)
    limits = dict.fromkeys(FIELDS, 0)
    values["n_samples"] = float(len(day))
    before, after = np.flatnonzero(day <= baseline_day), np.flatnonzero(day > baseline_day)
    if len(before):
        first = before[-1]
        values["baseline"], limits["baseline"] = level[first], -int(below[first])
        values["positive"] = positive[first]
    values["slope"], limits["slope"] = _slope(day, level, below)
    seen = after[~np.isnan(level[after])]
    if len(seen):
        lowest = seen[np.lexsort((~below[seen], level[seen]))[0]]
        values["nadir"], limits["nadir"] = level[lowest], -int(below[lowest])
    near = seen[day[seen] >= landmark - window]
    if len(before) and len(near) and not below[before[-1]]:
        values["ratio"] = level[near[-1]] / level[before[-1]]
        limits["ratio"] = -int(below[near[-1]])
    values["cleared"], values["time_to_clearance"] = _clearance(day, positive, baseline_day)
    limits["time_to_clearance"] = int(values["cleared"] == 0.0)
    wanted = [len(before) > 0, len(near) > 0] if landmark > baseline_day else [len(before) > 0]
    return (
        np.array([values[f] for f in FIELDS]),
        np.array([limits[f] for f in FIELDS], dtype=np.int8),
        float(np.mean(wanted)),
    )


def _clearance(day: np.ndarray, positive: np.ndarray, start: float) -> tuple[float, float]:
    """First negative sample after a positive one; not seen, the days until the last sample."""
    called = ~np.isnan(positive)
    day, positive = day[called], positive[called]
    hits = np.flatnonzero(positive == 1.0)
    if not len(hits) or hits[0] == len(day) - 1:
        return np.nan, np.nan
    origin = max(day[hits[0]], start)
    later = np.flatnonzero((positive == 0.0) & (day > origin))
    later = later[later > hits[0]]
    if len(later):
        return 1.0, float(day[later[0]] - origin)
    return (0.0, float(day[-1] - origin)) if day[-1] > origin else (np.nan, np.nan)


def _slope(day: np.ndarray, level: np.ndarray, below: np.ndarray) -> tuple[float, int]:
    """Least squares of log10 over time. Values at their limit make it a limit, or, on both sides, unknown."""
    known = ~np.isnan(level)
    day, level, below = day[known], level[known], below[known]
    if len(day) < 2 or below.all():
        return np.nan, 0
    lever = (day - day.mean()) / ((day - day.mean()) ** 2).sum()
    # the true level is at most what stands there: late ones make the slope an upper limit, early ones a lower
    sides = set(np.sign(lever[below & (lever != 0)]).tolist())
    if len(sides) > 1:
        return np.nan, 0
    slope = float((lever * np.log10(level)).sum() * _MONTH)
    return slope, -int(sides.pop()) if sides else 0


def _level(events: pd.DataFrame) -> tuple[str, pd.Series]:
    """Find the column of levels."""
    name = next((n for n in _LEVELS if n in events.columns), _LEVELS[0])
    return name, _numbers(events, name)


def _numbers(events: pd.DataFrame, name: str) -> pd.Series:
    if name not in events.columns:
        return pd.Series(np.nan, index=events.index)
    return to_numbers(events[name], name)[0]


def _words(events: pd.DataFrame, name: str) -> pd.Series:
    if name not in events.columns:
        return pd.Series("", index=events.index, dtype=object)
    values = events[name]
    return values.astype(object).where(values.notna(), "").map(lambda v: str(v).strip().lower())
