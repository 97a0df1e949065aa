"""CGM: equal to R iglu or explained, by hand, by the clock; the block on real traces; the picture."""

import importlib.util
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, UsageError
from theracast.features.blocks.cgm import CgmBlock
from theracast.features.cohort import Cohort
from theracast.features.excursions import mage
from theracast.features.glucose import glucose_metrics
from theracast.features.glucose_plot import glucose_profile, plot_glucose_profile
from theracast.features.glycemic_scores import cogi, glycemic_state, grade_shares, time_in_ranges
from theracast.features.variability import conga, recorded, variability

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
_SPEC = importlib.util.spec_from_file_location("make_cgm", GOLDEN / "make_cgm.py")
make_cgm = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(make_cgm)


def events(table, **more):
    """Readings of a kernel's table as the event table of a cohort."""
    table = table.rename(columns={"glucose_mg_dl": "glucose"}).assign(**more)
    return Cohort.from_tables({"glucose": table})


def trace(levels, start="2024-05-01 00:05", patient="p", minutes=5):
    time = pd.date_range(start, periods=len(levels), freq=f"{minutes}min")
    return pd.DataFrame({"patient_id": patient, "time": time, "glucose_mg_dl": np.asarray(levels, dtype=float)})


# ---------------------------------------------------------------- R iglu


@pytest.fixture(scope="module")
def against_iglu(shared_data):
    return make_cgm.compared(shared_data / "cgm"), make_cgm.hand_marked(shared_data / "cgm")


@pytest.mark.shared
def test_all_310_values_of_iglu_are_equal_or_explained(against_iglu):
    table, _ = against_iglu
    equal, explained = int(table["equal"].sum()), int((table["why"] != "").sum())
    assert (len(table), equal, explained) == (310, 305, 5)
    odd = table[~table["equal"]]
    assert set(odd["metric"]) == {"hourly_auc"}
    np.testing.assert_allclose(odd["reproduced"], odd["iglu"], rtol=make_cgm.PRECISION)
    np.testing.assert_allclose(odd["ours"], odd["iglu"], rtol=0.01)


@pytest.mark.shared
def test_the_page_of_deviations_is_the_one_that_its_command_writes(against_iglu):
    assert (GOLDEN / "cgm_deviations.md").read_text() == make_cgm.page(*against_iglu)


@pytest.mark.shared
def test_mage_is_iglus_in_every_direction_and_as_near_to_the_marks_of_the_hand(against_iglu):
    _, hand = against_iglu
    theirs = hand[hand["traces"] == "iglu"]
    assert len(theirs) == 18
    for direction in ("rise", "fall", "average", "first", "larger"):
        np.testing.assert_allclose(theirs[direction], theirs[f"iglu_{direction}"], rtol=1e-9)
    error = (hand["first"] / hand["by_hand"] - 1).abs()
    assert len(error) == 29
    assert error.median() < 0.02
    assert (error < 0.15).mean() > 0.8
    assert np.corrcoef(hand["average"], hand["by_hand"])[0, 1] > 0.9


def test_simulated_traces_equal_iglu_python():
    """What ships with the tests: three simulated traces, one with a short and a long gap."""
    readings = pd.read_csv(GOLDEN / "cgm_simulated.csv", parse_dates=["time"])
    readings["glucose_mg_dl"] = readings["glucose_mg_dl"].astype(float)
    known = {name: value for (_, name), value in make_cgm.ours(readings).items()}
    plain = glucose_metrics(readings)
    for name, ours in (
        ("hypo_lv1", "hypo"),
        ("hypo_lv2", "severe_hypo"),
        ("hyper_lv1", "hyper"),
        ("hyper_lv2", "severe_hyper"),
    ):
        known[name] = plain[f"{ours}_events_per_day"]
    golden = pd.read_csv(GOLDEN / "cgm_simulated_iglu_python.csv")
    assert len(golden) == 93
    known["COGI"], known["CONGA"] = plain["cogi"], plain["conga"]
    got = [known[row.metric][row.patient_id] for row in golden.itertuples()]
    np.testing.assert_allclose(got, golden["value"], rtol=1e-9)


# ---------------------------------------------------------------- by hand


def test_naive_mage_by_hand():
    table = trace([100, 100, 100, 100, 200])
    assert mage(table, version="naive").tolist() == [80.0]
    assert mage(table).isna().all()
    assert mage(trace([100] * 90)).isna().all()
    for wrong in ({"version": "old"}, {"direction": "up"}, {"windows": (9, 4)}):
        with pytest.raises(UsageError):
            mage(table, **wrong)


