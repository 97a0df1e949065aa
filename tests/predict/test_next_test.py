"""Which test next: against open blocks, against what happens when a hidden test is shown, and the account of rows."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from clis import printed, run

from theracast.features.cohort import Cohort
from theracast.features.datasets import load_cohort
from theracast.models.base import OUTSIDE, ResponseModel
from theracast.models.indications import INDICATIONS
from theracast.models.storage import save_model
from theracast.predict.alike import COMPLETE
from theracast.predict.diagnostic_tests import DiagnosticTests
from theracast.predict.next_test import COLUMNS, NUMBERS, NextTests, next_tests, next_tests_of, write_next_tests
from theracast.predict.open_blocks import EARLIER, FEW, NOTHING, open_blocks

COHORTS = INDICATIONS["melanoma_ici"].cohorts


def listed(currency="EUR", **tests):
    """Tests by name: the blocks, and a cost or none."""
    figure = {"source": "made up for this test", "year": 2026}
    found = {
        name: {"gives": gives, "cost": {"value": cost, **figure} if cost else None, "days": {"value": 3, **figure}}
        for name, (gives, cost) in tests.items()
    }
    return DiagnosticTests(currency=currency, tests=found)


THREE = {"ihc": (["pathology"], 100), "panel": (["mutations"], 1000), "rna": (["signatures"], 500)}


def hide(matrix, *blocks):
    gone = [c for c in matrix.values if c.split("__")[0] in blocks]
    return replace(matrix, values=matrix.values.assign(**dict.fromkeys(gone, np.nan)))


@pytest.fixture(scope="module")
def model():
    return ResponseModel().fit(Cohort.concat([load_cohort(n) for n in COHORTS if n != "riaz2017_mel"]))


@pytest.fixture(scope="module")
def complete(model):
    matrix = model.matrix(load_cohort("riaz2017_mel"))
    return matrix.subset(model.fusion_.present(matrix).all(axis=1).to_numpy())


@pytest.fixture(scope="module")
def hidden(complete):
    return hide(complete, "mutations", "signatures", "pathology")


def test_a_row_for_each_patient_and_missing_test_the_best_first(model, hidden):
    rows = next_tests(model, hidden, listed(**THREE))
    assert rows.columns.tolist() == list(COLUMNS)
    assert rows.groupby("patient_id", sort=False).size().eq(3).all()
    assert rows.patient_id.drop_duplicates().tolist() == hidden.values.index.tolist()
    assert (rows["rank"] == np.tile([1, 2, 3], len(hidden))).all()
    assert (rows.groupby("patient_id").value_per_cost.diff().dropna() <= 0).all()
    assert (rows.value_per_cost == rows.changes / rows.cost).all()
    assert (rows.currency == "EUR").all()
    assert (rows.cost_year == 2026).all()
    assert (rows.days == 3).all()


def test_the_numbers_are_those_of_open_blocks(model, complete):
    one = hide(complete, "signatures")
    rows = next_tests(model, one, listed(**THREE)).set_index("patient_id")
    alone = open_blocks(model, one).set_index("patient_id")
    pd.testing.assert_series_equal(rows.decides, alone.decides, check_names=False, check_exact=True)
    pd.testing.assert_series_equal(rows.probability, alone.probability, check_exact=True)
    undecided = rows.decision == "abstain"
    assert (rows.changes[undecided] == rows.decides[undecided]).all()
    assert (rows.set_reduction[undecided] == rows.decides[undecided]).all()
    assert (rows.set_reduction[~undecided] <= 0).all()
    assert (rows.changes >= 1 - rows.same_decision - 1e-12).all()


def test_of_the_melanoma_tests_only_a_core_block_can_end_the_abstention(model, hidden):
    """The panel may leave one label; while neither stain nor signatures are known the model abstains all the same."""
    rows = next_tests(model, hidden, listed(**THREE)).set_index("test")
    assert (rows.loc["panel", "changes"] == 0).all()
    assert (rows.loc["panel", "decides"] > 0).any()
    assert (rows.loc["rna", "changes"] > 0).any()


def test_what_is_told_of_decisions_is_what_showing_the_test_gives(model, complete):
    """An unseen cohort of 42: the mean of what was told within .15 of what is seen."""
    shown = (model.respond(complete).table["set"].astype(str) != "both").mean()
    told = next_tests(model, hide(complete, "signatures"), listed(**THREE)).decides.mean()
    assert told == pytest.approx(shown, abs=0.15)


def test_the_sequence_stays_within_the_budget_and_reaches_no_more_with_less(model, hidden):
    free = next_tests(model, hidden, listed(**THREE))
    tight = next_tests(model, hidden, listed(**THREE), budget=600)
    none = next_tests(model, hidden, listed(**THREE), budget=1)
    for rows, limit in ((free, 1600), (tight, 600), (none, 1)):
        spent = rows[rows.step.notna()].groupby("patient_id").cost.sum()
        assert (spent <= limit).all()
    best = [r.groupby("patient_id").reached.max().fillna(0) for r in (free, tight)]
    assert (best[0] >= best[1] - 1e-9).all()
    assert none.step.isna().all()
    left = none.outlook[none.outlook.str.startswith("no test within the budget")]
    assert len(left) > 0
    reached = free.dropna(subset="step").sort_values(["patient_id", "step"])
    assert (reached.groupby("patient_id").reached.diff().dropna() >= 0).all()
    assert (free.expected_cost.dropna() <= 1600).all()


def test_whoever_no_test_can_settle_has_nothing_to_order_and_is_counted(model, hidden):
    """The panel alone cannot end an abstention: no step, a plain outlook, and a count in the account."""
    rows = next_tests(model, hidden, listed(panel=(["mutations"], 1000)))
    assert rows.step.isna().all()
    assert (rows.outlook == "no test would settle it").all()
    roster = pd.DataFrame({"patient_id": hidden.values.index, "code": ""})
    account = NextTests(rows, roster, pd.DataFrame()).account()
    assert (account["told"], account["outlooks"]) == (len(hidden), {"no test would settle it": len(hidden)})


def test_without_all_costs_it_counts_tests_and_a_budget_leaves_the_unpriced_out(model, hidden):
    tests = listed(**{**THREE, "rna": (["signatures"], None)})
    free = next_tests(model, hidden, tests)
    assert free.expected_cost.isna().all()
    assert (free.test[free.step == 1] == "rna").any()
    assert (free[free.test == "rna"].value_per_cost.isna()).all()
    assert (free.groupby("patient_id").changes.diff().dropna() <= 0).all()
    priced = next_tests(model, hidden, tests, budget=5000)
    assert not (priced.test[priced.step.notna()] == "rna").any()


def test_a_test_of_several_blocks_and_two_tests_of_one(model, hidden):
    tests = listed(biopsy=(["signatures", "pathology"], 800), rna=(["signatures"], 500), exome=(["mutations"], 900))
    rows = next_tests(model, hidden, tests)
    assert set(rows.gives[rows.test == "biopsy"]) == {"signatures,pathology"}
    chosen = rows[rows.step.notna()].groupby("patient_id").test.agg(set)
    assert not any({"biopsy", "rna"} <= tests for tests in chosen), "the second of them adds nothing"
    half = next_tests(model, hide(hidden, "mutations"), tests)
    assert len(half) == len(rows)


def test_nobody_depends_on_the_others_and_nothing_is_changed(model, complete):
    values = complete.values.copy()
    values.iloc[:20, np.flatnonzero(values.columns.str.startswith("signatures__"))] = np.nan
    values.iloc[10:30, np.flatnonzero(values.columns.str.startswith("mutations__"))] = np.nan
    matrix, kept = replace(complete, values=values), values.copy()
    whole = next_tests(model, matrix, listed(**THREE))
    pd.testing.assert_frame_equal(whole, next_tests(model, matrix, listed(**THREE)), check_exact=True)
    pd.testing.assert_frame_equal(matrix.values, kept)
    for k in (0, 15, 25, 35):
        mine = whole[whole.patient_id == values.index[k]].reset_index(drop=True)
        alone = next_tests(model, matrix.subset([k]), listed(**THREE))
        pd.testing.assert_frame_equal(alone, mine, check_exact=True, check_dtype=False)


def test_who_has_everything_and_who_has_nothing(model, complete):
    full = next_tests(model, complete, listed(**THREE))
    assert (full.note == COMPLETE).all()
    assert (full.test == "").all()
    assert len(full) == len(complete)
    empty = next_tests(model, hide(complete.subset([0]), *model.fusion_.features), listed(**THREE))
    assert (empty.note == NOTHING).all()
    assert empty.probability.isna().all()
    assert empty.decides.notna().all()


def test_out_of_domain_no_test_settles_and_the_reason_is_said(model, hidden):
    foreign = replace(hidden, tumours=pd.Series("renal", hidden.tumours.index))
    rows = next_tests(model, foreign, listed(**THREE))
    assert (rows.changes == 0).all()
    assert rows.step.isna().all()
    assert rows.outlook.str.startswith(f"no test would settle it: {OUTSIDE}").all()


def test_a_model_of_an_earlier_version_says_so(model, hidden):
    old = ResponseModel()
    old.__dict__.update(model.__dict__)
    old.fusion_ = type(model.fusion_).from_state(model.fusion_.state(), model.fusion_.features)
    rows = next_tests(old, hidden, listed(**THREE))
    assert (rows.note == EARLIER).all()
    assert rows[[*NUMBERS, "rank", "step", "same_decision"]].isna().all(axis=None)
    old.fusion_.block_margins = replace(model.fusion_.block_margins, quantiles={})
    assert (next_tests(old, hidden, listed(**THREE)).note == FEW).all()
    old.fusion_.block_margins, old.fusion_.sets = model.fusion_.block_margins, None
    rows = next_tests(old, hidden, listed(**THREE))
    assert rows[["decides", "changes", "rank", "step"]].isna().all(axis=None)
    assert rows.information.notna().all()


def test_tests_of_other_models_have_no_row(model, hidden):
    rows = next_tests(model, hidden, listed(scan=(["metabolites"], 50)))
    assert (rows.note == COMPLETE).all()


def test_no_patients_no_rows(model, hidden):
    rows = next_tests(model, hidden.subset(np.zeros(len(hidden), dtype=bool)))
    assert (rows.columns.tolist(), len(rows)) == (list(COLUMNS), 0)


def test_rows_in_are_told_and_not_told(model, tmp_path):
    cohort = Cohort.from_wide(
        pd.DataFrame(
            {"clinical:age": [61.0, -1.0, 50.0, np.nan], "clinical:cancer_type": ["Melanoma"] * 4},
            index=["p1", "p2", "p3", "p4"],
        )
    )
    found = next_tests_of(model, cohort)
    account = write_next_tests(found, tmp_path / "next.parquet")
    assert (account["rows_in"], account["told"], account["not_told"]) == (4, 3, 1)
    assert account["reasons"] == {"rejected: THX-D15": 1}
    assert sum(account["outlooks"].values()) == account["told"]
    assert json.loads((tmp_path / "next.json").read_text()) == account
    assert pd.read_parquet(tmp_path / "next.rejects.parquet").code.tolist() == ["THX-D15"]
    again = pd.read_parquet(tmp_path / "next.parquet")
    assert again.patient_id.drop_duplicates().tolist() == ["p1", "p3", "p4"]


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_model(model, folder)
    return folder


def test_the_verb_tells_of_a_cohort_and_of_one_patient(folder, tmp_path):
    said = printed("next-test", folder, "riaz2017_mel", "-o", tmp_path / "n.parquet")
    assert "no advice to order a test" in said
    assert '"rows_in": 51, "told": 9, "not_told": 42' in said
    told = pd.read_parquet(tmp_path / "n.parquet")
    patient = told.patient_id[told["rank"].notna()].iloc[0]
    assert patient not in said
    mine = printed("next-test", folder, "riaz2017_mel", "--patient", patient, "--budget", "2000")
    assert '"rows_in": 1, "told": 1, "not_told": 0' in mine
    assert "panel" in mine
    assert "should" not in said + mine


def test_the_verb_reads_the_tests_of_the_site(folder, tmp_path):
    (tmp_path / "costs.yaml").write_text(
        "currency: EUR\ntests:\n  exome: {gives: [mutations], cost: {value: 700, source: our laboratory, year: 2026}}\n"
    )
    said = printed("next-test", folder, "riaz2017_mel", "--costs", tmp_path / "costs.yaml")
    assert "exome" in said
    assert "cost, EUR (year)" in said
    assert "700 (2026)" in said
    assert "open" in said, "the days, which were not given"
    assert run("next-test", folder, "riaz2017_mel", "--budget", "-1").exit_code != 0


def test_the_tests_that_ship_give_what_the_models_read_and_every_figure_has_its_source():
    shipped = DiagnosticTests.shipped()
    assert {b for t in shipped.tests.values() for b in t.gives} == set(INDICATIONS["melanoma_ici"].blocks)
    figures = [f for t in shipped.tests.values() for f in (t.cost, t.days) if f]
    assert figures
    assert all("http" in f.source for f in figures)
