"""Alterations: hotspots everybody knows, unknown against wild type, microsatellites, fusions, copy number."""

import numpy as np
import pandas as pd
import pytest

from theracast.features.alterations import pathway_members
from theracast.features.blocks.alterations import AlterationsBlock
from theracast.features.cohort import Cohort
from theracast.features.symbols import symbol_table
from theracast.features.tables import load_table


def measured(events=(), *, panel="exome", block=None, tables=None, **declared):
    names = ["patient_id", "gene", "consequence", "protein"]
    frame = pd.DataFrame([(*e, "")[:4] for e in events], columns=names)
    ids = list(dict.fromkeys([*frame.patient_id, "p"]))
    declared = pd.DataFrame({"panel": panel, **declared}, index=pd.Index(ids, name="patient_id"))
    cohort = Cohort.from_tables({"mutations": declared, "variants": frame, **(tables or {})})
    block = block or AlterationsBlock()
    assert block.check(cohort) == []
    return block.fit(cohort).measure(cohort)


def one(*args, **kwargs):
    return measured(*args, **kwargs).values.loc["p"]


@pytest.mark.parametrize(
    ("gene", "change", "flags"),
    [
        ("BRAF", "p.V600E", ("BRAF_V600", "BRAF_V600E")),
        ("BRAF", "p.Val600Lys", ("BRAF_V600",)),
        ("KRAS", "p.G12C", ("KRAS_G12", "KRAS_G12C")),
        ("KRAS", "p.G12D", ("KRAS_G12",)),
        ("EGFR", "p.L858R", ("EGFR_L858R",)),
        ("NRAS", "p.Q61R", ("NRAS_Q61", "NRAS_Q61R")),
        ("NRAS", "p.Q61K", ("NRAS_Q61",)),
        ("KRAS", "p.A146T", ()),
    ],
)
def test_the_famous_hotspots(gene, change, flags):
    row = one([("p", gene, "Missense_Mutation", change)])
    hot = [n for n in row.index if n.split("_")[0] in ("BRAF", "KRAS", "EGFR", "NRAS") and "_" in n]
    assert {n for n in hot if row[n] == 1.0} == set(flags)
    assert (row[hot].drop(list(flags)) == 0.0).all()
    # KRAS A146 is a hotspot of the paper as well
    assert row["n_hotspots"] == 1.0


def test_every_hotspot_of_the_table_is_found():
    table = load_table("hotspots")
    assert len(table) == 470
    plain = table[~table.residue.str.endswith("_splice")]
    events = [("p", g, "missense", r + ("A" if r[0] != "A" else "V")) for g, r in plain.itertuples(index=False)]
    events += [("p", g, "splice", r) for g, r in table.drop(plain.index).itertuples(index=False)]
    assert one(events)["n_hotspots"] == 470
    assert one([("p", "BRAF", "silent", "V600=")])["n_hotspots"] == 0


def test_a_gene_outside_the_panel_is_unknown_not_wild_type():
    events = [("p", "KRAS", "missense", "G12C")]
    wanted = {"exome": (0.0, 0.0), "MSK-IMPACT468": (0.0, np.nan), "": (np.nan, np.nan)}
    for panel, (stk11, serpin) in wanted.items():
        row = one(events, panel=panel)
        assert row["KRAS"] == 1.0
        np.testing.assert_array_equal(row[["STK11", "SERPINB3"]].astype(float), [stk11, serpin], err_msg=panel)
    outside = one([("p", "SERPINB3", "missense", "A1V")], panel="MSK-IMPACT468")
    assert outside["SERPINB3"] == 1.0, "seen is seen"
    own = AlterationsBlock(panels={"Our 2": ["BRAF", "NF1"]})
    row = one([], panel="our 2", panel_mb=0.1, block=own)
    np.testing.assert_array_equal(row[["BRAF", "NF1", "KRAS", "BRAF_V600E"]].astype(float), [0, 0, np.nan, 0])


