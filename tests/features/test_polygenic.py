"""Polygenic scores against plink2, alleles by hand, and the shared epitope against the papers' tables."""

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from theracast.errors import DataError, UsageError
from theracast.features.alleles import Sites, match_alleles
from theracast.features.blocks.polygenic import PolygenicBlock
from theracast.features.cohort import Cohort
from theracast.features.epitope import drb1_class, drb1_motif
from theracast.features.weights import build_of, chromosome, read_weights

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CATALOG = GOLDEN / "polygenic_catalog.txt"


@pytest.fixture(scope="module")
def dosages():
    """Copies of ALT, counted here from the text of the VCF: no reader of ours."""
    out, ids = {}, []
    for line in (GOLDEN / "polygenic.vcf").read_text().splitlines():
        cells = line.split("\t")
        if line.startswith("#CHROM"):
            ids = cells[9:]
        elif not line.startswith("#"):
            for k, alt in enumerate(cells[4].split(","), start=1):
                counts = [np.nan if "." in c else float(c.split("/").count(str(k))) for c in cells[9:]]
                out[f"{cells[0]}:{cells[1]}:{cells[3]}:{alt}"] = counts
    return pd.DataFrame(out, index=pd.Index(ids, name="patient_id"))


def cohort_of(table, build="GRCh38"):
    return Cohort.from_tables({"dosages": table}, units={"genome_build": build})


def scored(rows, name="toy", **more):
    """A score of rows (chrom, position, effect, other, weight)."""
    columns = ["chr_name", "chr_position", "effect_allele", "other_allele", "effect_weight"]
    return {"name": name, "variants": {c: [r[j] for r in rows] for j, c in enumerate(columns)}, **more}


# ---------------------------------------------------------------- plink2


@pytest.mark.parametrize(("kind", "keep"), [("strict", False), ("all", True)])
def test_the_sums_are_those_of_plink2(dosages, kind, keep):
    """Missing dosages, swaps, strand flips, several alternatives: to the six digits that plink2 prints."""
    block = PolygenicBlock([CATALOG], keep_ambiguous=keep, least=0.5).fit(cohort_of(dosages))
    got = block.transform(cohort_of(dosages))["polygenic__PGSSIM"]
    printed = pd.read_csv(GOLDEN / f"polygenic_{kind}.sscore", sep="\t", dtype=str).set_index("#IID")["SCORE1_SUM"]
    assert got.index.tolist() == printed.index.tolist()
    for value, text in zip(got, printed, strict=True):
        digits = len(text.split(".")[1]) if "." in text else 0
        assert abs(value - float(text)) <= 0.5001 * 10.0**-digits
    report = block.coverage_report().loc["PGSSIM"]
    assert report["variants"] == 53
    assert report["absent"] == 1
    assert report["mismatch"] == 0
    assert report[["swapped", "flipped", "flipped and swapped"]].min() >= 3
    assert report["ambiguous"] == (0 if keep else 5)


def test_a_cohort_without_a_variant_takes_the_training_mean(dosages):
    block = PolygenicBlock([CATALOG], least=0.5).fit(cohort_of(dosages))
    (state,) = block.scores_
    used = np.flatnonzero([m is not None for m in state["means"]])
    j = used[0]
    lost = next(c for c in dosages if c.split(":")[1] == str(state["variants"]["position"][j]))
    gone = block.transform(cohort_of(dosages.drop(columns=lost)))["polygenic__PGSSIM"]
    blank = block.transform(cohort_of(dosages.assign(**{lost: np.nan})))["polygenic__PGSSIM"]
    assert gone.tolist() == blank.tolist()
    assert (gone != block.transform(cohort_of(dosages))["polygenic__PGSSIM"]).any()


# ---------------------------------------------------------------- alleles, by hand


