"""Faults of gene sets, signature matrices and the genes that a platform lacks."""

import numpy as np
import pandas as pd
import pytest
from faults.judge import refused

from theracast.features.blocks.deconvolution import DeconvolutionBlock
from theracast.features.blocks.gene_sets import GeneSetsBlock
from theracast.features.cohort import Cohort
from theracast.features.deconvolution import MARKERS, read_signature
from theracast.features.gene_sets import gene_sets, immune_sets, read_gmt

SETS = {"interferon": ["STAT1", "IFNG", "IDO1", "CXCL9", "CXCL10"], "cytolytic": ["GZMA", "PRF1"]}
SHARES = (0, 1, 5, 10, 19, 21, 30, 50, 75, 99, 100)


def cohort_of(table):
    clinical = pd.DataFrame({"age": [60.0] * len(table)}, index=table.index)
    return Cohort.from_tables({"clinical": clinical, "expression": table}, units={"expression": "log2(TPM+1)"})


def patients(genes):
    rng = np.random.default_rng(8)
    return pd.DataFrame(rng.uniform(1, 9, (4, len(genes))), list("abcd"), list(genes))


def genes_of(name):
    if name == "markers":
        return gene_sets(immune_sets(names=MARKERS.values())).genes
    return read_signature("blood_cells").index if name in ("nnls", "nusvr") else gene_sets("immune").genes


BLOCKS = {
    "ssgsea": GeneSetsBlock("immune"),
    "gsva": GeneSetsBlock("immune", "gsva"),
    "zscore": GeneSetsBlock("immune", "zscore"),
    "plage": GeneSetsBlock("immune", "plage"),
    "ulm": GeneSetsBlock("immune", "ulm"),
    "nnls": DeconvolutionBlock("nnls"),
    "nusvr": DeconvolutionBlock("nusvr"),
    "markers": DeconvolutionBlock("markers"),
}


@pytest.mark.parametrize("name", BLOCKS)
def test_D08_genes_dropped_one_by_one_lower_coverage_until_the_block_abstains(name):
    """From none to all of the genes gone: coverage falls with each step, scores are given less often, then never."""
    block = BLOCKS[name]
    genes = genes_of(name)
    table = patients(genes)
    block.fit(cohort_of(table))
    order = np.random.default_rng(4).permutation(table.columns)
    coverage, known = [], []
    for share in SHARES:
        gone = order[: round(share / 100 * len(order))]
        measured = block.measure(cohort_of(table.drop(columns=gone)))
        (here,) = set(measured.coverage)
        coverage.append(here)
        assert here == pytest.approx(1 - len(gone) / len(order))
        values = measured.values.drop(columns=["fit_correlation", "fit_rmse"], errors="ignore")
        known.append(int(values.iloc[0].notna().sum()))
        if 0 < coverage[-1] < 0.5:
            assert measured.notes["a"], "a thin platform is said"
    assert coverage == sorted(coverage, reverse=True)
    assert coverage[-1] == 0.0
    assert (np.diff(known) <= 0).all()
    assert known[0] > 0
    assert known[-1] == 0
    if name in ("nnls", "nusvr"):  # one limit for the whole block
        assert [k > 0 for k in known] == [c >= block.min_coverage for c in coverage]


@pytest.mark.parametrize("name", BLOCKS)
def test_D08_each_patient_by_its_own_genes(name):
    block = BLOCKS[name]
    genes = genes_of(name)
    table = patients(genes)
    wanted = block.fit(cohort_of(table)).measure(cohort_of(table))
    table.iloc[1, : int(0.7 * len(genes))] = np.nan
    got = block.measure(cohort_of(table))
    pd.testing.assert_frame_equal(got.values.loc[list("acd")], wanted.values.loc[list("acd")], check_exact=True)
    assert got.coverage["b"] < 0.4
    assert got.values.loc["b"].notna().sum() < wanted.values.loc["b"].notna().sum()
    assert list(got.notes) == ["b"]


@pytest.mark.parametrize(
    "block", [GeneSetsBlock(SETS), DeconvolutionBlock(), DeconvolutionBlock("nusvr")], ids=["sets", "nnls", "nusvr"]
)
def test_D08_genes_of_another_kind_are_refused_at_fit(block):
    ids = patients([f"XLOC_{k:06d}" for k in range(300)])
    message = refused(lambda: block.fit(cohort_of(ids)), "THX-D08")
    assert "HGNC" in message


def test_D08_sets_of_unknown_genes_are_nan_and_said():
    table = patients(["STAT1", "IFNG", "GZMA", "PRF1", "ACTB"])
    block = GeneSetsBlock({"known": ["GZMA", "PRF1"], "made up": ["XYZZY1", "XYZZY2"]}).fit(cohort_of(table))
    measured = block.measure(cohort_of(table))
    assert measured.values.notna().all().tolist() == [True, False]
    assert all("made up" in measured.notes[i][0] for i in "abcd")


# ---------------------------------------------------------------- GMT files


def gmt(tmp_path, text, encoding="utf-8"):
    file = tmp_path / "own.gmt"
    file.write_bytes(text.encode(encoding))
    return file


def test_D03_a_gene_twice_in_a_set_counts_once(tmp_path):
    file = gmt(tmp_path, "one\t\tGZMA\tPRF1\tGZMA\ntwo\t\tGZMA\tPRF1\n")
    table = patients(["GZMA", "PRF1", "ACTB", "STAT1"])
    got = GeneSetsBlock(str(file)).fit(cohort_of(table)).transform(cohort_of(table))
    pd.testing.assert_series_equal(got.iloc[:, 0], got.iloc[:, 1], check_names=False)


