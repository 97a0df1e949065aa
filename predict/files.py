"""Files that are whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
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
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        write(temporary)
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise SetupError(
            "the file cannot be written",
            code="THX-S03",
            where=str(path),
            got=error.strerror or "",
            fix="Check space and rights.",
        ) from None
    return path
