"""Explanation: what it says of each value, beside its points."""

import numpy as np
import pandas as pd
import pytest

from theracast.predict.explanation import AGAINST, AS_EXPECTED, Explanation


def one(points, values=(5.0,), median=4.0, direction=1, **more):
    """Return the explanation of one patient with as many features as points."""
    names = [f"b__{k}" for k in range(len(points))]

    def frame(cells):
        return pd.DataFrame([list(cells)], index=["p"], columns=names)

    values = list(values) * (len(names) // len(values))
    return Explanation(
        probability=pd.Series([0.5], index=["p"]),
        reference=pd.Series([0.5 - float(np.nansum(points))], index=["p"]),
        points=frame(points),
        values=frame(values),
        proxy=frame([False] * len(names)),
        percentile=frame([50.0] * len(names)),
        median=pd.Series(median, index=names, dtype=float),
        units=dict.fromkeys(names, ""),
        about=dict.fromkeys(names, "a thing"),
        residual=pd.Series([0.0], index=["p"]),
        cohort="s",
        directions=dict.fromkeys(names, direction),
        **more,
    )


@pytest.mark.parametrize(
    ("points", "value", "median", "direction", "said"),
    [
        (0.01, 5.0, 4.0, 1, AS_EXPECTED),
        (-0.01, 5.0, 4.0, 1, AGAINST),
        (-0.01, 3.0, 4.0, 1, AS_EXPECTED),
        (0.01, 3.0, 4.0, 1, AGAINST),
        (0.01, 5.0, 4.0, -1, AGAINST),
        (0.01, 5.0, 4.0, 0, ""),  # nothing was expected
        (-0.00049, 5.0, 4.0, 1, ""),  # printed as zero
        (-0.0005, 5.0, 4.0, 1, AGAINST),
        (0.01, 4.0, 4.0, 1, ""),  # on neither side
        (0.01, 5.0, np.nan, 1, ""),  # no training patient had it
        (np.nan, 5.0, 4.0, 1, ""),  # withheld
    ],
)
def test_what_goes_against_expectation_is_said(points, value, median, direction, said):
    assert one([points], [value], median, direction).patient("p").expectation.tolist() == [said]


def test_without_pathways_and_spread_the_columns_are_there_and_empty():
    rows = one([0.01]).patient("p")
    assert rows.pathway.tolist() == [""]
    assert rows.spread.isna().all()
