"""Files that are whole or not there."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from theracast.errors import SetupError


def replace_file(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Write a file beside its place, flush it to disk, and move it there in one step.

    Parameters
    ----------
    path : str or Path
        Where it shall stand; its folder is made.
    write : callable
        Given the temporary path, writes the content.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    SetupError
        THX-S03 when the disk or the rights do not allow it; what stood there before is untouched.

    Examples
    --------
    >>> import tempfile
    >>> replace_file(f"{tempfile.mkdtemp()}/a.txt", lambda p: p.write_text("whole")).read_text()
    'whole'
    """
    path = Path(path)
    temporary = path.with_name(f".{path.stem[:60]}.{secrets.token_hex(4)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if not isinstance(error, OSError):
            raise
        raise SetupError(
            "the file cannot be written",
            code="THX-S03",
            where=str(path),
            got=error.strerror or "",
            fix="Check space and rights.",
        ) from None
    return path
