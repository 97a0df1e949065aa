"""Faults of an equity audit: words nobody foresaw, patients and cohorts that are not there."""

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, UsageError
from theracast.features.cohort import Cohort
from theracast.models.fairness import equity_audit
from theracast.models.subgroups import NOT_KNOWN, OTHERS, subgroups
from theracast.models.validate import MODEL


def audited(clinical, **changed):
    cohort = Cohort.from_tables({"clinical": clinical}, name="made_up")
    n = len(clinical)
    table = {
        "cohort": "made_up",
        "y": np.arange(n) % 2.0,
        MODEL: 0.4,
        "prior": 0.4,
        "set": "both",
        "decision": "abstain",
    }
    return equity_audit(pd.DataFrame(table | changed, index=clinical.index), {"made_up": cohort})


def people(n=30, **columns):
    return pd.DataFrame(columns, index=[f"secret{i}" for i in range(n)])


def test_a_column_of_names_tells_no_name():
    """Someone wrote the patient into the race column: every such group is one patient."""
    found = audited(people(race=[f"secret{i}, white" for i in range(30)]))
    assert "secret" not in found.to_csv()
    assert found[found["attribute"] == "ancestry"]["group"].tolist() == [OTHERS]


def test_a_novel_in_a_cell_is_cut():
    found = audited(people(race=["x" * 10_000] * 30))
    (group,) = found[found["attribute"] == "ancestry"]["group"]
    assert len(group) == 60


@pytest.mark.parametrize("said", [None, "", "NA", "unknown", "Not Reported", "declined"])
def test_what_says_nothing_is_not_known(said):
    cohort = Cohort.from_tables({"clinical": people(race=[said] * 30, sex=[said] * 30)})
    found = subgroups(cohort)
    assert set(found["ancestry"]) == {NOT_KNOWN}
    assert set(found["sex"]) == {NOT_KNOWN}


def test_a_cohort_without_a_clinical_table_is_of_patients_not_known():
    genes = pd.DataFrame(np.ones((6, 3)), columns=["TP53", "KRAS", "BRAF"], index=list("abcdef"))
    found = subgroups(Cohort.from_tables({"mutations": pd.DataFrame({"tmb": [1.0] * 6}, index=genes.index)}))
    assert (found.drop(columns="study") == NOT_KNOWN).all(axis=None)


def test_patients_and_cohorts_that_are_not_there_are_refused_unnamed():
    table = pd.DataFrame({"cohort": "elsewhere"}, index=["secret99"])
    with pytest.raises(UsageError, match="elsewhere"):
        equity_audit(table, {})
    with pytest.raises(DataError, match="THX-D17") as refused:
        equity_audit(table.assign(cohort="here"), {"here": Cohort.from_tables({"clinical": people(age=[60] * 30)})})
    assert "secret99" not in str(refused.value)


def test_one_class_and_one_answer_are_no_crash():
    found = audited(people(sex=["F", "M"] * 15), y=1.0)
    assert found["auc"].isna().all()
    same = audited(people(sex=["F", "M"] * 15), set="response", decision="response")
    assert same["abstains"].dropna().eq(0).all()
