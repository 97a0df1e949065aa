"""Wrong clinical values, stains and cells, named by the id of the fault; no value is repeated."""

import numpy as np
import pandas as pd
import pytest
from faults.judge import CANARY, fates, refused, scored

from theracast.features.assembler import FeatureAssembler
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.tumours import COARSE, UNLISTED
from theracast.features.units import read_quantity


def wide(**columns):
    table = pd.DataFrame({k.replace("__", ":"): v for k, v in columns.items()})
    return table.set_axis([f"p{i}" for i in range(len(table))], axis=0)


def checked(block, table, **units):
    problems = BLOCKS[block]().check(Cohort.from_wide(table, units=units or None))
    assert CANARY not in str(problems)
    return problems


# D13: text where a number is wanted


@pytest.mark.parametrize("name", ["albumin", "creatinine", "nlr", "bmi", "prior_lines"])
@pytest.mark.parametrize("cell", ["1,5", "<0.1", "ND", "12*", CANARY])
def test_D13_text_among_blood_values(predictor, name, cell):
    good = {"albumin": "41", "creatinine": "80", "nlr": "2.5", "bmi": "25", "prior_lines": "1"}[name]
    table = wide(**{f"clinical__{name}": [good, cell, f" {good} ", "", "n/a"]})
    assert fates(predictor, table, f"clinical:{name}", "THX-D13") == [1]


def test_D13_limits_where_a_laboratory_gives_them():
    table = wide(clinical__crp=["<5", "12", ">1e3x", f"<{CANARY}"], clinical__crp_unit="mg/L")
    assert [(p.code, p.rows) for p in checked("disease_activity", table)] == [("THX-D13", (2, 3))]


# D14: thirty strings

#: (cell, unit, interval) or (cell, unit, code)
STRINGS = [
    ("60", "TPS %", (60, 60)), ("1-49%", "TPS %", (1, 49)), ("1 - 49 %", "TPS %", (1, 49)), ("1–49%", "TPS %", (1, 49)),
    ("1 to 49", "TPS %", (1, 49)), ("≥50%", "TPS %", (50, 100)), (">=50", "TPS %", (50, 100)),
    (">= 1", "TPS %", (1, 100)),
    ("50%+", "TPS %", (50, 100)), ("<1%", "TPS %", (0, 1)), ("< 1", "22C3 TPS %", (0, 1)), ("≤1", "TPS %", (0, 1)),
    ("negative", "TPS %", (0, 1)), ("Positive", "TPS %", (1, 100)), ("0.5%", "TPS %", (0.5, 0.5)),
    ("TPS 60", "TPS %", (60, 60)), ("TPS: 1-49%", "", (1, 49)), ("CPS 10", "", (10, 10)), ("CPS>=10", "CPS", (10, 100)),
    ("IC2+", "", (2, 2)), ("IC 1", "SP142 IC level", (1, 1)), ("2+", "IC level", (2, 2)), ("neg", "IC level", (0, 0)),
    ("positive", "IHC (0/1)", (1, 1)),
    (".5", "TPS %", "THX-D14"), ("0.5", "TPS %", "THX-D14"), ("0.01-0.49", "TPS %", "THX-D14"),
    ("CPS 10", "TPS %", "THX-D14"), ("TPS 10", "22C3 CPS", "THX-D14"), ("10%", "CPS", "THX-D14"),
    ("60 %", "", "THX-D14"), ("negative", "", "THX-D13"), (">=50%", "percent", "THX-D14"), ("160", "TPS %", "THX-D14"),
    ("49-1%", "TPS %", "THX-D13"), ("1,5", "TPS %", "THX-D13"), ("ND", "TPS %", "THX-D13"), ("low", "TPS %", "THX-D13"),
    ("1-49-50", "TPS %", "THX-D13"), ("-1", "TPS %", "THX-D14"), (CANARY, "TPS %", "THX-D13"),
    ("inflamed", "TPS %", "THX-D13"),
]  # fmt: skip


def test_D14_the_table_has_thirty_strings():
    assert len(STRINGS) >= 30


@pytest.mark.parametrize(("cell", "unit", "wanted"), STRINGS)
def test_D14_strings_of_reports(predictor, cell, unit, wanted):
    from theracast.features.stains import read_stains

    table = wide(pathology__pdl1=["60", cell], pathology__pdl1_unit=["TPS %", unit])
    if isinstance(wanted, str):
        assert fates(predictor, table, "pathology:pdl1", wanted) == [1]
        return
    assert fates(predictor, table, "") == []
    got = read_stains(Cohort.from_wide(table), ["pathology"], "pdl1")
    assert (got.low.iloc[1], got.high.iloc[1]) == wanted
    assert got.ranged.tolist() == [False, wanted[0] < wanted[1]]


