"""What a test could change: against the model asked once per draw, and what is known of information."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theracast.errors import UsageError
from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.combiner import combine
from theracast.models.crossfit import margins_of
from theracast.models.logistic import Kinds
from theracast.models.value_of_tests import PossibleResults, entropy, information

COHORTS = ("imvigor210_uc", "liu2019_mel", "hugo2016_mel")


@pytest.fixture(scope="module")
def model():
    return ResponseModel("pan_ici").fit(Cohort.concat([load_cohort(n) for n in COHORTS]))


@pytest.fixture(scope="module")
def margins(model):
    matrix = model.matrix(load_cohort("riaz2017_mel"))
    matrix = matrix.subset(model.fusion_.present(matrix).all(axis=1).to_numpy())
    found = margins_of(model.fusion_.experts, matrix, matrix.tumours.to_numpy())
    return found[list(model.fusion_.features)].iloc[:6], Kinds.of(matrix.tumours.to_numpy()[:6])


TESTS = {"panel": ("mutations",), "rna": ("signatures", "pathology")}


@pytest.mark.parametrize("done", [(), ("panel",), ("rna",), ("panel", "rna"), ("rna", "panel")])
def test_each_draw_is_what_the_model_says_of_such_margins(model, margins, done):
    known, kinds = margins
    hidden = known.assign(mutations=np.nan, signatures=np.nan, pathology=np.nan)
    results = PossibleResults(model.fusion_, hidden, kinds, TESTS, 16)
    blocks = ["mutations", "signatures", "pathology"]
    drawn = model.fusion_.block_margins.draws(hidden, blocks, 16)
    after, given_by = results.after(done), {b for t in done for b in TESTS[t]}
    for k in range(16):
        shown = hidden.copy()
        for place, b in enumerate(blocks):
            if b in given_by:
                shown[b] = drawn[:, k, place]
        np.testing.assert_allclose(after[:, k], combine(model.fusion_.combiners, shown, kinds), atol=1e-12)


def test_nobody_depends_on_the_others(model, margins):
    known, kinds = margins
    hidden = known.assign(mutations=np.nan)
    whole = PossibleResults(model.fusion_, hidden, kinds, {"panel": ("mutations",)}).after(["panel"])
    for k in range(len(hidden)):
        one = PossibleResults(model.fusion_, hidden.iloc[[k]], kinds[[k]], {"panel": ("mutations",)}).after(["panel"])
        np.testing.assert_array_equal(one[0], whole[k])


def test_where_nothing_would_be_known_there_is_no_number(model, margins):
    known, kinds = margins
    results = PossibleResults(model.fusion_, known * np.nan, kinds, {"panel": ("mutations",)}, 4)
    assert np.isnan(results.after(())).all()
    assert np.isfinite(results.after(["panel"])).all()


def test_patients_with_other_blocks_and_models_without_margins_are_refused(model, margins):
    known, kinds = margins
    mixed = known.copy()
    mixed.iloc[0, 0] = np.nan
    with pytest.raises(UsageError, match="the same blocks"):
        PossibleResults(model.fusion_, mixed, kinds, {})
    bare = type(model.fusion_).from_state(model.fusion_.state(), model.fusion_.features)
    with pytest.raises(UsageError, match="a model with margins"):
        PossibleResults(bare, known, kinds, {})


def test_entropy_and_information_of_known_cases():
    np.testing.assert_allclose(entropy(np.array([0.0, 0.11, 0.5])), [0.0, 0.499916, 1.0], atol=1e-6)
    assert np.isnan(entropy(np.array([np.nan]))).all()
    # a binary symmetric channel that errs in 11%: 1 - H(.11) bits
    np.testing.assert_allclose(information(np.array([[0.11, 0.89]])), [1.0 - 0.499916], atol=1e-6)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_information_lies_between_nothing_and_the_question(p):
    after = np.array([p])
    told = information(after)[0]
    assert 0.0 <= told <= entropy(after.mean(axis=1))[0] + 1e-12


def test_a_simulated_result_tells_what_it_tells():
    """SIMULATED: a normal score whose information on the answer is known by integration."""
    rng = np.random.default_rng(0)
    y = rng.random(200_000) < 0.3
    x = rng.normal(y * 1.0)
    p = 0.3 * np.exp(x - 0.5) / (0.3 * np.exp(x - 0.5) + 0.7)
    edges = np.quantile(x, np.linspace(0, 1, 201))
    table = pd.crosstab(np.clip(np.searchsorted(edges, x) - 1, 0, 199), y).to_numpy() / len(x)
    alone = table.sum(axis=1, keepdims=True) * table.sum(axis=0)
    counted = (table * np.log2(np.where(table > 0, table / alone, 1.0))).sum()
    assert information(p[None])[0] == pytest.approx(counted, abs=2e-3)
