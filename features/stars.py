"""Star alleles: diplotypes as laboratories write them, to the phenotypes of CPIC. What is not known stays unknown."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache

import pandas as pd

from theracast.checks import UNKNOWN
from theracast.features.tables import load_table

#: What CPIC calls a phenotype that the alleles do not tell.
INDETERMINATE = "Indeterminate"
#: Why a diplotype that CPIC knows tells nothing.
CPIC_SAYS = "CPIC calls it indeterminate"
#: VKORC1 is reported on the strand of the gene (-1639 G>A) as often as on that of the genome.
_OTHER_STRAND = {"VKORC1": {"g": "c", "a": "t"}}
_SEVERAL = re.compile(r"\s*;\s*|\s+or\s+", re.IGNORECASE)
_COPIES = re.compile(r"(\*\d+)x(n|\d+|≥\d+)")


@dataclass(frozen=True)
class StarCall:
    """What one patient's alleles of one gene tell.

    Attributes
    ----------
    candidates : tuple of str
        Every diplotype that they may be, in CPIC's spelling.
    phenotype : str
        That on which all candidates agree; ``Indeterminate`` when they do not or CPIC says so; empty when nothing
        is known of the gene.
    score : str
        Activity score on which all agree, as CPIC writes it (``≥3.0``); empty when there is none.
    why : str
        Why nothing can be said, without a value of the patient.

    Examples
    --------
    >>> read_diplotype("CYP2C19", "*2/*1").phenotype
    'Intermediate Metabolizer'
    """

    candidates: tuple[str, ...] = ()
    phenotype: str = ""
    score: str = ""
    why: str = ""


@dataclass(frozen=True)
class _Book:
    """The alleles of a gene by each of their spellings, and the diplotypes that CPIC knows."""

    names: Mapping[str, str]
    rows: Mapping[tuple[str, ...], tuple[str, str, str]]


@cache
def pharmacogenes() -> tuple[str, ...]:
    """List the genes whose diplotypes CPIC translates.

    Returns
    -------
    tuple of str
        In alphabetical order.

    Examples
    --------
    >>> len(pharmacogenes()), pharmacogenes()[:2]
    (19, ('ABCG2', 'CACNA1S'))
    """
    return tuple(sorted(load_table("cpic_phenotypes")["gene"].unique()))


def examples_of_diplotypes() -> dict[str, str]:
    """Give a diplotype of each gene, in CPIC's spelling, to copy from.

    Returns
    -------
    dict of str to str
        Gene to diplotype.

    Examples
    --------
    >>> examples_of_diplotypes()["TPMT"]
    '*1/*1'
    """
    return load_table("cpic_phenotypes").groupby("gene")["diplotype"].first().to_dict()


@cache
def _books() -> dict[str, _Book]:
    table = load_table("cpic_phenotypes")
    table["activity_score"] = table["activity_score"].fillna("")
    return {str(g): _book(str(g), t) for g, t in table.groupby("gene")}


def _book(gene: str, table: pd.DataFrame) -> _Book:
    diplotypes = table["diplotype"].tolist()
    # a name may hold a slash (Telti/Kobe): homozygotes tell the names apart, for both halves are the same
    halves = {d: d[: len(d) // 2] for d in diplotypes if d[: len(d) // 2] + "/" + d[: len(d) // 2] == d}
    alleles = set(halves.values()) | {d for d in diplotypes if "/" not in d}
    names: dict[str, str] = {}
    for allele in sorted(alleles):
        for spelling in _spellings(allele):
            names[spelling] = "" if names.get(spelling, allele) != allele else allele
    names |= {_folded(a): a for a in alleles}
    if gene == "DPYD":
        names["*1"] = "Reference"
    for theirs, ours in _OTHER_STRAND.get(gene, {}).items():
        names[theirs] = names[ours]
    names = {k: v for k, v in names.items() if v}
    rows = {}
    for diplotype, *known in table[["diplotype", "phenotype", "activity_score"]].itertuples(index=False):
        pairs = [p for p in _halves(diplotype) if set(p) <= alleles]
        rows[tuple(sorted(pairs[0])) if pairs else (diplotype,)] = (diplotype, *known)
    return _Book(names, rows)


def _spellings(allele: str) -> set[str]:
    """Other names in use: what stands in brackets, and what stands before them."""
    found = re.fullmatch(r"(.+?) \((.+)\)", allele)
    return {_folded(part) for part in (found.groups() if found else (allele,))}


def _folded(name: str) -> str:
    text = re.sub(r"\s+", " ", name.strip().lower().replace("×", "x").replace(">=", "≥"))
    text = re.sub(r"\*0+(?=\d)", "*", text)
    return re.sub(r"^(\*\d+)\.\d{3}$", r"\1", text)  # *4.001 is a sub-allele of *4


def _halves(text: str) -> list[tuple[str, str]]:
    return [(text[: m.start()], text[m.end() :]) for m in re.finditer(r"\s*[/|]\s*", text)]


def read_diplotype(gene: str, cell: str) -> StarCall:
    """Translate a diplotype into CPIC's phenotype and activity score.

    Parameters
    ----------
    gene : str
        One of `pharmacogenes`.
    cell : str
        ``*1/*4`` in either order, also ``CYP2D6*1/CYP2D6*4``, ``*01|*04``, ``1/4``; G6PD of a man and MT-RNR1 as one
        allele; several possible diplotypes behind one another, ``*1/*3A;*3B/*3C``; a copy number that was not counted
        as ``*1xN/*2``.

    Returns
    -------
    StarCall
        Alleles that CPIC does not know give ``Indeterminate``: never the reference.

    Examples
    --------
    >>> read_diplotype("CYP2D6", "*4/*01").score
    '1.0'
    >>> read_diplotype("TPMT", "*1/*3A;*3B/*3C").phenotype
    'Indeterminate'
    >>> read_diplotype("TPMT", "*1/*3Z").why
    'an allele is not known to CPIC; near: *3A, *3B, *3C'
    """
    text = str(cell).strip()
    if text.lower() in UNKNOWN:
        return StarCall()
    return _translated(gene, text)


@cache
def _translated(gene: str, text: str) -> StarCall:
    found: list[tuple[str, ...]] = []
    for part in _SEVERAL.split(text):
        pairs, why = _pairs(gene, part)
        if why:
            return StarCall((), INDETERMINATE, "", why)
        found += pairs
    return agreed(gene, found)


def _pairs(gene: str, text: str) -> tuple[list[tuple[str, ...]], str]:
    """Every pair of alleles that a part of a cell may mean, or why there is none."""
    book = _books()[gene]
    whole = _named(gene, text)
    if len(whole) == 1 and (whole[0],) in book.rows:
        return [(whole[0],)], ""
    pairs: list[tuple[str, ...]] = [
        (a, b) for left, right in _halves(text) for a in _named(gene, left) for b in _named(gene, right) if a and b
    ]
    if pairs:
        return pairs, ""
    if whole:
        return [], "one allele is given where two are wanted"
    parts = [p for pair in _halves(text) for p in pair] or [text]
    near = sorted({n for p in parts if not _named(gene, p) for n in _near(gene, p)})
    return [], "an allele is not known to CPIC" + (f"; near: {', '.join(near)}" if near else "")


def _named(gene: str, text: str) -> list[str]:
    """CPIC's names of what is written; several when the number of copies was not counted."""
    names, key = _books()[gene].names, _folded(text)
    bare = re.sub(rf"^{re.escape(gene.lower())}[: ]*", "", key)
    for spelling in (key, bare, f"*{key}"):
        if spelling in names:
            return [names[spelling]]
        copies = _COPIES.fullmatch(spelling)
        if copies and copies[2] == "n":
            several = re.compile(re.escape(copies[1]) + r"x[≥\d]+")
            return [v for k, v in names.items() if several.fullmatch(k)]
        if copies and copies[2].isdecimal():
            least = [k for k in names if k.startswith(f"{copies[1]}x≥") and int(copies[2]) >= int(k.split("≥")[1])]
            return [names[k] for k in least]
    return []


def allele_of(gene: str, name: str) -> str:
    """Bring the name of one allele to CPIC's spelling.

    Parameters
    ----------
    gene : str
        One of `pharmacogenes`.
    name : str
        As written; a sub-allele (``*45.002``) is its allele.

    Returns
    -------
    str
        CPIC's name, or `name` where CPIC has no phenotype for the allele.

    Examples
    --------
    >>> allele_of("SLCO1B1", "*45.002"), allele_of("DPYD", "*2A"), allele_of("NUDT15", "*10")
    ('*45', 'c.1905+1G>A (*2A)', '*10')
    """
    found = _named(gene, name)
    return found[0] if len(found) == 1 else name


def _near(gene: str, text: str) -> list[str]:
    return [_books()[gene].names[n] for n in difflib.get_close_matches(_folded(text), _books()[gene].names, 3, 0.6)]


def agreed(gene: str, pairs: Iterable[tuple[str, ...]]) -> StarCall:
    """Say what holds for every diplotype that a patient may have.

    Parameters
    ----------
    gene : str
        One of `pharmacogenes`.
    pairs : iterable of tuple of str
        Alleles in CPIC's names.

    Returns
    -------
    StarCall
        A phenotype only when all agree.

    Examples
    --------
    >>> agreed("CYP2C19", [("*1", "*2"), ("*1", "*3")]).phenotype
    'Intermediate Metabolizer'
    >>> agreed("CYP2C19", [("*1", "*1"), ("*1", "*2")]).why
    '2 diplotypes are possible, and their phenotypes differ'
    """
    rows = _books()[gene].rows
    keys = dict.fromkeys(tuple(sorted(p)) for p in pairs)
    known = [rows[k] for k in keys if k in rows]
    names = tuple(rows[k][0] if k in rows else "/".join(k) for k in keys)
    if len(known) < len(keys) or not keys:
        why = "CPIC has no phenotype for it" if keys else "no pair of known alleles explains it"
        return StarCall(names, INDETERMINATE, "", why)
    phenotypes, scores = {r[1] for r in known}, {r[2] for r in known}
    if len(phenotypes) > 1:
        return StarCall(names, INDETERMINATE, "", f"{len(keys)} diplotypes are possible, and their phenotypes differ")
    phenotype = phenotypes.pop()
    why = CPIC_SAYS if phenotype == INDETERMINATE else ""
    return StarCall(names, phenotype, scores.pop() if len(scores) == 1 else "", why)
