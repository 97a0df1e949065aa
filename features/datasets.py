"""The small real cohorts that ship with the package, and those beside it."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from theracast.errors import UsageError
from theracast.features.arthritis import ARTHRITIS, read_arthritis
from theracast.features.cohort import Cohort
from theracast.features.readers import read_cohort
from theracast.features.sources import data_folder
from theracast.registry import Registry

_DATA = Path(str(files("theracast.features.data")))
_ARTHRITIS = "ra"


def datasets() -> pd.DataFrame:
    """List the bundled cohorts.

    Returns
    -------
    DataFrame
        One row per cohort: name, cancer, n, n_response, n_no_response, patients with expression and with
        signatures, drug, pmid and licence.

    Examples
    --------
    >>> datasets().set_index("name").loc["hugo2016_mel", ["n", "n_response", "n_no_response"]].tolist()
    [26, 14, 12]
    """
    rows = []
    for name in _bundled():
        card = dataset_card(name)
        known = card["patients_with"]
        rows.append(
            {
                **{k: card[k] for k in ("name", "cancer", "n", "n_response", "n_no_response")},
                **{k: known[k] for k in ("expression", "signatures")},
                **{k: card[k] for k in ("drug", "pmid")},
                "licence": card["licence"]["summary"],
            }
        )
    return pd.DataFrame(rows)


def dataset_card(name: str) -> dict[str, Any]:
    """Return what is known about a cohort: paper, licence of each part, counts, label and traps.

    Parameters
    ----------
    name : str
        Name in `datasets`.

    Returns
    -------
    dict
        The content of its ``card.yaml``.

    Raises
    ------
    UsageError
        The cohort is unknown, or is neither bundled nor fetched and has no card.

    Examples
    --------
    >>> dataset_card("vanallen2015_mel")["response_definition"]
    'RECIST CR/PR vs SD/PD'
    """
    file = dataset_path(name) / "card.yaml"
    if not file.exists():
        raise UsageError("the data set has no card", where=str(file), wanted=f"one of {', '.join(_bundled())}")
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def dataset_path(name: str) -> Path:
    """Find the folder of a cohort: a bundled one, one of your own, or one that was fetched.

    Parameters
    ----------
    name : str
        Looked for in this order: a name in `datasets`; the path of an existing folder; the name of a folder in
        ``$THERACAST_DATA/ici``, or, when the variable is not set, in ``../shared/data/ici`` and in the cache to
        which `theracast.features.fetch.fetch` writes; a study of `theracast.features.arthritis.ARTHRITIS`.

    Returns
    -------
    Path
        A folder that `theracast.features.readers.read_cohort` reads; of a study of arthritis, the folder ``ra`` that
        holds the files of all of them.

    Raises
    ------
    UsageError
        There is no such cohort; says which there are.

    Examples
    --------
    >>> sorted(f.name for f in dataset_path("mgh2022_mel").iterdir())
    ['card.yaml', 'clinical.csv', 'signatures.parquet', 'units.yaml']
    """
    bundled = _bundled()
    if name in bundled:
        return bundled[name]
    if name and Path(name).is_dir():
        return Path(name)
    return Registry("data set", {**_outside(), **bundled})[name]


def load_cohort(name: str) -> Cohort:
    """Read a cohort by name or by path.

    Parameters
    ----------
    name : str
        As in `dataset_path`; a cohort read by path is named after its folder.

    Returns
    -------
    Cohort
        The tables that there are.

    Examples
    --------
    >>> len(load_cohort("riaz2017_mel"))
    51
    """
    path = dataset_path(name)
    return read_arthritis(name, path) if name in ARTHRITIS and path.name == _ARTHRITIS else read_cohort(path)


def _bundled() -> dict[str, Path]:
    return {f.parent.name: f.parent for f in sorted(_DATA.glob("*/card.yaml"))}


def _outside() -> dict[str, Path]:
    places = [data_folder()] if os.environ.get("THERACAST_DATA") else [data_folder(), Path("../shared/data")]
    found = (f.parent for place in places for f in sorted((place / "ici").glob("[!.]*/clinical.csv")))
    studies = {name: p / _ARTHRITIS for p in places if (p / _ARTHRITIS).is_dir() for name in ARTHRITIS}
    return {**{folder.name: folder for folder in found}, **studies}
