"""``score`` and ``report`` with what is known of the site: its response rate, or patients with labels."""

import json

import numpy as np
import pandas as pd
import pytest
from clis import printed, run, shell

from theracast.errors import DataError, UsageError
from theracast.predict.predictor import Predictor

LABELLED = """patient_id,clinical:age,clinical:response,clinical:cancer_type,mutations:tmb,mutations:tmb_unit
p1,61,R,melanoma,20,mut/Mb
p2,70,NR,melanoma,2,mut/Mb
p3,52,NR,melanoma,9,mut/Mb
p4,44,,melanoma,5,mut/Mb
"""


@pytest.fixture
def labelled(tmp_path):
    (tmp_path / "labelled.csv").write_text(LABELLED)
    return tmp_path / "labelled.csv"


def last(output):
    return json.loads(output.strip().splitlines()[-1])


def test_score_with_a_response_rate(two_cohorts, tmp_path):
    prior = Predictor.from_folder(two_cohorts).model.fusion_.prior
    plain = last(printed("score", two_cohorts, "mgh2022_mel", "-o", tmp_path / "a.parquet"))
    assert plain["prior"] == pytest.approx(prior)
    assert plain["site"] == {"intercept": 0.0, "slope": 1.0, "note": "", "refused": False}
    output = printed("score", two_cohorts, "mgh2022_mel", "-o", tmp_path / "b.parquet", "--response-rate", "0.15")
    account, note = last(output), "response rate given: 15%, matched to the mean of 34 patients"
    assert account["prior"] == plain["prior"]
    assert account["site"]["note"] == note
    assert f"site: {note} (log-odds x 1.00 {account['site']['intercept']:+.2f})" in output
    assert json.loads((tmp_path / "b.json").read_text())["site"] == account["site"]
    before, after = (pd.read_parquet(tmp_path / f"{n}.parquet") for n in "ab")
    assert after.probability.mean() == pytest.approx(0.15)
    assert after.decision.tolist() == before.decision.tolist()
    assert after["set"].isin(["response", "no_response", "both"]).all()
    assert after.notes.str.endswith(note).all()
    assert not before.notes.str.contains("rate").any()


def test_score_recalibrated_by_labels(two_cohorts, tmp_path, labelled):
    output = printed("score", two_cohorts, "mgh2022_mel", "-o", tmp_path / "s.parquet", "--recalibrate", labelled)
    site = last(output)["site"]
    assert site["note"] == "fitted to 3 labelled patients, 1 of them responders"
    assert f"(log-odds x {site['slope']:.2f} {site['intercept']:+.2f})" in output
    table = pd.read_parquet(tmp_path / "s.parquet")
    by_hand = Predictor.from_folder(two_cohorts).site(labelled=pd.read_csv(labelled).set_index("patient_id"))
    assert (site["intercept"], site["slope"]) == pytest.approx((by_hand.intercept, by_hand.slope))
    assert table.notes.str.contains("fitted to 3 labelled").all()


def test_report_with_what_is_known_of_the_site(two_cohorts, tmp_path, labelled):
    for option, value, note in (
        ("--response-rate", "0.15", "response rate given: 15%"),
        ("--recalibrate", labelled, "fitted to 3 labelled patients"),
    ):
        for patient in ([], ["--patient", "115T"]):
            call = ["report", two_cohorts, "mgh2022_mel", "-o", tmp_path / "r.html", option, value, *patient]
            assert note in printed(*call)
            assert note in (tmp_path / "r.html").read_text("utf-8")


@pytest.mark.parametrize("verb", ["score", "report"])
@pytest.mark.parametrize("rate", ["0", "1", "2", "30", "-0.3", "nan"])
def test_an_impossible_rate_is_refused_before_anything_is_read(tmp_path, verb, rate):
    done = run(verb, "no_model", "no_cohort", "-o", tmp_path / "s", "--response-rate", rate)
    assert isinstance(done.exception, UsageError)
    assert "a response rate lies between 0 and 1 | where: --response-rate" in str(done.exception)
    assert "wanted: 0.3 for 30%" in str(done.exception)


@pytest.mark.parametrize("rate", ["high", "30%", "0,3", ""])
def test_a_rate_that_is_no_number_is_a_wrong_call(tmp_path, rate):
    assert run("score", "no_model", "no_cohort", "-o", tmp_path / "s", "--response-rate", rate).exit_code == 2


def test_rate_and_labels_exclude_each_other(two_cohorts, tmp_path, labelled):
    call = ["mgh2022_mel", "-o", tmp_path / "s.parquet", "--response-rate", "0.3", "--recalibrate", labelled]
    for verb in ("score", "report"):
        done = run(verb, two_cohorts, *call)
        assert isinstance(done.exception, UsageError)
        assert "exclude each other" in str(done.exception)
    assert not (tmp_path / "s.parquet").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((",R,", ",,"), None),  # one class: taken, and said
        ((",R,", ",maybe,"), "THX-D15: response holds other words"),
        (("melanoma", "Kidney"), "THX-D24: no labelled patient is one that the model can judge"),
        (("clinical:response", "clinical:outcome"), "THX-D24: no labels to recalibrate by"),
    ],
)
def test_labelled_patients_that_teach_little_or_nothing(two_cohorts, tmp_path, labelled, change, said):
    labelled.write_text(LABELLED.replace(*change))
    done = run("score", two_cohorts, "mgh2022_mel", "-o", tmp_path / "s.parquet", "--recalibrate", labelled)
    if said is None:
        assert last(done.output)["site"]["note"] == "fitted to 2 labelled patients, 0 of them responders"
        return
    assert isinstance(done.exception, DataError)
    assert said in str(done.exception)
    assert not (tmp_path / "s.parquet").exists()


def test_no_labelled_cohort_there(two_cohorts, tmp_path):
    done = run("score", two_cohorts, "mgh2022_mel", "-o", tmp_path / "s.parquet", "--recalibrate", "./none.csv")
    assert isinstance(done.exception, DataError)


def test_as_a_user_runs_it(two_cohorts, tmp_path, labelled):
    done = shell(tmp_path, "score", two_cohorts, "mgh2022_mel", "-o", "s.parquet", "--recalibrate", labelled)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert last(done.stdout)["site"]["note"].startswith("fitted to 3 labelled patients")
    labelled.write_text(LABELLED.replace(",R,", ",,").replace(",NR,", ",,"))
    done = shell(tmp_path, "score", two_cohorts, "mgh2022_mel", "-o", "t.parquet", "--recalibrate", labelled)
    assert done.returncode == 3
    assert done.stderr.startswith("error THX-D24: no labels to recalibrate by")
    assert "p1" not in done.stderr
    assert not (tmp_path / "t.parquet").exists()


def test_ranks_stay(two_cohorts, tmp_path, labelled):
    ranks = []
    for option in ([], ["--response-rate", "0.6"], ["--recalibrate", labelled]):
        printed("score", two_cohorts, "mgh2022_mel", "-o", tmp_path / "s.parquet", *option)
        ranks.append(pd.read_parquet(tmp_path / "s.parquet").probability.rank().to_numpy())
    np.testing.assert_array_equal(ranks[0], ranks[1])
    np.testing.assert_array_equal(ranks[0], ranks[2])
