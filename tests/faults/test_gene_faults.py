"""Wrong genes and scales, named by the id of the fault; what test_data_faults.py shows is not repeated."""

import numpy as np
import pandas as pd
import pytest
from faults.judge import CANARY, cohort_of, fates, refused, scored

from theracast.errors import DataError
from theracast.features.assembler import FeatureAssembler
from theracast.features.blocks.expression import ExpressionBlock
from theracast.features.blocks.signatures import SignaturesBlock
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.readers import read_cohort
from theracast.features.symbols import symbol_table


def counts_like(n=12, m=1200, seed=6):
    rng = np.random.default_rng(seed)
    values = rng.negative_binomial(2, 0.02, (n, m)) * rng.integers(1, 4, (n, 1))
    return pd.DataFrame(values, [f"p{i:02d}" for i in range(n)], [f"gene{j:04d}" for j in range(m)])


# D01: dates


@pytest.mark.parametrize("label", ["1-Mar", "2-Mar", "01-Mar-2023", "2023-03-02", "44256", "3/9/2023"])
def test_D01_a_date_that_may_be_two_genes_is_refused(genes, label):
    message = refused(lambda: cohort_of(genes.assign(**{label: 1.0, "2-Sep": 2.0})), "THX-D01")
    assert label in message
    assert "2-Sep" in message  # all dates are listed, those that could be repaired too
    assert "Ensembl" in message


def test_D01_a_date_beside_its_gene_is_refused(genes):
    refused(lambda: cohort_of(genes.assign(**{"2-Sep": 1.0, "SEPTIN2": 2.0})), "THX-D01")


def test_D01_dates_of_one_gene_are_repaired_and_listed(genes):
    cohort = cohort_of(genes.assign(**{"2-Sep": 1.0, "2023-03-05": 2.0, "44531": 3.0}))
    assert cohort.genes["expression"].spellings["excel"] == ["2-Sep", "2023-03-05", "44531"]
    table = cohort.table("expression")
    assert table[["SEPTIN2", "MARCHF5", "DELEC1"]].iloc[0].tolist() == [1.0, 2.0, 3.0]


def test_D01_an_ensembl_id_beside_tells_them_apart(tmp_path):
    rows = "gene,ensembl,p1\n1-Mar,ENSG00000145416.14,1.5\n2-Mar,ENSG00000117791,2.5\nCD8A,ENSG00000153563,3.5\n"
    (tmp_path / "expression.csv").write_text(rows)
    got = read_cohort(tmp_path).table("expression")
    assert got.columns.tolist() == ["MARCHF1", "MTARC2", "CD8A"]


# D02: spellings


def test_D02_other_spellings_score_the_same(genes, predictor):
    """Aliases, lower case and Ensembl ids with versions: every probability as before, to the bit."""
    table = symbol_table()
    other = {gene: name for name, gene in table.others.items()}
    ensembl = {gene: f"ENSG{int(number):011d}.7" for number, gene in table.ensembl.items()}
    wanted = scored(predictor, cohort_of(genes)).table
    assert wanted.probability.notna().any()
    for names in (other, {g: g.lower() for g in genes.columns}, ensembl):
        turned = genes.rename(columns=names)
        assert (turned.columns != genes.columns).mean() > 0.5
        cohort = cohort_of(turned)
        pd.testing.assert_frame_equal(scored(predictor, cohort).table, wanted, check_exact=True)
        assert sum(cohort.genes["expression"].counts.values()) == genes.shape[1]


def test_D02_several_spellings_of_a_gene_that_is_read_are_refused(genes):
    twice = genes.drop(columns="CD274").copy().assign(**{"PDL1": 1.0, "B7-H1": 2.0})
    message = refused(lambda: cohort_of(twice), "THX-D02")
    assert "PDL1 and B7-H1 are CD274" in message
    refused(lambda: cohort_of(genes.rename(columns={"CD8A": "cd8a"}).assign(ENSG00000153563=1.0)), "THX-D02")
    for rule, wanted in (("max", 2.0), ("mean", 1.5)):
        cohort = Cohort.from_tables({"expression": twice}, units={"duplicate_genes": rule})
        assert cohort.table("expression")["CD274"].eq(wanted).all()


