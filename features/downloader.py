"""A downloader for pooch that goes on where a broken connection stopped."""

from __future__ import annotations

import errno
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from theracast.errors import SetupError
from theracast.features.sources import RemoteFile, shown
from theracast.provenance import sha256_file

if TYPE_CHECKING:
    import requests

#: Bytes written at a time: what came of a part of that size is lost when the connection breaks.
CHUNK = 4096
#: What a progress display is told: file name, bytes that are here, bytes in all.
Progress = Callable[[str, int, int], None]


class ResumingDownloader:
    """Bring one file into ``<name>.part``, check its digest, and hand it to pooch.

    The ``.part`` file outlives a broken connection and a killed process; the next call asks the server for the rest
    only (HTTP ``Range``). A server that cannot do that sends everything again. What was put together from two
    downloads and has the wrong digest is fetched once more from the start; a wrong digest of one piece is refused.

    Parameters
    ----------
    file : RemoteFile
        What is fetched.
    folder : Path
        Where its ``.part`` file is kept.
    progress : callable, optional
        Told the name, the bytes that are here and the bytes in all.
    attempts : int
        How often a broken connection is taken up again before giving up.
    timeout : tuple of float
        Seconds to connect, and seconds without a byte, before a server counts as gone.
    pause : float
        Seconds before the second attempt; doubled each time.

    Examples
    --------
    >>> file = RemoteFile("a.csv", "https://example.org/a.csv", 3, "0" * 64)
    >>> ResumingDownloader(file, Path("kept")).part.as_posix()
    'kept/a.csv.part'
    """

    def __init__(
        self,
        file: RemoteFile,
        folder: Path,
        progress: Progress | None = None,
        *,
        attempts: int = 3,
        timeout: tuple[float, float] = (10.0, 30.0),
        pause: float = 1.0,
    ) -> None:
        self.file, self.folder, self.attempts, self.timeout, self.pause = file, folder, attempts, timeout, pause
        self._progress = progress or (lambda name, done, total: None)
        self.part = folder / f"{file.name}.part"

    def __call__(self, url: str, output_file: str | IO[bytes], pooch: Any = None) -> None:
        """Download, as pooch asks for it.

        Parameters
        ----------
        url : str
            Address; credentials in it are never printed.
        output_file : str or file
            Where the whole file belongs.
        pooch : object, optional
            Unused; pooch hands itself over.

        Raises
        ------
        SetupError
            THX-S03 no space or rights, THX-S04 the network or the server, THX-S05 other bytes than listed.

        Examples
        --------
        >>> import hashlib, tempfile
        >>> whole, folder = b"abc", Path(tempfile.mkdtemp())
        >>> file = RemoteFile("a.csv", "https://example.org/a.csv", 3, hashlib.sha256(whole).hexdigest())
        >>> download = ResumingDownloader(file, folder)
        >>> _ = download.part.write_bytes(whole)  # all of it came before the connection broke
        >>> download(file.url, str(folder / "out"))
        >>> (folder / "out").read_bytes(), download.part.exists()
        (b'abc', False)
        """
        try:
            self._check_space()
            resumed = self._bring(url)
            if resumed and not self._is_right():
                self.part.unlink()
                self._bring(url)
            self._refuse_other_bytes(url)
            if hasattr(output_file, "write"):
                with self.part.open("rb") as whole:
                    shutil.copyfileobj(whole, output_file)
                self.part.unlink()
            else:
                self.part.replace(output_file)
        except OSError as error:  # requests' own errors are OSErrors too, and are gone by now
            raise SetupError(
                "the file cannot be written",
                code="THX-S03",
                where=str(self.folder),
                got=error.strerror or type(error).__name__,
                wanted=f"{self.file.bytes} bytes",
                fix="Check space and rights, or name another folder with --to; what has come is kept.",
            ) from None

    def _here(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _is_right(self) -> bool:
        return self._here() == self.file.bytes and sha256_file(self.part) == self.file.sha256

    def _check_space(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.folder).free < self.file.bytes - self._here():
            raise OSError(errno.ENOSPC, "No space left on device")

    def _bring(self, url: str) -> bool:
        """Fill the part file; say whether it had been begun before."""
        import requests

        begun = self._here() > 0
        for attempt in range(1, self.attempts + 1):
            if self._here() > self.file.bytes:
                self.part.unlink()
            if self._here() == self.file.bytes:
                break
            before = self._here()
            try:
                self._stream(url)
            except requests.RequestException as error:
                if attempt == self.attempts or (self._here() == before and not _passing(error)):
                    raise self._unreachable(url, error) from None
                begun = begun or self._here() > 0
                time.sleep(self.pause * 2 ** (attempt - 1))
            else:
                break
        return begun

    def _stream(self, url: str) -> None:
        import requests

        start = self._here()
        # compressed on the way, the bytes could not be counted
        asked = {"Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
        with requests.get(url, headers=asked, stream=True, timeout=self.timeout) as answer:
            if start and not _continues(answer, start):
                if answer.status_code in (206, 416):
                    self.part.unlink()
                    raise requests.ConnectionError("the server sent another part than asked for")
                start = 0
            answer.raise_for_status()
            with self.part.open("ab" if start else "wb") as out:
                for chunk in answer.iter_content(CHUNK):
                    out.write(chunk)
                    start += len(chunk)
                    self._progress(self.file.name, start, self.file.bytes)
                    if start > self.file.bytes:  # no server fills the disk
                        return

    def _refuse_other_bytes(self, url: str) -> None:
        if self._is_right():
            return
        got = sha256_file(self.part) if self.part.is_file() else "nothing"
        size = self._here()
        self.part.unlink(missing_ok=True)
        raise SetupError(
            f"{self.file.name} is not the file that is listed",
            code="THX-S05",
            where=shown(url),
            got=f"sha256 {got}, {size} bytes; deleted",
            wanted=f"sha256 {self.file.sha256}, {self.file.bytes} bytes",
            fix="Do not use it: it was changed at its source or on the way. Try again, or another --mirror.",
        )

    def _unreachable(self, url: str, error: requests.RequestException) -> SetupError:
        status = error.response.status_code if error.response is not None else None
        got = f"HTTP {status}" if status else type(error).__name__
        if kept := self._here():
            got += f"; {kept} of {self.file.bytes} bytes are kept, the next call goes on there"
        return SetupError(
            "the server does not give the file" if status else "the file cannot be reached; is there a network?",
            code="THX-S04",
            where=shown(url),
            got=got,
            wanted=f"sha256 {self.file.sha256}, {self.file.bytes} bytes",
            fix=f"Name a server with the same paths (--mirror URL or THERACAST_MIRROR), or bring the file by hand "
            f"from {self.file.url} to {self.folder / self.file.name} and call again.",
        )


def _continues(answer: requests.Response, start: int) -> bool:
    span = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return answer.status_code == 206 and span is not None and int(span[1]) == start


def _passing(error: requests.RequestException) -> bool:
    """Tell whether another try could help."""
    import requests

    if error.response is not None:
        return error.response.status_code in (429, 500, 502, 503, 504)
    # a name that nobody knows, or an address that refuses, stays so
    return isinstance(error, requests.Timeout | requests.exceptions.ChunkedEncodingError) or not isinstance(
        error, requests.ConnectionError | requests.exceptions.InvalidURL | requests.exceptions.MissingSchema
    )
