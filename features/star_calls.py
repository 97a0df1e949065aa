"""Star alleles from genotypes: every pair of named alleles that they allow. An absent position is not covered."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from theracast.checks import UNKNOWN
from theracast.features.stars import INDETERMINATE, StarCall, agreed, allele_of
from theracast.features.tables import load_table

#: Genes whose diplotypes unphased genotypes can tell. The others need phase, copy number or whole sequences.
CALLED = ("CYP2C19", "CYP2C9", "CYP3A5", "DPYD", "NUDT15", "SLCO1B1", "TPMT", "UGT1A1", "VKORC1")
#: Genes whose copy number and hybrids no genotype tells.
COPIED = ("CYP2D6",)
_IUPAC = {
    "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG",
    "N": "ACGT",
}  # fmt: skip
_NOT_COVERED = frozenset({".", "./.", ".|.", "-", "-/-", "NN", "N/N"})
_BASES = re.compile(r"([ACGT]+)\s*[/|]\s*([ACGT]+)")


@dataclass(frozen=True)
class Position:
    """One position that tells alleles of a gene apart, on GRCh38.

    Attributes
    ----------
    name, rsid : str
        ``chr10:94781859``; its dbSNP name, or empty.
    reference : str
        Bases of the genome, forward strand.

    Examples
    --------
    >>> positions("VKORC1")
    (Position(name='chr16:31096368', rsid='rs9923231', reference='C'),)
    """

    name: str
    rsid: str
    reference: str


@dataclass(frozen=True)
class _Definition:
    positions: tuple[Position, ...]
    alleles: tuple[str, ...]
    bases: tuple[tuple[frozenset[str], ...], ...]  # allele x position
    own: tuple[frozenset[int], ...]  # per allele, positions where it has a base that no other allele has


@cache
def _definitions() -> dict[str, _Definition]:
    out = {}
    for gene, table in load_table("cpic_definitions").groupby("gene"):
        reference = table[table["is_reference"]].sort_values("position")
        places = tuple(
            Position(f"{c}:{p}", r if isinstance(r, str) else "", b)
            for c, p, r, b in reference[["chromosome", "position", "rsid", "base"]].itertuples(index=False)
        )
        usual = {int(p): b for p, b in zip(reference["position"], reference["base"], strict=True)}
        named = {}
        for allele, rows in table.groupby("allele", sort=False):
            # what a definition does not name is as in the genome
            mine = {**usual, **{int(p): b for p, b in zip(rows["position"], rows["base"], strict=True)}}
            named[str(allele)] = tuple(frozenset(_IUPAC.get(mine[p], [mine[p]])) for p in usual)
        bases = tuple(named.values())
        carried = [Counter(b for allele in bases for b in allele[j]) for j in range(len(places))]
        own = tuple(frozenset(j for j, has in enumerate(a) if all(carried[j][b] == 1 for b in has)) for a in bases)
        out[str(gene)] = _Definition(places, tuple(named), bases, own)
    return out


def positions(gene: str) -> tuple[Position, ...]:
    """List the positions that tell the alleles of a gene apart.

    Parameters
    ----------
    gene : str
        A gene of the table of definitions.

    Returns
    -------
    tuple of Position
        By position; names are columns of table ``genotypes``.

    Examples
    --------
    >>> len(positions("CYP2C19"))
    35
    """
    return _definitions()[gene].positions


def call_diplotypes(gene: str, genotypes: Mapping[str, object]) -> StarCall:
    """Find every diplotype of a gene that unphased genotypes allow.

    A position is in one of three states: called (``G/A``), reference (``G/G``, or ``ref``) or not covered (absent,
    empty, ``./.``). One that is not covered excludes nothing: it is never taken as reference. An allele whose own
    variant (no other allele has it) is not covered stays possible, even where its other variants are absent: they
    only go along with it. Haplotypes are those that CPIC names; two variants that no named allele has together are
    taken to lie on two chromosomes.

    Parameters
    ----------
    gene : str
        One of `CALLED`; of `COPIED` only that it cannot be told.
    genotypes : mapping of str to str
        By position (``chr10:94781859``, GRCh38, forward strand, indels as in VCF) or rsid.

    Returns
    -------
    StarCall
        A phenotype only when all candidates agree; `why` says how many positions are not covered.

    Examples
    --------
    >>> call_diplotypes("VKORC1", {"rs9923231": "T/C"}).phenotype
    '-1639 AG'
    >>> call_diplotypes("CYP2C19", {"rs4244285": "G/G"}).why[:60]
    '34 of 35 defining positions are not covered, the reference i'
    """
    cells = tuple(_genotype(p, genotypes) for p in positions(gene))
    return _called(gene, cells)


def columns_of(position: Position) -> tuple[str, ...]:
    """Names that a column of genotypes may have for a position.

    Parameters
    ----------
    position : Position
        From `positions`.

    Returns
    -------
    tuple of str
        The first that is there is read.

    Examples
    --------
    >>> columns_of(positions("VKORC1")[0])
    ('chr16:31096368', '16:31096368', 'rs9923231')
    """
    return tuple(n for n in (position.name, position.name.removeprefix("chr"), position.rsid) if n)


def read_genotype(position: Position, cell: object) -> tuple[str, str] | None:
    """Read one cell of a table of genotypes.

    Parameters
    ----------
    position : Position
        From `positions`.
    cell : str
        ``G/A``, ``G|A``, or ``ref``; empty, ``.`` or ``./.`` where the position is not covered.

    Returns
    -------
    tuple of str or None
        Two bases; None where it is not covered, or ``("", "")`` where it cannot be read.

    Examples
    --------
    >>> place = positions("VKORC1")[0]
    >>> read_genotype(place, "ref"), read_genotype(place, "./."), read_genotype(place, "0/1")
    (('C', 'C'), None, ('', ''))
    """
    text = str(cell).strip().upper()
    if text.lower() in UNKNOWN or text in _NOT_COVERED:
        return None
    if text == "REF":
        return position.reference, position.reference
    found = _BASES.fullmatch(text)
    return (found[1], found[2]) if found else ("", "")


def defined_bases(gene: str) -> dict[str, frozenset[str]]:
    """Say which bases the named alleles of a gene have at each position.

    Parameters
    ----------
    gene : str
        A gene of the table of definitions.

    Returns
    -------
    dict of str to frozenset of str
        By name of the position.

    Examples
    --------
    >>> sorted(defined_bases("VKORC1")["chr16:31096368"])
    ['C', 'T']
    """
    definition = _definitions()[gene]
    return {p.name: frozenset().union(*(a[j] for a in definition.bases)) for j, p in enumerate(definition.positions)}


def _genotype(position: Position, genotypes: Mapping[str, object]) -> tuple[str, str] | None:
    cells = [read_genotype(position, genotypes[n]) for n in columns_of(position) if n in genotypes]
    return next((c for c in cells if c is not None and c != ("", "")), None)


@cache
def _called(gene: str, cells: tuple[tuple[str, str] | None, ...]) -> StarCall:
    covered = [j for j, c in enumerate(cells) if c is not None]
    if not covered:
        return StarCall()
    if gene in COPIED:
        return StarCall((), INDETERMINATE, "", "copy number and hybrids are not told by genotypes: give a diplotype")
    definition = _definitions()[gene]
    fits = np.ones((len(definition.alleles),) * 2, dtype=bool)
    hidden = np.array([any(cells[j] is None for j in own) for own in definition.own])
    for j in covered:
        usual = definition.positions[j].reference
        has = [
            np.array([base in allele[j] for allele in definition.bases]) | (hidden & (base == usual))
            for base in cells[j] or ()
        ]
        fits &= np.outer(has[0], has[1]) | np.outer(has[1], has[0])
    names = [allele_of(gene, a) for a in definition.alleles]
    call = agreed(gene, [(names[a], names[b]) for a, b in zip(*np.nonzero(np.triu(fits)), strict=True)])
    absent = len(cells) - len(covered)
    if absent and call.phenotype == INDETERMINATE:
        missing = [p.rsid or p.name for p, c in zip(definition.positions, cells, strict=True) if c is None]
        told = ", ".join(missing[:3]) + (f" and {len(missing) - 3} more" if len(missing) > 3 else "")
        none = "" if call.candidates else f"{call.why}; "
        why = f"{none}{absent} of {len(cells)} defining positions are not covered, the reference is not assumed: {told}"
        return StarCall(call.candidates, INDETERMINATE, "", why)
    return call