def test_D14_fractions_as_text_and_as_ranges(predictor):
    for cells in (["0.5", "0.02", "0.9", "0"], ["0.01-0.49", "0.5", "0"]):
        refused(lambda c=cells: predictor.score(wide(pathology__pdl1=c, pathology__pdl1_unit="TPS %")), "THX-D14")
    assert fates(predictor, wide(pathology__pdl1=["<1", "0", "1"], pathology__pdl1_unit="TPS %"), "") == []


def test_D14_a_phenotype_under_another_score(predictor):
    table = wide(pathology__til=["inflamed", "inflamed", "brisk"], pathology__til_unit=["CD8 phenotype", "TIL %", ""])
    scores = scored(predictor, table)
    assert (scores.rejects.row.astype(int) - 1).tolist() == [1, 2]


# D15, D16: what nobody can have, and what fits another unit


@pytest.mark.parametrize(
    ("name", "unit", "value", "other", "fix"),
    [
        ("albumin", "g/L", 4.1, "g/dL", "multiply by 10"),
        ("albumin", "g/dL", 41.0, "g/L", "divide by 10"),
        ("creatinine", "umol/L", 1.1, "mg/dL", "multiply by 88.42"),
        ("creatinine", "mg/dL", 97.0, "umol/L", "divide by 88.42"),
        ("glucose", "mmol/L", 99.0, "mg/dL", "divide by 18.02"),
        ("glucose", "mg/dL", 5.5, "mmol/L", "multiply by 18.02"),
        ("neutrophils", "10^9/L", 4200.0, "/uL", "divide by 1000"),
        ("height", "cm", 1.7, "m", "multiply by 100"),
        ("height", "m", 170.0, "cm", "divide by 100"),
    ],
)
def test_D16_the_other_unit_is_named(predictor, name, unit, value, other, fix):
    row = checked("clinical", wide(**{f"clinical__{name}": [value], f"clinical__{name}_unit": [unit]}))
    assert [(p.code, p.rows) for p in row] == [("THX-D16", (0,))]
    assert f"If these are {other}, {fix}" in row[0].what
    assert "median" not in row[0].what, "of one patient the median is the value"
    column = wide(**{f"clinical__{name}": [value] * 6, f"clinical__{name}_unit": unit})
    whole = checked("clinical", column)
    assert [p.rows for p in whole] == [()]
    assert f"got median {value:.3g}. If these are {other}" in whole[0].what
    refused(lambda: predictor.score(column), "THX-D16")


@pytest.mark.parametrize(
    ("name", "value", "read", "unit"),
    [("albumin", 4.1, 41.0, "g/dL"), ("creatinine", 1.1, 97.262, "mg/dL"), ("glucose", 99.0, 5.495, "mg/dL"),
     ("neutrophils", 4200.0, 4.2, "/uL"), ("height", 1.7, 170.0, "m")],
)  # fmt: skip
def test_D16_without_a_unit_a_value_is_read_in_the_only_one_it_can_be_in(name, value, read, unit):
    table = wide(**{f"clinical__{name}": [value, np.nan]})
    assert checked("clinical", table) == []
    got = read_quantity(Cohort.from_wide(table), ["clinical"], name, "clinical")
    assert got.values.iloc[0] == pytest.approx(read, rel=1e-3)
    assert list(got.notes.values()) == [f"{name} has no unit: read as {unit}, the only one it can be in"]


def test_D16_without_a_unit_what_fits_none_is_refused():
    assert [p.rows for p in checked("clinical", wide(clinical__albumin=[8.5, 41.0]))] == [(0,)]


def test_D16_the_house_sentence():
    whole = checked("clinical", wide(clinical__albumin=[3.9, 4.0, 4.1, 4.2, 4.4], clinical__albumin_unit="g/L"))
    assert whole[0].what == (
        "block 'clinical': column 'albumin' should be in g/L (10-70); got median 4.1. "
        "If these are g/dL, multiply by 10 or write 'g/dL' in albumin_unit."
    )


@pytest.mark.parametrize(
    ("name", "value"), [("albumin", 900.0), ("creatinine", -3.0), ("nlr", 900.0), ("bmi", 250.0), ("prior_lines", 44.0)]
)
def test_D16_what_nobody_can_have(predictor, name, value):
    good = {"albumin": 41.0, "creatinine": 80.0, "nlr": 2.5, "bmi": 25.0, "prior_lines": 1.0}[name]
    table = wide(**{f"clinical__{name}": [good, value]})
    assert fates(predictor, table, f"clinical:{name}", "THX-D16") == [1]


