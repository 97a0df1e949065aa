"""Cells of a laboratory: numbers, limits and words, by the declared decimal mark."""

import numpy as np
import pandas as pd
import pytest

from theracast.errors import UsageError
from theracast.features.censored import declared, read_cells


def one(cell, **how):
    read = read_cells(pd.DataFrame({"x": pd.Series([cell], dtype=object)}), "t", **how)
    return read.values.iloc[0, 0], int(read.censored[0, 0]), read.problems[0].code if read.problems else ""


@pytest.mark.parametrize(
    ("text", "number"),
    [("1,5", 1.5), ("1.234,5", 1234.5), ("1.234", 1234.0), ("12.345.678,9", 12345678.9), ("-0,25", -0.25), ("7", 7.0)],
)
def test_decimal_comma(text, number):
    assert one(text, decimal="comma") == (number, 0, "")


@pytest.mark.parametrize(
    ("text", "number"), [("1.5", 1.5), ("1,234.5", 1234.5), ("1,234", 1234.0), ("12'345", 12345.0), ("1 234.5", 1234.5)]
)
def test_decimal_point(text, number):
    assert one(text, decimal="point") == (number, 0, "")


@pytest.mark.parametrize("text", ["1.5", "1.23.4", "1,2,3", "1,234.5"])
def test_what_contradicts_a_decimal_comma_is_refused(text):
    assert one(text, decimal="comma")[2] == "THX-D13"


def test_numbers_stored_as_numbers_contradict_a_decimal_comma_too():
    """A CSV column of '1.234' is read as 1.234 by pandas before anybody can say that it meant 1234."""
    table = pd.DataFrame({"x": [1.234, 2.0], "y": [3.0, 4.0]})
    read = read_cells(table, "t", decimal="comma")
    assert [(p.where, p.rows) for p in read.problems] == [("t:x", (0,))]


def test_nd_is_read_as_declared():
    assert one("ND")[2] == "THX-D13"
    value, side, code = one("n.d.", nd="not detected")
    assert np.isnan(value)
    assert (side, code) == (-1, "")
    assert one("ND", nd="not done")[1:] == (0, "")


def test_declared_words():
    assert declared({"decimal": "Comma", "nd": "not_detected"}) == {"decimal": "comma", "nd": "not detected"}
    with pytest.raises(UsageError, match="decimal: comma"):
        declared({"decimal": "komma"})


def test_numbers_pass_untouched_and_minus_zero_is_zero():
    table = pd.DataFrame({"a": np.array([1.5, np.nan, -0.0], dtype=np.float32), "b": [1, 2, 3]})
    read = read_cells(table, "t")
    np.testing.assert_array_equal(read.values, [[1.5, 1], [np.nan, 2], [0, 3]])
    assert not np.signbit(read.values.iloc[2, 0])
    assert read.problems == []
    assert not read.censored.any()
    assert read_cells(table.iloc[:0], "t").values.shape == (0, 2)
    assert read_cells(table[[]], "t").values.shape == (3, 0)


def test_rows_of_problems_are_all_of_them():
    read = read_cells(pd.DataFrame({"x": ["a", "1", "a", "b", None]}), "t")
    assert [p.rows for p in read.problems] == [(0, 2, 3)]
