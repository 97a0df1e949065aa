"""Glucose metrics: equal to iglu, the same whatever the order of the rows, and clear about bad tables."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError
from theracast.features import glucose
from theracast.features.glucose import glucose_metrics

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "cgm_iglu.csv"
#: iglu's name of each metric; `grade_hypo` is missing: ours ends at 70 mg/dL as Hill 2007 says, iglu's at 80.
OURS = {
    **{f"above_{x}": f"above_{x}" for x in (140, 180, 250)},
    **{f"below_{x}": f"below_{x}" for x in (54, 70)},
    **{"in_range_63_140": "in_63_140", "in_range_70_180": "in_70_180", "active_percent": "coverage"},
    **{"ADRR": "adrr", "COGI": "cogi", "CONGA": "conga", "CV": "cv", "eA1C": "ea1c", "GMI": "gmi", "GRI": "gri"},
    **{"GRADE": "grade", "GRADE_eugly": "grade_eu", "GRADE_hyper": "grade_hyper", "GVP": "gvp", "MAG": "mag"},
    **{"HBGI": "hbgi", "LBGI": "lbgi", "hyper_index": "hyper_index", "hypo_index": "hypo_index", "IGC": "igc"},
    **{"IQR": "iqr", "J_index": "j_index", "M_value": "m_value", "mean": "mean", "median": "median", "SD": "sd"},
    **{"MODD": "modd", "0": "min", "25": "q25", "50": "median", "75": "q75", "100": "max"},
    **{"hypo_lv1": "hypo_events_per_day", "hypo_lv2": "severe_hypo_events_per_day"},
    **{"hyper_lv1": "hyper_events_per_day", "hyper_lv2": "severe_hyper_events_per_day"},
}


@pytest.fixture(scope="module")
def five(shared_data):
    return pd.read_parquet(shared_data / "cgm" / "iglu_five_subjects.parquet")


def simulated(rng, patients=4, readings=700):
    """Readings with gaps, on the sensor's own clock."""
    tables = []
    for p in range(patients):
        at = np.cumsum(rng.choice([300, 301, 299, 900, 5400], readings, p=[0.7, 0.1, 0.1, 0.08, 0.02]))
        level = np.clip(np.round(140 + 60 * np.sin(at / 9000) + rng.normal(0, 15, readings)), 40, 400)
        time = pd.Timestamp("2024-05-01 13:00") + pd.to_timedelta(at, unit="s")
        tables.append(pd.DataFrame({"patient_id": f"p{p}", "time": time, "glucose_mg_dl": level}))
    return pd.concat(tables, ignore_index=True)


@pytest.mark.shared
def test_every_value_of_iglu(five, shared_data):
    ours, known = glucose_metrics(five), pd.read_csv(shared_data / "cgm" / "iglu_reference_values.csv")
    known = known[known["kwargs"].eq("{}") & known["metric"].isin(OURS)]
    assert len(known) == 185
    got = [ours.loc[row.patient_id, OURS[row.metric]] for row in known.itertuples()]
    np.testing.assert_allclose(got, known["value"], rtol=1e-12)
    days = pd.read_csv(shared_data / "cgm" / "iglu_reference_values.csv").query("metric == 'ndays' and kwargs == '{}'")
    np.testing.assert_array_equal(ours.loc[days["patient_id"], "days"].round(1), days["value"])


@pytest.mark.shared
def test_the_golden_values(five):
    ours, known = glucose_metrics(five), pd.read_csv(GOLDEN)
    got = [ours.loc[row.patient_id, OURS[row.metric]] for row in known.itertuples()]
    np.testing.assert_allclose(got, known["value"], rtol=1e-12)


def test_by_hand():
    time = pd.date_range("2024-05-01", periods=2 * 288 + 1, freq="5min")
    level = np.where(np.arange(time.size) < 288, 100.0, 130.0)
    table = pd.DataFrame({"patient_id": "p", "time": time, "glucose_mg_dl": level})
    table.loc[20:23, "glucose_mg_dl"] = 60  # twenty minutes
    table.loc[40:41, "glucose_mg_dl"] = 60  # too short
    found = glucose_metrics(table).loc["p"]
    assert found["below_70"] == pytest.approx(100 * 6 / 577)
    assert found["hypo_events_per_day"] == pytest.approx(1 / 2)
    assert found["modd"] == pytest.approx((281 * 30 + 6 * 70 + 0) / 288, abs=0.2)
    assert (found["days"], found["coverage"]) == (2.0, 100.0)
    assert found["gmi"] == pytest.approx(3.31 + 0.02392 * table["glucose_mg_dl"].mean(), rel=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.137])
