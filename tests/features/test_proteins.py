"""Proteins: log2, limits of detection, units, a frozen reference; by hand and against SciPy."""

import time

import numpy as np
import pandas as pd
import pytest
from scipy.stats import median_abs_deviation

from theracast.errors import DataError, UsageError
from theracast.features.blocks import BLOCKS
from theracast.features.blocks.proteins import ProteinsBlock
from theracast.features.cohort import Cohort


def cohort(table, unit=None, **units):
    ids = [f"p{i}" for i in range(len(next(iter(table.values()))))]
    return Cohort.from_tables(
        {"proteins": pd.DataFrame(table, index=ids)}, units={**({"proteins": unit} if unit else {}), **units}
    )


def test_values_below_detection_stand_at_the_limit_and_are_marked():
    c = cohort({"IL6": ["<0.5", "4", ">64", "LOW", "HIGH", ""]}, "pg/mL")
    measured = ProteinsBlock().fit(cohort({"IL6": ["<0.5", "4", ">64", "16"]}, "pg/mL")).measure(c)
    np.testing.assert_array_equal(measured.values["IL6"], [-1, 2, 6, -1, 6, np.nan])
    assert measured.censored["IL6"].tolist() == [-1, 0, 1, -1, 1, 0]
    assert measured.coverage.tolist() == [1, 1, 1, 1, 1, 0]
    assert measured.notes["p0"] == ["1 of 1 proteins are beyond a detection limit: given as the limit"]
    assert "p1" not in measured.notes


def test_low_without_a_limit_stands_at_the_least_value_of_training():
    block = ProteinsBlock().fit(cohort({"IL6": [8, 2, "LOW", 32]}, "pg/mL"))
    assert block.measure(cohort({"IL6": ["LOW"]}, "pg/mL")).values.iloc[0, 0] == 1.0


def test_zeros_are_refused_or_below_detection_as_declared():
    table = {"IL6": [0.0, 2.0, 8.0], "TNF": [4.0, 1.0, 2.0]}
    assert [(p.code, p.rows) for p in ProteinsBlock().check(cohort(table, "pg/mL"))] == [("THX-D13", (0,))]
    for block, c in (
        (ProteinsBlock(), cohort(table, "pg/mL", zeros="below detection")),
        (ProteinsBlock(zero_is_below_detection=True), cohort(table, "pg/mL")),
    ):
        measured = block.fit(c).measure(c)
        assert measured.values["IL6"].tolist() == [1, 1, 3]
        assert measured.censored["IL6"].tolist() == [-1, 0, 0]


def test_a_limit_is_carried_through_a_ratio():
    c = cohort({"IL6": ["<1", 8, "<1", ">8", 2], "IL10": [4, "<2", "<2", "<2", 1]}, "pg/mL")
    measured = ProteinsBlock().fit(c).measure(c)
    np.testing.assert_array_equal(measured.values["ratio_il6_il10"], [-2, 2, np.nan, 2, 1])
    assert measured.censored["ratio_il6_il10"].tolist() == [-1, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("unit", "value", "wanted"),
    [
        ("ng/mL", 1.0, np.log2(1000)),
        ("ug/L", 1.0, np.log2(1000)),
        ("mg/L", 2.0, np.log2(2e6)),
        ("log2 pg/mL", 3.0, 3.0),
    ],
)
def test_concentrations_convert(unit, value, wanted):
    block = ProteinsBlock().fit(cohort({"CRP": [1.0, 2.0, 3.0]}, "pg/mL"))
    assert block.transform(cohort({"CRP": [value]}, unit)).iloc[0, 0] == pytest.approx(wanted, rel=1e-15)


def test_units_by_row_win_over_the_table():
    c = cohort({"CRP": [1.0, 1.0, 2.0], "unit": ["ng/mL", None, ""]}, "pg/mL")
    assert ProteinsBlock().fit_transform(c).iloc[:, 0].tolist() == [np.log2(1000), 0.0, 1.0]


def test_what_could_be_logarithms_is_refused_until_declared():
    ambiguous = {"IL6": [1.2, 3.4, 7.7], "TNF": [2.0, 2.5, 3.0]}
    with pytest.raises(DataError, match="'proteins: pg/mL'") as caught:
        ProteinsBlock().fit(cohort(ambiguous))
    assert caught.value.code == "THX-D16"
    with pytest.raises(DataError, match="THX-D16"):
        ProteinsBlock().fit(cohort({"IL6": [-1.0, 100.0]}))
    assert ProteinsBlock().fit(cohort({"IL6": [3.0, 100.0]})).outputs()[0].unit == "log2 intensity"
    npx = ProteinsBlock().fit(cohort(ambiguous, "NPX"))
    assert npx.transform(cohort(ambiguous, "NPX"))["proteins__IL6"].tolist() == ambiguous["IL6"]
    one = npx.measure(cohort({"IL6": [1.0]}))
    assert one.values["IL6"].tolist() == [1.0]
    assert "not declared" in one.notes["p0"][-1]


