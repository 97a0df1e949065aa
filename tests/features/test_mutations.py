"""Variants: their words, which are the same, burden against maftools, hands and published counts; MAF and VCF."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.features.alterations import class_counts, pathway_members
from theracast.features.assembler import FeatureAssembler
from theracast.features.blocks import BLOCKS
from theracast.features.blocks.mutations import MutationsBlock
from theracast.features.cohort import Cohort
from theracast.features.gene_panels import panel_genes, panel_mb, panel_names
from theracast.features.readers import read_cohort
from theracast.features.tables import load_table
from theracast.features.variant_files import read_maf, read_vcf
from theracast.features.variants import NONSYNONYMOUS, classify, residues, short_changes, tidy_variants

GOLDEN = Path(__file__).parents[1] / "golden"
MAF_WORDS = {
    "Missense": "missense",
    "Nonsense": "nonsense",
    "Frame_Shift": "frameshift",
    "In_Frame": "inframe",
    "Splice": "splice",
}


@pytest.fixture(scope="module")
def laml():
    return read_maf(GOLDEN / "laml.maf.gz")


@pytest.fixture(scope="module")
def maftools():
    return json.loads((GOLDEN / "maftools_laml.json").read_text())


def cohort(events, panel="exome", **columns):
    ids = list(dict.fromkeys(events.patient_id))
    declared = pd.DataFrame({"panel": panel, **columns}, index=pd.Index(ids, name="patient_id"))
    return Cohort.from_tables({"mutations": declared, "variants": events})


def rows(*cells):
    names = ["patient_id", "gene", "consequence", "protein", "chrom", "pos", "ref", "alt"]
    width = max(map(len, cells))
    full = [c + (None,) * (width - len(c)) for c in cells]
    return pd.DataFrame(full, columns=names[:width])


# ---------------------------------------------------------------- against maftools


def test_classes_of_each_sample_equal_maftools(laml, maftools):
    events = laml.set_index("patient_id")
    counts = class_counts(tidy_variants(events), pd.Index(maftools["samples"]))
    theirs = pd.DataFrame(maftools["classes"], index=maftools["samples"])
    wanted = pd.DataFrame(
        {ours: theirs.filter(like=word).sum(axis=1) for word, ours in MAF_WORDS.items()}, index=maftools["samples"]
    )
    pd.testing.assert_frame_equal(counts[list(wanted)].astype(int), wanted.astype(int))
    assert counts[list(NONSYNONYMOUS[:5])].sum().sum() == 1732


def test_burden_of_each_sample_equals_maftools(laml, maftools):
    tmb = MutationsBlock(exome_mb=50.0).fit_transform(cohort(laml)).iloc[:, 0]
    theirs = pd.Series(maftools["burden"])
    assert len(theirs) > 190
    np.testing.assert_allclose(tmb[theirs.index], theirs, rtol=1e-12)
    assert (tmb.drop(theirs.index) == 0).all(), "maftools leaves samples without any out"


def test_mutated_samples_of_each_gene_equal_maftools(laml, maftools):
    genes = ["FLT3", "DNMT3A", "NPM1", "IDH2", "IDH1", "TET2", "RUNX1", "TP53", "NRAS", "CEBPA", "WT1"]
    states = BLOCKS["alterations"](genes=genes).fit_transform(cohort(laml))
    got = {g: int(states[f"alterations__{g}"].sum()) for g in genes}
    assert got == {g: maftools["mutated_samples"][g] for g in genes}
    assert got["FLT3"] == 52


def test_pathways_equal_maftools(laml, maftools):
    got = BLOCKS["alterations"]().fit_transform(cohort(laml))
    names = {"RTK-RAS": "RTK_RAS", "TGF-Beta": "TGF_beta", "Cell_Cycle": "cell_cycle", "NOTCH": "Notch", "WNT": "Wnt"}
    theirs = pd.DataFrame(maftools["pathways"])
    theirs["Pathway"] = theirs.Pathway.replace(names)
    wanted = theirs.pivot_table(index="Tumor_Sample_Barcode", columns="Pathway", values="genes", fill_value=0)
    assert len(wanted.columns) == 8, "nobody here has a mutation of the cell cycle or of TGF-beta"
    ten = [p for p in pathway_members() if p not in ("antigen_presentation", "DNA_repair")]
    wanted = wanted.reindex(index=got.index, columns=ten, fill_value=0)
    np.testing.assert_array_equal(got[[f"alterations__pathway_{p}" for p in ten]], wanted)


# ---------------------------------------------------------------- against published burdens


@pytest.mark.shared
@pytest.mark.parametrize(("name", "counts", "mb"), [("liu2019_mel", "nonsyn_muts", 50.0)])
def test_burden_equals_the_published_one(shared_data, name, counts, mb):
    clinical = pd.read_csv(shared_data / "ici" / name / "clinical.csv", index_col="patient_id")
    table = pd.DataFrame({"tmb": clinical[counts], "tmb_unit": "nonsynonymous count (exome)"})
    got = MutationsBlock(exome_mb=mb).fit_transform(Cohort.from_tables({"mutations": table})).iloc[:, 0]
    assert got.notna().sum() == 121
    off = (got - clinical.tmb).abs()
    assert (off < 1e-9).sum() == 116
    # five counts are one mutation above the burden that was published beside them
    np.testing.assert_allclose((got - clinical.tmb)[off >= 1e-9], [1 / mb] * 5, rtol=1e-9)


# ---------------------------------------------------------------- by hand


def test_burden_by_hand():
    events = pd.concat(
        [
            rows(("a", "TP53", "Nonsense_Mutation"), ("a", "NF1", "Missense_Mutation"), ("a", "TTN", "Silent")),
            rows(("b", "BRAF", "missense_variant&splice_region_variant"), ("b", "TERT", "5'Flank")),
            rows(("c", "KRAS", "Missense_Mutation")),
            rows(("d", "KRAS", "Missense_Mutation")),
        ]
    )
    panel = ["exome", "MSK-IMPACT468", "FoundationOne CDx", ""]
    got = MutationsBlock().fit_transform(cohort(events, panel)).iloc[:, 0]
    np.testing.assert_allclose(got, [2 / 50, 1 / 1.22, 1 / 0.8, np.nan])
    with_size = MutationsBlock().fit_transform(cohort(events, panel, panel_mb=[np.nan, np.nan, np.nan, 2.0]))
    assert with_size.iloc[3, 0] == 0.5


def test_no_variant_on_a_declared_panel_is_none_found():
    declared = pd.DataFrame({"panel": ["exome", "exome", ""]}, index=["a", "b", "c"])
    events = rows(("a", "KRAS", "Missense_Mutation"))
    got = MutationsBlock().fit_transform(Cohort.from_tables({"mutations": declared, "variants": events})).iloc[:, 0]
    np.testing.assert_array_equal(got, [1 / 50, 0.0, np.nan])
    alone = MutationsBlock().fit_transform(Cohort.from_tables({"mutations": declared}))
    assert alone.isna().all(axis=None), "without a table of variants nobody looked"


def test_a_burden_written_down_comes_first_and_models_see_the_same():
    table = pd.DataFrame({"tmb": [7.0], "tmb_unit": ["mut/Mb"], "panel": ["exome"]}, index=["a"])
    events = rows(("a", "KRAS", "Missense_Mutation"))
    measured = MutationsBlock().measure(Cohort.from_tables({"mutations": table, "variants": events}))
    assert measured.values["tmb"].tolist() == [7.0]
    assert measured.notes == {}
    assert [f.name for f in MutationsBlock.spec.features] == ["tmb"]


def test_allele_fractions_below_the_least_are_left_out():
    events = rows(("a", "KRAS", "missense"), ("a", "NF1", "missense"), ("a", "TP53", "missense")).assign(
        vaf=[0.3, 0.04, np.nan]
    )
    assert MutationsBlock(min_vaf=0.05).fit_transform(cohort(events)).iloc[0, 0] == 2 / 50


# ---------------------------------------------------------------- words


def test_every_word_of_the_table_is_its_class():
    table = load_table("consequences")
    assert classify(table["word"]).tolist() == table["class"].tolist()
    assert classify(table["word"].str.upper()).tolist() == table["class"].tolist()
    assert set(table[table.nonsynonymous == 1]["class"]) == set(NONSYNONYMOUS)
    assert set(table["class"]) >= {*NONSYNONYMOUS, "silent", "noncoding", "fusion"}


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("intron_variant&synonymous_variant", "silent"),
        ("missense_variant&splice_region_variant", "missense"),
        ("frameshift_variant&stop_gained", "nonsense"),
        ("new_word&stop_gained", "nonsense"),
        ("new_word&intron_variant", "unknown"),
        ("", "unknown"),
        ("Targeted_Region", "unknown"),
    ],
)
def test_of_several_words_the_gravest(words, wanted):
    assert classify(pd.Series([words])).tolist() == [wanted]


@pytest.mark.parametrize(
    ("text", "short", "residue"),
    [
        ("p.Val600Glu", "V600E", "V600"),
        ("ENSP00000288602.6:p.Val600Glu", "V600E", "V600"),
        ("NP_004324.2:p.(Val600Glu)", "V600E", "V600"),
        ("V600E", "V600E", "V600"),
        ("p.Arg213Ter", "R213*", "R213"),
        ("p.R213*", "R213*", "R213"),
        ("p.Ala5%3D", "A5=", ""),
        ("p.E746_A750del", "E746_A750del", ""),
        ("p.F354Sfs*12", "F354Sfs*12", ""),
        ("p.X125_splice", "X125_splice", "X125_splice"),
        (".", "", ""),
        ("", "", ""),
    ],
)
def test_protein_changes(text, short, residue):
    got = short_changes(pd.Series([text]))
    assert got.tolist() == [short]
    assert residues(got).tolist() == [residue]


def test_a_variant_counts_once_however_it_is_written():
    place = ("7", 140453136, "A", "T")
    events = rows(
        ("a", "BRAF", "missense", "p.V600E", *place),
        ("a", "BRAF", "Silent", "p.V600E", "chr7", 140453136, "A", "T"),  # another transcript: the graver counts
        ("a", "HER2", "missense", "p.S310F"),
        ("a", "ERBB2", "missense", "p.Ser310Phe"),  # the same by name and change, no place given
        ("a", "TP53", "missense"),
        ("a", "TP53", "missense"),  # nothing tells these two apart: they may be two
    )
    tidy = tidy_variants(events.set_index("patient_id"))
    assert sorted(tidy.gene) == ["BRAF", "ERBB2", "TP53", "TP53"]
    assert tidy.consequence.tolist() == ["missense"] * 4
    backwards = tidy_variants(events.iloc[::-1].set_index("patient_id"))
    assert sorted(backwards.consequence) == sorted(tidy.consequence)


def test_panels():
    table = load_table("gene_panels").set_index("panel")
    assert [len(set(g.split(":"))) for g in table.genes] == [341, 410, 468, 309]
    words = pd.Series(["msk-impact-341", "impact410", "msk impact 468", "foundationone cdx", "whole exome", "tso", ""])
    names = panel_names(words)
    assert names.tolist() == [*table.index, "exome", "?", ""]
    np.testing.assert_array_equal(panel_mb(names, 38.0), [0.98, 1.06, 1.22, 0.8, 38.0, np.nan, np.nan])
    covered = panel_genes(words, ["BRAF", "STK11", "SERPINB3", "EPHA7"], own={"TSO": ["BRAF"]})
    assert covered.BRAF.tolist() == [True] * 6 + [False]
    assert covered.SERPINB3.tolist() == [False] * 4 + [True, False, False]


# ---------------------------------------------------------------- files


def test_a_gdc_maf(tmp_path):
    header = (
        "Hugo_Symbol\tNCBI_Build\tChromosome\tStart_Position\tVariant_Classification\tReference_Allele\t"
        "Tumor_Seq_Allele2\tTumor_Sample_Barcode\tHGVSp_Short\tt_depth\tt_ref_count\tt_alt_count\tMutation_Status"
    )
    lines = [
        "BRAF\tGRCh38\tchr7\t140753336\tMissense_Mutation\tA\tT\tTCGA-A8-A08G-01A-11W\tp.V600E\t40\t30\t10\tSomatic",
        "NF1\tGRCh38\tchr17\t31094927\tSilent\tC\tT\tTCGA-A8-A08G-01A-11W\t\t50\t\t.\tSomatic",
        "BRCA1\tGRCh38\tchr17\t43045712\tMissense_Mutation\tC\tT\tTCGA-A8-A08G-01A-11W\t\t50\t25\t25\tGermline",
    ]
    text = "\n".join(["#version gdc-1.0.0", "#filedate 20240101", header, *lines]) + "\n"
    (tmp_path / "a.maf").write_text(text)
    (tmp_path / "b.maf.gz").write_bytes(gzip.compress(text.encode()))
    got = read_maf(tmp_path / "a.maf")
    assert got.patient_id.tolist() == ["TCGA-A8-A08G"] * 2
    assert got.gene.tolist() == ["BRAF", "NF1"]
    np.testing.assert_array_equal(got.vaf.astype(float), [0.25, np.nan])
    pd.testing.assert_frame_equal(got, read_maf(tmp_path / "b.maf.gz"))
    tidy = tidy_variants(got.set_index("patient_id"))
    assert tidy[["chrom", "build", "residue"]].iloc[0].tolist() == ["7", "GRCh38", "V600"]


VCF = """##fileformat=VCFv4.2
##FILTER=<ID=weak,Description="weak">
##contig=<ID=7,length=159138663>
##contig=<ID=17,length=81195210>
{info}
##FORMAT=<ID=GT,Number=1,Type=String,Description="g">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="d">
{extra}#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t{samples}
"""
CSQ = (
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="Consequence annotations from Ensembl VEP. '
    'Format: Allele|Consequence|SYMBOL|HGVSp|CANONICAL">'
)
ANN = "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation | ...'\">"


def test_a_vcf_of_vep(tmp_path):
    pytest.importorskip("cyvcf2")
    header = VCF.format(info=CSQ, extra="##normal_sample=N1\n", samples="N1\tTUMOR")
    braf = "CSQ=T|synonymous_variant|BRAF||,T|missense_variant|BRAF|ENSP1.6:p.Val600Glu|YES"
    both = "CSQ=T|stop_gained|TP53|ENSP2.1:p.Arg213Ter|YES,-|frameshift_variant|TP53|ENSP2.1:p.Arg213fs|YES"
    lines = [
        f"7\t140453136\t.\tA\tT\t.\tPASS\t{braf}\tGT:AD\t0/0:30,0\t0/1:30,10",
        f"17\t7578212\t.\tGA\tT,G\t.\tPASS\t{both}\tGT:AD\t0/0:9,0,0\t0/2:6,0,4",
        f"17\t7578300\t.\tG\tA\t.\tweak\t{braf}\tGT:AD\t0/0:9,0\t0/1:6,4",
        f"17\t7578301\t.\tG\tA\t.\tPASS\t{braf}\tGT:AD\t0/1:9,9\t0/0:6,0",
    ]
    (tmp_path / "P7.vcf").write_text(header + "\n".join(lines) + "\n")
    got = read_vcf(tmp_path / "P7.vcf")
    assert got.patient_id.tolist() == ["P7", "P7"]
    assert got.consequence.tolist() == ["missense_variant", "frameshift_variant"]
    assert got.protein.tolist() == ["ENSP1.6:p.Val600Glu", "ENSP2.1:p.Arg213fs"]
    assert got.build.tolist() == ["GRCh37"] * 2
    np.testing.assert_allclose(got.vaf, [0.25, 0.4])
    assert tidy_variants(got.set_index("patient_id")).residue.tolist() == ["V600", ""]


def test_a_vcf_of_snpeff_in_a_cohort(tmp_path):
    pytest.importorskip("cyvcf2")
    header = VCF.format(info=ANN, extra="", samples="p1\tp2")
    note = "ANN=T|missense_variant|MODERATE|BRAF|ENSG1|transcript|ENST1|protein_coding|15/18|c.1799T>A|p.Val600Glu|||||"
    line = f"7\t140453136\t.\tA\tT\t.\t.\t{note}\tGT\t0/1\t0/0"
    (tmp_path / "cohort.vcf.gz").write_bytes(gzip.compress((header + line + "\n").encode()))
    (tmp_path / "mutations.csv").write_text("patient_id,panel\np1,exome\np2,exome\n")
    whole = read_cohort(tmp_path)
    assert {s.name for s in whole.sources} == {"mutations", "variants"}
    got = BLOCKS["alterations"]().fit_transform(whole)
    assert got["alterations__BRAF_V600E"].tolist() == [1.0, 0.0]


def test_files_of_variants_in_a_folder_are_put_together(tmp_path):
    text = "Hugo_Symbol\tVariant_Classification\tTumor_Sample_Barcode\nNF1\tMissense_Mutation\t{}\n"
    for patient in ("p1", "p2"):
        (tmp_path / f"{patient}.maf").write_text(text.format(patient))
    (tmp_path / "clinical.csv").write_text("patient_id,panel\np1,exome\np2,exome\n")
    whole = read_cohort(tmp_path)
    assert whole.event("variants").index.tolist() == ["p1", "p2"]
    assert MutationsBlock().fit_transform(whole).iloc[:, 0].tolist() == [0.02, 0.02]
    assert len(whole.sources) == 3
    lineage = FeatureAssembler(["mutations", "alterations"]).fit(whole).matrix(whole).lineage
    for feature in ("mutations__tmb", "alterations__NF1"):
        assert sum(s.startswith("variants:") for s in lineage[feature].sources) == 2
