"""D11, D16 and D29 of sensors: refused, or kept with a mask and a note; never a silent zero, never a value in words."""

import numpy as np
import pandas as pd
import pytest
from faults.judge import CANARY, refused

from theracast.errors import DataError, UsageError
from theracast.features.blocks.cgm import CgmBlock
from theracast.features.blocks.wearables import WearablesBlock
from theracast.features.cohort import Cohort


def two_days(patient="p", minutes=5, start="2024-05-01 00:05", n=576):
    time = pd.date_range(start, periods=n, freq=f"{minutes}min")
    level = np.round(130 + 40 * np.sin(np.arange(n) / 25) + 10 * np.sin(np.arange(n) / 7))
    return pd.DataFrame({"patient_id": patient, "time": time, "glucose": level})


def crowd(n=6):
    return pd.concat([two_days(f"p{k}") for k in range(n)], ignore_index=True)


def cohort_of(table, name="glucose", **more):
    return Cohort.from_tables({name: table, **more})


def measured(table, **params):
    return CgmBlock(**params).measure(cohort_of(table))


def noted(m, words):
    return [i for i, lines in m.notes.items() if any(words in line for line in lines)]


# ---------------------------------------------------------------- D11, D13, D16


@pytest.mark.parametrize("cell", [np.inf, -np.inf, 1e308])
def test_D11_infinite_readings_are_refused(cell):
    table = two_days()
    table.loc[7, "glucose"] = cell
    refused(lambda: CgmBlock().fit(cohort_of(table)), "THX-D11")


def test_D11_missing_readings_are_gaps():
    table = two_days()
    table.loc[100:139, "glucose"] = np.nan
    m = measured(table)
    assert m.coverage.iloc[0] == pytest.approx(536 / 576, abs=1e-3)
    assert m.values["mean"].iloc[0] == pytest.approx(np.rint(table["glucose"]).mean())


def test_D13_text_is_refused_by_patient():
    table = crowd().astype({"glucose": object})
    table.loc[table["patient_id"] == "p2", "glucose"] = CANARY
    message = refused(lambda: CgmBlock().fit(cohort_of(table)), "THX-D13")
    assert "rows 3" in message


def test_D16_mmol_for_mg_is_named_with_the_remedy():
    table = crowd().assign(glucose=lambda t: (t["glucose"] / 18.016).round(1))
    message = refused(lambda: CgmBlock().fit(cohort_of(table)), "THX-D16")
    median = f"{table['glucose'].median():.3g}"
    assert (
        f"block 'cgm': column 'glucose' should be in mg/dL (median 60-400); got median {median}. "
        "If these are mmol/L, multiply by 18.02."
    ) in message
    assert CgmBlock().check(cohort_of(table.assign(unit="mmol/L"))) == []


def test_D16_one_patient_in_another_unit_is_found_alone():
    table = crowd()
    mine = table["patient_id"] == "p4"
    table.loc[mine, "glucose"] = (table.loc[mine, "glucose"] / 18.016).round(1)
    (problem,) = CgmBlock().check(cohort_of(table))
    assert (problem.code, problem.rows) == ("THX-D16", (4,))
    assert "got median" not in problem.what, "the median of one patient is the patient's"
    assert "multiply by 18.02" in problem.what


def test_D16_mg_declared_mmol_and_units_unheard_of():
    (problem,) = CgmBlock().check(cohort_of(two_days().assign(unit="mmol/L")))
    assert "If these are mg/dL, say so" in problem.what
    (problem,) = CgmBlock().check(cohort_of(two_days().assign(unit="g/L")))
    assert "should be mg/dL or mmol/L" in problem.what
    assert CgmBlock().check(cohort_of(two_days().assign(unit=" MG / dl"))) == []


def test_D16_error_codes_of_the_sensor_are_refused():
    table = crowd()
    table.loc[3, "glucose"] = 5
    (problem,) = CgmBlock().check(cohort_of(table))
    assert (problem.code, problem.rows) == ("THX-D16", (0,))
    assert "20-600 mg/dL" in problem.what


