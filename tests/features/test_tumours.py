"""Tumour types: every spelling has one name, and cohorts and matrices carry it from the table to the file."""

from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matrices import matrix_of, same

from theracast import FeatureAssembler, load_cohort
from theracast.errors import UsageError
from theracast.features import tumours as room
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.containers import from_anndata, from_mudata, to_anndata, to_mudata
from theracast.features.datasets import datasets
from theracast.features.matrix import FeatureMatrix
from theracast.features.tumours import tumour_note, tumour_notes, tumour_type, tumour_types
from theracast.provenance import digest_rows

GOLDEN = Path(__file__).parents[1] / "golden"


def cohort_of(*types, name="cohort", **columns):
    clinical = pd.DataFrame({"age": 61.0, **columns}, index=[f"p{i}" for i in range(len(types))])
    return Cohort.from_tables({"clinical": clinical.assign(cancer_type=types)}, name=name)


def matrix_for(*types, **columns):
    cohort = cohort_of(*types, **columns)
    return FeatureAssembler(["clinical"]).fit(cohort).matrix(cohort)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Kidney", "renal"), ("renal", "renal"), ("RCC", "renal"), ("Renal cell carcinoma", "renal"),
        ("Bladder", "urothelial"), ("Urothelial carcinoma", "urothelial"), ("Urothelial/Bladder", "urothelial"),
        ("Head & Neck", "head_neck"), ("Head and neck", "head_neck"), ("HEAD_NECK", "head_neck"), ("h&n", "head_neck"),
        ("head-neck", "head_neck"), ("Squamous cell carcinoma of the head and neck", "head_neck"),
        ("Pancreas", "pancreatic"), ("Pancreatic", "pancreatic"), ("PDAC", "pancreatic"), ("Colon", "colorectal"),
        ("Glioblastoma", "glioma"), ("CNS", "glioma"), ("GBM", "glioma"), ("Unknown primary", "unknown_primary"),
        ("Cancer of unknown primary", "unknown_primary"), ("CUP", "unknown_primary"),
        ("Hepatobiliary", "hepatobiliary"), ("liver", "hepatobiliary"),
        ("NSCLC", "nsclc"), ("non-small cell lung cancer", "nsclc"), ("Non small-cell lung carcinoma", "nsclc"),
        ("Non-Small Cell Lung Cancer (NSCLC)", "nsclc"), ("NSCLC (adenocarcinoma)", "nsclc"), ("Lung - NSCLC", "nsclc"),
        ("Adenocarcinoma of the lung", "nsclc"), ("Adenocarcinoma (lung)", "nsclc"), ("stage IV NSCLC", "nsclc"),
        ("SCLC", "sclc"), ("small cell lung cancer", "sclc"), ("Metastatic melanoma", "melanoma"),
        (" SKCM ", "melanoma"),
        ("uveal melanoma", "uveal_melanoma"), ("Oesophageal", "esophageal"), ("Gastric/GEJ", "gastric"),
        ("Mésothéliome", ""), ("Mesothelioma", "mesothelioma"), ("Hodgkin's lymphoma", "lymphoma"),
        ("Uterine sarcoma", "sarcoma"), ("nasopharyngeal carcinoma", "nasopharyngeal"),
        # two types, a type and something else, a site of metastases: none is guessed
        ("Lung, melanoma", ""), ("Kidney / bladder", ""), ("Melanoma (liver metastases)", ""), ("not melanoma", ""),
        ("melanoma in situ", ""),
        # too coarse
        ("Lung", ""), ("Lung cancer", ""), ("Skin", ""), ("GEJ", ""), ("pan-cancer", ""), ("solid tumour", ""),
        # nothing given
        ("", ""), (None, ""), (np.nan, ""), ("NA", ""), ("unknown", ""), ("cancer", ""), (3, ""), ("X" * 10_000, ""),
    ],
)  # fmt: skip
def test_spellings(text, name):
    assert tumour_type(text) == name


def test_no_spelling_has_two_types():
    keys = [{room._key(text) for text in texts} for _, texts in room._rows()]
    every = [key for group in keys for key in group]
    assert "" not in every
    assert len(every) == len(set(every))
    assert len(tumour_types()) == 39
    for name in tumour_types():
        assert tumour_type(name) == name
    for kind, _ in room._rows():
        assert set(kind.within) <= set(tumour_types())


def test_the_studies_of_tcga_by_code_and_by_title():
    studies = pd.read_csv(GOLDEN / "tcga_studies.csv", keep_default_na=False)
    assert len(studies) == 33
    names = studies["study"].map(tumour_type)
    assert (names != "").all()
    assert studies["title"].map(tumour_type).tolist() == names.tolist()