def test_D02_of_a_gene_that_no_set_reads_they_stay_and_are_counted(genes):
    cohort = cohort_of(genes.assign(SHFM1=1.0, C7orf76=2.0))
    assert cohort.genes["expression"].clashes == {"SEM1": ["SHFM1", "C7orf76"]}
    assert cohort.table("expression")[["SHFM1", "C7orf76"]].iloc[0].tolist() == [1.0, 2.0]


def test_D02_an_alias_gives_way_to_its_approved_symbol(genes, predictor):
    wanted = scored(predictor, cohort_of(genes)).table
    got = scored(predictor, cohort_of(genes.assign(PDL1=0.0, cd8a=0.0, TAZ=5.0))).table
    pd.testing.assert_frame_equal(got, wanted, check_exact=True)


# D03: a name twice, in tables of counts too


@pytest.mark.parametrize("name", ["counts", "array"])
def test_D03_repeated_genes_of_counts_and_arrays(name):
    counts = counts_like(m=5).clip(upper=20)
    twice = pd.concat([counts, counts[["gene0001"]] + 2], axis=1)
    refused(lambda: Cohort.from_tables({name: twice}), "THX-D03")
    cohort = Cohort.from_tables({name: twice}, units={"duplicate_genes": "max"})
    assert (cohort.table(name)["gene0001"] == counts["gene0001"] + 2).all()


# D04: counts


def test_D04_a_table_that_is_no_counts(genes):
    counts = counts_like()
    logged = np.log2(counts + 1.0)
    million = counts.div(counts.sum(axis=1), axis=0) * 1e6
    refused(lambda: Cohort.from_tables({"counts": logged}), "THX-D04")
    assert "million" in refused(lambda: Cohort.from_tables({"counts": million}), "THX-D04")
    refused(lambda: Cohort.from_tables({"counts": counts - 5}), "THX-D05")
    refused(lambda: Cohort.from_tables({"counts": logged - logged.mean()}), "THX-D06")
    for good in (counts, counts * 0.83, counts.iloc[:1]):
        assert len(Cohort.from_tables({"counts": good})) == len(good)


def test_D04_undeclared_counts_are_refused_with_both_ways_out(genes):
    message = refused(lambda: cohort_of(counts_like()), "THX-D04")
    assert "TPM" in message
    assert "expression: counts" in message


def test_D04_D05_scores_of_gene_sets_refuse_counts_and_arrays_by_row(genes, predictor):
    clinical = pd.DataFrame({"age": 61.0}, index=genes.index)
    for name, code in (("counts", "THX-D04"), ("array", "THX-D05")):
        whole = np.floor(np.exp2(genes)) if name == "counts" else genes
        mixed = Cohort.from_tables({"clinical": clinical, "expression": genes.iloc[:9], name: whole.iloc[6:]})
        (problem,) = SignaturesBlock().check(mixed)
        assert (problem.code, problem.rows) == (code, (9, 10, 11))
        assert fates(predictor, mixed, name, code) == [9, 10, 11]
        with pytest.raises(DataError, match=code):
            SignaturesBlock().fit(mixed)


# D05, D06: arrays


def test_D05_an_array_that_is_not_declared(rng):
    values = pd.DataFrame(rng.uniform(2.0, 14.0, (4, 1200)), columns=[f"gene{j:04d}" for j in range(1200)])
    assert "expression: array" in refused(lambda: cohort_of(values), "THX-D05")
    cohort = Cohort.from_tables({"expression": values}, units={"expression": "array"})
    assert list(cohort.tables) == ["array"]
    refused(lambda: Cohort.from_tables({"array": np.exp2(values)}), "THX-D05")
    for scaled in (values - values.mean(), (values - values.mean()) / values.std()):
        refused(lambda scaled=scaled: Cohort.from_tables({"array": scaled}), "THX-D06")


# D07: transposed counts


