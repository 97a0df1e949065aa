"""Every value of R iglu 4.2.2 beside ours: writes cgm_deviations.md, which explains each that differs.

Run: python tests/golden/make_cgm.py <folder with the files of ../shared/data/cgm>
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from theracast.features.excursions import mage
from theracast.features.glucose import GAP, glucose_metrics
from theracast.features.glycemic_scores import cogi, glycemic_state, grade_shares, time_in_ranges
from theracast.features.readings import read_glucose
from theracast.features.variability import conga, recorded, variability
from theracast.kernels.daily import lag_summaries

HERE = Path(__file__).parent
#: R prints 15 digits.
PRECISION = 1e-12
#: iglu's name of a metric and ours.
METRICS = {
    **{f"{side}_{x}": f"{side}_{x}" for side, x in (("above", 140), ("above", 180), ("above", 250), ("below", 54))},
    **{"below_70": "below_70", "in_range_63_140": "in_63_140", "in_range_70_180": "in_70_180"},
    **{"active_percent": "coverage", "ADRR": "adrr", "COGI": "cogi", "CONGA": "conga", "CV": "cv", "eA1C": "ea1c"},
    **{"GMI": "gmi", "GRI": "gri", "GRADE": "grade", "GRADE_eugly": "grade_eu", "GRADE_hyper": "grade_hyper"},
    **{"GVP": "gvp", "MAG": "mag", "HBGI": "hbgi", "LBGI": "lbgi", "hyper_index": "hyper_index", "IGC": "igc"},
    **{"hypo_index": "hypo_index", "IQR": "iqr", "J_index": "j_index", "M_value": "m_value", "mean": "mean"},
    **{"median": "median", "SD": "sd", "MODD": "modd", "0": "min", "25": "q25", "50": "median", "75": "q75"},
    **{"100": "max", "MAGE": "mage", "PGS": "pgs", "MAD": "mad", "range": "range", "sd_roc": "sd_roc"},
    **{"SDw": "sd_within_days", "SDhhmm": "sd_of_mean_day", "SDwsh": "sd_within_hours"},
    **{"SDdm": "sd_of_daily_means", "SDb": "sd_between_days", "SDbdm": "sd_between_days_corrected"},
    **{"CVmean": "cv_within_days", "CVsd": "cv_spread", "hourly_auc": "hourly_auc"},
}
#: Metrics whose value differs, and why.
WHY = {
    "hourly_auc": "iglu 4.2.2 labels the points of the grid with the days in turn (`rep(days, 1440 / dt0)`) and takes "
    "the trapezoids within a label: each joins a point with the one as many steps later as there are days in the grid. "
    "Ours join neighbours. `reproduced` is our grid with iglu's neighbours."
}


def ours(readings):
    """Each metric that iglu was asked for, by its method, arguments and name."""
    plain = glucose_metrics(readings).join(variability(readings))
    plain = plain.join(mage(readings)).join(glycemic_state(readings))
    known = {("{}", name): plain[column] for name, column in METRICS.items()}
    known |= {("{}", "ndays"): plain["days"].round(1), ('{"dt0": 10}', "ndays"): plain["days"].round(1)}
    known["{}", "GRADE_hypo"] = grade_shares(readings, low=80)["grade_hypo"]  # where iglu ends hypoglycaemia
    known['{"dt0": 10}', "active_percent"] = recorded(readings, step=10)
    known['{"targets": [80, 180]}', "COGI"] = cogi(readings, 80, 180)
    known['{"n": 96}', "CONGA"] = conga(readings, hours=96)
    ranges = time_in_ranges(readings, below=(30, 100), within=(), above=(50, 100, 250))
    for name in ranges:
        side = "below" if name.startswith("below") else "above"
        asked = {"below": '{"targets_below": [30, 100]}', "above": '{"targets_above": [50, 100, 250]}'}[side]
        known[asked, name] = ranges[name]
    return known


def iglus_area(readings):
    """The area under the curve with the points that iglu joins."""
    read = read_glucose(readings)
    out, minute = [], 60 * read.second
    for a, b in zip(read.offsets[:-1], read.offsets[1:], strict=True):
        times, offsets = read.times[a:b], np.array([0, b - a])
        days = int(np.ceil((times[-1] - times[0]) / (1440 * minute) + 1))
        lag = days * int(np.rint(np.median(np.diff(times)) / minute)) * minute
        clock = minute, 60 * minute, 1440 * minute
        out.append(lag_summaries(times, read.values[a:b], offsets, clock, GAP * read.second, lag)[0, 2])
    return pd.Series(out, index=read.ids)


def compared(folder):
    """One line per value of iglu: ours, whether they are equal, and what explains it if not."""
    readings = pd.read_parquet(folder / "iglu_five_subjects.parquet")
    known, area = ours(readings), iglus_area(readings)
    table = pd.read_csv(folder / "iglu_reference_values.csv").rename(columns={"value": "iglu"})
    keys = zip(table["kwargs"], table["metric"], table["patient_id"], strict=True)
    table["ours"] = [known[kwargs, metric][patient] for kwargs, metric, patient in keys]
    table["reproduced"] = table["patient_id"].map(area).where(table["metric"] == "hourly_auc")
    table["equal"] = np.isclose(table["ours"], table["iglu"], rtol=PRECISION, atol=0)
    again = np.isclose(table["reproduced"], table["iglu"], rtol=PRECISION, atol=0)
    table["why"] = table["metric"].map(WHY).where(~table["equal"] & again, "")
    return table


def hand_marked(folder):
    """Excursions marked by hand (Fernandes 2022): ours and iglu's beside them."""
    hand = pd.read_csv(HERE / "cgm_mage_by_hand.csv", comment="#")
    iglu = pd.read_csv(folder / "iglu_mage_ground_truth.csv").set_index("idx")
    traces = {"iglu": pd.read_parquet(folder / "iglu_five_subjects.parquet")}
    traces["hall"] = pd.read_parquet(folder / "hall2018_traces.parquet")
    rows = []
    for number, line in enumerate(hand.itertuples(), start=1):
        part = traces[line.traces].iloc[line.first - 1 : line.last].assign(patient_id="p")
        told = {d: float(mage(part, direction=d).iloc[0]) for d in ("rise", "fall", "average", "first", "larger")}
        theirs = iglu.loc[number] if line.traces == "iglu" else pd.Series(dtype=float)
        names = dict(zip(told, ("plus", "minus", "avg", "service", "max"), strict=True))
        beside = {f"iglu_{d}": theirs.get(f"mage_{n}", np.nan) for d, n in names.items()}
        rows.append({"traces": line.traces, "by_hand": line.mage, **told, **beside})
    return pd.DataFrame(rows)


