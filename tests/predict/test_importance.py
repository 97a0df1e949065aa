"""Importance: mean absolute points by cohort; what was not measured is not unimportant; a handful tells nothing."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from explanations import FEATURES, explained

from theracast.errors import UsageError
from theracast.predict.importance import ALL, FEW, NOT_MEASURED, TOO_FEW, importance, stability


@pytest.fixture
def e():
    return explained(90)


def points(rows, level, name, cohort=ALL):
    one = rows[(rows.level == level) & (rows.name == name) & (rows.cohort == cohort)]
    return one.points.item()


def test_means_of_absolute_points_per_cohort_and_over_all(e):
    rows = importance(e)
    for f in FEATURES:
        assert points(rows, "feature", f) == pytest.approx(e.points[f].abs().mean(), abs=1e-15)
        for study in e.studies.unique():
            mine = e.points[e.studies == study][f].abs().mean()
            assert points(rows, "feature", f, study) == pytest.approx(mine, abs=1e-15)
    clinical = e.points.filter(like="clinical__").sum(axis=1).abs().mean()
    assert points(rows, "block", "clinical") == pytest.approx(clinical, abs=1e-15)
    assert points(rows, "pathway", "antigens") == points(rows, "feature", "mutations__tmb")
    assert set(rows[rows.level == "pathway"].name) == {"antigens", "checkpoint"}
    assert (rows[rows.cohort == ALL].n == 90).all()
    assert (rows[rows.cohort != ALL].n == 30).all()


def test_the_heaviest_comes_first(e):
    rows = importance(e)
    one = rows[(rows.level == "feature") & (rows.cohort == ALL)]
    assert one.points.is_monotonic_decreasing


def test_withheld_explanations_do_not_count(e):
    e.points.loc[e.points.index[:30]] = np.nan
    rows = importance(e)
    assert (rows[rows.cohort == ALL].n == 60).all()
    assert points(rows, "feature", "mutations__tmb") == pytest.approx(e.points.mutations__tmb.abs().mean())


def test_what_was_not_measured_is_not_unimportant(e):
    here = (e.studies == "simulated_0").to_numpy()
    e.values.loc[here, "mutations__tmb"] = np.nan
    e.points.loc[here, "mutations__tmb"] = 0.0
    assert np.isnan(points(importance(e), "feature", "mutations__tmb", "simulated_0"))
    assert np.isnan(stability(e).ranks.loc["mutations__tmb", "simulated_0"])
    both = here | (e.studies == "simulated_1").to_numpy()
    e.values.loc[both, "mutations__tmb"] = np.nan
    assert stability(e).marks["mutations__tmb"] == TOO_FEW
    e.values["mutations__tmb"] = np.nan
    assert stability(e).marks["mutations__tmb"] == NOT_MEASURED


def test_cohorts_that_agree_have_a_tau_of_one():
    e = explained(60, missing=0.0)
    once = e.points.iloc[:20]
    points = pd.concat([once, once, once]).set_axis(e.points.index)
    blocks = pd.Series(np.repeat(["simulated_a", "simulated_b", "simulated_c"], 20), index=e.points.index)
    found = stability(replace(e, points=points, studies=blocks))
    assert found.tau == pytest.approx(1.0)
    assert found.cohorts == 3
    assert set(found.marks.values()) == {""}
    assert found.note == ""


def test_what_counts_in_one_cohort_only_is_marked(e):
    points = e.points * 0.0
    points[["disease_activity__crp", "clinical__nlr", "clinical__smoking"]] = [0.05, 0.04, 0.01]
    points.loc[e.studies == "simulated_1", "mutations__tmb"] = 0.5
    found = stability(replace(e, points=points))
    assert found.marks["mutations__tmb"] == "simulated_1"
    assert found.marks["disease_activity__crp"] == ""
    assert found.tau < 1


def test_a_turned_order_has_a_negative_tau(e):
    points = pd.DataFrame(np.arange(1.0, 7) / 100 * np.ones((90, 1)), e.points.index, e.points.columns)
    two = e.studies.replace("simulated_2", "simulated_1")
    points[two == "simulated_1"] = points[two == "simulated_1"].to_numpy()[:, ::-1]
    assert stability(replace(e, points=points, studies=two)).tau == pytest.approx(-1.0)


@pytest.mark.parametrize(("n", "studies"), [(40, 1), (2 * (FEW - 1), 2)])
def test_one_cohort_or_a_handful_is_too_few_to_tell(n, studies):
    found = stability(explained(n, studies))
    assert found.note.startswith(TOO_FEW)
    assert np.isnan(found.tau)
    assert not set(found.marks.values()) - {TOO_FEW, NOT_MEASURED}


def test_a_small_cohort_is_left_out_and_named(e):
    studies = e.studies.copy()
    studies.iloc[:3] = "simulated_small"
    found = stability(replace(e, studies=studies))
    assert "simulated_small" in found.note
    assert "simulated_small" not in found.ranks
    assert found.cohorts == 3


def test_without_studies_all_are_one_cohort(e):
    alone = replace(e, studies=pd.Series(dtype=object))
    assert set(importance(alone).cohort) == {ALL, "patients"}


def test_no_patients_and_no_pathways():
    e = explained(12)
    none = replace(e, points=e.points * np.nan, pathways={})
    rows = importance(none)
    assert (rows.n == 0).all()
    assert rows.points.isna().all()
    assert stability(none, "pathway").note.startswith(TOO_FEW)


def test_an_unknown_level_is_a_wrong_call(e):
    with pytest.raises(UsageError, match="no such level"):
        stability(e, "gene")