@pytest.mark.parametrize(
    ("table", "unit", "code"),
    [
        ({"A": [1.0, -2.0]}, "pg/mL", "THX-D05"),
        ({"A": [1.0, 900.0]}, "NPX", "THX-D05"),
        ({"A": [1.0, 0.0]}, "intensity", "THX-D13"),
        ({"A": [1.0, 2.0]}, "furlong", "THX-D16"),
        ({"A": [1.0, 2.0], "unit": ["NPX", "pg/mL"]}, None, "THX-D16"),
        ({"A": [1.0, 2.0], " A": [1.0, 2.0]}, "NPX", "THX-D03"),
    ],
)
def test_implausible_units_are_refused(table, unit, code):
    with pytest.raises(DataError) as caught:
        ProteinsBlock().fit(cohort(table, unit))
    assert caught.value.code == code


def test_a_patient_in_another_unit_is_refused_and_the_unit_named():
    rng = np.random.default_rng(5)
    names = [f"P{i}" for i in range(12)]
    train = {n: rng.lognormal(5, 1, 30) for n in names}
    block = ProteinsBlock().fit(cohort(train, "pg/mL"))
    assert block.check(cohort(train)) == []
    nanograms = cohort({n: v[:3] / 1000 for n, v in train.items()})
    assert [p.rows for p in block.check(nanograms)] == [(0, 1, 2)]
    assert block.check(cohort({n: v[:3] / 1000 for n, v in train.items()}, "ng/mL")) == []
    npx = block.check(cohort({n: v[:3] for n, v in train.items()}, "NPX"))
    assert any("another quantity than pg/mL" in p.what for p in npx)


def test_robust_reference_is_frozen_and_equals_scipy():
    rng = np.random.default_rng(6)
    x = rng.lognormal(2, 1, 41)
    block = ProteinsBlock(scaling="robust").fit(cohort({"A": x, "B": x[::-1]}, "pg/mL"))
    logs = np.log2(x)
    wanted = (logs - np.median(logs)) / median_abs_deviation(logs, scale="normal")
    got = block.transform(cohort({"A": x, "B": x[::-1]}, "pg/mL"))
    np.testing.assert_allclose(got["proteins__A"], wanted, rtol=1e-12)
    alone = block.transform(cohort({"A": x[7:8]}, "pg/mL"))
    assert alone["proteins__A"].iloc[0] == got["proteins__A"].iloc[7]
    # more than half of the patients alike: the mean absolute deviation stands in, nothing is divided by 0
    flat = ProteinsBlock(scaling="robust").fit(cohort({"A": [4.0, 4, 4, 8]}, "pg/mL"))
    assert flat.transform(cohort({"A": [8.0]}, "pg/mL")).iloc[0, 0] == pytest.approx(1 / (1.2533141373155001 * 0.25))


def test_selected_columns_and_what_was_dropped():
    table = {"IL6": [1.0, 2, 3, 4], "CRP": [1.0, None, None, None], "ALB": [5.0] * 4, "TNF": ["<1", "<1", "LOW", None]}
    block = ProteinsBlock().fit(cohort(table, "NPX"))
    assert block.columns_ == ["IL6"]
    assert block.dropped_ == {
        "CRP": "known of too few training patients",
        "ALB": "the same in all training patients",
        "TNF": "no value within limits",
    }
    chosen = ProteinsBlock(select=["ZYX", "IL6"]).fit(cohort(table, "NPX"))
    assert (chosen.columns_, chosen.dropped_) == (["IL6"], {"ZYX": "not in the table"})
    with pytest.raises(UsageError, match="scaling"):
        ProteinsBlock(scaling="z").fit(cohort(table, "NPX"))


def test_a_second_fit_forgets_the_first():
    block = ProteinsBlock().fit(cohort({"A": [1.0, 2.0]}, "NPX"))
    assert block.fit(cohort({"A": [100.0, 200.0]})).unit_ == "intensity"


def test_genes_are_known_by_their_approved_symbol():
    block = ProteinsBlock().fit(cohort({"PDL1": [1.0, 2.0], "cd8a": [3.0, 4.0]}, "NPX"))
    assert block.columns_ == ["CD274", "CD8A"]
    assert block.renamed_ == {"CD274": "PDL1", "CD8A": "cd8a"}
    assert block.transform(cohort({"CD274": [5.0]}, "NPX"))["proteins__CD274"].tolist() == [5.0]


@pytest.mark.shared
def test_a_real_proteome(shared_data):
    table = pd.read_parquet(shared_data / "ra/plasma_proteome_csdmard/proteins_baseline.parquet")
    c = Cohort.from_tables({"proteins": table}, units={"proteins": "intensity"})
    started = time.perf_counter()
    block = ProteinsBlock(zero_is_below_detection=True).fit(c)
    measured = block.measure(c)
    assert time.perf_counter() - started < 20
    assert measured.values.shape[0] == 183
    assert 600 < len(block.columns_) < 913
    assert measured.coverage.between(0.5, 1).all()
    number = table.set_index("patient_id")["ARPC2"].astype(float)
    np.testing.assert_allclose(measured.values["ARPC2"], np.log2(number), rtol=1e-12)
    assert 0 < (measured.censored != 0).sum().sum() < 100


@pytest.mark.parametrize("name", ["proteins", "metabolites", "mirna"])
def test_a_cohort_of_which_nobody_is_left_is_measured(name):
    cohort = Cohort.from_tables(BLOCKS[name].example(), units={"zeros": "below detection"})
    block = BLOCKS[name]().fit(cohort)
    assert block.transform(cohort.subset([])).shape == (0, len(block.names))