def test_the_codes_are_those_of_the_oncotree():
    tree = pd.read_csv(GOLDEN / "oncotree_codes.csv", keep_default_na=False).set_index("code")
    for kind, _ in room._rows():
        for code in filter(None, kind.oncotree.split("|")):
            assert tumour_type(code) == kind.name
            assert tumour_type(tree.loc[code, "name"]) == kind.name


def test_a_name_that_a_model_declares_has_a_hint():
    with pytest.raises(UsageError, match="Did you mean 'urothelial'"):
        tumour_types()["urothelal"]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("melanomma", "tumour type is not one that is known here; nearest: melanoma"),
        ("Urothelail", "tumour type is not one that is known here; nearest: urothelial"),
        ("chordoma ZZPHI", "tumour type is not one that is known here"),
        ("GEJ", "tumour type is said too coarsely to be used: cancer of the oesophagus or stomach"),
        ("Melanoma", ""), ("", ""), (None, ""), ("not reported", ""),
    ],
)  # fmt: skip
def test_notes_name_our_own_words_only(text, note):
    assert tumour_note(text) == note


def test_lung_is_what_the_study_says():
    types = ("Lung", "lung cancer", "SCLC", "Kidney", "")
    assert cohort_of(*types, name="jung2019_nsclc").tumours.tolist() == ["nsclc", "nsclc", "sclc", "renal", ""]
    assert cohort_of(*types, name="some_clinic").tumours.tolist() == ["", "", "sclc", "renal", ""]
    assert cohort_of(*types, name="smith_mel").tumours.tolist() == ["", "", "sclc", "renal", ""]
    assert cohort_of(*types, name="both_nsclc_sclc").tumours.tolist() == ["", "", "sclc", "renal", ""]
    assert list(tumour_notes(cohort_of(*types, name="jung2019_nsclc"))) == []
    assert list(tumour_notes(cohort_of(*types, name="some_clinic"))) == ["p0", "p1"]


@pytest.mark.parametrize("column", ["cancer_type", "tumour_type", "tumor_type", "cancer"])
def test_the_column_may_have_other_names(column):
    clinical = pd.DataFrame({column: ["Kidney", None]}, index=["a", "b"])
    assert Cohort.from_tables({"clinical": clinical}).tumours.to_dict() == {"a": "renal", "b": ""}
    both = clinical.assign(cancer=["Melanoma", "Melanoma"])
    if column != "cancer":
        assert Cohort.from_tables({"clinical": both}).tumours.tolist() == ["renal", "melanoma"]


def test_a_cohort_without_the_column_or_without_the_table():
    bare = Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, index=["p"])})
    genes = Cohort.from_tables({"mutations": pd.DataFrame({"tmb": [3.0], "tmb_unit": "mut/Mb"}, index=["p"])})
    nobody = cohort_of("Kidney").subset([])
    assert bare.tumours.to_dict() == genes.tumours.to_dict() == {"p": ""}
    assert nobody.tumours.tolist() == []
    assert nobody.tumours.dtype == object


def test_subset_concat_and_wide_tables_carry_it():
    first = cohort_of("Kidney", "Lung", "Melanoma", name="a_nsclc")
    bare = Cohort.from_tables({"clinical": pd.DataFrame({"age": [61]}, index=["p0"])}, name="b")
    other = Cohort.from_tables({"clinical": pd.DataFrame({"tumor_type": ["BLCA"]}, index=["p0"])}, name="c")
    assert first.subset(["p2", "p0"]).tumours.to_dict() == {"p2": "melanoma", "p0": "renal"}
    both = Cohort.concat([bare, first, other])
    assert both.tumours.to_dict() == {
        "b:p0": "", "a_nsclc:p0": "renal", "a_nsclc:p1": "nsclc", "a_nsclc:p2": "melanoma", "c:p0": "urothelial"
    }  # fmt: skip
    assert Cohort.concat([bare, bare]).tumours.tolist() == ["", ""]
    assert Cohort.from_wide(both.subset(["a_nsclc:p0", "c:p0"]).wide()).tumours.tolist() == ["renal", "urothelial"]


@pytest.mark.parametrize("name", datasets()["name"])
def test_every_cohort_that_ships_says_it(name):
    wanted = "urothelial" if name == "imvigor210_uc" else "melanoma"
    cohort = load_cohort(name)
    assert set(cohort.tumours) == {wanted}
    assert tumour_notes(cohort) == {}


