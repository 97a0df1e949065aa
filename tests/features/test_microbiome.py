"""Microbiome: names of five databases, counts and shares, log-ratios with zeros, a tree, BIOM and TSV."""

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, UsageError
from theracast.features.blocks.microbiome import MicrobiomeBlock
from theracast.features.cohort import Cohort
from theracast.features.community_files import is_taxa_text, read_biom, read_taxa_text
from theracast.features.readers import read_cohort
from theracast.features.taxa import at_rank, collapse, leaves, lineage


def cohort(table, **units):
    table = pd.DataFrame(table)
    return Cohort.from_tables({"microbiome": table.set_axis([f"p{i}" for i in range(len(table))])}, units=units)


@pytest.mark.parametrize(
    "taxon",
    [
        "k__Bacteria; p__Firmicutes; c__Clostridia; o__Clostridiales; f__Ruminococcaceae; "
        "g__Faecalibacterium; s__prausnitzii",
        "d__Bacteria;p__Bacillota_A;c__Clostridia;o__Oscillospirales;f__Ruminococcaceae;g__Faecalibacterium;"
        "s__Faecalibacterium prausnitzii",
        "D_0__Bacteria;D_1__Firmicutes;D_2__Clostridia;D_3__Clostridiales;D_4__Ruminococcaceae;D_5__Faecalibacterium;"
        "D_6__Faecalibacterium_prausnitzii",
        "k__Bacteria|p__Firmicutes|c__Clostridia|o__Clostridiales|f__Ruminococcaceae|g__Faecalibacterium|"
        "s__Faecalibacterium_prausnitzii|t__SGB15316",
    ],
)  # fmt: skip
def test_one_bacterium_in_the_words_of_four_databases(taxon):
    read = lineage(taxon)
    assert (read["k"], read["c"], read["f"], read["g"]) == (
        "Bacteria", "Clostridia", "Ruminococcaceae", "Faecalibacterium",
    )  # fmt: skip
    assert read["s"] == "Faecalibacterium prausnitzii"
    assert read["p"] in ("Firmicutes", "Bacillota")
    assert at_rank(taxon, "g") == "Faecalibacterium"


def test_names_that_end_early():
    assert at_rank("k__Bacteria;p__Firmicutes;c__;o__;f__;g__;s__", "g") == "Firmicutes (p)"
    assert at_rank("Unassigned;__;__", "g") == at_rank("Unassigned", "g") == "unassigned"
    assert at_rank("k__;p__", "g") == "unassigned"
    assert at_rank("Prevotella copri", "f") == "unassigned"


def test_clades_of_every_rank_are_counted_once():
    table = {
        "k__Bacteria": [100.0, 100], "k__Bacteria|p__Firmicutes": [60.5, 20], "k__Bacteria|p__Bacteroidota": [39.5, 80],
        "k__Bacteria|p__Firmicutes|g__A": [20.25, 15.5], "k__Bacteria|p__Firmicutes|g__B": [40.25, 4.5],
    }  # fmt: skip
    assert leaves(table) == [
        "k__Bacteria|p__Bacteroidota", "k__Bacteria|p__Firmicutes|g__A", "k__Bacteria|p__Firmicutes|g__B",
    ]  # fmt: skip
    got = MicrobiomeBlock().fit_transform(cohort(table))
    np.testing.assert_allclose(got["microbiome__share_firmicutes"], [0.605, 0.2])
    np.testing.assert_allclose(got["microbiome__ratio_firmicutes_bacteroidetes"], np.log2([0.605 / 0.395, 0.25]))
    assert got["microbiome__depth"].isna().all()


@pytest.mark.parametrize(
    "pair", [("Firmicutes", "Bacteroidetes"), ("Bacillota", "Bacteroidota"), ("Firmicutes_A", "Bacteroidota")]
)
def test_old_and_new_names_of_phyla_give_one_ratio(pair):
    table = {f"p__{pair[0]};g__A": [3000, 500], f"p__{pair[1]};g__B": [1000, 500]}
    got = MicrobiomeBlock().fit_transform(cohort(table))
    np.testing.assert_allclose(got["microbiome__ratio_firmicutes_bacteroidetes"], [np.log2(3), 0], atol=1e-15)


def test_a_zero_in_a_balance_is_a_limit():
    table = {"p__Firmicutes;g__A": [4095, 0, 0], "p__Bacteroidota;g__B": [0, 1024, 0], "p__Z;g__C": [1, 1000, 2048]}
    measured = MicrobiomeBlock().fit(c := cohort(table)).measure(c)
    # one read stands for none
    np.testing.assert_allclose(measured.values["ratio_firmicutes_bacteroidetes"], [np.log2(4095), -10, np.nan])
    assert measured.censored["ratio_firmicutes_bacteroidetes"].tolist() == [1, -1, 0]