# ---------------------------------------------------------------- D29: limits


@pytest.mark.parametrize("cell", [38, 39, "LOW", "Lo", "<40", "38", " low "])
def test_D29_low_is_kept_at_the_limit(cell):
    table = two_days().astype({"glucose": object})
    table.loc[50:59, "glucose"] = cell
    block = CgmBlock()
    assert block.check(cohort_of(table)) == []
    m = block.measure(cohort_of(table))
    assert m.values["below_54"].iloc[0] == pytest.approx(100 * 10 / 576)
    assert m.values["severe_hypo_events_per_day"].iloc[0] > 0
    assert m.censored.loc["p", ["mean", "gmi", "sd", "mage", "lbgi", "hbgi"]].tolist() == [-1, -1, 1, 1, 1, 0]
    assert not set(m.censored.columns) & {"in_70_180", "below_70", "coverage"}, "ranges hold whatever lies beyond"
    assert noted(m, "sensor's limit") == ["p"]
    wanted = two_days()
    wanted.loc[50:59, "glucose"] = 40
    pd.testing.assert_frame_equal(m.values, measured(wanted).values)


@pytest.mark.parametrize("cell", [400, 401, "HIGH", "Hi", ">400"])
def test_D29_high_is_kept_at_the_limit(cell):
    table = two_days().astype({"glucose": object})
    table.loc[50:59, "glucose"] = cell
    m = measured(table)
    assert m.values["above_250"].iloc[0] == pytest.approx(100 * 10 / 576)
    assert m.censored.loc["p", ["mean", "gmi", "sd", "lbgi", "hbgi"]].tolist() == [1, 1, 1, 0, 1]


def test_D29_some_sensors_read_on_to_500():
    table = two_days().astype({"glucose": object})
    table.loc[50, "glucose"], table.loc[51, "glucose"] = 450, 400
    m = measured(table)
    assert (m.censored == 0).all(axis=None)
    table.loc[52, "glucose"] = "HI"
    again = measured(table)
    assert again.censored.loc["p", "mean"] == 1
    assert again.values["mean"].iloc[0] == pytest.approx(np.mean([*table["glucose"].drop(52), 500]))


def test_D29_low_and_high_together_go_with_the_more_frequent():
    table = two_days().astype({"glucose": object})
    table.loc[50:59, "glucose"], table.loc[90:91, "glucose"] = "LOW", "HIGH"
    assert measured(table).censored.loc["p", ["mean", "sd"]].tolist() == [-1, 1]


# ---------------------------------------------------------------- D29: repeats and clocks


def test_D29_repeats_are_kept_once_and_noted(rng):
    table = crowd(3)
    twice = pd.concat([table, table[table["patient_id"] == "p1"].sample(40, random_state=1)], ignore_index=True)
    m = measured(twice.sample(frac=1, random_state=2))
    pd.testing.assert_frame_equal(m.values.sort_index(), measured(table).values)
    assert noted(m, "stand there twice") == ["p1"]


def test_D29_readings_that_differ_at_one_time_are_averaged_whatever_their_order():
    table = two_days()
    other = table.iloc[100:110].assign(glucose=lambda t: t["glucose"] + 20)
    both = pd.concat([table, other], ignore_index=True)
    m = measured(both)
    assert m.values["mean"].iloc[0] == pytest.approx(table["glucose"].mean() + 10 * 10 / 576)
    assert noted(m, "differ") == ["p"]
    again = measured(both.iloc[::-1])
    assert again.notes == m.notes
    assert again.values.to_numpy().tobytes() == m.values.to_numpy().tobytes()


def test_D29_a_clock_set_back_without_a_zone_is_seen():
    """Autumn: the hour from two to three comes twice, and nothing says which is which."""
    true = pd.date_range("2024-10-26 12:00", periods=500, freq="5min", tz="Europe/Berlin")
    table = two_days(n=500).assign(time=true.tz_localize(None))
    assert noted(measured(table), "a clock set back") == ["p"]


