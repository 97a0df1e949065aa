"""Drift: the index by hand, no false notices by chance, and quantiles that stand for the patients themselves."""

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError
from theracast.models.drift import AS_BEFORE, DRIFTED, TOO_FEW, by_block, drift_table, stability


def test_the_index_by_hand():
    before, now = [0] * 50 + [1] * 50, [0] * 20 + [1] * 80
    by_hand = (0.2 - 0.5) * np.log(0.2 / 0.5) + (0.8 - 0.5) * np.log(0.8 / 0.5)
    assert stability(before, now) == (pytest.approx(by_hand), 2)


def test_order_and_missing_values_do_not_matter(rng):
    before, now = rng.normal(size=300), rng.normal(0.5, 1, 200)
    same = stability(before, np.append(rng.permutation(now), [np.nan] * 9))
    assert same[0] == pytest.approx(stability(before, now)[0])


def test_the_quantiles_of_a_model_stand_for_its_patients(rng):
    before, now = rng.gamma(2, 3, 4000), rng.gamma(2, 4, 1000)
    quantiles = np.quantile(before, np.linspace(0, 1, 101))
    assert stability(quantiles, now)[0] == pytest.approx(stability(before, now)[0], rel=0.15)


def test_notices_by_chance_are_rare_and_a_shift_is_seen(rng):
    """Simulated: tables of 20 columns without drift."""
    noticed = 0
    for _ in range(100):
        held = {f"b__{k}": rng.normal(size=400) for k in range(20)}
        new = pd.DataFrame({f"b__{k}": rng.normal(size=100) for k in range(20)})
        noticed += (drift_table(held, new, 400)["state"] == DRIFTED).any()
    assert noticed <= 6
    new["b__3"] += 1
    found = drift_table(held, new, 400).set_index("feature")["state"]
    assert found["3"] == DRIFTED
    assert (found.drop("3") == AS_BEFORE).all()


def test_few_values_absent_columns_and_constants(rng):
    held = {"a__x": [1.0] * 100, "a__y": rng.normal(size=99), "b__z": rng.normal(size=99)}
    new = pd.DataFrame({"a__x": 1.0, "a__y": np.nan, "b__z": rng.normal(size=60), "b__other": 1.0})
    found = drift_table(held, new)
    assert found["feature"].tolist() == ["x", "y", "z"]
    assert found["state"].tolist() == [AS_BEFORE, TOO_FEW, AS_BEFORE]
    assert found["missing"].tolist() == [0, 1, 0]
    assert by_block(found)[["block", "judged", "drifted"]].values.tolist() == [["a", 1, 0], ["b", 1, 0]]
    with pytest.raises(DataError):
        stability([1], [1], bins=1)