def test_D07_transposed_counts(genes):
    counts = np.floor(np.exp2(genes))
    refused(lambda: Cohort.from_tables({"counts": counts.T.rename_axis("patient_id")}), "THX-D07")
    refused(lambda: Cohort.from_tables({"counts": counts.rename_axis("gene")}), "THX-D07")
    turned = Cohort.from_tables({"counts": counts.T.rename_axis("gene")})
    assert turned.table("counts").equals(Cohort.from_tables({"counts": counts}).table("counts"))


# D08: genes that the platform lacks


@pytest.mark.parametrize("normalise", ["tmm", "ratios", "rank"])
def test_D08_fewer_genes_never_mean_more_coverage_or_more_known(normalise):
    counts = counts_like(m=400)
    block = ExpressionBlock(normalise=normalise).fit(Cohort.from_tables({"counts": counts}))
    order = np.random.default_rng(8).permutation(counts.columns)
    known, coverage = [], []
    for share in np.linspace(0, 1, 11):
        lacking = counts.drop(columns=order[: round(share * 400)]).copy()
        measured = block.measure(Cohort.from_tables({"counts": lacking.assign(other=1)}))
        known.append(measured.values.notna().sum(axis=1))
        coverage.append(measured.coverage)
        if measured.coverage.iloc[0] < 0.8:
            assert measured.values.isna().all(axis=None)
            assert share == 1 or all("too few" in lines[0] for lines in measured.notes.values())
    assert (np.diff(np.array(known), axis=0) <= 0).all()
    assert (np.diff(np.array(coverage), axis=0) < 0).all()


# D11, D13: cells that are no numbers


def test_D11_D13_spoilt_cells_refuse_their_patient_alone(genes):
    for name in ("counts", "array"):
        table = np.floor(genes).astype(object)
        table.iloc[2, 7], table.iloc[5, 0], table.iloc[6, 1] = CANARY, np.inf, "<5"
        cohort = Cohort.from_tables({name: table})
        assert cohort.roster.code.tolist().count("") == 9
        assert cohort.roster.code[[2, 5, 6]].tolist() == ["THX-D13", "THX-D11", "THX-D13"]
        assert CANARY not in cohort.roster.to_string()


# D12: constant columns


@pytest.mark.parametrize("normalise", ["log2tpm", "rank"])
def test_D12_constant_genes_are_dropped_and_named(genes, normalise):
    flat = genes.assign(flat=-0.0, absent=np.nan)
    block = ExpressionBlock(normalise=normalise).fit(cohort_of(flat))
    if normalise == "log2tpm":  # zeros of samples with more or fewer zeros have other ranks
        assert set(block.dropped_) == {*genes.columns[genes.min() == genes.max()], "flat"}
    assert set(block.genes_) == set(flat.columns) - {*block.dropped_, "absent"}
    got = block.transform(cohort_of(flat))
    assert np.isfinite(got).all(axis=None)
    assert (got.min() < got.max()).all()


def test_D12_one_training_patient_tells_nothing_of_what_varies(genes):
    block = ExpressionBlock().fit(cohort_of(genes.iloc[:1]))
    assert (len(block.genes_), block.dropped_) == (genes.shape[1], [])


def test_D12_counts_without_a_reference():
    counts = counts_like(m=40)
    refused(lambda: ExpressionBlock(normalise="tmm").fit(Cohort.from_tables({"counts": counts * 0})), "THX-D12")
    sparse = counts.where(~np.eye(12, 40, dtype=bool), 0)
    sparse.iloc[:, 12:] = 0
    message = refused(
        lambda: ExpressionBlock(normalise="ratios").fit(Cohort.from_tables({"counts": sparse})), "THX-D12"
    )
    assert "tmm" in message


# D19: swapped samples


def two_sexes():
    sex = ["M", "F", "male", "female", "unknown", None]
    genes = pd.DataFrame({"RPS4Y1": 7.5, "DDX3Y": 5.0, "XIST": 0.1, "CD8A": 3.0}, index=[f"p{i}" for i in range(6)])
    genes.loc[["p1", "p3", "p5"], ["RPS4Y1", "DDX3Y", "XIST"]] = [0.2, 0.0, 6.0]
    genes["CD274"] = np.arange(6.0)
    return genes, pd.DataFrame({"sex": sex, "age": 61.0}, index=genes.index)


