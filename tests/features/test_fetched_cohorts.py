"""What is fetched becomes the cohorts of the project: held against ../shared, with the real files of local mirrors."""

import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pytest
from files_served import serving

from theracast.features.datasets import load_cohort
from theracast.features.fetch import fetch
from theracast.features.sources import public_sources

ROOT = Path(__file__).resolve().parents[2]
SOURCES = public_sources()
MIRRORS = Path(os.environ.get("THERACAST_MIRRORS", ROOT.parent / ".mirror"))
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not MIRRORS.exists(), reason=f"no git mirrors in {MIRRORS}; set THERACAST_MIRRORS"),
]
SAME = ["response", "recist", "pfs_months", "pfs_event", "os_months", "os_event", "age", "sex", "tmb", "tmb_unit"]


def real(name):
    """Serve the files of a source as their repository holds them."""
    files = {}
    for file in SOURCES[name].files:
        path = urlsplit(file.url).path
        _, owner, repository, commit, inside = path.split("/", 4)
        folder = MIRRORS / f"{owner}+{repository}" / "repo"
        if not folder.exists():
            pytest.skip(f"no mirror {folder}")
        place = folder / ".git" if (folder / ".git").exists() else folder
        command = ["git", f"--git-dir={place}", "cat-file", "blob", f"{commit}:{unquote(inside)}"]
        files[path] = subprocess.run(command, check=True, capture_output=True).stdout
    return serving(files)


@pytest.fixture
def fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("THERACAST_DATA", str(tmp_path))

    def call(name):
        with real(name) as served:
            return fetch(name, mirror=served.url)

    return call


def clinical(folder):
    return pd.read_csv(folder / "clinical.csv", dtype={"patient_id": str}, low_memory=False)


def test_the_loris_cohorts_are_those_of_the_project(fetched, shared_data):
    pytest.importorskip("openpyxl")
    done = fetched("loris")
    shared = {f.name for f in (shared_data / "ici").glob("loris_*")}
    assert {c.name for c in done.cohorts} == shared
    for cohort in done.cohorts:
        theirs = clinical(shared_data / "ici" / cohort.name)
        pd.testing.assert_frame_equal(clinical(cohort), theirs, check_dtype=False, check_exact=True)
        assert len(load_cohort(cohort.name)) == len(theirs)
    assert sum(len(load_cohort(c.name)) for c in done.cohorts) == 3071


@pytest.mark.parametrize(
    "study",
    [
        "hwang2020_nsclc",
        "roh2017_mel",
        "vandenende2021_esophageal",
        *(
            pytest.param(s, marks=pytest.mark.nightly)
            for s in ("vanallen2015_mel", "nathanson2017_mel", "thibaudin2023_crc", "miao2018_rcc", "jung2019_nsclc")
        ),
    ],
)
def test_a_predictior_study_is_that_of_the_project(study, fetched, shared_data):
    pytest.importorskip("rdata")
    (cohort,) = fetched(f"predictior_{study}").cohorts
    ours, theirs = (clinical(f).set_index("patient_id") for f in (cohort, shared_data / "ici" / study))
    assert ours.index.tolist() == theirs.index.tolist()
    for column in SAME:
        one, other = ours[column], theirs[column]
        if pd.api.types.is_numeric_dtype(one) and pd.api.types.is_numeric_dtype(other):
            np.testing.assert_allclose(one, other, atol=6e-4, err_msg=column)
        else:
            assert one.fillna("").tolist() == other.fillna("").tolist(), column
    genes, published = (pd.read_parquet(f / "expression.parquet") for f in (cohort, shared_data / "ici" / study))
    assert genes.index.tolist() == published.index.tolist()
    # the project's tables were rounded to three decimals
    np.testing.assert_allclose(genes[published.columns], published, atol=6e-4)
    assert len(load_cohort(cohort.name)) == len(ours)


def test_the_list_is_what_the_command_makes(tmp_path, shared_data):
    index = shared_data / "ici" / "index.csv"
    script = ROOT / "experiments" / "build_sources.py"
    command = [sys.executable, script, "--mirrors", MIRRORS, "--index", index, "--out", tmp_path]
    subprocess.run(command, check=True, capture_output=True)
    shipped = ROOT / "features" / "tables" / "sources.yaml"
    assert (tmp_path / "sources.yaml").read_text() == shipped.read_text()