def test_log_ratios_by_hand():
    table = {"g__A": [600, 4000], "g__B": [300, 2000], "g__C": [100, 0], "g__D": [1000, 4000]}
    block = MicrobiomeBlock(min_depth=0)
    measured = block.fit(c := cohort(table)).measure(c)
    parts = np.array([600.0, 300, 100, 1000])
    np.testing.assert_allclose(measured.values.iloc[0, -4:], np.log(parts) - np.log(parts).mean(), rtol=1e-12)
    delta = 0.65 / 10_000
    parts = np.array([0.4 * (1 - delta), 0.2 * (1 - delta), delta, 0.4 * (1 - delta)])
    np.testing.assert_allclose(measured.values.iloc[1, -4:], np.log(parts) - np.log(parts).mean(), rtol=1e-12)
    assert measured.censored["clr_C"].tolist() == [0, -1]
    assert measured.notes == {"p1": ["1 of 4 taxa were not seen: given at the detection limit"]}
    half = MicrobiomeBlock(min_depth=0, zeros="pseudocount").fit(c).measure(c).values.iloc[1, -4:]
    parts = np.array([4000.5, 2000.5, 0.5, 4000.5])
    np.testing.assert_allclose(half, np.log(parts) - np.log(parts).mean(), rtol=1e-12)
    robust = MicrobiomeBlock(min_depth=0, log_ratio="rclr").fit(c).measure(c)
    parts = np.array([4000.0, 2000, np.nan, 4000])
    np.testing.assert_allclose(robust.values.iloc[1, -4:], np.log(parts) - np.nanmean(np.log(parts)), rtol=1e-12)
    assert robust.notes["p1"] == ["1 of 4 taxa were not seen: not known"]
    assert not robust.censored[["rclr_C"]].any(axis=None)


def test_counts_fractions_and_percent_give_the_same_shares():
    counts = pd.DataFrame({"p__Firmicutes;g__A": [701, 1501], "p__Bacteroidota;g__B": [299, 499]})
    shares = counts.div(counts.sum(axis=1), axis=0)
    wanted = MicrobiomeBlock().fit(c := cohort(counts)).transform(c)
    for table in (shares, shares * 100):
        got = MicrobiomeBlock().fit(c).transform(cohort(table))
        np.testing.assert_allclose(got.iloc[:, 2:], wanted.iloc[:, 2:], rtol=1e-12, atol=1e-15)


def test_shallow_samples_are_not_known():
    c = cohort({"g__A": [700, 7, 0], "g__B": [500, 600, 0]})
    measured = MicrobiomeBlock().fit(c).measure(c)
    assert measured.values["depth"].tolist()[:2] == [1200, 607]
    assert measured.values.drop(columns="depth").iloc[1:].isna().all(axis=None)
    assert measured.coverage.tolist() == [1, 0, 0]
    assert "fewer than 1000 reads" in measured.notes["p1"][0]


def test_taxa_that_a_table_lacks_are_zeros_and_said():
    block = MicrobiomeBlock().fit(cohort({"g__A": [700, 900], "g__B": [500, 600], "g__C": [1, 80]}))
    measured = block.measure(cohort({"g__A": [3000.0, 2000], "g__B": [1000, np.nan]}))
    assert measured.proxy["clr_C"].tolist() == [True, True]
    assert measured.coverage.tolist() == pytest.approx([2 / 3, 2 / 3])
    assert "1 of 3 taxa of training are not in the table" in measured.notes["p0"][1]
    assert measured.notes["p1"][-1] == "1 taxa are left empty: taken as not seen"


def test_rarefied_to_a_common_depth():
    c = cohort({"g__A": [1000, 100_000], "g__B": [500, 50_000], "g__C": [2, 200], "g__D": [0, 3]})
    plain, even = (MicrobiomeBlock(depth=d).fit(c).transform(c) for d in (None, 1000))
    assert plain["microbiome__observed"].tolist() == [3, 4]
    assert abs(np.diff(even["microbiome__observed"])[0]) < 0.2
    assert MicrobiomeBlock(depth=2000).fit(c).transform(c)["microbiome__shannon"].isna().tolist() == [True, False]


def test_faith_with_a_tree():
    c = cohort({"a": [1000, 0, 500], "b": [0, 1200, 500], "z": [0, 0, 900]})
    got = MicrobiomeBlock(tree="((a:1,b:2):1,c:3);").fit(c).transform(c)
    np.testing.assert_array_equal(got["microbiome__faith"], [2, 3, np.nan])


def test_parameters_that_are_none():
    c = cohort({"g__A": [1000, 2000]})
    for wrong in ({"log_ratio": "alr"}, {"zeros": "drop"}, {"rank": "genus"}):
        with pytest.raises(UsageError):
            MicrobiomeBlock(**wrong).fit(c)


