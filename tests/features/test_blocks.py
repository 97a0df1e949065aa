"""The contract of every block: one list of promises, held against each."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from theracast.errors import DataError
from theracast.features.blocks import BLOCKS
from theracast.features.blocks.mutations import MutationsBlock
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort

#: Blocks that are also held against forty real patients; the others against their own example.
REAL = ("clinical", "pathology", "mutations", "signatures")


def forty():
    """Forty real patients with stains, genes and set means, and a made-up rest."""
    rng = np.random.default_rng(3)
    real = load_cohort("imvigor210_uc")
    ids = real.ids[:40]
    tables = {k: t.loc[t.index.intersection(ids)] for k, t in real.tables.items()}
    n = len(tables["clinical"])
    made = {
        "age": rng.integers(30, 95, n).astype(float),
        "sex": rng.choice(["M", "female", "unknown"], n),
        "stage": rng.choice(["III", "M1a", "M1c", "odd"], n),
        "ecog": rng.integers(0, 3, n),
        "ldh": rng.uniform(120, 900, n),
        "prior_treatment": rng.choice(["yes", "no"], n),
    }
    tables["clinical"] = tables["clinical"].assign(**made)
    return {**tables, "signatures": tables["signatures"].iloc[::2]}


def with_nobody(tables):
    """One more patient, known by id alone."""
    ids = dict.fromkeys(i for t in tables.values() for i in t.index)
    clinical = tables.get("clinical", pd.DataFrame(index=pd.Index(list(ids), name="patient_id")))
    clinical = clinical.reindex([*clinical.index, "nobody"])
    return {"clinical": clinical, **{k: t for k, t in tables.items() if k != "clinical"}}


def test_every_block_is_listed_under_the_name_in_its_spec():
    assert {name: kind.spec.name for name, kind in BLOCKS.items()} == {name: name for name in BLOCKS}


def test_a_model_of_two_blocks_does_not_wait_for_the_others_or_for_numba():
    ask = (
        "import sys; from theracast.features.blocks import BLOCKS; BLOCKS['clinical'], BLOCKS['signatures'];"
        "print(*[m for m in sys.modules if m == 'numba' or m.startswith('theracast.features.blocks.')])"
    )
    loaded = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout.split()
    assert {m.rpartition(".")[2] for m in loaded} == {"clinical", "signatures"}


@pytest.fixture(params=[*((n, "example") for n in BLOCKS), *((n, "real") for n in REAL)], ids="-".join)
def case(request):
    name, kind = request.param
    return BLOCKS[name], with_nobody(forty() if kind == "real" else BLOCKS[name].example())


@pytest.fixture
def block(case):
    return case[0]()


@pytest.fixture
def cohort(case):
    return Cohort.from_tables(case[1])


def bits(frame):
    return frame.to_numpy(dtype=np.float64).tobytes()


def shuffled(cohort, rng):
    """The same patients, every table with its rows and columns in another order."""
    given = {**cohort.tables, **cohort.events}
    tables = {k: t.iloc[rng.permutation(len(t)), rng.permutation(t.shape[1])] for k, t in given.items()}
    return Cohort.from_tables(tables)


def test_clone_and_params(block):
    again = clone(block)
    assert again.get_params() == block.get_params()
    assert type(again) is type(block)
    for name, value in block.get_params().items():
        assert block.set_params(**{name: value}).get_params()[name] == value


def test_names_out_are_the_columns(block, cohort):
    out = block.fit_transform(cohort)
    assert out.columns.tolist() == block.get_feature_names_out().tolist() == list(block.names)
    assert all(c.startswith(f"{block.spec.name}__") for c in out.columns)
    assert set(out.dtypes) <= {np.dtype("float64"), np.dtype("float32")}
    assert out.index.tolist() == cohort.ids.tolist()
    assert out.notna().any().any()


def test_what_is_said_of_each_column(block, cohort):
    for feature in block.fit(cohort).outputs():
        assert feature.unit, feature.name
        assert feature.about, feature.name
        assert feature.reference.startswith(("10.", "PMID:")), feature.name
    for column in block.spec.inputs:
        assert column.about, column.name
        assert column.example, column.name


def test_proxy_and_coverage(block, cohort):
    measured = block.fit(cohort).measure(cohort)
    for mask in (measured.proxy, measured.censored):
        assert mask.index.tolist() == cohort.ids.tolist()
        assert set(mask.columns) <= set(measured.values.columns)
        assert not (mask.astype(bool) & measured.values[mask.columns].isna()).any(axis=None)
    assert measured.censored.isin([-1, 0, 1]).all(axis=None)
    assert measured.coverage.between(0, 1).all()
    assert set(measured.notes) <= set(cohort.ids)


def test_order_of_rows_and_columns_does_not_change_a_bit(block, cohort, rng):
    other = shuffled(cohort, rng)
    wanted = block.fit(cohort).transform(cohort)
    got = clone(block).fit(other).transform(other)
    assert bits(got.loc[wanted.index]) == bits(wanted)


def test_some_patients_get_the_same_rows(block, cohort):
    crowd = block.fit(cohort).transform(cohort)
    some = cohort.ids[[len(cohort) // 2, 1, 0]]
    assert bits(block.transform(cohort.subset(some))) == bits(crowd.loc[some])
    for i in cohort.ids[::8]:
        assert bits(block.transform(cohort.subset([i]))) == bits(crowd.loc[[i]])


def test_a_patient_with_every_table_missing(block, cohort):
    alone = block.fit(cohort).measure(cohort.subset(["nobody"]))
    assert alone.values.isna().all(axis=None)
    assert alone.coverage.tolist() == [0.0]
    nothing = Cohort.from_tables({"other": pd.DataFrame({"x": [1.0]}, index=["p"])})
    assert block.transform(nothing).isna().all(axis=None)
    assert clone(block).fit(nothing).transform(cohort).shape[0] == len(cohort)


def test_stored_as_json_and_read_back(block, cohort):
    """What a block learns is numbers and words: a model of it is stored without pickle."""
    wanted = block.fit(cohort).transform(cohort)
    learned = {k: v for k, v in vars(block).items() if k.endswith("_")}
    again = clone(block)
    for name, value in json.loads(json.dumps(learned)).items():
        setattr(again, name, value)
    assert bits(again.transform(cohort)) == bits(wanted)
    assert again.names == block.names


def test_no_patients(block, cohort):
    assert block.fit(cohort).transform(cohort.subset([])).shape == (0, len(block.names))


def test_input_is_not_modified(block, cohort):
    given = {**cohort.tables, **cohort.events}
    before = {k: t.copy(deep=True) for k, t in given.items()}
    block.fit(cohort).transform(cohort)
    for k, t in given.items():
        pd.testing.assert_frame_equal(t, before[k])


def test_a_wide_table_gives_the_same(block, cohort):
    if cohort.events:
        pytest.skip("events have no place in a wide table")
    part = cohort.subset(cohort.ids[:6])
    assert bits(block.fit(cohort).transform(part.wide())) == bits(block.transform(part))


def test_refusal_stops_fit_and_transform():
    wrong = Cohort.from_tables({"clinical": pd.DataFrame({"age": [61, -1]}, index=["a", "b"])})
    with pytest.raises(DataError, match=r"THX-D15.*rows? 2"):
        BLOCKS["clinical"]().fit(wrong)
    with pytest.raises(DataError, match="THX-D15"):
        BLOCKS["clinical"]().transform(wrong)


@pytest.mark.parametrize(
    ("unit", "value", "place"),
    [
        ("SP142 IHC immune cell level 0/1/2+", 0, 1 / 6),
        ("IC level", 2, 5 / 6),
        ("TPS %", 1, 1 / 3),
        ("tumour proportion score %", 50, 2 / 3),
        ("22C3 CPS", 10, 2 / 3),
        ("IHC tumour membrane >=1% (0/1)", 1, 2 / 3),
    ],
)
def test_pdl1_is_placed_by_the_cut_points_of_its_assay(unit, value, place):
    table = pd.DataFrame({"pdl1": [value], "pdl1_unit": [unit]}, index=["p"])
    got = BLOCKS["pathology"]().fit_transform(Cohort.from_tables({"pathology": table}))
    assert got.iloc[0, 0] == pytest.approx(place)


def test_tmb_by_hand():
    table = pd.DataFrame(
        {
            "tmb": [500.0, 12.0, 24.0, 9.5],
            "tmb_unit": ["nonsynonymous count (exome)", "mut/Mb", "count (panel)", "mut/Mb (FMOne panel)"],
            "panel_mb": [np.nan, np.nan, 1.2, 1.1],
        },
        index=list("abcd"),
    )
    got = BLOCKS["mutations"]().fit_transform(Cohort.from_tables({"mutations": table})).iloc[:, 0]
    assert got.tolist() == pytest.approx([10.0, 12.0, 20.0, 9.5])


def test_unknown_words_are_unknown_and_said():
    table = pd.DataFrame({"stage": ["m1c", "T4 maybe", "not available"]}, index=list("abc"))
    measured = BLOCKS["clinical"]().measure(Cohort.from_tables({"clinical": table}))
    np.testing.assert_array_equal(measured.values["stage"], [4.0, np.nan, np.nan])
    assert list(measured.notes) == ["b"]
    assert "T4" not in str(measured.notes)


def test_counts_over_unknown_territory_are_refused_or_ranked():
    def cohort(tmb, unit):
        return Cohort.from_tables({"mutations": pd.DataFrame({"tmb": tmb, "tmb_unit": unit}, index=list("abc"))})

    known, unknown = cohort([1.0, 5.0, 9.0], "mut/Mb"), cohort([70.0, 300.0, 10.0], "nonsynonymous count")
    assert MutationsBlock().fit(known).check(unknown)[0].rows == (0, 1, 2)
    block = MutationsBlock(sizeless="rank").fit(known)
    measured = block.measure(unknown)
    assert measured.values["tmb"].rank().tolist() == [2.0, 3.0, 1.0]
    assert measured.values["tmb"].between(1.0, 9.0).all()
    assert measured.proxy["tmb"].all()
    assert "rank" in measured.notes["a"][0]
