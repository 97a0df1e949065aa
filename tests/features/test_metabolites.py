"""Metabolites and lipids: ratios and family totals by hand, limits carried through, the real panels."""

import numpy as np
import pandas as pd
import pytest

from theracast.features.blocks.metabolites import MetabolitesBlock
from theracast.features.cohort import Cohort
from theracast.features.ratios import find_names, known_families, total
from theracast.features.tables import load_table


def cohort(table, unit="umol/L"):
    ids = [f"p{i}" for i in range(len(next(iter(table.values()))))]
    return Cohort.from_tables({"metabolites": pd.DataFrame(table, index=ids)}, units={"metabolites": unit})


AMINO = {
    "Leucine": [120.0, 100], "isoleucine": [60.0, 50], "valine": [220.0, 210],
    "phenylalanine": [55.0, 80], "tyrosine": [65.0, 70], "L-Kynurenine": [2.0, 5], "tryptophan": [60.0, 40],
    "glutamine": [600.0, 500], "glutamate": [50.0, 125], "EPA": [40.0, 10], "DHA": [80.0, 40], "LA": [600.0, 700],
    "arachidonic acid": [160.0, 200],
}  # fmt: skip


def test_ratios_by_hand():
    got = MetabolitesBlock().fit_transform(cohort(AMINO))
    wanted = {
        "fischer": [400 / 120, 360 / 150],
        "kynurenine_tryptophan": [2 / 60, 5 / 40],
        "glutamine_glutamate": [12, 4],
        "arachidonate_epa": [4, 20],
        "omega6_omega3": [760 / 120, 900 / 50],
    }
    assert {c for c in got if "ratio" in c} == {f"metabolites__ratio_{n}" for n in wanted}
    for name, ratio in wanted.items():
        np.testing.assert_allclose(got[f"metabolites__ratio_{name}"], np.log2(ratio), rtol=1e-14)


def test_sums_of_different_molecules_need_concentrations():
    relative = MetabolitesBlock().fit(cohort(AMINO, "intensity"))
    assert set(relative.ratios_) == {"kynurenine_tryptophan", "glutamine_glutamate", "arachidonate_epa"}
    lipids = {"RvE1": [1.0, 2], "RvE2": [3.0, 4]}
    assert MetabolitesBlock().fit(cohort(lipids, "pg/mL")).totals_ == {"e_resolvins": ["RvE1", "RvE2"]}
    assert MetabolitesBlock().fit(cohort(lipids, "intensity")).totals_ == {}


def test_family_totals_carry_limits_and_say_what_is_missing():
    c = cohort({"LTC4": [1.0, 0, 3, None, 2], "LTD4": [3.0, 3, None, None, 6], "LTE4": [4.0, 4, 5, 1, 2]}, "pg/mL")
    block = MetabolitesBlock(zero_is_below_detection=True).fit(c)
    measured = block.measure(c)
    # below detection stands at the least value of training, 1: the total is at most 1 + 3 + 4
    np.testing.assert_allclose(np.exp2(measured.values["total_leukotrienes_cys"]), [8, 8, 8, np.nan, 10])
    assert measured.censored["total_leukotrienes_cys"].tolist() == [0, -1, 0, 0, 0]
    assert measured.proxy["total_leukotrienes_cys"].tolist() == [False, False, True, False, False]
    assert measured.censored["LTC4"].tolist() == [0, -1, 0, 0, 0]


def test_limits_that_pull_both_ways_leave_nothing_known():
    values, sides = pd.DataFrame({"a": [1.0], "b": [2.0]}), pd.DataFrame({"a": [-1], "b": [1]})
    assert np.isnan(total(values, sides)[0]).all()
    assert total(values, sides)[1].tolist() == [0]


def test_names_are_found_in_any_writing():
    assert find_names(["22OHPD1", "5,12 diHETE", "10S,17SdiHDHA"], "22-OH-PD1;5,12-diHETE;10S,17S-diHDHA;RvD1") == [
        ["22OHPD1"],
        ["5,12 diHETE"],
        ["10S,17SdiHDHA"],
        [],
    ]


def test_every_line_of_the_tables_has_a_paper():
    for name in ("panel_ratios", "lipid_families"):
        table = load_table(name)
        assert table.reference.str.match(r"10\.\d{4,}/").all()
        assert table.iloc[:, 0 if name == "lipid_families" else 1].is_unique


@pytest.mark.shared
def test_real_lipid_mediators(shared_data):
    table = pd.read_parquet(shared_data / "ra/lipid_mediators/lipid_mediators.parquet")
    c = Cohort.from_tables({"metabolites": table}, units={"metabolites": "pg/mL"})
    problems = MetabolitesBlock().check(c)
    assert [p.code for p in problems] == ["THX-D13"]
    assert "zeros: below detection" in problems[0].what
    block = MetabolitesBlock(zero_is_below_detection=True, min_known=0.1).fit(c)
    measured = block.measure(c)
    assert len(block.totals_) == len(known_families(table.columns)) == 12
    assert {m for members in block.totals_.values() for m in members} <= set(table.columns)
    zeros = table.set_index("patient_id")[block.columns_] == 0
    assert ((measured.censored[zeros.columns] == -1) == zeros).all(axis=None)
    assert measured.coverage.min() > 0.9


@pytest.mark.shared
def test_a_real_metabolome(shared_data):
    folder = shared_data / "ra/plasma_metabolome"
    table = pd.read_parquet(folder / "metabolites.parquet").rename(columns={"sample_id": "patient_id"})
    names = pd.read_csv(folder / "metabolite_names.csv").set_index("column")["biochemical"]
    table = table.rename(columns=names)
    block = MetabolitesBlock()
    measured = block.fit(c := Cohort.from_tables({"metabolites": table}, units={"metabolites": "intensity"})).measure(c)
    assert measured.values.shape[0] == 128
    assert len(block.columns_) + len(block.dropped_) == 686
    kynurenine = np.log2(table.kynurenine.astype(float)) - np.log2(table.tryptophan.astype(float))
    np.testing.assert_allclose(measured.values["ratio_kynurenine_tryptophan"], kynurenine, rtol=1e-9)
