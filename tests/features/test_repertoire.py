"""Repertoires: indices by hand, AIRR files, tables worked out before, a common depth, the real cohort."""

import time

import numpy as np
import pandas as pd
import pytest

from theracast.errors import UsageError
from theracast.features.blocks.repertoire import RepertoireBlock
from theracast.features.cohort import Cohort
from theracast.features.repertoires import read_clones, ready_name


def cohort(rows, table=None):
    tables = {
        "clinical": pd.DataFrame(
            {"age": 50}, index=sorted({*rows.patient_id, *(table.index if table is not None else ())})
        )
    }
    tables |= {"clones": rows} if len(rows) else {}
    tables |= {"repertoire": table} if table is not None else {}
    return Cohort.from_tables(tables)


def rows(*clones):
    return pd.DataFrame(clones, columns=["patient_id", "v", "j", "cdr3", "count"])


TWO = rows(
    ("a", "TRBV9", "TRBJ2-1", "CASS", 6), ("a", "TRBV9", "TRBJ1-1", "CAST", 3), ("a", "TRBV5-1", "TRBJ1-1", "CASR", 1),
    ("b", "TRBV5-1", "TRBJ1-1", "CASS", 5), ("b", "TRBV28", "TRBJ1-1", "CASQ", 5),
)  # fmt: skip


def test_indices_by_hand():
    got = RepertoireBlock().fit_transform(cohort(TWO)).add_prefix("").rename(columns=lambda c: c.split("__")[1])
    p = np.array([0.6, 0.3, 0.1])
    shannon = -(p * np.log(p)).sum()
    wanted = {
        "clones": 3, "shannon": shannon, "pielou": shannon / np.log(3), "simpson": 1 - 0.46, "top_share": 0.6,
        "clonality": 1 - shannon / np.log(3), "gini": (2 * (1 * 1 + 2 * 3 + 3 * 6)) / (3 * 10) - 4 / 3,
    }  # fmt: skip
    for name, value in wanted.items():
        assert got.loc["a", f"TRB_{name}"] == pytest.approx(value, rel=1e-12), name
    assert "TRB_d50" not in got, "one clone holds half of the reads of both: constant, dropped"
    assert got.loc["b", ["TRB_pielou", "TRB_clonality", "TRB_gini"]].tolist() == pytest.approx([1, 0, 0], abs=1e-12)
    assert got.loc["a", ["TRB_TRBV9", "TRB_TRBV5-1", "TRB_TRBV28"]].tolist() == pytest.approx([2 / 3, 1 / 3, 0])
    assert got.loc["b", ["TRB_TRBJ1-1", "TRB_TRBJ2-1"]].tolist() == [1, 0]


def test_usage_by_reads():
    got = RepertoireBlock(weigh="reads").fit_transform(cohort(TWO))
    assert got.loc["a", "repertoire__TRB_TRBV9"] == pytest.approx(0.9)
    with pytest.raises(UsageError, match="weigh"):
        RepertoireBlock(weigh="cells").fit(cohort(TWO))


def test_constant_and_rare_columns_are_dropped_and_said():
    block = RepertoireBlock(min_known=0.6).fit(cohort(TWO))
    assert block.dropped_["TRB_reads"] == "the same in all training patients"
    assert block.dropped_["TRB_TRBV28"] == "known of too few training patients"
    assert "TRB_TRBV28" not in block.columns_


def test_airr_columns_alleles_and_rows_of_one_clone():
    airr = pd.DataFrame(
        {
            "patient_id": "a",
            "v_call": ["TRBV9*01", "TRBV9*02,TRBV5-1*01", "IGHV3-23*04", "TRAV29/DV5*01", "TRBV9*01"],
            "j_call": ["TRBJ2-1*01", "TRBJ2-1*01", "IGHJ4*02", "TRAJ33*01", "TRBJ2-1*01"],
            "junction_aa": ["CASSF", "CASSF", "CAR", "CAV", "CA*F"],
            "duplicate_count": [3, 4, 10, 2, 9],
            "productive": ["T", "True", True, "T", "F"],
        }
    ).set_index("patient_id")  # fmt: skip
    clones, problems = read_clones(airr, pd.Index(["a"]))
    assert problems == []
    assert clones[["chain", "v", "j", "count"]].to_numpy().tolist() == [
        ["IGH", "IGHV3-23", "IGHJ4", 10.0],
        ["TRA", "TRAV29DV5", "TRAJ33", 2.0],
        ["TRB", "TRBV9", "TRBJ2-1", 7.0],
    ]


@pytest.mark.parametrize("word", ["TRB", "beta", "TCRB", "TCRbeta", "trb"])
def test_words_for_a_chain(word):
    given = pd.DataFrame({"chain": word, "clonotype": ["x", "y"], "reads": [1, 2]}, index=["p", "p"])
    assert read_clones(given, pd.Index(["p"]))[0].chain.tolist() == ["TRB", "TRB"]


