"""Expression: counts against a frozen reference equal edgeR and DESeq2, ranks SciPy; no needless copies."""

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import rankdata

from theracast.checks import table_to_numbers
from theracast.errors import DataError, UsageError
from theracast.features.blocks.expression import ExpressionBlock
from theracast.features.cohort import Cohort
from theracast.features.count_reference import learn_reference
from theracast.features.scales import _row_sums, as_array, as_counts, kind_of, to_canonical
from theracast.features.swaps import sex_by_genes

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
NAMES = ["alone", "composed", "expected", "plain", "proportional", "same", "sparse", "ties", "two"]


@pytest.fixture(scope="module")
def golden():
    kinds = ("counts", "tmm", "logcpm", "size_factors", "frozen")
    return {k: dict(tuple(pd.read_csv(GOLDEN / f"normalise_{k}.csv").groupby("table"))) for k in kinds}


def counts_of(golden, name):
    """The golden counts of a table, samples x genes named g001, g002 and on."""
    wide = golden["counts"][name].pivot_table(index="sample", columns="gene", values="count")
    return wide.set_axis([f"g{g:03d}" for g in wide.columns], axis=1).rename(index=str).rename_axis(None, axis=0)


def cohort_of(**tables):
    return Cohort.from_tables(tables)


def some(n=12, m=40, seed=5):
    rng = np.random.default_rng(seed)
    values = rng.lognormal(1.0, 1.0, (n, m)).clip(max=20.0).astype(np.float32)
    return pd.DataFrame(values, [f"p{i:02d}" for i in range(n)], [f"g{j:03d}" for j in range(m)])


def made_counts(n=12, m=300, seed=6):
    rng = np.random.default_rng(seed)
    values = rng.negative_binomial(2, 0.02, (n, m)) * rng.integers(1, 4, (n, 1))
    return pd.DataFrame(values, [f"p{i:02d}" for i in range(n)], [f"g{j:03d}" for j in range(m)])


# ---------------------------------------------------------------- numbers from outside


@pytest.mark.parametrize("name", NAMES)
def test_tmm_equals_edger_on_the_training_patients(golden, name):
    counts = counts_of(golden, name)
    reference = learn_reference(counts, "tmm")
    values = counts[reference.genes].to_numpy(np.float64)
    np.testing.assert_allclose(reference.factors(values), golden["tmm"][name]["tmm"], rtol=1e-12)
    wanted = golden["logcpm"][name].pivot_table(index="sample", columns="gene", values="logcpm")
    np.testing.assert_allclose(reference.logs(values)[:, :5], wanted, rtol=1e-12)
    block = ExpressionBlock(normalise="tmm", genes=list(counts.columns[:5]))
    got = block.fit_transform(cohort_of(counts=counts))
    np.testing.assert_allclose(got, wanted, rtol=1e-6)
    assert set(got.dtypes) == {np.dtype("float32")}


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"sparse"}))
def test_ratios_equal_pydeseq2_on_the_training_patients(golden, name):
    counts = counts_of(golden, name)
    reference = learn_reference(counts, "ratios")
    wanted = golden["size_factors"][name]["size_factor"].to_numpy()
    np.testing.assert_allclose(reference.factors(counts.to_numpy(np.float64)), wanted, rtol=1e-13)
    block = ExpressionBlock(normalise="ratios", genes=list(counts.columns[:5]))
    got = block.fit_transform(cohort_of(counts=counts))
    np.testing.assert_allclose(got, np.log2(counts.iloc[:, :5].to_numpy() / wanted[:, None] + 1.0), rtol=1e-6)


@pytest.mark.parametrize("name", ["composed", "expected", "plain", "ties"])
def test_a_new_patient_is_compared_with_the_frozen_reference_as_edger_would(golden, name):
    """Trained without the last sample; its factor is edgeR's of that sample against the reference of the others."""
    counts = counts_of(golden, name)
    reference = learn_reference(counts.iloc[:-1], "tmm")
    row = golden["frozen"][name].iloc[0]
    got = reference.factors(counts[reference.genes].to_numpy(np.float64)[-1:])[0]
    np.testing.assert_allclose(got, row["factor"], rtol=1e-12)
    logs = reference.logs(counts[reference.genes].to_numpy(np.float64)[-1:])[0, 0]
    np.testing.assert_allclose(logs, row["logcpm"], rtol=1e-12)


def test_ranks_equal_scipy():
    genes = some().round(0)
    got = ExpressionBlock(normalise="rank", genes=list(genes.columns)).fit_transform(cohort_of(expression=genes))
    wanted = (rankdata(genes, axis=1) - 1.0) / (genes.shape[1] - 1.0)
    np.testing.assert_allclose(got, wanted.astype(np.float32), rtol=1e-6)
    assert (got.min(axis=1) >= 0).all()
    assert (got.max(axis=1) <= 1).all()


