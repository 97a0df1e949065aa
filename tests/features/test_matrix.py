"""FeatureMatrix and FeatureAssembler: masks, lineage, one patient as in a crowd, at any size."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from matrices import bits, matrix_of, same
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from theracast.errors import DataError, UsageError
from theracast.features import coverage, missing_map, parquet
from theracast.features.assembler import FeatureAssembler
from theracast.features.blocks import BLOCKS
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.matrix import FeatureMatrix


@pytest.fixture(scope="module")
def cohort():
    return load_cohort("riaz2017_mel")


@pytest.fixture(scope="module")
def assembler(cohort):
    return FeatureAssembler().fit(cohort)


def test_columns_and_masks(assembler, cohort):
    matrix = assembler.matrix(cohort)
    names = [n for b in ("clinical", "pathology", "mutations", "signatures") for n in BLOCKS[b]().names]
    assert matrix.values.columns.tolist() == assembler.get_feature_names_out().tolist() == names
    assert list(matrix.lineage) == names
    assert matrix.proxy.columns.tolist() == names
    assert matrix.blocks == ("clinical", "pathology", "mutations", "signatures")
    assert matrix.observed.equals(matrix.values.notna())
    assert not (matrix.proxy & ~matrix.observed).any(axis=None)
    assert (matrix.describe()["n"] == len(cohort)).all()


def test_lineage_says_kind_and_sources(assembler, cohort):
    lineage = assembler.matrix(cohort).lineage
    assert lineage["pathology__pdl1"].kind == "proxy"
    assert lineage["mutations__tmb"].kind == "measured"
    assert lineage["clinical__age"].kind == "absent"
    digests = {f"{s.name}:{s.sha256[:12]}" for s in cohort.sources}
    assert set(lineage["signatures__tgf_beta"].sources) <= digests
    assert any(s.startswith("signatures:") for s in lineage["pathology__pdl1"].sources)


def test_set_output(cohort):
    out = FeatureAssembler(["mutations", "clinical"]).set_output(transform="pandas").fit_transform(cohort)
    assert isinstance(out, pd.DataFrame)
    assert out.index.tolist() == cohort.ids.tolist()


@pytest.fixture
def made(rng):
    """SIMULATED: 30 patients, gaps, a stand-in, limits and the numbers that get lost on the way."""
    values = rng.normal(size=(30, 11))
    values[rng.random(values.shape) < 0.2] = np.nan
    values[0, :5] = [-0.0, 1e-310, 1e300, np.pi, np.nan]
    proxies = pd.DataFrame({"a__f1": np.arange(30) % 4 == 3})
    return matrix_of(values, proxies, pd.DataFrame({"b__f2": (np.arange(30) % 3 - 1).astype(np.int8)}))


def test_parquet_round_trip(assembler, cohort, made, tmp_path, monkeypatch):
    for matrix in (assembler.matrix(cohort), made, made.subset(np.arange(0))):
        for group in (parquet.GROUP, 500):
            monkeypatch.setattr(parquet, "GROUP", group)
            matrix.to_parquet(tmp_path / "m.parquet")
            same(FeatureMatrix.from_parquet(tmp_path / "m.parquet"), matrix)


def test_parquet_is_compressed_in_groups_and_plain_to_others(made, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "GROUP", 1000)
    made.to_parquet(tmp_path / "m.parquet")
    meta = pq.read_metadata(tmp_path / "m.parquet")
    assert meta.num_row_groups > 2
    assert {meta.row_group(0).column(i).compression for i in range(meta.num_columns)} == {"ZSTD"}
    frame = pd.read_parquet(tmp_path / "m.parquet")
    assert frame.index.name == "patient_id"
    assert bits(frame[made.values.columns]) == bits(made.values)


def test_parquet_of_some_columns_and_rows(made, tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "GROUP", 1000)
    file = tmp_path / "m.parquet"
    made.to_parquet(file)
    ids = made.values.index[[28, 3, 11]]
    part = FeatureMatrix.from_parquet(file, columns=["b", "a__f1"], rows=ids)
    wanted = ["a__f1", *made.block("b").columns]
    assert part.values.columns.tolist() == list(part.lineage) == wanted
    assert bits(part.values) == bits(made.values.loc[ids, wanted])
    assert part.blocks == ("a", "b")
    assert bits(part.proxies) == bits(made.proxies.loc[ids])
    assert part.digests.tolist() == made.digests.loc[ids].tolist()
    only = FeatureMatrix.from_parquet(file, columns=["b__f2"], rows=np.arange(30) < 2)
    assert only.blocks == ("b",)
    assert only.proxies.shape == (2, 0)
    same(FeatureMatrix.from_parquet(file, rows=[4, 2]), made.subset([4, 2]))
    with pytest.raises(DataError, match="THX-D17"):
        FeatureMatrix.from_parquet(file, rows=["nobody"])
    with pytest.raises(DataError, match="THX-D33"):
        FeatureMatrix.from_parquet(file, columns=["c"])


def test_another_parquet_is_refused(tmp_path):
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match="THX-D32"):
        FeatureMatrix.from_parquet(tmp_path / "a.parquet")


def test_one_patient_as_in_the_crowd(assembler, cohort):
    crowd = assembler.matrix(cohort)
    for i in cohort.ids[::7]:
        alone = assembler.matrix(cohort.subset([i]))
        assert bits(alone.values) == bits(crowd.values.loc[[i]])
        assert alone.digests[i] == crowd.digests[i]
        assert alone.notes == {k: v for k, v in crowd.notes.items() if k == i}


def test_a_clinical_patient_and_a_full_one_through_one_assembler(assembler, cohort):
    full = cohort.subset([cohort.ids[0]])
    poor = Cohort.from_tables({"clinical": pd.DataFrame({"age": [61.0], "sex": ["F"]}, index=["poor"])})
    rich, bare = assembler.matrix(full), assembler.matrix(poor)
    assert rich.values.columns.equals(bare.values.columns)
    assert bare.present().loc["poor"].to_dict() == {
        "clinical": True,
        "pathology": False,
        "mutations": False,
        "signatures": False,
    }
    assert rich.present().iloc[0][["pathology", "signatures"]].all()
    together = assembler.matrix(Cohort.concat([full, poor]))
    assert bits(together.values) == bits(pd.concat([rich.values, bare.values]))


def test_subset_of_a_matrix(assembler, cohort):
    matrix = assembler.matrix(cohort)
    by_position, by_id = matrix.subset([2, 0]), matrix.subset(cohort.ids[[2, 0]])
    assert bits(by_position.values) == bits(by_id.values)
    mask = np.zeros(len(matrix), dtype=bool)
    mask[[0, 2]] = True
    assert matrix.subset(mask).values.index.tolist() == cohort.ids[[0, 2]].tolist()


def test_clone_and_pipeline(cohort):
    assembler = FeatureAssembler(["mutations", BLOCKS["pathology"](proxies=False)])
    again = clone(assembler)
    assert again.blocks[1].proxies is False
    assert again.blocks[1] is not assembler.blocks[1]
    pipeline = make_pipeline(again, FunctionTransformer(lambda x: x.fillna(0.0)))
    assert pipeline.fit_transform(cohort).shape == (len(cohort), 4)
    wide = cohort.subset(cohort.ids[:3]).wide()
    assert bits(pipeline.transform(wide)) == bits(pipeline.transform(cohort).iloc[:3])


def test_an_implausible_value_is_not_measured(assembler):
    wrong = Cohort.from_tables({"clinical": pd.DataFrame({"age": [200]}, index=["p"])})
    assert [p.code for p in assembler.check(wrong)] == ["THX-D15"]
    with pytest.raises(DataError, match="THX-D15"):
        assembler.matrix(wrong)


def test_blocks_are_views_and_masks_are_narrow(made, assembler, cohort):
    assert np.shares_memory(made.block("b")["b__f3"].to_numpy(), made.values["b__f3"].to_numpy())
    matrix = assembler.matrix(cohort)
    assert matrix.proxies.any(axis=0).all()
    assert matrix.limits.shape == (len(cohort), 0)


def test_describe_counts_by_study_and_block(made):
    made.studies.iloc[:10] = "other"
    table = made.describe()
    assert table.index.tolist() == ["other", "other", "simulated", "simulated"]
    assert table["block"].tolist() == ["a", "b", "a", "b"]
    row = table.iloc[2]
    mine = made.block("a").iloc[10:]
    assert (row["n"], row["features"], row["present"]) == (20, 6, int(mine.notna().any(axis=1).sum()))
    assert row["known"] == pytest.approx(mine.notna().to_numpy().mean())
    assert row["coverage"] == pytest.approx(made.coverage["a"].iloc[10:].mean())
    assert row["proxy"] == pytest.approx(made.proxies.iloc[10:, 0].sum() / mine.notna().to_numpy().sum())
    limits = (made.limits.iloc[:10] != 0).to_numpy().sum() / made.block("b").iloc[:10].notna().to_numpy().sum()
    assert table.iloc[1]["censored"] == pytest.approx(limits)
    assert made.subset(np.arange(0)).describe().columns.tolist() == table.columns.tolist()


def test_what_is_known_is_counted_in_parts(made, monkeypatch):
    wanted = made.values.notna()
    for cells in (1, 70, 10**9):
        monkeypatch.setattr(coverage, "CELLS", cells)
        assert coverage.known_by_patient(made.values).tolist() == wanted.sum(axis=1).tolist()
        assert coverage.known_by_feature(made.values).tolist() == wanted.sum(axis=0).tolist()


def test_trace_of_one_feature(assembler, cohort, made):
    matrix = assembler.matrix(cohort)
    trace = matrix.trace("mutations__tmb")
    values = matrix.values["mutations__tmb"]
    known = trace.as_dict()
    assert json.loads(json.dumps(known)) == known
    assert (known["known"], known["low"], known["high"]) == (42, values.min(), values.max())
    assert known["studies"] == {"riaz2017_mel": {"known": 42, "patients": 51}}
    digests = {(s.name, s.sha256[:12]) for s in cohort.sources}
    assert {(s["name"], s["sha256"]) for s in known["sources"]} <= digests
    for said in ("mut/Mb", "42 of 51", "riaz2017_mel", "10.", "sha256"):
        assert said in str(trace)
    assert matrix.trace("clinical__age").as_dict()["low"] is None
    assert "nothing is known" in str(matrix.trace("clinical__age"))
    assert made.trace("a__f1").proxies == made.proxies["a__f1"].sum()
    assert made.trace("b__f2").censored == 20
    with pytest.raises(UsageError, match="Did you mean 'mutations__tmb'"):
        matrix.trace("mutations__tbm")


def test_picture_of_what_is_missing(made):
    """Each colour of the picture covers its share of the cells."""
    figure = made.plot_missing()
    images = figure.axes[0].images
    assert len(images) == 2
    cells = np.vstack([np.asarray(i.get_array()).reshape(-1, 3) for i in images])
    assert len(cells) == made.values.size
    names, counts = np.unique(cells.round(3), axis=0, return_counts=True)
    shown = dict(zip(map(tuple, names), counts, strict=True))
    colours = {
        s: tuple(np.round([int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)], 3)) for s, c in missing_map.STATES.items()
    }
    stand_ins, limits = made.proxy & made.observed, (made.censored != 0) & made.observed
    assert shown[colours["missing"]] == made.values.isna().to_numpy().sum()
    assert shown[colours["by proxy"]] == stand_ins.to_numpy().sum()
    assert shown[colours["censored"]] == limits.to_numpy().sum()
    labels = [t.get_text() for t in figure.axes[0].get_xticklabels()]
    assert labels == [c.split("__")[1] for c in made.values]


def test_picture_of_more_columns_than_pixels(monkeypatch, made):
    whole = [np.asarray(i.get_array()) for i in made.plot_missing().axes[0].images]
    monkeypatch.setattr(missing_map, "CELLS", 40)
    for a, b in zip(whole, made.plot_missing().axes[0].images, strict=True):
        np.testing.assert_allclose(a, np.asarray(b.get_array()))
    for name, pixels in (("WIDE", 12), ("HIGH", 5)):
        monkeypatch.setattr(missing_map, name, pixels)
    small = [np.asarray(i.get_array()) for i in made.plot_missing().axes[0].images]
    assert all(s.shape[0] <= 10 for s in small)
    means = [a.mean(axis=(0, 1)) for a in whole]
    for mean, s in zip(means, small, strict=True):
        np.testing.assert_allclose(s.mean(axis=(0, 1)), mean, atol=0.06)
    assert len(made.subset(np.arange(0)).plot_missing().axes) == 1


def measured_memory(patients, genes):
    script = Path(__file__).parents[2] / "experiments" / "benchmarks" / "matrix_memory.py"
    command = [sys.executable, "-W", "error", str(script), str(patients), str(genes), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are read from Linux's /proc")
@pytest.mark.parametrize(
    ("patients", "genes"), [(2_000, 20_000), pytest.param(10_000, 20_000, marks=pytest.mark.nightly)]
)
def test_a_wide_matrix_within_three_times_its_size(patients, genes):
    seen = measured_memory(patients, genes)
    assert seen["build"]["times_float32"] <= 3.0, seen
    size = patients * genes * 4 / 1e6
    for step in ("describe", "present", "plot_missing", "to_parquet"):
        assert seen[step]["peak_mb"] <= 0.5 * size + 300, (step, seen)  # the footer of 40,000 columns takes its part
    assert seen["from_parquet"]["peak_mb"] <= 1.5 * size + 300, seen