@pytest.mark.parametrize(
    ("effect", "other", "columns", "state", "copies"),
    [
        ("G", "A", ["1:5:A:G"], "matched", 0.25),
        ("A", "G", ["1:5:A:G"], "swapped", 1.75),
        ("C", "T", ["1:5:A:G"], "flipped", 0.25),
        ("T", "C", ["1:5:A:G"], "flipped and swapped", 1.75),
        ("g", "a", ["chr01:5:a:g"], "matched", 0.25),
        ("G", "", ["1:5:A:G"], "matched", 0.25),
        ("C", "", ["1:5:A:G"], "mismatch", np.nan),
        ("A", "T", ["1:5:A:T"], "ambiguous", np.nan),
        ("T", "G", ["1:5:A:G"], "mismatch", np.nan),
        ("T", "A", ["1:5:A:G", "1:5:A:T"], "ambiguous", np.nan),
        ("G", "A", ["1:5:A:G", "1:5:A:T"], "matched", 0.25),
        ("A", "G", ["1:5:A:G", "1:5:A:T"], "swapped", 1.5),
        ("CA", "C", ["1:5:C:CA"], "matched", 0.25),
        ("C", "CA", ["1:5:C:CA"], "swapped", 1.75),
        ("G", "A", ["1:6:A:G"], "absent", np.nan),
        ("G", "A", ["2:5:A:G"], "absent", np.nan),
    ],
)
def test_how_an_allele_is_counted(effect, other, columns, state, copies):
    score = read_weights(scored([("1", 5, effect, other, 1.0)]))
    (match,) = match_alleles(score, Sites.of(columns))
    assert match.state == state
    if not np.isnan(copies):
        table = pd.DataFrame([[0.25] * len(columns)], columns=columns, index=["p"])
        got = PolygenicBlock([score.state()]).fit(cohort_of(table)).transform(cohort_of(table))
        assert got["polygenic__toy"].tolist() == [copies]


@pytest.mark.parametrize(
    ("column", "state"),
    [("rs7", "unchecked"), ("rs7_G", "matched"), ("rs7_A", "swapped"), ("rs7_C", "flipped"), ("RS7_T", None)],
)
def test_columns_named_by_rsid(column, state):
    score = {"name": "toy", "variants": {"rsID": ["rs7"], "effect_allele": ["G"], "other_allele": ["A"]}}
    score["variants"]["effect_weight"] = [2.0]
    table = pd.DataFrame({column: [1.5]}, index=["p"])
    (match,) = match_alleles(read_weights(score), Sites.of(table.columns))
    assert match.state == (state or "flipped and swapped")
    measured = PolygenicBlock([score]).fit(cohort_of(table)).measure(cohort_of(table))
    assert measured.values["toy"].tolist() == [3.0 if state in ("unchecked", "matched", "flipped") else 1.0]
    assert ("rsid alone" in str(measured.notes)) == (state == "unchecked")


def test_standardised_on_the_training_patients():
    score = scored([("1", 5, "G", "A", 2.0), ("1", 9, "T", "C", 1.0)])
    train = pd.DataFrame({"1:5:A:G": [0.0, 1.0, 2.0], "1:9:C:T": [2.0, 2.0, np.nan]}, index=list("abc"))
    block = PolygenicBlock([score], least=0.5).fit(cohort_of(train))
    new = pd.DataFrame({"1:5:A:G": [1.0, np.nan], "1:9:C:T": [0.0, 1.0]}, index=["x", "y"])
    got = block.transform(cohort_of(new))
    sd = np.std([2.0, 4.0, 6.0])
    assert got.loc["x", ["polygenic__toy", "polygenic__toy_z", "polygenic__toy_coverage"]].tolist() == pytest.approx(
        [2.0, -2.0 / sd, 1.0]
    )
    # of y a third of the weight is known: less than `least`
    assert got.loc["y", ["polygenic__toy", "polygenic__toy_z"]].isna().all()
    assert got.loc["y", "polygenic__toy_coverage"] == pytest.approx(1 / 3)


# ---------------------------------------------------------------- the contract, with scores


def test_one_patient_and_any_order_give_the_same_bits(dosages, rng):
    more = dosages + np.where(rng.random(dosages.shape) < 0.5, 0.0, 0.125) * (dosages < 2)
    cohort = cohort_of(more)
    block = PolygenicBlock([CATALOG], least=0.1).fit(cohort)
    wanted = block.transform(cohort)
    other = cohort_of(more.iloc[rng.permutation(len(more)), rng.permutation(more.shape[1])])
    again = clone(block).fit(other).transform(other).loc[wanted.index]
    assert again.to_numpy().tobytes() == wanted.to_numpy().tobytes()
    for i in cohort.ids[::9]:
        assert block.transform(cohort.subset([i])).to_numpy().tobytes() == wanted.loc[[i]].to_numpy().tobytes()


