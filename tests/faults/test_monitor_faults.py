"""Tables that monitoring must refuse: with a code, and without a patient in the message."""

import numpy as np
import pandas as pd
import pytest
from clis import run

from theracast.errors import DataError, ModelError, UsageError
from theracast.predict.cli_monitor import require_sense
from theracast.predict.monitor import account_of, monitor
from theracast.predict.monitor_tables import read_folder, read_scores

SCORES = pd.DataFrame(
    {"patient_id": ["ZZPHI1", "ZZPHI2"], "probability": [0.2, 0.7], "set": "both", "decision": "abstain", "reason": ""}
)
OUTCOMES = pd.DataFrame({"patient_id": ["ZZPHI1", "ZZPHI2"], "response": ["R", "NR"]})


@pytest.mark.parametrize(
    ("scores", "outcomes", "code"),
    [
        (SCORES.drop(columns="set"), OUTCOMES, "THX-D33"),
        (SCORES, OUTCOMES.rename(columns={"response": "outcome"}), "THX-D33"),
        (pd.concat([SCORES, SCORES.assign(probability=0.5)]), OUTCOMES, "THX-D17"),
        (SCORES.assign(model_version=["1", "2"]), OUTCOMES, "THX-D17"),
        (SCORES, pd.concat([OUTCOMES, OUTCOMES.assign(response="R")]), "THX-D17"),
        (SCORES, OUTCOMES.assign(patient_id=[None, "ZZPHI2"]), "THX-D17"),
        (SCORES.assign(patient_id=[None, "ZZPHI2"]), OUTCOMES, "THX-D17"),
        (SCORES, OUTCOMES.assign(patient_id=["ZZPHI8", "ZZPHI9"]), "THX-D17"),
        (SCORES, OUTCOMES.assign(response="ZZPHI partial"), "THX-D15"),
        (SCORES.assign(set="maybe"), OUTCOMES, "THX-D20"),
        (SCORES.assign(probability=[0.2, 1.2]), OUTCOMES, "THX-D11"),
        (SCORES.assign(probability=[0.2, np.inf]), OUTCOMES, "THX-D11"),
    ],
)
def test_tables_that_are_refused(scores, outcomes, code):
    with pytest.raises(DataError) as caught:
        monitor(scores, outcomes)
    assert caught.value.code == code
    assert "ZZPHI" not in str(caught.value)


def test_tables_without_rows_are_too_few():
    for scores, outcomes in (
        (SCORES.head(0), OUTCOMES),
        (SCORES, OUTCOMES.head(0)),
        (SCORES.head(0), OUTCOMES.head(0)),
    ):
        found = monitor(scores, outcomes)
        assert found.state == "too few"
        assert found.to_dict()["account"]["judged"] == 0


def test_probabilities_of_nothing_are_held_against_outcomes():
    found = monitor(SCORES.assign(probability=0.0), OUTCOMES)
    assert found.measures.set_index("measure").loc["observed over expected responses", "value"] != 0
    assert found.state == "too few"


def test_patients_of_another_cohort_are_no_drift(two_cohorts_here, tmp_path):
    SCORES.to_parquet(tmp_path / "s.parquet")
    OUTCOMES.to_csv(tmp_path / "o.csv", index=False)
    done = run("monitor", tmp_path / "s.parquet", tmp_path / "o.csv", "--reference", two_cohorts_here,
               "--cohort", "riaz2017_mel")  # fmt: skip
    assert isinstance(done.exception, DataError)
    assert "none of these patients was scored" in str(done.exception)


def test_a_row_that_is_lost_is_said():
    joined = SCORES.set_index("patient_id")
    with pytest.raises(ModelError, match="THX-S01"):
        account_of(SCORES, OUTCOMES, joined.head(1), pd.Series([1.0, 0.0, 1.0], list("abc")), joined)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "s.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(DataError, match="THX-D32"):
        read_scores(tmp_path / "s.parquet")
    with pytest.raises(DataError, match="THX-D32"):
        read_folder(tmp_path / "nowhere")
    SCORES.to_parquet(tmp_path / "t.parquet")
    (tmp_path / "t.json").write_text("[no json")
    assert read_scores(tmp_path / "t.parquet")[1] == {}


def test_calls_that_make_no_sense(tmp_path):
    for output, reference, cohort in (
        (tmp_path / "page.json", [], None),
        (None, ["a.parquet", "b.parquet"], None),
        (None, ["models:/a/1", "models:/b/1"], None),
        (None, ["a.parquet"], "riaz2017_mel"),
    ):
        with pytest.raises(UsageError):
            require_sense(output, reference, cohort)
    done = run("monitor", tmp_path / "none.parquet", tmp_path / "none.csv")
    assert isinstance(done.exception, UsageError)


def test_scores_of_another_model_are_refused(two_cohorts_here, tmp_path):
    SCORES.to_parquet(tmp_path / "s.parquet")
    (tmp_path / "s.json").write_text('{"model": "0000000000000000"}')
    OUTCOMES.to_csv(tmp_path / "o.csv", index=False)
    done = run("monitor", tmp_path / "s.parquet", tmp_path / "o.csv", "--reference", two_cohorts_here)
    assert isinstance(done.exception, DataError)
    assert "another model" in str(done.exception)


@pytest.fixture(scope="module")
def two_cohorts_here(tmp_path_factory):
    from theracast.features.datasets import load_cohort
    from theracast.models.base import ResponseModel
    from theracast.models.storage import save_model

    folder = tmp_path_factory.mktemp("model")
    save_model(ResponseModel().fit(load_cohort("liu2019_mel")), folder)
    return folder