@pytest.mark.parametrize(
    ("change", "code"),
    [({"count": 0.5}, "THX-D04"), ({"count": -1}, "THX-D04"), ({"count": "many"}, "THX-D13"),
     ({"count": np.nan}, "THX-D13"), ({"v": "what", "j": ""}, "THX-D20"), ({"cdr3": None}, "THX-D33")],
)  # fmt: skip
def test_rows_that_cannot_be_are_refused_by_patient(change, code):
    wrong = TWO.astype({"count": object})
    for column, cell in change.items():
        wrong.loc[4, column] = cell
    problems = RepertoireBlock().check(cohort(wrong))
    assert [(p.code, p.rows) for p in problems] == [(code, (1,))]


def test_columns_that_lack():
    assert RepertoireBlock().check(cohort(TWO.drop(columns="count")))[0].code == "THX-D33"


def test_a_common_depth_takes_the_depth_out():
    deep = TWO.assign(count=TWO["count"] * 100)
    both = pd.concat([TWO.replace({"a": "c", "b": "d"}), deep.replace({"patient_id": {"a": "e", "b": "f"}})])
    block = RepertoireBlock(depth=8).fit(cohort(both))
    assert not {"TRB_gini", "TRB_d50", "TRB_top_share"} & set(block.columns_)
    got = block.transform(cohort(both))["repertoire__TRB_shannon"]
    full = RepertoireBlock().fit_transform(cohort(both))["repertoire__TRB_shannon"]
    assert full["c"] == pytest.approx(full["e"])
    assert got["c"] < full["c"]
    measured = RepertoireBlock(depth=20).fit(cohort(both)).measure(cohort(both))
    assert measured.values["TRB_shannon"].isna().tolist() == [True, True, False, False]
    assert measured.notes["c"] == ["1 chains have fewer than 20 reads: not known"]


def test_indices_worked_out_before_are_read_and_completed():
    table = pd.DataFrame(
        {
            "TRB.Shannon": [np.log(50), np.log(100)], "TRB.Clones": [100, 400], "TRB.Inv.Simp": [4.0, 5.0],
            "TRB.Reads.Chain": [1000, 4000], "TRB-TRBV9": [0.2, 0.1], "isotype.IgA": ["x", "y"],
        },
        index=["y", "z"],
    )  # fmt: skip
    block = RepertoireBlock()
    got = block.fit(cohort(TWO, table)).transform(cohort(TWO, table)).rename(columns=lambda c: c.split("__")[1])
    assert got.loc["y", "TRB_pielou"] == pytest.approx(np.log(50) / np.log(100))
    assert got.loc["z", "TRB_simpson"] == pytest.approx(0.8)
    assert got.loc[["a", "y"], "TRB_TRBV9"].tolist() == pytest.approx([2 / 3, 0.2])
    assert got.loc["a", "TRB_reads"] == 10
    assert np.isnan(got.loc["y", "TRB_TRBV28"])
    late = RepertoireBlock(depth=8).fit(cohort(TWO, table)).measure(cohort(TWO, table))
    assert np.isnan(late.values.loc["y", "TRB_shannon"])
    assert "not of the common depth" in late.notes["y"][0]


@pytest.mark.parametrize(
    "table",
    [
        {"TRB.Gini": [1.2]},
        {"TRB-TRBV9": [20.0]},
        {"TRB.Shannon": [np.log2(100)], "TRB.Clones": [100]},
        {"TRB.Gini": [-0.1]},
    ],
)
def test_indices_that_cannot_be_are_refused(table):
    problems = RepertoireBlock().check(cohort(TWO, pd.DataFrame(table, index=["z"])))
    assert [(p.code, p.rows) for p in problems] == [("THX-D16", (2,))]


def test_names_of_columns():
    assert [ready_name(c) for c in ("TRB_d50", "trb.Gini.Simp", "IGH-IGHV3-23", "reads_pct.TRA", "TRB")] == [
        "TRB_d50", "TRB_simpson", "IGH_IGHV3-23", "", "",
    ]  # fmt: skip


@pytest.mark.shared
def test_a_real_cohort(shared_data):
    folder = shared_data / "ra/airr_antitnf"
    table = pd.read_parquet(folder / "diversity.parquet").merge(
        pd.read_parquet(folder / "gene_usage.parquet"), on="sample_id"
    )
    table = table.rename(columns={"sample_id": "patient_id"})
    started = time.perf_counter()
    block = RepertoireBlock()
    c = Cohort.from_tables({"repertoire": table})
    measured = block.fit(c).measure(c)
    assert time.perf_counter() - started < 20
    assert len(measured.values) == 267
    assert measured.coverage.mean() > 0.95
    indexed = table.set_index("patient_id")
    for chain in ("IGH", "TRA", "TRB"):
        assert f"{chain}_pielou" in block.columns_
        # the two Simpson indices of the source agree with each other
        np.testing.assert_allclose(measured.values[f"{chain}_simpson"], 1 - 1 / indexed[f"{chain}.Inv.Simp"], atol=1e-6)
        assert measured.values[f"{chain}_pielou"].between(0, 1).all()
        assert (indexed[f"{chain}.D20"] <= indexed[f"{chain}.D50"]).all()
