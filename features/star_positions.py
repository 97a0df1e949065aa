"""Genotypes at the positions that define star alleles, from a VCF: called, reference, or not covered."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from theracast.errors import DataError
from theracast.features.genotypes import CONTIG_BUILDS, load_reader, told_build
from theracast.features.star_calls import CALLED, Position, positions
from theracast.features.weights import chromosome

#: More than this share of REFs that are not those of GRCh38 is another build.
_MISMATCHES = 0.01


def read_star_positions(path: str | Path, genes: Iterable[str] = CALLED) -> pd.DataFrame:
    """Read the table ``genotypes`` of a cohort from a VCF or gVCF on GRCh38.

    A position that no record covers is empty: not covered, whatever the file was called with. A record without
    alternative, or a gVCF block that spans the position, is the reference. Records that did not pass, half calls,
    symbolic alleles and two records that contradict each other are not covered.

    Parameters
    ----------
    path : str or Path
        ``.vcf``, ``.vcf.gz`` or ``.bcf``.
    genes : iterable of str, optional
        Genes whose positions are read.

    Returns
    -------
    DataFrame of str, shape (n_patients, n_positions)
        Columns ``chr10:94781859``, one for each position; cells ``G/A``; empty is not covered.

    Raises
    ------
    SetupError
        cyvcf2 is not installed.
    DataError
        THX-D33 no such file; THX-D31 it cannot be read; THX-D26 it is on another build, by its header or because
        more than 1% of its REFs are not those of GRCh38.

    Examples
    --------
    >>> read_star_positions("nowhere.vcf")
    Traceback (most recent call last):
    theracast.errors.DataError: THX-D33: no such file | where: nowhere.vcf | do: Check the path.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError("no such file", code="THX-D33", where=str(path), fix="Check the path.")
    wanted = {}
    for gene in genes:
        for place in positions(gene):
            chrom, position = place.name.split(":")
            wanted[chromosome(chrom), int(position)] = place
    module = load_reader("cyvcf2")
    try:
        reader = module.VCF(str(path))
        build = told_build(reader.raw_header)
        if build not in ("", "GRCh38"):
            raise _elsewhere(path, f"contigs of {build}")
        cells, checked, wrong = _read(reader, wanted)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            "the genotypes cannot be read", code="THX-D31", where=str(path), got=type(error).__name__
        ) from None
    if wrong > _MISMATCHES * checked:
        raise _elsewhere(path, f"{wrong} of {checked} REFs are not those of GRCh38")
    ids = pd.Index([str(s) for s in reader.samples], name="patient_id")
    columns = {p.name: cells.get(p.name, [""] * len(ids)) for p in wanted.values()}
    return pd.DataFrame(columns, index=ids, dtype=object)


def _elsewhere(path: Path, got: str) -> DataError:
    builds = ", ".join(sorted(set(CONTIG_BUILDS.values()) - {"GRCh38"}))
    fix = f"Lift it over from {builds} or whatever it is, or call it anew."
    return DataError("not on GRCh38", code="THX-D26", where=str(path), got=got, wanted="GRCh38", fix=fix)


def _read(reader: Any, wanted: dict[tuple[str, int], Position]) -> tuple[dict[str, list[str]], int, int]:
    by_chrom: dict[str, list[int]] = {}
    for chrom, position in sorted(wanted):
        by_chrom.setdefault(chrom, []).append(position)
    cells: dict[str, list[str]] = {}
    checked = wrong = 0
    for record in reader:
        chrom, start = chromosome(record.CHROM), int(record.POS)
        end = int(record.INFO.get("END") or start)
        places = by_chrom.get(chrom, [])
        for position in places[bisect_left(places, start) : bisect_right(places, end)]:
            place = wanted[chrom, position]
            if position == start and len(record.REF) == len(place.reference) == 1:
                checked += 1
                wrong += record.REF.upper() != place.reference
            found = _cells(record, place, start == position)
            before = cells.get(place.name)
            cells[place.name] = (
                found if before is None else [_both(a, b, place) for a, b in zip(before, found, strict=True)]
            )
    return cells, checked, wrong


def _cells(record: Any, place: Position, here: bool) -> list[str]:
    """Bases of each sample; empty where this record does not tell."""
    called = record.genotype.array() if record.genotype is not None else None
    passed = record.FILTER is None and called is not None
    alleles = [record.REF.upper(), *(str(a).upper() for a in record.ALT)]
    if called is None or not passed:
        return [""] * (0 if called is None else len(called))
    block = not here or record.INFO.get("END") is not None
    out = []
    for genotype in called:
        pair = [int(g) for g in genotype[:-1]]
        if len(pair) != 2 or min(pair) < 0:
            out.append("")
        elif pair == [0, 0] and (block or alleles[0] == place.reference):
            # a block tells one base at a time: the reference of an indel may run beyond it
            within = (
                not block or int(record.INFO.get("END")) >= int(place.name.split(":")[1]) + len(place.reference) - 1
            )
            out.append("/".join([place.reference] * 2) if within else "")
        else:
            bases = [alleles[g] for g in pair]
            plain = here and alleles[0] == place.reference and all(set(b) <= set("ACGT") for b in bases)
            out.append("/".join(bases) if plain else "")
    return out


def _both(one: str, two: str, place: Position) -> str:
    """Two records of one position: where one says reference, the other counts; else they contradict each other."""
    usual = "/".join([place.reference] * 2)
    if one == two or two == usual:
        return one
    return two if one == usual else ""