def test_D03_two_sets_of_one_name(tmp_path):
    message = refused(lambda: read_gmt(gmt(tmp_path, "one\t\tGZMA\none\t\tPRF1\n")), "THX-D03")
    assert "line 2" in message
    table = cohort_of(patients(["GZMA", "PRF1"]))
    refused(lambda: GeneSetsBlock({"a b": ["GZMA"], "a_b": ["PRF1"]}).fit(table).transform(table), "THX-D03")


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_D33_empty_gmt(tmp_path, text):
    refused(lambda: read_gmt(gmt(tmp_path, text)), "THX-D33")


@pytest.mark.parametrize("sets", [{}, {"none": []}])
def test_D33_no_sets(sets):
    refused(lambda: gene_sets(sets), "THX-D33")


@pytest.mark.parametrize(
    "line",
    [
        "two,a paper,GZMA,PRF1",
        "two a paper GZMA PRF1",
        "two\ta paper\tGZMA,PRF1",
        "two\ta paper\tGZMA;PRF1",
        "two\ta paper\tGZMA PRF1",
        "two\ta paper",
        "two",
        "\ta paper\tGZMA",
        "two\ta paper\tGZMA,1.0\tPRF1,0.5",
    ],
)
def test_D31_gmt_with_other_separators(tmp_path, line):
    message = refused(lambda: read_gmt(gmt(tmp_path, f"one\t\tGZMA\tPRF1\n{line}\n")), "THX-D31")
    assert "line 2" in message
    assert "tabs" in message


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_D31_gmt_that_is_no_utf8(tmp_path, encoding):
    refused(lambda: read_gmt(gmt(tmp_path, "one\tpapier génétique\tGZMA\n", encoding)), "THX-D31")


def test_D31_bom_and_windows_line_ends_are_read(tmp_path):
    file = gmt(tmp_path, "\ufeffone\t\tGZMA\tPRF1\t\r\n\r\ntwo\tx\tSTAT1\r\n")
    assert {s: list(g) for s, g in read_gmt(file).weights.items()} == {"one": ["GZMA", "PRF1"], "two": ["STAT1"]}


@pytest.mark.parametrize("weight", [0.0, np.nan, np.inf])
def test_D11_weights(weight):
    refused(lambda: gene_sets({"s": {"GZMA": 1.0, "PRF1": weight}}), "THX-D11")


# ---------------------------------------------------------------- signature matrices


@pytest.fixture
def matrix():
    return read_signature("blood_cells").iloc[:20]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda m: m - 5, "THX-D06"),
        (lambda m: (m - m.mean()) / m.std(), "THX-D06"),
        (lambda m: np.log2(m + 1), "THX-D05"),
        (lambda m: pd.concat([m, m.iloc[:1]]), "THX-D03"),
        (lambda m: pd.concat([m, m[["B cells"]]], axis=1), "THX-D03"),
        (lambda m: m.assign(note="see paper"), "THX-D13"),
        (lambda m: m.astype(object).where(m < 500, "ND"), "THX-D13"),
        (lambda m: m.where(m < 500), "THX-D11"),
        (lambda m: m.where(m < 500, np.inf), "THX-D11"),
        (lambda m: m.iloc[:4], "THX-D08"),
        (lambda m: m.T, "THX-D08"),
        (lambda m: m.assign(nothing=0.0), "THX-D12"),
        (lambda m: m.iloc[:0], "THX-D33"),
        (lambda m: m.iloc[:, :0], "THX-D33"),
    ],
)
def test_D06_signature_matrices_that_are_none(matrix, spoil, code):
    refused(lambda: DeconvolutionBlock(signature=spoil(matrix)).fit(cohort_of(patients(matrix.index))), code)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("text", ["", "gene;B;T\nCD19;900;3\n", "gene\tB\tT\n", "gene\tB\tT\nCD19\t900\n\0"])
def test_D31_signature_files_that_are_no_table(tmp_path, text, encoding):
    file = tmp_path / "own.txt"
    file.write_bytes(text.encode(encoding))
    with pytest.raises(Exception, match="THX-D") as caught:
        read_signature(file)
    assert caught.value.code in ("THX-D31", "THX-D11", "THX-D13"), str(caught.value)


def test_D03_cell_types_repeated_in_a_file(tmp_path):
    file = tmp_path / "own.csv"
    file.write_text("gene,B,B\n" + "".join(f"G{k},{k * 9},{k}\n" for k in range(9)))
    refused(lambda: read_signature(file), "THX-D03")


def test_D12_a_flat_profile_is_no_mixture():
    genes = read_signature("blood_cells").index
    table = patients(genes)
    table.iloc[0] = 0.0
    for method in ("nnls", "nusvr"):
        measured = DeconvolutionBlock(method).fit(cohort_of(table)).measure(cohort_of(table))
        assert measured.values.loc["a"].isna().all()
        assert "flat" in measured.notes["a"][0]
        assert measured.values.loc["b"].notna().all()


def test_D12_constant_genes_are_no_reference():
    table = patients(["GZMA", "PRF1", "STAT1", "ACTB", "CD8A"])
    table["GZMA"] = 4.0
    for method in ("zscore", "plage", "gsva"):
        got = GeneSetsBlock({"constant": ["GZMA"], "varies": ["PRF1"]}, method).fit_transform(cohort_of(table))
        assert got["gene_sets__constant"].isna().all()
        assert np.isfinite(got["gene_sets__varies"]).all()
