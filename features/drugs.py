"""Drugs: one name for every spelling of a drug or a regimen, and the nearest name where it is not known here."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from functools import cache

import pandas as pd

from theracast.checks import Problem
from theracast.errors import DataError
from theracast.features.drug_words import (
    JOINTS,
    bracketed,
    is_missing,
    joined,
    key,
    names_choice,
    names_something,
    plain,
    without_dose,
)
from theracast.features.tables import load_table

CODE = "THX-D21"
#: How the names of a combination are joined in its label.
PLUS = " + "

#: So like a name that a slip of the pen is likelier than another drug.
_LIKE = 0.75
_LONGEST_NAME = 40
#: Different words of a column for which a nearest name is looked for; each costs some milliseconds.
_MOST_HINTS = 200
#: Written without a gap in cohorts of rheumatoid arthritis: MTXLEFHCQ, MTX5-ASA.
_JOINED = ("mtx", "lef", "hcq", "ssz", "5asa")


@dataclass(frozen=True, order=True)
class Drug:
    """One drug, a class of which the drug is not said, or a control.

    Attributes
    ----------
    place : int
        Row of the table: the order in which a combination names its drugs.
    name : str
        International nonproprietary name; of a class its name here.
    mechanism : str
        What it acts on: ``TNF``, ``IL-6``, ``JAK``, ``PD-1``, ``csDMARD``; empty for a control.
    group : str
        Kind of drug: ``csDMARD``, ``bDMARD``, ``checkpoint inhibitor``.
    kind : str
        ``drug``, ``class`` or ``control``.
    atc : tuple of str
        Codes of the WHO, where there are any.
    approved : tuple of str
        Authorities that have approved it at some time, as the table's header says.

    Examples
    --------
    >>> read_drug("Enbrel").atc
    ('L04AB01',)
    """

    place: int = field(repr=False)
    name: str
    mechanism: str
    group: str
    kind: str = "drug"
    atc: tuple[str, ...] = ()
    approved: tuple[str, ...] = ()


@dataclass(frozen=True)
class Regimen:
    """The drugs that a patient gets together; false when nothing is given.

    Attributes
    ----------
    drugs : tuple of Drug
        Each once, in the order of the table.

    Examples
    --------
    >>> read_regimen("LEF/MTX") == read_regimen("methotrexate and leflunomide")
    True
    """

    drugs: tuple[Drug, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.drugs)

    @property
    def label(self) -> str:
        """Name the regimen; the order in which it was written does not matter.

        Returns
        -------
        str
            Empty when nothing is given.

        Examples
        --------
        >>> read_regimen("LEF/MTX").label
        'methotrexate + leflunomide'
        """
        return PLUS.join(d.name for d in self.drugs)

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Name what the drugs act on, each once.

        Returns
        -------
        tuple of str
            In the order of the drugs.

        Examples
        --------
        >>> read_regimen("ipilimumab + nivolumab").mechanisms
        ('PD-1', 'CTLA-4')
        """
        return tuple(dict.fromkeys(d.mechanism for d in self.drugs if d.mechanism))


def known_drugs() -> pd.DataFrame:
    """List the drugs, classes and controls that have a name here.

    Returns
    -------
    DataFrame
        The columns of ``features/tables/drugs.csv`` (``kind``, ``mechanism``, ``atc``, ``brands`` among them), indexed
        by name; lists are separated by ``|``.

    Examples
    --------
    >>> known_drugs().loc["tocilizumab", ["mechanism", "atc"]].tolist()
    ['IL-6', 'L04AC07']
    """
    return load_table("drugs").fillna("").set_index("name")


def read_drug(text: object) -> Drug | None:
    """Name the one drug that a text means.

    Parameters
    ----------
    text : object
        As a clinic writes it: name, brand, salt, biosimilar or abbreviation; case, spaces, signs and doses do not
        matter.

    Returns
    -------
    Drug or None
        None when nothing is given.

    Raises
    ------
    DataError
        THX-D21: it is not known here (with the nearest name; a misspelling is never taken for the drug), it may be
        two drugs, or it names several.

    Examples
    --------
    >>> [read_drug(t).name for t in ("HUMIRA®", "adalimumab-atto", "Tofacitinib citrate", "MTX 15 mg/week")]
    ['adalimumab', 'adalimumab', 'tofacitinib', 'methotrexate']
    >>> read_drug("etanarcept")
    Traceback (most recent call last):
    ...
    theracast.errors.DataError: THX-D21: drug is not one that is known here | do: Did you mean 'etanercept'?
    """
    drugs = read_regimen(text).drugs
    if len(drugs) > 1:
        raise DataError("several drugs are named where one is wanted", code=CODE, fix="Read it with read_regimen.")
    return drugs[0] if drugs else None


