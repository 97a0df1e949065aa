"""Germline faults: another genome build, strand and swaps, positions that are absent, alleles that are not known."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from faults.judge import CANARY, refused

from theracast.features.blocks.pharmacogenes import PharmacogenesBlock
from theracast.features.blocks.polygenic import PolygenicBlock
from theracast.features.cohort import Cohort
from theracast.features.star_calls import call_diplotypes, positions
from theracast.features.star_positions import read_star_positions
from theracast.features.stars import read_diplotype

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
RNG = np.random.default_rng(26)
BASES = "ACGT"


def score_of(n=200, build="GRCh38"):
    """SIMULATED: n variants, no two alleles of which are complements."""
    pairs = RNG.choice(["AG", "CT", "AC", "GT", "GA", "TC"], n)
    columns = {"chr_name": ["1"] * n, "chr_position": list(range(1000, 1000 + 10 * n, 10))}
    alleles = {"effect_allele": [p[1] for p in pairs], "other_allele": [p[0] for p in pairs]}
    weights = {"effect_weight": RNG.normal(size=n).tolist()}
    return {"name": "toy", "build": build, "variants": {**columns, **alleles, **weights}}


def table_of(score, shift=0, prefix=""):
    v = score["variants"]
    rows = zip(v["chr_position"], v["other_allele"], v["effect_allele"], strict=True)
    columns = [f"{prefix}1:{p + shift}:{o}:{e}" for p, o, e in rows]
    dosages = RNG.integers(0, 3, (20, len(columns))).astype(float)
    return pd.DataFrame(dosages, columns=columns, index=[f"p{i}" for i in range(20)])


def cohort_of(table, build=None):
    return Cohort.from_tables({"dosages": table}, units={"genome_build": build} if build else None)


# D26: build, REF, chr prefix


def test_D26_declared_builds_that_differ():
    score = score_of(build="hg19")
    cohort = cohort_of(table_of(score), "GRCh38")
    message = refused(lambda: PolygenicBlock([score]).fit(cohort), "THX-D26")
    assert "GRCh37" in message
    assert "GRCh38" in message
    refused(lambda: PolygenicBlock([score], build="hg38").fit(cohort_of(table_of(score))), "THX-D26")
    assert PolygenicBlock([score]).fit(cohort_of(table_of(score), "b37")).report_["toy"]["matched"] == 200


@pytest.mark.parametrize(("wrong", "refuses"), [(0, False), (2, False), (3, True), (200, True)])
def test_D26_more_than_one_percent_of_the_alleles_disagree(wrong, refuses):
    score = score_of()
    table = table_of(score)
    odd = []
    for j, name in enumerate(table.columns):
        chrom, position, ref, alt = name.split(":")
        other = {"A": "C", "C": "A", "G": "T", "T": "G"}[alt]  # neither the allele nor its complement with this REF
        other = other if other != ref else {"A": "G", "C": "T", "G": "A", "T": "C"}[alt]
        odd.append(f"{chrom}:{position}:{ref}:{other}" if j < wrong else name)
    cohort = cohort_of(table.set_axis(odd, axis=1))
    block = PolygenicBlock([score])
    if refuses:
        message = refused(lambda: block.fit(cohort), "THX-D26")
        assert f"{wrong} of 200" in message
    else:
        assert block.fit(cohort).report_["toy"]["mismatch"] == wrong
    assert PolygenicBlock([score], mismatches=1.0).fit(cohort).report_["toy"]["mismatch"] == wrong


def test_D26_positions_of_another_build_without_a_word_about_it():
    """Shifted positions meet other variants, whose alleles do not agree; where they meet none, nothing is known."""
    score = score_of(build="")
    refused(lambda: PolygenicBlock([score]).fit(cohort_of(table_of(score, shift=10))), "THX-D26")
    none = cohort_of(table_of(score, shift=3))
    measured = PolygenicBlock([score]).fit(none).measure(none)
    assert measured.values["toy"].isna().all()
    assert measured.values["toy_coverage"].isna().all()


def test_D26_the_chr_prefix_is_no_difference():
    score = score_of()
    table = table_of(score)
    block = PolygenicBlock([score]).fit(cohort_of(table))
    wanted = block.transform(cohort_of(table))
    for prefix in ("chr", "CHR", "Chr"):
        got = block.transform(cohort_of(table.set_axis([prefix + c for c in table.columns], axis=1)))
        assert got.to_numpy().tobytes() == wanted.to_numpy().tobytes()


def test_D26_swapped_and_flipped_files_give_the_same_scores():
    """REF and ALT exchanged, or the score on the other strand: counted alike to the last digits."""
    score = score_of()
    table = table_of(score)
    wanted = PolygenicBlock([score]).fit_transform(cohort_of(table))["polygenic__toy"]
    parts = [c.split(":") for c in table.columns]
    swapped = (2.0 - table).set_axis([f"{c}:{p}:{a}:{r}" for c, p, r, a in parts], axis=1)
    np.testing.assert_allclose(PolygenicBlock([score]).fit_transform(cohort_of(swapped))["polygenic__toy"], wanted)
    turn = str.maketrans("ACGT", "TGCA")
    flipped = {**score, "variants": {**score["variants"]}}
    for column in ("effect_allele", "other_allele"):
        flipped["variants"][column] = [a.translate(turn) for a in score["variants"][column]]
    block = PolygenicBlock([flipped]).fit(cohort_of(table))
    assert block.report_["toy"]["flipped"] == 200
    np.testing.assert_array_equal(block.transform(cohort_of(table))["polygenic__toy"], wanted)


def test_D26_pharmacogenes_are_defined_on_one_build_and_strand():
    ref = {p.name: "/".join([p.reference] * 2) for p in positions("CYP2C9")}
    table = pd.DataFrame([ref], index=["p"])
    block = PharmacogenesBlock(["CYP2C9"])
    wrong = Cohort.from_tables({"genotypes": table}, units={"genome_build": "hg19"})
    refused(lambda: block.fit(wrong), "THX-D26")
    turn = str.maketrans("ACGT", "TGCA")
    other = table.map(lambda c: c.translate(turn))
    refused(lambda: block.fit(Cohort.from_tables({"genotypes": other})), "THX-D26")
    assert block.fit_transform(Cohort.from_tables({"genotypes": table})).iloc[0].tolist() == [2.0, 2.0, 0.0]


# D03, D13, D15: cells and columns


def test_D03_a_variant_written_in_two_ways():
    score = score_of()
    table = table_of(score)
    twice = table.assign(**{f"chr{table.columns[0]}": 1.0})
    refused(lambda: PolygenicBlock([score]).fit(cohort_of(twice)), "THX-D03")


@pytest.mark.parametrize(("cell", "code"), [(-1.0, "THX-D15"), (2.5, "THX-D15"), (CANARY, "THX-D13")])
def test_D15_dosages_that_cannot_be(cell, code):
    score = score_of()
    table = table_of(score).astype(object)
    table.iloc[3, 7] = cell
    message = refused(lambda: PolygenicBlock([score]).fit(cohort_of(table)), code)
    assert "rows 4" in message


def test_D13_genotypes_that_are_not_bases():
    table = pd.DataFrame({"rs9923231": ["C/T", CANARY]}, index=["a", "b"])
    refused(lambda: PharmacogenesBlock().fit(Cohort.from_tables({"genotypes": table})), "THX-D13")


# D27: a position that is absent is not the reference


@pytest.mark.parametrize("gene", ["CYP2C19", "CYP2C9", "CYP3A5", "DPYD", "NUDT15", "SLCO1B1", "TPMT", "UGT1A1"])
def test_D27_no_single_position_is_assumed(gene):
    """Leave out one position after the other: a phenotype stays only when no allele there could change it."""
    whole = {p.name: "/".join([p.reference] * 2) for p in positions(gene)}
    if gene == "CYP2C19":
        whole["chr10:94842866"] = "G/G"
    full = call_diplotypes(gene, whole)
    assert len(full.candidates) == 1
    lost = 0
    for name in whole:
        for absent in ({k: v for k, v in whole.items() if k != name}, {**whole, name: "./."}, {**whole, name: ""}):
            call = call_diplotypes(gene, absent)
            assert full.candidates[0] in call.candidates
            assert call.phenotype in (full.phenotype, "Indeterminate")
            if call.phenotype != full.phenotype:
                assert "not covered" in call.why
        lost += call.phenotype == "Indeterminate"
    assert lost >= 1


def test_D27_the_position_of_the_common_loss_of_function():
    whole = {p.rsid: "ref" for p in positions("CYP2C19")} | {"rs3758581": "G/G"}
    assert call_diplotypes("CYP2C19", whole).candidates == ("*1/*1",)
    absent = call_diplotypes("CYP2C19", {k: v for k, v in whole.items() if k != "rs4244285"})
    assert set(absent.candidates) == {"*1/*1", "*1/*2", "*2/*2"}
    assert absent.phenotype == "Indeterminate"
    table = pd.DataFrame([{k: v for k, v in whole.items() if k != "rs4244285"}], index=["p"])
    cohort = Cohort.from_tables({"genotypes": table})
    measured = PharmacogenesBlock(["CYP2C19"]).fit(cohort).measure(cohort)
    assert measured.values.isna().all(axis=None)
    assert measured.coverage.tolist() == [0.0]
    assert "rs4244285" in measured.notes["p"][0]


def test_D27_pharmcat_120():
    """DPYD, one variant on both chromosomes and a second on one, the rest of the gene absent.

    PharmCAT 2.0.3 filled the absent positions in as phased reference and gave a diplotype of three variants
    (github.com/PharmGKB/PharmCAT/issues/120).
    """
    told = {"chr1:97515839": "C/C", "chr1:97883329": "A/G"}
    call = call_diplotypes("DPYD", told)
    assert (call.candidates, call.phenotype) == ((), "Indeterminate")
    assert "81 of 83 defining positions are not covered" in call.why
    filled = {p.name: "ref" for p in positions("DPYD")} | told
    assert call_diplotypes("DPYD", filled).candidates == ()
    three = {"chr1:97078987": "G/T", "chr1:97515839": "T/C", "chr1:97883329": "A/G"}
    assert call_diplotypes("DPYD", {p.name: "ref" for p in positions("DPYD")} | three).candidates == ()


HEAD = (
    "##fileformat=VCFv4.2\n##contig=<ID=chr1,length=248956422>\n##contig=<ID=chr10,length=133797422>\n"
    '##FILTER=<ID=low,Description="l">\n##INFO=<ID=END,Number=1,Type=Integer,Description="e">\n'
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n"
)


def vcf_of(file, *records, head=HEAD):
    file.write_text(head + "".join("\t".join(map(str, r)) + "\n" for r in records))
    return file


def test_D27_a_vcf_has_three_states(tmp_path):
    """A record, a block of reference, and nothing: only the first two are known."""
    pytest.importorskip("cyvcf2")
    file = vcf_of(
        tmp_path / "a.vcf",
        ("chr10", 94761900, ".", "C", "T", ".", "PASS", ".", "GT", "0/1", "./1"),
        ("chr10", 94762700, ".", "A", "<NON_REF>", ".", ".", "END=94762720", "GT", "0/0", "./."),
        ("chr10", 94775416, ".", "T", "C", ".", "low", ".", "GT", "0/1", "0/1"),
        ("chr10", 94781859, ".", "G", ".", ".", ".", ".", "GT", "0/0", "0|0"),
        ("chr10", 94842866, ".", "A", "C", ".", ".", ".", "GT", "0/0", "0/1"),
        ("chr10", 94842866, ".", "A", "G", ".", ".", ".", "GT", "1/1", "0/1"),
    )
    got = read_star_positions(file, ["CYP2C19"])
    assert got.shape == (2, 35)
    known = {94761900: ("C/T", ""), 94781859: ("G/G", "G/G"), 94842866: ("G/G", "")}
    known |= {94762706: ("A/A", ""), 94762712: ("C/C", ""), 94762715: ("T/T", "")}
    for position, cells in known.items():
        assert tuple(got[f"chr10:{position}"]) == cells, position
    others = [c for c in got if int(c.split(":")[1]) not in known]
    assert (got[others] == "").all(axis=None)
    block = PharmacogenesBlock(["CYP2C19"])
    assert block.fit_transform(Cohort.from_tables({"genotypes": got})).isna().all(axis=None)


def test_D27_a_vcf_with_every_position_is_called(tmp_path):
    pytest.importorskip("cyvcf2")
    rows = []
    for place in positions("CYP2C9"):
        hit = place.rsid == "rs1057910"
        cells = ("0/1", "1/1") if hit else ("0/0", "0/0")
        rows.append((*place.name.split(":"), ".", place.reference, "C" if hit else ".", ".", ".", ".", "GT", *cells))
    got = read_star_positions(vcf_of(tmp_path / "a.vcf", *rows), ["CYP2C9"])
    measured = PharmacogenesBlock(["CYP2C9"]).fit_transform(Cohort.from_tables({"genotypes": got}))
    assert measured["pharmacogenes__CYP2C9_activity"].tolist() == [1.0, 0.0]


def test_D26_a_vcf_of_another_build(tmp_path):
    pytest.importorskip("cyvcf2")
    record = ("chr10", 94781859, ".", "G", "A", ".", ".", ".", "GT", "0/1", "0/0")
    old = HEAD.replace("248956422", "249250621")
    refused(lambda: read_star_positions(vcf_of(tmp_path / "a.vcf", record, head=old)), "THX-D26")
    odd = ("chr10", 94781859, ".", "T", "A", ".", ".", ".", "GT", "0/1", "0/0")
    refused(lambda: read_star_positions(vcf_of(tmp_path / "b.vcf", odd)), "THX-D26")
    assert read_star_positions(vcf_of(tmp_path / "c.vcf", record)).loc["a", "chr10:94781859"] == "G/A"


def test_D27_nothing_at_all_is_unknown_and_not_indeterminate():
    assert call_diplotypes("TPMT", {}).phenotype == ""
    assert read_diplotype("TPMT", " NA ").phenotype == ""


# D28: all candidates; a phenotype only if they agree


def test_D28_unphased_tpmt_is_one_of_two():
    het = {"chr6:18130687": "T/C", "chr6:18138997": "C/T"}
    cells = {p.name: "ref" for p in positions("TPMT")} | het
    call = call_diplotypes("TPMT", cells)
    assert set(call.candidates) == {"*1/*3A", "*3B/*3C"}
    assert call.phenotype == "Indeterminate"
    typed = read_diplotype("TPMT", "*1/*3A; *3B/*3C")
    assert (set(typed.candidates), typed.phenotype) == (set(call.candidates), "Indeterminate")


def test_D28_candidates_that_agree_are_a_phenotype():
    call = read_diplotype("CYP2C19", "*1/*2 or *1/*3")
    assert (len(call.candidates), call.phenotype) == (2, "Intermediate Metabolizer")


@pytest.mark.parametrize(
    ("cell", "phenotype", "score"),
    [
        ("*1xN/*1", "Ultrarapid Metabolizer", ""),
        ("*1xN/*4", "Indeterminate", ""),
        ("*4xN/*4", "Poor Metabolizer", "0.0"),
    ],
)
def test_D28_copies_that_were_not_counted(cell, phenotype, score):
    call = read_diplotype("CYP2D6", cell)
    assert (len(call.candidates), call.phenotype, call.score) == (2, phenotype, score)


def test_D28_cyp2d6_is_not_told_by_genotypes():
    cells = {p.name: "ref" for p in positions("CYP2D6")}
    cohort = Cohort.from_tables({"genotypes": pd.DataFrame([cells], index=["p"])})
    measured = PharmacogenesBlock(["CYP2D6"]).fit(cohort).measure(cohort)
    assert measured.values.isna().all(axis=None)
    assert "copy number" in measured.notes["p"][0]


@pytest.mark.parametrize("cell", ["*1/*3Z", CANARY, f"*1/{CANARY}", "*1", "*1/*1/*1", "*1/", "/", "*1/*999"])
def test_D28_unknown_alleles_are_never_wild_type(cell):
    cohort = Cohort.from_tables({"diplotypes": pd.DataFrame({"TPMT": [cell, "*1/*1"]}, index=["a", "b"])})
    measured = PharmacogenesBlock(["TPMT"]).fit(cohort).measure(cohort)
    assert measured.values.loc["a"].isna().all()
    assert measured.values.loc["b", "TPMT_phenotype"] == 2.0
    assert "indeterminate" in measured.notes["a"][0]
    assert CANARY not in str(measured.notes)
    assert measured.coverage.tolist() == [0.0, 1.0]


def test_D02_genes_in_another_spelling():
    table = pd.DataFrame({"cyp2c19": ["*1/*2"], "MT_RNR1": ["Reference"]}, index=["a"])
    refused(lambda: PharmacogenesBlock().fit(Cohort.from_tables({"diplotypes": table})), "THX-D02")
