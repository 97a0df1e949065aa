"""Cards and faults: a store that takes no card, answers made to harm, values and paths that must not come out."""

import pytest
from cards import FULL, SHIPPED, card_of, training
from clis import run
from registries import MELANOMA

from theracast.errors import SetupError, TheracastError, UsageError
from theracast.features.datasets import load_cohort
from theracast.models.base import ResponseModel
from theracast.predict.card.answers import Answers
from theracast.predict.card.writers import written
from theracast.predict.publish import register
from theracast.predict.store import connect

CANARY = "ZZPHI-Smith-1960"


def test_R04_a_store_that_takes_no_card_keeps_no_version(tmp_path, monkeypatch):
    made_up = training(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")))
    store = f"sqlite:///{tmp_path}/mlflow.db"
    mlflow, _ = connect(store, create=True)
    taken = mlflow.MlflowClient.log_text

    def cut(self, run_id, text, artifact_file):
        if artifact_file.endswith("card.json"):
            raise mlflow.MlflowException("the line was cut")
        taken(self, run_id, text, artifact_file)

    monkeypatch.setattr(mlflow.MlflowClient, "log_text", cut)
    with pytest.raises(TheracastError):
        register(made_up, tracking=store)
    client = mlflow.MlflowClient()
    assert list(client.search_model_versions(f"name='{MELANOMA}'")) == []
    assert client.get_registered_model(MELANOMA).aliases == {}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        (f"by: !!python/name:os.system {CANARY}\n", "a tag"),
        (f"by: {CANARY}\ndate: soon\n", "date"),
        (f"by: me\ndate: 2026-01-31\ntripod:\n  {CANARY}: x\n", "no such item"),
        (f"by: me\ndate: 2026-01-31\nprobast:\n  1.1: {CANARY}\n", "not valid"),
        (f"by: me\ndate: 2026-01-31\ntripod: {CANARY}\n", "not valid"),
        (f"by: me\ndate: 2026-01-31\ntripod:\n  19: {CANARY * 400}\n", "at most 4000"),
        (f"by: me\ndate: 2026-01-31\nelse: {CANARY}\n", "not permitted"),
        (f"by: {CANARY}\ndate: 2999-01-01\n", "still to come"),
        (f'by: "{CANARY}\\u202e"\ndate: 2026-01-31\n', "by: it holds characters that cannot be seen"),
        (f'by: me\ndate: 2026-01-31\ntripod: {{19: "{CANARY}\\0"}}\n', "tripod 19: it holds characters"),
        (f"by: me\ndate: 2026-01-31\ntripod: {{19: 4, 17: {CANARY}}}\n", "tripod 19: Input should be"),
        (f"by: me\ndate: 2026-01-31\ntripod: {{true: {CANARY}}}\n", "not valid"),
    ],
)
def test_R08_answers_that_are_none_are_refused_without_repeating_them(tmp_path, text, wanted):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=wanted) as caught:
        Answers.from_yaml(file)
    assert CANARY not in str(caught.value)


def test_A06_no_path_of_a_cohort_and_no_patient_stand_in_a_card():
    home = f"/home/{CANARY}/ward_7"
    rows = [r | {"cohort": home} for r in FULL["validation"] if r["model"] == "theracast"][:1]
    about = FULL | {"experiment": SHIPPED["experiment"] | {"cohorts": [home], "holdout": []}}
    about |= {"data": {home: "ab" * 32}}
    about |= {"validation": rows, "coverage": [r | {"cohort": home} for r in FULL["coverage"][:1]], "sets": {}}
    about |= {"net_benefit": [r | {"cohort": home} for r in FULL["net_benefit"]]}
    about |= {
        "sentinels": [{"sentinel": "late_feature", "what": "x", "where": f"{home}, x", "waived": True, "reason": "y"}]
    }
    for text in written(card_of(about)).values():
        assert CANARY not in text
        assert "ward_7" in text or "ward\\_7" in text


def test_A02_names_made_to_harm_do_not_break_a_table():
    about = FULL | {"experiment": SHIPPED["experiment"] | {"cohorts": ["a|b\n| c | d |"]}}
    markdown = written(card_of(about))["card.md"]
    assert "| c | d |" not in markdown


@pytest.mark.parametrize(
    "about",
    [{k: []} for k in ("validation", "equity", "net_benefit", "mean")]
    + [{k: {}} for k in ("data", "experiment")]
    + [{k: None} for k in ("sentinels", "coverage")],
)
def test_D33_what_is_empty_makes_a_card_all_the_same(about):
    card = card_of(FULL | about)
    assert card.open
    assert all(written(card).values())


def test_S03_a_full_disk_leaves_the_old_card(tmp_path, monkeypatch):
    from theracast.models.storage import save_model

    save_model(ResponseModel("melanoma_ici").fit(load_cohort("liu2019_mel")), tmp_path / "m")
    place = tmp_path / "card.md"
    place.write_text("old")

    def full(path, write):
        raise SetupError("the file cannot be written", code="THX-S03")

    monkeypatch.setattr("theracast.predict.files.replace_file", full)
    assert isinstance(run("card", tmp_path / "m", "-o", place).exception, SetupError)
    assert place.read_text() == "old"
