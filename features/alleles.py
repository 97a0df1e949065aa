"""Alleles: which column of a table of dosages counts the effect allele of a score, and how far the two agree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from theracast.features.weights import Weights, chromosome

#: What can become of a variant of a score.
STATES = ("matched", "swapped", "flipped", "flipped and swapped", "unchecked", "ambiguous", "mismatch", "absent")
#: Of these, those that are counted in the sum.
USED = frozenset(STATES[:5])
_COMPLEMENT = str.maketrans("ACGT", "TGCA")


@dataclass(frozen=True)
class Match:
    """Where the copies of one effect allele are counted.

    Attributes
    ----------
    state : str
        One of `STATES`.
    columns : tuple of str
        Columns whose sum is the number of copies; of several where the site has more than two alleles.
    rest : bool
        Whether the effect allele is the reference: then its copies are 2 minus that sum.

    Examples
    --------
    >>> Match("swapped", ("1:100:A:G",), rest=True).rest
    True
    """

    state: str
    columns: tuple[str, ...] = ()
    rest: bool = False


@dataclass(frozen=True)
class Sites:
    """The variants that a table of dosages has, by place and by name.

    Attributes
    ----------
    placed : dict of tuple to list
        (chromosome, position) to (reference, alternative, column).
    named : dict of str to list
        rsid to (counted allele or the empty string, column).
    repeated : list of str
        Columns that say the same as an earlier one.

    Examples
    --------
    >>> Sites.of(["chr1:100:A:G", "1:100:A:G", "rs7_T"]).repeated
    ['chr1:100:A:G']
    """

    placed: dict[tuple[str, int], list[tuple[str, str, str]]]
    named: dict[str, list[tuple[str, str]]]
    repeated: list[str]

    @classmethod
    def of(cls, columns: Iterable[object]) -> Sites:
        """Read the names of columns: ``chrom:pos:ref:alt``, ``rsid_allele``, or a bare ``rsid``.

        Parameters
        ----------
        columns : iterable of str
            Names; others are not variants and are left out.

        Returns
        -------
        Sites
            In the order of the names, so that the order of the columns does not matter.

        Examples
        --------
        >>> Sites.of(["chr1:100:a:g"]).placed
        {('1', 100): [('A', 'G', 'chr1:100:a:g')]}
        """
        placed: dict[tuple[str, int], list[tuple[str, str, str]]] = {}
        named: dict[str, list[tuple[str, str]]] = {}
        repeated = []
        for column in sorted(str(c) for c in columns):
            parts = column.replace("_", ":").split(":") if column[:2].lower() != "rs" else []
            if len(parts) == 4 and parts[1].isdecimal():
                site = placed.setdefault((chromosome(parts[0]), int(parts[1])), [])
                alleles = parts[2].upper(), parts[3].upper()
                known = any(s[:2] == alleles for s in site)
                if not known:
                    site.append((*alleles, column))
            elif column[:2].lower() == "rs" and column[2:].split("_")[0].isdecimal():
                rsid, _, allele = column.partition("_")
                counted = named.setdefault(rsid.lower(), [])
                known = any(allele.upper() == a for a, _ in counted)
                if not known:
                    counted.append((allele.upper(), column))
            else:
                continue
            if known:
                repeated.append(column)
        return cls(placed, named, repeated)


def match_alleles(weights: Weights, sites: Sites, *, keep_ambiguous: bool = False) -> list[Match]:
    """Find the copies of every effect allele of a score.

    By position first, by rsid where the table has no such position. Alleles that agree only after both are turned to
    the other strand are flipped. A/T and C/G variants read the same on both strands: they are dropped unless the
    caller knows that table and score are on one strand. A bare rsid says no allele: its dosages are taken as copies
    of the effect allele, and the variant is called unchecked.

    Parameters
    ----------
    weights : Weights
        The score.
    sites : Sites
        What the table has.
    keep_ambiguous : bool, default False
        Whether A/T and C/G variants are taken as they stand.

    Returns
    -------
    list of Match
        One per variant of the score.

    Examples
    --------
    >>> from theracast.features.weights import read_weights
    >>> toy = read_weights({"variants": {"chr_name": ["1", "1"], "chr_position": [5, 9], "effect_allele": ["A", "C"],
    ...                     "other_allele": ["G", "T"], "effect_weight": [1, 1]}})
    >>> [m.state for m in match_alleles(toy, Sites.of(["1:5:A:G", "1:9:A:G"]))]
    ['swapped', 'flipped']
    """
    out = []
    variants = weights.variants
    for chrom, position, rsid, effect, other in zip(
        *(variants[c] for c in ("chrom", "position", "rsid", "effect", "other")), strict=True
    ):
        site = sites.placed.get((chrom, position), [])
        counted = [] if site else sites.named.get(str(rsid).lower(), [])
        match = (
            _by_place(effect, other, site, keep_ambiguous) if site else _by_name(effect, other, counted, keep_ambiguous)
        )
        out.append(match)
    return out


def _by_place(effect: str, other: str, site: list[tuple[str, str, str]], keep_ambiguous: bool) -> Match:
    turned = effect.translate(_COMPLEMENT), other.translate(_COMPLEMENT)
    strands = [("", effect, other)]
    if other and set(effect + other) <= set("ACGT"):
        strands.append(("flipped", *turned))
    for strand, mine, theirs in strands:
        for ref, alt, column in site:
            if mine not in (ref, alt) or theirs not in (ref, alt, ""):
                continue
            if ref == alt.translate(_COMPLEMENT) and not keep_ambiguous:
                return Match("ambiguous")
            if mine == alt:
                return Match(strand or "matched", (column,))
            columns = tuple(c for r, _, c in site if r == ref)
            return Match(f"{strand} and swapped" if strand else "swapped", columns, rest=True)
    return Match("mismatch")


def _by_name(effect: str, other: str, counted: list[tuple[str, str]], keep_ambiguous: bool) -> Match:
    if not counted:
        return Match("absent")
    alleles = dict(counted)
    if "" in alleles:
        return Match("unchecked", (alleles[""],))
    if other == effect.translate(_COMPLEMENT) and not keep_ambiguous:
        return Match("ambiguous")
    for strand, mine, theirs in (
        ("", effect, other),
        ("flipped", effect.translate(_COMPLEMENT), other.translate(_COMPLEMENT)),
    ):
        if mine in alleles:
            return Match(strand or "matched", (alleles[mine],))
        if theirs and theirs in alleles:
            return Match(f"{strand} and swapped" if strand else "swapped", (alleles[theirs],), rest=True)
    return Match("mismatch")


def report_matches(weights: Weights, matches: list[Match]) -> dict[str, float]:
    """Count what became of the variants of a score.

    Parameters
    ----------
    weights : Weights
        The score.
    matches : list of Match
        From `match_alleles`.

    Returns
    -------
    dict of str to float
        ``variants``, one count per state of `STATES`, and ``weight_share``: the share of the summed absolute weight
        whose variants are counted.

    Examples
    --------
    >>> from theracast.features.weights import read_weights
    >>> toy = read_weights({"variants": {"rsID": ["rs1", "rs2"], "effect_allele": ["A", "C"], "effect_weight": [1, 3]}})
    >>> report_matches(toy, match_alleles(toy, Sites.of(["rs2_C"])))["weight_share"]
    0.75
    """
    states = pd.Series([m.state for m in matches], dtype=object)
    size = weights.variants["weight"].abs()
    share = float(size[states.isin(USED).to_numpy()].sum() / size.sum()) if size.sum() > 0 else 0.0
    return {"variants": len(matches), **{s: int((states == s).sum()) for s in STATES}, "weight_share": share}
