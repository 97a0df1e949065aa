"""Landmarking: the future is not read, the weights are those of their definition, and the gain is where it is."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from theracast.errors import DataError, UsageError
from theracast.models.landmark import DynamicModel, outcome_within
from theracast.models.longitudinal import SUMMARIES
from theracast.models.metrics import auc
from theracast.models.resampling import aucs


def simulated(rng, n=400, effect=1.5):
    """Simulated: a marker at four times whose latest value moves the hazard of what follows."""
    ids = [f"p{i}" for i in range(n)]
    level = np.cumsum(rng.normal(0, 1, (n, 4)), axis=1)
    visits = pd.DataFrame(
        {"patient_id": np.repeat(ids, 4), "time": np.tile([0.0, 10.0, 20.0, 30.0], n), "marker": level.ravel()}
    )
    time, censored = rng.exponential(60 * np.exp(-effect * level[:, 1])), rng.uniform(15, 120, n)
    outcome = pd.DataFrame({"time": np.minimum(time, censored), "event": (time <= censored).astype(int)}, index=ids)
    return pd.Series(expit(rng.normal(0, 1, n)), ids), visits, outcome


def test_the_order_of_visits_does_not_matter(rng):
    baseline, visits, outcome = simulated(rng)
    shuffled = visits.sample(frac=1.0, random_state=1)
    first, second = (DynamicModel([10.0, 20.0], 30.0).fit(baseline, v, outcome) for v in (visits, shuffled))
    pd.testing.assert_series_equal(first.coef_, second.coef_)


def test_nothing_after_a_landmark_is_read(rng):
    """Permute and wreck what comes later: neither the fit nor an answer moves by a bit."""
    baseline, visits, outcome = simulated(rng)
    late = visits["time"] > 20
    wrecked = visits.copy()
    wrecked.loc[late, "marker"] = rng.permutation(wrecked.loc[late, "marker"]) * 1000
    wrecked.loc[late, "time"] += rng.uniform(0, 50, late.sum())
    model, other = (DynamicModel([10.0, 20.0], 30.0).fit(baseline, v, outcome) for v in (visits, wrecked))
    pd.testing.assert_series_equal(model.coef_, other.coef_, rtol=0, atol=0)
    for s in (10.0, 15.0, 20.0):
        same = model.predict(baseline, visits, s), model.predict(baseline, wrecked, s)
        pd.testing.assert_series_equal(*same, rtol=0, atol=0)
    earlier = visits.assign(marker=visits["marker"].where(visits["time"] > 10, 9.0))
    assert not model.predict(baseline, earlier, 10.0).equals(model.predict(baseline, visits, 10.0))


def test_who_had_the_event_before_the_landmark_is_not_counted(rng):
    baseline, visits, outcome = simulated(rng)
    model = DynamicModel([20.0], 30.0).fit(baseline, visits, outcome)
    told = model.outcome_at(outcome, 20.0)
    assert set(told.index) == set(outcome.index[outcome["time"] > 20])
    early = outcome["time"] <= 20
    moved = visits.assign(marker=visits["marker"].where(~visits["patient_id"].isin(outcome.index[early]), 99.0))
    pd.testing.assert_series_equal(DynamicModel([20.0], 30.0).fit(baseline, moved, outcome).coef_, model.coef_)


def test_the_weights_by_definition(rng):
    _, _, outcome = simulated(rng, 60)
    time, event = outcome["time"].round(), outcome["event"]
    told = outcome_within(time, event, 5, 40)

    def staying(t, before):
        kept = 1.0
        at_risk = time[time > 5]
        for u in sorted(set(at_risk)):
            if u < t or (u == t and not before):
                gone = ((at_risk == u) & (event[at_risk.index] == 0)).sum()
                left = (at_risk >= u).sum() - ((at_risk == u) & (event[at_risk.index] == 1)).sum()
                kept *= 1 - gone / left if left else 1
        return kept

    for i, row in told.iterrows():
        if np.isnan(row.y):
            assert row.weight == 0
            assert event[i] == 0
            assert time[i] <= 45
        else:
            assert row.weight == pytest.approx(1 / staying(time[i] if row.y else 45, bool(row.y)), rel=1e-12)
    assert told["weight"].sum() == pytest.approx(len(told), rel=0.05)


def test_without_censoring_the_weights_are_one_and_the_area_is_the_plain_one(rng):
    time, event = pd.Series(rng.exponential(10, 80)), pd.Series(1, range(80))
    told = outcome_within(time, event, 2.0, 8.0)
    assert (told["weight"] == 1).all()
    score = rng.normal(size=len(told)).round(1)
    assert aucs(told["y"], pd.DataFrame({"score": score}, told.index), told["weight"])["score"] == pytest.approx(
        auc(told["y"], score).value
    )


def test_a_marker_that_moves_the_hazard_is_found_on_patients_left_out(rng):
    """Simulated: the series gains, a series of noise does not."""
    for effect, gains in ((1.5, True), (0.0, False)):
        baseline, visits, outcome = simulated(rng, 800, effect)
        half = np.arange(800) < 400
        seen, unseen = baseline[half], baseline[~half]
        told = DynamicModel([10.0], 30.0).outcome_at(outcome[~half], 10.0).dropna()
        areas = []
        for uses in (SUMMARIES, ()):
            model = DynamicModel([10.0], 30.0, uses).fit(seen, visits, outcome[half])
            said = model.predict(unseen, visits, 10.0)[told.index]
            areas.append(aucs(told["y"], said.to_frame("p"), told["weight"])["p"])
        assert (areas[0] > areas[1] + 0.15) == gains


def test_a_fixed_outcome_and_patients_without_a_visit(rng):
    baseline, visits, _ = simulated(rng, 100)
    first = visits.groupby("patient_id")["marker"].first().reindex(baseline.index)
    y = (first + logit(baseline) > 0).astype(float)
    y.iloc[:10] = np.nan
    model = DynamicModel([0.0, 10.0]).fit(baseline, visits, pd.DataFrame({"y": y}))
    assert model.n_ == {0.0: 90, 10.0: 90}
    alone = model.predict(baseline, visits.iloc[:0], 0.0)
    assert alone.between(0, 1).all()
    assert alone.nunique() > 50  # from the baseline


def test_a_baseline_that_stands_the_wrong_way_round_is_not_read(rng):
    baseline, visits, _ = simulated(rng, 200)
    y = pd.Series((rng.random(200) > baseline).astype(float), baseline.index)
    wrong = DynamicModel([10.0], uses=()).fit(baseline, visits, pd.DataFrame({"y": y}))
    assert not wrong.baseline_used_
    assert wrong.predict(baseline, visits, 10.0).std() == 0
    right = wrong.fit(1 - baseline, visits, pd.DataFrame({"y": y}))
    assert right.baseline_used_
    assert right.predict(1 - baseline, visits, 10.0).corr(baseline) < -0.9


def test_what_is_refused(rng):
    baseline, visits, outcome = simulated(rng, 50)
    with pytest.raises(DataError, match="THX-D24"):
        DynamicModel([10.0], 30.0).fit(baseline, visits, outcome.assign(event=0))
    with pytest.raises(DataError, match="same patients"):
        DynamicModel([10.0], 30.0).fit(baseline, visits, outcome.iloc[::-1])
    with pytest.raises(UsageError, match="needs a landmark"):
        DynamicModel([], 30.0).fit(baseline, visits, outcome)