@pytest.mark.parametrize(
    ("table", "units", "code"),
    [
        ({"g__A": [0.2], "g__B": [0.3]}, {}, "THX-D16"),
        ({"g__A": [40], "g__B": [60]}, {}, "THX-D16"),
        ({"g__A": [-0.2], "g__B": [1.2]}, {}, "THX-D05"),
        ({"g__A": [30.5], "g__B": [60]}, {"microbiome": "counts"}, "THX-D04"),
        ({"g__A": [30.5], "g__B": [60]}, {"microbiome": "fraction"}, "THX-D16"),
        ({"g__A": [3000], " g__A": [60]}, {}, "THX-D03"),
    ],
)
def test_what_is_neither_counts_nor_shares_is_refused(table, units, code):
    with pytest.raises(DataError) as caught:
        MicrobiomeBlock().fit(cohort(table, **units))
    assert caught.value.code == code


def test_a_declared_unit_settles_it():
    assert MicrobiomeBlock(min_depth=0).fit(cohort({"g__A": [40, 1], "g__B": [60, 9]}, microbiome="counts")).taxa_ == [
        "A",
        "B",
    ]
    got = MicrobiomeBlock().fit_transform(cohort({"g__A": [0.2, 0.1], "g__B": [0.3, 0.3]}, microbiome="fraction"))
    assert got["microbiome__observed"].tolist() == [2, 2]


def test_collapse_adds_up():
    table = pd.DataFrame([[1, 2, 3]], columns=["f__X;g__A;s__x", "f__X;g__A;s__y", "f__X;g__"])
    assert collapse(table, "g").iloc[0].to_dict() == {"A": 3, "X (f)": 3}
    assert collapse(table, "f").iloc[0].to_dict() == {"X": 6}


def test_text_of_qiime_and_metaphlan(tmp_path):
    qiime = tmp_path / "microbiome.tsv"
    qiime.write_text(
        "# Constructed from biom file\n#OTU ID\tp1\tp2\ttaxonomy\nx\t3\t0\tg__A\ny\t4\t1\tg__A\nz\t0\t2\tg__B\n"
    )
    assert is_taxa_text(qiime)
    assert read_taxa_text(qiime).to_dict() == {"g__A": {"p1": 7, "p2": 1}, "g__B": {"p1": 0, "p2": 2}}
    mpa = tmp_path / "mpa.tsv"
    mpa.write_text("#mpa_vJan21\nclade_name\tNCBI_tax_id\tp1\nk__Bacteria\t2\t100.0\nk__Bacteria|p__F\t2|1\t99.5\n")
    assert read_taxa_text(mpa).loc["p1"].to_dict() == {"k__Bacteria": 100.0, "k__Bacteria|p__F": 99.5}
    plain = tmp_path / "clinical.tsv"
    plain.write_text("patient_id\tage\np\t3\n")
    assert not is_taxa_text(plain)
    for broken in ("#OTU ID\tp1\nx\t3\t4\n", "nothing"):
        qiime.write_text(broken)
        with pytest.raises(DataError, match="THX-D31"):
            read_taxa_text(qiime)


def test_biom_of_both_formats(tmp_path):
    biom = pytest.importorskip("biom")
    lines = [{"taxonomy": ["k__Bacteria", g]} for g in ("g__A", "g__A", "g__B")]
    table = biom.Table(np.array([[3, 0], [4, 1], [0, 2]]), ["x", "y", "z"], ["p1", "p2"], lines)
    old, new = tmp_path / "one.biom", tmp_path / "two.biom"
    old.write_text(table.to_json("test"))
    h5py = pytest.importorskip("h5py")
    with h5py.File(new, "w") as file:
        table.to_hdf5(file, "test")
    for path in (old, new):
        assert read_biom(path).to_dict() == {
            "k__Bacteria;g__A": {"p1": 7, "p2": 1},
            "k__Bacteria;g__B": {"p1": 0, "p2": 2},
        }
        assert read_biom(path, taxonomy=False).columns.tolist() == ["x", "y", "z"]
    new.write_bytes(new.read_bytes()[:300])
    with pytest.raises(DataError, match="THX-D32"):
        read_biom(new)


def test_a_folder_with_a_biom_or_a_table_of_taxa_in_rows(tmp_path):
    (tmp_path / "clinical.csv").write_text("patient_id,age\np1,50\np2,60\n")
    taxa = tmp_path / "microbiome.tsv"
    taxa.write_text("# Constructed from biom file\n#OTU ID\tp1\tp2\nd__B;g__A\t1200\t0\nd__B;g__C\t4\t2000\n")
    wanted = read_cohort(tmp_path).table("microbiome")
    assert wanted["d__B;g__C"].tolist() == [4, 2000]
    biom = pytest.importorskip("biom")
    taxa.unlink()
    table = biom.Table(wanted.to_numpy().T, list(wanted.columns), ["p1", "p2"])
    (tmp_path / "microbiome.biom").write_text(table.to_json("test"))
    read = read_cohort(tmp_path)
    np.testing.assert_array_equal(read.table("microbiome")[wanted.columns], wanted)
    assert {s.name for s in read.sources} == {"clinical", "microbiome"}
