"""What ships: small, countable, allowed, before treatment, and equal to what its command makes."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from theracast.errors import UsageError
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.datasets import dataset_card, dataset_path, datasets, load_cohort
from theracast.features.scores import set_scores
from theracast.features.tables import load_table
from theracast.provenance import digest_frame

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["hugo2016_mel", "imvigor210_uc", "liu2019_mel", "mgh2022_mel", "riaz2017_mel", "vanallen2015_mel"]


def read(folder: Path) -> dict[str, pd.DataFrame]:
    clinical = pd.read_csv(folder / "clinical.csv", dtype={"patient_id": str}, low_memory=False).set_index("patient_id")
    return {"clinical": clinical, **{f.stem: pd.read_parquet(f) for f in sorted(folder.glob("*.parquet"))}}


def published_and_genes(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    tables = read(dataset_path(name))
    genes = tables["expression"].T
    ids = [i for i in tables["signatures"].index if i in genes.index]
    return tables["signatures"].loc[ids], genes.loc[ids]


def test_all_six_are_listed():
    table = datasets()
    assert table["name"].tolist() == NAMES
    assert table.columns.tolist() == [
        *("name", "cancer", "n", "n_response", "n_no_response"),
        *("expression", "signatures", "drug", "pmid", "licence"),
    ]
    assert (table["n"] >= table["n_response"] + table["n_no_response"]).all()


def test_the_wheel_stays_small():
    assert sum(f.stat().st_size for f in (ROOT / "features" / "data").rglob("*") if f.is_file()) < 6e6


@pytest.mark.parametrize("name", NAMES)
def test_the_counts_of_the_card_are_those_of_the_files(name):
    card, tables = dataset_card(name), read(dataset_path(name))
    clinical = tables["clinical"]
    response = clinical["response"]
    assert card["name"] == name
    assert card["n"] == len(clinical)
    assert card["n_response"] == (response == "R").sum()
    assert card["n_no_response"] == (response == "NR").sum()
    assert card["n_unknown"] == response.isna().sum()
    known = card["patients_with"]
    assert known["signatures"] == len(tables["signatures"])
    assert known["expression"] == (tables["expression"].shape[1] if "expression" in tables else 0)
    for column in ("tmb", "pdl1", "til"):
        assert known[column] == (clinical[column].notna().sum() if column in clinical else 0)
    for end in ("pfs", "os"):
        pair = clinical.reindex(columns=[f"{end}_months", f"{end}_event"])
        assert known[end] == pair.notna().all(axis=1).sum()
    assert card["digests"] == {k: digest_frame(t) for k, t in tables.items()}


@pytest.mark.parametrize("name", NAMES)
def test_tables_are_clean(name):
    tables = read(dataset_path(name))
    clinical = tables["clinical"]
    assert clinical.index.is_unique
    assert clinical.notna().any().all()
    assert set(clinical["response"].dropna()) == {"R", "NR"}
    assert set(tables["signatures"].index) <= set(clinical.index)
    assert tables["signatures"].columns.tolist() == load_table("immune_sets")["name"].tolist()
    assert tables["signatures"].index.name == "patient_id"
    for part in ("signatures", "expression"):
        if part in tables:
            assert set(tables[part].dtypes) == {np.dtype("float32")}
            assert tables[part].notna().all(axis=None)
    if "expression" in tables:
        assert set(tables["expression"].columns) <= set(clinical.index)
        assert tables["expression"].index.is_unique
        assert tables["expression"].index.name == "gene"
        assert yaml.safe_load((dataset_path(name) / "units.yaml").read_text())["expression"] == "log2(TPM+1)"


@pytest.mark.parametrize("name", NAMES)
def test_no_sample_was_taken_on_or_after_treatment(name):
    clinical = read(dataset_path(name))["clinical"]
    assert set(clinical.get("sample_timing", pd.Series(dtype=str)).dropna()) <= {"pre-treatment"}


def test_nothing_ships_that_may_not():
    gpl = {
        *("age", "ldh", "ldh_elevated", "ecog", "purity", "ploidy", "heterogeneity", "cna_prop", "prior_mapk"),
        *("total_neoantigens", "total_muts", "nonsyn_muts", "clonal_muts", "biopsy_site", "biopsy_context"),
        *("brain_met", "liver_visc_met", "ln_met", "lung_met", "primary_type"),
    }
    assert not set(read(dataset_path("liu2019_mel"))["clinical"]) & gpl
    unlicensed = {"cytolytic_score_source", "mutation_load", "neoantigen_load", "subtype"}
    assert not set(read(dataset_path("riaz2017_mel"))["clinical"]) & unlicensed
    for name in NAMES:
        second_labels = {"benefit_curated", "compass_label", "response_group_source"}
        assert not set(read(dataset_path(name))["clinical"]) & second_labels
        for part in dataset_card(name)["licence"]["parts"]:
            assert re.match(r"MIT|CC BY 3\.0|published facts", part["licence"]), part


@pytest.mark.parametrize("name", NAMES)
def test_tmb_units_are_plausible(name):
    clinical = read(dataset_path(name))["clinical"]
    unit = clinical["tmb_unit"].dropna().unique()
    assert len(unit) == 1
    assert clinical["tmb_unit"].notna().equals(clinical["tmb"].notna())
    if "mut/Mb" in unit[0]:
        assert clinical["tmb"].median() < 60
    else:
        assert unit[0] == "nonsynonymous count (exome)"
        assert clinical["tmb"].median() > 60
        assert (clinical["tmb"].dropna() % 1 == 0).all()
        assert "mut/Mb" in " ".join(dataset_card(name)["traps"])


def test_gene_sets():
    sets = load_table("immune_sets")
    assert len(sets) == 132
    assert sets["name"].is_unique
    assert sets[["genes", "pathway", "about", "reference", "scale"]].notna().all(axis=None)
    assert (sets["scale"] > 0).all()


def test_tables_name_source_licence_and_command():
    files = sorted((ROOT / "features" / "tables").glob("*.csv"))
    assert len(files) > 10
    for file in files:
        header = " ".join(x for x in file.read_text().splitlines() if x.startswith("#"))
        words = ("source", "licence", "command")
        for word in ("compass commit 15feee94", "mit", "command:") if file.stem == "immune_sets" else words:
            assert word in header.lower(), (file.name, word)


def test_a_set_has_one_scale_and_reproduces_what_was_published():
    published, genes = published_and_genes("vanallen2015_mel")
    errors = {}
    for row in load_table("immune_sets").fillna({"unused": ""}).itertuples():
        used = [g for g in dict.fromkeys(row.genes.split(":")) if g not in row.unused.split(":")]
        if set(used) <= set(genes.columns):
            errors[row.name] = row.scale * genes[used].mean(axis=1) - published[row.name]
    assert len(errors) == 132
    assert np.median(np.abs(np.concatenate(list(errors.values())))) < 0.005


def test_scores_of_genes_and_of_published_means_agree():
    published, genes = published_and_genes("vanallen2015_mel")
    sets = list(BLOCKS["signatures"].sets.values())
    ours = set_scores(Cohort.from_tables({"expression": genes.rename_axis("patient_id")}), sets)
    theirs = set_scores(Cohort.from_tables({"signatures": published}), sets)
    assert set(ours.origin) == {"expression"}
    assert set(theirs.origin) == {"signatures"}
    by_set = (ours.values - theirs.values).abs().median()
    assert by_set.median() < 0.005
    assert by_set.max() < 0.02


def test_a_loaded_table_is_a_copy():
    mine = load_table("immune_sets")
    mine.loc[0, "name"] = "spoilt"
    assert load_table("immune_sets").loc[0, "name"] != "spoilt"


def test_names_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("THERACAST_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"riaz2017_mel.*Did you mean 'riaz2017_mel'"):
        dataset_path("riaz2017")
    for name in ("", "no/such/folder", "../nothing"):
        with pytest.raises(UsageError, match="no data set named"):
            dataset_path(name)
    with pytest.raises(UsageError, match="no table named 'immune_set'"):
        load_table("immune_set")


def test_a_folder_outside_is_found_by_name_and_by_path(tmp_path, monkeypatch):
    folder = tmp_path / "ici" / "mine"
    folder.mkdir(parents=True)
    (folder / "clinical.csv").write_text("patient_id,response\na,R\n")
    monkeypatch.setenv("THERACAST_DATA", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert dataset_path("mine") == folder
    assert load_cohort(str(folder)).name == load_cohort("ici/mine").name == "mine"
    with pytest.raises(UsageError, match="has no card"):
        dataset_card("mine")


def test_a_folder_never_hides_a_bundled_cohort(tmp_path, monkeypatch):
    (tmp_path / "riaz2017_mel").mkdir()
    monkeypatch.chdir(tmp_path)
    assert len(load_cohort("riaz2017_mel")) == 51


@pytest.mark.parametrize("name", NAMES)
def test_cohorts_load(name):
    cohort, card = load_cohort(name), dataset_card(name)
    assert len(cohort) == card["n"]
    assert cohort.response.sum() == card["n_response"]


@pytest.mark.shared
def test_the_bundled_data_is_what_the_command_makes(tmp_path, shared_data):
    made_by(shared_data, "build_datasets.py", tmp_path)
    for name in NAMES:
        assert yaml.safe_load((tmp_path / name / "card.yaml").read_text()) == dataset_card(name)
        made, shipped = read(tmp_path / name), read(dataset_path(name))
        assert {k: digest_frame(t) for k, t in made.items()} == {k: digest_frame(t) for k, t in shipped.items()}


@pytest.mark.shared
def test_the_bundled_table_is_what_the_command_makes(tmp_path, shared_data):
    made_by(shared_data, "build_tables.py", tmp_path)
    made = pd.read_csv(tmp_path / "immune_sets.csv", comment="#")
    pd.testing.assert_frame_equal(made, load_table("immune_sets"), rtol=1e-3, atol=1e-4)


@pytest.mark.shared
@pytest.mark.parametrize("block", ["clinical", "mutations", "pathology"])
def test_no_public_cohort_is_refused(block, shared_data):
    folders = sorted(f.parent for f in (shared_data / "ici").glob("*/clinical.csv"))
    assert len(folders) == 32
    found = {}
    for folder in folders:
        clinical = pd.read_csv(folder / "clinical.csv", dtype={"patient_id": str}, low_memory=False)
        cohort = Cohort.from_tables({"clinical": clinical}, name=folder.name)
        problems = BLOCKS[block]().check(cohort)
        if problems:
            found[folder.name] = [str(p) for p in problems]
    assert found == {}


@pytest.mark.shared
def test_every_tmb_unit_is_understood(shared_data):
    for folder in sorted(f.parent for f in (shared_data / "ici").glob("*/clinical.csv")):
        clinical = pd.read_csv(folder / "clinical.csv", dtype={"patient_id": str}, low_memory=False)
        tmb = BLOCKS["mutations"]().fit_transform(Cohort.from_tables({"clinical": clinical})).iloc[:, 0]
        assert tmb.notna().sum() == clinical["tmb"].notna().sum(), folder.name
        assert not tmb.notna().any() or 0.1 < tmb.median() < 30, folder.name


def made_by(source: Path, script: str, out: Path) -> None:
    command = [sys.executable, str(ROOT / "experiments" / script), "--source", str(source / "ici"), "--out", str(out)]
    subprocess.run(command, check=True, capture_output=True)
