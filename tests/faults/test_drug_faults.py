"""Faults of drug names (D21): an unseen or misspelt drug gets the nearest known name, is never matched, has no rank."""

import pandas as pd
import pytest
from faults.judge import CANARY, refused

from theracast.features.drugs import read_drug, read_regimen, read_regimens

CODE = "THX-D21"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("etanarcept", "'etanercept'"), ("adalumimab", "'adalimumab'"), ("infliximb", "'infliximab'"),
        ("methotrexat", "'methotrexate'"), ("tocilizumad", "'tocilizumab'"), ("Humria", "'Humira' (adalimumab)"),
        ("Enbrell", "'Enbrel' (etanercept)"), ("nivolumap", "'nivolumab'"),
        ("hydroxychloroquin", "'hydroxychloroquine'"),
        ("pembrolizumb 200 mg q3w", "'pembrolizumab'"), ("MTX + leflunomid", "'leflunomide'"),
        ("tofacitinib nitrate", "'tofacitinib'"), ("adalimumab-zzzz", "'adalimumab'"),
        ("methotrexate sodum", "'methotrexate'"),
    ],
)  # fmt: skip
def test_D21_a_misspelt_drug_is_suggested_and_not_taken(text, hint):
    message = refused(lambda: read_regimen(text), CODE)
    assert f"Did you mean {hint}?" in message


@pytest.mark.parametrize(
    "text", ["semaglutide", "aspirin", "sotalol", "gene therapy X", "drug", "42", "藥", f"{CANARY}mab"]
)
def test_D21_an_unseen_drug_has_a_nearest_name_and_no_match(text):
    message = refused(lambda: read_drug(text), CODE)
    assert "is not one that is known here" in message
    assert "nearest known name is '" in message or "Did you mean '" in message


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("PEM", ("pembrolizumab", "pemetrexed")), ("pred", ("prednisone", "prednisolone")),
        ("IFN", ("interferon alfa-2b", "interferon gamma")), ("INF", ("infliximab", "interferon gamma")),
        ("MTX + pred", ("prednisone", "prednisolone")), ("MTX/PRED", ("prednisone", "prednisolone")),
    ],
)  # fmt: skip
def test_D21_an_abbreviation_of_two_drugs_names_both(text, names):
    message = refused(lambda: read_regimen(text), CODE)
    assert "means more than one drug" in message
    assert all(repr(name) in message for name in names)


@pytest.mark.parametrize(
    "text",
    [
        # alternatives, sequences, what was not given
        "nivolumab and/or sotigalimab + chemotherapy", "ipilimumab (then anti-PD1)", "MTX or LEF",
        "LEF→MTX", "LEF -> MTX",
        "adalimumab followed by rituximab", "adalimumab vs placebo", "no methotrexate", "adalimumab without MTX",
        # a word that turns the meaning round
        "anti-TNF naive", "MTX-naive", "non-MTX", "adalimumab-fail", "adalimumab failure", "prior adalimumab",
        "stopped etanercept", "rituximab-like", "MTX-IR",
        # doubt, and a sign that lacks a drug
        "adalimumab?", "nivolumab +", "+ MTX", "nivolumab + ?", "MTX //LEF", "MTX/", "MTX (LEF)",
        "etanercept (adalimumab)", "nivolumab (+ ipilimumab)",
        # two arms of a trial, joined
        "ustekinumab_placebo", "placebo_ustekinumab",
        # one known, one not
        "MTX + semaglutide", f"MTX + {CANARY}", "MTXHCX", "MTXMTX",
    ],
)  # fmt: skip
def test_D21_what_is_no_single_regimen_is_refused(text):
    refused(lambda: read_regimen(text), CODE)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("MTX or LEF", "alternatives, a sequence"), ("LEF→MTX", "a sequence"), ("no MTX", "was not given"),
        ("nivolumab and/or ipilimumab", "alternatives"), ("MTX +", "beside one"), ("MTX + ? + HCQ", "beside one"),
        ("MTX (LEF)", "in brackets stands another drug"),
    ],
)  # fmt: skip
def test_D21_the_reason_is_said(text, why):
    assert why in refused(lambda: read_regimen(text), CODE)


def test_D21_one_drug_is_wanted_and_several_are_named():
    message = refused(lambda: read_drug("MTX + LEF"), CODE)
    assert "read_regimen" in message
    refused(lambda: read_drug("Opdualag"), CODE)


def test_D21_a_column_has_an_answer_or_a_problem_for_every_row():
    cells = ["Humira", "humria", "", CANARY, None, "MTX/HCQ", "unknown", f"adalimumab {CANARY}", "LEF then MTX", "PEM"]
    labels, problems = read_regimens(pd.Series(cells), "clinical:drug")
    read = [i for i, label in enumerate(labels) if label]
    missing = [2, 4, 6]
    told = sorted(row for p in problems for row in p.rows)
    assert read == [0, 5]
    assert sorted([*read, *missing, *told]) == list(range(len(cells)))
    assert {p.code for p in problems} == {CODE}
    assert not any(CANARY in str(p) for p in problems)


def test_D21_missing_is_not_unknown():
    for text in (None, float("nan"), "", "  ", "NA", "n/a", "not reported", "-", "?"):
        assert not read_regimen(text)
        assert read_drug(text) is None
