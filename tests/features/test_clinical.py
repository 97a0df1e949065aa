"""Clinical values: conversions known from outside, ratios from their parts, and the model that must not move."""

import numpy as np
import pandas as pd
import pytest

from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.tables import load_table
from theracast.features.units import quantity, read_quantity, spelt, units_of
from theracast.models.base import ResponseModel


def clinical(**columns):
    n = max(len(v) for v in columns.values() if isinstance(v, list))
    table = pd.DataFrame(columns, index=[f"p{i}" for i in range(n)])
    return Cohort.from_tables({"clinical": table})


def measured(**columns):
    block = BLOCKS["clinical"]()
    cohort = clinical(**columns)
    assert block.check(cohort) == []
    return block.fit(cohort).measure(cohort)


@pytest.mark.parametrize(
    ("name", "unit", "value", "wanted", "within"),
    [
        ("albumin", "g/dL", 4.1, 41.0, 1e-12),
        ("albumin", " G/L ", 41.0, 41.0, 1e-12),
        ("creatinine", "mg/dL", 1.0, 88.4, 0.05),  # KDIGO 2012: 1 mg/dL = 88.4 umol/L
        ("creatinine", "µmol/L", 88.4, 88.4, 1e-12),
        ("glucose", "mg/dL", 126.0, 7.0, 0.05),  # ADA: diabetes from 126 mg/dL (7.0 mmol/L)
        ("glucose", "mg/dL", 100.0, 5.6, 0.05),  # ADA: impaired from 100 mg/dL (5.6 mmol/L)
        ("glucose", "mg/dL", 200.0, 11.1, 0.05),
        ("bmi", "", 24.8, 24.8, 1e-12),
        ("prior_lines", "", 3.0, 3.0, 1e-12),
        ("pack_years", "", 20.0, 20.0, 1e-12),
        ("nlr", "", 2.8, 2.8, 1e-12),
    ],
)
def test_conversions(name, unit, value, wanted, within):
    got = measured(**{name: [value], f"{name}_unit": [unit]}).values[name].iloc[0]
    assert got == pytest.approx(wanted, abs=within)


def test_every_unit_converts_there_and_back_and_its_bounds_make_sense():
    table = load_table("lab_units")
    assert set(table.undeclared) == {"first", "refuse"}
    for name in table.quantity.unique():
        units = quantity(name)
        assert (units[0].factor, units[0].offset) == (1.0, 0.0)
        assert len({u for unit in units for u in unit.also}) == sum(len(u.also) for u in units), (
            "one spelling, one unit"
        )
        for unit in units:
            assert unit.low < unit.high
            low, high = (v * unit.factor + unit.offset for v in (unit.low, unit.high))
            assert low < units[0].high, "a unit whose values fit nobody"
            assert high > units[0].low, "a unit whose values fit nobody"
        undeclared = table.undeclared[table.quantity == name]
        assert len(set(undeclared)) == 1


def test_a_unit_that_overlaps_must_be_said():
    """Where most of the values of one unit could be the other, silence is refused."""
    for name in ("crp", "global"):
        cells = pd.DataFrame({name: [5.0, 0.0, np.nan]}, index=list("abc"))
        got = read_quantity(Cohort.from_tables({"clinical": cells}), ["clinical"], name, "clinical")
        assert [p.rows for p in got.problems] == [(0,)]
        assert f"needs its unit; write {units_of(name)} in {name}_unit" in got.problems[0].what
        assert got.values.fillna(-1).tolist() == [-1.0, 0.0, -1.0]


def test_spellings():
    assert {spelt(u) for u in ("µmol/L", "μmol/L", "umol/l", " UMOL / L")} == {"umol/l"}
    assert spelt(None) == spelt("n/a") == spelt(float("nan")) == ""


def test_ratio_and_build_from_their_parts():
    got = measured(
        neutrophils=[4200.0, 4.2, np.nan, 3.0],
        neutrophils_unit=["/uL", "10^9/L", None, None],
        lymphocytes=[1500.0, 1.5, 2.0, 0.0],
        lymphocytes_unit=["cells/µL", "x10^9/L", None, None],
        nlr=[np.nan, 2.9, 6.0, np.nan],
        weight=[71.0, 156.5, np.nan, 71.0],
        weight_unit=["kg", "lb", None, None],
        height=[1.69, 169.0, 170.0, np.nan],
        height_unit=["m", "cm", None, None],
        smoking_status=["Never", "former", "current", "sometimes"],
    )
    np.testing.assert_allclose(got.values["nlr"], [2.8, 2.9, 6.0, np.nan])
    np.testing.assert_allclose(got.values["bmi"], [24.859, 24.854, np.nan, np.nan], atol=1e-3)
    np.testing.assert_array_equal(got.values["smoking"], [0, 1, 2, np.nan])
    assert list(got.notes) == ["p3"]
    assert "sometimes" not in str(got.notes)


