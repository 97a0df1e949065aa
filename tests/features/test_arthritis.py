"""Studies of arthritis: the counts of their README, nothing from after the first dose."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, UsageError
from theracast.features.arthritis import ARTHRITIS, read_arthritis
from theracast.features.assembler import FeatureAssembler
from theracast.features.blocks import BLOCKS
from theracast.features.datasets import load_cohort

#: Patients, labelled, responders: ../shared/data/ra/*/README.md.
COUNTS = {
    "ra_lipids_discovery": (52, 52, 30),
    "ra_lipids_validation": (58, 58, 36),
    "ra_lipids_antitnf": (36, 36, 20),
    "ra_proteome": (183, 151, 35),
    "ra_repertoire": (86, 84, 67),
}
#: What a clinical or activity table may hold: known before treatment, and the response.
ALLOWED = {
    "clinical": {"age", "sex", "activity_class", "pathotype", "symptom_duration_months", "regimen", "treatment",
                 "response"},
    "disease_activity": {"esr", "das28", "patient_global", "patient_global_unit", "physician_global",
                         "physician_global_unit", "das28_crp", "tender28", "swollen28", "crp", "crp_unit", "acpa",
                         "rf"},
}  # fmt: skip
BLOCKS_OF = {
    "ra_lipids_discovery": {"metabolites": 52, "disease_activity": 51},
    "ra_lipids_validation": {"metabolites": 58, "disease_activity": 42},
    "ra_lipids_antitnf": {"metabolites": 36},
    "ra_proteome": {"disease_activity": 183, "clinical": 182, "proteins": 183},
    "ra_repertoire": {"repertoire": 86, "polygenic": 83, "clinical": 86, "disease_activity": 86},
}


@pytest.fixture(scope="session")
def studies(shared_data):
    return {name: read_arthritis(name, shared_data / "ra") for name in ARTHRITIS}


@pytest.mark.shared
@pytest.mark.parametrize("name", COUNTS)
def test_the_counts_are_those_of_the_readme(studies, name):
    cohort = studies[name]
    assert (len(cohort), cohort.response.notna().sum(), cohort.response.sum()) == COUNTS[name]
    assert (cohort.roster["code"] == "").all()
    assert all(len(s.sha256) == 64 for s in cohort.sources)


@pytest.mark.shared
def test_treatments_are_counted_as_in_the_readme(studies):
    labelled = {n: c.tables["clinical"].loc[c.response.notna(), "treatment"] for n, c in studies.items()}
    # five of the 60 'in smaller groups' have no regimen: nobody knows what they got
    assert labelled["ra_proteome"].value_counts().to_dict() == {"MTX+LEF": 56, "MTX+HCQ": 35, "other csDMARDs": 55}
    given = studies["ra_repertoire"].tables["clinical"]["treatment"].value_counts().to_dict()
    assert given == {"etanercept": 46, "certolizumab": 16, "adalimumab": 12, "golimumab": 12}


@pytest.mark.shared
@pytest.mark.parametrize("name", COUNTS)
def test_nothing_from_after_the_first_dose(studies, name):
    tables = studies[name].tables
    for table, columns in ALLOWED.items():
        assert set(tables[table].columns) <= columns
    assert set(tables) <= {"clinical", "disease_activity", "metabolites", "proteins", "repertoire", "hla"}


@pytest.mark.shared
def test_values_after_treatment_change_nothing(shared_data, studies, tmp_path):
    """The proteome and the repertoires have both visits: the second is shuffled, and nothing moves."""
    for folder in ("plasma_proteome_csdmard", "airr_antitnf"):
        shutil.copytree(shared_data / "ra" / folder, tmp_path / folder)
    path = tmp_path / "plasma_proteome_csdmard" / "clinical.csv"
    table = pd.read_csv(path)
    later = [c for c in table if c.endswith("_followup")] + ["das28_crp_drop"]
    assert len(later) == 4
    table[later] = table[later].iloc[::-1].to_numpy()
    table.to_csv(path, index=False)
    (tmp_path / "plasma_proteome_csdmard" / "proteins_followup.parquet").unlink()
    samples = pd.read_csv(tmp_path / "airr_antitnf" / "clinical.csv")
    after = set(samples.loc[samples["visit"] == "week12", "sample_id"])
    for file in (tmp_path / "airr_antitnf").glob("*.parquet"):
        values = pd.read_parquet(file)
        values.loc[values["sample_id"].isin(after), values.columns[1:]] = np.nan
        values.to_parquet(file)
    for name in ("ra_proteome", "ra_repertoire"):
        again = read_arthritis(name, tmp_path)
        for t, before in studies[name].tables.items():
            pd.testing.assert_frame_equal(before, again.tables[t])


@pytest.mark.shared
@pytest.mark.parametrize("name", BLOCKS_OF)
def test_the_blocks_read_them(studies, name):
    matrix = FeatureAssembler(list(BLOCKS_OF[name])).fit(studies[name]).matrix(studies[name])
    known = {b: int(matrix.values.filter(regex=f"^{b}__").notna().any(axis=1).sum()) for b in BLOCKS_OF[name]}
    assert known == BLOCKS_OF[name]


@pytest.mark.shared
def test_one_score_rests_on_an_impossible_count(studies):
    """RA README: scores are recomputed by the block from joints, CRP and global; one patient has 40 swollen joints."""
    given = studies["ra_proteome"].tables["disease_activity"]
    assert given["swollen28"].max() <= 28
    assert given.loc[given["swollen28"].isna() & given["tender28"].notna(), "das28_crp"].isna().all()


@pytest.mark.shared
def test_zeros_of_lipids_are_below_detection(studies):
    cohort = studies["ra_lipids_discovery"]
    measured = BLOCKS["metabolites"](ratios=False).fit(cohort).measure(cohort)
    zeros = (cohort.tables["metabolites"] == 0).sum().sum()
    assert (measured.censored == -1).sum().sum() == zeros - 51  # one lipid, seen in one patient, is dropped
    assert measured.values.notna().all(axis=None)


@pytest.mark.shared
def test_found_by_name(shared_data, monkeypatch):
    monkeypatch.setenv("THERACAST_DATA", str(shared_data))
    assert load_cohort("ra_lipids_antitnf").name == "ra_lipids_antitnf"
    with pytest.raises(UsageError, match="Did you mean 'ra_proteome'"):
        load_cohort("ra_proteom")


def test_not_offered_where_the_files_are_not(tmp_path, monkeypatch):
    monkeypatch.setenv("THERACAST_DATA", str(tmp_path))
    with pytest.raises(UsageError, match="no data set named 'ra_proteome'"):
        load_cohort("ra_proteome")
    with pytest.raises(DataError, match="THX-D33"):
        read_arthritis("ra_proteome", Path("nowhere"))