@pytest.mark.shared
def test_every_word_of_the_shared_cohorts_is_known(shared_data):
    counts = {}
    for file in sorted((shared_data / "ici").glob("*/clinical.csv")):
        table = pd.read_csv(file, low_memory=False)
        cohort = Cohort.from_tables({"clinical": table[["patient_id", "cancer_type"]]}, name=file.parent.name)
        assert tumour_notes(cohort) == {}, file
        assert (cohort.tumours != "").all(), file
        counts[file.parent.name] = cohort.tumours.value_counts().to_dict()
    # the README of the cohorts: all of these studies are of NSCLC, whether they write NSCLC or Lung
    for study in ("jung2019_nsclc", "hwang2020_nsclc", "limagne2022_nsclc", "ravi2023_nsclc", "loris_vanguri_nsclc"):
        assert list(counts[study]) == ["nsclc"]
    assert counts["loris_msk2_pan"] == {"glioma": 75, "unknown_primary": 29}
    assert counts["loris_chowell_test_pan"]["head_neck"] == 21
    assert len(counts["loris_chowell_train_pan"]) == 16


def test_a_matrix_carries_it_and_another_type_is_another_input():
    matrix = matrix_for("Kidney", "Melanoma", "Kidney cancer", "", None, "chordoma", "Lung")
    assert matrix.tumours.tolist() == ["renal", "melanoma", "renal", "", "", "", ""]
    assert matrix.tumours.index.equals(matrix.values.index)
    digests = matrix.digests.tolist()
    assert digests[0] == digests[2] != digests[1]
    # a patient of no known type is the patient of before there were types
    assert set(digests[3:]) == set(digest_rows(matrix.values))
    assert len(set(digests)) == 3


def test_one_patient_has_the_digest_of_the_crowd():
    types = ("Kidney", "Melanoma", "", "SCLC")
    cohort = cohort_of(*types)
    assembler = FeatureAssembler(["clinical"]).fit(cohort)
    crowd = assembler.matrix(cohort)
    for i in cohort.ids:
        alone = assembler.matrix(cohort.subset([i]))
        assert alone.digests[i] == crowd.digests[i]
        assert alone.tumours[i] == crowd.tumours[i]
    backwards = assembler.matrix(cohort.subset(cohort.ids[::-1]))
    assert backwards.tumours.tolist() == crowd.tumours.tolist()[::-1]


def test_a_part_of_a_matrix_keeps_its_own():
    matrix = matrix_for("Kidney", "Melanoma", "SCLC")
    assert matrix.subset([2, 0]).tumours.to_dict() == {"p2": "sclc", "p0": "renal"}
    assert matrix.subset(np.array([False, True, False])).tumours.tolist() == ["melanoma"]


def test_a_matrix_made_without_types_has_none():
    made = matrix_of(np.zeros((3, 11)))
    assert made.tumours.tolist() == ["", "", ""]
    assert made.subset([]).tumours.tolist() == []


def test_parquet_round_trip_and_a_file_of_before(tmp_path):
    matrix = matrix_for("Kidney", "Melanoma", "", "SCLC")
    file = tmp_path / "m.parquet"
    matrix.to_parquet(file)
    same(FeatureMatrix.from_parquet(file), matrix)
    assert FeatureMatrix.from_parquet(file, rows=["p3", "p0"]).tumours.to_dict() == {"p3": "sclc", "p0": "renal"}
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["meta:tumour"]), file)
    old = FeatureMatrix.from_parquet(file)
    assert old.tumours.to_dict() == dict.fromkeys(matrix.values.index, "")
    assert old.values.equals(matrix.values)


def test_mudata_and_anndata_round_trip_and_one_of_before(tmp_path):
    cohort = cohort_of("Kidney", "Melanoma", "", "SCLC")
    matrix = FeatureAssembler(["clinical", "mutations"]).fit(cohort).matrix(cohort)
    same(from_mudata(to_mudata(matrix)), matrix)
    data = to_anndata(matrix, "clinical")
    data.write_h5ad(tmp_path / "m.h5ad")
    assert from_anndata(anndata.read_h5ad(tmp_path / "m.h5ad")).tumours.tolist() == ["renal", "melanoma", "", "sclc"]
    del data.obs["tumour"]
    assert from_anndata(data).tumours.tolist() == ["", "", "", ""]


def test_the_clinical_block_names_the_column_and_makes_no_feature_of_it():
    block = BLOCKS["clinical"]
    assert [c.example for c in block.spec.inputs if c.name == "cancer_type"] == ["melanoma"]
    names = block().get_feature_names_out()
    assert not [n for n in names if "cancer" in n or "tumo" in n]
    values = matrix_for("Kidney", "Melanoma", "chordoma").values
    assert values.iloc[0].equals(values.iloc[1])
    assert values.iloc[0].equals(values.iloc[2])
