"""The data that a claim rests on: cohorts by name, and public files that are not shipped."""

from __future__ import annotations

import os
from pathlib import Path

import theracast
from theracast.errors import UsageError
from theracast.features.datasets import dataset_path
from theracast.features.readers import cohort_sources
from theracast.provenance import digest_json, sha256_file


def data_digest(name: str) -> str:
    """Digest a cohort, or a file or folder under that of shared data.

    Parameters
    ----------
    name : str
        Of a cohort, or a path with a slash.

    Returns
    -------
    str
        64 hexadecimal characters; empty where the data are not here.

    Examples
    --------
    >>> len(data_digest("riaz2017_mel")), data_digest("no/such")
    (64, '')
    """
    if "/" not in name:
        try:
            return digest_json({s.name: s.sha256 for s in cohort_sources(dataset_path(name))})
        except UsageError:
            return ""
    place = shared_folder() / name
    files = [place] if place.is_file() else sorted(f for f in place.rglob("*") if f.is_file())
    named = {f.name if f == place else f.relative_to(place).as_posix(): sha256_file(f) for f in files}
    return digest_json(named) if named else ""


def shared_folder() -> Path:
    """Say where public data that are not shipped lie.

    Returns
    -------
    Path
        ``THERACAST_DATA``, or ``../shared/data`` beside the repository.

    Examples
    --------
    >>> shared_folder().name
    'data'
    """
    told = os.environ.get("THERACAST_DATA")
    return Path(told) if told else Path(theracast.__file__).parents[2] / "shared" / "data"
