"""A job that may be killed: what is done is on disk, who is at work is written down, and the rest can be resumed."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from theracast.errors import DataError, ModelError, SetupError, UsageError
from theracast.predict.files import replace_file

#: A lock that was not renewed for so long belongs to nobody.
LEASE = timedelta(minutes=10)
#: What the facts of a job are, in the order in which a difference is told.
_TELLS = {
    "input": (DataError, "the input is another than when the job was begun", "THX-S05"),
    "model": (ModelError, "the model is another than when the job was begun", "THX-S06"),
    "theracast": (SetupError, "theracast is another version than when the job was begun", "THX-S06"),
}


@dataclass(frozen=True)
class Job:
    """The folder of a job: its facts, and a file of scores, one of rejects and one of counts for each chunk done.

    Attributes
    ----------
    folder : Path
        ``<output>.job``.

    Examples
    --------
    >>> Job(Path("scores.parquet.job")).chunk(3).name
    'chunk-000003.json'
    """

    folder: Path

    def begin(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Write what the job is, or hold it against what is written.

        Parameters
        ----------
        facts : mapping
            JSON-ready: ``input``, ``model`` and ``theracast`` (digests and version), ``chunk_rows``, and the settings.

        Returns
        -------
        dict
            As the job was begun; its ``chunk_rows`` and version of the model are those that count.

        Raises
        ------
        DataError
            THX-S05 when the input changed.
        ModelError
            THX-S06 when the model did.
        SetupError
            THX-S06 when theracast did; THX-S03 when nothing can be written.
        UsageError
            THX-S05 when the settings differ.

        Examples
        --------
        >>> import tempfile
        >>> Job(Path(tempfile.mkdtemp())).begin({"input": "0", "chunk_rows": 5})["chunk_rows"]
        5
        """
        path = self.folder / "job.json"
        if not path.exists() or not any(self.folder.glob("chunk-*.json")):  # nothing is done that could be lost
            begun = datetime.now(UTC).isoformat(timespec="seconds")
            replace_file(path, lambda p: p.write_text(json.dumps({**facts, "begun": begun}, sort_keys=True)))
        written: dict[str, Any] = json.loads(path.read_text())
        fix = f"Bring it back as it was, or remove {self.folder} to begin anew."
        for name, (kind, what, code) in _TELLS.items():
            if written.get(name) != facts.get(name):
                got = f"version {facts.get('model_version')}" if name == "model" else ""
                wanted = f"version {written.get('model_version')}" if name == "model" else ""
                raise kind(what, code=code, where=str(self.folder), got=got, wanted=wanted, fix=fix)
        loose = {*_TELLS, "begun", "chunk_rows", "model_uri", "model_version"}
        other = sorted(k for k in {*written, *facts} - loose if written.get(k) != facts.get(k))
        if other:
            raise UsageError(
                "the settings are others than when the job was begun",
                code="THX-S05",
                where=str(self.folder),
                got=", ".join(other),
                fix=fix,
            )
        return written

    def chunk(self, number: int) -> Path:
        """Name the file that says that a chunk is done.

        Parameters
        ----------
        number : int
            From 0.

        Returns
        -------
        Path
            There only when the chunk's scores and rejects are on disk.

        Examples
        --------
        >>> Job(Path("j")).chunk(0).as_posix()
        'j/chunk-000000.json'
        """
        return self.folder / f"chunk-{number:06d}.json"

    def write(self, number: int, facts: Mapping[str, Any], scores: pa.Table, rejects: pa.Table) -> dict[str, Any]:
        """Keep what became of a chunk; its counts are written last, when the rest is safe.

        Parameters
        ----------
        number : int
            From 0.
        facts : mapping
            JSON-ready: the rows of the chunk and their fates.
        scores, rejects : Table
            Its lines.

        Returns
        -------
        dict
            The facts, with ``digests`` of the two files and their ``bytes``.

        Raises
        ------
        SetupError
            THX-S03 when the disk is full.

        Examples
        --------
        >>> import tempfile
        >>> nothing = pa.table({"row": pa.array([], pa.int64())})
        >>> Job(Path(tempfile.mkdtemp())).write(0, {"rows": 0}, nothing, nothing)["rows"]
        0
        """
        done = self.chunk(number)
        digests, size = [], 0
        for kind, table in (("scores", scores), ("rejects", rejects)):
            path = replace_file(done.with_suffix(f".{kind}"), partial(_write_arrow, table))
            digests.append(_digest(path))
            size += path.stat().st_size
        kept = {**facts, "digests": digests, "bytes": size}
        replace_file(done, lambda p: p.write_text(json.dumps(kept, sort_keys=True)))
        return kept

    def done(self, number: int) -> dict[str, Any] | None:
        """Read what became of a chunk.

        Parameters
        ----------
        number : int
            From 0.

        Returns
        -------
        dict or None
            None when it is not done, or its files are not those that were written: then it is done again.

        Examples
        --------
        >>> Job(Path("no/such/folder")).done(0) is None
        True
        """
        path = self.chunk(number)
        try:
            facts: dict[str, Any] = json.loads(path.read_text())
            whole = [_digest(path.with_suffix(f".{k}")) for k in ("scores", "rejects")] == facts["digests"]
        except (OSError, ValueError, KeyError):
            return None
        return facts if whole else None

    def tables(self, kind: str, numbers: range) -> Iterator[pa.Table]:
        """Read the lines of the chunks, in order.

        Parameters
        ----------
        kind : {"scores", "rejects"}
            Which.
        numbers : range
            Of the chunks.

        Yields
        ------
        Table
            Mapped from disk.

        Examples
        --------
        >>> list(Job(Path("j")).tables("scores", range(0)))
        []
        """
        for number in numbers:
            with pa.memory_map(str(self.chunk(number).with_suffix(f".{kind}"))) as file:
                yield pa.ipc.open_file(file).read_all()

    def remove(self) -> None:
        """Remove the folder: the result stands in its place.

        Examples
        --------
        >>> Job(Path("no/such/folder")).remove()
        """
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def held(self) -> Iterator[Lock]:
        """Hold the job, so that no other process works on it.

        Yields
        ------
        Lock
            To be renewed now and then.

        Raises
        ------
        SetupError
            THX-S04 when another one holds it.

        Examples
        --------
        >>> import tempfile
        >>> with Job(Path(tempfile.mkdtemp())).held() as lock:
        ...     lock.path.exists()
        True
        """
        lock = Lock(self.folder / "lock.json", f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}")
        lock.take()
        try:
            yield lock
        finally:
            lock.release()