@pytest.mark.parametrize("night", ["2024-10-26 12:00", "2024-03-30 12:00"])
@pytest.mark.parametrize("kind", ["zone", "text"])
def test_D29_a_zone_carries_the_trace_over_the_change_of_the_clock(night, kind):
    true = pd.date_range(night, periods=500, freq="5min", tz="Europe/Berlin")
    even = two_days(n=500, start=night)
    times = true if kind == "zone" else [t.isoformat() for t in true]
    m = measured(even.assign(time=times))
    assert noted(m, "differ") == []
    timed = ["mage", "modd", "conga", "mag", "gvp", "coverage", "hyper_events_per_day"]
    pd.testing.assert_frame_equal(m.values[timed], measured(even).values[timed])
    # the night is the one of the patient's clock: an hour longer in autumn, an hour shorter in spring
    inside = even["glucose"][pd.Series(true.hour < 6, index=even.index)]
    assert m.values["mean_night"].iloc[0] == pytest.approx(inside.mean())


def test_D29_times_with_and_without_a_zone_are_refused():
    table = two_days().assign(time=lambda t: t["time"].dt.strftime("%Y-%m-%dT%H:%M"))
    table.loc[:99, "time"] = table.loc[:99, "time"] + "+02:00"
    assert "write them one way" in refused(lambda: CgmBlock().fit(cohort_of(table)), "THX-D29")
    assert measured(table).values.isna().all(axis=None)


@pytest.mark.parametrize("cell", ["01/05/2024 08:00", "yesterday", 45_000, "2024", CANARY])
def test_D29_times_that_cannot_be_read_are_refused(cell):
    table = two_days().astype({"time": object})
    table.loc[9, "time"] = cell
    assert "2024-05-01 08:05" in refused(lambda: CgmBlock().fit(cohort_of(table)), "THX-D29")


def test_D29_a_missing_time_and_a_missing_column():
    table = two_days()
    table.loc[9, "time"] = pd.NaT
    assert "without a time" in refused(lambda: CgmBlock().fit(cohort_of(table)), "THX-D29")
    assert "columns are missing: time" in refused(
        lambda: CgmBlock().fit(cohort_of(table[["patient_id", "glucose"]])), "THX-D29"
    )


def test_D29_readings_from_the_future_are_refused():
    late = two_days(start=str(pd.Timestamp.now().normalize() + pd.Timedelta(days=300)))
    message = refused(lambda: CgmBlock().fit(cohort_of(pd.concat([two_days("q"), late]))), "THX-D29")
    assert "future" in message
    assert "rows 2" in message
    assert CgmBlock().check(cohort_of(two_days())) == []
    assert len(CgmBlock(now="2024-05-02 12:00").check(cohort_of(two_days()))) == 1


def test_D29_a_stale_trace_is_noted():
    table = two_days(n=288)  # ends at midnight
    assert noted(measured(table, now="2024-05-02 00:11"), "stale") == []
    assert noted(measured(table, now="2024-05-02 00:13"), "stale") == ["p"]
    with pytest.raises(UsageError):
        CgmBlock(now="soon").check(cohort_of(table))


# ---------------------------------------------------------------- D29: gaps, thin and flat traces


def test_D29_metrics_only_with_enough_coverage():
    table = crowd(3)
    thin = table["patient_id"].eq("p1") & (table.index % 576 > 50) & (table.index % 576 < 450)
    m = measured(table[~thin])
    told = m.values.drop(columns=["days", "coverage"])
    assert told.loc["p1"].isna().all()
    assert told.loc[["p0", "p2"]].notna().all(axis=None)
    assert m.values.loc["p1", "coverage"] == pytest.approx(100 * 177 / 576)
    assert m.coverage["p1"] == pytest.approx(177 / 576)
    assert noted(m, "fewer than 70%") == ["p1"]
    assert measured(table[~thin], min_coverage=30).values["mean"].notna().all()
    assert (m.censored.loc["p1"] == 0).all()


