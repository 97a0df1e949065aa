"""Drivers of a ranking: by hand, and of the selector, where they add up."""

import numpy as np
import pandas as pd
import pytest

from theracast.errors import UsageError
from theracast.models.drivers import drivers_of, margins_of
from theracast.models.fingerprint import by_block
from theracast.models.selector import TherapySelector

NAN = np.nan


def by_hand(X):
    return pd.DataFrame({"one": 2 * X["a__x"].fillna(0) - X["b__y"], "two": X["b__y"] * 0, "three": NAN}, index=X.index)


def test_by_hand():
    patient = pd.DataFrame({"a__x": [3.0], "b__y": [1.0], "b__z": [4.0]}, index=["p"])
    got = drivers_of(by_hand, patient, {"a__x": 1.0, "b__y": 0.5})
    wanted = [[4.0, -0.5, NAN], [0.0, 0.0, NAN], [NAN] * 3]  # z has no typical value, three no margin
    np.testing.assert_equal(got.loc[["one", "two", "three"]].to_numpy(), wanted)
    assert got.columns.tolist() == patient.columns.tolist()


def test_what_is_not_known_had_no_say():
    patient = pd.DataFrame({"a__x": [NAN], "b__y": [1.0]}, index=["p"])
    got = drivers_of(by_hand, patient, {"a__x": 1.0, "b__y": 0.5})
    assert got["a__x"].isna().all()
    assert by_block(got).loc["one", "b"] == -0.5


@pytest.mark.parametrize("n", [0, 2])
def test_only_of_one_patient(n):
    with pytest.raises(UsageError, match="one patient"):
        drivers_of(by_hand, pd.DataFrame({"a__x": [1.0] * n, "b__y": [1.0] * n}), {})


def test_margins_by_hand():
    got = margins_of(pd.DataFrame({"a": [0.5, 0.75, NAN, 0.0]}))["a"]
    np.testing.assert_allclose(got, [0.0, np.log(3.0), NAN, np.log(1e-12)], rtol=1e-6)


def test_parts_of_a_t_learner_add_up():
    """SIMULATED: two therapies, each with a block that matters to it."""
    rng = np.random.default_rng(4)
    X = pd.DataFrame(rng.normal(size=(400, 4)), columns=["rna__a", "rna__b", "lipid__c", "lipid__d"])
    X.index = [f"p{i}" for i in range(400)]
    treatment = rng.choice(["red", "blue"], 400)
    margin = np.where(treatment == "red", 2 * X["rna__a"], 2 * X["lipid__c"])
    y = (rng.random(400) < 1 / (1 + np.exp(-margin))).astype(int)
    selector = TherapySelector("t").fit(X, treatment, y)

    def margins(rows):
        return margins_of(selector.rank(rows).wide("probability"))

    typical = X.median()
    patient = X.iloc[[int((X["rna__a"].abs() + X["lipid__c"].abs()).argsort().iloc[200])]]
    parts = drivers_of(margins, patient, typical.to_dict())
    change = margins(patient).iloc[0] - margins(typical.to_frame("typical").T).iloc[0]
    np.testing.assert_allclose(parts.sum(axis=1), change[parts.index], atol=1e-9)
    heaviest = parts.abs().idxmax(axis=1)
    assert heaviest.to_dict() == {"red": "rna__a", "blue": "lipid__c"}
