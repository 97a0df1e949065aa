"""MuData, AnnData and GCT: a matrix there and back bit for bit, and such files as a cohort's tables."""

import numpy as np
import pandas as pd
import pytest
from matrices import bits, matrix_of, same

from theracast.errors import DataError, SetupError
from theracast.features import containers
from theracast.features.assembler import FeatureAssembler
from theracast.features.container_files import read_gct, read_h5ad
from theracast.features.containers import from_anndata, from_mudata, to_anndata, to_mudata
from theracast.features.datasets import load_cohort
from theracast.features.matrix import FeatureMatrix
from theracast.features.readers import read_cohort, read_tables

anndata = pytest.importorskip("anndata")
mudata = pytest.importorskip("mudata")


@pytest.fixture
def matrix(rng):
    """SIMULATED, with gaps, a stand-in and limits, float64 beside float32."""
    values = rng.normal(size=(20, 11))
    values[rng.random(values.shape) < 0.2] = np.nan
    values[0, 0], values[1, 0] = -0.0, 1e-310
    limits = pd.DataFrame({"b__f2": (np.arange(20) % 3 - 1).astype(np.int8)})
    return matrix_of(values, pd.DataFrame({"a__f1": np.arange(20) == 3}), limits)


@pytest.fixture(autouse=True)
def as_mudata_will_be():
    """Without, mudata warns of what its 0.4 will do."""
    with mudata.set_options(pull_on_update=False):
        yield


def write(modalities, file):
    data = mudata.MuData(modalities)
    for table in (data.obs, data.var):
        table.index = plain(table.index).index
    data.write_h5mu(file)


def test_mudata_in_memory_and_on_disk(matrix, tmp_path):
    made = to_mudata(matrix)
    assert list(made.mod) == ["a", "b"]
    assert made["b"].layers["censored"].toarray()[:, 2].tolist() == matrix.limits["b__f2"].tolist()
    assert made["a"].var.loc["a__f1", "unit"] == "U/L"
    assert set(made["a"].obs) == {"study", "digest", "tumour", "coverage", "notes"}
    same(from_mudata(made), matrix)
    same(FeatureMatrix.from_mudata(matrix.to_mudata()), matrix)
    made.write_h5mu(tmp_path / "m.h5mu")
    same(from_mudata(mudata.read_h5mu(tmp_path / "m.h5mu")), matrix)


def test_anndata_of_one_block(matrix, tmp_path):
    made = to_anndata(matrix, "b")
    made.write_h5ad(tmp_path / "b.h5ad")
    for again in (made, anndata.read_h5ad(tmp_path / "b.h5ad")):
        got = from_anndata(again)
        assert got.blocks == ("b",)
        assert bits(got.values) == bits(matrix.block("b"))
        assert got.limits.equals(matrix.limits)


def test_real_patients(tmp_path):
    cohort = load_cohort("riaz2017_mel")
    matrix = FeatureAssembler(["clinical", "pathology", "mutations"]).fit(cohort).matrix(cohort)
    to_mudata(matrix).write_h5mu(tmp_path / "m.h5mu")
    same(from_mudata(mudata.read_h5mu(tmp_path / "m.h5mu")), matrix)


def test_nobody(matrix):
    got = from_mudata(to_mudata(matrix.subset(np.arange(0))))
    assert got.values.shape == (0, 11)
    assert got.lineage == matrix.lineage
    assert got.proxies.columns.tolist() == []


def test_another_container_is_refused():
    other = anndata.AnnData(np.ones((2, 2)))
    with pytest.raises(DataError, match="THX-D32"):
        from_anndata(other)
    with pytest.raises(DataError, match="THX-D32"):
        from_mudata(mudata.MuData({"rna": other}))


def test_what_is_not_installed_is_said(matrix, monkeypatch):
    monkeypatch.setattr(containers, "scverse", lambda name: containers_scverse(f"{name}_absent"))
    with pytest.raises(SetupError, match=r"theracast\[omics\]"):
        to_mudata(matrix)


containers_scverse = containers.scverse


# ---------------------------------------------------------------- files of a cohort


@pytest.fixture(scope="module")
def genes():
    return load_cohort("riaz2017_mel").tables["expression"].iloc[:12]


def plain(words):
    """anndata below 0.13 cannot write the strings of pandas 3."""
    return pd.DataFrame(index=pd.Index(list(words), dtype=object))


def adata_of(genes, sparse=False):
    sex = pd.Categorical(["F", "M"] * 6, categories=plain(["F", "M"]).index)
    obs = plain(genes.index).assign(age=np.arange(40.0, 52.0), sex=sex)
    cells = containers.csr_matrix(genes.to_numpy()) if sparse else genes.to_numpy()
    return anndata.AnnData(cells, obs, plain(genes.columns))


