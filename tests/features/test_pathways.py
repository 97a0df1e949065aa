"""Pathways: every name is one that a block gives, and what is left out is left out on purpose."""

import pandas as pd
import pytest

from theracast.features.assembler import FeatureAssembler
from theracast.features.blocks import BLOCKS
from theracast.features.blocks.expression import ExpressionBlock
from theracast.features.blocks.gene_sets import GeneSetsBlock
from theracast.features.datasets import load_cohort
from theracast.features.pathways import pathways
from theracast.features.symbols import approved
from theracast.features.tables import load_table
from theracast.models.indications import INDICATIONS

#: Facts of no programme of biology.
WITHOUT = {"clinical__age", "clinical__male", "clinical__creatinine", "clinical__anti_ctla4_only"}


@pytest.fixture(scope="module")
def table():
    return load_table("feature_pathways")


def given(block):
    return {f"{block}__{f.name}" for f in BLOCKS[block].spec.features}


def test_each_feature_of_the_indications_has_a_programme_or_is_left_out_on_purpose():
    blocks = {b for spec in INDICATIONS.values() for b in spec.blocks}
    features = {f for b in blocks for f in given(b)}
    assert features - set(pathways()) == WITHOUT


def test_every_name_is_that_of_a_feature(table):
    sets = {f"gene_sets__{f.name}" for f in GeneSetsBlock("immune").outputs()}
    groups = set(load_table("immune_sets")["pathway"])
    for name in table["feature"]:
        if name.startswith("gene_sets:"):
            assert name.removeprefix("gene_sets:") in groups
        else:
            assert name in given(name.split("__")[0])
    assert {f for f in pathways() if f.startswith("gene_sets__")} <= sets
    assert table["feature"].is_unique


def test_every_row_says_where_it_is_from(table):
    known = pd.read_csv("tests/golden/references.csv", comment="#", dtype=str).set_index("reference")["checked"]
    assert known.reindex(table["reference"]).str.match("known|found").all()
    assert table["pathway"].str.fullmatch(r"[A-Za-z][-\w, ]{3,40}").all()


def test_genes_go_by_the_sets_they_stand_in():
    """Against a slow look through every set."""
    sets, told = load_table("immune_sets"), pathways()
    groups = load_table("feature_pathways").set_index("feature")["pathway"]
    members = [set(approved(g.split(":"))) for g in sets["genes"]]
    for gene in ["GZMB", "COL1A1", "MKI67", "CD274", "PCNA", "MCM2", "ACTB", "CD163"]:
        said = {groups.get(f"gene_sets:{p}") for p, m in zip(sets["pathway"], members, strict=True) if gene in m}
        said -= {None}
        assert told.get(f"expression__{gene}") == (said.pop() if len(said) == 1 else None), gene
    assert "expression__MCM2" not in told  # of two programmes


def test_most_genes_of_a_cohort_that_stand_in_a_set_are_told():
    block = ExpressionBlock().fit(load_cohort("liu2019_mel"))
    mine = [f"expression__{f.name}" for f in block.outputs()]
    assert sum(m in pathways() for m in mine) > 300


def test_what_a_fitted_model_reads_is_named_alike():
    assembler = FeatureAssembler(INDICATIONS["melanoma_ici"].blocks).fit(load_cohort("liu2019_mel"))
    names = {n for b in assembler.blocks_ for n in b.names}
    assert names - set(pathways()) == WITHOUT


def test_who_changes_the_answer_changes_a_copy():
    mine = pathways()
    mine["clinical__age"] = "x"
    assert "clinical__age" not in pathways()
