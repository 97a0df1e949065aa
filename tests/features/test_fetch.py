"""Fetching, against a real server: whole, broken, wrong, gone, slow, killed."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pooch
import pytest
import yaml
from files_served import listing, serving, source

from theracast.errors import SetupError, UsageError
from theracast.features import fetch as module
from theracast.features.downloader import CHUNK
from theracast.features.fetch import fetch
from theracast.features.sources import RemoteFile, public_sources, shown

SOURCES = public_sources()
BYTES = bytes(range(256)) * 2000
NAME, PATH = "a (1)+b.bin", "/who/what/a.bin"


@pytest.fixture
def server():
    with serving({PATH: BYTES}) as served:
        yield served


@pytest.fixture
def thing():
    return source({"a.bin": BYTES})


@pytest.fixture
def bring(server, thing, tmp_path):
    def call(what=thing, **options):
        given = {"mirror": server.url, "pause": 0.0, "timeout": (2.0, 2.0), "to": tmp_path, **options}
        return fetch(what.name, sources={what.name: what}, **given)

    return call


def kept(tmp_path):
    return sorted(p.name for p in (tmp_path / "sources" / "thing").iterdir())


def test_a_good_download(bring, server, tmp_path):
    told = []
    done = bring(progress=lambda *news: told.append(news))
    assert done.files[0].read_bytes() == BYTES
    assert kept(tmp_path) == ["a.bin"]
    assert server.log == [(PATH, 0)]
    assert told[-1] == ("a.bin", len(BYTES), len(BYTES))
    assert [n for _, n, _ in told] == sorted(n for _, n, _ in told)


def test_what_is_there_is_not_fetched_again(bring, server):
    bring()
    bring()
    assert len(server.log) == 1


def test_a_file_brought_by_hand_needs_no_network(thing, tmp_path):
    place = tmp_path / "sources" / "thing" / "a.bin"
    place.parent.mkdir(parents=True)
    place.write_bytes(BYTES)
    done = fetch("thing", sources={"thing": thing}, to=tmp_path, mirror="http://127.0.0.1:1")
    assert done.files == (place,)


def test_a_file_that_was_spoilt_is_fetched_again(bring, tmp_path):
    (done,) = bring().files
    done.write_bytes(b"spoilt")
    assert bring().files[0].read_bytes() == BYTES


@pytest.mark.parametrize("at", [1, 100_000, len(BYTES) - 1])
def test_only_the_rest_is_sent_after_a_break(bring, server, at):
    server.breaks = [at]
    assert bring().files[0].read_bytes() == BYTES
    begun = at // CHUNK * CHUNK
    assert server.log == [(PATH, 0), (PATH, begun)]
    assert server.sent == len(BYTES) + at - begun


def test_a_break_is_taken_up_by_the_next_call(bring, server, tmp_path):
    server.breaks = [50_000]
    with pytest.raises(SetupError, match=r"THX-S04.*49152 of 512000 bytes are kept"):
        bring(attempts=1)
    assert kept(tmp_path) == ["a.bin.part"]
    bring(attempts=1)
    assert server.log == [(PATH, 0), (PATH, 49_152)]
    assert server.sent == len(BYTES) + 50_000 - 49_152


def test_a_server_without_ranges_sends_it_all(bring, server):
    server.breaks, server.ranges = [50_000], False
    assert bring().files[0].read_bytes() == BYTES
    assert server.sent == 50_000 + len(BYTES)


def test_a_server_that_sends_another_part_is_not_believed(bring, server):
    server.breaks, server.lie = [50_000], 7
    assert bring().files[0].read_bytes() == BYTES
    assert [start for _, start in server.log] == [0, 49_152, 0]


@pytest.mark.parametrize("begun", [b"x" * 1000, b"x" * len(BYTES), b"x" * (len(BYTES) + 1)])
def test_a_begun_file_of_other_bytes_is_begun_again(bring, begun, tmp_path):
    part = tmp_path / "sources" / "thing" / "a.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(begun)
    assert bring().files[0].read_bytes() == BYTES


@pytest.mark.parametrize("wrong", [b"x" + BYTES[1:], BYTES[:-1], BYTES + b"x", BYTES * 9, b""])
def test_other_bytes_are_refused_with_both_digests_and_deleted(bring, server, wrong, tmp_path):
    server.files[PATH] = wrong
    with pytest.raises(SetupError) as refused:
        bring()
    message = str(refused.value)
    assert refused.value.code == "THX-S05"
    assert hashlib.sha256(BYTES).hexdigest() in message
    if len(wrong) <= len(BYTES) and wrong:
        assert hashlib.sha256(wrong).hexdigest() in message
    assert kept(tmp_path) == []
    assert server.sent < 3 * len(BYTES) + server.chunk * 20, "no server fills the disk"


def test_a_server_that_has_less_than_was_kept(bring, server, tmp_path):
    part = tmp_path / "sources" / "thing" / "a.bin.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(BYTES[:1000])
    server.files[PATH] = BYTES[:10]
    with pytest.raises(SetupError, match=r"THX-S05.*, 10 bytes; deleted"):
        bring()
    assert [start for _, start in server.log][:2] == [1000, 0]
    assert kept(tmp_path) == []


def test_not_found_is_said_at_once(bring, server, tmp_path):
    server.files = {}
    with pytest.raises(SetupError, match=r"THX-S04.*does not give the file.*HTTP 404") as refused:
        bring()
    assert len(server.log) == 1
    assert (refused.value.exit_code, kept(tmp_path)) == (5, [])


def test_a_server_in_trouble_is_asked_again(bring, server, tmp_path):
    server.statuses = [500, 503]
    assert bring().files[0].read_bytes() == BYTES
    server.statuses = [500] * 9
    with pytest.raises(SetupError, match="HTTP 500"):
        bring(to=tmp_path / "again")
    assert len(server.log) == 6


def test_an_error_page_does_not_spoil_what_is_kept(bring, server, tmp_path):
    server.breaks, server.statuses = [50_000], [200, 404]
    with pytest.raises(SetupError, match=r"HTTP 404.*49152 of 512000"):
        bring()
    assert bring().files[0].read_bytes() == BYTES
    assert [start for _, start in server.log] == [0, 49_152, 49_152]


def test_nobody_there(thing, tmp_path):
    with serving({}) as gone:
        url = gone.url
    for mirror in (url, "http://no-such-host.invalid"):
        with pytest.raises(SetupError) as refused:
            fetch("thing", sources={"thing": thing}, to=tmp_path, mirror=mirror, pause=0.0)
        message = str(refused.value)
        assert "THX-S04: the file cannot be reached; is there a network?" in message
        for told in (f"{mirror}{PATH}", thing.files[0].url, thing.files[0].sha256, "sources/thing/a.bin", "--mirror"):
            assert told in message


def test_a_server_that_falls_silent(bring, server, tmp_path):
    server.pause, server.chunk = 5.0, 5000
    started = time.monotonic()
    with pytest.raises(SetupError, match=r"THX-S04.*4096 of 512000"):
        bring(timeout=(1.0, 0.3), attempts=1)
    assert time.monotonic() - started < 4
    server.pause = 0.0
    assert bring().files[0].read_bytes() == BYTES


def test_a_slow_server_is_waited_for(bring, server):
    server.pause, server.chunk = 0.05, 40_000
    assert bring(timeout=(1.0, 0.5)).files[0].read_bytes() == BYTES
    assert len(server.log) == 1


def test_killed_and_called_again(server, thing, tmp_path):
    server.pause, server.chunk = 0.05, 1 << 14
    program = (
        "import sys; from pathlib import Path; from theracast.features.fetch import fetch\n"
        "from theracast.features.sources import read_sources\n"
        "fetch('thing', sources=read_sources(Path(sys.argv[1])), to=sys.argv[2], mirror=sys.argv[3])"
    )
    given = [str(listing(thing, tmp_path / "list.yaml")), str(tmp_path), server.url]
    part = tmp_path / "sources" / "thing" / "a.bin.part"
    with subprocess.Popen([sys.executable, "-c", program, *given]) as running:
        while running.poll() is None and not (part.exists() and part.stat().st_size > 100_000):
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGKILL)
    begun = part.stat().st_size
    assert 100_000 < begun < len(BYTES)
    assert not part.with_name("a.bin").exists()
    server.pause = 0.0
    subprocess.run([sys.executable, "-c", program, *given], check=True)
    assert server.log == [(PATH, 0), (PATH, begun)]
    assert part.with_name("a.bin").read_bytes() == BYTES
    assert not part.exists()


def test_a_full_disk(bring, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=1000))
    with pytest.raises(SetupError, match=r"THX-S03.*No space left on device.*512000 bytes"):
        bring()


def test_a_disk_that_fills_under_way(bring, server, tmp_path):
    limit = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "import sys; from pathlib import Path; from theracast.features.fetch import fetch\n"
        "from theracast.features.sources import read_sources\n"
        "fetch('thing', sources=read_sources(Path(sys.argv[1])), to=sys.argv[2], mirror=sys.argv[3])"
    )
    given = [str(listing(source({"a.bin": BYTES}), tmp_path / "list.yaml")), str(tmp_path), server.url]
    done = subprocess.run([sys.executable, "-c", limit, *given], capture_output=True, text=True)
    assert "THX-S03" in done.stderr
    assert os.strerror(errno.EFBIG) in done.stderr
    assert bring().files[0].read_bytes() == BYTES
    assert 90_000 < server.log[1][1] <= 100_000


def test_a_folder_that_cannot_be_written(bring, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"THX-S03.*Not a directory"):
        bring(to=tmp_path / "file")


def test_several_files_and_names_with_signs(server, tmp_path):
    server.files |= {f"/who/what/{NAME}": b"one", "/who/what/two.csv": b"two"}
    both = source({"two.csv": b"two"})
    odd = RemoteFile("b(1)+c.bin", f"https://raw.githubusercontent.com/who/what/{NAME}", 3, _sha(b"one"))
    server.files["/who/what/a%20(1)+b.bin"] = b"one"
    both = replace(both, files=(*both.files, odd))
    done = fetch("thing", sources={"thing": both}, to=tmp_path, mirror=server.url + "/")
    assert [f.read_bytes() for f in done.files] == [b"two", b"one"]


def _sha(content):
    return hashlib.sha256(content).hexdigest()


# ---------------------------------------------------------------- names and secrets


@pytest.mark.parametrize("name", ["../a", "a/b", "/etc/passwd", "..", ".hidden", "", "a\\b", "a\0", "a\nb"])
def test_a_name_never_leads_out_of_its_folder(name, thing):
    with pytest.raises(UsageError, match="not a path"):
        RemoteFile(name, "https://example.org", 1, "0" * 64)
    with pytest.raises(UsageError, match="not a path"):
        replace(thing, name=name)
    with pytest.raises(UsageError, match="not a path"):
        replace(thing, cohorts={name: ()})
    with pytest.raises(UsageError, match="no public source named"):
        fetch(name)


def test_a_file_without_a_digest_is_refused():
    with pytest.raises(UsageError, match="no sha256"):
        RemoteFile("a", "https://example.org", 1, "md5:0")


@pytest.mark.parametrize("trouble", ["gone", 404, "bytes"])
def test_no_password_is_printed(trouble, bring, server, capsys, caplog, monkeypatch):
    monkeypatch.setattr(pooch.get_logger(), "handlers", [caplog.handler])
    if trouble == "bytes":
        server.files[PATH] = b"x"
    elif trouble == 404:
        server.files = {}
    place = server.url.removeprefix("http://") if trouble != "gone" else "127.0.0.1:9"
    with pytest.raises(SetupError) as refused:
        bring(mirror=f"http://me:secret@{place}")
    assert "***@" in str(refused.value)
    assert refused.value.__context__ is None or refused.value.__suppress_context__
    assert "secret" not in str(refused.value) + caplog.text + "".join(capsys.readouterr())
    if trouble != "gone":
        assert server.authorization[0].startswith("Basic ")


def test_a_mirror_from_the_environment(thing, server, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("THERACAST_MIRROR", server.url.replace("//", "//me:secret@"))
    fetch("thing", sources={"thing": thing}, to=tmp_path)
    assert server.log == [(PATH, 0)]
    assert "secret" not in "".join(capsys.readouterr())


def test_a_mirror_is_a_url(bring):
    with pytest.raises(UsageError, match="a mirror is a URL"):
        bring(mirror="ftp://me:secret@host")
    assert shown("ftp://me:secret@host?token=1") == "ftp://***@host?***"


def test_the_list_is_whole():
    assert {"loris", "predictior_liu2019_mel", "imvigor210_pdata", "schadendorf_pd1"} <= set(SOURCES)
    for name, listed in SOURCES.items():
        assert name == listed.name
        assert listed.licence
        assert listed.reference
        assert listed.converter in {"", *module.CONVERTERS}
        assert bool(listed.cohorts) == bool(listed.converter)
        for file in listed.files:
            commit = file.url.split("/")[5]
            assert len(commit) == 40
            assert int(commit, 16)
            assert file.bytes > 0
    assert len({f.sha256 for s in SOURCES.values() for f in s.files}) == sum(len(s.files) for s in SOURCES.values())
    assert yaml.safe_dump(list(SOURCES["loris"].cohorts)).count("loris_") == 8
