"""Tumour types: one name for every spelling, and an honest gap where the type is not known here."""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from theracast.checks import UNKNOWN
from theracast.features.columns import texts_of
from theracast.features.remarks import Remarks
from theracast.features.tables import load_table
from theracast.registry import Registry
from theracast.texts import Texts

if TYPE_CHECKING:
    from theracast.features.cohort import Cohort

#: Columns of table ``clinical`` that may name the tumour type; the first that holds one for a patient is read.
COLUMNS = ("cancer_type", "tumour_type", "tumor_type", "cancer")
#: How the note of a patient begins whose type is not listed, and of one whose type is said too coarsely.
UNLISTED = "tumour type is not one that is known here"
COARSE = "tumour type is said too coarsely to be used"

#: Words that do not tell one type from another.
_IDLE = re.compile(
    r"\b(?:a|and|of|the|in|with|cancers?|carcinomas?|tumou?rs?|neoplasms?|malignant|metastatic|advanced|locally|"
    r"unresectable|resectable|recurrent|refractory|stage|iii|iv)\b"
)
_PARTS = re.compile(r"[/(),;+|]|\s[-–:]\s")
#: So like a spelling that a slip of the pen is likelier than another type.
_LIKE = 0.75
_LONGEST = 60


@dataclass(frozen=True)
class TumourType:
    """One tumour type.

    Attributes
    ----------
    name, title : str
        Name in matrices and models; name for people.
    oncotree : str
        Code of the OncoTree of MSK that comes nearest; some have two, separated by ``|``.
    within : tuple of str
        Of what is said too coarsely, the types that it may be.

    Examples
    --------
    >>> tumour_types()["renal"].title
    'kidney cancer'
    """

    name: str
    title: str
    oncotree: str
    within: tuple[str, ...] = ()

    def may_be(self, name: str) -> bool:
        """Say whether this is a type, or was said too coarsely to exclude it.

        Parameters
        ----------
        name : str
            Name of a type.

        Returns
        -------
        bool
            False where nothing is known.

        Examples
        --------
        >>> tumour_types()["renal"].may_be("renal"), tumour_types()["renal"].may_be("urothelial")
        (True, False)
        """
        return self.name == name or (not self.name and name in self.within)


_NOT_LISTED = TumourType("", "", "")


@cache
def tumour_types() -> Registry[TumourType]:
    """List the tumour types that have a name here.

    Returns
    -------
    Registry of TumourType
        By name; a name that is not there is refused with the nearest one.

    Examples
    --------
    >>> tumour_types()["melanom"]
    Traceback (most recent call last):
    ...
    theracast.errors.UsageError: no tumour type named 'melanom' | ... | do: Did you mean 'melanoma'?
    """
    return Registry("tumour type", {kind.name: kind for kind, _ in _rows() if kind.name})


def tumour_type(text: object) -> str:
    """Name the tumour type that a text means.

    Parameters
    ----------
    text : object
        As a clinic writes it; case, spaces, signs and words such as 'metastatic' do not matter.

    Returns
    -------
    str
        A name of `tumour_types`; empty when nothing is given, when it is not known here, and when it is too coarse
        to be one type ('lung').

    Examples
    --------
    >>> [tumour_type(t) for t in ("Head & Neck", "KIRC", "Non-small cell lung cancer", "Lung", "chordoma")]
    ['head_neck', 'renal', 'nsclc', '', '']
    """
    return _meant(text).name


def tumour_note(text: object) -> str:
    """Say why a text gives no tumour type; what was written is not repeated.

    Parameters
    ----------
    text : object
        As a clinic writes it.

    Returns
    -------
    str
        Empty when there is a type, or when nothing was given; else begins with `UNLISTED` or `COARSE`.

    Examples
    --------
    >>> tumour_note("melanomma")
    'tumour type is not one that is known here; nearest: melanoma'
    >>> tumour_note("Lung")
    'tumour type is said too coarsely to be used: lung cancer of which it is not said whether it is small-cell'
    """
    if not _given(text):
        return ""
    meant, spellings = _meant(text), _spellings()
    if meant.title:
        return "" if meant.name else f"{COARSE}: {meant.title}"
    key = _key(text)[:_LONGEST]  # matching takes time with the square of the length
    near = [spellings[k].name for k in difflib.get_close_matches(key, spellings, n=3, cutoff=_LIKE)]
    named = [name for name in near if name]
    return f"{UNLISTED}; nearest: {named[0]}" if named else UNLISTED


