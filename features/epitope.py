"""The shared epitope of rheumatoid arthritis, from typed HLA-DRB1 alleles."""

from __future__ import annotations

import re
from functools import cache

from theracast.features.tables import load_table

#: The shared epitope of Gregersen 1987 (10.1002/art.1780301102): amino acids 70-74 of the DRB1 chain.
SHARED_EPITOPE = frozenset({"QKRAA", "QRRAA", "RRRAA"})
_ALLELE = re.compile(r"(?:HLA-?)?(?:DRB1)?\*?(\d{2}):?(\d{2,3})(?::\d{2,3}){0,2}[GP]?")


@cache
def motifs() -> dict[str, str]:
    """Return amino acids 70 to 74 of the DRB1 alleles known here.

    Returns
    -------
    dict of str to str
        Two-field allele to motif.

    Examples
    --------
    >>> motifs()["04:01"]
    'QKRAA'
    """
    table = load_table("drb1_motifs")
    return dict(zip(table["allele"], table["motif"], strict=True))


def drb1_motif(typed: str) -> str:
    """Find the motif of one typed allele.

    Parameters
    ----------
    typed : str
        As a laboratory writes it: ``DRB1*04:01``, ``HLA-DRB1*0401``, ``04:01:01G``; alleles that could not be told
        apart stand behind one another, ``04:01/04:09``.

    Returns
    -------
    str
        Amino acids 70-74. Empty where they are not known: typed to the first field only (``DRB1*04``), alleles that
        differ there, null alleles, or an allele that the table does not have. Nothing is guessed.

    Examples
    --------
    >>> drb1_motif("HLA-DRB1*0404"), drb1_motif("DRB1*04:01/04:09"), drb1_motif("DRB1*04")
    ('QRRAA', 'QKRAA', '')
    """
    found = set()
    for part in str(typed).upper().replace(" ", "").split("/"):
        fields = _ALLELE.fullmatch(part)
        found.add(motifs().get(f"{fields[1]}:{fields[2]}", "") if fields else "")
    return found.pop() if len(found) == 1 else ""


def drb1_class(motif: str) -> str:
    """Give a motif its class of risk.

    Parameters
    ----------
    motif : str
        Amino acids 70-74.

    Returns
    -------
    str
        By Tezenas du Montcel 2005 (10.1002/art.20989): ``S2`` (K at 71: highest risk), ``S3P`` (R at 71, Q or R at
        70), ``S3D`` (R at 71, D at 70), ``S1`` (A or E at 71), all with RAA at 72-74; ``X`` without.

    Examples
    --------
    >>> [drb1_class(m) for m in ("QKRAA", "QRRAA", "DRRAA", "DERAA", "RRRAE")]
    ['S2', 'S3P', 'S3D', 'S1', 'X']
    """
    if motif[2:] != "RAA":
        return "X"
    return {"K": "S2", "A": "S1", "E": "S1"}.get(motif[1]) or ("S3D" if motif[0] == "D" else "S3P")
