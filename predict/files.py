"""Files that are whole or not there."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from theracast.errors import SetupError

if TYPE_CHECKING:
    import pandas as pd


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


def write_accounted(table: pd.DataFrame, rejects: pd.DataFrame, account: Mapping[str, Any], path: str | Path) -> None:
    """Write a table; refused rows go to ``<name>.rejects.parquet``, the account to ``<name>.json``.

    Parameters
    ----------
    table : DataFrame
        What was made of the rows.
    rejects : DataFrame
        Refused rows; without any, no such file is left.
    account : mapping
        JSON-ready.
    path : str or Path
        The Parquet file; replaced whole or not at all.

    Raises
    ------
    SetupError
        THX-S03 as `replace_file`.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> folder = Path(tempfile.mkdtemp())
    >>> write_accounted(pd.DataFrame({"a": [1]}), pd.DataFrame(), {"rows_in": 1}, folder / "s.parquet")
    >>> sorted(f.name for f in folder.iterdir())
    ['s.json', 's.parquet']
    """
    path = Path(path)
    replace_file(path, lambda scratch: table.to_parquet(scratch, index=False))
    refused = path.with_suffix(".rejects.parquet")
    if len(rejects):
        replace_file(refused, lambda scratch: rejects.to_parquet(scratch, index=False))
    else:
        refused.unlink(missing_ok=True)
    replace_file(path.with_suffix(".json"), lambda scratch: scratch.write_text(json.dumps(account)))
