"""Filling gaps: from training patients only, marked in every cell, and never where a block is not known at all."""

import numpy as np
import pandas as pd
import pytest
from matrices import bits, matrix_of
from sklearn.base import clone
from sklearn.impute import KNNImputer

from theracast.errors import DataError, UsageError
from theracast.features.matrix import FeatureMatrix
from theracast.features.missing import MatrixImputer


@pytest.fixture
def matrix(rng):
    """SIMULATED: 60 patients, gaps in 15% of the cells, block b unknown for every seventh, one column never known."""
    values = rng.normal(size=(60, 1)) + rng.normal(0, 0.5, (60, 11)) * rng.uniform(0.1, 50, 11)
    values[rng.random(values.shape) < 0.15] = np.nan
    values[::7, 6:] = np.nan
    values[:, 4] = np.nan
    return matrix_of(values)


@pytest.fixture
def split(matrix):
    return matrix.subset(np.arange(40)), matrix.subset(np.arange(40, 60))


WAYS = pytest.mark.parametrize("how", ["nearest", "median"])


@WAYS
def test_every_filled_cell_is_marked(how, split):
    train, test = split
    imputer = MatrixImputer(how).fit(train)
    filled = imputer.transform(test)
    gaps = test.values.isna()
    new = gaps & filled.values.notna()
    assert new.any(axis=None)
    assert new[list(imputer.mask(test))].equals(imputer.mask(test))
    assert filled.proxy.equals(new)
    assert bits(filled.values.where(~new)) == bits(test.values), "what was measured stays to the last bit"
    assert filled.values.dtypes.equals(test.values.dtypes)
    for name in test.values:
        kind = filled.lineage[name].kind
        assert kind == ("mixed" if new[name].any() else test.lineage[name].kind), name
        assert (imputer.source_ in filled.lineage[name].sources) == bool(new[name].any())
    for i in test.values.index:
        said = [line for line in filled.notes.get(i, []) if "guess" in line]
        assert len(said) == int(new.loc[i].any())
    pd.testing.assert_frame_equal(filled.coverage, test.coverage)
    assert filled.digests.equals(test.digests)


@WAYS
def test_a_block_of_which_nothing_is_known_stays_missing(how, split):
    train, test = split
    nothing = ~test.present()["b"].to_numpy()
    assert nothing.any()
    filled = MatrixImputer(how).fit(train).transform(test)
    assert filled.block("b")[nothing].isna().all(axis=None)
    assert filled.present().equals(test.present())
    whole = MatrixImputer(how, whole_blocks=True).fit(train).transform(test)
    assert whole.block("b").notna().all(axis=None)
    assert whole.values["a__f4"].isna().all(), "no training patient has it"


@WAYS
def test_no_test_patient_has_a_say(how, split, rng):
    """Not in the parameters, not in the fill: to the last bit, whatever the other rows hold, alone or in a crowd."""
    train, test = split
    imputer = MatrixImputer(how, whole_blocks=True).fit(train)
    crowd = imputer.transform(test).values
    other = matrix_of(np.vstack([test.values.iloc[[0]].to_numpy(), rng.normal(90, 30, (19, 11))]))
    assert bits(imputer.transform(other).values.iloc[[0]]) == bits(crowd.iloc[[0]])
    for i in range(len(test)):
        assert bits(imputer.transform(test.subset([i])).values) == bits(crowd.iloc[[i]])
    back = imputer.transform(test.subset(np.arange(20)[::-1])).values
    assert bits(back.iloc[::-1]) == bits(crowd)
    leaky = MatrixImputer(how, whole_blocks=True).fit(other).transform(test).values
    assert bits(leaky) != bits(crowd), "a fit on other rows gives another fill: the test can fail"


