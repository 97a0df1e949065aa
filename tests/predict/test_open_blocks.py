"""Open blocks: against a slow look at every draw, and against what happens when a hidden block is shown."""

import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.models.crossfit import margins_of
from theracast.models.experts import EXPERTS
from theracast.models.indications import INDICATIONS
from theracast.models.recalibration import Recalibration
from theracast.models.storage import load_model, save_model
from theracast.predict.open_blocks import EARLIER, FEW, NOTHING, NUMBERS, open_blocks

COHORTS = INDICATIONS["melanoma_ici"].cohorts
COLUMNS = ["patient_id", "block", "about", *NUMBERS, "note"]


def hide(matrix, *blocks, rows=slice(None)):
    """Forget blocks of patients."""
    values = matrix.values.copy()
    for b in blocks:
        values.iloc[rows, np.flatnonzero(values.columns.str.startswith(f"{b}__"))] = np.nan
    return replace(matrix, values=values)


@pytest.fixture(scope="module", params=sorted(EXPERTS))
def trained(request):
    return ResponseModel(learner=request.param).fit(Cohort.concat([load_cohort(n) for n in COHORTS if n[:4] != "riaz"]))


@pytest.fixture(scope="module")
def complete(trained):
    matrix = trained.matrix(load_cohort("riaz2017_mel"))
    return matrix.subset(trained.fusion_.present(matrix).all(axis=1).to_numpy())


def test_the_columns_and_rows(trained, complete):
    assert open_blocks(trained, complete).empty
    assert open_blocks(trained, complete).columns.tolist() == COLUMNS
    rows = open_blocks(trained, hide(complete, "mutations", "clinical"))
    assert rows.patient_id.tolist() == [i for i in complete.values.index for _ in range(2)]
    assert rows.block.tolist() == ["mutations", "clinical"] * len(complete)
    assert rows.about.iloc[0] == "Mutations of the tumour, as burden."
    assert (rows.note == "").all()
    numbers = rows[list(NUMBERS)]
    assert ((numbers >= 0) & (numbers <= 1)).all(axis=None)
    assert ((rows.lower <= rows["mean"]) & (rows["mean"] <= rows.upper)).all()


@pytest.mark.parametrize("block", ["pathology", "mutations", "signatures", "clinical"])
def test_each_number_is_that_of_a_model_asked_once_per_draw(trained, complete, block):
    """The slow twin: each draw takes the place of the block's margin, and the combiner is asked."""
    site = Recalibration(-0.3, 0.8)
    matrix = hide(complete.subset(np.arange(5)), block)
    rows, fusion = open_blocks(trained, matrix, site).set_index("patient_id"), trained.fusion_
    tumours = matrix.tumours.to_numpy()
    margins = margins_of(fusion.experts, matrix, tumours)
    before = trained.respond(matrix, site).table.probability
    for k, patient in enumerate(matrix.values.index):
        draws = fusion.block_margins.draws(margins.iloc[[k]], [block])[0, :, 0]
        shown = pd.concat([margins.iloc[[k]].assign(**{block: d}) for d in draws])
        raw = fusion.combiners[tuple(fusion.features)].margin(shown, np.repeat(tumours[k], len(shown)))
        after = expit(site.apply(raw))
        row = rows.loc[patient]
        assert row.probability == before[patient]
        assert row.lower == pytest.approx(np.quantile(after, 0.1), abs=1e-12)
        assert row.upper == pytest.approx(np.quantile(after, 0.9), abs=1e-12)
        assert row["mean"] == pytest.approx(after.mean(), abs=1e-12)
        assert row.swing == pytest.approx(np.abs(after - before[patient]).mean(), abs=1e-12)
        assert row.decides == pytest.approx((fusion.sets.sets(raw) != "both").mean(), abs=1e-12)


def test_a_block_that_says_nothing_moves_nothing(trained, complete):
    flat = trained.fusion_.block_margins
    quantiles = {b: np.zeros(101) if b == "mutations" else q for b, q in flat.quantiles.items()}
    model = ResponseModel()
    model.__dict__.update(trained.__dict__)
    model.fusion_ = type(trained.fusion_).from_state(trained.fusion_.state(), trained.fusion_.features)
    model.fusion_.block_margins = replace(flat, quantiles=quantiles)
    rows = open_blocks(model, hide(complete, "mutations"))
    np.testing.assert_allclose(rows.lower, rows.upper, atol=1e-12)
    np.testing.assert_allclose((rows["mean"] - rows.probability).abs(), rows.swing, atol=1e-12)


def test_most_of_what_was_hidden_lands_in_the_range(trained, complete):
    """An unseen cohort: 80% is aimed at; within a cohort of 42 and four blocks 65-95% is what shift leaves."""
    shown, hits = trained.respond(complete).table.probability.to_numpy(), []
    for block in trained.fusion_.features:
        rows = open_blocks(trained, hide(complete, block))
        hits.append((shown >= rows.lower.to_numpy()) & (shown <= rows.upper.to_numpy()))
    assert 0.65 < np.mean(hits) < 0.95


def test_the_more_a_block_counts_the_larger_its_swing(trained, complete):
    swings = {b: open_blocks(trained, hide(complete, b)).swing.mean() for b in trained.fusion_.features}
    assert swings["signatures"] > swings["clinical"]
    assert swings["signatures"] > swings["pathology"]