def test_a_ratio_that_is_not_that_of_its_counts():
    cohort = clinical(neutrophils=[4.2, 4.2], lymphocytes=[1.5, 1.5], nlr=[2.8, 5.6])
    assert [p.rows for p in BLOCKS["clinical"]().check(cohort)] == [(1,)]


def test_units_declared_for_a_column_outlive_every_step():
    tables = {"clinical": pd.DataFrame({"albumin": [4.1, 3.9], "albumin_unit": [None, "g/dL"]}, index=["a", "b"])}
    one = Cohort.from_tables(tables, name="one", units={"clinical.albumin": "g/dL"})
    other = Cohort.from_tables({"clinical": pd.DataFrame({"albumin": [41.0]}, index=["c"])}, name="other")
    both = Cohort.concat([one, other])
    block = BLOCKS["clinical"]()
    assert block.fit(both).measure(both).values["albumin"].tolist() == [41.0, 39.0, 41.0]
    assert block.transform(one.wide())["clinical__albumin"].tolist() == [41.0, 39.0]
    assert block.transform(one.subset(["b"]))["clinical__albumin"].tolist() == [39.0]
    assert "albumin_unit" in one.tables["clinical"]
    assert tables["clinical"]["albumin_unit"].isna().tolist() == [True, False], "the table given is left alone"


def test_words_that_name_no_class_are_no_class():
    """D20: an unseen word is unknown, never category 0."""
    got = measured(
        prior_ici=["none", "No", "CTLA4", "pembrolizumab", "gene therapy", ""],
        ici_target=["CTLA-4", "PD1+CTLA4", "Other", "PD-L1", "CD19", "unknown"],
    )
    np.testing.assert_array_equal(got.values["prior_ici"], [0, 0, 1, 1, np.nan, np.nan])
    np.testing.assert_array_equal(got.values["anti_ctla4_only"], [1, 0, 0, 0, np.nan, np.nan])
    assert list(got.notes) == ["p4"]
    block, cohort = BLOCKS["clinical"](), clinical(prior_ici=["none", "gene therapy"])
    assert [(p.code, p.rows) for p in block.ignored(cohort)] == [("THX-D20", (1,))]


@pytest.mark.shared
@pytest.mark.parametrize("name", ["loris_chowell_train_pan", "loris_pradat_pan", "loris_msk2_pan"])
def test_real_albumin_in_g_per_dl_is_read_as_such_and_noted(shared_data, name):
    table = pd.read_csv(shared_data / "ici" / name / "clinical.csv", dtype={"patient_id": str})
    table = table[["patient_id", "albumin", "nlr"]]
    block = BLOCKS["clinical"]()
    wrong = block.check(Cohort.from_tables({"clinical": table}, units={"clinical.albumin": "g/L"}))
    assert [(p.code, p.where, p.rows) for p in wrong] == [("THX-D16", "clinical:albumin", ())]
    assert "should be in g/L (10-70); got median" in wrong[0].what
    assert "If these are g/dL, multiply by 10" in wrong[0].what
    silent = Cohort.from_tables({"clinical": table})
    for cohort in (silent, Cohort.from_tables({"clinical": table}, units={"clinical.albumin": "g/dL"})):
        assert block.check(cohort) == []
        measured = block.fit(cohort).measure(cohort)
        np.testing.assert_allclose(measured.values["albumin"], table["albumin"].to_numpy() * 10.0)
        np.testing.assert_allclose(measured.values["nlr"], table["nlr"].to_numpy())
        noted = {i for i, lines in measured.notes.items() if any("read as g/dL" in line for line in lines)}
        assert noted == (set(table["patient_id"]) if cohort is silent else set())


def test_values_that_the_training_cohort_never_had_do_not_move_the_model():
    """The melanoma model reads every feature of this block; one it never saw must have no say."""
    model = ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel"))
    riaz = load_cohort("riaz2017_mel")
    extra = {
        "albumin": 29.0,
        "nlr": 9.0,
        "prior_lines": 3.0,
        "bmi": 31.0,
        "smoking_status": "current",
        "creatinine": 90.0,
    }
    tables = dict(riaz.tables) | {"clinical": riaz.tables["clinical"].assign(**extra)}
    before, after = (model.respond(c).table for c in (riaz, Cohort.from_tables(tables)))
    pd.testing.assert_frame_equal(
        before.drop(columns="coverage_clinical"), after.drop(columns="coverage_clinical"), check_exact=True
    )
    assert (model.fusion_.experts["clinical"].fit_.coef[8:] == 0).all()
