"""What a YAML of the evidence folder says: its settings, and the section on how its claim is run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from theracast.errors import DataError

#: Key of a YAML under which it says how it is run.
SECTION = "run"
#: What a section may say.
FIELDS = ("by", "data", "outputs", "simulated", "minutes", "tolerance")


def read_yaml(file: Path) -> dict[str, Any]:
    """Read a YAML of the evidence folder.

    Parameters
    ----------
    file : Path
        Of the folder.

    Returns
    -------
    dict
        Empty when it holds anything but fields.

    Raises
    ------
    DataError
        THX-D31 when it cannot be read.

    Examples
    --------
    >>> read_yaml(Path("no/such/a.yaml"))
    Traceback (most recent call last):
    ...
    theracast.errors.DataError: THX-D31: a YAML of the evidence folder cannot be read | where: a.yaml | ...
    """
    try:
        fields = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        # left out, its claim would vanish from the list without a word
        raise DataError(
            "a YAML of the evidence folder cannot be read",
            code="THX-D31",
            where=file.name,
            got=type(error).__name__,
            fix="Mend it, or move what is no YAML elsewhere.",
        ) from None
    return fields if isinstance(fields, dict) else {}


def settings_in(file: Path) -> dict[str, Any]:
    r"""Read all that a YAML says but a claim and how it is run.

    Parameters
    ----------
    file : Path
        Of the folder.

    Returns
    -------
    dict
        What a run of it rests on.

    Raises
    ------
    DataError
        THX-D31 when it cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp(), "a.yaml")
    >>> _ = file.write_text("claim: It works.\nrun: {by: a.py}\nn: 3")
    >>> settings_in(file)
    {'n': 3}
    """
    return {k: v for k, v in read_yaml(file).items() if k not in ("claim", SECTION)}


def wrong_in(section: Any) -> list[str]:
    """Name what is wrong in a section that says how a claim is run.

    Parameters
    ----------
    section : object
        As read.

    Returns
    -------
    list of str
        Empty when it may stand.

    Examples
    --------
    >>> wrong_in({"by": "a.py", "data": "one", "minute": 5})
    ['minute', "data: 'one'"]
    """
    if not isinstance(section, dict):
        return [type(section).__name__]
    wrong = sorted(map(str, set(section) - set(FIELDS)))
    wrong += [f"{k}: {section[k]!r}" for k in ("data", "outputs") if not isinstance(section.get(k) or [], list)]
    minutes, tolerance = section.get("minutes") or 0, section.get("tolerance") or {}
    wrong += [] if isinstance(minutes, int | float) else [f"minutes: {minutes!r}"]
    if not isinstance(tolerance, dict) or (tolerance and set(tolerance) != {"value", "why"}):
        wrong.append(f"tolerance: {tolerance if not isinstance(tolerance, dict) else ', '.join(map(str, tolerance))}")
    elif not isinstance(tolerance.get("value", 0), int | float):
        wrong.append(f"tolerance: {tolerance['value']!r}")
    return wrong