def test_pathways_of_a_panel_are_lower_limits():
    full = measured([("p", "KEAP1", "missense")])
    assert full.values.loc["p", "pathway_NRF2"] == 1.0
    assert not full.censored.any(axis=None)
    part = measured([("p", "KEAP1", "missense")], panel="MSK-IMPACT468")
    assert part.values.loc["p", "pathway_Hippo"] == 0.0
    assert part.censored.loc["p", "pathway_Hippo"] == 1
    nothing = measured([("p", "KEAP1", "missense")], panel="")
    assert nothing.values.loc["p", "pathway_NRF2"] == 1.0
    assert nothing.censored.loc["p", "pathway_NRF2"] == 1
    assert np.isnan(nothing.values.loc["p", "pathway_Hippo"])


def test_the_tables_hold_approved_symbols():
    known = symbol_table().approved
    genes = {g for members in pathway_members().values() for g in members} | set(load_table("drivers")["gene"])
    assert genes - known == set()
    assert {g for t in load_table("gene_panels")["genes"] for g in t.split(":")} - known <= {"CDKN2AP14ARF"}
    sizes = {p: len(g) for p, g in pathway_members().items()}
    # Sanchez-Vega 2018: NRF2, TP53 and TGF-beta are the small ones
    assert (sizes["NRF2"], sizes["TP53"], sizes["TGF_beta"], sizes["RTK_RAS"]) == (3, 6, 7, 85)


def test_a_mutation_without_its_change_leaves_its_hotspots_unknown():
    both = measured([("p", "BRAF", "missense", "")])
    row = both.values.loc["p"]
    assert row["BRAF"] == 1.0
    assert np.isnan(row["BRAF_V600E"])
    assert row["NRAS_Q61"] == 0.0
    assert both.censored.loc["p", "n_hotspots"] == 1
    named = one([("p", "BRAF", "missense", ""), ("p", "BRAF", "missense", "V600E")])
    assert named["BRAF_V600E"] == 1.0


def test_shares_by_hand():
    events = [("p", "A", c) for c in ("missense", "missense", "nonsense", "Frame_Shift_Del", "In_Frame_Ins", "Silent")]
    row = one([*events, ("p", "B", "Splice_Site")])
    got = row[["share_missense", "share_truncating", "share_indel", "share_splice"]].tolist()
    np.testing.assert_allclose(got, [2 / 6, 2 / 6, 2 / 6, 1 / 6])
    assert one([]).filter(like="share_").isna().all()


def test_many_indels_are_a_hint_where_msi_is_not_declared():
    events = [("p", f"G{i}", "Frame_Shift_Del" if i < 8 else "missense") for i in range(24)]
    assert "hint" in measured(events).notes["p"][0]
    assert measured(events, msi="MSS").notes == {}
    assert measured(events[4:]).notes == {}, "20 variants, 4 of them indels"


@pytest.mark.parametrize(
    ("cell", "unit", "wanted"),
    [
        ("MSI-H", "", 1.0),
        ("dMMR", "", 1.0),
        ("MSS", "", 0.0),
        ("MSI-L", "", 0.0),
        ("pMMR", "", 0.0),
        ("indeterminate", "", np.nan),
        ("12.5", "MSIsensor score", 1.0),
        ("10", "MSIsensor score", 1.0),
        ("9.99", "MSIsensor score", np.nan),
        ("1", "MSIsensor score", 0.0),
        ("1", "0/1", 1.0),
        ("0", "0/1", 0.0),
        ("", "", np.nan),
    ],
)
def test_microsatellites(cell, unit, wanted):
    np.testing.assert_array_equal(one([], msi=cell, msi_unit=unit)["msi_high"], wanted)