def read_regimen(text: object) -> Regimen:
    """Name the drugs that a text means together.

    Parameters
    ----------
    text : object
        As a clinic writes it: one drug, or several joined by '+', '/', ',', 'and', 'with'; or MTXLEFHCQ.

    Returns
    -------
    Regimen
        False when nothing is given.

    Raises
    ------
    DataError
        THX-D21, as `read_drug`; also when it names alternatives or one drug after another.

    Examples
    --------
    >>> [read_regimen(t).label for t in ("MTXLEFHCQ", "etanercept (Enbrel) with MTX", "", "Opdualag")]
    ['methotrexate + leflunomide + hydroxychloroquine', 'methotrexate + etanercept', '', 'nivolumab + relatlimab']
    >>> read_regimen("PEM")
    Traceback (most recent call last):
    ...
    theracast.errors.DataError: THX-D21: abbreviation means more than one drug | do: Write 'pembrolizumab' or ...
    """
    drugs, refusal = _read(text)
    if refusal:
        raise refusal.error()
    return Regimen(drugs)


def read_regimens(values: pd.Series, where: str) -> tuple[pd.Series, list[Problem]]:
    """Name the regimen of each patient.

    Parameters
    ----------
    values : Series of shape (n_patients,)
        As `read_regimen` reads it.
    where : str
        Table and column, for the messages.

    Returns
    -------
    labels : Series of str, shape (n_patients,)
        Labels of regimens; empty where nothing was given and where it could not be read.
    problems : list of Problem
        What could not be read, by message and row; what was written is not repeated.

    Examples
    --------
    >>> labels, problems = read_regimens(pd.Series(["MTX/HCQ", None, "Humria"]), "clinical:drug")
    >>> labels.tolist()
    ['methotrexate + hydroxychloroquine', '', '']
    >>> print(problems[0])
    THX-D21: drug is not one that is known here. Did you mean 'Humira' (adalimumab)? | where: clinical:drug | rows: 3
    """
    texts = ["" if is_missing(v) else plain(v) for v in values]
    read = {text: _read(text) for text in dict.fromkeys(texts)}
    labels = [Regimen(read[text][0]).label for text in texts]
    refused = [text for text, (_, refusal) in read.items() if refusal]
    said = {t: f"{read[t][1]}" if i < _MOST_HINTS else f"{_UNKNOWN}. {_LIST}" for i, t in enumerate(refused)}
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        if text in said:
            rows.setdefault(said[text], []).append(row)
    problems = [Problem(CODE, where, what, tuple(places)) for what, places in rows.items()]
    return pd.Series(labels, index=values.index, dtype=object), problems


_UNKNOWN = "drug is not one that is known here"
_LIST = "Names that are known: theracast.features.drugs.known_drugs()."


@dataclass(frozen=True)
class _Refusal:
    """Why a text is no regimen; `unknown` is what was not found, for the nearest name."""

    what: str
    fix: str = ""
    unknown: str = ""

    def __str__(self) -> str:
        return f"{self.what}. {self.fix or _nearest(self.unknown)}"

    def error(self) -> DataError:
        return DataError(self.what, code=CODE, fix=self.fix or _nearest(self.unknown))


_Found = tuple[tuple[Drug, ...], _Refusal | None]


def _read(text: object) -> _Found:
    """Look the whole text up, else its parts; in brackets may stand the same again in other words."""
    if is_missing(text):
        return (), None
    said = plain(text)
    whole = _looked_up(said)
    if whole:
        return _settled(whole)
    if names_choice(said):
        fix = "Write the drugs that were given together, joined by '+'; one line per course of treatment."
        return (), _Refusal("alternatives, a sequence or a drug that was not given are named, not one regimen", fix)
    rest, inside = bracketed(said)
    drugs, refusal = _parts(rest, 0) if rest else ((), None)
    for words in filter(names_something, map(without_dose, inside)):
        if refusal:
            break
        also, refusal = _parts(words, 0)
        if drugs and not all(any(_same(a, d) for d in drugs) for a in also):
            return (), _Refusal("in brackets stands another drug", "Join drugs that are given together by '+'.")
        drugs = (*drugs, *also)
    if refusal:
        return (), refusal
    named = {d.mechanism for d in drugs if d.kind == "drug"} if inside else set()
    kept = {d for d in drugs if d.kind != "class" or d.mechanism not in named}
    return tuple(sorted(kept)), None if kept else _Refusal(_UNKNOWN, unknown=said)