@pytest.mark.parametrize("seed", [2, 5])
def test_donors_equally_near_are_chosen_alike_alone_and_in_a_crowd(seed):
    """The last bit of a distance, which depends on how many rows a product has, would decide between them."""
    rng = np.random.default_rng(seed)
    base = rng.normal(size=(20, 11))
    donors = np.repeat(base, 3, axis=0)
    donors[:, 10] = rng.normal(size=60)
    donors = donors[rng.permutation(60)]
    values = base[rng.integers(0, 20, 19)] + rng.normal(0, 0.1, (19, 11))
    values[:, 10] = np.nan
    imputer, test = MatrixImputer(n_neighbors=2, whole_blocks=True).fit(matrix_of(donors)), matrix_of(values)
    crowd = imputer.transform(test).values
    for i in range(len(test)):
        assert bits(imputer.transform(test.subset([i])).values) == bits(crowd.iloc[[i]])


def test_nearest_as_scikit_learn_on_scaled_columns(split):
    train, test = split
    known = train.values.drop(columns="a__f4").astype(np.float64)
    spread = known.std(ddof=0)
    wanted = (
        KNNImputer(n_neighbors=3).fit(known / spread).transform(test.values[known.columns] / spread) * spread.values
    )
    got = MatrixImputer(n_neighbors=3, whole_blocks=True).fit(train).transform(test).values[known.columns]
    np.testing.assert_allclose(got, wanted, rtol=1e-6)


def test_median_by_hand(split):
    train, test = split
    got = MatrixImputer("median", blocks=["a"]).fit(train).transform(test)
    gap = test.values["a__f0"].isna() & test.present()["a"]
    assert gap.any()
    assert set(got.values["a__f0"][gap]) == {train.values["a__f0"].median()}
    assert bits(got.block("b")) == bits(test.block("b")), "only the blocks named"


@WAYS
def test_indicators(how, split):
    train, test = split
    filled = MatrixImputer(how, indicators=True).fit(train).transform(test)
    flag = filled.values["b__f1_missing"]
    present = test.present()["b"]
    assert flag.isna().equals(~present), "of a block that is not known nothing is said"
    assert (flag[present] == test.values["b__f1"][present].isna()).all()
    assert filled.values.columns.tolist().index("b__f0_missing") > filled.values.columns.tolist().index("b__f4")
    assert filled.lineage["b__f1_missing"].unit == "0/1"
    assert filled.present().equals(test.present())
    assert list(filled.lineage) == filled.values.columns.tolist()


def test_earlier_stand_ins_stay_marked(rng):
    values = rng.normal(size=(9, 11))
    values[0, 1] = np.nan
    proxies = pd.DataFrame({"a__f0": np.arange(9) < 2})
    filled = MatrixImputer("median").fit_transform(matrix_of(values, proxies))
    assert filled.proxies.columns.tolist() == ["a__f0", "a__f1"]
    assert filled.proxy["a__f0"].sum() == 2
    assert filled.proxy["a__f1"].sum() == 1


def test_what_cannot_be_is_refused(split):
    train, test = split
    with pytest.raises(UsageError, match="nearest"):
        MatrixImputer("zero").fit(train)
    with pytest.raises(UsageError, match="block"):
        MatrixImputer(blocks=["c"]).fit(train)
    fitted = MatrixImputer().fit(train)
    short = matrix_of(test.values.to_numpy())
    narrow = FeatureMatrix(
        short.values.iloc[:, 1:], short.proxies, short.coverage, short.lineage, {}, short.digests, short.studies
    )
    with pytest.raises(DataError, match="THX-D08"):
        fitted.transform(narrow)
    assert clone(fitted).get_params() == fitted.get_params()


@WAYS
def test_nobody_and_nothing(how, split):
    train, test = split
    assert len(MatrixImputer(how).fit(train).transform(test.subset(np.arange(0)))) == 0
    blank = matrix_of(np.full((3, 11), np.nan))
    assert MatrixImputer(how, whole_blocks=True).fit(blank).transform(blank).values.isna().all(axis=None)