def test_the_table_equals_plain_formulas(rng, shift, monkeypatch):
    """Whole and broken values, in one block or several."""
    monkeypatch.setattr(glucose, "_CELLS", 1500)
    table = simulated(rng)
    table["glucose_mg_dl"] += shift * rng.random(len(table))
    found = glucose_metrics(table)
    for patient, x in table.groupby("patient_id")["glucose_mg_dl"]:
        x = x.to_numpy()
        wanted = {
            "mean": x.mean(),
            "sd": x.std(ddof=1),
            "in_70_180": 100 * ((x >= 70) & (x <= 180)).mean(),
            "lbgi": 22.77 * (np.minimum(np.log(x) ** 1.084 - 5.381, 0) ** 2).mean(),
            "grade": np.minimum(425 * (np.log10(np.log10(x / 18)) + 0.16) ** 2, 50).mean(),
            "q25": np.quantile(x, 0.25),
            "median": np.median(x),
            "max": x.max(),
        }
        np.testing.assert_allclose([found.loc[patient, k] for k in wanted], list(wanted.values()), rtol=1e-12)
    np.testing.assert_allclose(found[["grade_hypo", "grade_eu", "grade_hyper"]].sum(axis=1), 100, rtol=1e-12)


def test_rows_in_any_order_and_ids_of_any_kind(rng):
    table = simulated(rng)
    wanted, before = glucose_metrics(table), table.copy()
    pd.testing.assert_frame_equal(table, before)
    shuffled = glucose_metrics(table.sample(frac=1, random_state=1)).loc[wanted.index]
    pd.testing.assert_frame_equal(shuffled, wanted)
    alone = glucose_metrics(table[table["patient_id"] == "p2"])
    pd.testing.assert_frame_equal(alone, wanted.loc[["p2"]])
    timeless = glucose_metrics(table.drop(columns="time"), timed=False)
    pd.testing.assert_frame_equal(timeless, wanted[timeless.columns])
    aware = table.assign(time=table["time"].dt.tz_localize("America/New_York"))
    pd.testing.assert_frame_equal(glucose_metrics(aware), wanted)
    single = table.assign(glucose_mg_dl=table["glucose_mg_dl"].astype(np.float32))
    pd.testing.assert_frame_equal(glucose_metrics(single), wanted)


def test_few_readings():
    time = pd.to_datetime(["2024-05-01 00:00", "2024-05-01 00:05", "2024-05-02 00:00"])
    table = pd.DataFrame({"patient_id": ["a", "b", "c"], "time": time, "glucose_mg_dl": [100.0, np.nan, 90.0]})
    found = glucose_metrics(table)
    assert found.index.tolist() == ["a", "b", "c"]
    assert found.loc["b"].isna().all()
    assert found.loc["a", ["mean", "median", "coverage"]].tolist() == [100, 100, 100]
    assert found.loc["a", ["sd", "modd", "conga"]].isna().all()
    assert glucose_metrics(table.iloc[:0]).empty


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.drop(columns="time"), "a column is missing"),
        (lambda t: t.assign(glucose_mg_dl=t["glucose_mg_dl"] / 18), "20-1000 mg/dL"),
        (lambda t: t.assign(glucose_mg_dl="low"), "wanted numbers"),
        (lambda t: t.assign(time=t["time"].astype(str)), "wanted datetimes"),
        (lambda t: t.assign(time=t["time"].where(t.index > 0)), "times are missing"),
        (lambda t: t.assign(patient_id=t["patient_id"].where(t.index > 0)), "ids are missing"),
        (lambda t: pd.concat([t, t.iloc[[5]]]), "two readings at one time"),
    ],
)
def test_mistakes_are_named(rng, change, says):
    with pytest.raises(DataError, match=says):
        glucose_metrics(change(simulated(rng, patients=1, readings=20)))