def page(table, hand):
    """The comparison as Markdown."""
    equal, explained = int(table["equal"].sum()), int((table["why"] != "").sum())
    lines = [
        "# R iglu 4.2.2 and ours",
        "",
        "Written by `python tests/golden/make_cgm.py ../shared/data/cgm`. Equal: within 1e-12 of iglu's value.",
        "",
        f"{len(table)} values: {equal} equal, {explained} explained, {len(table) - equal - explained} unexplained.",
        "",
        "| method | arguments | metric | values | equal | largest difference |",
        "|---|---|---|---|---|---|",
    ]
    for (method, kwargs, metric), part in table.groupby(["method", "kwargs", "metric"], sort=False):
        off = (part["ours"] / part["iglu"] - 1)[~part["equal"]].abs().max()
        told = "-" if np.isnan(off) else f"{100 * off:.2f}%"
        lines.append(f"| {method} | {kwargs} | {metric} | {len(part)} | {part['equal'].sum()} | {told} |")
    lines += [
        "",
        "## Deviations",
        "",
        "| metric | patient | iglu | ours | reproduced | why |",
        "|---|---|---|---|---|---|",
    ]
    for row in table[~table["equal"]].itertuples():
        cells = f"{row.metric} | {row.patient_id} | {row.iglu:.6f} | {row.ours:.6f} | {row.reproduced:.6f}"
        lines.append(f"| {cells} | {row.why or 'UNEXPLAINED'} |")
    lines += ["", "## MAGE against excursions marked by hand", "", *_of_hand(hand), ""]
    return "\n".join(lines)


def _of_hand(hand):
    """Errors against the marks, ours and iglu's."""
    yield "Percent of the hand-marked value, absolute; iglu's own answers are those of iglu_mage_ground_truth.csv,"
    yield "which holds what iglu 4 computed, not the marks. Marks: `cgm_mage_by_hand.csv`."
    yield ""
    yield "| traces | direction | n | ours, median | ours, mean | iglu, median | iglu, mean | ours = iglu |"
    yield "|---|---|---|---|---|---|---|---|"
    for traces, part in hand.groupby("traces", sort=False):
        for direction in ("average", "first", "rise", "fall", "larger"):
            mine, theirs = (100 * (part[c] / part["by_hand"] - 1).abs() for c in (direction, f"iglu_{direction}"))
            off = np.isclose(part[direction], part[f"iglu_{direction}"], rtol=1e-9).sum()
            cells = [mine.median(), mine.mean(), theirs.median(), theirs.mean()]
            told = " | ".join("-" if np.isnan(c) else f"{c:.1f}" for c in cells)
            yield f"| {traces} | {direction} | {len(part)} | {told} | {'-' if np.isnan(theirs).all() else off} |"


if __name__ == "__main__":
    found = Path(sys.argv[1])
    (HERE / "cgm_deviations.md").write_text(page(compared(found), hand_marked(found)))
