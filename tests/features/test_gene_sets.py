"""Gene sets: GMT in and out, what ships, and scores through the block equal R's GSVA 1.46 and decoupler 2.2."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from theracast.errors import UsageError
from theracast.features.blocks.gene_sets import GeneSetsBlock
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.features.enrichment import aucell, singscore
from theracast.features.gene_sets import COLLECTIONS, gene_sets, read_gmt, write_gmt
from theracast.features.gsva import gsva
from theracast.features.set_methods import METHODS
from theracast.features.set_references import MOST_CELLS, learn_cohort

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
R = json.loads((GOLDEN / "set_blocks_r.json").read_text())
GMT = str(GOLDEN / "set_blocks.gmt")
WEIGHTS = json.loads((GOLDEN / "set_blocks_weights.json").read_text())
methods = pytest.mark.parametrize("method", list(METHODS))


@pytest.fixture(scope="module")
def table():
    """Twenty real patients, 400 genes."""
    return pd.read_csv(GOLDEN / "set_blocks.csv", index_col=0)


def cohort_of(table):
    return Cohort.from_tables({"expression": table}, units={"expression": "log2(TPM+1)"})


def scores(table, sets=GMT, method="ssgsea", train=None, **options):
    block = GeneSetsBlock(sets, method, **options).fit(cohort_of(table if train is None else train))
    return block.transform(cohort_of(table)).to_numpy()


# ---------------------------------------------------------------- numbers from outside


@pytest.mark.parametrize("method", ["ssgsea", "zscore", "plage", "gsva"])
def test_the_block_equals_r_on_real_patients(table, method):
    got, wanted = scores(table, method=method), np.array(R[method])
    assert table.index.tolist() == R["patients"]
    if method == "plage":  # its sign is arbitrary in R
        wanted = wanted * np.sign((got * wanted).sum(axis=0))
    np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-9)


def test_the_linear_model_equals_decoupler(table):
    wanted = json.loads((GOLDEN / "set_blocks_ulm.json").read_text())["scores"]
    np.testing.assert_allclose(scores(table, WEIGHTS, "ulm"), wanted, rtol=0, atol=1e-9)


def test_the_other_methods_are_their_functions(table):
    sets = read_gmt(GMT).weights
    lists = {name: list(genes) for name, genes in sets.items()}
    np.testing.assert_array_equal(scores(table, method="aucell"), aucell(table, lists, min_size=1))
    np.testing.assert_array_equal(scores(table, method="singscore"), singscore(table, lists, min_size=1).score)


# ---------------------------------------------------------------- alone as in a crowd


@methods
def test_alone_as_in_a_crowd_to_the_bit(table, method, rng):
    sets = WEIGHTS if method == "ulm" else GMT
    holed = table.copy()
    holed.iloc[3, ::50] = np.nan
    cohort = cohort_of(holed)
    block = GeneSetsBlock(sets, method, min_coverage=0.5).fit(cohort)
    crowd = block.transform(cohort)
    assert crowd.notna().any().any()
    for i in cohort.ids[::3]:
        alone = cohort_of(holed.loc[[i]].dropna(axis=1))  # its table holds only what was measured of it
        pd.testing.assert_frame_equal(block.transform(alone), crowd.loc[[i]], check_exact=True)
    other = cohort_of(holed.iloc[rng.permutation(20), rng.permutation(400)])
    again = clone(block).fit(other)
    pd.testing.assert_frame_equal(again.transform(other).loc[crowd.index], crowd, check_exact=True)
    stored = json.loads(json.dumps({k: v for k, v in vars(block).items() if k.endswith("_")}))
    read = clone(block)
    vars(read).update(stored)
    pd.testing.assert_frame_equal(read.transform(cohort), crowd, check_exact=True)


@pytest.mark.parametrize("method", ["zscore", "plage", "gsva"])
def test_methods_that_compare_patients_know_the_training_patients_only(table, method):
    train, test = table.iloc[:15], table.iloc[15:]
    with_test = scores(table, method=method)[15:]
    frozen = scores(test, method=method, train=train)
    assert np.isfinite(frozen).all()
    assert np.abs(frozen - with_test).max() > 0.01, "scores of test patients among themselves and the others"
    together = scores(table, method=method, train=train)
    np.testing.assert_array_equal(together[15:], frozen)
    assert np.corrcoef(frozen.ravel(), with_test.ravel())[0, 1] > 0.9


def test_the_zscore_of_a_new_patient_by_hand():
    train = pd.DataFrame({"CD8A": [1.0, 3.0], "CD8B": [2.0, 6.0], "ACTB": [9.0, 9.5]}, index=["a", "b"])
    new = pd.DataFrame({"CD8A": [4.0], "CD8B": [4.0], "ACTB": [9.0]}, index=["c"])
    # means 2 and 4, SDs sqrt(2) and sqrt(8): z = sqrt(2) and 0; over sqrt(2)
    assert scores(new, {"cd8": ["CD8A", "CD8B"]}, "zscore", train).tolist() == [[pytest.approx(1.0)]]


def test_a_new_patient_equal_to_a_training_patient_has_its_score(table):
    twin = table.iloc[[7]].set_axis(["twin"])
    for method in ("plage", "gsva"):
        np.testing.assert_array_equal(scores(twin, method=method, train=table), scores(table, method=method)[[7]])


def test_gsva_of_the_training_patients_is_the_cohort_function(table):
    """Also with a whole 1,496-gene table and old symbols among the genes."""
    cohort = load_cohort("riaz2017_mel")
    x = cohort.tables["expression"]
    x = x.loc[sorted(x.index), sorted(x.columns)]
    block = GeneSetsBlock(GMT, "gsva", min_coverage=0.0).fit(cohort)
    got = block.transform(cohort).loc[x.index].to_numpy()
    np.testing.assert_allclose(got, gsva(x, {n: list(g) for n, g in block.sets_.items()}), rtol=0, atol=1e-9)


def test_a_reference_that_no_model_can_carry_is_refused():
    rows = 40
    wide = pd.DataFrame(np.random.default_rng(0).normal(size=(rows, MOST_CELLS // rows + 1)))
    with pytest.raises(UsageError, match="too large"):
        learn_cohort(wide, {})


# ---------------------------------------------------------------- sets


def test_gmt_there_and_back(tmp_path):
    sets = read_gmt(GMT)
    assert read_gmt(write_gmt(sets, tmp_path / "again.gmt")) == sets
    assert len(sets.weights) == 11
    assert sets.weights["Ayers_IFNg6"].keys() == {"CXCL10", "CXCL9", "HLA-DRA", "IDO1", "IFNG", "STAT1"}


def test_what_ships():
    sizes = {name: len(make().weights) for name, make in COLLECTIONS.items()}
    assert sizes == {"immune": 129, "interferon": 5, "proliferation": 6, "progeny": 14}
    footprints = gene_sets("progeny").weights
    assert {len(genes) for genes in footprints.values()} <= {99, 100}
    assert footprints["JAK-STAT"]["STAT1"] > 0
    assert footprints["Hypoxia"]["CA9"] > 0
    assert any(w < 0 for w in footprints["p53"].values())


def test_sets_are_spelt_as_tables_are():
    assert gene_sets({"s": ["HER2", "ERBB2", "CD8A"]}).weights == {"s": {"ERBB2": 1.0, "CD8A": 1.0}}


@pytest.mark.shared
def test_footprints_find_the_interferon_of_whole_transcriptomes(shared_data):
    """JAK-STAT activity and the published interferon signature: no gene list in common but for what interferon does."""
    x = pd.read_parquet(shared_data / "ici" / "jung2019_nsclc" / "expression.parquet").T
    activity = GeneSetsBlock("progeny", "ulm").fit_transform(cohort_of(x))
    signature = GeneSetsBlock("interferon", "singscore").fit_transform(cohort_of(x))
    found = activity.corrwith(signature["gene_sets__Ayers_IFNg6"], method="spearman")
    assert found.idxmax() == "gene_sets__JAK-STAT"
    assert found.max() > 0.7


# ---------------------------------------------------------------- what the block says


def test_sets_with_too_few_genes_are_nan_and_said(table):
    block = GeneSetsBlock({"here": ["STAT1", "IFNG"], "half away": ["STAT1", "XYZZY1"], "gone": ["XYZZY2"]})
    measured = block.fit(cohort_of(table)).measure(cohort_of(table))
    assert measured.values.notna().all().tolist() == [True, False, False]
    assert measured.coverage.unique().tolist() == [0.5]
    assert set(measured.notes) == set(table.index)
    assert "2 gene sets left out" in measured.notes[table.index[0]][0]
    assert [f.name for f in block.outputs()] == ["here", "half_away", "gone"]


def test_outputs_say_method_and_paper():
    ulm = GeneSetsBlock("progeny", "ulm").outputs()[0]
    assert (ulm.unit, ulm.reference) == ("t-value", "10.1038/s41467-017-02391-6")
    immune = {f.name: f for f in GeneSetsBlock().outputs()}
    assert immune["CytoxAct_Rooney"].reference == "PMID:25594174"
    assert all(f.reference.startswith(("10.", "PMID:")) for f in immune.values())


@pytest.mark.parametrize(
    ("block", "says"),
    [
        (GeneSetsBlock("imune"), "Did you mean 'immune'"),
        (GeneSetsBlock(method="ssgseaa"), "Did you mean 'ssgsea'"),
        (GeneSetsBlock("progeny"), "method='ulm'"),
        (GeneSetsBlock("nowhere.gmt"), "no such GMT file"),
        (GeneSetsBlock({"s": "STAT1"}), "is one text"),
    ],
)
def test_calls_that_are_wrong(table, block, says):
    with pytest.raises(UsageError) as caught:
        block.fit(cohort_of(table))
    assert says in str(caught.value)


def test_untrained_methods_that_compare_know_nothing(table):
    nobody = Cohort.from_tables({"clinical": pd.DataFrame({"age": [50]}, index=["p"])})
    for method in ("zscore", "plage", "gsva"):
        assert GeneSetsBlock(GMT, method).fit(nobody).transform(cohort_of(table)).isna().all(axis=None)
    alone = cohort_of(table.iloc[:1])
    for method in ("zscore", "plage", "gsva"):
        assert GeneSetsBlock(GMT, method).fit(alone).transform(alone).isna().all(axis=None)