def tumours(cohort: Cohort) -> pd.Series:
    """Name the tumour type of each patient.

    A type that is said too coarsely is taken from the study's name where that has it as a word: 'Lung' in a study
    ``jung2019_nsclc`` is ``nsclc``.

    Parameters
    ----------
    cohort : Cohort
        With one of `COLUMNS` in table ``clinical``, or without.

    Returns
    -------
    Series of str
        Names of `tumour_types`, indexed by `Cohort.ids`; empty where it is not known.

    Examples
    --------
    >>> from theracast.features.cohort import Cohort
    >>> clinical = pd.DataFrame({"cancer_type": ["Kidney", "Lung"], "tumor_type": "SCLC"}, index=["a", "b"])
    >>> tumours(Cohort.from_tables({"clinical": clinical})).tolist()
    ['renal', '']
    """
    return pd.Series(_named(cohort).read(str), index=cohort.ids, dtype=object)


def tumour_notes(cohort: Cohort) -> Remarks:
    """Say of each patient why there is no tumour type, where one was written.

    Parameters
    ----------
    cohort : Cohort
        Patients.

    Returns
    -------
    Remarks
        Patient id to the note; patients with a type, or of whom none was written, are not in it.

    Examples
    --------
    >>> from theracast.features.cohort import Cohort
    >>> clinical = pd.DataFrame({"cancer_type": ["Kidney", "chordoma"]}, index=["a", "b"])
    >>> tumour_notes(Cohort.from_tables({"clinical": clinical}))
    {'b': ['tumour type is not one that is known here']}
    """
    said, notes = _said(cohort), Remarks(cohort.ids)
    rows = np.flatnonzero(_named(cohort).isin({""}) & ~said.isin({""}))
    told = {text: tumour_note(text) for text in {said.cells[k] for k in said.codes[rows]}}
    which = np.array([bool(told.get(text)) for text in said.cells], dtype=bool)[said.codes[rows]]
    notes.add_each(rows[which], [told[said.cells[k]] for k in said.codes[rows[which]]])
    return notes


def _named(cohort: Cohort) -> Texts:
    """Name the tumour type of each patient, every text in every study once."""
    said, studies = _said(cohort), Texts.of(cohort.studies.reindex(cohort.ids))
    pairs, kept = pd.factorize(said.codes * len(studies.cells) + studies.codes)
    return Texts(pairs, tuple(_resolved(said.cells[k // len(studies.cells)], studies.cells[k % len(studies.cells)])
                              for k in kept))  # fmt: skip


def _said(cohort: Cohort) -> Texts:
    """Return what is written of each patient, in the first column that says anything."""
    if ("said",) in cohort.known:
        found: Texts = cohort.known["said",]
        return found
    said = Texts.nothing(len(cohort))
    for column in (c for c in COLUMNS if c in cohort.tables.get("clinical", pd.DataFrame()).columns):
        more = texts_of(cohort, column, ["clinical"]).map(lambda text: text.strip() if _given(text) else "")
        silent = said.isin({""})
        said = Texts(np.where(silent, more.codes + len(said.cells), said.codes), said.cells + more.cells)
    cohort.known["said",] = said
    return said


def _given(text: object) -> bool:
    return not pd.isna(text) and str(text).strip().lower() not in UNKNOWN


def _resolved(text: str, study: object) -> str:
    """Name the type; where it is said too coarsely, by the one type that the study's name gives."""
    meant = _meant(text)
    told = {tumour_type(word) for word in re.split(r"[^a-z]+", str(study).lower())} & set(meant.within)
    return meant.name or (told.pop() if len(told) == 1 else "")


def _key(text: object) -> str:
    """Reduce a text to the letters that tell types apart."""
    plain = unicodedata.normalize("NFKD", str(text)).encode("ascii", "ignore").decode().casefold()
    return re.sub(r"[^a-z0-9]", "", _IDLE.sub("", plain.replace("_", " ")))


def _meant(text: object) -> TumourType:
    """Look the whole text up, else its parts: 'NSCLC (adenocarcinoma)', 'Kidney/Renal'."""
    spellings = _spellings()
    parts = [_key(part) for part in _PARTS.split(str(text))]
    found = [spellings.get(part, _NOT_LISTED) for part in parts if part]
    named = {kind for kind in found if kind.name}
    agree = len(named) == 1 and all(kind.may_be(next(iter(named)).name) for kind in found)
    return spellings.get(_key(text), next(iter(named)) if agree else _NOT_LISTED)


@cache
def _spellings() -> dict[str, TumourType]:
    """Map every spelling to its type, or to the row of the table that leaves the type open."""
    return {_key(text): kind for kind, texts in _rows() for text in texts}


def _rows() -> list[tuple[TumourType, list[str]]]:
    return [
        (
            TumourType(r.name, r.title, r.oncotree, tuple(filter(None, r.within.split("|")))),
            [*((r.name, r.title) if r.name else ()), *r.synonyms.split("|"), *filter(None, r.oncotree.split("|"))],
        )
        for r in load_table("tumour_types").fillna("").itertuples(index=False)
    ]
