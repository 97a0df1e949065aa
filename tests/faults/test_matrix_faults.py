"""Faults of the feature matrix: columns that say nothing, files cut off, nobody in it, another order."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from faults.judge import CANARY, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from matrices import bits, matrix_of, same

from theracast.errors import DataError
from theracast.features import parquet
from theracast.features.assembler import FeatureAssembler
from theracast.features.batch import ComBat
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.matrix import FeatureMatrix
from theracast.features.missing import MatrixImputer
from theracast.provenance import digest_rows


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A file of some 60 kB, of several groups of patients, whose ids and studies must stand in no message."""
    rng = np.random.default_rng(9)
    cohort = load_cohort("liu2019_mel")
    matrix = FeatureAssembler(["clinical", "pathology", "mutations"]).fit(cohort).matrix(cohort)
    wide = matrix_of(rng.normal(size=(600, 11)))
    wide.studies[:] = CANARY
    path = tmp_path_factory.mktemp("matrix") / "m.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "GROUP", 20_000)
        wide.to_parquet(path)
    matrix.to_parquet(path.with_name("real.parquet"))
    return path


def test_D32_cut_off_at_every_4_kb(file, tmp_path):
    for whole in (file, file.with_name("real.parquet")):
        content = whole.read_bytes()
        assert len(content) > 4096 * 3
        for size in [*range(0, len(content), 4096), len(content) - 1]:
            cut = tmp_path / "cut.parquet"
            cut.write_bytes(content[:size])
            message = refused(lambda cut=cut: FeatureMatrix.from_parquet(cut), "THX-D32")
            assert "sha256" in message
            assert f"{size} bytes" in message
        FeatureMatrix.from_parquet(whole)


def test_D32_a_hole_of_zeros_is_seen_wherever_values_stand(file, tmp_path):
    """A copy that skipped a block of the disk has the right length: the checksum of each page tells."""
    content = file.read_bytes()
    whole = FeatureMatrix.from_parquet(file)
    seen = 0
    for start in range(4, len(content) - 4096, 4096):
        hole = tmp_path / "hole.parquet"
        hole.write_bytes(content[:start] + bytes(512) + content[start + 512 :])
        try:
            got = FeatureMatrix.from_parquet(hole)
        except DataError as error:
            seen += error.code == "THX-D32"
        else:
            same(got, whole)
    assert seen > 5


def test_D32_another_schema_and_a_claim_beyond_memory(file, tmp_path):
    other = tmp_path / "other.parquet"
    pd.DataFrame({"subject": [CANARY]}).to_parquet(other)
    refused(lambda: FeatureMatrix.from_parquet(other), "THX-D32")
    other.write_text(f"patient_id,age\n{CANARY},61\n")
    refused(lambda: FeatureMatrix.from_parquet(other), "THX-D32")
    refused(lambda: FeatureMatrix.from_parquet(tmp_path / "none.parquet"), "THX-D33")
    table = pq.read_table(file)
    lacking = table.drop_columns(["meta:digest"])
    pq.write_table(lacking, other)
    refused(lambda: FeatureMatrix.from_parquet(other), "THX-D32")
    known = json.loads(table.schema.metadata[b"theracast"])
    known["lineage"] = known["lineage"][:1]
    schema = pa.schema([("a__f0", pa.float64()), ("coverage:a", pa.float64()), ("patient_id", pa.string())])
    schema = schema.with_metadata({b"theracast": json.dumps({**known, "blocks": ["a"]}).encode()})
    rows = 2_000_000
    same_value = pa.array(np.zeros(rows))
    bomb = pa.table([same_value, same_value, pa.array(["p"] * rows)], schema=schema)
    with pq.ParquetWriter(other, schema, compression="zstd") as writer:
        for _ in range(5):
            writer.write_table(bomb)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parquet, "memory", lambda: 10**9)
        message = refused(lambda: FeatureMatrix.from_parquet(other), "THX-D32")
    assert other.stat().st_size < 10**6
    assert "memory" in message