def test_D19_swapped_samples_are_refused_by_row_or_noted():
    genes, clinical = two_sexes()
    right = cohort_of(genes, clinical=clinical)
    block = ExpressionBlock().fit(right)
    assert block.check(right) == []
    swapped = genes.iloc[[1, 0, 2, 3, 4, 5]].set_axis(genes.index, axis=0)
    wrong = cohort_of(swapped, clinical=clinical)
    (problem,) = block.check(wrong)
    assert (problem.code, problem.rows) == ("THX-D19", (0, 1))
    with pytest.raises(DataError, match="THX-D19"):
        block.transform(wrong)
    noting = ExpressionBlock(swaps="note").fit(wrong)
    assert noting.check(wrong) == []
    notes = noting.measure(wrong).notes
    assert set(notes) == {"p0", "p1"}
    assert "a woman" in notes["p0"][0]
    assert "a man" in notes["p1"][0]


@pytest.mark.shared
def test_D19_two_swapped_of_a_real_cohort(shared_data):
    """A man and a woman of Van Allen 2015 exchanged: the woman's row tells, the man's needs XIST."""
    folder = shared_data / "ici" / "vanallen2015_mel"
    genes = pd.read_parquet(folder / "expression.parquet").loc[["RPS4Y1", "DDX3Y", "CD8A", "CD274"]].T
    clinical = pd.read_csv(folder / "clinical.csv", dtype={"patient_id": str}).set_index("patient_id")[["sex"]]
    clinical = clinical.loc[genes.index]
    assert ExpressionBlock().check(cohort_of(genes, clinical=clinical)) == []
    man = int(np.flatnonzero((clinical["sex"] == "M") & (genes["RPS4Y1"] > 6) & (genes["DDX3Y"] > 4))[0])
    woman = int(np.flatnonzero(clinical["sex"] == "F")[0])
    order = np.arange(len(genes))
    order[[man, woman]] = woman, man
    (problem,) = ExpressionBlock().check(cohort_of(genes.iloc[order].set_axis(genes.index, axis=0), clinical=clinical))
    assert (problem.code, problem.rows) == ("THX-D19", (woman,))


# D34: the order of columns


@pytest.mark.parametrize("normalise", ["log2tpm", "tmm", "ratios", "rank"])
def test_D34_the_order_of_genes_and_patients_does_not_change_a_bit(normalise, rng):
    counts = counts_like(m=300) + 0.37
    tpm = np.log2(counts + 1.0)
    names = ("counts", counts) if normalise in ("tmm", "ratios") else ("expression", tpm)
    other = names[1].iloc[rng.permutation(12), rng.permutation(300)]
    one, two = Cohort.from_tables({names[0]: names[1]}), Cohort.from_tables({names[0]: other})
    block = ExpressionBlock(normalise=normalise)
    wanted = FeatureAssembler([block]).fit(one).transform(one)
    got = FeatureAssembler([block]).fit(two).transform(two).loc[wanted.index]
    assert got.columns.tolist() == wanted.columns.tolist()
    assert got.to_numpy().tobytes() == wanted.to_numpy().tobytes()


# all: the bundled cohorts through block and assembler


def test_a_real_cohort_through_the_assembler():
    train, test = load_cohort("liu2019_mel"), load_cohort("riaz2017_mel")
    block = ExpressionBlock(most_variable=50)
    assembler = FeatureAssembler(["clinical", block]).fit(train)
    matrix = assembler.matrix(test)
    genes = [c for c in matrix.values.columns if c.startswith("expression__")]
    assert len(genes) == 50
    assert matrix.coverage["expression"].max() > 0.9
    alone = assembler.matrix(test.subset(test.ids[:1])).values[genes]
    assert alone.to_numpy().tobytes() == matrix.values[genes].iloc[[0]].to_numpy().tobytes()
