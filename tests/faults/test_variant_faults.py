"""Wrong variants, panels and ctDNA samples, by the id of the fault: refused by row or said, never guessed."""

import gzip

import numpy as np
import pandas as pd
import pytest
from faults.judge import CANARY, refused

from theracast.errors import SetupError, UsageError
from theracast.features.blocks.alterations import AlterationsBlock
from theracast.features.blocks.ctdna import CtdnaBlock
from theracast.features.blocks.mutations import MutationsBlock
from theracast.features.checkup import checkup
from theracast.features.cohort import Cohort
from theracast.features.readers import read_cohort
from theracast.features.tables import load_table
from theracast.features.variant_files import read_maf, read_vcf
from theracast.features.variants import tidy_variants

BLOCKS = (MutationsBlock, AlterationsBlock)
HEADER = ("Hugo_Symbol", "Variant_Classification", "Tumor_Sample_Barcode", "NCBI_Build", "t_alt_count", "t_ref_count")


def cohort(events, panel="exome", **declared):
    table = pd.DataFrame(events)
    ids = pd.Index(["a", "b", "c"], name="patient_id")
    tables = {"mutations": pd.DataFrame({"panel": panel, **declared}, index=ids), "variants": table}
    return Cohort.from_tables({k: t for k, t in tables.items() if len(t)})


def variant(patient="b", gene="BRAF", consequence="missense", **more):
    return {"patient_id": patient, "gene": gene, "consequence": consequence, **more}


def found(block, data):
    """The problems by code, each with the rows of its patients; no message repeats a value."""
    problems = block().check(data)
    for problem in problems:
        assert CANARY not in str(problem)
        assert max(problem.rows, default=0) < len(data)
    return {p.code: p.rows for p in problems}


def maf(folder, *rows, header=HEADER):
    file = folder / "a.maf"
    file.write_text("\n".join("\t".join(r) for r in (header, *rows)) + "\n")
    return file


# D11, D13: what is no number


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("<0.01", "THX-D13"),
        ("0,12", "THX-D13"),
        ("ND", "THX-D13"),
        (CANARY, "THX-D13"),
        ("inf", "THX-D11"),
        ("1e308", "THX-D11"),
        ("12", "THX-D16"),
        ("-0.1", "THX-D16"),
    ],
)
def test_D11_D13_allele_fractions(block, cell, code):
    data = cohort([variant("a", vaf="0.2"), variant("b", vaf=cell), variant("c", vaf=" 1e-1 "), variant("c", vaf="")])
    assert found(block, data) == {code: (1,)}


def test_D13_counts_of_a_maf(tmp_path):
    bad = maf(tmp_path, ("NF1", "Silent", "p1", "37", CANARY, "10"))
    refused(lambda: read_maf(bad), "THX-D13")
    good = maf(tmp_path, ("NF1", "Silent", "p1", "37", ".", "10"), ("NF1", "Silent", "p2", "37", "3", "9"))
    np.testing.assert_array_equal(read_maf(good).vaf.astype(float), [np.nan, 0.25])


@pytest.mark.parametrize(("table", "cell"), [("copy_number", "2.5"), ("copy_number", "7"), ("mutation_matrix", "2")])
def test_D16_levels_of_genes(table, cell):
    genes = pd.DataFrame({"BRAF": ["0", cell, ""], "NF1": ["1", "0", "0"]}, index=["a", "b", "c"])
    assert found(AlterationsBlock, Cohort.from_tables({table: genes})) == {"THX-D16": (1,)}
    genes["BRAF"] = ["0", CANARY, ""]
    assert found(AlterationsBlock, Cohort.from_tables({table: genes})) == {"THX-D13": (1,)}


# D16: a microsatellite number that nobody explains


