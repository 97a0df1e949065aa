"""FeatureMatrix and FeatureAssembler: masks, lineage, one patient as in a crowd."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from theracast.errors import DataError
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


def bits(frame):
    return frame.to_numpy(dtype=np.float64).tobytes()


def test_columns_and_masks(assembler, cohort):
    matrix = assembler.matrix(cohort)
    names = [n for b in ("clinical", "pathology", "mutations", "signatures") for n in BLOCKS[b].spec.names]
    assert matrix.values.columns.tolist() == assembler.get_feature_names_out().tolist() == names
    assert list(matrix.lineage) == names
    assert matrix.proxy.columns.tolist() == names
    assert matrix.blocks == ("clinical", "pathology", "mutations", "signatures")
    assert matrix.observed.equals(matrix.values.notna())
    assert not (matrix.proxy & ~matrix.observed).any(axis=None)
    assert matrix.describe().loc["riaz2017_mel", "n"] == len(cohort)


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


def test_parquet_round_trip(assembler, cohort, tmp_path):
    matrix = assembler.matrix(cohort)
    matrix.to_parquet(tmp_path / "m.parquet")
    again = FeatureMatrix.from_parquet(tmp_path / "m.parquet")
    assert bits(again.values) == bits(matrix.values)
    assert again.lineage == matrix.lineage
    assert again.notes == matrix.notes
    assert again.blocks == matrix.blocks
    for part in ("values", "proxy", "coverage"):
        pd.testing.assert_frame_equal(getattr(again, part), getattr(matrix, part), check_names=False)
    assert again.digests.tolist() == matrix.digests.tolist()
    assert again.studies.tolist() == matrix.studies.tolist()


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
