"""GSVA of a table equals R's; what cannot be scored is refused."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, UsageError
from theracast.features.gsva import gsva
from theracast.kernels.gsva import bandwidths, normal_table, table_levels

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
WANTED = json.loads((GOLDEN / "gsva_r.json").read_text())
COHORTS = ("plain", "ties", "sparse", "two")


def cohort(name):
    return pd.read_csv(GOLDEN / f"gsva_{name}.csv", index_col=0, comment="#")


def golden_sets():
    table = pd.read_csv(GOLDEN / "gsva_sets.csv")
    return {name: part.gene.tolist() for name, part in table.groupby("set")}


@pytest.fixture
def table(rng):
    return pd.DataFrame(rng.normal(8, 2, (8, 60)), [f"P{i}" for i in range(8)], [f"G{i}" for i in range(60)])


SETS = {"up": ["G0", "G1", "G2"], "other": ["G10", "G20", "G30", "G40"]}


@pytest.mark.parametrize("mode", ["max_diff", "farthest"])
@pytest.mark.parametrize("name", COHORTS)
def test_scores_equal_r(name, mode):
    wanted = pd.DataFrame(WANTED[name][mode]["scores"], WANTED[name][mode]["samples"], WANTED[name][mode]["sets"])
    wanted = wanted.astype(np.float64)
    got = gsva(cohort(name), golden_sets(), max_diff=mode == "max_diff")
    pd.testing.assert_frame_equal(got[wanted.columns], wanted, rtol=0, atol=1e-9)
    assert got.columns.difference(wanted.columns).empty


@pytest.mark.parametrize("name", COHORTS)
def test_levels_equal_r(name):
    values = cohort(name)
    values = values.loc[:, values.std() > 1e-10].iloc[:, :8].to_numpy()
    got = table_levels(values, bandwidths(values), normal_table())
    np.testing.assert_allclose(got, WANTED[name]["first_levels"], rtol=0, atol=1e-13)


def test_the_table_equals_r():
    np.testing.assert_allclose(normal_table()[WANTED["table"]["at"]], WANTED["table"]["cdf"], rtol=0, atol=1e-15)


def test_the_exact_kernel_stays_near_the_table(rng):
    table = pd.DataFrame(rng.normal(8, 2, (50, 4000)))
    sets = {s: rng.choice(4000, 80, replace=False) for s in range(10)}
    assert (gsva(table, sets) - gsva(table, sets, kernel="exact")).abs().to_numpy().max() < 1e-3


@pytest.mark.parametrize("kernel", ["table", "exact"])
def test_a_raised_set_is_found(table, kernel):
    table.loc["P3", SETS["up"]] += 20
    scores = gsva(table, SETS, kernel=kernel)
    assert scores.up.idxmax() == "P3"
    assert scores.loc["P3", "up"] == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("kernel", ["table", "exact"])
def test_order_of_rows_and_columns_is_irrelevant(table, kernel):
    scores = gsva(table, SETS, kernel=kernel)
    turned = gsva(table.iloc[::-1, ::-1], SETS, kernel=kernel).loc[scores.index]
    pd.testing.assert_frame_equal(turned, scores, rtol=0, atol=1e-12)


def test_genes_that_say_nothing_are_left_out(table):
    wanted = gsva(table, SETS)
    table["CONSTANT"], table["UNMEASURED"] = 3.0, np.nan
    sets = {"up": ["CONSTANT", *SETS["up"], "UNMEASURED", "G1", "STRANGER"], "other": SETS["other"]}
    pd.testing.assert_frame_equal(gsva(table, sets), wanted)


def test_a_small_set_is_nan(table):
    scores = gsva(table, {**SETS, "none": ["X"]}, min_size=4)
    assert scores.notna().all().tolist() == [False, True, False]


def test_float32_and_input_kept(table):
    small = table.astype(np.float32)
    before = small.copy()
    pd.testing.assert_frame_equal(gsva(small, SETS), gsva(small.astype(np.float64), SETS))
    pd.testing.assert_frame_equal(small, before)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda t: t.iloc[:1], "cannot score one alone.*got: 1 patients"),
        (lambda t: t.iloc[:0], "got: 0 patients"),
        (lambda t: t.iloc[:, :0], "too few genes"),
        (lambda t: pd.concat([t, t]), "patients repeat"),
        (lambda t: pd.concat([t, t], axis=1), "genes repeat"),
        (lambda t: t.mask(t.index.to_series() == "P2"), "missing values.*got: 60 genes"),
        (lambda t: t.assign(G5=np.inf), "no finite numbers.*where: expression:G5"),
        (lambda t: t.astype(object).assign(G5="high"), "no finite numbers.*where: expression:G5"),
        (lambda t: t * 0 + 1, "too few genes.*got: 0 of 60"),
        (lambda t: t.add_prefix("ENSG"), "no set shares a gene"),
    ],
)
def test_tables_that_cannot_be_scored(table, spoil, message):
    with pytest.raises(DataError, match=message):
        gsva(spoil(table), SETS)


@pytest.mark.parametrize(
    "options",
    [
        {"kernel": "poisson"},
        {"min_size": 0},
        {"min_size": 1.5},
        {"min_size": True},
        {"sets": {}},
        {"sets": {"a": "G1"}},
    ],
)
def test_calls_that_are_wrong(table, options):
    with pytest.raises(UsageError):
        gsva(table, **{"sets": SETS, **options})
