"""Disease activity: scores by hand, the scores that published cohorts report, and two scores of one name."""

import numpy as np
import pandas as pd
import pytest

from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort

#: Tender 5, swollen 4, CRP 12 mg/L, ESR 28 mm/h, patient 50 mm, physician 42 mm.
PATIENT = {
    "tender28": 5,
    "swollen28": 4,
    "crp": 12.0,
    "crp_unit": "mg/L",
    "esr": 28,
    "patient_global": 50,
    "patient_global_unit": "mm",
    "physician_global": 42,
    "physician_global_unit": "mm",
}
#: By hand: 0.56 x 2.236068 = 1.252198; 0.28 x 2 = 0.56; 0.014 x 50 = 0.7; 0.36 ln 13 = 0.923382; 0.7 ln 28 = 2.332543.
BY_HAND = {"das28_crp": 4.395580, "das28_esr": 4.844741, "ra_cdai": 18.2, "sdai": 19.4}


def cohort_of(*rows, **units):
    table = pd.DataFrame(list(rows), index=[f"p{i}" for i in range(len(rows))])
    return Cohort.from_tables({"clinical": table}, units=units)


def measured(*rows):
    block, cohort = BLOCKS["disease_activity"](), cohort_of(*rows)
    assert block.check(cohort) == []
    return block.fit(cohort).measure(cohort)


def test_scores_by_hand():
    got = measured(PATIENT)
    for name, wanted in BY_HAND.items():
        assert got.values[name].iloc[0] == pytest.approx(wanted, abs=1e-6), name
    assert got.notes["p0"] == [f"{n} computed from its components" for n in BY_HAND]


def test_the_same_patient_in_other_units():
    other = PATIENT | {"crp": 1.2, "crp_unit": "mg/dL", "patient_global": 5.0, "patient_global_unit": "cm"}
    pd.testing.assert_series_equal(measured(PATIENT).values.iloc[0], measured(other).values.iloc[0])


@pytest.mark.parametrize("missing", ["tender28", "swollen28", "patient_global"])
def test_a_component_that_is_missing_is_not_zero(missing):
    got = measured({k: v for k, v in PATIENT.items() if not k.startswith(missing)}).values.iloc[0]
    assert got[list(BY_HAND)].isna().all()
    assert got["crp"] == 12.0


def test_a_given_score_is_kept():
    got = measured(PATIENT | {"das28_crp": 4.4}, {"das28_crp": 3.1})
    assert got.values["das28_crp"].tolist() == [4.4, 3.1]


def test_no_sedimentation_is_read_as_one():
    assert measured(PATIENT | {"esr": 0}).values["das28_esr"].iloc[0] == pytest.approx(4.844741 - 2.332543, abs=1e-6)


@pytest.mark.parametrize(
    ("ifcc", "ngsp"), [(20, 4.0), (42, 6.0), (48, 6.5), (53, 7.0), (64, 8.0), (75, 9.0), (108, 12.0)]
)
def test_hba1c_as_the_ngsp_table_converts_it(ifcc, ngsp):
    """https://ngsp.org/ifcc.asp, IFCC mmol/mol to NGSP %, to its one decimal."""
    got = measured({"hba1c": ifcc, "hba1c_unit": "mmol/mol"}).values["hba1c"].iloc[0]
    assert got == pytest.approx(ngsp, abs=0.051)


def test_limits_are_kept_as_limits():
    got = measured(PATIENT | {"crp": "<5", "calprotectin": ">1800"}, PATIENT | {"crp": "12", "calprotectin": "287"})
    assert got.values["crp"].tolist() == [5.0, 12.0]
    assert got.values["calprotectin"].tolist() == [1800.0, 287.0]
    assert got.censored["crp"].tolist() == [-1, 0]
    assert got.censored["calprotectin"].tolist() == [1, 0]
    assert got.censored["das28_crp"].tolist() == [-1, 0]
    assert "limit" in " ".join(got.notes["p0"])