def test_D16_a_number_of_microsatellites_needs_its_kind():
    assert found(AlterationsBlock, cohort([], msi=["1", "MSS", "0.5"])) == {"THX-D16": (0, 2)}
    assert found(AlterationsBlock, cohort([], msi=["1", "MSS", "0.5"], msi_unit="MSIsensor score")) == {}
    assert found(AlterationsBlock, cohort([], msi=["1", "0", "7"], msi_unit="0/1")) == {"THX-D16": (2,)}


# D20: words that were never seen


def test_D20_an_unseen_consequence_is_neither_silent_nor_damaging():
    data = cohort(
        [
            variant("a", "BRAF", CANARY),
            variant("a", "NF1", "missense"),
            variant("b", "BRAF", "silent"),
            variant("c", "BRAF", CANARY),
            variant("c", "BRAF", "missense"),
        ]
    )
    assert found(AlterationsBlock, data) == {}
    states = AlterationsBlock().measure(data)
    np.testing.assert_array_equal(states.values["BRAF"], [np.nan, 0.0, 1.0])
    assert states.values["NF1"].tolist() == [1.0, 0.0, 0.0]
    tmb = MutationsBlock().fit(data).measure(data)
    np.testing.assert_allclose(tmb.values["tmb"], [0.02, 0.0, 0.02])
    assert tmb.censored["tmb"].tolist() == [1, 0, 1], "a lower limit: more may be mutations"
    for measured in (states, tmb):
        assert CANARY not in str(measured.notes)
        assert "not" in measured.notes["a"][0]


def test_D20_the_check_says_which_words_were_not_understood():
    data = cohort([variant("b", "BRAF", CANARY), variant("a", "NF1", "missense")], msi=["MSS", "", CANARY])
    problems = AlterationsBlock().ignored(data)
    assert [(p.code, p.where, p.rows) for p in problems] == [
        ("THX-D20", "variants:consequence", (1,)),
        ("THX-D20", "mutations:msi", (2,)),
    ]
    assert CANARY not in str(problems)


@pytest.mark.parametrize("block", BLOCKS)
def test_D20_a_panel_that_nobody_knows(block):
    data = cohort([variant()], panel=["exome", f"IMPCT {CANARY}", ""])
    assert found(block, data) == {"THX-D20": (1,)}
    # with its size the burden can be told; its genes stay unknown
    sized = cohort([variant()], panel=["exome", "our own", ""], panel_mb=[np.nan, 0.5, np.nan])
    assert found(block, sized) == {}
    assert MutationsBlock().fit_transform(sized).iloc[1, 0] == 2.0
    assert np.isnan(AlterationsBlock().fit_transform(sized).loc["b", "alterations__NF1"])


def test_D20_calls_of_ctdna():
    table = pd.DataFrame({"patient_id": ["a", "b", "b"], "day": [0, 0, 9], "call": ["positive", "neg", CANARY]})
    assert found(CtdnaBlock, Cohort.from_tables({"ctdna": table})) == {"THX-D20": (1,)}


# D22: after the decision


def later():
    rows = [("a", 0, 0.1), ("a", 50, 0.0), ("b", 0, 0.1), ("c", 33, 0.3)]
    table = pd.DataFrame(rows, columns=["patient_id", "day", "tumour_fraction"]).assign(unit="fraction")
    return Cohort.from_tables({"ctdna": table})


def test_D22_later_samples_are_left_out_and_said():
    measured = CtdnaBlock(landmark_day=30).measure(later())
    assert set(measured.notes) == {"a", "c"}
    assert measured.values["n_samples"].tolist()[:2] == [1.0, 1.0]
    assert measured.values.loc["c"].isna().all()
    assert measured.coverage["c"] == 0.0


def test_D22_or_refused_by_patient():
    problems = CtdnaBlock(landmark_day=30, late="refuse").check(later())
    assert [(p.code, p.rows) for p in problems] == [("THX-D22", (0, 2))]
    with pytest.raises(UsageError, match="leave_out or refuse"):
        CtdnaBlock(late="whatever").check(later())