def _same(one: Drug, other: Drug) -> bool:
    """Say whether two are one drug, or one is the class of the other."""
    return one == other or (one.mechanism == other.mechanism and "class" in (one.kind, other.kind))


def _parts(text: str, level: int) -> _Found:
    """Read a text, or what its joints join."""
    found = _looked_up(text)
    if found:
        return _settled(found)
    while level < len(JOINTS) and not JOINTS[level].search(text):
        level += 1
    if level == len(JOINTS):
        return (), _Refusal(_UNKNOWN, unknown=text)
    pieces = JOINTS[level].split(text)
    if not all(map(names_something, pieces)):
        fix = "Name both, or leave the sign out."
        return (), _Refusal("a sign that joins two drugs stands beside one", fix)
    read = [_parts(piece, level + 1) for piece in pieces]
    refusal = next((r for _, r in read if r), None)
    if refusal and JOINTS[level].pattern == "-":
        refusal = _Refusal(_UNKNOWN, unknown=text)
    return tuple({d for drugs, _ in read for d in drugs}), refusal


def _settled(found: list[tuple[Drug, ...]]) -> _Found:
    if len(found) == 1:
        return found[0], None
    names = " or ".join(repr(PLUS.join(d.name for d in drugs)) for drugs in found)
    return (), _Refusal("abbreviation means more than one drug", f"Write {names}.")


def _looked_up(text: str) -> list[tuple[Drug, ...]]:
    """Find what a name means: nothing, the drugs, or each of several things that it may mean."""
    spellings = _spellings()
    for words in (key(text), key(without_dose(text))):
        if words in spellings:
            return spellings[words]
        several = joined(words, _JOINED)
        if several:
            return [tuple(sorted({d for w in several for d in spellings[w][0]}))]
    return []


def _nearest(text: str) -> str:
    """Name what a text that is not known comes nearest to."""
    words = key(without_dose(text))[:_LONGEST_NAME]  # matching takes time with the square of the length
    matcher, best, spelt = difflib.SequenceMatcher(autojunk=False), -1.0, ""
    matcher.set_seq2(words)
    for other in _hints():
        matcher.set_seq1(other)
        if matcher.real_quick_ratio() > best and matcher.quick_ratio() > best and matcher.ratio() > best:
            best, spelt = matcher.ratio(), other
    shown = _hints()[spelt]
    return f"Did you mean {shown}?" if best >= _LIKE else f"The nearest known name is {shown}. {_LIST}"


@cache
def _hints() -> dict[str, str]:
    """Map the key of every name, brand and short form to how a hint shows it."""
    hints = {}
    for name, row in known_drugs().iterrows():
        hints[key(plain(name))] = repr(name)
        for word in (*_listed(row["brands"]), *_listed(row["other"]), *_listed(row["abbreviations"])):
            hints.setdefault(key(plain(word)), f"{word!r} ({name})")
    return hints


@cache
def _spellings() -> dict[str, list[tuple[Drug, ...]]]:
    """Map the key of every word to what it may mean."""
    table = load_table("drugs").fillna("")
    drugs = {
        r.name: Drug(r.Index, r.name, r.mechanism, r.group, r.kind, _listed(r.atc), _listed(r.approved))
        for r in table.itertuples()
        if r.kind != "combination"
    }
    spellings: dict[str, list[tuple[Drug, ...]]] = {}
    for r in table.itertuples():
        meant = tuple(drugs[name] for name in ([r.name] if r.name in drugs else r.name.split(PLUS)))
        words = [r.name, *_listed(r.brands), *_listed(r.other), *_listed(r.abbreviations)]
        words += [f"{r.name} {salt}" for salt in _listed(r.salts)] + [f"{r.name}-{s}" for s in _listed(r.suffixes)]
        for word in words:
            known = spellings.setdefault(key(plain(word)), [])
            known.extend([meant] if meant not in known else [])
    return spellings


def _listed(cell: str) -> tuple[str, ...]:
    return tuple(filter(None, cell.split("|")))