# ---------------------------------------------------------------- alone as in a crowd


@pytest.mark.parametrize("normalise", ["tmm", "ratios", "rank"])
def test_counts_alone_as_in_the_crowd(normalise):
    cohort = cohort_of(counts=made_counts())
    block = ExpressionBlock(normalise=normalise).fit(cohort.subset(cohort.ids[:8]))
    crowd = block.transform(cohort)
    assert crowd.notna().all(axis=None)
    for i in cohort.ids[[0, 9, 11]]:
        assert block.transform(cohort.subset([i])).to_numpy().tobytes() == crowd.loc[[i]].to_numpy().tobytes()
    learned = block.reference_
    assert block.transform(cohort).equals(crowd)
    assert block.reference_ == learned


@pytest.mark.parametrize("normalise", ["tmm", "ratios", "rank"])
def test_what_is_learned_does_not_depend_on_order(normalise, rng):
    counts = made_counts()
    other = counts.iloc[rng.permutation(len(counts)), rng.permutation(counts.shape[1])]
    one, two = (
        ExpressionBlock(normalise=normalise, most_variable=25).fit(cohort_of(counts=c)) for c in (counts, other)
    )
    assert (one.genes_, one.read_, one.reference_, one.detected_) == (
        two.genes_, two.read_, two.reference_, two.detected_,
    )  # fmt: skip


def test_depth_does_not_matter_to_ratios_and_ranks_and_hardly_to_tmm():
    counts = made_counts()
    for normalise, tolerance in (("ratios", 1e-5), ("rank", 0.0), ("tmm", 0.1)):
        block = ExpressionBlock(normalise=normalise).fit(cohort_of(counts=counts))
        np.testing.assert_allclose(
            block.transform(cohort_of(counts=counts * 7)), block.transform(cohort_of(counts=counts)), atol=tolerance
        )


def test_genes_that_a_patient_lacks_are_unknown_and_the_others_hardly_move():
    counts = made_counts().astype(float)
    block = ExpressionBlock(normalise="tmm").fit(cohort_of(counts=counts))
    lacking = counts.copy()
    lacking.iloc[0, :30] = np.nan
    lacking.iloc[1, :100] = np.nan
    measured = block.measure(cohort_of(counts=lacking))
    whole = block.measure(cohort_of(counts=counts)).values
    assert measured.coverage.iloc[:3].tolist() == [0.9, pytest.approx(2 / 3), 1.0]
    assert measured.values.iloc[0, :30].isna().all()
    np.testing.assert_allclose(measured.values.iloc[0, 30:], whole.iloc[0, 30:], atol=0.4)
    assert measured.values.iloc[1].isna().all()
    assert measured.notes["p00"] == ["expression covers 90% of the genes read"]
    assert measured.notes["p01"] == ["expression covers 67% of the genes read: too few, left out"]
    assert measured.values.iloc[2:].equals(whole.iloc[2:])


def test_the_ratio_of_a_patient_who_lacks_genes_is_the_median_of_the_others():
    counts = made_counts().astype(float)
    reference = learn_reference(counts, "ratios")
    values = counts.to_numpy()[[0]]
    values[0, :77] = np.nan
    levels = np.array(reference.levels)
    shared = (levels > 0) & ~np.isnan(values[0])
    wanted = np.exp(np.median(np.log(values[0, shared] / levels[shared])))
    np.testing.assert_allclose(reference.factors(values), [wanted], rtol=1e-12)


def test_a_training_patient_without_some_genes():
    counts = made_counts().astype(float)
    counts.iloc[3, 5] = np.nan
    counts.iloc[:9, 7] = np.nan
    reference = learn_reference(counts, "ratios")
    assert "g007" not in reference.genes
    assert "g005" in reference.genes
    assert np.isfinite(reference.factors(counts[reference.genes].to_numpy())).all()
    counts.iloc[:, 5] = np.where(np.arange(12) % 2, np.nan, 4.0)
    counts.iloc[:, 6] = np.where(np.arange(12) % 2, 4.0, np.nan)
    with pytest.raises(DataError, match="THX-D08"):
        learn_reference(counts, "tmm")


# ---------------------------------------------------------------- which genes


