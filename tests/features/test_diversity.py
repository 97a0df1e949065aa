"""Community distances: equal to scikit-bio, with clear words for bad trees and tables."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError, UsageError
from theracast.features.diversity import bray_curtis, faith_pd, read_newick, unifrac

GOLDEN = json.loads((Path(__file__).resolve().parents[1] / "golden" / "diversity_skbio.json").read_text())
TREE = read_newick(GOLDEN["newick"])
TABLE = pd.DataFrame(GOLDEN["counts"], columns=GOLDEN["taxa"], index=[f"s{i}" for i in range(len(GOLDEN["counts"]))])
FOUND = {
    "bray_curtis": bray_curtis,
    "unweighted": lambda t: unifrac(t, TREE),
    "weighted": lambda t: unifrac(t, TREE, weighted=True),
    "normalized": lambda t: unifrac(t, TREE, weighted=True, normalized=True),
    "faith_pd": lambda t: faith_pd(t, TREE),
}


@pytest.mark.parametrize("name", FOUND)
def test_equal_to_scikit_bio(name):
    np.testing.assert_allclose(FOUND[name](TABLE), GOLDEN[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", FOUND)
def test_columns_in_any_order_and_fewer_samples(name):
    wanted, before = FOUND[name](TABLE), TABLE.copy()
    pd.testing.assert_frame_equal(TABLE, before)
    mixed = FOUND[name](TABLE.iloc[::-1, ::-1]).loc[TABLE.index]
    np.testing.assert_allclose(mixed if name == "faith_pd" else mixed[TABLE.index], wanted, rtol=1e-12, atol=1e-14)
    few = FOUND[name](TABLE.iloc[:2])
    np.testing.assert_allclose(few, wanted.iloc[:2] if name == "faith_pd" else wanted.iloc[:2, :2], rtol=1e-12)
    assert FOUND[name](TABLE.iloc[:0]).empty


@pytest.mark.parametrize("name", [n for n in FOUND if n != "faith_pd"])
def test_a_sample_is_itself_and_an_empty_one_is_far(name):
    table = TABLE.copy()
    table.iloc[:2] = 0
    found = FOUND[name](table).to_numpy()
    assert (np.diag(found) == 0).all()
    assert found[0, 1] == 0
    assert found[3, 4] == 0  # equal samples
    if name != "weighted":
        assert found[0, 3] == pytest.approx(1, abs=1e-14)


def test_newick_by_hand():
    tree = read_newick(" ( 'it''s' :1e-1, [a comment] (b_1:2,c)inner:3 )root ; ")
    assert tree.tips == {"it's": 0, "b_1": 1, "c": 2}
    assert tree.parent.tolist() == [4, 3, 3, 4, -1]
    assert tree.lengths.tolist() == [0.1, 2.0, 0.0, 3.0, 0.0]
    assert read_newick("a;").tips == {"a": 0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not complete"),
        ("(a:1,b:2)", "not complete"),
        ("(a:1,b:2;", "brackets"),
        ("a:1,b:2);", "brackets"),
        ("a,b;", "brackets"),
        ("(a:1,a:2);", "one name"),
        ("(a:1,:2);", "no name"),
        ("(a:x,b:2);", "no number"),
        ("(a:-1,b:2);", "negative"),
        ("(a:,b:2);", "not complete"),
        ("(a,b);c", "after|follows"),
    ],
)
def test_bad_trees_are_named(text, says):
    with pytest.raises(DataError, match=says):
        read_newick(text)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: bray_curtis(TABLE.replace(0, np.nan)), DataError, "missing"),
        (lambda: bray_curtis(TABLE - 100), DataError, "negative"),
        (lambda: bray_curtis(TABLE.astype(str) + "x"), DataError, "wanted numbers"),
        (lambda: unifrac(TABLE.rename(columns={"t3": "other"}), TREE), DataError, "not in the tree"),
        (lambda: unifrac(TABLE, TREE, normalized=True), UsageError, "normalised already"),
    ],
)
def test_mistakes_are_named(call, error, says):
    with pytest.raises(error, match=says):
        call()