def test_fusions_are_absent_only_where_looked_for():
    for name in ("EML4::ALK", "EML4-ALK", "EML4--ALK", "ALK"):
        row = one([("p", name, "Fusion")], panel="exome")
        assert row["fusion_ALK"] == 1.0
        assert np.isnan(row["fusion_ROS1"])
        assert row["ALK"] == 0.0, "a fusion is no point mutation"
    assert one([], fusions_tested="yes")["fusion_RET"] == 0.0
    hyphen = AlterationsBlock(fusions=["NKX2-1"])
    assert one([("p", "NKX2-1", "fusion")], block=hyphen)["fusion_NKX2-1"] == 1.0


def test_copy_number_by_hand():
    copies = pd.DataFrame(
        {"EGFR": [2.0], "CDKN2A": [-2.0], "PTEN": [-1.0], "KRAS": [0.0], "VHL": [np.nan]}, index=["p"]
    )
    row = one([], tables={"copy_number": copies})
    names = ["amp_EGFR", "del_CDKN2A", "del_PTEN", "cna_fraction"]
    assert row[names].tolist() == [1.0, 1.0, 0.0, 0.75]
    assert np.isnan(row["amp_MYC"])
    shallow = one([], tables={"copy_number": copies}, block=AlterationsBlock(deep=1))
    assert shallow["del_PTEN"] == 1.0


def test_a_matrix_says_what_variants_do_not():
    matrix = pd.DataFrame({"HER2": [1.0], "BRAF": [0.0], "NRAS": [1.0]}, index=["p"])
    block = AlterationsBlock(genes=["ERBB2", "BRAF", "NRAS", "NF1"])
    row = one([], panel="", tables={"mutation_matrix": matrix}, block=block)
    np.testing.assert_array_equal(row[["ERBB2", "BRAF", "NRAS", "NF1"]].astype(float), [1.0, 0.0, 1.0, np.nan])
    np.testing.assert_array_equal(row[["BRAF_V600E", "NRAS_Q61"]].astype(float), [0.0, np.nan])


def test_an_alias_means_the_same_in_a_crowd_as_alone():
    events = [("p", "HER2", "missense"), ("q", "ERBB2", "missense")]
    block = AlterationsBlock(genes=["HER2"])
    crowd = measured(events, block=block).values["ERBB2"]
    assert crowd.tolist() == [1.0, 1.0]


def test_features_follow_the_parameters():
    block = AlterationsBlock(genes=["VHL", "PBRM1"], hotspots=["KIT D816V"], fusions=[], amplified=["MYC"], deleted=[])
    names = [n.removeprefix("alterations__") for n in block.names]
    assert names[:4] == ["VHL", "PBRM1", "KIT_D816V", "n_hotspots"]
    assert [n for n in names if n.startswith(("amp_", "del_", "fusion_"))] == ["amp_MYC"]
    row = one([("p", "KIT", "missense", "p.Asp816Val")], block=block)
    assert row["KIT_D816V"] == 1.0
    melanoma = [f.name for f in AlterationsBlock("melanoma").outputs()]
    assert {"BRAF", "NRAS", "NF1"} <= set(melanoma)
    assert "STK11" not in melanoma


@pytest.mark.shared
def test_cell_lines_through_the_short_cut(shared_data):
    folder = shared_data / "multiomics" / "gdsc2_cell_lines"
    tables = {
        name: pd.read_parquet(folder / f"{file}.parquet").rename(columns={"cell_line": "patient_id"})
        for name, file in (("mutation_matrix", "mutation"), ("copy_number", "copy_number"))
    }
    block = AlterationsBlock(genes=["TP53"], deep=1)
    got = block.fit_transform(Cohort.from_tables(tables))
    mutated = tables["mutation_matrix"].set_index("patient_id")["TP53"]
    assert got["alterations__TP53"].tolist() == mutated.tolist()
    assert 0.5 < mutated.mean() < 0.8
    raised = tables["copy_number"].set_index("patient_id")["MYC"] == 1
    assert (got["alterations__amp_MYC"] == raised).all()
    assert got["alterations__cna_fraction"].between(0, 1).all()
