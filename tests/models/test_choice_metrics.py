"""Metrics of a choice, by hand and against scikit-learn's NDCG."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import ndcg_score

from theracast.errors import DataError, UsageError
from theracast.models.choice_metrics import choice_metrics

NAN = np.nan


def test_by_hand():
    """Outcomes .3 .1 .9 .5, chosen in the order second-best, worst, best, third."""
    got = choice_metrics([[0.3, 0.1, 0.9, 0.5]], [[1, 3, 2, 4]], k=[1, 2, 3]).loc[0]
    assert got["measured"] == 4
    assert [got[f"hit@{k}"] for k in (1, 2, 3)] == [0, 0, 1]
    assert [got[f"precision@{k}"] for k in (1, 2, 3)] == pytest.approx([0, 1 / 2, 2 / 3])
    assert [got[f"regret@{k}"] for k in (1, 2, 3)] == pytest.approx([0.2, 0.2, 0.0])
    assert [got[f"chosen@{k}"] for k in (1, 2, 3)] == pytest.approx([0.3, 0.6, 1.3 / 3])
    # ranks of the score 1 3 2 4 and of the outcome 2 1 4 3: squared differences 1 + 4 + 4 + 1
    assert got["spearman"] == pytest.approx(1 - 6 * 10 / (4 * 15))


@pytest.mark.parametrize("k", [1, 3, 10, 50])
def test_ndcg_is_scikit_learns(rng, k):
    outcome, score = rng.random((20, 12)), rng.random((20, 12))
    got = choice_metrics(outcome, score, 1 - outcome, k=[k])[f"ndcg@{k}"]
    wanted = [ndcg_score([1 - o], [-s], k=k, ignore_ties=True) for o, s in zip(outcome, score, strict=True)]
    np.testing.assert_allclose(got, wanted)


def test_spearman_is_scipys(rng):
    outcome, score = rng.random((5, 9)).round(1), rng.random((5, 9)).round(1)
    wanted = [spearmanr(o, s).statistic for o, s in zip(outcome, score, strict=True)]
    np.testing.assert_allclose(choice_metrics(outcome, score)["spearman"], wanted)


def test_only_measured_options_take_part():
    """The option that is not measured has the best score: leaving its column out gives the same row."""
    with_gap = choice_metrics([[0.4, NAN, 0.2]], [[1.0, 0.0, 2.0]], [[0.6, NAN, 0.8]], k=[1, 2])
    without = choice_metrics([[0.4, 0.2]], [[1.0, 2.0]], [[0.6, 0.8]], k=[1, 2])
    pd.testing.assert_frame_equal(with_gap, without)
    assert with_gap.loc[0, "regret@1"] == pytest.approx(0.2)


def test_an_option_without_a_score_comes_last():
    got = choice_metrics([[0.1, 0.5]], [[NAN, 9.0]], k=[1]).loc[0]
    assert got["hit@1"] == 0
    assert got["regret@1"] == pytest.approx(0.4)


def test_rows_that_cannot_be_judged_are_missing():
    table = choice_metrics([[NAN, NAN], [0.1, NAN], [0.1, 0.2]], [[1, 2], [1, 2], [NAN, NAN]], k=[1])
    assert table["measured"].tolist() == [0, 1, 2]
    assert table.drop(columns="measured").isna().all(axis=None)


def test_more_chosen_than_measured_is_all_of_them():
    got = choice_metrics([[0.1, 0.5, NAN]], [[2, 1, 0]], k=[5]).loc[0]
    assert (got["hit@5"], got["precision@5"], got["regret@5"]) == (1, 1, 0)


def test_ties_in_the_score_are_chance(rng):
    """All scores tie, and the best option stands first: it is chosen in one of four rows all the same."""
    outcome = np.sort(rng.random((4000, 4)), axis=1)
    table = choice_metrics(outcome, np.zeros_like(outcome), k=[1])
    assert table["hit@1"].mean() == pytest.approx(0.25, abs=0.03)
    assert table["spearman"].isna().all()


def test_ties_in_the_outcome_are_equally_good():
    got = choice_metrics([[0.1, 0.1, 0.5]], [[2, 1, 3]], k=[1]).loc[0]
    assert (got["hit@1"], got["precision@1"], got["regret@1"]) == (1, 1, 0)


def test_no_gain_no_ndcg():
    assert np.isnan(choice_metrics([[0.1, 0.5]], [[1, 2]], [[0.0, 0.0]], k=[1]).loc[0, "ndcg@1"])


@pytest.mark.parametrize(
    ("call", "error"),
    [
        (lambda: choice_metrics([[0.1, 0.2]], [[1.0]]), DataError),
        (lambda: choice_metrics([0.1, 0.2], [1.0, 2.0]), DataError),
        (lambda: choice_metrics([[0.1, 0.2]], [[1, 2]], [[1, -1]]), DataError),
        (lambda: choice_metrics([[0.1, 0.2]], [[1, 2]], [[1, NAN]]), DataError),
        (lambda: choice_metrics([[0.1, 0.2]], [[1, 2]], k=[0]), UsageError),
        (lambda: choice_metrics([[0.1, 0.2]], [[1, 2]], k=[]), UsageError),
    ],
)
def test_what_cannot_be_judged_is_refused(call, error):
    with pytest.raises(error):
        call()
