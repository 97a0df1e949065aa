"""Places among quantiles: equal to their twin, and to what numpy finds for a few patients."""

import numpy as np
import pandas as pd
import pytest
from grid import TABLES, by_threads, over
from reference import places as twin

from theracast.kernels.places import quantile_places
from theracast.models import positions
from theracast.models.positions import percentile, percentiles


def quantiles_of(table, m=11):
    """Quantiles of each column's own finite numbers; a column without any has none."""
    out = np.full((table.shape[1], m), np.nan)
    for j, column in enumerate(np.asarray(table, dtype=np.float64).T):
        known = column[np.isfinite(column)]
        if known.size:
            out[j] = np.sort(np.quantile(known / 4, np.linspace(0, 1, m))) * 4
    return out


GRID = {name: (np.atleast_2d(table), quantiles_of(np.atleast_2d(table))) for name, table in TABLES.items()} | {
    "many share a value": (np.array([[0.0, 1.0, 5.0]]).T, np.array([[0.0] * 5 + [1.0] * 3 + [5.0] * 3])),
    "one value": (np.array([[2.0, 1.0, 3.0]]).T, np.full((1, 11), 2.0)),
    "two quantiles": (np.array([[0.0, 0.5, 1.0, -1.0, np.inf, -np.inf, np.nan]]).T, np.array([[0.0, 1.0]])),
}


@over("args", GRID)
def test_places_equal_their_twin(args):
    values, quantiles = np.asarray(args[0], dtype=np.float64), args[1]
    np.testing.assert_array_equal(quantile_places(values, quantiles), twin.quantile_places(values, quantiles))


def test_the_number_of_threads_does_not_change_a_bit():
    values = np.random.default_rng(0).normal(size=(400, 7)).round(1)
    assert len(set(by_threads(lambda: quantile_places(values, quantiles_of(values)).tobytes()))) == 1


@pytest.mark.parametrize("few", [0, 10**9], ids=["many", "few"])
def test_few_patients_and_many_have_the_same_places(few, monkeypatch):
    monkeypatch.setattr(positions, "FEW", few)
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(rng.normal(size=(300, 4)).round(1), columns=["a__w", "a__x", "a__y", "a__z"])
    frame = frame.mask(rng.random(frame.shape) < 0.2)
    reference = positions.reference_of(frame[["a__w", "a__x", "a__y"]].iloc[:100])
    found = percentiles(frame, reference)
    for name in reference:
        np.testing.assert_array_equal(found[name], percentile(frame[name].to_numpy(), reference[name]))
    assert found["a__z"].isna().all()
