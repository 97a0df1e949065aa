"""Faults of tables of abundances: D03, D11, D12, D13, D33, and no patient's value in any message."""

import numpy as np
import pandas as pd
import pytest
from faults.judge import CANARY, refused

from theracast.features.blocks import BLOCKS
from theracast.features.censored import read_cells
from theracast.features.cohort import Cohort

ABUNDANCES = ("proteins", "metabolites", "microbiome", "repertoire")
TABLES = ABUNDANCES[:3]
#: Text, then (value, side) without a declared decimal mark, with a comma, with a point; None is refused.
NOTHING = (None, None)
STRINGS = [
    ("1.5", (1.5, 0), None, (1.5, 0)),
    ("1,5", None, (1.5, 0), None),
    ("1.234,5", None, (1234.5, 0), None),
    ("1,234.5", None, None, (1234.5, 0)),
    ("1,234", None, (1.234, 0), (1234.0, 0)),
    ("1.234", (1.234, 0), (1234.0, 0), (1.234, 0)),
    ("12 345,6", None, (12345.6, 0), None),
    ("12'345", None, (12345.0, 0), (12345.0, 0)),
    ("1e3 ", (1000.0, 0), (1000.0, 0), (1000.0, 0)),
    ("1E-03", (0.001, 0), (0.001, 0), (0.001, 0)),
    ("+7", (7.0, 0), (7.0, 0), (7.0, 0)),
    ("\u22127", (-7.0, 0), (-7.0, 0), (-7.0, 0)),
    ("-0", (0.0, 0), (0.0, 0), (0.0, 0)),
    (".5", (0.5, 0), None, (0.5, 0)),
    ("<0.1", (0.1, -1), None, (0.1, -1)),
    ("<0,1", None, (0.1, -1), None),
    ("< 3", (3.0, -1), (3.0, -1), (3.0, -1)),
    ("\u22643", (3.0, -1), (3.0, -1), (3.0, -1)),
    (">400", (400.0, 1), (400.0, 1), (400.0, 1)),
    (">=400", (400.0, 1), (400.0, 1), (400.0, 1)),
    ("LOW", (None, -1), (None, -1), (None, -1)),
    ("<LOD", (None, -1), (None, -1), (None, -1)),
    ("BDL", (None, -1), (None, -1), (None, -1)),
    ("not detected", (None, -1), (None, -1), (None, -1)),
    ("OOR <", (None, -1), (None, -1), (None, -1)),
    ("HIGH", (None, 1), (None, 1), (None, 1)),
    (">ULOQ", (None, 1), (None, 1), (None, 1)),
    ("ND", None, None, None),
    ("", (None, 0), (None, 0), (None, 0)),
    ("n/a", (None, 0), (None, 0), (None, 0)),
    ("not done", (None, 0), (None, 0), (None, 0)),
    ("5 pg/mL", None, None, None),
    ("3-5", None, None, None),
    ("5%", None, None, None),
    ("*12.3", None, None, None),
    ("1.2.3", None, None, None),
    ("1,2,3", None, None, None),
    ("<", None, None, None),
    ("2-Sep", None, None, None),
    (CANARY, None, None, None),
]


def made(name, **columns):
    """The block's example with some columns changed."""
    tables = {k: t.copy() for k, t in BLOCKS[name].example().items()}
    table = next(iter(tables.values()))
    for column, cells in columns.items():
        table[column] = cells
    return tables


def first(name):
    return next(c for c in next(iter(BLOCKS[name].example().values())) if c != "unit")


@pytest.mark.parametrize(("text", "undeclared", "comma", "point"), STRINGS, ids=[s[0] or "empty" for s in STRINGS])
def test_D13_a_table_of_cells(text, undeclared, comma, point):
    for decimal, wanted in (("", undeclared), ("comma", comma), ("point", point)):
        read = read_cells(pd.DataFrame({"x": [text]}, dtype=object), "proteins", decimal=decimal)
        value, side = read.values.iloc[0, 0], int(read.censored[0, 0])
        if wanted is None:
            assert [(p.code, p.rows) for p in read.problems] == [("THX-D13", (0,))], decimal
            assert np.isnan(value)
            assert side == 0
            assert CANARY not in str(read.problems[0])
        else:
            assert read.problems == [], decimal
            assert side == wanted[1]
            assert value == wanted[0] if wanted[0] is not None else np.isnan(value)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("cell", ["1,5", "ND", f"{CANARY}", "about 3"])
def test_D13_a_cell_that_cannot_be_read_is_refused_by_row(name, cell):
    tables = made(name)
    table = tables[name].astype({first(name): object})
    table.loc["p2", first(name)] = cell
    block, cohort = BLOCKS[name](), Cohort.from_tables({name: table})
    message = refused(lambda: block.fit(cohort), "THX-D13")
    assert "rows 2" in message
    assert len(cell) < 3 or cell == "ND" or cell not in message
    fitted = BLOCKS[name]().fit(Cohort.from_tables(made(name)))
    assert [p.rows for p in fitted.check(cohort)] == [(1,)]
    assert np.isnan(fitted.measure(cohort).values.loc["p2"]).any()


@pytest.mark.parametrize("name", TABLES)
def test_D13_the_declared_decimal_mark_is_used(name):
    tables = made(name)
    comma = {name: tables[name].map(lambda v: str(v).replace(".", ","))}
    comma[name] = comma[name].where(tables[name].notna())
    plain = BLOCKS[name]().fit(Cohort.from_tables(tables))
    wanted = plain.transform(Cohort.from_tables(tables))
    got = plain.transform(Cohort.from_tables(comma, units={"decimal": "comma"}))
    np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("cell", [np.inf, -np.inf, 1e308, "inf", "1e308"])
