"""The small real cohorts that ship with the package, and those beside it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from theracast.errors import UsageError
from theracast.features.arthritis import ARTHRITIS, read_arthritis
from theracast.features.cohort import Cohort
from theracast.features.crohns import read_certifi
from theracast.features.readers import read_cohort
from theracast.features.sources import data_folder
from theracast.registry import Registry

_DATA = Path(str(files("theracast.features.data")))


@dataclass(frozen=True)
class Study:
    """A public study whose files are read by a reader of their own.

    Attributes
    ----------
    folder : str
        Where its files are, within the data folder.
    read : callable
        Takes that folder, gives the cohort.
    about, reference, disease : str
        What was measured before what; DOI, empty where the study names none; who the patients are.

    Examples
    --------
    >>> STUDIES["certifi"].folder
    'ra/certifi_crohns_ustekinumab'
    """

    folder: str
    read: Callable[[Path], Cohort]
    about: str = ""
    reference: str = ""
    disease: str = ""


_LIPIDS = "10.1038/s41467-020-19176-z"
#: What the studies of arthritis are, and their DOIs.
_ARTHRITIS = {
    "ra_lipids_discovery": ("plasma lipid mediators before a csDMARD, discovery", _LIPIDS),
    "ra_lipids_validation": ("plasma lipid mediators before a csDMARD, validation", _LIPIDS),
    "ra_lipids_antitnf": ("plasma lipid mediators before a TNF inhibitor, of a thesis", ""),
    "ra_proteome": ("plasma proteins and disease activity before combinations of csDMARDs", ""),
    "ra_repertoire": ("receptor repertoires and HLA before four TNF inhibitors", "10.5281/zenodo.10641094"),
}
#: Studies between whose therapies is chosen; none may be shipped. A new one is a reader and a line here.
STUDIES: Registry[Study] = Registry(
    "study",
    {
        **{n: Study("ra", partial(read_arthritis, n), *_ARTHRITIS[n], "rheumatoid arthritis") for n in ARTHRITIS},
        "certifi": Study(
            "ra/certifi_crohns_ustekinumab",
            read_certifi,
            "CERTIFI, a randomised trial of ustekinumab",
            "10.1056/NEJMoa1203572",
            "Crohn's disease",
        ),
    },
)


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
        which `theracast.features.fetch.fetch` writes; a study of `STUDIES`.

    Returns
    -------
    Path
        A folder that `theracast.features.readers.read_cohort` reads; of one of `STUDIES`, the folder that its
        own reader reads.

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


def load_cohort(name: str, units: Mapping[str, str] | None = None) -> Cohort:
    """Read a cohort by name or by path.

    Parameters
    ----------
    name : str
        As in `dataset_path`; a cohort read by path is named after its folder.
    units : mapping of str to str, optional
        Declared units, as in `theracast.features.readers.read_cohort`.

    Returns
    -------
    Cohort
        The tables that there are.

    Raises
    ------
    UsageError
        There is no such cohort; or units are declared of one of `STUDIES`, which have theirs.

    Examples
    --------
    >>> len(load_cohort("riaz2017_mel"))
    51
    """
    path = dataset_path(name)
    if name in STUDIES and path == _study_folder(name):
        if units:
            raise UsageError("units of a public study are known", where=name, fix="Leave them out.")
        return STUDIES[name].read(path)
    return read_cohort(path, units=units)


def _bundled() -> dict[str, Path]:
    return {f.parent.name: f.parent for f in sorted(_DATA.glob("*/card.yaml"))}


def _outside() -> dict[str, Path]:
    found = (f.parent for place in _places() for f in sorted((place / "ici").glob("[!.]*/clinical.csv")))
    studies = {name: folder for name in STUDIES if (folder := _study_folder(name)) is not None}
    return {**{folder.name: folder for folder in found}, **studies}


def _places() -> list[Path]:
    return [data_folder()] if os.environ.get("THERACAST_DATA") else [data_folder(), Path("../shared/data")]


def _study_folder(name: str) -> Path | None:
    return next((p / STUDIES[name].folder for p in _places() if (p / STUDIES[name].folder).is_dir()), None)