def test_a_long_gap_splits_the_trace():
    """Two parts of unlike size; joined they would count the fall between them."""
    wave = np.tile(np.r_[np.linspace(100, 160, 20), np.linspace(160, 100, 20)], 3)
    apart = pd.concat([trace(wave), trace(100 + (wave - 100) * 2, "2024-05-02 00:05")])
    whole = [mage(part).iloc[0] for part in (trace(wave), trace(100 + (wave - 100) * 2))]
    assert whole == [60.0, 120.0]
    assert mage(apart).iloc[0] == pytest.approx(90.0)


def test_variability_by_hand():
    days = np.concatenate([np.full(288, 100.0), np.full(288, 140.0)])
    days[:144] -= 10
    days[288:432] -= 10
    found = variability(trace(days)).loc["p"]
    assert found["sd_of_daily_means"] == pytest.approx(40 / np.sqrt(2))
    assert found["sd_between_days"] == pytest.approx(40 / np.sqrt(2))
    assert found["sd_between_days_corrected"] == pytest.approx(0, abs=1e-9)
    assert found["sd_within_days"] == pytest.approx(np.std(days[:288], ddof=1))
    assert found["range"] == 50
    assert conga(trace(days), hours=24).iloc[0] == pytest.approx(0, abs=1e-9)
    assert conga(trace(days), hours=24.0).equals(conga(trace(days)))


def test_scores_with_own_targets():
    table = trace([60, 75, 100, 150, 260])
    shares = time_in_ranges(table, below=[70, 80], within=[(75, 150)], above=[150])
    assert shares.loc["p"].tolist() == [20.0, 40.0, 60.0, 20.0]
    assert grade_shares(table).loc["p"].sum() == pytest.approx(100)
    assert grade_shares(table, low=80)["grade_hypo"].iloc[0] > grade_shares(table)["grade_hypo"].iloc[0]
    assert cogi(table, 60, 260).iloc[0] > cogi(table).iloc[0]
    assert np.isnan(glycemic_state(table.iloc[:1]).iloc[0])


def test_spells_of_the_personal_state_by_hand():
    """Over a week: one spell below 70 of 20 minutes, one below 54; 15 minutes are none."""
    level = np.full(7 * 288, 100.0)
    level[500:504], level[900:904], level[1200:1203] = 60, 50, 50
    still, moved = glycemic_state(trace(np.full(7 * 288, 100.0))), glycemic_state(trace(level))
    mild, severe = 0.5714, 4.5 * (1 - np.exp(-0.81093))
    assert moved.iloc[0] - still.iloc[0] == pytest.approx(mild + severe, abs=0.1)


def test_recorded_is_the_coverage_of_the_metrics(rng):
    table = trace(120 + 9 * np.round(np.sin(np.arange(600.0))))
    table = table.drop(index=rng.choice(np.arange(1, 599), 80, replace=False))
    assert recorded(table).iloc[0] == pytest.approx(glucose_metrics(table)["coverage"].iloc[0], abs=1e-9)
    assert recorded(table.iloc[:1]).tolist() == [100.0]


# ---------------------------------------------------------------- the block


def test_day_and_night_by_the_clock():
    level = np.full(3 * 288, 100.0)
    hour = np.arange(1, level.size + 1) * 5 / 60 % 24
    level[hour < 6] = np.tile([60.0, 50.0], level.size)[: (hour < 6).sum()]
    level[hour >= 22] = 200
    found = CgmBlock().fit_transform(events(trace(level))).add_prefix("").iloc[0]
    assert found[["cgm__below_70_night", "cgm__below_54_night", "cgm__below_70_day"]].tolist() == [100.0, 50.0, 0.0]
    assert found["cgm__mean_night"] == pytest.approx(55, abs=0.1)
    assert found["cgm__above_180_day"] == pytest.approx(100 * 2 / 18, rel=1e-6)
    assert found["cgm__sd_night"] == pytest.approx(5, abs=0.1)