def test_the_most_variable_genes_of_the_training_patients():
    genes = some()
    block = ExpressionBlock(most_variable=7).fit(cohort_of(expression=genes))
    wanted = genes.astype(float).var(axis=0).sort_values(ascending=False).index[:7]
    assert block.genes_ == sorted(wanted)
    equal = pd.DataFrame({g: [1.0, 2.0, 5.0] for g in ("geneC", "geneA", "geneB")}, index=["a", "b", "c"])
    assert ExpressionBlock(most_variable=2).fit(cohort_of(expression=equal)).genes_ == ["geneA", "geneB"]
    rng = np.random.default_rng(3)
    shuffled = pd.DataFrame({f"g{j:03d}": rng.permutation(genes["g000"]) for j in range(30)}, index=genes.index)
    chosen = ExpressionBlock(most_variable=4).fit(cohort_of(expression=shuffled)).genes_
    assert chosen == ["g000", "g001", "g002", "g003"]  # the same values in another order vary as much, to the bit


def test_genes_asked_for_by_any_spelling():
    genes = pd.DataFrame({"CD274": [1.0, 4.0], "ERBB2": [2.0, 2.0]}, index=["a", "b"])
    block = ExpressionBlock(genes=["HER2", "PDL1", "CD8A"])
    assert block.get_feature_names_out().tolist() == ["expression__CD274", "expression__CD8A", "expression__ERBB2"]
    got = block.fit_transform(cohort_of(expression=genes))
    np.testing.assert_array_equal(got, [[1.0, np.nan, 2.0], [4.0, np.nan, 2.0]])
    assert block.measure(cohort_of(expression=genes)).coverage.tolist() == [2 / 3, 2 / 3]


def test_what_cannot_be():
    cohort = cohort_of(expression=some())
    for wrong in ({"normalise": "vst"}, {"swaps": "drop"}, {"most_variable": 0}, {"min_coverage": 2}):
        with pytest.raises(UsageError, match=next(iter(wrong))):
            ExpressionBlock(**wrong).fit(cohort)


# ---------------------------------------------------------------- scales


def test_counts_and_arrays_are_tables_of_their_own():
    genes = made_counts(m=60)
    by_unit = Cohort.from_tables({"expression": genes}, units={"expression": "raw counts"})
    assert list(by_unit.tables) == ["counts"]
    assert by_unit.table("counts").equals(cohort_of(counts=genes).table("counts"))
    array = Cohort.from_tables({"expression": some() + 3.0}, units={"expression": "RMA"})
    assert list(array.tables) == ["array"]
    assert [kind_of(u) for u in ("Counts", "expected counts", "microarray", None, "log2(TPM+1)")] == [
        *("counts", "counts", "array", "expression", "expression")
    ]
    both = {"expression": genes, "counts": genes}
    with pytest.raises(DataError, match="THX-D03"):
        Cohort.from_tables(both, units={"expression": "counts"})


def test_ranks_of_an_array_and_a_model_of_another_table():
    genes = some()
    block = ExpressionBlock(normalise="rank").fit(cohort_of(expression=genes))
    assert block.table_ == "expression"
    measured = block.measure(cohort_of(array=genes))
    assert measured.values.isna().all(axis=None)
    assert measured.notes["p00"] == ["genes are given as array, the model was trained on expression: not read"]
    linear = ExpressionBlock(normalise="rank").fit(cohort_of(array=genes + 2.0))
    assert linear.table_ == "array"
    assert linear.transform(cohort_of(array=genes)).equals(block.transform(cohort_of(expression=genes)))


def test_fpkm_do_not_depend_on_the_order_of_genes_or_on_the_others(rng):
    fpkm = pd.DataFrame(rng.lognormal(1.0, 2.0, (5, 11_000)), columns=[f"g{j}" for j in range(11_000)])
    wanted = to_canonical(fpkm, "FPKM", "expression")
    turned = to_canonical(fpkm.iloc[::-1, rng.permutation(11_000)], "FPKM", "expression")
    assert turned.loc[wanted.index, wanted.columns].equals(wanted)
    assert to_canonical(fpkm.iloc[[2]], "FPKM", "expression").equals(wanted.iloc[[2]])
    sums, other = _row_sums(fpkm), _row_sums(fpkm.iloc[:, rng.permutation(11_000)])
    assert sums.tobytes() == other.tobytes()  # float32 hides a last bit of a float64


@pytest.mark.parametrize("check", [as_counts, as_array, lambda t, w: to_canonical(t, None, w)])
def test_float32_is_not_copied(check):
    genes = some(n=2000, m=2000).clip(upper=20.0)
    genes.iloc[0, 0] = 40.0 if check is as_counts else 20.0
    tracemalloc.start()
    table, problems = table_to_numbers(genes, "expression")
    got = check(table, "expression")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert problems == []
    assert got is table is genes
    assert (
        peak < 6 * 4_000_000 * 8
    )  # a block of columns as float64, and what is made of it; the table is 2000 x 2000 x 4


