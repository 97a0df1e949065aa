"""CERTIFI: the counts of its README, endpoints recomputed from the CDAI, and nothing of what came after treatment."""

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, UsageError
from theracast.features.assembler import FeatureAssembler
from theracast.features.crohns import ENDPOINTS, read_certifi

pytestmark = pytest.mark.shared
FOLDER = "ra/certifi_crohns_ustekinumab"
#: Everything of the files that may enter the cohort, by hand: known before the first dose, the arm, the response.
ALLOWED = {
    "clinical": {"age", "sex", "bmi", "treatment", "response"},
    "disease_activity": {"crohns_cdai", "crp", "crp_unit", "calprotectin"},
    "crohns": {
        "disease_years", "fecal_lactoferrin", "corticosteroid", "immunomodulator", "methotrexate", "aminosalicylate",
        "antibiotic", "fistula", "tnf_inadequate_response", "tnf_lost_response", "tnf_intolerant", "colon", "ileum",
        "several_anti_tnf", "inverse_simpson",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / FOLDER


@pytest.fixture(scope="module")
def cohort(folder):
    return read_certifi(folder)


@pytest.fixture(scope="module")
def raw(folder):
    return pd.read_csv(folder / "clinical.csv").set_index("patient_id")


def test_the_counts_are_those_of_the_readme(cohort, folder):
    given = cohort.table("clinical")["treatment"]
    assert len(cohort) == 424
    assert given.value_counts().to_dict() == {"ustekinumab": 312, "placebo": 112}
    responders = cohort.response.groupby(given).sum()
    assert responders.to_dict() == {"placebo": 31, "ustekinumab": 105}
    doses = read_certifi(folder, doses=True).table("clinical")["treatment"].value_counts().to_dict()
    assert doses == {
        "placebo": 112,
        "ustekinumab 1 mg/kg": 110,
        "ustekinumab 3 mg/kg": 101,
        "ustekinumab 6 mg/kg": 101,
    }


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_endpoints_are_what_the_cdai_says(folder, raw, endpoint):
    """Response only where the CDAI fell by 100 or below 150, remission only below 150, never without a CDAI."""
    what, week = endpoint.split("_week")
    now, fall = raw[f"cdai_week{week}"], raw["cdai_week0"] - raw[f"cdai_week{week}"]
    reached = (now < 150) | ((fall >= 100) & (what == "response"))
    said = read_certifi(folder, endpoint).response
    assert set(said) == {0.0, 1.0}
    assert not said[~reached.reindex(said.index)].any()
    # who reached it but counts as not: treatment failures, a handful at week 6, more later
    failures = int((reached.reindex(said.index) & (said == 0)).sum())
    assert failures == {"response_week6": 4, "remission_week6": 2, "response_week8": 10, "remission_week8": 2,
                        "response_week22": 19, "remission_week22": 10}[endpoint]  # fmt: skip


def test_nothing_after_the_first_dose_is_read(cohort):
    assert {name: set(table) for name, table in cohort.tables.items()} == ALLOWED
    assert cohort.events == {}


def test_what_is_read_does_not_move_when_the_follow_up_does(folder, cohort, tmp_path):
    """Everything measured after the first dose is scrambled: the features are the same to the bit."""
    clinical = pd.read_csv(folder / "clinical.csv")
    visits = pd.read_parquet(folder / "visits.parquet")
    later = [c for c in clinical if c.startswith("cdai_week") and c != "cdai_week0"] + ["maintenance_arm"]
    clinical[later] = clinical[later].iloc[::-1].to_numpy()
    rows = visits["visit"] != "screening"
    numbers = visits.columns.difference(["sample_id", "patient_id", "visit"])
    visits.loc[rows, numbers] = 7.0
    clinical.to_csv(tmp_path / "clinical.csv", index=False)
    visits.to_parquet(tmp_path / "visits.parquet")
    again = read_certifi(tmp_path)
    for name, table in cohort.tables.items():
        pd.testing.assert_frame_equal(again.tables[name], table)


def test_screening_is_before_treatment(folder, raw):
    """The visit called screening has the CDAI of week 0; that called week 6 has the CDAI of week 8."""
    visits = pd.read_parquet(folder / "visits.parquet").set_index("patient_id")
    for visit, week in (("screening", 0), ("week6", 8)):
        mine = visits.loc[visits["visit"] == visit, "cdai"].dropna()
        same = mine == raw[f"cdai_week{week}"].reindex(mine.index)
        assert same.mean() > 0.98


def test_the_blocks_read_it(cohort, raw):
    values = FeatureAssembler(["clinical", "disease_activity"]).fit(cohort).matrix(cohort).values
    known = values.notna().sum()
    assert known[known > 0].to_dict() == {
        "clinical__age": 424,
        "clinical__male": 424,
        "clinical__bmi": 424,
        "disease_activity__crp": 407,
        "disease_activity__crohns_cdai": 424,
        "disease_activity__calprotectin": 410,
    }
    ids = raw.index
    assert values.loc[ids, "disease_activity__crp"].equals(raw["crp"].rename("disease_activity__crp"))
    assert np.array_equal(values.loc[ids, "disease_activity__crohns_cdai"], raw["cdai_week0"])


def test_the_course_of_the_disease(cohort):
    table = cohort.table("crohns")
    assert table.notna().sum()[["inverse_simpson", "several_anti_tnf", "colon"]].tolist() == [348, 422, 419]
    assert table[["colon", "ileum"]].sum().tolist() == [125 + 192, 102 + 192]


def test_what_is_refused(folder, tmp_path):
    with pytest.raises(UsageError, match="unknown endpoint"):
        read_certifi(folder, "cdai_week6")
    with pytest.raises(DataError, match=r"THX-D33.*not here"):
        read_certifi(tmp_path)
