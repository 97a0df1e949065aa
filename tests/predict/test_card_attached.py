"""The card of a registered version: in the store, from the command line, beside the pages, and in a browser."""

import json

import pytest
from cards import FULL, card_of, training
from clis import printed, run
from registries import MELANOMA
from reports import findings, loads, visit, words

from theracast.errors import ModelError, UsageError
from theracast.predict.card.make import card_of as registered_card
from theracast.predict.card.page import card_page
from theracast.predict.offline import export_model, import_model
from theracast.predict.publish import register
from theracast.predict.report.frame import write_page
from theracast.predict.store import connect

FILES = ["card.chai.xml", "card.html", "card.json", "card.md"]
LOOKS = [("light", 1280), ("dark", 1280), ("light", 390)]


@pytest.fixture(scope="module")
def store(tmp_path_factory, model):
    """One version, without the training: its figures are simulated."""
    store = f"sqlite:///{tmp_path_factory.mktemp('card')}/mlflow.db"
    register(training(model), tracking=store, promote=False)
    return store


def attached(store, name, version):
    """Description and files of a version's card, as the store has them."""
    mlflow, _ = connect(store)
    client = mlflow.MlflowClient()
    held = client.get_model_version(name, version)
    paths = [a.path for a in client.list_artifacts(held.run_id, "card")]
    text = mlflow.artifacts.load_text(f"runs:/{held.run_id}/card/card.md")
    return held, paths, text


def test_every_registered_version_has_its_card(store):
    held, paths, text = attached(store, MELANOMA, "1")
    assert paths == [f"card/{f}" for f in FILES]
    assert held.description.endswith(f"Model card: runs:/{held.run_id}/card/card.html")
    assert "melanoma_ici, version 1" in text
    assert "Every sentinel passed" in text
    assert "Linux" in text or "Darwin" in text or "Windows" in text


def test_an_imported_version_has_its_card_too(store, tmp_path):
    parcel = export_model(MELANOMA, "1", tmp_path / "m.zip", tracking=store)
    there = f"sqlite:///{tmp_path}/mlflow.db"
    name, version = import_model(parcel, tracking=there, name="carried")
    held, paths, text = attached(there, name, version)
    assert paths == [f"card/{f}" for f in FILES]
    assert "carried, version 1" in text
    assert "runs:/" in held.description


def test_the_verb_tells_what_is_left_and_writes_every_form(store, tmp_path):
    said = printed("card", f"models:/{MELANOMA}/1", "-o", tmp_path / "c", "--tracking-uri", store)
    assert "on 2 cohorts that it had not seen" in said
    assert "TRIPOD+AI 19" in said
    assert "Beside the checklists contact" in said
    assert sorted(f.name for f in (tmp_path / "c").iterdir()) == FILES
    told = json.loads((tmp_path / "c" / "card.json").read_text())
    assert told["model"]["version"] == "1"
    assert registered_card(f"models:/{MELANOMA}/1", tracking=store).digest == told["model"]["digest"]
    assert loads((tmp_path / "c" / "card.html").read_text()) == []


def test_answers_from_the_command_line(store, tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("by: the team\ndate: 2026-01-31\ntripod:\n  19: No involvement.\n")
    said = printed("card", f"models:/{MELANOMA}/1", "--answers", file, "-o", tmp_path / "c.md", "--tracking-uri", store)
    assert "1 by a person" in said
    assert "TRIPOD+AI 19" not in said
    assert "By a person: No involvement." in (tmp_path / "c.md").read_text()
    assert printed("card", "--example").startswith("# Answers for a model card")


@pytest.mark.parametrize(
    ("arguments", "wrong"),
    [
        (["-o", "c.pdf"], "a card is a page"),
        (["--open"], "no page to open"),
        (["-o", "c.md", "--open"], "no page to open"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_long(arguments, wrong):
    done = run("card", "no/such/model", *arguments)
    assert isinstance(done.exception, UsageError)
    assert wrong in str(done.exception)


def test_no_such_model():
    assert isinstance(run("card", "no/such/model").exception, ModelError)


def test_the_pages_of_a_folder_link_the_card(two_cohorts, tmp_path):
    printed("report", two_cohorts, "mgh2022_mel", "-o", tmp_path)
    assert 'href="card.html"' in (tmp_path / "index.html").read_text()
    assert "Model card" in words((tmp_path / "card.html").read_text())


@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_the_page_in_a_browser(browser, tmp_path, scheme, width):
    html = card_page(card_of(FULL))
    page, trouble = visit(
        browser, write_page(html, tmp_path / "c.html"), color_scheme=scheme, viewport={"width": width, "height": 800}
    )
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert findings(page) + trouble == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()