def test_D11_infinities_are_refused_and_nan_is_not_known(name, cell):
    table = made(name)[name].astype({first(name): object})
    table.loc["p3", first(name)] = cell
    message = refused(lambda: BLOCKS[name]().fit(Cohort.from_tables({name: table})), "THX-D11")
    assert "rows 3" in message
    table.loc["p3", first(name)] = np.nan
    fitted = BLOCKS[name]().fit(cohort := Cohort.from_tables({name: table}))
    assert np.isfinite(fitted.measure(cohort).values.loc["p3"].dropna()).all()


def test_D11_minus_zero_is_zero():
    table = pd.DataFrame({"A": [-0.0, 1.0, 2.0], "B": [0.0, 3.0, 1.0]}, index=list("abc"))
    got = BLOCKS["proteins"](zero_is_below_detection=True).fit_transform(
        Cohort.from_tables({"proteins": table}, units={"proteins": "pg/mL"})
    )
    assert got.iloc[0].tolist() == [0.0, 0.0]
    assert not np.signbit(got.iloc[0]).any()


def test_D11_counts_of_clones_without_a_number():
    tables = made("repertoire")
    tables["clones"] = tables["clones"].astype({"count": float})
    tables["clones"].iloc[0, -1] = np.inf
    message = refused(lambda: BLOCKS["repertoire"]().fit(Cohort.from_tables(tables)), "THX-D13")
    assert "rows 1" in message


@pytest.mark.parametrize("name", TABLES)
def test_D12_a_constant_column_is_dropped_and_said(name):
    extra = {"g__Constant": 0} if name == "microbiome" else {"CONSTANT": 5}
    block = BLOCKS[name](**({} if name == "microbiome" else {"scaling": "robust"}))
    cohort = Cohort.from_tables(made(name, **extra))
    got = block.fit(cohort).transform(cohort)
    assert not [c for c in got if "constant" in c.lower()]
    assert [c for c in block.dropped_ if "constant" in c.lower()]
    assert not np.isinf(got.to_numpy()).any()


def test_D12_constant_indices_of_a_repertoire_are_dropped_and_said():
    clones = BLOCKS["repertoire"].example()["clones"].assign(count=5)
    block = BLOCKS["repertoire"]().fit(Cohort.from_tables({"clones": clones}))
    assert block.dropped_["TRB_gini"] == "the same in all training patients"
    assert "TRB_gini" not in block.columns_


@pytest.mark.parametrize("name", TABLES)
def test_D03_a_column_twice_is_refused(name):
    table = made(name)[name]
    twice = pd.concat([table, table[[first(name)]]], axis=1)
    refused(lambda: Cohort.from_tables({name: twice}), "THX-D03")
    twice = table.assign(**{f" {first(name)} ": table[first(name)]})
    refused(lambda: BLOCKS[name]().fit(Cohort.from_tables({name: twice})), "THX-D03")


def test_D03_names_that_would_become_one_feature_are_refused():
    table = pd.DataFrame({"lipid [1]": [1.0, 2.0], "lipid (1)": [2.0, 3.0]}, index=["a", "b"])
    cohort = Cohort.from_tables({"metabolites": table}, units={"metabolites": "umol/L"})
    message = refused(lambda: BLOCKS["metabolites"]().fit(cohort), "THX-D03")
    assert "lipid [1]" in message


def test_D03_rows_of_one_clone_are_added_up():
    tables = made("repertoire")
    half = tables["clones"].assign(count=tables["clones"]["count"] // 2)
    doubled = {"clones": pd.concat([half, half])}
    once = BLOCKS["repertoire"]().fit(cohort := Cohort.from_tables(tables)).transform(cohort)
    np.testing.assert_array_equal(BLOCKS["repertoire"]().fit(cohort).transform(Cohort.from_tables(doubled)), once)


@pytest.mark.parametrize("name", ABUNDANCES)
def test_D33_empty_tables_have_a_defined_output(name):
    tables = BLOCKS[name].example()
    fitted = BLOCKS[name]().fit(Cohort.from_tables(tables))
    clinical = pd.DataFrame({"age": [50.0, 60.0]}, index=["a", "b"])
    for empty in ({k: t.iloc[:0] for k, t in tables.items()}, {k: t.iloc[:0, :0] for k, t in tables.items()}):
        cohort = Cohort.from_tables({"clinical": clinical, **empty})
        measured = fitted.measure(cohort)
        assert measured.values.shape == (2, len(fitted.names))
        assert measured.values.isna().all(axis=None)
        assert measured.coverage.tolist() == [0, 0]
        assert BLOCKS[name]().fit(cohort).transform(cohort).isna().all(axis=None)


@pytest.mark.parametrize("name", ABUNDANCES)
def test_no_value_and_no_id_of_a_patient_in_any_message(name):
    tables = BLOCKS[name].example()
    key, table = next(iter(tables.items()))
    table = table.astype(object).rename(index={"p1": f"{CANARY}1"})
    for column in table.columns:
        spoiled = table.copy()
        spoiled.iloc[0, spoiled.columns.get_loc(column)] = f"{CANARY} 17,3"
        for problem in BLOCKS[name]().check(Cohort.from_tables({key: spoiled})):
            assert CANARY not in str(problem)