@dataclass(frozen=True)
class Lock:
    """Who works on a job, and until when.

    Attributes
    ----------
    path : Path
        Of the file.
    owner : str
        ``<host>:<process>:<token>``.

    Examples
    --------
    >>> Lock(Path("lock.json"), "here:1:ab").owner
    'here:1:ab'
    """

    path: Path
    owner: str

    def take(self) -> None:
        """Write the owner down.

        Raises
        ------
        SetupError
            THX-S04 when the job has another owner whose lease runs, and who is not known to be dead.

        Examples
        --------
        >>> import tempfile
        >>> Lock(Path(tempfile.mkdtemp(), "lock.json"), "here:1:ab").take()
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            guard = self.path.with_suffix(".guard").open("w")
        except OSError as error:
            raise SetupError(
                "the folder of the job cannot be written",
                code="THX-S03",
                where=str(self.path.parent),
                got=error.strerror or "",
                fix="Check space and rights.",
            ) from None
        with guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            other = self._holder()
            if other not in ("", self.owner):
                raise SetupError(
                    "another process works on this job",
                    code="THX-S04",
                    where=str(self.path.parent),
                    got=f"owner {other.rpartition(':')[0]}",
                    fix=f"Wait for it, or end it; {self.path} runs out {int(LEASE.total_seconds()) // 60} minutes "
                    "after its last chunk.",
                )
            self.renew()

    def renew(self) -> None:
        """Begin the lease anew.

        Examples
        --------
        >>> import tempfile
        >>> Lock(Path(tempfile.mkdtemp(), "lock.json"), "here:1:ab").renew()
        """
        until = (datetime.now(UTC) + LEASE).isoformat()
        replace_file(self.path, lambda p: p.write_text(json.dumps({"owner": self.owner, "until": until})))

    def release(self) -> None:
        """Give the job back.

        Examples
        --------
        >>> Lock(Path("no/lock.json"), "here:1:ab").release()
        """
        if self._written().get("owner") == self.owner:
            self.path.unlink(missing_ok=True)

    def _written(self) -> dict[str, str]:
        try:
            kept: dict[str, str] = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return kept

    def _holder(self) -> str:
        """Name the owner, unless the lease is over or the process is gone."""
        kept = self._written()
        owner = kept.get("owner", "")
        if not owner or datetime.fromisoformat(kept["until"]) < datetime.now(UTC):
            return ""
        host, pid, _ = owner.split(":")
        return "" if host == socket.gethostname() and not _alive(int(pid)) else owner


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _write_arrow(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
        out.write_table(table)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
