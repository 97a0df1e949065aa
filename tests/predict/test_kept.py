"""What is kept of a validation: the tables come back, older models lack some, and nobody can be found in them."""

import json

import numpy as np
import pandas as pd
import pytest
from reports import ABOUT, SPEC, words
from typer.testing import CliRunner

from theracast.features.cohort import Cohort
from theracast.models.fairness import METRICS, equity_audit
from theracast.models.validate import MODEL, Validation, judged
from theracast.predict import cli
from theracast.predict.kept import pack_validation, unpack_validation, validation_files
from theracast.predict.records import Scores
from theracast.predict.report.decision_plot import decision_curves
from theracast.predict.report.equity_plot import equity_forest
from theracast.predict.report.page import cohort_page, patient_page
from theracast.predict.tables import SHOWN, decision_rows, equity_rows

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def validation():
    """SIMULATED: two cohorts of whom sex and a hostile race are known, and a third too small to tell."""
    rng = np.random.default_rng(5)
    sizes = {"first": 90, "second": 70, "third": 14}
    parts, cohorts = [], {}
    for name, n in sizes.items():
        ids = [f"patient{i}" for i in range(n)]
        p = rng.uniform(0.1, 0.8, n)
        said = np.where(p > 0.6, "response", np.where(p < 0.3, "no_response", "both"))
        parts.append(
            pd.DataFrame(
                {
                    "cohort": name,
                    "y": (rng.random(n) < p).astype(float),
                    "prior": 0.4,
                    "prevalence": 0.4,
                    MODEL: p,
                    "set": said,
                    "decision": np.where(said == "both", "abstain", said),
                },
                index=ids,
            )
        )
        clinical = pd.DataFrame(
            {"sex": rng.choice(["F", "M"], n), "race": rng.choice([HOSTILE, "white"], n)}, index=ids
        )
        cohorts[name] = Cohort.from_tables({"clinical": clinical}, name=name)
    predictions = pd.concat(parts)
    found = judged(predictions)
    audit = equity_audit(predictions, cohorts, holdout=["third"])
    return Validation(predictions, found.table, found.mean, {}, found.coverage, found.net_benefit, audit)


@pytest.fixture(scope="module")
def about(validation):
    return json.loads(json.dumps(pack_validation(validation), allow_nan=False))


def test_the_tables_come_back_as_they_were(validation, about):
    again = unpack_validation(about)
    pd.testing.assert_frame_equal(again.net_benefit, validation.net_benefit, check_exact=True)
    pd.testing.assert_frame_equal(again.equity, validation.equity, check_exact=True)
    assert again.predictions.empty


def test_a_model_that_was_kept_earlier_has_none(about):
    earlier = unpack_validation({k: v for k, v in about.items() if k not in ("net_benefit", "equity")})
    assert earlier.net_benefit.empty
    assert earlier.equity.empty
    assert decision_rows(earlier).empty
    assert equity_rows(earlier).empty
    assert len(earlier.table)


def test_they_are_files_of_the_run_and_name_nobody(validation, about):
    files = validation_files(validation)
    assert {"net_benefit.csv", "equity.csv"} < set(files)
    assert "equity.csv" not in validation_files(judged(validation.predictions))
    assert "patient" not in json.dumps(about) + "".join(f.to_csv() for f in files.values())


def test_the_tables_say_few_thresholds_with_intervals_and_what_is_too_few(validation):
    rows = decision_rows(validation).set_index("cohort")
    shown = [c for c in rows if c.startswith("treat from ")]
    assert shown == ["treat from 15%", "treat from 30%", "treat from 45%", "treat from 60%"]
    assert len(shown) == SHOWN
    assert rows.loc["third", "note"] == "too few to tell"
    at = validation.net_benefit.set_index(["cohort", "threshold"]).loc[("first", 0.3)]
    assert rows.loc["first", "treat from 30%"].startswith(f"{100 * at.gain:.1f} (")
    groups = equity_rows(validation)
    assert "study" not in set(groups["attribute"])
    women = validation.equity.set_index(["attribute", "group"]).loc[("sex", "female")]
    told = groups[(groups["attribute"] == "sex") & (groups["group"] == "female")].iloc[0]
    assert told["n (R/NR)"] == f"{women.n:.0f} ({women.R:.0f}/{women.NR:.0f})"
    assert told["abstains"] == f"{women.abstains:.0%}"


