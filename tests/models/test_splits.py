"""The same person under two names never stands on both sides of a split."""

import re

import numpy as np
import pandas as pd
import pytest

from theracast.models.splits import family, leave_one_cohort_out


def clinical(shared_data, name):
    return pd.read_csv(shared_data / "ici" / name / "clinical.csv", dtype={"patient_id": str})


def number(text):
    return int(re.search(r"(?:-p|RCC_)0*(\d+)", text)[1]) if re.search(r"(?:-p|RCC_)0*(\d+)", text) else -1


@pytest.mark.shared
def test_d18_choueiri_is_in_miao_and_miao_in_braun(shared_data):
    """CheckMate 009: the trial numbers agree, and with them sex and response."""
    choueiri, miao, braun = (clinical(shared_data, n) for n in ("choueiri2016_rcc", "miao2018_rcc", "braun2020_rcc"))
    for frame in (choueiri, miao):
        frame["number"] = frame.patient_id.map(number)
    both = choueiri.merge(miao[miao.number >= 0], on="number", suffixes=("", "_miao"))
    assert len(both) == len(choueiri) == 16
    assert (both.sex == both.sex_miao).all()
    assert (both.response == both.response_miao).all()
    assert len(set(miao.patient_id) & set(braun.patient_id)) == 16
    assert family("choueiri2016_rcc") == family("miao2018_rcc") == family("braun2020_rcc")


@pytest.mark.shared
def test_d18_a_third_of_vanguri_is_in_chowell(shared_data):
    """Same age, sex, TMB and albumin, far more often than when ages are shuffled among the patients."""
    vanguri = clinical(shared_data, "loris_vanguri_nsclc")
    chowell = pd.concat([clinical(shared_data, f"loris_chowell_{half}_pan") for half in ("train", "test")])
    chowell = chowell[chowell.cancer_type == "NSCLC"]

    def shared_patients(age):
        keys = [
            set(zip(a.round(), f.sex, f.tmb.round(1), f.albumin.round(1), strict=True))
            for a, f in ((age, vanguri), (chowell.age, chowell))
        ]
        return len(keys[0] & keys[1])

    rng = np.random.default_rng(0)
    chance = [shared_patients(pd.Series(rng.permutation(vanguri.age), vanguri.index)) for _ in range(20)]
    assert shared_patients(vanguri.age) > 3 * max(chance)
    assert family("loris_vanguri_nsclc") == family("loris_chowell_train_pan") == family("loris_chowell_test_pan")


def test_a_family_is_left_out_as_one():
    pairs = dict(leave_one_cohort_out(["choueiri2016_rcc", "miao2018_rcc", "braun2020_rcc", "liu2019_mel"]))
    assert pairs["miao2018_rcc"] == ("liu2019_mel",)
    assert pairs["liu2019_mel"] == ("choueiri2016_rcc", "miao2018_rcc", "braun2020_rcc")