def test_nobody_depends_on_the_others(trained, complete):
    matrix = hide(complete, "signatures", rows=slice(0, 20))
    matrix = hide(matrix, "mutations", rows=slice(10, 30))
    whole = open_blocks(trained, matrix)
    order = np.random.default_rng(0).permutation(len(matrix))
    mixed = open_blocks(trained, matrix.subset(order)).sort_values(["patient_id", "block"], ignore_index=True)
    wanted = whole.sort_values(["patient_id", "block"], ignore_index=True)
    pd.testing.assert_frame_equal(mixed, wanted, check_exact=True)
    for k in range(30):
        mine = whole[whole.patient_id == matrix.values.index[k]].reset_index(drop=True)
        pd.testing.assert_frame_equal(open_blocks(trained, matrix.subset([k])), mine, check_exact=True)


def test_the_same_every_time_and_nothing_is_changed(trained, complete):
    matrix = hide(complete, "clinical")
    kept = matrix.values.copy()
    pd.testing.assert_frame_equal(open_blocks(trained, matrix), open_blocks(trained, matrix), check_exact=True)
    pd.testing.assert_frame_equal(matrix.values, kept)


def test_of_whom_nothing_is_known_the_place_is_said_and_no_swing(trained, complete):
    rows = open_blocks(trained, hide(complete.subset([0]), *trained.fusion_.features))
    assert rows.block.tolist() == list(trained.fusion_.features)
    assert (rows.note == NOTHING).all()
    assert rows[["probability", "swing"]].isna().all(axis=None)
    assert rows[["lower", "upper", "mean", "decides"]].notna().all(axis=None)


def test_no_patients_no_rows(trained, complete):
    rows = open_blocks(trained, complete.subset(np.zeros(len(complete), dtype=bool)))
    assert rows.columns.tolist() == COLUMNS
    assert len(rows) == 0


def test_where_no_combiner_was_fitted_nothing_is_claimed(trained, complete):
    """Only single blocks and the pair without mutations: with mutations the model would read less than it does."""
    fusion = type(trained.fusion_).from_state(trained.fusion_.state(), trained.fusion_.features)
    fusion.block_margins = trained.fusion_.block_margins
    kept = [("pathology", "signatures"), ("pathology",), ("mutations",), ("signatures",)]
    fusion.combiners = {k: fusion.combiners[k] for k in kept}
    model = ResponseModel()
    model.__dict__.update(trained.__dict__ | {"fusion_": fusion})
    rows = open_blocks(model, hide(complete, "mutations", "clinical"))
    assert (rows.note == FEW).all()
    assert rows.probability.notna().all()
    assert rows[["lower", "upper", "swing", "decides", "mean"]].isna().all(axis=None)
    alone = open_blocks(model, hide(complete, "mutations", "clinical", "signatures")).set_index("block")
    assert (alone.loc["signatures", "note"] == "").all()
    assert (alone.loc["mutations", "note"] == FEW).all()


def test_a_block_that_is_there_but_that_no_expert_reads_is_not_missing(trained, complete):
    fusion = type(trained.fusion_).from_state(trained.fusion_.state(), trained.fusion_.features)
    fusion.block_margins = trained.fusion_.block_margins
    del fusion.experts["mutations"]
    model = ResponseModel()
    model.__dict__.update(trained.__dict__ | {"fusion_": fusion})
    assert open_blocks(model, complete).empty


def test_a_model_of_an_earlier_version_says_so_and_claims_nothing(trained, complete, tmp_path):
    import json

    from theracast.provenance import sha256_file

    save_model(trained, tmp_path)
    state = json.loads((tmp_path / "model.json").read_text())
    del state["margins"]
    (tmp_path / "model.json").write_text(json.dumps(state))
    names = [f.name for f in tmp_path.iterdir() if f.name != "manifest.json"]
    (tmp_path / "manifest.json").write_text(json.dumps({n: sha256_file(tmp_path / n) for n in names}))
    old, _ = load_model(tmp_path)
    matrix = hide(complete, "mutations")
    rows = open_blocks(old, matrix)
    assert len(rows) == len(complete)
    assert (rows.note == EARLIER).all()
    assert rows[["lower", "upper", "swing", "decides", "mean"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(old.respond(matrix).table, trained.respond(matrix).table, check_exact=True)


def test_what_was_stored_says_the_same_to_the_bit(trained, complete, tmp_path):
    digest = save_model(trained, tmp_path)
    again, about = load_model(tmp_path)
    matrix = hide(complete, "mutations", "signatures")
    pd.testing.assert_frame_equal(open_blocks(again, matrix), open_blocks(trained, matrix), check_exact=True)
    assert about["digest"] == digest


def test_without_label_sets_no_one_is_decided(trained, complete):
    fusion = type(trained.fusion_).from_state(trained.fusion_.state(), trained.fusion_.features)
    fusion.block_margins, fusion.sets = trained.fusion_.block_margins, None
    model = ResponseModel()
    model.__dict__.update(trained.__dict__ | {"fusion_": fusion})
    assert open_blocks(model, hide(complete, "mutations")).decides.isna().all()


def test_a_thousand_patients_in_about_a_second(trained, complete):
    many = np.resize(np.arange(len(complete)), 1000)
    matrix = hide(complete, "mutations", "signatures", "pathology")
    ids = pd.Index([f"simulated{k}" for k in range(1000)], name="patient_id")
    values = matrix.values.iloc[many].set_axis(ids)
    tumours, coverage = matrix.tumours.iloc[many].set_axis(ids), matrix.coverage.iloc[many].set_axis(ids)
    large = replace(matrix, values=values, tumours=tumours, coverage=coverage, proxies=pd.DataFrame(index=ids))
    begin = time.perf_counter()
    assert len(open_blocks(trained, large)) == 3000
    assert time.perf_counter() - begin < 3.0
