"""Serial ctDNA: by hand, the calls of two published cohorts, and nothing from after the landmark."""

import numpy as np
import pandas as pd
import pytest

from theracast.features.blocks.ctdna import CtdnaBlock
from theracast.features.cohort import Cohort
from theracast.features.serial_ctdna import FIELDS


def samples(rows, unit="fraction", **more):
    names = ["patient_id", "day", "tumour_fraction", "call"]
    return pd.DataFrame(rows, columns=names[: len(rows[0])]).assign(unit=unit, **more)


def followed(table, **options):
    block = CtdnaBlock(**options)
    cohort = Cohort.from_tables({"ctdna": table})
    assert block.check(cohort) == []
    return block.fit(cohort).measure(cohort)


def one(rows, **options):
    measured = followed(samples([("p", *r) for r in rows]), **options)
    values = measured.values.loc["p"]
    return values, measured.censored.loc["p"], measured.coverage["p"]


def test_a_patient_who_clears_by_hand():
    rows = [(-7, 0.02), (0, 0.04), (30, 0.004), (60, 0.0), (90, 0.001)]
    values, limits, coverage = one(rows, landmark_day=100, lod=1e-4)
    assert values["baseline"] == 0.04, "the last sample until day 0, not the first"
    assert values["positive"] == 1.0
    assert values["n_samples"] == 5.0
    assert values["cleared"] == 1.0
    assert values["time_to_clearance"] == 60.0
    assert values["nadir"] == 1e-4
    assert values["ratio"] == 0.001 / 0.04
    assert coverage == 1.0
    # numpy's own line through log10, the sample below detection at its limit
    wanted = np.polyfit([-7, 0, 30, 60, 90], np.log10([0.02, 0.04, 0.004, 1e-4, 1e-3]), 1)[0] * 30
    assert values["slope"] == pytest.approx(wanted, rel=1e-12)
    assert limits[["slope", "nadir"]].tolist() == [-1, -1]
    assert limits[["baseline", "ratio", "time_to_clearance"]].tolist() == [0, 0, 0]


def test_a_patient_who_does_not_clear():
    values, limits, _ = one([(0, 0.01), (28, 0.02), (56, 0.04)], landmark_day=60)
    assert values["cleared"] == 0.0
    assert values["time_to_clearance"] == 56.0
    assert limits["time_to_clearance"] == 1, "clearance comes later, if at all"
    assert values["slope"] == pytest.approx(np.log10(2) * 30 / 28)
    assert values["ratio"] == pytest.approx(4.0)
    assert values["nadir"] == 0.02


def test_never_positive_is_no_clearance():
    values, limits, _ = one([(0, 0.0), (28, 0.0)], landmark_day=30)
    assert values["positive"] == 0.0
    assert values[["cleared", "time_to_clearance", "slope", "ratio"]].isna().all()
    assert limits["baseline"] == -1


def test_clearance_counts_from_the_start_or_the_first_positive_sample():
    late, _, _ = one([(0, 0.0), (40, 0.01), (100, 0.0)], landmark_day=200)
    assert late["time_to_clearance"] == 60.0
    before, _, _ = one([(-30, 0.01), (-10, 0.0)], landmark_day=200)
    assert np.isnan(before["cleared"]), "it went before treatment began"
    again, _, _ = one([(-30, 0.01), (-10, 0.0), (20, 0.0)], landmark_day=200)
    assert again["time_to_clearance"] == 20.0


def test_samples_below_detection_on_both_sides_leave_the_slope_unknown():
    values, _, _ = one([(0, 0.0), (30, 0.01), (60, 0.0)], landmark_day=70)
    assert np.isnan(values["slope"])
    rising, limits, _ = one([(0, 0.0), (30, 0.01)], landmark_day=70)
    assert rising["slope"] == pytest.approx(3.0)
    assert limits["slope"] == 1


def test_the_call_of_the_assay_comes_before_the_level():
    rows = [("p", 0, 2e-6, "positive"), ("p", 30, 3e-4, "negative"), ("p", 60, np.nan, "Pos")]
    measured = followed(samples(rows), landmark_day=61)
    values = measured.values.loc["p"]
    assert values["positive"] == 1.0
    assert values["baseline"] == 2e-6, "called and measured, though below the general limit"
    assert values["cleared"] == 1.0
    assert values["n_samples"] == 3.0


def test_the_ratio_is_read_near_the_landmark():
    rows = [(0, 0.1), (10, 0.05), (50, 0.02)]
    assert one(rows, landmark_day=12)[0]["ratio"] == 0.5
    values, _, coverage = one(rows[:2], landmark_day=60)
    assert np.isnan(values["ratio"])
    assert coverage == 0.5
    assert one(rows[:2], landmark_day=60, window_days=60)[0]["ratio"] == 0.5