def test_antibodies_by_word_and_by_number():
    rows = [("Pos", None), ("negative", None), (84, 14), (6, 14), ("14", "14"), (None, 14), ("unknown", None)]
    got = measured(*({"rf": rf, "rf_uln": uln, "acpa": "neg"} for rf, uln in rows)).values
    np.testing.assert_array_equal(got["rf_positive"], [1, 0, 1, 0, 0, np.nan, np.nan])
    assert (got["acpa_positive"] == 0).all()
    lost = BLOCKS["disease_activity"]().check(cohort_of({"rf": 84}, {"rf": "+"}))
    assert [(p.rows, "rf_uln" in p.what) for p in lost] == [((0,), True)]


def test_two_scores_of_one_name():
    block = BLOCKS["disease_activity"]()
    refused = block.check(cohort_of({"cdai": 12.0}))
    assert "ra_cdai" in refused[0].what
    assert "crohns_cdai" in refused[0].what
    assert measured({"ra_cdai": 12.0, "crohns_cdai": 255.0}).values[["ra_cdai", "crohns_cdai"]].iloc[0].tolist() == [
        12,
        255,
    ]
    assert [p.rows for p in block.check(cohort_of({"ra_cdai": 12.0}, {"ra_cdai": 255.0}))] == [(1,)]


def test_coverage_is_that_of_one_disease():
    got = measured({"phq9": 11, "hamd17": 19}, {"phq9": 11}, {"hba1c": 7.1}, {"age": 61}, PATIENT)
    assert got.coverage.round(3).tolist() == [1.0, 0.5, 1.0, 0.0, round(10 / 13, 3)]


def test_a_score_that_is_not_that_of_its_components():
    rows = [PATIENT | {"das28_crp": v} for v in (4.4, 4.5, 3.9)]
    found = BLOCKS["disease_activity"]().check(cohort_of(*rows))
    assert [(p.code, p.rows) for p in found] == [("THX-D16", (1, 2))]


@pytest.mark.shared
def test_das28_of_a_published_cohort(shared_data):
    """183 patients with components and score: all 165 reported scores are ours; one count of 40 joints is refused."""
    table = pd.read_csv(shared_data / "ra" / "plasma_proteome_csdmard" / "clinical.csv", dtype={"patient_id": str})
    names = {
        "vas_baseline": "patient_global",
        "tjc28_baseline": "tender28",
        "sjc28_baseline": "swollen28",
        "crp_baseline": "crp",
    }
    given = table.set_index("patient_id").rename(columns=names)[[*names.values()]]
    given = given.assign(crp_unit="mg/L", patient_global_unit="mm")
    block = BLOCKS["disease_activity"]()
    found = block.check(Cohort.from_tables({"clinical": given}))
    too_many = np.flatnonzero(given["swollen28"] > 28)
    assert [p.rows for p in found] == [tuple(too_many)]
    kept = given[~(given["swollen28"] > 28)]
    cohort = Cohort.from_tables({"clinical": kept})
    ours = block.fit(cohort).measure(cohort).values["das28_crp"]
    theirs = table.set_index("patient_id")["das28_crp_baseline"].reindex(ours.index)
    both = ours.notna() & theirs.notna()
    assert both.sum() >= 164
    assert (ours - theirs)[both].abs().max() < 1e-8
    whole = Cohort.from_tables({"clinical": kept.assign(das28_crp=theirs.reindex(kept.index))})
    assert block.check(whole) == []


@pytest.mark.shared
def test_scores_of_other_published_cohorts_are_plausible(shared_data):
    crohns = pd.read_csv(shared_data / "ra" / "certifi_crohns_ustekinumab" / "clinical.csv")
    crohns = crohns.rename(columns={"cdai_week0": "crohns_cdai", "fecal_calprotectin": "calprotectin"})
    depression = pd.read_csv(shared_data / "depression" / "antidepressant_trial" / "clinical.csv")
    depression = depression.rename(columns={"hamd17_baseline": "hamd17"})
    for table, name in ((crohns, "crohns_cdai"), (crohns, "calprotectin"), (depression, "hamd17")):
        cohort = Cohort.from_tables({"clinical": table[["patient_id", name]]})
        block = BLOCKS["disease_activity"]()
        assert block.check(cohort) == []
        assert block.fit(cohort).measure(cohort).values[name].notna().sum() == table[name].notna().sum()
