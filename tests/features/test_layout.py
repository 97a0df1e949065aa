"""What is said of the day a sample was taken: which patients are left out, and whom nothing is said of."""

import pandas as pd
import pytest

from theracast.features.cohort import Cohort
from theracast.features.layout import before_treatment, dates, is_late


@pytest.mark.parametrize(
    "word",
    ["post", "Post-treatment", "on-treatment, week 4", "on_treatment", "On drug", "during", "EDT", "after 2 doses",
     "progression", "follow-up", "C2D1", "c1d8", "cycle 3", "Week 6", "w12", "month 3", "day 15", "d8",
     "pre/post-treatment", "pre and post", "baseline and on-treatment"],
)  # fmt: skip
def test_words_of_samples_taken_late(word):
    assert is_late(word)


@pytest.mark.parametrize(
    "word",
    ["pre", "Pre-treatment", "baseline", "screening", "before progression", "pre-treatment, post-surgery",
     "prior to treatment", "baseline (after washout)", "C1D1", "day 1", "day 0", "day -3", "week -2", "week 0",
     "archival", "", None, float("nan"), 3],
)  # fmt: skip
def test_words_of_samples_taken_before_and_words_that_say_nothing(word):
    assert not is_late(word)


def timed(**columns):
    return Cohort.from_tables({"clinical": pd.DataFrame(columns, index=list("abcd"))}, name="made_up")


@pytest.mark.parametrize(
    ("columns", "left"),
    [
        ({"sample_timing": ["pre", "post", None, "C2D1"]}, "ac"),
        ({"sample_date": ["2024-01-31", "2024-02-01", "2024-02-02", None], "treatment_start": "2024-02-01"}, "abd"),
        ({"Sample_Date": ["2024-03-01"] * 4, "treatment_start_date": ["2024-02-01"] * 3 + [None]}, "d"),
        ({"sample_date": ["2024-03-01"] * 4}, "abcd"),  # nobody says when treatment began
        ({"sample_timing": ["post"] * 4}, ""),
        ({"age": [60.0] * 4}, "abcd"),
    ],
)  # fmt: skip
def test_who_is_left_out(columns, left):
    assert "".join(before_treatment(timed(**columns)).ids) == left


def test_a_patient_who_is_late_twice_is_left_out_once_and_those_of_other_tables_stay():
    clinical = pd.DataFrame(
        {
            "sample_timing": ["post", "pre"],
            "sample_date": ["2024-03-01", "2024-01-01"],
            "treatment_start": "2024-02-01",
        },
        index=["late", "early"],
    )
    genes = pd.DataFrame({"tmb": [1.0, 2.0, 3.0]}, index=["other", "late", "early"])
    cohort = Cohort.from_tables({"mutations": genes, "clinical": clinical})
    kept = before_treatment(cohort)
    assert set(kept.ids) == {"other", "early"}
    assert kept.table("mutations")["tmb"].to_dict() == {"other": 1.0, "early": 3.0}


def test_what_is_left_out_is_what_the_check_refuses():
    cohort = timed(sample_timing=["pre", "week 6", "day 1", "post"])
    assert dates(cohort)[0].rows == (1, 3)
    assert dates(before_treatment(cohort)) == []