def test_D33_nobody_and_nothing(tmp_path):
    cohort = load_cohort("riaz2017_mel")
    assembler = FeatureAssembler(["clinical", "mutations"]).fit(cohort)
    nobody = assembler.matrix(cohort.subset([]))
    nobody.to_parquet(tmp_path / "m.parquet")
    same(FeatureMatrix.from_parquet(tmp_path / "m.parquet"), nobody)
    assert nobody.values.shape == (0, len(assembler.get_feature_names_out()))
    assert nobody.describe().shape[0] == 0
    assert nobody.present().shape == (0, 2)
    assert {x.kind for x in nobody.lineage.values()} == {"absent"}
    header = Cohort.from_tables({"clinical": pd.DataFrame({"patient_id": pd.Series(dtype=str), "age": []})})
    assert len(assembler.matrix(header)) == 0
    nothing = Cohort.from_tables({"clinical": pd.DataFrame(index=["p"])})
    assert assembler.matrix(nothing).values.isna().all(axis=None)
    assert digest_rows(pd.DataFrame(index=["p"])).tolist() == digest_rows(assembler.matrix(nothing).values).tolist()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_D34_the_order_of_columns_and_rows_changes_no_bit(seed):
    rng = np.random.default_rng(seed)
    cohort = load_cohort("hugo2016_mel")
    tables = {k: t.iloc[rng.permutation(len(t)), rng.permutation(t.shape[1])] for k, t in cohort.tables.items()}
    other = Cohort.from_tables(tables)
    blocks = ["clinical", "mutations", "pathology"]
    wanted = FeatureAssembler(blocks).fit(cohort).matrix(cohort)
    got = FeatureAssembler(blocks).fit(other).matrix(other)
    ids = wanted.values.index
    assert bits(got.values.loc[ids]) == bits(wanted.values)
    assert got.digests.loc[ids].tolist() == wanted.digests.tolist()
    assert {f: x.kind for f, x in got.lineage.items()} == {f: x.kind for f, x in wanted.lineage.items()}


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_D34_digests_do_not_see_the_order_of_columns(seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.normal(size=(4, 6)), columns=list("abcdef")).assign(g=["x", None, "y", "z"])
    table = table.mask(rng.random(table.shape) < 0.3)
    mixed = table.iloc[:, rng.permutation(7)]
    assert digest_rows(mixed).tolist() == digest_rows(table).tolist()


@pytest.mark.parametrize("how", ["nearest", "median"])
def test_D12_constant_columns(how, rng):
    """No division by zero, in the filling of gaps or in the taking out of batches; what is constant stays."""
    values = rng.normal(size=(30, 11))
    values[:, 2] = 5.0
    values[:, 8] = 0.1 + 0.2
    values[rng.random(values.shape) < 0.1] = np.nan
    filled = MatrixImputer(how).fit_transform(matrix_of(values)).values
    assert filled["a__f2"].unique().tolist() == [5.0]
    assert np.isfinite(filled).all(axis=None)
    mended = ComBat().fit_transform(filled, batch=np.arange(30) % 2)
    assert (mended[:, 2] == 5.0).all()
    assert mended[:, 8].tolist() == filled.iloc[:, 8].tolist()
    assert np.isfinite(mended).all()


def test_D12_a_constant_feature_keeps_its_lineage():
    table = pd.DataFrame({"age": [61.0] * 4, "ecog": [1] * 4}, index=list("abcd"))
    cohort = Cohort.from_tables({"clinical": table})
    matrix = FeatureAssembler([BLOCKS["clinical"]()]).fit(cohort).matrix(cohort)
    trace = matrix.trace("clinical__age")
    assert (trace.low, trace.high, trace.known) == (61.0, 61.0, 4)
    assert len(matrix.plot_missing().axes) == 1
