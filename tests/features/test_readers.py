"""Readers: folders and wide files to cohorts, with hashed sources and declared units."""

import hashlib

import pandas as pd
import pytest

from theracast.errors import DataError
from theracast.features.datasets import dataset_path
from theracast.features.readers import cohort_sources, read_cohort, read_table


def write(folder, **files):
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


def test_a_folder_and_one_wide_file_are_the_same_cohort(tmp_path):
    folder = read_cohort(dataset_path("hugo2016_mel"))
    folder.wide().reset_index().to_parquet(tmp_path / "hugo.parquet")
    wide = read_cohort(tmp_path / "hugo.parquet")
    assert wide.name == "hugo"
    assert wide.ids.tolist() == folder.ids.tolist()
    assert wide.response.tolist() == folder.response.tolist()
    assert [s.name for s in wide.sources] == ["wide"]


def test_sources_are_hashed_and_the_clinical_table_leads():
    path = dataset_path("riaz2017_mel")
    sources = read_cohort(path).sources
    assert [s.name for s in sources] == ["clinical", "expression", "signatures"]
    for s in sources:
        with open(s.path, "rb") as handle:  # noqa: PTH123
            assert s.sha256 == hashlib.sha256(handle.read()).hexdigest()


def test_csv_tsv_and_parquet_are_the_same(tmp_path):
    table = pd.DataFrame({"patient_id": ["007", "8"], "age": [61.0, 62.5], "sex": ["F", None]})
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    table.to_parquet(tmp_path / "a.parquet")
    for suffix in ("csv", "tsv", "parquet"):
        pd.testing.assert_frame_equal(read_table(tmp_path / f"a.{suffix}"), table, check_dtype=False)


def test_ids_stay_text(tmp_path):
    write(tmp_path, clinical__csv="patient_id,age\n007,61\n1e3,62\n")
    assert read_cohort(tmp_path).ids.tolist() == ["007", "1e3"]


def test_units_are_read_and_overridden(tmp_path):
    write(tmp_path, expression__csv="gene,a,b\nCD274,1023,0\nCD8A,3.5,63\n", units__yaml="expression: TPM\n")
    assert read_cohort(tmp_path).table("expression")["CD274"].tolist() == [10.0, 0.0]
    with pytest.raises(DataError, match="THX-D05"):
        read_cohort(tmp_path, units={"expression": "log2(TPM+1)"})


@pytest.mark.parametrize("text", ["- a\n- b\n", "expression", "expression: [TPM\n"])
def test_units_that_are_no_mapping(tmp_path, text):
    write(tmp_path, clinical__csv="patient_id,age\na,61\n", units__yaml=text)
    with pytest.raises(DataError, match="THX-D16"):
        read_cohort(tmp_path)


def test_what_is_no_cohort(tmp_path):
    with pytest.raises(DataError, match="THX-D33"):
        read_cohort(tmp_path / "absent")
    write(tmp_path, notes__txt="hello")
    with pytest.raises(DataError, match="THX-D33"):
        read_cohort(tmp_path)
    with pytest.raises(DataError, match="THX-D33"):
        read_cohort(tmp_path / "notes.txt")
    write(tmp_path, clinical__csv="patient_id,age\na,61\n", clinical__tsv="patient_id\tage\na\t61\n")
    with pytest.raises(DataError, match="two formats: clinical"):
        cohort_sources(tmp_path)


def test_a_table_without_ids_is_refused(tmp_path):
    write(tmp_path, clinical__csv="patient,age\na,61\n")
    with pytest.raises(DataError, match="THX-D17: no column patient_id"):
        read_cohort(tmp_path)


def test_quoted_cells_may_hold_separators_and_lines(tmp_path):
    write(tmp_path, clinical__csv='patient_id,site\na,"liver, lung"\nb,"two\nlines"\n\n')
    assert read_table(tmp_path / "clinical.csv").site.tolist() == ["liver, lung", "two\nlines"]