def test_text_in_a_wide_table_is_read_block_by_block(monkeypatch):
    monkeypatch.setattr("theracast.checks._AT_ONCE", 6)
    table = pd.DataFrame({"a": [1, 2, 3], "b": ["1.5", "", "<2"], "c": [1.0, np.inf, np.nan], "d": ["4", "5", "x"]})
    numbers, problems = table_to_numbers(table, "t")
    np.testing.assert_array_equal(numbers, [[1, 1.5, 1, 4], [2, np.nan, np.nan, 5], [3, np.nan, np.nan, np.nan]])
    assert [(p.where, p.rows, p.code) for p in problems] == [
        ("t:b", (2,), "THX-D13"), ("t:c", (1,), "THX-D11"), ("t:d", (2,), "THX-D13"),
    ]  # fmt: skip


@pytest.mark.parametrize("normalise", ["log2tpm", "rank"])
def test_a_large_table_is_not_copied_whole(normalise):
    """Fit and transform beside the table itself: the result, one more of its size while learning, and blocks."""
    genes = some(n=3000, m=4000).clip(upper=20.0)
    genes.iloc[0, 0] = 15.0
    cohort = cohort_of(expression=genes)
    size = genes.shape[0] * genes.shape[1] * 4
    block = ExpressionBlock(normalise=normalise)
    block.fit(cohort.subset(cohort.ids[:5]))
    tracemalloc.start()
    out = block.fit(cohort).measure(cohort).values
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert out.shape == genes.shape
    assert set(out.dtypes) == {np.dtype("float32")}
    assert peak < 1.1 * size + 6 * 1_000_000 * 8 + 6 * 256 * 4000 * 8


# ---------------------------------------------------------------- quality


def test_a_poor_sample_is_noted():
    counts = made_counts()
    cohort = cohort_of(counts=counts)
    block = ExpressionBlock(normalise="tmm").fit(cohort)
    poor = counts.iloc[[0]] * (np.arange(300) < 60)
    assert block.measure(cohort).notes == {}
    notes = block.measure(cohort_of(counts=poor)).notes["p00"]
    assert len(notes) == 1
    assert notes[0].endswith("in training 100%: poor sample?"), notes
    assert block.measure(cohort_of(counts=poor * 0)).values.isna().all(axis=None)


@pytest.mark.parametrize(
    ("y", "y2", "x", "sex"),
    [
        (7.0, 5.0, 0.1, "M"),
        (7.0, 5.0, None, "M"),
        (0.1, 0.0, 6.0, "F"),
        (0.1, 0.0, None, ""),
        (7.0, 5.0, 6.0, ""),
        (0.1, 0.0, 0.0, ""),
        (7.0, None, 0.0, ""),
        (7.0, 2.0, 0.0, ""),
    ],
)
def test_the_sex_that_genes_tell(y, y2, x, sex):
    genes = pd.DataFrame({"RPS4Y1": [y], "DDX3Y": [y2], "XIST": [x], "ACTB": [9.0]}, index=["p"], dtype=float)
    assert sex_by_genes(cohort_of(expression=genes)).tolist() == [sex]
    if not pd.isna([y, y2, x]).any():
        counts = (np.exp2(genes) - 1).round(2)
        counts["ACTB"] += 1e6 - counts.sum(axis=1)
        assert sex_by_genes(cohort_of(counts=counts)).tolist() == [sex]
    assert sex_by_genes(cohort_of(array=genes)).tolist() == [""]


@pytest.mark.shared
def test_no_woman_is_taken_for_a_man_in_ten_public_cohorts(shared_data):
    women = men = told = 0
    for file in sorted((shared_data / "ici").glob("*/expression.parquet")):
        genes = pd.read_parquet(file)
        if "RPS4Y1" not in genes.index:
            continue
        clinical = pd.read_csv(file.with_name("clinical.csv"), dtype={"patient_id": str}).set_index("patient_id")
        genes = genes.reindex(["RPS4Y1", "DDX3Y", "XIST", "CD8A"]).T
        sex = clinical["sex"].reindex(genes.index)
        got = sex_by_genes(cohort_of(expression=genes.rename_axis("patient_id")))
        assert not (got[sex == "F"] == "M").any(), file
        women, men = women + (sex == "F").sum(), men + (sex == "M").sum()
        told += ((sex == "M") & (got == "M")).sum()
    assert (women, men) == (145, 227)
    assert told > 0.7 * men