@pytest.mark.parametrize("sparse", [False, True])
def test_h5ad_in_a_folder_is_the_cohort(genes, tmp_path, sparse):
    adata_of(genes, sparse).write_h5ad(tmp_path / "tumour.h5ad")
    cohort = read_cohort(tmp_path)
    assert list(cohort.tables) == ["clinical", "expression"]
    assert cohort.ids.tolist() == genes.index.tolist()
    pd.testing.assert_frame_equal(cohort.tables["expression"], genes, check_names=False, check_column_type=False)
    assert {s.name for s in cohort.sources} == {"clinical", "expression"}
    assert FeatureAssembler(["clinical"]).fit(cohort).matrix(cohort).values["clinical__male"].tolist() == [0.0, 1.0] * 6
    alone = read_cohort(tmp_path / "tumour.h5ad")
    assert alone.name == "tumour"
    assert alone.tables["expression"].equals(cohort.tables["expression"])


def test_what_obs_says_stands_beside_a_clinical_table(genes, tmp_path):
    adata_of(genes).write_h5ad(tmp_path / "tumour.h5ad")
    pd.DataFrame({"patient_id": genes.index, "age": 70.0}).to_csv(tmp_path / "clinical.csv", index=False)
    cohort = read_cohort(tmp_path)
    assert set(cohort.tables) == {"clinical", "expression", "tumour_obs"}
    assert cohort.tables["clinical"]["age"].eq(70.0).all()
    genes.to_parquet(tmp_path / "expression.parquet")
    with pytest.raises(DataError, match=r"THX-D33.*twice.*expression"):
        read_cohort(tmp_path)


def test_h5mu_holds_a_table_per_modality(genes, tmp_path):
    rna = adata_of(genes)
    proteins = anndata.AnnData(np.ones((12, 2)), plain(rna.obs_names), plain(["P-IL6", "P-TNF"]))
    write({"rna": rna, "prot": proteins}, tmp_path / "tumour.h5mu")
    tables = read_tables(tmp_path / "tumour.h5mu")
    assert list(tables) == ["expression", "proteins", "clinical"]
    assert tables["proteins"]["P-TNF"].tolist() == [1.0] * 12
    assert tables["clinical"]["sex"].tolist() == ["F", "M"] * 6


@pytest.mark.parametrize("kind", ["h5ad", "gct"])
def test_D07_a_container_on_its_side(genes, tmp_path, kind):
    file = tmp_path / f"tumour.{kind}"
    if kind == "h5ad":
        adata_of(genes).T.write_h5ad(file)
    else:
        file.write_text(gct(genes.T))
    with pytest.raises(DataError, match="THX-D07"):
        read_cohort(tmp_path)


@pytest.mark.parametrize("kind", ["h5ad", "h5mu"])
def test_D32_a_container_cut_off(genes, tmp_path, kind):
    file = tmp_path / f"whole.{kind}"
    if kind == "h5mu":
        write({"rna": adata_of(genes)}, file)
    else:
        adata_of(genes).write_h5ad(file)
    whole = file.read_bytes()
    for size in range(0, len(whole), max(4096, len(whole) // 12)):
        cut = tmp_path / f"tumour.{kind}"
        cut.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"THX-D32.*sha256"):
            read_tables(cut)


def gct(table, version="1.2"):
    """Write rows of a table as columns of a GCT file."""
    lines = [f"#{version}"]
    turned = table.T
    if version == "1.2":
        lines += [f"{len(turned)}\t{turned.shape[1]}", "\t".join(["Name", "Description", *turned.columns])]
    else:
        lines += [f"{len(turned)}\t{turned.shape[1]}\t1\t2", "\t".join(["id", "Description", *turned.columns])]
        lines += [
            "\t".join(["age", "na", *["61"] * turned.shape[1]]),
            "\t".join(["sex", "na", *["F"] * turned.shape[1]]),
        ]
    lines += [
        "\t".join([str(g), "na", *(f"{v:.9g}" for v in row)])
        for g, row in zip(turned.index, turned.to_numpy(), strict=True)
    ]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_gct_is_the_expression_table(genes, tmp_path, version):
    (tmp_path / "tumour.gct").write_text(gct(genes, version))
    cohort = read_cohort(tmp_path)
    np.testing.assert_allclose(cohort.tables["expression"].loc[genes.index, genes.columns], genes, rtol=1e-6)
    assert ("clinical" in cohort.tables) == (version == "1.3")
    if version == "1.3":
        assert cohort.tables["clinical"]["age"].eq(61.0).all()


@pytest.mark.parametrize(
    "wreck",
    [
        lambda t: "",
        lambda t: t.replace("#1.2", "#2.0"),
        lambda t: t.replace("\t12\n", "\t13\n", 1),
        lambda t: t[: len(t) // 2],
        lambda t: t.rsplit("\n", 2)[0],
        lambda t: t.replace("\t", ",", 1),
    ],
)
def test_D31_a_gct_that_is_none(genes, tmp_path, wreck):
    file = tmp_path / "tumour.gct"
    file.write_text(wreck(gct(genes)))
    with pytest.raises(DataError, match="THX-D31"):
        read_gct(file)


def test_a_file_named_after_a_table_is_that_table(genes, tmp_path):
    adata_of(genes).write_h5ad(tmp_path / "proteins.h5ad")
    assert list(read_h5ad(tmp_path / "proteins.h5ad")) == ["proteins", "clinical"]
