"""Files to cohorts: made once, whole or not at all, found by name, and never in place of one's own."""

import pandas as pd
import pytest
from files_served import serving, source

from theracast.errors import SetupError, UsageError
from theracast.features import fetch as module
from theracast.features.datasets import dataset_card, load_cohort
from theracast.features.fetch import fetch
from theracast.features.sources import data_folder

BYTES = b"rows and columns"


@pytest.fixture
def server():
    with serving({"/who/what/a.bin": BYTES}) as served:
        yield served


@pytest.fixture
def made(server, tmp_path, monkeypatch):
    """A source whose converter counts how often it was asked."""
    asked = []

    def convert(files, cohort, parts):
        asked.append(cohort)
        assert parts == ("sheet",)
        return {"clinical": pd.DataFrame({"patient_id": ["a", "b"], "response": ["R", "NR"]})}

    monkeypatch.setitem(module.CONVERTERS, "counting", convert)
    monkeypatch.setenv("THERACAST_DATA", str(tmp_path))
    listed = source({"a.bin": BYTES}, converter="counting", cohorts={"fetched_one": ("sheet",)}, licence="mine")
    return asked, lambda **options: fetch("thing", sources={"thing": listed}, mirror=server.url, **options), listed


def test_a_fetched_cohort_is_read_by_name(made, tmp_path):
    asked, call, listed = made
    assert listed.state(tmp_path) == "no"
    assert call().cohorts == (tmp_path / "ici" / "fetched_one",)
    assert load_cohort("fetched_one").response.tolist() == [1.0, 0.0]
    card = dataset_card("fetched_one")
    assert (card["source"], card["licence"]) == ("thing", "mine")
    assert card["files"]["a.bin"]["sha256"] == listed.files[0].sha256
    assert listed.state(tmp_path) == "there"
    assert sorted(p.name for p in (tmp_path / "ici").iterdir()) == ["fetched_one"]
    call()
    assert len(asked) == 1
    call(force=True)
    assert len(asked) == 2


def test_a_fetched_cohort_is_found_in_the_cache(made, tmp_path, monkeypatch):
    call = made[1]
    monkeypatch.delenv("THERACAST_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    assert call().folder == data_folder() == tmp_path / "cache" / "theracast"
    assert len(load_cohort("fetched_one")) == 2


def test_a_cohort_of_ones_own_is_never_replaced(made, tmp_path):
    asked, call, _ = made
    mine = tmp_path / "ici" / "fetched_one" / "clinical.csv"
    mine.parent.mkdir(parents=True)
    mine.write_text("patient_id\nmine\n")
    for force in (False, True):
        with pytest.raises(UsageError, match="was not fetched"):
            call(force=force)
    assert mine.read_text() == "patient_id\nmine\n"
    assert asked == []


def test_a_converter_that_fails_leaves_nothing(made, tmp_path, monkeypatch):
    monkeypatch.setitem(module.CONVERTERS, "counting", lambda *a: {"clinical": None})
    with pytest.raises(AttributeError):
        made[1]()
    assert list((tmp_path / "ici").iterdir()) == []


def test_a_missing_package_is_said_and_the_files_stay(server, tmp_path):
    listed = source({"a.bin": BYTES}, converter="loris", cohorts={"c": ("s",)}, needs=("no_such_package",))
    with pytest.raises(SetupError, match=r"THX-S06.*no_such_package.*theracast\[fetch\]"):
        fetch("thing", sources={"thing": listed}, mirror=server.url, to=tmp_path)
    assert [f.name for f in (tmp_path / "sources" / "thing").iterdir()] == ["a.bin"]
    assert listed.state(tmp_path) == "files only"