@pytest.mark.parametrize("unit", ["mg%", "furlong", CANARY])
def test_D16_a_unit_that_is_not_known(predictor, unit):
    table = wide(clinical__albumin=[41.0, 41.0], clinical__albumin_unit=["g/L", unit])
    assert fates(predictor, table, "clinical:albumin", "THX-D16") == [1]
    table = wide(clinical__ldh=[310.0, 5.0], clinical__ldh_unit=["U/L", "ukat/L"])
    assert fates(predictor, table, "clinical:ldh", "THX-D16") == [1]


def test_D16_one_patient_is_judged_as_in_the_crowd(predictor):
    crowd = wide(clinical__albumin=[41.0, 39, 4.1, 44, 35, 29], clinical__albumin_unit="g/L")
    assert fates(predictor, crowd, "clinical:albumin", "THX-D16") == [2]
    assert fates(predictor, crowd.iloc[[2]], "clinical:albumin", "THX-D16") == [0]
    assert fates(predictor, crowd.iloc[[0]], "") == []


@pytest.mark.parametrize("value", [np.inf, -np.inf, 1e308])
def test_D11_infinite_blood_values_and_stains(predictor, value):
    assert fates(predictor, wide(clinical__albumin=[41.0, value]), "clinical:albumin", "THX-D11") == [1]
    table = wide(pathology__pdl1=[60.0, value], pathology__pdl1_unit="TPS %")
    assert fates(predictor, table, "pathology:pdl1", "THX-D11") == [1]


# D16, D20: cells


def cells(**changes):
    table = pd.DataFrame(
        {"patient_id": ["a"] * 4 + ["b"] * 4, "x": [0.0, 20, 40, 60] * 2, "y": 0.0, "cell_type": ["tumour", "CD8"] * 4}
    )
    return Cohort.from_tables({"cells": table.assign(**changes)})


@pytest.mark.parametrize(
    ("changes", "code", "rows"),
    [
        ({"x": [0.0, 0.02, 0.04, 0.06] * 2}, "THX-D16", (0, 1)),
        ({"x": [0.0, 20, 40, None, 0, 20, 40, 60]}, "THX-D16", (0,)),
        ({"x": [0.0, 20, 40, 60, 0, 20, 40, "far"]}, "THX-D13", (1,)),
        ({"x": [0.0, 20, 40, 60, 0, 20, 40, 9e6]}, "THX-D16", (1,)),
        ({"y": [0.0, np.inf, 40, 60, 0, 20, 40, 3]}, "THX-D11", (0,)),
        ({"cell_type": ["tumour", "CD8", None, "CD8"] + ["tumour"] * 4}, "THX-D20", (0,)),
        ({"cell_type": "fibroblast"}, "THX-D20", ()),
    ],
)
def test_D16_D20_cells(changes, code, rows):
    found = BLOCKS["spatial"]().check(cells(**changes))
    assert (found[0].code, found[0].rows) == (code, rows)
    assert BLOCKS["spatial"]().check(cells()) == []


def test_D33_cells_without_columns():
    found = BLOCKS["spatial"]().check(Cohort.from_tables({"cells": pd.DataFrame({"x": [1.0]}, index=["a"])}))
    assert "y, cell_type" in found[0].what


# D20: a tumour type that is not listed


@pytest.mark.parametrize("cell", ["chordoma", CANARY, f"melanoma {CANARY}", "Lung", "3", "x" * 5000])
def test_D20_an_unlisted_tumour_type_is_no_category(predictor, cell):
    table = wide(clinical__age=["61"] * 3, clinical__cancer_type=["Melanoma", cell, ""], mutations__tmb=["9.0"] * 3,
                 mutations__tmb_unit="mut/Mb")  # fmt: skip
    cohort = Cohort.from_wide(table)
    assert cohort.tumours.tolist() == ["melanoma", "", ""]
    matrix = predictor.model.assembler_.matrix(cohort)
    assert matrix.tumours.tolist() == ["melanoma", "", ""]
    about = {i: [n for n in notes if n.startswith((UNLISTED, COARSE))] for i, notes in matrix.notes.items()}
    assert {i: len(n) for i, n in about.items() if n} == {"p1": 1}
    assert checked("clinical", table) == []
    scores = scored(predictor, table)
    assert scores.account()["rejected"] == 0
    assert scores.table.notes.astype(str).str.contains(f"{UNLISTED}|{COARSE}").tolist() == [False, True, False]


def test_D20_types_that_are_not_known_are_not_told_apart():
    one, other = (
        Cohort.from_wide(wide(clinical__age=["61"], clinical__cancer_type=[cell])) for cell in ("chordoma", CANARY)
    )
    assembler = FeatureAssembler(["clinical"]).fit(one)
    assert assembler.matrix(one).digests.tolist() == assembler.matrix(other).digests.tolist()
