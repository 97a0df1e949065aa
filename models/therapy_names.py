"""How a user calls a therapy, and which therapy of a model that is."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from theracast.errors import DataError
from theracast.features.drugs import read_regimen


def therapy_named(text: str, therapies: Sequence[str]) -> str:
    """Find the therapy of a model that a name means: brand names, abbreviations and any order of a combination do.

    Parameters
    ----------
    text : str
        As a user writes it: ``Enbrel``, ``LEF + MTX``.
    therapies : sequence of str
        Those that the model knows.

    Returns
    -------
    str
        One of `therapies`.

    Raises
    ------
    DataError
        THX-D21 when it means none of them, with the nearest known name. A misspelt name is never taken for another.

    Examples
    --------
    >>> therapy_named("Enbrel", ["adalimumab", "etanercept"])
    'etanercept'
    >>> therapy_named("etanarcept", ["adalimumab", "etanercept"])
    Traceback (most recent call last):
    ...
    theracast.errors.DataError: THX-D21: ...
    """
    plain = " ".join(text.split()).casefold()
    for therapy in therapies:
        if therapy.casefold() == plain:
            return therapy
    label, unknown = _label(text)
    for therapy in therapies:
        if label and _label(therapy)[0] == label:
            return therapy
    near = difflib.get_close_matches(plain, [t.casefold() for t in therapies], n=1)
    nearest = next((t for t in therapies if near and t.casefold() == near[0]), "")
    fix = f"Did you mean {nearest!r}?" if nearest else ""
    if unknown is not None:
        raise DataError("no such therapy in this model", code="THX-D21", got=unknown.got, wanted=", ".join(therapies),
                        fix=unknown.fix or fix)  # fmt: skip
    raise DataError(
        "the model did not learn from anyone who got this therapy",
        code="THX-D21",
        got=label,
        wanted=", ".join(therapies),
        fix=fix or "It is not ranked.",
    )


def _label(text: str) -> tuple[str, DataError | None]:
    try:
        return read_regimen(text).label, None
    except DataError as error:
        return "", error