def test_units_and_names_of_the_level():
    rows = [("p", 0, 4.0), ("p", 20, 1.0)]
    percent = followed(samples(rows, unit="%"), landmark_day=20).values
    vaf = samples(rows, unit="fraction").rename(columns={"tumour_fraction": "vaf"})
    vaf["vaf"] /= 100
    pd.testing.assert_frame_equal(followed(vaf, landmark_day=20).values, percent)


def test_samples_of_one_day_are_averaged_and_said():
    table = samples([("p", 0, 0.02), ("p", 0, 0.04), ("p", 0, 0.04), ("p", -5, 0.5)])
    measured = followed(table)
    assert measured.values.loc["p", "baseline"] == pytest.approx(0.03), "a repeated row counts once"
    assert "averaged" in measured.notes["p"][0]
    assert measured.values.loc["p", "n_samples"] == 2.0


def test_nothing_after_the_landmark_is_read(rng):
    ids = np.repeat([f"p{i}" for i in range(20)], 9)
    days, levels = rng.integers(-30, 300, len(ids)).tolist(), rng.random(len(ids)).tolist()
    table = samples(list(zip(ids, days, levels, strict=True)))
    early = table[table.day <= 60]
    whole = followed(table, landmark_day=60)
    part = followed(early, landmark_day=60).values.reindex(whole.values.index)
    pd.testing.assert_frame_equal(whole.values, part)
    later = set(table[table.day > 60].patient_id)
    assert {i for i, n in whole.notes.items() if "left out" in str(n)} == later


def evidence(shared_data):
    folder = shared_data / "ctdna" / "evidence_icotinib"
    visits = pd.read_parquet(folder / "visits.parquet")
    renamed = {"day_since_randomisation": "day", "ctdna_ratio": "tumour_fraction", "mrd": "call"}
    table = visits[["patient_id", *renamed]].rename(columns=renamed).assign(unit="fraction")
    return table, pd.read_csv(folder / "clinical.csv", index_col="patient_id")


@pytest.mark.shared
def test_evidence_baseline_is_the_call_that_was_published(shared_data):
    table, clinical = evidence(shared_data)
    cohort = Cohort.from_tables({"ctdna": table})
    got = CtdnaBlock().fit_transform(cohort)
    assert len(got) == 175
    published = clinical["mrd_baseline"].reindex(got.index).map({"Positive": 1.0, "Negative": 0.0})
    np.testing.assert_array_equal(got["ctdna__positive"], published)
    assert 30 < published.sum() < 145
    # outcomes stand beside the samples in this folder: none is a feature
    names = {n.removeprefix("ctdna__") for n in got.columns}
    assert names == set(FIELDS)
    assert not names & set(clinical.columns)


@pytest.mark.shared
def test_evidence_by_pandas(shared_data):
    table, _ = evidence(shared_data)
    got = CtdnaBlock(landmark_day=180, window_days=180).fit_transform(Cohort.from_tables({"ctdna": table}))
    early = table[table.day <= 180]
    counts = early.drop_duplicates().groupby(["patient_id", "day"]).size().groupby("patient_id").size()
    np.testing.assert_array_equal(got["ctdna__n_samples"], counts.reindex(got.index))
    known = early[early.call == "Positive"].groupby("patient_id").day.min()
    cleared = got["ctdna__cleared"]
    assert set(cleared.dropna().index) <= set(known.index)
    assert 0 < cleared.mean() < 1
    ratio = got["ctdna__ratio"].dropna()
    assert len(ratio) > 5
    i = ratio.index[0]
    mine = early[(early.patient_id == i)].sort_values("day")
    base = mine[mine.day <= 0].tumour_fraction.iloc[-1]
    assert ratio[i] == pytest.approx(max(mine.tumour_fraction.iloc[-1], 1e-5) / base)


@pytest.mark.shared
def test_resected_calls_are_those_published(shared_data):
    folder = shared_data / "ctdna" / "resected_nsclc"
    visits = pd.read_parquet(folder / "visits.parquet")
    table = pd.DataFrame(
        {
            "patient_id": visits.patient_id,
            "day": visits.month * 30.44,
            "vaf": visits.mean_af,
            "unit": "fraction",
            "call": visits.ctdna,
        }
    )
    clinical = pd.read_csv(folder / "clinical.csv", index_col="patient_id")
    cohort = Cohort.from_tables({"ctdna": table})
    got = CtdnaBlock(landmark_day=27, baseline_day=27).fit_transform(cohort)["ctdna__positive"].dropna()
    assert len(got) == 84
    published = clinical["postsurgical_detection"].reindex(got.index).map({"Pos": 1.0, "Neg": 0.0})
    np.testing.assert_array_equal(got, published)
    assert got.sum() == 18
