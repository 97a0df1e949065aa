"""What is written of a request: which route, how it ended, how long it took, how many rows. Nothing of a patient."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import IO

_LOCK = threading.Lock()


class Journal:
    """Lines of JSON.

    Parameters
    ----------
    stream : text stream, optional
        stderr by default.

    Examples
    --------
    >>> import io
    >>> lines = io.StringIO()
    >>> Journal(lines).write("request", route="/predict", status=200)
    >>> json.loads(lines.getvalue())["route"]
    '/predict'
    """

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream

    def write(self, event: str, **told: str | int | float) -> None:
        """Write a line.

        Parameters
        ----------
        event : str
            What happened.
        **told : str, int or float
            Numbers, and words of ours.

        Examples
        --------
        >>> import io
        >>> Journal(io.StringIO()).write("started")
        """
        line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": event, **told})
        with _LOCK:
            print(line, file=self._stream or sys.stderr, flush=True)


class Muted(logging.Handler):
    """Tells that a library had something to say, not what: nobody knows whether it repeats a value.

    Parameters
    ----------
    journal : Journal
        Where it is told.

    Examples
    --------
    >>> import io
    >>> lines = io.StringIO()
    >>> Muted(Journal(lines)).emit(logging.makeLogRecord({"name": "pandas", "levelname": "WARNING", "msg": "Jane Doe"}))
    >>> "pandas" in lines.getvalue(), "Jane" in lines.getvalue()
    (True, False)
    """

    def __init__(self, journal: Journal) -> None:
        super().__init__(logging.WARNING)
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        """Write the name of the library.

        Parameters
        ----------
        record : LogRecord
            Of any library.

        Examples
        --------
        >>> callable(Muted.emit)
        True
        """
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        self._journal.write("library", logger=record.name, level=record.levelname, error=kind)


def mute_libraries(journal: Journal) -> None:
    """Let every library of this process speak through the journal only.

    Parameters
    ----------
    journal : Journal
        Where to.

    Examples
    --------
    >>> callable(mute_libraries)
    True
    """
    logging.captureWarnings(True)
    root = logging.getLogger()
    root.handlers = [Muted(journal)]
    root.setLevel(logging.WARNING)
    for name in list(logging.root.manager.loggerDict):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
