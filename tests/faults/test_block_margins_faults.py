"""R05-R08: the part of a model that says what is not known, made to hurt. The golden rows do not read it."""

import copy
import json
import shutil

import numpy as np
import pytest
from faults.hostile import ODD, fuzzed, put, refused, signed, spots
from hypothesis import given
from hypothesis import strategies as st

from theracast.errors import ModelError
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.block_margins import BlockMargins
from theracast.models.storage import load_model, save_model
from theracast.predict.open_blocks import open_blocks


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    folder = tmp_path_factory.mktemp("original")
    save_model(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), folder)
    return folder


@pytest.fixture
def folder(original, tmp_path):
    return shutil.copytree(original, tmp_path / "model")


def changed(folder, change):
    state = json.loads((folder / "model.json").read_text())
    state["margins"] = change(copy.deepcopy(state["margins"]))
    (folder / "model.json").write_text(json.dumps(state))
    return signed(folder)


def with_quantile(value, at=50):
    def change(margins):
        margins["quantiles"][0][at] = value
        return margins

    return change


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf"), 1e308, -1e308, "x", None, [], 10**400])
def test_R08_quantiles_that_are_no_numbers_or_do_not_ascend_are_refused(folder, number):
    assert "margins of the blocks" in refused(changed(folder, with_quantile(number)), "THX-R06")


@pytest.mark.parametrize("r", [1.0, -1.0, 1.5, float("nan"), 1e308])
def test_R08_correlations_that_cannot_be_are_refused(folder, r):
    def change(margins):
        margins["correlation"][0][1] = margins["correlation"][1][0] = r
        return margins

    assert "margins of the blocks" in refused(changed(folder, change), "THX-R06")


@pytest.mark.parametrize("odd", [[], "x", 3, True, {}, {"blocks": []}, [[1]]], ids=repr)
def test_R08_another_thing_in_its_place_is_refused(folder, odd):
    refused(changed(folder, lambda _: odd), "THX-R06")


def test_R08_a_million_blocks_are_refused(folder):
    def change(margins):
        return margins | {"blocks": [f"b{k}" for k in range(1_000_000)]}

    refused(changed(folder, change), "THX-R06")


def test_R08_blocks_that_the_model_does_not_have_are_never_asked_for(folder):
    def change(margins):
        return margins | {"blocks": [f"{b}\x1b[31m" for b in margins["blocks"]]}

    model, _ = load_model(changed(folder, change))
    rows = open_blocks(model, model.matrix(load_cohort("riaz2017_mel")))
    assert rows.swing.isna().all()
    assert not rows.astype(str).apply(lambda c: c.str.contains("\x1b")).any(axis=None)


def test_R05_one_changed_digit_unsigned_is_refused(folder):
    content = (folder / "model.json").read_text()
    at = content.index('"margins"') + 60
    digit = next(k for k in range(at, len(content)) if content[k].isdigit())
    other = "1" if content[digit] != "1" else "2"
    (folder / "model.json").write_text(content[:digit] + other + content[digit + 1 :])
    refused(folder, "THX-R05")


@fuzzed(100)
@given(data=st.data())
def test_R08_any_other_type_anywhere_in_it_is_our_error_or_harmless(original, data):
    state = json.loads((original / "model.json").read_text())["margins"]
    path = data.draw(st.sampled_from(list(spots(state))))
    odd = put(state, path, data.draw(ODD), data.draw(st.sampled_from(["replace", "remove", "rename"])))
    found, code = BlockMargins({}, np.empty((0, 0))), "THX-R06"
    try:
        found = BlockMargins.from_state(odd)
    except ModelError as error:
        code = error.code
    assert code == "THX-R06"
    assert all(np.isfinite(q).all() and (np.diff(q) >= 0).all() for q in found.quantiles.values())
    assert np.linalg.eigvalsh(found.correlation).min(initial=1.0) > 0.02