def test_a_stored_block_needs_no_file(dosages):
    cohort = cohort_of(dosages)
    block = PolygenicBlock([CATALOG], least=0.5).fit(cohort)
    stored = json.loads(json.dumps({k: v for k, v in vars(block).items() if k.endswith("_")}))
    again = PolygenicBlock(["nowhere.txt"], least=0.5)
    for name, value in stored.items():
        setattr(again, name, value)
    assert again.names == block.names
    assert again.check(cohort) == []
    assert again.transform(cohort).to_numpy().tobytes() == block.transform(cohort).to_numpy().tobytes()


def test_patients_without_dosages(dosages):
    cohort = Cohort.from_tables({"clinical": pd.DataFrame({"age": [61.0]}, index=["nobody"])})
    measured = PolygenicBlock([CATALOG], least=0.5).fit(cohort_of(dosages)).measure(cohort)
    assert measured.values.isna().all(axis=None)
    assert measured.coverage.tolist() == [0.0]
    unfitted = PolygenicBlock([CATALOG]).fit(cohort)
    assert unfitted.transform(cohort_of(dosages))["polygenic__PGSSIM"].isna().all()


def test_refitted_with_other_scores(dosages):
    block = PolygenicBlock([CATALOG]).fit(cohort_of(dosages))
    block.set_params(scores=[scored([("1", 10_000, "G", "A", 1.0)], "other")])
    assert "polygenic__other" in block.fit(cohort_of(dosages)).names


# ---------------------------------------------------------------- weight files


def test_harmonised_positions_are_preferred():
    score = read_weights(CATALOG)
    assert (score.name, score.build, score.reference) == ("PGSSIM", "GRCh38", "10.0000/simulated")
    assert score.variants["position"].iloc[0] == 10_000


def test_a_variant_that_was_not_harmonised_has_no_position(tmp_path):
    text = CATALOG.read_text().splitlines()
    cells = text[9].split("\t")
    text[9] = "\t".join([*cells[:7], "", ""])
    (tmp_path / "score.txt.gz").write_bytes(gzip.compress("\n".join(text).encode()))
    variants = read_weights(tmp_path / "score.txt.gz").variants
    assert (variants["position"] == -1).sum() == 1
    assert len(variants) == 53


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda v: {k: w for k, w in v.items() if k != "effect_weight"}, "THX-D32"),
        (lambda v: {k: w for k, w in v.items() if k != "chr_position"}, "THX-D32"),
        (lambda v: {**v, "effect_weight": ["0,5", "1"]}, "THX-D13"),
        (lambda v: {**v, "chr_position": [5, 5]}, "THX-D03"),
        (lambda v: {**v, "is_interaction": ["True", "False"]}, "THX-D32"),
        (lambda v: {k: [] for k in v}, "THX-D33"),
    ],
    ids=["no weight", "no position", "decimal comma", "twice", "interaction", "empty"],
)
def test_weight_files_that_are_refused(change, code):
    good = scored([("1", 5, "G", "A", 0.5), ("1", 9, "A", "G", 1.0)])
    assert len(read_weights(good).variants) == 2
    with pytest.raises(DataError) as caught:
        read_weights({**good, "variants": change(good["variants"])})
    assert caught.value.code == code


def test_files_that_are_none(tmp_path):
    with pytest.raises(DataError, match="THX-D33"):
        read_weights(tmp_path / "nowhere.txt")
    (tmp_path / "cut.txt.gz").write_bytes(gzip.compress(CATALOG.read_bytes())[:80])
    with pytest.raises(DataError, match="THX-D31"):
        read_weights(tmp_path / "cut.txt.gz")
    with pytest.raises(UsageError, match="one name"):
        PolygenicBlock([CATALOG, CATALOG]).fit(cohort_of(pd.DataFrame({"1:5:A:G": [1.0]}, index=["p"])))


