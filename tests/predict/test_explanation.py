"""Explanation: what it says of each value, beside its points."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from theracast.errors import UsageError
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
        percentile=frame([50.0 + 40.0 * np.sign(v - median) for v in values]),
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
        (0.01, 4.0, 4.0, 1, ""),  # neither high nor low
        (0.01, 5.0, np.nan, 1, ""),  # no training patient had it
        (np.nan, 5.0, 4.0, 1, ""),  # withheld
    ],
)
def test_what_goes_against_expectation_is_said(points, value, median, direction, said):
    assert one([points], [value], median, direction).patient("p").expectation.tolist() == [said]


@pytest.mark.parametrize(("place", "said"), [(25.0, ""), (24.0, AS_EXPECTED), (75.0, ""), (76.0, AGAINST)])
def test_the_middle_half_is_neither_high_nor_low(place, said):
    e = one([-0.01], direction=1)
    moved = replace(e, percentile=e.percentile * 0 + place)
    assert moved.patient("p").expectation.tolist() == [said]
    assert moved.expectation().loc["p"].tolist() == [said]


def test_without_pathways_and_spread_the_columns_are_there_and_empty():
    rows = one([0.01]).patient("p")
    assert rows.pathway.tolist() == [""]
    assert rows.spread.isna().all()


def test_pathways_stand_before_blocks_and_add_up():
    e = one([0.01, -0.02, 0.04], pathways={"b__0": "inflammation", "b__2": "inflammation"})
    sums = e.by_pathway()
    assert list(sums) == ["inflammation", "b"]
    assert sums.loc["p"].tolist() == pytest.approx([0.05, -0.02], abs=1e-15)
    assert (sums.sum(axis=1) - (e.probability - e.reference)).abs().max() < 1e-15


def test_what_is_withheld_is_withheld_in_sums_too():
    e = one([np.nan, np.nan], pathways={"b__0": "inflammation"})
    assert e.by_pathway().isna().all(axis=None)
    assert e.by_block().isna().all(axis=None)


@pytest.mark.parametrize(
    ("replicas", "spread", "said"),
    [
        (4, 0.1 / 1.64, True),  # t with 3 degrees of freedom: 1.638 at 80%
        (4, 0.1 / 1.63, False),
        (2, 0.1 / 3.08, True),  # and with 1: 3.078
        (2, 0.1 / 3.07, False),
        (1, np.nan, False),
        (0, np.nan, False),
    ],
)
def test_firm_is_what_is_clear_of_its_spread(replicas, spread, said):
    for points in (0.1, -0.1):
        e = one([points])
        frame = e.points * 0 + spread
        e = replace(e, spread=frame, replicas=pd.Series([replicas], index=["p"]))
        assert e.firm().loc["p"].tolist() == [said]
        assert e.patient("p").spread.tolist() == pytest.approx([spread], nan_ok=True)


def test_firm_asks_for_a_spread():
    with pytest.raises(UsageError, match="without spread"):
        one([0.1]).firm()


def test_a_contribution_of_nothing_is_never_firm():
    e = one([0.0])
    assert not replace(e, spread=e.points * 0, replicas=pd.Series([4], index=["p"])).firm().any(axis=None)
