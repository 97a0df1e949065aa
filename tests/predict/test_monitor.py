"""Monitoring: every row accounted for, alarms that keep their rate, and a page without a patient."""

import json

import numpy as np
import pandas as pd
import pytest
from clis import run
from reports import findings, visit, words
from scipy.special import expit

from theracast.models.validate import judged
from theracast.predict.batch import write_scores
from theracast.predict.monitor import monitor
from theracast.predict.monitor_promises import promises
from theracast.predict.monitor_tables import read_outcomes, read_scores
from theracast.predict.records import Scores
from theracast.predict.report.frame import write_page
from theracast.predict.report.monitor_page import monitor_page


def simulated(rng, n=400, shift=0.0, slope=1.0):
    """Simulated scores and outcomes."""
    x = rng.normal(-0.6, 1, n)
    p, y = expit(x), rng.random(n) < expit(shift + slope * x)
    ids = [f"ZZPHI{i:04d}" for i in range(n)]
    sets = np.where(p > 0.75, "response", np.where(p < 0.1, "no_response", "both"))
    scores = pd.DataFrame(
        {"patient_id": ids, "probability": p, "set": sets, "decision": np.where(sets == "both", "abstain", sets),
         "reason": "", "model_uri": "models:/simulated/1", "model_version": "1", "coverage_clinical": rng.random(n)}
    )  # fmt: skip
    return scores, pd.DataFrame({"patient_id": ids, "response": np.where(y, "R", "NR")})


def alarmed(rng, shift, slope, looks, lives):
    """Share of simulated lives in which a promise was ever called broken, looked at time and again."""
    found = 0
    for _ in range(lives):
        scores, outcomes = simulated(rng, looks[-1], shift, slope)
        y, p = (outcomes["response"] == "R").to_numpy(float), scores["probability"].to_numpy()
        sets = scores["set"].to_numpy(str)
        found += any(q.state == "alarm" for n in looks for q in promises(y[:n], p[:n], sets[:n], 0.35))
    return found / lives


def test_every_row_has_a_fate(rng):
    scores, outcomes = simulated(rng, 100)
    scores.loc[:4, "reason"] = "out of domain: the tumour type is renal"
    scores.loc[5:6, "probability"] = np.nan
    outcomes.loc[[10, 11, 12], "response"] = [None, "", np.nan]
    strangers = pd.DataFrame({"patient_id": ["other1", "other2"], "response": ["R", "NR"]})
    scores = pd.concat([scores, scores.iloc[[50, 50]]])
    outcomes = pd.concat([outcomes.iloc[:80], outcomes.iloc[[60]], strangers])
    account = monitor(scores, outcomes).account
    assert account == {
        "scored": 102, "judged": 70, "not_judged": 7, "without_outcome": 23, "repeats": 2,
        "outcomes": 83, "unknown": 2, "empty": 3, "outcome_repeats": 1,
    }  # fmt: skip


def test_the_states_and_what_is_needed(rng):
    scores, outcomes = simulated(rng)
    few = monitor(scores, outcomes.head(30), prior=0.35)
    assert few.state == "too few"
    assert few.promises[0].more > 30
    assert "more would tell the response rate to ±10 points" in few.promises[0].why
    assert monitor(scores, outcomes, prior=0.35).state == "quiet"
    assert monitor(scores, outcomes.head(0)).state == "too few"
    wrong, came = simulated(rng, 400, -1.0)
    assert monitor(wrong, came, prior=0.35).alarms == ["probabilities"]
    finer = monitor(scores, outcomes, prior=0.35, precision=0.02)
    assert finer.state == "too few"


def test_sets_that_do_not_hold_are_an_alarm(rng):
    scores, outcomes = simulated(rng)
    y = outcomes["response"] == "R"
    wrong = scores.assign(set=np.where(rng.random(400) < 0.5, "no_response", "both"))
    assert monitor(wrong, outcomes).alarms == ["sets of responders"]
    assert int(y.sum()) > 35