def test_D29_a_night_that_was_not_recorded_is_not_told():
    table = two_days()
    asleep = table["time"].dt.hour.isin([0, 1, 2, 3])
    m = measured(table[~asleep])
    assert m.values["mean"].notna().all()
    assert m.values["mean_day"].notna().all()
    assert m.values.filter(like="_night").isna().all(axis=None)


def test_D29_a_gap_is_no_event_and_no_line():
    """Between 60 and 60 mg/dL lie six hours of which nothing is known."""
    level = np.full(576, 120.0)
    level[198:202], level[274:278] = 60, 60
    table = two_days().assign(glucose=level).drop(index=range(202, 274))
    m = measured(table)
    assert m.values["hypo_events_per_day"].iloc[0] * (576 - 72) / 288 == pytest.approx(2)


def test_D29_flat_traces():
    flat = two_days().assign(glucose=110.0)
    m = measured(flat)
    assert m.values.drop(columns=["days", "coverage"]).isna().all(axis=None)
    assert noted(m, "one reading throughout") == ["p"]
    stuck = two_days()
    stuck.loc[100:123, "glucose"] = 187
    assert noted(measured(stuck), "stands for two hours") == []
    stuck.loc[100:125, "glucose"] = 187
    m = measured(stuck)
    assert noted(m, "stands for two hours") == ["p"]
    assert m.values["mean"].notna().all()
    limit = two_days().astype({"glucose": object})
    limit.loc[100:180, "glucose"] = "HIGH"
    assert noted(measured(limit), "stands for two hours") == [], "a limit is not a stuck sensor"


def test_D29_few_readings_and_nobody():
    table = pd.concat([two_days("a", n=1), two_days("b", n=2)])
    m = CgmBlock().measure(cohort_of(table, clinical=pd.DataFrame({"age": [1, 2, 3]}, index=["a", "b", "c"])))
    assert m.values.loc["c"].isna().all()
    assert m.coverage["c"] == 0
    assert m.values.loc[["a", "b"], ["mage", "modd", "conga"]].isna().all(axis=None)
    assert noted(m, "fewer than 10 days") == ["a", "b"]


def test_no_value_stands_in_a_note_or_a_message():
    table = crowd().astype({"glucose": object})
    table.loc[table["patient_id"] == "p3", "glucose"] = CANARY
    table.loc[5, "time"] = pd.NaT
    for problem in CgmBlock().check(cohort_of(table)):
        assert CANARY not in problem.what
        assert "p3" not in problem.what


# ---------------------------------------------------------------- wearables


def days(n=28, **more):
    time = pd.date_range("2024-04-29", periods=n)
    return pd.DataFrame({"patient_id": "p", "time": time, "steps": 5000.0 + np.arange(n), **more})


@pytest.mark.parametrize(
    ("change", "code", "says"),
    [
        ({"sleep_minutes": 7.5}, "THX-D16", "If these are hours, multiply by 60"),
        ({"hrv_rmssd": 0.04}, "THX-D16", "If these are seconds, multiply by 1000"),
        ({"steps": 250_000.0}, "THX-D16", "0-100000 steps/day"),
        ({"resting_heart_rate": 0.0}, "THX-D16", "25-150 1/min"),
        ({"wear_minutes": 5000}, "THX-D16", "0-1440"),
        ({"steps": np.inf}, "THX-D11", "infinite"),
        ({"steps": CANARY}, "THX-D13", "text"),
        ({"time": "01/05/2024"}, "THX-D29", "cannot be read"),
        ({"time": pd.NaT}, "THX-D29", "without a time"),
        ({"time": pd.Timestamp("2190-01-01")}, "THX-D29", "future"),
    ],
)
def test_wearable_faults_are_named(change, code, says):
    assert says in refused(lambda: WearablesBlock().fit(cohort_of(days().assign(**change), "wearables")), code)


def test_D29_a_wearable_without_times():
    table = days().drop(columns="time")
    with pytest.raises(DataError, match="time or date"):
        WearablesBlock().fit(cohort_of(table, "wearables"))
