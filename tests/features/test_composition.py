"""Compositions and diversity: equal to scikit-bio, rarefaction equal to every draw there is."""

import itertools
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from theracast.errors import DataError
from theracast.features.composition import closure, clr, replace_zeros, robust_clr
from theracast.features.richness import INDICES, RAREFIED, diversity, rarefied

GOLDEN = json.loads((Path(__file__).resolve().parents[1] / "golden" / "communities_skbio.json").read_text())
COUNTS = np.array(GOLDEN["counts"])
VEGAN = json.loads((Path(__file__).resolve().parents[1] / "golden" / "communities_vegan.json").read_text())


@pytest.mark.parametrize("index", ["kinds", "shannon", "simpson", "gini", "top_share"])
def test_diversity_equals_scikit_bio(index):
    found = [diversity(c)[index] for c in COUNTS]
    np.testing.assert_allclose(found, GOLDEN[index], rtol=1e-12, atol=1e-14)


def test_pielou_equals_scikit_bio_but_for_a_single_kind():
    """scikit-bio says 1 of a single kind; evenness of one is 0/0, and not known here."""
    found = np.array([diversity(c)["pielou"] for c in COUNTS])
    many = np.array(GOLDEN["kinds"]) > 1
    np.testing.assert_allclose(found[many], np.array(GOLDEN["pielou"])[many], rtol=1e-12)
    assert not many.all()
    assert np.isnan(found[~many]).all()


def test_log_ratios_equal_scikit_bio():
    np.testing.assert_allclose(replace_zeros(COUNTS), GOLDEN["replaced"], rtol=1e-12)
    np.testing.assert_allclose(replace_zeros(COUNTS, 1e-4), GOLDEN["replaced_1e-4"], rtol=1e-12)
    np.testing.assert_allclose(clr(replace_zeros(COUNTS)), GOLDEN["clr"], rtol=1e-11, atol=1e-13)
    robust = np.array([[np.nan if x is None else x for x in row] for row in GOLDEN["rclr"]])
    np.testing.assert_allclose(robust_clr(COUNTS), robust, rtol=1e-11, atol=1e-13)


def test_only_shares_count():
    some = COUNTS[:3].astype(float)
    np.testing.assert_allclose(robust_clr(some * 37), robust_clr(some), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(closure(some * 0.01), closure(some), rtol=1e-14)
    assert np.isnan(closure(np.zeros((1, 3)))).all()
    np.testing.assert_allclose(replace_zeros(some).sum(axis=1), 1, rtol=1e-12)


@pytest.mark.parametrize("bad", [[[1.0, -1.0]], [[1.0, np.nan]], [[1.0, np.inf]]])
def test_what_is_no_composition_is_refused(bad):
    with pytest.raises(DataError, match="THX-D11"):
        closure(np.array(bad))


def test_zeros_that_cannot_be_taken_are_refused():
    with pytest.raises(DataError, match="robust_clr"):
        clr(np.array([[1.0, 0.0]]))
    with pytest.raises(DataError, match="smaller delta"):
        replace_zeros(np.array([[1.0, 0.0, 0.0]]), 0.5)
    with pytest.raises(DataError, match="not logs"):
        robust_clr(np.array([[1.0, -0.1]]))


def test_indices_by_hand():
    """Sizes 5, 3, 1, 1: half of ten reads is the greatest clone alone."""
    got = diversity(np.array([3, 0, 1, 5, 1]))
    assert tuple(got) == INDICES
    assert got["total"] == 10
    assert (got["d50"], got["d20"]) == (1, 1)
    assert got["simpson"] == pytest.approx(1 - 0.36)
    # mean absolute difference of all pairs over twice the mean
    sizes = [5, 3, 1, 1]
    assert got["gini"] == pytest.approx(sum(abs(a - b) for a in sizes for b in sizes) / (2 * 16 * 2.5))
    assert diversity(np.array([4, 3, 2, 1]))["d50"] == 2
    assert all(np.isnan(v) for v in diversity(np.array([0, 0])).values())


@pytest.mark.parametrize("depth", [1, 2, 4, 6, 7])
def test_rarefaction_is_the_mean_of_every_draw(depth):
    sizes = [3, 2, 1, 1]
    reads = [k for k, n in enumerate(sizes) for _ in range(n)]
    draws = [diversity(np.array(list(Counter(d).values()))) for d in itertools.combinations(reads, depth)]
    got = rarefied(np.array(sizes), depth)
    assert tuple(got) == RAREFIED
    for index in ("kinds", "shannon", "simpson"):
        assert got[index] == pytest.approx(np.mean([d[index] for d in draws]), abs=1e-12), index


@pytest.mark.parametrize("depth", [10, 100])
def test_rarefied_kinds_equal_vegan(depth):
    wanted = np.array(VEGAN[str(depth)], dtype=float)
    assert np.isfinite(wanted).sum() >= 5
    np.testing.assert_allclose([rarefied(c, depth)["kinds"] for c in COUNTS], wanted, rtol=1e-9)


def test_rarefaction_of_too_few_is_not_known_and_of_all_is_the_sample():
    sizes = np.array([900, 70, 30, 3, 1, 1])
    assert all(np.isnan(v) for v in rarefied(sizes, 1006).values())
    whole = diversity(sizes)
    for index, value in rarefied(sizes, 1005).items():
        assert value == pytest.approx(whole[index], rel=1e-9), index
