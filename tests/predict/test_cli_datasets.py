"""``theracast datasets``: what ships, what can be fetched, and fetching as a user does it."""

import hashlib
import sys
from dataclasses import replace

import pytest
from files_served import serving
from typer.testing import CliRunner

from theracast.features.datasets import datasets
from theracast.features.sources import public_sources
from theracast.predict.cli import app, main
from theracast.registry import Registry

SOURCES = public_sources()
FILE = SOURCES["bms038"].files[0]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("THERACAST_DATA", str(tmp_path))
    monkeypatch.delenv("THERACAST_MIRROR", raising=False)
    return tmp_path


def printed(*arguments):
    done = CliRunner().invoke(app, ["datasets", *map(str, arguments)])
    assert done.exit_code == 0, done.output
    return done.output


def refused(monkeypatch, capsys, *arguments):
    """As a user calls it: exit code and what stands on stderr."""
    monkeypatch.setattr(sys, "argv", ["theracast", "datasets", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code, capsys.readouterr().err


def test_alone_it_lists_what_ships():
    listed = printed()
    assert all(n[:6] in listed for n in datasets().name)
    assert "loris" not in listed


def test_list_shows_sources_with_size_licence_and_state(folder):
    listed = printed("list")
    assert all(n[:6] in listed for n in datasets().name)
    assert all(name in listed for name in SOURCES)
    assert all(word in listed for word in ("0.84", "GPL-3", "8 cohorts", "31792460", str(folder)))
    assert "in part" not in listed
    kept = folder / "sources" / "bms038"
    kept.mkdir(parents=True)
    (kept / f"{FILE.name}.part").write_bytes(b"x")
    assert "in part" in printed("list")


@pytest.mark.parametrize("command", [[], ["list"], ["fetch"]])
def test_every_verb_has_help(command):
    assert "Usage" in printed(*command, "--help")
    assert printed(*command, "-h") == printed(*command, "--help")


def test_fetch_without_a_network(monkeypatch, capsys, folder):
    code, said = refused(monkeypatch, capsys, "fetch", "bms038", "--mirror", "http://me:secret@127.0.0.1:9")
    assert code == 5
    assert "THX-S04" in said
    assert FILE.sha256 in said
    assert str(folder / "sources" / "bms038" / FILE.name) in said
    assert "***@127.0.0.1:9" in said
    assert "secret" not in said


def test_a_wrong_name(monkeypatch, capsys):
    code, said = refused(monkeypatch, capsys, "fetch", "lorris")
    assert (code, "Did you mean 'loris'?" in said) == (2, True)
    assert refused(monkeypatch, capsys, "fetch", "../../etc")[0] == 2


def test_fetch_of_changed_bytes(monkeypatch, capsys, folder):
    path = FILE.url.removeprefix("https://raw.githubusercontent.com")
    with serving({path: b"changed"}) as server:
        code, said = refused(monkeypatch, capsys, "fetch", "bms038", "--mirror", server.url, "--to", folder / "other")
    assert (code, "THX-S05" in said) == (5, True)
    assert list((folder / "other" / "sources" / "bms038").iterdir()) == []


def test_fetch_brings_the_file_to_where_it_was_asked(folder, monkeypatch):
    content = b"a,b\n1,2\n"
    file = replace(FILE, bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    listed = Registry("public source", {"bms038": replace(SOURCES["bms038"], files=(file,))})
    monkeypatch.setattr("theracast.features.fetch.public_sources", lambda: listed)
    with serving({FILE.url.removeprefix("https://raw.githubusercontent.com"): content}) as server:
        said = printed("fetch", "bms038", "--mirror", server.url, "--to", folder / "here")
        assert printed("fetch", "bms038", "--to", folder / "here") == said
    assert (folder / "here" / "sources" / "bms038" / FILE.name).read_bytes() == content
    assert f"file   {folder / 'here' / 'sources' / 'bms038' / FILE.name}" in said