def test_D22_samples_without_days_are_refused():
    table = pd.DataFrame({"patient_id": ["a"], "call": ["positive"]})
    assert found(CtdnaBlock, Cohort.from_tables({"ctdna": table})) == {"THX-D22": (0,)}


@pytest.mark.parametrize(
    ("cells", "unit", "code"),
    [
        (["0.5", "0.1"], "", "THX-D16"),
        (["50", "0.1"], "fraction", "THX-D16"),
        (["500", "1"], "%", "THX-D16"),
        (["<0.01", "0.1"], "fraction", "THX-D13"),
        (["ND", "0.1"], "fraction", "THX-D13"),
        (["0,5", "0.1"], "fraction", "THX-D13"),
        (["inf", "0.1"], "fraction", "THX-D11"),
    ],
)
def test_D11_D13_D16_levels_of_ctdna(cells, unit, code):
    rows = {"patient_id": ["a", "b"], "day": [0, 0], "tumour_fraction": cells, "unit": unit}
    wanted = (0, 1) if unit == "" else (0,)
    assert found(CtdnaBlock, Cohort.from_tables({"ctdna": pd.DataFrame(rows)})) == {code: wanted}


# D26: the genome build


def place(at, patient="b", **more):
    row = load_table("landmarks").set_index(["gene", "protein"]).loc[("BRAF", "V600E")]
    return variant(patient, protein="p.V600E", chrom="chr7", pos=int(row[at]), ref="A", alt="T", **more)


def test_D26_two_builds_in_one_maf(tmp_path):
    rows = [("NF1", "Silent", "p1", "GRCh37", "1", "2"), ("NF1", "Silent", "p2", "hg38", "1", "2")]
    refused(lambda: read_maf(maf(tmp_path, *rows)), "THX-D26")
    same = [("NF1", "Silent", "p1", "GRCh37", "1", "2"), ("NF1", "Silent", "p2", "hg19", "1", "2")]
    assert len(read_maf(maf(tmp_path, *same))) == 2


@pytest.mark.parametrize("block", BLOCKS)
def test_D26_two_builds_for_one_patient_or_an_unknown_one(block):
    rows = [variant("a", build="37"), variant("b", build="hg19"), variant("b", "NF1", build="GRCh38")]
    assert found(block, cohort(rows)) == {"THX-D26": (1,)}
    assert found(block, cohort([variant("c", build=CANARY), variant("a", build="hg38")])) == {"THX-D26": (2,)}
    assert found(block, cohort([variant("c", build=""), variant("a", build=None)])) == {}


@pytest.mark.parametrize(("stands", "said"), [("grch37", "GRCh38"), ("grch38", "GRCh37")])
def test_D26_positions_of_the_other_build(stands, said):
    assert found(AlterationsBlock, cohort([place(stands, build=said)])) == {"THX-D26": (1,)}
    right = {"GRCh37": "GRCh38", "GRCh38": "GRCh37"}[said]
    assert found(AlterationsBlock, cohort([place(stands, build=right)])) == {}


def test_D26_a_position_beyond_its_chromosome():
    rows = [variant("a", chrom="21", pos=48_000_000, build=b, ref="A", alt="T") for b in ("GRCh37",)]
    assert found(AlterationsBlock, cohort(rows)) == {}
    assert found(AlterationsBlock, cohort([{**rows[0], "build": "GRCh38"}])) == {"THX-D26": (0,)}


def test_D26_every_landmark_tells_the_builds_apart():
    marks = load_table("landmarks")
    assert len(marks) == 41
    assert (marks.grch37 != marks.grch38).all()
    for row in marks.itertuples():
        at = {"gene": row.gene, "protein": row.protein, "chrom": str(row.chrom), "ref": "A", "alt": "T"}
        wrong = cohort([variant("a", **{**at, "pos": row.grch37, "build": "hg38"})])
        assert found(MutationsBlock, wrong) == {"THX-D26": (0,)}, row


