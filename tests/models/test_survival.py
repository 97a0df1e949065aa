"""Survival measures: equal to lifelines and scikit-survival, right by hand, and clear about bad input."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from theracast.errors import DataError
from theracast.models.survival import brier_ipcw, concordance, kaplan_meier

_FOLDER = Path(__file__).resolve().parents[1] / "golden"
GOLDEN = json.loads((_FOLDER / "survival_lifelines.json").read_text())
BRIER = json.loads((_FOLDER / "brier_sksurv.json").read_text())
TIME, EVENT, RISK = (np.array(GOLDEN[k]) for k in ("time", "event", "risk"))


def test_equal_to_lifelines():
    assert concordance(TIME, EVENT, RISK) == pytest.approx(GOLDEN["concordance"], abs=1e-14)
    table = kaplan_meier(TIME, EVENT)
    assert table.index.tolist() == [float(k) for k in GOLDEN["survival"]]
    np.testing.assert_allclose(table["survival"], list(GOLDEN["survival"].values()), rtol=0, atol=1e-14)
    assert table["at_risk"].iloc[0] == table[["events", "censored"]].to_numpy().sum() == 80


@pytest.mark.parametrize("cohort", ["distinct", "tied"])
def test_equal_to_scikit_survival(cohort):
    """At tied times both take G just before the event; see make_brier.py."""
    known = BRIER[cohort]
    found = [brier_ipcw(known["time"], known["event"], known["survival"], h) for h in known["horizons"]]
    np.testing.assert_allclose(found, known["brier"], rtol=0, atol=1e-12)


def test_concordance_turns_with_the_risk_and_ignores_the_order(rng):
    value, order = concordance(TIME, EVENT, RISK), rng.permutation(80)
    assert concordance(TIME, EVENT, -RISK) == pytest.approx(1 - value, abs=1e-14)
    assert concordance(TIME[order], EVENT[order], RISK[order]) == value
    assert concordance(TIME, EVENT, 0 * RISK) == 0.5


def test_without_censoring_the_brier_score_is_the_plain_one(rng):
    alive, everyone = rng.random(80), np.ones(80)
    for horizon in (0.5, 3, 100):
        plain = np.mean(((horizon < TIME) - alive) ** 2)
        assert brier_ipcw(TIME, everyone, alive, horizon) == pytest.approx(plain, rel=1e-12)


def test_the_weights_of_the_brier_score_by_definition(rng):
    alive, horizon = rng.random(80), 7.0

    def staying(t, included):
        """Product over censoring times up to t; events at a time leave the risk set first."""
        out = 1.0
        for c in sorted(set(TIME[EVENT == 0])):
            if c < t or (included and c == t):
                risk = (c < TIME).sum() + ((c == TIME) & (EVENT == 0)).sum()
                out *= 1 - ((c == TIME) & (EVENT == 0)).sum() / risk
        return out

    parts = []
    for t, e, p in zip(TIME, EVENT, alive, strict=True):
        if t <= horizon:
            parts.append(p**2 / staying(t, False) if e else 0.0)
        else:
            parts.append((1 - p) ** 2 / staying(horizon, True))
    assert brier_ipcw(TIME, EVENT, alive, horizon) == pytest.approx(np.mean(parts), rel=1e-12)


def test_the_weighted_brier_score_is_fair_under_censoring(rng):
    """Mean over cohorts censored at random is the score without censoring."""
    found, wanted = [], []
    for _ in range(300):
        time, gone = rng.exponential(5, 200), rng.exponential(8, 200)
        alive = np.clip(0.5 + rng.normal(0, 0.2, 200), 0, 1)
        found.append(brier_ipcw(np.minimum(time, gone), time <= gone, alive, 3.0))
        wanted.append(np.mean(((time > 3.0) - alive) ** 2))
    assert np.mean(found) == pytest.approx(np.mean(wanted), abs=0.003)


def test_what_cannot_be_estimated():
    assert np.isnan(concordance([1, 2], [0, 0], [1, 2]))
    assert np.isnan(concordance([], [], []))
    assert np.isnan(brier_ipcw([1, 2], [0, 0], [0.5, 0.5], 5))
    assert np.isnan(brier_ipcw([], [], [], 5))
    assert kaplan_meier([], []).empty


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: concordance([1, -2], [1, 1], [1, 2]), "negative or infinite"),
        (lambda: concordance([1, 2], [1, 2], [1, 2]), "other values than 0 and 1"),
        (lambda: concordance([1, 2], [1, 1], [1, np.nan]), "missing"),
        (lambda: kaplan_meier([1, 2], [1]), "unequal lengths"),
        (lambda: brier_ipcw([1, 2], [1, 1], [0.5, 1.5], 1), "outside 0-1"),
    ],
)
def test_mistakes_are_named(call, says):
    with pytest.raises(DataError, match=says):
        call()


def test_each_patient_seven_times_changes_nothing(rng):
    """Long columns are sorted by another program than short ones."""
    time, event, risk = np.round(rng.exponential(9, 900), 1), rng.integers(0, 2, 900), np.round(rng.normal(size=900), 1)
    seven = np.tile([time, event, risk], 7)
    once, often = kaplan_meier(time, event), kaplan_meier(seven[0], seven[1])
    np.testing.assert_allclose(often["survival"], once["survival"], rtol=1e-12)
    pd.testing.assert_frame_equal(often.drop(columns="survival"), 7 * once.drop(columns="survival"))
    assert concordance(*seven) == pytest.approx(concordance(time, event, risk), rel=1e-14)
