"""Errors that say who, wanted, got, and what to do.

The tree, with the exit code that the command line answers::

    TheracastError
    ├── UsageError        2   the call itself is wrong
    ├── DataError         3   the patients' tables are wrong
    ├── ModelError        4   the model or its registry is wrong
    └── SetupError        5   the machine or the installation is wrong
"""

from __future__ import annotations


class TheracastError(Exception):
    """Base of every error raised on purpose.

    Parameters
    ----------
    what : str
        What is wrong, in one clause.
    code : str, optional
        Stable identifier, ``THX-<area><nn>``; the areas are D (data), S (scoring), R (registry), A (service).
    where : str, optional
        File, table, column and row number. Never a patient's value.
    got : str, optional
        What was seen: a type, a count or a range, never an identifying value.
    wanted : str, optional
        What was expected.
    fix : str, optional
        What to do about it.

    Examples
    --------
    >>> print(DataError("ids repeat", code="THX-D17", where="clinical.csv", fix="Keep one row per patient."))
    THX-D17: ids repeat | where: clinical.csv | do: Keep one row per patient.
    """

    exit_code = 1

    def __init__(
        self, what: str, *, code: str = "", where: str = "", got: str = "", wanted: str = "", fix: str = ""
    ) -> None:
        self.what, self.code, self.where, self.got, self.wanted, self.fix = what, code, where, got, wanted, fix
        head = f"{code}: {what}" if code else what
        parts = [("where", where), ("got", got), ("wanted", wanted), ("do", fix)]
        super().__init__(" | ".join([head, *(f"{label}: {text}" for label, text in parts if text)]))


class UsageError(TheracastError):
    """The call is wrong: an unknown name, an impossible combination of options.

    Examples
    --------
    >>> UsageError.exit_code
    2
    """

    exit_code = 2


class DataError(TheracastError):
    """The tables are wrong: units, ids, scale, shape.

    Examples
    --------
    >>> DataError.exit_code
    3
    """

    exit_code = 3


class ModelError(TheracastError):
    """The model or the registry is wrong: missing alias, changed bytes, other version.

    Examples
    --------
    >>> ModelError.exit_code
    4
    """

    exit_code = 4


class SetupError(TheracastError):
    """The machine is wrong: no disk, no network, a missing optional package.

    Examples
    --------
    >>> SetupError.exit_code
    5
    """

    exit_code = 5
