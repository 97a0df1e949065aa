"""`theracast check`: every fault of the list is named with its remedy, all at once, and nobody is given away."""

import json

import pandas as pd
import pytest
from faults.wrecking import CANARY, good_tables, wrecked, write_cohort
from faults.wrecks import WRECKS
from typer.testing import CliRunner

from theracast.features.blocks import BLOCKS
from theracast.features.checkup import checkup
from theracast.features.cohort import Cohort
from theracast.features.datasets import dataset_path, datasets
from theracast.features.matrix import FeatureMatrix
from theracast.predict.cli import app


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_a_good_cohort_is_good(tmp_path):
    done = run("check", write_cohort(good_tables(), tmp_path / "good"))
    assert done.exit_code == 0, done.output
    assert "0 problems: 0 rows concerned" in done.output
    assert "12 patients can be used" in done.output


def test_the_list_is_long_enough():
    assert len(WRECKS) >= 30
    assert len({w.name for w in WRECKS}) == len(WRECKS)


@pytest.mark.parametrize("wreck", WRECKS, ids=[w.name for w in WRECKS])
def test_each_wreck_is_named_with_its_remedy(wreck, tmp_path):
    if wreck.needs and wreck.needs not in BLOCKS:
        pytest.skip(f"no block {wreck.needs}")
    folder = wrecked(wreck, tmp_path / "cohort")
    done = run("check", folder)
    assert done.exit_code == 3, done.output
    told = done.output.replace(str(folder), "")
    assert CANARY not in told
    assert f"{wreck.code} " in told, told
    for words in wreck.words:
        assert words.lower() in told.lower(), told
    assert "do: " in told
    codes = {f.code for f in checkup(folder).findings}
    assert codes == {wreck.code}, told


def test_all_at_once_in_the_order_of_the_tables(tmp_path):
    tables = good_tables()
    clinical, pathology = tables["clinical"].astype(object), tables["pathology"]
    clinical.loc[[1, 4], "age"] = -1
    clinical.loc[2, "sex"] = "1"
    tables["clinical"] = clinical.assign(albumin=clinical["albumin"] / 10)
    tables["pathology"] = pathology.assign(pdl1_unit=None).iloc[::-1]
    folder = write_cohort(tables, tmp_path / "cohort")
    (folder / "cells.csv").write_text("patient_id,x\na,1,2\n")
    (folder / "expression.parquet").write_bytes(b"PAR1")
    found = checkup(folder)
    assert [(f.table, f.code, f.column, f.rows) for f in found.findings] == [
        ("clinical", "THX-D15", "age", (2, 5)),
        ("clinical", "THX-D15", "sex", (3,)),
        ("clinical", "THX-D16", "albumin", ()),
        ("pathology", "THX-D14", "pdl1", tuple(range(1, 13))),
        ("cells", "THX-D31", "", ()),
        ("expression", "THX-D32", "", ()),
    ]
    assert found.count() == "6 problems: 15 rows concerned, 3 whole columns or tables"
    assert all(f.fix for f in found.findings)


def test_tables_that_do_not_agree_are_each_looked_at(tmp_path):
    tables = good_tables()
    tables["pathology"] = tables["pathology"].assign(patient_id=[f"x{k}" for k in range(12)], pdl1_unit=None)
    tables["clinical"] = tables["clinical"].assign(sex="9")
    found = checkup(write_cohort(tables, tmp_path / "cohort"))
    assert {f.code for f in found.findings} == {"THX-D15", "THX-D14", "THX-D17"}


def test_a_table_in_two_formats_does_not_hide_the_rest(tmp_path):
    folder = write_cohort(good_tables(), tmp_path / "cohort")
    (folder / "clinical.tsv").write_text("patient_id\tage\n")
    (folder / "pathology.csv").write_text(f"patient_id,pdl1\n{CANARY}01,60\n")
    found = [(f.table, f.code) for f in checkup(folder).findings]
    assert found == [("pathology", "THX-D14"), ("the folder", "THX-D33")]


def test_json(tmp_path):
    wreck = next(w for w in WRECKS if w.name == "negative ages")
    done = run("check", wrecked(wreck, tmp_path / "cohort"), "--json")
    assert done.exit_code == 3
    told = json.loads(done.stdout)
    assert told["tables"]["clinical"] == 12
    assert told["findings"][0] | {"fix": ""} == {
        "table": "clinical",
        "block": "clinical",
        "code": "THX-D15",
        "what": "should be within 0-120 years",
        "fix": "",
        "column": "age",
        "rows": [2],
    }