def test_train_shows_both(validation, capsys):
    cli._show_validation(validation)
    shown = " ".join(capsys.readouterr().out.split())
    assert "Which threshold is right is yours to say" in shown
    assert "Equity: the same model by groups" in shown
    assert CliRunner().invoke(cli.app, ["train", "--help"]).exit_code == 0


def test_the_curves_have_a_panel_per_cohort_and_one_of_the_mean(validation):
    figure = decision_curves(validation)
    assert [a.get_title() for a in figure.axes] == ["first", "second", "third", "mean of the cohorts"]
    assert [t.get_text() for t in figure.axes[2].texts] == ["too few to tell"]
    for ax in figure.axes:
        assert len(ax.get_lines()) == 3, "the model, everyone, no one"
    nothing = Validation(pd.DataFrame(), pd.DataFrame(), pd.DataFrame())
    assert not decision_curves(nothing).axes or not decision_curves(nothing).axes[0].get_lines()


def test_the_forest_has_a_mark_for_what_is_known_and_says_where_too_few(validation):
    figure = equity_forest(validation)
    assert [a.get_title() for a in figure.axes] == ["AUC", "observed − expected", "abstains", "responders missed"]
    held = validation.equity[validation.equity["attribute"] != "study"]
    marks = [line for line in figure.axes[0].get_lines() if line.get_marker() in ("o", "*")]
    assert len(marks) == held["auc"].notna().sum()
    few = [t for t in figure.axes[0].texts if t.get_text() == "too few"]
    assert len(few) == held["auc"].isna().sum()


def test_an_interval_beyond_its_axis_ends_in_an_arrow_and_nobody_answered_is_said(validation):
    row = (validation.equity["attribute"] == "sex") & (validation.equity["group"] == "female")
    equity = validation.equity[row].assign(calibration_lower=-0.9, calibration_upper=0.1, missed=np.nan)
    figure = equity_forest(Validation(validation.predictions, validation.table, validation.mean, equity=equity))
    panels = {ax.get_title(): ax for ax in figure.axes}
    markers = [line.get_marker() for line in panels["observed − expected"].get_lines()]
    assert (markers.count("<"), markers.count(">")) == (1, 0)
    assert [t.get_text() for t in panels["responders missed"].texts] == ["too few answered"]
    assert "<" not in {line.get_marker() for line in panels["AUC"].get_lines()}


def test_a_gap_that_stands_is_a_star(validation):
    equity = validation.equity.copy()
    row = (equity["attribute"] == "sex") & (equity["group"] == "female")
    equity.loc[row, "auc_gap_p"] = 0.01
    figure = equity_forest(Validation(validation.predictions, validation.table, validation.mean, equity=equity))
    assert [line.get_marker() for line in figure.axes[0].get_lines()].count("*") == 1


def test_the_forest_is_drawn_of_records_where_nothing_was_compared(about):
    records = [r | {f"{m}_gap_p": None for m in METRICS} for r in about["equity"]]
    nothing = pd.DataFrame()
    figure = equity_forest(Validation(nothing, nothing, nothing, equity=pd.DataFrame(records)))
    assert "*" not in {line.get_marker() for ax in figure.axes for line in ax.get_lines()}


def test_the_cohorts_page_shows_both_folded_and_escaped(about):
    one = pd.DataFrame({"patient_id": ["a"], "probability": [0.4], "decision": ["response"]})
    scores = Scores(one, pd.DataFrame(), 1)
    html = cohort_page(scores, SPEC, ABOUT | about)
    text = words(html)
    assert "Decision curves, cohort by cohort" in text
    assert "Whom it serves as well, and whom less" in text
    assert HOSTILE not in html
    assert HOSTILE in text
    older = words(cohort_page(scores, SPEC, ABOUT))
    assert "Decision curves" not in older
    assert "Whom it serves" not in older
    refused = pd.DataFrame({"row": [1], "patient_id": ["b"], "code": ["THX-D15"], "reason": ["age is -1"]})
    short = words(patient_page(Scores(one, refused, 2), "b", SPEC, ABOUT | about))
    assert "Decision curves" not in short, "a patient's page stays short"