@pytest.mark.parametrize(
    ("words", "wanted"),
    [("hg19", "GRCh37"), ("GRCh37.p13", "GRCh37"), ("b37", "GRCh37"), ("hg38", "GRCh38"), ("NR", ""), ("138", "")],
)
def test_names_of_builds(words, wanted):
    assert build_of(words) == wanted


def test_names_of_chromosomes():
    assert [chromosome(c) for c in ("Chr7", "07", "chrx", "24", "MT", "chrM")] == ["7", "7", "X", "Y", "MT", "MT"]


# ---------------------------------------------------------------- the shared epitope

#: PMC1906795, table 1 (a star for whole families) and PMC3308093, table 2: the papers' classes of du Montcel.
PAPERS = {
    "S1": "01:03 04:02 11:02 11:03 13:01 13:02 13:04 13:23 13:36 13:40 15:01 15:02 15:03",
    "S2": "04:01 04:09 04:13 04:35 04:66 13:03",
    "S3D": "11:01 11:04 11:27 12:01 12:02 13:05 13:06 13:25 14:22 16:01 16:02",
    "S3P": "01:01 01:02 04:04 04:05 04:08 04:10 10:01 14:02",
    "X": "03:01 03:02 04:03 04:07 04:11 07:01 08:01 08:02 08:03 09:01 14:01 14:04",
}


@pytest.mark.parametrize("group", PAPERS)
def test_classes_are_those_of_the_papers(group):
    assert {drb1_class(drb1_motif(f"DRB1*{a}")) for a in PAPERS[group].split()} == {group}


@pytest.mark.parametrize(
    ("typed", "motif"),
    [
        ("DRB1*04:01", "QKRAA"),
        ("hla-drb1*0401", "QKRAA"),
        ("0401", "QKRAA"),
        ("04:01:01:01", "QKRAA"),
        ("HLA-DRB1*04:01:01G", "QKRAA"),
        ("DRB1*04:01/04:09", "QKRAA"),
        ("DRB1*04:01/04:02", ""),
        ("DRB1*04", ""),
        ("DR4", ""),
        ("DRB1*04:01N", ""),
        ("DRB1*04:999", ""),
        ("DRB3*01:01", ""),
        ("DQB1*03:02", ""),
    ],
)
def test_spellings_of_an_allele(typed, motif):
    assert drb1_motif(typed) == motif


def test_copies_and_what_is_not_guessed():
    table = pd.DataFrame(
        {
            "DRB1_1": ["DRB1*04:01", "DRB1*04", "DRB1*04:04", "DRB1*03:01", None],
            "DRB1_2": ["DRB1*01:01", "DRB1*01:01", None, "DRB1*13:01", None],
        },
        index=list("abcde"),
    )
    measured = PolygenicBlock().measure(Cohort.from_tables({"hla": table}))
    np.testing.assert_array_equal(measured.values["shared_epitope"], [2.0, np.nan, np.nan, 0.0, np.nan])
    np.testing.assert_array_equal(measured.values["epitope_s2"], [1.0, np.nan, np.nan, 0.0, np.nan])
    np.testing.assert_array_equal(measured.values["deraa"], [0.0, np.nan, np.nan, 1.0, np.nan])
    assert measured.coverage.tolist() == [1.0, 0.5, 0.5, 1.0, 0.0]
    assert list(measured.notes) == ["b"]


@pytest.mark.shared
def test_carriage_in_rheumatoid_arthritis(shared_data):
    """More of the patients than of the controls carry the epitope (Gregersen 1987)."""
    folder = shared_data / "ra" / "airr_antitnf"
    typed = pd.read_parquet(folder / "hla.parquet").set_index("sample_id")
    got = PolygenicBlock().fit_transform(Cohort.from_tables({"hla": typed}))["polygenic__shared_epitope"]
    group = pd.read_csv(folder / "clinical.csv").drop_duplicates("sample_id").set_index("sample_id")["group"]
    carries = (got.dropna() > 0).groupby(group.reindex(got.index)).agg(["mean", "sum", "count"])
    print(carries)
    assert got.notna().sum() >= 187
    ra = next(g for g in carries.index if g != "control")
    assert carries.loc[ra, "mean"] > carries.loc["control", "mean"] + 0.1