def test_a_wide_table(tmp_path):
    (tmp_path / "w.csv").write_text("patient_id,clinical:age,clinical:sex,pathology:pdl1\na,61,F,\nb,-1,2,60\n")
    found = checkup(tmp_path / "w.csv")
    assert [(f.table, f.column, f.rows) for f in found.findings] == [
        ("clinical", "age", (2,)),
        ("clinical", "sex", (2,)),
        ("pathology", "pdl1", (2,)),
    ]
    (tmp_path / "none.csv").write_text("patient_id,age\na,61\n")
    assert [f.code for f in checkup(tmp_path / "none.csv").findings] == ["THX-D33"]
    assert run("check", tmp_path / "no.csv").exception.code == "THX-D33"


def test_units_may_be_declared_in_the_call(tmp_path):
    (tmp_path / "clinical.csv").write_text("patient_id,albumin\na,4.1\nb,3.6\n")
    assert run("check", tmp_path, "--unit", "clinical.albumin=g/L").exit_code == 3
    assert run("check", tmp_path, "--unit", "clinical.albumin=g/dL").exit_code == 0
    assert run("check", tmp_path).exit_code == 0, "without a unit it can be in one only"
    (tmp_path / "units.yaml").write_text("clinical.albumin: g/dL\n")
    assert run("check", tmp_path).exit_code == 0
    done = run("build", tmp_path, "-o", tmp_path / "m.parquet")
    assert done.exit_code == 0, done.output
    matrix = FeatureMatrix.from_parquet(tmp_path / "m.parquet")
    assert matrix.values["clinical__albumin"].tolist() == [41.0, 36.0]


@pytest.mark.parametrize("name", sorted(datasets().name))
def test_the_cohorts_that_ship_are_good(name):
    """One patient of Hugo 2016 was sampled on treatment, as its card says."""
    found = [(f.code, f.column, len(f.rows)) for f in checkup(dataset_path(name)).findings]
    assert found in ([], [("THX-D22", "sample_timing", 1)])


@pytest.mark.parametrize("name", sorted(BLOCKS))
def test_the_example_of_every_block_can_be_checked_and_built(name, tmp_path):
    told = run("blocks", name, "--example", tmp_path / "try")
    assert told.exit_code == 0, told.output
    assert f"Example: {next(iter(BLOCKS[name].example()))}.csv" in told.output
    block, cohort = BLOCKS[name](), Cohort.from_tables(BLOCKS[name].example())
    assert block.check(cohort) == []
    said = {p.code for p in block.ignored(cohort)}  # an example may show what is left unknown
    done = run("check", tmp_path / "try")
    assert done.exit_code == (3 if said else 0), done.output
    assert {f.code for f in checkup(tmp_path / "try").findings} == said
    made = run("build", tmp_path / "try", "-o", tmp_path / "m.parquet", "--block", name)
    assert made.exit_code == 0, made.exception
    built = FeatureMatrix.from_parquet(tmp_path / "m.parquet")
    assert built.values.notna().any(axis=None)
    again = run("blocks", name, "--example", tmp_path / "try")
    assert "tables of that name" in str(again.exception)


def test_build_leaves_out_blocks_without_tables(tmp_path):
    (tmp_path / "clinical.csv").write_text("patient_id,age\na,61\nb,48\n")
    assert run("build", tmp_path, "-o", tmp_path / "m.parquet").exit_code == 0
    built = FeatureMatrix.from_parquet(tmp_path / "m.parquet")
    assert set(built.blocks) == {n for n, b in BLOCKS.items() if "clinical" in b.spec.tables}
    asked = run("build", tmp_path, "-o", tmp_path / "n.parquet", "--block", "signatures", "--block", "clinical")
    assert asked.exit_code == 0, asked.exception
    assert FeatureMatrix.from_parquet(tmp_path / "n.parquet").values.filter(like="signatures__").isna().all(axis=None)
    (tmp_path / "other").mkdir()
    pd.DataFrame({"patient_id": ["a"], "v": [1]}).to_csv(tmp_path / "other" / "weather.csv", index=False)
    assert "no block reads" in str(run("build", tmp_path / "other", "-o", tmp_path / "o.parquet").exception)