def test_a_shift_that_does_not_matter_is_no_alarm(rng):
    scores, outcomes = simulated(rng, 30_000, 0.19)
    found = monitor(scores, outcomes, prior=0.35)
    assert found.promises[0].evidence > found.promises[0].threshold
    assert found.state == "quiet"


@pytest.mark.nightly
def test_false_alarms_and_power_over_simulated_lives(rng):
    """Simulated: ten looks in a life of 500 outcomes."""
    looks = list(range(50, 501, 50))
    assert alarmed(rng, 0.0, 1.0, looks, 1000) <= 0.05
    assert alarmed(rng, -0.7, 1.0, looks, 100) >= 0.9
    assert alarmed(rng, 0.0, 0.0, looks, 100) >= 0.9


def test_what_validation_and_earlier_scores_had_stands_beside(rng):
    scores, outcomes = simulated(rng)
    before = pd.DataFrame(
        {"cohort": "a", "y": rng.integers(0, 2, 60), "prior": 0.4, "theracast": rng.random(60), "set": "both"}
    )
    moved = scores.assign(probability=scores["probability"] ** 3)
    found = monitor(scores, outcomes, prior=0.35, validation=judged(before), reference=moved)
    told = found.measures.set_index("measure")["before"]
    assert "mean over cohorts" in told["AUC"]
    assert "earlier scores" in told["abstained, of all scored"]
    drift = found.drift.set_index("block")["state"]
    assert drift["scores"] == "drifted"
    assert drift["clinical"] == "as before"


def test_the_command(rng, tmp_path):
    scores, outcomes = simulated(rng, 400, -1.0)
    write_scores(Scores(scores, pd.DataFrame(), 400, prior=0.35), tmp_path / "s.parquet")
    outcomes.sample(frac=1, random_state=1).to_csv(tmp_path / "o.csv", index=False)
    page = tmp_path / "m.html"
    done = run("monitor", tmp_path / "s.parquet", tmp_path / "o.csv", "-o", page, "--reference", tmp_path / "s.parquet")
    assert done.exit_code == 10, done.output
    told = json.loads(done.output.strip().splitlines()[-1])
    assert (told["state"], told["judged"]) == ("alarm", 400)
    beside = json.loads((tmp_path / "m.json").read_text())
    assert (beside["state"], beside["prior"]) == ("alarm", 0.35)
    for text in (done.output, page.read_text(), json.dumps(beside)):
        assert "ZZPHI" not in text
    assert "A promise of the model is broken" in words(page.read_text())
    quiet = run("monitor", tmp_path / "s.parquet", tmp_path / "o.csv", "--precision", "0.02")
    assert quiet.exit_code == 0
    assert "too few" in quiet.output


def test_the_command_with_the_model_and_its_patients(two_cohorts, tmp_path):
    assert run("score", two_cohorts, "mgh2022_mel", "-o", tmp_path / "s.parquet").exit_code == 0
    scores, account = read_scores(tmp_path / "s.parquet")
    scores[["patient_id"]].assign(response="R").to_csv(tmp_path / "o.csv", index=False)
    done = run("monitor", tmp_path / "s.parquet", tmp_path / "o.csv", "--reference", two_cohorts, "--cohort",
               "mgh2022_mel")  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "Drift by block" in done.output
    assert account["rows_in"] == 34


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 390)])
def test_the_page_is_accessible(browser, rng, tmp_path, scheme, width):
    scores, outcomes = simulated(rng, 400, -1.0)
    for n in (400, 3):
        html = monitor_page(monitor(scores, outcomes.head(n), prior=0.35, reference=scores), "Simulated")
        page, trouble = visit(
            browser,
            write_page(html, tmp_path / "p.html"),
            color_scheme=scheme,
            viewport={"width": width, "height": 800},
        )
        page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert findings(page) + trouble == []
        assert wide <= 0
        page.context.close()


def test_outcomes_in_every_spelling():
    told = pd.DataFrame({"patient_id": ["007", "8", "9", "10"], "response": ["R", "nr", 1, None]})
    assert read_outcomes(told).fillna(-1).to_dict() == {"007": 1, "8": 0, "9": 1, "10": -1}