def test_D26_chr_before_the_chromosome_changes_nothing():
    plain = [place("grch37", "a", build="37"), variant("a", "NF1", chrom="17", pos=29_500_000, ref="G", alt="A")]
    with_chr = [{**r, "chrom": "chr" + r["chrom"].removeprefix("chr")} for r in plain]
    without = [{**r, "chrom": r["chrom"].removeprefix("chr")} for r in plain]
    for rows in (with_chr, without, [*with_chr, *without]):
        assert MutationsBlock().fit_transform(cohort(rows)).iloc[0, 0] == 2 / 50
    tidy = tidy_variants(pd.DataFrame(with_chr).set_index("patient_id"))
    assert tidy.chrom.tolist() == ["7", "17"]


# rubbish files


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "THX-D33"),
        (b"#only\n#comments\n", "THX-D33"),
        (b"gene\tsample\nA\tp\n", "THX-D33"),
        (b"Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\nNF1\tSilent\n", "THX-D31"),
        (b"Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\nNF1\tSil\0ent\tp\n", "THX-D31"),
        ("Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\n".encode("utf-16"), "THX-D31"),
        (gzip.compress(b"Hugo_Symbol\tVariant_Classification\n" * 99, mtime=0)[:30], "THX-D31"),
        (b"\x1f\x8b" + bytes(40), "THX-D31"),
        (bytes(range(256)), "THX-D31"),
    ],
)
def test_D31_D33_rubbish_for_a_maf(tmp_path, content, code):
    file = tmp_path / "a.maf.gz"
    file.write_bytes(content)
    refused(lambda: read_maf(file), code)
    (tmp_path / "clinical.csv").write_text("patient_id\np\n")
    refused(lambda: read_cohort(tmp_path), code)


def test_the_check_of_a_cohort_reads_its_files_of_variants(tmp_path):
    (tmp_path / "clinical.csv").write_text("patient_id,panel\np1,exome\np2,exome\n")
    (tmp_path / "a.maf").write_text("\n".join("\t".join(r) for r in (HEADER, ("NF1", "odd", "p2", "37", "1", "1"))))
    (tmp_path / "b.maf").write_text("\n".join("\t".join(r) for r in (HEADER, ("NF1", "Silent", "p1", "9", "1", "1"))))
    codes = [(f.table, f.code) for f in checkup(tmp_path).findings]
    assert set(codes) == {("variants", "THX-D20"), ("variants", "THX-D26")}


def test_D33_a_maf_with_a_header_only_is_no_variant(tmp_path):
    assert read_maf(maf(tmp_path)).shape == (0, 10)


def test_D17_a_patient_with_two_tumours(tmp_path):
    rows = [("NF1", "Silent", f"TCGA-A8-A08G-{s}A-11W", "37", "1", "2") for s in ("01", "06")]
    refused(lambda: read_maf(maf(tmp_path, *rows)), "THX-D17")
    assert len(read_maf(maf(tmp_path, rows[0], rows[0]))) == 2


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "THX-D31"),
        ("rubbish\n", "THX-D31"),
        ("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tp1\n", "THX-D33"),
        (
            '##fileformat=VCFv4.2\n##INFO=<ID=ANN,Number=.,Type=String,Description="x">\n'
            "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n",
            "THX-D33",
        ),
    ],
)
def test_D31_D33_rubbish_for_a_vcf(tmp_path, content, code):
    pytest.importorskip("cyvcf2")
    file = tmp_path / "a.vcf"
    file.write_text(content)
    refused(lambda: read_vcf(file), code)


def test_without_cyvcf2_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "cyvcf2", None)
    (tmp_path / "a.vcf").write_text("##fileformat=VCFv4.2\n")
    with pytest.raises(SetupError, match=r"theracast\[variants\]"):
        read_vcf(tmp_path / "a.vcf")