def test_mmol_is_mg_to_the_sensors_precision():
    mg = np.round(130 + 70 * np.sin(np.arange(576) / 20))
    whole = CgmBlock().fit_transform(events(trace(mg)))
    mmol = trace(np.round(mg / 18.016, 1))
    said = CgmBlock().fit_transform(events(mmol, unit="mmol/L"))
    np.testing.assert_allclose(said["cgm__mean"], whole["cgm__mean"], rtol=2e-3)
    limits = trace([3.9, 10.0] * 40)
    assert CgmBlock().transform(events(limits, unit="mmol/L"))["cgm__in_70_180"].tolist() == [100.0]
    declared = Cohort.from_tables(
        {"glucose": mmol.rename(columns={"glucose_mg_dl": "glucose"})}, units={"glucose": "mmol/L"}
    )
    pd.testing.assert_frame_equal(CgmBlock().transform(declared), said)
    with pytest.raises(DataError, match="mg/dL or mmol/L"):
        CgmBlock().fit(
            Cohort.from_tables({"glucose": declared.event("glucose").reset_index()}, units={"glucose": "g/L"})
        )


@pytest.mark.shared
def test_the_block_is_the_kernels_on_real_traces(shared_data):
    five = pd.read_parquet(shared_data / "cgm" / "iglu_five_subjects.parquet")
    measured = CgmBlock(now="2015-07-01").measure(events(five))
    wanted = glucose_metrics(five)
    same = [c for c in wanted.columns if c in measured.values.columns]
    assert len(same) >= 30
    some = wanted.index[wanted["coverage"] >= 70]
    np.testing.assert_allclose(measured.values.loc[some, same], wanted.loc[some, same], rtol=1e-9)
    np.testing.assert_allclose(measured.coverage, wanted["coverage"] / 100, rtol=1e-9)


@pytest.mark.shared
def test_57_people_are_plausible(shared_data):
    """Hall 2018: the glucose management indicator goes with the HbA1c of the laboratory."""
    traces = pd.read_parquet(shared_data / "cgm" / "hall2018_traces.parquet")
    known = pd.read_csv(shared_data / "cgm" / "hall2018_covariates.csv").set_index("userid")
    found = CgmBlock().fit_transform(events(traces))
    assert len(found) == 57
    both = found.join(known[["a1c"]]).dropna(subset=["a1c", "cgm__gmi"])
    assert len(both) >= 30
    assert both["cgm__gmi"].corr(both["a1c"], method="spearman") > 0.4
    assert both["cgm__gmi"].between(4.5, 9).all()
    assert found["cgm__coverage"].median() > 70


def test_a_year_between_two_sensors_is_not_a_gap():
    week = trace(np.round(130 + 40 * np.sin(np.arange(5 * 288) / 25)))
    later = week.assign(time=week["time"] + pd.Timedelta(days=365))
    m = CgmBlock().measure(events(pd.concat([week, later])))
    assert m.values["days"].iloc[0] == pytest.approx(10, abs=0.01)
    assert m.coverage.iloc[0] == 1
    assert m.values["mean_night"].notna().all()
    assert any("more than once" in line for line in m.notes["p"])
    days_off = week.assign(time=week["time"] + pd.Timedelta(days=8))
    assert CgmBlock().measure(events(pd.concat([week, days_off]))).coverage.iloc[0] == pytest.approx(10 / 13, abs=1e-3)
    new = week.assign(time=week["time"] + pd.Timedelta(days=13))
    assert CgmBlock().measure(events(pd.concat([week, new]))).coverage.iloc[0] == 1


# ---------------------------------------------------------------- the picture


def test_the_profile_is_drawn(tmp_path):
    level = 120 + 40 * np.sin(np.arange(5 * 288) / 30)
    profile = glucose_profile(trace(level))
    assert profile.shape == (96, 5)
    assert (profile.diff(axis=1).iloc[:, 1:] >= 0).all(axis=None)
    file = tmp_path / "agp.png"
    figure = plot_glucose_profile(trace(level), title="simulated")
    figure.savefig(file, dpi=60)
    blank, drawn = BytesIO(), file.read_bytes()
    figure.clear()
    figure.savefig(blank, dpi=60)
    assert len(drawn) > 4 * len(blank.getvalue())
    with pytest.raises(DataError):
        glucose_profile(trace([]))


def test_a_part_of_the_day_without_readings_is_a_hole():
    morning = trace(np.full(60, 100.0), "2024-05-01 06:00")
    profile = glucose_profile(morning)
    assert profile.loc[0.125].isna().all()
    assert profile.loc[7.125, "p50"] == 100
    assert profile.loc[5.875, "p50"] == 100, "a part is drawn with its neighbours"
    assert plot_glucose_profile(morning).axes[0].get_xlim() == (0, 24)
